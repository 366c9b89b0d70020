#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The virtual machine itself: it boots, measures, and what is changed shows in the right PCR.
#
# Where sealring was installed with DESTDIR is in VM_OVERLAY.

# shellcheck disable=SC2016,SC2034,SC2154 # for the shell in the machine; from and for vm.bash
load vm

setup() {
    VM_WORK=$BATS_TEST_TMPDIR
    image=$(VM_OVERLAY='' "$BATS_TEST_DIRNAME/image")
    vm_new harness "$image"
}

teardown() {
    vm_kill
}

# boot WHAT: by passphrase, to a quiet shell; says how long it took
boot() {
    local prompt commands
    vm_tpm_mark
    vm_start
    vm_prompt 180
    prompt=$vm_time
    commands=$(vm_tpm_commands)
    vm_type "$VM_PASSPHRASE"
    vm_login 120
    vm_say "$1: prompt after $prompt s ($commands TPM commands), login after $vm_time s"
}

# pcrs: PCR 0 and 7 in $pcr0 and $pcr7; $others stands for the rest, without 1 and 5, which
# hold what firmware remembers of earlier boots
pcrs() {
    vm_do '(cd /sys/class/tpm/tpm0/pcr-sha256 && cat 0 7 && cat 2 3 4 6 8 9 14 | sha256sum)'
    { read -r pcr0 && read -r pcr7 && read -r others; } <<<"$vm_output"
    [ "${#pcr0}" -eq 64 ] && [ "${#pcr7}" -eq 64 ]
}

@test "what changes which PCR" {
    boot 'first boot'
    pcrs
    local first0=$pcr0 first7=$pcr7 first=$others
    vm_do 'tpm2_pcrread sha256:0 -T device:/dev/tpmrm0'
    [[ ${vm_output^^} == *"$first0"* ]]
    vm_do 'mokutil --sb-state'
    [[ $vm_output == *'SecureBoot enabled'* ]]
    vm_do '[ -d /sys/block/dm-0 ] && findmnt -n -o SOURCE /'
    [ "$vm_output" = /dev/mapper/root ]

    vm_stop
    boot 'again'
    pcrs
    [ "$pcr0 $pcr7 $others" = "$first0 $first7 $first" ]

    vm_stop
    vm_use_firmware 2
    boot 'other firmware'
    pcrs
    [ "$pcr0" != "$first0" ]
    [ "$pcr7 $others" = "$first7 $first" ]

    vm_stop
    vm_use_firmware 1
    vm_update_dbx
    boot 'other revocation list'
    pcrs
    [ "$pcr7" != "$first7" ]
    [ "$pcr0 $others" = "$first0 $first" ]
}

@test "the programs, brought in on a disk of their own" {
    [ -n "${VM_OVERLAY-}" ] || skip 'VM_OVERLAY is not set'
    vm_bring "$VM_OVERLAY"
    boot 'first boot'
    vm_install
    vm_do "printf 'the secret' | tpm-seal --quiet --recovery-key-file /root/recovery.key db"
    vm_tpm_mark
    vm_do 'tpm-unseal db'
    [ "$vm_output" = 'the secret' ]
    vm_say "tpm-unseal: $(vm_tpm_commands) TPM commands"
    vm_do 'tpm-unseal --keyring @u db && keyctl pipe "$(keyctl search @u user sealring:db)"'
    [ "${vm_output##*$'\n'}" = 'the secret' ]
    # Debian's kernels have no big_key: CHACHA20POLY1305 is a module.
    vm_run 'tpm-unseal --keyring @u --type big_key db'
    vm_say "big_key: exit status $vm_status: $vm_output"

    vm_reboot
    vm_prompt 180
    vm_type "$VM_PASSPHRASE"
    vm_login 120
    vm_do 'tpm-unseal db'
    [ "$vm_output" = 'the secret' ]

    vm_stop
    vm_use_firmware 2
    boot 'other firmware'
    vm_run 'tpm-unseal db'
    vm_say "other firmware: exit status $vm_status: $vm_output"
    [ "$vm_status" -eq 3 ]
    [[ $vm_output == *'PCR 0'* && $vm_output != *'PCR 7'* ]]
    vm_do 'tpm-unseal --recovery-key-file /root/recovery.key db'
    [ "$vm_output" = 'the secret' ]

    vm_stop
    vm_use_firmware 1
    vm_update_dbx
    boot 'other revocation list'
    vm_run 'tpm-unseal db'
    vm_say "other revocation list: exit status $vm_status: $vm_output"
    [ "$vm_status" -eq 3 ]
    [[ $vm_output == *'PCR 7'* && $vm_output != *'PCR 0'* ]]
    vm_stop
}

@test "a planted root file system, another command line, a power cut: PCR 0 and 7 stay" {
    boot 'first boot'
    pcrs
    local first0=$pcr0 first7=$pcr7 other menu=$BATS_TEST_TMPDIR/grub.cfg
    vm_do 'touch /root/mine && sync /root/mine'
    vm_kill

    boot 'after a power cut'
    vm_do 'ls /root/mine && cat /sys/class/tpm/tpm0/pcr-sha256/8'
    local before8=${vm_output##*$'\n'}
    vm_stop

    VM_PASSPHRASE='of an attacker'
    export VM_PASSPHRASE
    other=$(VM_OVERLAY='' "$BATS_TEST_DIRNAME/image")
    vm_read_root "$BATS_TEST_TMPDIR/planted" "$vm_root_size" "$other/disk.raw"
    vm_write_root "$BATS_TEST_TMPDIR/planted"
    mcopy -i "$vm_disk@@1M" ::/EFI/debian/grub.cfg "$menu"
    sed -i 's/ ro / ro probe=1 /' "$menu"
    mcopy -o -i "$vm_disk@@1M" "$menu" ::/EFI/debian/grub.cfg

    boot 'planted'
    pcrs
    [ "$pcr0 $pcr7" = "$first0 $first7" ]
    vm_do 'ls /root/mine || grep -o probe=1 /proc/cmdline && cat /sys/class/tpm/tpm0/pcr-sha256/8'
    [[ $vm_output == *"No such file"*probe=1* ]]
    [ "${vm_output##*$'\n'}" != "$before8" ]
    vm_stop
}
