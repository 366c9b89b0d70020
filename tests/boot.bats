#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ring boot: closed by the latch, changed from the running system, opened from a header.
# shellcheck disable=SC2154 # helper, output, status: from common.bash and bats

load common

setup_file() {
    tpm_start
    boot=$helper/boot
    export boot
}

setup() {
    boot=$helper/boot
    tpm_boot
    store_new
    export TSS2_LOG=all+NONE
}

# latch: what the end of the initramfs does
latch() {
    extend "${1:-15}" "the initramfs was left"
}

# next_boot [FIRMWARE]: the TPM restarts, the initramfs begins; what the last one noted is gone
next_boot() {
    tpm_reboot
    boot_state "${1:-firmware 1.0}"
    rm -rf "${SEALRING_RUNTIME_DIR:?}/boot"
}

# make_boot [OPTIONS]: ring boot, its key in ring system, made in the running system
make_boot() {
    latch
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes "$@"
}

# header: what a LUKS2 header would carry
header() {
    "$boot" take boot >parts
    printf hello | "$boot" wrap boot luks-x >envelope
}

# opens [PARTS]: what the initramfs does with it gives the volume's key
opens() {
    run "$boot" open "${1:-parts}" luks-x envelope
    [ "$status" -eq 0 ] && [ "$output" = hello ]
}

# state_is STATE TEXT: what status says of ring boot
state_is() {
    run tpm-reseal status boot
    echo "$output"
    [[ $output == "boot: $1: "*"$2"* ]]
}

approvals() {
    (cd "$RINGS/boot/approvals" && echo *)
}

@test "made in the latched system: pending, opens at the next boot, then ready" {
    make_boot
    header
    state_is pending "the next boot has to prove it"
    [ "$status" -eq 0 ]
    fails 129 "$boot" open parts luks-x envelope
    says "ring boot: policy does not hold: it was closed when the initramfs was left (PCR 15), until the next boot"
    next_boot
    opens
    latch
    state_is ready "opened in this boot, closed until the next"
    [ "$status" -eq 0 ]
    fails 129 "$boot" open parts luks-x envelope
}

