#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-serve and tpm-sign-genkey@ as installed, under the real systemd, with the users and
# directories that sysusers.d and tmpfiles.d make. Root only.
# shellcheck disable=SC2154,SC2317 # from common.bash; inside() is called by another shell

load ../common
load ../agent
load ../rest

setup() {
    tpm_boot
    cd "$BATS_TEST_TMPDIR"
    U=$PWD/units
    mkdir "$U" said
    # To this systemd, they are all there is.
    cp -a /etc etc
    rm -rf etc/sealring
    systemd-sysusers --root="$PWD" "$SEALRING_BUILD/units/sysusers.conf" 2>said/users
    printf '%s\n' 'u tester 4711 - /run/home /bin/bash' 'm tester tss' | systemd-sysusers --root="$PWD" - 2>>said/users
    # Like the device, the TPM is for root and the group tss.
    chmod 711 "$TPM_DIR"
    chgrp "$(sed -n 's/^tss:[^:]*:\([0-9]*\):.*/\1/p' etc/group)" "$TPM_DIR/srv"
    chmod 660 "$TPM_DIR/srv"
    tcti="cmd:/run/build/helper/proxy /run/tpm/srv share"
    cp "$SEALRING_BUILD"/units/tpm-{sign,credential}*.{service,socket} "$U" 2>/dev/null
    sed -i 's|/usr/libexec/sealring/|/run/build/bin/|; s|/usr/bin/tpm-|/run/build/bin/tpm-|' "$U"/*.service
    for unit in tpm-sign tpm-sign-softkey tpm-credential tpm-sign-genkey@; do
        mkdir "$U/$unit.service.d"
        printf '[Service]\nEnvironment="SEALRING_TCTI=%s"\n' "$tcti" >"$U/$unit.service.d/test.conf"
        printf 'StandardError=append:/run/said/%s\n' "$unit" >>"$U/$unit.service.d/test.conf"
    done
    for target in sysinit basic sockets shutdown multi-user; do
        printf '[Unit]\nDefaultDependencies=no\n' >"$U/$target.target"
    done
    cat >"$U/systemd-tmpfiles-setup.service" <<-END
	[Unit]
	DefaultDependencies=no
	[Service]
	Type=oneshot
	RemainAfterExit=yes
	ExecStart=systemd-tmpfiles --create /run/build/units/tmpfiles.conf
	END
    cat >"$U/test.service" <<-END
	[Unit]
	DefaultDependencies=no
	Requires=systemd-tmpfiles-setup.service
	After=systemd-tmpfiles-setup.service
	[Service]
	Type=oneshot
	WorkingDirectory=/run/said
	Environment=PATH=/run/build/bin:$PATH U=$U
	Environment="SEALRING_TCTI=$tcti"
	StandardError=append:/run/said/trace
	StandardOutput=append:/run/said/trace
	ExecStart=bash -euxo pipefail /run/said/script
	ExecStopPost=systemctl --force --force poweroff
	END
}

# -- for root's script in that system ---------------------------------------------------------

# property NAME [UNIT]
property() {
    systemctl show -P "$1" "${2-tpm-sign.service}"
}

# awaited COMMAND...: until it succeeds, for ten seconds
awaited() {
    local n
    for ((n = 0; n < 500; n++)); do
        ! "$@" || return 0
        sleep 0.02
    done
    return 1
}

# refused COMMAND...: it fails; what it says is in "why"
refused() {
    ! "$@" >why 2>&1
}

# is VALUE NAME [UNIT]: so is the property
is() {
    [ "$(property "${@:2}")" = "$1" ]
}

# keygen NAME [OPTIONS]: as the admin does
keygen() {
    tpm-sign --system keygen -q --recovery-key-file /run/said/recovery.key "$@" 2>>warned
}

# may NAME USERS: a rule, which is followed without restart
may() {
    printf '[Access]\nUsers=%s\n' "$2" >"/etc/sealring/keys.d/$1.conf"
}

# as USER COMMAND...
as() {
    setpriv --reuid "$1" --regid "$(id -g "$1")" --init-groups "${@:2}"
}

# signs_as USER NAME: NAME.pub is the key
signs_as() {
    local dir=/run/of-$1
    install -d -o "$1" "$dir"
    rm -f "$dir/data.sig"
    echo data >"$dir/data"
    cp "$2.pub" "$dir"
    as "$1" ssh-keygen -q -Y sign -n file -f "$dir/$2.pub" "$dir/data" || return
    as "$1" ssh-keygen -q -Y check-novalidate -n file -s "$dir/data.sig" <"$dir/data" >/dev/null
}

# in_system [FUNCTION...]: the test's function inside() is what root does once systemd is up;
# each of its commands has to succeed. It has the functions above, and these.
in_system() {
    {
        echo 'export SSH_AUTH_SOCK=/run/sealring/agent.sock REST=/run/sealring/sign.sock'
        declare -f property awaited refused is keygen may as signs_as ssh_signs public \
            ask answers body key_path signs inside
        echo inside
        echo 'systemctl stop "tpm-*.service"'
        echo 'touch /run/said/passed'
    } >said/script
    "$BATS_TEST_DIRNAME/manager" "$U" test.service 90 "$PWD/etc:/etc" "$TPM_DIR:/run/tpm" \
        "$SEALRING_BUILD:/run/build" "$PWD/said:/run/said" >manager.log 2>&1 3>&- || true
    [ -e said/passed ] || {
        cat manager.log said/tpm-* said/trace
        return 1
    }
}

# -- the daemon -------------------------------------------------------------------------------

@test "the first who connects starts it, in its sandbox; agent and REST; killed, it comes back" {
    inside() {
        local pid line
        keygen web
        systemctl start tpm-sign.socket tpm-sign-agent.socket
        is inactive ActiveState
        ssh_signs web
        is active ActiveState
        is notify Type
        pid=$(property MainPID)
        # The other door is the same daemon's.
        signs web
        ask /metrics
        echo message >message
        SEALRING_TCTI=swtpm:path=/run/none tpm-sign sign web -o sig message
        openssl dgst -sha256 -verify <(tpm-sign pubkey web) -signature sig message
        is "$pid" MainPID
        [ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = '/run/build/bin/tpm-serve --system ' ]
        for line in "Uid:	$(id -u sealring)	" "Gid:	$(id -g sealring)	" 'NoNewPrivs:	1' 'Seccomp:	2' \
            'CapEff:	0000000000000000' 'CapBnd:	0000000000000000' 'CapPrm:	0000000000000000'; do
            grep -q "^$line" "/proc/$pid/status"
        done
        grep -q "^Groups:.*\<$(id -g tss 2>/dev/null || getent group tss | cut -d: -f3)\>" "/proc/$pid/status"
        grep -qE '^Max core file size +0 +0 ' "/proc/$pid/limits"
        [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]
        refused nsenter -t "$pid" -m touch /var/lib/sealring/keys/new.pem
        touch /var/lib/sealring/keys/new.pem # without, it is possible
        rm /var/lib/sealring/keys/new.pem
        [ "$(nsenter -t "$pid" -m stat -c %d:%i /tmp)" != "$(stat -c %d:%i /tmp)" ]
        systemd-analyze security --no-pager tpm-sign.service >exposure
        # Killed, by whatever: who asks next is answered.
        systemctl kill -s KILL tpm-sign.service
        ssh_signs web
        signs web
        is active ActiveState
        refused is "$pid" MainPID
        systemctl stop tpm-sign.service
        is success Result
        ssh_signs web
        systemctl stop tpm-sign.socket tpm-sign-agent.socket tpm-sign.service
        refused ssh_signs web
    }
    in_system
    sed -n 's/.*Overall exposure level for tpm-sign.service: \([0-9.]*\).*/# exposure while it runs: \1/p' \
        said/exposure >&3
    [ "$(sed -n 's/.*Overall exposure level for .*: \([0-9]*\)\.[0-9].*/\1/p' said/exposure)" -le 2 ]
}

