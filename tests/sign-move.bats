#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys that move to another TPM, and keys with a backup: who may, who may not, and that
# nothing of them is ever in the clear.
# shellcheck disable=SC2154 # helper, status, output: from bats

load common
load pins

setup_file() {
    tpm_start other
    tpm_tries 30
    tpm_start
    boot_state
    tpm_tries 30
}

setup() {
    tpm_use main
    pins_new
}

# there COMMAND: at the other machine
there() {
    (
        tpm_use other
        SEALRING_STATE_DIR=$PWD/there "$@"
    )
}

# signs KEY [OPTIONS]: and stock openssl accepts what it gave
signs() {
    tpm-sign sign "$@" --hash sha256 -o sig message &&
        openssl dgst -sha256 -verify "$KEYS/${1##*/}.pub" -signature sig message >/dev/null
}

there_signs() {
    there tpm-sign sign "$@" --hash sha256 -o sig message &&
        openssl dgst -sha256 -verify "$KEYS/$1.pub" -signature sig message >/dev/null
}

@test "an exportable key goes to another TPM, with its PIN, and works in both" {
    there tpm-sign pubkey -o srk.pub
    for options in "" "-t rsa2048 --usage both" "-t p521" "--pin-file pin"; do
        # shellcheck disable=SC2086 # words
        tpm-sign keygen -q web --exportable $options 2>/dev/null
        pin=()
        [[ $options != *pin* ]] || pin=(--pin-file pin)
        tpm-sign export web --to srk.pub "${pin[@]}" -o moved.pem
        grep -q '^Private key (.*), encrypted for another TPM' moved.pem
        [ "$(stat -c %a moved.pem)" = 600 ]
        there tpm-sign import -q web moved.pem "${pin[@]}"
        signs web "${pin[@]}"
        there_signs web "${pin[@]}"
        cmp "$KEYS/web.pub" there/keys/web.pub
        # The key may be deleted here as soon as that has ended.
        ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace -qq -o trace -e trace=fsync,renameat \
            tpm-sign export web --to srk.pub "${pin[@]}" -o moved.pem
        [ "$(cut -d '(' -f 1 trace | tr '\n' ' ')" = "fsync renameat fsync " ]
        # not into this one, and not twice over
        fails 7 tpm-sign import again moved.pem "${pin[@]}"
        one_line
        fails 9 tpm-sign info again
        fails 10 there tpm-sign import web moved.pem "${pin[@]}"
        tpm-sign delete -qf web
        there tpm-sign delete -qf web
    done
}

@test "what is exported is what tpm2-tools import, and what they name is exported to" {
    tpm-sign keygen -q web --exportable
    there tpm-sign pubkey >srk.pem
    tpm_use other
    tpm2_readpublic -Q -c 0x81000001 -o srk.tpm2b
    tpm2_readpublic -Q -c 0x81000001 -f pem -o srk.pub
    cmp srk.pem srk.pub
    tpm_use main
    for parent in srk.tpm2b srk.pem; do
        tpm-sign export web --to "$parent" -o moved.pem
        sed -n '/^-----BEGIN/,$p' moved.pem | grep -v -e '^-----' | base64 -d >der
        openssl asn1parse -inform DER -in der >parts
        grep -q '2.23.133.10.1.4' parts
        mapfile -t offsets < <(sed -nE 's/^ *([0-9]+):d=[12] +hl=([0-9]+) l= *([0-9]+) prim: OCTET STRING.*/\1 \2 \3/p' parts)
        # shellcheck disable=SC2086 # three numbers
        { part ${offsets[0]} >seed; part ${offsets[1]} >pub; part ${offsets[2]} >dup; }
        tpm_use other
        tpm2_import -Q -C 0x81000001 -u pub -i dup -s seed -r priv
        tpm2_load -Q -C 0x81000001 -u pub -r priv -c key.ctx
        openssl dgst -sha256 -binary message >digest
        tpm2_sign -Q -c key.ctx -g sha256 -d digest -f plain -o sig
        tpm2_flushcontext -t
        openssl dgst -sha256 -verify "$KEYS/web.pub" -signature sig message
        tpm_use main
    done
}

part() {
    tail -c +$(($1 + $2 + 1)) der | head -c "$3"
}

