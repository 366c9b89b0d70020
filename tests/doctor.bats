#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-doctor: every check where all is good, and with the real thing broken.
# shellcheck disable=SC2030,SC2031,SC2154 # helper, output, status: from common.bash and bats

bats_require_minimum_version 1.5.0
load luks/luks
load eventlogs/logs

setup_file() {
    luks_setup_file
    logs_prepare
}

setup() {
    luks_setup
    tpm_boot
    log=$own/before.bin
    chmod 700 "$SEALRING_RUNTIME_DIR"
    # What a running systemd would say.
    mkdir fake
    PATH=$PWD/fake:$PATH
    systemctl_says enabled
}

teardown() {
    [ -z "${LISTENER-}" ] || kill "$LISTENER"
    "$helper/handles" "$SEALRING_TCTI" flush >/dev/null || :
    tpm2_clear -c p 2>/dev/null || :
}

systemctl_says() {
    printf '#!/bin/sh\ncase "$*" in "is-enabled tpm-credential.socket" | "is-enabled tpm-sign-agent.socket") echo %s ;; *) false ;; esac\n' \
        "$1" >fake/systemctl
    chmod +x fake/systemctl
}

# finds LEVEL SUBJECT TEXT: a line of the doctor's; $status is its exit status
finds() {
    run tpm-doctor --system
    grep -E "^$1 +$2: " <<<"$output" | grep -qF "$3" || {
        echo "no $1 of $2: $3"
        echo "$output"
        return 1
    }
}

# lacks LEVEL SUBJECT: no such line in the last answer
lacks() {
    if grep -E "^$1 +$2: " <<<"$output"; then
        echo "$output"
        return 1
    fi
}

@test "a machine where all is well: no FAIL, exit status 0" {
    seal first 1
    tpm-ring recovery test system --recovery-key-file "$RK"
    finds ok 'TPM' ' answers'
    [ "$status" -eq 0 ]
    lacks FAIL '.*'
    finds ok 'configuration' "$SEALRING_CONFIG_DIR is read"
    finds ok 'banks' 'sha256'
    finds ok 'bank in use' 'sha256 is active, and measured into'
    finds ok 'storage key' 'is at 0x81000001'
    finds ok 'handles' 'none is left behind'
    finds ok 'ring system' 'ready: opens in this boot'
    finds ok 'ring system, recovery' "tested $(date -u +%F)"
    finds ok 'locked memory' 'kB'
    # The whole of it: all lines are of one form.
    run ! grep -vE '^(ok  |note|warn|FAIL)  [^:]+: .' <<<"$output"
    no_handles_left
}

@test "it changes nothing: neither the store nor the TPM" {
    seal first 1
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    snapshot() {
        (cd "$BATS_TEST_TMPDIR" && find state config run -printf '%p %m %T@ %s\n' | sort
            find state config run -type f -exec sha256sum {} + | sort)
        tpm2_getcap handles-persistent
        tpm2_getcap handles-transient
        tpm2_getcap handles-loaded-session
        tpm2_getcap handles-saved-session
        tpm2_pcrread
        tpm2_getcap properties-variable
    }
    snapshot >before
    tpm-doctor --system >out
    tpm-doctor --system --json >out
    snapshot >after
    cmp before after
    # What changes is noticed.
    extend 16 'something'
    snapshot >after
    run ! cmp before after
}

@test "few TPM commands, however many secrets" {
    for name in a b c d; do seal $name 1; done
    names=$(commands tpm-doctor --system)
    echo "# $(wc -w <<<"$names") TPM commands" >&3
    [ "$names" = 'GetCapability ReadClock GetCapability GetCapability GetCapability GetCapability GetCapability ReadPublic ReadPublic PCR_Read ReadPublic PCR_Read' ]
}

@test "no TPM, and no permission: FAIL, and all else is still looked at" {
    seal first 1
    SEALRING_TCTI=swtpm:path=/nonexistent finds FAIL TPM 'no TPM answers at'
    [ "$status" -eq 1 ]
    says 'ring system, recovery: tested '
    says 'without the TPM nothing can be said of its state'
    SEALRING_TCTI=/dev/nonexistent finds FAIL TPM '/dev/nonexistent does not exist'
    finds note 'resource manager' 'none of the kernel'
}

