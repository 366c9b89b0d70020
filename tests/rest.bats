#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# REST: what it answers, how keys sign and decrypt, PINs, consent, locks, refusals.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; helper, status, output: from common.bash and bats

load rest
load pins

@test "keys, as tpm-sign list and info have them, and their public keys" {
    keygen web
    keygen opens -t rsa2048 --usage decrypt
    rest_start
    answers 200 /api/v1/keys
    jq -S .keys answer | diff - <(tpm-sign list --json | jq -S .)
    answers 200 "$(key_path web)"
    jq -S . answer | diff - <(tpm-sign info web --json | jq -S '.[0]')
    answers 200 "$(key_path opens public)"
    diff answer <(tpm-sign pubkey opens)
    answers 200 "$(key_path web public)?format=ssh"
    diff answer <(tpm-sign pubkey web --format ssh)
    refuses 400 bad_request "$(key_path web public)?format=der"
    # By fingerprint, of either kind.
    answers 200 "$(key_path "$(tpm-sign info web --json | jq -r '.[0].ssh_fingerprint' | sed 's|/|%2F|g; s|+|%2B|g')")"
    [ "$(jq -r .name answer)" = web ]
    answers 200 "$(key_path "$(tpm-sign info opens --json | jq -r '.[0].spki_sha256')")"
    [ "$(jq -r .name answer)" = opens ]
    answers 200 /version
    [ "$(jq -r .version answer)" = "$(tpm-sign --version | awk '{ print $NF; exit }')" ]
}

@test "it signs messages and digests, one or many, in all forms; openssl accepts that" {
    local format
    keygen web
    keygen rsa -t rsa2048
    rest_start
    signs web
    signs rsa
    signs web hash sha256
    # It does not accept everything:
    run openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature message.sig pin
    [ "$status" -ne 0 ]
    openssl dgst -sha256 -binary message >digest
    answers 200 "$(key_path web sign)" -d "$(body digest "$(base64 -w0 digest)")"
    jq -r .signature answer | base64 -d >digest.sig
    openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature digest.sig message
    # PSS
    answers 200 "$(key_path rsa sign)" -d "$(body data "$(base64 -w0 message)" | jq -c '.pss = true')"
    jq -r .signature answer | base64 -d >pss.sig
    openssl dgst -sha256 -sigopt rsa_padding_mode:pss -verify <(tpm-sign pubkey rsa) -signature pss.sig message
    for format in der plain tss ssh; do
        answers 200 "$(key_path web sign)" -d "$(body data "$(base64 -w0 message)" format $format)"
        jq -r .signature answer | base64 -d >"$format.sig"
        tpm-sign verify -q web --format $format -s $format.sig message
        answers 200 "$(key_path web verify)" -d "$(body data "$(base64 -w0 message)" format $format \
            signature "$(base64 -w0 $format.sig)")"
        [ "$(jq .valid answer)" = true ]
        answers 200 "$(key_path web verify)" -d "$(body data "$(base64 -w0 pin)" format $format \
            signature "$(base64 -w0 $format.sig)")"
        [ "$(jq .valid answer)" = false ]
    done
    # Many at once, in their order.
    for n in 0 1 2 3 4; do printf 'message %d' $n >m$n; done
    answers 200 "$(key_path web sign)" -d "$(jq -cn '[range(0; 5) | "message \(.)" | @base64] | {data: .}')"
    [ "$(jq '.signature | length' answer)" -eq 5 ]
    for n in 0 1 2 3 4; do
        jq -r ".signature[$n]" answer | base64 -d >m$n.sig
        openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature m$n.sig m$n
    done
}