@test "who may not: keys that were not made for it; exit 2, and what to do" {
    there tpm-sign pubkey -o srk.pub
    tpm-sign keygen -q fixed
    openssl ecparam -name prime256v1 -genkey -noout -out soft.pem
    tpm-sign import -q soft soft.pem
    fails 2 tpm-sign export fixed --to srk.pub
    one_line
    says "made never to leave this TPM: make a key there"
    fails 2 tpm-sign export soft --to srk.pub
    one_line
    says "import what it was imported from there"
    tpm-sign keygen -q ring-key -t ed25519 --no-recovery
    fails 2 tpm-sign export ring-key --to srk.pub
    one_line
    says "goes elsewhere with its ring: tpm-ring export"
    # The TPM itself agrees: it is not that we do not try.
    for name in fixed soft; do
        loaded "$name"
        tpm2_startauthsession -Q --policy-session -S session.ctx
        tpm2_policycommandcode -Q -S session.ctx TPM2_CC_Duplicate
        run tpm2_duplicate -C null -c key.ctx -G null -p session:session.ctx -r dup -s seed
        [ "$status" -ne 0 ]
        tpm2_flushcontext session.ctx
        tpm2_flushcontext -t
    done
    # With the other choice, both do; even to nobody, in the clear, as the manual says.
    tpm-sign import -q soft2 --exportable soft.pem
    loaded soft2
    tpm2_startauthsession -Q --policy-session -S session.ctx
    tpm2_policycommandcode -Q -S session.ctx TPM2_CC_Duplicate
    tpm2_duplicate -Q -C null -c key.ctx -G null -p session:session.ctx -r dup -s seed
    tpm2_flushcontext session.ctx
    tpm2_flushcontext -t
    tpm-sign export soft2 --to srk.pub -o moved.pem
    there tpm-sign import -q soft2 moved.pem
    there_signs soft2
    fails 2 tpm-sign keygen bound --exportable --pcrs 0+7
    one_line
    fails 2 tpm-sign export soft2
    says "--to FILE"
    fails 2 tpm-sign export soft2 --to message
    fails 2 tpm-sign export soft2 --to "$KEYS/soft2.pem"
    openssl ecparam -name secp384r1 -genkey -noout | openssl ec -pubout -out p384.pub 2>/dev/null
    fails 2 tpm-sign export soft2 --to p384.pub
    fails 2 tpm-sign pubkey --format ssh
}

# loaded KEY: by tpm2-tools, into key.ctx
loaded() {
    sed -n '/^-----BEGIN/,$p' "$KEYS/$1.pem" | grep -v -e '^-----' | base64 -d >der
    openssl asn1parse -inform DER -in der >parts
    mapfile -t offsets < <(sed -nE 's/^ *([0-9]+):d=1 +hl=([0-9]+) l= *([0-9]+) prim: OCTET STRING.*/\1 \2 \3/p' parts)
    # shellcheck disable=SC2086 # three numbers
    { part ${offsets[0]} >pub; part ${offsets[1]} >priv; }
    tpm2_load -Q -C 0x81000001 -u pub -r priv -c key.ctx
}

@test "moving takes the PIN, and the TPM counts wrong ones" {
    there tpm-sign pubkey -o srk.pub
    tpm-sign keygen -q web --exportable --pin-file pin 2>/dev/null
    before=$(failed_tries)
    fails 4 tpm-sign export web --to srk.pub --pin-file wrong
    one_line
    [ "$(failed_tries)" -eq $((before + 1)) ]
    [ "$(commands tpm-sign export web --to srk.pub --pin-file pin)" = \
        "StartAuthSession PolicyAuthValue PolicyCommandCode Load LoadExternal Duplicate FlushContext FlushContext FlushContext" ]
    # its PIN can be changed, and then it is the new one that counts
    printf 'another long PIN' >new
    tpm-sign passwd -q web --pin-file pin --new-pin-file new 2>/dev/null
    fails 4 tpm-sign export web --to srk.pub --pin-file pin
    tpm-sign export web --to srk.pub --pin-file new -o moved.pem
    there tpm-sign import -q web moved.pem --pin-file new
    there_signs web --pin-file new
}

@test "a key file of this TPM is taken into the store as it is" {
    tpm-sign keygen -q web
    tpm-sign keygen -q bound --pcrs 0+7
    tpm-sign import -q copy "$KEYS/web.pem"
    cmp "$KEYS/web.pub" "$KEYS/copy.pub"
    tpm-sign import -q copy2 "$KEYS/bound.pem"
    tpm-sign info copy2 | grep -q '^Bound to: *sha256:0+7$'
    signs copy2
    fails 2 tpm-sign import copy3 "$KEYS/web.pem" --usage both
    fails 2 tpm-sign import copy3 "$KEYS/web.pem" --pin
    fails 2 tpm-sign import copy3 "$KEYS/web.pem" --new-pin-file pin
    says 'that key is made already'
    fails 7 there tpm-sign import copy "$KEYS/web.pem"
    seal name secret 2>/dev/null
    fails 8 tpm-sign import copy3 "$RINGS/system/approvals/current.pem"
}

