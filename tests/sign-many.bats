#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Many keys: made one after the other they take no room in the TPM, and survive its restart;
# ten thousand of them are listed and found quickly.
# shellcheck disable=SC2154 # helper: from common.bash

load agent

made=1000
listed=10002

setup() {
    store_new
    echo "a message" >message
}

@test "a thousand keys: one persistent handle; after a restart of the TPM each signs" {
    for ((n = 1; n <= made; n++)); do tpm-sign keygen -q "key-$n"; done
    [ "$(find "$KEYS" -name '*.pem' | wc -l)" -eq "$made" ]
    [ "$(sha256sum "$KEYS"/*.pub | cut -d' ' -f1 | sort -u | wc -l)" -eq "$made" ]
    [ "$(tpm2_getcap handles-persistent)" = "- 0x81000001" ]
    tpm_boot
    tpm-sign sign "key-$made" message -o sig
    openssl dgst -sha256 -verify "$KEYS/key-$made.pub" -signature sig message
    # ssh-add signs and verifies with each, and says nothing of those that do.
    agent_start
    ssh-add -L | split --lines 1 --additional-suffix .pub - key-
    [ "$(sort -u key-*.pub | wc -l)" -eq "$made" ]
    ssh-add -T key-*.pub
    [ "$(tpm2_getcap handles-persistent)" = "- 0x81000001" ]
    # It would say so.
    rm "$KEYS/key-$made.pem"
    run ssh-add -T key-*.pub
    [ "$status" -ne 0 ]
}

@test "ten thousand keys are listed, and one is found by its fingerprint, in no time" {
    tpm-sign keygen -q zz-last
    tpm-sign keygen -q base
    for ((n = 0; n < 20; n++)); do
        tee "$KEYS/key-$n-"{1..500}.pem <"$KEYS/base.pem" >/dev/null
    done
    best 2000 "$listed keys" tpm-sign list
    [ "$(wc -l <output)" -eq "$listed" ]
    best 4000 "$listed keys" tpm-sign list --json
    [ "$(grep -c '"name"' output)" -eq "$listed" ]
    spki=$(openssl pkey -pubin -in "$KEYS/zz-last.pub" -outform DER | sha256sum | cut -d' ' -f1)
    ssh=$(ssh-keygen -lf <(tpm-sign pubkey zz-last --format ssh) | cut -d' ' -f2)
    for fingerprint in "$spki" "$ssh"; do
        best 2000 "$listed keys" tpm-sign list "$fingerprint"
        grep -q '^zz-last  ' output
    done
    best 300 "$listed keys" tpm-sign info zz-last
}
