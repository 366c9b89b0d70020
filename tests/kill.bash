# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the kill tests share: a program is killed at its system calls, one at a time; each time
# what it changes is as it was before, and is looked at afterwards. A test file says
#   restore       makes it so
#   check_point   after a kill of the command, its argument: counts, and complains
#   check_done    the same, once that was not killed
#   enough        whether what was counted proves anything

load common

BASE=$BATS_FILE_TMPDIR/base/state
input=/dev/null

restore() {
    rm -rf state
    cp -a "$BASE" state
}

check_done() {
    :
}

enough() {
    :
}

# traced STRACE-OPTIONS COMMAND. The leak checker of a sanitizer build can't work under a
# tracer.
traced() {
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace -f -qq "$@" <"$input" >/dev/null 2>err
}

# killed_at CALL N COMMAND: SIGKILL as the N-th CALL begins; 0 if there were fewer
killed_at() {
    traced -o /dev/null -e trace="$1" -e inject="$1:signal=SIGKILL:when=$2" "${@:3}"
}

# What is outside changes with these.
changing="write|pwrite64|fsync|fdatasync|rename(at2?)?|unlink(at)?|symlink|mkdir(at)?|flock|ftruncate|fchmod"

# These concern the process alone: what is outside is as it was at the call before.
inner="m(map|protect|unmap|remap|lock|unlock|advise)|brk|futex|get[a-z]*id|close|.*stat|rt_sig.*|set_.*|arch_prctl|prlimit64|rseq"

# points COMMAND: "CALL:N" for each at which it is to be killed. With every=N every N-th of
# the calls that change something, of the others every twentieth as often; with THOROUGH=1 all.
points() {
    local count call step n
    traced -o trace "$@" || return
    while read -r count call; do
        step=${every:-1}
        [[ $call =~ ^($changing)$ ]] || step=$((20 * step))
        step=$(stride "$step")
        for ((n = 1; n <= count; n += step)); do echo "$call:$n"; done
    done < <(sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' trace | grep -vxE "$inner" | sort | uniq -c)
}

# A killed program can't; its objects wait on the TPM until somebody does.
flush() {
    "$helper/handles" "$SEALRING_TCTI" flush >left
}

# complain WHAT: of the first ten
complain() {
    bad=$((bad + 1))
    ((bad > 10)) || echo "killed at $point: $1: exit status $status: $(cat err err2 2>/dev/null): $(find state)"
}

# campaign COMMAND: kill it at each of its points, and then let it end. Without bats' trap on
# every line.
campaign() (
    trap - DEBUG
    set +eET
    tried=0 changed=0 leftover=0 flushed=0 bad=0
    restore
    for point in $(points "$@"); do
        restore
        status=0
        killed_at "${point%:*}" "${point#*:}" "$@" || status=$?
        # How often a call is made may differ by a few from run to run.
        ((status != 0)) || continue
        tried=$((tried + 1))
        ((status == 137)) || complain "not killed"
        flush || flushed=$((flushed + 1))
        check_point "$@"
    done 2>/dev/null
    restore
    point=none status=0
    if ! "$@" <"$input" >/dev/null 2>err || ! check_done; then
        complain "not done"
    fi
    echo "# $BATS_TEST_DESCRIPTION: $tried points, $changed of them after something changed" >&3
    echo "$tried points, $changed changed, $leftover with leftovers, $flushed with handles, $bad bad"
    ((tried > 25 && changed > ${least:-4} && tried > changed && bad == 0)) && enough
)
