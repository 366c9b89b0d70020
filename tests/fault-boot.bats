#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, in what changes ring boot from the running system:
# no crash, no leak, nothing left on the TPM, nothing lost.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault

eval "common_$(declare -f setup_file)"

# In the initramfs it was opened, and that was noted; then the initramfs was left.
setup_file() {
    common_setup_file
    make_base managed
    tpm-ring -q create boot --manage yes --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    printf early | tpm-seal -q --ring boot early
    "$helper/boot" take boot >parts
    printf hello | "$helper/boot" wrap boot luks-x >envelope
    SEALRING_RUNTIME_DIR=$BATS_FILE_TMPDIR/managed/run
    [ "$("$helper/boot" open parts luks-x envelope)" = hello ]
    extend 15 "the initramfs was left"
}

# manages: ring boot can be changed, and its secret is there
manages() {
    [ "$("$helper/boot" secret boot early)" = early ]
}

# for_boot: what all but the first test start with
for_boot() {
    start_from "$BATS_FILE_TMPDIR/managed"
    SEALRING_RUNTIME_DIR=$BATS_FILE_TMPDIR/managed/run
    succeeded() { manages && opens key old && well_formed; }
    unharmed() { manages && opens key old && again "${command[@]}" && succeeded; }
}

# What was opened in this boot has to be there, in any case.
keeps_proven() {
    "$helper/boot" take boot | grep -qF "$(grep '^approval' "$BATS_FILE_TMPDIR/managed/parts")"
}

well_formed() {
    ! find state -mindepth 2 | grep -qvxE \
        'state/rings/(system|boot)(/ring\.conf|/recovery\.cms|/approvals(/(current|next)\.pem)?|/secrets(/(key|other|early|boot\.manage)\.cms)?)?'
}

@test "tpm-ring create boot" {
    start_from "$BATS_FILE_TMPDIR/plain"
    [ -d "$from" ] || { mkdir -p "$BATS_FILE_TMPDIR/plain" && cp -a "$BATS_FILE_TMPDIR/managed/state" "$from"; }
    rm -rf "$from/rings/boot" "$from/rings/system/secrets/boot.manage.cms"
    restore
    command=(tpm-ring -q create boot --manage yes "${by_escrow[@]}")
    succeeded() { "$helper/boot" admin boot && opens key old && well_formed; }
    unharmed() {
        opens key old && { [ -e state/rings/boot ] || again "${command[@]}"; } && succeeded
    }
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-reseal now of ring boot" {
    for_boot
    command=(tpm-reseal -q now boot --pcrs 0+2+7)
    succeeded() { manages && keeps_proven && opens key old && well_formed; }
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-reseal now of ring boot where this boot proved it" {
    for_boot
    command=(tpm-reseal -q now boot)
    succeeded() { manages && keeps_proven && opens key old && well_formed; }
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-ring rotate of ring boot" {
    for_boot
    command=(tpm-ring -q rotate boot "${by_escrow[@]}")
    # The old ring may stay hidden until the next write.
    succeeded() { manages && opens key old; }
    # It is done, but for what it has to say of keys.
    chatter=': which keys ring boot has can.t be seen: '
    lenient_in+="|say_keys"
    campaign "tpm memory crypto file" "${command[@]}"
}