@test "--json, --quiet and colours" {
    printf 1 | tpm-seal -q --no-recovery first
    tpm-doctor --system --json >json
    jq -e 'map(select(.subject == "TPM" and .level == "ok" and .remedy == null)) | length == 1' json
    jq -e 'map(select(.subject == "ring system, recovery"))[0] |
        .remedy == "tpm-ring recovery renew system" and .level == "warn"' json
    run tpm-doctor --system --quiet
    says 'warn  ring system, recovery: '
    run ! grep -E '^(ok|note)' <<<"$output"
    TERM=xterm script -qec 'tpm-doctor --system' /dev/null </dev/null >shown
    grep -qF "$(printf '\033[32mok')" shown
    TERM=xterm NO_COLOR=1 script -qec 'tpm-doctor --system' /dev/null </dev/null >shown
    run ! grep -qF "$(printf '\033')" shown
}

@test "configuration that is refused" {
    echo 'Nonsense=1' >"$SEALRING_CONFIG_DIR/sealring.conf"
    finds FAIL configuration "$SEALRING_CONFIG_DIR/sealring.conf:1"
    [ "$status" -eq 1 ]
    says ' answers'
}

@test "permissions of store, configuration and socket" {
    seal first 1
    finds ok permissions "$RINGS: 0700"
    chmod 755 "$RINGS"
    finds warn permissions "$RINGS: 0755 lets others in: chmod go= $RINGS"
    [ "$status" -eq 0 ]
    chmod 700 "$RINGS"
    touch "$SEALRING_CONFIG_DIR/sealring.conf"
    finds ok permissions "$SEALRING_CONFIG_DIR/sealring.conf: "
    chmod 666 "$SEALRING_CONFIG_DIR/sealring.conf"
    finds FAIL permissions "sealring.conf: 0666 lets others change it: chmod go-w"
    [ "$status" -eq 1 ]
    chmod 644 "$SEALRING_CONFIG_DIR/sealring.conf"
    finds ok permissions "$SEALRING_RUNTIME_DIR: 0700"
    chmod 777 "$SEALRING_RUNTIME_DIR"
    finds FAIL permissions "$SEALRING_RUNTIME_DIR: 0777"
    [ "$status" -eq 1 ]
}

@test "lockout: tries, lockout, its authorization" {
    seal first 1
    finds note 'lockout authorization' 'is not set'
    finds ok lockout '0 of 3 failed tries'
    printf 123456789012 >pin
    tpm-ring -q create guarded --recovery-key-file "$RK" --pin --pin-file pin 2>/dev/null
    seal second 2 --ring guarded --pin-file pin
    finds warn 'lockout authorization' 'tpm2_changeauth -c lockout'
    printf wrong >wrong
    fails 4 tpm-unseal --pin-file wrong second
    finds note lockout '1 of 3 failed tries'
    [ "$status" -eq 0 ]
    for _ in 2 3; do fails 4 tpm-unseal --pin-file wrong second; done
    finds FAIL lockout 'the TPM refuses PINs: 3 of 3'
    [ "$status" -eq 1 ]
    tpm2_dictionarylockout -c
    tpm2_changeauth -c lockout secret
    finds ok 'lockout authorization' 'is set'
    finds ok lockout '0 of 3'
}

@test "handles that a program left behind" {
    seal first 1
    tpm2_createprimary -C o -c left.ctx -Q
    finds warn handles '1 objects and 0 sessions are on a TPM without resource manager'
    tpm2_flushcontext -t
    finds ok handles 'none is left behind'
    tpm2_startauthsession -S left.session
    finds warn handles '0 objects and '
    tpm2_flushcontext left.session
}

@test "what is at the handle of the storage key" {
    finds note 'storage key' '0x81000001 is empty: it is made with the first ring'
    seal first 1
    finds ok 'storage key' 'is at'
    tpm2_evictcontrol -C o -c 0x81000001 -Q
    finds warn 'storage key' '0x81000001 is empty: opening makes the key again'
    # A key that signs is none.
    tpm2_createprimary -C o -c sign.ctx -G ecc:ecdsa:null -a 'sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth' -Q
    tpm2_evictcontrol -C o -c sign.ctx 0x81000001 -Q
    finds FAIL 'storage key' 'is no storage key'
    [ "$status" -eq 1 ]
}

