#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Getting back in without the TPM: recovery keys, escrow certificates, stock openssl.

load common

setup_file() {
    tpm_start
    boot_state
    cd "$BATS_FILE_TMPDIR"
    certificate rsa -newkey rsa:2048
    certificate ec -newkey ec -pkeyopt ec_paramgen_curve:P-256
    certificate stranger -newkey rsa:2048
}

setup() {
    store_new
    certificates=$BATS_FILE_TMPDIR
    letters='[cbdefghijklnrtuv]'
    no_tpm=(--tcti device:/nonexistent)
}

# certificate NAME OPTIONS...: NAME.pem and its private key NAME.key
certificate() {
    openssl req -x509 -nodes -days 30 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" \
        "${@:2}" 2>/dev/null
}

# by_key FILE [OPTIONS]: the secret "key", opened by the recovery key in FILE, without TPM
by_key() {
    tpm-unseal "${no_tpm[@]}" --recovery-key-file "$1" "${@:2}" key
}

# by_escrow FILE: the same by a private key
by_escrow() {
    tpm-unseal "${no_tpm[@]}" --escrow-key "$1" key
}

# no_terminal COMMAND...: nobody can be asked
no_terminal() {
    setsid -w "$@"
}

# without_software KEY RING NAME: what the manual says, line by line, in a ring's directory
without_software() {
    awk '/^```/ { if (inside && block ~ /-pwri_password/) printf "%s", block
            inside = !inside; block = ""; next }
        inside { sub(/^\t+/, ""); block = block $0 "\n" }' \
        "$BATS_TEST_DIRNAME/../man/sealring.7.scd" >commands
    [ "$(grep -c openssl commands)" -eq 3 ] || return
    KEY=$1 RING=$2 NAME=$3 bash -eu "$PWD/commands"
}

@test "the recovery key is written once: format, mode, a way in" {
    umask 000
    seal key sesame
    [ "$(stat -c %a "$RK")" = 600 ]
    grep -qE "^($letters{5}-){7}$letters{5}\$" "$RK"
    [ "$(wc -c <"$RK")" -eq 48 ]
    [ "$(by_key "$RK")" = sesame ]
    run ls -A
    [[ $output != *"${RK##*/}."* ]]
}

@test "keys are random" {
    seal key sesame
    tpm-ring -q create second --recovery-key-file second.key
    [ "$(<"$RK")" != "$(<second.key)" ]
}

@test "a key file that is there is used, for another ring too" {
    local before
    seal key sesame
    before=$(stat -c '%i %y' "$RK")
    seal other second --ring second
    [ "$(stat -c '%i %y' "$RK")" = "$before" ]
    [ "$(by_key "$RK")" = sesame ]
    [ "$(tpm-unseal "${no_tpm[@]}" --recovery-key-file "$RK" other)" = second ]
}

@test "another file is not overwritten" {
    local file
    echo "my diary" >diary
    : >empty
    echo "ccccc-cbdef-cbdef-cbdef-cbdef-cbdef-cbdef-cbdef" >mistyped
    for file in diary empty mistyped; do
        cp "$file" before
        fails 10 tpm-seal -q --generate --recovery-key-file "$file" key
        one_line
        says "$file"
        cmp "$file" before
    done
    [ ! -e "$RINGS/system" ]
    ln -s nowhere link
    fails 10 tpm-seal -q --generate --recovery-key-file link key
    [ ! -e nowhere ]
    [ ! -e "$RINGS/system" ]
}

@test "a key file that cannot be written: no ring is left" {
    fails 1 tpm-seal -q --generate --recovery-key-file missing/key key
    one_line
    says "missing/key"
    [ ! -e "$RINGS/system" ]
    mkdir missing
    tpm-seal -q --generate --recovery-key-file missing/key key
    tpm-unseal --recovery-key-file missing/key key | wc -c | grep -qx 32
}

