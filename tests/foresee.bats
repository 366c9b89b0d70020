#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-reseal prepare where the boot states to come are known: by updates, logs and values.
# shellcheck disable=SC2154 # output, status: from bats

load common
load eventlogs/logs

# The machine's own updates: dbx in PCR 7, firmware in PCR 0. Each may come without the other.
setup_file() {
    tpm_start
    logs_prepare
    cd "$own"
    logs_mix 7 after.bin before.bin dbx.bin
    logs_mix 7 before.bin after.bin firmware.bin
}

# boot_with NAME: a boot of which this is the event log
boot_with() {
    logs_boot "$own/$1.bin"
}

# measured PCR WHEN: what the TPM held
measured() {
    sed -n "s/^sha256 $1 //p" "$BATS_TEST_DIRNAME/eventlogs/$2.pcrs"
}

approvals() {
    (cd "$RINGS/system/approvals" && echo *)
}

@test "the mixed logs are what they are taken for" {
    tpm-reseal explain --json --baseline "$own/before.bin" --log "$own/dbx.bin" | jq -e '.changed == [7]'
    tpm-reseal explain --json --baseline "$own/before.bin" --log "$own/firmware.bin" | jq -e '.changed == [0]'
}

@test "a planned update of dbx: the boot after it is open, and confirmed; PCR 0 stays needed" {
    boot_with before
    seal key sesame
    run tpm-reseal prepare --dbx "$own/dbx.esl"
    [ "$status" -eq 0 ]
    says "ring system: 1 boot state to come opens it as well"
    [ "$(approvals)" = "current.pem planned.pem" ]
    grep -qx "PCR 7 (sha256) = $(measured 7 after)" "$RINGS/system/approvals/planned.pem"
    grep -qx "PCR 0 (sha256) = $(measured 0 before)" "$RINGS/system/approvals/planned.pem"
    run tpm-reseal status
    says "system: pending: an update is prepared for"
    [ "$status" -eq 0 ]
    [ "$(tpm-unseal key)" = sesame ]
    boot_with after
    fails 3 tpm-unseal key
    boot_with dbx
    [ "$(tpm-unseal key)" = sesame ]
    run tpm-reseal confirm
    [ "$status" -eq 0 ]
    says "ring system is sealed to just this boot state"
    [ "$(approvals)" = current.pem ]
    # A baseline of it is taken.
    cmp "$RINGS/system/baseline/00000002.log" "$own/dbx.bin"
    boot_with before
    fails 3 tpm-unseal key
}

@test "the boot that was foreseen has come: nothing takes away what opens it before it is confirmed" {
    boot_with before
    seal key sesame
    tpm-reseal -q prepare --dbx "$own/dbx.esl"
    boot_with dbx
    run tpm-reseal status
    says "system: pending: what an update was prepared with opens this boot: tpm-reseal confirm system"
    fails 3 tpm-reseal prepare --undo
    says "nothing else opens this boot: tpm-reseal confirm system comes first"
    fails 3 tpm-reseal prepare --pcrs "0=$(measured 0 after)"
    says "tpm-reseal confirm system comes first"
    fails 3 tpm-reseal prepare --pcrs "7=$(measured 7 before)" -- touch ran
    [ ! -e ran ]
    [ "$(approvals)" = "current.pem planned.pem" ]
    [ "$(tpm-unseal key)" = sesame ]
    tpm-reseal -q confirm
    tpm-reseal -q prepare --pcrs "0=$(measured 0 after)"
    tpm-reseal -q prepare --undo
    [ "$(tpm-unseal key)" = sesame ]
}

@test "not yet made: what is foreseen stays, and confirm leaves it" {
    boot_with before
    seal key sesame
    tpm-reseal -q prepare --dbx "$own/dbx.esl"
    boot_with before
    tpm-reseal -q confirm
    [ "$(approvals)" = "current.pem planned.pem" ]
    tpm-reseal -q prepare --undo
    [ "$(approvals)" = current.pem ]
    boot_with dbx
    fails 3 tpm-unseal key
}

@test "another machine's log, and dbx: any of the updates, in any order" {
    boot_with before
    seal key sesame
    run tpm-reseal prepare --log "$own/after.bin" --dbx "$own/dbx.esl"
    [ "$status" -eq 0 ]
    says "3 boot states to come open it as well"
    for name in firmware dbx after before; do
        boot_with "$name"
        [ "$(tpm-unseal key)" = sesame ]
    done
    boot_with after
    tpm-reseal -q confirm
    [ "$(approvals)" = current.pem ]
    for name in firmware dbx before; do
        boot_with "$name"
        fails 3 tpm-unseal key
    done
}

