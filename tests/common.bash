# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the bats files share: a software TPM of their own, a store of their own.
#
# A file that says nothing else after `load common` has a TPM for all of its tests, booted,
# and an empty store for each; nothing may stay on the TPM.
#
# A reboot is tpm_reboot: the TPM restarts with empty PCRs, then boot_state stands for the
# firmware that measures itself (PCR 0) and the Secure Boot policy (PCR 7).

helper=$SEALRING_BUILD/helper

setup_file() {
    tpm_start
    boot_state
}

setup() {
    store_new
}

# Of a teardown bats only looks at how the last command ended.
teardown() {
    no_handles_left
}

teardown_file() {
    tpm_stop_all
}

# tpm_start [NAME]: start a software TPM, again if it runs; NAME tells several apart
tpm_start() {
    local dir=${BATS_FILE_TMPDIR}/tpm-${1:-main}
    tpm_stop "${1:-main}"
    mkdir -p "$dir"
    swtpm socket --tpm2 --tpmstate dir="$dir" --ctrl type=unixio,path="$dir/srv.ctrl" \
        --server type=unixio,path="$dir/srv" --flags not-need-init,startup-clear \
        --daemon --pid file="$dir/pid" 3>&-
    tpm_use "${1:-main}"
}

# tpm_use NAME: talk to this one from now on
tpm_use() {
    export TPM_NAME=$1
    export TPM_DIR=${BATS_FILE_TMPDIR}/tpm-$1
    export SEALRING_TCTI=swtpm:path=$TPM_DIR/srv
    export TPM2TOOLS_TCTI=$SEALRING_TCTI
}

tpm_stop() {
    local dir=${BATS_FILE_TMPDIR}/tpm-${1:-$TPM_NAME} pid
    [ -e "$dir/pid" ] || return 0
    pid=$(<"$dir/pid")
    kill "$pid"
    # Ended, or a zombie that nobody has waited for yet.
    while grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$pid/status"; do sleep 0.01; done
    rm -f "$dir/pid"
}

# tpm_stop_all: those of this file
tpm_stop_all() {
    local pid
    for pid in "$BATS_FILE_TMPDIR"/tpm-*/pid; do
        pid=${pid%/pid}
        tpm_stop "${pid##*/tpm-}"
    done
}

# tpm_reboot: restart the TPM; its PCRs are empty, its storage seed is the same
tpm_reboot() {
    tpm_start "$TPM_NAME"
}

# tpm_boot [FIRMWARE [SECUREBOOT]]: reboot
tpm_boot() {
    tpm_reboot
    boot_state "$@"
}

# tpm_tries N: so many wrong PINs may be tried, and none is forgotten meanwhile
tpm_tries() {
    tpm2_dictionarylockout -Q --setup-parameters -n "$1" -t 10000 -l 10000
}

# boot_state [FIRMWARE [SECUREBOOT]]: what the firmware measures while it boots
boot_state() {
    extend 0 "${1:-firmware 1.0}"
    extend 7 "${2:-secure boot on}"
}

# extend PCR TEXT: in all banks that tests use
extend() {
    tpm2_pcrextend "$1:sha1=$(printf %s "$2" | sha1sum | cut -d' ' -f1),sha256=$(printf %s "$2" |
        sha256sum | cut -d' ' -f1),sha384=$(printf %s "$2" | sha384sum | cut -d' ' -f1)"
}

# store_new: an empty store and configuration for this test
store_new() {
    export SEALRING_STATE_DIR=$BATS_TEST_TMPDIR/state
    export SEALRING_CONFIG_DIR=$BATS_TEST_TMPDIR/config
    export SEALRING_RUNTIME_DIR=$BATS_TEST_TMPDIR/run
    mkdir -p "$SEALRING_CONFIG_DIR" "$SEALRING_RUNTIME_DIR"
    RK=$BATS_TEST_TMPDIR/recovery.key
    RINGS=$SEALRING_STATE_DIR/rings
    KEYS=$SEALRING_STATE_DIR/keys
    RULES=$SEALRING_CONFIG_DIR/keys.d
    cd "$BATS_TEST_TMPDIR" || return
}

