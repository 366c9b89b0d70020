#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Units as systemd reads them: no complaint, no ordering cycle, hardened, documented.

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
    U=$BATS_TEST_TMPDIR/units
    mkdir "$U"
    cp -r "$SEALRING_BUILD"/units/*.* "$SEALRING_BUILD/units/user" "$U"
    rm -f "$U"/*.conf "$U"/*.catalog
    # As installed, but for where the programs are.
    install -D -t "$BATS_TEST_TMPDIR/hooks" "$SEALRING_BUILD/hooks/prepare-firmware"
    sed -i "s|/usr/libexec/sealring/prepare-firmware|$BATS_TEST_TMPDIR/hooks/prepare-firmware|; s|/usr/libexec/sealring/|$SEALRING_BUILD/bin/|; s|/usr/bin/tpm-|$SEALRING_BUILD/bin/tpm-|" \
        "$U"/*.* "$U"/user/*.*
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

# bats test_tags=minimal
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
    for unit in *.service *.socket *.path; do
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
    [ "$(exposure tpm-sign.service)" -le 25 ]
    echo "# exposure of tpm-sign.service: $(exposure tpm-sign.service), in tenths" >&3
    [ "$(exposure tpm-sign-softkey.service)" -le 25 ]
    sed -i '/^Restrict\|^Protect\|^Private\|^Capability\|^SystemCall/d' tpm-credential.service
    [ "$(exposure tpm-credential.service)" -gt 25 ]
}

@test "what confirms a boot is exposed to little" {
    [ "$(exposure tpm-reseal-confirm.service)" -le 40 ]
    echo "# exposure of tpm-reseal-confirm.service: $(exposure tpm-reseal-confirm.service), in tenths" >&3
    # It has to reach the TPM, volumes and this boot's id, and event log.
    run grep -E '^(PrivateDevices|DevicePolicy|DeviceAllow|ProtectClock|ProcSubset|ProtectHome)=' tpm-reseal-confirm.service
    [ "$status" -eq 1 ]
}

@test "what makes keys is exposed to little, and its commands make one, and a request, once" {
    [ "$(exposure tpm-sign-genkey@.service)" -le 40 ]
    echo "# exposure of tpm-sign-genkey@.service: $(exposure tpm-sign-genkey@.service), in tenths" >&3
    load common
    tpm_start
    store_new
    keys=$SEALRING_STATE_DIR/keys
    # As systemd would: ${SUBJECT} is a word, $KEYGEN and $CSR are any number.
    start() {
        local line
        # shellcheck disable=SC2016 # the unit's variables
        sed -n 's/^ExecStart=//p' "$U/tpm-sign-genkey@.service" | sed 's/%i/web/; s/${SUBJECT}/"${SUBJECT}"/' >lines
        [ "$(wc -l <lines)" -eq 2 ]
        while read -r line; do
            eval "$line" || return
        done <lines
    }
    KEYGEN='' SUBJECT='/O=An Example/CN=host' CSR='' start
    openssl req -in "$keys/web.csr" -noout -verify -subject | grep -q 'O = An Example, CN = host$'
    openssl req -in "$keys/web.csr" -noout -pubkey | cmp - "$keys/web.pub"
    before=$(sha256sum "$keys"/*)
    KEYGEN='--type p256' SUBJECT=/CN=other CSR='' start
    [ "$(sha256sum "$keys"/*)" = "$before" ]
    # one of another kind is not taken for it
    run env KEYGEN='--type rsa2048' SUBJECT=/CN=other CSR='' bash -c "U=$U; $(declare -f start); start"
    [ "$status" -eq 10 ]
    [ "$(sha256sum "$keys"/*)" = "$before" ]
    # after a power cut between the two
    rm "$keys/web.csr"
    KEYGEN='' SUBJECT=/CN=other CSR='--alt-name DNS:a.example --hash sha384' start
    [ "$(cd "$keys" && sha256sum web.pem)" = "$(grep 'web.pem' <<<"$before" | sed 's|/.*/||')" ]
    openssl req -in "$keys/web.csr" -noout -text | grep -q 'DNS:a.example'
    # one of another key does not count
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout /dev/null \
        -out "$keys/web.csr" 2>/dev/null
    KEYGEN='' SUBJECT=/CN=host CSR='' start
    openssl req -in "$keys/web.csr" -noout -pubkey | cmp - "$keys/web.pub"
    # what is not possible fails, and is not taken for done
    tpm-sign delete -qf web
    [ ! -e "$keys/web.csr" ]
    run env KEYGEN='--type none' SUBJECT=/CN=host CSR='' bash -c "U=$U; $(declare -f start); start"
    [ "$status" -eq 2 ]
    no_handles_left
    tpm_stop
}

@test "units of user managers: systemd-analyze verify has nothing to say" {
    local unit
    cd user
    for unit in *.*; do
        run env SYSTEMD_UNIT_PATH="$U/user:" systemd-analyze verify --user --man=no "$U/user/$unit"
        output=$(grep -E 'tpm-|sealring|cycle' <<<"$output" || true)
        echo "$unit: $output"
        [ "$output" = "" ]
        [ -e "../$unit" ]
    done
    grep -q '^ListenStream=%t/' tpm-sign-agent.socket
}

@test "services do not wait for ever to start" {
    for unit in *.service; do
        grep -qE '^TimeoutStartSec=[0-9]' "$unit"
    done
}
