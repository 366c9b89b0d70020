#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Software keys: what no TPM has, as a secret of a ring. RFC 8032, stock openssl and ssh-keygen
# say what is right.
# shellcheck disable=SC2030,SC2031,SC2094,SC2154 # helper, status, output, lines: from common.bash and bats

load agent

setup() {
    store_new
    echo "a message" >message
}

# keygen NAME [OPTIONS]: its ring is made at first use
keygen() {
    tpm-sign keygen -q --recovery-key-file "$RK" "$@" 2>/dev/null
}

# pkcs8 TYPE HEX: a private key, in DER
pkcs8() {
    case $1 in
    ed25519) xxd -r -p <<<"302e020100300506032b657004220420$2" ;;
    ed448) xxd -r -p <<<"3047020100300506032b6571043b0439$2" ;;
    esac
}

# vector TYPE PRIVATE PUBLIC MESSAGE SIGNATURE
vector() {
    pkcs8 "$1" "$2" | tpm-sign import -q --recovery-key-file "$RK" rfc 2>/dev/null || return
    [ "$(tpm-sign pubkey rfc | openssl pkey -pubin -outform DER | xxd -p | tr -d '\n')" = "${6}$3" ] ||
        return
    xxd -r -p <<<"$4" >vector
    [ "$(tpm-sign sign rfc vector | xxd -p | tr -d '\n')" = "$5" ] || return
    xxd -r -p <<<"$5" >sig
    tpm-sign verify -q rfc -s sig vector || return
    echo x >>vector
    ! tpm-sign verify -q rfc -s sig vector 2>/dev/null || return
    tpm-sign delete -q --force rfc
}

# openssl_accepts NAME SIGNATURE
openssl_accepts() {
    if [ "$(tpm-sign info -j "$1" | sed -n 's/.*"hash":"\(.*\)",/\1/p')" = none ]; then
        openssl pkeyutl -verify -pubin -inkey "$KEYS/$1.pub" -rawin -in message -sigfile "$2"
    else
        openssl dgst -sha256 -verify "$KEYS/$1.pub" -signature "$2" message
    fi >/dev/null
}

@test "RFC 8032: imported, each key signs as it says there" {
    ed25519() { vector ed25519 "$@" 302a300506032b6570032100; }
    ed448() { vector ed448 "$@" 3043300506032b6571033a00; }
    ed25519 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60 \
        d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a '' \
        e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
    ed25519 4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb \
        3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c 72 \
        92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
    ed25519 c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7 \
        fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025 af82 \
        6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
    ed25519 833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42 \
        ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf \
        "$(printf abc | sha512sum | cut -d' ' -f1)" \
        dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704
    ed448 6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3528c8a3fcc2f044e39a3fc5b94492f8f032e7549a20098f95b \
        5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180 '' \
        533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600
    ed448 c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659949ef8021e954e0a12274e \
        43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c235160627b4c3a9480 03 \
        26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccdf633fc1bf037ab7cd779805e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0ff3348ab21aa4adafd1d234441cf807c03a00
}

