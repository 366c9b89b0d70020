#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Signals that ask a program to end, at its system calls: it does, by that signal and without a
# word, nothing stays on the TPM, and what was there on disk is whole. Killed, it can't.
# shellcheck disable=SC2034,SC2154,SC2317 # for and from kill.bash, which calls what tests define

load kill

setup_file() {
    tpm_start
    boot_state
    tpm_tries 100000
    base_new base
    printf 'correct horse battery' >"$BATS_FILE_TMPDIR/pin"
    seal key sesame --pcrs 0+7 2>/dev/null
    tpm-sign keygen -q kept
    tpm-sign keygen -q both --pcrs 0+7 --pin-file "$BATS_FILE_TMPDIR/pin" 2>/dev/null
}

setup() {
    store_new
    pin=$BATS_FILE_TMPDIR/pin
    echo "a message" >message
    # Most calls are those that talk to the TPM.
    every=6 sparse=8
    signals=(2 15 1)
}

# At its last call a signal may come too late to be heeded.
check_signal() {
    ((status == 128 + SIGNAL)) || { ((status == 0)) && late=$((late + 1)); } || complain "how it ended"
    [ ! -s err ] || complain "what it said"
    "$helper/handles" "$SEALRING_TCTI" >left || { left=$((left + 1)) && complain "on the TPM: $(<left)"; }
    whole || complain "on disk"
}

# asked COMMAND: to end, at each of its points, by each signal in turn; then killed there
asked() (
    trap - DEBUG
    set +eET
    tried=0 late=0 left=0 killed=0 bad=0
    restore
    mapfile -t list < <(points "$@")
    for point in "${list[@]}"; do
        export SIGNAL=${signals[tried % 3]}
        kill_at "$point" "$@" || continue
        tried=$((tried + 1))
        check_signal
        flush
        SIGNAL=9 kill_at "$point" "$@" || continue
        flush || killed=$((killed + 1))
    done
    echo "# $BATS_TEST_DESCRIPTION: $tried of $(cat all) points, $killed leave handles when killed" >&3
    echo "$tried points, $left left handles, $late came too late, $killed left some when killed, $bad bad"
    ((tried > 15 && killed > 0 && bad == 0))
)

same() {
    diff -r "$BASE" state
}

@test "keygen, asked to end" {
    whole() {
        cmp -s "$BASE/keys/kept.pem" state/keys/kept.pem && [ -z "$(find state -name '.*')" ]
    }
    asked tpm-sign keygen -q new
}

@test "a signature with PIN and PCRs, asked to end" {
    whole() { same; }
    asked tpm-sign sign both --pin-file "$pin" message
}

@test "tpm-unseal, asked to end" {
    whole() { same; }
    asked tpm-unseal key
}

# timeout(1) kills what does not end of itself: that would be 137.
@test "who waits for a PIN that does not come, or for its reader, ends, too" {
    local signal
    restore
    mkfifo silent full slow
    head -c 300000 /dev/urandom | tpm-seal -q large
    exec 7<>silent 8<>full 9<>slow
    head -c 65536 /dev/zero >&8
    for signal in INT TERM HUP; do
        fails 124 timeout -k 3 -s $signal 1 tpm-sign keygen -q other --pin-file - <silent 7<&- 8<&-
        [ -z "$output" ]
        fails 124 timeout -k 3 -s $signal 1 tpm-sign passwd -q both --pin-file - <silent 7<&- 8<&-
        [ -z "$output" ]
        fails 124 timeout -k 3 -s $signal 1 sh -c 'exec tpm-unseal key >full' 7<&- 8<&- 9<&-
        [ -z "$output" ]
        # Half of it is in the pipe by then.
        fails 124 timeout -k 3 -s $signal 1 sh -c 'exec tpm-unseal large >slow' 7<&- 8<&- 9<&-
        [ -z "$output" ]
    done
    exec 7<&- 8<&- 9<&-
    no_handles_left
    tpm-seal -q --remove large
    same
}

@test "who waits for another program's lock ends, too" {
    local dir
    restore
    for dir in rings keys; do
        exec 7<"$SEALRING_STATE_DIR/$dir"
        flock 7
        case $dir in
        rings) fails 124 timeout -k 3 1 tpm-seal -q --generate other 7<&- ;;
        keys) fails 124 timeout -k 3 1 tpm-sign keygen -q other 7<&- ;;
        esac
        exec 7<&-
        [ -z "$output" ]
    done
    tpm-sign keygen -q other
}
