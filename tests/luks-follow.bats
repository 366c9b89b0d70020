#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Re-sealing rewrites the headers of a ring's volumes; one that was away catches up.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load luks/luks

setup() {
    luks_setup
    tpm_boot
    volume disk
    enroll disk
}

# boot FIRMWARE: the next boot, before the initramfs is left
boot() {
    tpm_reboot
    boot_state "$1"
}

@test "after a firmware update: now rewrites the header, the next boot opens" {
    boot "firmware 2.0"
    fails 1 plugged unlock disk
    latch
    tpm-reseal -q recover --recovery-key-file "$RK" system
    token disk >before
    tpm-reseal -q now
    run cmp -s before <(token disk)
    [ "$status" -eq 1 ]
    [ "$(tokens disk)" -eq 1 ]
    [ "$(slots disk)" = "0 1 2 " ]
    [ "$(tpm-luks list)" = "$PWD/disk: keyslot 1: ring boot: current" ]
    boot "firmware 2.0"
    plugged unlock disk
    # Until that boot came, the old state opened as well.
    boot "firmware 1.0"
    plugged unlock disk
    by_passphrase disk
}

@test "recover follows, too" {
    boot "firmware 2.0"
    latch
    tpm-reseal -q recover --recovery-key-file "$RK" boot
    boot "firmware 2.0"
    plugged unlock disk
}

@test "recover on another TPM: of a volume that is away it is said once" {
    uuid=$(cryptsetup luksUUID disk)
    mv disk away
    tpm_start second
    boot_state
    run tpm-reseal recover --recovery-key-file "$RK"
    tpm_stop second
    tpm_use main
    [ "$status" -eq 0 ]
    [ "$(grep -c "volume $uuid is not here" <<<"$output")" -eq 1 ]
}

@test "a volume that is away: pending with its UUID; the next now catches up" {
    uuid=$(cryptsetup luksUUID disk)
    volume second 11111111-2222-3333-4444-555555555555
    enroll second
    tpm-reseal -q now
    run tpm-reseal status boot
    [ "$status" -eq 0 ]
    [[ $output == "boot: ready:"* ]]
    mv disk away
    run tpm-reseal now boot
    [ "$status" -eq 0 ]
    says "volume $uuid is not here, so its header stays as it is"
    run tpm-reseal status boot
    [ "$status" -eq 0 ]
    [ "$output" = "boot: pending: volume $uuid has older approvals in its header: tpm-reseal confirm boot, once it is here" ]
    tpm-reseal status --json boot | grep -q '"state":"pending"'
    mv away disk
    [ "$(tpm-luks list | sort | head -n 1)" = "$PWD/disk: keyslot 1: ring boot: outdated" ]
    tpm-reseal -q now boot
    run tpm-reseal status boot
    [[ $output == "boot: ready:"* ]]
    [[ $(tpm-luks list) != *outdated* ]]
}

@test "a volume that is away from what is prepared: confirm catches up, and now would take that back" {
    uuid=$(cryptsetup luksUUID disk)
    mv disk away
    run tpm-reseal prepare --next-boot boot
    [ "$status" -eq 0 ]
    says "volume $uuid is not here, so its header stays as it is: tpm-reseal confirm, once it is"
    run tpm-reseal status boot
    [ "$output" = "boot: bridged: volume $uuid has older approvals in its header: tpm-reseal confirm boot, once it is here" ]
    mv away disk
    run tpm-reseal confirm boot
    says "ring boot: volumes and keys have its approvals again"
    run tpm-reseal status boot
    says "boot: bridged: the next 3 boots open it"
    boot "firmware 2.0"
    plugged unlock disk
    boot "firmware 1.0"
    mv disk away
    run tpm-reseal prepare --undo boot
    says "stays as it is: tpm-reseal confirm, once it is"
}

@test "a header that was put back from a backup is found to be behind" {
    cp disk backup
    tpm-reseal -q now boot
    cp backup disk
    run tpm-reseal status boot
    says "pending: volume $(cryptsetup luksUUID disk)"
    tpm-reseal -q now boot
    run tpm-reseal status boot
    says "boot: ready"
}

