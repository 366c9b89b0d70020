#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once, in tpm-seal and tpm-unseal: no crash, no leak,
# nothing left on the TPM, nothing lost.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault

@test "the sanitizers find a leak and an overrun" {
    start_from "$BASE"
    at memory 0 "" tpm-unseal key
    [ "$status" -eq 0 ]
    [ "$(cat out)" = old ]
    at memory 0 leak tpm-unseal key
    [ "$status" -eq 99 ]
    grep -q "LeakSanitizer: detected memory leaks" err
    at memory 0 overrun tpm-unseal key
    [ "$status" -eq 99 ]
    grep -q heap-buffer-overflow err
}

# Left out is what releases, what asks nobody, and what is about devices and keyrings.
@test "every function that talks to the TPM, allocates or writes can be made to fail" {
    local name count=0
    nm -u "$SEALRING_FAULT/libsealring.a" "$SEALRING_FAULT/libtools.a" |
        sed -n 's/^ *U \([A-Za-z0-9_]*\)$/\1/p' | sort -u |
        grep -xE 'Esys_.*|Tss2_Tcti.*|.*alloc|.*allocarray|str.?dup|v?asprintf|.*mem(stream|open)|EVP_.*_new|RAND_.*|CMS_(add|data|Auth).*|.*(open|openat|write|sync|rename|renameat|renameat2|unlink|unlinkat|mkdir|mkdirat|chmod|mkostemp|mkstemp|flock|fdopendir)(64)?' |
        grep -vxE 'sr_.*|Esys_(Free|Finalize|GetSysContext|SetTimeout|Sign_(Async|Finish)|TR_Close|TR_GetTpmHandle|TR_Serialize|TRSess_GetAttributes)|Tss2_TctiLdr_Finalize|Tss2_Tcti_Device_Init|Tss2_Sys_.*|keyctl_.*|fopen|dlopen|fwrite|journal_write|posix_spawn_.*' >used
    while read -r name; do
        count=$((count + 1))
        grep -qx "$name" "$BATS_TEST_DIRNAME/fault/wrap.list" || {
            echo "$name is not in wrap.list"
            return 1
        }
    done <used
    echo "$count functions"
    ((count > 40))
}

@test "PCRs that change during Unseal: the policy again, no second Load" {
    start_from "$BASE"
    names() {
        TCTI_PCAP_FILE=$PWD/capture SEALRING_TCTI=pcap:$SEALRING_TCTI "$@"
        "$helper/bus" capture | tr '\n' ' '
        rm capture
    }
    # The fifth call is Unseal. Once the TPM says so because it is true, once we say so.
    run names at tpm 5 extend tpm-unseal key
    [ "$(cat "$HIT")" = Esys_Unseal ]
    [ "$(cat out)" = old ]
    [ "$output" = "StartAuthSession PolicyPCR Load 0x182 Unseal PolicyRestart PolicyPCR Unseal FlushContext " ]
    run names at tpm 5 changed tpm-unseal key
    [ "$(cat out)" = old ]
    [ "$output" = "StartAuthSession PolicyPCR Load PolicyRestart PolicyPCR Unseal FlushContext " ]
    tpm_boot
}

@test "tpm-seal, a new ring" {
    start_from /nowhere
    command=(tpm-seal -q "${by_escrow[@]}" key)
    succeeded() { opens key new && recovers key new && well_formed; }
    recovery_opens() { tpm-ring -q recovery test system --escrow-key "$ESCROW"; }
    # The ring, if it is there, is whole: then only the secret may be missing.
    unharmed() {
        { [ ! -e state/rings/system ] || recovery_opens; } &&
            again tpm-seal -q --replace "${by_escrow[@]}" key && succeeded
    }
    campaign "tpm memory crypto file" "${command[@]}"
}

@test "tpm-seal, a new ring on a TPM without storage key" {
    start_from /nowhere
    succeeded() { opens key new; }
    unharmed() { again tpm-seal -q --replace --no-recovery key && succeeded; }
    restore() {
        rm -rf state
        tpm2_evictcontrol -Q -C o -c 0x81000001 2>/dev/null || true
    }
    restore
    status=0
    campaign tpm tpm-seal -q --no-recovery key || status=$?
    tpm-seal -q --no-recovery key <input
    [ "$status" -eq 0 ]
}

@test "tpm-unseal on a TPM whose storage key has to be made again" {
    start_from "$BASE"
    tpm2_evictcontrol -Q -C o -c 0x81000001
    succeeded() { [ "$(cat out)" = old ]; }
    unharmed() { false; }
    status=0
    campaign tpm tpm-unseal key || status=$?
    printf x | tpm-seal -q --ring another --no-recovery x
    [ "$status" -eq 0 ]
}

@test "tpm-seal --replace" {
    start_from "$BASE"
    succeeded() { opens key new && opens other kept && well_formed; }
    unharmed() { { opens key old || opens key new; } && again tpm-seal -q --replace key && succeeded; }
    campaign "tpm memory crypto file" tpm-seal -q --replace key
}

@test "tpm-unseal" {
    start_from "$BASE"
    printf previous >delivered
    restore() { printf previous >delivered; }
    # Delivered is all or nothing; a temporary file beside it does not stay.
    succeeded() { [ "$(cat delivered)" = old ] && [ "$(echo delivered*)" = delivered ]; }
    is_old() { diff -r "$from" state >/dev/null && [ "$(cat delivered*)" = previous ]; }
    unharmed() { diff -r "$from" state && succeeded; }
    campaign "tpm memory crypto file" tpm-unseal --output delivered key
}

@test "tpm-unseal with a PIN" {
    start_from "$BASE"
    succeeded() { [ "$(cat out)" = sesame ]; }
    unharmed() { false; }
    campaign "tpm memory crypto file" tpm-unseal --pin-file "$BASE/pin" guarded
}

@test "tpm-unseal with the recovery key" {
    start_from "$BASE"
    succeeded() { [ "$(cat out)" = old ]; }
    unharmed() { false; }
    campaign "memory crypto file" tpm-unseal --recovery-key-file "$RK" key
}