@test "with nobody to ask, the choice must be made; nothing is left behind" {
    fails 2 no_terminal tpm-seal -q --generate key
    one_line
    for word in --recovery-key-file --escrow Escrow= --no-recovery; do
        says "$word"
    done
    fails 2 no_terminal tpm-ring -q create system
    [ ! -e "$SEALRING_STATE_DIR" ]
    no_terminal tpm-seal -q --generate --no-recovery key
    no_terminal tpm-unseal key | wc -c | grep -qx 32
}

@test "--no-recovery: nobody else opens it, and status says so" {
    tpm-seal -q --generate --no-recovery key
    fails 1 tpm-reseal status
    says "system: exposed:"
    says "tpm-ring recovery renew system"
    seal other text --ring second
    fails 4 tpm-unseal "${no_tpm[@]}" --recovery-key-file "$RK" key
    says "without recovery"
    fails 4 by_escrow "$certificates/rsa.key"
    tpm-ring -q recovery renew system --recovery-key-file "$RK"
    tpm-reseal status | grep -q '^system: ready:'
    by_key "$RK" | wc -c | grep -qx 32
}

@test "escrow: an RSA and an EC certificate, either private key opens" {
    printf sesame | no_terminal tpm-seal -q --escrow "$certificates/rsa.pem" \
        --escrow "$certificates/ec.pem" key
    [ "$(by_escrow "$certificates/rsa.key")" = sesame ]
    [ "$(by_escrow "$certificates/ec.key")" = sesame ]
    fails 4 by_escrow "$certificates/stranger.key"
    one_line
    tpm-ring --json show system | tr -d ' \n' | grep -q '"recovery_key":false,"escrow":2,'
}

@test "escrow: several certificates in one file, and a recovery key besides" {
    cat "$certificates/rsa.pem" "$certificates/ec.pem" >both.pem
    printf sesame | tpm-seal -q --escrow both.pem --recovery-key-file "$RK" key
    [ "$(by_escrow "$certificates/rsa.key")" = sesame ]
    [ "$(by_escrow "$certificates/ec.key")" = sesame ]
    [ "$(by_key "$RK")" = sesame ]
}

@test "escrow: the wrong kind of key, and what is none" {
    printf sesame | tpm-seal -q --escrow "$certificates/rsa.pem" key
    fails 4 by_escrow "$certificates/ec.key"
    echo "no key" >text.key
    fails 2 by_escrow text.key
    one_line
    seal other text --ring second
    fails 4 by_key "$RK"
    says "only escrow certificates: --escrow-key FILE"
    [ "$(by_escrow "$certificates/rsa.key")" = sesame ]
}

@test "[Recovery] Escrow= in the configuration is a choice" {
    printf '[Recovery]\nEscrow=%s\nEscrow=%s\n' "$certificates/rsa.pem" \
        "$certificates/ec.pem" >"$SEALRING_CONFIG_DIR/sealring.conf"
    no_terminal tpm-seal -q key < <(printf sesame)
    [ "$(by_escrow "$certificates/rsa.key")" = sesame ]
    [ "$(by_escrow "$certificates/ec.key")" = sesame ]
    # the command line comes in its place
    no_terminal tpm-seal -q --ring second --escrow "$certificates/stranger.pem" other \
        < <(printf text)
    fails 4 tpm-unseal --escrow-key "$certificates/rsa.key" other
    [ "$(tpm-unseal --escrow-key "$certificates/stranger.key" other)" = text ]
}

