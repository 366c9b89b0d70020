#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Messages that stock openssl encrypted to certificates of our keys; secrets that EC keys share
# with peers; what of that the bus shows; what damaged and foreign messages give.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a shell of its own; helper, status, output: from common.bash and bats

load rest

provider=(-provider tpm2 -provider default -propquery '?provider=tpm2')

setup_file() {
    tpm_start
    boot_state
    openssl_modules
    tpm_tries 30
    # Keys with a certificate each, made once; and one of which the private part is known.
    export SEALRING_CONFIG_DIR=/nonexistent SEALRING_STATE_DIR=$BATS_FILE_TMPDIR/state
    cd "$BATS_FILE_TMPDIR" || return
    for type in p256 p384 p521 rsa2048; do
        tpm-sign keygen -q $type -t $type --usage both
        tpm-sign cert self-sign $type --subject /CN=$type -o $type.crt
    done
    for type in ec rsa; do
        if [ $type = ec ]; then
            openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $type.key
        else
            openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $type.key 2>/dev/null ||
                openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $type.key 2>/dev/null
        fi
        openssl req -x509 -new -key $type.key -subj /CN=$type -out $type.crt
        tpm-sign import -q $type $type.key --usage decrypt
    done
    export BASE=$BATS_FILE_TMPDIR
}

setup() {
    store_new
    cp -a "$BASE/state" "$SEALRING_STATE_DIR"
    cp "$BASE"/*.crt "$BASE"/*.key .
    export TPM2OPENSSL_TCTI=$SEALRING_TCTI
    printf 'correct horse battery' >pin
    seq 1 2000 >plain
}

# encrypt CERTIFICATE [OPTIONS]: plain, to the file "message"
encrypt() {
    openssl cms -encrypt -binary -in plain -out message -recip "$1" "${@:2}"
}

# opens KEY [OPTIONS]: the message is decrypted to what was encrypted
opens() {
    tpm-sign decrypt "$1" --cms "${@:2}" message | cmp - plain
}

# peer_of: the sender's public key in the message (DER), as SubjectPublicKeyInfo
peer_of() {
    local at
    at=$(openssl asn1parse -inform DER -in message | sed -n 's/^ *\([0-9]*\):.* BIT STRING.*/\1/p' | head -n 1)
    openssl asn1parse -inform DER -in message -strparse "$at" -noout -out point
    openssl pkey -in ec.key -pubout -outform DER | head -c 26 | cat - point
}

# encrypted_key: the last OCTET STRING but for the content, of a message to an RSA key
encrypted_key() {
    local at
    at=$(openssl asn1parse -inform DER -in message | sed -n 's/^ *\([0-9]*\):.*l= 256 prim: OCTET STRING.*/\1/p' | head -n 1)
    openssl asn1parse -inform DER -in message -offset "$at" -length 260 -noout -out tlv
    tail -c 256 tlv
}

@test "stock openssl encrypts, the TPM decrypts: each key, cipher, padding and form" {
    count=0
    tries() {
        encrypt "$@"
        opens "$key" || { echo "$*" && return 1; }
        count=$((count + 1))
    }
    for key in p256 p384 p521 rsa2048; do
        for cipher in -aes-128-cbc -aes-256-cbc -aes-256-gcm; do
            tries $key.crt $cipher -outform DER
        done
    done
    key=p256
    for form in PEM SMIME; do
        tries p256.crt -outform $form
    done
    tries p256.crt -aes-192-gcm -stream -indef -outform DER
    for hash in sha1 sha384 sha512; do
        tries p256.crt -aes-128-cbc -outform DER -keyopt ecdh_kdf_md:$hash
    done
    # 3DES is what openssl takes where nothing is said.
    tries p256.crt -des3 -outform PEM
    tries p256.crt -aes-128-cbc -outform PEM -keyopt ecdh_cofactor_mode:1
    tries p256.crt -aes192 -aes256-wrap -outform PEM
    key=rsa2048
    tries rsa2048.crt -des3
    for hash in sha1 sha256 sha384 sha512; do
        tries rsa2048.crt -aes-128-gcm -outform DER -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:$hash
    done
    printf 'From: me\nTo: you\nSubject: a mail\n' >mail
    encrypt rsa2048.crt -aes-256-cbc
    cat message >>mail
    mv mail message
    opens rsa2048
    sed 's/$/\r/' message >crlf
    mv crlf message
    opens rsa2048
    # PKCS#7, which is older, and has one form of it.
    openssl smime -encrypt -binary -aes256 -in plain -outform PEM -out message rsa2048.crt
    opens rsa2048
    # Standard input, a file as the key, and an empty content.
    tpm-sign decrypt "$KEYS/rsa2048.pem" --cms <message | cmp - plain
    : >plain
    encrypt p256.crt -aes-256-gcm -outform PEM
    opens p256
    encrypt p256.crt -aes-256-cbc -outform PEM
    opens p256
    echo "# $count kinds of messages" >&3
    [ "$count" -ge 24 ]
}

