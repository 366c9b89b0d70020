#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Software keys of a ring with a PIN, served: asked for once, tried once, kept as other PINs are.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; helper, status, output: from common.bash and bats

load rest
load agent
load pins

setup() {
    pins_new
    tpm-seal -q --generate --ring guarded --no-recovery --pin --pin-file pin secret 2>/dev/null
    tpm-sign keygen -q ed -t ed25519 --ring guarded --pin-file pin
    tpm-sign sign ed --pin-file pin message >right.sig
    tries=$(failed_tries)
}

teardown() {
    rest_stop
    agent_stop
    no_handles_left
}

# types TEXT [STATUS]: what the person answers; each question is a line of "asked"
types() {
    # shellcheck disable=SC2016 # for that program
    askpass <<<'echo "$1" >>asked; . ./reaction'
    printf 'echo %q\nexit %d\n' "$1" "${2:-0}" >reaction
}

asked() {
    wc -l <asked
}

# tried COUNT: since the test began; the daemon does not hold the TPM's only connection then
tried() {
    [ "$(failed_tries)" -eq $((tries + $1)) ]
}

@test "agent: the ring's PIN is asked for once, remembered, and forgotten when it is locked" {
    types 'correct horse battery'
    agent_start
    ssh_signs ed
    ssh_signs ed
    [ "$(asked)" -eq 1 ]
    grep -q '^PIN of the ring guarded, to use the key ed, for ssh-keygen (process [0-9]* of .*):$' asked
    SSH_ASKPASS='' ssh-add -q -x < <(printf 'x\nx\n')
    SSH_ASKPASS='' ssh-add -q -X < <(printf 'x\n')
    ssh_signs ed
    [ "$(asked)" -eq 2 ]
    agent_stop
    agent_start --no-cache
    ssh_signs ed
    ssh_signs ed
    [ "$(asked)" -eq 4 ]
    agent_stop
    tried 0
    [ ! -s said ]
}

@test "agent: many wait for one answer, of a ring's PIN or a key's; a wrong one is asked for again" {
    local n key
    tpm-sign keygen -q own --pin-file pin
    types 'correct horse battery'
    printf 'until [ -e go ]; do sleep 0.01; done\nsource ./typed\n' >reaction
    for key in ed own; do
        rm -f go asked
        # The first who is asked mistypes.
        # shellcheck disable=SC2016 # for that program
        printf 'if [ "$(wc -l <asked)" -eq 1 ]; then echo wrong; else echo "correct horse battery"; fi\n' >typed
        agent_start
        public $key
        for n in 1 2 3 4 5; do
            echo "$n" >m$n
            ssh-keygen -q -Y sign -n file -f $key.pub m$n 2>/dev/null 3>&- &
            signing[n]=$!
        done
        touch go
        failed=0
        for n in 1 2 3 4 5; do wait "${signing[n]}" || failed=$((failed + 1)); done
        [ "$failed" -eq 1 ]
        [ "$(asked)" -eq 2 ]
        agent_stop
        rm -f m?.sig
    done
    tried 2
}

# in_memory PID: whether the daemon has the PIN anywhere
in_memory() {
    gcore -a -o core "$1" >gcore.log 2>&1 || return 2
    LC_ALL=C grep -qa 'correct horse battery' "core.$1"
}

# bats test_tags=minimal
@test "the ring's PIN is not kept, but the key; a key's own PIN is, until lock" {
    # What sanitizers keep of freed memory is not the daemon's; nobody but root can look.
    ! grep -q __asan_init "$SEALRING_BUILD/bin/tpm-serve" && [ "$(id -u)" -eq 0 ] || return 0
    tpm-sign keygen -q own --pin-file pin
    types 'correct horse battery'
    SSH_AUTH_SOCK=$BATS_TEST_TMPDIR/agent.sock
    rest_start --listen "$SSH_AUTH_SOCK"
    ssh_signs ed
    answers 200 "$(key_path ed sign)" -d "$(body data AAAA pin 'correct horse battery')"
    answers 200 "$(key_path ed rotate)" -d "$(body pin 'correct horse battery')"
    fails 1 in_memory "$rest"
    ssh_signs own
    in_memory "$rest"
    SSH_ASKPASS='' ssh-add -q -x < <(printf 'x\nx\n')
    answers 200 /health
    fails 1 in_memory "$rest"
}

