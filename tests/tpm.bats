#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# TPMs that fail, are gone, full, locked, cleared or another: exit code, and one clear line.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load common

srk=0x81000001
storage='fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt'

setup_file() {
    tpm_start other
    tpm_start
    boot_state
}

setup() {
    store_new
    printf 'correct horse battery\n' >pin
}

# Each program that talks to the TPM must end with this status and one line with this text.
all_fail() {
    local command count=0
    for command in "tpm-unseal key" "tpm-seal -q --generate another" "tpm-seal -q --rename key k" \
        "tpm-reseal -q status system" "tpm-reseal -q now system" "tpm-ring rotate system --no-recovery" \
        "tpm-ring create new --no-recovery" "tpm-unseal --file $RINGS/system/approvals/current.pem" \
        "tpm-unseal --all --credential=creds"; do
        # shellcheck disable=SC2086 # words on purpose
        fails "$1" $command
        one_line
        says "$2"
        count=$((count + 1))
    done
    [ "$count" -eq 9 ]
}

# through ARGUMENTS: a proxy that makes trouble is between us and the TPM from now on
through() {
    export SEALRING_TCTI="cmd:$helper/proxy $TPM_DIR/srv $*"
}

# as_stranger COMMAND...: as somebody whom no file mode lets through; works for root, too
as_stranger() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
    else
        "$@"
    fi
}

# A place that everybody reaches, with a copy of the program in it.
public_dir() {
    public=$(mktemp -d "${TMPDIR:-/tmp}/sealring-tpm-XXXXXX")
    chmod 755 "$public"
    mkdir "$public/bin"
    cp "$SEALRING_BUILD/bin/tpm-unseal" "$public/bin/"
    cp -L "$SEALRING_BUILD"/libsealring.so.0 "$public/"
}

# put_srk CONTEXT: this object is now at the storage key's handle
put_srk() {
    tpm2_evictcontrol -Q -C o -c $srk 2>/dev/null || :
    tpm2_evictcontrol -Q -C o -c "$1" $srk
    tpm2_flushcontext -t
}

# After this the handle is empty: the next ring makes a storage key of its own.
no_srk() {
    tpm2_evictcontrol -Q -C o -c $srk
}

@test "no device: exit 6, and where to look" {
    seal key sesame
    export TSS2_TCTI=device:/nonexistent
    unset SEALRING_TCTI TPM2TOOLS_TCTI
    all_fail 6 "no TPM: /nonexistent does not exist: enable the TPM in the firmware setup, or name another with --tcti"
    fails 6 tpm-unseal --tcti /nonexistent/too key
    says "no TPM: /nonexistent/too does not exist"
    tpm_use main
    fails 6 tpm-unseal --tcti device:/nonexistent key
    [ "$(tpm-unseal key)" = sesame ]
}

# bats test_tags=minimal
@test "no permission: exit 6, and the group to join" {
    public_dir
    touch "$public/tpmrm0"
    chmod 0000 "$public/tpmrm0"
    SEALRING_CONFIG_DIR=/nonexistent fails 6 as_stranger "$public/bin/tpm-unseal" \
        --tcti "device:$public/tpmrm0" --file key.tpm
    one_line
    says "no permission to use the TPM: $public/tpmrm0 belongs to group $(stat -c %G "$public/tpmrm0")"
    says "join that group"
    # allowed: it gets further
    chmod 0666 "$public/tpmrm0"
    SEALRING_CONFIG_DIR=/nonexistent fails 6 as_stranger "$public/bin/tpm-unseal" \
        --tcti "device:$public/tpmrm0" --file key.tpm
    [[ $output != *permission* ]]
    rm -r "$public"
}

@test "a device that cannot be opened: exit 6, and what to do" {
    seal key sesame
    # a node that answers open() with ENXIO, and one that answers "busy"
    cp "$(command -v sleep)" node
    ./node 600 3>&- &
    busy=$!
    for node in "$TPM_DIR/srv" "$PWD/node"; do
        fails 6 tpm-unseal --tcti "device:$node" key
        one_line
        says "$node cannot be opened: another program uses it: end that, or use /dev/tpmrm0"
    done
    kill "$busy"
}

