#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The ssh-agent and its peers: ssh, sshd, git, ssh-keygen, each as it is on every machine.
# shellcheck disable=SC2154,SC2317 # functions that are called by what is evaluated; helper, status, output: from common.bash and bats

load agent

setup_file() {
    tpm_start
    boot_state
    export SSHD
    SSHD=$(PATH=/usr/sbin:/sbin:$PATH command -v sshd)
    # Where it runs as root sshd wants this directory, which the system makes at boot.
    [ "$(id -u)" -ne 0 ] || [ -d /run/sshd ] || mkdir -m 755 /run/sshd
}

setup() {
    store_new
    ME=$(id -un)
    export HOME=$BATS_TEST_TMPDIR
    mkdir -m 700 .ssh
}

# softkey NAME: what no TPM has, of a ring that is made at its first use
softkey() {
    keygen "$1" -t ed25519 --no-recovery
}

# sshd_config [LINE...]: of a server for one connection, over a pipe
sshd_config() {
    [ -e host ] || ssh-keygen -q -t ed25519 -N '' -f host
    cat >sshd_config <<END
HostKey $PWD/host
AuthorizedKeysFile $PWD/authorized
AuthenticationMethods publickey
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
LogLevel ERROR
END
    printf '%s\n' "$@" >>sshd_config
    echo "here $(cut -d' ' -f1,2 "${HOST_PUB-host.pub}")" >known
}

# login [OPTIONS]: prints "in" if it comes in
login() {
    command ssh -F none -o "ProxyCommand=$SSHD -i -e -f $PWD/sshd_config" -o HostKeyAlias=here \
        -o "UserKnownHostsFile=$PWD/known" -o StrictHostKeyChecking=yes -o BatchMode=yes \
        -o PreferredAuthentications=publickey "$@" "$ME@here" echo in
}

# bats test_tags=minimal
@test "ssh logs in with each kind of key, and only with a key that is let in" {
    local type
    sshd_config
    agent_start
    for type in p256 p384 p521 rsa2048; do
        keygen "k-$type" -t "$type"
        public "k-$type"
        cp "k-$type.pub" authorized
        [ "$(login -o IdentitiesOnly=yes -i "k-$type.pub")" = in ]
    done
    softkey k-ed25519
    public k-ed25519
    cp k-ed25519.pub authorized
    [ "$(login -o IdentitiesOnly=yes -i k-ed25519.pub)" = in ]
    run login -o IdentitiesOnly=yes -i k-p256.pub
    [ "$status" -eq 255 ]
    # Without naming one: the agent has it.
    [ "$(login)" = in ]
    : >authorized
    run login
    [ "$status" -eq 255 ]
    agent_stop
    cp k-p256.pub authorized
    run login
    [ "$status" -eq 255 ]
}

@test "without session-bind ssh says nothing, binds to the host all the same, and is forwarded" {
    keygen me
    keygen more
    public me
    cp me.pub authorized
    sshd_config "AllowAgentForwarding yes" "SetEnv PATH=$PATH LC_ALL=C"
    agent_start
    # ssh asks for the binding, is refused, and that is no matter to anybody.
    [ "$(login -A -o StdinNull=yes 2>complaint)" = in ]
    [ ! -s complaint ]
    login -vvv -A 2>debug >came-in
    [ "$(cat came-in)" = in ]
    grep -q 'ssh_agent_bind_hostkey: agent refused operation' debug
    grep -q 'publickey-hostbound-v00@openssh.com' debug
    sed -i 's/^LogLevel .*/LogLevel DEBUG3/' sshd_config
    login 2>debug >came-in
    grep -q 'Accepted publickey for .* ssh2: ECDSA' debug
    grep -q 'publickey-hostbound-v00@openssh.com' debug
    sed -i 's/^LogLevel .*/LogLevel ERROR/' sshd_config
    # On the other side the forwarded agent lists, and signs.
    command ssh -F none -A -o "ProxyCommand=$SSHD -i -e -f $PWD/sshd_config" -o HostKeyAlias=here \
        -o "UserKnownHostsFile=$PWD/known" -o BatchMode=yes "$ME@here" \
        "ssh-add -l; ssh-add -T '$PWD/me.pub' && echo signed" >there 2>complaint
    [ ! -s complaint ]
    [ "$(grep -c ECDSA there)" -eq 2 ]
    grep -qx signed there
}

@test "sshd has its host key in the agent, of the TPM or in software" {
    local key
    keygen host-key
    softkey host-ed25519
    keygen me
    public me
    cp me.pub authorized
    agent_start
    for key in host-key host-ed25519; do
        public $key
        HOST_PUB=$key.pub sshd_config "HostKeyAgent $SSH_AUTH_SOCK"
        sed -i "s|^HostKey .*|HostKey $PWD/$key.pub|" sshd_config
        [ "$(login)" = in ]
    done
    # The client did look at the host key.
    echo "here $(cut -d' ' -f1,2 host-key.pub)" >known
    run login -o HostKeyAlgorithms=ssh-ed25519,ecdsa-sha2-nistp256
    [ "$status" -eq 255 ]
    [[ $output == *'HOST IDENTIFICATION HAS CHANGED'* ]]
}

@test "ssh-keygen signs and verifies files, for one purpose" {
    keygen release
    keygen rsa -t rsa2048
    softkey ed
    agent_start
    ssh_signs release
    ssh_signs ed
    tpm-sign verify -q ed --format ssh -s signed.sig signed
    ssh_signs rsa
    run ssh-keygen -q -Y verify -n git -I me -f allowed -s signed.sig <signed
    [ "$status" -ne 0 ]
    # What tpm-sign writes in the same form is the same.
    tpm-sign verify rsa --format ssh -s signed.sig signed
}