# seal NAME TEXT [OPTIONS]: the ring is made at first use, with a recovery key in $RK
seal() {
    printf %s "$2" | tpm-seal --quiet --recovery-key-file "$RK" "${@:3}" "$1"
}

# keygen NAME [OPTIONS]; with a PIN it warns that nothing slows down guessing
keygen() {
    tpm-sign keygen -q "$@" 2>/dev/null
}

# escrow_new: a certificate that secrets of this file are recovered with, and its key
escrow_new() {
    export ESCROW=$BATS_FILE_TMPDIR/escrow.key
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=escrow \
        -keyout "$ESCROW" -out "$BATS_FILE_TMPDIR/escrow.pem" 2>/dev/null
}

# base_new NAME: an empty store that tests of this file copy
base_new() {
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR/$1
    mkdir "$BATS_TEST_TMPDIR"
    store_new
}

# make_base NAME: one with two secrets. Most tests recover by escrow, which takes no time; the
# rounds of PBKDF2 do.
make_base() {
    base_new "$1"
    seal key old --escrow "$BATS_FILE_TMPDIR/escrow.pem"
    seal other kept
}

# alone_in_keyring: until the test ends no other revokes what the initramfs keeps in @u
alone_in_keyring() {
    exec {keyring_lock}>"${TMPDIR:-/tmp}/sealring-keyring.lock"
    flock "$keyring_lock"
}

# no_handles_left: on any TPM of this file that runs
no_handles_left() {
    local pid
    for pid in "$BATS_FILE_TMPDIR"/tpm-*/pid; do
        [ ! -e "$pid" ] || "$helper/handles" "swtpm:path=${pid%pid}srv" || return
    done
}

# commands PROGRAM ARGS: the names of the TPM commands it sends, in one line; its own
# output goes to the file "out", its exit status is ours
commands() {
    local status=0
    rm -f capture
    TCTI_PCAP_FILE=$PWD/capture SEALRING_TCTI=pcap:$SEALRING_TCTI "$@" >out || status=$?
    "$helper/bus" capture | tr '\n' ' ' | sed 's/ $//'
    return "$status"
}

# fails STATUS COMMAND...: it must end with this exit status; $output is what it said
fails() {
    run "${@:2}"
    if [ "$status" -ne "$1" ]; then
        echo "exit status $status, expected $1: ${*:2}"
        echo "$output"
        return 1
    fi
}

# says TEXT: the last `run` or `fails` printed it
says() {
    if [[ $output != *"$1"* ]]; then
        echo "expected: $1"
        echo "got: $output"
        return 1
    fi
}

# one_line: ... on a single line
one_line() {
    if [ "${#lines[@]}" -ne 1 ]; then
        echo "expected one line, got ${#lines[@]}: $output"
        return 1
    fi
}

# stride N: of the points of a campaign every N-th is tried, or with THOROUGH=1 every one; with
# SAMPLE=1 those after the ones that are tried with SAMPLE=0, and so on
SAMPLE=${SAMPLE:-0}
stride() {
    if [ -n "${THOROUGH-}" ]; then echo 1; else echo "$1"; fi
}

# failed_tries: wrong PINs, as the TPM counts them
failed_tries() {
    printf '%d\n' "$(tpm2_getcap properties-variable |
        sed -n 's/^TPM2_PT_LOCKOUT_COUNTER: *//p')"
}

# captured NAME COMMAND...: the bus while it runs, into NAME.pcap
captured() {
    TCTI_PCAP_FILE=$PWD/$1.pcap SEALRING_TCTI=pcap:$SEALRING_TCTI "${@:2}"
}

# hex FILE
hex() {
    xxd -p "$1" | tr -d '\n'
}

