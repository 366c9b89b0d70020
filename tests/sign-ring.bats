#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys bound to what a ring is sealed to: they follow when it is sealed anew.
# shellcheck disable=SC2094,SC2154 # list is a command too; helper, status, output: from bats

load sign-ring

@test "a key follows its ring" {
    keygen web
    signs web

    [[ $(tpm-sign list) == "web  p256  sign ring system  SHA256:"* ]]
    update
    fails 3 tpm-sign sign web message
    one_line
    says "key web: policy does not hold: PCR 0 changed since ring system was sealed: tpm-reseal"
    tpm-reseal recover -q system --recovery-key-file "$RK" 2>/dev/null
    signs web
    # What it was approved for before is approved no longer.
    [ "$(approvals web)" -eq 1 ]
    tpm_boot
    fails 3 tpm-sign sign web message
    tpm-reseal recover -q system --recovery-key-file "$RK" 2>/dev/null
    signs web
}

# -- the number of TPM commands is the speed --------------------------------------------

policy="StartAuthSession PolicyPCR LoadExternal VerifySignature FlushContext PolicyAuthorize"

@test "a signature takes nine TPM commands, ten with a PIN; another approval costs one" {
    keygen web
    keygen guarded --pin-file pin
    signs web # the first after a TPM's start may be asked for twice
    [ "$(commands tpm-sign sign web message)" = "$policy Load Sign FlushContext" ]
    [ "$(commands tpm-sign sign guarded --pin-file pin message)" = "$policy PolicyAuthValue Load Sign FlushContext" ]
    openssl dgst -sha256 -verify "$KEYS/guarded.pub" -signature out message
    tpm-reseal prepare -q --next-boot
    update
    signs web
    # The firmware's PCR left out, and the three statements of a bridge.
    [ "$(commands tpm-sign sign web message)" = \
        "StartAuthSession PolicyPCR PolicyPCR PolicyCounterTimer PolicyCounterTimer PolicyCounterTimer ${policy#* * } Load Sign FlushContext" ]
}

@test "sealing a ring anew takes as many TPM commands as before, however many keys follow" {
    commands tpm-reseal now -q >before
    for n in {1..12}; do keygen "key$n"; done
    commands tpm-reseal now -q >after
    cmp before after
    [ "$(wc -w <after)" -le 10 ]
    # They did follow: in another boot state.
    extend 7 "another key"
    tpm-reseal recover -q system --recovery-key-file "$RK" 2>/dev/null
    for n in {1..12}; do signs "key$n"; done
}

# -- following ------------------------------------------------------------------------------

@test "a bridge is the keys' as well, until it is confirmed" {
    keygen web
    tpm-reseal prepare -q --next-boot
    [ "$(approvals web)" -eq 2 ]
    update
    signs web
    tpm-reseal confirm -q
    [ "$(approvals web)" -eq 1 ]
    signs web
    update "firmware 3.0"
    fails 3 tpm-sign sign web message
    update
    signs web
}

@test "what was prepared and is taken back, the keys lose" {
    keygen web
    tpm-reseal prepare -q --next-boot
    tpm-reseal prepare -q --undo
    [ "$(approvals web)" -eq 1 ]
    tpm-reseal prepare -q --next-boot -- false || [ $? -eq 1 ]
    [ "$(approvals web)" -eq 1 ]
    signs web
    update
    fails 3 tpm-sign sign web message
}

@test "a window that is over" {
    keygen web
    tpm-reseal prepare -q --next-boot=1
    update
    signs web
    update
    fails 3 tpm-sign sign web message
    # In the state that is sealed without bounds, what is over costs nothing; confirm drops it.
    tpm_boot
    signs web
    tpm-reseal confirm -q
    [ "$(approvals web)" -eq 1 ]
}

@test "a boot state to come" {
    keygen web
    seven=$(tpm2_pcrread sha256:23 -Q -o /dev/stdout | xxd -p -c 32)
    tpm-reseal now -q system --pcrs "0+7=$seven"
    [ "$(approvals web)" -eq 2 ]
    signs web
    tpm_reboot
    extend 0 "firmware 1.0"
    signs web
    tpm-reseal now -q
    [ "$(approvals web)" -eq 1 ]
    signs web
}

@test "another PCR list" {
    keygen web
    tpm-reseal now -q system --pcrs 0+7+8
    [[ $(tpm-sign info web) == *"Bound to:    ring system, sealed to sha256:0+7+8"* ]]
    signs web
    extend 8 "another command line"
    fails 3 tpm-sign sign web message
    says "PCR 8 changed"
}

@test "status says which key is behind, and now helps" {
    keygen web
    cp "$KEYS/web.pem" older
    update
    tpm-reseal recover -q system --recovery-key-file "$RK" 2>/dev/null
    [[ $(tpm-reseal status) == "system: ready: "* ]]
    cp older "$KEYS/web.pem"
    [[ $(tpm-reseal status) == "system: pending: key web has other boot states in its file: tpm-reseal now system" ]]
    [ "$(tpm-reseal status --json | jq -r '.[0].state')" = pending ]
    fails 3 tpm-sign sign web message
    tpm-reseal now -q
    [[ $(tpm-reseal status) == "system: ready: "* ]]
    signs web
}

@test "a key file of before opens in the boot state of before, and in no other" {
    keygen web
    cp "$KEYS/web.pem" older.pem
    signs ./older.pem
    update
    tpm-reseal recover -q system --recovery-key-file "$RK" 2>/dev/null
    signs web
    fails 3 tpm-sign sign ./older.pem message
    tpm_boot
    fails 3 tpm-sign sign web message
    signs ./older.pem
}

@test "keys of other rings, and those bound to nothing, stay as they are" {
    tpm-ring create -q other --no-recovery
    tpm-sign keygen -q --ring other its
    tpm-sign keygen -q free
    tpm-sign keygen -q fixed --pcrs 0+7
    keygen web
    for key in its free fixed; do cp "$KEYS/$key.pem" .; done
    extend 7 "another key"
    tpm-reseal recover -q system --recovery-key-file "$RK" 2>/dev/null
    for key in its free fixed; do cmp "$key.pem" "$KEYS/$key.pem"; done
    signs web
    fails 3 tpm-sign sign its message
}

@test "a damaged key file is warned of, and the others follow; nothing can be written: it is said" {
    keygen bad
    keygen web
    sed -i '/^-----BEGIN/{n;s/./!/}' "$KEYS/bad.pem"
    tpm-reseal prepare --next-boot >/dev/null 2>said
    grep -q "key bad stays as it is: " said
    [ "$(approvals web)" -eq 2 ]
    rm "$KEYS/bad.pem"
    # Too long a name for its temporary twin can't be: a directory has that name.
    mkdir -p "$KEYS/.web.pem.new/x"
    fails 1 tpm-reseal now
    says "key web: "
    rm -r "$KEYS/.web.pem.new"
    tpm-unseal secret >/dev/null
    signs web
    tpm-reseal now -q
    [ "$(approvals web)" -eq 1 ]
}
