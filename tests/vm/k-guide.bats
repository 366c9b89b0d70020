#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# doc/guide-volumes.md: its commands, as they stand. Only making the initramfs is left out: the
# image has what sealring needs in it.

# shellcheck disable=SC2016,SC2034,SC2154 # for the shell in the machine; for and from vm.bash
load scenario

export VM_PACKAGES='clevis-luks clevis-tpm2 clevis-dracut'

setup() {
    VM_WORK=$BATS_TEST_TMPDIR
    vm_new guide "$("$vm_here/image")"
}

# commands HEADING NAME: those of the block of that name below a heading
commands() {
    awk -v heading="## $1" -v open="\`\`\`$2" '
        /^## / { here = $0 == heading }
        here && $1 == "```" { shown = 0 }
        shown { sub(/^ +/, ""); print }
        here && $1 == open { shown = 1 }' "$vm_here/../../doc/guide-volumes.md"
}

# follow HEADING NAME: run them; there are some
follow() {
    local text
    text=$(commands "$@")
    [ -n "$text" ]
    vm_do "$text" 240
}

@test "coming from systemd-cryptenroll and clevis; removing" {
    local coming='Coming from systemd-cryptenroll or clevis'
    vm_start
    vm_prompt 180
    vm_answer "$VM_PASSPHRASE"
    vm_do "PASSWORD='$VM_PASSPHRASE' systemd-cryptenroll --tpm2-device=auto \
--tpm2-pcrs=0+7 /dev/vda2" 180
    # It has keyslot 1, so that clevis would have 2: the guide's is alone.
    follow "$coming" systemd
    vm_do "printf %s '$VM_PASSPHRASE' | clevis luks bind -k - -y -d /dev/vda2 tpm2 \
'{\"pcr_bank\":\"sha256\",\"pcr_ids\":\"0,7\"}'" 240
    vm_do 'mkdir -p /etc/credstore.encrypted
printf "of a service" | systemd-creds encrypt --with-key=tpm2 --name=web - \
    /etc/credstore.encrypted/web' 120

    # Who typed it would be asked for the passphrase.
    vm_do "printf %s '$VM_PASSPHRASE' >/run/passphrase"
    vm_do "$(commands "$coming" enroll | sed 's|$| --passphrase-file /run/passphrase|')" 240
    follow "$coming" secret
    follow "$coming" clevis
    vm_stop

    vm_unattended 'after the move'
    follow "$coming" check
    [[ $vm_output == *'boot: ready'* && $vm_output == *'system: ready'* ]]
    vm_do 'cryptsetup luksDump /dev/vda2'
    [[ $vm_output != *clevis* && $vm_output != *systemd-tpm2* ]]
    vm_do 'tpm-unseal web'
    [ "$vm_output" = 'of a service' ]

    follow Removing rescue
    vm_do 'cat /root/secrets/web'
    [ "$vm_output" = 'of a service' ]
    follow Removing volumes
    follow Removing rings
    vm_do 'cryptsetup luksDump /dev/vda2; ls -A /var/lib/sealring/rings'
    [[ $vm_output != *sealring* ]]
    vm_stop
    vm_ask 'after the removal'
    vm_answer "$VM_PASSPHRASE"
    vm_stop
}
