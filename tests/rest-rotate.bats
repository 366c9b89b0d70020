#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys are rotated over REST as tpm-sign rotate does it: by whom, with what, and where not.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; helper, status, output: from common.bash and bats

load rest
load pins

# rotates NAME [MEMBER VALUE]...: answered with a key of another fingerprint, a version later
rotates() {
    local before version
    before=$(tpm-sign info "$1" --json | jq -r '.[0].spki_sha256')
    version=$(tpm-sign info "$1" --json | jq '.[0].version')
    answers 200 "$(key_path "$1" rotate)" -d "$(body "${@:2}")"
    jq -S . answer | diff - <(tpm-sign info "$1" --json | jq -S '.[0] | del(.older, .certificates)')
    [ "$(jq -r .spki_sha256 answer)" != "$before" ]
    [ "$(jq .version answer)" -eq $((version + 1)) ]
    [ "$(tpm-sign info "$1@$version" --json | jq -r '.[0].spki_sha256')" = "$before" ]
}

@test "a new key in the place of one, which stays for what it has signed" {
    keygen web --tag role=tls
    keygen rsa -t rsa2048 --exportable
    rest_start
    signs web
    cp message.sig old.sig
    rotates web
    [ "$(jq -r .tags.role answer)" = tls ]
    # At once, also for who was loaded before.
    signs web
    run openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature old.sig message
    [ "$status" -ne 0 ]
    answers 200 "$(key_path web verify)" -d "$(body data "$(base64 -w0 message)" signature "$(base64 -w0 old.sig)")"
    [ "$(jq -c . answer)" = '{"valid":true,"older_version":1}' ]
    answers 200 "$(key_path web verify)" -d "$(body data "$(base64 -w0 message)" signature "$(base64 -w0 message.sig)")"
    [ "$(jq -c . answer)" = '{"valid":true}' ]
    answers 200 "$(key_path web verify)" -d "$(body data AAAA signature "$(base64 -w0 old.sig)")"
    [ "$(jq -c . answer)" = '{"valid":false}' ]
    mv "$KEYS/web@1.pem" first
    echo nonsense >"$KEYS/web@1.pem"
    refuses 422 damaged_key "$(key_path web verify)" -d "$(body data AAAA signature "$(base64 -w0 old.sig)")"
    mv first "$KEYS/web@1.pem"
    # By fingerprint; without a body.
    answers 200 "$(key_path "$(tpm-sign info web --json | jq -r '.[0].spki_sha256')" rotate)" -X POST
    [ "$(jq -r '.name, .version' answer | tr '\n' ' ')" = 'web 3 ' ]
    signs web
    rotates rsa
    [ "$(jq .exportable answer)" = true ]
    signs rsa
    answers 200 /metrics
    grep -qx 'sealring_operations_total{operation="rotate",result="ok"} 3' answer
    grep -qx 'sealring_operations_total{operation="rotate",result="failed"} 0' answer
    rest_stop
    tpm-sign sign web message -o message.sig
    tpm-sign verify -q web -s message.sig message
    run tpm-sign verify web -s old.sig message
    says 'key web@1'
    [ "$(grep -vc 'key web@1: ' said)" -eq 0 ]
}

@test "its PIN is that of the old one, tried once" {
    local before
    keygen guarded --pin-file pin
    rest_start
    signs guarded pin 'correct horse battery'
    rest_stop
    before=$(failed_tries)
    rest_start
    refuses 403 wrong_pin "$(key_path guarded rotate)" -X POST
    refuses 403 wrong_pin "$(key_path guarded rotate)" -d "$(body pin 'wrong horse battery')"
    [ "$(find "$KEYS" -name '*.pem' | wc -l)" -eq 1 ]
    rotates guarded pin 'correct horse battery'
    refuses 403 wrong_pin "$(key_path guarded sign)" -d "$(body data AAAA)"
    signs guarded pin 'correct horse battery'
    rest_stop
    [ "$(failed_tries)" -eq $((before + 1)) ]
    run grep -F 'horse battery' said served
    [ "$status" -eq 1 ]
}

