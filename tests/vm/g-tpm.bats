#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario g: the TPM is absent, late or in lockout; the root disk is absent. In bounded time
# there is a prompt or a shell, a reason is shown, and the TPM is closed.

# shellcheck disable=SC2016,SC2154 # for the shell in the machine; from vm.bash
load scenario

@test "no TPM" {
    VM_TPM=no vm_ask 'no TPM'
    vm_say "on the console: $(grep -iE 'tpm|sealring' <<<"$vm_output")"
    grep -qiE 'no TPM' <<<"$vm_output"
    vm_answer "$VM_PASSPHRASE"
    vm_run 'tpm-reseal status'
    vm_say "status: exit status $vm_status: ${vm_output//$'\n'/; }"
    [ "$vm_status" -eq 6 ]
    vm_stop
}

# The driver is built in, so the device is taken from it, and given back 8 s after somebody
# began to wait for it. IMA would hold the old one, and the new one would have another name.
@test "a TPM that comes late" {
    local units=$VM_WORK/late/etc/systemd/system
    mkdir -p "$units/sysinit.target.wants"
    cat >"$units/vm-late.service" <<'EOF'
[Unit]
DefaultDependencies=no
Before=systemd-udev-trigger.service tpm-wait.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo MSFT0101:00 >/sys/bus/acpi/drivers/tpm_crb/unbind'
EOF
    cat >"$units/vm-back.service" <<'EOF'
[Unit]
DefaultDependencies=no
After=vm-late.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'until [ "$$(systemctl is-active tpm-wait)" = activating ]; do sleep 0.2; done'
ExecStart=/bin/sleep 8
ExecStart=/bin/sh -c 'echo MSFT0101:00 >/sys/bus/acpi/drivers/tpm_crb/bind'
EOF
    ln -s ../vm-late.service ../vm-back.service "$units/sysinit.target.wants/"
    vm_implant "$VM_WORK/late"
    vm_menu 's/ ro / ro initcall_blacklist=init_ima /'
    vm_unattended 'the TPM comes 8 s late'
    vm_seconds tpm-wait.service
    vm_say "tpm-wait.service took $vm_took s"
    [ "${vm_took%.*}" -ge 8 ]
    vm_latched
    vm_stop
}

@test "a TPM in lockout" {
    vm_unattended 'before'
    vm_do 'cd /run && tpm2_dictionarylockout -Q --setup-parameters --max-tries=1 \
--recovery-time=86400 --lockout-recovery-time=86400 &&
tpm2_createprimary -Q -c primary && echo hello >plain &&
tpm2_create -Q -C primary -c object -i plain -p right' 120
    vm_run 'tpm2_unseal -c object -p wrong; tpm2_unseal -c object -p right'
    vm_say "lockout: ${vm_output//$'\n'/; }"
    [[ $vm_output == *921* ]]
    vm_stop
    vm_unattended 'in lockout'
    vm_latched
    vm_do 'tpm-unseal db'
    [ "$vm_output" = 'from the socket' ]
    vm_stop
}

@test "no root disk: the shell of the initramfs gets nothing; with the latch off it does" {
    vm_without_root
    vm_menu 's/ ro / ro rd.timeout=30 rd.retry=30 /'
    vm_maintenance 'no root disk' 'Press Enter for maintenance|Give root password'
    [[ $vm_output =~ [0-9A-F]{64} && ${BASH_REMATCH[0]} == *[1-9A-F]* ]]
    [[ $vm_output == *'exit status 1, end'* ]]
    vm_kill

    vm_implant_without_latch
    vm_maintenance 'control: latch off' 'Press Enter for maintenance|Give root password'
    [[ $vm_output == *'exit status 0, end'* ]]
    vm_kill
}
