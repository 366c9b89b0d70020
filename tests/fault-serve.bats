#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once in tpm-serve: a client gets a signature or a refusal, the
# next one gets a signature, and the daemon goes on. No crash, no leak, nothing left on the TPM,
# no PIN tried twice.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/serve

setup() {
    store_new
    printf 'correct horse battery' >pin
    tpm-sign keygen -q kept
    tpm-sign keygen -q guarded --pin-file pin 2>/dev/null
    mkdir "$SEALRING_CONFIG_DIR/keys.d"
    printf '[Access]\nUsers=1\nGroups=1\n' >"$SEALRING_CONFIG_DIR/keys.d/kept.conf"
    tpm-sign keygen -q asked
    printf '[Access]\nConfirm=yes\n' >"$SEALRING_CONFIG_DIR/keys.d/asked.conf"
    tpm-sign keygen -q hidden
    printf '[Agent]\nOffer=no\n' >"$SEALRING_CONFIG_DIR/keys.d/hidden.conf"
    # Asked whether a key may be used it does not say yes.
    askpass <<<"cat '$PWD/pin'"
    export SSH_AUTH_SOCK=$BATS_TEST_TMPDIR/agent.sock
    HIT=$BATS_TEST_TMPDIR/hit
    listen=--listen socket=$SSH_AUTH_SOCK
    all_good='good good good good good good good refused unlisted refused'
    an_answer='good|refused|gone|unlisted'
    no_answers='(gone )*(gone|nobody listens)'
}

# Of what the rules forbid nothing is good, whatever failed when they were read.
requests() {
    "$helper/agent" try kept guarded kept asked hidden 2>&1 |
        sed -E 's/(\S+) good (\S+ \S+)$/\1 used \2/; s/good (\S+)$/listed \1/; s/good$/used/'
}

@test "memory fails" {
    survives 15 memory "" 7
}

@test "libcrypto fails" {
    survives 8 crypto "" 5
}

@test "files, sockets, threads and programs fail" {
    survives 15 file "" 5
}

@test "the TPM fails" {
    survives 30 tpm "failure connection" 1 "connection:after failure:after" 1 "retry slots" 2
}
