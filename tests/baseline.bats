#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Baselines, and tpm-reseal explain RING: what changed since a ring was sealed.
# shellcheck disable=SC2030,SC2031,SC2154 # helper, output, status: from common.bash and bats

load common
load eventlogs/logs

setup_file() {
    tpm_start
    logs_prepare
}

# boot_with NAME: a boot of which this is the event log
boot_with() {
    logs_boot "$own/$1.bin"
}

words() {
    tr -s ' \n' ' ' <<<"$output"
}

@test "taken when a ring is made and re-sealed; the last three are kept" {
    boot_with before
    seal key sesame
    cmp "$RINGS/system/baseline/00000001.log" "$own/before.bin"
    grep -qx "Value=sha256:7=$(sed -n 's/^sha256 7 //p' "$BATS_TEST_DIRNAME/eventlogs/before.pcrs")" \
        "$RINGS/system/baseline/00000001.conf"
    [ "$(stat -c %a "$RINGS/system/baseline")" = 700 ]
    [ "$(stat -c %a "$RINGS/system/baseline/00000001.log")" = 600 ]
    for _ in 1 2 3 4; do tpm-reseal -q now system; done
    (cd "$RINGS/system/baseline" && printf '%s ' *) >names
    [ "$(cat names)" = '00000003.conf 00000003.log 00000004.conf 00000004.log 00000005.conf 00000005.log ' ]
    tpm-reseal explain --json system >json
    jq -e '.[0] | .ring == "system" and .changed == [] and .baseline.authentic' json
    run tpm-reseal explain system
    says 'ring system: PCR 0 and 7: nothing changed since 20'
    # What it is kept for lasts as long as the ring's key.
    tpm-ring -q rotate system --no-recovery
    tpm-reseal explain --json system | jq -e '.[0].baseline.authentic'
    [ "$(find "$RINGS/system/baseline" -name '*.log' | wc -l)" -eq 1 ]
}

@test "after an update: what changed, why, and what to do" {
    boot_with before
    seal key sesame
    boot_with after
    fails 3 tpm-unseal key
    run tpm-reseal explain system
    [ "$status" -eq 0 ]
    [ "$(wc -L <<<"$output")" -le 80 ]
    [[ $(words) == *'ring system: PCR 0 and 7 changed since 20'* ]]
    [[ $(words) == *'Likely cause: firmware update (the log does not say its version) and a Secure Boot dbx update.'* ]]
    [[ $(words) == *'The logs lead to what the TPM holds: nothing else changed in these PCRs.'* ]]
    [[ $(words) == *'~ dbx 1 -> 2 hashes: 1 added, 0 removed (76 -> 152 bytes)'* ]]
    says 'If you made this change: tpm-reseal recover system'
    says 'do not enter the recovery key'
    # All rings, when none is named.
    [ "$(tpm-reseal explain)" = "$output" ]
    tpm-reseal explain --json >json
    jq -e '.[0] | .confidence == "explained" and .changed == [0,7]' json
    # Who wrote the baseline can be told with the ring's key only.
    jq -e '.[0].baseline.authentic == null' json
    tpm-reseal explain --json --recovery-key-file "$RK" system | jq -e '.[0].baseline.authentic'
    tpm-reseal -q recover system --recovery-key-file "$RK"
    [ "$(tpm-unseal key)" = sesame ]
    tpm-reseal explain --json system | jq -e '.[0] | .changed == [] and .baseline.authentic'
}

@test "what else changed is shown where it is asked for; the ring is not closed by it" {
    boot_with before
    seal key sesame
    extend 4 'another boot loader'
    run tpm-reseal explain system
    says 'ring system: PCR 0 and 7: nothing changed since 20'
    says 'PCR 4 changed as well; --pcrs 4 says how.'
    run tpm-reseal explain system --pcrs 4
    [ "$status" -eq 0 ]
    says 'ring system: PCR 4 changed since 20'
    says 'The log is the same, the PCR is not'
    [[ $output != *recover* ]]
    # Where its own PCRs changed as well, the way out is said.
    extend 7 'another certificate'
    run tpm-reseal explain system --pcrs 4
    says 'PCR 7 changed as well'
    says 'tpm-reseal recover system'
}

