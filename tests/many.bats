#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A ring with a thousand secrets: TPM commands are counted, and the time is looked at.

load common

count=1000

setup_file() {
    tpm_start
    boot_state
    export SEALRING_STATE_DIR=$BATS_FILE_TMPDIR/state SEALRING_CONFIG_DIR=/nonexistent
    RK=$BATS_FILE_TMPDIR/recovery.key seal first text
    "$SEALRING_BUILD/helper/fill" "$SEALRING_TCTI" "$SEALRING_STATE_DIR" system $((count - 1))
    # As /run/credstore: in memory, where a thousand times fsync() cost nothing.
    memory=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
    export memory
}

setup() {
    store_new
    cp "$BATS_FILE_TMPDIR/recovery.key" "$RK"
    cp -a "$BATS_FILE_TMPDIR/state" "$SEALRING_STATE_DIR"
    [ "$(find "$RINGS/system/secrets" -name '*.cms' | wc -l)" -eq "$count" ]
}

teardown_file() {
    rm -r "$memory"
    tpm_stop
}

@test "tpm-unseal --all: five TPM commands, under 1 s" {
    [ "$(commands tpm-unseal -q --all --credential=creds)" = \
        "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    [ "$(find creds -type f | wc -l)" -eq "$count" ]
    [ "$(<creds/first)" = text ]
    [ "$(<creds/secret-0001)" = "text of 1" ]
    [ "$(<creds/secret-0999)" = "text of 999" ]
    best 1000 "$count secrets" tpm-unseal -q --all --credential="$memory/creds"
    [ "$(find "$memory/creds" -type f | wc -l)" -eq "$count" ]
}

@test "tpm-unseal of one secret: five TPM commands" {
    [ "$(commands tpm-unseal secret-0500)" = \
        "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    [ "$(<out)" = "text of 500" ]
}

@test "tpm-ring list: no TPM command, under 0.2 s" {
    best 200 "$count secrets" tpm-ring --tcti device:/nonexistent list
    [ "$(wc -l <output)" -eq $((count + 1)) ]
    [ "$(sed -n 2p output)" = "  first" ]
    [ "$(tail -n 1 output)" = "  secret-0999" ]
    tpm-ring --json list | grep -c '"secret-' | grep -qx 999
}

@test "tpm-reseal now: ten TPM commands, under 0.1 s, no secret touched" {
    local before
    before=$(find "$RINGS/system/secrets" -type f -printf '%f %i %s %T@ %C@\n' | sort)
    run commands tpm-reseal -q now
    [ "$status" -eq 0 ]
    [ "$(wc -w <<<"$output")" -eq 10 ]
    best 100 "$count secrets" tpm-reseal -q now
    [ "$(find "$RINGS/system/secrets" -type f -printf '%f %i %s %T@ %C@\n' | sort)" = "$before" ]
    [ "$(tpm-unseal secret-0042)" = "text of 42" ]
}

@test "sealing one more: five TPM commands" {
    [ "$(printf more | commands tpm-seal -q more)" = \
        "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    [ "$(tpm-unseal more)" = more ]
}

@test "rotate: all of them, with as many TPM commands as for one" {
    local old
    old=$(sha256sum <"$RINGS/system/secrets/secret-0999.cms")
    run commands tpm-ring -q rotate system --recovery-key-file "$RK"
    [ "$status" -eq 0 ]
    [ "$(wc -w <<<"$output")" -le 14 ]
    echo "$output"
    [ "$(find "$RINGS/system/secrets" -name '*.cms' | wc -l)" -eq "$count" ]
    [ "$(tpm-unseal secret-0999)" = "text of 999" ]
    [ "$(sha256sum <"$RINGS/system/secrets/secret-0999.cms")" != "$old" ]
}