# crossed FILE HEX: whether these bytes are in the capture
crossed() {
    [ "${#2}" -ge 16 ]
    [ "$(stat -c %s "$1")" -gt 1000 ]
    [ "$(xxd -p "$1" | tr -d '\n' | grep -oc "$2")" -ge 1 ]
}

# best MILLISECONDS AMONG COMMAND...: the fastest of five tries takes no longer. A build with
# sanitizers is not what gets installed, and has ten times as long.
best() {
    local bound=$1 started took least=999999 n
    ! grep -q __asan_init "$SEALRING_BUILD/bin/$3" || bound=$((10 * $1))
    for ((n = 0; n < 5; n++)); do
        started=${EPOCHREALTIME/./}
        "${@:3}" >output
        took=$(((${EPOCHREALTIME/./} - started) / 1000))
        ((took >= least)) || least=$took
    done
    echo "# ${*:3} with $2: $least ms, best of 5 (bound: $bound ms)" >&3
    [ "$least" -le "$bound" ]
}

# private_damaged FILE: a key file, with another byte near the end of its private area
private_damaged() {
    sed '/^-----BEGIN/,$d' "$1"
    echo '-----BEGIN TSS2 PRIVATE KEY-----'
    sed -n '/^-----BEGIN/,$p' "$1" | grep -v -e '^-----' | base64 -d |
        python3 -c 'import sys; key = bytearray(sys.stdin.buffer.read()); key[-20] ^= 0xff
sys.stdout.buffer.write(key)' | base64 -w 64
    echo '-----END TSS2 PRIVATE KEY-----'
}

# openssl_modules: OpenSSL finds our provider beside those of the system
openssl_modules() {
    export OPENSSL_MODULES=$BATS_FILE_TMPDIR/modules
    mkdir -p "$OPENSSL_MODULES"
    ln -sf "$(openssl version -m | cut -d'"' -f2)"/*.so "$SEALRING_BUILD"/ossl-modules/*.so "$OPENSSL_MODULES"
}

# askpass: the script on stdin is what asks a person from now on
askpass() {
    { echo '#!/bin/bash' && cat; } >askpass
    chmod +x askpass
    export SSH_ASKPASS=$PWD/askpass SSH_ASKPASS_REQUIRE=force
}

# daemon_stop VARIABLE: the daemon whose pid is there is told to end; waits until it has
daemon_stop() {
    local -n daemon_pid=$1
    [ -n "${daemon_pid-}" ] || return 0
    kill "$daemon_pid" 2>/dev/null || true
    daemon_wait "$1"
}

# daemon_wait VARIABLE: its exit status; there is none any more
daemon_wait() {
    local -n daemon_waited=$1
    local status=0
    wait "$daemon_waited" || status=$?
    daemon_waited=
    return "$status"
}

# daemon_gone VARIABLE: it ends by itself; waits for that
daemon_gone() {
    local ended=0
    daemon_wait "$1" || ended=$?
    [ "$ended" -eq 0 ] || cat said
    return "$ended"
}

# daemon_said TEXT: waits until it is in the file "said"
daemon_said() {
    local n
    for ((n = 0; n < 500; n++)); do
        ! grep -qF -- "$1" said || return 0
        sleep 0.01
    done
    echo "expected: $1"
    cat said
    return 1
}

# memory PID: what it has, in KiB
memory() {
    awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

# survives_garbage HELPER PID: 10,000 messages that are damaged, to the daemon that it talks to
survives_garbage() {
    local seed before after
    # Some of them are whole after all, and are signed.
    "$helper/$1" garbage 2000 1
    before=$(memory "$2")
    for seed in 2 3 4 5; do
        output=$("$helper/$1" garbage 2000 "$seed")
        echo "# 2000 messages: $output" >&3
    done
    after=$(memory "$2")
    echo "# memory: $before KiB, then $after KiB" >&3
    # What sanitizers keep of freed memory is not the daemon's.
    grep -q __asan_init "$SEALRING_BUILD/bin/tpm-serve" || ((after - before <= 512))
}
