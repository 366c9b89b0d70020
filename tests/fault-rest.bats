#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once in tpm-serve while it rotates keys, and opens a ring with its
# PIN: the answer is a new key or a refusal, and then all goes on. No crash, no leak, no key lost,
# no PIN tried twice.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault
load rest

setup_file() {
    export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=1:exitcode=99:quarantine_size_mb=1:thread_local_quarantine_size_kb=64
    tpm_start
    boot_state
    tpm2_dictionarylockout -Q --setup-parameters -n 1000 -t 10000 -l 10000
}

setup() {
    store_new
    REST=$SEALRING_RUNTIME_DIR/sign.sock
    HIT=$BATS_TEST_TMPDIR/hit
    printf 'correct horse battery' >pin
    tpm-sign keygen -q kept
    tpm-sign keygen -q guarded --pin-file pin 2>/dev/null
    tpm-seal -q --generate --ring closed --no-recovery --pin --pin-file pin secret 2>/dev/null
    tpm-sign keygen -q ed -t ed25519 --ring closed --pin-file pin
    tries=$(failed_tries)
}

PIN='{"data":"AAAA","pin":"correct horse battery"}'

# status PATH BODY: of HTTP; 000 for none. A refusal has a code.
status() {
    http=000
    reach "$@" || true
    [ "$http" = 200 ] || [ "$http" = 000 ] || [ -n "$(jq -r '.code // empty' answer 2>/dev/null)" ] || http="$http?"
    printf '%s ' "$http"
}

reach() {
    http=$(curl -s -m 20 --unix-socket "$REST" -o answer -w '%{http_code}' -d "$2" "http://localhost$1")
}

changes() {
    status "$(key_path kept rotate)" '{}'
    status "$(key_path ed sign)" "$PIN"
    status "$(key_path guarded rotate)" '{"pin":"correct horse battery"}'
}

uses() {
    status "$(key_path kept sign)" '{"data":"AAAA"}'
    status "$(key_path ed sign)" "$PIN"
    status "$(key_path guarded sign)" "$PIN"
}

serve_at() {
    : >"$HIT"
    rm -f "$REST"
    SEALRING_FAULT_AT=$1 SEALRING_FAULT_LOG=$HIT "$SEALRING_FAULT/bin/tpm-serve" \
        --listen-rest "$REST" --idle 60 >served 2>err 3>&- &
    daemon=$!
    until [ -S "$REST" ] || ! kill -0 $daemon; do sleep 0.01; done
    first=$(changes)
    next=$(uses)
    # What could not be read is looked at again after a second.
    [ "$next" = "200 200 200 " ] || { sleep 1.1 && next=$(uses); }
    ended=0
    kill $daemon || ended=1
    status=0
    wait $daemon || status=$?
} 2>/dev/null

complain() {
    bad=$((bad + 1))
    ((bad > 20)) || echo "$point $(cat "$HIT"): $1: first $first; next $next; status $status: $(head -c 3000 err)"
}

check_served() {
    points=$((points + 1))
    "$helper/handles" "$SEALRING_TCTI" flush >/dev/null 2>&1
    if ((ended)); then
        unstarted=$((unstarted + 1))
        [[ $first = '000 000 000 ' && $status = [16] && $(wc -l <err) -eq 1 ]] || complain "ended"
        return
    fi
    [[ $first =~ ^((000|[2-5][0-9][0-9])\ ){3}$ ]] || complain "the first requests"
    [ "$first" = "200 200 200 " ] || refused=$((refused + 1))
    [ "$next" = "200 200 200 " ] || complain "the next requests"
    ((status == 0)) || [[ $(cat "$HIT"):$status = fflush:1 ]] || complain "how it ended"
}

# survives LEAST CLASS KINDS STEP: LEAST points at least
survives() (
    trap - DEBUG
    set +eET
    points=0 bad=0 refused=0 unstarted=0
    step=$(stride "$4")
    read -ra kinds <<<"$3"
    for ((n = 1; ; n += step)); do
        point=$2:$n:${kinds[n % (${#kinds[@]} + !${#kinds[@]})]-}
        serve_at "$point"
        [ -s "$HIT" ] || break
        check_served
    done
    [[ $ended = 0 && $first$next = "200 200 200 200 200 200 " ]] || complain "without a fault"
    echo "# $BATS_TEST_DESCRIPTION: $points points, $refused refused, $unstarted not started" >&3
    echo "$points points, $bad bad"
    tried=$(($(failed_tries) - tries))
    ((tried == 0)) || echo "$tried wrong PINs"
    # Each version is there, and a whole key.
    for name in kept guarded ed; do
        tpm-sign verify -q $name -s /dev/null pin 2>/dev/null
        (($? == 8)) || { echo "$name is none"; bad=$((bad + 1)); }
    done
    ((points >= $1 && bad == 0 && tried == 0 && refused > 0))
)

@test "memory fails while keys are rotated" {
    survives 10 memory "" 61
}

@test "files fail while keys are rotated" {
    survives 10 file "" 47
}

@test "the TPM fails while keys are rotated" {
    survives 7 tpm "failure connection retry" 5
}
