# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the bats files of REST share.
#
#   rest_start [OPTIONS]     tpm-sign serve on $REST, where tpm-sign finds it; what it says is in "said"
#   rest_stop                told to end; waits until it has
#   ask PATH [CURL OPTIONS]  asks it by curl: the answer is in $output, $http is its status

load "${BASH_SOURCE[0]%/*}/common"

export REST

teardown() {
    rest_stop
    no_handles_left
}

rest_start() {
    REST=$SEALRING_RUNTIME_DIR/sign.sock
    rm -f "$REST"
    tpm-sign serve --listen-rest "$REST" --idle 60 "$@" >served 2>>said 3>&- &
    rest=$!
    rest_ready
}

# Listens, or has ended and said why.
rest_ready() {
    until [ -S "$REST" ] && ask /health 2>/dev/null || ! kill -0 "$rest" 2>/dev/null; do
        sleep 0.01
    done
}

rest_stop() {
    daemon_stop rest
}

# rest_gone: ... by itself; waits for that
rest_gone() {
    daemon_gone rest
}

# rest_said TEXT: waits until it is in what the daemon said
rest_said() {
    daemon_said "$1"
}

ask() {
    http=$(curl -sS -m 20 --unix-socket "$REST" -o answer -w '%{http_code}' "${@:2}" "http://localhost$1") ||
        return
    output=$(<answer)
}

# answers STATUS PATH [CURL OPTIONS]
answers() {
    ask "${@:2}"
    [ "$http" -eq "$1" ] || {
        echo "$http, not $1: ${*:2}: $output"
        return 1
    }
}

# refuses STATUS CODE PATH [CURL OPTIONS]
refuses() {
    answers "$1" "${@:3}"
    [ "$(jq -r .code answer)" = "$2" ] || {
        echo "not $2: $output"
        return 1
    }
    [ -n "$(jq -r '.message | strings' answer)" ]
}

# body [NAME VALUE]...: JSON of texts
body() {
    jq -cn --args 'reduce range(0; $ARGS.positional | length; 2) as $i ({};
        .[$ARGS.positional[$i]] = $ARGS.positional[$i + 1])' "$@"
}

# key_path NAME [ACTION]
key_path() {
    printf '/api/v1/keys/%s%s' "$1" "${2:+/$2}"
}

# signs NAME [MEMBER VALUE]...: a message, and openssl accepts that
signs() {
    echo 'a message' >message
    answers 200 "$(key_path "$1" sign)" -d "$(body data "$(base64 -w0 message)" "${@:2}")"
    jq -r .signature answer | base64 -d >message.sig
    openssl dgst -sha256 -verify <(tpm-sign pubkey "$1") -signature message.sig message >verified
}
