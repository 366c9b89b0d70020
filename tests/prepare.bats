#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-reseal prepare --next-boot and confirm: over an update of the firmware and back.
# shellcheck disable=SC2030,SC2031,SC2154 # helper, output, status: from common.bash and bats

load common

setup_file() {
    tpm_start other
    boot_state
    tpm_start
    boot_state
    # A TPM that loses its power after a PIN counts that as a wrong one.
    tpm2_dictionarylockout -s -n 100 -t 1000 -l 1000
}

setup() {
    store_new
    tpm_boot
    boot=$helper/boot
}

# boot FIRMWARE: the next boot; what the initramfs of the last one noted is gone
boot() {
    tpm_reboot
    boot_state "$1"
    rm -rf "${SEALRING_RUNTIME_DIR:?}/boot"
}

# hibernate: the machine is switched off with its state on the disk, and on again
hibernate() {
    tpm2_shutdown
    boot "$1"
    [ "$(tpm2_readclock | sed -n 's/^ *restart_count: //p')" -gt 0 ]
}

# latch: what the end of the initramfs does
latch() {
    extend 15 "the initramfs was left"
}

# state_is WORD TEXT [RING]: what status says of a ring
state_is() {
    run tpm-reseal status "${3:-system}"
    echo "$output"
    [[ $output == "${3:-system}: $1: "*"$2"* ]]
}

approvals() {
    (cd "$RINGS/${1:-system}/approvals" && echo *)
}

# bridge_opens: the bounded approval by itself
bridge_opens() {
    [ "$(tpm-unseal --file "$RINGS/system/approvals/bridge.pem" | wc -c)" -eq 32 ]
}

@test "closed now, open in the next N boots whatever PCR 0 is, closed after them" {
    seal key sesame
    run tpm-reseal prepare --next-boot=2 system
    [ "$status" -eq 0 ]
    says "ring system: the next 2 boots open it whatever PCR 0 is"
    state_is bridged "the next 2 boots open it whatever PCR 0 is"
    [ "$status" -eq 0 ]
    tpm-reseal status --json | jq -e '.[0].state == "bridged"'
    fails 3 tpm-unseal --file "$RINGS/system/approvals/bridge.pem"
    says "its time window is not open"
    [ "$(tpm-unseal key)" = sesame ]
    for n in 1 2; do
        boot "firmware $n.5"
        bridge_opens
        [ "$(tpm-unseal key)" = sesame ]
        state_is bridged "this boot opens it whatever PCR 0 is: tpm-reseal confirm system"
    done
    boot "firmware 3.5"
    fails 3 tpm-unseal --file "$RINGS/system/approvals/bridge.pem"
    fails 3 tpm-unseal key
    says "PCR 0 changed"
    state_is drifted "PCR 0 changed"
    # What it was sealed to before opens it all the time.
    boot "firmware 1.0"
    [ "$(tpm-unseal key)" = sesame ]
    state_is ready
}

@test "without it the next boot is closed; with it, PCR 7 is still needed" {
    seal key sesame
    seal other text --ring second
    tpm-reseal -q prepare --next-boot system
    boot "firmware 2.0"
    [ "$(tpm-unseal key)" = sesame ]
    fails 3 tpm-unseal other
    tpm_reboot
    boot_state "firmware 2.0" "another certificate"
    fails 3 tpm-unseal key
    fails 3 tpm-unseal --file "$RINGS/system/approvals/bridge.pem"
}

@test "hibernation ends it" {
    seal key sesame
    tpm-reseal -q prepare --next-boot system
    boot "firmware 2.0"
    bridge_opens
    hibernate "firmware 2.0"
    fails 3 tpm-unseal --file "$RINGS/system/approvals/bridge.pem"
    says "its time window is not open"
    fails 3 tpm-unseal key
    # It was no more than that: a boot of its own is still in the window.
    boot "firmware 2.0"
    [ "$(tpm-unseal key)" = sesame ]
}

