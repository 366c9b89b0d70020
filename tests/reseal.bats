#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-reseal: how rings stand, and approving the present boot state.

load common

setup_file() {
    tpm_start other
    boot_state
    tpm_start
    boot_state
    cd "$BATS_FILE_TMPDIR"
    openssl req -x509 -nodes -newkey rsa:2048 -days 30 -subj /CN=escrow -keyout escrow.key \
        -out escrow.pem 2>/dev/null
}

# status_is STATUS WORD [RING]: what tpm-reseal says of a ring, and how it ends
status_is() {
    fails "$1" tpm-reseal status "${3:-system}"
    one_line
    says "${3:-system}: $2: "
}

# drift: this boot is another than was sealed to
drift() {
    extend 7 "another certificate"
}

# identities DIR: changes when any file in it is written or replaced
identities() {
    find "$1" -type f -exec stat -c '%n %i %s %y %z' {} + | sort
    find "$1" -type f -exec sha256sum {} + | sort
}

recover() {
    tpm-reseal -q recover --recovery-key-file "$RK" "$@"
}

@test "status: ready, and drifted with the PCR that changed" {
    seal key sesame
    status_is 0 ready
    drift
    status_is 3 drifted
    says "PCR 7 changed"
    says "tpm-reseal recover system"
    [[ $output != *"PCR 0"* ]]
    tpm_reboot
    boot_state "firmware 2.0"
    status_is 3 drifted
    says "PCR 0 changed"
    tpm_boot
    status_is 0 ready
}

@test "status: exposed without recovery" {
    tpm-seal -q --generate --no-recovery key
    status_is 1 exposed
    tpm-ring -q recovery renew system --recovery-key-file "$RK"
    status_is 0 ready
}

@test "status: foreign on another TPM, whatever its PCRs" {
    seal key sesame
    tpm_use other
    status_is 7 foreign
    fails 7 tpm-unseal key
    one_line
    drift
    status_is 7 foreign
    no_handles_left
    tpm_boot
    tpm_use main
    status_is 0 ready
}

@test "status: damaged, by approval or description" {
    local file
    seal key sesame
    for file in approvals/current.pem ring.conf; do
        cp "$RINGS/system/$file" whole
        truncate -s -40 "$RINGS/system/$file"
        status_is 8 damaged
        cp whole "$RINGS/system/$file"
        status_is 0 ready
        rm "$RINGS/system/$file"
        run tpm-reseal status system
        [ "$status" -eq "$([ "$file" = ring.conf ] && echo 8 || echo 3)" ]
        cp whole "$RINGS/system/$file"
        status_is 0 ready
    done
}

@test "status: all rings, the first that is not well decides" {
    seal key sesame --pcrs 0
    seal other text --ring second
    run tpm-reseal status
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 2 ]
    drift
    fails 3 tpm-reseal status
    says "system: ready: "
    says "second: drifted: PCR 7"
    tpm_boot
    fails 9 tpm-reseal status third
    one_line
    says "third"
}

@test "status without any ring: says how one is made" {
    run tpm-reseal status
    [ "$status" -eq 0 ]
    says "$SEALRING_STATE_DIR"
    says tpm-seal
}

@test "status --json" {
    seal key sesame
    seal other text --ring second --pcrs 0
    tpm-reseal status --json | tr -d ' \n' >json
    grep -q '^\[{.*}\]$' json
    grep -q '"name":"second","state":"ready","changed":\[\],"approved":"20..-..-..T' json
    drift
    extend 0 "more firmware"
    fails 3 tpm-reseal status --json system
    tr -d ' \n' <<<"$output" >json
    grep -q '"name":"system","state":"drifted","changed":\[0,7\],' json
    [ "$(grep -o '"name"' json | wc -l)" -eq 1 ]
    tpm_boot
    SEALRING_STATE_DIR=$PWD/empty tpm-reseal -q status --json | tr -d ' \n' >json
    [ "$(<json)" = "[]" ]
}

