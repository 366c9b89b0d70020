# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the bats files of the ssh-agent share.
#
#   agent_start [OPTIONS]     tpm-sign serve on $SSH_AUTH_SOCK; what it says is in "said"
#   agent_stop                told to end; waits until it has

load "${BASH_SOURCE[0]%/*}/common"

export SSH_AUTH_SOCK

teardown() {
    agent_stop
    no_handles_left
}

agent_start() {
    SSH_AUTH_SOCK=$BATS_TEST_TMPDIR/agent.sock
    rm -f "$SSH_AUTH_SOCK"
    tpm-sign serve --listen "$SSH_AUTH_SOCK" --idle 60 "$@" >served 2>>said 3>&- &
    agent=$!
    agent_ready
}

# Listens, or has ended and said why.
agent_ready() {
    until [ -S "$SSH_AUTH_SOCK" ] && agent_listens || ! kill -0 "$agent" 2>/dev/null; do
        sleep 0.01
    done
}

# Without keys ssh-add ends with 1, without agent with 2.
agent_listens() {
    local status=0
    ssh-add -l >/dev/null 2>&1 || status=$?
    [ "$status" -ne 2 ]
}

agent_stop() {
    daemon_stop agent
}

# agent_gone: ... by itself; waits for that
agent_gone() {
    daemon_gone agent
}

# agent_said TEXT: waits until it is in what the daemon said
agent_said() {
    daemon_said "$1"
}

# public NAME: as a file for ssh-keygen and ssh, NAME.pub
public() {
    tpm-sign pubkey "$1" --format ssh -o "$1.pub"
}

# ssh_signs NAME [MESSAGE]: by ssh-keygen through the agent, and checked by it
ssh_signs() {
    [ -e "$1.pub" ] || public "$1"
    printf '%s' "${2-a message}" >signed
    rm -f signed.sig
    ssh-keygen -q -Y sign -n file -f "$1.pub" signed 2>signing || return
    echo "me $(<"$1.pub")" >allowed
    ssh-keygen -q -Y verify -n file -I me -f allowed -s signed.sig <signed >/dev/null
}