@test "it decrypts" {
    keygen opens -t rsa2048 --usage decrypt
    tpm-sign pubkey opens >opens.pem
    printf 'a secret' | openssl pkeyutl -encrypt -pubin -inkey opens.pem -pkeyopt rsa_padding_mode:oaep \
        -pkeyopt rsa_oaep_md:sha256 -out oaep
    printf 'another' | openssl pkeyutl -encrypt -pubin -inkey opens.pem -out rsaes
    rest_start
    answers 200 "$(key_path opens decrypt)" -d "$(body ciphertext "$(base64 -w0 oaep)")"
    [ "$(jq -r .plaintext answer | base64 -d)" = 'a secret' ]
    answers 200 "$(key_path opens decrypt)" -d "$(body ciphertext "$(base64 -w0 rsaes)" padding rsaes)"
    [ "$(jq -r .plaintext answer | base64 -d)" = another ]
    refuses 422 refused "$(key_path opens decrypt)" -d "$(body ciphertext "$(base64 -w0 rsaes)")"
    refuses 422 refused "$(key_path opens decrypt)" -d "$(body ciphertext AAAA)"
    refuses 400 bad_request "$(key_path opens decrypt)" -d "$(body ciphertext "$(base64 -w0 rsaes)" padding none)"
    answers 200 "$(key_path opens decrypt)" -d "$(body ciphertext "$(base64 -w0 oaep)")"
    refuses 400 bad_request "$(key_path opens sign)" -d "$(body data AAAA)"
}

@test "a key is there for those whom keys.d names, and for nobody else" {
    mkdir "$RULES"
    keygen web
    keygen opens -t rsa2048 --usage decrypt
    peer() { "$helper/peer" "$@" 2>/dev/null; }
    printf '[Access]\nUsers=4711\nGroups=4712\n[Agent]\nOffer=no\n' >"$RULES/web.conf"
    [ "$(peer 4711 1 keys)" = web ]
    [ "$(peer 99 5,6,4712 keys)" = web ]
    [ "$(peer 4711 1 use web)" = signed ]
    [ "$(peer 99 4712 use web)" = signed ]
    [ "$(peer 0 0 keys | tr '\n' ' ')" = 'opens web ' ]
    # What is forbidden and what is not there: no difference but the name.
    [ "$(peer 4712 4711 keys)" = '' ]
    [ "$(peer 4712 4711 use web | sed 's/web/nix/g')" = "$(peer 4712 4711 use nix)" ]
    [ "$(peer 4711 1 open opens | sed 's/opens/nix/g')" = "$(peer 4711 1 open nix)" ]
    [[ $(peer 0 0 open opens) == *'not encrypted to this key'* ]]
    [ "$(peer 4712 4711 use "$(tpm-sign info web --json | jq -r '.[0].spki_sha256')" | tr -d 0-9a-f)" = \
        "$(peer 4712 4711 use "$(printf '%064d' 0)" | tr -d 0-9a-f)" ]
    # Without rules nobody but root.
    rm "$RULES/web.conf"
    [[ $(peer 4711 4712 use web) == 'no key "web"'* ]]
    [ "$(peer 0 0 use web)" = signed ]
}

# count_tries: into $tries, while the daemon does not hold the TPM's only connection
count_tries() {
    rest_stop
    tries=$(failed_tries)
    rest_start
}

@test "a PIN comes with the request, is tried once, and is neither kept nor said" {
    local before
    keygen guarded --pin-file pin
    keygen web
    rest_start
    signs web # the first after a TPM's start may be asked for twice
    count_tries
    before=$tries
    signs guarded pin 'correct horse battery'
    refuses 403 wrong_pin "$(key_path guarded sign)" -d "$(body data AAAA)"
    count_tries
    [ "$tries" -eq "$before" ]
    refuses 403 wrong_pin "$(key_path guarded sign)" -d "$(body data AAAA pin 'wrong horse battery')"
    # Many digests are one try, too.
    refuses 403 wrong_pin "$(key_path guarded sign)" \
        -d '{"data":["AAAA","AAAA","AAAA"],"pin":"wrong horse battery"}'
    count_tries
    [ "$tries" -eq $((before + 2)) ]
    refuses 400 bad_request "$(key_path guarded sign)" -d "$(body data AAAA pin "$(printf '%040d' 0)")"
    count_tries
    [ "$tries" -eq $((before + 2)) ]
    signs guarded pin 'correct horse battery'
    rest_said 'key guarded: wrong PIN'
    run grep -F 'horse battery' said served
    [ "$status" -eq 1 ]
}

