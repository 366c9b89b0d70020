#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The socket and the daemon as installed, under the real systemd: LoadCredential= of all
# kinds of services. Root only: make check TESTS=tests/system/credential.bats
# shellcheck disable=SC2154 # helper, output: from common.bash and bats

load ../common

setup() {
    tpm_boot
    store_new
    U=$BATS_TEST_TMPDIR/units
    mkdir "$U" "$U/tpm-credential.service.d"
    cp "$SEALRING_BUILD"/units/tpm-credential.* "$U"
    sed -i "s|^ExecStart=[^ ]*|ExecStart=$SEALRING_BUILD/bin/tpm-credential|" "$U/tpm-credential.service"
    printf '[Service]\nEnvironment=%s\nStandardError=append:%s\n' \
        "SEALRING_TCTI=$SEALRING_TCTI SEALRING_STATE_DIR=$SEALRING_STATE_DIR SEALRING_CONFIG_DIR=$SEALRING_CONFIG_DIR" \
        "$PWD/log" >"$U/tpm-credential.service.d/test.conf"
    for target in sysinit basic sockets shutdown; do
        printf '[Unit]\nDefaultDependencies=no\n' >"$U/$target.target"
    done
}

# service NAME CREDENTIAL [LINE...]: loads it as the drop-in of tpm-seal says
service() {
    {
        grep -v '^#' "drop-in.$2" | sed 's/^\[Unit\]/&\nDefaultDependencies=no/'
        printf 'Type=oneshot\nExecStart=cat %%d/%s\n' "$2"
        printf 'StandardOutput=file:%s\nStandardError=file:%s\n' "$PWD/got.$1" "$PWD/err.$1"
        printf '%s\n' "${@:3}"
    } >"$U/$1.service"
    services+=" $1.service"
}

# at_last <SCRIPT: test.target is all services, and after them the script; what that prints
# is in states
at_last() {
    cat >last
    cat >"$U/last.service" <<-END
	[Unit]
	DefaultDependencies=no
	After=$services
	[Service]
	Type=oneshot
	StandardOutput=file:$PWD/states
	ExecStart=bash $PWD/last
	END
    printf '[Unit]\nDefaultDependencies=no\nWants=%s last.service\n' "$services" >"$U/test.target"
}

@test "services of all kinds load it, others fail; a killed daemon is no empty credential" {
    seal key 'open sesame' --system --unit '[rudp]*.service' >drop-in.key
    head -c 1000000 /dev/zero | tr '\0' x | tpm-seal -q --system --unit big.service big >drop-in.big
    service root key
    service user key User=nobody
    service dynamic key DynamicUser=yes
    service private key DynamicUser=yes PrivateDevices=yes
    service evil key
    service big big
    # While the TPM does not answer, the daemon is killed.
    at_last <<-END
	cd $PWD
	for unit in $services; do
	    echo "\$unit \$(systemctl show -P Result "\$unit") \$(systemctl show -P ExecMainStatus "\$unit")"
	done
	grep CapEff "/proc/\$(systemctl show -P MainPID tpm-credential.service)/status"
	systemctl stop tpm-credential.service
	rm got.root
	touch now
	until [ -e stopped ]; do sleep 0.05; done
	systemctl start root.service & sleep 1
	kill -9 "\$(systemctl show -P MainPID tpm-credential.service)"
	sleep 1
	echo "killed: \$(systemctl show -P Result root.service) \$(systemctl show -P ExecMainStatus root.service)"
	systemctl --force --force poweroff
	END
    "$BATS_TEST_DIRNAME/manager" "$U" test.target 60 >manager.log 2>&1 3>&- &
    manager=$!
    until [ -e now ] || ! kill -0 "$manager"; do sleep 0.05; done
    kill -STOP "$(<"$TPM_DIR/pid")"
    touch stopped
    wait "$manager" || true
    kill -CONT "$(<"$TPM_DIR/pid")"
    cat states manager.log log
    for name in root user dynamic private; do
        grep -qx "$name.service success 0" states
    done
    for name in user dynamic private; do [ "$(cat got.$name)" = 'open sesame' ]; done
    [ "$(wc -c <got.big)" -eq 1000000 ]
    grep -qx 'evil.service exit-code 243' states
    grep -q 'evil.service does not get credential key' log
    grep -qx 'killed: exit-code 243' states
    grep -qx 'CapEff:[[:space:]]*0000000000001002' states
    [ ! -s got.root ]
}

@test "24 services at once: all right, one TPM conversation, none over two seconds" {
    seal many 'open sesame' --system --unit 'many*.service' >drop-in.many
    for ((i = 1; i <= 24; i++)); do service "many$i" many; done
    printf '[Service]\nEnvironment=SEALRING_TCTI=pcap:%s TCTI_PCAP_FILE=%s\nReadWritePaths=%s\n' \
        "$SEALRING_TCTI" "$PWD/capture" "$PWD" >"$U/tpm-credential.service.d/test2.conf"
    at_last <<-END
	for unit in $services; do
	    echo \$(systemctl show --value -P Result -P InactiveExitTimestampMonotonic -P InactiveEnterTimestampMonotonic "\$unit")
	done
	systemctl stop tpm-credential.service
	systemctl --force --force poweroff
	END
    "$BATS_TEST_DIRNAME/manager" "$U" test.target 60 >manager.log 2>&1 3>&- || true
    cat states log
    [ "$(grep -c '^success ' states)" -eq 24 ]
    for ((i = 1; i <= 24; i++)); do [ "$(cat "got.many$i")" = 'open sesame' ]; done
    run "$helper/bus" capture
    echo "commands: $output"
    [ "${output//$'\n'/ }" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    slowest=$(awk '{ t = ($3 - $2) / 1000; if (t > most) most = t } END { print int(most) }' states)
    echo "# the slowest of 24 units took $slowest ms" >&3
    ((slowest > 0 && slowest < 2000))
}
