#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Units as systemd reads them: no complaint, no ordering cycle, hardened, documented.

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
    U=$BATS_TEST_TMPDIR/units
    mkdir "$U"
    cp -r "$SEALRING_BUILD"/units/*.* "$U"
    rm -f "$U"/*.conf "$U"/*.catalog
    # As installed, but for where the programs are.
    sed -i "s|/usr/libexec/sealring/|$SEALRING_BUILD/bin/|; s|/usr/bin/tpm-|$SEALRING_BUILD/bin/tpm-|" \
        "$U"/*.*
    cd "$U"
}

units() {
    local unit
    for unit in *.*; do
        [ ! -f "$unit" ] || case $unit in
        *@.*) echo "${unit/@./@key.}" ;;
        *) echo "$unit" ;;
        esac
    done
}

verify() {
    SYSTEMD_UNIT_PATH=$U: systemd-analyze verify --man=no "$@" 2>&1 |
        grep -E 'tpm-|sealring|cycle' || true
}

@test "systemd-analyze verify has nothing to say" {
    local unit count=0
    while read -r unit; do
        run verify "$U/$unit"
        echo "$unit: $output"
        [ "$output" = "" ]
        count=$((count + 1))
    done < <(units)
    [ "$count" -ge 3 ]
    # A mistake would be found.
    sed -i 's/^Type=notify/Type=notifi/' tpm-credential.service
    run verify "$U/tpm-credential.service"
    [[ $output == *notifi* ]]
}

@test "what is named in Documentation= is there" {
    local page count=0
    while read -r page; do
        page=${page#man:}
        [ -e "$root/man/${page%(*}.${page//[^0-9]/}.scd" ] || {
            echo "no such page: $page"
            false
        }
        count=$((count + 1))
    done < <(grep -hoE '^Documentation=.*' "$root"/units/*.* | grep -oE 'man:[^ ]+\)' | sort -u)
    [ "$count" -ge 3 ]
    for unit in *.service *.socket; do
        grep -q '^Documentation=man:' "$unit"
        grep -qE "^[*]${unit%%.*}" "$root/man/sealring-units.8.scd" ||
            grep -qF "*$unit*" "$root/man/sealring-units.8.scd"
    done
}

# exposure UNIT: as systemd-analyze security counts it, times ten
exposure() {
    systemd-analyze security --offline=yes --no-pager "$U/$1" | sed -n \
        's/.*Overall exposure level for .*: \([0-9]*\)\.\([0-9]\).*/\1\2/p'
}

@test "the daemon is exposed to little" {
    [ "$(exposure tpm-credential.service)" -le 25 ]
    echo "# exposure of tpm-credential.service: $(exposure tpm-credential.service), in tenths" >&3
    sed -i '/^Restrict\|^Protect\|^Private\|^Capability\|^SystemCall/d' tpm-credential.service
    [ "$(exposure tpm-credential.service)" -gt 25 ]
}

@test "what confirms a boot is exposed to little" {
    [ "$(exposure tpm-reseal-confirm.service)" -le 40 ]
    echo "# exposure of tpm-reseal-confirm.service: $(exposure tpm-reseal-confirm.service), in tenths" >&3
    # It has to reach the TPM, volumes and this boot's id, and event log.
    run grep -E '^(PrivateDevices|DevicePolicy|DeviceAllow|ProtectClock|ProcSubset|ProtectHome)=' tpm-reseal-confirm.service
    [ "$output" = "" ]
}

@test "services do not wait for ever to start" {
    for unit in *.service; do
        grep -qE '^TimeoutStartSec=[0-9]' "$unit"
    done
}
