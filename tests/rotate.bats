#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-ring rotate: a new ring key, and what the old one no longer opens.

load common

teardown() {
    touch "$BATS_TEST_TMPDIR/stop" # for readers that a failed test left running
    no_handles_left
}

rotate() {
    tpm-ring -q rotate system --recovery-key-file "$RK" "$@"
}

@test "all secrets open afterwards, by TPM and by recovery key" {
    head -c 200000 /dev/urandom >data
    seal one 1
    seal two 2
    tpm-seal -q large data
    run tpm-ring rotate system --recovery-key-file "$RK"
    [ "$status" -eq 0 ]
    says "ring system in $SEALRING_STATE_DIR has a new key"
    [ "$(tpm-unseal one)$(tpm-unseal two)" = 12 ]
    tpm-unseal large | cmp - data
    tpm-unseal --recovery-key-file "$RK" large | cmp - data
    tpm_boot
    [ "$(tpm-unseal one)" = 1 ]
    tpm-reseal status | grep -q '^system: ready:'
    extend 7 "another certificate"
    fails 3 tpm-unseal one
    tpm_boot
}

@test "every file is another one afterwards, and nothing of the old ring is left" {
    local id file compared=0
    seal one 1
    seal two 2
    cp -r "$RINGS/system" old
    id=$(grep ^Id= "$RINGS/system/ring.conf")
    rotate
    [ "$(grep ^Id= "$RINGS/system/ring.conf")" = "$id" ]
    [ "$(ls -A "$RINGS")" = system ]
    for file in secrets/one.cms secrets/two.cms approvals/current.pem recovery.cms; do
        run cmp "old/$file" "$RINGS/system/$file"
        [ "$status" -eq 1 ]
        compared=$((compared + 1))
    done
    [ "$compared" -eq 4 ]
    diff <(cd old && find . | sort) <(cd "$RINGS/system" && find . | sort)
}

@test "the old approval, put back, does not open the new secrets" {
    seal key sesame
    cp "$RINGS/system/approvals/current.pem" old.pem
    cp "$RINGS/system/secrets/key.cms" old.cms
    rotate
    cp "$RINGS/system/approvals/current.pem" new.pem
    cp old.pem "$RINGS/system/approvals/current.pem"
    fails 8 tpm-unseal key
    one_line
    # the old approval is good for the old secret, which it was all along
    cp "$RINGS/system/secrets/key.cms" new.cms
    cp old.cms "$RINGS/system/secrets/key.cms"
    [ "$(tpm-unseal key)" = sesame ]
    cp new.pem "$RINGS/system/approvals/current.pem"
    fails 8 tpm-unseal key
    cp new.cms "$RINGS/system/secrets/key.cms"
    [ "$(tpm-unseal key)" = sesame ]
}

@test "the old recovery copy and the old recovery key do not open the new secrets" {
    seal key sesame
    cp "$RINGS/system/recovery.cms" old.cms
    tpm-ring -q rotate system --recovery-key-file new.key
    fails 4 tpm-unseal --recovery-key-file "$RK" key
    [ "$(tpm-unseal --recovery-key-file new.key key)" = sesame ]
    cp old.cms "$RINGS/system/recovery.cms"
    fails 8 tpm-unseal --recovery-key-file "$RK" key
    fails 4 tpm-unseal --recovery-key-file new.key key
    [ "$(tpm-unseal key)" = sesame ]
}

@test "a secret of before does not open in the rotated ring" {
    seal key sesame
    cp "$RINGS/system/secrets/key.cms" old.cms
    rotate
    cp old.cms "$RINGS/system/secrets/key.cms"
    fails 8 tpm-unseal key
}

@test "readers see the old ring or the new one, never neither" {
    local reader rotations=0 reads
    seal key sesame
    for n in $(seq 20); do seal "more$n" "$n"; done
    : >readings
    while [ ! -e stop ]; do
        [ "$(tpm-unseal key 2>>complaints)" = sesame ] && echo ok || echo failed
    done >readings 3>&- &
    reader=$!
    while [ "$rotations" -lt 8 ] || [ "$(wc -l <readings)" -lt 30 ]; do
        rotate
        rotations=$((rotations + 1))
    done
    touch stop
    wait "$reader"
    reads=$(grep -c ok readings)
    echo "$rotations rotations, $reads reads"
    [ ! -s complaints ] || { cat complaints && return 1; }
    [ "$(grep -c failed readings)" -eq 0 ]
    [ "$reads" -ge 30 ]
    [ "$(ls -A "$RINGS")" = system ]
}

@test "what a killed writer left behind is removed by the next one" {
    seal key sesame
    cp -r "$RINGS/system" "$RINGS/.system.new"
    mkdir -p "$RINGS/.second.new/secrets"
    echo rest >"$RINGS/system/secrets/.other.cms.new"
    # readers do not mind
    [ "$(tpm-unseal key)" = sesame ]
    [ "$(tpm-ring list system | tail -n +2)" = "  key" ]
    rotate
    [ "$(ls -A "$RINGS")" = system ]
    [ "$(ls -A "$RINGS/system/secrets")" = key.cms ]
    [ "$(tpm-unseal key)" = sesame ]
    cp -r "$RINGS/system" "$RINGS/.system.new"
    seal other text
    [ "$(ls -A "$RINGS")" = system ]
    [ "$(tpm-unseal other)" = text ]
}

@test "without a choice of recovery it is refused" {
    seal key sesame
    cp -r "$RINGS/system" before
    fails 2 setsid -w tpm-ring rotate system
    one_line
    says "--recovery-key-file"
    diff -r before "$RINGS/system"
    tpm-ring -q rotate system --no-recovery
    [ "$(tpm-unseal key)" = sesame ]
    [ ! -e "$RINGS/system/recovery.cms" ]
    fails 4 tpm-unseal --recovery-key-file "$RK" key
}

@test "what fails leaves the old ring as it was, and no key file" {
    seal one 1
    seal two 2
    cp -r "$RINGS/system" before
    extend 7 "another certificate"
    fails 3 tpm-ring rotate system --recovery-key-file new.key
    tpm_boot
    truncate -s -1 "$RINGS/system/secrets/two.cms"
    fails 8 tpm-ring rotate system --recovery-key-file new.key
    one_line
    says "secret two"
    cp before/secrets/two.cms "$RINGS/system/secrets/two.cms"
    diff -r before "$RINGS/system"
    [ "$(ls -A "$RINGS")" = system ]
    [ ! -e new.key ]
    fails 9 tpm-ring rotate second --recovery-key-file new.key
    [ "$(tpm-unseal one)$(tpm-unseal two)" = 12 ]
}

@test "a ring with a PIN rotates with it and keeps it, or takes a new one" {
    echo "first pin, long enough" >pin
    echo "second pin, long enough" >pin2
    seal key sesame --pin --pin-file pin
    fails 4 rotate --pin-file pin2
    rotate --pin-file pin
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    fails 4 tpm-unseal --pin-file pin2 key
    fails 4 setsid -w tpm-unseal key
    tpm-ring list | grep -q '+PIN '
    tpm2_dictionarylockout -c
}

@test "rotating to other PCRs" {
    seal key sesame
    rotate --pcrs 0+4
    tpm-ring list | grep -q 'sha256:0+4 '
    extend 7 "no longer looked at"
    [ "$(tpm-unseal key)" = sesame ]
    extend 4 "a boot loader"
    fails 3 tpm-unseal key
    tpm_boot
}
