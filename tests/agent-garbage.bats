#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The ssh-agent and messages that are none: each is answered or hung up on, and memory stays flat.
# shellcheck disable=SC2154 # helper: from common.bash

load agent

setup() {
    store_new
    tpm-sign keygen -q web
    tpm-sign keygen -q rsa -t rsa2048
}

# memory: of the daemon, in KiB
memory() {
    awk '/^VmRSS:/ { print $2 }' "/proc/$agent/status"
}

@test "10,000 messages that are damaged: no crash, memory flat, and it signs as before" {
    local seed before after
    agent_start
    # Some of them are whole after all, and are signed.
    "$helper/agent" garbage 2000 1
    before=$(memory)
    for seed in 2 3 4 5; do
        output=$("$helper/agent" garbage 2000 "$seed")
        echo "# 2000 messages: $output" >&3
    done
    after=$(memory)
    echo "# memory: $before KiB, then $after KiB" >&3
    # What sanitizers keep of freed memory is not the daemon's.
    grep -q __asan_init "$SEALRING_BUILD/bin/tpm-serve" || ((after - before <= 512))
    ssh_signs web
    ssh_signs rsa
}

# say BYTES: printf(1) of them, to the agent; what it answers, in hexadecimal
say() {
    # shellcheck disable=SC2059 # that is what it is for
    printf "$1" | timeout 10 "$helper/agent" raw 0 | xxd -p | tr -d '\n'
}

@test "lengths that lie" {
    agent_start
    # None, too long, and as long as they may be but not there.
    [ "$(say '\0\0\0\0')" = '' ]
    [ "$(say '\0\4\0\1\13')" = '' ]
    [ "$(say '\377\377\377\377')" = '' ]
    [ "$(say '\0\4\0\0\13')" = '' ]
    # A list with something behind it; a string that is longer than its message.
    [ "$(say '\0\0\0\2\13\0')" = 0000000105 ]
    [ "$(say '\0\0\0\5\15\377\377\377\377')" = 0000000105 ]
    # Several at once are answered one by one.
    [ "$(say '\0\0\0\1\23\0\0\0\1\23\0\0\0\1\377')" = 000000010500000001050000000105 ]
    ssh_signs web
}

@test "a user has only so many connections, and the others none the less" {
    agent_start
    "$helper/agent" crowd 300 >stayed 3>&- &
    crowd=$!
    until [ -s stayed ]; do sleep 0.01; done
    # Those beyond the bound were hung up on.
    [ "$(cat stayed)" -eq 256 ]
    kill "$crowd"
    wait "$crowd" || true
    until ssh_signs web; do sleep 0.1; done
}