@test "keys that are bound to PCRs, follow a ring, or are in software" {
    extend 16 state
    keygen bound --pcrs 0+16 --accept-unmeasured
    keygen follows --ring system --no-recovery
    keygen ed -t ed25519
    tpm-seal -q --generate --ring guarded --no-recovery --pin --pin-file pin secret 2>/dev/null
    keygen secure -t secp256k1 --ring guarded --pin-file pin
    tpm2_pcrreset 16
    extend 16 'another state'
    tpm-sign sign ed message -o old.sig
    rest_start
    refuses 409 policy_does_not_hold "$(key_path bound sign)" -d "$(body data AAAA)"
    answers 200 "$(key_path bound rotate)" -d '{"accept_unmeasured":true}'
    answers 200 "$(key_path bound sign)" -d "$(body data AAAA)"
    rotates follows
    signs follows
    rotates ed
    answers 200 "$(key_path ed verify)" -d "$(body data "$(base64 -w0 message)" signature "$(base64 -w0 old.sig)")"
    [ "$(jq -c . answer)" = '{"valid":true,"older_version":1}' ]
    refuses 403 wrong_pin "$(key_path secure rotate)" -X POST
    rotates secure pin 'correct horse battery'
    rest_stop
    tpm-sign sign ed message -o new.sig
    tpm-sign verify -q ed -s new.sig message
    tpm-sign sign secure message --pin-file pin -o new.sig
    tpm-sign verify -q secure -s new.sig message
    [ "$(find "$RINGS" -name '*.softkey.cms' | wc -l)" -eq 4 ]
    tpm2_pcrreset 16
}

@test "only for those whom keys.d lets, and once a person said yes" {
    mkdir "$RULES"
    keygen web
    peer() { "$helper/peer" "$@" 2>/dev/null; }
    printf '[Access]\nUsers=4711\n' >"$RULES/web.conf"
    [ "$(peer 4711 1 use web)" = signed ]
    [[ $(peer 4711 1 rotate web) == 'key web: you may use it, but not replace it: '*"$RULES/web.conf" ]]
    [ "$(peer 4712 1 rotate web | sed 's/web/nix/g')" = "$(peer 4712 1 rotate nix)" ]
    [ "$(tpm-sign info web --json | jq '.[0].version')" -eq 1 ]
    printf '[Access]\nUsers=4711\nRotate=yes\n' >"$RULES/web.conf"
    [ "$(peer 4711 1 rotate web)" = rotated ]
    [[ $(peer 4712 1 rotate web) == 'no key "web"'* ]]
    [ "$(peer 0 0 rotate web)" = rotated ]
    printf '[Access]\nConfirm=yes\n' >"$RULES/web.conf"
    # shellcheck disable=SC2016 # for that program
    askpass <<<'echo "$1" >>asked; . ./reaction'
    echo 'exit 1' >reaction
    rest_start
    refuses 403 not_permitted "$(key_path web rotate)" -X POST
    [ "$(tpm-sign info web --json | jq '.[0].version')" -eq 3 ]
    echo 'exit 0' >reaction
    rotates web
    grep -q '^Let curl (process [0-9]* of .*) replace the key web?$' asked
}

# guarded_start: as rest_start, without root's right to write everywhere
guarded_start() {
    local as=()
    [ "$(id -u)" -ne 0 ] || as=(setpriv '--bounding-set=-dac_override,-dac_read_search,-fowner')
    REST=$SEALRING_RUNTIME_DIR/sign.sock
    rm -f "$REST"
    "${as[@]}" tpm-sign serve --listen-rest "$REST" --idle 60 >served 2>>said 3>&- &
    rest=$!
    rest_ready
}

