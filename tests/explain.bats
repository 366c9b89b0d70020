#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-reseal explain and predict: what changed between two boots, and what an update will.
# shellcheck disable=SC2154 # own: from logs.bash

load common
load eventlogs/logs

setup_file() {
    tpm_start
    logs_prepare
}

# changed_events JSON: what explain found in PCR 0 and 7, in the words of pairs.tsv
changed_events() {
    jq -r '.pcrs[] | .pcr as $pcr | .changes[] | . as $change |
        (if .before then {sign: "-", event: .before} else empty end),
        (if .after then {sign: "+", event: .after} else empty end) |
        "\(.sign)PCR\($pcr):" + (.event.type | ltrimstr("EV_") | ltrimstr("EFI_")) +
        (if .event.type == "EV_EFI_VARIABLE_DRIVER_CONFIG" then "(\($change.subject))" else "" end)' "$1" |
        sed 's/PLATFORM_FIRMWARE_BLOB/FW_BLOB/; s/VARIABLE_DRIVER_CONFIG/VAR_DRIVER_CONFIG/' | sort
}

@test "of each pair, exactly the events that changed" {
    pairs=0
    while IFS=$'\t' read -r dir pair before after pcr0 pcr7 events _; do
        tpm-reseal explain --json --baseline "$dir/$before" --log "$dir/$after" >json
        changed_events json >got
        tr ' ' '\n' <<<"$events" | grep -vx none | sort >expected || :
        diff expected got
        for pcr in "0 $pcr0" "7 $pcr7"; do
            [ "$(jq ".changed | contains([${pcr% *}])" json)" = \
                "$([ "${pcr#* }" = changed ] && echo true || echo false)" ]
        done
        pairs=$((pairs + 1))
        echo "# pair $pair: $(wc -l <got) events" >&3
    done < <(logs_rows pairs.tsv)
    [ "$pairs" -ge 2 ]
    [ -z "${SEALRING_EVENTLOGS-}" ] || [ "$pairs" -ge 6 ]
}

@test "text: PCRs, cause, how sure, each event, what stayed" {
    tpm-reseal explain --baseline "$own/before.bin" --log "$own/after.bin" >text
    cat text
    head -n 1 text | grep -qx 'PCR 0 and 7 changed.'
    tr -s ' \n' ' ' <text >words
    grep -qF 'Likely cause: firmware update (the log does not say its version) and a Secure Boot dbx update.' words
    grep -qF 'nothing else changed in these PCRs; no TPM was asked.' words
    grep -qF '~ firmware volume at 0x820000' text
    grep -qF 'contents changed' text
    grep -qF '1 -> 2 hashes: 1 added, 0 removed (76 -> 152 bytes)' words
    grep -qF '= S-CRTM version, separator: unchanged' text
    grep -qF 'SecureBoot on, PK, KEK, db, separator, authority db, authority SbatLevel, authority MokListRT: unchanged' words
    for pcr in 0 7; do
        for when in before after; do
            grep -qF "$(sed -n "s/^sha256 $pcr \(........\).*/\1/p" "$BATS_TEST_DIRNAME/eventlogs/$when.pcrs")" text
        done
    done
    tpm-reseal explain --baseline "$own/before.bin" --log "$own/before.bin" >text
    [ "$(cat text)" = 'PCR 0 and 7: nothing changed.' ]
}

@test "text: both versions, the volume and the number of dbx entries of a real update" {
    [ "${SEALRING_EVENTLOGS-}" ] || {
        [ "${CI-}" != true ]
        return 0
    }
    tpm-reseal explain --baseline "$SEALRING_EVENTLOGS/t14s-fw-R1CET67W.bin" \
        --log "$SEALRING_EVENTLOGS/t14s-fw-R1CET72W.bin" >text
    cat text
    tr -s ' \n' ' ' <text >words
    grep -qF 'Likely cause: firmware update R1CET67W -> R1CET72W and a Secure Boot dbx update.' words
    grep -qF '~ S-CRTM version R1CET67W -> R1CET72W' words
    grep -qF '~ firmware volume at 0x9c00000 1 MiB: contents changed' words
    grep -qF '83 -> 267 hashes: 184 added, 0 removed (4040 -> 12900 bytes)' words
    grep -qF 'nothing else changed in these PCRs' words
    grep -qF 'PCR 1, 2, 4, 8 and 9 changed as well; --pcrs 1+2+4+8+9 says how.' words
}

@test "any two logs can be explained, in 80 columns" {
    count=0
    mapfile -t files < <(logs_files)
    for ((i = 0; i < ${#files[@]}; i++)); do
        before=${files[i]} after=${files[(i + 1) % ${#files[@]}]}
        status=0
        tpm-reseal explain --baseline "$before" --log "$after" >text 2>err || status=$?
        # Not where there is no bank in common, or the log has no PCRs.
        case $status in
        0) [ -s text ] && [ ! -s err ] ;;
        2) grep -q 'no bank in common' err ;;
        8) grep -q 'confidential' err ;;
        *) false ;;
        esac
        [ "$(wc -L <text)" -le 80 ]
        count=$((count + (status == 0)))
    done
    echo "# $count pairs of logs explained" >&3
    [ "$count" -ge 2 ]
}

# processor MILLISECONDS COMMAND...: the least that it takes of the processor in three tries;
# ten times as much with sanitizers
processor() {
    local bound=$1 least=999999 took
    ! grep -q __asan_init "$SEALRING_BUILD/bin/$2" || bound=$((10 * $1))
    for _ in 1 2 3; do
        took=$(TIMEFORMAT='%3U %3S' && { time "${@:2}" >output 2>err; } 2>&1 | awk '{ print int(1000 * ($1 + $2)) }')
        ((took >= least)) || least=$took
    done
    echo "# ${*:2:2}: $least ms of the processor, bound: $bound ms" >&3
    [ -s output ] && [ "$least" -le "$bound" ]
}

@test "the two largest logs are explained within a tenth of a second" {
    mapfile -t files < <(logs_files | grep -v sha1 | xargs ls -S | head -n 2)
    echo "# $(stat -c %s "${files[0]}") and $(stat -c %s "${files[1]}") bytes" >&3
    processor 100 tpm-reseal explain --baseline "${files[0]}" --log "${files[1]}"
    processor 100 tpm-reseal explain --json --baseline "${files[0]}" --log "${files[1]}"
}

@test "a log that calls something else an update of dbx is not believed" {
    tpm-reseal explain --baseline "$own/before.bin" --log "$own/after.bin" >text
    grep -q 'dbx update' text
    behind=$(tpm-reseal events --json "$own/after.bin" | jq '[.events[] | .subject, .offset] |
        .[index("dbx") + 3]')
    # The last byte of its list: still a list, of as many entries
    cp "$own/after.bin" claim
    printf '\252' | dd of=claim bs=1 seek=$((behind - 1)) conv=notrunc status=none
    tpm-reseal explain --baseline "$own/before.bin" --log claim >text
    grep -q 'WARNING: of dbx the log shows something else than was measured' text
    grep -q '~ dbx *not what the log shows: that was not measured' text
    run grep 'dbx update' text
    [ "$status" -eq 1 ]
    grep -q 'PCR 0 and 7 changed' text
}

@test "what else changed is said, and shown when asked for" {
    LC_ALL=C sed 's/set timeout=0/set timeout=9/' "$own/before.bin" >claim
    # What a log says is not what was measured: no PCR differs.
    tpm-reseal explain --baseline "$own/before.bin" --log claim | grep -qx 'PCR 0 and 7: nothing changed.'
    offset=$(tpm-reseal events --json claim | jq '.events[] | select(.value == "set timeout=9") | .offset')
    # The first byte of its digest of SHA-256, behind 12 bytes, SHA-1's and the algorithm's
    printf '\252' | dd of=claim bs=1 seek=$((offset + 12 + 22 + 2)) conv=notrunc status=none
    tpm-reseal explain --baseline "$own/before.bin" --log claim >text
    grep -qx 'PCR 0 and 7: nothing changed.' text
    grep -qx '  PCR 8 changed as well; --pcrs 8 says how.' text
    tpm-reseal explain --baseline "$own/before.bin" --log claim --pcrs 8 >text
    head -n 1 text | grep -qx 'PCR 8 changed.'
    grep -q 'set timeout=0 -> set timeout=9' text
    tpm-reseal explain --json --baseline "$own/before.bin" --log claim | jq -e '.changed == [] and .others == [8]'
    # In another bank its digest is the same.
    tpm-reseal explain --baseline "$own/before.bin" --log claim --pcrs sha384:8 | grep -qx 'PCR 8: nothing changed.'
}

@test "this boot: explained where the logs lead to what the TPM holds" {
    tpm_reboot
    logs_configure "$own/after.bin"
    logs_replay "$own/after.bin"
    tpm-reseal explain --json --baseline "$own/before.bin" >json
    jq -e '.confidence == "explained" and .changed == [0,7]' json
    jq -e '[.pcrs[].verdict] == ["explained", "explained"]' json
    tpm-reseal explain --baseline "$own/before.bin" | tr -s ' \n' ' ' |
        grep -qF 'The logs lead to what the TPM holds: nothing else changed in these PCRs.'
    # The same log, and yet another PCR 0: no update.
    extend 0 'after the firmware'
    tpm-reseal explain --json --baseline "$own/after.bin" >json
    jq -e '.confidence == "unexplained" and .changed == [0]' json
    jq -e '.pcrs[0].verdict == "behind-the-log" and .pcrs[1].verdict == "same"' json
    tpm-reseal explain --baseline "$own/after.bin" | tr -s ' \n' ' ' | grep -qF 'This is not an update.'
    # And with another log: the list is not complete.
    tpm-reseal explain --json --baseline "$own/before.bin" | jq -e '.confidence == "partly"'
}

@test "a bank that is in the log and not in the TPM is named" {
    tpm_reboot
    tpm2_pcrallocate -Q sha1:none+sha256:all+sha384:none+sha512:none
    tpm_reboot
    logs_configure "$own/after.bin"
    fails 2 tpm-reseal explain --baseline "$own/before.bin" --pcrs sha384:0+7
    one_line
    says 'bank sha384 is in the log, but not active in the TPM'
    tpm-reseal explain --baseline "$own/before.bin" >/dev/null
    tpm-reseal events | grep -q 'TPM: other'
    tpm-reseal events --json | jq -e '(.tpm | keys) == ["sha256"]'
    tpm2_pcrallocate -Q sha1:all+sha256:all+sha384:all+sha512:all
    tpm_reboot
}

@test "a damaged log explains and predicts nothing" {
    head -c -5 "$own/after.bin" >short
    for options in "--baseline short --log $own/after.bin" "--baseline $own/before.bin --log short"; do
        # shellcheck disable=SC2086 # words
        fails 8 tpm-reseal explain $options
        one_line
        says 'short: damaged at offset '
    done
    fails 8 tpm-reseal predict --log short --dbx "$own/dbx.esl"
    one_line
    tpm-reseal predict --log "$own/before.bin" --dbx - <"$own/dbx.esl"
    for options in '--log - --dbx -' "--log $own/before.bin --dbx - --db -"; do
        # shellcheck disable=SC2086 # words
        fails 2 tpm-reseal predict $options <"$own/dbx.esl"
        one_line
        says 'two things cannot both be read from standard input'
    done
}

# -- predict ------------------------------------------------------------------------------

@test "PCR 7 after an update of dbx is what it was" {
    count=0
    while IFS=$'\t' read -r dir base update size hash expected _; do
        tpm-reseal predict --json --log "$dir/$base" --dbx "$dir/$update" >json
        [ "$(jq -r '.pcrs.sha256["7"]' json)" = "$expected" ]
        [ "$(jq -r '.updates[0].new_size' json)" = "$size" ]
        [ "$hash" = - ] || [ "$(jq -r '.updates[0].new_sha256' json)" = "$hash" ]
        jq -e '.other_firmware == null and (.same_authority_assumed | not)' json
        tpm-reseal predict --log "$dir/$base" --dbx "$dir/$update" | grep -A 1 afterwards |
            grep -qx "  sha256:7=$expected"
        count=$((count + 1))
    done < <(logs_rows dbx-predictions.tsv)
    echo "# $count predictions" >&3
    [ "$count" -ge 1 ]
    [ -z "${SEALRING_EVENTLOGS-}" ] || [ "$count" -ge 5 ]
}

@test "in all banks, and only from a log that leads to what was measured" {
    tpm-reseal predict --json --log "$own/before.bin" --dbx "$own/dbx.esl" >json
    for bank in sha1 sha256 sha384 sha512; do
        before=$(sed -n "s/^$bank 7 //p" "$BATS_TEST_DIRNAME/eventlogs/before.pcrs")
        after=$(sed -n "s/^$bank 7 //p" "$BATS_TEST_DIRNAME/eventlogs/after.pcrs")
        [ "$(jq -r ".before.${bank}[\"7\"]" json)" = "$before" ]
        [ "$(jq -r ".pcrs.${bank}[\"7\"]" json)" = "$after" ]
        tpm-reseal predict --log "$own/before.bin" --dbx "$own/dbx.esl" --pcrs "$bank:7=$before" |
            grep -qx "  $bank:7=$after"
        fails 3 tpm-reseal predict --log "$own/before.bin" --dbx "$own/dbx.esl" --pcrs "$bank:7=$after"
        one_line
        says "it does not lead to the $bank value of PCR 7 that was measured"
    done
}

@test "this boot: only where the log leads to what the TPM holds" {
    tpm_reboot
    logs_configure "$own/before.bin"
    logs_replay "$own/before.bin"
    after=$(sed -n 's/^sha256 7 //p' "$BATS_TEST_DIRNAME/eventlogs/after.pcrs")
    tpm-reseal predict --dbx "$own/dbx.esl" | grep -qx "  sha256:7=$after"
    extend 7 'not logged'
    fails 3 tpm-reseal predict --dbx "$own/dbx.esl"
    one_line
}

@test "a signed update says the same as its content; what is neither is refused" {
    {
        printf '\345\007\004\035%012d' 0
        printf '\041\0\0\0\0\002\361\016\235\322\257\112\337\150\356\111\212\251\064\175\067\126\145\247'
        printf 'signature'
        cat "$own/dbx.esl"
    } >signed
    tpm-reseal predict --log "$own/before.bin" --dbx "$own/dbx.esl" >expected
    tpm-reseal predict --log "$own/before.bin" --dbx signed >got
    cmp expected got
    echo nonsense >refused
    for file in refused "$own/before.bin" /dev/null; do
        fails 2 tpm-reseal predict --log "$own/before.bin" --dbx "$file"
        one_line
        says 'is no update of Secure Boot variables'
    done
}

@test "an update twice is the update once; one of db may authorize otherwise" {
    tpm-reseal predict --json --log "$own/before.bin" --dbx "$own/dbx.esl" --dbx "$own/dbx.esl" >json
    jq -e '[.updates[].added] == [1, 0]' json
    jq -e '.updates[0].pcrs == .pcrs and .updates[1].pcrs == .pcrs and .before != .pcrs' json
    # What is there already changes nothing.
    tpm-reseal predict --json --log "$own/after.bin" --dbx "$own/dbx.esl" | jq -e '.before == .pcrs'
    tpm-reseal predict --json --log "$own/before.bin" --db "$own/dbx.esl" >json
    jq -e '.same_authority_assumed and .before != .pcrs' json
    tpm-reseal predict --log "$own/before.bin" --kek "$own/dbx.esl" | tr -s ' \n' ' ' |
        grep -qF 'This holds only if the same entries of db authorize what is started.'
}