@test "idle, it ends, and the next who connects starts it again" {
    sed -i 's|^ExecStart=.*|& --idle 1|' "$U/tpm-sign.service"
    inside() {
        local n
        keygen web
        systemctl start tpm-sign-agent.socket
        for n in 1 2; do
            ssh_signs web
            awaited is inactive ActiveState
            is success Result
            is 0 ExecMainStatus
            is active ActiveState tpm-sign-agent.socket
            is 0 NRestarts
        done
    }
    in_system
}

@test "who may use a key is said in keys.d; a key comes and goes without restart" {
    inside() {
        local pid
        keygen web
        keygen hidden
        tpm-sign --system pubkey web --format ssh -o web.pub
        tpm-sign --system pubkey hidden --format ssh -o hidden.pub
        cp hidden.pub missing.pub
        mv /var/lib/sealring/keys/hidden.pem .
        rm /var/lib/sealring/keys/hidden.pub
        may web tester
        may hidden nobody
        systemctl start tpm-sign.socket tpm-sign-agent.socket
        [ "$(as tester ssh-add -l | cut -d' ' -f3)" = web ]
        pid=$(property MainPID)
        signs_as tester web
        refused signs_as tester missing
        sed s/missing/NAME/ why >missing.why
        as tester curl -sS --unix-socket "$REST" http://localhost/api/v1/keys/hidden >missing.json
        as tester curl -sS --unix-socket "$REST" http://localhost/api/v1/keys/hidden/sign -d '{"data":"eA=="}' >>missing.json
        # Now it is there, for others: dropped in, and to this user no different from missing.
        cp hidden.pem /var/lib/sealring/keys/hidden.pem
        [ "$(as nobody ssh-add -l 2>/dev/null | cut -d' ' -f3)" = hidden ]
        [ "$(as tester ssh-add -l | cut -d' ' -f3)" = web ]
        refused signs_as tester hidden
        sed s/hidden/NAME/ why | cmp - missing.why
        as tester curl -sS --unix-socket "$REST" http://localhost/api/v1/keys/hidden >hidden.json
        as tester curl -sS --unix-socket "$REST" http://localhost/api/v1/keys/hidden/sign -d '{"data":"eA=="}' >>hidden.json
        cmp missing.json hidden.json
        signs_as nobody hidden
        refused signs_as nobody web
        # Rules as well; and root needs none.
        may hidden tester
        signs_as tester hidden
        refused signs_as nobody hidden
        [ "$(ssh-add -l | wc -l)" -eq 2 ]
        signs web
        rm /var/lib/sealring/keys/web.pem
        [ "$(as tester ssh-add -l | cut -d' ' -f3)" = hidden ]
        is "$pid" MainPID
    }
    in_system
}

