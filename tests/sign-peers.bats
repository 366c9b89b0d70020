#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys beside other programs: what stock openssl, ssh-keygen, tpm2-tools and the tpm2
# provider say of our signatures and files, and we of theirs; what the bus shows.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load common

provider=(-provider tpm2 -provider default -propquery '?provider=tpm2')
pin="correct horse battery"

setup_file() {
    tpm_start
    boot_state
    openssl_modules
    tpm_tries 30
    # Keys of all kinds that the TPM has, made once.
    export SEALRING_CONFIG_DIR=/nonexistent SEALRING_STATE_DIR=$BATS_FILE_TMPDIR/state
    for type in $(tpm-sign algs | sed -n 's/ *yes$//p'); do
        case $type in
        rsa*) tpm-sign keygen -q "$type" -t "$type" --usage both ;;
        *) tpm-sign keygen -q "$type" -t "$type" ;;
        esac
    done
    BASE=$SEALRING_STATE_DIR
    export BASE
}

setup() {
    store_new
    cp -a "$BASE" "$SEALRING_STATE_DIR"
    export TPM2OPENSSL_TCTI=$SEALRING_TCTI
    printf %s "$pin" >pin
    echo "a message" >message
    echo "another message" >other
    mapfile -t types < <(tpm-sign list | cut -d' ' -f1)
    [ "${#types[@]}" -ge 5 ]
}

# accepted KEY HASH [OPTIONS]: stock openssl says that sig is of this key and "message"
accepted() {
    openssl dgst "-$2" -verify "$KEYS/$1.pub" "${@:3}" -signature sig message >/dev/null 2>&1
}

refused() {
    run openssl dgst "-$2" -verify "$KEYS/$1.pub" "${@:3}" -signature sig other
    [ "$status" -ne 0 ]
}

# -- signatures -----------------------------------------------------------------------------

@test "every kind of key with every hash: accepted by stock openssl, of this message only" {
    count=0
    for key in "${types[@]}"; do
        for hash in sha256 sha384 sha512; do
            tpm-sign sign "$key" --hash $hash message -o sig
            accepted "$key" $hash
            refused "$key" $hash
            tpm-sign verify -q "$key" --hash $hash -s sig message
            fails 8 tpm-sign verify "$key" --hash $hash -s sig other
            openssl dgst -$hash -binary message >digest
            tpm-sign sign "$key" --hash $hash --digest digest -o sig
            accepted "$key" $hash
            openssl dgst -$hash -r message | cut -d' ' -f1 >digest.hex
            tpm-sign sign "$key" --hash $hash --digest <digest.hex >sig
            accepted "$key" $hash
            tpm-sign verify -q "$key" --hash $hash --digest -s sig digest
            count=$((count + 1))
            [[ $key == rsa* ]] || continue
            tpm-sign sign "$key" --hash $hash --pss message -o sig
            accepted "$key" $hash -sigopt rsa_padding_mode:pss
            refused "$key" $hash -sigopt rsa_padding_mode:pss
            tpm-sign verify -q "$key" --pss --hash $hash -s sig message
            fails 8 tpm-sign verify "$key" --hash $hash -s sig message
        done
    done
    echo "# $count combinations of key and hash" >&3
    [ "$count" -ge 15 ]
}

@test "without --hash the curve decides" {
    for pair in p256:sha256 p384:sha384 p521:sha512 rsa2048:sha256; do
        tpm-sign sign "${pair%:*}" message -o sig
        accepted "${pair%:*}" "${pair#*:}"
    done
}

@test "plain and tss: of the right length, verified here and by tpm2-tools" {
    count=0
    for key in "${types[@]}"; do
        tpm-sign sign "$key" --format plain message -o sig
        case $key in
        p256) size=64 ;; p384) size=96 ;; p521) size=132 ;;
        rsa*) size=$((${key#rsa} / 8)) ;;
        esac
        [ "$(stat -c %s sig)" -eq "$size" ]
        tpm-sign verify -q "$key" --format plain -s sig message
        fails 8 tpm-sign verify "$key" --format plain -s sig other

        tpm-sign sign "$key" --format tss --hash sha256 message -o sig
        tpm-sign verify -q "$key" --format tss --hash sha256 -s sig message
        fails 8 tpm-sign verify "$key" --format tss --hash sha384 -s sig message
        # tpm2-tools load no others from PEM
        case $key in
        p*) kind=ecc ;; rsa2048) kind=rsa ;; *) continue ;;
        esac
        count=$((count + 1))
        tpm2_loadexternal -Q -C n -G "$kind" -u "$KEYS/$key.pub" -c pub.ctx
        tpm2_verifysignature -Q -c pub.ctx -g sha256 -m message -s sig
        run tpm2_verifysignature -Q -c pub.ctx -g sha256 -m other -s sig
        [ "$status" -ne 0 ]
        tpm2_flushcontext -t
    done
    [ "$count" -eq 4 ]
}

