#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario m: the first boot makes the device's own key, and a request for its certificate.

# shellcheck disable=SC2154 # from vm.bash
load scenario

# As the factory's image has it; its disk never holds a private key.
prepare() {
    vm_unattended 'the factory'
    vm_do 'systemd-sysusers && systemctl --quiet enable tpm-sign-genkey@device.service tpm-sign.socket &&
! ls /var/lib/sealring/keys/device.*'
    vm_stop
}

# signs: the key does, for whoever connects to the daemon's socket; the request is good, and
# $vm_output ends with the fingerprint of what it is for
signs() {
    # shellcheck disable=SC2016 # for the shell in the machine
    vm_do 'cd /run && rm -f sig && echo message >message
openssl req -in /var/lib/sealring/keys/device.csr -noout -verify -pubkey >device.pub &&
tpm-sign sign device -o sig message && openssl dgst -sha256 -verify device.pub -signature sig message &&
stat -c %U "/proc/$(systemctl show -P MainPID tpm-sign.service)" && sha256sum device.pub' 120 || return
    [[ $vm_output == *'Verified OK'*$'\nsealring\n'* ]]
}

@test "a key made by the first boot signs, through the daemon's socket; so it does after the next" {
    local key
    prepare
    vm_unattended 'first boot'
    vm_do 'systemctl is-system-running --wait || systemctl --failed --plain --no-legend' 120
    vm_do 'systemctl is-active tpm-sign-genkey@device.service tpm-sign.socket &&
stat -c "%n %a %U:%G" /var/lib/sealring/keys/*'
    vm_say "${vm_output//$'\n'/; }"
    [[ $vm_output == *'device.csr 644 root:sealring'*'device.pem 640 root:sealring'* ]]
    signs
    key=$vm_output
    vm_stop
    vm_unattended 'second boot'
    vm_do 'systemctl show -P ConditionResult tpm-sign-genkey@device.service'
    [ "$vm_output" = no ]
    signs
    [ "$vm_output" = "$key" ]
    vm_stop
}
