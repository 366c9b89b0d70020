#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What runs before an update: of the kernel, by its packages and kernel-install; of the
# firmware, when an EFI variable was written.
# shellcheck disable=SC2154 # helper, output, status: from common.bash and bats

load common
load eventlogs/logs
load efivars

setup_file() {
    tpm_start
    logs_prepare
}

setup() {
    store_new
    for hook in kernel prepare-firmware; do
        sed "s|/usr/bin/tpm-|$SEALRING_BUILD/bin/tpm-|" "$SEALRING_BUILD/hooks/$hook" >"$hook"
        grep -q "$SEALRING_BUILD/bin/tpm-reseal" "$hook"
    done
    logs_boot "$own/before.bin"
}

approvals() {
    (cd "$RINGS/${1:-system}/approvals" && echo *)
}

# -- kernels ------------------------------------------------------------------------------

# calls COMMAND...: whether it runs tpm-reseal at all
runs_reseal() {
    strace -f -qq -e trace=execve -o trace "$@"
    grep -q 'execve("[^"]*/bin/tpm-reseal"' trace
}

@test "kernel: rings of PCR 0 and 7 are left alone, without asking the TPM" {
    seal key sesame
    run runs_reseal sh kernel 6.1.0-18-amd64 /boot/vmlinuz-6.1.0-18-amd64
    [ "$status" -eq 1 ]
    [ "$(approvals)" = current.pem ]
    # 14 is not 4, and 15=0 is not 5.
    extend 14 'machine owner keys'
    tpm-ring -q create other --no-recovery --pcrs 0+7+14
    tpm-ring -q create boot --manage yes --recovery-key-file "$RK"
    run runs_reseal sh kernel add 6.1.0-18-amd64 /boot/entry
    [ "$status" -eq 1 ]
    # One that depends on the initramfs is found.
    extend 9 'initramfs'
    tpm-ring -q create kernels --no-recovery --pcrs 0+7+9
    run runs_reseal sh kernel 6.1.0-18-amd64 /boot/vmlinuz-6.1.0-18-amd64
    [ "$status" -eq 0 ]
    [ "$(approvals)" = current.pem ]
    [ "$(approvals other)" = current.pem ]
    [ "$(approvals kernels | wc -w)" -ge 2 ]
    # But not where a kernel goes.
    run runs_reseal sh kernel remove 6.1.0-18-amd64
    [ "$status" -eq 1 ]
}

@test "kernel: the next boot opens the ring, that after it does not; an update never fails" {
    extend 9 'initramfs 1'
    seal key sesame --pcrs 0+7+9
    sh kernel 6.1.0-18-amd64 /boot/vmlinuz-6.1.0-18-amd64
    sh kernel 6.1.0-18-amd64 /boot/initrd.img-6.1.0-18-amd64
    tpm-reseal status | grep '^system: bridged: '
    tpm_reboot
    logs_replay "$own/before.bin"
    extend 9 'initramfs 2'
    [ "$(tpm-unseal key)" = sesame ]
    tpm_reboot
    logs_replay "$own/before.bin"
    extend 9 'initramfs 2'
    fails 3 tpm-unseal key
    run sh kernel 6.1.0-19-amd64 /boot/vmlinuz-6.1.0-19-amd64
    [ "$status" -eq 0 ]
    says 'the next boot may ask for a passphrase'
    SEALRING_TCTI=swtpm:path=/nonexistent run sh kernel add 6.1.0-19-amd64 /boot/entry
    [ "$status" -eq 0 ]
}

# -- firmware -----------------------------------------------------------------------------

firmware() {
    sh prepare-firmware efivars run
}

@test "firmware: nothing is staged: nothing is done" {
    seal key sesame
    mkdir -p efivars run
    firmware
    update_info 2 | put_variable "efivars/$fwupd_variable"
    printf '\001\0\0\0\0\0\0\0' | put_variable "efivars/$indications"
    measured_dbx "$own/before.bin" | put_variable "efivars/$dbx_variable"
    run firmware
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    [ "$(approvals)" = current.pem ]
    [ ! -e run/prepared ]
}

@test "firmware: staged by fwupd, or as a capsule on the disk: the next boots open" {
    seal key sesame
    mkdir -p run efivars
    update_info 1 | put_variable "efivars/$fwupd_variable"
    firmware
    tpm-reseal status | grep '^system: bridged: the next 3 boots open it whatever PCR 0 is'
    # Once is enough, until something else is staged.
    run commands firmware
    [ "$output" = '' ]
    tpm-reseal -q prepare --undo
    rm "efivars/$fwupd_variable" run/prepared
    printf '\004\0\0\0\0\0\0\0' | put_variable "efivars/$indications"
    firmware
    tpm-reseal status | grep '^system: bridged: '
    logs_mix 0 "$own/after.bin" "$own/before.bin" mixed.bin
    logs_boot "$PWD/mixed.bin"
    [ "$(tpm-unseal key)" = sesame ]
}

@test "firmware: dbx as fwupd left it is foreseen, and nothing else" {
    seal key sesame
    mkdir -p efivars run
    measured_dbx "$own/before.bin" >before.esl
    cat before.esl "$own/dbx.esl" | put_variable "efivars/$dbx_variable"
    tail -c +5 "efivars/$dbx_variable" | cmp - <(measured_dbx "$own/after.bin")
    firmware
    tpm-reseal status | grep '^system: pending: an update is prepared for'
    logs_mix 7 "$own/after.bin" "$own/before.bin" mixed.bin
    logs_boot "$PWD/mixed.bin"
    [ "$(tpm-unseal key)" = sesame ]
    # In this boot that is what was measured.
    rm run/prepared
    run firmware
    [ "$output" = "" ]
    [ ! -e run/prepared ]
    # Written anew from the start, it is nothing that can be foreseen.
    put_variable "efivars/$dbx_variable" <"$own/dbx.esl"
    run firmware
    [ "$status" -eq 0 ]
    says "dbx is not what an update makes of it"
    [ ! -e run/prepared ]
}

@test "firmware: both at once; a ring that can't be prepared makes it fail, and is tried again" {
    seal key sesame
    mkdir -p efivars run
    update_info 1 | put_variable "efivars/$fwupd_variable"
    { measured_dbx "$own/before.bin" && cat "$own/dbx.esl"; } | put_variable "efivars/$dbx_variable"
    SEALRING_TCTI=swtpm:path=/nonexistent run firmware
    [ "$status" -ne 0 ]
    [ ! -e run/prepared ]
    firmware
    [ "$(cut -d ' ' -f 1 run/prepared | tr '\n' ' ')" = 'next-boot dbx ' ]
    tpm_reboot
    logs_configure "$own/after.bin"
    logs_replay "$own/after.bin"
    [ "$(tpm-unseal key)" = sesame ]
    run tpm-reseal confirm
    tpm-reseal status | grep '^system: ready: '
}
