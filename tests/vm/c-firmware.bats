#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario c: the firmware was updated, so PCR 0 is another.

# shellcheck disable=SC2154 # from vm.bash
load scenario

# new_image: what the initramfs would have if it was made anew now, for saying why
new_image() {
    local log=var/lib/sealring/baselines/boot.log
    mkdir -p "$VM_WORK/new/${log%/*}"
    vm_do "/usr/libexec/sealring/tpm-latch -q --install /run/image && base64 -w 64 /run/image/$log" 60
    base64 -d <<<"$vm_output" >"$VM_WORK/new/$log"
    vm_stop
    vm_implant "$VM_WORK/new"
}

@test "PCR 0 changed: a prompt that says so, and why; latched; after re-sealing unattended again" {
    local cause
    vm_unattended 'before'
    new_image
    vm_use_firmware 2
    vm_changed 0 7
    cause=$(vm_console | grep 'likely cause')
    vm_say "on the console: $cause"
    [[ $cause == *'sealring: likely cause: firmware'* ]]
    vm_stop
    vm_unattended 'after re-sealing'
    vm_latched
    vm_stop
}
