#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, in tpm-reseal and tpm-ring: no crash, no leak,
# nothing left on the TPM, nothing lost.

load fault/fault

@test "tpm-reseal now" {
    start_from "$BASE"
    succeeded() { opens key old && opens other kept && recovers key old && well_formed; }
    unharmed() { opens key old && again tpm-reseal -q now system && succeeded; }
    lenient="openat fdopendir readdir fsync"
    campaign "tpm memory crypto file" tpm-reseal -q now system
}

@test "tpm-reseal recover" {
    start_from "$BATS_FILE_TMPDIR/drifted"
    fails 3 tpm-unseal key
    command=(tpm-reseal -q recover system --escrow-key "$ESCROW")
    succeeded() { opens key old && recovers key old && well_formed; }
    unharmed() { recovers key old && again "${command[@]}" && succeeded; }
    lenient="openat fdopendir readdir fsync"
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-ring rotate" {
    start_from "$BASE"
    command=(tpm-ring -q rotate system "${by_escrow[@]}")
    succeeded() { opens key old && opens other kept && recovers other kept; }
    unharmed() { succeeded && again "${command[@]}" && succeeded; }
    # Also the old ring: if it can't be removed, the next writer does.
    lenient="openat fdopendir readdir fsync flock unlinkat"
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-ring recovery renew" {
    start_from "$BASE"
    command=(tpm-ring -q recovery renew system --recovery-key-file "$PWD/second.key")
    with_key() { [ "$(tpm-unseal --recovery-key-file "$1" key 2>/dev/null)" = old ]; }
    succeeded() { opens key old && with_key second.key && well_formed; }
    is_old() { diff -r "$from" state >/dev/null && [ ! -e second.key ]; }
    unharmed() {
        opens key old && { with_key "$RK" || with_key second.key; } &&
            again "${command[@]}" && succeeded
    }
    lenient="openat fdopendir readdir fsync"
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-ring export" {
    start_from "$BASE"
    succeeded() { diff -r "$BATS_FILE_TMPDIR/exported" exported >/dev/null; }
    # It is there and whole, or not there at all.
    is_old() { diff -r "$from" state >/dev/null && [ ! -e exported ]; }
    unharmed() { diff -r "$from" state && succeeded; }
    campaign "memory crypto file" tpm-ring -q export system exported
}

@test "tpm-ring import" {
    start_from /nowhere
    command=(tpm-ring -q import "$BATS_FILE_TMPDIR/exported" system --escrow-key "$ESCROW")
    succeeded() { opens key old && opens other kept && recovers key old && well_formed; }
    unharmed() {
        [ -e state/rings/system ] || again "${command[@]}"
        succeeded
    }
    lenient="openat fdopendir readdir fsync"
    campaign "tpm memory crypto file" "${command[@]}"
}
