#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, in tpm-sign: no crash, no leak, nothing left on the
# TPM, no signature that is not good, no key lost.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault

setup_file() {
    look_for_leaks
    tpm_start
    boot_state
    tpm_tries 100000
    base_new base
    printf 'correct horse battery' >"$BATS_FILE_TMPDIR/pin"
    printf 'another long PIN' >"$BATS_FILE_TMPDIR/new-pin"
    tpm-sign keygen -q kept
    tpm-sign keygen -q guarded --pin-file "$BATS_FILE_TMPDIR/pin" --pcrs 0+7 2>/dev/null
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$BATS_FILE_TMPDIR/soft"
    # Software keys have a store of their own, as they need a ring.
    base_new ring
    tpm-sign keygen -q kept -t ed25519 --no-recovery 2>/dev/null
}

# The one warning that nobody asked about: the TPM of this test does not slow down guessing.
chatter="guessing the PIN is not slowed down"

good() {
    openssl dgst -sha256 -verify "state/keys/$1.pub" -signature "$2" input >/dev/null
}

# signs KEY [OPTIONS]
signs() {
    tpm-sign sign "$@" input >good.sig && good "$1" good.sig
}

well_formed() {
    ! find state -mindepth 1 | grep -vxE 'state/keys(/(kept|guarded|new)\.(pem|pub))?' | grep -qvxE \
        'state/rings(/system(/ring\.conf|/approvals(/current\.pem)?|/secrets(/[0-9a-f]{40}\.softkey\.cms)?)?)?'
}

@test "tpm-sign sign" {
    start_from "$BASE"
    succeeded() { good kept out; }
    unharmed() { false; }
    campaign "tpm memory crypto file" tpm-sign sign kept input
}

@test "tpm-sign sign, with a PIN, PCRs and two files" {
    start_from "$BASE"
    printf new >second
    succeeded() { good guarded input.sig && good guarded second.sig; }
    unharmed() { false; }
    campaign "tpm memory crypto file" tpm-sign sign guarded --pin-file "$BATS_FILE_TMPDIR/pin" input second
}

@test "PCRs that change during Sign: the policy again, no second Load" {
    start_from "$BASE"
    names() {
        TCTI_PCAP_FILE=$PWD/capture SEALRING_TCTI=pcap:$SEALRING_TCTI "$@"
        "$helper/bus" capture | tr '\n' ' '
        rm capture
    }
    tpm-sign keygen -q new --pcrs 0+7
    # The fifth call is Sign: the first one opens the TPM.
    run names at tpm 5 changed tpm-sign sign new input
    echo "$output: $(cat "$HIT" out err)"
    [ "$(cat "$HIT")" = sr_object_sign_begin ]
    good new out
    [ "$output" = "StartAuthSession PolicyPCR Load PolicyRestart PolicyPCR Sign FlushContext " ]
}

@test "tpm-sign keygen" {
    start_from "$BASE"
    succeeded() { signs new && signs kept && well_formed; }
    # The key, if it is there, is whole, but for what can be made from it.
    unharmed() {
        [ ! -e state/keys/new.pem ] || tpm-sign verify -q new -s <(tpm-sign sign new input) input || return
        tpm-sign delete -q -f new 2>/dev/null || true
        again tpm-sign keygen -q new && succeeded
    }
    campaign "tpm memory crypto file" tpm-sign -q keygen new
}

@test "tpm-sign import" {
    start_from "$BASE"
    succeeded() { signs new && cmp -s state/keys/new.pub <(openssl pkey -in "$BATS_FILE_TMPDIR/soft" -pubout); }
    unharmed() {
        [ ! -e state/keys/new.pem ] || tpm-sign verify -q new -s <(tpm-sign sign new input) input || return
        tpm-sign delete -q -f new 2>/dev/null || true
        again tpm-sign import -q new "$BATS_FILE_TMPDIR/soft" && succeeded
    }
    campaign "tpm memory crypto file" tpm-sign -q import new "$BATS_FILE_TMPDIR/soft"
}

# soft_signs KEY: with a signature that is good
soft_signs() {
    tpm-sign sign "$1" input >good.sig && tpm-sign verify -q "$1" -s good.sig input
}

@test "tpm-sign sign, in software" {
    start_from "$BATS_FILE_TMPDIR/ring"
    succeeded() { tpm-sign verify -q kept -s out input; }
    unharmed() { false; }
    campaign "tpm memory crypto file" tpm-sign sign kept input
}

