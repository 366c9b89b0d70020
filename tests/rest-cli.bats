#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-sign by way of the daemon, and without: the same answers, the same failures.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; helper, status, output: from common.bash and bats

load rest
load pins

# without COMMAND...: the same without daemon, into without.status and without.said
without() {
    rest_stop
    run "$@"
    echo "$status" >without.status
    printf '%s\n' "$output" | sed 's/ (TPM2_[^)]*)//' >without.said
}

# same STATUS COMMAND...: with and without the daemon it ends like that, saying the same
same() {
    without "${@:2}"
    [ "$(cat without.status)" -eq "$1" ] || {
        echo "without daemon: $(cat without.status), not $1: ${*:2}: $(cat without.said)"
        return 1
    }
    rest_start
    run "${@:2}"
    [ "$status" -eq "$1" ] || {
        echo "by the daemon: $status, not $1: ${*:2}: $output"
        return 1
    }
    diff without.said <(printf '%s\n' "$output" | sed 's/ (TPM2_[^)]*)//')
}

# asked: how often the daemon was, since it began
asked() {
    ask /metrics
    awk '/^sealring_operations_total/ { sum += $2 } END { print sum }' answer
}

# what_is_signed REQUEST: all but the signature
what_is_signed() {
    openssl req -in "$1" -noout -text | sed '/Signature Value/,$d'
}

@test "signatures are made by the daemon where there is one, and are as good" {
    local format
    keygen web
    keygen rsa -t rsa2048
    keygen guarded --pin-file pin
    rest_start
    for format in der plain tss ssh; do
        tpm-sign sign web --format $format -o message.sig message
        tpm-sign verify -q web --format $format -s message.sig message
    done
    tpm-sign sign web message >message.sig
    openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature message.sig message
    tpm-sign sign web --hash sha512 message >message.sig
    openssl dgst -sha512 -verify <(tpm-sign pubkey web) -signature message.sig message
    tpm-sign sign web --format ssh --namespace git -o message.sig message
    tpm-sign verify -q web --format ssh --namespace git -s message.sig message
    tpm-sign sign rsa --pss message >message.sig
    openssl dgst -sha256 -sigopt rsa_padding_mode:pss -verify <(tpm-sign pubkey rsa) -signature message.sig message
    openssl dgst -sha256 -binary message | tpm-sign sign web --digest >message.sig
    openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature message.sig message
    tpm-sign sign guarded --pin-file pin message >message.sig
    openssl dgst -sha256 -verify <(tpm-sign pubkey guarded) -signature message.sig message
    # RSA's have but one value.
    tpm-sign sign rsa message >by-daemon
    [ "$(asked)" -eq 11 ]
    # Many at once, by fingerprint.
    for n in 1 2 3; do echo "message $n" >m$n; done
    tpm-sign sign "$(tpm-sign info web --json | jq -r '.[0].ssh_fingerprint')" m1 m2 m3
    for n in 1 2 3; do openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature m$n.sig m$n; done
    [ "$(asked)" -eq 14 ]
    rest_stop
    tpm-sign sign rsa message >direct
    cmp by-daemon direct
}

@test "a PIN that JSON has no letters for" {
    printf 'quote" \\ \t\xff\xc3\xa9' >odd
    keygen guarded --pin-file odd
    rest_start
    tpm-sign sign guarded --pin-file odd message >message.sig
    openssl dgst -sha256 -verify <(tpm-sign pubkey guarded) -signature message.sig message
    [ "$(asked)" -eq 1 ]
    rest_stop
    [ "$(failed_tries)" -eq 0 ]
}

@test "what was encrypted is opened, with either padding" {
    keygen opens -t rsa2048 --usage both --pin-file pin
    tpm-sign pubkey opens >opens.pem
    head -c 100 /dev/urandom >secret
    openssl pkeyutl -encrypt -pubin -inkey opens.pem -pkeyopt rsa_padding_mode:oaep \
        -pkeyopt rsa_oaep_md:sha256 -in secret -out oaep
    openssl pkeyutl -encrypt -pubin -inkey opens.pem -in secret -out rsaes
    rest_start
    tpm-sign decrypt opens --pin-file pin oaep | cmp - secret
    tpm-sign decrypt opens --pin-file pin --rsaes rsaes | cmp - secret
    : | openssl pkeyutl -encrypt -pubin -inkey opens.pem -out empty
    tpm-sign decrypt opens --pin-file pin --rsaes empty | cmp - /dev/null
    [ "$(asked)" -eq 3 ]
    tpm-sign decrypt opens --pin-file pin --direct oaep 2>/dev/null | cmp - secret || {
        rest_stop
        tpm-sign decrypt opens --pin-file pin --direct oaep | cmp - secret
    }
}

