#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at system calls: afterwards the old or the new state opens, never neither.
# shellcheck disable=SC2154 # from kill.bash

load kill

setup_file() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=escrow \
        -keyout "$BATS_FILE_TMPDIR/escrow.key" -out "$BATS_FILE_TMPDIR/escrow.pem" 2>/dev/null
    tpm_start
    boot_state
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR/base && mkdir "$BATS_TEST_TMPDIR"
    store_new
    seal key old --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    seal other kept
}

also_there() {
    :
}

@test "tpm-seal over an existing secret, killed at system calls" {
    campaign "old new" tpm-seal -q --replace key
}

@test "tpm-reseal now, killed at system calls" {
    campaign "old" tpm-reseal -q now system
}

@test "tpm-ring rotate, killed at system calls" {
    campaign "old" tpm-ring -q rotate system --escrow "$BATS_FILE_TMPDIR/escrow.pem"
}
