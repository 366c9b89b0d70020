#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, in what moves a whole ring: no crash, no leak,
# nothing left on the TPM, nothing lost.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault

@test "tpm-ring rotate" {
    start_from "$BASE"
    command=(tpm-ring -q rotate system "${by_escrow[@]}")
    succeeded() { opens key old && opens other kept && recovers other kept; }
    unharmed() { succeeded && again "${command[@]}" && succeeded; }
    # It is done, but for what it has to say of keys.
    chatter=': which keys ring system has can.t be seen: '
    lenient_in+="|say_keys"
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
    campaign "tpm memory crypto file" "${command[@]}"
}
