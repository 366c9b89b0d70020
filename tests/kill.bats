#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at system calls: afterwards the old or the new state opens, never neither.
# shellcheck disable=SC2034,SC2154 # for and from kill-ring.bash

load kill-ring

@test "tpm-seal over an existing secret, killed at system calls" {
    states=(old new)
    every=1
    campaign tpm-seal -q --replace key
}

# bats test_tags=minimal
@test "tpm-reseal now, killed at system calls" {
    campaign tpm-reseal -q now system
}

@test "tpm-ring rotate, killed at system calls" {
    campaign tpm-ring -q rotate system --escrow "$BATS_FILE_TMPDIR/escrow.pem"
}
