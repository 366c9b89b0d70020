#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# PINs, and what a person sees: asked late, tried once, never shown; the recovery key, once.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load common
load pins

setup() {
    pins_new
    export TERM=xterm
}

# guarded NAME TEXT: sealed under the ring that has a PIN
guarded() {
    seal "$1" "$2" --ring guarded --pin --pin-file pin
}

# on_terminal [ANSWERS --] COMMAND: $output is what the terminal showed
on_terminal() {
    "$helper/pty" "$@"
}

# without a terminal or anybody else to ask
alone() {
    setsid --wait "$@" </dev/null
}

fails_somehow() {
    run "$@"
    echo "$status: $output"
    [ "$status" -ne 0 ] && [ "$status" -lt 10 ]
}

@test "the right PIN opens, in six TPM commands" {
    guarded key sesame
    [ "$(commands tpm-unseal --pin-file pin key)" = \
        "StartAuthSession PolicyPCR PolicyAuthValue Load Unseal FlushContext" ]
    [ "$(cat out)" = sesame ]
    for n in 1 2 3; do seal "more$n" "$n" --ring guarded --pin-file pin; done
    [ "$(commands tpm-unseal -q --all --credential=creds --pin-file pin | wc -w)" -eq 6 ]
    [ "$(cat creds/more2)" = 2 ]
}

@test "a PIN without the newline, and one of 32 bytes, are the same to us" {
    printf 'correct horse battery' >bare
    guarded key sesame
    [ "$(tpm-unseal --pin-file bare key)" = sesame ]
    printf '%032d' 7 >pin
    seal long 32 --ring long --pin --pin-file pin
    [ "$(tpm-unseal --pin-file pin long)" = 32 ]
}

@test "a wrong PIN: exit 4, one line, and one try on the TPM's counter" {
    guarded key sesame
    for command in "tpm-unseal --pin-file wrong key" "tpm-reseal -q now --pin-file wrong guarded" \
        "tpm-seal -q -r guarded -g --pin-file wrong more" \
        "tpm-ring rotate guarded --no-recovery --pin-file wrong" \
        "tpm-unseal --pin-file wrong --all --credential=creds" \
        "tpm-unseal --pin-file wrong --file $RINGS/guarded/approvals/current.pem"; do
        before=$(failed_tries)
        # shellcheck disable=SC2086 # words on purpose
        fails 4 commands $command
        [ "$(tail -n 1 <<<"$output" | tr ' ' '\n' | grep -c '^Unseal$')" -eq 1 ]
        says "wrong PIN"
        echo "counter: $before, then $(failed_tries)"
        [ "$(failed_tries)" -eq $((before + 1)) ]
    done
    [ ! -e creds/key ]
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
}

@test "a second approval does not cost a second try" {
    guarded key sesame
    cp "$RINGS/guarded/approvals/current.pem" "$RINGS/guarded/approvals/older.pem"
    before=$(failed_tries)
    fails 4 tpm-unseal --pin-file wrong key
    [ "$(failed_tries)" -eq $((before + 1)) ]
}

@test "the PIN is asked only after the PCRs held" {
    guarded key sesame
    # they hold: it is missed
    fails 4 alone tpm-unseal key
    one_line
    says PIN
    before=$(failed_tries)
    extend 7 "another certificate"
    fails 3 alone tpm-unseal key
    one_line
    says "PCR 7"
    fails 3 alone tpm-unseal --pin-file nowhere key
    fails 3 alone tpm-unseal --pin-file wrong key
    # nor on a terminal
    fails 3 on_terminal -- tpm-unseal key
    [[ $output != *"PIN of"* ]]
    [ "$(failed_tries)" = "$before" ]
    tpm_boot
    before=$(failed_tries) # a TPM that loses power counts one
    fails 4 alone tpm-unseal --pin-file wrong key
    [ "$(failed_tries)" -eq $((before + 1)) ]
}

@test "no PIN, an empty one, one too long, one with NUL: refused, nothing tried" {
    guarded key sesame
    before=$(failed_tries)
    : >empty
    echo >newline
    printf '%033d' 7 >long
    printf '%034d\n' 7 >longer
    printf 'correct\0horse battery' >nul
    count=0
    for file in empty newline long longer nul absent; do
        fails_somehow tpm-unseal --pin-file $file key
        one_line
        fails_somehow tpm-seal -q -g --no-recovery --ring new --pin --pin-file $file new
        one_line
        [ ! -e "$RINGS/new" ]
        count=$((count + 1))
    done
    [ "$count" -eq 6 ]
    [ "$(failed_tries)" = "$before" ]
}

