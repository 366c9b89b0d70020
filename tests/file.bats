#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-unseal --file: sealed files as other tools write them, made here with stock tools.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load common

storage='fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt'
srk=0x81000001 rsa_srk=0x81000002

# Statements: command codes, and PCR 0+7 of the SHA-256 bank
PCR=17f AUTHVALUE=16b LOCALITY=16f TIMER=16d AUTHORIZE=16a
pcr_0_7=00000001000b03810000

setup_file() {
    tpm_start
    boot_state
    tpm2_dictionarylockout -Q --setup-parameters -n 1000 -t 1000 -l 1000
    cd "$BATS_FILE_TMPDIR"
    printf 'sesame, by another tool' >secret
    tpm2_createprimary -Q -C o -G ecc256:aes128cfb -a "$storage" -c ecc.ctx
    tpm2_evictcontrol -Q -C o -c ecc.ctx $srk
    tpm2_flushcontext -t
    tpm2_createprimary -Q -C o -G rsa2048:aes128cfb -a "$storage" -c rsa.ctx
    tpm2_evictcontrol -Q -C o -c rsa.ctx $rsa_srk
    tpm2_flushcontext -t
    openssl genrsa -out signer.pem 2048 2>/dev/null
    openssl pkey -in signer.pem -pubout -out signer.pub
    tpm2_loadexternal -Q -C o -G rsa -u signer.pub -c signer.ctx -n signer.name
    tpm2_readpublic -Q -c signer.ctx -f tss -o signer.tss
    tpm2_flushcontext -t
}

setup() {
    store_new
    here=$BATS_FILE_TMPDIR
    secret=$(cat "$here/secret")
    new_file
}

# ---- what a file is made of ----

# new_file: forget everything; the fields as most tools write them
new_file() {
    oid=2.23.133.10.1.5 empty=TRUE policy=() signed=() import='' rsa='' parent=0x40000001
    pub=pub priv=priv
}

# statements NAME CODE:BODY...: a section of statements
statements() {
    local n=0 one
    printf '[%s]\n' "$1"
    for one in "${@:2}"; do printf 's%d=SEQUENCE:%s_%d\n' $n "$1" $n && n=$((n + 1)); done
    n=0
    for one in "${@:2}"; do
        one="${one%%:*} FORMAT:HEX,OCT:${one#*:}"
        [ -n "${one##*:}" ] || one=${one/FORMAT:HEX,/}
        printf '[%s_%d]\ncode=EXPLICIT:0,INTEGER:0x%s\nbody=EXPLICIT:1,%s\n' \
            "$1" $n "${one%% *}" "${one#* }"
        n=$((n + 1))
    done
}