@test "a certificate that cannot be used is refused, and no ring made" {
    local name tried=0
    certificate ed -newkey ed25519
    certificate small -newkey rsa:1024
    certificate p192 -newkey ec -pkeyopt ec_paramgen_curve:secp224r1
    certificate sign -newkey rsa:2048 -addext keyUsage=critical,digitalSignature
    certificate ecsign -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
        -addext keyUsage=critical,digitalSignature
    echo "no certificate" >text.pem
    : >empty.pem
    head -n 5 "$certificates/rsa.pem" >cut.pem
    cp "$certificates/rsa.key" private.pem
    for name in ed small p192 sign ecsign text empty cut private; do
        fails 2 tpm-seal -q --generate --escrow "$name.pem" key
        one_line
        fails 2 tpm-seal -q --generate --recovery-key-file "$RK" \
            --escrow "$certificates/rsa.pem" --escrow "$name.pem" key
        says "escrow file 2"
        [ ! -e "$RK" ]
        tried=$((tried + 1))
    done
    echo "$tried certificates refused"
    [ "$tried" -eq 9 ]
    fails 1 tpm-seal -q --generate --escrow missing.pem key
    says missing.pem
    [ ! -e "$RINGS/system" ]
    certificate good -newkey rsa:2048 -addext keyUsage=critical,keyEncipherment
    certificate agree -newkey ec -pkeyopt ec_paramgen_curve:P-384 \
        -addext keyUsage=critical,keyAgreement
    printf sesame | tpm-seal -q --escrow good.pem --escrow agree.pem key
    [ "$(by_escrow good.key)" = sesame ]
    [ "$(by_escrow agree.key)" = sesame ]
}

@test "a mistyped key names the group; every letter counts" {
    local key group at letter other tried=0
    seal key sesame
    key=$(<"$RK")
    for group in 1 2 3 4 5 6 7 8; do
        for at in 0 1 2 3 4; do
            letter=${key:(group - 1) * 6 + at:1}
            other=c
            [ "$letter" != c ] || other=v
            echo "${key:0:(group - 1) * 6 + at}$other${key:(group - 1) * 6 + at + 1}" >typed
            fails 4 by_key typed
            one_line
            says "group $group"
            tried=$((tried + 1))
        done
    done
    echo "$tried mistakes tried"
    [ "$tried" -eq 40 ]
    echo "${key:6:6}${key:0:6}${key:12}" >typed
    fails 4 by_key typed
    says "group 1"
    echo "${key:0:41}" >typed
    fails 4 by_key typed
    echo "$key-ccccc" >typed
    fails 4 by_key typed
    echo "${key:0:12}x${key:13}" >typed
    fails 4 by_key typed
    says "group 3"
    [ "$(by_key "$RK")" = sesame ]
}

@test "another ring's valid key does not open" {
    seal key sesame
    tpm-ring -q create second --recovery-key-file second.key
    fails 4 by_key second.key
    one_line
    says "not the recovery key"
    [ "$(by_key "$RK")" = sesame ]
}

@test "typed in capitals, without dashes, with spaces and line ends" {
    seal key sesame
    tr -d -- '-\n' <"$RK" | tr '[:lower:]' '[:upper:]' >typed
    [ "$(wc -c <typed)" -eq 40 ]
    [ "$(by_key typed)" = sesame ]
    tr -- '-' ' ' <"$RK" >typed
    [ "$(by_key typed)" = sesame ]
    { tr -- '-' '\n' <"$RK" && printf '\r\n'; } >typed
    [ "$(by_key typed)" = sesame ]
    [ "$(by_key - <"$RK")" = sesame ]
}

@test "the recovery key needs no TPM; without it one is needed" {
    seal key sesame
    fails 6 tpm-unseal "${no_tpm[@]}" key
    [ "$(by_key "$RK")" = sesame ]
    seal other text
    tpm-unseal -q "${no_tpm[@]}" --all --credential=out --recovery-key-file "$RK"
    [ "$(cat out/key out/other)" = sesametext ]
}

@test "recovery test: says that it works, and is remembered" {
    seal key sesame
    sed -n 's/^Proven=//p' "$RINGS/system/ring.conf" | grep -q .
    # another copy that the same key opens has not been tried yet
    cp "$RINGS/system/recovery.cms" old.cms
    tpm-ring -q recovery renew system --recovery-key-file "$RK"
    cp old.cms "$RINGS/system/recovery.cms"
    fails 1 tpm-reseal status
    says "system: exposed:"
    says "tpm-ring recovery test system"
    run tpm-ring recovery test system --recovery-key-file "$RK"
    [ "$status" -eq 0 ]
    says "recovery opens ring system in $SEALRING_STATE_DIR"
    tpm-reseal status | grep -q '^system: ready:'
    tpm-ring -q create second --recovery-key-file second.key
    fails 4 tpm-ring recovery test system --recovery-key-file second.key
    fails 9 tpm-ring recovery test third --recovery-key-file "$RK"
    fails 4 no_terminal tpm-ring recovery test system
    says "--recovery-key-file"
}

