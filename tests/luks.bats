#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Enrolling volumes, listing and removing: never twice, never the last way in.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load luks/luks

@test "enroll makes both rings, a keyslot and a token; nothing is asked twice" {
    run tpm-luks enroll disk --passphrase-file "$PW" --recovery-key-file "$RK" --manage yes
    [ "$status" -eq 0 ]
    says "made ring system"
    says "made ring boot"
    says "ring boot in $SEALRING_STATE_DIR unlocks keyslot 1 of disk (sha256:0+7+15=0)"
    says "the recovery key of ring boot opens keyslot 2 of disk"
    [ "$(tpm-ring list | cut -d ' ' -f 1 | tr '\n' ' ')" = "boot system " ]
    [ "$(slots disk)" = "0 1 2 " ]
    [ "$(tokens disk)" -eq 1 ]
    plugged unlock disk
    by_passphrase disk
}

@test "enrolled twice: the same keyslot, and no passphrase is needed" {
    enroll disk
    sha256sum disk >before
    run tpm-luks enroll disk
    [ "$status" -eq 0 ]
    says "unlocks keyslot 1 of disk already"
    sha256sum -c before
    # Also from the running system, and with older approvals.
    extend 0 "firmware 2.0"
    latch
    tpm-reseal -q recover --recovery-key-file "$RK" system
    rm -r state/volumes # the path of the image: so it is not here
    run tpm-reseal now boot
    says "volume $(cryptsetup luksUUID disk) is not here"
    run tpm-luks enroll disk
    [ "$status" -eq 0 ]
    [ "$(slots disk)" = "0 1 2 " ]
    [ "$(tokens disk)" -eq 1 ]
    tpm_reboot
    boot_state "firmware 1.0"
    extend 0 "firmware 2.0"
    plugged unlock disk
}

@test "the passphrase: in a file with a newline, wrong, of a device that is none" {
    printf 'wrong' >wrong
    fails 4 tpm-luks enroll disk --passphrase-file wrong --no-recovery --manage yes
    one_line
    says "disk: the passphrase does not open it"
    [ ! -e state/rings/boot ]
    printf 'old passphrase\n' >line
    tpm-luks -q enroll disk --passphrase-file line --no-recovery --manage yes
    plugged unlock disk
    truncate -s 1M zeros
    fails 2 tpm-luks enroll zeros
    one_line
    says "is not a LUKS volume"
    fails 1 tpm-luks enroll nothing
    one_line
    says "nothing: No such file"
}

@test "nobody to ask: one line that says what is missing" {
    fails 4 setsid -w tpm-luks enroll disk --no-recovery --manage yes </dev/null
    one_line
    says "disk: a passphrase that opens it is needed: --passphrase-file FILE"
    [ ! -e state ]
}

@test "LUKS1 is refused with what converts it" {
    truncate -s 8M one
    cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 2000 one - < <(printf pw)
    fails 2 tpm-luks enroll one
    one_line
    says "cryptsetup convert --type luks2 one"
}

@test "a volume without encryption is refused" {
    "$helper/header" disk '"encryption":"aes-xts-plain64","sector_size"' '"encryption":"cipher_null-ecb","sector_size"'
    by_passphrase disk
    fails 8 tpm-luks enroll disk --passphrase-file "$PW" --no-recovery --manage yes
    one_line
    says "disk: the header names no encryption"
}

@test "one of its tokens lets another ring in" {
    enroll disk
    tpm-ring -q create second --no-recovery --pcrs 0+7+15=0
    plugged tpm-luks -q enroll disk --ring second --unlock-with-token
    [ "$(tokens disk)" -eq 2 ]
    [ "$(slots disk)" = "0 1 2 3 " ]
    # No token that works is no way in.
    volume plain 99999999-2222-3333-4444-555555555555
    fails 4 plugged tpm-luks enroll plain --unlock-with-token
    says "plain: none of its tokens opens it"
}