@test "confirm: just this boot state, the bridge is gone, the next boot needs none" {
    seal key sesame
    tpm-reseal -q prepare --next-boot
    boot "firmware 2.0"
    run tpm-reseal confirm
    [ "$status" -eq 0 ]
    says "ring system is sealed to just this boot state"
    [ "$(approvals)" = current.pem ]
    state_is ready
    run tpm-reseal confirm system
    says "ring system: nothing to confirm"
    boot "firmware 2.0"
    [ "$(tpm-unseal key)" = sesame ]
    boot "firmware 1.0"
    fails 3 tpm-unseal key
    fails 3 tpm-reseal confirm
    says "ring system: policy does not hold: PCR 0 changed: tpm-reseal explain system"
}

@test "confirm: the machine booted without change: the bridge is gone; not in the boot that made it" {
    seal key sesame
    before=$(cat "$RINGS/system/approvals/current.pem")
    tpm-reseal -q prepare --next-boot
    run tpm-reseal confirm system
    says "nothing to confirm"
    [ "$(approvals)" = "bridge.pem current.pem" ]
    tpm_boot
    run tpm-reseal confirm
    says "ring system: what was prepared in an earlier boot is taken away"
    [ "$(approvals)" = current.pem ]
    [ "$(cat "$RINGS/system/approvals/current.pem")" = "$before" ]
    boot "firmware 2.0"
    fails 3 tpm-unseal key
}

# damage FILE: one bit of what the TPM made; PCRs and everything else are as they were
damage() {
    local last
    sed -n '/^-----BEGIN/,/^-----END/{//!p}' "$1" | base64 -d >der
    last=$(tail -c 1 der | xxd -p)
    truncate -s -1 der
    printf '%02x' $((0x$last ^ 1)) | xxd -r -p >>der
    { sed '/^-----BEGIN/q' "$1" && base64 -w 64 der && sed -n '/^-----END/p' "$1"; } >damaged
    mv damaged "$1"
}

@test "confirm: what only looks as if it opened this boot takes nothing away" {
    seal key sesame
    tpm-reseal -q prepare --next-boot
    tpm_boot
    damage "$RINGS/system/approvals/current.pem"
    [ "$(tpm-unseal key)" = sesame ]
    run tpm-reseal confirm
    says "ring system is sealed to just this boot state"
    [ "$(approvals)" = current.pem ]
    [ "$(tpm-unseal key)" = sesame ]
    # Nor where a PIN would have to be typed to find out.
    echo "correct horse battery" >pin
    seal other text --ring second --pin --pin-file pin
    tpm-reseal -q prepare second --next-boot --pin-file pin
    tpm_boot
    damage "$RINGS/second/approvals/current.pem"
    fails 8 tpm-reseal confirm
    says "ring second: its approval is damaged: tpm-reseal now second seals it anew"
    [ "$(approvals second)" = "bridge.pem current.pem" ]
    tpm-reseal -q now second --pin-file pin
    [ "$(approvals second)" = current.pem ]
    [ "$(tpm-unseal --pin-file pin other)" = text ]
}

@test "an approval that can't be read: nothing is decided beside it, and what to do is said" {
    seal key sesame
    tpm-reseal -q prepare --next-boot
    truncate -s 300 "$RINGS/system/approvals/bridge.pem"
    for command in confirm "prepare --next-boot" "prepare --undo"; do
        # shellcheck disable=SC2086 # two words
        fails 8 tpm-reseal $command system
        says "ring system: approvals/bridge.pem: "
        says ": tpm-reseal now system leaves only what opens this boot"
    done
    tpm-reseal -q now system
    tpm-reseal confirm system
    [ "$(approvals)" = current.pem ]
}

@test "with a PIN: asked for as ever; no confirm at boot asks for it" {
    echo "correct horse battery" >pin
    echo "wrong horse battery" >wrong
    seal key sesame --pin --pin-file pin
    fails 4 tpm-reseal prepare --next-boot --pin-file wrong system
    tpm-reseal -q prepare --next-boot --pin-file pin
    boot "firmware 2.0"
    fails 4 setsid -w tpm-unseal key
    fails 4 tpm-unseal --pin-file wrong key
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    fails 4 setsid -w tpm-reseal confirm
    says "PIN"
    [ "$(approvals)" = "bridge.pem current.pem" ]
    tpm-reseal -q confirm system --pin-file pin
    boot "firmware 2.0"
    fails 4 tpm-unseal --pin-file wrong key
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    # To take a bridge away that nobody used takes none.
    tpm-reseal -q prepare --next-boot --pin-file pin
    boot "firmware 2.0"
    setsid -w tpm-reseal confirm
    [ "$(approvals)" = current.pem ]
}

