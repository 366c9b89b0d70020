#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# PCR 11, which systemd extends at each phase of the boot: ring boot is about what it was in
# the initramfs, whatever it is when the ring is looked at and sealed anew.
# shellcheck disable=SC2030,SC2031,SC2154 # helper, output, status: from common.bash and bats

load common

setup_file() {
    tpm_start
}

setup() {
    boot=$helper/boot
    store_new
    mkdir -p run
    : >run/marker
    unified 'kernel 1'
    system_runs
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes --pcrs 0+7+11
    "$boot" take boot >parts
    printf hello | "$boot" wrap boot luks-x >envelope
}

teardown() {
    forget
    no_handles_left
}

# forget: the key that the initramfs keeps for a minute
forget() {
    keyctl purge user "sealring-ring:$(sed -n 's/^id //p' parts)" >/dev/null 2>&1 || true
}

# unified KERNEL: a unified kernel image was started, and its initramfs begins
unified() {
    tpm_reboot
    boot_state
    extend 11 "$1"
    extend 11 enter-initrd
    rm -rf "${SEALRING_RUNTIME_DIR:?}/boot"
}

# system_runs: the initramfs was left, and all is up
system_runs() {
    local phase
    extend 15 'the initramfs was left'
    for phase in leave-initrd sysinit ready; do extend 11 "$phase"; done
}

# opens: what the initramfs does with the header gives the volume's key
opens() {
    forget
    [ "$("$boot" cached run/marker luks-x parts envelope)" = "tpm hello" ] || {
        "$boot" cached run/marker luks-x parts envelope || true
        return 1
    }
}

# boots [KERNEL]: a boot in which that opens it
boots() {
    unified "${1-kernel 1}"
    opens
    system_runs
}

# learned: ring boot is sealed to what the initramfs saw, and a boot has proven that
learned() {
    unified 'kernel 1'
    opens && return 1
    system_runs
    tpm-reseal -q now boot
    "$boot" take boot >parts
    boots
    tpm-reseal -q confirm boot
    "$boot" take boot >parts
}

state_is() {
    run tpm-reseal status boot
    echo "$output"
    [[ $output == "boot: $1: "*"${2-}"* ]]
}

approvals() {
    (cd "$RINGS/boot/approvals" && echo *)
}

@test "the initramfs notes what it saw; that is sealed to, and what status and explain compare" {
    unified 'kernel 1'
    run opens
    [ "$status" -ne 0 ]
    system_runs
    state_is drifted 'PCR 11 changed, the initramfs did not open it'
    tpm-reseal explain --json boot | jq -e '.[0].changed == [11]'
    tpm-reseal -q now boot
    state_is pending
    tpm-reseal explain --json boot | jq -e '.[0].changed == []'
    "$boot" take boot >parts
    boots
    grep -q '^pcrs sha256:0=.*+11=' "$SEALRING_RUNTIME_DIR/boot/boot.opened"
    state_is ready
    tpm-reseal explain --json boot | jq -e '.[0] | .changed == [] and (.initramfs.pcrs | has("11"))'
    # Once more seals nothing: it is sealed to just that.
    was=$(sha256sum <"$RINGS/boot/approvals/current.pem")
    tpm-reseal -q now boot
    [ "$(approvals)" = current.pem ]
    [ "$(sha256sum <"$RINGS/boot/approvals/current.pem")" != "$was" ]
    was=$(sha256sum <"$RINGS/boot/approvals/current.pem")
    [ "$(commands tpm-reseal -q now boot | wc -w)" -eq 7 ]
    tpm-reseal -q confirm boot
    [ "$(approvals)" = current.pem ]
    [ "$(sha256sum <"$RINGS/boot/approvals/current.pem")" = "$was" ]
    state_is ready
}

@test "without that note it is what PCR 11 is now, which no initramfs will see" {
    learned
    state_is ready
    sed -i '/^pcrs /d' "$SEALRING_RUNTIME_DIR/boot/boot.opened"
    state_is drifted 'PCR 11 changed'
}

@test "another kernel, over a bridge: confirmed as the initramfs saw it" {
    learned
    tpm-reseal -q prepare boot --next-boot --pcrs 11
    "$boot" take boot >parts
    boots 'kernel 2'
    state_is bridged
    grep -q '+11=[0-9a-f]\{64\}' "$SEALRING_RUNTIME_DIR/boot/boot.opened"
    tpm-reseal -q confirm boot
    "$boot" take boot >parts
    boots 'kernel 2'
    tpm-reseal -q confirm boot
    state_is ready
    [ "$(approvals)" = current.pem ]
    "$boot" take boot >parts
    boots 'kernel 2'
    unified 'kernel 1'
    run opens
    [ "$status" -ne 0 ]
}

@test "added to a ring that opens: one boot tells what it is there, with nobody typing" {
    tpm-ring -q remove --force boot
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    "$boot" take boot >parts
    printf hello | "$boot" wrap boot luks-x >envelope
    boots
    grep -q '+11=' "$SEALRING_RUNTIME_DIR/boot/boot.opened" && false
    tpm-reseal -q now boot --pcrs 0+7+11
    "$boot" take boot >parts
    boots
    grep -q '+11=' "$SEALRING_RUNTIME_DIR/boot/boot.opened"
    tpm-reseal -q now boot
    "$boot" take boot >parts
    boots
    tpm-reseal -q now boot
    [ "$(approvals)" = current.pem ]
    "$boot" take boot >parts
    boots
    state_is ready
    unified 'kernel 2'
    run opens
    [ "$status" -ne 0 ]
}

@test "what it was is known of a rotated ring, too" {
    learned
    tpm-ring -q rotate boot --recovery-key-file "$RK"
    forget
    "$boot" take boot >parts
    printf hello | "$boot" wrap boot luks-x >envelope
    boots
    state_is ready
}