@test "now: from a ready state; secrets are not touched" {
    local before approval
    seal key sesame
    before=$(identities "$RINGS/system/secrets")
    approval=$(sha256sum <"$RINGS/system/approvals/current.pem")
    run tpm-reseal now
    [ "$status" -eq 0 ]
    says "ring system in $SEALRING_STATE_DIR is sealed to the present boot state"
    [ "$(identities "$RINGS/system/secrets")" = "$before" ]
    [ "$(sha256sum <"$RINGS/system/approvals/current.pem")" != "$approval" ]
    [ "$(tpm-unseal key)" = sesame ]
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
    drift
    fails 3 tpm-unseal key
    tpm_boot
}

@test "now: from a drifted state it is refused, with the way out" {
    local before
    seal key sesame
    before=$(identities "$RINGS/system")
    drift
    fails 3 tpm-reseal now
    one_line
    says "PCR 7"
    says "tpm-reseal recover system"
    [ "$(identities "$RINGS/system")" = "$before" ]
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
}

@test "now --pcrs: bound to the new list, no longer to the old one" {
    seal key sesame --pcrs 0+7
    tpm-reseal -q now system --pcrs 0+4
    tpm-ring list | grep -q 'sha256:0+4 '
    [ "$(tpm-unseal key)" = sesame ]
    extend 7 "no longer looked at"
    [ "$(tpm-unseal key)" = sesame ]
    extend 4 "another boot loader"
    fails 3 tpm-unseal key
    says "PCR 4"
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
    tpm-reseal -q now system --pcrs sha384:7
    extend 0 "other firmware"
    [ "$(tpm-unseal key)" = sesame ]
    drift
    fails 3 tpm-unseal key
    says "PCR 7"
    tpm_boot
    fails 2 tpm-reseal now --pcrs 24
    fails 2 tpm-reseal now --pcrs ""
    tpm-reseal -q now
    tpm-ring list | grep -q 'sha384:7 '
}

@test "now: a PCR list for a state still to come replaces the present one only as asked" {
    seal key sesame
    tpm-reseal -q now system --pcrs "0+7+15=0"
    [ "$(tpm-unseal key)" = sesame ]
    extend 15 latch
    fails 3 tpm-unseal key
    says "PCR 15"
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
}

@test "recover by the recovery key: this boot opens, the old one no longer" {
    local before
    seal key sesame
    before=$(identities "$RINGS/system/secrets")
    drift
    fails 3 tpm-unseal key
    run tpm-reseal recover --recovery-key-file "$RK"
    [ "$status" -eq 0 ]
    says "ring system is drifted: PCR 7 changed"
    says "ring system in $SEALRING_STATE_DIR opens again"
    [ "$(tpm-unseal key)" = sesame ]
    status_is 0 ready
    [ "$(identities "$RINGS/system/secrets")" = "$before" ]
    tpm_boot
    fails 3 tpm-unseal key
    status_is 3 drifted
    drift
    [ "$(tpm-unseal key)" = sesame ]
    tpm_boot
}

@test "recover by an escrow key" {
    tpm-seal -q --generate --escrow "$BATS_FILE_TMPDIR/escrow.pem" key
    tpm-unseal key >before
    drift
    fails 4 tpm-reseal -q recover --escrow-key <(openssl genrsa 2048 2>/dev/null)
    fails 3 tpm-unseal key
    tpm-reseal -q recover --escrow-key "$BATS_FILE_TMPDIR/escrow.key"
    tpm-unseal key | cmp - before
    status_is 0 ready
    tpm_boot
    fails 3 tpm-unseal key
}

@test "recover with a wrong key changes nothing" {
    local before
    seal key sesame
    tpm-ring -q create second --recovery-key-file second.key
    drift
    before=$(identities "$RINGS/system")
    fails 4 tpm-reseal -q recover system --recovery-key-file second.key
    fails 4 setsid -w tpm-reseal -q recover system
    says "--recovery-key-file"
    [ "$(identities "$RINGS/system")" = "$before" ]
    fails 3 tpm-unseal key
    recover system
    [ "$(tpm-unseal key)" = sesame ]
    tpm_boot
}

