#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-credential: units get their secrets over a socket, all of them or none.
# shellcheck disable=SC2154 # helper: from common.bash

load common

setup() {
    store_new
    S=$BATS_TEST_TMPDIR/sock
    program=(tpm-credential) as=serve
}

teardown() {
    serve_end
    no_handles_left
}

# serve [OPTIONS]: the daemon starts whenever somebody asks, as systemd would start it
serve() {
    : >served
    : >said
    "$helper/credential" "$as" "$S" "${program[@]}" "$@" >>served 2>>said 3>&- &
    server=$!
    until grep -qs listening served; do sleep 0.01; done
}

# serve_traced CALL:HOW [OPTIONS]: ... with what strace(1) does to a system call of it
serve_traced() {
    program=(env ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" strace -D -f -qq -o trace
        -e trace="${1%%:*}" -e inject="$1" tpm-credential)
    serve "${@:2}"
}

serve_end() {
    [ -n "${server-}" ] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" || true
    server=
}

# main_pid: of the daemon that runs now
main_pid() {
    sed -n 's/^started \([0-9]*\).*/\1/p' served | tail -n 1
}

# ask UNIT/CREDENTIAL: into the file "got"; $result is 0, or 243 as systemd has it
ask() {
    result=0
    "$helper/credential" ask "$S" "$1" >got || result=$?
}

gets() {
    ask "$1"
    if [ "$result" -ne 0 ] || [ "$(cat got)" != "$2" ]; then
        echo "$1: exit status $result: $(head -c 200 got)"
        cat said
        return 1
    fi
}

# refused UNIT/CREDENTIAL TEXT: the unit fails, and the reason is in the log, on one line
refused() {
    : >said
    ask "$1"
    if [ "$result" -ne 243 ] || [ -s got ]; then
        echo "$1: exit status $result: $(head -c 200 got)"
        return 1
    fi
    until [ -s said ]; do sleep 0.01; done
    output=$(cat said)
    [ "$(wc -l <said)" -eq 1 ] && says "$2"
}

# deliver NAME TEXT UNIT: sealed, and delivered to the unit
deliver() {
    seal "$1" "$2" --unit "$3" >drop-in
}

@test "a unit gets its secret, byte for byte" {
    deliver db-password 'open sesame' postgresql.service
    serve
    gets postgresql.service/db-password 'open sesame'
    head -c 100000 /dev/urandom >large
    tpm-seal -q --unit b.service large large >drop-in
    ask b.service/large
    [ "$result" -eq 0 ]
    cmp got large
    # Not because everybody gets everything:
    refused other.service/db-password 'other.service does not get credential db-password'
    says 'add Units=other.service'
}