# bats test_tags=minimal
@test "a socket of somebody else's TPM: exit 6, and who may" {
    public_dir
    python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$public/srv"
    chmod 0000 "$public/srv"
    SEALRING_CONFIG_DIR=/nonexistent fails 6 as_stranger "$public/bin/tpm-unseal" \
        --tcti "swtpm:path=$public/srv" --file key.tpm
    one_line
    says "no permission to use the TPM at \"swtpm:path=$public/srv\": run as user $(stat -c %u "$public/srv")"
    chmod 0777 "$public/srv"
    SEALRING_CONFIG_DIR=/nonexistent fails 6 as_stranger "$public/bin/tpm-unseal" \
        --tcti "swtpm:path=$public/srv" --file key.tpm
    says "no TPM answers at"
}

@test "the TPM's process is gone: exit 6" {
    seal key sesame
    tpm_stop
    all_fail 6 "no TPM answers at \"$SEALRING_TCTI\": start it, or name another with --tcti"
    tpm_start
    boot_state
    [ "$(tpm-unseal key)" = sesame ]
}

@test "the connection breaks in the middle: exit 6" {
    seal key sesame
    fails 6 timeout 60 tpm-unseal --tcti "cmd:head -c 60 | $helper/proxy $TPM_DIR/srv extend 0 0" key
    one_line
    says "the connection to the TPM broke"
    tpm_use main
    "$helper/handles" "$SEALRING_TCTI" flush || :
    [ "$(tpm-unseal key)" = sesame ]
}

@test "dictionary-attack lockout: exit 5, and rings without a PIN still open" {
    seal key sesame
    seal guarded open --ring pin --pin --pin-file pin
    echo wrong >wrong
    tpm_tries 2
    fails 4 tpm-unseal --pin-file wrong guarded
    fails 4 tpm-unseal --pin-file wrong guarded
    fails 5 tpm-unseal --pin-file pin guarded
    one_line
    says "dictionary-attack lockout"
    says "lockout authorization"
    [ "$(tpm-unseal key)" = sesame ]
    tpm2_dictionarylockout -Q --clear-lockout
    [ "$(tpm-unseal --pin-file pin guarded)" = open ]
    tpm2_dictionarylockout -Q --setup-parameters -n 100 -t 1000 -l 1000
}

@test "object slots taken by others: exit 6, opens again once they are free" {
    seal key sesame
    for n in 1 2 3; do tpm2_createprimary -Q -C o -G ecc -c "taken$n.ctx"; done
    for command in "tpm-unseal key" "tpm-reseal -q now"; do
        # shellcheck disable=SC2086 # words on purpose
        fails 6 $command
        one_line
        says "all object slots of the TPM are taken by other programs: end them, or use /dev/tpmrm0"
    done
    [ "$("$helper/handles" "$SEALRING_TCTI" | wc -l)" -eq 3 ]
    tpm2_flushcontext -t
    [ "$(tpm-unseal key)" = sesame ]
}

@test "object slots taken and the handle empty: the TPM is not called another one" {
    seal key sesame
    no_srk
    for n in 1 2 3; do tpm2_createprimary -Q -C o -G ecc -c "taken$n.ctx"; done
    fails 6 tpm-reseal -q status system
    says "all object slots"
    fails 6 tpm-unseal key
    says "all object slots"
    tpm2_flushcontext -t
    [ "$(tpm-unseal key)" = sesame ]
}

@test "session slots taken by others: exit 6, opens again once they are free" {
    seal key sesame
    # TPM2_StartAuthSession as bytes: tools would save their sessions, which frees the slots
    { printf 80010000002b0000017640000007400000070010; printf %032d 1; printf 0000010010000b; } |
        xxd -r -p >start
    for n in 1 2 3; do "$helper/proxy" "$TPM_DIR/srv" extend 0 0 <start >/dev/null; done
    fails 6 tpm-unseal key
    one_line
    says "all session slots of the TPM are taken by other programs: end them, or use /dev/tpmrm0"
    "$helper/handles" "$SEALRING_TCTI" flush || :
    [ "$(tpm-unseal key)" = sesame ]
}

@test "another TPM in the same state: exit 7, before any PCR is mentioned" {
    seal key sesame
    tpm_use other
    boot_state
    fails 7 tpm-unseal key
    one_line
    says "sealed by another TPM, or the TPM was cleared since"
    says "tpm-reseal recover system"
    [[ $output != *PCR* ]]
    tpm_reboot
    tpm_use main
    [ "$(tpm-unseal key)" = sesame ]
}

