#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a core dump has of the daemon that serves keys: while it uses software keys and PINs, and
# after it was locked, or the time for them is over.
# shellcheck disable=SC2154 # from common.bash

load agent
load rest

setup() {
    # What sanitizers keep of freed memory is not the daemon's.
    ! grep -qE '__[at]san_init' "$SEALRING_BUILD/bin/tpm-serve" || SANITIZED=1
    tpm_boot
    store_new
    REST=$SEALRING_RUNTIME_DIR/sign.sock
    # Waits for somebody only where it lets a program use a key.
    askpass <<-'END'
	case $1 in
	PIN*) cat pin ;;
	Let*)
	    touch asked
	    until [ -e answered ]; do sleep 0.02; done
	    ;;
	*) echo phrase ;;
	esac
	END
    printf 'correct horse battery\n' >pin
    printf 'another horse battery\n' >pin2
    xxd -r -p <<<"302e020100300506032b657004220420${SEED//\\x/}" |
        tpm-sign import -q --recovery-key-file "$RK" soft 2>/dev/null
    tpm-sign keygen -q --pin-file pin guarded 2>/dev/null
}

teardown() {
    agent_stop
    no_handles_left
}

# Of RFC 8032, as a pattern.
SEED='\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb'

# dump [-a]: of the daemon; with -a what the kernel leaves out of core dumps as well
dump() {
    rm -f core.*
    gcore "$@" -o core "$agent" >gcore.log 2>&1 || {
        cat gcore.log
        return 1
    }
    [ "$(stat -c %s "core.$agent")" -gt 1000000 ]
}

# has PATTERN...: the dump has each of them
has() {
    local what
    for what; do
        LC_ALL=C grep -qaP "$what" "core.$agent" || {
            echo "not in memory: $what"
            return 1
        }
    done
}

# has_none PATTERN...: ... none
has_none() {
    local what
    for what; do
        ! LC_ALL=C grep -qaP "$what" "core.$agent" || {
            echo "in memory: $what"
            return 1
        }
    done
}

# bats test_tags=minimal
@test "private keys and PINs are in no core dump; in memory they are until lock, or AutoLock=" {
    [ -z "${SANITIZED-}" ] || return 0
    agent_start
    ssh_signs soft
    ssh_signs guarded
    if [ "$(id -u)" -ne 0 ]; then
        # Nobody but root can look at all.
        run dump
        [ "$status" -ne 0 ]
        return
    fi
    dump
    has_none "$SEED" 'correct horse battery'
    dump -a
    has "$SEED" 'correct horse battery'
    ssh-add -x 2>/dev/null
    dump -a
    has_none "$SEED" 'correct horse battery'
    run ssh_signs soft
    [ "$status" -ne 0 ]
    ssh-add -X 2>/dev/null
    agent_stop
    # By itself, while nobody asks for anything.
    printf '[Sign]\nAutoLock=1\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    agent_start
    ssh_signs soft
    ssh_signs guarded
    sleep 2.5
    dump -a
    has_none "$SEED" 'correct horse battery'
    agent_stop
    rm "$SEALRING_CONFIG_DIR/sealring.conf"
    agent_start --no-cache
    ssh_signs soft
    dump -a
    has_none "$SEED"
}

# bats test_tags=minimal
@test "REST: a PIN is in memory while its request waits, and not when that was answered" {
    [ -z "${SANITIZED-}" ] && [ "$(id -u)" -eq 0 ] || return 0
    mkdir "$SEALRING_CONFIG_DIR/keys.d"
    printf '[Access]\nConfirm=yes\n' >"$SEALRING_CONFIG_DIR/keys.d/asks.conf"
    tpm-sign keygen -q --pin-file pin2 asks 2>/dev/null
    agent_start --listen-rest "$REST"
    (signs asks pin 'another horse battery') 3>&- &
    client=$!
    until [ -e asked ]; do sleep 0.02; done
    dump -a
    has 'another horse battery'
    touch answered
    wait "$client"
    dump -a
    has_none 'another horse battery'
    # One that is refused, and one that is no JSON behind it.
    refuses 403 wrong_pin "$(key_path guarded sign)" -d "$(body data eA== pin 'a wrong horse battery')"
    refuses 400 bad_request "$(key_path guarded sign)" -d '{"pin":"a torn horse battery","data":'
    # One with a policy, too.
    printf 'a bound horse battery\n' >pin3
    tpm-sign keygen -q --pcrs 0+7 --pin-file pin3 bound 2>/dev/null
    signs bound pin 'a bound horse battery'
    dump -a
    has_none 'a wrong horse battery' 'a torn horse battery' 'a bound horse battery'
}