@test "banks: active, measured into, in the event log" {
    seal first 1
    tpm_reboot
    finds FAIL 'bank in use' 'PCR 0 of the sha256 bank was never measured into'
    [ "$status" -eq 1 ]
    logs_configure "$log"
    logs_replay "$log"
    finds ok 'bank in use' 'sha256 is active'
    says 'event log: leads to what the TPM holds (sha256)'
    # A log of SHA-1 says nothing about the bank that is used.
    printf '\000\000\000\000\010\000\000\000%s\004\000\000\000test' 01234567890123456789 >sha1.bin
    logs_configure "$PWD/sha1.bin"
    finds FAIL 'bank in use' 'sha256 is not in the event log'
    [ "$status" -eq 1 ]
    echo '[Policy]' >>"$SEALRING_CONFIG_DIR/sealring.conf"
    echo 'PCRs=sha512:0+7' >>"$SEALRING_CONFIG_DIR/sealring.conf"
    rm -r "$SEALRING_STATE_DIR"
    finds_bank=$(tpm2_getcap pcrs | grep -c 'sha512: \[ \]') || :
    [ "$finds_bank" -eq 0 ] || finds FAIL 'bank in use' 'the TPM has no active sha512 bank'
}

@test "event log: replay, damage, absence, strings" {
    tpm_reboot
    finds note 'event log' 'none is configured'
    logs_configure "$log"
    logs_replay "$log"
    finds ok 'event log' 'leads to what the TPM holds'
    extend 7 'not logged'
    finds warn 'event log' 'does not lead to what the TPM holds in sha256: PCR 7: tpm-reseal events'
    [ "$status" -eq 0 ]
    head -c -5 "$log" >short
    logs_configure "$PWD/short"
    finds warn 'event log' 'damaged at offset 20138'
    logs_configure "$PWD/nothing"
    finds note 'event log' 'nothing'
}