# make_boot [OPTIONS]: ring boot, proven by this boot and then closed; what a header has
make_boot() {
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes "$@"
    header
    opens
    latch
}

# header: what a LUKS2 header would carry
header() {
    "$boot" take boot >parts
    [ -e envelope ] || printf hello | "$boot" wrap boot luks-x >envelope
}

# opens: what the initramfs does with it gives the volume's key, and is noted
opens() {
    run "$boot" open parts luks-x envelope
    [ "$status" -eq 0 ] && [ "$output" = hello ]
}

@test "ring boot: over the bridge into the initramfs, closed after it, proven a boot later" {
    make_boot
    tpm-reseal -q prepare --next-boot
    state_is bridged "the next 3 boots open it whatever PCR 0 is" boot
    header
    boot "firmware 2.0"
    opens
    latch
    # The latch closes the bridge as well.
    fails 129 "$boot" open parts luks-x envelope
    state_is bridged "this boot opens it whatever PCR 0 is: tpm-reseal confirm boot" boot
    run tpm-reseal confirm
    [ "$status" -eq 0 ]
    says "ring system is sealed to just this boot state"
    says "ring boot is sealed to just this boot state: the next boot has to prove it"
    # What opened this boot stays in it, and so does what did before.
    [ "$(approvals boot)" = "bridge.pem current.pem next.pem" ]
    state_is bridged "" boot
    run tpm-reseal confirm boot
    says "nothing to confirm"
    header
    boot "firmware 2.0"
    opens
    latch
    run tpm-reseal confirm
    says "ring boot is sealed to just this boot state"
    [ "$(approvals boot)" = current.pem ]
    state_is ready "opened in this boot" boot
    header
    boot "firmware 2.0"
    opens
    boot "firmware 1.0"
    fails 129 "$boot" open parts luks-x envelope
}

@test "ring boot: booted without change, so the bridge is gone; not before a boot has proven it" {
    make_boot
    tpm-reseal -q prepare --next-boot
    header
    tpm_boot
    rm -rf "${SEALRING_RUNTIME_DIR:?}/boot"
    latch
    tpm-reseal -q confirm
    [ "$(approvals boot)" = "bridge.pem current.pem" ]
    tpm_boot
    opens
    latch
    tpm-reseal -q confirm
    [ "$(approvals boot)" = current.pem ]
    state_is ready "opened in this boot" boot
}

@test "ring boot with a PIN that system does not know: asked for anew, or refused" {
    echo "correct horse battery" >pin
    echo "another horse battery" >pin2
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes --pin --pin-file pin
    latch
    fails 4 tpm-reseal prepare --next-boot boot
    says "which ring system does not know: give one with --pin"
    tpm-reseal -q prepare --next-boot --new-pin-file pin2 boot
    header
    boot "firmware 2.0"
    fails 13 "$boot" open parts luks-x envelope "correct horse battery"
    run "$boot" open parts luks-x envelope "another horse battery"
    [ "$output" = hello ]
}

@test "where nothing would be left, nothing can be known, or nothing is good: refused" {
    seal key sesame --pcrs 0
    fails 2 tpm-reseal prepare --next-boot system
    one_line
    says "whatever boots would open it"
    make_boot --pcrs 0
    fails 2 tpm-reseal prepare --next-boot boot
    says "whatever boots would open it"
    tpm-reseal -q now system --pcrs 0+7
    fails 2 tpm-reseal prepare --next-boot --pcrs 0+15 boot
    says "PCR 15 is what closes it"
    for options in "" --next-boot=0 --next-boot=11 --next-boot=x --pcrs=0 "--pcrs=0=$(printf 'a%.0s' {1..64}) --next-boot" \
        "--undo --next-boot" "--undo -- true" "--json --next-boot" "system boot --next-boot" "--next-boot --pin"; do
        # shellcheck disable=SC2086 # several words
        fails 2 tpm-reseal prepare $options
        one_line
    done
    [ "$(approvals)" = current.pem ]
    boot "firmware 2.0"
    fails 3 tpm-reseal prepare --next-boot system
    says "PCR 0 changed"
    tpm_boot
    tpm-reseal -q prepare --next-boot system
    boot "firmware 2.0"
    fails 3 tpm-reseal prepare --next-boot system
    says "tpm-reseal confirm system comes first"
    fails 3 tpm-reseal prepare --undo system
    says "tpm-reseal confirm system comes first"
    [ "$(tpm-unseal key)" = sesame ]
    fails 9 tpm-reseal prepare --next-boot third
    fails 9 tpm-reseal confirm third
    fails 2 tpm-reseal confirm --pcrs 0+7
    fails 2 tpm-reseal confirm --pin
}

