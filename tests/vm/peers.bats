#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What systemd-cryptenroll and clevis do in the same guest: the numbers beside ours in
# doc/vm.md. Not part of check-vm, as it judges nobody; `make bench-vm` runs it.
#
# BENCH_ROUNDS is how many unattended boots each gets, in turn (5), BENCH_WHO who takes
# part. Where sealring was installed with DESTDIR is in VM_OVERLAY.

# shellcheck disable=SC2016,SC2034,SC2154 # for the shell in the machine; from and for vm.bash
load vm

# Same packages for all, so that only the initramfs differs.
export VM_PACKAGES='clevis-luks clevis-tpm2 clevis-dracut'
read -r -a contenders <<<"none ${BENCH_WHO:-sealring systemd clevis}"
attacker='of an attacker'

# image NAME: prints the directory of its image; that of "attacker" has a root volume only, with
# the programs of all of them
image() {
    local omit=' clevis clevis-pin-tpm2 clevis-pin-null clevis-pin-sss clevis-pin-tang tpm2-tss '
    local overlay='' add=''
    case $1 in
    sealring) overlay=$VM_OVERLAY ;;
    attacker)
        VM_PASSPHRASE=$attacker VM_BOOT=no "$BATS_TEST_DIRNAME/image"
        return
        ;;
    systemd) omit=${omit/ tpm2-tss / } add=' tpm2-tss ' ;;
    clevis) omit=' tpm2-tss ' add=' clevis-pin-tpm2 ' ;;
    esac
    VM_OVERLAY=$overlay VM_DRACUT="omit_dracutmodules+=\"$omit\"
add_dracutmodules+=\"$add\"" "$BATS_TEST_DIRNAME/image"
}

setup() {
    VM_WORK=$BATS_FILE_TMPDIR
    vm_disk_device=/dev/disk/by-uuid/$VM_LUKS_UUID
}

teardown() {
    vm_kill
}

# enroll NAME: a machine that unlocks by its TPM from now on, switched off
enroll() {
    vm_new "$1" "$(image "$1")"
    vm_start
    vm_prompt 180
    vm_type "$VM_PASSPHRASE"
    vm_login 120
    case $1 in
    sealring)
        vm_do "printf %s '$VM_PASSPHRASE' | tpm-luks enroll --passphrase-file - \
--recovery-key-file /root/boot.key $vm_disk_device" 180
        ;;
    systemd)
        vm_do "PASSWORD='$VM_PASSPHRASE' systemd-cryptenroll --tpm2-device=auto \
--tpm2-pcrs=0+7 $vm_disk_device" 180
        ;;
    clevis)
        vm_do "printf %s '$VM_PASSPHRASE' | clevis luks bind -k - -y -d $vm_disk_device tpm2 \
'{\"pcr_bank\":\"sha256\",\"pcr_ids\":\"0,7\"}'" 180
        ;;
    esac
    vm_stop
}

# use NAME: go on with the machine that enroll made
use() {
    vm_dir=$VM_WORK/$1
    vm_disks=()
    vm_disk=$vm_dir/disk.qcow2
    vm_disk_format=qcow2
    vm_use_firmware 1
}

# unlock_times: of the running machine: seconds the unlock unit took, and from the
# kernel's start until it was done; and units of ours, if they are there
unlock_times() {
    local unit=systemd-cryptsetup@root.service since
    vm_do "systemctl show -P ActiveEnterTimestampMonotonic $unit"
    since=$(awk '{ printf "%.1f", $1 / 1e6 }' <<<"$vm_output")
    vm_seconds "$unit"
    times="$vm_took s in the unit, done $since s after the kernel's start"
    for unit in tpm-wait tpm-latch; do
        vm_seconds "$unit.service"
        [ "$vm_took" = 0.00 ] || times+=", $unit $vm_took s"
    done
}

@test "growth of the initramfs" {
    local name size base
    for name in "${contenders[@]}"; do
        size=$(stat -c %s "$(image "$name")/initrd.img")
        [ "$name" = none ] && base=$size
        vm_say "$name: $size bytes, $((size - base)) more"
    done
}

@test "unattended boots in turn" {
    local name round times commands
    for name in "${contenders[@]:1}"; do
        enroll "$name"
    done
    for ((round = 1; round <= ${BENCH_ROUNDS:-5}; round++)); do
        for name in "${contenders[@]:1}"; do
            use "$name"
            vm_start
            vm_login 300
            unlock_times
            commands=$(vm_tpm_codes_of_programs)
            vm_say "$name: $times; $(wc -w <<<"$commands") TPM commands: $commands"
            vm_stop
        done
    done
}

@test "from an attacker's root file system: the victim's header" {
    local name planted=$VM_WORK/planted header=$VM_WORK/header
    vm_read_root "$planted" "$vm_root_size" "$(image attacker)/disk.raw"
    for name in "${contenders[@]:1}"; do
        use "$name"
        cp "$vm_disk" "$VM_WORK/victim.qcow2"
        vm_flatten
        vm_read_root "$header" 16
        vm_write_root "$planted"
        truncate -s 64M "$header"
        vm_add_disk "$header" header
        vm_start
        vm_prompt 180
        vm_type "$attacker"
        vm_login 120
        case $name in
        clevis) vm_run 'clevis luks pass -d /dev/disk/by-id/virtio-header -s 1 | wc -c' 120 ;;
        *) vm_run 'cryptsetup open --test-passphrase --token-only -v \
/dev/disk/by-id/virtio-header </dev/null' 120 ;;
        esac
        vm_say "$name: the victim's header: exit status $vm_status: $vm_output"
        vm_kill
        rm "$vm_disk" "$header"
        mv "$VM_WORK/victim.qcow2" "$vm_dir/disk.qcow2"
    done
}

@test "another PCR 0, then another PCR 7" {
    local name
    for name in "${contenders[@]:1}"; do
        use "$name"
        vm_use_firmware 2
        console "$name, PCR 0 changed"
        vm_use_firmware 1
        vm_update_dbx
        console "$name, PCR 7 changed"
    done
}

# console WHAT: boot, show what is on the console from kernel to prompt, give the passphrase
console() {
    local from
    from=$(stat -c %s "$vm_dir/console.log")
    vm_start
    vm_prompt 180
    vm_say "$1: prompt after $vm_time s; on the console:"
    tail -c +$((from + 1)) "$vm_dir/console.log" | tr -d '\r' | sed -e '1,/Welcome to.*Debian/d' |
        grep -v -e '^$' -e '^ *\(Starting\|Mounting\|Expecting\) ' -e '^\[ *\(OK\|INFO\) *\]' |
        while read -r line; do vm_say "    $line"; done
    vm_type "$VM_PASSPHRASE"
    vm_login 120
    vm_run "journalctl -b --no-pager -o cat | grep -iE 'tpm|pcr|token|clevis|seal' | tail -n 30"
    vm_say "$1: in the journal:"
    while read -r line; do vm_say "    $line"; done <<<"$vm_output"
    vm_stop
}