@test "a damaged signature of any form is refused, wherever the byte is" {
    count=0
    for form in der plain tss ssh; do
        tpm-sign sign p256 --format $form message -o good
        size=$(stat -c %s good)
        for ((at = 0; at < size; at += 7)); do
            cp good sig
            printf '\x5a' | dd of=sig bs=1 seek=$at conv=notrunc status=none
            cmp -s good sig || fails 8 tpm-sign verify p256 --format $form -s sig message
            count=$((count + 1))
        done
        head -c $((size - 1)) good >sig
        [ $form = ssh ] || fails 8 tpm-sign verify p256 --format $form -s sig message
        { cat good; echo x; } >sig
        [ $form = ssh ] || fails 8 tpm-sign verify p256 --format $form -s sig message
    done
    [ "$count" -ge 40 ]
}

@test "signatures of a software key by stock openssl are accepted here" {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out soft
    tpm-sign import -q soft soft
    openssl dgst -sha384 -sign soft -out sig message
    tpm-sign verify -q soft -s sig message
    openssl dgst -sha256 -sign soft -out sig message
    tpm-sign verify -q soft --hash sha256 -s sig message
    fails 8 tpm-sign verify soft -s sig message
}

# -- OpenSSH ------------------------------------------------------------------------------------

@test "ssh-keygen accepts our signatures, of each kind of key; and we its own" {
    for key in "${types[@]}"; do
        tpm-sign pubkey "$key" --format ssh >ssh.pub
        [ "$(ssh-keygen -lf ssh.pub | cut -d' ' -f2)" = \
            "$(tpm-sign info "$key" | sed -n 's/^Fingerprint: //p')" ]
        echo "me $(cat ssh.pub)" >allowed
        for hash in sha256 sha512; do
            tpm-sign sign "$key" --format ssh --namespace git --hash $hash message -o sig
            ssh-keygen -q -Y verify -n git -I me -f allowed -s sig <message
            run ssh-keygen -q -Y verify -n git -I me -f allowed -s sig <other
            [ "$status" -ne 0 ]
            tpm-sign verify -q "$key" --format ssh --namespace git --hash $hash -s sig message
        done
        fails 8 tpm-sign verify "$key" --format ssh -s sig message
        says 'another namespace than "file"'
    done
    for type in ecdsa rsa; do
        ssh-keygen -q -t $type -N '' -f soft
        tpm-sign import -q soft soft
        tpm-sign delete -q --force soft
        # the same as PKCS#8
        cp soft copy && ssh-keygen -q -p -m PKCS8 -N '' -f copy >/dev/null
        tpm-sign import -q soft copy
        ssh-keygen -q -Y sign -n file -f soft message 2>/dev/null
        tpm-sign verify -q soft --format ssh -s message.sig message
        fails 8 tpm-sign verify p256 --format ssh -s message.sig message
        says "of another key"
        tpm-sign delete -q -f soft
        rm -f soft* copy message.sig
    done
}

# -- decryption ---------------------------------------------------------------------------------

@test "what stock openssl encrypts is decrypted: OAEP with each hash, and PKCS#1 v1.5" {
    echo "a secret" >secret
    for key in $(printf '%s\n' "${types[@]}" | grep rsa); do
        for hash in sha1 sha256 sha384 sha512; do
            openssl pkeyutl -encrypt -pubin -inkey "$KEYS/$key.pub" -in secret -out cipher \
                -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:$hash
            tpm-sign decrypt "$key" --hash $hash cipher | cmp - secret
            fails 8 tpm-sign decrypt "$key" --rsaes cipher
        done
        openssl pkeyutl -encrypt -pubin -inkey "$KEYS/$key.pub" -in secret -out cipher
        tpm-sign decrypt "$key" --rsaes cipher -o plain
        cmp plain secret
        [ "$(stat -c %a plain)" = 600 ]
        fails 8 tpm-sign decrypt "$key" cipher
        one_line
    done
    [ "$(commands tpm-sign decrypt rsa2048 --rsaes <(openssl pkeyutl -encrypt -pubin \
        -inkey "$KEYS/rsa2048.pub" -in secret))" = "StartAuthSession Load RSA_Decrypt FlushContext" ]
    fails 8 tpm-sign decrypt rsa2048 message
    fails 2 tpm-sign decrypt p256 cipher
    tpm-sign keygen -q signer -t rsa2048
    fails 2 tpm-sign decrypt signer cipher
    tpm-sign keygen -q decrypter -t rsa2048 --usage decrypt
    fails 2 tpm-sign sign decrypter message
}

# -- import -------------------------------------------------------------------------------------