@test "without recovery: the bridge is shown all the same, and nobody is asked for a key there is not" {
    echo text | tpm-seal -q --no-recovery key
    tpm-reseal -q prepare --next-boot
    state_is exposed "has no recovery: tpm-ring recovery renew system; the next 3 boots open it whatever PCR 0 is"
    tpm-reseal -q prepare --undo
    boot "firmware 2.0"
    state_is drifted "PCR 0 changed: it has no recovery: only the boot state it is sealed to opens it"
    fails 4 tpm-reseal recover system
    says "ring system was made without recovery: only its TPM opens it"
}

@test "a ring that depends on nothing of it stays as it is" {
    seal key sesame
    seal other text --ring second --pcrs 0+4+7
    run tpm-reseal prepare --next-boot --pcrs 4+9
    [ "$status" -eq 0 ]
    says "ring system depends on nothing of that: it stays as it is"
    says "ring second: the next 3 boots open it whatever PCR 4 is"
    [ "$(approvals)" = current.pem ]
    tpm_boot
    extend 4 "another kernel"
    [ "$(tpm-unseal other)" = text ]
    extend 0 "other firmware"
    fails 3 tpm-unseal other
}

@test "what is open already stays open: a second preparation in the same boot adds to the first" {
    seal key sesame --pcrs 0+4+7
    tpm-reseal -q prepare --next-boot=5
    run tpm-reseal prepare --next-boot=1 --pcrs 4
    says "the next 5 boots open it whatever PCR 0 and 4 is"
    [ "$(approvals | tr ' ' '\n' | grep -c bridge)" = 1 ]
    boot "firmware 2.0"
    extend 4 "another kernel"
    [ "$(tpm-unseal key)" = sesame ]
    # In another boot it is a plan of its own.
    tpm-reseal -q confirm
    run tpm-reseal prepare --next-boot=1 --pcrs 4
    says "the next 1 boot opens it whatever PCR 4 is"
}

@test "-- COMMAND: run once all is prepared; its exit status; taken back if it fails" {
    seal key sesame
    tpm-reseal -q prepare --next-boot -- sh -c "ls $RINGS/system/approvals | tr '\n' ' ' >seen; tpm-reseal -q status >>seen"
    grep -q '^bridge.pem current.pem system: bridged' seen
    [ "$(approvals)" = "bridge.pem current.pem" ]
    tpm-reseal -q prepare --undo
    [ "$(approvals)" = current.pem ]
    fails 42 tpm-reseal prepare --next-boot -- sh -c 'exit 42'
    says "sh failed: what was prepared for it is taken back"
    [ "$(approvals)" = current.pem ]
    status=0
    tpm-reseal -q prepare --next-boot system -- ./no-such-program 2>err || status=$?
    [ "$status" -eq 127 ]
    [ "$(cat err)" = "tpm-reseal: cannot run ./no-such-program: No such file or directory" ]
    fails 143 tpm-reseal -q prepare --next-boot system -- sh -c 'kill $$'
    # Options behind -- are the command's.
    run tpm-reseal -q prepare --next-boot system -- echo --undo --help
    [ "$output" = "--undo --help" ]
    tpm-reseal -q prepare --undo
    # One that was prepared before stays when this one fails, and goes when it does not.
    tpm-reseal -q prepare --next-boot=1
    one=$(cat "$RINGS/system/approvals/bridge.pem")
    fails 1 tpm-reseal -q prepare --next-boot=4 -- false
    [ "$(cat "$RINGS/system/approvals/bridge.pem")" = "$one" ]
    tpm-reseal -q prepare --next-boot=4 -- true
    state_is bridged "the next 4 boots"
    # It may prepare, too.
    tpm-reseal -q prepare --next-boot -- tpm-reseal -q prepare --next-boot=7
    state_is bridged "the next 7 boots"
}

