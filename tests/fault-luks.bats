#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, in what changes a volume's header: no crash, no
# leak, nothing left on the TPM, and the volume opens as before or as after.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault
load luks/luks

setup_file() {
    look_for_leaks
    luks_setup_file
    base_new base
    luks_setup
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    volume disk
    cp disk plain
    tpm-luks -q enroll disk --passphrase-file "$PW"
    mv disk enrolled
}

setup() {
    luks_setup
    BASE=$BATS_FILE_TMPDIR/base
    HIT=$BATS_TEST_TMPDIR/hit
    : >input
    points=0 bad=0
    cp "$BASE/plain" disk
    uuid=$(cryptsetup luksUUID disk)
}

# What can't be asked of a header counts as a header that is refused (8).
documented() {
    case $1 in
    tpm) [ "$status" -eq 6 ] ;;
    luks) [[ $status == [18] ]] ;;
    *) [[ $status == [1248] ]] ;;
    esac
}

# In these a failure only costs what they are for: a message, a mark, a second look, what
# was left by others, what is taken back.
lenient_in+="|take_fitting|through_manager|sr_manage_exists|say_enrolled|mark_behind|sr_follow_forget|try_to_open|take_back|is_cheap|is_behind|sr_token_type"
lenient_in+="|sr_follow_behind|state_of|warn_of_volumes|open_volume|lock_store|follow_start"

restore() {
    rm -rf state
    cp -a "$from" state
    ln -sfn "$PWD/disk" "state/volumes/$uuid"
    dd if="$BASE/$header" of=disk bs=1M count=2 conv=notrunc status=none
}

is_old() {
    cmp -s -n 2097152 "$BASE/$header" disk && diff -r --no-dereference "$from/rings" state/rings >/dev/null
}

# start_from HEADER
start_from() {
    header=$1 from=$BASE/state
    restore
}

@test "tpm-luks enroll" {
    start_from plain
    command=(tpm-luks -q enroll disk --passphrase-file "$PW")
    succeeded() { [ "$(tokens disk) $(slots disk)" = "1 0 1 " ] && plugged unlock disk && by_passphrase disk; }
    unharmed() { by_passphrase disk && "${command[@]}" 2>err2 && succeeded; }
    campaign "luks" "${command[@]}"
}

@test "tpm-luks enroll, again" {
    start_from enrolled
    command=(tpm-luks -q enroll disk)
    succeeded() { [ "$(tokens disk) $(slots disk)" = "1 0 1 " ] && plugged unlock disk && by_passphrase disk; }
    unharmed() { succeeded; }
    campaign "memory crypto luks" "${command[@]}"
}

@test "tpm-luks remove" {
    start_from enrolled
    command=(tpm-luks -q remove disk)
    succeeded() { [ "$(tokens disk) $(slots disk)" = "0 0 " ] && by_passphrase disk; }
    unharmed() { by_passphrase disk && { [ "$(tokens disk)" -eq 0 ] || "${command[@]}" 2>err2; } && succeeded; }
    campaign "memory file luks" "${command[@]}"
}

@test "tpm-reseal now" {
    start_from enrolled
    command=(tpm-reseal -q now boot)
    succeeded() { [ "$(tokens disk) $(slots disk)" = "1 0 1 " ] && plugged unlock disk; }
    unharmed() { plugged unlock disk && "${command[@]}" 2>err2 && succeeded; }
    campaign "luks" "${command[@]}"
}

@test "tpm-ring rotate" {
    start_from enrolled
    command=(tpm-ring -q rotate boot --no-recovery)
    succeeded() { [ "$(tokens disk) $(slots disk)" = "1 0 1 " ] && plugged unlock disk; }
    unharmed() { plugged unlock disk && tpm-reseal -q now boot 2>err2 && succeeded; }
    campaign "luks" "${command[@]}"
}
