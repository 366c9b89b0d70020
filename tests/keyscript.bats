#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The keyscript of initramfs-tools: asks nobody while the tokens open, and for the
# passphrase otherwise.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load luks/luks

setup() {
    luks_setup
    tpm_boot
    volume disk
    # What asks on the console: answers are lines of a file; its questions are kept.
    cat >askpass <<'SCRIPT'
#!/bin/sh
echo "$1" >>questions
line=$(head -n 1 answers)
sed -i 1d answers
printf %s "$line"
SCRIPT
    chmod +x askpass
    : >answers
    : >questions
}

# boot: as the cryptroot script does it: up to three times, cryptsetup reading from the script
boot() {
    local tried
    for tried in 0 1 2; do
        CRYPTTAB_NAME=root CRYPTTAB_SOURCE=$PWD/disk CRYPTTAB_TRIED=$tried SEALRING_ASKPASS=$PWD/askpass \
            in_initramfs sh "$SEALRING_BUILD/initramfs-tools/keyscript" |
            in_initramfs cryptsetup -T1 --type=luks --key-file=- open --test-passphrase "$PWD/disk" && return
    done
    return 1
}

forget_key() {
    keyctl purge user "sealring-ring:$(token disk | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')"
}

@test "nobody is asked, and both together cost one TPM conversation" {
    enroll disk
    forget_key
    run commands boot
    [ "$status" -eq 0 ]
    [ "$output" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    [ ! -s questions ]
    forget_key
}

@test "the boot state changed: the passphrase is asked for, and opens" {
    enroll disk
    forget_key
    extend 0 "firmware 2.0"
    printf 'wrong\nold passphrase\n' >answers
    boot
    [ "$(cat questions)" = "Please unlock disk root: 
Please unlock disk root: " ]
    grep -q "PCR 0 changed since" console
    [ "$(grep -c "PCR 0 changed since" console)" -eq 1 ]
}

@test "a PIN is asked for first, and opens; an empty one is for the passphrase" {
    printf 'correct horse' >pin
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes --pin --pin-file pin 2>/dev/null
    enroll disk --pin-file pin
    printf 'correct horse\n' >answers
    boot
    [ "$(cat questions)" = "PIN of root (empty: passphrase): " ]
    forget_key
    : >questions
    printf '\nold passphrase\n' >answers
    boot
    [ "$(wc -l <questions)" -eq 2 ]
}

@test "a PIN is asked for where the header is detached, too" {
    printf 'correct horse' >pin
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes --pin --pin-file pin 2>/dev/null
    enroll disk --pin-file pin
    truncate -s 20M data
    printf 'correct horse\n' >answers
    output=$(CRYPTTAB_NAME=root CRYPTTAB_SOURCE=$PWD/data CRYPTTAB_OPTION_header=$PWD/disk \
        SEALRING_ASKPASS=$PWD/askpass in_initramfs sh "$SEALRING_BUILD/initramfs-tools/keyscript")
    [ "$output" = "" ]
    [ "$(cat questions)" = "PIN of root (empty: passphrase): " ]
}
