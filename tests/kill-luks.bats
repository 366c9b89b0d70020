#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at every fourth system call that may change something (THOROUGH=1: at every one),
# and at some of the others: the volume opens as before or as after, and the next run leaves
# nothing behind.
# shellcheck disable=SC2030,SC2031,SC2154 # what a campaign counts; helper: from common.bash

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
}

teardown() {
    no_handles_left
}

teardown_file() {
    tpm_stop
}

# The leak checker of a sanitizer build can't work under a tracer.
traced() {
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace -f -qq "$@" >/dev/null 2>err
}

# calls COMMAND: the system calls it makes, and how many of each
calls() {
    traced -o trace "$@" && sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' trace | sort | uniq -c
}

# killed_at CALL N COMMAND: SIGKILL as the N-th CALL begins; 0 if there were fewer
killed_at() {
    traced -o /dev/null -e trace="$1" -e inject="$1:signal=SIGKILL:when=$2" "${@:3}"
}

# What is on disk changes with these; with the others it is enough to try a few.
changing=" write pwrite64 fsync fdatasync rename renameat renameat2 unlink unlinkat symlink mkdir mkdirat flock ftruncate fchmod "

# points COMMAND: "CALL N" for each point
points() {
    local count call step n
    while read -r count call; do
        step=$(stride 4)
        [[ $changing == *" $call "* ]] || step=$((count / 2 + 1))
        for ((n = 1; n <= count; n += step)); do
            echo "$call $n"
        done
    done < <(calls "$@")
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
    while read -r call n; do
        restore
        status=0
        killed_at "$call" "$n" "${@:2}" || status=$?
        # How often a call is made may differ by a few from run to run.
        ((status != 0)) || continue
        check_point
    done <list 2>/dev/null
    echo "# $BATS_TEST_DESCRIPTION: $points points, $changed of them after the header changed" >&3
    echo "$points points, $changed changed, $bad bad"
    ((points > 30 && changed > 6 && points > changed && bad == 0))
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