@test "a PCR that no log explains is no update" {
    boot_with before
    seal key sesame
    extend 0 'something later'
    run tpm-reseal explain system
    says 'This is not an update.'
    tpm-reseal explain --json system >json
    jq -e '.[0] | .changed == [0] and .pcrs[0].verdict == "behind-the-log" and .confidence == "unexplained"' json
}

# not_opened: ring boot as the initramfs tries it, and fails; then the initramfs is left.
# No real boot takes less than a second, in which times are kept.
not_opened() {
    sleep 1
    rm -rf "${SEALRING_RUNTIME_DIR:?}/boot"
    run "$helper/boot" open parts luks-x envelope
    [ "$status" -ne 0 ]
    extend 15 'the initramfs was left'
}

@test "what kept ring boot closed in the initramfs is told when the system runs" {
    boot_with before
    seal key sesame
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    "$helper/boot" take boot >parts
    printf hello | "$helper/boot" wrap boot luks-x >envelope
    boot_with after
    not_opened
    grep -q "^pcrs sha256:0=$(sed -n 's/^sha256 0 //p' "$BATS_TEST_DIRNAME/eventlogs/after.pcrs")+7=" \
        "$SEALRING_RUNTIME_DIR/boot/boot.failed"
    when=$(sed -n 's/^time //p' "$SEALRING_RUNTIME_DIR/boot/boot.failed")
    run tpm-reseal explain boot
    [[ $(words) == *'ring boot: PCR 0 and 7 changed since 20'* ]]
    [[ $(words) == *"The initramfs did not open it at $when: this boot state is not the approved one."* ]]
    [[ $(words) == *'~ dbx 1 -> 2 hashes: 1 added, 0 removed (76 -> 152 bytes)'* ]]
    [ "$(wc -L <<<"$output")" -le 80 ]
    says 'tpm-reseal recover boot'
    tpm-reseal explain --json boot >json
    jq -e '.[0] | .changed == [0,7] and .confidence == "explained"' json
    jq -e --arg when "$when" '.[0].initramfs | .failed == $when and .opened == null and
        (.pcrs | keys) == ["0","15","7"] and (.text | contains("PCR 0 and PCR 7 changed"))' json
    # The other ring was not tried there.
    tpm-reseal explain --json system | jq -e '.[0] | .changed == [0,7] and .initramfs == null'
    fails 3 tpm-reseal status boot
    says "boot: drifted: PCR 0 and PCR 7 changed, the initramfs did not open it at $when: if you know why"
    tpm-reseal status --json boot >json || true
    [ "$(jq -r '.[0].failed' json)" = "$when" ]
    # Approved, that is the past.
    tpm-reseal -q recover --recovery-key-file "$RK"
    run tpm-reseal explain boot
    [[ $(words) == *"nothing changed since 20"*"The initramfs did not open it at $when"* ]]
    [[ $output != *'held then'* && $output != *'If you made'* ]]
    run tpm-reseal status boot
    says 'boot: pending: '
    # Of another boot, or what was opened afterwards, is none.
    sed -i 's/^boot ..../boot 0000/' "$SEALRING_RUNTIME_DIR/boot/boot.failed"
    run tpm-reseal explain boot
    [[ $output != *initramfs* ]]
}

@test "PCRs that the system goes on to extend are compared as the initramfs saw them" {
    boot_with before
    extend 11 'the kernel'
    seal key sesame
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes --pcrs 0+7+11
    "$helper/boot" take boot >parts
    printf hello | "$helper/boot" wrap boot luks-x >envelope
    boot_with after
    extend 11 'the kernel'
    not_opened
    extend 11 'the system is ready'
    tpm-reseal explain --json boot | jq -e '.[0].changed == [0,7]'
    tpm-reseal explain boot | tr -s ' \n' ' ' | grep -qF 'What PCRs held then is compared.'
    note=$SEALRING_RUNTIME_DIR/boot/boot.failed
    # Without that they are as they are now; and what is not just so is none.
    cp "$note" good
    sed '/^pcrs /d' good >"$note"
    tpm-reseal explain --json boot | jq -e '.[0] | .changed == [0,7,11] and .initramfs.failed and .initramfs.pcrs == null'
    for change in 's/^pcrs .*/pcrs /' 's/^pcrs .*/pcrs sha256:0+7/' \
        's/^pcrs .*/pcrs sha256:0=00/' 's/^\(pcrs .*+\)7=/\10=/' '/^pcrs/{p}' '/^pcrs/{h;d};/^text/{G}' \
        '/^text/d'; do
        sed "$change" good >"$note"
        cmp -s good "$note" && false
        tpm-reseal explain --json boot | jq -e '.[0] | .changed == [0,7,11] and .initramfs == null'
    done
    head -c -10 good >"$note"
    tpm-reseal explain --json boot | jq -e '.[0].initramfs == null'
    cp good "$note"
    tpm-reseal explain --json boot | jq -e '.[0].changed == [0,7]'
}

