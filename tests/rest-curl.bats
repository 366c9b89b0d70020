#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The examples of tpm-serve(8), as they stand there, by user nobody, whom keys.d lets.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load common
load rest

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
    tpm_start
    boot_state
    store_new
    # Of a directory that one is in, others above need not be open.
    chmod 755 "$SEALRING_RUNTIME_DIR"
    mkdir -m 777 "$SEALRING_RUNTIME_DIR/nobody"
    cd "$SEALRING_RUNTIME_DIR/nobody"
    as=()
    [ "$(id -u)" -ne 0 ] || as=(setpriv "--reuid=$(id -u nobody)" "--regid=$(id -g nobody)" --clear-groups)
}

teardown() {
    rest_stop
    no_handles_left
    tpm_stop
}

# commands_of PAGE: the blocks of its examples, with the socket that is beside
commands_of() {
    awk '/^# / { here = $2 == "EXAMPLES" } here && /^```/ { shown = !shown; next } here && shown' \
        "$root/man/$1.scd" | sed 's/\\\(.\)/\1/g; s|@RUNSTATEDIR@/sealring|..|'
}

# bats test_tags=minimal
@test "the examples run as they stand, for who may use the keys" {
    local key
    echo 'a message' >message
    echo 'a secret' >secret
    printf 'correct horse battery\n' >pin.txt
    keygen web
    keygen guarded --pin-file pin.txt
    keygen opens -t rsa2048 --usage decrypt
    keygen ed -t ed25519 --no-recovery
    keygen hidden
    tpm-sign pubkey opens >opens.pem
    mkdir "$SEALRING_CONFIG_DIR/keys.d"
    for key in web guarded ed; do
        printf '[Access]\nUsers=nobody\n' >"$SEALRING_CONFIG_DIR/keys.d/$key.conf"
    done
    printf '[Access]\nUsers=nobody\nRotate=yes\n' >"$SEALRING_CONFIG_DIR/keys.d/opens.conf"
    chmod 644 -- *
    commands_of tpm-serve.8 >commands
    [ "$(grep -c curl commands)" -eq 7 ]
    rest_start
    chmod 666 "$REST"
    "${as[@]}" bash -euo pipefail commands >said-there
    if [ "$(id -u)" -eq 0 ]; then
        printf '%s\n' 'Verified OK' true 'ed ed25519 false' 'guarded p256 true' 'opens rsa2048 true' \
            'web p256 true' >wanted
    else
        printf '%s\n' 'Verified OK' true 'ed ed25519 false' 'guarded p256 true' 'hidden p256 true' \
            'opens rsa2048 true' 'web p256 true' >wanted
    fi
    head -n -4 said-there | diff wanted -
    # Two signatures, the secret, and the version of the new key.
    tail -n 4 said-there | head -n 1 | base64 -d >one.sig
    printf one | openssl dgst -sha256 -verify <(tpm-sign pubkey guarded) -signature one.sig
    [ "$(tail -n 2 said-there | tr '\n' ' ')" = 'a secret 2 ' ]
    [ "$(id -u)" -eq 0 ] || return 0
    # Others' keys are not there for nobody, and may not be rotated without right.
    refused() {
        "${as[@]}" curl -sS --unix-socket ../sign.sock -d "$2" "http://localhost/api/v1/keys/$1" | jq -r .code
    }
    [ "$(refused hidden/sign '{"data":"AAAA"}')" = no_such_key ]
    [ "$(refused web/rotate '{}')" = not_permitted ]
    [ "$(refused ed/rotate '{}')" = not_permitted ]
    answers 200 "$(key_path hidden sign)" -d '{"data":"AAAA"}'
    # tpm-sign has neither the TPM nor the files then.
    SEALRING_TCTI=swtpm:path=/nonexistent SEALRING_RUNTIME_DIR=.. "${as[@]}" \
        env PATH="$PATH" tpm-sign sign ed message >ed.sig
    tpm-sign verify -q ed -s ed.sig message
}
