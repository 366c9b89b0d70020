#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario i: the TPM was cleared, and the passphrase that the volume was made with is gone.

# shellcheck disable=SC2016,SC2154 # for the shell in the machine; from vm.bash
load scenario

@test "TPM cleared, passphrase removed: the recovery key at the prompt, and all is sealed anew" {
    local key
    vm_unattended 'before'
    vm_do 'cat /root/recovery.key'
    key=$vm_output
    vm_do "printf %s '$VM_PASSPHRASE' >/run/passphrase
cryptsetup luksRemoveKey --batch-mode $vm_volume /run/passphrase
! cryptsetup open --test-passphrase --key-file /run/passphrase $vm_volume" 120
    vm_do 'tpm2_clear -c l'
    vm_stop

    vm_ask 'TPM cleared'
    vm_say "on the console: $(grep -iE 'tpm' <<<"$vm_output")"
    grep -qi 'cleared' <<<"$vm_output"
    vm_answer "$key"
    vm_run 'tpm-reseal status'
    vm_say "status: exit status $vm_status: ${vm_output//$'\n'/; }"
    [ "$vm_status" -eq 7 ]
    vm_do 'tpm-reseal recover --recovery-key-file /root/recovery.key' 180
    vm_say "recover: ${vm_output//$'\n'/; }"
    vm_do 'tpm-unseal db'
    [ "$vm_output" = 'from the socket' ]
    vm_stop
    vm_unattended 'sealed anew'
    vm_latched
    vm_stop
}
