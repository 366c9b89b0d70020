#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Volumes of a ring with a PIN: asked for when all else holds, and tried once a prompt.
# shellcheck disable=SC2030,SC2031,SC2154 # helper, status, output: from common.bash and bats

load luks/luks

setup() {
    luks_setup
    tpm_boot
    tpm2_dictionarylockout --clear-lockout
    tpm2_dictionarylockout --setup-parameters --max-tries 20
    volume disk
    printf 'correct horse' >pin
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes --pin --pin-file pin 2>/dev/null
    enroll disk --pin-file pin
    before=$(failed_tries)
}

# prompts FILE: a PIN a prompt, in one process, as systemd-cryptsetup does it; $output is
# what each of them came to
prompts() {
    plugged "$helper/prompts" disk <"$1" >out 2>said || true
    output=$(sed -n 's/^pin: //p' out | tr '\n' ' ')
}

# with_pin PIN COMMAND
with_pin() {
    printf '%s\n' "$1" | "${@:2}"
}

@test "the right PIN opens; without one nothing does, and nothing is counted" {
    with_pin 'correct horse' plugged unlock disk
    [ "$(failed_tries)" = "$before" ]
    run plugged unlock disk </dev/null
    [ "$status" -ne 0 ]
    says "ring boot needs a PIN"
    [ "$(failed_tries)" = "$before" ]
}

@test "a wrong PIN is one try, however many copies of the token there are" {
    token disk >token.json
    for number in 2 3 4; do
        sed "s/\"id\":\"..../\"id\":\"$(printf %04x $number)/" token.json >changed.json
        cryptsetup token import --disable-external-tokens --token-id $number --json-file changed.json disk
    done
    run with_pin 'wrong horse' plugged unlock disk
    [ "$status" -ne 0 ]
    [ "$(failed_tries)" = "$((before + 1))" ]
    with_pin 'correct horse' plugged unlock disk
}

@test "three wrong PINs, then it is the passphrase's turn; an empty one at once" {
    printf 'wrong one\nwrong two\nwrong three\n' >three
    prompts three
    [ "$output" = "again again passphrase " ]
    [ "$(failed_tries)" = "$((before + 3))" ]
    printf '\n' >empty
    prompts empty
    [ "$output" = "passphrase " ]
    printf 'wrong one\nwrong one\ncorrect horse\n' >again
    before=$(failed_tries)
    prompts again
    [ "$output" = "again again opened " ]
    # The same once more is no second try.
    [ "$(failed_tries)" = "$((before + 1))" ]
}

@test "no PIN is asked for when the boot state does not hold" {
    extend 0 "firmware 2.0"
    run with_pin 'correct horse' plugged unlock disk
    [ "$status" -ne 0 ]
    says "PCR 0 changed since"
    [[ $output != *"needs a PIN"* ]]
    [ "$(failed_tries)" = "$before" ]
}

@test "a token that hides that its object has a PIN, or claims one, is refused" {
    token disk >token.json
    sed 's/"pin":true/"pin":false/' token.json >changed.json
    set_token disk changed.json
    run commands plugged unlock disk </dev/null
    [ "$status" -ne 0 ]
    [[ $output != *StartAuthSession* ]]
    [ "$(failed_tries)" = "$before" ]
}

@test "in lockout: said, and the passphrase opens" {
    tpm2_dictionarylockout --setup-parameters --max-tries 1
    run with_pin "wrong" plugged unlock disk
    [ "$status" -ne 0 ]
    run with_pin "wrong" plugged unlock disk
    says "lockout"
    by_passphrase disk
    run with_pin 'correct horse' plugged unlock disk
    [ "$status" -ne 0 ]
    tpm2_dictionarylockout --clear-lockout
    with_pin 'correct horse' plugged unlock disk
}

@test "in the initramfs the PIN opens all volumes" {
    volume second 11111111-2222-3333-4444-555555555555
    enroll second --pin-file pin
    run in_initramfs unlock disk </dev/null
    [ "$status" -ne 0 ]
    grep -q "sealring: .*PIN.*: without a PIN the passphrase is asked for" console
    with_pin 'correct horse' in_initramfs unlock disk
    in_initramfs unlock second </dev/null
    keyctl purge user "sealring-ring:$(token disk | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')"
}
