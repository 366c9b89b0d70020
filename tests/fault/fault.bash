# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the fault tests share: one call fails, then everything is looked at.
#
# The programs of the fault build (fault.c) are told which call fails. Each point is one
# run of one of them. What was there before is compared byte for byte; where it differs,
# the ordinary programs have to find the old state or the new one. A test defines
#   succeeded   the new state is there, and whole
#   unharmed    the old or the new state is there, and the next write leaves nothing hidden
#   chatter     what the program says anyway

load common

# Half of what a run takes would go into memory that was freed and is kept apart.
look_for_leaks() {
    export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=1:exitcode=99:quarantine_size_mb=1:thread_local_quarantine_size_kb=64
}

setup_file() {
    look_for_leaks
    escrow_new
    tpm_start
    boot_state "firmware 0.9"
    make_base drifted
    tpm_boot
    make_base base
    printf "correct horse battery" >"$BATS_FILE_TMPDIR/base/pin"
    seal guarded sesame --ring pinned --pin --pin-file "$BATS_FILE_TMPDIR/base/pin" 2>/dev/null
    tpm-ring -q export system "$BATS_FILE_TMPDIR/exported"
}

setup() {
    store_new
    BASE=$BATS_FILE_TMPDIR/base
    RK=$BASE/recovery.key
    by_escrow=(--escrow "$BATS_FILE_TMPDIR/escrow.pem")
    HIT=$BATS_TEST_TMPDIR/hit
    printf new >input
    points=0 bad=0
}

# start_from BASE: the store of every point begins as a copy of this one, or as none
start_from() {
    from=$1/state
    restore
}

restore() {
    rm -rf state exported second.key
    [ ! -e "$from" ] || cp -a "$from" state
}

is_old() {
    if [ -e "$from" ]; then
        diff -r "$from" state >/dev/null
    else
        [ ! -e state/rings ] || [ -z "$(ls -A state/rings)" ]
    fi
}

# What a program makes outside the store takes other calls once it is there.
anew=

# at CLASS N KIND PROGRAM ARGS: one run whose N-th call of the class fails
at() {
    [ -z "$anew" ] || rm -rf "$anew"
    point="$1:$2:$3"
    : >"$HIT"
    status=0
    SEALRING_FAULT_AT=$point SEALRING_FAULT_LOG=$HIT "$SEALRING_FAULT/bin/$4" "${@:5}" \
        <input >out 2>err || status=$?
    name=
    read -r name <"$HIT" || true
}

wrong() {
    bad=$((bad + 1))
    ((bad > 20)) || echo "$point $name: $1: exit status $status: $(head -c 2000 err)"
}

# What may fail without failing the program, and why:
#   Esys_FlushContext          there is nothing that can be done about it
#   Esys_TR_Deserialize        the TPM is asked for the public area instead
#   mlock madvise              memory that is not locked is said to be so, on stderr
#   BIO_read                   behind the last byte, where nothing is expected
#   fflush                     nothing was printed
# or anything in these functions:
#   read_text sr_key_read_text the words in an approval or a key's file, which are for messages only
#   is_current                 looked at again: maybe the ring was just being replaced
#   discard_all_hidden sr_discard_hidden
#                              what a crash left, and the old ring after a rotation: the
#                              next writer removes it
#   make_dir                   syncing the parent of a directory that is new
#   has_current                whether there is one already, for the name of one for later
#   read_approvals             what can't be read is replaced, as if it were not there
#   check_ring_key             another secret of the ring may do
#   describe_latch describe_recovery say_limits say_sealed sr_ring_status
#                              what is only said
#   fill_ring                  a baseline that can't be read explains nothing in the initramfs
#   reseal_take_baseline       what later explanations compare with: a warning says so
#   follow_start               whether there is a store at all: the next step tells
#   daemon_find                whether a daemon is there: if not, the TPM is asked itself
#   sign_once                  what checks a signature is got ready anew after it
#   sr_keystore_mode           a file that then is its owner's only
#   sr_in_initramfs            an initramfs that can't be told as one is none
lenient="Esys_FlushContext Esys_TR_Deserialize mlock madvise BIO_read fflush"
lenient_in="read_text|sr_key_read_text|is_current|discard_all_hidden|sr_discard_hidden|make_dir|has_current|read_approvals"
lenient_in+="|check_ring_key|describe_latch|describe_recovery|say_limits|say_sealed|sr_ring_status"
lenient_in+="|reseal_take_baseline|sr_in_initramfs|follow_start|daemon_find|fill_ring|sign_once"
lenient_in+="|sr_keystore_mode"

# tolerated PROGRAM ARGS: a second run says where the call came from; it may leave a handle,
# as the first did.
tolerated() {
    [[ " $lenient " != *" $name "* ]] || return 0
    [ -z "$anew" ] || rm -rf "$anew"
    SEALRING_FAULT_TRACE=1 SEALRING_FAULT_AT=$point "$SEALRING_FAULT/bin/$1" "${@:2}" \
        <input >out 2>trace
    "$helper/handles" "$SEALRING_TCTI" flush >/dev/null
    restore
    grep -qE " in ($lenient_in) " trace || { cat trace; false; }
}