@test "agent: it does not end while it remembers" {
    types 'correct horse battery'
    printf '[Sign]\nAutoLock=3\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    agent_start --idle 1
    ssh_signs ed
    sleep 1.5
    ssh_signs ed
    [ "$(asked)" -eq 1 ]
    agent_gone
}

@test "agent: a wrong PIN is tried once; where nobody answers, or the PCRs moved, not at all" {
    types 'wrong horse battery'
    agent_start
    run ssh_signs ed
    [ "$status" -ne 0 ]
    agent_said 'key ed: '
    grep -qi 'wrong PIN' said
    [ "$(asked)" -eq 1 ]
    agent_stop
    tried 1
    types '' 1
    agent_start
    run ssh_signs ed
    [ "$status" -ne 0 ]
    [ "$(asked)" -eq 2 ]
    agent_stop
    unset SSH_ASKPASS
    agent_start
    run ssh_signs ed
    [ "$status" -ne 0 ]
    agent_stop
    tried 1
    types 'correct horse battery'
    extend 7 'another policy'
    agent_start
    run ssh_signs ed
    [ "$status" -ne 0 ]
    agent_said 'PCR 7'
    [ "$(asked)" -eq 2 ]
    agent_stop
    tried 1
    tpm_boot
}

@test "REST: it comes with the request, is tried once, and is not kept" {
    export SSH_ASKPASS='' SSH_ASKPASS_REQUIRE=never
    rest_start
    refuses 403 wrong_pin "$(key_path ed sign)" -d "$(body data "$(base64 -w0 message)")"
    [[ $(jq -r .message answer) == 'key ed: '*'takes a PIN, and none was given'* ]]
    refuses 403 wrong_pin "$(key_path ed sign)" -d '{"data":["AAAA","AAAA"],"pin":"wrong horse battery"}'
    rest_stop
    tried 1
    rest_start
    answers 200 "$(key_path ed sign)" -d "$(body data "$(base64 -w0 message)" pin 'correct horse battery')"
    jq -r .signature answer | base64 -d | cmp right.sig
    refuses 403 wrong_pin "$(key_path ed sign)" -d "$(body data AAAA)"
    answers 200 "$(key_path ed sign)" -d '{"data":["AAAA","QUFB","AAAA"],"pin":"correct horse battery"}'
    [ "$(jq -r '.signature | unique | length' answer)" -eq 2 ]
    answers 200 "$(key_path ed)"
    [ "$(jq -c '[.in_tpm, .ring, .pin]' answer)" = '[false,"guarded",false]' ]
    rest_stop
    tried 1
    run grep -F 'horse battery' said served
    [ "$status" -eq 1 ]
}

@test "REST does not use what somebody opened for the agent, nor the agent what REST did" {
    types 'correct horse battery'
    SSH_AUTH_SOCK=$BATS_TEST_TMPDIR/agent.sock
    rest_start --listen "$SSH_AUTH_SOCK"
    ssh_signs ed
    refuses 403 wrong_pin "$(key_path ed sign)" -d "$(body data AAAA)"
    answers 200 "$(key_path ed sign)" -d "$(body data AAAA pin 'correct horse battery')"
    ssh_signs ed
    [ "$(asked)" -eq 1 ]
    rest_stop
    rest_start --listen "$SSH_AUTH_SOCK"
    answers 200 "$(key_path ed sign)" -d "$(body data AAAA pin 'correct horse battery')"
    ssh_signs ed
    [ "$(asked)" -eq 2 ]
    # A ring without PIN has no use for one, and nobody is asked.
    tpm-sign keygen -q --direct free -t ed25519 --no-recovery 2>/dev/null || {
        rest_stop
        tpm-sign keygen -q free -t ed25519 --no-recovery 2>/dev/null
        rest_start --listen "$SSH_AUTH_SOCK"
    }
    answers 200 "$(key_path free sign)" -d "$(body data AAAA pin 'wrong horse battery')"
    ssh_signs free
    [ "$(asked)" -eq 2 ]
    rest_stop
    tried 0
}

@test "tpm-sign by way of the daemon asks for it where the ring has one" {
    rest_start
    tpm-sign sign ed --pin-file pin message | cmp right.sig
    fails 4 tpm-sign sign ed --pin-file wrong message
    one_line
    fails 4 setsid -w tpm-sign sign ed message </dev/null
    one_line
    answers 200 /metrics
    grep -qx 'sealring_operations_total{operation="sign",result="ok"} 1' answer
    rest_stop
    tried 1
    fails 4 tpm-sign sign ed --pin-file wrong message
    tried 2
}

