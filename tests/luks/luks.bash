# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the tests of LUKS volumes share: volumes are image files, which need neither root
# nor device mapper, and cryptsetup uses the plugin that was built.

load common

setup_file() {
    luks_setup_file
}

setup() {
    luks_setup
    tpm_boot
    volume disk
}

luks_setup_file() {
    "$CC" -shared -fPIC -D_GNU_SOURCE -Wall -o "$BATS_FILE_TMPDIR/preload.so" \
        "$BATS_TEST_DIRNAME/luks/preload.c" -ldl
    truncate -s 20M "$BATS_FILE_TMPDIR/volume"
    format "$BATS_FILE_TMPDIR/volume"
    printf 'old passphrase' >"$BATS_FILE_TMPDIR/passphrase"
    tpm_start
    boot_state
}

luks_setup() {
    store_new
    PW=$BATS_FILE_TMPDIR/passphrase
    PATH=/usr/sbin:/sbin:$PATH
    export TOKEN_PLUGIN=$SEALRING_BUILD/token/libcryptsetup-token-sealring.so
    PRELOAD=$BATS_FILE_TMPDIR/preload.so
    # The sanitizers of a sanitizer build have to be there before everything else.
    ! nm -D "$TOKEN_PLUGIN" | grep -q __asan_init ||
        PRELOAD="$("$CC" -print-file-name=libasan.so) $PRELOAD"
}

# format FILE [OPTIONS]: a LUKS2 volume with one passphrase
format() {
    PATH=/usr/sbin:/sbin:$PATH cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 \
        --pbkdf-force-iterations 2000 "${@:2}" "$1" - < <(printf 'old passphrase')
}

# volume NAME: a new one, with an UUID of its own
volume() {
    cp "$BATS_FILE_TMPDIR/volume" "$1"
    [ $# -eq 1 ] || cryptsetup luksUUID -q --uuid "$2" "$1"
}

# plugged COMMAND: with the plugin; what cryptsetup itself does not free is its own affair
plugged() {
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 LD_PRELOAD=$PRELOAD "$@"
}

# in_initramfs COMMAND: with the plugin, in what looks like an initramfs; what it writes
# on the console is appended to the file "console"
in_initramfs() {
    TOKEN_INITRAMFS=$PWD/console plugged "$@"
}

# enroll NAME [OPTIONS]
enroll() {
    local manage=()
    [ -e "$RINGS/boot" ] || manage=(--manage yes)
    tpm-luks -q enroll "$1" --passphrase-file "$PW" --recovery-key-file "$RK" "${manage[@]}" "${@:2}"
}

# unlock NAME: by the header's tokens alone
unlock() {
    cryptsetup open --test-passphrase --token-only "$@"
}

# by_passphrase NAME: as somebody who types it
by_passphrase() {
    cryptsetup open --test-passphrase --key-file "$PW" --disable-external-tokens "$@"
}

# latch: what tpm-latch does when the initramfs is left
latch() {
    extend 15 latched
}

# tokens NAME: how many of ours
tokens() {
    cryptsetup luksDump "$1" | grep -c '^  [0-9]*: sealring$'
}

# slots NAME: numbers of the keyslots in use
slots() {
    cryptsetup luksDump "$1" | sed -n '/^Keyslots:/,/^Tokens:/s/^  \([0-9]*\): luks2$/\1/p' | tr '\n' ' '
}

# token NAME [NUMBER]: its JSON
token() {
    cryptsetup token export --token-id "${2-0}" "$1"
}

# set_token NAME FILE [NUMBER]: replace it, whatever it is
set_token() {
    cryptsetup token import --disable-external-tokens --token-replace --token-id "${3-0}" \
        --json-file "$2" "$1"
}