@test "private keys of each form come in, and are the same keys" {
    count=0
    for curve in P-256 P-384 P-521; do
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:$curve -out pkcs8.$curve
        openssl ec -in pkcs8.$curve -out sec1.$curve 2>/dev/null
        openssl ec -in pkcs8.$curve -outform DER -out der.$curve 2>/dev/null
    done
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out pkcs8.rsa 2>/dev/null ||
        openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out pkcs8.rsa 2>/dev/null
    openssl rsa -in pkcs8.rsa -traditional -out pkcs1.rsa 2>/dev/null
    openssl pkcs8 -topk8 -nocrypt -in pkcs8.rsa -outform DER -out der.rsa
    for file in pkcs8.* sec1.* der.* pkcs1.*; do
        tpm-sign import -q "$file" "$file"
        diff "$KEYS/$file.pub" <(openssl pkey -in "$file" -pubout 2>/dev/null ||
            openssl pkey -inform DER -in "$file" -pubout)
        tpm-sign sign "$file" --hash sha256 message -o sig
        accepted "$file" sha256
        tpm-sign info "$file" | grep -q imported
        count=$((count + 1))
    done
    [ "$count" -eq 12 ]
    # with a PIN and PCRs; from standard input
    tpm-sign import -q both --pin-file pin --pcrs 0+7 <sec1.P-256 2>/dev/null
    tpm-sign sign both --pin-file pin message -o sig
    accepted both sha256
    fails 4 setsid -w tpm-sign sign both message
}

# flipped FILE LINE: another letter in the middle of the line
flipped() {
    awk -v n="$2" 'NR == n { at = int(length($0) / 2); letter = substr($0, at, 1)
        $0 = substr($0, 1, at - 1) (letter == "A" ? "B" : "A") substr($0, at + 1) } 1' "$1"
}

@test "private keys of OpenSSH come in, and are the same keys; of a damaged file no other" {
    local kind n refused=0
    for kind in 'ecdsa 256' 'ecdsa 384' 'ecdsa 521' 'rsa 2048'; do
        rm -f login login.pub
        # shellcheck disable=SC2086 # words
        ssh-keygen -q -t ${kind% *} -b ${kind#* } -N '' -C 'a comment' -f login
        tpm-sign import -q login login
        diff <(tpm-sign pubkey login --format ssh | cut -d' ' -f1,2) <(cut -d' ' -f1,2 login.pub)
        tpm-sign sign login --hash sha256 -o sig message
        accepted login sha256
        tpm-sign info login | grep -q ', imported$'
        tpm-sign delete -q -f login
        # What is in the comment, or what RSA computes from the rest, may be damaged.
        for ((n = 2; n < $(wc -l <login); n++)); do
            flipped login $n >damaged
            run tpm-sign import -q damaged damaged
            [ "$status" -eq 8 ] || [ "$status" -eq 0 ]
            refused=$((refused + (status == 8)))
            [ "$status" -eq 8 ] || diff <(tpm-sign pubkey damaged --format ssh | cut -d' ' -f1,2) \
                <(cut -d' ' -f1,2 login.pub)
            [ ! -e "$KEYS/damaged.pem" ] || tpm-sign delete -q -f damaged
        done
    done
    echo "# $refused damaged files refused" >&3
    [ "$refused" -ge 30 ]
    ssh-keygen -q -t ecdsa -N sesame -f locked
    fails 8 tpm-sign import locked locked
    says "ssh-keygen -p -N '' -f COPY"
    ssh-keygen -q -p -P sesame -N '' -f locked >/dev/null
    tpm-sign import -q locked locked
}

@test "PKCS#12: the key, with its certificate and those behind it" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=CA \
        -keyout ca.key -out ca.crt 2>/dev/null
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plain
    openssl req -new -key plain -subj /CN=client |
        openssl x509 -req -CA ca.crt -CAkey ca.key -out client.crt 2>/dev/null
    openssl pkcs12 -export -inkey plain -in client.crt -certfile ca.crt -passout pass:sesame -out p12
    run "$helper/pty" "Passphrase of the private key:" wrong -- tpm-sign import x p12
    says "wrong passphrase"
    [ ! -e "$KEYS/x.pem" ]
    run "$helper/pty" "Passphrase of the private key:" sesame -- tpm-sign import x p12
    diff "$KEYS/x.pub" <(openssl pkey -in plain -pubout)
    diff "$KEYS/x.crt" <(cat client.crt ca.crt)
    # Without a terminal it is read; a newline at its end is the editor's.
    fails 4 setsid -w tpm-sign import y p12
    says "--passphrase-file FILE"
    echo wrong >passphrase
    fails 4 tpm-sign import y p12 --passphrase-file passphrase
    says "wrong passphrase"
    [ ! -e "$KEYS/y.pem" ]
    echo sesame >passphrase
    tpm-sign import -q y p12 --passphrase-file passphrase
    tpm-sign import -q y2 --passphrase-file - p12 < <(printf sesame)
    diff "$KEYS/y.crt" "$KEYS/x.crt"
    cmp "$KEYS/y2.pub" "$KEYS/x.pub"
    fails 2 tpm-sign import y3 - --passphrase-file - <p12
    openssl pkcs12 -export -inkey plain -in client.crt -passout pass: -out empty.p12
    tpm-sign import -q empty empty.p12
    diff "$KEYS/empty.crt" client.crt
    tpm-sign sign empty message -o sig
    accepted empty sha256
    openssl pkcs12 -export -nocerts -inkey plain -passout pass: -out bare.p12
    tpm-sign import -q bare bare.p12
    [ ! -e "$KEYS/bare.crt" ]
    openssl pkcs12 -export -nokeys -in client.crt -passout pass: -out no-key.p12
    fails 8 tpm-sign import x2 no-key.p12
    # The order is the one that TLS has, whatever that of the file; what is not of the chain is left.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other \
        -keyout other.key -out other.crt 2>/dev/null
    openssl req -new -key ca.key -subj /CN=between |
        openssl x509 -req -CA other.crt -CAkey other.key -extfile <(echo basicConstraints=CA:TRUE) \
            -out between.crt 2>/dev/null
    openssl req -new -key plain -subj /CN=client |
        openssl x509 -req -CA between.crt -CAkey ca.key -out far.crt 2>/dev/null
    cat other.crt ca.crt between.crt >mixed.crt
    openssl pkcs12 -export -inkey plain -in far.crt -certfile mixed.crt -passout pass: -out mixed.p12
    tpm-sign import -q mixed mixed.p12
    diff "$KEYS/mixed.crt" <(cat far.crt between.crt other.crt)
    # A CA that has a new key kept its name.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=CA -keyout new.key -out new.crt 2>/dev/null
    for order in 'new.crt ca.crt' 'ca.crt new.crt'; do
        # shellcheck disable=SC2086 # words
        cat $order >both.crt
        openssl pkcs12 -export -inkey plain -in client.crt -certfile both.crt -passout pass: -out renewed.p12
        tpm-sign import -q renewed renewed.p12
        diff "$KEYS/renewed.crt" <(cat client.crt ca.crt)
        tpm-sign delete -q -f renewed
    done
    # The passphrase is right, and not what is wrong; what is advised works.
    openssl pkcs12 -export -legacy -inkey plain -in client.crt -passout pass:sesame -out old.p12
    run "$helper/pty" "Passphrase of the private key:" sesame -- tpm-sign import old old.p12
    says "openssl pkcs12 -legacy -nodes"
    openssl pkcs12 -legacy -nodes -in old.p12 -passin pass:sesame 2>/dev/null | tpm-sign import -q old
    diff "$KEYS/old.pub" <(openssl pkey -in plain -pubout)
    head -c 300 p12 >short.p12
    fails 8 tpm-sign import x2 short.p12
}

