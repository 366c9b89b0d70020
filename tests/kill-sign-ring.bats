#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at system calls while keys follow their ring: each key file is whole, and the key can
# be used in this boot, as the ring can; the next one finishes.
# shellcheck disable=SC2034,SC2154 # for and from kill-ring.bash

load kill-ring

# "bridged" has keys over a bridge into another firmware, "plain" before it.
setup_file() {
    escrow_new
    tpm_start
    boot_state
    make bridged
    tpm-reseal -q prepare --next-boot=9
    tpm_boot "firmware 2.0"
    make plain
}

# make NAME: a store with two keys
make() {
    make_base "$1"
    tpm-sign keygen -q --ring system first
    tpm-sign keygen -q --ring system second
}

# A signature is checked before it is given out.
signs() {
    tpm-sign sign "$1" input -o sig 2>err2
}

# Two keys are tried at each point: fewer of them.
every=3

also_there() {
    if ! signs first || ! signs second; then
        cat err2
        return 1
    fi
}

# approvals KEY: how many are in its file
approvals() {
    openssl asn1parse -in <(sed -n '/^-----BEGIN/,$p' "state/keys/$1.pem") | grep -c UTF8STRING
}

@test "tpm-reseal now, killed at system calls while keys follow" {
    from plain
    campaign tpm-reseal -q now system --pcrs 0+7+8
    # It has ended once: that is how it ends.
    restore
    tpm-reseal -q now system --pcrs 0+7+8
    [ "$(approvals first) $(approvals second)" = "1 1" ]
    [[ $(tpm-sign info second) == *"sha256:0+7+8"* ]]
}

@test "tpm-reseal confirm over a bridge, killed at system calls while keys follow" {
    from bridged
    next=(tpm-reseal -q now system)
    campaign tpm-reseal -q confirm system
    restore
    [ "$(approvals first) $(approvals second)" = "2 2" ]
    tpm-reseal -q confirm system
    [ "$(approvals first) $(approvals second)" = "1 1" ]
}

@test "tpm-ring rotate, killed at system calls while keys follow" {
    from plain
    campaign tpm-ring -q rotate system --escrow "$BATS_FILE_TMPDIR/escrow.pem"
}

@test "the power is cut while keys follow: what is on the disk can be used" {
    from plain
    cuts=$(copies tpm-reseal -q now system --pcrs 0+7+8)
    count=0
    for copy in copies/*; do
        for key in first second; do
            SEALRING_STATE_DIR=$PWD/$copy tpm-sign sign "$key" input -o sig
            openssl dgst -sha256 -verify "$BASE/keys/$key.pub" -signature sig input >/dev/null
            count=$((count + 1))
        done
    done
    echo "# $cuts cuts, $count keys used" >&3
    ((count > 8))
}