@test "24 units at once: five TPM commands in all" {
    local n started took
    deliver c1 'secret of 1' s1.service
    for ((n = 2; n <= 24; n++)); do
        deliver c$n "secret of $n" s$n.service
    done
    program=(env TCTI_PCAP_FILE="$PWD/capture" tpm-credential --tcti "pcap:$SEALRING_TCTI")
    serve
    started=${EPOCHREALTIME/./}
    for ((n = 1; n <= 24; n++)); do
        "$helper/credential" ask "$S" s$n.service/c$n >got-$n 2>&1 3>&- &
        asking[n]=$!
    done
    for ((n = 1; n <= 24; n++)); do wait "${asking[n]}"; done
    took=$(((${EPOCHREALTIME/./} - started) / 1000))
    for ((n = 1; n <= 24; n++)); do [ "$(cat got-$n)" = "secret of $n" ]; done
    [ "$(grep -c ^started served)" -eq 1 ]
    run "$helper/bus" capture
    [ "${lines[*]}" = "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    echo "# 24 units had their secrets after $took ms" >&3
    # Sanitizers are not what gets installed.
    grep -q __asan_init "$SEALRING_BUILD/bin/tpm-credential" || [ "$took" -le 2000 ]
}

@test "refused: who is not in Units=, what is not delivered, what is no unit" {
    deliver key secret 'web@*.service'
    serve
    gets 'web@1.service/key' secret
    refused 'web.service/key' 'web.service does not get credential key: it is not for this unit'
    refused 'web@1.service/other' 'no secret is delivered under that name'
    refused '@1/cryptsetup/root' 'a credential is refused: it does not ask as'
    refused '@1/unit/web@1.service/key/key' 'a credential is refused'
    refused '@zz/unit/web@1.service/key' 'a credential is refused'
    refused $'@1/unit/web@1.service/k\ney' 'a credential is refused'
    refused '' 'a credential is refused'
    [ -z "$(tr -d '[:print:]\n' <said)" ]
}

@test "Units= is a list of globs; none means nobody" {
    deliver key secret web.service
    conf=$SEALRING_CONFIG_DIR/secrets.d/key.conf
    serve
    gets web.service/key secret
    printf '[Credential]\nName=key\n' >"$conf"
    refused web.service/key 'it is not for this unit'
    printf '[Credential]\nName=key\nUnits=a.service\nUnits=we?.service\nUnits=dev-a\\x2db.mount\n' >"$conf"
    gets web.service/key secret
    gets 'dev-a\x2db.mount/key' secret
    refused wxb.service/key 'it is not for this unit'
    printf '[Secret]\nRing=other\n[Credential]\nName=key\nUnits=*\n' >"$conf"
    refused web.service/key 'says Ring=other'
    printf '[Credential]\nName=key\nUnits=*\nNonsense=1\n' >"$conf"
    refused web.service/key 'key.conf:4'
}

@test "one name for several secrets: each unit gets its own, never one of two" {
    deliver db1 first a.service
    deliver db2 second b.service
    sed -i 's/^Name=.*/Name=db/' "$SEALRING_CONFIG_DIR"/secrets.d/db[12].conf
    serve
    gets a.service/db first
    gets b.service/db second
    echo 'Units=a.service' >>"$SEALRING_CONFIG_DIR/secrets.d/db2.conf"
    refused a.service/db 'secrets db1 and db2 are both delivered'
    # A file that is broken is in nobody's way but of those who might mean it.
    echo 'Nonsense=1' >"$SEALRING_CONFIG_DIR/secrets.d/broken.conf"
    gets b.service/db second
    refused b.service/none 'broken.conf:1'
}

@test "a refusal is zeros, more than systemd takes, and at most 4 MiB" {
    deliver key secret web.service
    serve
    run "$helper/credential" drain "$S" other.service/key 0
    [[ $output =~ ^([0-9]+)' bytes, 0 of them not zero'$ ]]
    ((BASH_REMATCH[1] > 1048576 + 131072 && BASH_REMATCH[1] <= 4194304))
    run "$helper/credential" drain "$S" web.service/key 0
    [ "$output" = "6 bytes, 6 of them not zero" ]
}

@test "who reads late gets all the same, though the daemon has ended" {
    deliver key secret web.service
    head -c 1048575 /dev/zero | tr '\0' x | tpm-seal -q --unit web.service large >drop-in
    serve --idle 0
    "$helper/credential" drain "$S" web.service/key 1500 >key 3>&- &
    "$helper/credential" drain "$S" other.service/key 1500 >refusal 3>&- &
    wait %2 %3
    [ "$(cat key)" = "6 bytes, 6 of them not zero" ]
    [ "$(cat refusal)" = "1310720 bytes, 0 of them not zero" ]
    [ "$(main_pid)" ] && [ ! -e "/proc/$(main_pid)" ]
    # The largest secret needs a buffer that the kernel may not give; it is never cut.
    run "$helper/credential" drain "$S" web.service/large 100
    if (($(</proc/sys/net/core/wmem_max) >= 1048576)) || is_net_admin; then
        [ "$output" = "1048575 bytes, 1048575 of them not zero" ]
    else
        [ "$output" = "1310720 bytes, 0 of them not zero" ]
    fi
}

is_net_admin() {
    (((0x$(sed -n 's/^CapEff:\s*//p' /proc/self/status) >> 12) & 1))
}

@test "where buffers stay small: what fits, all; what does not, nothing; slow readers time out" {
    deliver key secret web.service
    head -c 80000 /dev/zero | tr '\0' x | tpm-seal -q --unit web.service fits >drop-in
    head -c 400000 /dev/zero | tr '\0' x | tpm-seal -q --unit web.service large >drop-in
    # As where net.core.wmem_max is small and CAP_NET_ADMIN missing:
    serve_traced setsockopt:error=EPERM --wait 1
    gets web.service/key secret
    run "$helper/credential" drain "$S" web.service/fits 0
    [ "$output" = "80000 bytes, 80000 of them not zero" ]
    refused web.service/large '400000 bytes'
    run "$helper/credential" drain "$S" web.service/large 0
    echo "$output"
    [ "$output" = "1310720 bytes, 0 of them not zero" ]
    # Nobody waits for those who don't read, however many.
    for ((n = 0; n < 80; n++)); do
        "$helper/credential" drain "$S" other.service/key 3000 >slow-$n 3>&- &
        slow[n]=$!
    done
    gets web.service/key secret
    for pid in "${slow[@]}"; do wait "$pid"; done
    grep -q ' 0 of them not zero' slow-79
    [[ $(cut -d' ' -f1 slow-79) -lt 1310720 ]]
    gets web.service/key secret
    [ "$(grep -c ^started served)" -eq 1 ]
}

@test "the TPM fails: refused, with the reason, and asked again later" {
    deliver key secret web.service
    serve
    extend 7 "another policy"
    refused web.service/key 'PCR 7 changed since'
    tpm_boot
    sleep 1.1
    gets web.service/key secret
    [ "$(grep -c ^started served)" -eq 1 ]
}

@test "no TPM at all: refused" {
    deliver key secret web.service
    SEALRING_TCTI=device:/nonexistent serve
    refused web.service/key '/nonexistent does not exist'
}

@test "a configuration that is wrong: refused, and no restart is needed" {
    deliver key secret web.service
    echo Nonsense=1 >"$SEALRING_CONFIG_DIR/sealring.conf"
    serve
    refused web.service/key 'sealring.conf:1'
    rm "$SEALRING_CONFIG_DIR/sealring.conf"
    gets web.service/key secret
    [ "$(grep -c ^started served)" -eq 1 ]
}

@test "a ring with a PIN: nobody can be asked, so the TPM is not" {
    printf 'correct horse battery' >pin
    seal key secret --ring pinned --pin --pin-file pin --unit web.service >drop-in 2>warning
    serve --tcti device:/nonexistent
    refused web.service/key 'ring pinned has a PIN, and nobody can be asked for it here'
}

@test "a secret that is replaced, or a ring that is rotated, while it is open" {
    deliver key old web.service
    serve
    gets web.service/key old
    seal key new --replace
    gets web.service/key new
    tpm-ring -q rotate system --no-recovery
    gets web.service/key new
    seal key newer --replace
    gets web.service/key newer
    tpm-seal -q --remove key 2>warning
    refused web.service/key 'no secret "key"'
    [ "$(grep -c ^started served)" -eq 1 ]
}

@test "it ends when idle, and cleanly when told to" {
    deliver key secret web.service
    serve --idle 1
    gets web.service/key secret
    grep -q READY=1 served
    until grep -q ^ended served; do sleep 0.05; done
    grep -qx 'ended 0' served
    grep -qx STOPPING=1 served
    gets web.service/key secret
    [ "$(grep -c ^started served)" -eq 2 ]
    serve_end
    [ "$(grep -cx 'ended 0' served)" -eq 2 ]
    [ ! -s said ]
}

# bats test_tags=minimal
@test "another user is refused, though the socket would let him" {
    deliver key secret web.service
    if [ "$(id -u)" -eq 0 ]; then
        public=$(mktemp -d "${TMPDIR:-/tmp}/public-XXXXXX")
        chmod 711 "$public"
        cp "$helper/credential" "$public"
        S=$public/sock serve
        chmod 777 "$public/sock"
        S=$public/sock gets web.service/key secret
        run setpriv --reuid 65534 --clear-groups "$public/credential" ask "$public/sock" web.service/key
        rm -r "$public"
    else
        # An ordinary user has no other one to ask as: the daemon thinks it is another.
        serve_traced geteuid:retval=4242
        run "$helper/credential" ask "$S" web.service/key
    fi
    [ "$status" -eq 243 ]
    [ "$output" = "" ]
    grep -qE 'user [0-9]+ asked, and only systemd may' said
}

descriptors() {
    local fds=("/proc/$1/fd"/*)
    echo "${#fds[@]}"
}

@test "10,000 requests of all kinds: none wrong, memory flat" {
    local n before after pid
    deliver c1 'secret of 1' s1.service
    for ((n = 2; n <= 24; n++)); do
        deliver c$n "secret of $n" s$n.service
    done
    serve --idle 60
    run "$helper/credential" storm "$S" 1000
    echo "$output"
    [ "$status" -eq 0 ]
    pid=$(main_pid)
    before=$(memory "$pid") open=$(descriptors "$pid")
    run "$helper/credential" storm "$S" 10000
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *' 0 wrong' ]]
    after=$(memory "$pid")
    echo "# $output" >&3
    echo "# VmRSS $before kB after 1,000, $after kB after 11,000" >&3
    # Sanitizers keep what was freed for a while.
    grep -q __asan_init "$SEALRING_BUILD/bin/tpm-credential" || ((after - before <= 256))
    [ "$(descriptors "$pid")" -eq "$open" ]
    [ "$(grep -c ^started served)" -eq 1 ]
    # The comparison finds a wrong answer.
    tpm-unseal -q c1 | sed 's/1/2/' | tpm-seal -q --replace c1
    run "$helper/credential" storm "$S" 1000
    [ "$status" -eq 1 ]
    [[ $output != *' 0 wrong' ]]
}

# killed_at CALL N: the first daemon gets SIGKILL as its N-th CALL begins; "got" and $result
# are what the unit gets then. Fails if there are fewer calls.
killed_at() {
    rm -f traced
    # shellcheck disable=SC2016 # for the inner shell
    program=(bash -c '[ -e traced ] || {
        : >traced
        exec strace -D -f -qq -o trace -e trace="$1,sendmsg" -e inject="$1:signal=SIGKILL:when=$2" tpm-credential
    }
    exec tpm-credential' - "$1" "$2")
    serve
    ask web.service/key
    serve_end
    # A killed program can't flush.
    "$helper/handles" "$SEALRING_TCTI" flush >/dev/null || true
    grep -qx 'killed 9' served
}

# is_kept: the connection was handed to systemd before the kill, by the second message to
# it. What is in them only root sees, as the daemon is not dumpable.
is_kept() {
    [ "$(grep -cE 'sendmsg\(.*\) += [0-9]' trace)" -ge 2 ]
}

# kill_campaign: empty, right and refused count what the unit got
kill_campaign() {
    local call n
    points=0 empty=0 right=0 refused=0 wrong=0 where=
    for call in accept4 sendmsg getsockopt getpeername socket connect recvfrom flock sendto \
        shutdown epoll_wait munmap; do
        for ((n = 1; ; n++)); do
            killed_at "$call" "$n" || break
            points=$((points + 1))
            if [ "$result" -eq 243 ]; then
                refused=$((refused + 1))
            elif [ "$(cat got)" = secret ]; then
                right=$((right + 1))
            elif [ ! -s got ]; then
                empty=$((empty + 1))
                ! is_kept || where+=" $call:$n"
            else
                wrong=$((wrong + 1)) where+=" $call:$n"
            fi
        done
    done
    echo "# killed at $points system calls ($as): $right right, $refused refused, $empty empty, $wrong wrong$where" >&3
}

@test "killed at any moment: the unit gets all, or fails" {
    deliver key secret web.service
    export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0
    kill_campaign
    # Between accept() and handing the connection to systemd nothing can be done.
    [ "$wrong" -eq 0 ] && [ -z "$where" ]
    ((points > 30 && right > 0 && refused > 0))
    # Without systemd's descriptor store, more would be empty.
    as=forget
    kill_campaign
    [ "$(wc -w <<<"$where")" -gt 10 ]
}

@test "not started by its socket, or by another kind: one line, exit status 2" {
    fails 2 tpm-credential
    one_line
    says 'systemctl start tpm-credential.socket'
    fails 2 bash -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec tpm-credential 3</dev/null'
    one_line
    says 'has to be a Unix stream socket'
    fails 2 tpm-credential --idle never
    fails 2 tpm-credential operand
}
