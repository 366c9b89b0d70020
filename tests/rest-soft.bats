#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Software keys over REST, and by tpm-sign through the daemon: the same answers either way.
# shellcheck disable=SC2030,SC2031,SC2094,SC2154 # helper, status, output: from common.bash and bats

load common
load rest
load rfc8032

setup_file() {
    tpm_start
    boot_state
}

setup() {
    store_new
    echo 'a message' >message
}

teardown() {
    rest_stop
    no_handles_left
}

teardown_file() {
    tpm_stop
}

keygen() {
    tpm-sign keygen -q --no-recovery "$@" 2>/dev/null
}

# made: the signature in the answer, in hexadecimal
made() {
    jq -r .signature answer | base64 -d | xxd -p | tr -d '\n'
}

# import_vector, vector TYPE PRIVATE PUBLIC MESSAGE SIGNATURE
import_vector() {
    pkcs8 "$1" "$2" | tpm-sign import -q --no-recovery "rfc-${3:0:8}" 2>/dev/null
}

vector() {
    local name=rfc-${3:0:8} data
    data=$(xxd -r -p <<<"$4" | base64 -w0)
    answers 200 "$(key_path "$name" public)" || return
    [ "$output" = "$(spki "$1" "$3")" ] || return
    answers 200 "$(key_path "$name")" || return
    [ "$(jq -r '.type, .in_tpm, .pin, .ring, .hash' answer | tr '\n' ' ')" = "$1 false false system none " ] || return
    answers 200 "$(key_path "$name" sign)" -d "$(body data "$data")" || return
    [ "$(made)" = "$5" ] || return
    [ "$(jq -r .hash answer)" = none ] || return
    answers 200 "$(key_path "$name" verify)" \
        -d "$(body data "$data" signature "$(xxd -r -p <<<"$5" | base64 -w0)")" || return
    [ "$(jq .valid answer)" = true ] || return
    answers 200 "$(key_path "$name" verify)" \
        -d "$(body data "$(base64 -w0 <message)" signature "$(xxd -r -p <<<"$5" | base64 -w0)")" || return
    [ "$(jq .valid answer)" = false ] || return
    # Many: the same, and another that is not.
    answers 200 "$(key_path "$name" sign)" -d "{\"data\":[\"$data\",\"QUFB\",\"$data\"],\"hash\":\"none\"}" || return
    [ "$(jq -r '.signature[0], .signature[2]' answer | sort -u | base64 -d | xxd -p | tr -d '\n')" = "$5" ] || return
    [ "$(jq -r '.signature[1]' answer)" != "$(jq -r '.signature[0]' answer)" ] || return
    xxd -r -p <<<"$4" >vector
    [ "$(tpm-sign sign "$name" vector | xxd -p | tr -d '\n')" = "$5" ]
}

@test "RFC 8032: over REST, and by tpm-sign through the daemon, each key signs as it says there" {
    rfc8032 import_vector
    rest_start
    rfc8032 vector
    answers 200 /metrics
    # Four times two in each of six calls, and never by the TPM.
    grep -qx 'sealring_operations_total{operation="sign",result="ok"} 30' answer
    fails 1 grep 'command="Sign"' answer
}

@test "secp256k1, digests, all forms; what is refused" {
    local format
    keygen coin -t secp256k1
    keygen ed -t ed25519
    rest_start
    signs coin
    openssl dgst -sha256 -binary message >digest
    answers 200 "$(key_path coin sign)" -d "{\"digest\":[\"$(base64 -w0 digest)\",\"$(base64 -w0 digest)\"]}"
    for n in 0 1; do
        jq -r ".signature[$n]" answer | base64 -d >digest.sig
        openssl dgst -sha256 -verify <(tpm-sign pubkey coin) -signature digest.sig message
    done
    for format in der plain; do
        answers 200 "$(key_path coin sign)" -d "$(body data "$(base64 -w0 message)" format $format)"
        jq -r .signature answer | base64 -d >format.sig
        tpm-sign verify -q coin --format $format -s format.sig message
    done
    answers 200 "$(key_path ed sign)" -d "$(body data "$(base64 -w0 message)" format ssh namespace git)"
    jq -r .signature answer | base64 -d >ssh.sig
    echo "me $(tpm-sign pubkey ed --format ssh)" >allowed
    ssh-keygen -q -Y verify -n git -I me -f allowed -s ssh.sig <message
    answers 200 "$(key_path ed public)?format=ssh"
    diff answer <(tpm-sign pubkey ed --format ssh)
    refuses 400 bad_request "$(key_path coin public)?format=ssh"
    refuses 400 bad_request "$(key_path ed sign)" -d "$(body digest "$(base64 -w0 digest)")"
    refuses 400 bad_request "$(key_path ed sign)" -d "$(body data AAAA hash sha256)"
    refuses 400 bad_request "$(key_path coin sign)" -d "$(body data AAAA format ssh)"
    refuses 400 bad_request "$(key_path ed decrypt)" -d "$(body ciphertext AAAA)"
    answers 200 /api/v1/keys
    [ "$(jq -c '[.keys[] | {name, in_tpm, ring}]' answer)" = \
        '[{"name":"coin","in_tpm":false,"ring":"system"},{"name":"ed","in_tpm":false,"ring":"system"}]' ]
}

