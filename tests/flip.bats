#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A file damaged anywhere: refused with the documented status, or the right secret; never
# a crash, never another secret.

# Status 8 says that a file is damaged. What else may come, and why, stands with each file.

load common

setup_file() {
    tpm_start
    boot_state
}

setup() {
    store_new
    SECRET=sesame
}

teardown() {
    no_handles_left
}

teardown_file() {
    tpm_stop
}

# damaged FILE STATUSES COMMAND: flipped bits, cut, longer; $output is the counts
damaged() {
    local how file=$1 statuses=$2 failed=0
    shift 2
    output=
    for how in 01 80 cut append; do
        "$helper/flip" "$file" $how "$SECRET" "$statuses" "$@" >counts || failed=1
        cat counts
        output+=$(cat counts)
        echo "# $(tail -n 1 counts)" >&3
    done
    ((failed == 0))
}

@test "the tool that damages finds a wrong secret, an unexpected status and a crash" {
    printf sesame >file
    run "$helper/flip" file 01 sesame 8 cat file
    [ "$status" -eq 1 ]
    says '"resame"'
    says "6 tried: file 01, 6 ended with 0"
    [ "$(cat file)" = sesame ]
    run "$helper/flip" file cut sesame 8 sh -c 'exit 3'
    [ "$status" -eq 1 ]
    says "6 ended with 3"
    run "$helper/flip" file cut sesame 3 sh -c 'kill -SEGV $$'
    [ "$status" -eq 1 ]
    says "6 ended with 139"
    run "$helper/flip" file cut sesame 3 sh -c 'exit 3'
    [ "$status" -eq 0 ]
    run "$helper/flip" file append sesame 3 sh -c 'echo part; exit 3'
    [ "$status" -eq 1 ]
}

@test "ring.conf" {
    seal key $SECRET
    damaged "$RINGS/system/ring.conf" 8 tpm-unseal key
    [[ $output != *"ended with 0"* ]]
}

# The words before the PEM block do not matter (0). A PolicyPCR over other values, which
# no hash in the file contradicts, is one for another boot state (3).
@test "an approval" {
    seal key $SECRET
    damaged "$RINGS/system/approvals/current.pem" 3,8 tpm-unseal key
}

@test "a secret" {
    seal key $SECRET
    damaged "$RINGS/system/secrets/key.cms" 8 tpm-unseal key
    [[ $output != *"ended with 0"* ]]
}

# A damaged salt or wrapped key looks like a wrong recovery key (4).
@test "the recovery copy" {
    seal key $SECRET
    damaged "$RINGS/system/recovery.cms" 4,8 tpm-unseal --recovery-key-file "$RK" key
    [[ $output != *"ended with 0"* ]]
}

# Groups have check letters, so damage is a mistyped key (4). Punctuation does not matter.
@test "the recovery key file" {
    seal key $SECRET
    damaged "$RK" 4 tpm-unseal --recovery-key-file "$RK" key
}

# A comment does not matter (0), and another TCTI is no TPM (6).
@test "sealring.conf" {
    seal key $SECRET
    printf '# Of this machine\n[TPM]\nTCTI=%s\n[Policy]\nPCRs=0+7\n' "$SEALRING_TCTI" \
        >"$SEALRING_CONFIG_DIR/sealring.conf"
    # shellcheck disable=SC2030,SC2031
    (
        unset SEALRING_TCTI TPM2TOOLS_TCTI
        damaged "$SEALRING_CONFIG_DIR/sealring.conf" 6,8 tpm-unseal key
    )
}

# A comment does not matter (0), and without a place there is nothing to do (2).
@test "secrets.d" {
    seal key $SECRET
    mkdir "$SEALRING_CONFIG_DIR/secrets.d" creds
    printf '# For the database\n[Secret]\nRing=system\n\n[Credential]\nName=db\nUnits=db.service\n' \
        >"$SEALRING_CONFIG_DIR/secrets.d/key.conf"
    damaged "$SEALRING_CONFIG_DIR/secrets.d/key.conf" 2,8 -d "$PWD/creds" \
        tpm-unseal -q --configured --credential="$PWD/creds" key
}

# Here no ring says which TPM and which state it was for: another parent, or an object that
# the TPM refuses, was sealed by another TPM (7), and another PolicyPCR is for another boot
# state (3).
@test "a key file of another tool, DER" {
    seal key $SECRET
    tpm2_createpolicy -Q --policy-pcr -l sha256:0,7 -L policy
    printf %s $SECRET | tpm2_create -Q -C 0x81000001 -L policy -i - -u pub -r priv
    cp "$RINGS/system/approvals/current.pem" key.pem
    damaged key.pem 3,7,8 tpm-unseal --file key.pem
}