@test "software keys, which it may not read: tpm-credential.service hands them over, running or not" {
    inside() {
        local pid
        keygen soft -t ed25519
        systemctl start tpm-credential.socket tpm-sign-agent.socket
        # It runs already, for others.
        systemctl start tpm-credential.service
        is active ActiveState tpm-credential.service
        ssh_signs soft
        is active ActiveState tpm-sign-softkey.service
        refused as sealring find /var/lib/sealring/rings/system
        as sealring test -r /var/lib/sealring/keys/soft.pem
        # What is at that socket is for the daemon's user alone.
        [ "$(stat -c '%a %U' /run/sealring/softkey.sock)" = '600 sealring' ]
        systemctl kill -s KILL tpm-sign-softkey.service tpm-sign.service
        ssh_signs soft
        pid=$(property MainPID tpm-sign-softkey.service)
        grep -q '^CapEff:	0000000000000002' "/proc/$pid/status"
    }
    in_system
}

@test "a PIN is asked for by systemd-ask-password, and a person answers" {
    inside() {
        local asking
        printf 'correct horse battery\n' >pin
        keygen guarded --pin-file pin
        tpm-sign --system pubkey guarded --format ssh -o guarded.pub
        systemctl start tpm-sign-agent.socket
        echo data >data
        ssh-keygen -q -Y sign -n file -f guarded.pub data &
        asking=$!
        question() { ls /run/systemd/ask-password/ask.* 2>/dev/null; }
        awaited question
        grep -q '^Message=PIN of the key guarded, for ssh-keygen (process [0-9]* of root):$' "$(question)"
        printf 'correct horse battery' | /lib/systemd/systemd-reply-password 1 "$(sed -n 's/^Socket=//p' "$(question)")"
        wait "$asking"
        ssh-keygen -q -Y check-novalidate -n file -s data.sig <data
    }
    in_system
}

