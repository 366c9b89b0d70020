#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whoever writes to the disk writes the header: what he can't have is the passphrase, a
# volume unlocked that is not the victim's, or a TPM that is kept busy.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load luks/luks

setup() {
    luks_setup
    tpm_boot
    volume disk
    enroll disk
    token disk >token.json
}

# try_disk: $asked is what the TPM was asked, $output what cryptsetup said
try_disk() {
    status=0
    asked=$(commands plugged unlock disk 2>said) || status=$?
    output=$(cat said)
}

# refused [TEXT]: the token does not unlock the disk, and the TPM is not even asked
refused() {
    try_disk
    [ "$status" -ne 0 ] || {
        echo "it was unlocked"
        return 1
    }
    [ -z "$asked" ] || {
        echo "the TPM was asked: $asked"
        return 1
    }
    [ $# -eq 0 ] || says "$1"
}

# with SED-SCRIPT: the token changed by it takes the token's place
with() {
    sed "$1" token.json >changed.json
    ! cmp -s token.json changed.json || {
        echo "nothing was changed: $1"
        return 1
    }
    set_token disk changed.json
}

@test "a header without encryption, with the victim's token and keyslot" {
    "$helper/header" disk '"encryption":"aes-xts-plain64","sector_size"' '"encryption":"cipher_null-ecb","sector_size"'
    # The header is right: by the passphrase it opens, and so would by the token.
    by_passphrase disk
    refused "the header names no encryption"
}

@test "a header with another encryption" {
    "$helper/header" disk '"encryption":"aes-xts-plain64","sector_size"' '"encryption":"aes-cbc-plain64","sector_size"'
    by_passphrase disk
    run plugged unlock disk
    [ "$status" -ne 0 ]
    says "the header says another encryption than the volume was enrolled with: aes-cbc-plain64 512"
}

@test "a keyslot that any passphrase opens" {
    "$helper/header" disk '"1":{"type":"luks2","key_size":64' '"1":{"type":"luks2","key_size":32'
    refused
    volume disk
    cp "$BATS_FILE_TMPDIR/volume" disk
    enroll disk
    plugged unlock disk
    slot=$(dd if=disk bs=1k skip=4 count=12 status=none | tr -d '\0' | grep -o '"1":{"type":"luks2".*' | grep -o '"area":{[^}]*}' | head -n 1)
    "$helper/header" disk "$slot" "${slot/aes-xts-plain64/cipher_null-ecb}"
    refused "keyslot 1 is not encrypted"
}

@test "another volume's token" {
    volume other 11111111-2222-3333-4444-555555555555
    enroll other
    token other >other.json
    set_token disk other.json
    run plugged unlock disk
    [ "$status" -ne 0 ]
    set_token disk token.json
    plugged unlock disk
    # The victim's header on the attacker's disk is the victim's keyslot: nothing else.
    cp disk copied
    cryptsetup luksUUID -q --uuid 22222222-2222-3333-4444-555555555555 copied
    run plugged unlock copied
    [ "$status" -ne 0 ]
}

@test "what is not strictly a token of ours is not looked at" {
    plugged unlock disk
    with 's/"pin":false/"pin":true/' && refused
    with 's/"pin":false/"pin":0/' && refused
    with 's/"format":1/"format":2/' && refused
    with 's/"slot":1/"slot":0/' && refused
    with 's/"slot":1/"slot":4294967297/' && refused
    with 's/"slot":1/"slot":1,"more":1/' && refused
    with 's/"ring":"boot"/"ring":["boot"]/' && refused
    with 's/"ring":"boot"/"ring":"..\/boot"/' && refused
    with 's/"id":"../"id":"/' && refused
    with 's/"approvals":\[.*\],/"approvals":[],/' && refused
    with 's/"approvals":\[\(.*\)\],/"approvals":[\1,null],/' && refused
    with 's/"secret":"M/"secret":" M/' && refused
    set_token disk token.json
    plugged unlock disk
}

@test "nine approvals, or more text than there may be" {
    one=$(grep -o '"approvals":\[{[^}]*}' token.json | sed 's/"approvals":\[//')
    nine=$one
    for _ in 1 2 3 4 5 6 7 8; do nine+=,$one; done
    "$helper/header" disk "$one" "$nine"
    refused
    cp "$BATS_FILE_TMPDIR/volume" disk
    enroll disk
    # Eight are not too many, but these are too long.
    one=$(token disk | grep -o '"approvals":\[{[^}]*}' | sed 's/"approvals":\[//')
    eight=$one
    for _ in 1 2 3 4 5 6 7; do eight+=,$one; done
    "$helper/header" disk "$one" "$eight"
    refused
}

@test "copies of a token that fails cost one conversation, and one line" {
    for number in 2 3 4 5; do
        cryptsetup token import --disable-external-tokens --token-id $number --json-file token.json disk
    done
    try_disk
    [ "$asked" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    extend 7 "another db"
    try_disk
    [ "$status" -ne 0 ]
    [ "$(tr ' ' '\n' <<<"$asked" | grep -c StartAuthSession)" -eq 1 ]
    [ "$(grep -c "PCR 7 changed" said)" -eq 1 ]
}

@test "many tokens that fail in different ways: the TPM is left alone after eight" {
    extend 7 "another db"
    for number in 2 3 4 5 6 7 8 9 10 11 12 13; do
        sed "s/\"id\":\"..../\"id\":\"$(printf %04x $number)/" token.json >changed.json
        # In a header of 12 KiB there is no room for twelve.
        cryptsetup token import --disable-external-tokens --token-id $number --json-file changed.json disk \
            2>/dev/null || break
    done
    ((number > 4))
    try_disk
    [ "$status" -ne 0 ]
    (($(tr ' ' '\n' <<<"$asked" | grep -c StartAuthSession) <= 8))
}

@test "a token damaged anywhere: refused, or the right passphrase" {
    run "$helper/token" disk 0 01 80 cut
    echo "# $output" >&3
    [ "$status" -eq 0 ]
    says " 0 wrong"
    tried=${output%% *} harmless=${output%% harmless*}
    ((tried > 3000))
    # Where a changed byte does no harm is the words for messages, and the id.
    ((${harmless##* } < 700))
    plugged unlock disk
}
