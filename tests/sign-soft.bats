#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Software keys: what no TPM has, as a secret of a ring. RFC 8032, stock openssl and ssh-keygen
# say what is right.
# shellcheck disable=SC2030,SC2031,SC2094,SC2154 # helper, status, output, lines: from common.bash and bats

load agent
load rfc8032

setup() {
    store_new
    echo "a message" >message
}

# keygen NAME [OPTIONS]: its ring is made at first use
keygen() {
    tpm-sign keygen -q --recovery-key-file "$RK" "$@" 2>/dev/null
}

# vector TYPE PRIVATE PUBLIC MESSAGE SIGNATURE
vector() {
    pkcs8 "$1" "$2" | tpm-sign import -q --recovery-key-file "$RK" rfc 2>/dev/null || return
    [ "$(tpm-sign pubkey rfc)" = "$(spki "$1" "$3")" ] || return
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
    rfc8032 vector
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

@test "deleted while it is replaced: the private part of the new one goes, too" {
    keygen key -t ed25519
    cp -a "$SEALRING_STATE_DIR" rotated
    SEALRING_STATE_DIR=$PWD/rotated tpm-sign rotate -q key 2>/dev/null
    secrets() { find "$RINGS/system/secrets" -name '*.softkey.cms' | wc -l; }
    # Until what is done with the lock is done, delete waits for it.
    exec {lock}<"$RINGS"
    flock "$lock"
    tpm-sign delete -q --force key {lock}<&- 3>&- &
    deleting=$!
    until grep -q -- "-> FLOCK.* $deleting " /proc/locks; do sleep 0.01; done
    cp -a rotated/rings/system/secrets/. "$RINGS/system/secrets"
    cp -a rotated/keys/. "$KEYS"
    [ "$(secrets)" -eq 2 ]
    exec {lock}<&-
    wait "$deleting"
    [ "$(secrets)" -eq 0 ]
    [ -z "$(find "$KEYS" -type f)" ]
}

@test "a ring that is removed: the keys that are lost with it are named before" {
    keygen one -t ed25519
    keygen two -t secp256k1
    tpm-sign rotate -q two
    keygen other -t ed448 --ring other
    keygen web
    fails 2 tpm-ring remove system </dev/null
    says "keys in software whose private parts ring system has are lost with it: one, two"
    tpm-sign sign one message -o sig
    run tpm-ring remove -q --force system
    [ "$status" -eq 0 ]
    says "are lost with it: one, two"
    fails 9 tpm-sign sign one message -o sig
    tpm-sign sign other message -o sig
    tpm-sign sign web message -o sig
    tpm-sign delete -q --force two
    run tpm-ring remove -q --force other
    says "are lost with it: other"
    tpm-seal -q --generate --no-recovery secret 2>/dev/null
    run tpm-ring remove -q --force system
    [ "$output" = "" ]
}

@test "a private part that no key file names is told by tpm-doctor, and can be deleted" {
    local stray
    keygen key -t ed25519
    keygen half -t ed25519
    tpm-sign rotate -q key
    tpm-doctor >found || true
    fails 1 grep softkey found
    # As if keygen had been killed before the file was there.
    stray=$(openssl pkey -pubin -in "$KEYS/half.pub" -outform DER | sha256sum | cut -c1-40).softkey
    mv "$KEYS/half.pem" away
    tpm-doctor >found || true
    [ "$(grep -c 'softkey is a private key that no key file names' found)" -eq 1 ]
    grep -q "tpm-sign delete $stray" found
    # Once the file is back it is a key's, and stays; so it does where that can't be known.
    cp away "$KEYS/half@1.pem"
    fails 2 tpm-sign delete --force "$stray"
    says "is the private part of a key"
    rm "$KEYS/half@1.pem"
    sed 's/^[A-Za-z0-9+/]*=*$/x/' "$KEYS/key.pem" >"$KEYS/damaged.pem"
    fails 8 tpm-sign delete --force "$stray"
    rm "$KEYS/damaged.pem"
    [ -e "$RINGS/system/secrets/$stray.cms" ]
    fails 2 tpm-sign delete "$stray" </dev/null
    tpm-sign delete -q --force "$stray"
    [ ! -e "$RINGS/system/secrets/$stray.cms" ]
    [ "$(find "$RINGS/system/secrets" -name '*.softkey.cms' | wc -l)" -eq 2 ]
    tpm-doctor >found || true
    fails 1 grep softkey found
    fails 9 tpm-sign delete --force "$stray"
    tpm-sign sign key message -o sig
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

# is_denial FILE: begins with a byte that no key does, and has no key in it
is_denial() {
    [ "$(head -c 1 "$1" | xxd -p)" = 00 ] && ! xxd -p "$1" | tr -d '\n' | grep -q "$SEED"
}

# bats test_tags=minimal
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
        [ "$status" -eq 0 ] && is_denial got
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
    agent_said "PCR 7"
    grep -q "PCR 7" broker
    kill "$broker" && wait "$broker" || true
    tpm_boot
}
