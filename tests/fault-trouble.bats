#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The ssh-agent and a TPM that makes trouble: what may be retried is, the rest is told, a PIN is
# never tried twice, and the next request is served.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load agent
load pins

setup() {
    pins_new
    tpm-sign keygen -q kept
    tpm-sign keygen -q guarded --pin-file pin 2>/dev/null
    askpass <<<'echo >>asked; cat pin'
    TIMES=$BATS_TEST_TMPDIR/times
    # The first command after a TPM's start may be asked for twice.
    tpm-sign sign kept pin >/dev/null
}

teardown() {
    agent_stop
    no_leftovers
}

# What the TPM was said to have lost it still has.
no_leftovers() {
    "$helper/handles" "$SEALRING_TCTI" flush >/dev/null || :
}

try() {
    "$helper/agent" try "$@"
}

# troubled TIMES TROUBLE...: the agent behind a proxy that makes it, so often in all
troubled() {
    agent_stop
    no_leftovers
    : >asked
    : >said
    head -c "$1" /dev/zero >"$TIMES"
    export TCTI_PCAP_FILE=$PWD/capture
    rm -f capture
    agent_start --tcti "pcap:cmd:$helper/proxy $TPM_DIR/srv ${*:2} $TIMES"
}

# signs_sent NUMBER: so many TPM2_Sign were sent since the agent started
signs_sent() {
    agent_stop
    [ "$("$helper/bus" capture | grep -c '^Sign$')" -eq "$1" ] || {
        "$helper/bus" capture
        return 1
    }
}

no_trouble_left() {
    [ ! -s "$TIMES" ]
}

@test "what passes is waited for: RETRY, YIELDED, TESTING, slots that others have" {
    local case tried=0
    for case in '15d 922 3' '15d 908 3' '15d 90a 3' '157 902 3' '176 903 3' '157 922 2' '176 922 2' \
        '181 922 2'; do
        read -r code rc times <<<"$case"
        troubled "$times" answer "$code" "$rc"
        [ "$(try kept guarded)" = 'good good good good' ] || { echo "$case" && false; }
        no_trouble_left
        [ ! -s said ]
        tried=$((tried + 1))
    done
    echo "# $tried kinds of trouble" >&3
    agent_stop
    [ "$(failed_tries)" -eq 0 ]
}

@test "what the TPM lost is loaded again: objects, sessions, contexts" {
    local rc
    for rc in 910 918 184 901; do
        troubled 1 answer 15d $rc
        [ "$(try kept)" = 'good good' ] || { echo "$rc: $(cat said)" && false; }
        no_trouble_left
    done
    # A saved context that is refused: the key is loaded from its file.
    tpm-sign keygen -q one
    tpm-sign keygen -q two
    troubled 1 answer 161 1df
    [ "$(try kept one two kept)" = 'good good good good good good good good' ]
    no_trouble_left
    [ ! -s said ]
}

@test "what does not pass is told, and the next request is served" {
    local case code rc text
    while read -r code rc text; do
        troubled 500 answer "$code" "$rc"
        [ "$(try kept)" = 'good refused' ] || { echo "$code $rc" && false; }
        agent_said "$text"
        : >"$TIMES"
        [ "$(try kept)" = 'good good' ] || { echo "$code $rc: $(cat said)" && false; }
    done <<'END'
15d 101 the TPM is in failure mode
15d 922 the TPM is busy and stayed so
157 902 all object slots of the TPM are taken
176 903 all session slots of the TPM are taken
15d 921 the TPM is in dictionary-attack lockout
157 1df its file is damaged
181 101 the TPM is in failure mode
END
}

@test "answers that are cut, and connections that break" {
    local trouble code
    for trouble in cut break; do
        for code in 15d 157 176 181; do
            troubled 1 $trouble $code
            [ "$(try kept)" = 'good good' ] || { echo "$trouble $code: $(cat said)" && false; }
            no_trouble_left
            # A handle in an answer that was lost is lost, each time; and a ReadClock that is
            # cut is good enough for tpm2-tss.
            [[ $code = 15d || $trouble:$code = break:181 ]] || continue
            troubled 100 $trouble $code
            [ "$(try kept)" = 'good refused' ]
            agent_said "(TPM2_"
            : >"$TIMES"
            [ "$(try kept)" = 'good good' ] || { echo "$trouble $code: $(cat said)" && false; }
        done
    done
}

@test "a PIN is sent once, whatever happens, and does not count as wrong" {
    local case
    # What the TPM did with it is not known: nobody tries again.
    for case in 'cut 15d' 'break 15d' 'answer 15d 101' 'answer 15d 921' 'answer 15d 98e'; do
        troubled 1 "$case"
        [ "$(try guarded)" = 'good refused' ] || { echo "$case" && false; }
        no_trouble_left
        signs_sent 1
        no_leftovers
        [ "$(failed_tries)" -eq 0 ] || { echo "$case" && false; }
    done
    # One that the TPM calls wrong is forgotten; one that it has not looked at is not.
    troubled 1 answer 15d 98e
    [ "$(try guarded guarded guarded)" = 'good refused good good good good' ]
    [ "$(wc -l <asked)" -eq 2 ]
    signs_sent 3
    troubled 1 answer 15d 910
    [ "$(try guarded guarded)" = 'good good good good' ]
    [ "$(wc -l <asked)" -eq 1 ]
    signs_sent 3
    [ "$(failed_tries)" -eq 0 ]
}

@test "while the TPM does not answer, the agent does, and whoever waits may leave" {
    local started
    troubled 1 hang 15d
    try kept >tried 3>&- &
    client=$!
    try guarded >tried2 3>&- &
    other=$!
    until no_trouble_left; do sleep 0.01; done
    started=$EPOCHREALTIME
    ssh-add -l >listed
    kill "$other"
    wait "$other" || true
    ssh-add -l >listed
    # 2 seconds are left to it.
    (((${EPOCHREALTIME/./} - ${started/./}) < 2000000))
    [ ! -s tried ] || [ "$(cat tried)" = 'good ' ]
    wait "$client"
    [ "$(cat tried)" = 'good good' ]
    [ "$(try guarded kept)" = 'good good good good' ]
}
