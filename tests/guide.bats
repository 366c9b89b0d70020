#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# doc/guide-updates.md: its commands, as they stand, with what the guide says came of them.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # output, status: from bats

load common
load guide
load eventlogs/logs
load luks/luks

guide=$BATS_TEST_DIRNAME/../doc/guide-updates.md

setup_file() {
    luks_setup_file
    logs_prepare
    tpm_start other
    tpm_use main
}

setup() {
    luks_setup
    firmware before
    cp "$own/dbx.esl" dbxupdate.bin
    used=()
    # Rings as on a machine of somebody: services, and a volume.
    seal key sesame
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    volume disk
    enroll disk
}

# firmware LOG: a boot whose event log this is; the initramfs opens the volume, or does not
firmware() {
    tpm_reboot
    logs_configure "$own/$1.bin"
    logs_replay "$own/$1.bin"
    rm -rf "${SEALRING_RUNTIME_DIR:?}/boot"
}

# follow HEADING NAME: run these commands; a recovery key that is asked for is typed
follow() {
    local text
    text=$(guide_commands "$guide" "$1" "$2")
    [ -n "$text" ]
    used+=("$1|$2")
    run bash -o pipefail -c "$(sed -E "s#^tpm-(ring recovery test|reseal recover).*#& --recovery-key-file $RK#" <<<"$text")"
    echo "$output"
}

ok() {
    [ "$status" -eq 0 ]
}

@test "before and after a firmware update" {
    local chapter='Before and after a firmware update'
    follow "$chapter" check
    ok
    says 'system: ready'
    printf '#!/bin/sh\n[ "$1" = update ] || exit 9\ntouch updated\n' >fwupdmgr
    chmod +x fwupdmgr
    PATH=$PWD:$PATH
    follow "$chapter" dbx
    ok
    follow "$chapter" staged
    says 'system: pending: an update is prepared for'
    follow "$chapter" undo
    ok
    follow "$chapter" around
    ok
    [ -e updated ]
    follow "$chapter" undo
    follow "$chapter" prepare
    ok
    follow "$chapter" staged
    says 'system: bridged: '
    says 'boot: bridged: '
    logs_mix 0 "$own/after.bin" "$own/before.bin" "$own/mixed.bin"
    firmware mixed
    [ "$(tpm-unseal key)" = sesame ]
    follow "$chapter" confirm
    ok
    says 'system: ready'
    [[ $output != *bridged* ]]
    all_used "$chapter"
    firmware mixed
    [ "$(tpm-unseal key)" = sesame ]
}

@test "the machine asked for the passphrase: what now" {
    local chapter='The machine asked for the passphrase: what now'
    firmware after
    extend 15 'the initramfs was left'
    fails 3 tpm-unseal key
    follow "$chapter" explain
    follow "$chapter" events
    ok
    run tpm-reseal explain
    tr -s ' \n' ' ' <<<"$output" >words
    grep -qF 'Likely cause: firmware update' words
    grep -qF 'and a Secure Boot dbx update' words
    follow "$chapter" recover
    ok
    [ "$(tpm-unseal key)" = sesame ]
    all_used "$chapter"
    firmware after
    tpm-luks list disk | grep -q current
    run tpm-reseal status
    says 'boot: ready'
}

@test "what explain says in the table of the guide is what it can say" {
    local text count=0
    while read -r text; do
        count=$((count + 1))
        grep -rqF "$text" <(cat "$BATS_TEST_DIRNAME"/../{tools,lib/codec,lib/ring}/*.c | tr -d '\n\t' | sed 's/" *"//g') || {
            echo "nothing says: $text"
            return 1
        }
    done <<-'END'
		firmware update%s
		a Secure Boot dbx update
		other Secure Boot keys
		Secure Boot switched %s
		The log is the same, the PCR is not
		Its log did not lead to its value
		TPM: %s -> %s
		nothing changed
	END
    [ "$count" -eq 8 ]
}

@test "a new main board" {
    local chapter='A new main board'
    follow "$chapter" before
    ok
    tpm_use other
    firmware after
    follow "$chapter" foreign
    says 'system: foreign: '
    says 'boot: foreign: '
    follow "$chapter" doctor
    says 'bank in use: sha256 is active, and measured into'
    follow "$chapter" recover
    ok
    [ "$(tpm-unseal key)" = sesame ]
    firmware after
    follow "$chapter" check
    ok
    says 'system: ready'
    says 'boot: ready'
    [ "$(tpm-unseal key)" = sesame ]
    tpm-luks list disk | grep -q current
    all_used "$chapter"
}
