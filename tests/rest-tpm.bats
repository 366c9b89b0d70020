#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# REST and the TPM: how many commands, a reset, clients that leave, and that nothing stays there.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load rest

setup() {
    tpm_boot
    store_new
}

# captured_rest FILE: ... whose TPM commands are in FILE
captured_rest() {
    export TCTI_PCAP_FILE=$PWD/$1
    rest_start --tcti "pcap:$SEALRING_TCTI"
}

# sent FILE COMMANDS: these TPM commands, and no others
sent() {
    diff <("$helper/bus" "$1") <(tr ' ' '\n' <<<"$2")
}

@test "one TPM command a signature, once the key is loaded; a decryption has a session in any case" {
    keygen web
    rest_start
    signs web # the first after a TPM's start may be asked for twice
    rest_stop
    captured_rest encrypted
    "$helper/rest" sign 1 5 >/dev/null
    rest_stop
    sent encrypted "ReadClock StartAuthSession Load Sign Sign Sign Sign Sign ReadClock FlushContext FlushContext"
    captured_rest many
    answers 200 "$(key_path web sign)" -d '{"data":["AAAA","BBBB","CCCC"]}'
    rest_stop
    sent many "ReadClock StartAuthSession Load Sign Sign Sign ReadClock FlushContext FlushContext"
    # Where nothing else is encrypted:
    printf '[Sign]\nEncryptSessions=no\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    keygen opens -t rsa2048 --usage decrypt
    printf 'an answer nobody else reads' | openssl pkeyutl -encrypt -pubin -inkey <(tpm-sign pubkey opens) \
        -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -out cipher
    captured_rest plain
    signs web
    answers 200 "$(key_path opens decrypt)" -d "$(body ciphertext "$(base64 -w0 cipher)")"
    [ "$(jq -r .plaintext answer | base64 -d)" = 'an answer nobody else reads' ]
    rest_stop
    # On a busy machine a second passes between the two, after which the first has left its slot.
    sent plain "ReadClock Load Sign StartAuthSession Load RSA_Decrypt ReadClock FlushContext FlushContext FlushContext" ||
        sent plain "ReadClock Load Sign ReadClock ContextSave FlushContext StartAuthSession Load RSA_Decrypt ReadClock FlushContext FlushContext"
    crossed plain "$(openssl dgst -sha256 -r message | cut -d' ' -f1)"
    run crossed plain "$(printf 'an answer nobody else reads' | xxd -p | tr -d '\n')"
    [ "$status" -ne 0 ]
}

@test "a software key comes from its ring while two keys of the TPM are loaded, without waiting" {
    local key
    keygen one
    keygen two
    tpm-sign keygen -q soft -t ed25519 --no-recovery 2>/dev/null
    captured_rest crowded
    for key in one two soft one two soft; do
        answers 200 "$(key_path $key sign)" -d '{"data":"AAAA"}'
    done
    rest_stop
    # Each of the TPM's, and what the ring is sealed as: no try is in vain.
    run grep -cx Load <("$helper/bus" crowded)
    [ "$output" -eq 3 ]
}

@test "16 clients, 50 signatures each, 10 keys: 800 are good, and nothing is left" {
    local n
    for ((n = 0; n < 10; n++)); do keygen k$n; done
    rest_start
    output=$("$helper/rest" sign 16 50)
    echo "# $output a second" >&3
    [ "${output% *}" -eq 800 ]
    rest_stop
    no_handles_left
    [ ! -s said ]
}

@test "the TPM is reset, and its connection lost: the next signature is made" {
    keygen web
    keygen more
    rest_start
    signs web
    signs more
    tpm_reboot
    signs more
    signs web
    [ ! -s said ]
}

@test "who hangs up is not waited for: what was not begun is not made, and the others get theirs" {
    local n made
    keygen web
    keygen rsa -t rsa3072
    rest_start
    # All of them wait for the TPM before the first is done.
    "$helper/rest" hang-up 60
    output=$("$helper/rest" sign 4 10)
    [ "${output% *}" -eq 40 ]
    answers 200 /metrics
    made=$(awk '$1 ~ /^sealring_tpm_command_seconds_count.command="Sign"/ { print $2 }' answer)
    echo "# 40 of 100 signatures that were asked for were waited for, $made were made" >&3
    [ "$made" -lt 80 ]
    [ "$(awk '$1 == "sealring_queue_length" { print $2 }' answer)" -eq 0 ]
    rest_stop
    [ ! -s said ]
}

@test "told to end, it answers who waits for the TPM, and leaves that" {
    local n
    keygen web
    for ((n = 0; n < 5; n++)); do
        rest_start
        "$helper/rest" sign 4 50 >signed 2>&1 3>&- &
        client=$!
        sleep 0.1
        rest_stop
        wait "$client" || true
        no_handles_left
    done
}

@test "told to end, it does not wait long for a slow TPM" {
    keygen web
    SEALRING_TCTI="cmd:$helper/proxy ${SEALRING_TCTI#swtpm:path=} hang 15d 100" rest_start
    # Each of 100 signatures takes three seconds.
    jq -n '{ data: [range(100) | tojson | @base64] }' >body
    curl -s --unix-socket "$REST" -d @body "http://localhost$(key_path web sign)" 3>&- &
    client=$!
    sleep 1
    SECONDS=0
    rest_stop
    wait "$client" || true
    echo "# ended after $SECONDS s" >&3
    [ "$SECONDS" -ge 7 ]
    [ "$SECONDS" -le 14 ]
}

@test "a list is not signed on when its key is removed" {
    keygen web
    SEALRING_TCTI="cmd:$helper/proxy ${SEALRING_TCTI#swtpm:path=} hang 15d 2" rest_start
    jq -n '{ data: [range(100) | tojson | @base64] }' >body
    answers 200 "$(key_path web sign)" -d @body
    rest_stop
    SEALRING_TCTI="cmd:$helper/proxy ${SEALRING_TCTI#swtpm:path=} hang 15d 2" rest_start
    { sleep 1 && mv "$KEYS/web.pem" .; } 3>&- &
    refuses 404 no_such_key "$(key_path web sign)" -d @body
    wait $!
    mv web.pem "$KEYS"
}

@test "both sockets at once: one queue, one session" {
    local n
    for ((n = 0; n < 4; n++)); do keygen k$n; done
    export SSH_AUTH_SOCK=$PWD/agent.sock
    rest_start --listen "$SSH_AUTH_SOCK"
    "$helper/rest" sign 4 20 >rest-signed 3>&- &
    client=$!
    "$helper/agent" sign 4 20 >agent-signed
    wait "$client"
    [ "$(cut -d' ' -f1 <rest-signed)" -eq 80 ]
    [ "$(cut -d' ' -f1 <agent-signed)" -eq 80 ]
    rest_stop
    [ ! -s said ]
}