# bats test_tags=minimal
@test "a daemon that may not read rings says what to do; no PIN is tried" {
    local as=() socket=$SEALRING_RUNTIME_DIR/softkey.sock
    tpm-sign keygen -q free -t ed25519 --no-recovery 2>/dev/null
    LISTEN_FDNAMES=softkey "$helper/credential" serve "$socket" tpm-credential >broker 2>&1 3>&- &
    broker=$!
    until grep -qs listening broker; do sleep 0.01; done
    mkdir -p other/rings
    cp -r "$KEYS" other/keys
    chmod 0 other/rings
    [ "$(id -u)" -ne 0 ] || as=(setpriv '--bounding-set=-dac_override,-dac_read_search')
    REST=$SEALRING_RUNTIME_DIR/sign.sock
    SEALRING_STATE_DIR=$PWD/other "${as[@]}" tpm-sign serve --listen-rest "$REST" --idle 60 \
        --tcti "swtpm:path=$PWD/nothing" >served 2>>said 3>&- &
    rest=$!
    rest_ready
    answers 200 "$(key_path free sign)" -d "$(body data AAAA)"
    refuses 403 not_permitted "$(key_path ed sign)" -d "$(body data AAAA pin 'correct horse battery')"
    [[ $(jq -r .message answer) == 'key ed: its ring guarded has a PIN, '*'tpm-sign sign --direct ed'* ]]
    # What else is wrong with a ring is told as if it were its own.
    kill "$broker" && wait "$broker" || true
    extend 7 'another policy'
    LISTEN_FDNAMES=softkey "$helper/credential" serve "$socket" tpm-credential >broker 2>&1 3>&- &
    broker=$!
    until grep -qs listening broker; do sleep 0.01; done
    rest_stop
    SEALRING_STATE_DIR=$PWD/other "${as[@]}" tpm-sign serve --listen-rest "$REST" --idle 60 \
        --tcti "swtpm:path=$PWD/nothing" >served 2>>said 3>&- &
    rest=$!
    rest_ready
    refuses 409 policy_does_not_hold "$(key_path free sign)" -d "$(body data AAAA)"
    [[ $(jq -r .message answer) == *'PCR 7'* ]]
    kill "$broker" && wait "$broker" || true
    rest_stop
    tried 0
    tpm_boot
}

@test "while tpm-credential keeps one waiting others sign, and another is waited for again" {
    local as=() socket=$SEALRING_RUNTIME_DIR/softkey.sock
    tpm-sign keygen -q free -t ed25519 --no-recovery 2>/dev/null
    tpm-sign keygen -q web
    mkdir -p other/rings
    cp -r "$KEYS" other/keys
    chmod 0 other/rings
    "$helper/credential" serve "$socket" sh -c 'exec sleep 1000 >called' >broker 2>&1 3>&- &
    broker=$!
    until grep -qs listening broker; do sleep 0.01; done
    [ "$(id -u)" -ne 0 ] || as=(setpriv '--bounding-set=-dac_override,-dac_read_search')
    REST=$SEALRING_RUNTIME_DIR/sign.sock
    SEALRING_STATE_DIR=$PWD/other "${as[@]}" tpm-sign serve --listen-rest "$REST" --idle 60 \
        >served 2>>said 3>&- &
    rest=$!
    rest_ready
    curl -sS --unix-socket "$REST" -d "$(body data AAAA)" -o late -w '%{http_code}' \
        "http://localhost$(key_path free sign)" >code 3>&- &
    asking=$!
    until [ -e called ]; do sleep 0.01; done
    signs web
    signs web
    kill -0 "$asking"
    [ ! -s code ]
    kill "$broker" && wait "$broker" || true
    wait "$asking"
    [ "$(<code)" = 500 ]
    [[ $(jq -r .message late) == 'key free: '*softkey.sock* ]]
    LISTEN_FDNAMES=softkey "$helper/credential" serve "$socket" tpm-credential >broker 2>&1 3>&- &
    broker=$!
    until grep -qs listening broker; do sleep 0.01; done
    answers 200 "$(key_path free sign)" -d "$(body data AAAA)"
    kill "$broker" && wait "$broker" || true
}