@test "keys of tpm2-tools, in two files, come in as they are" {
    made() {
        tpm2_create -Q -C 0x81000001 "$@" -u pub -r priv && tpm2_flushcontext -t
    }
    for kind in ecc256 ecc384 rsa2048; do
        made -G $kind
        tpm-sign import -q "peer-$kind" priv pub
        tpm-sign sign "peer-$kind" --hash sha256 message -o sig
        accepted "peer-$kind" sha256
    done
    made -G ecc256 -p 'correct horse battery' -a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
    fails 4 setsid -w tpm-sign import x --pin priv pub
    tpm-sign import -q guarded --pin-file pin priv pub
    tpm-sign sign guarded --pin-file pin message -o sig
    accepted guarded sha256
    fails 4 setsid -w tpm-sign sign guarded message
    fails 2 tpm-sign import x --pcrs 0+7 priv pub
    # Whoever leaves out --pin is told of it when the key is used, be it in a session or not.
    made -G rsa2048 -p 'correct horse battery' -a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|decrypt"
    fails 4 tpm-sign import x priv pub
    says 'its file says that it takes no PIN, but the TPM wants one'
    [ ! -e "$KEYS/x.pem" ]
    head -c 50 pub >short
    fails 8 tpm-sign import x priv short
    fails 8 tpm-sign import x short pub
    head -c 32 /dev/zero >policy
    made -G ecc256 -L policy -a "fixedtpm|fixedparent|sensitivedataorigin|sign"
    fails 8 tpm-sign import x priv pub
    says "bound to a policy"
    # under another storage key
    tpm2_createprimary -Q -C n -c other
    tpm2_create -Q -C other -u pub -r priv
    tpm2_flushcontext -t
    fails 7 tpm-sign import x priv pub
    [ ! -e "$KEYS/x.pem" ]
}

@test "what neither a TPM nor a ring holds, or is no private key, is refused with a reason" {
    openssl genpkey -algorithm X25519 -out x25519
    fails 2 tpm-sign import x x25519
    says "none of the keys that are used here"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1 -out brainpool
    fails 2 tpm-sign import x brainpool
    fails 8 tpm-sign import x message
    fails 8 tpm-sign import x "$KEYS/p256.pub"
    : >empty
    fails 8 tpm-sign import x empty
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plain
    openssl pkcs8 -topk8 -in plain -passout pass:sesame -out encrypted
    fails 4 setsid -w tpm-sign import x encrypted
    run "$helper/pty" "Passphrase of the private key:" wrong -- tpm-sign import x encrypted
    says "wrong passphrase"
    [ ! -e "$KEYS/x.pem" ]
    run "$helper/pty" "Passphrase of the private key:" sesame -- tpm-sign import x encrypted
    diff "$KEYS/x.pub" <(openssl pkey -in plain -pubout)
}