@test "a short PIN needs a lockout authorization; until then a long one is warned about" {
    printf '12345678901\n' >pin # eleven
    fails 4 tpm-seal -q -g --no-recovery --ring short --pin --pin-file pin key
    one_line
    says "the PIN is too short"
    says "take 12 characters"
    [ ! -e "$RINGS/short" ]
    printf '123456789012\n' >pin
    fails 0 tpm-seal -q -g --no-recovery --ring twelve --pin --pin-file pin twelve
    one_line
    says "lockout authorization is not set: guessing the PIN is not slowed down"

    tpm2_changeauth -Q -c lockout secret
    printf '1\n' >pin
    fails 0 tpm-seal -q -g --no-recovery --ring short --pin --pin-file pin key
    [ -z "$output" ]
    [ "$(tpm-unseal --pin-file pin key | wc -c)" -eq 32 ]
    fails 4 tpm-unseal --pin-file wrong key
    tpm2_changeauth -Q -c lockout -p secret
}

@test "re-sealing keeps the PIN, or sets another" {
    guarded key sesame
    extend 7 "another certificate"
    tpm-reseal -q recover guarded --recovery-key-file "$RK" --pin --pin-file pin
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    tpm-reseal -q now --pin-file pin guarded
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    fails 4 alone tpm-unseal key
    fails 4 tpm-unseal --pin-file wrong key
    [ "$(tpm-ring show guarded | grep -c 'and a PIN')" -eq 1 ]
    tpm_boot
}

@test "re-sealing gives a PIN to a ring without one" {
    seal key sesame
    [ "$(alone tpm-unseal key)" = sesame ]
    tpm-reseal -q now --pin --pin-file pin system
    fails 4 alone tpm-unseal key
    fails 4 tpm-unseal --pin-file wrong key
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    tpm-ring show system | grep 'and a PIN'
}

@test "rotating keeps the PIN" {
    guarded key sesame
    tpm-ring rotate -q guarded --no-recovery --pin-file pin
    fails 4 alone tpm-unseal key
    fails 4 tpm-unseal --pin-file wrong key
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
}

@test "recovering a ring that has a PIN wants one" {
    guarded key sesame
    extend 7 "another certificate"
    before=$(sha256sum "$RINGS/guarded/approvals/current.pem")
    fails 4 tpm-reseal -q recover guarded --recovery-key-file "$RK"
    says "has a PIN, which recovery does not know: give one with --pin"
    [ "$(sha256sum "$RINGS/guarded/approvals/current.pem")" = "$before" ]
    printf 'another battery\n' >new
    tpm-reseal -q recover guarded --recovery-key-file "$RK" --pin --pin-file new
    [ "$(tpm-unseal --pin-file new key)" = sesame ]
    fails 4 tpm-unseal --pin-file pin key
    tpm_boot
}

@test "too many wrong PINs: exit 5 also for the right one, until the lockout ends" {
    guarded key sesame
    tpm2_dictionarylockout -Q --clear-lockout
    tpm_tries 3
    for n in 1 2 3; do
        fails 4 tpm-unseal --pin-file wrong key
        [ "$(failed_tries)" -eq "$n" ]
    done
    fails 5 tpm-unseal --pin-file pin key
    says "dictionary-attack lockout"
    fails 5 tpm-reseal -q now --pin-file pin guarded
    tpm2_dictionarylockout -Q --clear-lockout
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    tpm_tries 30
}

@test "on a terminal: the PIN is asked for, not shown, and opens" {
    guarded key sesame
    fails 0 on_terminal -e "PIN of guarded: " "correct horse battery" -- tpm-unseal --output got key
    [ "$(cat got)" = sesame ]
    says "PIN of guarded: "
    says "pty: echo on"
    [[ $output != *correct* ]]
    # the control: a program that leaves echo alone shows what was typed
    fails 0 on_terminal -e "PIN of guarded: " "correct horse battery" -- \
        sh -c 'printf "PIN of guarded: "; read -r pin'
    says "correct horse battery"
    before=$(failed_tries)
    fails 4 on_terminal -e "PIN of guarded: " "wrong horse battery" -- tpm-unseal --output got2 key
    says "wrong PIN"
    says "pty: echo on"
    [[ $output != *horse* ]]
    [ ! -e got2 ]
    [ "$(failed_tries)" -eq $((before + 1)) ]
    fails 4 on_terminal "PIN of guarded: " "" "" "^M" -- tpm-unseal --output got2 key
    says "needs a PIN, and none was given"
    [ "$(failed_tries)" -eq $((before + 1)) ]
}

@test "on a terminal: a new PIN is asked for twice" {
    seal key sesame
    fails 4 on_terminal "New PIN of system: " "correct horse battery" \
        "The same PIN again: " "correct house battery" -- tpm-reseal now --pin system
    says "the two PINs differ: nothing was changed"
    [[ $output != *battery* ]]
    [ "$(alone tpm-unseal key)" = sesame ]
    fails 0 on_terminal "New PIN of system: " "correct horse battery" \
        "The same PIN again: " "correct horse battery" -- tpm-reseal now --pin system
    [[ $output != *battery* ]]
    fails 4 alone tpm-unseal key
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
}

