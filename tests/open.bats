#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main job: sealed to PCR 0+7, opened while they hold, refused after they moved.

load common

@test "what was sealed comes back, byte for byte" {
    head -c 100000 /dev/urandom >data
    tpm-seal -q --recovery-key-file "$RK" blob data
    tpm-unseal blob | cmp - data
    printf 'a\0b\n' | tpm-seal -q binary
    [ "$(tpm-unseal binary | xxd -p)" = 6100620a ]
}

@test "it survives a reboot into the same state" {
    seal key sesame
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
}

@test "PCR 7 moved: exit 3 and its name; after a reboot it opens again" {
    seal key sesame
    extend 7 "another certificate"
    fails 3 tpm-unseal key
    one_line
    says "PCR 7 changed since $(date -u +%F)"
    [[ $output != *"PCR 0"* ]]
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
}

@test "PCR 0 and 7 both moved: both are named" {
    seal key sesame
    tpm_reboot
    boot_state "firmware 2.0" "secure boot off"
    fails 3 tpm-unseal key
    says "PCR 0 and PCR 7 changed"
    tpm_boot
}

@test "a PCR outside the list does not matter" {
    seal key sesame
    extend 10 "measured by IMA"
    extend 4 "a boot loader"
    [ "$(tpm-unseal key)" = sesame ]
    tpm_boot
}

@test "opening a ring is five TPM commands, whatever the number of secrets" {
    five="StartAuthSession PolicyPCR Load Unseal FlushContext"
    seal one 1
    [ "$(commands tpm-unseal one)" = "$five" ]
    for n in $(seq 20); do seal "more$n" "$n"; done
    run commands tpm-unseal --quiet --all --credential=creds
    says "$five"
    [ "$output" = "$five" ]
    [ "$(cat creds/more7)" = 7 ]
    printf x | commands tpm-seal -q another >names
    [ "$(cat names)" = "$five" ]
}

@test "creating a ring is nine TPM commands; re-sealing ten, whatever the number of secrets" {
    printf x | commands tpm-seal -q --recovery-key-file "$RK" one >names
    cat names
    [ "$(wc -w <names)" -eq 9 ]
    for n in $(seq 20); do seal "more$n" "$n"; done
    run commands tpm-reseal -q now
    echo "$output"
    [ "$(wc -w <<<"$output")" -eq 10 ]
    [ "$(tpm-unseal one)" = x ]
}

@test "sealing to another bank and other PCRs" {
    seal key sesame --ring other --pcrs sha384:0+4+7
    [ "$(tpm-unseal key)" = sesame ]
    extend 4 "another loader"
    fails 3 tpm-unseal key
    says "PCR 4 changed"
    tpm_boot
}

@test "a bank that firmware did not measure into is refused" {
    tpm_reboot
    fails 2 tpm-seal --generate --no-recovery key
    says --accept-unmeasured
    tpm-seal -q --generate=16 --no-recovery --accept-unmeasured key
    [ "$(tpm-unseal key | wc -c)" -eq 16 ]
    tpm_boot
}

@test "sealed to a state that is still to come: closed now, open then" {
    present=$(tpm2_pcrread -Q sha256:7 -o 7.bin && xxd -p -c 64 7.bin)
    future=$({ xxd -r -p <<<"$present"; printf %s dbx | sha256sum | xxd -r -p; } |
        sha256sum | cut -d' ' -f1)
    seal key sesame --pcrs "0+7=$future"
    fails 3 tpm-unseal key
    says "PCR 7"
    extend 7 dbx
    [ "$(tpm-unseal key)" = sesame ]
    tpm_boot
}
