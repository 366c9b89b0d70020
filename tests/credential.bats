#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-credential: units get their secrets over a socket, all of them or none.
# shellcheck disable=SC2154 # helper: from common.bash

load common

setup_file() {
    tpm_start
    boot_state
}

setup() {
    store_new
    S=$BATS_TEST_TMPDIR/sock
}

teardown() {
    serve_end
    no_handles_left
}

teardown_file() {
    tpm_stop
}

# serve [OPTIONS]: the daemon starts whenever somebody asks, as systemd would start it
serve() {
    : >served
    "$helper/credential" serve "$S" tpm-credential "$@" >served 2>said 3>&- &
    server=$!
    until grep -qs listening served; do sleep 0.01; done
}

serve_end() {
    [ -n "${server-}" ] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" || true
    server=
}

# main_pid: of the daemon that runs now
main_pid() {
    sed -n 's/^started \([0-9]*\).*/\1/p' served | tail -n 1
}

# ask UNIT/CREDENTIAL: into the file "got"; $status is 0, or 243 as systemd has it
ask() {
    status=0
    "$helper/credential" ask "$S" "$1" >got || status=$?
}

gets() {
    ask "$1"
    if [ "$status" -ne 0 ] || [ "$(cat got)" != "$2" ]; then
        echo "$1: exit status $status: $(head -c 200 got)"
        cat said
        return 1
    fi
}

# refused UNIT/CREDENTIAL TEXT: the unit fails, and the reason is in the log, on one line
refused() {
    : >said
    ask "$1"
    if [ "$status" -ne 243 ] || [ -s got ]; then
        echo "$1: exit status $status: $(head -c 200 got)"
        return 1
    fi
    until [ -s said ]; do sleep 0.01; done
    output=$(cat said)
    [ "$(wc -l <said)" -eq 1 ] && says "$2"
}

# deliver NAME TEXT UNIT: sealed, and delivered to the unit
deliver() {
    seal "$1" "$2" --unit "$3" >drop-in
}

@test "a unit gets its secret, byte for byte" {
    deliver db-password 'open sesame' postgresql.service
    serve
    gets postgresql.service/db-password 'open sesame'
    head -c 100000 /dev/urandom >large
    tpm-seal -q --unit b.service large <large >drop-in
    ask b.service/large
    [ "$status" -eq 0 ]
    cmp got large
    # Not because everybody gets everything:
    refused other.service/db-password 'other.service does not get credential db-password'
    says 'add Units=other.service'
}