# -- the bus ------------------------------------------------------------------------------------

@test "no PIN, private key or plaintext is on the bus; the same search finds those of other tools" {
    printf 'another long PIN' >new
    printf 'a plaintext of some length' >secret
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out soft
    private=$(openssl pkey -in soft -text -noout | sed -n '/^priv:/,/^pub:/p' | grep '^ ' |
        tr -d ' :\n' | sed 's/^00//')
    [ "${#private}" -eq 64 ]
    openssl pkeyutl -encrypt -pubin -inkey "$KEYS/rsa2048.pub" -in secret -out cipher
    {
        captured keygen tpm-sign keygen -q guarded --pin-file pin
        captured sign tpm-sign sign guarded --pin-file pin message
        captured passwd tpm-sign passwd -q guarded --pin-file pin --new-pin-file new
        captured import tpm-sign import -q soft --pin-file pin soft
        captured decrypt tpm-sign decrypt rsa2048 --rsaes cipher
    } >/dev/null 2>&1
    count=0
    for capture in keygen sign passwd import decrypt; do
        "$helper/bus" $capture.pcap | grep -qx StartAuthSession
        for bytes in "$(hex pin)" "$(hex new)" "$private" "$(hex secret)"; do
            run crossed $capture.pcap "$bytes"
            [ "$status" -ne 0 ]
            count=$((count + 1))
        done
    done
    [ "$count" -eq 20 ]

    export TPM2TOOLS_TCTI=pcap:$SEALRING_TCTI
    TCTI_PCAP_FILE=$PWD/peer-import.pcap tpm2_loadexternal -Q -C n -G ecc -r soft -c soft.ctx
    crossed peer-import.pcap "$private"
    TCTI_PCAP_FILE=$PWD/peer-pin.pcap tpm2_create -Q -C 0x81000001 -G ecc -p "$pin" -u u -r r
    crossed peer-pin.pcap "$(hex pin)"
    TPM2TOOLS_TCTI=$SEALRING_TCTI tpm2_flushcontext -t
    TPM2TOOLS_TCTI=$SEALRING_TCTI tpm2_load -Q -r "$KEYS/rsa2048.pem" -c key.ctx
    TCTI_PCAP_FILE=$PWD/peer-decrypt.pcap tpm2_rsadecrypt -c key.ctx -s rsaes -o plain cipher
    cmp plain secret
    crossed peer-decrypt.pcap "$(hex secret)"
    TPM2TOOLS_TCTI=$SEALRING_TCTI tpm2_flushcontext -t
    TPM2TOOLS_TCTI=$SEALRING_TCTI tpm2_flushcontext -l
}

# -- the tpm2 provider, tpm2-tools ----------------------------------------------------------------

# bats test_tags=minimal
@test "our files in the tpm2 provider: signatures, with PIN, a request" {
    count=0
    for key in "${types[@]}"; do
        openssl pkeyutl "${provider[@]}" -sign -inkey "$KEYS/$key.pem" -rawin -in message \
            -digest sha256 -out sig
        accepted "$key" sha256
        tpm-sign verify -q "$key" --hash sha256 -s sig message
        count=$((count + 1))
    done
    [ "$count" -ge 5 ]
    tpm-sign keygen -q guarded --pin-file pin 2>/dev/null
    openssl pkeyutl "${provider[@]}" -sign -inkey "$KEYS/guarded.pem" -passin "pass:$pin" \
        -rawin -in message -digest sha256 -out sig
    accepted guarded sha256
    openssl req "${provider[@]}" -new -key "$KEYS/p256.pem" -subj /CN=x -out request
    openssl req -in request -noout -verify
    "$helper/handles" "$SEALRING_TCTI" flush || :
}

@test "the configuration that openssl-conf prints makes openssl use our keys by itself" {
    tpm-sign openssl-conf >openssl.cnf
    tpm-sign openssl-conf other.cnf
    tpm-sign openssl-conf other.cnf
    # What somebody has there stays, unless it is insisted.
    echo mine >mine.cnf
    fails 10 tpm-sign openssl-conf mine.cnf
    one_line
    says 'mine.cnf is there already: --force replaces it'
    [ "$(cat mine.cnf)" = mine ]
    tpm-sign openssl-conf --force mine.cnf
    cmp mine.cnf other.cnf
    cmp openssl.cnf other.cnf
    run openssl pkeyutl -sign -inkey "$KEYS/p256.pem" -rawin -in message -digest sha256 -out sig
    [ "$status" -ne 0 ]
    OPENSSL_CONF=$PWD/openssl.cnf openssl pkeyutl -sign -inkey "$KEYS/p256.pem" -rawin -in message \
        -digest sha256 -out sig
    accepted p256 sha256
    "$helper/handles" "$SEALRING_TCTI" flush || :
    # and leaves us alone: the provider would take the TPM's only connection
    export OPENSSL_CONF=$PWD/openssl.cnf
    [ "$(commands timeout 20 tpm-sign sign p256 message)" = "Load Sign FlushContext" ]
    timeout 20 tpm-sign verify -q p256 -s out message
    unset OPENSSL_CONF
}

