#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario f: another initramfs and another kernel command line. PCR 0+7 do not cover them, and
# the manual says so; 0+7+9 do.

# shellcheck disable=SC2016,SC2154 # for the shell in the machine; from vm.bash
load scenario

# tamper: what is added to the initramfs runs as root in it, before the volume is opened
tamper() {
    local evil=$VM_WORK/evil
    mkdir -p "$evil/etc/systemd/system/tpm-wait.service.d"
    printf '%s\n' '[Service]' 'ExecStartPost=/bin/sh -c ": >/run/evil"' \
        >"$evil/etc/systemd/system/tpm-wait.service.d/evil.conf"
    vm_implant "$evil"
}

@test "not covered by 0+7; covered by 0+7+9" {
    tamper
    vm_unattended 'another initramfs, 0+7'
    vm_do 'ls /run/evil'
    vm_stop
    vm_explant
    vm_menu 's/ ro / ro probe=1 /'
    vm_unattended 'another command line, 0+7'
    vm_do 'grep -o probe=1 /proc/cmdline'
    vm_do 'tpm-reseal now boot --pcrs 0+7+9' 120
    vm_say "now: ${vm_output//$'\n'/; }"
    vm_stop

    # Until a boot proved the new approval the old one stays, and holds as well.
    vm_unattended 'the same, 0+7+9'
    vm_do 'tpm-reseal now boot && tpm-reseal status boot' 120
    vm_say "now, and status: ${vm_output//$'\n'/; }"
    vm_stop
    tamper
    vm_ask 'another initramfs, 0+7+9'
    [[ $vm_output == *'PCR 9 changed'* ]]
    vm_kill
    vm_explant
    vm_menu 's/ probe=1 / probe=2 /'
    vm_ask 'another command line, 0+7+9'
    [[ $vm_output == *'PCR 9 changed'* ]]
    vm_kill
    vm_menu 's/ probe=2 / probe=1 /'
    vm_unattended 'as it was, 0+7+9'
    vm_stop
}