@test "-- COMMAND: what could not be taken back is not said to be" {
    seal key sesame
    fails 3 tpm-reseal prepare --next-boot system -- sh -c "mv $RINGS/system $RINGS/moved; exit 3"
    says "was rotated or removed by another program meanwhile"
    [[ $output != *"taken back"$'\n'* && $output != *"taken back" ]]
    [ "$(approvals moved)" = "bridge.pem current.pem" ]
}

@test "-- COMMAND is not run where not all rings could be prepared" {
    seal key sesame
    seal other text --ring second --pcrs 0
    fails 2 tpm-reseal prepare --next-boot -- touch ran
    says "touch is not run"
    [ ! -e ran ]
    [ "$(approvals)" = current.pem ]
    fails 2 tpm-reseal prepare --next-boot second -- touch ran
    [ ! -e ran ]
    tpm-reseal -q prepare --next-boot system -- touch ran
    [ -e ran ]
}

@test "a moved disk, and a TPM that was cleared: the bridge opens nothing there; recovery does" {
    seal key sesame
    tpm-reseal -q prepare --next-boot
    boot "firmware 2.0"
    [ "$(tpm-unseal key)" = sesame ]
    tpm_use other
    fails 7 tpm-unseal key
    fails 7 tpm-reseal status
    fails 7 tpm-reseal prepare --next-boot
    tpm-reseal -q recover system --recovery-key-file "$RK"
    [ "$(tpm-unseal key)" = sesame ]
    [ "$(approvals)" = current.pem ]
    tpm_use main
    fails 7 tpm-unseal key
    tpm-reseal -q recover system --recovery-key-file "$RK"
    tpm-reseal -q prepare --next-boot
    tpm2_clear
    fails 7 tpm-unseal key
    tpm-reseal -q recover system --recovery-key-file "$RK"
    [ "$(tpm-unseal key)" = sesame ]
    [ "$(approvals)" = current.pem ]
}

@test "an unplanned update: recovery as ever, and what was prepared for another goes" {
    seal key sesame
    tpm-reseal -q prepare --next-boot=1
    tpm_reboot
    boot_state "firmware 2.0" "another certificate"
    fails 3 tpm-unseal key
    fails 3 tpm-reseal confirm
    tpm-reseal -q recover system --recovery-key-file "$RK"
    [ "$(approvals)" = current.pem ]
    [ "$(tpm-unseal key)" = sesame ]
}

@test "TPM commands: what each step costs" {
    seal key sesame
    opening="StartAuthSession PolicyPCR Load Unseal FlushContext"
    [ "$(commands tpm-reseal -q confirm)" = PCR_Read ]
    [ "$(commands tpm-reseal -q prepare --next-boot)" = \
        "$opening ReadClock Create Load FlushContext FlushContext" ]
    [ "$(commands tpm-reseal -q status)" = "ReadPublic ReadClock PCR_Read" ] ||
        [ "$(commands tpm-reseal -q status)" = "ReadClock PCR_Read ReadPublic" ]
    [ "$(commands tpm-reseal -q confirm)" = "ReadClock PCR_Read" ]
    boot "firmware 2.0"
    [ "$(commands tpm-reseal -q confirm)" = \
        "ReadClock PCR_Read StartAuthSession PolicyPCR PolicyPCR PolicyCounterTimer \
PolicyCounterTimer PolicyCounterTimer Load Unseal FlushContext PCR_Read Create PolicyPCR Load \
Unseal FlushContext" ]
    tpm-reseal -q prepare --next-boot
    boot "firmware 2.0"
    [ "$(commands tpm-reseal -q confirm)" = "ReadClock PCR_Read $opening FlushContext" ]
    tpm-reseal -q prepare --next-boot
    [ "$(commands tpm-reseal -q prepare --undo)" = "ReadClock PCR_Read" ]
    [ "$(commands tpm-reseal -q prepare --undo)" = "" ]
    # Ring boot, through ring system.
    make_boot
    [ "$(commands tpm-reseal -q prepare --next-boot boot)" = \
        "$opening ReadClock Create Load FlushContext FlushContext" ]
}