@test "confirm was cut off before it wrote the header: the next one does" {
    tpm-reseal -q prepare --next-boot
    boot "firmware 2.0"
    in_initramfs unlock disk
    latch
    cp disk before
    run tpm-reseal confirm
    says "ring boot is sealed to just this boot state: the next boot has to prove it"
    cp before disk
    run tpm-reseal status boot
    says "has older approvals in its header: tpm-reseal confirm boot, once it is here"
    mv disk away
    run tpm-reseal confirm boot
    [ "$output" = "tpm-reseal: ring boot: nothing to confirm" ]
    mv away disk
    run tpm-reseal confirm
    [ "$status" -eq 0 ]
    [ "$output" = "tpm-reseal: ring boot: volumes and keys have its approvals again" ]
    [ "$(tpm-luks list)" = "$PWD/disk: keyslot 1: ring boot: current" ]
    run tpm-reseal confirm
    [ "$output" = "" ]
    # The bridge ends, what confirm sealed does not.
    for _ in 1 2 3; do boot "firmware 2.0"; done
    plugged unlock disk
}

@test "rotate: a new ring key in the store and in the header, one keyslot" {
    token disk >before
    run tpm-ring rotate boot --recovery-key-file second.key
    [ "$status" -eq 0 ]
    [ "$(tokens disk)" -eq 1 ]
    [ "$(slots disk)" = "0 1 2 " ]
    plugged unlock disk
    # What was wrapped under the old key can be told by it only.
    set_token disk before
    run tpm-luks list disk
    says "outdated"
    fails 4 tpm-luks enroll disk --passphrase-file <(printf wrong)
}

@test "rotate while latched: the new token is first, the old one stays until a boot proved it" {
    latch
    tpm-ring -q rotate boot --recovery-key-file second.key
    [ "$(tokens disk)" -eq 2 ]
    [ "$(slots disk)" = "0 1 2 " ]
    boot "firmware 1.0"
    # Opened by the new one: one conversation.
    run commands plugged unlock disk
    [ "$output" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    tpm-reseal -q now boot
    [ "$(tokens disk)" -eq 1 ]
    plugged unlock disk
}

@test "no new key for a ring while one of its volumes is away, unless it is given up" {
    uuid=$(cryptsetup luksUUID disk)
    mv disk away
    fails 1 tpm-ring rotate boot --recovery-key-file second.key
    says "volume $uuid is not here"
    says "tpm-luks remove $uuid"
    mv away disk
    plugged unlock disk
    mv disk away
    run tpm-luks remove "$uuid"
    [ "$status" -eq 0 ]
    says "volume $uuid is not re-sealed any more"
    fails 9 tpm-luks remove "$uuid"
    rm -f second.key
    tpm-ring -q rotate boot --recovery-key-file second.key
    # It still opens by what it has; enrolled anew it follows again.
    mv away disk
    plugged unlock disk
    tpm-luks -q enroll disk --passphrase-file "$PW"
    tpm-reseal -q now boot
    [ "$(tpm-luks list disk | grep -c current)" -eq 1 ]
    plugged unlock disk
}

@test "a volume by its UUID" {
    uuid=$(cryptsetup luksUUID disk)
    tpm-luks -q enroll "$uuid"
    [ "$(tpm-luks list "$uuid" | head -n 1)" = "$PWD/disk: keyslot 1: ring boot: current" ]
    tpm-luks -q remove "$uuid"
    [ "$(tokens disk)" -eq 0 ]
}

@test "a ring that is removed warns of its volumes, which still open" {
    run tpm-ring remove boot --force
    [ "$status" -eq 0 ]
    says "ring boot unlocks volumes, and goes on doing so until: tpm-luks remove --all DEVICE"
    plugged unlock disk
    tpm-luks -q remove --all disk
    [ "$(slots disk)" = "0 " ]
}

@test "while one enrols another one waits" {
    exec 7<"$SEALRING_STATE_DIR"
    flock 7
    run timeout 1 tpm-luks enroll disk 7<&-
    [ "$status" -eq 124 ]
    run timeout 1 tpm-reseal now boot 7<&-
    [ "$status" -eq 124 ]
    exec 7<&-
    tpm-luks -q enroll disk
}