@test "opening from a header is five TPM commands" {
    make_boot
    header
    next_boot
    [ "$(commands "$boot" open parts luks-x envelope)" = \
        "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    [ "$(<out)" = hello ]
}

@test "a header says which PCR changed and since when, with the passphrase as remedy" {
    make_boot
    header
    next_boot "firmware 2.0"
    fails 129 "$boot" open parts luks-x envelope
    says "ring boot: policy does not hold: PCR 0 changed since $(date -u +%F): enter the passphrase, then: tpm-reseal status"
    # Values are believed only where the policy confirms them.
    sed 's/^\(values sha256:0=\)..../\1ffff/' parts >lying
    fails 129 "$boot" open lying luks-x envelope
    says "the boot state is not the approved one: enter the passphrase"
    tpm_stop
    tpm_start other
    boot_state
    fails 66 "$boot" open parts luks-x envelope
    says "sealed by another TPM, or the TPM was cleared since: enter the passphrase"
    tpm_stop
    tpm_start
    fails 19 env SEALRING_TCTI=swtpm:path=/nonexistent "$boot" open parts luks-x envelope
}

@test "firmware changed: system is recovered, boot is re-sealed through it, the next boot proves it" {
    make_boot
    header
    next_boot
    opens
    latch
    old=$(<"$RINGS/boot/approvals/current.pem")
    next_boot "firmware 2.0"
    run "$boot" open parts luks-x envelope
    latch
    state_is drifted "PCR 0 changed"
    [ "$status" -eq 3 ]
    fails 3 tpm-reseal now boot
    says "ring boot: policy does not hold: PCR 0 changed"
    tpm-reseal -q recover system --recovery-key-file "$RK"
    tpm-reseal -q now boot
    [ "$(approvals)" = "current.pem next.pem" ]
    [ "$(<"$RINGS/boot/approvals/current.pem")" = "$old" ]
    state_is pending "this one did not open it: ring boot: policy does not hold: PCR 0 changed"
    "$boot" take boot >new
    # What is for the boots to come is tried first.
    [ "$(sed -n 's/^approval //p' new | tail -1)" = "$(sed -n 's/^approval //p' parts)" ]
    next_boot "firmware 2.0"
    fails 129 "$boot" open parts luks-x envelope
    opens new
    latch
    state_is ready "opened in this boot"
    tpm-reseal -q now boot
    [ "$(approvals)" = current.pem ]
    state_is ready "opened in this boot"
    "$boot" take boot >last
    [ "$(grep -c ^approval last)" = 1 ]
    next_boot "firmware 2.0"
    opens last
    next_boot
    fails 129 "$boot" open last luks-x envelope
}

@test "what opened this boot stays, whatever is sealed in it" {
    make_boot
    header
    next_boot
    opens
    latch
    was=$(sed -n 's/^approval //p' parts)
    for list in 0+2+7 0+3+7 0+2+7; do
        tpm-reseal -q now boot --pcrs "$list"
        "$boot" take boot >now
        grep -qF "approval $was" now
        [ "$(grep -c ^approval now)" = 2 ]
    done
    state_is pending
    # Not latched, the new one is proven at once; the old one stays all the same.
    next_boot
    opens now
    was=$(sed -n 's/^approval //p' now | head -1)
    tpm-reseal -q now boot --pcrs 0+7
    "$boot" take boot >now
    grep -qF "approval $was" now
    [ "$(approvals)" = "booted.pem current.pem" ]
    next_boot
    opens now
    latch
    tpm-reseal -q now boot
    "$boot" take boot >now
    [ "$(grep -c ^approval now)" = 1 ]
}

@test "now through ring system is ten TPM commands, seven when this boot proved it already" {
    make_boot
    header
    [ "$(commands tpm-reseal -q now boot)" = "StartAuthSession PolicyPCR Load Unseal FlushContext \
PCR_Read Create Load FlushContext FlushContext" ]
    "$boot" take boot >parts
    next_boot
    opens
    latch
    [ "$(commands tpm-reseal -q now boot)" = \
        "StartAuthSession PolicyPCR Load Unseal FlushContext PCR_Read FlushContext" ]
}

@test "without its key in ring system the recovery key is needed, which puts it there" {
    latch
    tpm-ring -q create boot --recovery-key-file "$RK" --manage no
    [ ! -e "$RINGS/system" ]
    fails 3 tpm-reseal now boot
    says "its key is not kept in ring system: tpm-reseal recover boot gets in with the recovery key"
    one_line
    fails 3 tpm-ring rotate boot --recovery-key-file "$RK"
    fails 129 "$boot" admin boot
    tpm-reseal -q recover boot --recovery-key-file "$RK" --manage yes
    "$boot" admin boot
    tpm-reseal -q now boot
}

@test "on a volume that is not encrypted the key is not kept, and that is said" {
    latch
    # Wherever the tests run, this is memory.
    SEALRING_STATE_DIR=$(mktemp -d /dev/shm/sealring-XXXXXX)
    run tpm-ring create boot --recovery-key-file "$RK"
    [ "$status" -eq 0 ]
    says "is not on an encrypted volume, so ring boot's key is not kept in ring system"
    [ ! -e "$SEALRING_STATE_DIR/rings/system" ]
    run tpm-ring show boot
    says "Closed by: PCR 15; its key is not kept in ring system"
    fails 2 tpm-ring create other --recovery-key-file "$RK" --manage yes
    says "--manage is for ring boot"
    fails 2 tpm-ring create boot --recovery-key-file "$RK" --manage maybe
    rm -r "$SEALRING_STATE_DIR"
}

@test "ring system is made when it is missing; an existing one is used, and must open" {
    latch
    run tpm-ring create boot --recovery-key-file "$RK" --manage yes --pcrs 0+2+7
    says "made ring system in"
    says "its key is also kept in ring system"
    tpm-ring list | grep -q '^system  sha256:0+7 '
    tpm-ring list | grep -q '^boot  sha256:0+2+7+15=0 '
    tpm-ring -q remove -f boot
    [ -z "$(ls "$RINGS/system/secrets")" ]
    next_boot "firmware 2.0"
    latch
    fails 3 tpm-ring create boot --recovery-key-file "$RK" --manage yes
    says "ring system: policy does not hold"
    [ ! -e "$RINGS/boot" ]
    tpm-reseal -q recover system --recovery-key-file "$RK"
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    "$boot" admin boot
}

@test "what carries the approvals is told before any goes, and once more afterwards" {
    make_boot
    header
    run "$boot" now boot
    [ "$output" = "2 approvals" ]
    "$boot" take boot >parts
    next_boot
    opens
    # Not latched yet: proven at once, and what opened this boot stays.
    run "$boot" now boot
    [ "$output" = $'3 approvals\n2 approvals, settled' ]
    latch
    run "$boot" now boot
    [ "$output" = "1 approvals, settled" ]
    # It fails: what opened before is there still, and the next time succeeds.
    next_boot "firmware 2.0"
    latch
    tpm-reseal -q recover system --recovery-key-file "$RK"
    for n in 1 2; do
        was=$("$boot" take boot | grep '^approval' | tail -1)
        run "$boot" now boot "$n"
        says "a header cannot be written" || [ "$n" = 2 ]
        "$boot" take boot | grep -qF "$was"
    done
    "$boot" take boot >parts
    next_boot "firmware 2.0"
    opens
}

@test "what is wrapped under the old key is wrapped under the new one before that counts" {
    make_boot
    header
    next_boot
    opens
    latch
    run "$boot" rotate boot 1
    [ "$status" -ne 0 ]
    says "a header cannot be written"
    [ ! -e envelope.new ]
    "$boot" admin boot
    run "$boot" rotate boot 2
    [ "$status" -ne 0 ]
    says "ring boot: it has a new key, tpm-reseal now finishes the rest: a header cannot be written"
    "$boot" admin boot
    # The old header opens with what it has, the new one with the other.
    "$boot" take boot >new
    next_boot
    opens
    mv envelope envelope.old
    mv envelope.new envelope
    opens new
    latch
    run "$boot" now boot
    [ "$output" = "1 approvals, settled" ]
    run "$boot" rotate boot
    [ "$output" = $'1 approvals, old key\n1 approvals' ]
}

@test "names that end in .manage are not for secrets, and are not given out" {
    make_boot
    for command in "tpm-seal other.manage" "tpm-seal --replace boot.manage" "tpm-unseal boot.manage" \
        "tpm-seal --remove boot.manage" "tpm-seal --rename boot.manage mine"; do
        # shellcheck disable=SC2086 # words
        fails 2 $command </dev/null
        says "names that end in .manage or .approver are for the keys of rings"
    done
    [[ $(tpm-ring list system) != *manage* ]]
    tpm-ring -q recovery open system clear --recovery-key-file "$RK"
    [ -z "$(ls clear)" ]
    tpm-ring -q export system exported
    [ -z "$(ls exported/secrets)" ]
    # It is there, and opens under its name: what is hidden above is no empty place.
    [ -s "$RINGS/system/secrets/boot.manage.cms" ]
    "$boot" admin boot
}

@test "a key in ring system that is another ring's is not taken" {
    make_boot
    cp "$RINGS/system/secrets/boot.manage.cms" old
    tpm-ring -q remove -f boot
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    "$boot" admin boot
    cp old "$RINGS/system/secrets/boot.manage.cms"
    fails 74 "$boot" admin boot
    says "ring system has another key for it"
}

@test "rotate of boot renews its key in ring system; of system it is carried" {
    make_boot
    header
    printf early | tpm-seal -q --ring boot early
    before=$(<"$RINGS/system/secrets/boot.manage.cms")
    tpm-ring -q rotate boot --recovery-key-file "$RK"
    [ "$(<"$RINGS/system/secrets/boot.manage.cms")" != "$before" ]
    "$boot" admin boot
    [ "$("$boot" secret boot early)" = early ]
    state_is pending
    tpm-ring -q rotate system --recovery-key-file "$RK"
    "$boot" admin boot
    [ "$("$boot" secret boot early)" = early ]
    # What is wrapped is under the old key: the new header does not open it.
    "$boot" take boot >new
    next_boot
    run "$boot" open new luks-x envelope
    [ "$status" -eq 74 ]
    [ "$(tpm-unseal early)" = early ]
    latch
    fails 3 tpm-unseal early
    # Ring system closed: the key there would be lost.
    next_boot "firmware 2.0"
    fails 3 tpm-ring rotate boot --recovery-key-file "$RK"
}

@test "the recovery copy of boot is renewed from the latched system" {
    make_boot
    tpm-ring -q recovery renew boot --recovery-key-file second.key
    tpm-ring -q recovery test boot --recovery-key-file second.key
    fails 4 tpm-ring recovery test boot --recovery-key-file "$RK"
}

@test "recover takes ring system first, then boot through it" {
    make_boot
    header
    tpm-ring -q recovery renew boot --recovery-key-file second.key
    next_boot "firmware 2.0"
    latch
    run tpm-reseal recover --recovery-key-file "$RK"
    echo "$output"
    [ "$status" -eq 0 ]
    says "ring boot is opened with its key in ring system"
    "$boot" take boot >parts
    next_boot "firmware 2.0"
    opens
}

@test "on another TPM recover seals both again" {
    make_boot
    header
    tpm_stop
    tpm_start other
    boot_state
    latch
    run tpm-reseal status
    says "boot: foreign"
    tpm-reseal -q recover --recovery-key-file "$RK"
    [ "$(approvals)" = current.pem ] # what no TPM opens any more does not stay
    state_is pending
    "$boot" take boot >parts
    tpm_stop
    tpm_start other
    boot_state
    opens
    no_handles_left
    tpm_stop
    tpm_start
}

@test "a PIN: asked for once, after the PCRs hold, and a new one has to be given by who manages" {
    printf "correct horse battery" >pin
    make_boot --pin --pin-file pin
    header
    fails 4 tpm-reseal now boot
    says "has a PIN, which ring system does not know: give one with --pin"
    next_boot
    fails 13 "$boot" open parts luks-x envelope
    says "boot needs a PIN"
    fails 13 "$boot" open parts luks-x envelope wrong
    [ "$("$boot" open parts luks-x envelope "correct horse battery")" = hello ]
    latch
    # The policy fails first, so that no try is used up: the helper fails when asked twice.
    fails 129 "$boot" open parts luks-x envelope wrong
    printf "another horse battery" >new
    tpm-reseal -q now boot --pin --new-pin-file new
    state_is pending
    "$boot" take boot >parts
    next_boot
    [ "$("$boot" open parts luks-x envelope "another horse battery")" = hello ]
}

@test "which PCR is the latch is configured; status says when the ring has another" {
    printf '[Latch]\nPCR=14\nRequired=no\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    latch 14
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    tpm-ring list | grep -q '^boot  sha256:0+7+14=0 '
    state_is pending
    printf '[Latch]\nPCR=15\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    state_is exposed "PCR 14 closes it, but [Latch] PCR=15 says what is extended: tpm-reseal now boot --pcrs LIST"
    [ "$status" -eq 1 ]
    latch
    tpm-reseal -q now boot --pcrs 0+7
    tpm-ring list | grep -q '^boot  sha256:0+7+15=0 '
    state_is pending
    for pcr in 7 16 17 23 24 x -1; do
        printf '[Latch]\nPCR=%s\n' $pcr >"$SEALRING_CONFIG_DIR/sealring.conf"
        fails 8 tpm-reseal status boot || fails 2 tpm-reseal status boot
        says "sealring.conf:2"
    done
}

@test "volumes are noted in ring.conf, survive re-sealing, and need no key" {
    a=0A00aaaa-1111-2222-3333-444444444444 b=0b00bbbb-1111-2222-3333-444444444444
    make_boot
    next_boot "firmware 2.0" # it does not open
    [ "$("$boot" volumes boot add $a)" = "${a,,}" ]
    "$boot" volumes boot add $b
    [ "$("$boot" volumes boot add ${a,,} | wc -l)" = 2 ]
    next_boot
    fails 1 tpm-ring -q rotate boot --recovery-key-file "$RK"
    says "volume ${a,,} is not here"
    tpm-reseal -q now boot
    [ "$("$boot" volumes boot | tr '\n' ' ')" = "${a,,} $b " ]
    "$boot" volumes boot remove $a
    [ "$("$boot" volumes boot)" = $b ]
    fails 126 "$boot" volumes boot remove $a
    for bad in 0a00aaaa-1111-2222-3333-44444444444 "../../etc/passwd" "${a/A/g}" ""; do
        fails 22 "$boot" volumes boot add "$bad"
    done
    tpm-ring -q export boot exported
    run grep Volume exported/ring.conf
    [ "$status" -eq 1 ]
    for ((i = 1; i < 64; i++)); do
        "$boot" volumes boot add "$(printf %08x-1111-2222-3333-444444444444 $i)" >/dev/null
    done
    fails 22 "$boot" volumes boot add $a
    says "more than 64 volumes"
    "$boot" admin boot
}

@test "notes are of this boot, private, and parsed strictly" {
    make_boot
    header
    next_boot
    opens
    dir=$SEALRING_RUNTIME_DIR/boot
    [ "$(stat -c %a "$dir" "$dir/boot.opened" | tr '\n' ' ')" = "700 600 " ]
    run "$boot" note boot
    says "opened 1"
    latch
    run "$boot" open parts luks-x envelope
    run "$boot" note boot
    says "failed 1"
    says "code -129"
    says "text ring boot: policy does not hold: it was closed"
    says "opened 1"
    good=$(<"$dir/boot.opened")
    rm "$dir/boot.failed"
    for change in 's/^boot ...../boot 00000/' 's/^ring ../ring xx/' 's/note 1/note 2/' \
        's/^approval ../approval /' 's/[0-9a-f]\{1\}\>/& /' '5d' '5a more' 's/^time 2/time x/' '3d'; do
        sed "$change" <<<"$good" >"$dir/boot.opened"
        fails 2 "$boot" note boot
        state_is pending
    done
    printf '%s\n' "$good" >"$dir/boot.opened"
    "$boot" note boot
    state_is ready
    # Another ring of that name: not proven by it.
    id=$(sed -n 's/^id //p' parts)
    printf '%s\n' "${good/$id/$(printf %032d 0)}" >"$dir/boot.opened"
    state_is pending
    mv "$dir/boot.opened" elsewhere
    ln -s "$PWD/elsewhere" "$dir/boot.opened"
    fails 2 "$boot" note boot
}

@test "no note and no header holds a secret" {
    make_boot
    header
    next_boot
    opens
    latch
    run "$boot" open parts luks-x envelope
    "$boot" key boot >secret
    [ "$(wc -c <secret)" = 32 ]
    hex=$(xxd -p -c 64 secret) in_base64=$(base64 -w 0 secret)
    found() { cat "$@" | xxd -p -c 0 | grep -qF "$hex" || grep -qF "$hex" "$@" || grep -qF "${in_base64%?=}" "$@"; }
    run found "$SEALRING_RUNTIME_DIR"/boot/* parts envelope "$RINGS"/*/*/* "$RINGS"/*/*.c*
    [ "$status" -eq 1 ]
    cat parts secret >control
    found control
    { cat parts; echo "$hex"; } >control
    found control
}

@test "in the initramfs one conversation opens several volumes; a key that does not fit is dropped" {
    make_boot
    header
    next_boot
    keyctl describe @u >/dev/null
    touch initramfs
    alone_in_keyring
    run "$boot" cached "$PWD/initramfs" luks-x parts envelope parts envelope parts envelope
    echo "$output"
    [ "$output" = $'tpm hello\nkept hello\nkept hello' ]
    id=$(sed -n 's/^id //p' parts)
    key=$(keyctl search @u user "sealring-ring:$id")
    keyctl rdescribe "$key" | grep -q "sealring-ring:$id"
    # Somebody puts another key there.
    keyctl padd user "sealring-ring:$id" @u >/dev/null <<<"1234567890123456789012345678901"
    run "$boot" cached "$PWD/initramfs" luks-x parts envelope parts envelope
    [ "$output" = $'kept dropped hello\nkept hello' ]
    revoked=$("$boot" revoke)
    [ "$revoked" -ge 1 ]
    run keyctl search @u user "sealring-ring:$id"
    [ "$status" -ne 0 ]
    [ "$("$boot" revoke)" = 0 ]
    # Elsewhere nothing is kept, nor looked for.
    run "$boot" cached /nonexistent luks-x parts envelope parts envelope
    [ "$output" = $'tpm hello\ntpm hello' ]
    run keyctl search @u user "sealring-ring:$id"
    [ "$status" -ne 0 ]
}

@test "what is kept is forgotten after a minute" {
    make_boot
    header
    next_boot
    touch initramfs
    alone_in_keyring
    "$boot" cached "$PWD/initramfs" luks-x parts envelope
    grep -E " [0-9]+s .*sealring-ring:$(sed -n 's/^id //p' parts)" /proc/keys >line || {
        cat /proc/keys
        grep -E "(5[0-9]s|1m) .*sealring-ring:" /proc/keys >line
    }
    "$boot" revoke
}

# forged SED-EXPRESSION: parts that somebody changed are refused
forged() {
    sed "$1" parts >forged
    ! cmp -s parts forged
    fails 74 "$boot" open forged luks-x envelope
}

@test "parts that are forged are refused before anything is begun" {
    make_boot
    header
    next_boot
    forged 's/^name .*/name ..\/x/'
    forged '/^name/d'
    forged 's/^id ../id x/'
    forged '/^id/d'
    forged 's/^pcrs .*/pcrs sha256:0+99/'
    forged 's/^pcrs .*/pcrs sha256:7+0+15=0/' # not in its one form
    forged 's/^pin 0/pin 1/'
    forged 's/^srk ..../srk 0058/'
    forged 's/^srk .*/&00/'
    forged 's/^srk .*/srk /'
    forged '/^srk/d'
    forged 's/^\(approval .....\)./\1!/'
    forged 's/^approval .*/& /'
    forged 's/^approval .*/approval /'
    forged 's/^approval \(.*\)/approval \1AAAA/'
    forged '/^approval/d'
    # More than eight, and more than 4 KiB.
    { cat parts; for i in 1 2 3 4 5 6 7 8; do grep -E '^(approval|values)' parts; done; } >many
    fails 74 "$boot" open many luks-x envelope
    says "incomplete or too large"
    { cat parts; for i in 1 2 3 4 5 6 7; do grep -E '^(approval|values)' parts; done; } >large
    fails 74 "$boot" open large luks-x envelope
    says "incomplete or too large"
    { cat parts; grep -E '^(approval|values)' parts; } >two
    opens two
    opens parts
}

# other_approval KIND: an approval of another shape in place of the real one
other_approval() {
    "$boot" forge "$1" parts >forged
    ! cmp -s parts forged
    fails "${2:-74}" "$boot" open forged luks-x envelope "a PIN"
    says "$3"
}

@test "approvals of another shape are refused, and no PIN is spent on them" {
    make_boot
    header
    next_boot
    other_approval parent 74 "its parent is not the storage key"
    other_approval noda 74 "its PIN is not protected against guessing"
    other_approval locality 74 "its policy is not one of ours"
    other_approval nopolicy 74 "its policy does not begin with PCRs"
    other_approval pin 74 "an approval wants a PIN, which the ring has not"
    other_approval loadable 74 ""
    other_approval pem 74 "not DER"
    "$boot" forge nothing parts >again
    opens again
}

@test "an envelope opens under its own name and ring only" {
    make_boot
    header
    next_boot
    opens
    fails 74 "$boot" open parts luks-y envelope
    printf x >>envelope
    fails 74 "$boot" open parts luks-x envelope
    : >envelope
    fails 74 "$boot" open parts luks-x envelope
}
