#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-serve killed while it serves, on a TPM without resource manager: the next one takes the
# socket's place, signs, and gets rid of what the other has left there.
# shellcheck disable=SC2154 # helper: from common.bash

load agent

setup() {
    tpm_boot
    tpm_tries 1000
    store_new
    local n
    for n in 1 2 3; do tpm-sign keygen -q k$n; done
    printf 'correct horse battery\n' >pin
    tpm-sign keygen -q guarded --pin-file pin 2>/dev/null
    askpass <<<"cat '$PWD/pin'"
    export SSH_AUTH_SOCK=$BATS_TEST_TMPDIR/agent.sock
}

# serve: as agent_start, but a socket may be left
serve() {
    tpm-sign serve --listen "$SSH_AUTH_SOCK" --idle 60 >served 2>>said 3>&- &
    agent=$!
    agent_ready
}

killed() {
    kill -9 "$agent"
    wait "$agent" || true
}

left() {
    "$helper/handles" "$SEALRING_TCTI" | wc -l
}

@test "killed with keys loaded, again and again: it signs, and at last nothing is left" {
    local n
    for n in 1 2 3 4 5 6; do
        serve
        [ "$("$helper/agent" try k1 k2 guarded k3)" = 'good good good good good good good good' ]
        killed
        [ -S "$SSH_AUTH_SOCK" ]
        [ "$(left)" -gt 0 ]
        [ "$(left)" -le 4 ]
    done
    serve
    "$helper/agent" try k1 >tried
    agent_stop
    no_handles_left
    [ ! -s said ]
    [ "$(failed_tries)" -eq 0 ]
}

@test "what others have in the same places stays" {
    serve
    "$helper/agent" try k1 k2 >tried
    killed
    "$helper/handles" "$SEALRING_TCTI" flush >/dev/null || true
    tpm2_createprimary -Q -c others.ctx
    tpm2_getcap handles-transient | grep -q 0x80000000
    serve
    [ "$("$helper/agent" try k3)" = 'good good' ]
    agent_stop
    tpm2_getcap handles-transient | grep -q 0x80000000
    tpm2_flushcontext 0x80000000
}

@test "after a reset, and with a file that is none, nothing is looked for" {
    local file=$SEALRING_RUNTIME_DIR/tpm-serve.diary
    serve
    "$helper/agent" try k1 k2 >tried
    killed
    [ -s "$file" ]
    tpm_reboot
    serve
    [ "$("$helper/agent" try k3 k1)" = 'good good good good' ]
    agent_stop
    no_handles_left
    head -c 5000 /dev/urandom >"$file"
    serve
    [ "$("$helper/agent" try k3 k1)" = 'good good good good' ]
    # A second one does not take it from the first.
    tpm-sign serve --listen other.sock --idle 1 2>>said 3>&-
    [ "$("$helper/agent" try k2 k1)" = 'good good good good' ]
    rm "$file"
    mkdir "$file"
    agent_stop
    serve
    [ "$("$helper/agent" try k3 k1)" = 'good good good good' ]
    [ ! -s said ]
    # Without a file the next one does not know what was left.
    killed
    serve
    agent_stop
    [ "$(left)" -eq 3 ]
    run "$helper/handles" "$SEALRING_TCTI" flush
}

@test "killed at any moment: at most what was just being loaded is left" {
    local n lost=0 count points=0
    for ((n = 0; n < $(stride 8 | sed 's/^1$/40/'); n++)); do
        serve
        "$helper/agent" sign 2 100 >tried 2>&1 3>&- &
        client=$!
        sleep 0.0$((n * 7 % 10))$((n * 3 % 10))
        killed
        wait $client || true
        serve
        [[ $("$helper/agent" try k1 guarded) = 'good good good good' ]]
        agent_stop
        count=$("$helper/handles" "$SEALRING_TCTI" flush | wc -l)
        [ "$count" -le 1 ]
        lost=$((lost + count))
        points=$((points + 1))
    done
    echo "# killed $points times, $lost times something was left" >&3
}

# rotate_at N: over REST, killed as its N-th write begins, when all before was answered
rotate_at() {
    local rest=$SEALRING_RUNTIME_DIR/sign.sock
    rm -f "$rest"
    "$helper/killer" "$write" "$1" tpm-serve --listen-rest "$rest" --idle 1 >served 2>>said 3>&- &
    killer=$!
    until curl -s -o health --unix-socket "$rest" http://localhost/health; do
        kill -0 $killer 2>/dev/null || return 1
        sleep 0.01
    done
    curl -s -m 20 --unix-socket "$rest" -X POST -o answer -w '%{http_code}' \
        "http://localhost/api/v1/keys/$key/rotate" >code 2>/dev/null || true
}

@test "killed while a key is rotated: what that has on the TPM goes, too" {
    local n key write status seen=0 points=0
    write=$(strace -qq -n -e trace=write echo 2>&1 >/dev/null | sed -n 's/^\[ *\([0-9]*\)\] write.*/\1/p')
    tpm-sign keygen -q bound --pcrs 16 --accept-unmeasured
    for key in k1 bound; do
        for ((n = 1; n < 100; n++)); do
            rotate_at "$n" || true
            status=0
            wait $killer || status=$?
            ((status != 0)) || break
            ((status == 137)) || { echo "$key, killed at write $n: status $status: $(<said)" && return 1; }
            points=$((points + 1))
            [ "$(left)" -eq 0 ] || seen=$((seen + 1))
            serve
            "$helper/agent" try k2 >tried
            agent_stop
            [ "$(left)" -eq 0 ] || {
                echo "$key, killed at write $n: $(left) left"
                return 1
            }
        done
    done
    echo "# killed $points times, $seen times something was on the TPM" >&3
    ((n < 100 && points > 12 && seen > 2))
}