@test "the recovery key opens the volume as it was printed" {
    enroll disk
    cryptsetup open --test-passphrase --disable-external-tokens --key-file - disk < <(tr -d '\n' <"$RK")
    # Once is enough; another one takes its place.
    enroll disk
    [ "$(slots disk)" = "0 1 2 " ]
    tpm-ring -q recovery renew boot --recovery-key-file new.key 2>/dev/null || {
        tpm-reseal -q recover --recovery-key-file "$RK" boot
        tpm-ring -q recovery renew boot --recovery-key-file new.key
    }
    fails 4 tpm-luks enroll disk --recovery-key-file "$RK"
    tpm-luks -q enroll disk --recovery-key-file new.key
    cryptsetup open --test-passphrase --disable-external-tokens --key-file - disk < <(tr -d '\n' <new.key)
    run cryptsetup open --test-passphrase --disable-external-tokens --key-file - disk < <(tr -d '\n' <"$RK")
    [ "$status" -eq 2 ]
    plugged unlock disk
}

@test "the header is backed up first, into a new file that only its owner reads" {
    cp disk before
    enroll disk --header-backup backup
    [ "$(stat -c %a backup)" = 600 ]
    cmp -n 32768 backup before
    fails 10 tpm-luks enroll disk --header-backup backup
    one_line
    says "backup exists already"
    # A backup that is put back opens as it did then.
    cryptsetup luksHeaderRestore -q --header-backup-file backup disk
    [ "$(slots disk)" = "0 " ]
    by_passphrase disk
}

@test "list says of each keyslot whose it is" {
    enroll disk
    run tpm-luks list disk
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "disk: keyslot 1: ring boot: current" ]
    [ "${lines[1]}" = "disk: keyslot 2: ring boot: recovery key" ]
    [ "${lines[2]}" = "disk: keyslot 0: not ours" ]
    run tpm-luks list
    [ "$output" = "$PWD/disk: keyslot 1: ring boot: current" ]
    run tpm-luks list --json
    [ "$(grep -c '"uuid"' <<<"$output")" -eq 1 ]
    says "\"uuid\":\"$(cryptsetup luksUUID disk)\""
    says '"keyslot":1'
    says '"token":0'
    run tpm-luks list --json disk
    [ "$(sed -n 's/ *"state":"\(.*\)"$/\1/p' <<<"$output" | tr '\n' ,)" = "current,recovery key,not ours," ]
    says '"ring":null'
    # Another store knows nothing of that ring.
    SEALRING_STATE_DIR=$PWD/other run tpm-luks list disk
    [ "${lines[0]}" = "disk: keyslot 1: ring boot: unknown ring" ]
    rm disk
    run tpm-luks list
    says "ring boot: absent"
}

@test "remove takes keyslot and token away, and leaves all others" {
    printf '{"type":"systemd-tpm2","keyslots":["0"],"tpm2-blob":"","tpm2-pcrs":[7]}' >other
    cryptsetup token import --disable-external-tokens --json-file other disk
    enroll disk
    [ "$(tokens disk)" -eq 1 ]
    run tpm-luks remove disk
    [ "$status" -eq 0 ]
    says "ring boot no longer unlocks disk"
    [ "$(tokens disk)" -eq 0 ]
    [ "$(slots disk)" = "0 2 " ]
    [ "$(token disk 0)" = "$(cat other)" ]
    by_passphrase disk
    fails 1 plugged unlock disk
    run tpm-luks list
    [ "$output" = "tpm-luks: no volumes of the rings in $SEALRING_STATE_DIR: tpm-luks enroll DEVICE" ]
    fails 9 tpm-luks remove disk
    one_line
}

@test "remove --all takes the recovery key's keyslot, too" {
    enroll disk
    fails 2 tpm-luks remove disk --all --ring boot
    tpm-luks -q remove disk --all
    [ "$(slots disk)" = "0 " ]
    [ "$(cryptsetup luksDump disk | sed -n '/^Tokens:/,/^Digests:/p' | wc -l)" -eq 2 ]
    by_passphrase disk
}

