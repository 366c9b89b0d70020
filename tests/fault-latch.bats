#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, in tpm-latch: what it does not close, it reports.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault

# Where the notes of this boot are: in doubt a ring was opened.
lenient_in+="|any_ring_opened|directory"

latch_value() {
    tpm2_pcrread sha256:15
}

# What it said is true: PCR 15 is another than at the point before.
latched() {
    local now
    now=$(latch_value)
    [ "$now" != "$before" ] && before=$now
}

# bats test_tags=minimal
@test "tpm-latch after a ring was opened" {
    start_from "$BASE"
    mkdir -p "$SEALRING_RUNTIME_DIR/boot"
    echo note >"$SEALRING_RUNTIME_DIR/boot/boot.opened"
    before=$(latch_value)
    succeeded() { latched; }
    unharmed() { false; }
    campaign "tpm memory file" tpm-latch -q
}

@test "tpm-latch --install" {
    tpm_boot
    start_from "$BASE"
    tpm-ring -q create boot --no-recovery --pcrs 0+7+15=0 --manage no
    printf x | tpm-seal -q --ring boot early
    mkdir "$SEALRING_CONFIG_DIR/secrets.d"
    printf '[Secret]\nInitramfs=yes\n[Keyring]\nKeyring=@u\n' >"$SEALRING_CONFIG_DIR/secrets.d/early.conf"
    cp -a state with-boot
    from=$PWD/with-boot
    succeeded() {
        [ -s "image$SEALRING_STATE_DIR/rings/boot/secrets/early.cms" ] &&
            [ "$(find image -type f | wc -l)" -eq 4 ] && rm -rf image
    }
    unharmed() { false; }
    anew=image
    campaign "memory file" tpm-latch -q --install image
}
