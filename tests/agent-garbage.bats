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

@test "10,000 messages that are damaged: no crash, memory flat, and it signs as before" {
    agent_start
    survives_garbage agent "$agent"
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

# crowd_as UID COUNT: so many connections of one user; $stayed is how many were kept
crowd_as() {
    rm -f stayed
    setpriv --reuid "$1" --regid "$1" --clear-groups env SSH_AUTH_SOCK="$open/agent.sock" \
        "$open/agent" crowd "$2" >stayed 3>&- &
    crowds+=($!)
    until [ -s stayed ]; do sleep 0.01; done
    stayed=$(<stayed)
}

# bats test_tags=minimal
@test "users between them do not keep others out, and never root" {
    local crowds=() users=(4001 4002 4003 4004 4005 4006 4007 4008 4009 4010 4011) sum=0
    agent_start
    # Where all may go. An ordinary user has no others to be.
    open=$(mktemp -d "${TMPDIR:-/tmp}/sealring-crowd-XXXXXX")
    chmod 711 "$open"
    ln "$SSH_AUTH_SOCK" "$open/agent.sock"
    chmod 666 "$open/agent.sock"
    cp "$helper/agent" "$open"
    [ "$(id -u)" -eq 0 ] || users=()
    for user in "${users[@]}"; do
        crowd_as "$user" 300
        echo "# user $user: $stayed" >&3
        sum=$((sum + stayed))
    done
    [ "${#users[@]}" -eq 0 ] || { [ "$sum" -ge 500 ] && [ "$sum" -le 512 ]; }
    ssh_signs web
    for crowd in "${crowds[@]}"; do
        kill "$crowd"
        wait "$crowd" || true
    done
    rm -r "$open"
}

@test "a user has only so much memory for what is not whole yet, and gets it back" {
    agent_start
    # 256 KiB each, once so much has arrived; 16 MiB for a user.
    [ "$("$helper/agent" load 200 140000)" -eq 64 ]
    [ "$("$helper/agent" load 200 140000)" -eq 64 ]
    [ "$("$helper/agent" load 250 3000)" -eq 250 ]
    ssh_signs web
}

@test "who sends many messages at once does not keep others waiting" {
    agent_start
    output=$("$helper/agent" turns 200 "$agent")
    echo "# $output of 200 before another's first" >&3
    [ "$output" -le 10 ]
}