@test "files of the provider and of tpm2-tools work here" {
    openssl genpkey "${provider[@]}" -algorithm EC -pkeyopt group:P-256 -out theirs.pem 2>/dev/null
    tpm-sign pubkey ./theirs.pem >theirs.pub
    openssl pkey "${provider[@]}" -in theirs.pem -pubout 2>/dev/null | diff theirs.pub -
    tpm-sign sign ./theirs.pem message -o sig
    openssl dgst -sha256 -verify theirs.pub -signature sig message
    openssl genpkey "${provider[@]}" -algorithm RSA -pkeyopt bits:2048 -pkeyopt "user-auth:$pin" \
        -out guarded.pem 2>/dev/null
    tpm-sign sign ./guarded.pem --pin-file pin message -o sig
    tpm-sign verify -q ./guarded.pem -s sig message
    printf 'another long PIN' >new
    tpm-sign passwd -q ./guarded.pem --pin-file pin --new-pin-file new 2>/dev/null
    openssl pkeyutl "${provider[@]}" -sign -inkey guarded.pem -passin file:new -rawin -in message \
        -digest sha256 -out sig
    tpm-sign verify -q ./guarded.pem -s sig message
    tpm2_create -Q -C 0x81000001 -G ecc -p "$pin" -u pub -r priv
    tpm2_encodeobject -C 0x81000001 -u pub -r priv -o tools.pem
    tpm2_flushcontext -t
    tpm2_flushcontext -l
    tpm-sign sign ./tools.pem --pin-file pin message -o sig
    tpm-sign verify -q ./tools.pem -s sig message
    "$helper/handles" "$SEALRING_TCTI" flush || :
}

# by_engine EMPTY PARENT: a key file as openssl_tpm2_engine writes it, of pub and priv
by_engine() {
    {
        printf 'asn1=SEQUENCE:key\n[key]\ntype=OID:2.23.133.10.1.3\n'
        [ -z "$1" ] || echo "empty=EXPLICIT:0,BOOLEAN:$1"
        printf 'parent=INTEGER:%s\npub=FORMAT:HEX,OCT:%s\npriv=FORMAT:HEX,OCT:%s\n' \
            "$2" "$(xxd -p pub | tr -d '\n')" "$(xxd -p priv | tr -d '\n')"
    } >asn1.conf
    openssl asn1parse -genconf asn1.conf -noout -out der >/dev/null
    echo '-----BEGIN TSS2 PRIVATE KEY-----'
    base64 -w 64 der
    echo '-----END TSS2 PRIVATE KEY-----'
}

@test "files as openssl_tpm2_engine writes them work here" {
    local storage='fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt'
    local open='sensitivedataorigin|userwithauth|noda|sign|decrypt' kind
    tpm2_createprimary -Q -C o -G ecc256:aes128cfb -a "$storage" -c primary.ctx
    for kind in ecc256 ecc384 rsa2048; do
        tpm2_create -Q -C primary.ctx -G $kind -a "$open" -u pub -r priv
        tpm2_flushcontext -t
        by_engine TRUE 0x40000001 >engine.pem
        tpm-sign pubkey ./engine.pem >engine.pub
        tpm-sign sign ./engine.pem --hash sha256 -o sig message
        openssl dgst -sha256 -verify engine.pub -signature sig message
        # What is at the handle is the same storage key.
        tpm-sign import -q "$kind-engine" engine.pem
        tpm-sign sign "$kind-engine" --hash sha256 -o sig message
        accepted "$kind-engine" sha256
    done
    # It leaves emptyAuth out where a PIN is needed.
    tpm2_create -Q -C primary.ctx -G ecc256 -a "$open" -p "$pin" -u pub -r priv
    tpm2_flushcontext -t
    by_engine "" 0x40000001 >guarded.pem
    fails 4 setsid -w tpm-sign sign ./guarded.pem message
    tpm-sign sign ./guarded.pem --pin-file pin -o sig message
    tpm-sign verify -q ./guarded.pem -s sig message
}

# bats test_tags=minimal
@test "our files in tpm2-tools" {
    openssl dgst -sha256 -binary message >digest
    for key in "${types[@]}"; do
        tpm2_load -Q -r "$KEYS/$key.pem" -c key.ctx
        tpm2_sign -Q -c key.ctx -g sha256 -d -f plain -o sig digest
        tpm2_flushcontext -t
        accepted "$key" sha256
    done
}

# -- certificates ---------------------------------------------------------------------------------

