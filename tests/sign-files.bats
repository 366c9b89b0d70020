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
