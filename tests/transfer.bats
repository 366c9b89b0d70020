#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-ring export and import: a ring goes to another machine.

load common

setup_file() {
    tpm_start there
    boot_state
    tpm_start main
    boot_state
}

setup() {
    store_new
    no_tpm=(--tcti device:/nonexistent)
}

# here, there: one machine, and another with its own TPM and store
here() {
    tpm_use main
    machine here
}

there() {
    tpm_use there
    machine there
}

machine() {
    export SEALRING_STATE_DIR=$BATS_TEST_TMPDIR/$1/state
    RINGS=$SEALRING_STATE_DIR/rings
}

# export_ring: "system" with the secrets key and other, in the directory "out"
export_ring() {
    here
    seal key sesame
    seal other text
    tpm-ring -q export system out
}

import() {
    tpm-ring -q import out system --recovery-key-file "$RK" "$@"
}

@test "it opens on the other machine, and still on this one" {
    here
    seal key sesame
    run tpm-ring export system out
    [ "$status" -eq 0 ]
    says "ring system is in out"
    says "tpm-ring import"
    there
    fails 9 tpm-unseal key
    run tpm-ring import out system --recovery-key-file "$RK"
    [ "$status" -eq 0 ]
    says "ring system is in $SEALRING_STATE_DIR, sealed to this machine"
    [ "$(tpm-unseal key)" = sesame ]
    tpm-reseal status | grep -q '^system: ready:'
    extend 7 "another certificate"
    fails 3 tpm-unseal key
    [ "$(tpm-unseal "${no_tpm[@]}" --recovery-key-file "$RK" key)" = sesame ]
    tpm_boot
    [ "$(tpm-unseal key)" = sesame ]
    here
    [ "$(tpm-unseal key)" = sesame ]
}

@test "nothing that is bound to this TPM is exported, and nothing in the clear" {
    export_ring
    [ "$(cd out && find . | sort | tr '\n' ' ')" = ". ./recovery.cms ./ring.conf \
./secrets ./secrets/key.cms ./secrets/other.cms " ]
    grep -q ^SRK= "$RINGS/system/ring.conf"
    run grep ^SRK= out/ring.conf
    [ "$status" -eq 1 ]
    run grep -r -e sesame -e "$(<"$RK")" out
    [ "$status" -eq 1 ]
    [ "$(find out -type d -exec stat -c %a {} + | sort -u)" = 700 ]
    [ "$(find out -type f -exec stat -c %a {} + | sort -u)" = 600 ]
}

@test "export needs no TPM" {
    here
    seal key sesame
    tpm-ring "${no_tpm[@]}" -q export system out
    there
    import
    [ "$(tpm-unseal key)" = sesame ]
}

@test "by an escrow key" {
    here
    openssl req -x509 -nodes -newkey rsa:2048 -days 30 -subj /CN=escrow \
        -keyout escrow.key -out escrow.pem 2>/dev/null
    printf sesame | tpm-seal -q --escrow escrow.pem key
    tpm-ring -q export system out
    there
    tpm-ring -q import out system --escrow-key escrow.key
    [ "$(tpm-unseal key)" = sesame ]
}

@test "a wrong recovery key: exit 4, and nothing is taken over" {
    export_ring
    tpm-ring -q create second --recovery-key-file second.key
    there
    fails 4 tpm-ring import out system --recovery-key-file second.key
    one_line
    fails 4 setsid -w tpm-ring import out system
    [ ! -e "$RINGS/system" ]
    import
    [ "$(tpm-unseal other)" = text ]
}

@test "a ring or a secret of that name is there already: exit 10" {
    export_ring
    there
    tpm-ring -q create system --no-recovery
    fails 10 import
    one_line
    says "ring system"
    tpm-ring -q remove --force system
    tpm-seal -q --generate --no-recovery --ring second other
    fails 10 import
    one_line
    says "secret other"
    says "ring second"
    [ "$(ls -A "$RINGS")" = second ]
    tpm-seal -q --remove other
    import
    [ "$(tpm-unseal key)$(tpm-unseal other)" = sesametext ]
}