@test "requests and self-signed certificates are accepted by stock openssl" {
    count=0
    for key in "${types[@]}"; do
        for option in "" --pss "--hash sha512"; do
            [[ $key == rsa* || $option != --pss ]] || continue
            # shellcheck disable=SC2086 # words
            tpm-sign csr "$key" $option --subject '/C=DE/O=A \/ B/CN=example.org' \
                --alt-name DNS:example.org --alt-name IP:192.0.2.1 -o request
            openssl req -in request -noout -verify
            openssl req -in request -noout -text >text
            grep -q 'Subject: C = DE, O = A / B, CN = example.org' text
            grep -q 'DNS:example.org, IP Address:192.0.2.1' text
            openssl req -in request -noout -pubkey | cmp - "$KEYS/$key.pub"
            # shellcheck disable=SC2086 # words
            tpm-sign cert self-sign "$key" $option --days 7 --subject /CN=example.org \
                --alt-name DNS:example.org -o certificate
            openssl verify -CAfile certificate certificate
            openssl x509 -in certificate -noout -checkend $((6 * 86400))
            run openssl x509 -in certificate -noout -checkend $((8 * 86400))
            [ "$status" -ne 0 ]
            openssl x509 -in certificate -noout -checkhost example.org | grep -q 'does match'
            count=$((count + 1))
        done
    done
    echo "# $count kinds of certificates" >&3
    [ "$count" -ge 10 ]
    # Two are not the same one.
    [ "$(tpm-sign cert self-sign p256 --subject /CN=x | openssl x509 -noout -serial)" != \
        "$(tpm-sign cert self-sign p256 --subject /CN=x | openssl x509 -noout -serial)" ]
}

@test "a subject is what openssl req makes of it: slashes, pluses, backslashes" {
    local count=0
    # shown: the Name, with the type of each string
    shown() { openssl req -noout -subject -nameopt oneline,show_type,sep_comma_plus_space; }
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out any.key
    for subject in /CN=a+OU=b '/CN=a\+OU=b' '/O=x/CN=a+UID=17/OU=b' /UID=17+CN=a+OU=c '/CN=a\/b\\c\d' \
        /CN=a=b/OU=c+O=d /CN=a/ "/CN=a\\\\" '/CN=a\=b' /2.5.4.3=a+2.5.4.11=b /DC=org/DC=x+UID=1 '/CN=1\+1=2'; do
        openssl req -new -key any.key -subj "$subject" | shown >wanted
        tpm-sign csr p256 --subject "$subject" | shown | diff wanted -
        count=$((count + 1))
    done
    tpm-sign cert self-sign p256 --subject /CN=a+OU=b | openssl x509 -noout -subject -issuer -nameopt oneline |
        diff <(printf '%s=CN = a + OU = b\n' subject issuer) -
    [ "$count" -eq 12 ]
}

@test "subjects and names that are wrong: exit 2, one line" {
    for subject in "" / CN=x +CN=x /+CN=x /CN /=x /O=x+y /O=+CN=x "/CN=x\\" /NONSENSE=x "/C=toolong" "/CN=$(printf %0300d 7)"; do
        fails 2 tpm-sign csr p256 --subject "$subject"
        one_line
    done
    for name in x DNS:a,DNS:b nonsense:x "IP:300.1.1.1" dirName:section; do
        fails 2 tpm-sign csr p256 --subject /CN=x --alt-name "$name"
        one_line
    done
    fails 2 tpm-sign csr p256
    fails 2 tpm-sign cert self-sign p256 --subject /CN=x --days 0
}

# signed_by CA NAME: a certificate of key NAME that CA.key and CA.crt issued
signed_by() {
    tpm-sign csr "$2" --subject "/CN=$2" | openssl x509 -req -CA "$1.crt" -CAkey "$1.key" 2>/dev/null
}

# ca NAME SUBJECT
ca() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
        -keyout "$1.key" -out "$1.crt" 2>/dev/null
}

@test "install: a certificate for this key, with its chain; another is refused" {
    ca ca /CN=CA
    signed_by ca p256 >mine.crt
    cat mine.crt ca.crt >chain.crt
    tpm-sign cert install -q p256 chain.crt
    cmp chain.crt "$KEYS/p256.crt"
    tpm-sign info p256 | grep -q '^Certificate: *X.509$'
    fails 8 tpm-sign cert install p256 ca.crt
    says "not for this key"
    fails 8 tpm-sign cert install p256 message
    fails 2 tpm-sign cert install "$KEYS/p256.pem" mine.crt
    # Servers would send it as it is: another's, or one of the same name that did not sign.
    ca other /CN=other
    ca false /CN=CA
    for wrong in other false; do
        cat mine.crt $wrong.crt >chain
        fails 8 tpm-sign cert install p256 chain
        says "certificate 2 did not issue the one before it"
        # Planted there it is not given out; who lists keys does not try the signatures of all.
        cp chain "$KEYS/p256.crt"
        fails 8 tpm-sign cert show p256
        tpm-sign info p256 | grep -q '^Certificate: *X.509$'
        cp $wrong.crt "$KEYS/p256.crt"
        tpm-sign info p256 | grep -q '^Certificate: *none$'
        tpm-sign cert install -q p256 chain.crt
    done
    sed '3s/^..../AAAA/' ca.crt | cat mine.crt - >chain
    fails 8 tpm-sign cert install p256 chain
    says damaged
    # Everybody who may see certificates would see that, too.
    for wrong in 'mine.crt ca.crt ca.key' 'ca.key mine.crt'; do
        # shellcheck disable=SC2086 # words
        cat $wrong >chain
        fails 8 tpm-sign cert install p256 chain
        says "PRIVATE KEY: that is no certificate"
    done
    cmp chain.crt "$KEYS/p256.crt"
}