# Where libcrypto does not say why it refuses, a file seems damaged (8), a recovery key
# wrong (4) or a certificate none (2). What libtpms answers to a wrong padding is FAILURE.
documented() {
    case $1 in
    tpm) [ "$status" -eq 6 ] || [[ $status:$name = 8:Esys_RSA_Decrypt ]] ;;
    crypto) [[ $status == [1248] ]] ;;
    *) [ "$status" -eq 1 ] ;;
    esac
}

# Handles that nobody can flush: the one whose flush failed, and one whose number was in
# the answer that got lost.
lost_handles() {
    case $point:$name in
    *:failure:Esys_FlushContext | *:connection:Esys_FlushContext) echo 1 ;;
    *:after:Esys_StartAuthSession | *:after:sr_object_load_under | *:after:Esys_CreatePrimary) echo 1 ;;
    *:after:Esys_LoadExternal) echo 1 ;;
    *) echo 0 ;;
    esac
}

check_handles() {
    local handles
    handles=$("$helper/handles" "$SEALRING_TCTI" flush)
    [ "$(wc -w <<<"$handles")" -eq "$(lost_handles)" ] || wrong "left on the TPM: $handles"
}

# A TPM that is busy only once; or one whose answer would have been a failure anyway.
check_success() {
    ((status == 0)) || wrong "it should have succeeded"
    succeeded || wrong "done, but not right"
}

# check_failure CLASS: the last point against all of the above
check_failure() {
    local said
    mapfile -t said < <(grep -vE "${chatter:-^$}" err |
        grep -v ': tpm-reseal explain will know less of this boot$')
    if ((status != 0)); then
        documented "$1" || wrong "not the documented exit status"
        ((${#said[@]} == 1)) || wrong "${#said[@]} lines instead of one"
    else
        ((${#said[@]} == 0)) || [ "$name" = mlock ] || wrong "something was said"
        succeeded || wrong "done, but not right"
    fi
}

# check_point CLASS KIND PROGRAM ARGS
check_point() {
    local unnoticed=0
    if [[ $2 == @(retry|slots) && $name != Tss2_* || $name == "it fails by itself" ]]; then
        check_success
    else
        check_failure "$1"
        unnoticed=$((status == 0))
    fi
    points=$((points + 1))
    [ "$1" != tpm ] || check_handles
    if ! is_old; then
        unharmed || wrong "harmed: $(find state)"
        restore
    elif [ ! -e "$from" ]; then
        restore
    fi
    ((!unnoticed)) || tolerated "${@:3}" || wrong "the failure was not noticed"
}

# each CLASS FROM KINDS PROGRAM ARGS: of the calls, from this one on, every third that is a TPM
# command and every twentieth of the others, with the next of the kinds; THOROUGH=1: all
each() {
    local n kinds step tries=0
    read -ra kinds <<<"$3"
    if [ "$1" = tpm ]; then step=$(stride 3); else step=$(stride 20); fi
    for ((n = 1 + ($2 - 1 + SAMPLE) % step; ; n += step)); do
        kind=${kinds[tries % (${#kinds[@]} + !${#kinds[@]})]-}
        at "$1" $n "$kind" "${@:4}"
        if [ -n "$name" ]; then
            tries=$((tries + 1))
            check_point "$1" "$kind" "${@:4}"
        elif ((tries == 0 && n > 1)); then
            n=$((1 - step)) # there are not as many: the first, as if this had not been
            restore
        else
            break
        fi
    done
    ((tries > 0)) || wrong "no call was made to fail"
    check_success
    restore
    check_handles
}

# campaign CLASSES PROGRAM ARGS: points of these classes. TPMs fail in several ways,
# and sometimes after they did what they were told. Without bats' trap on every line.
campaign() (
    trap - DEBUG
    set +eET
    for class in $1; do
        if [ "$class" = tpm ]; then
            each tpm 1 "failure connection" "${@:2}"
            each tpm 2 "connection:after failure:after" "${@:2}"
            each tpm 3 "retry slots" "${@:2}"
        else
            each "$class" 1 "" "${@:2}"
        fi
    done
    echo "# $BATS_TEST_DESCRIPTION: $points points" >&3
    echo "$points points, $bad wrong"
    ((points > 0 && bad == 0))
)

opens() {
    [ "$(tpm-unseal "$1")" = "$2" ]
}

recovers() {
    [ "$(tpm-unseal --escrow-key "$ESCROW" "$1")" = "$2" ]
}

# No name in the ring but those the design knows; nothing hidden.
well_formed() {
    ! find state -mindepth 2 | grep -qvxE \
        'state/rings/(system|pinned)(/ring\.conf|/recovery\.cms|/approvals(/current\.pem)?|/secrets(/[a-z]+\.cms)?)?'
}

# again COMMAND: what an earlier failure left hidden goes with the next write of its kind
again() {
    "$@" <input >out2 2>err2 && well_formed
}