# put FILE OFFSET HEX: overwrite bytes of it
put() {
    printf %s "$3" | xxd -r -p | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# forge_off FROM TO: the log of a boot whose Secure Boot was off, and measured so
forge_off() {
    local offset size at data
    tpm-reseal events --json "$1" | jq -r '.events[] | select(.subject == "SecureBoot") |
        "\(.offset) \(.size)"' >event
    read -r offset size <event
    cp "$1" "$2"
    # Number, type and count; an algorithm before each digest; the size of the data.
    data=$((offset + 12 + 2 + 20 + 2 + 32 + 2 + 48 + 2 + 64 + 4))
    put "$2" $((data + size - 1)) 00
    at=$((offset + 12))
    for bank in sha1:20 sha256:32 sha384:48 sha512:64; do
        put "$2" $((at + 2)) "$(tail -c +$((data + 1)) "$2" | head -c "$size" |
            "${bank%:*}sum" | cut -d ' ' -f 1)"
        at=$((at + 2 + ${bank#*:}))
    done
}

@test "Secure Boot, by the event log" {
    logs_configure "$log"
    finds ok 'Secure Boot' 'is on, by the event log'
    forge_off "$log" off.bin
    logs_configure "$PWD/off.bin"
    finds warn 'Secure Boot' 'is off, by the event log: PCR 7 protects nothing: switch it on'
}

@test "rings: drifted, foreign, damaged, exposed" {
    seal first 1
    finds ok 'ring system' 'ready'
    extend 7 'other keys'
    finds FAIL 'ring system' 'drifted: PCR 7 changed'
    says 'tpm-reseal recover system'
    [ "$status" -eq 1 ]
    tpm_boot
    tpm_start other
    boot_state
    finds FAIL 'ring system' 'foreign: sealed by another TPM'
    tpm_stop
    tpm_use main
    cp "$RINGS/system/recovery.cms" kept
    for broken in "head -c -1 kept" "sed 's/\xa0/\xa1/g' kept" "printf nothing"; do
        bash -c "$broken" >"$RINGS/system/recovery.cms"
        finds FAIL 'ring system, recovery' 'the copy is not the one that was written: tpm-ring recovery renew system'
        says 'exposed'
    done
    cp kept "$RINGS/system/recovery.cms"
    printf x >>"$RINGS/system/ring.conf"
    finds FAIL 'ring system' 'damaged'
    [ "$status" -eq 1 ]
    rm -r "$SEALRING_STATE_DIR"
    finds note rings 'tpm-seal makes one'
    tpm-seal -q --no-recovery --generate other
    finds warn 'ring system, recovery' 'there is none'
    [ "$status" -eq 0 ]
    # What only somebody else's key opens was tried by nobody.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=admin \
        -keyout admin.key -out admin.pem 2>/dev/null
    tpm-ring -q create guarded --escrow admin.pem
    finds warn 'ring guarded, recovery' 'was never tested: tpm-ring recovery test guarded --escrow-key'
    tpm-ring -q recovery test guarded --escrow-key admin.key
    finds ok 'ring guarded, recovery' 'tested'
}

@test "what the PCRs of a ring do not cover" {
    seal first 1
    finds note 'ring system, coverage' 'sha256:0+7 is not about kernel command line and initramfs'
    says 'reseal now system --pcrs'
    extend 9 initramfs
    tpm-reseal -q now system --pcrs 0+7+9
    finds ok 'ring system, coverage' 'sha256:0+7+9 is about the initramfs'
    tpm-reseal -q now system --pcrs 0+12
    finds note 'ring system, coverage' 'is not about Secure Boot'
}

@test "latch: closed, open, another PCR, and what the initramfs noted" {
    finds note latch 'no ring is closed by it'
    seal first 1
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    finds note latch 'was made in this boot'
    says 'initramfs: noted nothing about ring boot in this boot'
    # The initramfs opens it, and does not extend the PCR.
    "$helper/boot" take boot >parts
    printf hello | "$helper/boot" wrap boot luks-x >envelope
    "$helper/boot" open parts luks-x envelope
    [ -e "$SEALRING_RUNTIME_DIR/boot" ]
    finds ok initramfs 'opened ring boot'
    says 'FAIL  latch: PCR 15 is zero though the initramfs opened ring boot'
    [ "$status" -eq 1 ]
    extend 15 'the initramfs was left'
    finds ok latch 'PCR 15 closes ring boot until the next boot'
    [ "$status" -eq 0 ]
    printf '[Latch]\nPCR=14\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    finds FAIL latch 'PCR 15 closes ring boot, but PCR 14 is what is extended'
    [ "$status" -eq 1 ]
    printf '[Latch]\nRequired=no\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    finds warn latch 'the boot goes on where the latch fails'
}

# kernel_with DISK LOCKDOWN CMDLINE: what the doctor finds on a kernel that says this
kernel_with() {
    local -a space=(unshare -m)
    [ "$(id -u)" -eq 0 ] || space=(unshare -rm)
    cat >kernel <<-'END'
		mount -t tmpfs tmpfs /sys/power || exit 99
		mount -t tmpfs tmpfs /sys/kernel/security || exit 98
		[ -z "$1" ] || echo "$1" >/sys/power/disk
		[ -z "$2" ] || echo "$2" >/sys/kernel/security/lockdown
		echo "$3" >line
		mount --bind line /proc/cmdline || exit 97
		tpm-doctor --system
	END
    run "${space[@]}" bash kernel "$@"
    [ "$status" -le 1 ]
}

# bats test_tags=minimal
@test "resuming from hibernation, which comes before the latch" {
    if [ "$(id -u)" -ne 0 ] && ! unshare -rm true 2>/dev/null; then
        # No namespaces here: whatever this kernel says, without a latched ring it is no matter.
        run tpm-doctor --system
        lacks '.*' resume
        return
    fi
    free='[none] integrity confidentiality'
    seal first 1
    kernel_with '[platform] shutdown' "$free" 'root=/dev/vda2 resume=/dev/vda3'
    lacks '.*' resume
    tpm-ring -q create boot --recovery-key-file "$RK" --manage yes
    kernel_with '[platform] shutdown' "$free" 'root=/dev/vda2 resume=/dev/vda3'
    grep -qE '^warn +resume: the kernel may resume .*: where nobody hibernates: noresume' <<<"$output"
    kernel_with '[platform] shutdown' '' 'root=/dev/vda2 noresume2 xresume=1'
    grep -qE '^note +resume: the kernel may resume' <<<"$output"
    kernel_with '[platform] shutdown' "$free" 'root=/dev/vda2 resume=/dev/vda3 noresume'
    grep -qE '^ok +resume: .*: noresume is on its command line' <<<"$output"
    kernel_with '[disabled]' 'none [integrity] confidentiality' 'root=/dev/vda2 resume=/dev/vda3'
    grep -qE '^ok +resume: .*: it is locked down' <<<"$output"
    for disk in '[disabled]' ''; do
        kernel_with "$disk" "$free" 'root=/dev/vda2 resume=/dev/vda3'
        grep -qE "^ok +resume: .*: it can't hibernate" <<<"$output"
    done
}

@test "baselines: there, missing, damaged; of no matter without an event log" {
    tpm_reboot
    logs_replay "$log"
    seal other 1 --ring other
    run tpm-doctor --system
    lacks '.*' 'ring other, baseline'
    logs_configure "$log"
    finds note 'ring other, baseline' 'there is none: tpm-reseal explain can compare values only: tpm-reseal now other takes one'
    tpm-seal -q --generate --recovery-key-file "$RK" first
    finds ok 'ring system, baseline' "of $(date -u +%F)"
    printf x >>"$RINGS/system/baseline/00000001.log"
    finds warn 'ring system, baseline' '00000001.log is not the log of the baseline'
}

@test "volumes: current, behind, absent, not enrolled" {
    volume disk
    enroll disk
    uuid=$(cryptsetup luksUUID disk)
    finds ok "volume $uuid" 'ring boot unlocks it'
    cp disk old
    tpm-reseal -q now boot --pcrs 0+2+7
    finds ok "volume $uuid" 'ring boot unlocks it'
    cp old disk
    finds warn "volume $uuid" 'has older approvals of ring boot: tpm-reseal confirm boot'
    volume disk "$uuid"
    finds FAIL "volume $uuid" 'ring boot does not unlock it: not enrolled'
    [ "$status" -eq 1 ]
    rm disk
    finds note "volume $uuid" 'is not here'
}

@test "secrets.d: absent secrets, mistakes, another ring" {
    finds note 'secrets.d' 'nothing is delivered at boot'
    seal first 1
    mkdir "$SEALRING_CONFIG_DIR/secrets.d"
    conf=$SEALRING_CONFIG_DIR/secrets.d/first.conf
    printf '[Keyring]\nKeyring=@u\n' >"$conf"
    finds ok 'secrets.d/first.conf' 'delivers secret first of ring system'
    [ "$status" -eq 0 ]
    printf '[Secret]\nRing=other\n[Keyring]\n' >"$conf"
    finds FAIL 'secrets.d/first.conf' 'says ring other, but secret first is in ring system'
    [ "$status" -eq 1 ]
    printf '[Keyring]\nColour=\033[31mred\n' >"$conf"
    finds FAIL 'secrets.d/first.conf' 'first.conf:2'
    run ! grep -qF "$(printf '\033')" <<<"$output"
    : >"$conf"
    finds note 'secrets.d/first.conf' 'delivers secret first nowhere'
    printf '[Keyring]\nKeyring=@u\n' >"${conf/first/gone}"
    finds FAIL 'secrets.d/gone.conf' 'no secret "gone"'
    [ "$status" -eq 1 ]
}

@test "names of files are escaped" {
    mkdir "$SEALRING_CONFIG_DIR/secrets.d"
    : >"$SEALRING_CONFIG_DIR/secrets.d/$(printf 'a\033[31m\nFAIL b').conf"
    finds FAIL '.*' '\x1b[31m\x0aFAIL b.conf'
    run ! grep -qF "$(printf '\033')" <<<"$output"
}

@test "the socket of tpm-credential" {
    seal first 1
    tpm-seal -q --system --generate --unit a.service other >/dev/null
    systemctl_says disabled
    finds FAIL 'tpm-credential.socket' 'is disabled: services do not get'
    says 'systemctl enable --now tpm-credential.socket'
    [ "$status" -eq 1 ]
    systemctl_says enabled
    finds FAIL 'tpm-credential.socket' 'is enabled, but there is no socket'
    systemd-socket-activate -l "$SEALRING_RUNTIME_DIR/credential.sock" true 2>/dev/null 3>&- &
    LISTENER=$!
    for _ in {1..100}; do
        [ ! -S "$SEALRING_RUNTIME_DIR/credential.sock" ] || break
        sleep 0.05
    done
    chmod 600 "$SEALRING_RUNTIME_DIR/credential.sock"
    finds ok 'tpm-credential.socket' 'is enabled, and listens'
    [ "$status" -eq 0 ]
    rm "$SEALRING_CONFIG_DIR/secrets.d/other.conf"
    systemctl_says disabled
    finds note 'tpm-credential.socket' 'is disabled: services get nothing'
    # No systemd, or none that says anything.
    printf '#!/bin/sh\nexit 1\n' >fake/systemctl
    finds note 'tpm-credential.socket' 'systemctl does not say'
}

@test "keys: made by this TPM or by another, damaged; rules that are refused or for no key" {
    systemctl_says disabled
    run tpm-doctor --system
    lacks '[a-zA-Z]+' 'key.*'
    tpm-sign keygen --system -q web
    tpm-sign keygen --system -q mail
    finds ok keys '2 can be used'
    [ "$status" -eq 0 ]
    echo nonsense >"$SEALRING_STATE_DIR/keys/mail.pem"
    finds FAIL 'key mail' ''
    finds ok keys '1 can be used'
    [ "$status" -eq 1 ]
    rm "$SEALRING_STATE_DIR"/keys/mail.*
    mkdir "$SEALRING_CONFIG_DIR/keys.d"
    rules=$SEALRING_CONFIG_DIR/keys.d/web.conf
    printf '[Access]\nUsers=0\n' >"$rules"
    finds ok 'keys.d/web.conf' 'is read'
    printf '[Access]\nUsers=nobody-of-that-name\n' >"$rules"
    finds FAIL 'keys.d/web.conf' 'web.conf:2: there is no user'
    printf '[Access]\nColour=red\n' >"$rules"
    finds FAIL 'keys.d/web.conf' 'web.conf:2: unknown key'
    mv "$rules" "${rules/web/gone}"
    : >"${rules/web/gone}"
    finds warn 'keys.d/gone.conf' 'there is no key "gone": remove it, or give it the name of a key'
    lacks FAIL 'keys?.*'
    # Without its storage key, and under that of another TPM.
    tpm2_evictcontrol -Q -C o -c 0x81000001
    finds FAIL 'key web' 'is not at 0x81000001'
    [ "$status" -eq 1 ]
    tpm_start other
    boot_state
    seal first 1
    finds FAIL 'key web' 'made under another storage key than this TPM has'
    says 'delete it, and make or import another'
    tpm_stop
    tpm_use main
}

# bats test_tags=minimal
@test "the socket of tpm-serve, and what the daemon needs" {
    tpm-sign keygen --system -q web
    systemctl_says disabled
    finds note 'tpm-sign-agent.socket' 'is disabled: keys are not served: systemctl enable --now tpm-sign-agent.socket'
    mkdir "$SEALRING_CONFIG_DIR/keys.d"
    printf '[Access]\nUsers=0\n' >"$SEALRING_CONFIG_DIR/keys.d/web.conf"
    finds FAIL 'tpm-sign-agent.socket' 'is disabled: nobody gets what keys.d allows'
    [ "$status" -eq 1 ]
    systemctl_says masked
    finds FAIL 'tpm-sign-agent.socket' 'systemctl unmask tpm-sign-agent.socket'
    systemctl_says enabled
    finds FAIL 'tpm-sign-agent.socket' "but there is no socket at $SEALRING_RUNTIME_DIR/agent.sock"
    systemd-socket-activate -l "$SEALRING_RUNTIME_DIR/agent.sock" true 2>/dev/null 3>&- &
    LISTENER=$!
    until [ -S "$SEALRING_RUNTIME_DIR/agent.sock" ]; do sleep 0.05; done
    finds ok 'tpm-sign-agent.socket' 'is enabled, and listens'
    if [ "$(id -u)" -ne 0 ] && ! unshare -rm true 2>/dev/null; then
        # No namespaces here, so no other accounts: what this machine has is said.
        grep -q '^sealring:' /etc/passwd || says 'there is no user sealring'
        return
    fi
    with_accounts '' ''
    grep -qE '^FAIL +tpm-sign-agent.socket: there is no user sealring, .*: systemd-sysusers' <<<"$output"
    with_accounts sealring:x:0:4711::/:/bin/false sealring:x:4711:
    grep -qE '^FAIL +tpm-sign-agent.socket: there is no group tss' <<<"$output"
    run ! grep -q 'there is no user' <<<"$output"
    with_accounts sealring:x:0:4711::/:/bin/false $'sealring:x:4711:\ntss:x:4712:'
    grep -qF "the daemon can't read $SEALRING_STATE_DIR/keys: chgrp sealring $SEALRING_STATE_DIR/keys && chmod g+rx" <<<"$output"
    grep -qF "the daemon can't read $SEALRING_STATE_DIR/keys/web.pem" <<<"$output"
    # Readable by the group that the files have here.
    chmod 750 "$SEALRING_STATE_DIR/keys"
    chmod 640 "$SEALRING_STATE_DIR/keys/web.pem"
    with_accounts sealring:x:0:0::/:/bin/false "sealring:x:$(own_group):"$'\ntss:x:4712:'
    lacks FAIL tpm-sign-agent.socket
    grep -qE '^ok +tpm-sign-agent.socket' <<<"$output"
}

# own_group: the number of the group that files have, inside of the namespace
own_group() {
    if [ "$(id -u)" -eq 0 ]; then id -g; else echo 0; fi
}

# with_accounts PASSWD GROUP: what the doctor finds with one account more, and these groups
with_accounts() {
    local -a space=(unshare -m)
    [ "$(id -u)" -eq 0 ] || space=(unshare -rm)
    printf 'root:x:0:0::/:/bin/sh\n%s\n' "$1" >passwd
    printf '%s\n' "$2" >group
    # shellcheck disable=SC2016 # for the shell inside
    run "${space[@]}" bash -c 'mount --bind passwd /etc/passwd && mount --bind group /etc/group &&
        tpm-doctor --system'
    [ "$status" -le 1 ]
}

# bats test_tags=minimal
@test "locked memory is too small for the largest secret" {
    seal first 1
    as=()
    [ "$(id -u)" -ne 0 ] || as=(setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock)
    run prlimit --memlock=1048576 "${as[@]}" tpm-doctor --system
    grep -qE '^ok +locked memory' <<<"$output"
    # AddressSanitizer answers mlock() itself.
    ! grep -q __asan_init "$SEALRING_BUILD/bin/tpm-doctor" || return 0
    head -c 1048575 /dev/zero | tpm-seal -q large
    run prlimit --memlock=1048576 "${as[@]}" tpm-doctor --system
    grep -qE '^warn +locked memory: .* 1024 kB .*ulimit -l' <<<"$output"
    run ! grep -qE '^ok +locked memory' <<<"$output"
}

# bats test_tags=minimal
@test "another user sees what he may, and is told what he may not" {
    seal first 1
    as=()
    [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    dir=$(mktemp -d)
    cp -r "$SEALRING_BUILD/bin" "$dir"
    cp -L "$SEALRING_BUILD/libsealring.so.0" "$dir"
    chmod 711 "$dir" "$BATS_RUN_TMPDIR" "${BATS_FILE_TMPDIR%/*}" "$BATS_FILE_TMPDIR" \
        "$BATS_TEST_TMPDIR" "$TPM_DIR"
    chmod 666 "$TPM_DIR"/srv "$TPM_DIR"/srv.ctrl
    chmod 000 "$SEALRING_STATE_DIR"
    run "${as[@]}" "$dir/bin/tpm-doctor" --system
    chmod 700 "$SEALRING_STATE_DIR"
    echo "$output"
    rm -r "$dir"
    says ' answers'
    says "note  rings: $SEALRING_STATE_DIR can't be seen: run tpm-doctor as root"
    [ "$status" -eq 0 ]
}
