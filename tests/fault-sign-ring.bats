#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, while keys follow their ring and are used: each key file
# is whole, and what opened before does still, or the new state does.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault

setup_file() {
    look_for_leaks
    escrow_new
    tpm_start
    boot_state
    make_base base
    tpm-sign keygen -q --ring system first
    tpm-sign keygen -q --ring system second
}

well_formed() {
    [ -z "$(find state -name '.*')" ]
}

# Of what is no TPM command half as many points as elsewhere, unless THOROUGH=1.
stride() {
    if [ -n "${THOROUGH-}" ]; then echo 1; else echo $((2 * $1)); fi
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
            [[ $(tpm-sign info first)$(tpm-sign info second) == *0+7+8*0+7+8* ]] && well_formed
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
    rm -r "$BASE/state/keys" "$BASE"/state/rings/system/secrets/*.approver.cms
    start_from "$BASE"
    command=(tpm-sign keygen -q --ring system new)
    succeeded() { signs new && opens key old && well_formed; }
    unharmed() {
        opens key old || return
        # The key, if it is there, is whole, but for what can be made from it.
        [ ! -e state/keys/new.pem ] ||
            { tpm-sign sign new input -o good.sig && tpm-sign delete -q --force new; }
        again "${command[@]}" && succeeded
    }
    campaign "tpm memory file" "${command[@]}"
}
