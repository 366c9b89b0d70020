#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-sign for who may not read the store, told something else than it asked for by the daemon.
# shellcheck disable=SC2154 # status, output: from bats

load common

setup() {
    store_new
    echo message >message
    keygen web
    tpm-sign sign web message -o old.sig
    tpm-sign rotate -q web
    tpm-sign sign web message -o new.sig
    strange
}

teardown() {
    kill "$listener" 2>/dev/null || true
    wait "$listener" || true
    chmod 700 "$open/state/keys"
    rm -r "$open"
    no_handles_left
}

# strange: one listens who answers with the files in "answers", and to all else by hanging up; behind
# NAME+last nobody listens any more. What he is asked for is in "asked". By "reader" tpm-sign is run by who may read no key.
strange() {
    local name
    open=$(mktemp -d "${TMPDIR:-/tmp}/sealring-strange-XXXXXX")
    mkdir answers "$open/bin"
    answers_for web
    answers_for web@1
    cp "$SEALRING_BUILD/bin/tpm-sign" "$open/bin"
    cp "$SEALRING_BUILD"/libsealring.so.0 message old.sig new.sig "$open"
    mkdir -p "$open/state/keys"
    chmod 755 "$open"
    timeout 60 python3 - "$open/sign.sock" >ready 3>&- <<'END' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
s.listen()
print('ready', flush=True)
while True:
    c, _ = s.accept()
    head = b''
    while not head.endswith(b'\r\n\r\n') and (got := c.recv(1)):
        head += got
    name = head.split()[1].decode().replace('%40', '@').removeprefix('/api/v1/keys/').replace('/', '+')
    with open('asked', 'a') as asked:
        print(name, file=asked)
    try:
        if os.path.exists('answers/' + name + '+last'):
            s.close()
        with open('answers/' + name, 'rb') as answer:
            c.sendall(answer.read())
    except FileNotFoundError:
        pass
    c.close()
    if s.fileno() < 0:
        break
END
    listener=$!
    until [ -s ready ]; do sleep 0.01; done
    chmod 000 "$open/state/keys"
    reader=(env -C "$open" "SEALRING_STATE_DIR=$open/state" "SEALRING_RUNTIME_DIR=$open" "$open/bin/tpm-sign")
    # Leaks are looked for by a tracer, which such a user may not be.
    [ "$(id -u)" -ne 0 ] || reader=(setpriv --reuid 4711 --regid 4711 --clear-groups
        env "ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0" "${reader[@]}")
}

# answer NAME STATUS: the body is on standard input
answer() {
    { printf 'HTTP/1.0 %s Strange\r\n\r\n' "$2" && cat; } >"answers/$1"
}

# answers_for KEY: those of tpm-serve
answers_for() {
    tpm-sign info "$1" --json | jq '.[0]' | answer "$1" 200
    tpm-sign pubkey "$1" | answer "$1+public" 200
    ! tpm-sign pubkey "$1" --format ssh >line 2>/dev/null || answer "$1+public?format=ssh" 200 <line
}

# refusal NAME STATUS CODE
refusal() {
    answer "$1" "$2" <<<"{\"code\":\"$3\",\"message\":\"it says $3\"}"
}

@test "list: of no key that one may use" {
    answer +api+v1+keys 200 <<<'{"keys":[]}'
    [ "$("${reader[@]}" list --json | jq -c .)" = '[]' ]
    fails 0 "${reader[@]}" list
    says 'no keys that you may use'
    refusal nix 404 no_such_key
    fails 9 "${reader[@]}" list nix --json
    [ "$output" = 'tpm-sign: it says no_such_key' ]
}

@test "certificates that the daemon can't read are not none" {
    local said
    for said in '[]:none' '["x509"]:X.509' null:unknown; do
        tpm-sign info web --json | jq ".[0] | .certificates = ${said%:*}" | answer web 200
        "${reader[@]}" info web | grep -qx "Certificate: ${said##*:}"
        [ "$("${reader[@]}" info web --json | jq -c '.[0].certificates')" = "${said%:*}" ]
    done
}