@test "recovery test with an escrow key" {
    tpm-seal -q --generate --escrow "$certificates/ec.pem" key
    tpm-ring -q recovery test system --escrow-key "$certificates/ec.key"
    fails 4 tpm-ring recovery test system --escrow-key "$certificates/rsa.key"
    tpm-reseal status | grep -q '^system: ready:'
}

@test "recovery renew: the old key no longer opens, the new one does" {
    seal key sesame
    run tpm-ring recovery renew system --recovery-key-file new.key
    [ "$status" -eq 0 ]
    says "ring system in $SEALRING_STATE_DIR has a new recovery copy"
    fails 4 by_key "$RK"
    [ "$(by_key new.key)" = sesame ]
    [ "$(tpm-unseal key)" = sesame ]
    tpm-ring -q recovery renew system --escrow "$certificates/rsa.pem"
    fails 4 by_key new.key
    [ "$(by_escrow "$certificates/rsa.key")" = sesame ]
}

@test "recovery renew needs the TPM to open the ring, and a choice" {
    seal key sesame
    cp "$RINGS/system/recovery.cms" before
    fails 2 no_terminal tpm-ring recovery renew system
    fails 2 tpm-ring recovery renew system --no-recovery
    extend 7 "another certificate"
    fails 3 tpm-ring recovery renew system --recovery-key-file new.key
    fails 6 tpm-ring "${no_tpm[@]}" recovery renew system --recovery-key-file new.key
    tpm_boot
    cmp "$RINGS/system/recovery.cms" before
    [ ! -e new.key ]
    [ "$(by_key "$RK")" = sesame ]
    tpm-ring -q recovery renew system --recovery-key-file new.key
    [ "$(by_key new.key)" = sesame ]
}

@test "recovery open: all secrets into a directory, without TPM" {
    seal key sesame
    seal other text
    umask 000
    run tpm-ring "${no_tpm[@]}" recovery open system out --recovery-key-file "$RK"
    [ "$status" -eq 0 ]
    says "in the clear"
    [ "$(ls out)" = $'key\nother' ]
    [ "$(cat out/key out/other)" = sesametext ]
    [ "$(stat -c %a out out/key out/other | tr '\n' ' ')" = "700 400 400 " ]
    fails 10 tpm-ring recovery open system out --recovery-key-file "$RK"
    tpm-ring -q create second --recovery-key-file second.key
    fails 4 tpm-ring recovery open system wrong --recovery-key-file second.key
    [ ! -e wrong ]
}

@test "a damaged recovery copy: exit 8, and status says what to do" {
    seal key sesame
    truncate -s -1 "$RINGS/system/recovery.cms"
    fails 8 by_key "$RK"
    one_line
    fails 1 tpm-reseal status
    says "tpm-ring recovery renew system"
    tpm-ring -q recovery renew system --recovery-key-file "$RK"
    [ "$(by_key "$RK")" = sesame ]
}

@test "the commands of the manual recover a secret with openssl alone" {
    seal key 'sesame, open'
    head -c 100000 /dev/urandom >data
    tpm-seal -q large.1 data
    cp -r "$RINGS/system" ring
    cd ring
    without_software "$(<"$RK")" system key
    [ "$(<secret)" = 'sesame, open' ]
    without_software "$(<"$RK")" system large.1
    cmp secret ../data
    # and it is those commands that do it: another ring's key, another secret's name
    rm secret ring.key
    tpm-ring -q create second --recovery-key-file second.key
    run without_software "$(<second.key)" system key
    [ "$status" -ne 0 ]
    cp secrets/key.cms secrets/other.cms
    run without_software "$(<"$RK")" system other
    [ "$status" -ne 0 ]
    run grep -c sesame secret
    [ "$output" != 1 ]
}
