#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys come and go with the directory that they are in, whichever that is, and when it comes.
# shellcheck disable=SC2154 # output: from common.bash

load rest

setup_file() {
    tpm_start
    boot_state
}

setup() {
    store_new
    local n
    for n in a b c; do tpm-sign keygen -q $n; done
    mv "$KEYS" made
}

# has NAME...: what is served now, asked for once, and at once
has() {
    answers 200 /api/v1/keys
    [ "$(jq -r '[.keys[].name] | join(" ")' answer)" = "$*" ] || {
        echo "not $*: $output"
        return 1
    }
}

# with NAME...: a directory with these keys, in "other"
with() {
    local n
    rm -rf other
    mkdir other
    for n; do cp "made/$n.pem" other; done
}

@test "another directory in the place of the keys', again and again" {
    with a
    mv other "$KEYS"
    rest_start
    has a
    mv "$KEYS" aside
    has
    with b
    mv other "$KEYS"
    has b
    # It is watched as the first one was; what is in the first is nobody's any more.
    cp made/c.pem "$KEYS"
    has b c
    cat made/a.pem >"$KEYS/c.pem"
    answers 200 "$(key_path c)"
    [ "$(jq -r .spki_sha256 answer)" = "$(tpm-sign info ./made/a.pem --json | jq -r '.[0].spki_sha256')" ]
    rm "$KEYS/c.pem"
    cp made/c.pem aside
    has b
    # One that has the same number, where it is given out again.
    rm -r "$KEYS"
    mkdir "$KEYS"
    has
    cp made/a.pem "$KEYS"
    has a
    # Without a request between.
    with b c
    mv "$KEYS" gone
    mv other "$KEYS"
    has b c
    rm -r "$KEYS"
    ln -s "$PWD/made" "$KEYS"
    has a b c
    rm "$KEYS"
    has
    rest_stop
    [ ! -s said ]
}

@test "a directory that comes later, with all above it" {
    SEALRING_STATE_DIR=$PWD/later/state SEALRING_CONFIG_DIR=$PWD/later/config rest_start
    has
    [ ! -e later ]
    mkdir -p later/state
    has
    mkdir later/state/keys
    has
    cp made/a.pem later/state/keys
    has a
    cp made/b.pem later/state/keys
    has a b
    signs_a() { answers 200 "$(key_path a sign)" -d "$(body data AAAA)"; }
    signs_a
    mv later earlier
    has
    mkdir later
    mv earlier/state later
    has a b
    signs_a
    # The rules, too: whom they ask stands in the journal.
    mkdir -p later/config/keys.d
    echo nonsense >later/config/keys.d/a.conf
    has a b
    grep -q 'later/config/keys.d/a.conf' said
    rm -r later/config
    mkdir -p later/config/keys.d
    echo nonsense >later/config/keys.d/b.conf
    has a b
    grep -q 'later/config/keys.d/b.conf' said
}

@test "what the kernel lets nobody watch is looked at for each request" {
    with a b
    mv other "$KEYS"
    mkdir "$SEALRING_CONFIG_DIR/keys.d"
    REST=$SEALRING_RUNTIME_DIR/sign.sock
    env ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" strace -D -f -qq -o trace -e trace=inotify_add_watch \
        -e inject=inotify_add_watch:error=ENOSPC tpm-sign serve --listen-rest "$REST" --idle 60 \
        >served 2>>said 3>&- &
    rest=$!
    rest_ready
    has a b
    rm "$KEYS/a.pem"
    has b
    cp made/c.pem "$KEYS"
    has b c
    echo nonsense >"$SEALRING_CONFIG_DIR/keys.d/b.conf"
    has b c
    grep -q 'keys.d/b.conf' said
    grep -q 'ENOSPC .*(INJECTED)' trace
}