# conf: the fields as openssl's ASN.1 generator wants them
conf() {
    local n=0 one
    printf 'asn1=SEQUENCE:key\n[key]\ntype=OID:%s\n' "$oid"
    [ -z "$empty" ] || echo "empty=EXPLICIT:0,BOOLEAN:$empty"
    [ ${#policy[@]} -eq 0 ] || echo 'policy=EXPLICIT:1,SEQUENCE:policy'
    [ -z "$import" ] || echo "secret=EXPLICIT:2,FORMAT:HEX,OCT:$(hex "$import")"
    [ ${#signed[@]} -eq 0 ] || echo 'signed=EXPLICIT:3,SEQUENCE:signed'
    [ -z "$rsa" ] || echo "rsa=EXPLICIT:5,BOOLEAN:$rsa"
    printf 'parent=INTEGER:%s\npub=FORMAT:HEX,OCT:%s\npriv=FORMAT:HEX,OCT:%s\n' \
        "$parent" "$(hex "$pub")" "$(hex "$priv")"
    statements policy "${policy[@]}"
    echo '[signed]'
    for one in "${signed[@]}"; do echo "e$n=SEQUENCE:entry$n" && n=$((n + 1)); done
    n=0
    for one in "${signed[@]}"; do
        printf '[entry%d]\nname=EXPLICIT:0,UTF8:entry %d\nlist=EXPLICIT:1,SEQUENCE:list%d\n' $n $n $n
        # shellcheck disable=SC2086 # one statement a word
        statements "list$n" $one
        n=$((n + 1))
    done
}

# write FILE: as DER; FILE.pem is the same as PEM
write() {
    conf >"$1.conf"
    openssl asn1parse -genconf "$1.conf" -noout -out "$1" >/dev/null
    {
        echo '-----BEGIN TSS2 PRIVATE KEY-----'
        base64 -w 64 "$1"
        echo '-----END TSS2 PRIVATE KEY-----'
    } >"$1.pem"
}

# object PARENT POLICY [OPTIONS]: seal the secret; POLICY is a file, or ""
object() {
    tpm2_create -Q -C "$1" -i "$here/secret" -u pub -r priv ${2:+-L "$2"} "${@:3}"
    tpm2_flushcontext -t
}

guarded='fixedtpm|fixedparent|noda'      # by policy
open_to='fixedtpm|fixedparent|userwithauth' # by password

# trial COMMAND...: what the session holds after these goes to the file "policy"
trial() {
    local command
    tpm2_startauthsession -Q -S trial.ctx
    for command in "$@"; do
        # shellcheck disable=SC2086 # words on purpose
        $command -Q -S trial.ctx -L policy
    done
    tpm2_flushcontext trial.ctx
}

# pcr_digest: of PCR 0+7 as they are
pcr_digest() {
    tpm2_pcrread -Q sha256:0,7 -o pcrs.bin
    sha256sum pcrs.bin | cut -d' ' -f1
}

# opens FILE [OPTIONS]: as DER and as PEM
opens() {
    local form
    for form in "$1" "$1.pem"; do
        fails 0 tpm-unseal --file "$form" "${@:2}"
        [ "$output" = "$secret" ] || echo "got: $output"
        [ "$output" = "$secret" ]
    done
}

# refused STATUS FILE TEXT [OPTIONS]
refused() {
    fails "$1" setsid --wait tpm-unseal --file "$2" "${@:4}" </dev/null
    one_line
    says "$2"
    says "$3"
    [[ $output != *"$secret"* ]]
}

fails_somehow() {
    run "$@"
    echo "$status: $output"
    [ "$status" -ne 0 ] && [ "$status" -lt 10 ]
    one_line
    [[ $output != *"$secret"* ]]
}

# refuse TEXT: the file "bad"
refuse() {
    refused 8 bad "$1"
    count=$((count + 1))
}

closed_after_pcr() {
    extend 7 "another certificate"
    refused 3 "$1" "policy does not hold" "${@:2}"
    tpm_boot
    opens "$1" "${@:2}"
}

# ---- policies ----

@test "PolicyPCR in all encodings: selection and digest, the command's, and without digest" {
    trial "tpm2_policypcr -l sha256:0,7"
    object $srk policy -a "$guarded"
    digest=$(pcr_digest)
    for body in "$pcr_0_7$digest" "0020$digest$pcr_0_7" "0000$pcr_0_7"; do
        policy=("$PCR:$body")
        write key
        opens key
    done
    extend 7 "another certificate"
    for body in "$pcr_0_7$digest" "0020$digest$pcr_0_7" "0000$pcr_0_7"; do
        policy=("$PCR:$body")
        write key
        refused 3 key "policy"
    done
    tpm_boot
    opens key
}

@test "openssl_tpm2_engine: PCRs and a password, parent 0x40000001 or persistent" {
    trial "tpm2_policypcr -l sha256:0,7" tpm2_policyauthvalue
    object $srk policy -a "fixedtpm|fixedparent" -p "a password"
    printf 'a password' >pin
    printf 'no password' >wrong
    policy=("$PCR:$pcr_0_7$(pcr_digest)" "$AUTHVALUE:")
    for parent in 0x40000001 $srk -2130706431; do
        for empty in FALSE ""; do
            write key
            opens key --pin-file pin
            refused 4 key "wrong PIN" --pin-file wrong
            refused 4 key PIN
        done
    done
    closed_after_pcr key --pin-file pin
}

@test "a password and no policy; emptyAuth TRUE, FALSE and absent" {
    printf 'a password' >pin
    printf 'no password' >wrong
    object $srk "" -a "$open_to" -p "a password"
    for empty in FALSE ""; do
        write key
        opens key --pin-file pin
        refused 4 key "wrong PIN" --pin-file wrong
        refused 4 key PIN
    done
    # TRUE promises that none is needed: it is not asked for, and the TPM says no
    empty=TRUE
    write key
    refused 4 key "wrong PIN" --pin-file pin
    object $srk "" -a "$open_to"
    write key
    opens key
}

@test "PolicyAuthValue alone, with a password" {
    trial tpm2_policyauthvalue
    object $srk policy -a "$guarded" -p "a password"
    printf 'a password' >pin
    empty=FALSE policy=("$AUTHVALUE:")
    write key
    opens key --pin-file pin
}

@test "PolicyLocality: 0 opens, another does not" {
    trial "tpm2_policylocality 1"
    object $srk policy -a "$guarded"
    policy=("$LOCALITY:$(locality_of 1)")
    write key
    opens key
    trial "tpm2_policylocality 2"
    object $srk policy -a "$guarded"
    policy=("$LOCALITY:$(locality_of 2)")
    write key
    refused 3 key "the policy wants another locality"
}

# Whatever the tool makes of its argument: the octet whose policy it computed.
locality_of() {
    local octet
    for octet in 01 02 04 08 10; do
        if { head -c 32 /dev/zero && xxd -r -p <<<"0000016f$octet"; } | openssl dgst -sha256 -binary |
            cmp -s - policy; then
            echo $octet
        fi
    done
}

@test "PolicyCounterTimer in both encodings: this boot opens it, the next does not" {
    resets=$(tpm2_readclock | sed -n 's/.*reset_count: //p')
    trial "tpm2_policycountertimer --eq resets=$resets"
    object $srk policy -a "$guarded"
    operand=$(printf %08x "$resets")
    for body in "${operand}00100000" "0004${operand}00100000"; do
        policy=("$TIMER:$body")
        write "timer${#body}"
        opens "timer${#body}"
    done
    tpm_boot
    for file in timer16 timer20; do
        refused 3 $file "its time window is not open"
    done
}

# ---- signed policies ----

# What an object has whose policy is whatever the signer signs (Part 3, 23.16).
authorize_policy() {
    { head -c 32 /dev/zero && xxd -r -p <<<"0000016a$(hex "$here/signer.name")"; } |
        openssl dgst -sha256 -binary >authorize.1
    { cat authorize.1 && printf %s "$1"; } | openssl dgst -sha256 -binary >authorize.policy
}

# authorize REF [POLICY]: the body of PolicyAuthorize, signing the digest in the file
authorize() {
    hex "$here/signer.tss"
    printf '%04x%s' "${#1}" "$(printf %s "$1" | xxd -p)"
    if [ $# -eq 1 ]; then
        printf 0010
    else
        { cat "$2" && printf %s "$1"; } | openssl dgst -sha256 -sign "$here/signer.pem" >signature
        printf 0014000b0100%s "$(hex signature)"
    fi
}

@test "pcr-oracle: signed policies, the first that holds opens; none holds: exit 3" {
    for ref in "" "system 7"; do
        new_file
        authorize_policy "$ref"
        object $srk authorize.policy -a "$guarded"
        trial "tpm2_policypcr -l sha256:0,7"
        cp policy now.policy
        now="$PCR:0020$(pcr_digest)$pcr_0_7"
        signed_now="$now $AUTHORIZE:$(authorize "$ref" now.policy)"
        extend 7 "another certificate"
        trial "tpm2_policypcr -l sha256:0,7"
        then="$PCR:0020$(pcr_digest)$pcr_0_7"
        signed_then="$then $AUTHORIZE:$(authorize "$ref" policy)"
        # signed, but for another statement: the signature does not fit
        unsigned="$then $AUTHORIZE:$(authorize "$ref" now.policy)"
        tpm_boot

        policy=("$AUTHORIZE:$(authorize "$ref")")
        signed=("$signed_then" "$signed_now")
        write key
        opens key
        signed=("$signed_now" "$signed_then")
        write key
        opens key
        # as GRUB's tools write it: no policy of its own, TRUE as 0x01
        policy=()
        write grub
        opens grub
        hex grub | sed 's/a0030101ff/a003010101/' | xxd -r -p >lenient
        run cmp -s grub lenient
        [ "$status" -eq 1 ]
        fails 0 tpm-unseal --file lenient
        [ "$output" = "$secret" ]
        signed=("$signed_then")
        write later
        refused 3 later "policy does not hold"

        extend 7 "another certificate"
        opens key
        opens later
        signed=("$signed_now")
        write now
        refused 3 now "policy does not hold"
        signed=("$unsigned")
        write unsigned
        refused 3 unsigned "the signature on its policy is not valid"
        signed=("$unsigned" "$signed_then")
        write key
        opens key
        tpm_boot
    done
}

# ---- parents, import ----

@test "an RSA parent: rsaParent TRUE; without it, or on another TPM's seed: not opened" {
    trial "tpm2_policypcr -l sha256:0,7"
    object $rsa_srk policy -a "$guarded"
    policy=("$PCR:$pcr_0_7$(pcr_digest)")
    rsa=TRUE
    write key
    opens key
    closed_after_pcr key
    rsa=""
    write ecc
    refused 7 ecc "sealed by another TPM"
    object $srk policy -a "$guarded"
    write ecc
    opens ecc
    rsa=TRUE
    write key
    refused 7 key "sealed by another TPM"
}

@test "a persistent parent that is not there: exit 7" {
    object $srk ""
    parent=0x81000123
    write key
    refused 7 key "its storage key 0x81000123 is not in this TPM"
    parent=0x40000001
    write key
    opens key
    for parent in 0x4000000b 0x4000000c 0x40000007; do # other hierarchies: other seeds
        write key
        refused 7 key "sealed by another TPM"
    done
}

@test "an importable file: wrapped for the storage key elsewhere, with and without password" {
    tpm2_createprimary -Q -C e -G ecc256:aes128cfb -a "$storage" -c elsewhere.ctx
    tpm2_flushcontext -t
    trial "tpm2_policycommandcode TPM2_CC_Duplicate"
    cp policy duplicate.policy
    printf 'a password' >pin
    printf 'no password' >wrong
    for password in "" "a password"; do
        object elsewhere.ctx duplicate.policy -a userwithauth ${password:+-p "$password"}
        duplicate
        empty=$([ -z "$password" ] && echo TRUE || echo FALSE)
        for parent in 0x40000001 $srk; do
            import=seed priv=duplicated
            write key
            if [ -z "$password" ]; then
                opens key
            else
                opens key --pin-file pin
                refused 4 key "wrong PIN" --pin-file wrong
            fi
        done
        # a flipped bit in the seed
        flip=$(hex seed)
        xxd -r -p <<<"${flip:0:20}$(printf %x $((0x${flip:20:1} ^ 1)))${flip:21}" >flipped
        import=flipped
        write key
        fails_somehow tpm-unseal --file key --pin-file pin
    done
}

# duplicate: pub and priv under elsewhere.ctx, for the storage key: duplicated, seed
duplicate() {
    tpm2_load -Q -C elsewhere.ctx -u pub -r priv -c object.ctx
    tpm2_flushcontext -t
    tpm2_startauthsession -Q --policy-session -S session.ctx
    tpm2_policycommandcode -Q -S session.ctx TPM2_CC_Duplicate
    tpm2_duplicate -Q -C $srk -c object.ctx -G null -p session:session.ctx \
        -r duplicated -s seed
    tpm2_flushcontext session.ctx
    tpm2_flushcontext -t
}

@test "an importable file under signed PCRs" {
    authorize_policy importable
    tpm2_createprimary -Q -C e -G ecc256:aes128cfb -a "$storage" -c elsewhere.ctx
    tpm2_flushcontext -t
    object elsewhere.ctx authorize.policy -a noda
    # its signer lets it be duplicated once
    trial "tpm2_policycommandcode TPM2_CC_Duplicate"
    { cat policy && printf importable; } | openssl dgst -sha256 -binary >approved
    openssl pkeyutl -sign -inkey "$here/signer.pem" -in approved -pkeyopt digest:sha256 >sig
    tpm2_load -Q -C elsewhere.ctx -u pub -r priv -c object.ctx
    tpm2_flushcontext -t
    tpm2_loadexternal -Q -C o -G rsa -u "$here/signer.pub" -c signer.ctx
    tpm2_flushcontext -t
    tpm2_verifysignature -Q -c signer.ctx -d approved -s sig -f rsassa -t ticket
    tpm2_flushcontext -t
    tpm2_startauthsession -Q --policy-session -S session.ctx
    tpm2_policycommandcode -Q -S session.ctx TPM2_CC_Duplicate
    printf importable >ref
    tpm2_policyauthorize -Q -S session.ctx -i policy -n "$here/signer.name" -q ref -t ticket
    tpm2_duplicate -Q -C $srk -c object.ctx -G null -p session:session.ctx \
        -r duplicated -s seed
    tpm2_flushcontext session.ctx
    tpm2_flushcontext -t

    trial "tpm2_policypcr -l sha256:0,7"
    policy=("$AUTHORIZE:$(authorize importable)")
    signed=("$PCR:$pcr_0_7$(pcr_digest) $AUTHORIZE:$(authorize importable policy)")
    import=seed priv=duplicated
    write key
    opens key
    closed_after_pcr key
}

# ---- what is refused ----

@test "a key is no sealed data: exit 8" {
    tpm2_create -Q -C $srk -G ecc256 -u pub -r priv
    tpm2_flushcontext -t
    oid=2.23.133.10.1.3
    write key
    refused 8 key "it holds a key, not sealed data"
    refused 8 key.pem "it holds a key, not sealed data"
    oid=2.23.133.10.1.5
    write key
    refused 8 key "claims sealed data but has a key"
}

@test "malformed files: exit 8, and the reason" {
    trial "tpm2_policypcr -l sha256:0,7"
    object $srk policy -a "$guarded"
    digest=$(pcr_digest)
    good=("$PCR:$pcr_0_7$digest")
    policy=("${good[@]}")
    write key
    opens key
    count=0

    : >bad && refuse "is empty"
    head -c 70000 /dev/zero >bad && refuse "arger than"
    echo hello >bad && refuse "no TSS2 PRIVATE KEY block"
    { cat key && printf x; } >bad && refuse "trailing bytes"
    head -c -1 key >bad && refuse "damaged"
    openssl genrsa -out bad 2048 2>/dev/null && refuse "another PEM block"
    cat key.pem key.pem >bad && refuse "more than one PEM block"
    sed 's/^\(-----BEGIN.*\)/\1\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n/' key.pem >bad
    refuse "has headers"
    { sed -n 1,3p key.pem && sed -n '5,$p' key.pem; } >bad && refuse "key"
    hex key | sed 's/a0030101ff/a003010107/' | xxd -r -p >bad && refuse "emptyAuth is neither true nor false"
    oid=2.23.133.10.1.9 && write bad && refuse "of an unknown type, 2.23.133.10.1.9"
    oid=2.23.133.10.1.3 import=pub && write bad && refuse "loadable but has a secret"
    new_file && oid=2.23.133.10.1.4 policy=("${good[@]}") && write bad && refuse "importable but has no secret"
    new_file && policy=("${good[@]}")
    for parent in 0x80000000 0 0x40000009 0x100000001; do write bad && refuse "parent"; done
    parent=$srk rsa=TRUE && write bad && refuse "rsaParent of a persistent parent"
    new_file && policy=("$PCR:$pcr_0_7${digest/?/f}")
    [ "${digest:0:1}" != f ] || policy=("$PCR:$pcr_0_7${digest/?/e}")
    write bad && refuse "policy is not the one of its object"
    policy=("${good[@]}" "$AUTHVALUE:") && write bad && refuse "policy is not the one of its object"
    policy=("171:0000") && write bad && refuse "a statement we do not know (command 0x171)"
    policy=("$PCR:${pcr_0_7/81/00}$digest") && write bad && refuse "selects no PCR"
    policy=("$PCR:") && write bad && refuse "is empty"
    policy=("$PCR:$pcr_0_7${digest:2}") && write bad && refuse "PolicyPCR in the policy"
    policy=("$AUTHVALUE:00") && write bad && refuse "trailing bytes"
    policy=("$LOCALITY:0100") && write bad && refuse "trailing bytes"
    policy=("$TIMER:0000") && write bad && refuse "damaged"
    policy=("$PCR:$pcr_0_7$digest" "$AUTHORIZE:$(authorize "")") && write bad
    refuse "PolicyAuthorize in the wrong place"
    policy=() && for _ in 1 2 3 4 5 6 7 8 9; do policy+=("${good[@]}"); done
    write bad && refuse "has 9 statements; 8 are allowed"
    policy=("${good[@]}") && signed=("${good[*]}") && write bad && refuse "authPolicy"
    new_file && policy=("${good[@]}")
    head -c -1 pub >short && pub=short && write bad && refuse "public area is damaged"
    { cat priv && printf x; } >longer && pub=pub priv=longer && write bad && refuse "private area is damaged"
    printf '\0\0' >none && priv=none && write bad && refuse "private area is damaged"
    echo "$count malformed files"
    [ "$count" -eq 33 ]
    opens key
}

@test "every flipped byte of a file: the secret, or a refusal with a documented code" {
    trial "tpm2_policypcr -l sha256:0,7"
    object $srk policy -a "$guarded"
    policy=("$PCR:$pcr_0_7$(pcr_digest)")
    write key
    size=$(stat -c %s key)
    content=$(hex key)
    tried=0 opened=0
    for ((at = 0; at < size; at++)); do
        byte=$(printf %02x $((0x${content:2 * at:2} ^ 0x55)))
        xxd -r -p <<<"${content:0:2*at}$byte${content:2*at+2}" >flipped
        status=0
        tpm-unseal --file flipped >out 2>message </dev/null || status=$?
        if [ "$status" -eq 0 ]; then
            [ "$(cat out)" = "$secret" ]
            opened=$((opened + 1))
        else
            [[ $status =~ ^[134578]$ ]] || echo "byte $at: $status: $(cat message)"
            [[ $status =~ ^[134578]$ ]]
            [ "$(wc -l <message)" -eq 1 ]
            [ ! -s out ]
        fi
        tried=$((tried + 1))
    done
    echo "# $tried bytes tried, $opened opened" >&3
    [ "$tried" -ge 300 ]
    [ "$opened" -le 5 ]
}

@test "no such file, a directory: one line" {
    fails_somehow tpm-unseal --file absent
    mkdir directory
    fails_somehow tpm-unseal --file directory
}

# ---- peers read ours ----

# octets FILE N: the content of the Nth of its OCTET STRINGs from the end
octets() {
    openssl asn1parse -inform DER -in "$1" | grep 'OCTET STRING' | tail -n "$2" | head -n 1 |
        sed 's/^ *\([0-9]*\):d=.* hl= *\([0-9]*\) *l= *\([0-9]*\) .*/\1 \2 \3/' |
        {
            read -r offset head length
            dd if="$1" bs=1 skip=$((offset + head)) count="$length" status=none
        }
}

@test "tpm2_load and tpm2_unseal open an approval of ours, and not after PCR 7 moved" {
    seal key sesame
    sed '1,/^-----BEGIN/d; /^-----END/,$d' "$RINGS/system/approvals/current.pem" | base64 -d >key
    octets key 2 >pub
    octets key 1 >priv
    tpm2_load -Q -C $srk -u pub -r priv -c object.ctx
    tpm2_flushcontext -t
    tpm2_unseal -Q -c object.ctx -p pcr:sha256:0,7 -o ring.key
    tpm2_flushcontext -t
    [ "$(stat -c %s ring.key)" -eq 32 ]
    openssl cms -decrypt -inform DER -binary -in "$RINGS/system/recovery.cms" \
        -pwri_password "$(cat "$RK")" | cmp - ring.key
    tpm-unseal --file "$RINGS/system/approvals/current.pem" | cmp - ring.key
    extend 7 "another certificate"
    run tpm2_unseal -Q -c object.ctx -p pcr:sha256:0,7 -o again.key
    [ "$status" -ne 0 ]
    [ ! -s again.key ]
    tpm2_flushcontext -t
    "$helper/handles" "$SEALRING_TCTI" flush || :
    tpm_boot
}
