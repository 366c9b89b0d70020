#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-reseal events: what is in event logs, and the PCR values they lead to.
# shellcheck disable=SC2154 # own: from logs.bash

load common
load eventlogs/logs

setup_file() {
    tpm_start
    logs_prepare
}

setup() {
    store_new
    log=$own/before.bin
}

# pcrs_of FILE: "BANK PCR HEX" as the log leads to them, or to registers
pcrs_of() {
    tpm-reseal events --json "$1" | jq -r '(if .registers then .registers else .pcrs end) |
        to_entries[] | .key as $bank | .value | to_entries[] | "\($bank) \(.key) \(.value)"' | sort
}

# compare_pcrs EXPECTED: rows of it that no log leads to; those that were compared are counted
compare_pcrs() {
    local dir file last='' bank pcr value provenance
    compared=0
    while IFS=$'\t ' read -r dir file bank pcr value provenance; do
        [ "$provenance" != measured-no-events ] || continue
        [[ $file != bad-* ]] || continue
        if [ "$dir/$file" != "$last" ]; then
            pcrs_of "$dir/$file" >pcrs
            last=$dir/$file
        fi
        # The kernel's own measurements are not in the firmware's log.
        if [ "$provenance" = measured ] && ! grep -q " $pcr " pcrs; then
            [[ $value =~ ^(0+|f+)$ || $pcr == 10 ]] || echo "no PCR $pcr: $file $bank"
            continue
        fi
        compared=$((compared + 1))
        grep -qx "$bank $pcr $value" pcrs || echo "$file $bank:$pcr: not $value"
    done <"$1"
}

@test "every log leads to the values its TPM held" {
    logs_rows expected-pcrs.txt >expected
    compare_pcrs expected >wrong
    cat wrong
    [ ! -s wrong ]
    # run in this shell, so that the number is known
    [ "$compared" -ge 80 ]
    [ -z "${SEALRING_EVENTLOGS-}" ] || [ "$compared" -ge 500 ]
    echo "# $compared values compared" >&3
    # One that is not so is noticed.
    sed '1s/ \(.\)\([0-9a-f]*\) measured$/ \1\20 measured/' expected >false
    compare_pcrs false >wrong
    [ "$(wc -l <wrong)" -eq 1 ]
}

@test "format, startup locality and number of events" {
    tpm-reseal events --json "$log" >json
    [ "$(jq -c '[.format, .startup_locality, (.events | length), .damaged]' json)" = \
        '["crypto-agile",null,47,null]' ]
    [ "${SEALRING_EVENTLOGS-}" ] || return 0
    count=0
    while IFS=$'\t' read -r file _ _ _ _ _ format banks locality events _; do
        [[ $file != *.bin || $file == bad-* ]] && continue
        [[ $file == intel-tdx* ]] && format=confidential-computing
        tpm-reseal events --json "$SEALRING_EVENTLOGS/$file" >json
        got=$(jq -r '[.format, (.startup_locality // 0),
            ([.events[] | select(.subject != "header of the log")] | length)] | join(" ")' json)
        [ "$got" = "$format $locality $events" ] || {
            echo "$file: $got, expected $format $locality $events ($banks)"
            false
        }
        count=$((count + 1))
    done <"$SEALRING_EVENTLOGS/INDEX.tsv"
    echo "# $count logs" >&3
    [ "$count" -ge 30 ]
}

@test "a damaged log: exit status 8, offset and reason, and what was before it" {
    head -c -5 "$log" >short
    fails 8 tpm-reseal events short
    says 'short: damaged at offset 20138: 40 bytes of data, but 35 are left'
    says 'Exit Boot Services Invocation'
    [[ $output != *'Exit Boot Services Returned'* ]]
    tpm-reseal events --json short >json 2>/dev/null || [ $? -eq 8 ]
    [ "$(jq -c '[(.events | length), .damaged.offset]' json)" = '[46,20138]' ]
    jq -e '.damaged.reason | startswith("40 bytes")' json
    # Whole, it says nothing of the kind.
    tpm-reseal events --json "$log" | jq -e '.damaged == null'
    echo 'this is no event log at all' >text
    fails 8 tpm-reseal events text
    one_line
    says 'damaged at offset 0'
    : >empty
    fails 8 tpm-reseal events empty
    one_line
    [ "${SEALRING_EVENTLOGS-}" ] || return 0
    count=0
    while IFS=$'\t' read -r file _ _ _ _ _ _ _ _ _ verdict _; do
        [[ $file == bad-* ]] || continue
        fails 8 tpm-reseal events "$SEALRING_EVENTLOGS/$file"
        says 'damaged at offset '
        # "event at N", "alg at N", or the header
        at=$(grep -oE 'at [0-9]+' <<<"$verdict" | grep -oE '[0-9]+' || echo 0)
        says "damaged at offset $at: "
        count=$((count + 1))
    done <"$SEALRING_EVENTLOGS/INDEX.tsv"
    [ "$count" -eq 4 ]
}

@test "bytes that only fill the end change nothing" {
    pcrs_of "$log" >expected
    [ "$(wc -l <expected)" -eq 44 ]
    for fill in '\000' '\377'; do
        { cat "$log"; head -c 513 /dev/zero | tr '\000' "$fill"; } >padded
        pcrs_of padded >got
        cmp expected got
    done
    { cat "$log"; head -c 513 /dev/zero; printf 1; } >no-padding
    fails 8 tpm-reseal events no-padding
}

