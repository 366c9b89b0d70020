#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at every third system call that may change something, and at some of the others:
# the volume opens as before or as after, and the next run leaves nothing behind.
# shellcheck disable=SC2034,SC2154,SC2317 # for and from kill.bash, which calls what tests define

load kill
load luks/luks

BASE=$BATS_FILE_TMPDIR/base
every=3 sparse=200 least=3

setup_file() {
    luks_setup_file
    base_new base
    luks_setup
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    volume disk
    printf '{"type":"other","keyslots":["0"]}' >other
    cryptsetup token import --disable-external-tokens --token-id 5 --json-file other disk
    cp disk plain
    tpm-luks -q enroll disk --passphrase-file "$PW"
    cp disk enrolled
    # The same with what was prepared in a boot before this one.
    cp -a state before
    tpm-reseal -q prepare --next-boot
    mv state prepared
    mv disk bridged
    mv before state
    tpm_boot
}

setup() {
    luks_setup
    cp "$BASE/plain" disk
    uuid=$(cryptsetup luksUUID disk)
}

# The header is what changes; the data behind it is never read.
restore() {
    rm -rf state
    cp -a "$BASE/${store:-state}" state
    ln -sfn "$PWD/disk" "state/volumes/$uuid"
    dd if="$BASE/$from" of=disk bs=1M count=2 conv=notrunc status=none
}

# Nobody's own passphrase or token is ever hurt.
unharmed() {
    by_passphrase disk && [ "$(token disk 5)" = "$(cat "$BASE/other")" ] && tpm-ring list >/dev/null
}

# Unless something else is said, it need not open.
survived() {
    true
}

check_point() {
    unharmed || complain "harmed"
    survived || complain "does not open"
    cmp -s -n 1048576 "$BASE/$from" disk || changed=$((changed + 1))
    finish 2>err2 || complain "the next run"
    [ "$(tokens disk) $(slots disk)" = "$wanted" ] || complain "left: $(tokens disk) $(slots disk)"
}

@test "tpm-luks enroll, killed; then enrolled again or removed, in turn" {
    finish() {
        if ((tried % 2)); then
            wanted="1 0 1 "
            tpm-luks -q enroll disk --passphrase-file "$PW" && plugged unlock disk
        else
            wanted="0 0 "
            tpm-luks -q remove disk || [ "$(tokens disk)" -eq 0 ]
        fi
    }
    from=plain
    campaign tpm-luks -q enroll disk --passphrase-file "$PW"
}

@test "tpm-luks remove, killed" {
    finish() { tpm-luks -q remove disk || [ "$(tokens disk)" -eq 0 ]; }
    wanted="0 0 "
    from=enrolled
    campaign tpm-luks -q remove disk
}

@test "tpm-reseal now, killed: the volume always opens" {
    survived() { plugged unlock disk; }
    finish() { tpm-reseal -q now boot && plugged unlock disk && tpm-luks list disk | grep -q current; }
    wanted="1 0 1 "
    from=enrolled
    campaign tpm-reseal -q now boot
}

@test "tpm-ring rotate, killed: the volume always opens" {
    survived() { plugged unlock disk; }
    finish() { tpm-reseal -q now boot && plugged unlock disk && tpm-luks list disk | grep -q current; }
    wanted="1 0 1 "
    from=enrolled
    campaign tpm-ring -q rotate boot --no-recovery
}

@test "tpm-reseal prepare, killed: the volume always opens" {
    survived() { plugged unlock disk; }
    finish() {
        tpm-reseal -q prepare --next-boot boot && plugged unlock disk &&
            [ "$(find state -name 'bridge*.pem' | wc -l)" -eq 1 ]
    }
    wanted="1 0 1 "
    from=enrolled
    every=1 # the header changes at few of its calls
    campaign tpm-reseal -q prepare --next-boot boot
}

@test "tpm-reseal confirm, killed: the volume always opens" {
    store=prepared
    survived() { plugged unlock disk; }
    finish() {
        tpm-reseal -q confirm boot && tpm-reseal -q now boot && plugged unlock disk &&
            tpm-luks list disk | grep -q current
    }
    wanted="1 0 1 "
    from=bridged
    every=1 # as above
    campaign tpm-reseal -q confirm boot
}
