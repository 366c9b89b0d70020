#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The ssh-agent: which keys it has for whom, how they sign, PINs, consent, locks, refusals.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; helper, status, output: from common.bash and bats

load agent
load pins

# listed: the names of the keys that the agent has, in one line
listed() {
    ssh-add -l | awk '/^[0-9]/ { print $3 }' | tr '\n' ' ' | sed 's/ $//'
}

# activated [OPTIONS]: the agent, started by systemd's part for the first who asks
activated() {
    SSH_AUTH_SOCK=$BATS_TEST_TMPDIR/activated.sock
    systemd-socket-activate --fdname=agent -l "$SSH_AUTH_SOCK" -E SEALRING_TCTI \
        -E SEALRING_STATE_DIR -E SEALRING_CONFIG_DIR -E PATH -E ASAN_OPTIONS \
        tpm-serve "$@" >served 2>said 3>&- &
    agent=$!
    until [ -S "$SSH_AUTH_SOCK" ]; do sleep 0.01; done
}

# client_holds SECONDS: a client that has signed, waits so long, and will sign once more
client_holds() {
    "$helper/agent" hold "$1" >held 3>&- &
    client=$!
    until [ -s held ]; do sleep 0.01; done
}

# ticks PID: hundredths of a second that the processor worked for it
ticks() {
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# answers TEXT [STATUS]: a program that says so when it is asked, from now on
answers() {
    printf '%s\n' "$1" >answer
    askpass <<END
echo "\$1|\${SSH_ASKPASS_PROMPT-}" >>asked
cat answer
exit ${2-0}
END
    : >>asked
}

asked() {
    wc -l <asked
}

@test "keys are listed with their names, and sign; stock ssh-keygen accepts that" {
    local type
    for type in p256 p384 p521 rsa2048; do keygen "k-$type" -t "$type"; done
    keygen opens -t rsa2048 --usage decrypt
    agent_start
    ssh-add -L >keys
    [ "$(listed)" = 'k-p256 k-p384 k-p521 k-rsa2048' ]
    for type in p256 p384 p521 rsa2048; do
        tpm-sign pubkey "k-$type" --format ssh | grep -qxFf - keys
        ssh_signs "k-$type"
    done
    # It does not accept everything:
    echo other >signed
    run ssh-keygen -q -Y verify -n file -I me -f allowed -s signed.sig <signed
    [ "$status" -ne 0 ]
    # SHA-1 is refused to RSA, as ssh-add -T asks for it.
    run ssh-add -T k-rsa2048.pub
    [ "$status" -ne 0 ]
    ssh-add -T k-p256.pub
}

@test "when nobody asks it leaves the TPM, ends, and takes its socket with it" {
    keygen web
    agent_start --idle 1
    ssh_signs web
    agent_gone
    [ ! -e "$SSH_AUTH_SOCK" ]
    [ ! -s said ]
}

@test "it leaves the TPM also while a client stays, and comes back for it" {
    keygen web
    agent_start --idle 1
    client_holds 4
    # The TPM has one connection for all, and answers others: the daemon has hung up.
    sleep 2.5
    no_handles_left
    [ "$(cat held)" = signed ]
    wait "$client"
    [ "$(wc -l <held)" -eq 2 ]
}

@test "with --idle 0 it ends with its last client, and sleeps until then" {
    keygen web
    activated --idle 0
    client_holds 3
    before=$(ticks "$agent")
    sleep 2
    [ $(($(ticks "$agent") - before)) -lt 40 ]
    wait "$client"
    [ "$(wc -l <held)" -eq 2 ]
    agent_gone
}

@test "started by its socket, and only by one of its name" {
    keygen web
    activated --idle 1
    ssh_signs web
    agent_gone
    fails 2 tpm-serve
    says 'systemctl start tpm-sign-agent.socket'
    # shellcheck disable=SC2016 # for the shell inside
    fails 2 bash -c 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=api exec tpm-serve 3</dev/null'
    says 'named "api"'
    # shellcheck disable=SC2016
    fails 2 bash -c 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=agent exec tpm-serve 3</dev/null'
    says 'Unix stream socket'
}

@test "--listen takes the place of a dead one, not of one that lives" {
    keygen web
    agent_start
    fails 10 tpm-sign serve --listen "$SSH_AUTH_SOCK"
    says 'in use'
    kill -9 "$agent"
    wait "$agent" || true
    [ -S "$SSH_AUTH_SOCK" ]
    "$helper/handles" "$SEALRING_TCTI" flush >/dev/null || true
    : >said
    tpm-sign serve --listen "$SSH_AUTH_SOCK" --idle 60 >served 2>>said 3>&- &
    agent=$!
    agent_ready
    ssh_signs web
    [ "$(stat -c %a "$SSH_AUTH_SOCK")" = 600 ]
    SEALRING_RUNTIME_DIR=/run/x tpm-sign serve --print-socket >where
    [ "$(cat where)" = /run/x/agent.sock ]
    fails 2 tpm-sign --user serve
    says 'tpm-sign serve --help'
}

@test "neither keys nor rules have to be there before" {
    agent_start
    [ "$(listed)" = '' ]
    keygen web
    [ "$(listed)" = web ]
    mkdir "$RULES"
    printf '[Agent]\nOffer=no\n' >"$RULES/web.conf"
    [ "$(listed)" = '' ]
    rm "$RULES/web.conf"
    [ "$(listed)" = web ]
}

@test "keys and rules are as they are in their directories, without restart" {
    mkdir "$RULES"
    keygen one
    agent_start
    [ "$(listed)" = one ]
    agent_stop
    keygen two
    keygen three
    mv "$KEYS/two.pem" "$KEYS/three.pem" .
    agent_start
    [ "$(listed)" = one ]
    cp two.pem "$KEYS"
    [ "$(listed)" = 'one two' ]
    mv three.pem "$KEYS"
    rm "$KEYS/one.pem"
    [ "$(listed)" = 'three two' ]
    printf '[Agent]\nOffer=no\n' >"$RULES/two.conf"
    [ "$(listed)" = three ]
    run ssh_signs two
    [ "$status" -ne 0 ]
    rm "$RULES/two.conf"
    ssh_signs two
    # What is damaged is said once, and the others are served.
    echo nonsense >"$KEYS/bad.pem"
    [ "$(listed)" = 'three two' ]
    [ "$(listed)" = 'three two' ]
    agent_said 'key bad: '
    [ "$(grep -c 'key bad' said)" -eq 1 ]
    # Nobody knows what rules were to say that are refused.
    printf '[Access]\nUsers=nobody-of-that-name\n' >"$RULES/two.conf"
    [ "$(listed)" = three ]
    agent_said 'two.conf:2: there is no user'
    printf '[Access]\nUsers=0\n' >"$RULES/two.conf"
    [ "$(listed)" = 'three two' ]
}

@test "a key is there for those whom keys.d names, and for nobody else" {
    mkdir "$RULES"
    keygen web
    keygen other
    mv "$KEYS/other.pem" "$PWD"
    peer() { "$helper/peer" "$@"; }
    printf '[Access]\nUsers=4711\nGroups=4712\n' >"$RULES/web.conf"
    [ "$(peer 4711 1 list)" = web ]
    [ "$(peer 99 4712 list)" = web ]
    [ "$(peer 99 5,6,4712 list)" = web ]
    [ "$(peer 4711 1 sign web)" = signed ]
    [ "$(peer 0 0 sign web)" = signed ]
    # A key that is forbidden and a key that is not there: no difference.
    [ "$(peer 4712 4711 list)" = '' ]
    [ "$(peer 4712 4711 sign web)" = 0000000105 ]
    [ "$(peer 4712 4711 sign ./other.pem)" = 0000000105 ]
    [ "$(peer 4711 1 sign ./other.pem)" = 0000000105 ]
    # Without rules nobody but root.
    rm "$RULES/web.conf"
    [ "$(peer 4711 4712 list)" = '' ]
    [ "$(peer 0 0 list)" = web ]
    printf '[Access]\nUsers=4711\nNonsense=1\n' >"$RULES/web.conf"
    # With rules that are refused nor is it offered to root, and root is asked.
    [ "$(peer 4711 4712 list 2>complaint)" = '' ]
    grep -q 'web.conf:3: unknown key' complaint
    [ "$(peer 0 0 list)" = '' ]
    [ "$(peer 0 0 sign web)" = 0000000105 ]
    [ "$(peer 0 0 use web 2>/dev/null)" = asked ]
    rm "$RULES/web.conf"
    [ "$(peer 0 0 use web)" = signed ]
}

@test "a PIN is asked for once, remembered, and forgotten when the agent is locked" {
    keygen guarded --pin-file pin
    answers 'correct horse battery'
    agent_start
    ssh_signs guarded
    ssh_signs guarded
    [ "$(asked)" -eq 1 ]
    grep -q '^PIN of the key guarded, for ssh-keygen (process [0-9]* of .*):|$' asked
    SSH_ASKPASS='' ssh-add -x < <(printf 'x\nx\n')
    SSH_ASKPASS='' ssh-add -X < <(printf 'x\n')
    ssh_signs guarded
    [ "$(asked)" -eq 2 ]
    [ "$(failed_tries)" -eq 0 ]
    agent_stop
    # AutoLock=0: each time
    printf '[Sign]\nAutoLock=0\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    agent_start
    ssh_signs guarded
    ssh_signs guarded
    [ "$(asked)" -eq 4 ]
}

@test "where several wait for the same PIN, one is asked; after a wrong one the next" {
    local n tries clients=()
    keygen guarded --pin-file pin
    public guarded
    # sign_all ANSWER: three at once
    sign_all() {
        rm -f go ./*.sig
        answers "$1"
        sed -i '/^cat answer/i until [ -e go ]; do sleep 0.01; done' askpass
        agent_start
        for n in 1 2 3; do
            echo "$n" >"message$n"
            ssh-keygen -q -Y sign -n file -f guarded.pub "message$n" 2>/dev/null 3>&- &
            clients[n]=$!
        done
        # All of them wait before the first is answered.
        for ((tries = 0; tries < 1000; tries++)); do
            [ "$(grep -c "$SSH_AUTH_SOCK" /proc/net/unix)" -lt 4 ] || break
            sleep 0.01
        done
        ((tries < 1000))
        sleep 0.2
        touch go
        for n in 1 2 3; do wait "${clients[n]}" || :; done
        agent_stop
    }
    sign_all 'correct horse battery'
    [ "$(asked)" -eq 1 ]
    [ "$(find . -name 'message*.sig' | wc -l)" -eq 3 ]
    sign_all 'wrong horse battery'
    [ "$(asked)" -eq 4 ]
    [ "$(find . -name 'message*.sig' | wc -l)" -eq 0 ]
}

@test "who does not answer in time is asked no more, and the next one is asked" {
    keygen guarded --pin-file pin
    keygen web
    # Ninety seconds are a third of one.
    cat >hurry.c <<'EOF'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <systemd/sd-event.h>

int sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
			       uint64_t usec, uint64_t accuracy, sd_event_time_handler_t run, void *arg)
{
	__typeof__(&sd_event_add_time_relative) real = dlsym(RTLD_NEXT, __func__);

	return real(event, ret, clock, usec == 90000000 ? 300000 : usec, accuracy, run, arg);
}
EOF
    "$CC" -shared -fPIC -o hurry.so hurry.c -ldl
    local asan=
    ! grep -q __asan_init "$SEALRING_BUILD/bin/tpm-serve" || asan=$("$CC" -print-file-name=libasan.so)
    answers 'correct horse battery'
    public guarded
    LD_PRELOAD="$asan $PWD/hurry.so" agent_start
    # One that does not end when told to, and one that ends, but has left another behind.
    # shellcheck disable=SC2016
    for asks in 'trap "" TERM; echo $$ >left; while :; do sleep 1; done' 'sleep 60 & echo $! >left'; do
        askpass <<<"$asks"
        run timeout 20 ssh-keygen -q -Y sign -n file -f guarded.pub pin
        [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
        ssh_signs web
        kill -9 "$(cat left)" 2>/dev/null || :
    done
    answers 'correct horse battery'
    ssh_signs guarded
}

# count_tries: into $tries, while the daemon does not hold the TPM's only connection
count_tries() {
    agent_stop
    tries=$(failed_tries)
    agent_start
}

@test "a wrong PIN is tried once, and is not tried again" {
    local before
    keygen guarded --pin-file pin
    keygen web
    answers 'wrong horse battery'
    agent_start
    ssh_signs web # the first after a TPM's start may be asked for twice
    count_tries
    before=$tries
    run ssh_signs guarded
    [ "$status" -ne 0 ]
    agent_said 'key guarded: wrong PIN'
    [ "$(asked)" -eq 1 ]
    count_tries
    [ "$tries" -eq $((before + 1)) ]
    run ssh_signs guarded
    [ "$(asked)" -eq 2 ]
    count_tries
    [ "$tries" -eq $((before + 2)) ]
    answers 'correct horse battery'
    ssh_signs guarded
    ssh_signs web
    # Nobody to ask, or no answer: the TPM is not asked either.
    agent_stop
    answers '' 1
    agent_start
    run ssh_signs guarded
    [ "$status" -ne 0 ]
    agent_stop
    unset SSH_ASKPASS
    agent_start
    run ssh_signs guarded
    [ "$status" -ne 0 ]
    count_tries
    [ "$tries" -eq $((before + 2)) ]
}

@test "a TPM in lockout is not asked again, and others are served" {
    keygen guarded --pin-file pin
    keygen web
    tpm_tries 2
    answers 'wrong horse battery'
    agent_start
    for _ in 1 2 3; do
        run ssh_signs guarded
        [ "$status" -ne 0 ]
    done
    agent_said 'lockout'
    ssh_signs web
    agent_stop
    tpm2_dictionarylockout -Q --clear-lockout
    tpm_tries 30
}

@test "with Confirm= a person is asked each time" {
    mkdir "$RULES"
    keygen web
    printf '[Access]\nConfirm=yes\n' >"$RULES/web.conf"
    answers ''
    agent_start
    ssh_signs web
    ssh_signs web
    [ "$(asked)" -eq 2 ]
    grep -q '^Let ssh-keygen (process [0-9]* of .*) use the key web?|confirm$' asked
    answers '' 1
    run ssh_signs web
    [ "$status" -ne 0 ]
    answers no
    run ssh_signs web
    [ "$status" -ne 0 ]
    [ "$(asked)" -eq 4 ]
    answers yes
    ssh_signs web
}

# bridge FILE: a device, whose name is there, that is the TPM of SEALRING_TCTI until it is closed
bridge() {
    python3 - "${SEALRING_TCTI#swtpm:path=}" >"$1" 3>&- <<'END' &
import errno, os, pty, select, socket, sys, tty
ours, theirs = pty.openpty()
tty.setraw(theirs)
tpm = socket.socket(socket.AF_UNIX)
tpm.connect(sys.argv[1])
print(os.ttyname(theirs), flush=True)
try:
    while True:
        for ready in select.select([ours, tpm], [], [])[0]:
            if ready is tpm:
                os.write(ours, tpm.recv(4096))
                continue
            tpm.sendall(os.read(ours, 4096))
            if theirs:
                os.close(theirs)
                theirs = None
except OSError as end:
    assert end.errno == errno.EIO
END
    until [ -s "$1" ]; do sleep 0.01; done
}

# device_flags PID: those of open(2) that such a process has it open with
device_flags() {
    local fd
    fd=$(find "/proc/$1/fd" -lname "$(cat device)" -printf %f)
    awk '/^flags:/ { print $2 }' "/proc/$1/fdinfo/$fd"
}

@test "what a person is asked by has neither the TPM nor anything else of the daemon" {
    mkdir "$RULES"
    keygen web
    keygen asked
    printf '[Access]\nConfirm=yes\n' >"$RULES/asked.conf"
    askpass <<'END'
ls -l /proc/$$/fd >open
echo yes
END
    bridge device
    SEALRING_TCTI=device:$(cat device) SSH_ASKPASS_PROMPT=none agent_start 9<pin
    ssh_signs web
    # Nor would other programs: O_CLOEXEC is set.
    [ $(($(device_flags "$agent") & 02000000)) -ne 0 ]
    ssh_signs asked
    [ "$(awk '/->/ && $9 < 250 { print $9 }' open | tr '\n' ' ')" = '0 1 2 ' ]
    [ "$(grep -cF "$(cat device)" open)" -eq 0 ]
}

@test "what is removed, or forbidden, while a person is asked is not used" {
    local missing
    mkdir "$RULES"
    keygen web
    printf '[Access]\nUsers=4711\nConfirm=yes\nRotate=yes\n' >"$RULES/web.conf"
    cp "$RULES/web.conf" "$KEYS/web.pem" .
    peer() { "$helper/peer" 4711 1 "$@"; }
    missing=$(peer use none)
    missing=${missing//none/web}
    [ "$(peer use web true)" = signed ]
    [ "$(peer use web "rm '$KEYS/web.pem'")" = "$missing" ]
    cp web.pem "$KEYS"
    [ "$(peer use web "echo >'$RULES/web.conf'")" = "$missing" ]
    cp web.conf "$RULES"
    [ "$(peer rotate web "sed -i /Rotate/d '$RULES/web.conf'")" = "$missing" ]
    cp web.conf "$RULES"
    # A file that is written anew, with the same key, is no other key.
    [ "$(peer use web "touch '$KEYS/web.pem'")" = signed ]
    # What can't be looked at is not used either.
    [[ $(peer use web "mv '$KEYS' '$KEYS.away'; touch '$KEYS'" 2>/dev/null) == *"can't be read"* ]]
    rm "$KEYS"
    mv "$KEYS.away" "$KEYS"
    # The same name, and another key.
    keygen other
    [ "$(peer use web "mv '$KEYS/other.pem' '$KEYS/web.pem'")" = "$missing" ]
    cp web.pem "$KEYS"
    # By the daemon: with consent, and with a PIN.
    keygen guarded --pin-file pin
    answers yes
    agent_start
    ssh_signs web
    sed -i "1a rm '$KEYS/web.pem'" askpass
    run ssh_signs web
    [ "$status" -ne 0 ]
    answers 'correct horse battery'
    public guarded
    sed -i "1a mv '$KEYS/guarded.pem' ." askpass
    run ssh_signs guarded
    [ "$status" -ne 0 ]
    [ "$(failed_tries)" -eq 0 ]
    answers 'correct horse battery'
    mv guarded.pem "$KEYS"
    ssh_signs guarded
}

@test "locked while a person is asked, it refuses, and asks no more" {
    keygen guarded --pin-file pin
    public guarded
    # shellcheck disable=SC2016 # for that program
    askpass <<<'echo $$ >asking; until [ -e go ]; do sleep 0.01; done; cat pin'
    agent_start
    python3 - >answered <<'END'
import base64, os, socket, struct, time

def text(data):
    return struct.pack('>I', len(data)) + data

def ask(message):
    agent = socket.socket(socket.AF_UNIX)
    agent.connect(os.environ['SSH_AUTH_SOCK'])
    agent.sendall(text(message))
    return agent

with open('guarded.pub') as file:
    key = base64.b64decode(file.read().split()[1])
sign = ask(bytes([13]) + text(key) + text(b'x') + bytes(4))
while not os.path.exists('asking'):
    time.sleep(0.01)
print(ask(bytes([22]) + text(b'sesame')).recv(99).hex())
# It hears of that when the client says more.
sign.sendall(text(bytes([11])))
print(sign.recv(5).hex())  # and then an empty list
open('go', 'w').close()
END
    [ "$(tr '\n' ' ' <answered)" = '0000000106 0000000105 ' ]
    while grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$(cat asking)/status"; do sleep 0.01; done
    SSH_ASKPASS_REQUIRE=never ssh-add -X < <(printf 'sesame\n')
    kill -0 "$agent"
    answers 'correct horse battery'
    ssh_signs guarded
}

@test "whoever hangs up while a person is asked is not waited for" {
    keygen guarded --pin-file pin
    # shellcheck disable=SC2016 # for that program
    askpass <<<'echo $$ >asking; exec sleep 60'
    agent_start
    public guarded
    ssh-keygen -q -Y sign -n file -f guarded.pub pin 2>/dev/null 3>&- &
    client=$!
    until [ -s asking ]; do sleep 0.01; done
    kill "$client"
    while grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$(cat asking)/status"; do sleep 0.01; done
    answers 'correct horse battery'
    ssh_signs guarded
}

@test "locked, it lists nothing and signs nothing, until the same passphrase" {
    keygen web
    agent_start --idle 1
    export SSH_ASKPASS=
    ssh-add -x < <(printf 'sesame\nsesame\n')
    [ "$(listed)" = '' ]
    run ssh_signs web
    [ "$status" -ne 0 ]
    # A lock is not locked twice, and is not lost when nobody asks.
    run ssh-add -x < <(printf 'other\nother\n')
    [ "$status" -ne 0 ]
    sleep 2.2
    run ssh-add -X < <(printf 'other\n')
    [ "$status" -ne 0 ]
    sleep 0.2
    ssh-add -X < <(printf 'sesame\n')
    ssh_signs web
    agent_gone
}

@test "keys are neither taken nor removed" {
    keygen web
    agent_start
    ssh-keygen -q -t ed25519 -N '' -f outside
    for refused in 'ssh-add outside' 'ssh-add -D' 'ssh-add -d web.pub' 'ssh-add -t 5 outside' \
        'ssh-add -c outside' 'ssh-add -s /nonexistent.so'; do
        public web
        # shellcheck disable=SC2086 # words
        run $refused </dev/null
        [ "$status" -ne 0 ]
    done
    [ "$(listed)" = web ]
    ssh_signs web
}

@test "with EncryptSessions=no it says so, and signs" {
    keygen web
    printf '[Sign]\nEncryptSessions=no\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    agent_start
    agent_said 'EncryptSessions=no'
    ssh_signs web
    agent_stop
    : >said
    rm "$SEALRING_CONFIG_DIR/sealring.conf"
    agent_start
    ssh_signs web
    [ ! -s said ]
}

# ask_to_sign NAME: the message for it
ask_to_sign() {
    local blob
    blob=$(cut -d' ' -f2 "$1.pub" | base64 -d | xxd -p | tr -d '\n')
    # The key, "x", and no flags.
    printf '%08x0d%08x%s000000017800000000' $((${#blob} / 2 + 14)) $((${#blob} / 2)) "$blob" |
        xxd -r -p
}

# question_of USER: this user wants web to sign
question_of() {
    setpriv --reuid "$1" --regid "$1" --clear-groups env SSH_AUTH_SOCK="$open/agent.sock" \
        "$open/agent" raw 0 <request >>answered 3>&- &
    questions+=($!)
}

# connections: of the daemon
connections() {
    find "/proc/$agent/fd" -lname 'socket:*' | wc -l
}

# bats test_tags=minimal
@test "questions of users take turns" {
    # An ordinary user has no others to be.
    [ "$(id -u)" -eq 0 ] || return 0
    local questions=() at before
    mkdir "$RULES"
    keygen web
    printf '[Access]\nUsers=4001\nUsers=4002\nConfirm=yes\n' >"$RULES/web.conf"
    answers ''
    sed -i '2i while [ ! -e go ]; do sleep 0.02; done' askpass
    agent_start
    open=$(mktemp -d "${TMPDIR:-/tmp}/sealring-turns-XXXXXX")
    chmod 711 "$open"
    ln "$SSH_AUTH_SOCK" "$open/agent.sock"
    chmod 666 "$open/agent.sock"
    cp "$helper/agent" "$open"
    public web
    ask_to_sign web >request
    before=$(connections)
    for at in 1 2 3 4 5; do question_of 4001; done
    until (($(connections) >= before + 5)); do sleep 0.02; done
    sleep 0.3
    question_of 4002
    until (($(connections) >= before + 6)); do sleep 0.02; done
    sleep 0.3
    touch go
    wait "${questions[@]}"
    rm -r "$open"
    cat asked
    [ "$(asked)" -eq 6 ]
    at=$(grep -n '4002' asked)
    [ "${at%%:*}" -le 2 ]
}
