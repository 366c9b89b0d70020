#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at every third system call that may change something, and at some of the others: the volume opens as before or as after, and the next run leaves
# nothing behind.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # what a campaign counts; helper: from common.bash

load kill
load luks/luks

setup_file() {
    luks_setup_file
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR/base && mkdir "$BATS_TEST_TMPDIR"
    luks_setup
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    volume disk
    printf '{"type":"other","keyslots":["0"]}' >other
    cryptsetup token import --disable-external-tokens --token-id 5 --json-file other disk
    cp disk plain
    tpm-luks -q enroll disk --passphrase-file "$PW"
    cp disk enrolled
    # The same with what was prepared in a boot before this one.
    cp -a state before
    tpm-reseal -q prepare --next-boot
    mv state prepared
    mv disk bridged
    mv before state
    tpm_boot
}

setup() {
    luks_setup
    BASE=$BATS_FILE_TMPDIR/base
    every=3 sparse=200
}

# The header is what changes; the data behind it is never read.
restore() {
    rm -rf state
    cp -a "$BASE/${store:-state}" state
    ln -sfn "$PWD/disk" "state/volumes/$uuid"
    dd if="$BASE/$from" of=disk bs=1M count=2 conv=notrunc status=none
}

complain() {
    bad=$((bad + 1))
    ((bad > 10)) || echo "killed at $call $n: $1: exit status $status: $(cat err) $(slots disk)"
}

# Nobody's own passphrase or token is ever hurt.
unharmed() {
    by_passphrase disk && [ "$(token disk 5)" = "$(cat "$BASE/other")" ] && tpm-ring list >/dev/null
}

check_point() {
    points=$((points + 1))
    ((status == 137)) || complain "not killed"
    "$helper/handles" "$SEALRING_TCTI" flush >left
    unharmed || complain "harmed"
    survived || complain "does not open"
    cmp -s -n 1048576 "$BASE/$from" disk || changed=$((changed + 1))
    finish 2>err || complain "the next run"
    [ "$(tokens disk) $(slots disk)" = "$wanted" ] || complain "left: $(tokens disk) $(slots disk)"
}

# campaign FROM COMMAND: without bats' trap on every line
campaign() (
    trap - DEBUG
    set +eET
    from=$1 points=0 changed=0 bad=0
    uuid=$(cryptsetup luksUUID "$BASE/plain")
    cp "$BASE/plain" disk
    restore
    points "${@:2}" >list
    while read -r call number n; do
        restore
        status=0
        killed_at "$number" "$n" "${@:2}" || status=$?
        # How often a call is made may differ by a few from run to run.
        ((status != 0)) || continue
        check_point
    done <list 2>/dev/null
    tried
    echo "$points points, $changed changed, $bad bad"
    ((points > 15 && changed > 3 && points > changed && bad == 0))
)

@test "tpm-luks enroll, killed; then enrolled again or removed, in turn" {
    survived() { true; }
    finish() {
        if ((points % 2)); then
            wanted="1 0 1 "
            tpm-luks -q enroll disk --passphrase-file "$PW" && plugged unlock disk
        else
            wanted="0 0 "
            tpm-luks -q remove disk || [ "$(tokens disk)" -eq 0 ]
        fi
    }
    campaign plain tpm-luks -q enroll disk --passphrase-file "$PW"
}

@test "tpm-luks remove, killed" {
    survived() { true; }
    finish() { tpm-luks -q remove disk || [ "$(tokens disk)" -eq 0 ]; }
    wanted="0 0 "
    campaign enrolled tpm-luks -q remove disk
}

@test "tpm-reseal now, killed: the volume always opens" {
    survived() { plugged unlock disk; }
    finish() { tpm-reseal -q now boot && plugged unlock disk && tpm-luks list disk | grep -q current; }
    wanted="1 0 1 "
    campaign enrolled tpm-reseal -q now boot
}

@test "tpm-ring rotate, killed: the volume always opens" {
    survived() { plugged unlock disk; }
    finish() { tpm-reseal -q now boot && plugged unlock disk && tpm-luks list disk | grep -q current; }
    wanted="1 0 1 "
    campaign enrolled tpm-ring -q rotate boot --no-recovery
}

@test "tpm-reseal prepare, killed: the volume always opens" {
    survived() { plugged unlock disk; }
    finish() {
        tpm-reseal -q prepare --next-boot boot && plugged unlock disk &&
            [ "$(find state -name 'bridge*.pem' | wc -l)" -eq 1 ]
    }
    wanted="1 0 1 "
    campaign enrolled tpm-reseal -q prepare --next-boot boot
}

@test "tpm-reseal confirm, killed: the volume always opens" {
    store=prepared
    survived() { plugged unlock disk; }
    finish() {
        tpm-reseal -q confirm boot && tpm-reseal -q now boot && plugged unlock disk &&
            tpm-luks list disk | grep -q current
    }
    wanted="1 0 1 "
    campaign bridged tpm-reseal -q confirm boot
}