@test "tpm-sign keygen, in software" {
    start_from "$BATS_FILE_TMPDIR/ring"
    succeeded() { soft_signs new && soft_signs kept && [ -s state/keys/new.pub ]; }
    # A key that is there is whole; what nothing names harms nobody.
    unharmed() {
        [ ! -e state/keys/new.pem ] || soft_signs new || return
        soft_signs kept || return
        tpm-sign delete -q -f new 2>/dev/null || true
        again tpm-sign keygen -q new -t ed25519 && succeeded
    }
    campaign "tpm memory crypto file" tpm-sign -q keygen new -t ed25519
}

@test "tpm-sign delete, in software" {
    start_from "$BATS_FILE_TMPDIR/ring"
    succeeded() { [ -z "$(find state/keys state/rings/system/secrets -type f)" ]; }
    unharmed() {
        tpm-sign delete -q -f kept 2>/dev/null || true
        succeeded
    }
    campaign "memory crypto file" tpm-sign -q delete --force kept
}

@test "tpm-sign decrypt --cms, by EC and by RSA" {
    local key
    start_from "$BASE"
    mkdir opening
    for key in new new-rsa; do
        tpm-sign keygen -q $key -t "$([ $key = new ] && echo p256 || echo rsa2048)" --usage both
        tpm-sign cert self-sign $key --subject /CN=$key -o $key.crt
        openssl cms -encrypt -binary -aes-128-gcm -in input -outform PEM -out $key.cms $key.crt
        mv $key.cms $key.crt opening
    done
    tpm-sign cert install -q new opening/new.crt
    cp -a state opening/
    # What is decrypted comes out whole, or not at all.
    succeeded() { cmp -s out input; }
    unharmed() { [ ! -s out ]; }
    for key in new new-rsa; do
        start_from opening
        campaign "tpm memory crypto file" tpm-sign decrypt $key --cms "$PWD/opening/$key.cms"
    done
}

@test "tpm-sign passwd" {
    start_from "$BASE"
    succeeded() { signs guarded --pin-file "$BATS_FILE_TMPDIR/new-pin"; }
    unharmed() {
        signs guarded --pin-file "$BATS_FILE_TMPDIR/pin" 2>/dev/null || succeeded || return
        cp -a "$from/keys/guarded.pem" state/keys/
        again tpm-sign -q passwd guarded --pin-file "$BATS_FILE_TMPDIR/pin" \
            --new-pin-file "$BATS_FILE_TMPDIR/new-pin" && succeeded
    }
    campaign "tpm memory crypto file" tpm-sign -q passwd guarded \
        --pin-file "$BATS_FILE_TMPDIR/pin" --new-pin-file "$BATS_FILE_TMPDIR/new-pin"
}

# rotated: kept has a new key, and its old one with a certificate has the other name
rotated() {
    signs kept && cmp -s state/keys/kept@1.pem "$from/keys/kept.pem" &&
        cmp -s state/keys/kept@1.pub "$from/keys/kept.pub" &&
        cmp -s state/keys/kept@1.crt "$from/keys/kept.crt" && [ ! -e state/keys/kept.crt ]
}

@test "tpm-sign rotate" {
    start_from "$BASE"
    tpm-sign cert self-sign kept --subject /CN=kept | tpm-sign cert install -q kept
    mkdir certified
    cp -a state certified/
    start_from certified
    tpm-sign sign kept input >old.sig
    succeeded() { rotated && tpm-sign verify -q kept -s old.sig input; }
    sound() { tpm-sign verify -q kept -s <(tpm-sign sign kept input) input; }
    # The old key with all it has, or the new one; both sign, and what was signed verifies.
    unharmed() {
        sound && tpm-sign verify -q kept -s old.sig input || return
        if cmp -s state/keys/kept.pem "$from/keys/kept.pem"; then
            cmp -s state/keys/kept.crt "$from/keys/kept.crt" || return
        elif [ -e state/keys/kept.crt ]; then
            tpm-sign info kept | grep -q '^Certificate: none$' || return
        fi
        tpm-sign -q rotate kept && signs kept && tpm-sign verify -q kept -s old.sig input &&
            [ ! -e state/keys/kept.crt ] && [ -z "$(find state -name '.*.new')" ]
    }
    campaign "tpm memory crypto file" tpm-sign -q rotate kept
}

