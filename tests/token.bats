#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A volume is unlocked by its header's token, while the boot state holds and never else.
# shellcheck disable=SC2154 # helper: from common.bash

load luks/luks

# bats test_tags=minimal
@test "opens; not after a PCR changed, which is said; after a restart again" {
    enroll disk
    plugged unlock disk
    extend 0 "firmware 2.0"
    run plugged unlock disk
    [ "$status" -ne 0 ]
    says "sealring: ring boot: policy does not hold: PCR 0 changed since"
    says "tpm-reseal"
    by_passphrase disk
    tpm_boot
    plugged unlock disk
}

@test "without the plugin nothing opens by itself" {
    enroll disk
    fails 1 unlock disk
    plugged unlock disk
}

@test "closed once the latch PCR was extended, on each bank" {
    enroll disk
    plugged unlock disk
    latch
    run plugged unlock disk
    [ "$status" -ne 0 ]
    by_passphrase disk
    tpm_boot
    plugged unlock disk
}

@test "enrolled while latched: opens in the next boot" {
    latch
    enroll disk
    run plugged unlock disk
    [ "$status" -ne 0 ]
    tpm_boot
    plugged unlock disk
}

@test "another TPM: closed, and said before any PCR is named" {
    enroll disk
    tpm_start second
    boot_state
    run plugged unlock disk
    [ "$status" -ne 0 ]
    says "sealed by another TPM"
    [[ $output != *"PCR"* ]]
    no_handles_left
    tpm_stop second
    tpm_use main
    plugged unlock disk
}

@test "no TPM: at once, and the passphrase is asked for" {
    enroll disk
    SEALRING_TCTI=swtpm:path=$PWD/none run plugged unlock disk
    [ "$status" -ne 0 ]
    says "sealring: "
    SEALRING_TCTI=swtpm:path=$PWD/none plugged cryptsetup open --test-passphrase \
        --key-file "$PW" disk
}

@test "five TPM commands" {
    enroll disk
    run commands plugged unlock disk
    [ "$status" -eq 0 ]
    [ "$output" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
}

@test "in the initramfs a second volume costs no TPM command" {
    volume second 11111111-2222-3333-4444-555555555555
    enroll disk
    enroll second
    run commands in_initramfs unlock disk
    [ "$output" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    run commands in_initramfs unlock second
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    # Elsewhere nothing is kept, and what is kept is not looked for.
    run commands plugged unlock second
    [ "$output" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
}

@test "in the initramfs a kept key that opens nothing is dropped, and the TPM asked" {
    enroll disk
    id=$(token disk | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
    head -c 32 /dev/urandom | keyctl padd user "sealring-ring:$id" @u
    run commands in_initramfs unlock disk
    [ "$status" -eq 0 ]
    [ "$output" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
}

@test "in the initramfs the console says what to do, and the boot is noted" {
    enroll disk
    in_initramfs unlock disk
    [ ! -e console ]
    ls run/boot/boot.opened
    keyctl purge user "sealring-ring:$(token disk | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')"
    extend 0 "firmware 2.0"
    fails 1 in_initramfs unlock disk
    today=$(date +%F)
    [ "$(tr -d '\r' <console)" = "sealring: PCR 0 changed since $today: enter the passphrase, then: tpm-reseal status" ]
    says "sealring: PCR 0 changed since $today: enter the passphrase, then: tpm-reseal status"
    ls run/boot/boot.failed
    tpm_boot
}

# kept NAME: the ring key that was kept in the keyring
kept() {
    keyctl search @u user "sealring-ring:$(token "$1" | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')"
}

@test "in the initramfs a ring that can't be noted as open is closed again" {
    enroll disk
    mkdir -p run
    touch run/boot
    fails 1 in_initramfs unlock disk
    run kept disk
    [ "$status" -ne 0 ]
    rm run/boot
    in_initramfs unlock disk
    kept disk
}

@test "in the initramfs a ring that a forged token opened is noted as open" {
    enroll disk
    token disk >token.json
    cp disk forged
    sed 's/"secret":"[^"]*"/"secret":"AAAA"/' token.json >changed.json
    set_token forged changed.json
    fails 1 in_initramfs unlock forged
    ls run/boot/boot.opened
}