# -- a key of its own, once -------------------------------------------------------------------

@test "tpm-sign-genkey@ makes a key and a request, once, with the right owners; served then" {
    mkdir "$U/tpm-sign-genkey@server.service.d"
    printf '[Service]\nEnvironment="KEYGEN=--type rsa2048 --usage both" "SUBJECT=/O=An Example/CN=www" "CSR=--alt-name DNS:a.example --hash sha384"\n' \
        >"$U/tpm-sign-genkey@server.service.d/own.conf"
    inside() {
        local keys=/var/lib/sealring/keys before
        systemctl start tpm-sign-genkey@device.service tpm-sign-genkey@server.service
        is active ActiveState tpm-sign-genkey@device.service
        [ "$(stat -c '%n %a %U:%G' "$keys"/*)" = "$keys/device.csr 644 root:sealring
$keys/device.pem 640 root:sealring
$keys/device.pub 644 root:sealring
$keys/server.csr 644 root:sealring
$keys/server.pem 640 root:sealring
$keys/server.pub 644 root:sealring" ]
        openssl req -in "$keys/device.csr" -noout -verify -subject | grep -qx "subject=CN = $(hostname)"
        openssl req -in "$keys/device.csr" -noout -pubkey | cmp - "$keys/device.pub"
        openssl req -in "$keys/server.csr" -noout -verify -text >text
        grep -q 'Subject: O = An Example, CN = www' text
        grep -q 'DNS:a.example' text
        grep -q 'ecdsa-with-SHA384\|sha384WithRSAEncryption' text
        grep -q 'Public-Key: (2048 bit)' text
        # At the next boot there is nothing to do.
        before=$(sha256sum "$keys"/* && stat -c '%n %i %y' "$keys"/*)
        systemctl restart tpm-sign-genkey@device.service
        is no ConditionResult tpm-sign-genkey@device.service
        is inactive ActiveState tpm-sign-genkey@device.service
        [ "$(sha256sum "$keys"/* && stat -c '%n %i %y' "$keys"/*)" = "$before" ]
        # A power cut between the two: the same key, and its request.
        rm "$keys/device.csr"
        systemctl start tpm-sign-genkey@device.service
        is active ActiveState tpm-sign-genkey@device.service
        openssl req -in "$keys/device.csr" -noout -pubkey | cmp - "$keys/device.pub"
        [ "$(sha256sum "$keys/device.pem")" = "$(grep 'device.pem$' <<<"$before" | head -n 1)" ]
        systemctl start tpm-sign-agent.socket tpm-sign.socket
        ssh_signs device
        signs server
    }
    in_system
}

@test "tpm-sign-genkey@ with a TPM that fails: the unit does as well, and leaves no half of a key" {
    # Create, and Sign, as codes of commands.
    sed -i '/TCTI/d' "$U/tpm-sign-genkey@.service.d/test.conf"
    for code in 153 15d; do
        mkdir "$U/tpm-sign-genkey@at-$code.service.d"
        printf '[Service]\nEnvironment="SEALRING_TCTI=cmd:/run/build/helper/proxy /run/tpm/srv answer %s 101 1000"\n' \
            "$code" >"$U/tpm-sign-genkey@at-$code.service.d/test.conf"
    done
    inside() {
        local keys=/var/lib/sealring/keys
        refused systemctl start tpm-sign-genkey@at-153.service
        is failed ActiveState tpm-sign-genkey@at-153.service
        is exit-code Result tpm-sign-genkey@at-153.service
        [ -z "$(ls -A "$keys")" ]
        refused systemctl start tpm-sign-genkey@at-15d.service
        is failed ActiveState tpm-sign-genkey@at-15d.service
        [ ! -e "$keys/at-15d.csr" ]
        find "$keys" -type f
        # With one that works it goes on where it was.
        for code in 153 15d; do
            sed -i 's/answer.*1000/share/' "$U/tpm-sign-genkey@at-$code.service.d/test.conf"
        done
        systemctl daemon-reload
        systemctl start tpm-sign-genkey@at-153.service tpm-sign-genkey@at-15d.service
        for code in 153 15d; do
            openssl req -in "$keys/at-$code.csr" -noout -verify -pubkey | cmp - "$keys/at-$code.pub"
            tpm-sign --system sign "at-$code" pin >/dev/null || true
        done
    }
    in_system
}

# -- a user's own -----------------------------------------------------------------------------

@test "a user's own keys: the units of the user manager" {
    mkdir "$U/user"
    cp "$SEALRING_BUILD"/units/user/* "$U/user"
    sed -i "s|/usr/libexec/sealring/|/run/build/bin/|; s|^\[Service\]|&\nEnvironment=\"SEALRING_TCTI=$tcti\"|" "$U/user/tpm-sign.service"
    for target in basic sockets shutdown default; do
        printf '[Unit]\nDefaultDependencies=no\n' >"$U/user/$target.target"
    done
    cat >"$U/manager.service" <<-END
	[Unit]
	DefaultDependencies=no
	[Service]
	Type=notify
	User=tester
	Delegate=yes
	RuntimeDirectory=home user/4711
	Environment=XDG_RUNTIME_DIR=/run/user/4711 SYSTEMD_UNIT_PATH=$U/user HOME=/run/home
	ExecStart=/lib/systemd/systemd --user --log-target=console
	StandardOutput=append:/run/said/tpm-user
	StandardError=append:/run/said/tpm-user
	END
    # The way to what it reads.
    chmod go+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/test
    inside() {
        local pid
        export XDG_RUNTIME_DIR=/run/user/4711 HOME=/run/home
        systemctl start manager.service
        cd "$HOME"
        export SSH_AUTH_SOCK=$XDG_RUNTIME_DIR/sealring/agent.sock
        as tester tpm-sign keygen -q mine 2>/dev/null
        as tester systemctl --user start tpm-sign-agent.socket tpm-sign.socket
        [ "$(as tester tpm-sign serve --print-socket)" = "$SSH_AUTH_SOCK" ]
        [ "$(stat -c '%a %U' "$SSH_AUTH_SOCK" "$XDG_RUNTIME_DIR/sealring")" = '600 tester
700 tester' ]
        [ "$(as tester systemctl --user show -P ActiveState tpm-sign.service)" = inactive ]
        as tester tpm-sign pubkey mine --format ssh >mine.pub
        signs_as tester mine
        pid=$(as tester systemctl --user show -P MainPID tpm-sign.service)
        grep -q '^Uid:	4711	' "/proc/$pid/status"
        grep -q '^NoNewPrivs:	1' "/proc/$pid/status"
        REST=$XDG_RUNTIME_DIR/sealring/sign.sock answers 200 /api/v1/keys/mine
        jq -e '.in_tpm' answer
        refused as nobody ssh-add -l
        as tester systemctl --user stop tpm-sign.service
        signs_as tester mine
        as tester systemctl --user stop tpm-sign.service
    }
    in_system
}
