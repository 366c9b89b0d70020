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

@test "10,000 requests that are damaged: no crash, memory flat, and it signs as before" {
    rest_start
    survives_garbage rest "$rest"
    signs web
    signs rsa
}

# late KEY: in a connection that was of use before, the body comes late, but not too late
late() {
    python3 - "$1" <<'END'
import os, socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.connect(os.environ['REST'])
server.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
assert server.recv(9999).startswith(b'HTTP/1.1 200')
time.sleep(7)
server.sendall(f'POST {sys.argv[1]} HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n'.encode())
time.sleep(6)
server.sendall(b'{"data":"AAAA"}')
print(server.recv(9999).decode().split('\r\n')[0])
END
}

@test "a client that takes its time is hung up on, others are not kept waiting" {
    rest_start
    late "$(key_path web sign)" >third 3>&- &
    local late=$!
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
    # Each part of a request has its ten seconds.
    wait "$late"
    [ "$(cat third)" = 'HTTP/1.1 200 OK' ]
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

# post TEXT [HEADER]...: a request with these beside the usual ones, and TEXT behind them
post() {
    printf 'POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' "$(key_path web sign)"
    [ $# -lt 2 ] || printf '%b\r\n' "${@:2}"
    printf '\r\n%s' "$1"
}

# frames STATUS TEXT [HEADER]...: that request has this answer, and no other follows it
frames() {
    post "${@:2}" | "$helper/rest" raw 0 >sent
    if [ "$(head -c 12 sent)" != "HTTP/1.1 $1" ] || [ "$(grep -c '^HTTP/' sent)" -ne 1 ]; then
        echo "not just $1: ${*:3}: $(<sent)"
        return 1
    fi
}

@test "where a body ends, nobody can take for elsewhere" {
    rest_start
    local text length chunked='Transfer-Encoding: chunked' chunks
    text=$(body data aGk=)
    length="Content-Length: ${#text}"
    chunks=$(printf '%x\r\n%s\r\n0\r\n\r\n.' "${#text}" "$text")
    chunks=${chunks%.}
    frames 200 "$text" "$length"
    frames 200 "$chunks" "$chunked"
    local other='GET /health HTTP/1.1\r\nHost: x\r\n\r\n'
    frames 400 "$text$other" "$length" "$length"
    frames 400 "$text$other" "$length" 'Content-Length: 3'
    frames 400 "$text$other" 'Content-Length: 3' "$length"
    frames 400 "$chunks$other" "$chunked" "$length"
    frames 400 "$chunks$other" "$length" "$chunked"
    frames 400 "$chunks$other" "$chunked" "$chunked"
    frames 400 "$chunks$other" 'Transfer-Encoding: gzip, chunked'
    frames 400 "$chunks$other" 'Transfer-Encoding: identity' "$length"
    frames 400 "$text$other" "Content-Length : ${#text}"
    frames 400 "$text$other" "$length\r\n Content-Length: 3"
}

@test "behind a NUL in a path nothing is hidden" {
    rest_start
    answers 200 "$(key_path web)"
    refuses 400 bad_request "$(key_path web%00)"
    refuses 400 bad_request "$(key_path web%00x public)"
    answers 200 "$(key_path web public)?format=ssh"
    refuses 400 bad_request "$(key_path web public)?format=ssh%00x"
}
