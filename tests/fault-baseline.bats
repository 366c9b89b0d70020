#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once where there is an event log: a baseline that can't be
# taken is said, and is no failure; explain says less, but nothing that is not so.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault
load eventlogs/small

eval "common_$(declare -f setup_file)"

setup_file() {
    common_setup_file
    small_log 'firmware 1.0' >"$BATS_FILE_TMPDIR/small.bin"
    base_new logged
    configure
    seal key old --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    seal other kept
}

configure() {
    printf '[TPM]\nEventLog=%s\n' "$BATS_FILE_TMPDIR/small.bin" >"$SEALRING_CONFIG_DIR/sealring.conf"
}

well_formed() {
    ! find state -mindepth 2 | grep -qvxE \
        'state/rings/system(/ring\.conf|/recovery\.cms|/approvals(/current\.pem)?|/secrets(/[a-z]+\.cms)?|/baseline(/[0-9]{8}\.(conf|log))?)?'
}

@test "tpm-reseal now, with an event log" {
    configure
    start_from "$BATS_FILE_TMPDIR/logged"
    succeeded() { opens key old && opens other kept && well_formed; }
    unharmed() { opens key old && again tpm-reseal -q now system && succeeded; }
    lenient_in+="|sr_ring_check_evidence"
    campaign "tpm memory file" tpm-reseal -q now system
    [ -s state/rings/system/baseline/00000002.log ] || tpm-reseal -q now system
}

@test "tpm-reseal explain" {
    configure
    start_from "$BATS_FILE_TMPDIR/logged"
    extend 7 "another certificate"
    tpm-reseal explain --json system >good
    jq -e '.[0] | .changed == [7] and .baseline.taken' good
    # Where it knows less, it may still say nothing that is not so.
    succeeded() {
        cmp -s good out || jq -e '.[0].changed == [7] and (.[0].baseline == null or .[0].now == null or
            .[0].baseline.authentic == null)' out >/dev/null
    }
    unharmed() { false; }
    chatter=': what it says of ring system does not count$|: this boot.s event log does not count: '
    lenient_in+="|take_baseline|try_to_open|sr_baseline_now"
    campaign "tpm memory file" tpm-reseal explain --json system
    tpm_boot
}
