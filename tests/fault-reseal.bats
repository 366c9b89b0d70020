#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, in tpm-reseal and recovery: no crash, no leak,
# nothing left on the TPM, nothing lost.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault

@test "tpm-reseal now" {
    start_from "$BASE"
    succeeded() { opens key old && opens other kept && recovers key old && well_formed; }
    unharmed() { opens key old && again tpm-reseal -q now system && succeeded; }
    campaign "tpm memory crypto file" tpm-reseal -q now system
}

@test "tpm-reseal recover" {
    start_from "$BATS_FILE_TMPDIR/drifted"
    fails 3 tpm-unseal key
    command=(tpm-reseal -q recover system --escrow-key "$ESCROW")
    succeeded() { opens key old && recovers key old && well_formed; }
    unharmed() { recovers key old && again "${command[@]}" && succeeded; }
    chatter="^tpm-reseal: ring system is "
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
    campaign "tpm memory crypto file" "${command[@]}"
}