@test "a PCR that its log never led to is said so; after hibernation, too" {
    boot_with before
    extend 0 'not in the log'
    seal key sesame
    boot_with after
    extend 0 'not in the log'
    run tpm-reseal explain system
    [[ $(words) == *'Its log did not lead to its value at the baseline either, so there may be more than what is listed.'* ]]
    [[ $(words) == *'The logs explain some of these PCRs, not all.'* ]]
    [[ $output != *restarted* ]]
    tpm-reseal explain --json system | jq -e '.[0] | [.pcrs[].verdict] == ["never-explained", "explained"] and
        .confidence == "partly"'
    # Hibernation: the TPM restarts, and the log is that of the boot which is resumed.
    boot_with before
    tpm-reseal -q recover system --recovery-key-file "$RK"
    tpm2_shutdown
    tpm_reboot
    boot_state
    run tpm-reseal explain system
    [[ $(words) == *'The TPM was restarted since this boot began: suspended, or hibernated.'* ]]
    [[ $(words) == *'The log is the same, the PCR is not'* ]]
    tpm-reseal explain --json system | jq -e '.[0] | .confidence == "unexplained" and .now.restart_count == 1'
}

@test "without an event log: values only, and no TPM command more" {
    boot_with before
    rm "$SEALRING_CONFIG_DIR/sealring.conf"
    seal key sesame
    [ ! -e "$RINGS/system/baseline" ]
    names=$(commands tpm-reseal -q now system)
    [ "$(wc -w <<<"$names")" -eq 10 ]
    tpm-reseal explain system | grep -F 'There is no baseline of it'
    extend 7 'another certificate'
    run tpm-reseal explain system
    says 'PCR 7 changed since 20'
    says 'There is no log to say why.'
    tpm-reseal explain --json system | jq -e '.[0] | .baseline == null and .now == null and .pcrs[1].verdict == "values-only"'
    # With one it is taken.
    tpm_reboot
    boot_with before
    tpm-reseal -q now system
    [ -e "$RINGS/system/baseline/00000001.log" ]
}

@test "a baseline that somebody changed does not count" {
    boot_with before
    seal key sesame
    file=$RINGS/system/baseline/00000001
    cp "$file.conf" good.conf
    # Without the key of the ring the description can't be made to fit.
    sed -i 's/^ResetCount=.*/ResetCount=4294967295/' "$file.conf"
    run tpm-reseal explain system
    says 'changed by somebody without the ring key'
    says 'There is no baseline of it'
    for change in 's/^Format=1/Format=2/' 's/^Id=.*/Id=00112233445566778899aabbccddeeff/' \
        's/^Log=.*//' 's/^Value=sha256:7=.*/&\n&/' 's/^\[TPM\]/[Nonsense]/' 's/^MAC=./MAC=x/'; do
        cp good.conf "$file.conf"
        sed -i "$change" "$file.conf"
        cmp -s good.conf "$file.conf" && false
        run tpm-reseal explain system
        [ "$status" -eq 0 ]
        says 'There is no baseline of it'
    done
    cp good.conf "$file.conf"
    cp "$own/after.bin" "$file.log"
    run tpm-reseal explain system
    says '00000001.log is not the log of the baseline'
    rm "$file.log"
    run tpm-reseal explain system
    says '00000001.log is missing'
    cp "$own/before.bin" "$file.log"
    run tpm-reseal explain system
    [[ $output != *'There is no baseline'* ]]
    # Of another ring with the same key's store it is not one either.
    seal other sesame --ring second --no-recovery 2>/dev/null || printf x | tpm-seal -q --ring second --no-recovery other
    cp "$file.conf" "$file.log" "$RINGS/second/baseline/"
    run tpm-reseal explain second
    says 'There is no baseline of it'
}