# bats test_tags=minimal
@test "git signs commits and tags, and verifies them" {
    local key here=$PWD git=(git -c user.name=me -c user.email=me@example.org -c gpg.format=ssh
        -c "gpg.ssh.allowedSignersFile=$PWD/allowed")
    keygen me
    softkey me-ed25519
    agent_start
    git init -q work
    for key in me me-ed25519; do
        public $key
        echo "me@example.org $(<$key.pub)" >allowed
        git+=(-c "user.signingkey=$here/$key.pub" -C work)
        "${git[@]}" commit -q --allow-empty -S -m signed
        "${git[@]}" tag -s -m first v-$key
        "${git[@]}" verify-commit HEAD
        "${git[@]}" verify-tag v-$key
        git=("${git[@]:0:${#git[@]}-2}")
    done
    cd work
    "${git[@]}" commit -q --allow-empty -m unsigned
    run "${git[@]}" verify-commit HEAD
    [ "$status" -ne 0 ]
}

@test "an ssh CA in the agent signs certificates, which log in by way of the agent" {
    keygen ca
    keygen user -t p384
    public ca
    public user
    agent_start
    ssh-keygen -q -Us ca.pub -I someone -n "$ME" -V +1h user.pub 2>/dev/null
    ssh-keygen -L -f user-cert.pub | grep -q "Signing CA: ECDSA $(ssh-keygen -l -f ca.pub | cut -d' ' -f2)"
    : >authorized
    sshd_config "TrustedUserCAKeys $PWD/ca.pub"
    run login
    [ "$status" -eq 255 ]
    # Beside its key it is served, and only there does it help.
    fails 8 tpm-sign cert install ca user-cert.pub
    says 'of another key'
    tpm-sign cert install user user-cert.pub
    [ "$(ssh-add -L | grep -c -- -cert-v01@openssh.com)" -eq 1 ]
    [ "$(login)" = in ]
    # One of another key is not, and the key is, without it.
    mv "$KEYS/user-cert.pub" "$KEYS/ca-cert.pub"
    [ "$(ssh-add -L | grep -c -- -cert-v01@openssh.com)" -eq 0 ]
    agent_said 'ca-cert.pub: a certificate of another key'
    [ "$(ssh-add -l | wc -l)" -eq 2 ]
    tpm-sign delete -q -f ca
    [ ! -e "$KEYS/ca-cert.pub" ]
}

# guide NAME: a block of the guide
guide() {
    awk -v name="$1" '/^ *```/ { inside = !inside && $0 ~ "```" name "$"; next } inside' \
        "$BATS_TEST_DIRNAME/../doc/guide-ssh.md" >"block-$1"
    [ -s "block-$1" ]
    cat "block-$1"
}

# follow NAME: runs it as it stands; ~ and /etc are here, alice is who runs it, and ssh meets our sshd
follow() {
    local script
    script=$(guide "$1" | sed "s|/etc/|$PWD/etc/|g; s|/run/sealring/agent.sock|$SSH_AUTH_SOCK|; s/alice/$ME/")
    # What needs a manager of services, or a server with a password, has another line in its place.
    script=$(sed '/^systemctl /d; /--print-socket/d; s|^ssh-copy-id -f -i \(.*\) server|cat \1 >>authorized|' <<<"$script")
    (
        ssh() { login; }
        set -e
        eval "$script"
    )
}

@test "doc/guide-ssh.md: its commands run as they stand" {
    local unit
    export USER=$ME SEALRING_CONFIG_DIR=$PWD/etc/sealring
    # As a system has them that nobody has configured.
    mkdir -p etc/ssh
    sed -n "s|^d \(/etc/[^ ]*\) .*|$PWD\1|p" "$SEALRING_BUILD/units/tmpfiles.conf" | xargs mkdir
    sshd_config
    follow keygen
    agent_start
    follow login >came-in
    grep -q 'in$' came-in
    git config --global user.name me
    git config --global user.email me@example.org
    git init -q work
    cd work
    follow git
    git cat-file commit HEAD | grep -q 'BEGIN SSH SIGNATURE'
    follow verify
    cd ..
    echo "what is new" >notes.txt
    follow files
    USER=nobody follow system # who is named is not who types it
    [ "$(ssh-add -l | wc -l)" -eq 2 ]
    grep -qx "Users=$ME" etc/sealring/keys.d/deploy.conf
    mkdir etc/ssh/sshd_config.d
    ssh-keygen -q -t ed25519 -N '' -f etc/ssh/ssh_host_ed25519_key
    follow host
    # It is known by the new key, and still by the one it had.
    for HOST_PUB in etc/ssh/ssh_host_ed25519_key.pub etc/ssh/host.pub; do
        sshd_config
        sed -i "s|^HostKey .*|Include $PWD/etc/ssh/sshd_config.d/*.conf|" sshd_config
        [ "$(login)" = in ]
    done
    follow ca
    : >authorized
    sshd_config "TrustedUserCAKeys $PWD/ca.pub"
    sed -i "s|^HostKey .*|Include $PWD/etc/ssh/sshd_config.d/*.conf|" sshd_config
    [ "$(login)" = in ]
    # What was left out names units that there are.
    guide agent >left-out
    guide system >>left-out
    grep -oE 'tpm-[a-z-]+\.socket' left-out | sort -u >units
    while read -r unit; do
        [ -e "$BATS_TEST_DIRNAME/../units/$unit" ]
        [ -e "$BATS_TEST_DIRNAME/../units/user/$unit" ]
    done <units
    [ "$(grep -c systemctl left-out)" -eq 2 ]
}
