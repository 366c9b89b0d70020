#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The ssh-agent and the TPM: how many commands, how many loads, what a reset and other programs
# do to it, and that nothing stays there.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load agent

setup() {
    tpm_boot
    store_new
    SHARED="cmd:$helper/proxy $TPM_DIR/srv share"
}

# captured_agent FILE [OPTIONS]: ... whose TPM commands are in FILE
captured_agent() {
    export TCTI_PCAP_FILE=$PWD/$1
    agent_start --tcti "pcap:$SEALRING_TCTI" "${@:2}"
}

# sent FILE COMMANDS: these TPM commands, and no others
sent() {
    diff <("$helper/bus" "$1") <(tr ' ' '\n' <<<"$2")
}

# The proxy complains when the TPM is not there for a moment.
said_nothing() {
    run grep -v '^proxy: ' said
    [ "$output" = '' ]
}

@test "one TPM command a signature, once the key is loaded" {
    keygen web
    agent_start
    "$helper/agent" sign 1 1 >/dev/null # the first after a TPM's start may be asked for twice
    agent_stop
    captured_agent encrypted
    "$helper/agent" sign 1 5 >/dev/null
    agent_stop
    sent encrypted "ReadClock StartAuthSession Load Sign Sign Sign Sign Sign ReadClock FlushContext FlushContext"
    # Without a session for all; and with a PIN, which needs one.
    printf '[Sign]\nEncryptSessions=no\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    captured_agent plain
    "$helper/agent" sign 1 3 >/dev/null
    agent_stop
    sent plain "ReadClock Load Sign Sign Sign ReadClock FlushContext"
    rm "$SEALRING_STATE_DIR"/keys/web.*
    printf 'correct horse battery\n' >pin
    keygen guarded --pin-file pin
    askpass <<<'cat pin'
    captured_agent pin.pcap
    "$helper/agent" sign 1 3 >/dev/null
    agent_stop
    sent pin.pcap "ReadClock StartAuthSession Load Sign Sign Sign ReadClock FlushContext FlushContext"
    # The PIN is not on the bus; the digest of what is signed, without encryption, is.
    run crossed pin.pcap "$(printf 'correct horse battery' | xxd -p)"
    [ "$status" -ne 0 ]
    digest=$({ printf 'client 0, message 0' && head -c 81 /dev/zero; } | sha256sum | cut -d' ' -f1)
    crossed plain "$digest"
    run crossed encrypted "$digest"
    [ "$status" -ne 0 ]
}

@test "bound to PCRs two TPM commands more; refused when a PCR changes, and back again" {
    extend 16 state
    keygen bound --pcrs 0+16 --accept-unmeasured
    captured_agent capture
    "$helper/agent" sign 1 3 >/dev/null
    agent_stop
    sent capture "ReadClock StartAuthSession Load PolicyPCR Sign PolicyPCR Sign \
PolicyPCR Sign ReadClock FlushContext FlushContext"
    agent_start --tcti "$SHARED"
    ssh_signs bound
    TPM2TOOLS_TCTI=$SHARED extend 16 changed
    run ssh_signs bound
    [ "$status" -ne 0 ]
    agent_said 'policy does not hold'
    TPM2TOOLS_TCTI=$SHARED tpm2_pcrreset 16
    TPM2TOOLS_TCTI=$SHARED extend 16 state
    ssh_signs bound
}

@test "16 clients, 50 signatures each, 10 keys: 800 are good, and nothing is left" {
    local n
    for ((n = 0; n < 10; n++)); do keygen k$n; done
    agent_start
    output=$("$helper/agent" sign 16 50)
    echo "# $output a second" >&3
    [ "${output% *}" -eq 800 ]
    agent_stop
    no_handles_left
    said_nothing
}

@test "10 keys, 90 % of requests on 2: loads are under 30 % of signatures" {
    local n loads signatures
    for ((n = 0; n < 10; n++)); do keygen k$n; done
    captured_agent capture
    "$helper/agent" sign 4 50 90 >/dev/null
    agent_stop
    "$helper/bus" capture >all
    loads=$(grep -c -e '^Load$' -e '^ContextLoad$' all)
    signatures=$(grep -c '^Sign$' all)
    echo "# $loads loads for $signatures signatures" >&3
    [ "$signatures" -ge 200 ]
    [ "$loads" -ge 10 ]
    [ $((loads * 100)) -lt $((signatures * 30)) ]
    # It would be noticed: with all keys in turn there are more.
    captured_agent turns
    "$helper/agent" sign 4 20 >/dev/null
    agent_stop
    "$helper/bus" turns >all
    loads=$(grep -c -e '^Load$' -e '^ContextLoad$' all)
    [ $((loads * 100)) -ge $((80 * 30)) ]
}

