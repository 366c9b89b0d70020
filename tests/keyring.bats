#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-unseal --keyring: secrets in the kernel's keyrings.

load common

setup() {
    store_new
    seal key sesame
    # Keyrings of the user are shared with other tests: ours have names of their own.
    mark=sealring-test-$$-$BATS_TEST_NUMBER
    ring=$(keyctl newring "$mark" @s)
    placed=()
}

teardown() {
    local id
    for id in "${placed[@]}"; do
        keyctl unlink "$id" >/dev/null 2>&1 || true
    done
    keyctl unlink "$ring" @s >/dev/null
    no_handles_left
}

# put OPTIONS...: the secret "key" goes into a keyring; its serial number is in $id
put() {
    run tpm-unseal "$@" key
    [ "$status" -eq 0 ] || { echo "$output" && return 1; }
    one_line
    id=$(sed -n 's/^tpm-unseal: key is key \([0-9]*\), .*/\1/p' <<<"$output")
    [ -n "$id" ] || { echo "$output" && return 1; }
    placed+=("$id")
}

# mask ID: the permissions of a key
mask() {
    keyctl rdescribe "$1" | cut -d ';' -f 4
}

# count RING: how many keys are in a keyring
count() {
    keyctl rlist "$1" | wc -w
}

# bats test_tags=minimal
@test "type user: found by its description, and read" {
    put --keyring "$ring"
    [ "$(keyctl print "$id")" = sesame ]
    [ "$(keyctl search "$ring" user sealring:key)" = "$id" ]
    [[ $(keyctl rdescribe "$id") == "user;$(id -u);"*";sealring:key" ]]
    put --keyring "$ring" --type user --description "$mark.two"
    [ "$(keyctl search "$ring" user "$mark.two")" = "$id" ]
    [ "$(keyctl pipe "$id")" = sesame ]
    [ "$(count "$ring")" -eq 2 ]
}

@test "all bytes arrive" {
    local size tried=0
    for size in 1 16 4096 10000; do
        head -c "$size" /dev/urandom >data
        tpm-seal -q --replace key data
        put --keyring "$ring"
        keyctl pipe "$id" | cmp - data
        tried=$((tried + 1))
    done
    [ "$tried" -eq 4 ]
}

@test "type logon: there, but nobody reads it; a user key in its place can be read" {
    put --keyring "$ring" --type logon --description "disk:$mark"
    [ "$(keyctl search "$ring" logon "disk:$mark")" = "$id" ]
    [[ $(keyctl rdescribe "$id") == "logon;"* ]]
    run keyctl print "$id"
    [ "$status" -ne 0 ]
    [[ $output != *sesame* ]]
    put --keyring "$ring" --type user --description "disk:$mark"
    run keyctl print "$id"
    [ "$status" -eq 0 ]
    [ "$output" = sesame ]
    fails 2 tpm-unseal --keyring "$ring" --type logon --description noprefix key
    one_line
    says prefix
}

@test "type big_key: as this kernel does it, or the documented error" {
    if printf reference | keyctl padd big_key "$mark.reference" "$ring" >/dev/null; then
        head -c 15000 /dev/urandom >data
        tpm-seal -q --replace key data
        put --keyring "$ring" --type big_key
        [ "$(keyctl search "$ring" big_key sealring:key)" = "$id" ]
        keyctl pipe "$id" | cmp - data
    else
        fails 1 tpm-unseal --keyring "$ring" --type big_key key
        one_line
        says "CONFIG_BIG_KEYS"
        [ "$(count "$ring")" -eq 0 ]
    fi
    fails 2 tpm-unseal --keyring "$ring" --type keyring key
    says "user, logon or big_key"
}

@test "what the type cannot hold is refused" {
    tpm-seal -q --replace --generate=32768 key
    fails 2 tpm-unseal --keyring "$ring" key
    one_line
    says 32767
    fails 2 tpm-unseal --keyring "$ring" --type logon --description a:b key
    [ "$(count "$ring")" -eq 0 ]
    tpm-seal -q --replace --generate=10000 key
    put --keyring "$ring"
}

@test "the keyrings of session, user and user session" {
    local keyring
    for keyring in @s @u @us; do
        put --keyring "$keyring" --description "$mark"
        keyctl rlist "$keyring" | tr ' ' '\n' | grep -qx "$id"
        [ "$(keyctl search "$keyring" user "$mark")" = "$id" ]
        keyctl unlink "$id" "$keyring" >/dev/null
    done
    put --type user --description "$mark"
    keyctl rlist @u | tr ' ' '\n' | grep -qx "$id"
    keyctl unlink "$id" @u >/dev/null
}

@test "the process keyring goes with the process: useless, but no error" {
    put --keyring @p --description "$mark"
    run keyctl search @s user "$mark"
    [ "$status" -ne 0 ]
    put --keyring @s --description "$mark"
    run keyctl search @s user "$mark"
    [ "$status" -eq 0 ]
    keyctl unlink "$id" @s >/dev/null
}

@test "a keyring by name, and by number in decimal and hex" {
    put --keyring "%:$mark"
    [ "$(keyctl rlist "$ring" | tr -d ' ')" = "$id" ]
    put --keyring "$mark" --description by.name
    put -k "$ring" --description by.number
    put --keyring "$(printf 0x%x "$ring")" --description by.hex
    [ "$(count "$ring")" -eq 4 ]
    [ "$(keyctl search "$ring" user by.hex)" = "$id" ]
}