@test "requests and certificates are signed by the daemon where there is one" {
    local -A as=([web]='' [pss]=--pss [guarded]='--pin-file pin' [opens]='' [longer]='--hash sha512')
    local name who=(--subject /CN=example.org --alt-name DNS:example.org)
    keygen web
    keygen pss -t rsa2048
    keygen guarded --pin-file pin
    keygen opens -t rsa2048 --usage both
    keygen longer -t p384
    rest_start
    for name in "${!as[@]}"; do
        # shellcheck disable=SC2086 # words, or none
        tpm-sign csr $name "${who[@]}" ${as[$name]} >$name.csr
        # shellcheck disable=SC2086
        tpm-sign cert self-sign $name "${who[@]}" ${as[$name]} -o $name.crt
    done
    [ "$(asked)" -eq 10 ]
    rest_stop
    for name in "${!as[@]}"; do
        openssl req -in "$name.csr" -verify -noout
        openssl verify -CAfile "$name.crt" "$name.crt"
        openssl x509 -in "$name.crt" -noout -checkhost example.org | grep -q 'does match'
        # shellcheck disable=SC2086
        tpm-sign csr $name "${who[@]}" ${as[$name]} >direct
        diff <(what_is_signed "$name.csr") <(what_is_signed direct)
        tpm-sign cert install "$name" <"$name.crt"
    done
    # RSA's have but one value.
    tpm-sign csr opens "${who[@]}" | cmp - opens.csr
    # A file that is kept beside the key is not the daemon's business.
    rest_start
    tpm-sign csr -q web "${who[@]}" --keep
    [ "$(asked)" -eq 0 ]
    [ -s "$KEYS/web.csr" ]
}

@test "the same failures, in the same words" {
    extend 16 state
    keygen web
    keygen guarded --pin-file pin
    keygen opens -t rsa2048 --usage decrypt
    keygen bound --pcrs 0+16 --accept-unmeasured
    echo nonsense >"$KEYS/bad.pem"
    tpm2_pcrreset 16
    same 9 tpm-sign sign nix message
    same 9 tpm-sign sign "$(printf '%064d' 0)" message
    same 2 tpm-sign sign .hidden message
    same 2 tpm-sign sign '' message
    same 8 tpm-sign sign bad message
    same 2 tpm-sign sign web --hash md5 message
    same 2 tpm-sign sign web --hash sha384 --format ssh message
    same 2 tpm-sign sign web --format xml message
    same 2 tpm-sign sign web --pss message
    same 2 tpm-sign sign web --digest message
    same 1 tpm-sign sign web no-such-file
    same 2 tpm-sign sign opens message
    same 2 tpm-sign decrypt web message
    same 2 tpm-sign csr opens --subject /CN=x
    same 2 tpm-sign csr web --subject /CN=x --pss
    same 2 tpm-sign csr web --subject nobody
    same 9 tpm-sign cert self-sign nix --subject /CN=x
    same 4 tpm-sign cert self-sign guarded --subject /CN=x --pin-file wrong
    same 8 tpm-sign decrypt opens message
    same 2 tpm-sign decrypt opens --hash md5 message
    same 3 tpm-sign sign bound message
    same 4 tpm-sign sign guarded --pin-file wrong message
    same 4 tpm-sign sign guarded message </dev/null
}

