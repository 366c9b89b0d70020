#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Recovery after an update that nobody prepared, killed at system calls; and the power cut at
# each of them, also where the TPM was cleared: TPM or recovery opens, always.
# shellcheck disable=SC2034,SC2154 # for and from kill-ring.bash

load kill-ring

# "drifted" is of firmware before this; "foreign" of a TPM that was cleared since.
setup_file() {
    escrow_new
    tpm_start
    boot_state "firmware 2.0"
    make_base foreign
    tpm2_clear -Q
    tpm_boot "firmware 1.0"
    make_base drifted
    tpm_boot "firmware 2.0"
}

# recovers NAME STATUS: what is recovered, and what tpm-unseal says before
recovers() {
    from "$1"
    restore
    fails "$2" tpm-unseal key
    command=(tpm-reseal -q recover system --escrow-key "$ESCROW")
}

# power_cut NAME STATUS: both are found: stores that it has not reached, and that it has
power_cut() {
    local made found
    recovers "$@"
    made=$(copies "${command[@]}")
    found=$(open_copies)
    echo "# power cut at $made calls of recover: $found" >&3
    [[ $found =~ ^([0-9]+)\ by\ the\ TPM,\ ([0-9]+)\ by\ recovery$ ]]
    ((made > 5 && BASH_REMATCH[1] > 0 && BASH_REMATCH[2] > 0))
}

@test "tpm-reseal recover after an unplanned update, killed at system calls" {
    recovers drifted 3
    # Until it is done, recovery opens what the TPM does not.
    tpm-unseal() { command tpm-unseal "$@" 2>/dev/null || command tpm-unseal --escrow-key "$ESCROW" "$@"; }
    campaign "${command[@]}"
}

@test "the power is cut in a recovery after an unplanned update" {
    power_cut drifted 3
}

@test "the power is cut in a recovery on a TPM that was cleared" {
    power_cut foreign 7
}