@test "a keyring that is none: exit 9 or 2, and one line" {
    local keyring plain
    fails 9 tpm-unseal --keyring "$mark.missing" key
    one_line
    says "no such keyring: $mark.missing"
    fails 9 tpm-unseal --keyring "%:$mark.missing" key
    fails 9 tpm-unseal --keyring 2147483647 key
    says "no such keyring"
    plain=$(keyctl add user "$mark.plain" text "$ring")
    fails 2 tpm-unseal --keyring "$plain" key
    says "not a keyring"
    for keyring in @x -1 0 12x 0x %name "" 99999999999; do
        fails 2 tpm-unseal --keyring="$keyring" key
        one_line
    done
    [ "$(keyctl print "$plain")" = text ]
    [ "$(count "$ring")" -eq 1 ]
}

@test "a revoked keyring, and one without permission to write" {
    local closed
    closed=$(keyctl newring "$mark.closed" "$ring")
    keyctl setperm "$closed" 0x2b0b0000
    fails 1 tpm-unseal --keyring "$closed" key
    one_line
    says "no permission"
    keyctl setperm "$closed" 0x3f3f0000
    put --keyring "$closed"
    keyctl revoke "$closed"
    fails 1 tpm-unseal --keyring "$closed" key
    one_line
    says "revoked"
}

@test "timeout: the kernel forgets the key, and only this one" {
    local tries=0
    put --keyring "$ring" --description stays
    put --keyring "$ring" --description goes --timeout 3 # a busy machine looks late
    until ! keyctl print "$id" >out 2>/dev/null; do
        [ "$(<out)" = sesame ]
        tries=$((tries + 1))
        [ "$tries" -lt 1000 ]
        sleep 0.01
    done
    [ "$tries" -gt 0 ]
    [ "$(keyctl print "$(keyctl search "$ring" user stays)")" = sesame ]
    put --keyring "$ring" --description goes --timeout 0
    [ "$(keyctl print "$id")" = sesame ]
}

@test "a key that would have expired lives on when it is delivered without timeout" {
    local first tries=0
    put --keyring "$ring" --timeout 1
    put --keyring "$ring"
    first=$id
    put --keyring "$ring" --description clock --timeout 1
    while keyctl print "$id" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 1000 ]
        sleep 0.01
    done
    [ "$(keyctl print "$first")" = sesame ]
}

@test "permissions: exactly the mask" {
    local wanted tried=0
    for wanted in 3f010000 3f3f0000 0b0b0000 09010000 1f1f0b01; do
        put --keyring "$ring" --permissions "0x$wanted" --description "m.$wanted"
        [ "$(mask "$id")" = "$wanted" ]
        tried=$((tried + 1))
    done
    [ "$tried" -eq 5 ]
    put --keyring "$ring" --permissions "$((0x3f1f0000))" --description decimal
    [ "$(mask "$id")" = 3f1f0000 ]
    for wanted in 0x80000000 0x3f3f3f40 0x1ffffffff 3f010000 rwx -1; do
        fails 2 tpm-unseal --keyring "$ring" --permissions "$wanted" --description bad key
        one_line
    done
    run keyctl search "$ring" user bad
    [ "$status" -ne 0 ]
}

@test "a key that cannot be read when so asked; with the usual mask it can" {
    put --keyring "$ring" --permissions 0x01010000
    run keyctl print "$id"
    [ "$status" -ne 0 ]
    put --keyring "$ring" --permissions 0x3f010000
    [ "$(keyctl print "$id")" = sesame ]
    [ "$(count "$ring")" -eq 1 ]
}

@test "delivered again: new content, one key of the name" {
    put --keyring "$ring"
    printf 'open, sesame' | tpm-seal -q --replace key
    put --keyring "$ring"
    [ "$(keyctl print "$id")" = 'open, sesame' ]
    [ "$(count "$ring")" -eq 1 ]
    put --keyring "$ring" --permissions 0x3f3f0000
    [ "$(keyctl print "$id")" = 'open, sesame' ]
    [ "$(mask "$id")" = 3f3f0000 ]
    [ "$(count "$ring")" -eq 1 ]
    put --keyring "$ring" --type logon --description sealring:key
    [ "$(count "$ring")" -eq 2 ]
}

@test "a key of the name in a keyring below is another one" {
    local below inner
    below=$(keyctl newring "$mark.below" "$ring")
    inner=$(keyctl add user sealring:key inner "$below")
    put --keyring "$ring"
    [ "$id" != "$inner" ]
    [ "$(keyctl print "$inner")" = inner ]
    [ "$(keyctl print "$id")" = sesame ]
}

@test "--all: every secret under its own description" {
    seal two text --ring second
    tpm-unseal -q --all --keyring "$ring"
    [ "$(count "$ring")" -eq 2 ]
    [ "$(keyctl print "$(keyctl search "$ring" user sealring:key)")" = sesame ]
    [ "$(keyctl print "$(keyctl search "$ring" user sealring:two)")" = text ]
    fails 2 tpm-unseal --all --keyring "$ring" --description same
    one_line
}

@test "a boot state that is not approved puts nothing into a keyring" {
    extend 7 "another certificate"
    fails 3 tpm-unseal --keyring "$ring" key
    [ "$(count "$ring")" -eq 0 ]
    tpm_boot
    put --keyring "$ring"
    [ "$(count "$ring")" -eq 1 ]
}