@test "another TPM in another state: exit 7 just so, with and without a storage key" {
    seal key sesame
    tpm_use other
    boot_state "firmware 7" "secure boot off"
    fails 7 tpm-unseal key
    says "sealed by another TPM"
    [[ $output != *PCR* ]]
    tpm-seal -q --ring local --no-recovery --generate local
    [ "$(tpm-unseal local | wc -c)" -eq 32 ]
    fails 7 tpm-unseal key
    says "sealed by another TPM"
    fails 7 tpm-reseal status system
    says "system: foreign: sealed by another TPM, or the TPM was cleared since"
    no_srk
    tpm_reboot
}

@test "recover on another TPM: provisions again, opens, and the old TPM does not any more" {
    seal key sesame
    tpm_use other
    boot_state
    tpm-reseal -q recover system --recovery-key-file "$RK"
    [ "$(tpm-unseal key)" = sesame ]
    fails 0 tpm-reseal status system
    says "system: ready"
    extend 7 "another certificate"
    fails 3 tpm-unseal key
    tpm_use main
    fails 7 tpm-unseal key
    fails 7 tpm-reseal status
    tpm_use other
    no_srk
    tpm_reboot
}

@test "a cleared TPM: exit 7; recover makes it the ring's again" {
    seal key sesame
    tpm2_clear -Q
    fails 7 tpm-unseal key
    one_line
    says "sealed by another TPM, or the TPM was cleared since"
    fails 7 tpm-reseal status
    says foreign
    tpm-reseal -q recover system --recovery-key-file "$RK"
    [ "$(tpm-unseal key)" = sesame ]
    tpm2_getcap handles-persistent | grep -q $srk
}

@test "an empty handle: the storage key is derived again, nothing stays behind" {
    seal key sesame
    no_srk
    fails 0 commands tpm-unseal key
    [ "$(cat out)" = sesame ]
    says CreatePrimary
    fails 0 tpm-reseal status
    says "system: ready"
    tpm-reseal -q now
    [ "$(tpm-unseal key)" = sesame ]
    extend 7 "another certificate"
    fails 3 tpm-unseal key
    says "PCR 7"
    tpm_boot
}

@test "another key at the handle, the same seed: opens all the same" {
    seal key sesame
    for kind in ecc rsa; do
        case $kind in
        ecc) tpm2_createprimary -Q -C e -G ecc256:aes128cfb -a "$storage" -c foreign.ctx ;;
        rsa) tpm2_createprimary -Q -C o -G rsa2048:aes128cfb -a "$storage" -c foreign.ctx ;;
        esac
        put_srk foreign.ctx
        [ "$(tpm-unseal key)" = sesame ]
        fails 0 tpm-reseal status
        extend 0 "other firmware"
        fails 3 tpm-unseal key
        says "PCR 0"
        tpm_boot
    done
    no_srk
}

@test "a storage key with a password: another is passed by, the ring's own is named" {
    seal key sesame
    tpm2_createprimary -Q -C e -G ecc256:aes128cfb -a "$storage" -p secret -c foreign.ctx
    put_srk foreign.ctx
    [ "$(tpm-unseal key)" = sesame ]
    fails 1 tpm-ring create new --no-recovery
    one_line
    says "the TPM's storage key has a password"
    says "one without is needed"
    [ ! -e "$RINGS/new" ]
    tpm2_createprimary -Q -C o -G ecc256:aes128cfb -a "$storage" -p secret -c same.ctx
    put_srk same.ctx
    fails 1 tpm-unseal key
    one_line
    says "the TPM's storage key has a password"
    no_srk
    [ "$(tpm-unseal key)" = sesame ]
}

@test "the owner has a password: exit 1 where a storage key must be made, else no matter" {
    seal key sesame
    tpm2_changeauth -Q -c owner secret
    [ "$(tpm-unseal key)" = sesame ]
    tpm-reseal -q now
    tpm-ring create -q another --no-recovery
    tpm2_evictcontrol -Q -C o -P secret -c $srk
    fails 1 tpm-ring create new --no-recovery
    one_line
    says "the TPM's owner has set a password: make a storage key at $srk with it"
    tpm2_changeauth -Q -c owner -p secret
    tpm-ring create -q new --no-recovery
    [ "$(tpm-unseal key)" = sesame ]
}

