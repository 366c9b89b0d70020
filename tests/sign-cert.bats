#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Certificates beside a key, of X.509 and of OpenSSH: seen, taken away, and told when out of time.
# shellcheck disable=SC2154 # status, output: from bats

load rest

setup() {
    store_new
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=CA -days 30 \
        -keyout ca.key -out ca.pem 2>/dev/null
    ssh-keygen -q -t ed25519 -N '' -f ssh-ca
    keygen web
    tpm-sign csr web --subject /CN=web -o web.csr
    tpm-sign pubkey web --format ssh -o web.pub
}

# x509 [OPTIONS]: web.crt, by the CA
x509() {
    openssl x509 -req -in web.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out web.crt "$@" 2>/dev/null
}

# openssh VALID: web-cert.pub, by the CA
openssh() {
    ssh-keygen -q -s ssh-ca -I web -n me -V "$1" web.pub
}

# has KINDS JSON: what info says, for people and for programs
has() {
    tpm-sign info web | grep -qx "Certificate: $1" &&
        [ "$(tpm-sign info web --json | tr -d ' \n' | sed 's/.*"certificates":\[\([^]]*\)\].*/\1/')" = "$2" ]
}

@test "info and cert show know both kinds; cert remove takes one, or all, and leaves the key" {
    x509 -days 3
    openssh always:forever
    has none ''
    fails 9 tpm-sign cert show web
    says 'key web has no certificate'
    fails 9 tpm-sign cert remove web

    tpm-sign cert install -q web web-cert.pub
    has OpenSSH '"openssh"'
    tpm-sign cert show web | grep -qxF "$(cat web-cert.pub)"
    tpm-sign cert show web | grep -q 'valid: .* to forever$'
    [ "$(tpm-sign cert show web | ssh-keygen -L -f - | grep -c 'Key ID: "web"')" -eq 1 ]
    fails 9 tpm-sign cert show web --format pem

    tpm-sign cert install -q web web.crt
    has 'X.509, OpenSSH' '"x509","openssh"'
    tpm-sign cert show web >both
    openssl x509 -in both -outform DER | cmp - <(openssl x509 -in web.crt -outform DER)
    grep -qxF "$(cat web-cert.pub)" both
    run grep -c cert-v01 <(tpm-sign cert show web --format pem)
    [ "$output" = 0 ]
    run grep -c BEGIN <(tpm-sign cert show web --format ssh)
    [ "$output" = 0 ]
    fails 2 tpm-sign cert remove web --format der

    tpm-sign cert remove -q web --format ssh
    has X.509 '"x509"'
    fails 9 tpm-sign cert remove web --format ssh
    says 'no certificate of OpenSSH'
    tpm-sign cert install -q web web-cert.pub
    tpm-sign cert remove -q web --format pem
    has OpenSSH '"openssh"'
    tpm-sign cert install -q web web.crt
    tpm-sign cert remove -q web
    has none ''
    [ "$(ls "$KEYS")" = $'web.pem\nweb.pub' ]
    tpm-sign sign web web.csr >/dev/null
}

# unreadable COMMAND...: in the place of this shell, with an X.509 certificate of web that can't be read
unreadable() {
    if [ "$(id -u)" -eq 0 ]; then
        # shellcheck disable=SC2016 # of the inner shell
        exec unshare -m sh -c 'mount --bind /proc/self/mem "$KEYS/web.crt" && exec "$@"' sh "$@"
    fi
    chmod 000 "$KEYS/web.crt"
    exec "$@"
}

# bats test_tags=minimal
@test "where a certificate can't be read, nobody says that there is none" {
    export KEYS
    keygen other
    x509 -days 3
    openssh always:forever
    tpm-sign cert install -q web web.crt
    tpm-sign cert install -q web web-cert.pub
    for json in '' --json; do
        # shellcheck disable=SC2086 # a word, or none
        fails 1 unreadable tpm-sign info web $json
        one_line
        says 'key web: cannot '
        says ' web.crt: '
    done
    # The others are listed all the same.
    fails 1 unreadable tpm-sign list --json
    says 'key web: cannot '
    [ "$(grep -v '^tpm-sign:' <<<"$output" | jq -c '[.[].name]')" = '["other"]' ]
    fails 0 unreadable tpm-sign list
    fails 0 unreadable tpm-sign info other
    says 'Certificate: none'
    # The daemon says what it knows.
    chmod 644 "$KEYS/web.crt"
    rest_start
    answers 200 "$(key_path web)"
    [ "$(jq -c .certificates answer)" = '["x509","openssh"]' ]
    rest_stop
    # shellcheck disable=SC2317 # called by rest_start
    tpm-sign() { unreadable "$(type -P tpm-sign)" "$@"; }
    rest_start
    answers 200 "$(key_path web)"
    [ "$(jq -c '.name, .certificates' answer | tr '\n' ' ')" = '"web" null ' ]
    answers 200 "$(key_path other)"
    [ "$(jq -c .certificates answer)" = '[]' ]
    unset -f tpm-sign
}