@test "show: what was installed, for people and for programs" {
    ca ca /CN=CA
    tpm-sign csr p256 --subject '/O=Examples/CN=mine' --alt-name DNS:example.org --alt-name IP:192.0.2.1 |
        openssl x509 -req -CA ca.crt -CAkey ca.key -copy_extensions copy 2>/dev/null >mine.crt
    fails 9 tpm-sign cert show p256
    says "key p256 has no certificate"
    cat mine.crt ca.crt | tpm-sign cert install -q p256
    tpm-sign cert show p256 >shown
    diff <(sed '/^-----END/,/^-----BEGIN/{/^-----/!d}' shown | grep -v ': ') <(cat mine.crt ca.crt)
    grep -qx 'Subject:     O = Examples, CN = mine' shown
    grep -qx 'Names:       DNS:example.org, IP Address:192.0.2.1' shown
    [ "$(grep -cx 'Issuer:      CN = CA' shown)" -eq 2 ]
    grep -qx "Valid:       $(date -u -d "$(openssl x509 -in mine.crt -noout -startdate | cut -d= -f2)" +%FT%TZ) to $(
        date -u -d "$(openssl x509 -in mine.crt -noout -enddate | cut -d= -f2)" +%FT%TZ)" shown
    grep -qx "SHA-256:     $(openssl x509 -in mine.crt -outform DER | sha256sum | cut -d' ' -f1)" shown
    # Such a file is one of certificates, to others and to us.
    openssl verify -CAfile ca.crt shown
    tpm-sign cert show p256 -o shown2
    cmp shown shown2
    tpm-sign cert install -q p256 shown
    tpm-sign cert show p256 | cmp shown -
    # A CA writes what it likes there; a terminal does not get it.
    printf 'subjectAltName=DNS:a\033[2Jb' >names
    tpm-sign csr p256 --subject "/CN=$(printf 'a\033[2Jb')" |
        openssl x509 -req -CA ca.crt -CAkey ca.key -extfile names 2>/dev/null >evil.crt
    grep -q "$(printf 'a\033')" <(openssl x509 -in evil.crt -outform DER)
    tpm-sign cert install -q p256 evil.crt
    tpm-sign cert show p256 >shown
    run grep "$(printf '\033')" shown
    [ "$status" -eq 1 ]
    # In UTF-8: a control character, and what turns the direction of text around.
    tpm-sign cert self-sign p256 --subject "/CN=$(printf 'M\303\274ller')/O=$(printf 'a\302\233b')/OU=$(printf '\342\200\256c')" |
        tpm-sign cert install -q p256
    tpm-sign cert show p256 >shown
    grep -qxF 'Subject:     CN = M\C3\BCller, O = a\C2\9Bb, OU = \E2\80\AEc' shown
    tpm-sign cert self-sign p256 --subject "/CN=$(printf 'M\303\274ller')" | tpm-sign cert install -q p256
    tpm-sign cert show p256 | grep -qx "Subject:     CN = $(printf 'M\303\274ller')"
    fails 9 tpm-sign info "./$(printf 'a\302\233b')"
    says "./a??b"
    fails 2 tpm-sign tag p256 "who=$(printf 'a\342\200\256b')"
    # What others put there is not shown if it is for another key.
    cp ca.crt "$KEYS/p256.crt"
    fails 8 tpm-sign cert show p256
}

@test "what is public and says that it is encrypted: no question on the terminal" {
    local encrypted='Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n'
    tpm-sign cert self-sign p256 --subject /CN=mine | sed "1s/\$/\n$encrypted/" >mine.crt
    sed "1s/\$/\n$encrypted/" "$KEYS/p384.pub" >parent.pub
    tpm-sign keygen -q moves --exportable
    run script -qec 'openssl x509 -in mine.crt' /dev/null </dev/null
    says "pass phrase"
    for command in 'cert install p256 mine.crt' 'export moves --to parent.pub'; do
        run script -qec "tpm-sign $command" /dev/null </dev/null
        [ "$status" -ne 0 ]
        says "tpm-sign:"
        [[ $output != *phrase* ]]
    done
}