@test "the last way in is never removed" {
    tpm-luks -q enroll disk --passphrase-file "$PW" --no-recovery --manage yes
    cryptsetup luksKillSlot -q disk 0
    sha256sum disk >before
    fails 2 tpm-luks remove disk
    one_line
    says "no keyslot would remain that a passphrase opens"
    fails 2 tpm-luks remove disk --all
    sha256sum -c before
    # A keyslot that another token of ours opens is no way in either.
    tpm-ring -q create second --no-recovery --pcrs 0+7+15=0
    plugged tpm-luks -q enroll disk --ring second --unlock-with-token
    fails 2 tpm-luks remove disk
    plugged unlock disk
}

@test "remove without the ring: by name, by --all, but not another ring of that name" {
    enroll disk
    cp -a state kept
    rm -rf state
    tpm-ring -q create boot --no-recovery --manage no
    fails 9 tpm-luks remove disk
    [ "$(tokens disk)" -eq 1 ]
    rm -rf state
    tpm-luks -q remove disk
    [ "$(tokens disk)" -eq 0 ]
    [ "$(slots disk)" = "0 2 " ]
}

@test "an enrolment that was interrupted: the next one and remove clean it up" {
    enroll disk
    uuid=$(cryptsetup luksUUID disk)
    # Between the last two steps: the token is not yet assigned to its keyslot.
    cryptsetup token unassign --token-id 0 --key-slot 1 disk
    fails 1 plugged unlock disk
    run tpm-luks list disk
    says "keyslot 1: ring boot: interrupted"
    cp disk half
    tpm-luks -q enroll disk
    [ "$(slots disk)" = "0 1 2 " ]
    plugged unlock disk
    cp half disk
    tpm-luks -q remove disk
    [ "$(slots disk)" = "0 2 " ]
    [ "$(tokens disk)" -eq 0 ]
    # Before the keyslot was there.
    cp half disk
    cryptsetup luksKillSlot -q disk 1
    tpm-luks -q enroll disk --passphrase-file "$PW"
    [ "$(slots disk)" = "0 1 2 " ]
    [ "$(tokens disk)" -eq 1 ]
    plugged unlock disk
    [ "$uuid" = "$(cryptsetup luksUUID disk)" ]
}

@test "a keyslot that somebody else put where ours was to be is left alone" {
    enroll disk
    cryptsetup token unassign --token-id 0 --key-slot 1 disk
    cryptsetup luksKillSlot -q disk 1
    cryptsetup luksAddKey -q --key-file "$PW" --key-slot 1 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
        disk - < <(printf another)
    tpm-luks -q remove disk
    [ "$(slots disk)" = "0 1 2 " ]
    cryptsetup open --test-passphrase --key-slot 1 --key-file - disk < <(printf another)
}

@test "two enrolments at the same moment: one keyslot" {
    enroll disk
    tpm-luks -q remove disk
    tpm-luks -q enroll disk --passphrase-file "$PW" &
    tpm-luks -q enroll disk --passphrase-file "$PW"
    wait
    [ "$(tokens disk)" -eq 1 ]
    [ "$(slots disk)" = "0 1 2 " ]
    plugged unlock disk
}

@test "no passphrase, recovery key or ring key in what a header says in clear" {
    enroll disk
    token disk >token.json
    tpm-reseal -q now boot
    key=$(tr -d '\n' <"$RK")
    dd if=disk bs=1k count=32 status=none | strings >header
    grep -q '"type":"sealring"' header
    run grep -F -e "$key" -e "old passphrase" header
    [ "$status" -eq 1 ]
}

@test "a keyslot whose token is damaged is no way in" {
    tpm-luks -q enroll disk --passphrase-file "$PW" --no-recovery --manage yes
    tpm-ring -q create second --no-recovery --pcrs 0+7+15=0
    plugged tpm-luks -q enroll disk --ring second --unlock-with-token
    cryptsetup luksKillSlot -q disk 0
    token disk 1 | sed 's/"format":1/"format":9/' >damaged.json
    set_token disk damaged.json 1
    fails 2 tpm-luks remove disk
    says "no keyslot would remain that a passphrase opens"
    plugged unlock disk
}
