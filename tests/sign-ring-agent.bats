#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The ssh-agent and keys that follow a ring: it has no access to rings, and goes on when they
# are sealed anew.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load agent

# PCR 16 can be reset while the agent has the TPM.
setup() {
    tpm_boot
    extend 16 state
    store_new
    SHARED="cmd:$helper/proxy $TPM_DIR/srv share"
    printf 'correct horse battery\n' >pin
    seal secret "a secret" --pcrs 0+7+16 --accept-unmeasured
}

keygen() {
    tpm-sign keygen -q --ring system "$@" 2>/dev/null
}

# state TEXT: the boot state becomes this one
state() {
    TPM2TOOLS_TCTI=$SHARED tpm2_pcrreset 16
    TPM2TOOLS_TCTI=$SHARED extend 16 "$1"
}

approve() {
    SEALRING_TCTI=$SHARED tpm-reseal recover -q system --recovery-key-file "$RK" --accept-unmeasured 2>/dev/null
}

# refused KEY: it does not sign
refused() {
    run ssh_signs "$1"
    [ "$status" -ne 0 ]
}

# asks PIN: whoever is asked types that; "asked" has the questions
asks() {
    printf '%s\n' "$1" >answer
    # shellcheck disable=SC2016 # for that program
    askpass <<<'echo "$1" >>asked; cat answer'
    : >asked
}

@test "six TPM commands a signature, once the key is loaded" {
    keygen web
    export TCTI_PCAP_FILE=$PWD/capture
    agent_start --tcti "pcap:$SEALRING_TCTI"
    "$helper/agent" sign 1 2 >/dev/null
    agent_stop
    policy="PolicyPCR LoadExternal VerifySignature FlushContext PolicyAuthorize"
    diff <("$helper/bus" capture) <(tr ' ' '\n' \
        <<<"ReadClock StartAuthSession $policy Load Sign $policy Sign ReadClock FlushContext FlushContext")
}

@test "it signs in each boot state that is approved, and names what changed in others" {
    keygen web
    agent_start --tcti "$SHARED"
    ssh_signs web
    state changed
    refused web
    agent_said "key web: policy does not hold: PCR 16 changed since ring system was sealed"
    # The file is another one: the agent takes it in by itself.
    approve
    ssh_signs web
    state state
    refused web
    approve
    ssh_signs web
    # What is there of the ring is nothing to it.
    mv "$RINGS" gone
    ssh_signs web
    mv gone "$RINGS"
}

@test "nobody is asked for a PIN that would be of no use" {
    keygen guarded --pin-file pin
    asks 'correct horse battery'
    agent_start --tcti "$SHARED"
    state changed
    tries=$(TPM2TOOLS_TCTI=$SHARED failed_tries)
    refused guarded
    [ ! -s asked ]
    agent_said "key guarded: policy does not hold: PCR 16 changed"
    approve
    ssh_signs guarded
    [ "$(wc -l <asked)" -eq 1 ]
    [ "$(TPM2TOOLS_TCTI=$SHARED failed_tries)" -eq "$tries" ]
    # It is remembered for the file as it is; and not tried where the state is another.
    ssh_signs guarded
    [ "$(wc -l <asked)" -eq 1 ]
    state state
    refused guarded
    [ "$(wc -l <asked)" -eq 1 ]
    [ "$(TPM2TOOLS_TCTI=$SHARED failed_tries)" -eq "$tries" ]
}

@test "more keys than the TPM has slots, with and without a ring" {
    for n in 1 2 3 4; do keygen "follows$n"; done
    tpm-sign keygen -q free
    tpm-sign keygen -q fixed --pcrs 0+7
    agent_start
    "$helper/agent" sign 6 60 >/dev/null
    for key in follows1 free follows3 fixed; do ssh_signs "$key"; done
    agent_stop
    [ ! -s said ]
}

@test "others have all slots but one: keys make room for each other and for the approver" {
    keygen web
    keygen mail
    agent_start --tcti "$SHARED"
    ssh_signs web
    # The TPM has three. What the agent does not use for a second it leaves to others.
    TPM2TOOLS_TCTI=$SHARED tpm2_createprimary -Q -c one.ctx
    ssh_signs web
    ssh_signs mail
    until TPM2TOOLS_TCTI=$SHARED tpm2_createprimary -Q -c two.ctx 2>/dev/null; do sleep 0.2; done
    for n in 1 2; do
        ssh_signs web
        ssh_signs mail
    done
    agent_stop
    tpm2_flushcontext -t
}