@test "while a closed ring's baseline is forged, the approval still says what was sealed" {
    boot_with before
    seal key sesame
    # The baseline says what is true now; the approval knows better.
    file=$RINGS/system/baseline/00000001
    boot_with after
    sum=$(sha256sum <"$own/after.bin" | cut -d' ' -f1)
    sed -i "s/^Log=.*/Log=$sum/" "$file.conf"
    cp "$own/after.bin" "$file.log"
    tpm-reseal explain --json system >json
    jq -e '.[0] | .changed == [0,7] and .confidence == "unexplained"' json
    jq -e '.[0] | [.pcrs[].verdict] == ["never-explained", "never-explained"]' json
    run tpm-reseal explain --recovery-key-file "$RK" system
    says 'changed by somebody without the ring key'
}

@test "this boot's damaged log is said, and does not count" {
    boot_with before
    seal key sesame
    head -c -5 "$own/before.bin" >"$BATS_TEST_TMPDIR/short"
    logs_configure "$BATS_TEST_TMPDIR/short"
    extend 7 'another certificate'
    run tpm-reseal explain system
    [ "$status" -eq 0 ]
    says 'damaged at offset 20138'
    says 'There is no log to say why.'
}

@test "this boot's log can't be read: said, and values are compared" {
    boot_with before
    seal key sesame
    for log in "$BATS_TEST_TMPDIR/missing" "$BATS_TEST_TMPDIR/large"; do
        truncate -s 9000000 "$BATS_TEST_TMPDIR/large"
        logs_configure "$log"
        run tpm-reseal explain system
        [ "$status" -eq 0 ]
        says "this boot's event log does not count: "
        says "$log"
        says 'PCR 0 and 7: nothing changed since 20'
    done
}

@test "another boot's log, and every PCR is what it was: that has no cause" {
    boot_with before
    seal key sesame
    logs_configure "$own/after.bin"
    run tpm-reseal explain system
    says 'PCR 0 and 7: nothing changed since 20'
    [[ $output != *cause* && $output != *WARNING* ]]
    # It would be told.
    boot_with after
    run tpm-reseal explain system
    says 'Likely cause: '
}

@test "a bank that the event log has nothing of is refused where it is chosen" {
    boot_with before
    # A log of SHA-1 that leads to what the TPM holds says nothing about the other banks.
    printf '\000\000\000\000\010\000\000\000%s\004\000\000\000test' 01234567890123456789 >sha1.bin
    logs_configure "$PWD/sha1.bin"
    fails 2 seal key sesame
    one_line
    says 'the event log of this boot has nothing of the sha256 bank'
    [ ! -e "$RINGS/system" ]
    seal key sesame --pcrs sha1:0+7
    fails 2 tpm-reseal -q now system --pcrs sha256:0+7
    one_line
    says 'insist with --accept-unmeasured'
    [ "$(tpm-unseal key)" = sesame ]
    tpm-reseal -q now system --pcrs sha256:0+7 --accept-unmeasured
    # Later it does not stand in the way.
    tpm-reseal -q now system
    tpm-reseal -q recover system --recovery-key-file "$RK"
    # Nor does a log that says nothing at all.
    for log in damaged nothing; do
        head -c 30 sha1.bin >damaged
        logs_configure "$PWD/$log"
        tpm-ring -q create "$log" --no-recovery
    done
    logs_configure "$own/before.bin"
    tpm-ring -q create other --no-recovery --pcrs sha384:0+7
    # To another machine no export brings its bank, and this one's is looked at.
    tpm-ring -q export system "$PWD/exported"
    logs_configure "$PWD/sha1.bin"
    tpm-ring -q remove --force system
    fails 2 tpm-ring import "$PWD/exported" system --recovery-key-file "$RK"
    says 'the event log of this boot has nothing of the sha256 bank'
    [ ! -e "$RINGS/system" ]
    tpm-ring -q import "$PWD/exported" system --recovery-key-file "$RK" --accept-unmeasured
    [ "$(tpm-unseal key)" = sesame ]
}

@test "mistakes" {
    boot_with before
    seal key sesame
    fails 9 tpm-reseal explain nothing
    one_line
    fails 2 tpm-reseal explain system --pcrs 0+24
    one_line
    fails 2 tpm-reseal explain system --pcrs "0=$(printf 'a%.0s' {1..64})"
    one_line
    fails 2 tpm-reseal explain system --baseline "$own/before.bin"
    one_line
    fails 2 tpm-reseal explain --log "$own/before.bin"
    one_line
}
