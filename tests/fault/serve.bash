# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the fault tests of tpm-serve share: one call fails, clients ask, and ask again. A test defines
#   requests     prints what came of them, words
#   all_good     what that is if nothing goes wrong
#   an_answer    what may come of the first ones, each word, as a regular expression
#   no_answers   what comes of them where it could not start
#   listen       the option that names $socket
#   prepare      before each point, so that the daemon has as much to do at all of them
#   check_all    looks at everything when all points were tried

load fault/fault

setup_file() {
    look_for_leaks
    tpm_start
    boot_state
    tpm_tries 1000
}

prepare() {
    :
}

check_all() {
    :
}

# serve_at POINT: what came of the first requests, of the next ones, and of the daemon. A call
# that fails while it ends does not concern the next ones.
serve_at() {
    : >"$HIT"
    rm -f "$socket"
    prepare
    SEALRING_FAULT_AT=$1 SEALRING_FAULT_LOG=$HIT "$SEALRING_FAULT/bin/tpm-serve" \
        "$listen" "$socket" --idle 60 >served 2>err 3>&- &
    daemon=$!
    until [ -S "$socket" ] || ! kill -0 $daemon; do sleep 0.01; done
    first=$(requests)
    next=$all_good
    if [ -s "$HIT" ]; then
        next=$(requests)
        # What could not be read is looked at again after a second.
        [ "$next" = "$all_good" ] || { sleep 1.1 && next=$(requests); }
    fi
    ended=0
    kill $daemon || ended=1
    status=0
    wait $daemon || status=$?
} 2>/dev/null

complain() {
    bad=$((bad + 1))
    ((bad > 20)) || echo "$point $(cat "$HIT"): $1: first $first; next $next; status $status: $(head -c 3000 err)"
}

# Handles whose number was in an answer that got lost, or that could not be flushed.
allowed_handles() {
    case $point:$(cat "$HIT") in
    tpm:*:failure:Esys_FlushContext | tpm:*:after:sr_object_load_under | tpm:*:after:Esys_StartAuthSession) echo 1 ;;
    *) echo 0 ;;
    esac
}

# Nothing was printed; that it can't be is said.
good_end() {
    ((status == 0)) || [[ $(cat "$HIT"):$status = fflush:1 ]]
}

check_served() {
    local handles
    points=$((points + 1))
    handles=$("$helper/handles" "$SEALRING_TCTI" flush 2>&1)
    (($(wc -w <<<"$handles") <= $(allowed_handles))) || complain "left on the TPM: $handles"
    if ((ended)); then
        # It could not start: that is said, and systemd starts it again.
        unstarted=$((unstarted + 1))
        [[ $first =~ ^$no_answers$ && $status = [16] && $(wc -l <err) -eq 1 ]] || complain "ended"
        return
    fi
    good_end || complain "how it ended"
    ! tr ' ' '\n' <<<"$first" | grep -qvxE "$an_answer" || complain "the first requests"
    [ "$first" = "$all_good" ] || refused=$((refused + 1))
    [ "$next" = "$all_good" ] || complain "the next requests"
}

# each_point CLASS KINDS STEP
each_point() {
    local n kinds step
    step=$(stride "$3")
    read -ra kinds <<<"$2"
    for ((n = 1 + SAMPLE % step; ; n += step)); do
        point=$1:$n:${kinds[n % (${#kinds[@]} + !${#kinds[@]})]-}
        serve_at "$point"
        [ -s "$HIT" ] || break
        check_served
    done
    # No fault was left.
    [[ $ended = 0 && $first = "$all_good" ]] || complain "without a fault"
}

# survives LEAST CLASS KINDS STEP [KINDS STEP...]: LEAST points at least
survives() (
    trap - DEBUG
    set +eET
    points=0 bad=0 refused=0 unstarted=0
    tries=$(failed_tries)
    least=$1 class=$2
    shift 2
    while [ $# -gt 0 ]; do
        each_point "$class" "$1" "$2"
        shift 2
    done
    echo "# $BATS_TEST_DESCRIPTION: $points points, $refused refused, $unstarted not started" >&3
    tries=$(($(failed_tries) - tries))
    [ "$tries" -eq 0 ] || echo "$tries wrong PINs"
    check_all
    echo "$points points, $bad bad"
    ((points >= least && bad == 0 && tries == 0 && refused > 0))
)