# bats test_tags=minimal
@test "a daemon that may not write the store, or not read the rings, says so and changes nothing" {
    keygen web
    keygen follows --ring system --no-recovery
    sha256sum "$KEYS"/* >before
    chmod a-w "$KEYS"
    guarded_start
    refuses 403 not_permitted "$(key_path web rotate)" -X POST
    [[ $(jq -r .message answer) == "key web: the daemon may not write $KEYS, "*'tpm-sign rotate web' ]]
    chmod u+w "$KEYS"
    chmod 0 "$RINGS"
    refuses 403 not_permitted "$(key_path follows rotate)" -X POST
    [[ $(jq -r .message answer) == 'key follows: the daemon may not open its ring system: tpm-sign rotate follows' ]]
    sha256sum -c --quiet before
    [ "$(find "$KEYS" -name '*.pem' | wc -l)" -eq 2 ]
    answers 200 "$(key_path web rotate)" -X POST
    signs web
    chmod 700 "$RINGS"
}

# bats test_tags=minimal
@test "files of another user, which get no second name, are copied" {
    local n
    keygen web
    keygen other
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -keyout ca.key \
        -out ca.pem 2>/dev/null
    for n in web other; do
        tpm-sign csr $n --subject /CN=$n | openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial \
            -out $n.crt 2>/dev/null
        tpm-sign cert install -q $n $n.crt
    done
    tpm-sign sign web message -o old.sig
    if [ "$(id -u)" -eq 0 ]; then
        chmod 644 "$KEYS"/web.*
        chown 4711 "$KEYS"/web.*
    fi
    guarded_start
    rotates web
    signs web
    rotates other
    signs other
    diff web.crt "$KEYS/web@1.crt"
    rest_stop
    run tpm-sign verify web -s old.sig message
    says 'key web@1'
    # No second name, and none is left behind that was.
    [ "$(stat -c %h "$KEYS/web@1.pem")" -eq 1 ]
    [ ! -e "$KEYS/web.crt" ]
}

@test "many at once: one after the other, and none is lost" {
    local n
    keygen web
    rest_start
    for n in 1 2 3 4; do
        curl -sS -m 20 --unix-socket "$REST" -X POST -o answer.$n "http://localhost$(key_path web rotate)" 3>&- &
        asking[n]=$!
        curl -sS -m 20 --unix-socket "$REST" -d "$(body data AAAA)" -o signed.$n \
            "http://localhost$(key_path web sign)" 3>&- &
        signing[n]=$!
    done
    wait "${asking[@]}" "${signing[@]}"
    [ "$(jq -s 'map(.version) | sort' -c answer.*)" = '[2,3,4,5]' ]
    [ "$(jq -r .signature signed.* | grep -c .)" -eq 4 ]
    [ "$(find "$KEYS" -name 'web*.pem' | wc -l)" -eq 5 ]
    signs web
}

@test "two at once by one fingerprint: the second does not replace the successor" {
    local fingerprint
    keygen web
    both() { "$helper/peer" 0 0 both "$1" 2>/dev/null; }
    # By name each is for what has it by then.
    [ "$(both web)" = $'rotated\nrotated' ]
    for fingerprint in spki_sha256 ssh_fingerprint; do
        both "$(tpm-sign info web --json | jq -r ".[0].$fingerprint")" >answer
        [ "$(<answer)" = $'rotated\nkey web: it has just been replaced by another' ]
    done
    [ "$(tpm-sign info web --json | jq '.[0].version')" -eq 5 ]
}

@test "while another program has the store locked others sign, and nothing is rotated" {
    local dir lock
    keygen web
    keygen follows --ring system --no-recovery
    rest_start
    for dir in "$KEYS" "$RINGS"; do
        exec {lock}<"$dir"
        flock "$lock"
        refuses 503 busy "$(key_path follows rotate)" -X POST
        [[ $(jq -r .message answer) == "key follows: another program has locked $dir "*'ask again'* ]]
        signs follows
        signs web
        exec {lock}<&-
    done
    [ "$(find "$KEYS" -name '*.pem' | wc -l)" -eq 2 ]
    rotates follows
    signs follows
    # Whoever has time waits.
    exec {lock}<"$KEYS"
    flock "$lock"
    tpm-sign -q rotate web 2>>said 3>&- {lock}<&- &
    sleep 0.2
    [ "$(tpm-sign info web --json | jq '.[0].version')" -eq 1 ]
    exec {lock}<&-
    wait $!
    [ "$(tpm-sign info web --json | jq '.[0].version')" -eq 2 ]
}
