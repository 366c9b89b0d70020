#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once in tpm-serve while it rotates keys, and opens a ring with its
# PIN: the answer is a new key or a refusal, and then all goes on. No crash, no leak, no key lost,
# no PIN tried twice.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load rest
load fault/serve

setup() {
    store_new
    REST=$SEALRING_RUNTIME_DIR/sign.sock
    HIT=$BATS_TEST_TMPDIR/hit
    printf 'correct horse battery' >pin
    tpm-sign keygen -q kept
    tpm-sign keygen -q guarded --pin-file pin 2>/dev/null
    tpm-seal -q --generate --ring closed --no-recovery --pin --pin-file pin secret 2>/dev/null
    tpm-sign keygen -q ed -t ed25519 --ring closed --pin-file pin
    listen=--listen-rest socket=$REST
    all_good='200 200 200 200 200'
    an_answer='000|[2-5][0-9][0-9]'
    no_answers='000 000 000 000 000'
}

PIN='{"data":"AAAA","pin":"correct horse battery"}'

# status PATH BODY: of HTTP; 000 for none. A refusal has a code.
status() {
    http=000
    reach "$@" || true
    [ "$http" = 200 ] || [ "$http" = 000 ] || [ -n "$(jq -r '.code // empty' answer 2>/dev/null)" ] || http="$http?"
    echo "$http"
}

reach() {
    http=$(curl -s -m 20 --unix-socket "$REST" -o answer -w '%{http_code}' -d "$2" "http://localhost$1")
}

# Changed, and used as they then are.
requests() {
    echo "$(status "$(key_path kept rotate)" '{}')" \
        "$(status "$(key_path ed sign)" "$PIN")" \
        "$(status "$(key_path guarded rotate)" '{"pin":"correct horse battery"}')" \
        "$(status "$(key_path kept sign)" '{"data":"AAAA"}')" \
        "$(status "$(key_path guarded sign)" "$PIN")"
}

# Older versions are served, too.
prepare() {
    rm -f "$KEYS"/*@*
}

# Each key is there, and whole.
check_all() {
    local name
    for name in kept guarded ed; do
        tpm-sign verify -q $name -s /dev/null pin 2>/dev/null
        (($? == 8)) || { echo "$name is none"; bad=$((bad + 1)); }
    done
}

@test "memory fails while keys are rotated" {
    survives 8 memory "" 41
}

@test "files fail while keys are rotated" {
    survives 8 file "" 31
}

@test "the TPM fails while keys are rotated" {
    survives 7 tpm "failure connection retry" 5
}
