#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-latch: what the initramfs could open is closed afterwards, whatever happens.

load common

setup_file() {
    tpm_start
}

setup() {
    store_new
    tpm_boot
    keys=()
}

teardown() {
    for key in "${keys[@]}"; do keyctl unlink "$key" @u || :; done
    no_handles_left
}

# latch_value BANK: of PCR 15
latch_value() {
    tpm2_pcrread "$1:15" | sed -n 's/^ *15: 0x//p' | tr A-F a-f
}

# ring_opened: as the initramfs notes it
ring_opened() {
    mkdir -p "$SEALRING_RUNTIME_DIR/boot"
    echo note >"$SEALRING_RUNTIME_DIR/boot/boot.opened"
}

# boot_secret NAME TEXT: under a ring that the latch closes
boot_secret() {
    [ -d "$RINGS/boot" ] || tpm-ring create boot --quiet --no-recovery --pcrs 0+7+15=0
    printf %s "$2" | tpm-seal --quiet --ring boot "$1"
}

@test "every bank is extended by its own hash, in one command" {
    zeros=$(printf '0%.0s' {1..40})
    [ "$(latch_value sha1)" = "$zeros" ]
    run commands tpm-latch --quiet
    [ "$status" -eq 0 ]
    [ "$output" = PCR_Event ]
    for bank in sha1:20 sha256:32 sha384:48 sha512:64; do
        size=${bank#*:} bank=${bank%:*}
        event=$(printf 'sealring latch' | "${bank}sum" | cut -d' ' -f1)
        extended=$({
            head -c "$size" /dev/zero
            printf %s "$event" | xxd -r -p
        } | "${bank}sum" | cut -d' ' -f1)
        [ "$(latch_value "$bank")" = "$extended" ]
    done
}

@test "a ring that needs the latch opens before, not after, and again in the next boot" {
    boot_secret early 'of the initramfs'
    seal late 'of the system'
    [ "$(tpm-unseal early)" = 'of the initramfs' ]
    tpm-latch
    fails 3 tpm-unseal early
    says 'PCR 15'
    [ "$(tpm-unseal late)" = 'of the system' ]
    tpm_boot
    [ "$(tpm-unseal early)" = 'of the initramfs' ]
}

@test "once more does no harm" {
    boot_secret early 'of the initramfs'
    tpm-latch
    before=$(latch_value sha256)
    tpm-latch
    [ "$(latch_value sha256)" != "$before" ]
    fails 3 tpm-unseal early
}

@test "another PCR is latched when that is configured" {
    printf '[Latch]\nPCR=14\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    printf x | tpm-seal --quiet --no-recovery --ring boot --pcrs 0+7+14=0 early
    tpm-latch
    fails 3 tpm-unseal early
    [ "$(latch_value sha1)" = "$(printf '0%.0s' {1..40})" ]
}

@test "ring keys that are kept in the keyring are revoked, others are not" {
    keys=("$(keyctl add user sealring-ring:00112233445566778899aabbccddeeff key @u)"
        "$(keyctl add user sealring-other key @u)")
    keyctl print "${keys[0]}"
    tpm-latch
    run keyctl print "${keys[0]}"
    [ "$status" -ne 0 ]
    [ "$(keyctl print "${keys[1]}")" = key ]
}

@test "a ring key that is kept while the TPM is being asked is revoked as well" {
    description=sealring-ring:00112233445566778899aabbccddeeff
    first=$(keyctl add user "$description" key @u)
    kill -STOP "$(<"$TPM_DIR/pid")"
    tpm-latch 3>&- &
    while keyctl print "$first"; do sleep 0.01; done
    keys=("$(keyctl add user "$description" 'kept meanwhile' @u)")
    keyctl print "${keys[0]}"
    kill -CONT "$(<"$TPM_DIR/pid")"
    wait $!
    run keyctl print "${keys[0]}"
    [ "$status" -ne 0 ]
}

@test "secrets of the initramfs are taken back from the keyring, others are not" {
    boot_secret early one
    boot_secret kept two
    mkdir "$SEALRING_CONFIG_DIR/secrets.d"
    printf '[Secret]\nInitramfs=yes\n[Keyring]\nKeyring=@u\n' >"$SEALRING_CONFIG_DIR/secrets.d/early.conf"
    printf '[Secret]\nInitramfs=no\n[Keyring]\nKeyring=@u\n' >"$SEALRING_CONFIG_DIR/secrets.d/kept.conf"
    tpm-unseal --quiet --configured --all
    keys=("$(keyctl search @u user sealring:early)" "$(keyctl search @u user sealring:kept)")
    tpm-latch
    run keyctl search @u user sealring:early
    [ "$status" -ne 0 ]
    keyctl search @u user sealring:kept
}

@test "no TPM: goes on when no ring was opened, fails when one was" {
    tpm_stop
    run tpm-latch
    [ "$status" -eq 0 ]
    says 'no ring was opened'
    ring_opened
    fails 6 tpm-latch
    one_line
    says 'the boot stops'
    printf '[Latch]\nRequired=no\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    run tpm-latch --quiet
    [ "$status" -eq 0 ]
    one_line
    says 'Required=no'
}

@test "keys are revoked though the TPM fails" {
    keys=("$(keyctl add user sealring-ring:00112233445566778899aabbccddeeff key @u)")
    ring_opened
    tpm_stop
    fails 6 tpm-latch
    run keyctl print "${keys[0]}"
    [ "$status" -ne 0 ]
}

@test "a configuration that is not understood does not pass for latched" {
    printf '[Latch]\nPCR=23\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    fails 8 tpm-latch
    says 'sealring.conf:2:'
}

@test "outside an initramfs no volume is closed for a shell" {
    run tpm-latch --shell
    [ "$status" -eq 0 ]
    ring_opened
    fails 2 tpm-latch --shell
    says 'in an initramfs only'
    [ "$(latch_value sha1)" != "$(printf '0%.0s' {1..40})" ]
}

@test "a TPM that is no device of the kernel is not waited for" {
    run tpm-latch --wait
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    [ "$(latch_value sha1)" = "$(printf '0%.0s' {1..40})" ]
}

@test "options that exclude each other" {
    fails 2 tpm-latch --wait --shell
    fails 2 tpm-latch --check /
    fails 2 tpm-latch file
}

@test "after hibernation, and only then, the running system latches again" {
    sed 's|exec [^ ]*/tpm-latch|exec tpm-latch|' "$SEALRING_BUILD/units/system-sleep" >hook
    grep -q 'exec tpm-latch' hook
    zeros=$(printf '0%.0s' {1..40})
    for arguments in 'pre hibernate' 'pre suspend' 'post suspend' 'post hybrid' 'post'; do
        # shellcheck disable=SC2086 # two words
        sh hook $arguments
        [ "$(latch_value sha1)" = "$zeros" ]
    done
    for action in hibernate hybrid-sleep suspend-then-hibernate; do
        tpm_boot
        sh hook post "$action"
        [ "$(latch_value sha1)" != "$zeros" ]
    done
}

@test "initramfs-tools: no shell as long as the latch fails, also when restarting does" {
    mkdir bin
    cat >bin/sleep <<'SCRIPT'
#!/bin/sh
echo "${0##*/} $*" >>said
SCRIPT
    cp bin/sleep bin/reboot
    cat >bin/latch <<'SCRIPT'
#!/bin/sh
echo latch >>said
[ "$(grep -c latch said)" = 3 ]
SCRIPT
    chmod +x bin/*
    sed "s|[^ ]*/tpm-latch|$PWD/bin/latch|" \
        "$SEALRING_BUILD/initramfs-tools/scripts/panic/sealring" >panic
    PATH=$PWD/bin:$PATH sh panic
    [ "$(tr '\n' ' ' <said)" = "latch sleep 60 reboot -f latch sleep 60 reboot -f latch " ]
}