@test "tpm-sign info, of a key with a certificate" {
    start_from "$BASE"
    tpm-sign cert self-sign kept --subject /CN=kept | tpm-sign cert install -q kept
    mkdir certified
    cp -a state certified/
    start_from certified
    # There are few of them, and the ones that matter are those that read the certificate.
    local THOROUGH=1
    succeeded() { grep -qx 'Certificate: X.509' out; }
    unharmed() { false; }
    campaign "memory file" tpm-sign info kept
}

@test "tpm-sign csr --keep --if-missing, where one is kept" {
    start_from "$BASE"
    tpm-sign csr -q --keep kept --subject /CN=kept
    mkdir requested
    cp -a state requested/
    start_from requested
    local THOROUGH=1
    succeeded() { cmp -s state/keys/kept.csr requested/state/keys/kept.csr; }
    unharmed() { succeeded; }
    campaign "memory file" tpm-sign csr --keep --if-missing kept --subject /CN=other
}

@test "tpm-sign keygen --backup" {
    start_from "$BASE"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=owner \
        -keyout owner.key -out owner.pem 2>/dev/null
    # No key without the copy, which goes to standard output.
    copied() {
        openssl cms -decrypt -inform DER -in out -inkey owner.key 2>/dev/null |
            openssl pkey -inform DER -pubout 2>/dev/null | cmp -s - <(tpm-sign pubkey new)
    }
    succeeded() { signs new && copied && well_formed; }
    unharmed() {
        [ ! -e state/keys/new.pem ] || copied || return
        tpm-sign delete -qf new 2>/dev/null || true
        again tpm-sign keygen -q new && signs new
    }
    campaign "tpm memory crypto file" tpm-sign -q keygen new --backup owner.pem -o -
}

@test "tpm-sign export, and import of what it gave" {
    start_from "$BASE"
    tpm-sign pubkey -o srk.pub
    tpm-sign keygen -q moves --exportable && mv state with && mkdir base2 && mv with base2/state
    start_from base2
    unharmed() { false; }
    succeeded() { grep -q '^-----END TSS2 PRIVATE KEY-----$' out && cp out moved; }
    campaign "tpm memory crypto" tpm-sign export moves --to srk.pub
    succeeded() { signs new && cmp -s state/keys/new.pub state/keys/moves.pub; }
    unharmed() {
        [ ! -e state/keys/new.pem ] || tpm-sign verify -q new -s <(tpm-sign sign new input) input || return
        tpm-sign delete -q -f new 2>/dev/null || true
        tpm-sign import -q new moved && succeeded
    }
    campaign "tpm file" tpm-sign -q import new moved
}

@test "tpm-sign tag, and csr --keep" {
    start_from "$BASE"
    succeeded() { signs kept && [ "$(tpm-sign tag kept)" = role=tls ]; }
    unharmed() { succeeded || { signs kept && [ -z "$(tpm-sign tag kept)" ] && tpm-sign tag kept role=tls; }; }
    campaign "memory file" tpm-sign tag kept role=tls
    succeeded() { openssl req -in state/keys/kept.csr -noout -pubkey | cmp -s - state/keys/kept.pub; }
    unharmed() { succeeded || { rm -f state/keys/kept.csr && tpm-sign csr -q kept --keep --subject /CN=x && succeeded; }; }
    campaign "file" tpm-sign -q csr kept --keep --subject /CN=x
}

@test "tpm-sign delete" {
    start_from "$BASE"
    succeeded() { [ "$(ls state/keys)" = $'guarded.pem\nguarded.pub' ]; }
    unharmed() {
        [ ! -e state/keys/kept.pem ] || tpm-sign verify -q kept -s <(tpm-sign sign kept input) input || return
        tpm-sign delete -q -f kept 2>/dev/null || true
        succeeded
    }
    campaign "memory file" tpm-sign -q delete --force kept
}

@test "tpm-sign list, a request and a certificate" {
    start_from "$BASE"
    unharmed() { false; }
    succeeded() { [ "$(wc -l <out)" -eq 2 ]; }
    campaign "memory file" tpm-sign list
    succeeded() { openssl req -in out -noout -verify 2>/dev/null; }
    campaign "tpm" tpm-sign csr kept --subject /CN=x
    succeeded() { openssl verify -CAfile out out >/dev/null; }
    campaign "tpm" tpm-sign cert self-sign kept --subject /CN=x
}