@test "while the storage key is questioned the TPM fails: exit 6, and no other verdict" {
    seal key sesame
    no_srk
    for answer in "131 101" "173 101"; do # CreatePrimary, ReadPublic
        SEALRING_TCTI="cmd:$helper/proxy $TPM_DIR/srv answer $answer 100" fails 6 tpm-unseal key
        one_line
        [[ $output != *"another TPM"* && $output != *damaged* ]]
        SEALRING_TCTI="cmd:$helper/proxy $TPM_DIR/srv answer $answer 100" \
            fails 6 tpm-reseal status system
    done
    [ "$(tpm-unseal key)" = sesame ]
}

@test "an RSA storage key that is there already is used" {
    tpm2_evictcontrol -Q -C o -c $srk 2>/dev/null || :
    tpm2_createprimary -Q -C o -G rsa2048:aes128cfb -a "$storage" -c rsa.ctx
    put_srk rsa.ctx
    seal key sesame
    [ "$(tpm-unseal key)" = sesame ]
    tpm2_readpublic -c $srk | grep -q 'value: rsa'
    [ "$(commands tpm-unseal key)" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    extend 7 "another certificate"
    fails 3 tpm-unseal key
    says "PCR 7"
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
    no_srk
}

@test "what is no storage key at the handle is refused, and said" {
    tpm2_evictcontrol -Q -C o -c $srk 2>/dev/null || :
    tpm2_createprimary -Q -C o -G ecc256:ecdsa:null -c sign.ctx \
        -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'
    put_srk sign.ctx
    fails 1 tpm-seal --generate --no-recovery key
    one_line
    says "the TPM's handle $srk holds no storage key: remove what is there"
    [ ! -e "$RINGS/system" ]
    no_srk
    seal key sesame
    [ "$(tpm-unseal key)" = sesame ]
}

@test "a PCR moves between PolicyPCR and Unseal: the policy again, the object not" {
    seal key sesame
    through extend 17f 3
    fails 0 commands tpm-unseal key
    [ "$(cat out)" = sesame ]
    [ "$output" = "StartAuthSession PolicyPCR Load Unseal PolicyRestart PolicyPCR Unseal PolicyRestart PolicyPCR Unseal PolicyRestart PolicyPCR Unseal FlushContext" ]
    tpm_use main
    tpm_boot
}

@test "a PCR that never rests: given up after 20 times, with exit 3" {
    seal key sesame
    through extend 17f 1000
    fails 3 commands tpm-unseal key
    tries=$(tail -n 1 <<<"$output" | tr ' ' '\n' | grep -c '^Unseal$')
    echo "$tries times"
    [ "$tries" -ge 2 ]
    [ "$tries" -le 20 ]
    [ "$(tail -n 1 <<<"$output" | tr ' ' '\n' | grep -c '^Load$')" -eq 1 ]
    tpm_use main
    tpm_boot
}

@test "a PCR that moves costs no PIN attempt" {
    seal guarded open --pin --pin-file pin
    before=$(failed_tries)
    SEALRING_TCTI="cmd:$helper/proxy $TPM_DIR/srv extend 17f 5" \
        fails 0 tpm-unseal --pin-file pin guarded
    says open
    [ "$(failed_tries)" = "$before" ]
    tpm_boot
}

@test "a TPM that asks for patience gets it, of every command" {
    seal key sesame
    codes=(176 17f 157 15e) # StartAuthSession PolicyPCR Load Unseal
    for code in "${codes[@]}"; do
        for rc in 922 908 90a; do # RETRY YIELDED TESTING
            SEALRING_TCTI="cmd:$helper/proxy $TPM_DIR/srv answer $code $rc 8" fails 0 tpm-unseal key
            says sesame
        done
    done
    SEALRING_TCTI="cmd:$helper/proxy $TPM_DIR/srv answer 153 922 8" tpm-reseal -q now # Create
    [ "$(tpm-unseal key)" = sesame ]
}

@test "a TPM that never gets ready: exit 6" {
    seal key sesame
    through answer 176 922 100000
    fails 6 tpm-unseal key
    one_line
    says "the TPM is busy and stayed so: try again later"
    tpm_use main
    [ "$(tpm-unseal key)" = sesame ]
}

@test "a TPM in failure mode or not started: exit 6" {
    seal key sesame
    SEALRING_TCTI="cmd:$helper/proxy $TPM_DIR/srv answer 176 101 1" fails 6 tpm-unseal key
    one_line
    says "the TPM is in failure mode: restart the machine"
    SEALRING_TCTI="cmd:$helper/proxy $TPM_DIR/srv answer 176 100 1" fails 6 tpm-unseal key
    one_line
    says "the TPM was not started by the firmware"
}
