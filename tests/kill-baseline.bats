#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at system calls where there is an event log: the secrets open, and there is a whole
# baseline, the last one or the new one.
# shellcheck disable=SC2154 # from kill-ring.bash

load kill-ring
load eventlogs/small

setup_file() {
    escrow_new
    tpm_start
    boot_state
    small_log 'firmware 1.0' >"$BATS_FILE_TMPDIR/small.bin"
    base_new base
    configure
    seal key old --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    seal other kept
    # Three are kept: the next one takes the place of the oldest.
    for _ in 2 3; do tpm-reseal -q now system; done
}

configure() {
    printf '[TPM]\nEventLog=%s\n' "$BATS_FILE_TMPDIR/small.bin" >"$SEALRING_CONFIG_DIR/sealring.conf"
}

also_there() {
    local log
    [ "$(tpm-reseal explain --json system 2>&1 | jq '.[0] | .baseline.authentic and .changed == []')" = true ] ||
        { echo "no baseline: $(ls state/rings/system/baseline)"; return 1; }
    # What has a description has its log; three are left, and one that was not finished.
    for log in state/rings/system/baseline/*.conf; do
        [ -s "${log%.conf}.log" ] || { echo "$log has no log"; return 1; }
    done
    [ "$(find state/rings/system/baseline -name '*.log' | wc -l)" -le 4 ]
}

@test "tpm-reseal now with an event log, killed at system calls" {
    configure
    campaign tpm-reseal -q now system
    restore
    tpm-reseal -q now system
    [ "$(cd state/rings/system/baseline && echo *)" = \
        '00000002.conf 00000002.log 00000003.conf 00000003.log 00000004.conf 00000004.log' ]
}