@test "text: events in words, PCRs, 80 columns" {
    tpm-reseal events "$log" >text
    grep -qx 'crypto-agile log: sha1, sha256, sha384, sha512; 47 events' text
    grep -qx '  7  SecureBoot                on' text
    grep -qx '  7  dbx                       1 hash, 76 bytes' text
    grep -q 'Microsoft Corporation UEFI CA 2011' text
    grep -qF '\EFI\BOOT\grubx64.efi' text
    grep -qx "  7 $(sed -n 's/^sha256 7 //p' "$BATS_TEST_DIRNAME/eventlogs/before.pcrs")" text
    count=0
    for file in $(logs_files); do
        tpm-reseal events "$file" >text
        [ "$(wc -L <text)" -le 80 ]
        tpm-reseal events - <"$file" | cmp - text
        count=$((count + 1))
    done
    echo "# $count logs shown" >&3
}

@test "certificates by name and hash, lists by entry" {
    tpm-reseal events --json "$log" >json
    jq -r '.events[] | select(.subject == "db") | .entries[] | "\(.type) \(.subject) \(.hash)"' json >db
    [ "$(wc -l <db)" -eq 2 ]
    grep -qx 'x509 Microsoft Windows Production PCA 2011 e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961' db
    jq -e '.events[] | select(.subject == "dbx") | .entries | length == 1 and .[0].type == "sha256"' json
    # Of these the digest is that of the data, so the words are more than a claim.
    jq -e '[.events[] | select(.type == "EV_EFI_VARIABLE_DRIVER_CONFIG") | .digest_of_data] | all' json
    jq -e '[.events[] | select(.type == "EV_EFI_PLATFORM_FIRMWARE_BLOB") | .digest_of_data] | any | not' json
}

@test "strings out of a log are escaped" {
    esc=$(printf '\033')
    LC_ALL=C sed "s/Exit Boot Services Invocation/Exit${esc}]0;owned${esc}[31mInvocations/" "$log" >hostile
    cmp -s hostile "$log" && false
    LC_ALL=C grep -q "$esc" hostile
    for option in '' --json; do
        # shellcheck disable=SC2086 # none, or one
        tpm-reseal events $option hostile >out
        run ! grep -q "$esc" out
    done
    tpm-reseal events hostile | grep -F 'action                    29 bytes'
}

@test "the log of a confidential machine is shown, but concludes no PCRs" {
    { printf '\001'; tail -c +2 "$log"; } >confidential
    tpm-reseal events --json confidential >json
    jq -e '.format == "confidential-computing" and .pcrs == {} and (.registers.sha256 | length) == 11' json
    fails 8 tpm-reseal explain --baseline confidential --log "$log"
    says 'confidential'
    fails 8 tpm-reseal predict --log confidential --dbx "$own/dbx.esl"
    says 'confidential'
    tpm-reseal predict --log "$log" --dbx "$own/dbx.esl"
}

@test "this boot: whether the log leads to what the TPM holds" {
    tpm_reboot
    logs_configure "$log"
    logs_replay "$log"
    tpm-reseal events >text
    [ "$(grep -c '  = TPM$' text)" -eq 11 ]
    run grep -c 'TPM: other' text
    [ "$output" = 0 ]
    tpm-reseal events --json | jq -e '[.explained[][]] | length == 44 and all'
    # Something extends PCR 7 that is in no log.
    extend 7 'not logged'
    tpm-reseal events >text
    [ "$(grep -c '  = TPM$' text)" -eq 10 ]
    tpm-reseal events --json >json
    jq -e '.explained.sha256["7"] == false and .explained.sha256["0"] == true' json
    jq -e '.tpm.sha256["7"] != .pcrs.sha256["7"]' json
    jq -e '.tpm.sha256["0"] == .pcrs.sha256["0"]' json
}

@test "this boot without a log, or without a TPM" {
    logs_configure "$PWD/nothing"
    fails 1 tpm-reseal events
    one_line
    says nothing
    logs_configure "$log"
    SEALRING_TCTI=swtpm:path=/nonexistent fails 6 tpm-reseal events
    one_line
    # A log in a file needs none.
    SEALRING_TCTI=swtpm:path=/nonexistent tpm-reseal events "$log" >/dev/null
}

# tpm2_eventlog of tpm2-tools 5.4 and before does not know StartupLocality; those logs, and
# those it refuses or crashes on, are left to the values that were measured.
@test "tpm2_eventlog says the same where it can" {
    [ "${SEALRING_EVENTLOGS-}" ] && table=$SEALRING_EVENTLOGS/INDEX.tsv || table=/dev/null
    count=0
    for file in $(logs_files); do
        oracle=$(awk -F '\t' -v name="${file##*/}" '$1 == name { print $12 }' "$table")
        [[ ${oracle:-agrees} == agrees ]] || continue
        tpm2_eventlog "$file" 2>/dev/null | awk '/^pcrs:/ { inside = 1; next }
            inside && /^  [a-z0-9_]+:$/ { sub(":", ""); bank = $1; next }
            inside && /: +0x/ { sub(/0x/, "", $NF); print bank, $1 + 0, $NF }' | sort >theirs
        pcrs_of "$file" >ours
        [ -s theirs ] || [ ! -s ours ]
        diff theirs ours
        count=$((count + 1))
    done
    echo "# $count logs compared" >&3
    [ "$count" -ge 2 ]
}
