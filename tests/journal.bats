#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# In the journal a message has fields and an explanation, and is there once.
# shellcheck disable=SC2154 # helper: from common.bash

load common

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
    catalog=$root/units/sealring.catalog
    store_new
    unset JOURNAL_STREAM SYSTEMD_EXEC_PID
}

# journaled STATUS COMMAND...: $output is what the journal got
journaled() {
    status=0
    "$helper/journal" "$PWD" "${@:2}" >journaled || status=$?
    output=$(cat journaled)
    [ "$status" -eq "$1" ] || {
        echo "exit status $status, expected $1: $output"
        return 1
    }
}

# has LINE...: each is a line of it
has() {
    local line
    for line in "$@"; do
        grep -qxF -- "$line" journaled || {
            echo "missing: $line"
            cat journaled
            return 1
        }
    done
}

# id ERRNO: the MESSAGE_ID in the code
id() {
    sed -n "s/^\t{ $1, \"\([0-9a-f]*\)\" },/\1/p" "$root/tools/journal.c"
}

@test "a failure: once, with ring, secret, PCRs, status and MESSAGE_ID" {
    seal key secret
    journaled 9 tpm-unseal nothing
    [ "$(grep -cx entry journaled)" -eq 1 ]
    [[ $output != *stream* ]]
    has PRIORITY=3 SYSLOG_IDENTIFIER=tpm-unseal "MESSAGE_ID=$(id ENOKEY)" ERRNO=126 \
        SEALRING_EXIT_STATUS=9 SEALRING_SECRET=nothing
    grep -q '^MESSAGE=no secret "nothing" in ' journaled
    extend 0 "other firmware"
    extend 7 "other keys"
    journaled 3 tpm-unseal key
    has "MESSAGE_ID=$(id EKEYREJECTED)" SEALRING_RING=system SEALRING_PCRS=0+7 SEALRING_EXIT_STATUS=3
    grep -q '^MESSAGE=ring system: policy does not hold: PCR 0 and PCR 7 changed' journaled
    tpm_boot
    printf damaged >"$RINGS/system/secrets/key.cms"
    journaled 8 tpm-unseal key
    has "MESSAGE_ID=$(id EBADMSG)" SEALRING_RING=system SEALRING_SECRET=key
    journaled 9 tpm-reseal now none
    has "MESSAGE_ID=$(id ENOKEY)" SEALRING_RING=none SYSLOG_IDENTIFIER=tpm-reseal
}

@test "what is no failure has its priority, and no MESSAGE_ID" {
    printf secret >file
    journaled 0 tpm-seal --no-recovery key file
    has PRIORITY=6 'MESSAGE=sealed key under ring system in '"$SEALRING_STATE_DIR"
    [[ $output != *MESSAGE_ID* ]]
}

@test "where standard error is something else, the message goes there" {
    JOURNAL_STREAM=1:2 journaled 9 tpm-unseal nothing
    [[ $output == 'stream
tpm-unseal: no secret "nothing"'* ]]
    [[ $output != *entry* ]]
    # Nobody listens: the line is not lost.
    status=0
    "$helper/journal" "$PWD" bash -c 'rm socket; exec tpm-unseal nothing' >journaled || status=$?
    [ "$status" -eq 9 ]
    [[ $(cat journaled) == 'stream
tpm-unseal: no secret "nothing"'* ]]
}

# bats test_tags=minimal
@test "a unit on the console says it there, and in the journal" {
    # shellcheck disable=SC2016 # for the inner shell
    SHELL=/bin/sh run script -qec "strace -f -s 2000 -o trace -e trace=sendto -e inject=sendto:error=ENOENT \
        bash -c 'SYSTEMD_EXEC_PID=\$\$ exec tpm-unseal nothing'" /dev/null
    [ "$(grep -c 'no secret' <<<"$output")" -eq 1 ]
    # What is sent only root sees, as the program is not dumpable.
    grep -qE "sendto\(.*(MESSAGE_ID.*/run/systemd/journal/socket|0x[0-9a-f]+, 110)" trace
    # Not for a shell below it.
    rm trace
    SHELL=/bin/sh run script -qec "strace -f -s 2000 -o trace -e trace=sendto -e inject=sendto:error=ENOENT \
        bash -c 'SYSTEMD_EXEC_PID=\$\$ bash -c \"tpm-unseal nothing; :\"'" /dev/null
    [ "$(grep -c 'no secret' <<<"$output")" -eq 1 ]
    run grep -c 'sendto(' trace
    [ "$output" = 0 ]
}

@test "tpm-credential: the unit, and what it asked for" {
    seal key secret --unit web.service >drop-in
    # shellcheck disable=SC2016 # for the inner shell
    program='"$0" serve sock tpm-credential & until [ -e sock.n ]; do sleep 0.01; done
        "$0" ask sock other.service/key; kill %1; wait'
    journaled 0 bash -c "$program" "$helper/credential"
    has "MESSAGE_ID=$(id EPERM)" SEALRING_UNIT=other.service SEALRING_CREDENTIAL=key PRIORITY=3 \
        SEALRING_SECRET=key
    [[ $output != *stream* ]]
}

@test "no program but the daemon needs libsystemd" {
    for program in "$SEALRING_BUILD"/dist/tpm-*; do
        case $program in
        */tpm-credential) readelf -d "$program" | grep -q 'libsystemd' ;;
        *) ! readelf -d "$program" | grep -q 'libsystemd' ;;
        esac
    done
}

@test "every MESSAGE_ID has its entry in the catalog, and systemd reads it" {
    mkdir -p usr/lib/systemd/catalog var/lib/systemd/catalog
    cp "$SEALRING_BUILD/units/sealring.catalog" usr/lib/systemd/catalog
    journalctl --root="$PWD" --update-catalog
    journalctl --root="$PWD" --list-catalog | cut -d' ' -f1 | sort >in-catalog
    sed -nE 's/^\t\{ (E[A-Z]+|0), "([0-9a-f]{32})" \},/\2/p' "$root/tools/journal.c" | sort >in-code
    # What is damaged has one, whoever's it is.
    [ "$(wc -l <in-code)" -eq 12 ]
    [ "$(sort -u in-code | wc -l)" -eq 11 ]
    sort -u in-code | diff - in-catalog
    # Those whose meaning has an exit status of its own, one for each.
    sed -n '/^int tool_status/,/^}/p' "$root/tools/tool.c" | grep -oE '\{ E[A-Z]+' | tr -d '{ ' |
        sort >with-status
    sed -nE 's/^\t\{ (E[A-Z]+), .*/\1/p' "$root/tools/journal.c" | grep -vx EPERM | sort |
        diff with-status -
}

@test "each entry ends with what to type next, and that exists" {
    local line count=0
    grep -E '^    [a-z]' "$catalog" >commands
    while read -r line; do
        # shellcheck disable=SC2086 # words
        set -- $line
        command -v "$1" >/dev/null || {
            echo "no such program: $1"
            false
        }
        [[ $1 != tpm-* ]] || "$1" --help >help
        [[ $1 != tpm-re* && $1 != tpm-ring ]] || grep -qE "^  $2 " help
        count=$((count + 1))
    done <commands
    echo "# $count commands" >&3
    # All but "it was called in the wrong way", which points to --help.
    awk '/^-- / { if (id && !said) print id; id = $2; said = 0 } /^    [A-Za-z]/ { said = 1 }
        END { if (!said) print id }' "$catalog" >silent
    [ "$(cat silent)" = "$(id EINVAL)" ]
}
