#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, in tpm-doctor: it says so, or what it says is still
# true; no crash, no leak, nothing left on the TPM, nothing changed.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault
load eventlogs/logs

# examine: a store with both kinds of rings, a secret for a unit, and an event log
examine() {
    logs_prepare
    logs_boot "$own/before.bin"
    seal key sesame --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    tpm-ring -q create boot --manage yes --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    tpm-seal -q --system --generate --unit web.service other >/dev/null
    extend 15 "the initramfs was left"
    tpm-doctor --system >good 2>&1 || true
    cp -a state before
    # Fewer would be of no use.
    [ "$(wc -l <good)" -gt 20 ]
}

# What it says is worse than it was, but nothing is said to be better.
says_so() {
    grep -qE '^(note|warn|FAIL)  ' <(grep -vxFf good out) || [ "$(wc -l <err)" -eq 1 ]
}

no_better() {
    ! grep -E '^ok    ' out | grep -vxFf good
}

check_doctor() {
    points=$((points + 1))
    [[ $status == [01] ]] || wrong "neither 0 nor 1"
    ((status == 0)) || grep -q '^FAIL  ' out || [ "$(wc -l <err)" -eq 1 ] || wrong "1, but nothing fails"
    no_better || wrong "better than it is"
    diff -r before state || wrong "something changed"
    if cmp -s good out && [ ! -s err ]; then
        unnoticed=$((unnoticed + 1))
        names+=" $name"
    else
        says_so || wrong "nothing says so: $(diff good out)"
    fi
}

# each_call: all that concern the TPM, and of the others every fifth, unless THOROUGH=1
each_call() (
    trap - DEBUG
    set +eET
    unnoticed=0 names=
    for class in tpm memory crypto file; do
        step=1
        [ $class = tpm ] || step=$(stride 5)
        for ((n = 1 + SAMPLE % step; ; n += step)); do
            at $class $n "" tpm-doctor --system
            [ -n "$name" ] || break
            check_doctor
            [ $class != tpm ] || check_handles
        done
    done
    echo "# tpm-doctor: $points points, $unnoticed changed nothing that it says" >&3
    echo "$points points, $bad wrong"
    tr ' ' '\n' <<<"$names" | sort | uniq -c
    ((points > 100 && points > unnoticed && bad == 0))
)

@test "tpm-doctor" {
    examine
    from=$PWD/before
    each_call
}