@test "pubkey prints a key, and nothing else that the daemon says" {
    local bad format spki good key type by
    good=$(tpm-sign pubkey web)
    spki=$(tpm-sign info web --json | jq -r '.[0].spki_sha256')
    cp answers/web "answers/$spki"
    cp answers/web+public "answers/$spki+public"
    for format in pem ssh; do
        for key in web web@1 "$spki"; do
            "${reader[@]}" pubkey "$key" --format $format | diff <(tpm-sign pubkey "$key" --format $format) -
        done
        # Around the key something may stand: it is not printed.
        printf '\e]0;owned\a\n%s\n\e[31mred\e[0m\n' "$good" | answer web+public 200
        printf '\e]0;owned\a ssh-ed25519 AAAA \e[31m' | answer web+public?format=ssh 200
        "${reader[@]}" pubkey web --format $format | diff <(tpm-sign pubkey web --format $format) -
        for bad in '\e[31mred\n' '' "${good/MF/M\\e[31mF}" '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'; do
            printf '%b' "$bad" | answer web+public 200
            run "${reader[@]}" pubkey web --format $format
            [ "$status" -eq 8 ]
            one_line
            [[ $output == *'web: no public key'* && $output != *$'\e'* ]]
        done
        # One of a kind that is none of ours.
        for bad in 'RSA -pkeyopt rsa_keygen_bits:1024' X25519 'EC -pkeyopt ec_paramgen_curve:brainpoolP256r1'; do
            # shellcheck disable=SC2086 # words
            openssl genpkey -algorithm $bad 2>/dev/null | openssl pkey -pubout | answer web+public 200
            run "${reader[@]}" pubkey web --format $format
            [[ $status == [128] ]]
            one_line
        done
        answer web+public 200 <<<"$good"
    done
    # Keys of all kinds go through that.
    for type in p384 rsa2048 ed25519 ed448 secp256k1; do
        keygen "$type" -t "$type" --no-recovery
        answers_for "$type"
        "${reader[@]}" pubkey "$type" | diff <(tpm-sign pubkey "$type") -
        for by in tpm-sign "${reader[*]}"; do
            # shellcheck disable=SC2086 # words
            run $by pubkey "$type" --format ssh
            echo "$status $output" >>"$type.ssh"
        done
        [ "$(sort -u "$type.ssh" | wc -l)" -eq 1 ]
    done
}

# bats test_tags=minimal
@test "verify: an older version that can't be had is no signature that is wrong" {
    local name
    verify=("${reader[@]}" verify web message)
    "${verify[@]}" -s new.sig
    fails 0 "${verify[@]}" -s old.sig
    says 'web@1, which has been replaced'
    fails 8 "${verify[@]}" -s message
    says 'the signature is not of this key'
    [ "$(grep -c '^web@1' asked)" -eq 4 ]
    for name in web@1 web@1+public; do
        cp "answers/$name" kept
        # It is gone: whatever the signature is of, it is of none that is there.
        refusal $name 404 no_such_key
        fails 8 "${verify[@]}" -s old.sig
        says 'the signature is not of this key'
        refusal $name 503 no_tpm
        fails 6 "${verify[@]}" -s old.sig
        says 'it says no_tpm'
        for code in 'failed 500' 'busy 503' 'too_many 429'; do
            # shellcheck disable=SC2086 # words
            refusal $name ${code#* } ${code% *}
            fails 1 "${verify[@]}" -s old.sig
            says "it says ${code% *}"
        done
        rm "answers/$name"
        fails 1 "${verify[@]}" -s old.sig
        says 'what answers there is not tpm-serve, or hung up'
        mv kept "answers/$name"
    done
    echo nonsense | answer web@1+public 200
    run "${verify[@]}" -s old.sig
    [ "$status" -ne 0 ]
    says 'web@1: no public key'
    # The newest one's own says all, without them.
    "${verify[@]}" -s new.sig
    : >answers/web+public+last
    fails 1 "${verify[@]}" -s old.sig
    says 'what answers there is not tpm-serve, or hung up'
}
