# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the kill tests share: a program is killed at its system calls, then everything is
# looked at. A test file makes the store "base", and says with also_there what else must be
# there.

load common

setup() {
    store_new
    BASE=$BATS_FILE_TMPDIR/base/state
    ESCROW=$BATS_FILE_TMPDIR/escrow.key
    input=input
    printf new >$input
}

teardown() {
    no_handles_left
}

teardown_file() {
    tpm_stop
}

# What the program reads.
input=/dev/null

# The leak checker of a sanitizer build can't work under a tracer.
untraceable() {
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 "$@" <"$input" >/dev/null 2>err
}

# calls COMMAND: the system calls it makes: how many, the name, the number
calls() {
    untraceable strace -f -qq -n -o trace "$@" &&
        sed -n 's/^[0-9]* *\[ *\([0-9]*\)\] \([a-z_0-9]*\)(.*/\2 \1/p' trace | sort | uniq -c
}

# killed_at NUMBER N COMMAND: SIGKILL as the N-th of these calls begins; 0 if there were fewer
killed_at() {
    untraceable "$helper/killer" "$@"
}

# What is on disk, and in the TPM, changes with these.
changing=" write pwrite64 fsync fdatasync rename renameat renameat2 unlink unlinkat symlink mkdir mkdirat flock ftruncate fchmod "

# points COMMAND: "NAME NUMBER N" of each point; how many calls it makes goes to the file "all".
# Of those that change something all are tried, or one in every=, and of the others, which find
# things as the next of those will, one in sparse=; with THOROUGH=1 all.
points() {
    calls "$@" | awk -v changing="$changing" -v every="$(stride "${every:-1}")" \
        -v sparse="$(stride "${sparse:-50}")" -v start="$SAMPLE" '
        {
            kind = index(changing, " " $2 " ") ? every : sparse
            for (n = 1; n <= $1; n++)
                if ((made[kind]++ + start) % kind == 0)
                    print $2, $3, n
            all += $1
        }
        END { print all >"all" }'
}

# one_of FOUND WANTED...: it is one of those
one_of() {
    local wanted
    for wanted in "${@:2}"; do
        [ "$1" != "$wanted" ] || return 0
    done
    echo "found \"$1\" instead of one of: ${*:2}"
    return 1
}

# A killed program can't flush; its objects wait on the TPM until somebody does.
check() {
    "$helper/handles" "$SEALRING_TCTI" flush >left || flushed=$((flushed + 1))
    one_of "$(tpm-unseal key 2>&1)" "$@" && also_there
}

hidden() {
    find state -mindepth 1 -name '.*'
}

# What was left half-way goes with the next write, which succeeds; recovery is not hurt. The
# same command writes, or that in next=(), where it would find nothing to do.
check_changed() {
    [ -z "$(hidden)" ] || leftover=$((leftover + 1))
    [[ $(tpm-ring list) == *"2 secrets"* ]] &&
        one_of "$(tpm-unseal other 2>&1)" kept &&
        one_of "$(tpm-unseal --escrow-key "$ESCROW" key 2>&1)" old new &&
        "${next[@]:-$@}" <input 2>err && [ -z "$(hidden)" ] &&
        one_of "$(tpm-unseal --escrow-key "$ESCROW" other 2>&1)" kept
}

restore() {
    rm -rf state
    cp -a "$BASE" state
}

complain() {
    bad=$((bad + 1))
    echo "killed at $call $n: $1: exit status $status: $(cat err): $(find state)"
}

# check_point COMMAND: after the kill
check_point() {
    points=$((points + 1))
    ((status == 137)) || complain "not killed"
    check "${states[@]}" || complain "does not open"
    diff -r "$BASE" state >/dev/null || {
        changed=$((changed + 1))
        check_changed "$@" || complain "the next write"
    }
}

# copies COMMAND: the state as each call that changes something on disk finds it, as after a
# power cut: each that is another than those before, in copies/; says how many calls it were
copies() {
    local call n cuts=0 sum
    mkdir -p copies
    restore
    every=1 points "$@" | grep -E '^(renameat2?|unlinkat|fsync|mkdirat) ' >list
    while read -r call number n; do
        restore
        status=0
        killed_at "$number" "$n" "$@" || status=$?
        "$helper/handles" "$SEALRING_TCTI" flush >left || :
        ((status != 0)) || continue
        cuts=$((cuts + 1))
        sum=$(cd state && find . -type f -exec sha256sum {} + | sort | sha256sum | cut -d' ' -f1)
        [ -e "copies/$sum" ] || cp -a state "copies/$sum"
    done <list 2>/dev/null
    restore
    echo "$cuts"
}

# open_copies: each of them opens by the TPM, or else by recovery: "N by the TPM, M by recovery"
open_copies() {
    local copy by_tpm=0 by_recovery=0
    for copy in copies/*; do
        if [ "$(SEALRING_STATE_DIR=$PWD/$copy tpm-unseal key 2>/dev/null)" = old ]; then
            by_tpm=$((by_tpm + 1))
        elif [ "$(SEALRING_STATE_DIR=$PWD/$copy tpm-unseal --escrow-key "$ESCROW" key 2>&1)" = old ]; then
            by_recovery=$((by_recovery + 1))
        else
            echo "lost: $(find "$copy")"
            return 1
        fi
    done
    echo "$by_tpm by the TPM, $by_recovery by recovery"
}

# tried: says how many points a campaign tried, of how many
tried() {
    echo "# $BATS_TEST_DESCRIPTION: $points of $(cat all) points, $changed after a file changed" >&3
}

# campaign "STATE..." COMMAND: kill it at each system call, of each kind, until it ends by
# itself. With calm=1 it only removes files. Without bats' trap on every line.
campaign() (
    trap - DEBUG
    set +eET
    points=0 changed=0 leftover=0 flushed=0 bad=0
    read -ra states <<<"$1"
    restore
    points "${@:2}" >list
    while read -r call number n; do
        restore
        status=0
        killed_at "$number" "$n" "${@:2}" || status=$?
        # How often a call is made may differ by a few from run to run.
        ((status == 0)) || check_point "${@:2}"
    done <list 2>/dev/null
    restore
    "${@:2}" <input >/dev/null || complain "fails"
    check "${states[-1]}" || complain "not done"
    tried
    echo "$points points, $changed changed, $leftover with leftovers, $flushed with handles, $bad bad"
    # Kills came before, while and after the TPM was used, and before and after a rename.
    ((points > 20 && points > changed && bad == 0)) || return
    ((${calm:-0} ? changed > 0 : changed > 4 && leftover > 3 && flushed > 2))
)
