#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at system calls, with a ring that is changed through another: either the old or the
# new keys open all, never neither.
# shellcheck disable=SC2154 # helper: from common.bash

load kill-ring

setup_file() {
    escrow_new
    tpm_start
    boot_state
    extend 15 "the initramfs was left"
    make_base base
    tpm-ring -q create boot --manage yes --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    printf early | tpm-seal -q --ring boot early
}

# Ring boot is opened through ring system, and its secret is there.
also_there() {
    one_of "$("$helper/boot" secret boot early 2>&1)" early
}

@test "tpm-reseal now of ring boot, killed at system calls" {
    campaign tpm-reseal -q now boot
}

@test "tpm-ring rotate of ring boot, killed at system calls" {
    campaign tpm-ring -q rotate boot --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    # The old key is not kept beside the new one any longer than needed.
    restore
    tpm-ring -q rotate boot --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    kept=secrets/boot.manage.cms
    [ "$(wc -c <state/rings/system/$kept)" = "$(wc -c <"$BASE/rings/system/$kept")" ]
}

@test "tpm-ring rotate of ring system, which has boot's key, killed at system calls" {
    campaign tpm-ring -q rotate system --escrow "$BATS_FILE_TMPDIR/escrow.pem"
}