@test "recover without a name: only rings that need it" {
    local first second third
    seal key sesame --pcrs 0
    seal two text --ring second
    seal three more --ring third
    first=$(identities "$RINGS/system/approvals")
    second=$(identities "$RINGS/second/approvals")
    third=$(identities "$RINGS/third/approvals")
    drift
    run tpm-reseal recover --recovery-key-file "$RK"
    [ "$status" -eq 0 ]
    says "ring system is ready: nothing to recover"
    [ "$(identities "$RINGS/system/approvals")" = "$first" ]
    [ "$(identities "$RINGS/second/approvals")" != "$second" ]
    [ "$(identities "$RINGS/third/approvals")" != "$third" ]
    [ "$(tpm-unseal key)$(tpm-unseal two)$(tpm-unseal three)" = sesametextmore ]
    run tpm-reseal status
    [ "$status" -eq 0 ]
    tpm_boot
}

@test "several rings: one that fails does not keep the others waiting" {
    seal key sesame
    seal two text --ring second
    tpm-ring -q create third --recovery-key-file third.key
    drift
    fails 4 tpm-reseal -q recover --recovery-key-file "$RK"
    says "ring third"
    [ "$(tpm-unseal key)$(tpm-unseal two)" = sesametext ]
    status_is 3 drifted third
    fails 3 tpm-reseal -q now
    says "ring third"
    tpm_boot
    # now it is third that this boot opens
    fails 3 tpm-reseal -q now
    status_is 0 ready third
}

@test "recover on another TPM: sealed to it from now on" {
    seal key sesame
    tpm_use other
    fails 7 tpm-unseal key
    fails 7 tpm-reseal now
    recover
    [ "$(tpm-unseal key)" = sesame ]
    status_is 0 ready
    drift
    fails 3 tpm-unseal key
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
    no_handles_left
    tpm_use main
    fails 7 tpm-unseal key
    recover
    [ "$(tpm-unseal key)" = sesame ]
}

@test "recover after the TPM was cleared" {
    seal key sesame
    tpm2_clear
    fails 7 tpm-unseal key
    one_line
    says "cleared"
    status_is 7 foreign
    recover
    [ "$(tpm-unseal key)" = sesame ]
    status_is 0 ready
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
}

@test "recover when the approval is damaged or missing" {
    seal key sesame
    echo damaged >"$RINGS/system/approvals/current.pem"
    fails 8 tpm-unseal key
    recover
    [ "$(tpm-unseal key)" = sesame ]
    rm "$RINGS/system/approvals/current.pem"
    fails 3 tpm-unseal key
    says "no approval"
    recover
    [ "$(tpm-unseal key)" = sesame ]
    status_is 0 ready
}

@test "a ring with a PIN keeps it, and recovery asks for a new one" {
    echo "first pin, long enough" >pin
    echo "second pin, long enough" >pin2
    seal key sesame --pin --pin-file pin
    tpm-reseal -q now --pin-file pin
    fails 4 tpm-unseal --pin-file pin2 key
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    drift
    fails 3 tpm-unseal --pin-file pin key
    fails 4 recover
    says "--pin"
    fails 3 tpm-unseal --pin-file pin key
    recover system --pin --pin-file pin2
    [ "$(tpm-unseal --pin-file pin2 key)" = sesame ]
    fails 4 tpm-unseal --pin-file pin key
    tpm_boot
    tpm2_dictionarylockout -c
}

