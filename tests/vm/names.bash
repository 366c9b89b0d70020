# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the image of the virtual machine and those who boot it agree on.

# shellcheck disable=SC2034 # for those who read this file
{
    VM_PASSPHRASE=${VM_PASSPHRASE:-correct horse}
    VM_DISK_UUID=5ea10000-0000-4000-8000-00000000000d
    VM_LUKS_UUID=5ea10000-0000-4000-8000-000000000001
    VM_ROOT_UUID=5ea10000-0000-4000-8000-000000000002
    VM_ESP_UUID=5EA1-0001
    VM_ESP_SIZE=256M
    VM_ROOT_SIZE=768M
    # Names of disks on this machine: /dev/disk/by-id/virtio-NAME
    VM_DISK_NAME=main
    VM_PAYLOAD_NAME=payload
    # What the console shows is what the harness reads. Without no_timer_check one boot in
    # sixty panics on a busy machine; the rest saves a third of the time of a boot.
    VM_CMDLINE='console=ttyS0,115200 loglevel=4 systemd.show_status=1 TERM=dumb'
    VM_CMDLINE+=' no_timer_check mitigations=off nokaslr audit=0 apparmor=0 8250.nr_uarts=1'
    # A busy machine is slow, and not broken.
    VM_CMDLINE+=' systemd.default_timeout_start_sec=600'
    VM_CMDLINE+=' systemd.default_device_timeout_sec=600 nowatchdog'
}