@test "install warns of one that has expired or is not yet valid, and keeps it" {
    x509 -days 3
    openssh always:forever
    for good in web.crt web-cert.pub; do
        run tpm-sign cert install -q web "$good"
        [ "$status" -eq 0 ] && [ "$output" = "" ]
    done
    openssh 20200101:20200202
    run tpm-sign cert install -q web web-cert.pub
    [ "$status" -eq 0 ]
    [[ $output == *'web: this certificate has expired, on 2020-02-02T'* ]]
    openssh 20900101:20900202
    run tpm-sign cert install -q web web-cert.pub
    [[ $output == *'web: this certificate is not valid before 2090-01-01T'* ]]
    x509 -days -1
    run tpm-sign cert install -q web web.crt
    [ "$status" -eq 0 ]
    [[ $output == *'web: this certificate has expired, on '* ]]
    has 'X.509, OpenSSH' '"x509","openssh"'
}

@test "a certificate of OpenSSH is taken as ssh takes it, and shown as one line" {
    local kind blob format count=0
    openssh always:forever
    read -r kind blob _ <web-cert.pub
    for format in '%s\t%s\tme\n' '\n\n%s %s me\n' ' \t%s %s me\n' '%s %s me\r\n' '%s %s\r\n' '\r\n \r\n%s\t %s me\t too' \
        ' \t\n%s \t %s me \n \t\n'; do
        # shellcheck disable=SC2059 # it is one
        printf "$format" "$kind" "$blob" >odd-cert.pub
        ssh-keygen -L -f odd-cert.pub | grep -q 'Key ID: "web"'
        fails 0 tpm-sign cert install web odd-cert.pub
        one_line
        has OpenSSH '"openssh"'
        fails 0 tpm-sign cert show web --format ssh
        [ "${#lines[@]}" -eq 2 ]
        [[ ${lines[1]} == "$kind"*"$blob"* && $output != *$'\r'* ]]
        ssh-keygen -L -f - <<<"$output" | grep -q 'Key ID: "web"'
        tpm-sign cert remove -q web
        count=$((count + 1))
    done
    [ "$count" -eq 7 ]
}

@test "a certificate of OpenSSH is one line, which a terminal only shows" {
    openssh always:forever
    cp web-cert.pub good
    ssh-keygen -q -t ed25519 -N '' -f secret
    for bad in '\v\n' '\t\a\n' '\r\tx\n' ' x\ry\n' '\n\n\t# x\n' \
        '\n\e]0;owned\a\e[31m\n' ' \e[31m\n' ' \xe2\x80\xae\n' ' \xff\n' "\n$(cat secret)\n" "\n$(cat good)\n"; do
        { tr -d '\n' <good && printf '%b' "$bad"; } >web-cert.pub
        fails 8 tpm-sign cert install web web-cert.pub
        [ ! -e "$KEYS/web-cert.pub" ]
    done
    for bad in '\e[31m\n' '\v' '\f\n' '# x\n' "$(cat secret)\n"; do
        { printf '%b' "\n$bad" && cat good; } >web-cert.pub
        fails 8 tpm-sign cert install web web-cert.pub
        [ ! -e "$KEYS/web-cert.pub" ]
    done
    { tr -d '\n' <good && printf ' é -----BEGIN \r\n\n'; } >web-cert.pub
    tpm-sign cert install -q web web-cert.pub
    # One that was planted there is not shown.
    cat secret >>"$KEYS/web-cert.pub"
    fails 8 tpm-sign cert show web
    [[ $output != *PRIVATE* ]]
}
