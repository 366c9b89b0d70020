#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A file damaged anywhere: refused with the documented status, or the right secret; never
# a crash, never another secret. Each byte in one of three ways in turn, with THOROUGH=1
# in all of them.

# Status 8 says that a file is damaged. What else may come, and why, stands with each file.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load common
load eventlogs/small

setup() {
    store_new
    SECRET=sesame
}

# damaged FILE STATUSES COMMAND: flipped bits, cut, longer; $output is the counts
damaged() {
    local how file=$1 statuses=$2 failed=0 step
    step=$(stride 3)
    shift 2
    output=
    for how in 01,0/$step 80,$((1 % step))/$step cut,$((2 % step))/$step append; do
        "$helper/flip" "$file" "$how" "$SECRET" "$statuses" "$@" >counts || failed=1
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

# What stands behind its own hash, the last newline, may be another byte (0).
@test "ring.conf" {
    seal key "$SECRET"
    damaged "$RINGS/system/ring.conf" 8 tpm-unseal key
    [ "$(grep -o "[0-9]* ended with 0" <<<"$output")" = "1 ended with 0" ]
}

# The words before the PEM block and the last newline do not matter (0).
@test "an approval" {
    seal key "$SECRET"
    damaged "$RINGS/system/approvals/current.pem" 8 tpm-unseal key
}

@test "a secret" {
    seal key "$SECRET"
    damaged "$RINGS/system/secrets/key.cms" 8 tpm-unseal key
    [[ $output != *"ended with 0"* ]]
}

# explained: 0 and the secret if explain says what it said; 8 if it says that there is no
# baseline, and why
explained() {
    printf '[TPM]\nEventLog=%s\n' "$PWD/small.bin" >"$SEALRING_CONFIG_DIR/sealring.conf"
    small_log 'firmware 1.0' >small.bin
    seal key "$SECRET"
    tpm-reseal explain system >good
    grep -q 'nothing changed since' good
    cat >explained <<-END
		tpm-reseal explain system >got 2>said || exit 1
		if cmp -s good got && ! [ -s said ]; then
		    printf %s "$SECRET"
		else
		    grep -q 'There is no baseline of it' got && [ "\$(wc -l <said)" -eq 1 ] && exit 8
		fi
	END
}

# The ring opens, so that whoever changed it without the key is found out.
@test "the description of a baseline" {
    explained
    damaged "$RINGS/system/baseline/00000001.conf" 8 sh explained
    [[ $output != *"ended with 0"* ]]
}

@test "the event log of a baseline" {
    explained
    damaged "$RINGS/system/baseline/00000001.log" 8 sh explained
    [[ $output != *"ended with 0"* ]]
}

# A damaged salt or wrapped key looks like a wrong recovery key (4).
@test "the recovery copy" {
    seal key "$SECRET"
    damaged "$RINGS/system/recovery.cms" 4,8 tpm-unseal --recovery-key-file "$RK" key
    [[ $output != *"ended with 0"* ]]
}

# Groups have check letters, so damage is a mistyped key (4). Punctuation does not matter.
@test "the recovery key file" {
    seal key "$SECRET"
    damaged "$RK" 4 tpm-unseal --recovery-key-file "$RK" key
}

# A comment does not matter (0), and another TCTI is no TPM (6).
@test "sealring.conf" {
    seal key "$SECRET"
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
    seal key "$SECRET"
    mkdir "$SEALRING_CONFIG_DIR/secrets.d" creds
    printf '# For the database\n[Secret]\nRing=system\n\n[Credential]\nName=db\nUnits=db.service\n' \
        >"$SEALRING_CONFIG_DIR/secrets.d/key.conf"
    damaged "$SEALRING_CONFIG_DIR/secrets.d/key.conf" 2,8 -d "$PWD/creds" \
        tpm-unseal -q --configured --credential="$PWD/creds" key
}

# key_file FILE: the secret as other tools seal it, to PCR 0+7, under the storage key
key_file() {
    local digest
    tpm2_pcrread -Q sha256:0,7 -o pcrs
    digest=$(sha256sum pcrs | cut -d' ' -f1)
    tpm2_createpolicy -Q --policy-pcr -l sha256:0,7 -L policy
    tpm2_flushcontext -l
    printf %s "$SECRET" | tpm2_create -Q -C 0x81000001 -L policy -i - -u pub -r priv \
        -a "fixedtpm|fixedparent|noda"
    tpm2_flushcontext -t
    cat >conf <<EOT
asn1=SEQUENCE:key
[key]
type=OID:2.23.133.10.1.5
empty=EXPLICIT:0,BOOLEAN:TRUE
policy=EXPLICIT:1,SEQUENCE:policy
parent=INTEGER:0x81000001
pub=FORMAT:HEX,OCT:$(xxd -p pub | tr -d '\n')
priv=FORMAT:HEX,OCT:$(xxd -p priv | tr -d '\n')
[policy]
only=SEQUENCE:pcr
[pcr]
code=EXPLICIT:0,INTEGER:0x17f
body=EXPLICIT:1,FORMAT:HEX,OCT:00000001000b03810000$digest
EOT
    openssl asn1parse -genconf conf -noout -out "$1" >/dev/null
}

# Here no ring says which TPM it was for: with another parent, or with another object than
# the one that was encrypted, it seems to be sealed by another TPM (7).
@test "a key file of another tool" {
    seal unused x
    key_file key
    [ "$(tpm-unseal --file key)" = "$SECRET" ]
    damaged key 7,8 tpm-unseal --file key
}

@test "a key file of another tool, PEM" {
    seal unused x
    key_file key
    {
        echo "-----BEGIN TSS2 PRIVATE KEY-----"
        base64 -w 64 key
        echo "-----END TSS2 PRIVATE KEY-----"
    } >key.pem
    damaged key.pem 7,8 tpm-unseal --file key.pem
}
