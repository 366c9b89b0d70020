# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The event logs that tests go through: those of this directory, and those that
# SEALRING_EVENTLOGS names, of real machines. Both have the same tables:
#
#   expected-pcrs.txt       FILE BANK PCR HEX PROVENANCE
#   pairs.tsv               what changed between two logs, in PCR 0 and 7
#   dbx-predictions.tsv     PCR 7 after an update
#
#   . eventlogs/logs.bash
#   setup_file() { logs_prepare; }      unpacks: ours into $own; $LOGS is the list of directories
#   while read -r file …; do …; done < <(logs_rows expected-pcrs.txt)

own=$BATS_FILE_TMPDIR/logs

# logs_prepare: own logs unpacked, in the shape of the others. Where nothing may be skipped
# the others have to be there.
logs_prepare() {
    local here=$BATS_TEST_DIRNAME/eventlogs name
    mkdir "$own"
    for name in before after; do
        gunzip -c "$here/$name.bin.gz" >"$own/$name.bin"
        sed "s/^/$name.bin /; s/\$/ measured/" "$here/$name.pcrs" >>"$own/expected-pcrs.txt"
    done
    cp "$here/dbx.esl" "$here/pairs.tsv" "$own/"
    # PCR 7 after the update is what the TPM held in the boot after it.
    printf 'before.bin\tdbx.esl\t152\t-\t%s\n' \
        "$(sed -n 's/^sha256 7 //p' "$here/after.pcrs")" >"$own/dbx-predictions.tsv"
    export LOGS=$own
    if [ "${SEALRING_EVENTLOGS-}" ]; then
        LOGS+=" $SEALRING_EVENTLOGS"
    elif [ "${CI-}" = true ]; then
        echo "SEALRING_EVENTLOGS names no directory of event logs"
        return 1
    fi
}

# logs_rows TABLE: the rows of both directories, behind the directory and a tab
logs_rows() {
    local dir
    for dir in $LOGS; do
        grep -v -e '^#' -e '^pair' -e '^base_log' -e '^file' "$dir/$1" | sed "s|^|$dir	|"
    done
}

# logs_files: every log that is not damaged
logs_files() {
    local dir
    for dir in $LOGS; do
        find "$dir" -maxdepth 1 -name '*.bin' ! -name 'bad-*' | sort
    done
}

# logs_replay FILE: extend everything in it into the TPM, which just started
logs_replay() {
    tpm-reseal events --json "$1" >replayed.json
    jq -r '.events[] | select(.type != "EV_NO_ACTION") | "\(.pcr):" +
        ([.digests | to_entries[] | "\(.key)=\(.value)"] | join(","))' replayed.json |
        xargs tpm2_pcrextend
}

# logs_configure FILE: this is the event log of this boot
logs_configure() {
    printf '[TPM]\nEventLog=%s\n' "$1" >"$SEALRING_CONFIG_DIR/sealring.conf"
}

# logs_boot FILE: a boot of which this is the event log
logs_boot() {
    tpm_reboot
    logs_configure "$1"
    logs_replay "$1"
}

# logs_mix PCR FROM INTO OUT: the log INTO, but of this PCR what FROM has
logs_mix() {
    local pcr=$1 from=$2 into=$3 out=$4 offset size
    # shellcheck disable=SC2016 # jq's variables
    local range='. as $log | ($log.events | length) as $count | [range($count)] |
        map({pcr: $log.events[.].pcr, at: $log.events[.].offset,
            end: (if . + 1 < $count then $log.events[. + 1].offset else $size end)}) |
        map(select((.pcr == $pcr and .at > 0) == $wanted)) | .[] | "\(.at) \(.end - .at)"'
    ranges() {
        tpm-reseal events --json "$1" | jq -r --argjson pcr "$pcr" --argjson wanted "$2" \
            --argjson size "$(stat -c %s "$1")" "$range"
    }
    {
        ranges "$into" false | while read -r offset size; do
            tail -c +$((offset + 1)) "$into" | head -c "$size"
        done
        ranges "$from" true | while read -r offset size; do
            tail -c +$((offset + 1)) "$from" | head -c "$size"
        done
    } >"$out"
}
