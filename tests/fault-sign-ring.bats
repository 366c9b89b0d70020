#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, while keys follow their ring and are used: each key file
# is whole, and what opened before does still, or the new state does.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault

setup_file() {
    export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=1:exitcode=99:quarantine_size_mb=1:thread_local_quarantine_size_kb=64
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=escrow \
        -keyout "$BATS_FILE_TMPDIR/escrow.key" -out "$BATS_FILE_TMPDIR/escrow.pem" 2>/dev/null
    tpm_start
    boot_state
    make_base base
    tpm-sign keygen -q --ring system first
    tpm-sign keygen -q --ring system second
}

signs() {
    tpm-sign sign "$1" input -o good.sig 2>/dev/null &&
        openssl dgst -sha256 -verify "state/keys/$1.pub" -signature good.sig input >/dev/null
}

@test "tpm-reseal now, which the keys follow" {
    start_from "$BASE"
    command=(tpm-reseal -q now system --pcrs 0+7+8)
    succeeded() {
        opens key old && signs first && signs second &&
            [[ $(tpm-sign info first)$(tpm-sign info second) == *0+7+8*0+7+8* ]] &&
            [ -z "$(find state -name '.*')" ]
    }
    unharmed() { opens key old && signs first && signs second && again "${command[@]}" && succeeded; }
    campaign "tpm memory file" "${command[@]}"
}

@test "tpm-sign sign with a key that follows" {
    start_from "$BASE"
    succeeded() {
        openssl dgst -sha256 -verify state/keys/first.pub -signature out input >/dev/null
    }
    unharmed() { false; }
    campaign "tpm memory crypto file" tpm-sign sign first input
}

@test "tpm-sign keygen --ring, the first one of a ring" {
    start_from "$BASE"
    rm -r "$BASE/state/keys" "$BASE"/state/rings/system/secrets/*.approver.cms
    command=(tpm-sign keygen -q --ring system new)
    succeeded() { signs new && opens key old && [ -z "$(find state -name '.*')" ]; }
    unharmed() {
        opens key old || return
        [ ! -e state/keys/new.pem ] || { signs new && tpm-sign delete -q --force new; }
        again "${command[@]}" && succeeded
    }
    campaign "tpm memory file" "${command[@]}"
}