@test "after three wrong PINs in a row the TPM is not asked for a while, and others are served" {
    local before n message
    keygen guarded --pin-file pin
    keygen other --pin-file pin
    keygen web
    rest_start
    signs web
    count_tries
    before=$tries
    # As many at once are no way around.
    for n in 1 2 3 4 5 6; do
        curl -sS -m 20 --unix-socket "$REST" -o wrong.$n -d "$(body data AAAA pin wrong)" \
            "http://localhost$(key_path guarded sign)" 3>&- &
        asking[n]=$!
    done
    wait "${asking[@]}"
    [ "$(jq -r .code wrong.* | sort | uniq -c | tr -s ' \n' ' ')" = ' 3 too_many 3 wrong_pin ' ]
    # Nor is the right one looked at.
    refuses 429 too_many "$(key_path guarded sign)" -d "$(body data AAAA pin 'correct horse battery')"
    signs other pin 'correct horse battery'
    until ask "$(key_path guarded sign)" -d "$(body data AAAA pin wrong)" && [ "$http" -ne 429 ]; do
        sleep 0.1
    done
    [ "$http" -eq 403 ]
    refuses 429 too_many "$(key_path guarded sign)" -d "$(body data AAAA pin 'correct horse battery')"
    message=$(jq -r .message answer)
    [[ $message =~ ^'key guarded: 4 wrong PINs in a row: none is tried for another '([0-9]+)' s, ' ]]
    ((BASH_REMATCH[1] > 5 && BASH_REMATCH[1] <= 20))
    count_tries
    [ "$tries" -eq $((before + 4)) ]
    # The right one ends it.
    for n in 1 2 3; do
        refuses 403 wrong_pin "$(key_path other sign)" -d "$(body data AAAA pin wrong)"
        ((n == 3)) || signs other pin 'correct horse battery'
    done
    signs other pin 'correct horse battery'
    count_tries
    [ "$tries" -eq $((before + 7)) ]
}

@test "after eight wrong PINs for keys and their older versions none is tried for a while" {
    local n
    keygen guarded --pin-file pin
    keygen other --pin-file pin
    for n in 1 2 3; do tpm-sign rotate -q guarded --pin-file pin; done
    rest_start
    for n in guarded guarded@1 guarded@2 guarded guarded@1 guarded@2 guarded guarded@1; do
        refuses 403 wrong_pin "$(key_path $n sign)" -d "$(body data AAAA pin wrong)"
    done
    # The right one of another does not end it.
    for n in guarded@3 other; do
        refuses 429 too_many "$(key_path $n sign)" -d "$(body data AAAA pin 'correct horse battery')"
    done
    [[ $(jq -r .message answer) == 'key other: 8 wrong PINs in a row: none is tried for another '* ]]
}

@test "a daemon that nobody asks does not forget that a PIN was wrong" {
    keygen guarded --pin-file pin
    rest_start --idle 1
    refuses 403 wrong_pin "$(key_path guarded sign)" -d "$(body data AAAA pin wrong)"
    sleep 2.5
    refuses 403 wrong_pin "$(key_path guarded sign)" -d "$(body data AAAA pin wrong)"
    signs guarded pin 'correct horse battery'
    rest_gone
}

@test "a TPM in lockout, a policy that does not hold, a file that is damaged, a TPM that is gone" {
    extend 16 state
    keygen guarded --pin-file pin
    keygen bound --pcrs 0+16 --accept-unmeasured
    keygen web
    echo nonsense >"$KEYS/bad.pem"
    tpm_tries 2
    tpm2_pcrreset 16
    rest_start
    for _ in 1 2; do
        ask "$(key_path guarded sign)" -d "$(body data AAAA pin wrong)"
    done
    refuses 423 lockout "$(key_path guarded sign)" -d "$(body data AAAA pin 'correct horse battery')"
    refuses 409 policy_does_not_hold "$(key_path bound sign)" -d "$(body data AAAA)"
    refuses 422 damaged_key "$(key_path bad sign)" -d "$(body data AAAA)"
    refuses 422 damaged_key "$(key_path bad)"
    signs web
    rest_stop
    tpm2_dictionarylockout -Q --clear-lockout
    tpm_tries 30
    rest_start --tcti "swtpm:path=$PWD/nothing"
    refuses 503 no_tpm "$(key_path web sign)" -d "$(body data AAAA)"
    answers 200 "$(key_path web)"
}

