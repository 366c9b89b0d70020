#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario a: the machine boots by itself, and services get their secrets.

# shellcheck disable=SC2016,SC2154 # for the shell in the machine; from vm.bash
load scenario

# got UNIT TEXT: the unit ran, and wrote these bytes and no other
got() {
    vm_run "cat /run/$1.out; systemctl is-active $1.service"
    [ "$vm_output" = "$2active" ] || {
        echo "$1: $vm_output"
        vm_run "systemctl status --no-pager --lines 20 $1.service"
        echo "$vm_output"
        return 1
    }
}

# many NAME: start 24 units at once; the slowest one's seconds are in $vm_took
many() {
    vm_do "systemctl stop '$1@*.service'"
    vm_do "systemctl start $(printf "$1@%02d.service " {1..24})" 180
    vm_do "systemctl is-active '$1@*.service' | grep -c '^active$'"
    [ "$vm_output" = 24 ]
    vm_seconds "'$1@*.service'"
}

@test "unattended: volume, credentials, keyring; refused: a unit that is not in Units=" {
    local number wanted plain codes secrets
    vm_unattended 'first boot after enrolment'
    vm_do 'findmnt -n -o SOURCE /'
    [ "$vm_output" = /dev/mapper/root ]
    vm_latched

    # The resource manager's ContextSave and ContextLoad are among them.
    codes=$(vm_tpm_codes_of_programs)
    vm_say "TPM commands: $codes"

    vm_do 'systemctl is-system-running --wait || systemctl --failed --plain --no-legend' 120
    got vm-socket 'from the socket'
    got vm-user 'from the socket'
    got vm-dynamic 'from the socket'
    got vm-eager 'delivered before'
    got vm-keyring 'in a keyring'

    vm_run 'cat /run/vm-refused.out; systemctl show -p ActiveState -p ExecMainStatus vm-refused'
    [[ $vm_output == *'ExecMainStatus=243'* && $vm_output == *'ActiveState=failed'* ]]
    [[ $vm_output != *'from the socket'* ]]
    vm_do 'journalctl -b --no-pager -p err -o cat -u tpm-credential.service'
    [[ $vm_output == *vm-refused* ]]
    vm_say "refused: $vm_output"

    # Nothing opened lies on the disk; where it came from shows that it would be found.
    secrets='from the socket|delivered before|in a keyring'
    vm_do "sync; grep -cE '$secrets' /usr/local/sbin/vm-enroll"
    [ "$vm_output" = 3 ]
    vm_run "grep -rlE '$secrets' /var /etc/sealring"
    [ "$vm_status $vm_output" = '1 ' ]

    # systemd as such first, so that it has read everything that it needs.
    many vm-plain
    many vm-plain
    plain=$vm_took
    sleep 10
    vm_tpm_mark
    many vm-many
    codes=$(vm_tpm_codes)
    vm_say "24 units at once: slowest $vm_took s, without sealring $plain s," \
        "$(wc -w <<<"$codes") TPM commands: $codes"
    [ "$(grep -o '\<015E\>' <<<"$codes" | wc -l)" -eq 1 ]
    for number in {01..24}; do
        wanted+="secret $number"
    done
    vm_do 'cat /run/vm-many-*.out'
    [ "$vm_output" = "$wanted" ]
    vm_stop
}
