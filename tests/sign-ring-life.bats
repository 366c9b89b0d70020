#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys that follow a ring: how both come and go.
# shellcheck disable=SC2094,SC2154 # list is a command too; helper, status, output: from bats

load sign-ring

# -- rings and their keys -------------------------------------------------------------------

@test "the approver is a secret of the ring, and none that is given out" {
    [[ $(tpm-ring list system) != *approver* ]]
    keygen web
    [ -s "$RINGS/system/secrets/system.approver.cms" ]
    [[ $(tpm-ring list system) == *secret* ]]
    [[ $(tpm-ring list system) != *approver* ]]
    fails 2 tpm-unseal system.approver
    says "names that end in .manage or .approver"
    fails 2 tpm-seal --replace system.approver message
    fails 2 tpm-seal --remove system.approver
    fails 2 tpm-seal --rename secret other.approver
    tpm-ring recovery open -q system opened --recovery-key-file "$RK"
    [ "$(ls opened)" = secret ]
    tpm-ring export -q system copy
    [ "$(ls copy/secrets)" = secret.cms ]
    # A second key has the same one.
    cp "$RINGS/system/secrets/system.approver.cms" first
    keygen again
    cmp first "$RINGS/system/secrets/system.approver.cms"
}

@test "a rotated ring signs for its old keys, with another approver for new ones" {
    keygen old
    tpm-ring rotate system --recovery-key-file "$RK" 2>said
    grep -q "can still approve boot states for these keys, until they are made anew: old$" said
    signs old
    keygen new
    # The old approver is in the old key, the new one in the new key.
    ! "$helper/forge" others "$KEYS/new.pem" "$KEYS/old.pem" >mixed.pem || fails 8 tpm-sign info ./mixed.pem
    says "signed by another than may"
    extend 7 "another key"
    tpm-reseal recover -q system --recovery-key-file "$RK" 2>/dev/null
    signs old
    signs new
    # Once the last key of before is gone, so is what it was approved with.
    size=$(stat -c %s "$RINGS/system/secrets/system.approver.cms")
    tpm-sign delete -q --force old
    tpm-ring rotate -q system --recovery-key-file "$RK"
    tpm-ring rotate -q system --recovery-key-file "$RK"
    signs new
    [ "$(stat -c %s "$RINGS/system/secrets/system.approver.cms")" -eq "$size" ]
}

@test "a ring that is removed leaves its keys what they have; it is said before" {
    keygen web
    keygen mail
    fails 2 tpm-ring remove system </dev/null
    says "can't follow another boot state any more: make new ones: mail, web"
    tpm-ring remove -q --force system
    signs web
    [[ $(tpm-sign info web) == *"Bound to:    ring system"* ]]
    # Another ring of that name is not theirs.
    seal secret "another secret"
    tpm-reseal prepare --next-boot >/dev/null 2>said
    grep -q "key web stays as it is: it is bound to another ring system, or forged" said
    [[ $(tpm-reseal status) == "system: bridged: "* ]]
    signs web
}

@test "a ring is made at the first use, as tpm-seal makes it" {
    fails 2 setsid --wait tpm-sign keygen --ring new web </dev/null
    says "choose who can recover ring new"
    [ ! -e "$RINGS/new" ]
    tpm-sign keygen --ring new web --recovery-key-file "$RK" 2>said
    grep -q "made ring new in " said
    signs web
    [ "$(tpm-sign list --json | jq -r '.[] | select(.name == "web") | .ring, .pcrs' | tr '\n' ' ')" = "new sha256:0+7 " ]
}

@test "all kinds of keys, and an imported one" {
    for type in rsa2048 p256 p384; do
        keygen "$type" -t "$type"
        signs "$type" --hash sha256
    done
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out soft.pem
    tpm-sign import -q --ring system brought soft.pem
    signs brought
    keygen both -t rsa2048 --usage both
    echo hidden >plain
    openssl pkeyutl -encrypt -pubin -inkey "$KEYS/both.pub" -pkeyopt rsa_padding_mode:oaep \
        -pkeyopt rsa_oaep_md:sha256 -in plain -out cipher
    tpm-sign decrypt both cipher | cmp - plain
    extend 7 "another key"
    fails 3 tpm-sign decrypt both cipher
    tpm-reseal recover -q system --recovery-key-file "$RK" 2>/dev/null
    tpm-sign decrypt both cipher | cmp - plain
    signs brought
}