@test "the TPM is reset, and its connection lost: the next signature is made" {
    keygen web
    keygen more
    agent_start
    ssh_signs web
    ssh_signs more
    tpm_reboot
    ssh_signs more
    ssh_signs web
    said_nothing
}

@test "the TPM is reset behind a connection that stays: all is loaded anew" {
    local n
    for ((n = 0; n < 4; n++)); do keygen k$n; done
    agent_start --tcti "$SHARED"
    "$helper/agent" sign 1 8 >/dev/null
    tpm_reboot
    # Another program has the same handle by now, which is not ours to use, or to flush.
    tpm2_createprimary -Q -c others.ctx
    sleep 1.5 # it has nothing to do for a second, and would make room
    tpm2_getcap handles-transient | grep -q 0x80000000
    timeout 60 "$helper/agent" sign 1 8 >/dev/null
    tpm2_getcap handles-transient | grep -q 0x80000000
    agent_stop
    tpm2_getcap handles-transient | grep -q 0x80000000
    tpm2_flushcontext 0x80000000
    said_nothing
}

@test "other programs flush its objects and sessions, all the time" {
    local n
    for ((n = 0; n < 3; n++)); do keygen k$n; done
    flushed=0
    agent_start --tcti "$SHARED"
    "$helper/agent" sign 2 20 >signed 3>&- &
    client=$!
    while kill -0 "$client" 2>/dev/null; do
        # What it sees may be gone when it flushes that.
        TPM2TOOLS_TCTI=$SHARED tpm2_flushcontext -t 2>/dev/null && flushed=1
        TPM2TOOLS_TCTI=$SHARED tpm2_flushcontext -l 2>/dev/null && flushed=1
        sleep 0.3
    done
    wait "$client"
    [ "$flushed" -eq 1 ]
    [ "$(cut -d' ' -f1 <signed)" -eq 40 ]
}

@test "a handle that others flushed, and the TPM gave out again, leaves nothing there" {
    local n
    for n in 0 1 2; do keygen k$n; done
    agent_start --tcti "$SHARED"
    for n in 0 1 2 0; do ssh_signs k$n; done
    TPM2TOOLS_TCTI=$SHARED tpm2_flushcontext -t
    # Comes back where the one used last was.
    ssh_signs k1
    TPM2TOOLS_TCTI=$SHARED tpm2_flushcontext -l
    ssh_signs k1
    said_nothing
}

@test "without resource manager, other programs take slots: nobody fails" {
    local n
    for ((n = 0; n < 5; n++)); do keygen k$n; done
    keygen mine
    mv "$SEALRING_STATE_DIR/keys/mine.pem" .
    echo message >message
    agent_start --tcti "$SHARED"
    # One of three is taken for good.
    tpm2_createprimary -Q -c one.ctx
    "$helper/agent" sign 4 20 >signed
    [ "$(cut -d' ' -f1 <signed)" -eq 80 ]
    # When it has nothing to do the slots are for others, who need two.
    sleep 1.5
    [ "$(tpm2_getcap handles-transient | wc -l)" -eq 1 ]
    tpm-sign --tcti "$SHARED" sign ./mine.pem -o mine.sig message
    openssl dgst -sha256 -verify <(tpm-sign pubkey ./mine.pem) -signature mine.sig message
    # With two taken the TPM loads no file any more, but still what it had loaded before.
    tpm2_createprimary -Q -c two.ctx
    fails 6 tpm-sign --tcti "$SHARED" sign ./mine.pem -o mine.sig message
    timeout 60 "$helper/agent" sign 2 10 >signed
    [ "$(cut -d' ' -f1 <signed)" -eq 20 ]
    tpm2_flushcontext -t
    said_nothing
}

@test "a TPM that is busy is asked again; one that says no is not" {
    keygen web
    agent_start --tcti "cmd:$helper/proxy $TPM_DIR/srv answer 15d 922 5" # Sign: RETRY
    ssh_signs web
    agent_stop
    agent_start --tcti "cmd:$helper/proxy $TPM_DIR/srv answer 157 902 3" # Load: no slot
    ssh_signs web
    agent_stop
    agent_start --tcti "cmd:$helper/proxy $TPM_DIR/srv answer 15d 101 1000" # failure mode
    run ssh_signs web
    [ "$status" -ne 0 ]
    agent_said 'failure mode'
}

@test "who hangs up is not waited for, and the others get theirs" {
    keygen web
    keygen rsa -t rsa2048
    agent_start
    "$helper/agent" hang-up 60
    output=$("$helper/agent" sign 4 10)
    [ "${output% *}" -eq 40 ]
    agent_stop
    said_nothing
}

@test "told to end, it answers who waits for the TPM, and leaves that" {
    local n
    keygen web
    for ((n = 0; n < 5; n++)); do
        agent_start
        "$helper/agent" sign 4 50 >signed 2>&1 3>&- &
        client=$!
        sleep 0.1
        agent_stop
        wait "$client" || true
        no_handles_left
    done
}
