#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-latch --root: what the TPM opened is closed when the root file system is a planted one.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load luks/luks

setup_file() {
    luks_setup_file
    "$CC" -shared -fPIC -D_GNU_SOURCE -Wall -o "$BATS_FILE_TMPDIR/mapper.so" \
        "$BATS_TEST_DIRNAME/luks/mapper.c" -ldl -lcryptsetup
}

setup() {
    luks_setup
    tpm_boot
    volume disk
    device disk
    id=
}

teardown() {
    [ -z "$id" ] || keyctl purge user "sealring-ring:$id"
    no_handles_left
}

# device NAME: the image is a volume that was opened
device() {
    mkdir -p "blocks/$1/dm"
    echo CRYPT-LUKS2-0 >"blocks/$1/dm/uuid"
    echo "$PWD/$1" >"blocks/$1/dm/name"
}

# guard: for a root file system that is on no volume
guard() {
    MAPPER_DIR=$PWD/blocks TOKEN_INITRAMFS=$PWD/console \
        LD_PRELOAD="$PRELOAD $BATS_FILE_TMPDIR/mapper.so" tpm-latch --root none
}

closed() {
    cat blocks/closed 2>/dev/null || :
}

# enrolled [OPTIONS]: the volume, and the id of its ring
enrolled() {
    enroll disk "$@"
    id=$(token disk | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
}

# with_pin: a ring whose PIN was typed in this boot; nothing is kept of it any more
with_pin() {
    printf 'correct horse' >pin
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes --pin --pin-file pin 2>/dev/null
    enrolled --pin-file pin
    in_initramfs unlock disk <pin
    keyctl purge user "sealring-ring:$id"
}

@test "a volume that the TPM opened is closed; others are not" {
    volume other 11111111-2222-3333-4444-555555555555
    device other
    enrolled
    in_initramfs unlock disk
    run guard
    [ "$status" -eq 0 ]
    says "volume $PWD/disk is closed"
    [ "$(closed)" = "$PWD/disk" ]
}

@test "a volume that the TPM does not open stays" {
    enrolled
    in_initramfs unlock disk
    keyctl purge user "sealring-ring:$id"
    extend 0 'firmware 2.0'
    run guard
    [ "$status" -eq 0 ]
    [ "$(closed)" = "" ]
}

@test "a volume that was opened by a PIN is closed, though nobody is there to type it" {
    with_pin
    run guard
    [ "$status" -eq 0 ]
    [ "$(closed)" = "$PWD/disk" ]
}

@test "another key in the place of the one that is kept saves no volume from being closed" {
    with_pin
    head -c 32 /dev/urandom | keyctl padd user "sealring-ring:$id" @u
    run guard
    [ "$status" -eq 0 ]
    [ "$(closed)" = "$PWD/disk" ]
}

@test "a TPM that is gone meanwhile: what can't be judged is closed" {
    enrolled
    in_initramfs unlock disk
    keyctl purge user "sealring-ring:$id"
    tpm_stop
    run guard
    [ "$status" -eq 6 ]
    says 'the boot stops'
    [ "$(closed)" = "$PWD/disk" ]
    tpm_start main
}
