# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the kill tests of rings share: the old or the new state opens, never neither. A test
# file says with also_there what else must be there.

load kill

input=input
states=(old)

setup_file() {
    escrow_new
    tpm_start
    boot_state
    make_base base
}

setup() {
    store_new
    printf new >input
}

# from NAME: the store of every point begins as this one
from() {
    BASE=$BATS_FILE_TMPDIR/$1/state
}

also_there() {
    :
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

# One of the states opens.
opens() {
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

check_point() {
    opens "${states[@]}" || complain "does not open"
    diff -r "$BASE" state >/dev/null || {
        changed=$((changed + 1))
        check_changed "$@" || complain "the next write"
    }
}

# The last of the states is the new one.
check_done() {
    opens "${states[-1]}"
}

# Kills came before, while and after the TPM was used, and before and after a rename. With
# least=0 the command only removes files.
enough() {
    ((${least:-4} == 0 || leftover > 3 && flushed > 2))
}

# copies COMMAND: the state as each call that changes something on disk finds it, as after a
# power cut: each that is another than those before, in copies/; says how many calls it were
copies() {
    local cuts=0 point sum
    mkdir -p copies
    restore
    mapfile -t list < <(every=1 points "$@" | grep -E '^(renameat2?|unlinkat|fsync|mkdirat) ')
    for point in "${list[@]}"; do
        kill_at "$point" "$@" || continue
        flush || :
        cuts=$((cuts + 1))
        sum=$(cd state && find . -type f -exec sha256sum {} + | sort | sha256sum | cut -d' ' -f1)
        [ -e "copies/$sum" ] || cp -a state "copies/$sum"
    done 2>/dev/null
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
