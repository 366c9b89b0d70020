#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every call that can fail fails once in tpm-credential: the unit gets all, or fails; it
# never gets an empty credential or a part. No crash, no leak, nothing left on the TPM.
# shellcheck disable=SC2034,SC2154,SC2317 # from and for fault.bash

load fault/fault

setup() {
    store_new
    BASE=$BATS_FILE_TMPDIR/base
    cp -a "$BASE/state" .
    HIT=$BATS_TEST_TMPDIR/hit
    mkdir "$SEALRING_CONFIG_DIR/secrets.d"
    printf '[Credential]\nName=key\nUnits=web.service\n' >"$SEALRING_CONFIG_DIR/secrets.d/key.conf"
}

# ask_at POINT UNIT: the first daemon has the fault; $result and "got" are what the unit gets
ask_at() {
    rm -f faulty served
    : >"$HIT"
    : >served
    # shellcheck disable=SC2016 # for the inner shell
    "$helper/credential" serve sock bash -c '[ -e faulty ] || {
            : >faulty
            export SEALRING_FAULT_AT=$1 SEALRING_FAULT_LOG=$2
        }
        exec "$0"' "$SEALRING_FAULT/bin/tpm-credential" "$1" "$HIT" >>served 2>err 3>&- &
    server=$!
    until grep -qs listening served; do sleep 0.01; done
    result=0
    "$helper/credential" ask sock "$2/key" >got 2>&1 || result=$?
    kill "$server"
    wait "$server" || true
}

bad_point() {
    bad=$((bad + 1))
    echo "$point $(cat "$HIT"): $1: $result, $(head -c 100 got): $(head -c 2000 err)"
}

check_answer() {
    case $result in
    0) [[ $2 = given && $(cat got) = old ]] || bad_point "what the unit got" ;;
    243) refused=$((refused + 1)) ;;
    *) bad_point "neither given nor refused" ;;
    esac
    # 99 is what the sanitizers end with; a daemon that could not start ends with 1.
    ! grep -qvE '^(listening|started .*|READY=1|STOPPING=1|ended [01])$' served ||
        bad_point "$(cat served)"
    [ "$1" != tpm ] || "$helper/handles" "$SEALRING_TCTI" flush >/dev/null || true
}

# each_answer CLASS KINDS UNIT given|refused
each_answer() {
    local n kinds step=1
    read -ra kinds <<<"$2"
    [ "$1" = tpm ] || step=$(stride 2)
    for ((n = 1 + SAMPLE % step; ; n += step)); do
        point=$1:$n:${kinds[n % (${#kinds[@]} + !${#kinds[@]})]-}
        ask_at "$point" "$3"
        [ -s "$HIT" ] || break
        points=$((points + 1))
        check_answer "$1" "$4"
    done
    # No fault was left: the plain answer.
    [ "$4" != given ] || [ "$(cat got)" = old ] || bad_point "without a fault"
}

answers() (
    trap - DEBUG
    set +eET
    points=0 bad=0 refused=0
    for class in memory crypto file; do each_answer "$class" "" "$@"; done
    each_answer tpm "failure connection" "$@"
    each_answer tpm "connection:after failure:after" "$@"
    each_answer tpm "retry slots" "$@"
    echo "# $BATS_TEST_DESCRIPTION: $points points, $refused refused" >&3
    echo "$points points, $bad bad"
    ((points > 15 && bad == 0 && refused > 10))
)

@test "a credential that is given" {
    answers web.service given
}

@test "a credential that is refused" {
    answers other.service refused
}