@test "a boot between two updates is confirmed: what is prepared for the next one stays" {
    boot_with before
    seal key sesame
    tpm-reseal -q prepare --log "$own/after.bin" --dbx "$own/dbx.esl"
    [ "$(approvals)" = "current.pem planned-2.pem planned-3.pem planned.pem" ]
    boot_with firmware
    tpm-reseal -q confirm
    run tpm-reseal status
    says "system: pending: an update is prepared for"
    boot_with before
    fails 3 tpm-unseal key
    boot_with after
    [ "$(tpm-unseal key)" = sesame ]
    tpm-reseal -q confirm
    [ "$(approvals)" = current.pem ]
    boot_with firmware
    fails 3 tpm-unseal key
    # In the other order, and the second one never comes.
    boot_with before
    tpm-reseal -q recover system --recovery-key-file "$RK"
    tpm-reseal -q prepare --log "$own/after.bin" --dbx "$own/dbx.esl"
    boot_with dbx
    tpm-reseal -q confirm
    [ "$(approvals)" = "current.pem planned-3.pem" ]
    tpm-reseal -q prepare --undo
    [ "$(approvals)" = current.pem ]
    [ "$(tpm-unseal key)" = sesame ]
}

@test "a value that somebody knows, also for one ring of several" {
    boot_with before
    seal key sesame
    seal other text --ring second
    tpm-reseal -q prepare --pcrs "0=$(measured 0 after)" system
    boot_with firmware
    [ "$(tpm-unseal key)" = sesame ]
    fails 3 tpm-unseal other
}

@test "dbx is foreseen, the firmware is not: a bridge for each" {
    boot_with before
    seal key sesame
    tpm-reseal -q prepare --next-boot --dbx "$own/dbx.esl"
    [ "$(approvals)" = "bridge-2.pem bridge.pem current.pem planned.pem" ]
    boot_with after
    [ "$(tpm-unseal key)" = sesame ]
    boot_with firmware
    [ "$(tpm-unseal key)" = sesame ]
    tpm-reseal -q confirm
    [ "$(approvals)" = current.pem ]
    run tpm-reseal status
    says "system: ready"
}

@test "TPM commands of a planned update" {
    boot_with before
    seal key sesame
    opening="StartAuthSession PolicyPCR Load Unseal FlushContext"
    # Four banks are read to see whether the log is true.
    names=$(commands tpm-reseal -q prepare --dbx "$own/dbx.esl")
    reads=$(grep -o PCR_Read <<<"$names" | wc -l)
    echo "# $reads reads of PCRs" >&3
    [ "$reads" -le 20 ]
    [ "${names##*PCR_Read }" = "$opening Create Load FlushContext FlushContext" ]
    boot_with dbx
    # It opens by what is foreseen already, so nothing is sealed; the rest is the baseline.
    names=$(commands tpm-reseal -q confirm)
    [[ $names == "PCR_Read StartAuthSession PolicyPCR PolicyPCR Load Unseal FlushContext GetCapability ReadClock PCR_Read "*" FlushContext" ]]
    [[ $names != *Create* ]]
    [ "$(commands tpm-reseal -q confirm)" = PCR_Read ]
}

# archive OPTIONS: firmware that takes several blocks, and what its vendor says about it
archive() {
    seq 30000 >firmware.bin
    cat >firmware.metainfo.xml <<-END
	<component type="firmware"><releases>
	<release version="2.0">
	  <!-- <checksum type="sha256" target="device">$(printf '1%.0s' {1..64})</checksum> -->
	  <checksum type="sha256" target="content">$(printf '2%.0s' {1..64})</checksum>
	  <checksum type="sha1" target="device">$(sed -n 's/^sha1 0 //p' "$BATS_TEST_DIRNAME/eventlogs/after.pcrs")</checksum>
	  <checksum target='device' type='sha256'>
	    $(measured 0 after)
	  </checksum>
	</release>
	<release version="1.0"><checksum type="sha256" target="device">$(printf '3%.0s' {1..64})</checksum></release>
	</releases></component>
	END
    rm -f firmware.cab
    gcab -c "$@" firmware.cab firmware.bin firmware.metainfo.xml
}

# bats test_tags=minimal
@test "an archive in which the vendor says what PCR 0 will be, stored and compressed" {
    boot_with before
    seal key sesame
    for options in "" -z; do
        # shellcheck disable=SC2086 # one word or none
        archive $options
        run tpm-reseal prepare --cab firmware.cab
        [ "$status" -eq 0 ]
        says "ring system: 1 boot state to come opens it as well"
        [ "$(approvals)" = "current.pem planned.pem" ]
        grep -qx "PCR 0 (sha256) = $(measured 0 after)" "$RINGS/system/approvals/planned.pem"
        tpm-reseal -q prepare --undo
    done
    tpm-reseal -q prepare --cab firmware.cab --dbx "$own/dbx.esl"
    boot_with after
    [ "$(tpm-unseal key)" = sesame ]
}

