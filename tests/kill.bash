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

# The leak checker of a sanitizer build can't work under a tracer.
untraceable() {
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 "$@" <"$input" >/dev/null 2>err
}

# calls COMMAND: the system calls it makes: how many, the name, the number
calls() {
    untraceable strace -f -qq -n -o trace "$@" &&
        sed -n 's/^[0-9]* *\[ *\([0-9]*\)\] \([a-z_0-9]*\)(.*/\2 \1/p' trace | sort | uniq -c
}

# What is on disk, and in the TPM, changes with these.
changing=" write pwrite64 fsync fdatasync rename renameat renameat2 unlink unlinkat symlink mkdir mkdirat flock ftruncate fchmod "

# points COMMAND: "NAME NUMBER N" of each point; how many calls it makes goes to the file "all".
# Of those that change something 30 are tried, evenly spread, or one in every=, and of the others,
# which find things as the next of those will, one in sparse=; with THOROUGH=1 all.
points() {
    calls "$@" | awk -v changing="$changing" -v every="$(stride "${every:-0}")" \
        -v sparse="$(stride "${sparse:-50}")" -v start="$SAMPLE" '
        {
            for (n = 1; n <= $1; n++)
                if (index(changing, " " $2 " "))
                    change[changes++] = $2 " " $3 " " n
                else if ((others++ + start) % sparse == 0)
                    print $2, $3, n
            all += $1
        }
        END {
            if (!every)
                every = changes > 30 ? changes / 30 : 1
            for (n = 0; n < changes; n++)
                if (int((n + start + 1) / every) > int((n + start) / every))
                    print change[n]
            print all >"all"
        }'
}

# kill_at POINT COMMAND: fails where it ended before, as how often a call is made may differ by
# a few from run to run; $status is how it ended
kill_at() {
    local call
    read -ra call <<<"$1"
    restore
    status=0
    untraceable "$helper/killer" "${call[@]:1}" "${@:2}" || status=$?
    ((status != 0))
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
    mapfile -t list < <(points "$@")
    for point in "${list[@]}"; do
        kill_at "$point" "$@" || continue
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
    echo "# $BATS_TEST_DESCRIPTION: $tried of $(cat all) points, $changed after a file changed" >&3
    echo "$tried points, $changed changed, $leftover with leftovers, $flushed with handles, $bad bad"
    ((tried > 15 && changed > ${least:-4} && tried > changed && bad == 0)) && enough
)
