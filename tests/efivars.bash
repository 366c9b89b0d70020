# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# EFI variables as files, as efivarfs shows them: four bytes of attributes, then the value.

fwupd_variable=fwupd-cc4cbfa9-bf9d-540b-b92b-172ce31013c1-0-0abba7dc-e516-4167-bbf5-4d9d1c739416
indications=OsIndications-8be4df61-93ca-11d2-aa0d-00e098032b8c
dbx_variable=dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f

# put_variable FILE: the value is standard input; written at once, as a variable is
put_variable() {
    { printf '\007\0\0\0' && cat; } >"$1.new"
    cat "$1.new" >"$1"
    rm "$1.new"
}

# update_info STATUS: fwupd's: version, GUID, flags, instance, time, status, path of the capsule
update_info() {
    printf '\007\0\0\0'
    head -c $((16 + 4 + 8 + 16)) /dev/zero
    printf '%02x000000' "$1" | xxd -r -p
    printf 'path'
}

# measured_dbx LOG: what the variable was when a log was written
measured_dbx() {
    local offset size
    read -r offset size < <(tpm-reseal events --json "$1" | jq -r '.events[] | select(.subject == "dbx") |
        "\(.offset) \(.size)"')
    # Number, type and count; an algorithm before each digest; size; GUID, two lengths, "dbx".
    tail -c +$((offset + 12 + 2 + 20 + 2 + 32 + 2 + 48 + 2 + 64 + 4 + 16 + 16 + 6 + 1)) "$1" |
        head -c $((size - 16 - 16 - 6))
}
