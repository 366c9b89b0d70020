#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Policy digests computed in software are what the TPM's trial session holds.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load common

setup_file() {
    tpm_start
}

@test "random policies: the digest is the TPM's after every statement" {
    fails 0 "$helper/trial" "$SEALRING_TCTI" 1500 "${SEED:=$RANDOM}"
    echo "# seed $SEED: $output" >&3
    [[ $output =~ ^1500\ policies,\ ([0-9]+)\ digests:\ ([0-9]+)\ PolicyPCR,\ ([0-9]+)\ PolicyCounterTimer,\ ([0-9]+)\ PolicyAuthValue,\ ([0-9]+)\ PolicyAuthorize,\ ([0-9]+)\ PolicyCommandCode,\ ([0-9]+)\ PolicyLocality$ ]]
    [ "${BASH_REMATCH[1]}" -ge 1500 ]
    for kind in 2 3 4 5 6 7; do [ "${BASH_REMATCH[kind]}" -gt 100 ]; done
}

@test "no policies are no proof" {
    fails 1 "$helper/trial" "$SEALRING_TCTI" 0 1
}

@test "tpm2-tools compute the same for PCR 0+7 and a PIN" {
    boot_state
    printf 'correct horse battery' >pin
    seal key sesame --pin --pin-file pin
    tpm2_startauthsession -Q -S trial.ctx
    tpm2_policypcr -Q -S trial.ctx -l sha256:0,7
    tpm2_policyauthvalue -Q -S trial.ctx -L policy
    tpm2_flushcontext trial.ctx
    sed "1,/^-----BEGIN/d; /^-----END/,\$d" "$RINGS/system/approvals/current.pem" |
        base64 -d >key.der
    [[ $(xxd -p key.der | tr -d '\n') == *"$(xxd -p policy | tr -d '\n')"* ]]
}
