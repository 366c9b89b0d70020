#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The ssh-agent: which keys it has for whom, how they sign, locks, what it refuses.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load common
load agent

setup_file() {
    tpm_start
    boot_state
}

setup() {
    store_new
}

teardown() {
    agent_stop
    no_handles_left
}

teardown_file() {
    tpm_stop
}

keygen() {
    tpm-sign keygen -q "$@" 2>/dev/null
}

@test "keys are listed with their names, and sign; stock ssh-keygen accepts that" {
    local type
    for type in p256 p384 p521 rsa2048; do keygen "k-$type" -t "$type"; done
    keygen opens -t rsa2048 --usage decrypt
    agent_start
    ssh-add -L >listed
    tpm-sign list >names
    [ "$(wc -l <listed)" -eq 4 ]
    for type in p256 p384 p521 rsa2048; do
        tpm-sign pubkey "k-$type" --format ssh | grep -qxFf - listed
        ssh_signs "k-$type"
    done
    # It does not accept everything:
    echo other >signed
    run ssh-keygen -q -Y verify -n file -I me -f allowed -s signed.sig <signed
    [ "$status" -ne 0 ]
}

@test "when nobody asks it leaves the TPM, ends, and takes its socket with it" {
    keygen web
    agent_start --idle 1
    ssh_signs web
    agent_gone
    [ ! -e "$SSH_AUTH_SOCK" ]
    [ ! -s said ]
}