@test "an older version is used under the same rules, by its name and by its fingerprint" {
    local old spki ssh
    keygen web
    keygen opens -t rsa2048 --usage decrypt
    tpm-sign pubkey opens >opens.pem
    openssl pkeyutl -encrypt -pubin -inkey opens.pem -pkeyopt rsa_padding_mode:oaep \
        -pkeyopt rsa_oaep_md:sha256 -in pin -out cipher
    for key in web opens; do tpm-sign rotate -q $key; done
    spki=$(tpm-sign info web@1 --json | jq -r '.[0].spki_sha256')
    ssh=$(tpm-sign info web@1 --json | jq -r '.[0].ssh_fingerprint')
    tpm-sign pubkey web@1 >web.pem
    rest_start
    for old in web@1 "$spki" "$ssh"; do
        tpm-sign sign "$old" message >message.sig
        openssl dgst -sha256 -verify web.pem -signature message.sig message
    done
    tpm-sign decrypt opens@1 cipher | cmp - pin
    [ "$(asked)" -eq 4 ]
    # It is not listed, and not rotated.
    answers 200 /api/v1/keys
    [ "$(jq -c '[.keys[].name]' answer)" = '["opens","web"]' ]
    answers 200 "$(key_path web@1)"
    [ "$(jq -r '.name, .spki_sha256' answer | tr '\n' ' ')" = "web@1 $spki " ]
    refuses 400 bad_request "$(key_path web@1 rotate)" -X POST
    refuses 404 no_such_key "$(key_path "$spki" rotate)" -X POST
    rest_stop
    for old in web@2 web@9999; do same 9 tpm-sign sign $old message; done
    for old in web@0 web@ web@x web@10000; do same 2 tpm-sign sign $old message; done
    same 8 tpm-sign decrypt opens cipher
    rest_stop
    mkdir "$RULES"
    printf '[Access]\nUsers=4711\n' >"$RULES/web.conf"
    [ "$("$helper/peer" 4711 1 use web@1 2>/dev/null)" = signed ]
    [ "$("$helper/peer" 4711 1 use "$spki" 2>/dev/null)" = signed ]
    [[ $("$helper/peer" 4712 1 use web@1 2>/dev/null) == 'no key "web@1"'* ]]
    [[ $("$helper/peer" 4712 1 use "$spki" 2>/dev/null) == 'no key with the fingerprint'* ]]
}

@test "the TPM of another machine, a TPM in lockout, a TPM that is gone" {
    keygen web
    keygen guarded --pin-file pin
    tpm_tries 1
    run tpm-sign sign guarded --pin-file wrong message
    same 5 tpm-sign sign guarded --pin-file pin message
    rest_stop
    tpm2_dictionarylockout -Q --clear-lockout
    tpm_tries 30
    tpm_start other
    tpm2_createprimary -Q -C o -c primary.ctx
    tpm2_evictcontrol -Q -C o -c primary.ctx 0x81000001
    tpm2_flushcontext -t
    same 7 tpm-sign sign web message
    rest_stop
    tpm_stop other
    same 6 tpm-sign sign web message
    rest_stop
    tpm_use main
}

@test "a daemon that hangs is said to, and not waited for where nobody is asked" {
    keygen web
    rest_start
    tpm-sign sign web -o message.sig message
    kill -STOP "$rest"
    fails 1 tpm-sign sign web -o other.sig message
    kill -CONT "$rest"
    says "waiting for the answer of who listens at $REST"
    says "$REST: who listens there does not answer: restart it, or do without by --direct"
    [ ! -e other.sig ]
    tpm-sign sign web -o other.sig message
}