@test "a bank that is not active any more: said by name, and recovery seals to another" {
    tpm2_pcrallocate -Q sha1:all+sha256:all
    tpm_boot
    seal key sesame --pcrs sha1:0+7
    seal other text --ring second
    tpm-reseal -q prepare system --next-boot
    tpm2_pcrallocate -Q sha1:none+sha256:all
    tpm_boot
    fails 3 tpm-reseal status
    says "system: drifted: the TPM's active banks (no sha1 now) changed"
    says "second: ready"
    fails 3 tpm-unseal key
    says "the TPM's active banks (no sha1 now) changed"
    fails 3 tpm-reseal explain
    says "ring system: the TPM's sha1 bank is not active any more"
    says "tpm-reseal recover system --pcrs"
    says "ring second: PCR 0 and 7: nothing changed"
    fails 3 tpm-reseal confirm
    says "ring system: policy does not hold: the TPM's active banks (no sha1 now) changed"
    fails 2 tpm-reseal recover system --recovery-key-file "$RK"
    says "its sha1 bank is not active: choose another bank: --pcrs BANK:LIST"
    tpm-reseal -q recover system --recovery-key-file "$RK" --pcrs sha256:0+7
    [ "$(tpm-unseal key)" = sesame ]
    run tpm-reseal status
    says "system: ready"
    tpm2_pcrallocate -Q sha1:all+sha256:all+sha384:all+sha512:all
}

@test "what cannot be measured is not sealed to" {
    seal key sesame
    tpm_reboot
    fails 2 tpm-reseal -q recover --recovery-key-file "$RK"
    says "--accept-unmeasured"
    recover --accept-unmeasured
    [ "$(tpm-unseal key)" = sesame ]
    tpm_boot
    fails 3 tpm-unseal key
}

@test "mistakes are one line, and exit 2" {
    local tried=0 line
    while read -r line; do
        # shellcheck disable=SC2086 # several words
        fails 2 tpm-reseal $line
        one_line
        tried=$((tried + 1))
    done <<-'END'

		status a b
		nothing
		now a b
		--no-such-option status
		status --json=yes
		status a/b
		now ..
		recover -- -x
	END
    echo "$tried mistakes tried"
    [ "$tried" -eq 9 ]
}

# What an attacker who writes to the disk does: edits ring.conf, and makes its hash right.
forge() {
    local conf=$RINGS/system/ring.conf
    sed -i "$1" "$conf"
    sed -i '/^\[Check\]$/,$d' "$conf"
    printf '[Check]\nSHA256=%s\n' "$(sha256sum "$conf" | cut -d' ' -f1)" >>"$conf"
}

@test "a ring.conf edited without the ring key: opens, but nothing is written or approved" {
    for edit in 's/^PCRs=.*/PCRs=sha256:16/' 's/^PIN=no/PIN=yes/' 's/^Id=..../Id=0000/'; do
        rm -rf "$SEALRING_STATE_DIR"
        seal key sesame
        forge 's/^PIN=no/PIN=no/' # the hash is made right: nothing else is found out
        tpm-reseal -q now
        forge "$edit"
        [ "$(tpm-unseal key)" = sesame ]
        [ "$(tpm-unseal --recovery-key-file "$RK" key)" = sesame ]
        fails 8 tpm-reseal -q now
        says "changed by somebody without the ring key"
        fails 8 tpm-ring rotate system --recovery-key-file "$RK"
        fails 8 tpm-seal -q --generate other
        fails 8 tpm-ring recovery test system --recovery-key-file "$RK"
        drift
        fails 8 recover system
        says "changed by somebody without the ring key"
        tpm_boot
    done
}

@test "a recovery copy of another ring's key is not taken, also while there is no secret" {
    tpm-ring -q create one --recovery-key-file "$RK"
    tpm-ring -q create two --recovery-key-file "$RK"
    tpm-ring -q recovery test two --recovery-key-file "$RK"
    cp "$RINGS/one/recovery.cms" "$RINGS/two/recovery.cms"
    fails 8 tpm-ring recovery test two --recovery-key-file "$RK"
    fails 8 recover two
}

@test "on another TPM a ring is foreign, and recover moves it there" {
    seal key sesame
    tpm_use other
    tpm_boot
    fails 7 tpm-unseal key
    fails 7 tpm-reseal status system
    recover system
    [ "$(tpm-unseal key)" = sesame ]
    tpm_use main
    fails 7 tpm-unseal key
}

@test "a copy of a ring beside it: both are named, and nothing is given" {
    seal key sesame
    cp -a "$RINGS/system" "$RINGS/old"
    fails 8 tpm-unseal key
    says "old and system"
    rm -r "${RINGS:?}/old"
    [ "$(tpm-unseal key)" = sesame ]
}
