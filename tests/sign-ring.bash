# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the bats files of keys that follow a ring share: a ring "system" with a secret.

load common

setup_file() {
    tpm_start
    boot_state
    tpm_tries 30
}

setup() {
    tpm_boot
    store_new
    printf 'correct horse battery\n' >pin
    printf 'wrong horse battery\n' >wrong
    echo "a message" >message
    seal secret "a secret"
}

# keygen NAME [OPTIONS]; with a PIN it warns that nothing slows down guessing
keygen() {
    tpm-sign keygen -q --ring system "$@" 2>/dev/null
}

# signs KEY [OPTIONS]: it does, and stock openssl accepts what it gave
signs() {
    rm -f sig
    tpm-sign sign "$@" -o sig message &&
        openssl dgst -sha256 -verify <(tpm-sign pubkey "$1") -signature sig message >/dev/null
}

# update [FIRMWARE]: a boot with other firmware
update() {
    tpm_reboot
    boot_state "${1-firmware 2.0}"
}

approvals() {
    openssl asn1parse -in <(sed -n '/^-----BEGIN/,$p' "$KEYS/$1.pem") | grep -c UTF8STRING
}
