#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario j: initramfs-tools in the place of dracut: a, c, and the shell that it gives when
# there is no root disk.

# shellcheck disable=SC2016,SC2154 # for the shell in the machine; from vm.bash
export VM_FLAVOUR=initramfs-tools
load scenario

@test "initramfs-tools: unattended; PCR 0 changed: a prompt that says so" {
    vm_unattended 'first boot after enrolment'
    vm_latched
    vm_do 'cat /run/vm-socket.out /run/vm-eager.out /run/vm-keyring.out'
    [ "$vm_output" = 'from the socketdelivered beforein a keyring' ]
    vm_stop
    vm_use_firmware 2
    vm_changed 0 7
    vm_stop
    vm_unattended 'after re-sealing'
    vm_latched
    vm_stop
}

@test "initramfs-tools: its shell gets nothing; with the latch off it does" {
    vm_without_root
    vm_menu 's/ ro / ro rootdelay=20 /'
    vm_maintenance 'no root disk' '\(initramfs\)'
    [[ $vm_output =~ [0-9A-F]{64} && ${BASH_REMATCH[0]} == *[1-9A-F]* ]]
    [[ $vm_output == *'exit status 1, end'* ]]
    vm_kill

    mkdir -p "$VM_WORK/off/scripts/panic"
    printf '#!/bin/sh\n' >"$VM_WORK/off/scripts/panic/sealring"
    chmod +x "$VM_WORK/off/scripts/panic/sealring"
    vm_implant "$VM_WORK/off"
    vm_maintenance 'control: latch off' '\(initramfs\)'
    [[ $vm_output == *'exit status 0, end'* ]]
    vm_kill
}