@test "four TPM commands, in a session that encrypts; none for what is no message" {
    encrypt p256.crt -aes-256-cbc -outform DER
    [ "$(commands tpm-sign decrypt p256 --cms message)" = "StartAuthSession Load ECDH_ZGen FlushContext" ]
    cmp out plain
    encrypt rsa2048.crt -aes-256-cbc -outform DER
    [ "$(commands tpm-sign decrypt rsa2048 --cms message)" = "StartAuthSession Load RSA_Decrypt FlushContext" ]
    cmp out plain
    for key in p256 rsa2048; do
        [ "$(commands tpm-sign decrypt $key --cms plain || echo "$?")" = 8 ]
    done
    [ "$(commands tpm-sign decrypt p256 --cms message || echo "$?")" = 8 ]
    # Each key that could be it is tried, but not without end.
    openssl cms -encrypt -aes-256-gcm -in plain -out message -outform DER p256.crt p256.crt
    [[ $(commands tpm-sign decrypt ec --cms message 2>said || echo " $?") == *ECDH_ZGen*ECDH_ZGen*" 8" ]]
    # shellcheck disable=SC2046 # words
    openssl cms -encrypt -aes-256-gcm -in plain -out message -outform DER $(printf 'p256.crt %.0s' {1..17})
    [ "$(commands tpm-sign decrypt ec --cms message 2>said || echo "$?")" = 8 ]
    grep -q "17 recipients of the message could be this key" said
    tpm-sign cert install -q p256 p256.crt
    [ "$(commands tpm-sign decrypt p256 --cms message 2>said || echo "$?")" = 8 ]
    grep -q "encrypted to the key's certificate 17 times" said
}

