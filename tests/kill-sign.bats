#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-sign killed at system calls: afterwards a key is there, whole, or not there.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154,SC2317 # for and from kill.bash, which calls what tests define

load kill

setup_file() {
    tpm_start
    boot_state
    tpm_tries 100000
    base_new base
    printf 'correct horse battery' >"$BATS_FILE_TMPDIR/pin"
    printf 'another long PIN' >"$BATS_FILE_TMPDIR/new-pin"
    tpm-sign keygen -q kept
    tpm-sign keygen -q guarded --pin-file "$BATS_FILE_TMPDIR/pin" 2>/dev/null
    tpm-sign cert self-sign kept --subject /CN=kept | tpm-sign cert install -q kept
    base_new ring
    tpm-sign keygen -q kept -t ed25519 --no-recovery 2>/dev/null
}

setup() {
    store_new
    old=$BATS_FILE_TMPDIR/pin new=$BATS_FILE_TMPDIR/new-pin
    echo "a message" >message
}

# signs KEY [OPTIONS]: and its signature is good
signs() {
    tpm-sign sign "$@" message -o sig 2>err2 && tpm-sign verify -q "$1" -s sig message
}

# What was there or will be is whole, the next command succeeds, and nothing hidden is left.
check_point() {
    diff -r "$BASE" state >/dev/null || changed=$((changed + 1))
    whole || complain "neither old nor new"
    next 2>err2 || complain "the next one"
    [ -z "$(find state -name '.*')" ] || complain "left hidden"
}

check_done() {
    whole && next 2>err2
}

@test "keygen, killed at system calls" {
    least=5
    whole() {
        cmp -s "$BASE/keys/kept.pem" state/keys/kept.pem &&
            { [ ! -e state/keys/new.pem ] || signs new; }
    }
    next() {
        [ ! -e state/keys/new.pem ] || tpm-sign delete -q --force new || return
        tpm-sign keygen -q new && signs new && [ -s state/keys/new.pub ]
    }
    campaign tpm-sign keygen -q new
}

@test "keygen in software, killed at system calls" {
    BASE=$BATS_FILE_TMPDIR/ring/state
    least=5
    # What nothing names may be left of it, encrypted, in the ring.
    whole() {
        signs kept && { [ ! -e state/keys/new.pem ] || signs new; }
    }
    next() {
        [ ! -e state/keys/new.pem ] || tpm-sign delete -q --force new || return
        tpm-sign keygen -q new -t ed25519 && signs new && [ -s state/keys/new.pub ]
    }
    campaign tpm-sign keygen -q new -t ed25519
}

@test "delete in software, killed at system calls" {
    BASE=$BATS_FILE_TMPDIR/ring/state
    least=2
    # Never is the private part there when the key is not.
    whole() {
        [ -e state/keys/kept.pem ] || [ -z "$(find state/rings/system/secrets -type f)" ]
    }
    next() {
        [ ! -e state/keys/kept.pem ] || tpm-sign delete -q --force kept || return
        [ -z "$(find state/keys state/rings/system/secrets -type f)" ]
    }
    campaign tpm-sign delete -q --force kept
}

@test "passwd, killed at system calls" {
    least=3
    whole() {
        signs guarded --pin-file "$old" || signs guarded --pin-file "$new"
    }
    next() {
        signs guarded --pin-file "$new" ||
            tpm-sign -q passwd guarded --pin-file "$old" --new-pin-file "$new" || return
        tpm-sign -q passwd guarded --pin-file "$new" --new-pin-file "$old" &&
            signs guarded --pin-file "$old"
    }
    campaign tpm-sign passwd -q guarded --pin-file "$old" --new-pin-file "$new"
}

@test "rotate, killed at system calls" {
    least=8
    restore
    tpm-sign sign kept message -o old.sig
    # The one or the other; and the certificate only beside its key, or taken for none.
    whole() {
        signs kept && tpm-sign verify -q kept -s old.sig message || return
        if cmp -s "$BASE/keys/kept.pem" state/keys/kept.pem; then
            cmp -s "$BASE/keys/kept.crt" state/keys/kept.crt
        elif [ -e state/keys/kept.crt ]; then
            [[ $(tpm-sign info kept) == *"Certificate: none"* ]]
        fi
    }
    next() {
        tpm-sign -q rotate kept && signs kept && tpm-sign verify -q kept -s old.sig message &&
            [ ! -e state/keys/kept.crt ] && [ ! -e state/keys/kept@2.crt ] &&
            cmp -s "$BASE/keys/kept.crt" state/keys/kept@1.crt
    }
    campaign tpm-sign rotate -q kept
}

@test "tag, killed at system calls" {
    least=3
    whole() {
        signs kept && [[ $(tpm-sign tag kept) == "" || $(tpm-sign tag kept) == role=tls ]]
    }
    next() {
        tpm-sign tag kept role=mail && [ "$(tpm-sign tag kept)" = role=mail ]
    }
    campaign tpm-sign tag kept role=tls
}

@test "delete, killed at system calls" {
    least=2
    whole() {
        cmp -s "$BASE/keys/guarded.pem" state/keys/guarded.pem &&
            { [ ! -e state/keys/kept.pem ] || signs kept; }
    }
    next() {
        [ ! -e state/keys/kept.pem ] || tpm-sign delete -q --force kept || return
        [ "$(ls state/keys)" = $'guarded.pem\nguarded.pub' ]
    }
    campaign tpm-sign delete -q --force kept
}