@test "made and used: openssl accepts it; verify, list, info and pubkey need no TPM" {
    local type
    for type in ed25519 ed448 secp256k1; do
        keygen "k-$type" -t "$type"
        tpm-sign sign "k-$type" -o "$type.sig" message
        openssl_accepts "k-$type" "$type.sig"
        tpm-sign sign "k-$type" --format plain -o "$type.plain" message
        tpm-sign csr "k-$type" --subject /CN=x | openssl req -noout -verify
        tpm-sign cert self-sign "k-$type" --subject /CN=x >cert
        openssl verify -CAfile cert cert
        tpm-sign cert install -q "k-$type" cert
    done
    local SEALRING_TCTI=swtpm:path=$PWD/none
    for type in ed25519 ed448 secp256k1; do
        tpm-sign verify -q "k-$type" -s "$type.sig" message
        tpm-sign verify -q "k-$type" --format plain -s "$type.plain" message
        fails 8 tpm-sign verify "k-$type" -s "$type.sig" /dev/null
        [ "$(tpm-sign pubkey "k-$type")" = "$(<"$KEYS/k-$type.pub")" ]
        [ "$(tpm-sign info -j "k-$type" | grep -c '"in_tpm":false')" -eq 1 ]
        [ "$(tpm-sign info -j "k-$type" | grep -c '"ring":"system"')" -eq 1 ]
        run tpm-sign info "k-$type"
        says "$type, in software"
    done
    [ "$(tpm-sign list | grep -c 'software, ring system')" -eq 3 ]
    # By both fingerprints.
    tpm-sign verify -q "$(ssh-keygen -lf <(tpm-sign pubkey k-ed25519 --format ssh) | cut -d' ' -f2)" -s ed25519.sig message
    tpm-sign verify -q "$(openssl pkey -pubin -in "$KEYS/k-ed448.pub" -outform DER | sha256sum | cut -d' ' -f1)" \
        -s ed448.sig message
}

