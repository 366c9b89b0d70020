#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, before an update and after it: no crash, no leak,
# nothing left on the TPM, nothing lost.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault
load eventlogs/logs

eval "common_$(declare -f setup_file)"

# What is only looked at for a baseline or a warning, beside what fault.bash says:
#   keep_baseline never_explained check_image
# or was read already:
#   close_file
# An approval that can't be read while a ring is opened is as if it were not there, so that
# another may open it:
#   sr_opening_unseal
lenient_in+="|keep_baseline|never_explained|check_image|close_file|sr_opening_unseal"

# If it was the only one that holds, the policy does not.
documented() {
    case $1 in
    tpm) [ "$status" -eq 6 ] ;;
    crypto) [[ $status == [12348] ]] ;;
    file) [[ $status == [13] ]] ;;
    *) [ "$status" -eq 1 ] ;;
    esac
}

# Three rings: one whose firmware changed after prepare, one whose machine only booted, and
# ring boot, which came over a bridge into the initramfs and was closed there.
setup_file() {
    common_setup_file
    logs_prepare
    (cd "$own" && logs_mix 7 before.bin after.bin firmware.bin)
    tpm_reboot
    logs_replay "$own/before.bin"
    make_base bridged
    tpm-ring -q create boot --manage yes --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    printf early | tpm-seal -q --ring boot early
    printf hello | "$helper/boot" wrap boot luks-x >envelope
    "$helper/boot" open <("$helper/boot" take boot) luks-x envelope
    tpm-reseal -q prepare --next-boot
    tpm_reboot
    logs_replay "$own/firmware.bin"
    make_base same
    tpm-reseal -q prepare --next-boot
    tpm_reboot
    logs_replay "$own/firmware.bin"
    make_base plain
    SEALRING_RUNTIME_DIR=$BATS_FILE_TMPDIR/bridged/run
    SEALRING_STATE_DIR=$BATS_FILE_TMPDIR/bridged/state
    rm -rf "${SEALRING_RUNTIME_DIR:?}/boot"
    cd "$BATS_FILE_TMPDIR/bridged"
    "$helper/boot" take boot >parts
    [ "$("$helper/boot" open parts luks-x envelope)" = hello ]
    extend 15 "the initramfs was left"
}

# No name in the ring but those the design knows; nothing hidden.
well_formed() {
    ! find state -mindepth 2 | grep -qvxE \
        'state/rings/(system|boot)(/ring\.conf|/recovery\.cms|/approvals(/(current|next|bridge(-2)?|planned(-[23])?)\.pem)?|/secrets(/(key|other|early|boot\.manage)\.cms)?|/baseline(/[0-9]*\.(log|conf))?)?'
}

fine() {
    opens key old && opens other kept && well_formed
}

# has FILE...: these approvals, no others
has() {
    [ "$(cd "state/rings/$ring/approvals" && echo *)" = "$*" ]
}

for_base() {
    ring=${2-system}
    start_from "$BATS_FILE_TMPDIR/$1"
    unharmed() { fine && again "${command[@]}" && succeeded; }
}

@test "tpm-reseal prepare --next-boot" {
    for_base plain
    command=(tpm-reseal -q prepare --next-boot system)
    succeeded() { fine && has bridge.pem current.pem; }
    # Once more it is another file while the first is still there.
    unharmed() { fine && again "${command[@]}" && fine && [ "$(find state -name 'bridge*' | wc -l)" -eq 1 ]; }
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-reseal prepare of three boot states, and bridges, around a command" {
    for_base plain
    logs_configure "$own/firmware.bin"
    command=(tpm-reseal -q prepare --next-boot --log "$own/before.bin" system -- true)
    succeeded() { fine && has bridge.pem current.pem planned.pem; }
    unharmed() { fine && again "${command[@]}" && fine; }
    campaign tpm "${command[@]}"
}

@test "tpm-reseal prepare --undo" {
    for_base same
    command=(tpm-reseal -q prepare --undo system)
    succeeded() { fine && has current.pem; }
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-reseal confirm of a boot over a bridge" {
    for_base bridged
    command=(tpm-reseal -q confirm system)
    succeeded() { fine && has current.pem; }
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-reseal confirm of such a boot, with its event log" {
    for_base bridged
    logs_configure "$own/firmware.bin"
    command=(tpm-reseal -q confirm system)
    succeeded() { fine && has current.pem; }
    campaign tpm "${command[@]}"
}

@test "tpm-reseal confirm of a boot without change" {
    for_base same
    command=(tpm-reseal -q confirm system)
    succeeded() { fine && has current.pem; }
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-reseal confirm of ring boot, closed by the latch" {
    for_base bridged boot
    SEALRING_RUNTIME_DIR=$BATS_FILE_TMPDIR/bridged/run
    command=(tpm-reseal -q confirm boot)
    manages() { [ "$("$helper/boot" secret boot early)" = early ]; }
    # What opened this boot is there in any case.
    keeps() { [ -e state/rings/boot/approvals/bridge.pem ]; }
    succeeded() { manages && keeps && fine && has bridge.pem current.pem next.pem; }
    unharmed() { manages && keeps && fine && again "${command[@]}" && succeeded; }
    campaign "tpm memory crypto file" "${command[@]}"
}