@test "a damaged export: refused, and nothing is left" {
    local file tried=0
    export_ring
    there
    for file in ring.conf recovery.cms secrets/key.cms secrets/other.cms; do
        cp "out/$file" whole
        truncate -s -1 "out/$file"
        fails 8 import
        one_line
        cp whole "out/$file"
        printf x | dd of="out/$file" bs=1 seek=40 conv=notrunc status=none
        run import
        [ "$status" -ne 0 ]
        [ -z "$(ls -A "$RINGS" 2>/dev/null)" ]
        cp whole "out/$file"
        tried=$((tried + 1))
    done
    cp out/secrets/key.cms whole
    cp out/secrets/other.cms out/secrets/key.cms
    fails 8 import
    says "secret key"
    cp whole out/secrets/key.cms
    cp out/recovery.cms whole
    rm out/recovery.cms
    fails 4 import
    cp whole out/recovery.cms
    [ -z "$(ls -A "$RINGS" 2>/dev/null)" ]
    echo "$tried files damaged"
    [ "$tried" -eq 4 ]
    import
    [ "$(tpm-unseal key)$(tpm-unseal other)" = sesametext ]
}

@test "links and pipes in an export are refused, without waiting for them" {
    export_ring
    there
    cp out/secrets/key.cms whole
    ln -sf ../../whole out/secrets/key.cms
    fails 8 timeout 10 tpm-ring import out system --recovery-key-file "$RK"
    rm out/secrets/key.cms
    mkfifo out/secrets/key.cms
    fails 8 timeout 10 tpm-ring import out system --recovery-key-file "$RK"
    rm out/secrets/key.cms
    cp whole out/secrets/key.cms
    import
    [ "$(tpm-unseal key)" = sesame ]
}

@test "under another name its secrets would not open: refused" {
    export_ring
    there
    fails 8 tpm-ring import out second --recovery-key-file "$RK"
    [ -z "$(ls -A "$RINGS")" ]
    fails 2 tpm-ring import out a/b --recovery-key-file "$RK"
    fails 9 tpm-ring import missing system --recovery-key-file "$RK"
    import
    [ "$(tpm-unseal key)" = sesame ]
}

@test "export without recovery is refused, as nobody could open it" {
    here
    tpm-seal -q --generate --no-recovery key
    fails 2 tpm-ring export system out
    one_line
    says "tpm-ring recovery renew"
    [ ! -e out ]
    tpm-ring -q recovery renew system --recovery-key-file "$RK"
    tpm-ring -q export system out
    there
    import
    tpm-unseal key | wc -c | grep -qx 32
}

@test "export into what exists is refused: exit 10" {
    here
    seal key sesame
    mkdir out
    fails 10 tpm-ring export system out
    one_line
    [ -z "$(ls -A out)" ]
    echo text >file
    fails 10 tpm-ring export system file
    [ "$(<file)" = text ]
    fails 9 tpm-ring export third new
    [ ! -e new ]
}

@test "other PCRs and a PIN on the other machine" {
    export_ring
    there
    echo "a pin, long enough" >pin
    import --pcrs 0+4 --pin --pin-file pin
    tpm-ring list | grep -q 'sha256:0+4+PIN '
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    extend 7 "not looked at"
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
    tpm_boot
}

@test "a ring with a PIN does not come without one" {
    here
    echo "a pin, long enough" >pin
    seal key sesame --pin --pin-file pin
    tpm-ring -q export system out
    there
    fails 4 import
    says "--pin"
    [ -z "$(ls -A "$RINGS")" ]
    import --pin --pin-file pin
    [ "$(tpm-unseal --pin-file pin key)" = sesame ]
}

@test "a boot state that nobody measured is not sealed to" {
    export_ring
    there
    tpm_reboot
    fails 2 import
    says "--accept-unmeasured"
    [ -z "$(ls -A "$RINGS")" ]
    boot_state
    import
}