@test "a signature opens the ring: five TPM commands, for one message or many" {
    keygen key -t ed25519
    tpm-sign sign key message >/dev/null # the first after a TPM's start may be asked for twice
    [ "$(commands tpm-sign sign key message)" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    openssl_accepts key out
    cp message second
    [ "$(commands tpm-sign sign key message second)" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    openssl_accepts key second.sig
    tpm-sign verify -q key -s message.sig message
}

@test "it opens while the PCRs are as they were, and not otherwise" {
    keygen key -t ed25519
    extend 7 "another policy"
    fails 3 tpm-sign sign key message
    says "PCR 7"
    one_line
    tpm_boot
    tpm-sign sign key -o sig message
    openssl_accepts key sig
}

@test "OpenSSH: ssh-keygen accepts what an ed25519 key signed; it has none of the others" {
    keygen key -t ed25519
    tpm-sign sign key --format ssh --namespace git -o message.sig message
    echo "me $(tpm-sign pubkey key --format ssh)" >allowed
    ssh-keygen -q -Y verify -n git -I me -f allowed -s message.sig <message >/dev/null
    tpm-sign verify -q key --format ssh --namespace git -s message.sig message
    fails 8 tpm-sign verify key --format ssh --namespace git -s message.sig /dev/null
    fails 8 tpm-sign verify key --format ssh -s message.sig message
    for type in ed448 secp256k1; do
        keygen "k-$type" -t "$type"
        fails 2 tpm-sign pubkey "k-$type" --format ssh
        says "OpenSSH has no keys of type $type"
        fails 2 tpm-sign sign "k-$type" --format ssh message
        says "OpenSSH has no keys of type $type"
    done
}

@test "what is refused: a digest, a hash, a PIN, PCRs, decryption, a message that is too large" {
    keygen key -t ed25519
    sha256sum message | cut -c-64 >digest
    printf 'correct horse battery\n' >pin
    fails 2 tpm-sign sign key --digest digest
    says "sign the message itself, never its hash"
    fails 2 tpm-sign sign key --hash sha256 message
    says "leave out the hash"
    fails 2 tpm-sign sign key --format tss message
    fails 2 tpm-sign sign key --pss message
    fails 2 tpm-sign decrypt key message
    fails 2 tpm-sign passwd key --new-pin-file pin
    fails 2 tpm-sign keygen other -t ed448 --pin
    fails 2 tpm-sign keygen other -t ed448 --pcrs 0+7
    says "they are its ring's"
    fails 2 tpm-sign keygen other -t secp256k1 --usage both
    truncate -s 67108865 large
    fails 2 tpm-sign sign key large
    says "at most 67108864 bytes"
    [ ! -e "$KEYS/other.pem" ]
    # A curve of the same kind as the TPM's takes a hash.
    keygen curve -t secp256k1
    tpm-sign sign curve --digest -o sig digest
    openssl dgst -sha256 -verify "$KEYS/curve.pub" -signature sig message
}

@test "imported from PKCS#8: the same key, under the ring that was named" {
    for type in ed25519 ed448; do openssl genpkey -algorithm "$type" -out "$type.pem"; done
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out secp256k1.pem
    for type in ed25519 ed448 secp256k1; do
        tpm-sign import -q --ring keys --recovery-key-file "$RK" "k-$type" "$type.pem"
        cmp "$KEYS/k-$type.pub" <(openssl pkey -in "$type.pem" -pubout)
        tpm-sign sign "k-$type" -o sig message
        openssl_accepts "k-$type" sig
        [ "$(tpm-sign info -j "k-$type" | grep -c '"imported":true')" -eq 1 ]
    done
    [ ! -e "$RINGS/system" ]
    [ "$(find "$RINGS/keys/secrets" -name '*.softkey.cms' | wc -l)" -eq 3 ]
    # Encrypted, too.
    openssl pkcs8 -topk8 -in ed25519.pem -out locked.pem -passout pass:secret
    fails 4 setsid --wait tpm-sign import locked locked.pem </dev/null
}

@test "imported from OpenSSH's own form, which ssh-keygen has no other for" {
    ssh-keygen -q -t ed25519 -N '' -C 'a comment' -f login
    tpm-sign import -q --recovery-key-file "$RK" key login
    [ "$(tpm-sign pubkey key --format ssh | cut -d' ' -f1,2)" = "$(cut -d' ' -f1,2 login.pub)" ]
    tpm-sign sign key --format ssh -o message.sig message
    echo "me $(<login.pub)" >allowed
    ssh-keygen -q -Y verify -n file -I me -f allowed -s message.sig <message >/dev/null
    # A passphrase is taken off first, as the message says.
    cp login locked
    ssh-keygen -q -p -P '' -N secret -f locked >/dev/null
    fails 8 tpm-sign import other locked
    says "ssh-keygen -p -N '' -f COPY"
    ssh-keygen -q -p -P secret -N '' -f locked >/dev/null
    tpm-sign import -q other locked
    # Others are converted.
    ssh-keygen -q -t ecdsa -N '' -f curve
    fails 8 tpm-sign import curve curve
    says "ssh-keygen -p -m PKCS8 -f COPY"
    ssh-keygen -q -p -m PKCS8 -P '' -N '' -f curve >/dev/null
    tpm-sign import -q curve curve
    # Damaged in each of its lines.
    for ((n = 2; n < $(wc -l <login); n++)); do
        sed "${n}s/^\(.\{20\}\)../\1__/" login >damaged
        fails 8 tpm-sign import damaged damaged
        sed "${n}s/^\(.\{20\}\)./\1/" login >damaged
        fails 8 tpm-sign import damaged damaged
    done
}

@test "the secret is a ring's: not listed, not given out; rotated, exported and recovered with it" {
    keygen key -t ed25519
    secret=$(basename "$(ls "$RINGS/system/secrets")" .cms)
    [[ $secret == *.softkey ]]
    seal other text
    [ "$(tpm-ring list -j system | grep -c softkey)" -eq 0 ]
    for command in "tpm-unseal $secret" "tpm-seal --replace $secret" "tpm-seal --remove $secret" \
        "tpm-seal --rename $secret mine"; do
        # shellcheck disable=SC2086 # words
        fails 2 $command </dev/null
        says "names that end in .softkey are for keys of tpm-sign"
    done
    mkdir all
    tpm-unseal --all --output all 2>/dev/null || true
    [ "$(find all -name '*softkey*' | wc -l)" -eq 0 ]
    tpm-ring rotate -q system --recovery-key-file "$RK" 2>/dev/null
    tpm-sign sign key -o sig message
    openssl_accepts key sig
    # Another machine: the ring by its recovery key, the key's file as it is.
    tpm-ring export -q system exported
    mv "$SEALRING_STATE_DIR" old
    mkdir -p "$KEYS"
    cp old/keys/key.pem "$KEYS"
    fails 9 tpm-sign sign key message
    tpm-ring import -q --recovery-key-file "$RK" exported system 2>/dev/null
    tpm-sign sign key -o sig message
    tpm-sign verify -q key -s sig message
}

@test "deleted, the private part goes too; two names for one key share it" {
    openssl genpkey -algorithm ed25519 -out private.pem
    for name in one two; do
        tpm-sign import -q --recovery-key-file "$RK" "$name" private.pem 2>/dev/null
    done
    [ "$(find "$RINGS/system/secrets" -name '*.softkey.cms' | wc -l)" -eq 1 ]
    tpm-sign delete -q --force one
    tpm-sign sign two -o sig message
    tpm-sign verify -q two -s sig message
    tpm-sign delete -q --force two
    [ -z "$(find "$RINGS/system/secrets" "$KEYS" -type f)" ]
}

@test "a file that says another key or ring signs nothing" {
    keygen key -t ed25519
    keygen other -t ed25519
    cp "$KEYS/key.pem" good
    # The secret of another key in its place; envelopes know their names.
    mapfile -t secrets < <(ls "$RINGS/system/secrets")
    cp "$RINGS/system/secrets/${secrets[0]}" kept
    cp "$RINGS/system/secrets/${secrets[1]}" "$RINGS/system/secrets/${secrets[0]}"
    run tpm-sign sign key message
    first=$status
    run tpm-sign sign other message
    [ "$first $status" = "8 0" ] || [ "$first $status" = "0 8" ]
    cp kept "$RINGS/system/secrets/${secrets[0]}"
    sed -i 's/^Ring: .*/Ring: elsewhere/' "$KEYS/key.pem"
    fails 9 tpm-sign sign key message
    sed -i '/^Ring: /d' "$KEYS/key.pem"
    fails 8 tpm-sign sign key message
    says "does not say which ring"
    { cat good && echo more; } >"$KEYS/key.pem"
    fails 8 tpm-sign info key
    sed 's/MCow/MCox/' good >"$KEYS/key.pem"
    fails 8 tpm-sign info key
    cp good "$KEYS/key.pem"
    tpm-sign sign key -o sig message
    openssl_accepts key sig
}

# -- the agent -----------------------------------------------------------------------------

<<<<<<< HEAD
# in_memory, forgotten: whether the daemon has the private key anywhere
in_memory() {
    found=$("$helper/memory" "$agent" "$(inverse "$SEED")") && [ "$found" -gt 0 ]
}

forgotten() {
    found=$("$helper/memory" "$agent" "$(inverse "$SEED")") && [ "$found" -eq 0 ]
}

=======
>>>>>>> h-boot
SEED=4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb

import_seed() {
    pkcs8 ed25519 "$SEED" | tpm-sign import -q --recovery-key-file "$RK" key 2>/dev/null
}

@test "agent: unsealed once, then no TPM command; with --no-cache five each time" {
    import_seed
    keygen other -t ed448
    TCTI_PCAP_FILE=$PWD/cached agent_start --tcti "pcap:$SEALRING_TCTI"
    [ "$(ssh-add -L)" = "$(tpm-sign pubkey key --format ssh | sed 's/ [^ ]*$/ key/')" ]
    ssh_signs key
    ssh_signs key
    ssh_signs key
    agent_stop
    [ "$("$helper/bus" cached | grep -cx Unseal)" -eq 1 ]
    TCTI_PCAP_FILE=$PWD/each agent_start --tcti "pcap:$SEALRING_TCTI" --no-cache
    ssh_signs key
    ssh_signs key
    agent_stop
    [ "$("$helper/bus" each | grep -cx Unseal)" -eq 2 ]
}

@test "agent: 2,000 signatures take less than a second of its processor time" {
    local before took bound=1000
    ! grep -q __asan_init "$SEALRING_BUILD/bin/tpm-serve" || bound=10000
    import_seed
    agent_start
    ssh_signs key
    before=$(awk '{ print $14 + $15 }' "/proc/$agent/stat")
    output=$("$helper/agent" sign 1 2000)
    took=$((($(awk '{ print $14 + $15 }' "/proc/$agent/stat") - before) * 1000 / $(getconf CLK_TCK)))
    echo "# $took ms of the processor's; $output a second" >&3
    [ "${output% *}" -eq 2000 ]
    [ "$took" -lt "$bound" ]
}

@test "agent: the TPM is reset, or does not open the ring any more" {
    import_seed
    keygen p256
    printf '[Sign]\nAutoLock=0\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    agent_start --tcti "cmd:$helper/proxy $TPM_DIR/srv share"
    ssh_signs key
    ssh_signs p256
    tpm_boot
    ssh_signs key
    ssh_signs p256
    extend 7 "another policy"
    run ssh_signs key
    [ "$status" -ne 0 ]
    agent_said "PCR 7"
    tpm_boot
    ssh_signs key
}

# guarded_agent: ... of a user who may read keys, but no rings
guarded_agent() {
    local as=()
    mkdir -p guarded/rings
    cp -r "$KEYS" guarded/keys
    chmod 0 guarded/rings
    [ "$(id -u)" -ne 0 ] || as=(setpriv '--bounding-set=-dac_override,-dac_read_search')
    SSH_AUTH_SOCK=$BATS_TEST_TMPDIR/agent.sock
    SEALRING_STATE_DIR=$PWD/guarded "${as[@]}" tpm-sign serve --listen "$SSH_AUTH_SOCK" \
        --tcti swtpm:path="$PWD/none" >served 2>>said 3>&- &
    agent=$!
    agent_ready
}

@test "agent: who may not read rings asks tpm-credential, and gets keys only" {
    local socket=$SEALRING_RUNTIME_DIR/softkey.sock name
    import_seed
    seal secret "a text"
    guarded_agent
    run ssh_signs key
    [ "$status" -ne 0 ]
    agent_said "systemctl start tpm-sign-softkey.socket"
    LISTEN_FDNAMES=softkey "$helper/credential" serve "$socket" tpm-credential >broker 2>&1 3>&- &
    broker=$!
    until grep -qs listening broker; do sleep 0.01; done
    ssh_signs key
    ssh_signs key
    # The key to whoever the socket lets in; another secret, or none at all, to nobody.
    name=$(basename "$RINGS"/system/secrets/*.softkey.cms .cms)
    "$helper/credential" ask "$socket" "tpm-sign.service/$name" >got
    cmp got <(pkcs8 ed25519 "$SEED")
    for name in secret other "00$name"; do
        status=0
        "$helper/credential" ask "$socket" "tpm-sign.service/$name" >got || status=$?
        [ "$status" -eq 243 ] && [ ! -s got ]
    done
    agent_stop
    # At the socket for credentials there are no keys.
    kill "$broker" && wait "$broker" || true
    "$helper/credential" serve "$socket" tpm-credential >broker 2>&1 3>&- &
    broker=$!
    until grep -qs listening broker; do sleep 0.01; done
    name=$(basename "$RINGS"/system/secrets/*.softkey.cms .cms)
    status=0
    "$helper/credential" ask "$socket" "tpm-sign.service/$name" >got || status=$?
    [ "$status" -eq 243 ]
    # When the ring does not open, that is what is said here.
    kill "$broker" && wait "$broker" || true
    extend 7 "another policy"
    LISTEN_FDNAMES=softkey "$helper/credential" serve "$socket" tpm-credential >broker 2>&1 3>&- &
    broker=$!
    until grep -qs listening broker; do sleep 0.01; done
    rm -rf guarded
    guarded_agent
    run ssh_signs key
    [ "$status" -ne 0 ]
    agent_said "journalctl -u tpm-sign-softkey"
    grep -q "PCR 7" broker
    kill "$broker" && wait "$broker" || true
    tpm_boot
}
