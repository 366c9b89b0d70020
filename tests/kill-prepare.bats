#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at system calls, before an update and after it; and the power cut at each of them,
# with the boot that comes then.
# shellcheck disable=SC2034,SC2154 # for and from kill-ring.bash

load kill-ring

# Over a bridge into another firmware; "same" was only booted, "plain" has nothing prepared.
setup_file() {
    escrow_new
    tpm_start
    boot_state
    make_base bridged
    tpm-reseal -q prepare --next-boot=9
    tpm_boot "firmware 2.0"
    make_base same
    tpm-reseal -q prepare --next-boot=9
    tpm_boot "firmware 2.0"
    make_base plain
}

@test "tpm-reseal prepare, killed at system calls" {
    from plain
    campaign tpm-reseal -q prepare --next-boot --pcrs "0=$(printf 'a%.0s' {1..64})+7" system
}

@test "tpm-reseal prepare --undo, killed at system calls" {
    from same
    least=0
    campaign tpm-reseal -q prepare --undo system
}

@test "tpm-reseal confirm of a boot over a bridge, killed at system calls" {
    from bridged
    # Once it is confirmed there is nothing more to do.
    next=(tpm-reseal -q now system)
    campaign tpm-reseal -q confirm system
}

@test "tpm-reseal confirm of a boot without change, killed at system calls" {
    from same
    least=0
    campaign tpm-reseal -q confirm system
}

@test "the power is cut while an update is prepared and confirmed: TPM or recovery opens" {
    from plain
    made=$(copies tpm-reseal -q prepare --next-boot=9 system)
    before=$(open_copies)
    mv copies prepared
    from bridged
    confirmed=$(copies tpm-reseal -q confirm system)
    now=$(open_copies)
    # In the boot in which it happens the TPM opens all.
    [ "${before#*TPM, }" = "0 by recovery" ]
    [ "${now#*TPM, }" = "0 by recovery" ]
    # The update was made: over the bridge, where that was there already, and out of it.
    tpm_boot "firmware 3.0"
    mv copies confirmed
    mv prepared copies
    updated=$(open_copies)
    [ "${updated%% *}" -gt 0 ]
    mv copies prepared
    tpm_boot "firmware 2.0"
    # It was not made, and it was confirmed, in whatever order.
    mv prepared copies
    same=$(open_copies)
    [ "${same#*TPM, }" = "0 by recovery" ]
    mv copies prepared
    mv confirmed copies
    after=$(open_copies)
    [ "${after#*TPM, }" = "0 by recovery" ]
    # Firmware that is put back was approved until it was confirmed.
    tpm_boot "firmware 1.0"
    back=$(open_copies)
    echo "# power cut at $made calls of prepare: $before; after the update: $updated; without: $same" >&3
    echo "# power cut at $confirmed calls of confirm: $now; next boot: $after; old firmware: $back" >&3
    ((made > 5 && confirmed > 5))
}
