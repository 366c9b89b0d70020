#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The initramfs says why a volume stays closed, by what its image has of the baseline.
# shellcheck disable=SC2030,SC2031,SC2154 # helper, output, status: from common.bash and bats

load luks/luks
load eventlogs/logs

setup_file() {
    luks_setup_file
    logs_prepare
}

setup() {
    luks_setup
    volume disk
    image=$BATS_TEST_TMPDIR/image
    mkdir "$image"
}

# boot_with FILE: a boot of which this is the event log, also where an image says so
boot_with() {
    logs_boot "$1"
    rm -rf console run/boot
    [ ! -d "$image$SEALRING_CONFIG_DIR" ] || cp "$SEALRING_CONFIG_DIR/sealring.conf" "$image$SEALRING_CONFIG_DIR"
}

# make_image: as the hooks make it, from what was enrolled in the boot with this log
make_image() {
    boot_with "$1"
    enroll disk "${@:2}"
    tpm-latch -q --install "$image"
}

# try: the initramfs of that image fails to unlock the volume
try() {
    SEALRING_STATE_DIR=$image$SEALRING_STATE_DIR SEALRING_CONFIG_DIR=$image$SEALRING_CONFIG_DIR \
        fails 1 in_initramfs unlock disk
    tr -d '\r' <console >shown
    cat shown
    first="sealring: $1 changed since $(date -u +%F): enter the passphrase, then: tpm-reseal status"
    [ "$(head -n 1 shown)" = "$first" ]
    tail -n +2 shown >further
    [ "$(wc -L <further)" -le 80 ]
    sed 's/^sealring: //' further | tr '\n' ' ' | sed 's/ $//' >words
}

@test "the image has of the baseline what PCR 0 and 7 were made of, and nothing else" {
    make_image "$own/before.bin"
    log=$image$SEALRING_STATE_DIR/baselines/boot.log
    [ "$(find "$image$SEALRING_STATE_DIR" -type f)" = "$log" ]
    [ "$(stat -c %a "$log")" = 600 ]
    tpm-reseal events --json "$log" | jq -e '.damaged == null and ([.events[].pcr] | unique) == [0,7]'
    for file in "$log" "$own/before.bin"; do
        tpm-reseal events --json "$file" | jq -S '.pcrs | map_values({"0", "7"})' >"${file##*/}.pcrs"
    done
    cmp boot.log.pcrs before.bin.pcrs
    # What it must not name is in the log that it is made from.
    for name in kernel_cmdline /dev/mapper/root UiApp; do
        tr -d '\0' <"$own/before.bin" | grep -qaF "$name"
        tr -d '\0' <"$log" | grep -qaF "$name" && false
    done
    echo "# $(stat -c %s "$log") of $(stat -c %s "$own/before.bin") bytes" >&3
}

@test "after an update the console says what happened, and so does the note" {
    make_image "$own/before.bin"
    boot_with "$own/after.bin"
    try 'PCR 0 and PCR 7'
    cause='firmware update (the log does not say its version) and a Secure Boot dbx update'
    [ "$(<words)" = "likely cause: $cause" ]
    # The log has the same lines.
    while read -r line; do says "$line"; done <shown
    grep -qx "cause $cause" run/boot/boot.failed
    SEALRING_RUNTIME_DIR=$PWD/run tpm-reseal explain --json boot |
        jq -e --arg cause "$cause" '.[0].initramfs.cause == $cause'
    # Said once in a boot.
    : >console
    fails 1 in_initramfs unlock disk
    [ ! -s console ]
}

@test "nothing is said that the logs do not prove" {
    make_image "$own/before.bin"
    boot_with "$own/after.bin"
    extend 0 'not in the log'
    try 'PCR 0 and PCR 7'
    [ ! -s further ]
    # The log is the same, PCR 0 is not.
    boot_with "$own/before.bin"
    extend 0 'not in the log'
    try 'PCR 0'
    [[ $(<words) == 'likely cause: something that was measured after the log was written,'*'no update' ]]
    # No log, no baseline, a damaged one, one of another boot than that which was sealed to.
    boot_with "$own/after.bin"
    log=$image$SEALRING_STATE_DIR/baselines/boot.log
    cp "$log" good
    for file in /nonexistent /dev/null "$own/after.bin" short; do
        head -c -5 good >short
        rm -f "$log"
        cp "$file" "$log" || true
        rm -f console run/boot/boot.failed
        try 'PCR 0 and PCR 7'
        [ ! -s further ]
    done
    cp good "$log"
    rm -f console run/boot/boot.failed
    try 'PCR 0 and PCR 7'
    [ -s further ]
    printf '[TPM]\nEventLog=/nonexistent\n' >"$image$SEALRING_CONFIG_DIR/sealring.conf"
    rm -f console run/boot/boot.failed
    try 'PCR 0 and PCR 7'
    [ ! -s further ]
}

@test "of a real machine: both versions and the dbx update" {
    [ "${SEALRING_EVENTLOGS-}" ] || {
        [ "${CI-}" != true ]
        return 0
    }
    make_image "$SEALRING_EVENTLOGS/t14s-fw-R1CET67W.bin"
    boot_with "$SEALRING_EVENTLOGS/t14s-fw-R1CET72W.bin"
    try 'PCR 0 and PCR 7'
    [ "$(<words)" = 'likely cause: firmware update R1CET67W -> R1CET72W and a Secure Boot dbx update' ]
}

@test "an early secret that is not delivered says why" {
    boot_with "$own/before.bin"
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    printf early | tpm-seal -q --ring boot early
    mkdir -p "$SEALRING_CONFIG_DIR/secrets.d"
    printf '[Secret]\nRing=boot\nInitramfs=yes\n[Keyring]\nKeyring=@u\n' >"$SEALRING_CONFIG_DIR/secrets.d/early.conf"
    tpm-latch -q --install "$image"
    boot_with "$own/after.bin"
    SEALRING_STATE_DIR=$image$SEALRING_STATE_DIR SEALRING_CONFIG_DIR=$image$SEALRING_CONFIG_DIR \
        fails 3 in_initramfs tpm-unseal --configured early
    says 'ring boot: policy does not hold: PCR 0 and PCR 7 changed'
    says 'tpm-unseal: likely cause: firmware update'
    grep -q '^cause firmware update' run/boot/boot.failed
}

@test "an image is made without a baseline, and with one that is damaged" {
    make_image "$own/before.bin"
    rm -r "${image:?}"/*
    echo nonsense >"$RINGS/boot/baseline/00000001.log"
    tpm-latch -q --install "$image"
    rm -r "$RINGS/boot/baseline"
    tpm-latch -q --install "$image"
    [ ! -e "$image$SEALRING_STATE_DIR" ]
}