@test "archives that are damaged, say nothing, or say it of another bank" {
    boot_with before
    seal key sesame
    archive -z
    # Cut off anywhere.
    for size in 0 3 20 36 50 120 200 1000 40000 $(($(stat -c %s firmware.cab) - 1)); do
        head -c "$size" firmware.cab >short.cab
        fails 8 tpm-reseal prepare --cab short.cab
        one_line
        says "short.cab: "
    done
    fails 8 tpm-reseal prepare --cab "$own/before.bin"
    says "no cabinet archive"
    fails 2 tpm-reseal prepare --cab firmware.cab --log "$own/after.bin"
    fails 2 tpm-reseal prepare --cab firmware.cab --pcrs 0
    sed -i 's/sha1.*device/sha1" target="content/; /target=.device/,/checksum/d' firmware.metainfo.xml
    gcab -c -z silent.cab firmware.bin firmware.metainfo.xml
    fails 2 tpm-reseal prepare --cab silent.cab
    says "silent.cab: its vendor does not say what PCR 0 will be: --next-boot needs no value"
    gcab -c -z bare.cab firmware.bin
    fails 2 tpm-reseal prepare --cab bare.cab
    # Each would be unpacked by itself.
    for n in {1..17}; do echo "<component/>" >"$n.metainfo.xml"; done
    gcab -c -z many.cab {1..16}.metainfo.xml
    fails 2 tpm-reseal prepare --cab many.cab
    gcab -c -z many.cab {1..17}.metainfo.xml
    fails 8 tpm-reseal prepare --cab many.cab
    says "many.cab: more than 16 components"
    tpm-reseal -q now system --pcrs sha384:0+7
    fails 2 tpm-reseal prepare --cab firmware.cab
    says "in the sha384 bank"
    [ "$(approvals)" = current.pem ]
}

@test "nothing is foreseen where this boot is not what its log says" {
    boot_with before
    seal key sesame
    before=$(cat "$RINGS/system/approvals/current.pem")
    logs_configure "$own/after.bin"
    archive -z
    for options in "--dbx $own/dbx.esl" "--log $own/after.bin" "--cab firmware.cab"; do
        # shellcheck disable=SC2086 # two words
        fails 3 tpm-reseal prepare $options
        one_line
        says "log"
    done
    rm "$SEALRING_CONFIG_DIR/sealring.conf"
    fails 6 tpm-reseal prepare --dbx "$own/dbx.esl"
    [ "$(approvals)" = current.pem ]
    [ "$(cat "$RINGS/system/approvals/current.pem")" = "$before" ]
    head -c -5 "$own/after.bin" >short
    logs_configure "$own/before.bin"
    fails 8 tpm-reseal prepare --log short
    fails 2 tpm-reseal prepare --dbx "$own/expected-pcrs.txt"
    # With a true log it is.
    tpm-reseal -q prepare --log "$own/after.bin"
}

@test "after hibernation or kexec, where the log is of another boot, nothing is confirmed" {
    boot_with before
    seal key sesame
    tpm-reseal -q prepare --next-boot
    boot_with firmware
    logs_configure "$own/before.bin"
    run tpm-reseal confirm
    [ "$status" -eq 0 ]
    says "ring system: this boot's event log does not lead to PCR 0, as after hibernation or kexec: nothing is approved"
    [ "$(approvals)" = "bridge.pem current.pem" ]
    logs_configure "$own/firmware.bin"
    run tpm-reseal confirm
    says "ring system is sealed to just this boot state"
    [ "$(approvals)" = current.pem ]
}

@test "on a machine whose log never leads to PCR 0, that is no reason" {
    boot_with before
    extend 0 'what no log has'
    seal key sesame
    tpm-reseal -q prepare --next-boot
    boot_with firmware
    extend 0 'what no log has'
    run tpm-reseal confirm
    [ "$status" -eq 0 ]
    says "ring system is sealed to just this boot state"
    fails 3 tpm-reseal prepare --log "$own/after.bin"
    says "PCR 0 can't be foreseen"
}

@test "a bank that the ring is not sealed to is refused" {
    boot_with before
    seal key sesame --pcrs sha384:0+7
    fails 2 tpm-reseal prepare --pcrs "sha256:0=$(measured 0 after)"
    says "what is foreseen is of the sha256 bank, but it is sealed to sha384:0+7"
    tpm-reseal -q prepare --log "$own/after.bin" --dbx "$own/dbx.esl"
    boot_with after
    [ "$(tpm-unseal key)" = sesame ]
}
