#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario h: the power fails while something is sealed, enrolled or re-sealed, at random
# moments. The next boot is unattended, and what is there is old or new.
#
# VM_CUTS is how often for each (3).

# shellcheck disable=SC2016,SC2154 # for the shell in the machine; from vm.bash
load scenario

# Each is repeated until the power fails. Volumes: the root volume's enrolment is refreshed,
# the other's removed and made again.
sealing='number=0
while :; do
    number=$((number + 1))
    printf "value %08d" $number | tpm-seal --quiet --replace cut && echo done
done'
enrolling='while :; do
    tpm-luks enroll --quiet --passphrase-file /run/passphrase $root && echo done
    tpm-luks remove --quiet $data && echo done
    tpm-luks enroll --quiet --passphrase-file /run/passphrase $data && echo done
done'
resealing='while :; do tpm-reseal now --quiet && echo done; done'

# cut_in NAME COMMANDS: after one round at least, so that it is known to work
cut_in() {
    local after
    vm_do "root=$vm_volume data=/dev/disk/by-id/virtio-data
printf %s '$VM_PASSPHRASE' >/run/passphrase
sh -c '$2' >/run/cut.log 2>&1 &
until grep -q done /run/cut.log; do sleep 0.1; done" 120
    after=$((RANDOM % 5000))
    sleep "$((after / 1000)).$(printf %03d $((after % 1000)))"
    vm_run 'cat /run/cut.log | sort | uniq -c'
    [[ $vm_output != *tpm-* ]] || echo "$1: $vm_output"
    [[ $vm_output != *tpm-* ]]
    sleep "0.$(printf %03d $((RANDOM % 1000)))"
    vm_kill
    cuts=$((cuts + 1))
}

@test "power cuts while sealing, enrolling and re-sealing" {
    local cuts=0 round
    vm_add_disk "$vm_dir/data.raw" data
    vm_unattended 'before'
    for ((round = 0; round < ${VM_CUTS:-3}; round++)); do
        cut_in sealing "$sealing"
        vm_unattended "after cut $cuts, while sealing"
        fine
        vm_do 'tpm-unseal cut'
        [[ $vm_output =~ ^value\ [0-9]{8}$ ]]

        cut_in enrolling "export root=$vm_volume data=/dev/disk/by-id/virtio-data; $enrolling"
        vm_unattended "after cut $cuts, while enrolling"
        fine
        vm_do "printf %s '$VM_PASSPHRASE' >/run/passphrase
cryptsetup open --test-passphrase --key-file /run/passphrase /dev/disk/by-id/virtio-data &&
tpm-luks enroll --passphrase-file /run/passphrase /dev/disk/by-id/virtio-data" 120

        cut_in re-sealing "$resealing"
        vm_unattended "after cut $cuts, while re-sealing"
        fine
    done
    vm_say "$cuts power cuts"
    [ "$cuts" -gt 0 ]
    vm_stop
}

# fine: all rings are, and a secret from before is what it was
fine() {
    vm_do 'tpm-reseal status'
    [[ $vm_output != *damaged* && $vm_output != *drifted* ]]
    vm_do 'tpm-unseal db'
    [ "$vm_output" = 'from the socket' ]
}
