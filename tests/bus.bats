#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Nothing secret on the bus, in arguments, in the environment, in a core dump.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load common

secret="open sesame, said the secret"
pin="correct horse battery"

setup() {
    store_new
    printf %s "$pin" >pin
    other="another PIN, as long"
    printf %s "$other" >other
}

# ring_key RING: in hex, by stock openssl and the recovery key
ring_key() {
    openssl cms -decrypt -inform DER -binary -in "$RINGS/$1/recovery.cms" \
        -pwri_password "$(cat "$RK")" | xxd -p -c 64
}

text() {
    printf %s "$1" | xxd -p | tr -d '\n'
}

# nothing_in FILE HEX...: none of them
nothing_in() {
    local hex
    for hex in "${@:2}"; do
        [ "${#hex}" -ge 32 ]
        run crossed "$1" "$hex"
        if [ "$status" -ne 1 ]; then
            echo "found in $1: $hex"
            return 1
        fi
    done
}

@test "neither secret, ring key nor PIN is on the bus, whatever is done" {
    printf %s "$secret" >secret
    captured create tpm-seal -q --recovery-key-file "$RK" --pin --pin-file pin key secret
    captured unseal tpm-unseal --pin-file pin key >out
    cmp out secret
    captured seal tpm-seal -q --pin-file pin another secret
    captured now tpm-reseal -q now --pin-file pin
    key=$(ring_key system)
    captured rotate tpm-ring rotate -q system --recovery-key-file "$RK" --pin-file pin
    new=$(ring_key system)
    [ "${#key}" -eq 64 ]
    [ "${#new}" -eq 64 ]
    [ "$key" != "$new" ]
    extend 7 "another certificate"
    captured recover tpm-reseal -q recover system --recovery-key-file "$RK" --pin --pin-file other
    captured unseal2 tpm-unseal --pin-file other key >out
    cmp out secret
    captured file tpm-unseal --pin-file other --file "$RINGS/system/approvals/current.pem" >out
    [ "$(xxd -p -c 64 out)" = "$new" ]
    count=0
    for capture in *.pcap; do
        "$helper/bus" "$capture" | grep -qx -e Unseal -e Create
        nothing_in "$capture" "$key" "$new" "$(text "$secret")" "$(text "$pin")" \
            "$(text "$other")" "$(text "$(cat "$RK")")"
        count=$((count + 1))
    done
    echo "$count captures"
    [ "$count" -eq 8 ]
    tpm_boot
}

@test "the same search finds ring key and PIN when our code does not encrypt" {
    captured create "$helper/plain" "pcap:$SEALRING_TCTI" create system "$pin"
    "$helper/bus" create.pcap | grep -qx Create
    crossed create.pcap "$(text "$pin")"
    captured open "$helper/plain" "pcap:$SEALRING_TCTI" open system "$pin"
    tpm-unseal --pin-file pin --file "$RINGS/system/approvals/current.pem" >ring.key
    key=$(xxd -p -c 64 ring.key)
    [ "${#key}" -eq 64 ]
    crossed open.pcap "$key"
    crossed create.pcap "$key"
    # it is the encryption alone: encrypted again, it is gone
    captured again tpm-reseal -q now --pin-file pin
    nothing_in again.pcap "$key" "$(text "$pin")"
}

@test "the same search finds a secret that another tool seals in the clear" {
    printf %s "$secret" >secret
    tpm2_createprimary -Q -C o -G ecc -c parent.ctx
    TCTI_PCAP_FILE=$PWD/peer.pcap TPM2TOOLS_TCTI=pcap:$SEALRING_TCTI \
        tpm2_create -Q -C parent.ctx -i secret -u pub -r priv -p "$pin"
    tpm2_flushcontext -t
    crossed peer.pcap "$(text "$secret")"
    crossed peer.pcap "$(text "$pin")"
}

@test "the session is salted to the key on file, and Unseal's answer encrypted" {
    printf %s "$secret" | tpm-seal -q --recovery-key-file "$RK" key
    captured unseal tpm-unseal key >/dev/null
    hex=$(xxd -p unseal.pcap | tr -d '\n')
    # TPM2_StartAuthSession of 0x81000001, not bound, and TPM2_Unseal with a policy session
    # whose attributes are "encrypt" alone
    [[ $hex == *000001768100000140000007* ]]
    [[ $hex =~ 0000015e80[0-9a-f]{6}[0-9a-f]{8}03[0-9a-f]{6}0020[0-9a-f]{64}40 ]]
}

# A build with a leak checker, which is a debugger, has to let itself be debugged.
sanitized() {
    ldd "$SEALRING_BUILD/bin/tpm-seal" | grep -q libasan
}

# at_prompt: a tpm-unseal that waits for its PIN; $waiting is its process id
at_prompt() {
    printf %s "$secret" | tpm-seal -q --recovery-key-file "$RK" --pin --pin-file pin key
    rm -f pid
    "$helper/pty" -p pid "PIN of system: " "" -- bash -c \
        "ulimit -c unlimited; exec tpm-unseal --output out key" >shown 3>&- &
    terminal=$!
    while [ ! -e pid ]; do sleep 0.01; done
    waiting=$(cat pid)
}

