#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario l: an update of the firmware that was prepared for: nobody types anything.

# shellcheck disable=SC2016,SC2154 # for the shell in the machine; from vm.bash
load scenario

# confirmed: the unit has run, and this is what it said
confirmed() {
    vm_do 'until systemctl show -P ActiveState tpm-reseal-confirm.service | grep -qxE "(in)?active|failed"
do sleep 1; done
systemctl show -P Result tpm-reseal-confirm.service
journalctl -b -o cat -u tpm-reseal-confirm.service' 180
    vm_say "confirm: ${vm_output//$'\n'/; }"
    [[ $vm_output == success* ]]
}

# status WORD: of both rings
status() {
    vm_run 'tpm-reseal status'
    vm_say "status: ${vm_output//$'\n'/; }"
    [ "$vm_status" -eq 0 ]
    [ "$(grep -c ": $1" <<<"$vm_output")" -eq 2 ]
}

@test "PCR 0 changed as prepared: unattended, confirmed, and unattended without the bridge" {
    vm_add_disk "$vm_dir/data.raw" data
    vm_unattended 'before'
    vm_do 'systemctl enable tpm-reseal-confirm.service && tpm-reseal prepare --next-boot' 120
    vm_say "prepare: ${vm_output//$'\n'/; }"
    status bridged
    vm_stop
    vm_use_firmware 2
    vm_unattended 'over the bridge'
    vm_latched
    confirmed
    vm_do 'systemctl is-active vm-socket.service && cat /run/vm-socket.out'
    [[ $vm_output == *'from the socket' ]]
    vm_stop
    vm_unattended 'confirmed'
    vm_latched
    confirmed
    status ready
    vm_do 'cd /var/lib/sealring/rings && echo */approvals/*'
    [ "$vm_output" = 'boot/approvals/current.pem system/approvals/current.pem' ]
    vm_stop
    # The bridge is gone from the header, too: what the firmware was opens nothing any more.
    vm_use_firmware 1
    vm_ask 'the old firmware'
    grep -q 'PCR 0 changed' <<<"$vm_output"
    vm_kill
}
