#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario e: an attacker puts a root file system of his own in the place of the victim's:
# the same UUIDs, his passphrase. It boots, and PCR 0 and 7 are the victim's.

# shellcheck disable=SC2034,SC2154 # for and from vm.bash
load scenario

attacker='of an attacker'

# First, so that another scenario can make the enrolled machine meanwhile.
setup() {
    VM_WORK=$BATS_TEST_TMPDIR
    attackers_disk=$(attackers_image)/disk.raw
    vm_machine machine
}

# attackers_image: prints its directory; what runs there first is vm-grab-keys and vm-grab
attackers_image() {
    local overlay=$BATS_TEST_TMPDIR/overlay etc
    etc=$overlay/etc/systemd
    cp -r "$VM_OVERLAY" "$overlay"
    mkdir -p "$etc/system/sysinit.target.wants" "$etc/system-generators"
    ln -s ../vm-grab.service "$etc/system/sysinit.target.wants"
    ln -s /usr/local/sbin/vm-grab-keys "$etc/system-generators"
    VM_OVERLAY=$overlay VM_PASSPHRASE=$attacker VM_BOOT=no "$vm_here/image"
    rm -rf "$overlay"
}

# attack WHAT: boots; $vm_output is what vm-grab got. The initramfs is the victim's: it opens
# his data volume by the TPM, and so has the ring key until the latch.
attack() {
    vm_ask "$1"
    vm_answer "$attacker"
    vm_do 'systemctl start vm-grab.service; cat /run/vm-grab.out' 180
    vm_say "$1: ${vm_output//$'\n'/; }"
    [[ $vm_output == *$'\n'finished ]]
}

@test "a planted root file system gets nothing; with the latch off it does" {
    vm_flatten
    vm_read_root "$vm_dir/header" 16
    truncate -s 64M "$vm_dir/header"
    vm_read_root "$vm_dir/planted" "$vm_root_size" "$attackers_disk"
    vm_write_root "$vm_dir/planted"
    rm "$vm_dir/planted"
    vm_add_disk "$vm_dir/header" header
    vm_add_disk "$vm_dir/data.raw" data
    vm_menu "s/ ro / ro rd.luks.name=$vm_data_uuid=data /"

    attack 'latched'
    [[ $vm_output == *'header: exit status 1'* ]]
    [[ $vm_output == *'approval: exit status 3, 0 bytes'* ]]
    # The key "cryptsetup" is the attacker's own passphrase, which systemd remembers.
    [[ ! $vm_output =~ key:[^$'\n']*sealring ]]
    vm_do '[ ! -e /dev/mapper/data ]'
    vm_stop

    vm_implant_without_latch
    attack 'control: latch off'
    [[ $vm_output == *'header: exit status 0'* ]]
    [[ $vm_output == *'approval: exit status 0, 32 bytes'* ]]
    [[ $vm_output =~ key:[^$'\n']*sealring ]]
    vm_do '[ -b /dev/mapper/data ]'
    vm_stop
}