end_prompt() {
    kill -TERM "$waiting"
    wait "$terminal" || :
}

# shown_by PID: what a process shows of itself
shown_by() {
    tr '\0' '\n' <"/proc/$1/cmdline"
    tr '\0' '\n' <"/proc/$1/environ" 2>/dev/null || :
}

@test "nothing secret in arguments and environment" {
    at_prompt
    shown_by "$waiting" >seen
    end_prompt
    grep -x tpm-unseal seen
    run grep -e "$secret" -e "$pin" -e "$(cat "$RK")" seen
    [ "$status" -eq 1 ]
    # the same of all programs that are given something secret, traced from their start
    fails 0 env ASAN_OPTIONS=detect_leaks=0 strace -f -v -s 4096 -e trace=execve -o trace tpm-reseal -q recover system \
        --recovery-key-file "$RK" --pin --pin-file other
    grep -q 'execve(.*tpm-reseal' trace
    run grep -e "$pin" -e "$other" -e "$(cat "$RK")" trace
    [ "$status" -eq 1 ]
    # the control: one that is given it there
    strace -f -v -s 4096 -e trace=execve -o trace env PIN="$pin" true
    grep -q "$pin" trace
}

# bats test_tags=minimal
@test "no core dump, and no other process reads its memory" {
    at_prompt
    grep '^Max core file size  *0  *0 ' "/proc/$waiting/limits"
    # not dumpable: its files in /proc belong to root
    sanitized || [ "$(stat -c %u "/proc/$waiting/mem")" -eq 0 ]
    [ "$(stat -c %u /proc/$$/mem)" -eq "$(id -u)" ]
    kill -ABRT "$waiting"
    ended=0
    wait "$terminal" || ended=$?
    [ "$ended" -eq 134 ]
    grep "killed by signal 6, no core" shown
    [ -z "$(find . -name 'core*')" ]
    "$helper/handles" "$SEALRING_TCTI" flush || : # killed as it was
    # the control: the same death of a program that does not mind
    rm -f pid
    "$helper/pty" -p pid ready "" -- bash -c \
        "ulimit -c unlimited; echo ready; exec sleep 600" >shown 3>&- &
    terminal=$!
    while [ ! -e pid ]; do sleep 0.01; done
    while [ "$(cat "/proc/$(cat pid)/comm")" != sleep ]; do sleep 0.01; done
    kill -ABRT "$(cat pid)"
    wait "$terminal" || :
    grep "killed by signal 6, core dumped" shown
}

# bats test_tags=minimal
@test "an ordinary user cannot read the memory of his own tpm-unseal" {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/sealring-bus-XXXXXX")
    chmod 755 "$dir"
    mkdir "$dir/bin"
    cp "$SEALRING_BUILD/bin/tpm-seal" "$dir/bin/"
    cp "$SEALRING_BUILD/helper/pty" "$dir/"
    cp -L "$SEALRING_BUILD/libsealring.so.0" "$dir/"
    as=()
    if [ "$(id -u)" -eq 0 ]; then
        as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
        mkdir -m 777 "$dir/work"
    else
        mkdir "$dir/work"
    fi
    cd "$dir/work"
    for command in "$dir/bin/tpm-seal --user key" "bash -c 'printf Secret; exec sleep 600'"; do
        rm -f pid
        SEALRING_CONFIG_DIR=/nonexistent SEALRING_STATE_DIR=$dir/work/state \
            "${as[@]}" "$dir/pty" -p pid Secret "" -- bash -c "exec $command" >shown 3>&- &
        terminal=$!
        while [ ! -e pid ]; do sleep 0.01; done
        waiting=$(cat pid)
        [[ $command == *tpm-seal* ]] ||
            while [ "$(cat "/proc/$waiting/comm")" != sleep ]; do sleep 0.01; done
        run "${as[@]}" head -c 1 "/proc/$waiting/environ"
        may=$status
        kill -KILL "$waiting"
        wait "$terminal" || :
        echo "$command: $may"
        case $command in
        *tpm-seal*) sanitized || [ "$may" -ne 0 ] ;;
        *) [ "$may" -eq 0 ] ;;
        esac
    done
    cd "$BATS_TEST_TMPDIR"
    rm -r "$dir"
}

@test "nothing secret in what programs say, also when they fail" {
    printf %s "$secret" | tpm-seal --recovery-key-file "$RK" --pin --pin-file pin key >log 2>&1
    tpm-unseal --pin-file pin --output got key >>log 2>&1
    for command in "tpm-unseal --pin-file other key" "tpm-seal --pin-file $RK --pin -g -r new new" \
        "tpm-ring recovery test system --recovery-key-file pin" \
        "tpm-seal --no-recovery -r new --pin --pin-file secret.txt new $RK"; do
        # shellcheck disable=SC2086 # words on purpose
        run $command
        [ "$status" -ne 0 ]
        echo "$output" >>log
    done
    [ "$(wc -l <log)" -ge 5 ]
    run grep -e "$secret" -e "$pin" -e "$other" -e "$(cat "$RK")" log
    [ "$status" -eq 1 ]
    echo "$secret" >>log
    grep -q "$secret" log
}
