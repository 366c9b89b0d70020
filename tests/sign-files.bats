#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What tpm-sign reads, asks for and writes: standard input and output, PINs, files: nothing twice.
# shellcheck disable=SC2094,SC2154 # message is only read; helper, status, output: from common.bash and bats

load common
load pins

@test "what standard output did not take is said, however long it is" {
    keygen web
    cp "$KEYS/web.pem" web.pem
    for n in {1..12}; do cp web.pem "$KEYS/web$n.pem"; done
    [ "$(tpm-sign list --json | wc -c)" -gt 4096 ]
    for command in "list --json" list "info web" "algs p256" "tag web"; do
        tpm-sign tag web role=tls
        # shellcheck disable=SC2086 # words
        fails 1 bash -c 'tpm-sign "$@" >/dev/full' - $command
        says "cannot write to standard output"
        # shellcheck disable=SC2086
        fails 1 bash -c 'tpm-sign "$@" >&-' - $command
        says "cannot write to standard output"
    done
}

@test "what is signed is not written over: by a signature of last time, under any name" {
    keygen web
    mkdir dir
    echo one >dir/a
    echo two >dir/b
    tpm-sign sign web dir/a dir/b
    tpm-sign verify -q web -s dir/a.sig dir/a
    tpm-sign sign web dir/a dir/b # again, over those
    tpm-sign verify -q web -s dir/a.sig dir/a
    cp -r dir before
    fails 2 tpm-sign sign web dir/*
    says "dir/a.sig is to be signed, and a signature would take its place"
    diff -r before dir
    ln dir/a.sig dir/c
    fails 2 tpm-sign sign web dir/a dir/c
    says "dir/c is to be signed"
    fails 2 tpm-sign sign web dir/a -o dir/../dir/a
    says "dir/a is to be signed"
    [ "$(cat dir/a)" = one ]
    fails 2 tpm-sign sign web - message <message
    says "standard input has no FILE.sig"
    [ ! -e ./-.sig ] && [ ! -e message.sig ]
    tpm-sign sign web - <message -o - >sig
    tpm-sign verify -q web -s sig message
}

@test "standard input is one thing: not a PIN and a message, not a message and its signature" {
    keygen web
    keygen guarded --pin-file pin
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out soft 2>/dev/null
    fails 2 tpm-sign sign guarded --pin-file - -o sig <pin
    says "cannot both be read from standard input"
    one_line
    fails 2 tpm-sign sign guarded --pin-file - - -o sig <pin
    fails 2 tpm-sign import new - --pin-file - <soft
    says "cannot both be read from standard input"
    fails 2 tpm-sign passwd guarded --pin-file - --new-pin-file - <pin
    [ ! -e sig ] && [ ! -e "$KEYS/new.pem" ]
    fails 2 tpm-sign verify web -s - <message
    says "cannot both be read from standard input"

    # Each by itself can be.
    tpm-sign sign guarded --pin-file - -o sig message <pin
    tpm-sign sign guarded --pin-file pin -o sig <message
    tpm-sign verify -q guarded -s - message <sig
    tpm-sign verify -q guarded -s sig <message
}

@test "no standard input is not an empty message" {
    keygen web
    fails 1 bash -c 'tpm-sign sign web -o sig <&-'
    says "standard input: Bad file descriptor"
    [ ! -e sig ]
    tpm-sign sign web -o sig </dev/null
    tpm-sign verify -q web -s sig /dev/null
    fails 1 bash -c 'tpm-sign verify web -s sig <&-'
    says "standard input: Bad file descriptor"
    run bash -c 'tpm-seal key --recovery-key-file "$1" <&-' - "$RK"
    [ "$status" -ne 0 ]
    says "standard input: Bad file descriptor"
}

# typed [QUESTION ANSWER]... -- COMMAND: on a terminal
typed() {
    run "$helper/pty" "$@"
}

@test "a new PIN is asked for once the present one was; too long a one is refused alike" {
    long=$(printf '%040d' 0)
    keygen guarded --pin-file pin
    typed "PIN of guarded: " "correct horse battery" "New PIN of guarded: " "another horse battery" \
        "The same PIN again: " "another horse battery" -- tpm-sign passwd guarded
    [ "$status" -eq 0 ]
    echo "another horse battery" >pin
    tpm-sign sign guarded --pin-file pin -o sig message

    typed "PIN of guarded: " "$long" -- tpm-sign sign guarded -o sig2 message
    [ "$status" -eq 4 ]
    says "PIN of guarded: a PIN is 1 to 32 bytes without NUL"
    for text in "$long" "${long:0:33}"; do
        echo "$text" >long
        fails 4 tpm-sign sign guarded --pin-file long -o sig2 message
        says "long: a PIN is 1 to 32 bytes without NUL"
    done
    fails 4 tpm-sign keygen new --pin-file long
    says "long: a PIN is 1 to 32 bytes without NUL"
    echo "${long:0:32}" >long
    keygen new --pin-file long
    tpm-sign sign new --pin-file long -o sig2 message
}

@test "keygen --if-missing is content with the kind that was asked for only" {
    keygen web
    keygen web --if-missing
    keygen web --if-missing -t p256
    cp "$KEYS/web.pem" before
    fails 10 tpm-sign keygen web --if-missing -t rsa2048
    says "key web is there already, and is p256, not rsa2048"
    cmp before "$KEYS/web.pem"
}

@test "who has a public key or a certificate verifies with that, and with no other" {
    keygen web
    keygen other
    tpm-sign keygen -q rsa -t rsa2048
    tpm-sign cert self-sign web --subject /CN=web -o web.crt
    openssl req -x509 -newkey ed25519 -nodes -subj /CN=ed -keyout ed.key -out ed.crt 2>/dev/null
    openssl pkeyutl -sign -inkey ed.key -rawin -in message -out ed.sig
    cp "$KEYS"/{web,other,rsa}.pub .
    tpm-sign sign web message -o sig
    tpm-sign sign rsa --pss message -o rsa.sig
    store_new
    mkdir -p state && rm -rf "$KEYS"
    tpm-sign verify -q ./web.pub -s sig message
    tpm-sign verify -q ./web.crt -s sig message
    tpm-sign verify -q ./rsa.pub --pss -s rsa.sig message
    tpm-sign verify -q ./ed.crt -s ed.sig message
    for wrong in other.pub rsa.pub ed.crt; do
        fails 8 tpm-sign verify "./$wrong" -s sig message
    done
    echo nonsense >nonsense
    fails 8 tpm-sign verify ./nonsense -s sig message
    fails 9 tpm-sign verify ./nothing -s sig message
    # It is no key to sign with.
    fails 8 tpm-sign sign ./web.pub message
}

@test "whose file it is does nothing to a terminal, whatever its name" {
    local bad=$'d\e[31m\xe2\x80\xae' file
    keygen web
    tpm-sign sign web message -o sig
    mkdir "$bad"
    echo nonsense >"$bad/key.pem"
    for file in key.pem nothing; do
        run tpm-sign info "./$bad/$file"
        [ "$status" -ge 8 ]
        [[ $output == *'./d?[31m???/'* ]]
    done
    cp "$KEYS/web.pem" "$bad/key.pem"
    run tpm-sign verify "./$bad/key.pem" -s sig message
    [ "$output" = "tpm-sign: good signature of key ./d?[31m???/key.pem" ]
}
