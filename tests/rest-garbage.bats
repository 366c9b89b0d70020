#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# REST and clients without manners: requests that are none, slow ones, crowds; memory stays flat.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; helper, status, output: from common.bash and bats

load rest

setup() {
    store_new
    tpm-sign keygen -q web
    tpm-sign keygen -q rsa -t rsa2048
}

# memory: of the daemon, in KiB
memory() {
    awk '/^VmRSS:/ { print $2 }' "/proc/$rest/status"
}

@test "10,000 requests that are damaged: no crash, memory flat, and it signs as before" {
    local seed before after
    rest_start
    # Some of them are whole after all, and are signed.
    "$helper/rest" garbage 2000 1
    before=$(memory)
    for seed in 2 3 4 5; do
        output=$("$helper/rest" garbage 2000 "$seed")
        echo "# 2000 requests: $output" >&3
    done
    after=$(memory)
    echo "# memory: $before KiB, then $after KiB" >&3
    # What sanitizers keep of freed memory is not the daemon's.
    grep -q __asan_init "$SEALRING_BUILD/bin/tpm-serve" || ((after - before <= 512))
    signs web
    signs rsa
}

@test "a client that takes its time is hung up on, others are not kept waiting" {
    rest_start
    "$helper/rest" slow 20 >first 3>&- &
    local header=$! started=$SECONDS
    "$helper/rest" slow 80 >second 3>&- &
    local body=$!
    signs web
    [ $((SECONDS - started)) -le 5 ]
    wait "$header"
    wait "$body"
    echo "# hung up on after $(cat first) and $(cat second) seconds" >&3
    [ "$(cat first)" -le 13 ]
    [ "$(cat second)" -le 13 ]
}

@test "a user has only so many connections, and the others none the less" {
    rest_start
    "$helper/rest" crowd 300 >stayed 3>&- &
    crowd=$!
    until [ -s stayed ]; do sleep 0.01; done
    # Those beyond the bound were hung up on.
    [ "$(cat stayed)" -eq 256 ]
    kill "$crowd"
    wait "$crowd" || true
    until ask /health 2>/dev/null; do sleep 0.1; done
    signs web
}
