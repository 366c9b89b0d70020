#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What tpm-sign reads and writes: standard input and output, once each; files, never one twice.
# shellcheck disable=SC2154 # status, output: from bats

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