@test "with Confirm= a person is asked; whoever hangs up meanwhile is not waited for" {
    mkdir "$RULES"
    keygen web
    printf '[Access]\nConfirm=yes\n' >"$RULES/web.conf"
    # shellcheck disable=SC2016 # for that program
    askpass <<<'echo "$1" >>asked; . ./reaction'
    echo 'exit 0' >reaction
    rest_start
    signs web
    grep -q '^Let curl (process [0-9]* of .*) use the key web?$' asked
    # One consent for many signatures says so.
    answers 200 "$(key_path web sign)" -d '{"data":["AAAA","AAAB","AAAC"]}'
    grep -q '^Let curl (process [0-9]* of .*) use the key web 3 times?$' asked
    echo 'exit 1' >reaction
    refuses 403 not_permitted "$(key_path web sign)" -d "$(body data AAAA)"
    # shellcheck disable=SC2016
    printf 'echo $$ >asking\nexec sleep 60\n' >reaction
    run curl -sS -m 1 --unix-socket "$REST" -d '{"data":"AAAA"}' "http://localhost$(key_path web sign)"
    [ "$status" -eq 28 ]
    while grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$(cat asking)/status"; do sleep 0.01; done
    echo 'exit 0' >reaction
    signs web
}

@test "told to end, it does not wait for a person" {
    mkdir "$RULES"
    keygen web
    printf '[Access]\nConfirm=yes\n' >"$RULES/web.conf"
    # shellcheck disable=SC2016 # for that program
    askpass <<<'echo $$ >>asking; exec sleep 60'
    rest_start
    local n clients=() status
    for n in 1 2 3; do
        curl -s --unix-socket "$REST" -d '{"data":"AAAA"}' "http://localhost$(key_path web sign)" >answer$n 3>&- &
        clients+=($!)
    done
    # With the one who looks they are four.
    until [ -s asking ] && answers 200 /metrics && grep -qx 'sealring_connections 4' answer; do sleep 0.01; done
    SECONDS=0
    rest_stop
    [ "$SECONDS" -lt 5 ]
    # They are hung up on (52), without another question.
    for n in "${clients[@]}"; do
        status=0
        wait "$n" || status=$?
        [ "$status" -eq 52 ]
    done
    [ "$(wc -l <asking)" -eq 1 ]
    [ ! -s said ]
}

@test "what the agent's lock locks is not there for REST either" {
    keygen web
    export SSH_AUTH_SOCK=$PWD/agent.sock SSH_ASKPASS=
    rest_start --listen "$SSH_AUTH_SOCK"
    signs web
    answers 200 /api/v1/keys
    [ "$(jq -c '[.keys[].name]' answer)" = '["web"]' ]
    ssh-add -x < <(printf 'sesame\nsesame\n')
    refuses 403 not_permitted "$(key_path web sign)" -d "$(body data AAAA)"
    answers 200 /api/v1/keys
    [ "$(jq -c . answer)" = '{"keys":[]}' ]
    ssh-add -X < <(printf 'sesame\n')
    answers 200 /api/v1/keys
    [ "$(jq -c '[.keys[].name]' answer)" = '["web"]' ]
    signs web
}

@test "other paths, other methods, bodies that are none or too large" {
    keygen web
    rest_start
    refuses 404 no_such_path /
    refuses 404 no_such_path /api/v1/keys/
    refuses 404 no_such_key "$(key_path nix)"
    refuses 400 bad_request "$(key_path .hidden)"
    refuses 405 no_such_method "$(key_path web)" -X DELETE
    refuses 405 no_such_method "$(key_path web sign)"
    ask "$(key_path web sign)" -i
    grep -qix 'allow: POST.*' answer
    for wrong in '' '{' '[]' '{"data":1}' '{"data":null}' '{"data":"AAAA","data":"AAAA"}' '{"data":"AAAA"} x' \
        '{"data":"AAAA","digest":"AAAA"}' '{"data":"A"}' '{"data":"AAAA","hash":"md5"}' '{"data":[]}' \
        '{"data":["AAAA",2]}' '{"data":"AAAA","format":"xml"}' '{"data":"AAAA","other":"AAAA"}' \
        '{"data":"AAAA","pss":"yes"}' '{"digest":"AAAA"}' '{"data":"AAAA\u0000"}' '{"data":"AA\ud800AA"}' \
        '{"data":"AAAA","pss":true}' '{"data":"AAAA","":"x"}'; do
        refuses 400 bad_request "$(key_path web sign)" -d "$wrong"
    done
    head -c 300000 /dev/zero | tr '\0' A >large
    refuses 413 too_large "$(key_path web sign)" --data-binary @large
    # Almost as large as it may be:
    head -c 190000 /dev/zero >message
    base64 -w0 message | jq -cR '{data: .}' >large
    answers 200 "$(key_path web sign)" --data-binary @large
    jq -r .signature answer | base64 -d >message.sig
    openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature message.sig message
}

