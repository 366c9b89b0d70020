#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Recovery after an update that nobody prepared, killed at system calls; and the power cut at
# each of them, also where the TPM was cleared: TPM or recovery opens, always.
# shellcheck disable=SC2034,SC2154 # for and from kill.bash

load kill

# "drifted" is of firmware before this; "foreign" of a TPM that was cleared since.
setup_file() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=escrow \
        -keyout "$BATS_FILE_TMPDIR/escrow.key" -out "$BATS_FILE_TMPDIR/escrow.pem" 2>/dev/null
    tpm_start
    boot_state "firmware 2.0"
    make foreign
    tpm2_clear -Q
    boot "firmware 1.0"
    make drifted
    boot "firmware 2.0"
}

# make NAME: a store
make() {
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR/$1 && mkdir "$BATS_TEST_TMPDIR"
    store_new
    seal key old --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    seal other kept
}

boot() {
    tpm_reboot
    boot_state "$1"
}

also_there() {
    :
}

# from NAME STATUS: what is recovered, and what tpm-unseal says before
from() {
    BASE=$BATS_FILE_TMPDIR/$1/state
    restore
    fails "$2" tpm-unseal key
    command=(tpm-reseal -q recover system --escrow-key "$ESCROW")
}

# power_cut NAME STATUS: both are found: stores that it has not reached, and that it has
power_cut() {
    local made found
    from "$@"
    made=$(copies "${command[@]}")
    found=$(open_copies)
    echo "# power cut at $made calls of recover: $found" >&3
    [[ $found =~ ^([0-9]+)\ by\ the\ TPM,\ ([0-9]+)\ by\ recovery$ ]]
    ((made > 5 && BASH_REMATCH[1] > 0 && BASH_REMATCH[2] > 0))
}

@test "tpm-reseal recover after an unplanned update, killed at system calls" {
    from drifted 3
    # Until it is done, recovery opens what the TPM does not.
    tpm-unseal() { command tpm-unseal "$@" 2>/dev/null || command tpm-unseal --escrow-key "$ESCROW" "$@"; }
    campaign old "${command[@]}"
}

@test "the power is cut in a recovery after an unplanned update" {
    power_cut drifted 3
}

@test "the power is cut in a recovery on a TPM that was cleared" {
    power_cut foreign 7
}
