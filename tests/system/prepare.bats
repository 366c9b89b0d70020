#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The path unit as installed, under the real systemd: whoever writes an EFI variable as fwupd
# does, and reboots at once, has the next boot prepared. Root only.
# shellcheck disable=SC2154 # helper, fwupd_variable: from common.bash and efivars.bash

load ../common
load ../efivars

setup() {
    tpm_boot
    store_new
    U=$BATS_TEST_TMPDIR/units
    mkdir "$U" "$U/tpm-reseal-prepare.service.d" efivars
    cp "$SEALRING_BUILD"/units/tpm-reseal-prepare.* "$U"
    sed "s|/usr/bin/tpm-|$SEALRING_BUILD/bin/tpm-|" "$SEALRING_BUILD/hooks/prepare-firmware" >prepare-firmware
    chmod +x prepare-firmware
    sed -i "s|/usr/libexec/sealring/prepare-firmware|$PWD/prepare-firmware|; s|/sys/firmware/efi/efivars|$PWD/efivars|
        s|/var/lib/sealring|$SEALRING_STATE_DIR|; s| /run/sealring\$| $SEALRING_RUNTIME_DIR|; /^PrivateTmp/d" "$U"/*.path "$U"/*.service
    printf '[Service]\nEnvironment="%s"\nStandardError=append:%s\nStandardOutput=append:%s\n' \
        "SEALRING_TCTI=$SEALRING_TCTI\" \"SEALRING_STATE_DIR=$SEALRING_STATE_DIR\" \"SEALRING_CONFIG_DIR=$SEALRING_CONFIG_DIR" \
        "$PWD/log" "$PWD/log" >"$U/tpm-reseal-prepare.service.d/test.conf"
    for target in sysinit basic paths shutdown multi-user; do
        printf '[Unit]\nDefaultDependencies=no\n' >"$U/$target.target"
    done
    # Off, but not before shutdown.target is reached.
    cat >"$U/off.service" <<-END
	[Unit]
	DefaultDependencies=no
	Requires=shutdown.target
	After=shutdown.target
	[Service]
	Type=oneshot
	ExecStart=bash -c "touch $PWD/off; exec systemctl --force --force poweroff"
	END
}

# in_system SCRIPT: run it as a service once the path unit is active
in_system() {
    cat >"$U/last.service" <<-END
	[Unit]
	DefaultDependencies=no
	After=tpm-reseal-prepare.path
	Wants=tpm-reseal-prepare.path
	[Service]
	Type=oneshot
	WorkingDirectory=$PWD
	Environment=PATH=$PATH
	StandardError=append:$PWD/log
	ExecStart=bash -euxc "$1"
	END
    printf '[Unit]\nDefaultDependencies=no\nWants=last.service\n' >"$U/test.target"
    "$BATS_TEST_DIRNAME/manager" "$U" test.target 60 >manager.log 2>&1 3>&- || true
    cat manager.log log
}

@test "a variable as fwupd writes it prepares the rings; another does not; a reboot waits for it" {
    seal key sesame
    update_info 1 | put_variable staged
    update_info 2 | put_variable finished
    # What other programs write.
    in_system "cp finished efivars/$fwupd_variable; sleep 1; systemctl --force --force poweroff"
    [ "$(cat "$RINGS"/system/approvals/*.pem | grep -c BEGIN)" -eq 1 ]
    # The daemon of fwupd, and whoever answers its question with yes.
    in_system "cp staged efivars/$fwupd_variable; until [ -e run/prepared ] || [ \$(systemctl show -P ActiveState tpm-reseal-prepare.service) = activating ]; do sleep 0.01; done; systemctl start --no-block off.service"
    [ -e off ]
    tpm-reseal status | grep '^system: bridged: the next 3 boots open it whatever PCR 0 is'
    tpm_reboot
    boot_state 'firmware 2.0'
    [ "$(tpm-unseal key)" = sesame ]
}
