# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the bats files of keys that follow a ring share: a ring "system" with a secret.

load common
load pins

setup() {
    tpm_boot
    pins_new
    seal secret "a secret"
}

# keygen NAME [OPTIONS]
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