@test "info and --json say that a key may be moved" {
    tpm-sign keygen -q web --exportable
    tpm-sign keygen -q fixed
    tpm-sign info web | grep -q '^Type: .*may be moved to another$'
    tpm-sign info fixed | grep -q '^Type: .*made there$'
    run tpm-sign info web
    [[ $output != *imported* ]]
    # One with a copy elsewhere was made outside, which it says as well.
    owner ec -pkeyopt ec_paramgen_curve:P-256
    tpm-sign keygen -q kept --exportable --backup owner.pem -o copy
    tpm-sign info kept | grep -q '^Type: .*, imported, may be moved to another$'
    tpm-sign delete -q -f kept
    [ "$(tpm-sign list --json | sed -nE 's/^ *"exportable":(.*),$/\1/p' | tr '\n' ' ')" = "false true " ]
}

# -- backup -------------------------------------------------------------------------------

owner() {
    openssl req -x509 -newkey "$@" -nodes -subj /CN=owner -keyout owner.key -out owner.pem 2>/dev/null
}

# scalar FILE: the private number of an EC key, in hexadecimal
scalar() {
    openssl pkey -inform DER -in "$1" -noout -text | sed -n '/^priv:/,/^pub:/p' |
        sed '1d;$d' | tr -d ' :\n' | sed 's/^00//'
}

@test "--backup: the owner of the certificate decrypts the copy with stock openssl, nobody else" {
    for certificate in "ec -pkeyopt ec_paramgen_curve:P-256" "rsa:2048"; do
        # shellcheck disable=SC2086 # words
        owner $certificate
        for type in p256 p384 rsa2048; do
            rm -rf state there copy copy.key
            tpm-sign keygen -q web -t "$type" --backup owner.pem -o copy --pin-file pin 2>/dev/null
            [ "$(stat -c %a copy)" = 600 ]
            signs web --pin-file pin
            openssl cms -decrypt -inform DER -in copy -inkey owner.key -out copy.key
            openssl pkey -inform DER -in copy.key -pubout | cmp - "$KEYS/web.pub"
            # into another TPM, without a PIN this time
            there tpm-sign import -q web copy.key
            there_signs web
        done
    done
    tpm-sign info web | grep -q '^Type: .*imported$'
    openssl ecparam -name prime256v1 -genkey -noout -out other.key
    run openssl cms -decrypt -inform DER -in copy -inkey other.key -out copy.key
    [ "$status" -ne 0 ]
}

@test "--backup for several owners; any of them decrypts it" {
    owner rsa:2048
    mv owner.key first.key
    mv owner.pem first.pem
    owner ec -pkeyopt ec_paramgen_curve:P-384
    tpm-sign keygen -q web --backup first.pem --backup owner.pem -o copy
    for key in first owner; do
        openssl cms -decrypt -inform DER -in copy -inkey "$key.key" -out copy.key
        openssl pkey -inform DER -in copy.key -pubout | cmp - "$KEYS/web.pub"
    done
}

@test "--backup: the private key is nowhere else: not in the store, not on the bus" {
    owner ec -pkeyopt ec_paramgen_curve:P-256
    TCTI_PCAP_FILE=$PWD/capture SEALRING_TCTI=pcap:$SEALRING_TCTI \
        tpm-sign keygen -q web --backup owner.pem -o copy
    openssl cms -decrypt -inform DER -in copy -inkey owner.key -out copy.key
    number=$(scalar copy.key)
    [ "${#number}" -ge 60 ]
    holds() { xxd -p "$1" | tr -d '\n' | grep -qF "$number"; }
    holds copy.key
    for file in capture copy state/keys/*; do
        [ -s "$file" ]
        run holds "$file"
        [ "$status" -ne 0 ]
    done
}

@test "--backup: no copy, no key; what is refused leaves nothing, and no older copy is lost" {
    owner ec -pkeyopt ec_paramgen_curve:P-256
    echo "an older copy" >copy
    fails 10 tpm-sign keygen web --backup owner.pem -o copy
    one_line
    [ "$(cat copy)" = "an older copy" ]
    fails 9 tpm-sign info web
    fails 2 tpm-sign keygen web --backup owner.pem
    says "--output FILE"
    fails 2 tpm-sign keygen web -o new
    fails 2 tpm-sign keygen web --backup message -o new
    fails 1 tpm-sign keygen web --backup owner.pem -o nowhere/new
    fails 2 tpm-sign keygen web --backup owner.pem -o new -t nothing
    [ ! -e new ]
    [ -z "$(find state -name 'web*')" ]
    tpm-sign keygen -q web --backup owner.pem -o new
    fails 10 tpm-sign keygen web --backup owner.pem -o newer
    [ ! -e newer ]
    # to a pipe, as anything else
    tpm-sign keygen -q piped --backup owner.pem -o - | openssl cms -decrypt -inform DER -inkey owner.key |
        openssl pkey -inform DER -pubout >piped.pub
    cmp piped.pub "$KEYS/piped.pub"
}