@test "where nobody listens, or it is told to, it uses the TPM" {
    keygen web
    # A socket that a killed daemon left.
    rest_start
    kill -9 "$rest"
    wait "$rest" || true
    rest=
    "$helper/handles" "$SEALRING_TCTI" flush >/dev/null || true
    [ -S "$REST" ]
    tpm-sign sign web message >message.sig
    openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature message.sig message
    # The daemon's TPM is none, so that whoever asks it fails.
    rest_start --tcti "swtpm:path=$PWD/nothing"
    fails 6 tpm-sign sign web -o message.sig message
    tpm-sign sign web --direct -o message.sig message
    tpm-sign sign web --tcti "$SEALRING_TCTI" -o message.sig message
    tpm-sign sign web --encrypt-session -o message.sig message
    tpm-sign sign "$KEYS/web.pem" -o message.sig message
    # The sockets are not of the store that was chosen.
    (unset SEALRING_RUNTIME_DIR && tpm-sign sign web -o message.sig message)
    # What listens is no daemon.
    rest_stop
    socat_like() { python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print("ready", flush=True)
c, _ = s.accept(); c.recv(4096); c.sendall(b"nonsense"); c.close()' "$1"; }
    socat_like "$REST" >ready 3>&- &
    until [ -s ready ]; do sleep 0.01; done
    fails 1 tpm-sign sign web -o message.sig message
    says 'what answers there is not tpm-serve'
    wait
}

# listens USER [MORE]: one who wants PINs listens as this user, and notes in "heard" what he is
# told; MORE is in what he says of a key
listens() {
    rm -f "$SEALRING_RUNTIME_DIR/sign.sock" heard ready
    timeout 60 python3 - "$SEALRING_RUNTIME_DIR/sign.sock" "$1" "${2-}" >ready 3>&- <<'END' &
import os, socket, sys
heard = open('heard', 'wb', buffering=0)
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
if os.getuid() != int(sys.argv[2]):
    os.setresuid(*[int(sys.argv[2])] * 3)
s.listen()
print('ready', flush=True)
while True:
    c, _ = s.accept()
    head, body = b'', b''
    while not head.endswith(b'\r\n\r\n') and (got := c.recv(1)):
        head += got
    size = int(head.split(b'Content-Length: ')[1].split()[0]) if head else 0
    while len(body) < size and (got := c.recv(size)):
        body += got
    heard.write(head + body)
    try:
        c.sendall(b'HTTP/1.0 200 OK\r\n\r\n{"pin":true,"in_tpm":true,"hash":"sha256","type":"rsa2048","ring":null' +
                  sys.argv[3].encode() + b'}')
    except BrokenPipeError:
        pass
    c.close()
END
    listener=$!
    until [ -s ready ]; do sleep 0.01; done
}

# tells TEXT COMMAND...: it fails, saying so; then nobody listens any more
tells() {
    fails 1 "${@:2}"
    one_line
    says "$1"
    kill "$listener"
    wait "$listener" 2>/dev/null || true
}

# bats test_tags=minimal
@test "a PIN and a message are told to root, sealring and oneself, and to nobody else" {
    local mine sign=(sign web --pin-file pin message) open count=0
    stranger='is neither root nor sealring nor you, and is told nothing: --direct does without'
    nonsense='what answers there is not tpm-serve'
    heard() { grep -qF 'horse battery' heard; }
    head -c 256 /dev/zero >cipher
    listens "$(id -u)"
    tells "$nonsense" tpm-sign "${sign[@]}"
    heard
    listens "$(id -u)"
    tells "$nonsense" tpm-sign decrypt web --pin-file pin cipher
    heard
    # An ordinary user can't be another.
    [ "$(id -u)" -eq 0 ] || return 0
    for command in "${sign[*]}" 'decrypt web --pin-file pin cipher' 'decrypt web --cms --pin-file pin cipher'; do
        listens 4711
        # shellcheck disable=SC2086 # words
        tells "sign.sock: user 4711 listens there, who $stranger" tpm-sign $command
        [ ! -s heard ]
        count=$((count + 1))
    done
    [ "$count" -eq 3 ]
    # Who serves the system's keys has that name.
    { grep -v '^sealring:' /etc/passwd; echo 'sealring:x:4711:4711::/:/bin/false'; } >passwd
    listens 4711
    # shellcheck disable=SC2016 # of the inner shell
    tells "$nonsense" unshare -m sh -c 'mount --bind passwd /etc/passwd && exec "$@"' sh tpm-sign "${sign[@]}"
    heard
    # A user's own, and that of another user.
    open=$(mktemp -d "${TMPDIR:-/tmp}/sealring-own-XXXXXX")
    chmod 711 "$open"
    mkdir "$open/bin"
    cp "$SEALRING_BUILD/bin/tpm-sign" "$open/bin"
    cp "$SEALRING_BUILD"/libsealring.so.0 "$open"
    cp pin message "$open"
    export SEALRING_RUNTIME_DIR=$open
    # Leaks are looked for by a tracer, which such a user may not be.
    mine=(setpriv --reuid 4711 --clear-groups
        env -C "$open" ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" "$open/bin/tpm-sign")
    listens 4711
    tells "$nonsense" "${mine[@]}" "${sign[@]}"
    heard
    listens 0
    tells "$nonsense" "${mine[@]}" "${sign[@]}"
    heard
    listens 4712
    tells "user 4712 listens there, who $stranger" "${mine[@]}" "${sign[@]}"
    [ ! -s heard ]
    rm -r "$open"
}

@test "what a daemon says is refused where a terminal would do more than show it" {
    local bad
    nonsense='what answers there is not tpm-serve'
    for bad in '"tags":{"role":"\u001b[31m"}' '"tags":{"\u001b[31m":"x"}' '"name":"\u202e"' '"certificates":[null]'; do
        listens "$(id -u)" ",$bad"
        tells "$nonsense" tpm-sign sign web --pin-file pin message
        run grep -a horse heard
        [ "$output" = "" ]
    done
    # One of which a terminal only shows everything gets the PIN.
    listens "$(id -u)" ',"tags":{"role":"tls"},"name":"é","certificates":["x509"]'
    tells "$nonsense" tpm-sign sign web --pin-file pin message
    grep -aq horse heard
}

@test "who may not read the store sees by the daemon what others read" {
    local open command by=()
    [ "$(id -u)" -eq 0 ] || return 0 # an ordinary user can't be another
    mkdir "$RULES"
    keygen web --tag role=tls
    keygen guarded --pin-file pin
    keygen rsa -t rsa2048
    tpm-sign cert self-sign web --subject /CN=web | tpm-sign cert install -q web
    tpm-sign sign web message -o old.sig
    tpm-sign sign web --format ssh --hash sha256 message -o ssh.sig
    : >empty
    tpm-sign rotate -q web
    tpm-sign cert self-sign rsa --subject /CN=rsa | tpm-sign cert install -q rsa
    tpm-sign sign web message -o new.sig
    for key in web guarded rsa; do printf '[Access]\nUsers=4711\n' >"$RULES/$key.conf"; done
    open=$(mktemp -d "${TMPDIR:-/tmp}/sealring-open-XXXXXX")
    mkdir "$open/bin"
    cp "$SEALRING_BUILD/bin/tpm-sign" "$open/bin"
    cp "$SEALRING_BUILD"/libsealring.so.0 message old.sig new.sig ssh.sig empty "$open"
    export SEALRING_RUNTIME_DIR=$open
    rest_start
    chmod 755 "$open"
    chmod 666 "$REST"
    mkdir -m 700 "$open/state" "$open/state/keys"
    by=(setpriv --reuid 4711 --regid 4711 --clear-groups env -C "$open" "SEALRING_STATE_DIR=$open/state" "$open/bin/tpm-sign")
    for command in list 'list --json' 'list web' 'list --tag role=tls' 'info web' 'info web@1' 'info rsa' \
        'info web --json' 'pubkey web' 'pubkey rsa --format ssh' 'pubkey web@1' 'info nix' 'list nix' \
        'verify web -s new.sig message' 'verify web -s old.sig message' 'verify web -s message message' \
        'verify web@1 -s new.sig message' 'verify web -s empty message' 'verify web --format ssh -s ssh.sig message' \
        'verify web --hash md5 -s new.sig message' 'verify nix -s new.sig message'; do
        # shellcheck disable=SC2086 # words
        run tpm-sign $command
        echo "$status $output" >direct
        # shellcheck disable=SC2086 # words
        run "${by[@]}" $command
        echo "$status $output" | diff direct - || {
            echo "differs: $command"
            return 1
        }
    done
    "${by[@]}" csr rsa --subject /CN=rsa | diff - <(tpm-sign csr rsa --subject /CN=rsa)
    # What the daemon does not tell.
    tpm-sign info guarded | sed 's/^\(PIN: *yes\).*/\1/' | diff - <("${by[@]}" info guarded)
    echo '' >"$RULES/web.conf"
    answers 200 /health
    fails 9 "${by[@]}" info web
    rest_stop
    fails 1 "${by[@]}" list
    says 'Permission denied'
    rm -r "$open"
}

@test "without daemon a signature is three TPM commands, as ever" {
    keygen web
    [ "$(commands tpm-sign sign web message)" = 'Load Sign FlushContext' ]
}