@test "several recipients: by certificate, or those that fit are tried" {
    openssl cms -encrypt -binary -aes-128-cbc -in plain -out message -outform DER \
        rsa2048.crt p384.crt ec.crt p521.crt p256.crt
    for key in p256 ec p384 p521 rsa2048; do
        opens $key
        tpm-sign cert install -q $key $key.crt
        opens $key
    done
    # Two RSA keys under PKCS#1 v1.5 and CBC: nothing would tell which of them it was.
    openssl cms -encrypt -binary -aes-128-cbc -in plain -out message -outform DER rsa.crt rsa2048.crt
    opens rsa2048
    fails 8 tpm-sign decrypt rsa --cms message
    one_line
    says "2 recipients of the message could be this key: keep its certificate beside it"
    tpm-sign cert install -q rsa rsa.crt
    opens rsa
    # GCM tells, and so does OAEP.
    rm "$KEYS"/*.crt
    openssl cms -encrypt -binary -aes-128-gcm -in plain -out message -outform DER rsa.crt rsa2048.crt
    opens rsa2048
    opens rsa
    openssl cms -encrypt -binary -aes-128-cbc -in plain -out message -outform DER \
        -recip rsa.crt -keyopt rsa_padding_mode:oaep -recip rsa2048.crt -keyopt rsa_padding_mode:oaep
    opens rsa2048
    # By subjectKeyIdentifier.
    for key in ec rsa; do
        encrypt $key.crt -aes-128-cbc -keyid -outform DER
        tpm-sign cert install -q $key $key.crt
        opens $key
    done
    # Another certificate by now: those that it does not name are tried, where that tells.
    for key in ec rsa; do
        openssl req -x509 -new -key $key.key -subj /CN=renewed -out renewed.crt
        tpm-sign cert install -q $key renewed.crt
        encrypt $key.crt -aes-128-gcm
        opens $key
    done
    encrypt rsa.crt -aes-128-cbc
    fails 8 tpm-sign decrypt rsa --cms message
    one_line
    says "the message is not encrypted to the key's certificate"
    opens "$KEYS/rsa.pem"
}

# crowd COUNT: the one reader in the message gets so many before him, of other certificates
crowd() {
    python3 - "$1" <<'END'
import sys

def head(tag, size):
    octets = size.to_bytes((size.bit_length() + 7) // 8, 'big')
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(octets)]) + octets)

def parts(data):
    while data:
        size, skip = data[1], 2
        if size & 0x80:
            skip += size & 0x7f
            size = int.from_bytes(data[2:skip], 'big')
        yield data[0], data[skip:skip + size]
        data = data[skip + size:]

def join(content):
    return b''.join(head(tag, len(value)) + value for tag, value in content)

def change(data, path, how):
    if not path:
        return how(data)
    content = list(parts(data))
    tag, value = content[path[0]]
    content[path[0]] = tag, change(value, path[1:], how)
    return join(content)

def others(readers):
    tag, one = list(parts(readers))[-1]
    def number(n):
        return change(one, [0, 1], lambda serial: b'\x01' + n.to_bytes(4, 'big') + serial[5:])
    return join([(tag, number(n)) for n in range(int(sys.argv[1]))] + [(tag, one)])

message = open('message', 'rb').read()
# ContentInfo: EnvelopedData: RecipientInfos: KeyAgreeRecipientInfo: recipientEncryptedKeys
open('message', 'wb').write(change(message, [0, 1, 0, 1, 0, -1], others))
END
}

@test "more recipients than anybody has: all are looked at, or the message says how many bytes are" {
    local key
    for key in ec rsa2048; do
        tpm-sign cert install -q $key $key.crt
    done
    encrypt ec.crt -aes-128-gcm -outform DER
    crowd 5000
    [ "$(openssl asn1parse -inform DER -in message | grep -c 'prim: OCTET STRING')" -gt 5000 ]
    openssl cms -decrypt -inform DER -in message -recip ec.crt -inkey ec.key | cmp - plain
    opens ec
    crowd 20000
    fails 8 tpm-sign decrypt ec --cms message
    one_line
    says "at most 1048576 are read"
    # Each with an issuer of its own, in RSA.
    # shellcheck disable=SC2046 # words
    openssl cms -encrypt -binary -aes-128-cbc -in plain -out message -outform DER \
        $(printf 'rsa.crt %.0s' {1..300}) rsa2048.crt
    opens rsa2048
}

@test "what is not for the key, or not for decryption: exit 8 and 2, one line" {
    encrypt ec.crt -aes-128-gcm -outform DER
    refused() { fails "$1" tpm-sign decrypt "${@:2}" --cms message && one_line; }
    refused 8 p256
    says "the message is not encrypted to this key, or damaged"
    refused 8 p384
    says "not encrypted to a key of this kind"
    refused 8 rsa2048
    opens ec
    tpm-sign keygen -q signer
    refused 2 signer
    says "--usage decrypt"
    refused 2 ec --hash sha256
    refused 2 ec --rsaes
    refused 9 nix
    head -c 256 message >cipher
    fails 2 tpm-sign decrypt p256 cipher
    says "an EC key decrypts messages (CMS)"
    tpm-sign keygen -q soft -t secp256k1 --no-recovery 2>/dev/null
    refused 2 soft
    says "key soft is in software, and only signs"
    openssl cms -sign -in plain -signer ec.crt -inkey ec.key -outform DER -out message -nodetach
    refused 8 ec
    openssl cms -EncryptedData_encrypt -in plain -secretkey 00112233445566778899aabbccddeeff \
        -aes-128-cbc -outform DER -out message
    refused 8 ec
    openssl cms -encrypt -in plain -aes-128-cbc -secretkey 00112233445566778899aabbccddeeff \
        -secretkeyid 00 -outform DER -out message
    refused 8 ec
    # MGF1 with another hash, a label: not what a TPM does.
    encrypt rsa2048.crt -aes-128-cbc -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha1
    refused 8 rsa2048
    says "one hash, which is also that of MGF1"
    encrypt rsa2048.crt -aes-128-cbc -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_label:0011
    refused 8 rsa2048
    head -c 16777217 /dev/zero >message
    refused 2 p256
}

@test "damaged messages: never another content, one line, exit 8, in time" {
    count=0
    for key in ec rsa; do
        for options in "-aes-128-gcm" "-aes-256-cbc"; do
            encrypt $key.crt $options -outform DER
            size=$(stat -c %s message)
            content=$((size - $(stat -c %s plain) - 40))
            mv message whole
            for ((at = 0; at < size; at += at < content ? $(stride 31) : 2001)); do
                cp whole message
                printf '\xa5' | dd of=message bs=1 seek=$at conv=notrunc status=none
                run timeout 10 tpm-sign decrypt $key --cms message -o got
                # CBC proves nothing: there a content may come out, another one.
                [ "$status" -eq 8 ] || [[ $status -eq 0 && ($options == *cbc || $(cmp got plain; echo $?) -eq 0) ]]
                [ "${#lines[@]}" -le 1 ]
                head -c $at whole >message
                fails 8 timeout 10 tpm-sign decrypt $key --cms message
                one_line
                count=$((count + 2))
            done
        done
    done
    echo "# $count damaged messages" >&3
    [ "$count" -ge 60 ]
}

@test "a damaged key: it is named, as by sign, and not the message; so by the daemon, and in REST" {
    local key
    damaged() {
        fails 8 tpm-sign "$@"
        one_line
        [ "$output" = "tpm-sign: key $key: its file is damaged: restore it from a backup" ]
    }
    openssl pkey -in ec.key -pubout -outform DER -out peer
    for key in p256 rsa2048; do
        encrypt $key.crt -aes-256-gcm
        mv message $key.message
        private_damaged "$BASE/state/keys/$key.pem" >"$KEYS/$key.pem"
        damaged decrypt $key --cms $key.message
        damaged sign $key plain
    done
    rest_start
    for key in p256 rsa2048; do
        damaged decrypt $key --cms $key.message
        damaged sign $key plain
        refuses 422 damaged_key "$(key_path $key sign)" -d "$(body data AAAA)"
    done
    refuses 422 damaged_key "$(key_path p256 derive)" -d "$(body peer "$(base64 -w0 peer)")"
    refuses 422 damaged_key "$(key_path rsa2048 decrypt)" \
        -d "$(body ciphertext "$(head -c 256 /dev/zero | base64 -w0)")"
    for key in p256 rsa2048; do
        cp "$BASE/state/keys/$key.pem" "$KEYS"
        mv $key.message message
        opens $key
        opens $key --direct
    done
}

@test "PKCS#1 v1.5: whatever was wrong behind the key, the same words, commands and exit status" {
    encrypt rsa.crt -aes-128-gcm -outform DER
    encrypted_key >right
    openssl pkeyutl -decrypt -inkey rsa.key -in right -out cek
    [ "$(stat -c %s cek)" -eq 16 ]
    openssl pkey -in rsa.key -pubout -out rsa.pub
    # Another key; one of another size; OAEP; no padding at all.
    head -c 16 /dev/urandom | openssl pkeyutl -encrypt -pubin -inkey rsa.pub -out other
    head -c 24 /dev/urandom | openssl pkeyutl -encrypt -pubin -inkey rsa.pub -out longer
    openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in cek -pkeyopt rsa_padding_mode:oaep -out oaep
    head -c 255 /dev/urandom | cat <(printf '\0') - |
        openssl pkeyutl -encrypt -pubin -inkey rsa.pub -pkeyopt rsa_padding_mode:none -out nothing
    cp message whole
    for wrong in other longer oaep nothing; do
        python3 - $wrong <<'END'
import sys
whole, right, wrong = (open(name, 'rb').read() for name in ('whole', 'right', sys.argv[1]))
assert whole.count(right) == 1
open('message', 'wb').write(whole.replace(right, wrong))
END
        [ "$(commands tpm-sign decrypt rsa --cms message 2>said || echo " $?")" = \
            "StartAuthSession Load RSA_Decrypt FlushContext 8" ]
        [ "$(cat said)" = "tpm-sign: the message is not encrypted to this key, or damaged" ]
    done
    # Where the TPM takes the padding off, it tells.
    [[ $(commands tpm-sign decrypt rsa --rsaes nothing 2>said || :) == *RSA_Decrypt* ]]
    grep -q "another padding" said
    cp whole message
    opens rsa
}

@test "with a PIN, with PCRs, exportable, with a backup, of a ring, as a new version" {
    local options
    for options in "--pin-file pin" "--pcrs 0+7" "--exportable" "--backup ec.crt -o copy"; do
        # shellcheck disable=SC2086 # words
        tpm-sign keygen -q new $options --usage both 2>/dev/null
        tpm-sign cert self-sign new --pin-file pin --subject /CN=new -o new.crt
        encrypt new.crt -aes-128-gcm
        opens new --pin-file pin
        [ "$(tpm-sign info new --json | jq -r '.[0].usage')" = both ]
        case $options in
        --pin*)
            printf 'a wrong PIN' >wrong
            fails 4 tpm-sign decrypt new --cms --pin-file wrong message
            fails 4 setsid -w tpm-sign decrypt new --cms message
            [ "$(failed_tries)" -eq 1 ]
            ;;
        --pcrs*)
            extend 7 another
            fails 3 tpm-sign decrypt new --cms message
            says "it is bound to the PCRs sha256:0+7"
            ;;
        --backup*)
            openssl cms -decrypt -inform DER -in copy -inkey ec.key -out copied.key
            openssl cms -decrypt -in message -inkey copied.key | cmp - plain
            ;;
        esac
        tpm-sign rotate -q new --pin-file pin 2>/dev/null
        fails 8 tpm-sign decrypt new --cms --pin-file pin message
        tpm-sign delete -q -f new
        rm -f copy
    done
    seal secret "a secret"
    tpm-sign keygen -q new --ring system --usage decrypt
    openssl x509 -new -force_pubkey "$KEYS/new.pub" -subj /CN=new -CA ec.crt -CAkey ec.key -out new.crt
    tpm-sign cert install -q new new.crt
    encrypt new.crt -aes-128-gcm
    opens new
    fails 2 tpm-sign sign new plain
    fails 2 tpm-sign csr new --subject /CN=new
}

@test "a PIN is asked for once, however many recipients could be the key" {
    tpm-sign keygen -q new --usage decrypt --pin-file pin
    openssl x509 -new -force_pubkey "$KEYS/new.pub" -subj /CN=new -CA ec.crt -CAkey ec.key -out new.crt
    # In which order they come is chance.
    # shellcheck disable=SC2046 # words
    openssl cms -encrypt -binary -aes-256-gcm -in plain -out message -outform DER new.crt $(printf 'ec.crt %.0s' {1..15})
    opens new --pin-file - <pin
    rest_start
    opens new --pin-file - <pin
}

@test "certificates say what the key is for" {
    for key in p256 rsa2048; do
        tpm-sign csr $key --subject /CN=x | openssl req -noout -text >text
        grep -q "Digital Signature, Key $([ $key = p256 ] && echo Agreement || echo Encipherment)" text
    done
    tpm-sign keygen -q signer
    tpm-sign csr signer --subject /CN=x | openssl req -noout -text >text
    run grep -q Key.Agreement text
    [ "$status" -ne 0 ]
}

# -- by the daemon ------------------------------------------------------------------------------

# derives KEY PEER: what the daemon says they share
derives() {
    answers 200 "$(key_path "$1" derive)" -d "$(body peer "$(base64 -w0 "$2")")"
    jq -r .secret answer | base64 -d >shared
}

@test "the daemon: the same bytes and the same words; its operations are counted" {
    local key
    openssl cms -encrypt -binary -aes-256-gcm -in plain -out message -outform DER p256.crt p384.crt rsa2048.crt
    encrypt ec.crt -aes-256-gcm
    mv message foreign
    tpm-sign cert install -q p384 p384.crt
    openssl cms -encrypt -binary -aes-256-gcm -in plain -out message -outform DER p256.crt p384.crt rsa2048.crt
    rest_start
    for key in p256 p384 rsa2048; do
        opens $key
    done
    ask /metrics
    grep -q '^sealring_operations_total{operation="decrypt",result="ok"} 3$' answer
    answers 200 "$(key_path p384 certificate)"
    cmp answer p384.crt
    # With the certificate that issued it, which names the hash that it was signed with.
    openssl x509 -new -force_pubkey "$KEYS/p384.pub" -subj /CN=p384 -CA ec.crt -CAkey ec.key -out new.crt
    cat new.crt ec.crt | tpm-sign cert install -q p384
    answers 200 "$(key_path p384 certificate)"
    cat new.crt ec.crt | cmp answer -
    opens p384
    refuses 404 no_such_key "$(key_path p256 certificate)"
    fails 8 tpm-sign decrypt p256 --cms foreign
    echo "$output" >served.said
    fails 8 tpm-sign decrypt p384 --cms foreign
    echo "$output" >>served.said
    fails 8 tpm-sign decrypt rsa2048 --cms plain
    echo "$output" >>served.said
    rest_stop
    for key in p256 p384 rsa2048; do
        opens $key
    done
    {
        run tpm-sign decrypt p256 --cms foreign
        echo "$output"
        run tpm-sign decrypt p384 --cms foreign
        echo "$output"
        run tpm-sign decrypt rsa2048 --cms plain
        echo "$output"
    } | diff served.said -
}

@test "the daemon shows a chain, whichever signature its issuer makes" {
    local issuer count=0
    # issues ALGORITHM NAME [OPTIONS]: the key of an issuer
    issues() { openssl genpkey -algorithm "$1" "${@:3}" -out "$2.issuer" 2>/dev/null; }
    issues RSA rsa
    issues EC ec -pkeyopt ec_paramgen_curve:P-256
    issues ED25519 ed25519
    issues ED448 ed448
    rest_start
    for how in ec:-sha3-256 ec:-sha512 ec:-sha224 ec:-sha1 rsa:-sha3-256 rsa:-sha3-512 rsa:-sha3-224 rsa:-sha3-384 rsa:-sha512-256 rsa:-sha512-224 \
        rsa:-md5 "rsa:-sha256 -sigopt rsa_padding_mode:pss" "rsa:-sha512 -sigopt rsa_padding_mode:pss" ed25519: ed448:; do
        issuer=${how%%:*}
        # shellcheck disable=SC2206 # words
        options=(${how#*:})
        openssl req -x509 -new -key "$issuer.issuer" -subj /CN=ca "${options[@]}" -out ca.crt
        openssl x509 -new -force_pubkey "$KEYS/p384.pub" -subj /CN=p384 -CA ca.crt -CAkey "$issuer.issuer" \
            "${options[@]}" -out new.crt
        cat new.crt ca.crt >chain
        # OpenSSL 3.0 signs in ways that it does not verify: neither does the daemon then.
        if tpm-sign cert install -q p384 chain 2>/dev/null; then
            answers 200 "$(key_path p384 certificate)" || { echo "$how" && return 1; }
            cmp answer chain
            count=$((count + 1))
        else
            cp chain "$KEYS/p384.crt"
            refuses 422 refused "$(key_path p384 certificate)"
        fi
    done
    echo "# $count kinds of issuers" >&3
    [ "$count" -ge 12 ]
    # Another's key signed it.
    openssl x509 -new -force_pubkey "$KEYS/p384.pub" -subj /CN=p384 -CA ca.crt -CAkey ed448.issuer -out new.crt
    openssl req -x509 -new -key ed25519.issuer -subj /CN=ca -out ca.crt
    cat new.crt ca.crt >"$KEYS/p384.crt"
    refuses 422 refused "$(key_path p384 certificate)"
}

@test "ECDH is what openssl pkeyutl -derive says, whichever form the peer's key has" {
    local key curve
    rest_start
    for key in p256:P-256 p384:P-384 p521:P-521; do
        curve=${key#*:} key=${key%:*}
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:"$curve" -out peer.key
        openssl pkey -in peer.key -pubout -outform DER -out peer
        openssl pkeyutl -derive -inkey peer.key -peerkey "$KEYS/$key.pub" -out wanted
        derives "$key" peer
        cmp shared wanted
        openssl pkey -in peer.key -pubout -outform DER -ec_conv_form compressed -out compressed
        derives "$key" compressed
        cmp shared wanted
        case $key in p256) size=65 ;; p384) size=97 ;; p521) size=133 ;; esac
        tail -c "$size" peer >point
        derives "$key" point
        cmp shared wanted
        # Not on the curve, at infinity, of another curve, of another kind, too long, nothing.
        printf '\xff' | dd of=point bs=1 seek=$((size - 1)) conv=notrunc status=none
        printf '\xff' | dd of=point bs=1 seek=$((size - 3)) conv=notrunc status=none
        printf '\0' >infinity
        cat peer <(printf 'x') >long
        openssl pkey -in rsa.key -pubout -outform DER -out rsa.der
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1 |
            openssl pkey -pubout -outform DER -out brainpool
        openssl pkey -in peer.key -pubout -outform DER -ec_param_enc explicit -out explicit
        : >empty
        for wrong in point infinity long rsa.der brainpool empty; do
            refuses 422 refused "$(key_path "$key" derive)" -d "$(body peer "$(base64 -w0 $wrong)")"
        done
    done
    # A key with a PIN, and one that does not derive.
    rest_stop
    tpm-sign keygen -q guarded --usage decrypt --pin-file pin 2>/dev/null
    tpm-sign keygen -q signer
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out peer.key
    openssl pkey -in peer.key -pubout -outform DER -out peer
    rest_start
    refuses 403 wrong_pin "$(key_path guarded derive)" -d "$(body peer "$(base64 -w0 peer)")"
    answers 200 "$(key_path guarded derive)" -d "$(body peer "$(base64 -w0 peer)" pin "$(cat pin)")"
    openssl pkeyutl -derive -inkey peer.key -peerkey "$KEYS/guarded.pub" -out wanted
    [ "$(jq -r .secret answer)" = "$(base64 -w0 wanted)" ]
    refuses 400 bad_request "$(key_path signer derive)" -d "$(body peer "$(base64 -w0 peer)")"
    refuses 400 bad_request "$(key_path rsa2048 derive)" -d "$(body peer "$(base64 -w0 peer)")"
}

@test "the daemon has PKCS#1 v1.5 of a size give random bytes, not an answer about padding" {
    openssl pkey -in rsa.key -pubout -out rsa.pub
    head -c 32 /dev/urandom >cek
    openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in cek -out cipher
    rest_start
    asks() {
        answers 200 "$(key_path rsa decrypt)" -d "$(body ciphertext "$(base64 -w0 cipher)" padding rsaes |
            jq -c ".size = $1")"
        jq -r .plaintext answer | base64 -d >got
        [ "$(stat -c %s got)" -eq "$1" ]
    }
    asks 32
    cmp got cek
    for size in 16 31 33 245; do
        asks $size
        mv got first
        asks $size
        run cmp -s first got
        [ "$status" -ne 0 ]
    done
}

# -- the bus ------------------------------------------------------------------------------------

@test "neither the shared secret nor the content's key is on the bus; the same search finds them" {
    encrypt ec.crt -aes-256-gcm -outform DER
    peer_of >peer
    openssl pkeyutl -derive -inkey ec.key -peerkey <(openssl pkey -pubin -inform DER -in peer) -out shared
    captured ecdh tpm-sign decrypt ec --cms message >/dev/null
    encrypt rsa.crt -aes-256-gcm -outform DER
    encrypted_key >cipher
    openssl pkeyutl -decrypt -inkey rsa.key -in cipher -out cek
    captured rsa tpm-sign decrypt rsa --cms message >/dev/null
    count=0
    for capture in ecdh rsa; do
        "$helper/bus" $capture.pcap | grep -qx StartAuthSession
        for bytes in "$(hex shared)" "$(hex cek)"; do
            run crossed $capture.pcap "$bytes"
            [ "$status" -ne 0 ]
            count=$((count + 1))
        done
    done
    [ "$count" -eq 4 ]
    # What is not secret is there.
    crossed ecdh.pcap "$(openssl pkey -in ec.key -pubout -outform DER | tail -c 64 | head -c 32 | xxd -p | tr -d '\n')"
    export TPM2TOOLS_TCTI=pcap:$SEALRING_TCTI
    TPM2TOOLS_TCTI=$SEALRING_TCTI tpm2_load -Q -r "$KEYS/ec.pem" -c key.ctx
    python3 - <<'END'
import struct
point = open('peer', 'rb').read()[-64:]
x, y = point[:32], point[32:]
open('point.tpm', 'wb').write(struct.pack('>HH', 68, 32) + x + struct.pack('>H', 32) + y)
END
    TCTI_PCAP_FILE=$PWD/peer-ecdh.pcap tpm2_ecdhzgen -Q -c key.ctx -u point.tpm -o z
    crossed peer-ecdh.pcap "$(hex shared)"
    TPM2TOOLS_TCTI=$SEALRING_TCTI tpm2_flushcontext -t
    TPM2TOOLS_TCTI=$SEALRING_TCTI tpm2_load -Q -r "$KEYS/rsa.pem" -c key.ctx
    TCTI_PCAP_FILE=$PWD/peer-rsa.pcap tpm2_rsadecrypt -c key.ctx -s rsaes -o cek2 cipher
    cmp cek2 cek
    crossed peer-rsa.pcap "$(hex cek)"
    TPM2TOOLS_TCTI=$SEALRING_TCTI tpm2_flushcontext -t
    TPM2TOOLS_TCTI=$SEALRING_TCTI tpm2_flushcontext -l
}

# -- others' programs -----------------------------------------------------------------------------

@test "our files in the tpm2 provider, and those of it and of tpm2-tools here" {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out peer.key
    openssl pkey -in peer.key -pubout -out peer.pub
    tpm-sign keygen -q new --usage decrypt
    for key in p256 new; do
        openssl pkeyutl "${provider[@]}" -derive -inkey "$KEYS/$key.pem" -peerkey peer.pub -out shared
        openssl pkeyutl -derive -inkey peer.key -peerkey "$KEYS/$key.pub" -out wanted
        cmp shared wanted
    done
    "$helper/handles" "$SEALRING_TCTI" flush || :
    # One that has no scheme, and one that has but ECDH.
    for scheme in ecc ecc256:ecdh; do
        tpm2_create -Q -C 0x81000001 -G $scheme -u pub -r priv \
            -a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|decrypt"
        tpm2_flushcontext -t
        tpm-sign import -q "peer-$scheme" priv pub || tpm-sign import -q peer priv pub
        key=$(tpm-sign list | grep -o '^peer[^ ]*')
        openssl x509 -new -force_pubkey "$KEYS/$key.pub" -subj /CN=peer -CA ec.crt -CAkey ec.key -out new.crt
        encrypt new.crt -aes-128-gcm
        opens "$key"
        tpm-sign delete -q -f "$key"
    done
}