@test "unsealed once, until lock or the end of AutoLock=; with --no-cache each time" {
    unseals() {
        rest_stop
        "$helper/bus" "$1" | grep -cx Unseal
    }
    keygen ed -t ed25519
    printf '[Sign]\nAutoLock=2\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    export SSH_AUTH_SOCK=$PWD/agent.sock SSH_ASKPASS=
    TCTI_PCAP_FILE=$PWD/cached rest_start --tcti "pcap:$SEALRING_TCTI" --listen "$SSH_AUTH_SOCK"
    for _ in 1 2 3; do
        answers 200 "$(key_path ed sign)" -d "$(body data AAAA)"
    done
    ssh-add -q -x < <(printf 'sesame\nsesame\n')
    refuses 403 not_permitted "$(key_path ed sign)" -d "$(body data AAAA)"
    ssh-add -q -X < <(printf 'sesame\n')
    answers 200 "$(key_path ed sign)" -d "$(body data AAAA)"
    sleep 2.5
    answers 200 "$(key_path ed sign)" -d "$(body data AAAA)"
    [ "$(unseals cached)" -eq 3 ]
    TCTI_PCAP_FILE=$PWD/each rest_start --tcti "pcap:$SEALRING_TCTI" --no-cache
    for _ in 1 2 3; do
        answers 200 "$(key_path ed sign)" -d "$(body data AAAA)"
    done
    # One that could not be unsealed is counted, too.
    mv "$SEALRING_STATE_DIR/rings" away
    ask "$(key_path ed sign)" -d "$(body data AAAA)"
    [ "$http" -ne 200 ]
    answers 200 /metrics
    grep -qxF 'sealring_operations_total{operation="sign",result="failed"} 1' answer
    mv away "$SEALRING_STATE_DIR/rings"
    [ "$(unseals each)" -eq 3 ]
}

# same STATUS COMMAND...: with and without the daemon it ends like that, saying the same
same() {
    rest_stop
    run "${@:2}"
    [ "$status" -eq "$1" ] || return
    printf '%s\n' "$output" >without.said
    rest_start
    run "${@:2}"
    [ "$status" -eq "$1" ] || return
    diff without.said <(printf '%s\n' "$output")
}

@test "tpm-sign by way of the daemon: the same signatures, the same failures" {
    keygen ed -t ed25519
    keygen coin -t secp256k1
    head -c 500000 /dev/urandom >large
    for n in 1 2 3; do echo "message $n" >m$n; done
    tpm-sign sign ed message -o direct.sig
    tpm-sign sign ed large -o large.sig
    same 2 tpm-sign sign ed --digest message
    same 2 tpm-sign sign ed --hash sha256 message
    same 2 tpm-sign sign ed --format tss message
    same 2 tpm-sign sign ed --pss message
    same 2 tpm-sign sign coin --format ssh message
    same 2 tpm-sign decrypt ed message
    same 1 tpm-sign sign ed no-such-file
    tpm-sign sign ed message -o served.sig
    cmp direct.sig served.sig
    tpm-sign sign ed - <message | cmp direct.sig
    tpm-sign sign coin message -o served.sig
    tpm-sign verify -q coin -s served.sig message
    tpm-sign sign ed --format ssh message -o served.sig
    tpm-sign verify -q ed --format ssh -s served.sig message
    tpm-sign sign ed m1 m2 m3
    for n in 1 2 3; do tpm-sign verify -q ed -s m$n.sig m$n; done
    tpm-sign csr ed --subject /CN=ed -o served.csr
    answers 200 /metrics
    grep -qx 'sealring_operations_total{operation="sign",result="ok"} 8' answer
    openssl req -in served.csr -verify -noout
    # What does not fit a request is signed without; the TPM's only connection has to be free then.
    rest_stop
    rest_start --tcti "swtpm:path=$PWD/nothing"
    tpm-sign sign ed - <large | cmp large.sig
    fails 6 tpm-sign sign ed message
    tpm-sign sign ed --direct message | cmp direct.sig
}

@test "who has many messages signed keeps nobody waiting; all of them are good" {
    local at curls
    keygen ed -t ed448
    rest_start
    jq -cn '{ data: [range(1024) | tostring | @base64] }' >many
    # Both are there before it looks at either.
    kill -STOP "$rest"
    { curl -sS -m 60 --unix-socket "$REST" -o made --data-binary @many "http://x$(key_path ed sign)" &&
        echo many >>order; } 3>&- &
    curls=($!)
    sleep 0.3
    { curl -sS -m 60 --unix-socket "$REST" -o health http://x/health && echo one >>order; } 3>&- &
    curls+=($!)
    sleep 0.3
    kill -CONT "$rest"
    wait "${curls[@]}"
    cat order
    [ "$(tr '\n' ' ' <order)" = 'one many ' ]
    [ "$(jq '.signature | length' made)" -eq 1024 ]
    tpm-sign pubkey ed >ed.pem
    for at in 0 1 1023; do
        printf %s "$at" >one
        jq -r ".signature[$at]" made | base64 -d >one.sig
        openssl pkeyutl -verify -pubin -inkey ed.pem -rawin -in one -sigfile one.sig
    done
    # Whoever hangs up in the middle is not signed for any more.
    run curl -sS -m 0.3 --unix-socket "$REST" --data-binary @many "http://x$(key_path ed sign)"
    [ "$status" -eq 28 ]
    answers 200 /metrics
    [ "$(awk '/operation="sign",result="ok"/ { print $2 }' answer)" -lt 2048 ]
}