@test "when nobody asks it ends; started by its socket" {
    keygen web
    rest_start --idle 1
    signs web
    rest_gone
    [ ! -e "$REST" ]
    [ ! -s said ]
    systemd-socket-activate --fdname=rest -l "$REST" -E SEALRING_TCTI \
        -E SEALRING_STATE_DIR -E SEALRING_CONFIG_DIR -E PATH -E ASAN_OPTIONS \
        tpm-serve --idle 1 >served 2>said 3>&- &
    rest=$!
    until [ -S "$REST" ]; do sleep 0.01; done
    signs web
    rest_gone
}

@test "/metrics count what was done, in Prometheus' form" {
    keygen web
    keygen more
    rest_start
    signs web
    signs web
    signs more
    refuses 404 no_such_key "$(key_path nix sign)" -d "$(body data AAAA)"
    answers 200 /metrics
    count() { awk -v name="$1" '$1 == name { print $2 }' answer; }
    [ "$(count 'sealring_operations_total{operation="sign",result="ok"}')" -eq 3 ]
    [ "$(count 'sealring_operations_total{operation="sign",result="failed"}')" -eq 0 ]
    [ "$(count sealring_refusals_total)" -eq 1 ]
    # Who has nothing to do for a second makes room.
    [ $(($(count sealring_key_hits_total) + $(count sealring_key_loads_total))) -eq 3 ]
    [ "$(count sealring_key_loads_total)" -ge 2 ]
    [ "$(count sealring_queue_length)" -eq 0 ]
    [ "$(count 'sealring_tpm_command_seconds_count{command="Load"}')" -eq 2 ]
    [ "$(count 'sealring_tpm_command_seconds_bucket{command="Load",le="+Inf"}')" -eq 2 ]
    [ "$(count 'sealring_tpm_command_seconds_count{command="Sign"}')" -ge 3 ]
    # Every line is a comment or a number, and every name has its type before it.
    run grep -vE '^(# (HELP|TYPE) sealring_[a-z_]+ .+|sealring_[a-z_]+(\{[^}]+\})? [0-9.e+-]+)$' answer
    [ "$output" = '' ]
    grep -qx '# TYPE sealring_tpm_command_seconds histogram' answer
    # How long another's signature took, nobody is told to the microsecond.
    grep -qE '_seconds_sum\{command="Sign"\} [0-9]+\.[0-9]{3}$' answer
    run grep -E '_sum.*\.[0-9]{4}' answer
    [ "$output" = '' ]
}

@test "what is refused is said in JSON, whatever the bytes were" {
    keygen web
    rest_start
    # json: the answer is that, and it is UTF-8, which jq would mend
    json() { iconv -f utf8 -t utf8 answer >/dev/null && jq -e .message answer >/dev/null; }
    # The control: what is UTF-8 comes back as it is.
    refuses 400 bad_request "$(key_path web public)?format=%c3%a9"
    json
    [[ $(jq -r .message answer) == *é* ]]
    for bytes in %ff %c3 %c0%af %ed%a0%80 %f5%80%80%80 a%c2%9b %e2%80%ae; do
        refuses 400 bad_request "$(key_path "$bytes")"
        json
        refuses 400 bad_request "$(key_path web public)?format=$bytes"
        json
        [[ $(jq -r .message answer) == *'?'* ]]
    done
    # One that is cut at the end of the text.
    refuses 400 bad_request "$(key_path web public)?format=x$(printf '%%c3%%a9%.0s' {1..600})"
    json
    refuses 400 bad_request "$(key_path web public)?format=$(printf '%%c3%%a9%.0s' {1..600})"
    json
    printf '{"data":"aGk=","hash":"\xff"}' >bad
    refuses 400 bad_request "$(key_path web sign)" --data-binary @bad
    json
}