@test "Ctrl-C and kill at the prompt: the echo comes back, nothing was tried" {
    guarded key sesame
    before=$(failed_tries)
    for command in "tpm-unseal --output got key" "tpm-reseal now guarded"; do
        # shellcheck disable=SC2086 # words on purpose
        fails 130 on_terminal -e "PIN of guarded: " "^C" -- $command
        says "pty: echo on"
        says "killed by signal 2"
    done
    # the control: a program that dies with echo off leaves it so
    fails 130 on_terminal -e "PIN of guarded: " "^C" -- \
        bash -c 'stty -echo; printf "PIN of guarded: "; exec sleep 60'
    says "pty: echo off"
    rm -f pid
    on_terminal -e -p pid "PIN of guarded: " "" -- tpm-unseal --output got key >shown 3>&- &
    while [ ! -e pid ]; do sleep 0.01; done
    kill -TERM "$(cat pid)"
    ended=0
    wait $! || ended=$?
    [ "$ended" -eq 143 ]
    grep "pty: echo on" shown
    [ ! -e got ]
    [ "$(failed_tries)" = "$before" ]
    no_handles_left
}

@test "the first use on a terminal shows the recovery key once, with a QR code" {
    fails 0 on_terminal "Secret key: " sesame -- tpm-seal key
    says "The recovery key of ring system"
    says "shown only now"
    says "made ring system in $SEALRING_STATE_DIR"
    [[ $output != *sesame* ]]
    keys=$(tr -d '\r' <<<"$output" | grep -oE '(^|[^a-z])([cbdefghijklnrtuv]{5}-){7}[cbdefghijklnrtuv]{5}($|[^a-z])')
    [ "$(wc -l <<<"$keys")" -eq 1 ]
    key=$(tr -d ' \n' <<<"$keys")
    [ "${#key}" -eq 47 ]
    [ "$(grep -c '[█▀▄]' <<<"$output")" -ge 10 ]
    # it works, and only it
    echo "$key" >shown
    fails 0 tpm-ring recovery test system --recovery-key-file shown
    says "recovery opens ring system"
    [ "$(tpm-unseal key)" = sesame ]
    tr cbdefg bdefgh <shown >mistyped
    fails 4 tpm-ring recovery test system --recovery-key-file mistyped
    # typed on a terminal, in capitals and with spaces
    fails 0 on_terminal "Recovery key of system: " "$(tr 'a-z-' 'A-Z ' <shown)" -- \
        tpm-ring recovery test system
    says "recovery opens ring system"
    [[ $(tr -d ' -' <<<"${output,,}") != *"${key//-/}"* ]]
    # never again
    fails 0 on_terminal "Secret more: " 2 -- tpm-seal more
    [[ $output != *"recovery key"* ]]
    [[ $output != *"$key"* ]]
    [ "$(grep -c '[█▀▄]' <<<"$output")" -eq 0 ]
}

@test "no QR code where the terminal cannot show one" {
    LC_ALL=C fails 0 on_terminal "Secret key: " sesame -- tpm-seal key
    says "The recovery key of ring system"
    [ "$(grep -c '[█▀▄]' <<<"$output")" -eq 0 ]
}

@test "a ring that fails to appear shows no recovery key" {
    tpm_stop
    fails 6 on_terminal "Secret key: " sesame -- tpm-seal key
    [[ $output != *"recovery key"* ]]
    tpm_start
    boot_state
}

@test "no secret on a terminal unless somebody insists" {
    seal key sesame
    fails 2 on_terminal -- tpm-unseal key
    says "--output -"
    [[ $output != *sesame* ]]
    fails 0 on_terminal -- tpm-unseal --output - key
    says sesame
    [ "$(tpm-unseal key)" = sesame ]
}

@test "colours only on a terminal, and not under NO_COLOR" {
    seal key sesame
    bold=$'\e['
    unset NO_COLOR
    fails 0 on_terminal -- tpm-ring list
    says "$bold"
    fails 0 on_terminal -- tpm-reseal status
    says "$bold"
    fails 9 on_terminal -- tpm-unseal nothing
    says "$bold"
    for how in NO_COLOR=1 TERM=dumb; do
        fails 0 on_terminal -- env "$how" tpm-ring list
        [[ $output != *"$bold"* ]]
        fails 0 on_terminal -- env "$how" tpm-reseal status
        [[ $output != *"$bold"* ]]
        fails 9 on_terminal -- env "$how" tpm-unseal nothing
        [[ $output != *"$bold"* ]]
    done
    # an empty one counts as none (no-color.org)
    fails 0 on_terminal -- env NO_COLOR= tpm-ring list
    says "$bold"
    fails 0 tpm-ring list
    [[ $output != *"$bold"* ]]
    fails 0 tpm-reseal status
    [[ $output != *"$bold"* ]]
}

@test "a question that nobody can answer ends with exit 4, at once" {
    seal key sesame
    fails 4 alone tpm-ring recovery test system
    one_line
    says "--recovery-key-file FILE"
    fails 4 alone tpm-reseal -q now --pin system
    one_line
}
