#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The store: where it is, who may read it, many programs at once, and what others put there.

load common

teardown() {
    touch "$BATS_TEST_TMPDIR/stop" # for readers that a failed test left running
    no_handles_left
}

# store_at NAME: a store and recovery key of this name from now on
store_at() {
    export SEALRING_STATE_DIR=$BATS_TEST_TMPDIR/state-$1
    RINGS=$SEALRING_STATE_DIR/rings
    RK=$BATS_TEST_TMPDIR/key-$1
}

# home_at STATE CONFIG: an empty home, and what XDG says beside it
home_at() {
    export HOME=$BATS_TEST_TMPDIR/home XDG_STATE_HOME=$1 XDG_CONFIG_HOME=$2
    mkdir "$HOME"
}

# closed DIR: nobody else may read anything in it; prints how much it looked at
closed() {
    local wrong
    wrong=$(find "$1" \( -type d ! -perm 700 -o -type f ! -perm 600 -o \
        ! -type d ! -type f \) -printf '%m %p\n')
    [ -z "$wrong" ] || { echo "$wrong" && return 1; }
    find "$1" | wc -l
}

# every_writer: whatever writes to the store, once
every_writer() {
    seal key sesame
    seal other text --ring second
    printf more | tpm-seal -q --replace key
    tpm-seal -q --rename other third
    tpm-reseal -q now
    tpm-ring -q rotate system --recovery-key-file "$RK"
    tpm-ring -q recovery renew system --recovery-key-file "$RK"
    tpm-ring -q recovery test second --recovery-key-file "$RK"
    tpm-reseal -q recover system --recovery-key-file "$RK"
    tpm-ring -q export second out
    tpm-ring -q remove --force second
    tpm-ring -q import out second --recovery-key-file "$RK"
    [ "$(tpm-unseal key)$(tpm-unseal third)" = moretext ]
}

# in_parallel COUNT COMMAND...: run so often at the same time, the number added to each;
# all must succeed
in_parallel() {
    local n pid pids=() bad=0
    for n in $(seq "$1"); do
        "${@:2}" "$n" >"said.$n" 2>&1 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || bad=$((bad + 1))
    done
    cat said.*
    return "$bad"
}

seal_numbered() {
    printf 'text of %s' "$2" | tpm-seal --recovery-key-file "$RK" "$1$2"
}

@test "0700 and 0600 whatever the umask" {
    local mask
    for mask in 000 022 077 027; do
        umask "$mask"
        store_at "$mask"
        every_writer
        [ "$(closed "$SEALRING_STATE_DIR")" -ge 13 ]
        [ "$(closed out)" -ge 5 ]
        [ "$(stat -c %a "$RK")" = 600 ]
        rm -r out
    done
    # what is looked for would be found
    chmod 640 "$RINGS/system/ring.conf"
    run closed "$SEALRING_STATE_DIR"
    [ "$status" -eq 1 ]
    says "ring.conf"
}

@test "a directory that is there already keeps its mode" {
    mkdir "$SEALRING_STATE_DIR"
    chmod 755 "$SEALRING_STATE_DIR"
    seal key sesame
    [ "$(stat -c %a "$SEALRING_STATE_DIR")" = 755 ]
    [ "$(stat -c %a "$RINGS")" = 700 ]
}

@test "every success line names the store" {
    local store=$SEALRING_STATE_DIR line tried=0
    seal key sesame
    while read -r line; do
        # shellcheck disable=SC2086 # several words
        run $line </dev/null
        [ "$status" -eq 0 ] || { echo "$line: $output" && return 1; }
        says "$store"
        tried=$((tried + 1))
    done <<-END
		tpm-seal --generate new
		tpm-seal --generate --replace new
		tpm-seal --rename new newer
		tpm-seal --remove newer
		tpm-ring create second --no-recovery
		tpm-ring recovery test system --recovery-key-file $RK
		tpm-ring recovery renew second --recovery-key-file $RK
		tpm-ring rotate second --no-recovery
		tpm-ring remove --force second
		tpm-reseal now
		tpm-reseal recover system --recovery-key-file $RK
	END
    echo "$tried commands tried"
    [ "$tried" -eq 11 ]
}

@test "--json: an empty list of nothing, and none of what is not there" {
    local command made name said count=0
    for command in 'tpm-ring list' 'tpm-reseal status' 'tpm-reseal explain' 'tpm-sign list' 'tpm-luks list'; do
        for made in '' state state/rings state/keys; do
            rm -rf "$SEALRING_STATE_DIR"
            [ -z "$made" ] || mkdir -p "$BATS_TEST_TMPDIR/$made"
            $command --json >json 2>/dev/null
            [ "$(jq -c . json)" = '[]' ]
            count=$((count + 1))
        done
    done
    [ "$count" -eq 20 ]
    seal key sesame
    keygen web
    for command in 'tpm-ring list' 'tpm-ring show' 'tpm-reseal status' 'tpm-reseal explain' 'tpm-sign list' 'tpm-sign info'; do
        name=system
        [[ $command != tpm-sign* ]] || name=web
        $command $name --json >json
        [ "$(jq length json)" -eq 1 ]
        # shellcheck disable=SC2086 # words
        fails 9 $command nix
        one_line
        said=$output
        # shellcheck disable=SC2086
        fails 9 $command nix --json
        [ "$output" = "$said" ]
        count=$((count + 1))
    done
    [ "$count" -eq 26 ]
    # One of several that is damaged is told, and the others are listed.
    seal other text --ring second
    echo nonsense >"$RINGS/second/ring.conf"
    echo nonsense >"$KEYS/bad.pem"
    for command in 'tpm-ring list' 'tpm-sign list'; do
        run $command --json
        [ "$status" -eq 8 ]
        [ "$(grep -v '^tpm-' <<<"$output" | jq length)" -eq 1 ]
    done
}

@test "the variables move the trees; empty ones count as unset" {
    home_at "" relative
    printf '[Policy]\nPCRs=0+4\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    seal key sesame
    tpm-ring list | grep -q 'sha256:0+4 '
    [ -e "$SEALRING_STATE_DIR/rings/system/secrets/key.cms" ]
    SEALRING_STATE_DIR=$PWD/second SEALRING_CONFIG_DIR=$PWD/nothing seal key other
    [ "$(SEALRING_STATE_DIR=$PWD/second tpm-unseal key)" = other ]
    SEALRING_STATE_DIR=$PWD/second tpm-ring list | grep -q 'sha256:0+7 '
    [ "$(tpm-unseal key)" = sesame ]
    [ -z "$(find "$HOME" -mindepth 1)" ]
    SEALRING_STATE_DIR='' tpm-seal -q --user --generate --no-recovery mine
    [ -e "$HOME/.local/state/sealring/rings/system/secrets/mine.cms" ]
    SEALRING_STATE_DIR='' XDG_STATE_HOME=$PWD/xdg tpm-seal -q --user --generate --no-recovery mine
    [ -e "xdg/sealring/rings/system/secrets/mine.cms" ]
}

# bats test_tags=minimal
@test "--system and --user choose" {
    unset SEALRING_STATE_DIR SEALRING_CONFIG_DIR
    home_at "$BATS_TEST_TMPDIR/xdg" ""
    run tpm-ring --user list
    [ "$status" -eq 0 ]
    says "no rings in $XDG_STATE_HOME/sealring:"
    XDG_STATE_HOME='' run tpm-ring --user list
    says "no rings in $HOME/.local/state/sealring:"
    # The system's store is only asked about, never written to, by a test.
    run tpm-unseal --system sealring-test-that-nobody-has
    [ "$status" -ne 0 ]
    says "/lib/sealring"
    fails 2 tpm-ring --system --user list
    one_line
    run tpm-unseal sealring-test-that-nobody-has
    [ "$status" -ne 0 ]
    if [ "$(id -u)" -eq 0 ]; then
        says "/lib/sealring"
    else
        says "$XDG_STATE_HOME/sealring"
    fi
}

# bats test_tags=minimal
@test "an ordinary user's store is in the home directory" {
    local dir as=()
    dir=$(mktemp -d)
    cp -r "$SEALRING_BUILD/bin" "$dir"
    cp -L "$SEALRING_BUILD/libsealring.so.0" "$dir"
    mkdir "$dir/home"
    if [ "$(id -u)" -eq 0 ]; then
        chown 65534:65534 "$dir" "$dir/home"
        chmod 711 "$BATS_RUN_TMPDIR" "${BATS_FILE_TMPDIR%/*}" "$BATS_FILE_TMPDIR" "$TPM_DIR"
        chmod 666 "$TPM_DIR"/srv "$TPM_DIR"/srv.ctrl
        as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    fi
    as+=(env -C "$dir" -u SEALRING_STATE_DIR -u SEALRING_CONFIG_DIR -u SEALRING_RUNTIME_DIR
        -u XDG_STATE_HOME -u XDG_CONFIG_HOME "HOME=$dir/home" "PATH=$dir/bin:$PATH")
    run "${as[@]}" tpm-seal --recovery-key-file "$dir/key" --generate secret
    [ "$status" -eq 0 ]
    says "in $dir/home/.local/state/sealring"
    [ -e "$dir/home/.local/state/sealring/rings/system/secrets/secret.cms" ]
    [ "$(closed "$dir/home/.local")" -ge 10 ]
    [ "$("${as[@]}" tpm-unseal secret | wc -c)" -eq 32 ]
    "${as[@]}" tpm-seal -q --unit a.service --generate other >/dev/null
    [ -e "$dir/home/.config/sealring/secrets.d/other.conf" ]
    run "${as[@]}" tpm-unseal --system sealring-test-that-nobody-has
    [ "$status" -ne 0 ]
    says "/lib/sealring"
    rm -r "$dir"
}

@test "at the same time: twelve into a ring that is not there yet" {
    local n
    run in_parallel 12 seal_numbered s
    [ "$status" -eq 0 ] || { echo "$output" && return 1; }
    [ "$(grep -c "made ring system" <<<"$output")" -eq 1 ]
    [ "$(grep -c "sealed s" <<<"$output")" -eq 12 ]
    [ "$(ls -A "$RINGS")" = system ]
    [ "$(find "$RINGS/system/secrets" -type f | wc -l)" -eq 12 ]
    for n in $(seq 12); do
        [ "$(tpm-unseal "s$n")" = "text of $n" ]
    done
    [ "$(tpm-unseal --recovery-key-file "$RK" s12)" = "text of 12" ]
}

@test "at the same time: twelve into a ring that is there" {
    local n
    seal first text
    run in_parallel 12 seal_numbered s
    [ "$status" -eq 0 ] || { echo "$output" && return 1; }
    [ "$(grep -c "made ring" <<<"$output")" -eq 0 ]
    [ "$(find "$RINGS/system/secrets" -type f | wc -l)" -eq 13 ]
    for n in $(seq 12); do
        [ "$(tpm-unseal "s$n")" = "text of $n" ]
    done
}

@test "at the same time: one name, and one only" {
    seal first text
    same_name() { printf 'text of %s' "$1" | tpm-seal key; }
    run in_parallel 6 same_name
    [ "$status" -eq 5 ]
    [ "$(grep -c "sealed key" <<<"$output")" -eq 1 ]
    [ "$(grep -c "exists already" <<<"$output")" -eq 5 ]
    tpm-unseal key | grep -qx 'text of [1-6]'
}

@test "at the same time: replacing, and a reader who sees one or the other" {
    local reader
    seal key "text of 0"
    replace() { printf 'text of %s' "$1" | tpm-seal -q --replace key; }
    while [ ! -e stop ]; do
        tpm-unseal key && echo
    done >readings 2>complaints 3>&- &
    reader=$!
    run in_parallel 8 replace
    [ "$status" -eq 0 ] || { echo "$output" && return 1; }
    until [ "$(wc -l <readings)" -ge 10 ] || [ -s complaints ]; do sleep 0.01; done
    touch stop
    wait "$reader"
    echo "$(wc -l <readings) reads"
    [ ! -s complaints ]
    run grep -vx 'text of [0-8]' readings
    [ "$status" -eq 1 ]
}

# What the super-user writes in spite of a mode is stopped by a directory that is none.
# bats test_tags=minimal
@test "a store that cannot be written: one line, exit 1, nothing lost" {
    seal key sesame
    if [ "$(id -u)" -ne 0 ]; then
        chmod 500 "$RINGS/system/secrets"
        fails 1 tpm-seal -q --generate other
        one_line
        [ "$(tpm-unseal key)" = sesame ]
        chmod 700 "$RINGS/system/secrets"
    else
        mkdir "$RINGS/system/secrets/.other.cms.new"
        fails 1 tpm-seal -q --generate other
        one_line
        [ "$(tpm-unseal key)" = sesame ]
        rmdir "$RINGS/system/secrets/.other.cms.new"
    fi
    tpm-seal -q --generate other
    : >plain
    SEALRING_STATE_DIR=$PWD/plain fails 1 tpm-seal -q --no-recovery --generate other
    one_line
    SEALRING_STATE_DIR=/proc/sealring fails 1 tpm-seal -q --no-recovery --generate other
    one_line
}

# bats test_tags=minimal
@test "a read-only file system: what reads goes on, what writes says why" {
    if ! unshare -rm true 2>/dev/null; then
        # No namespaces here: /proc takes no directories from anybody.
        SEALRING_STATE_DIR=/proc/sealring fails 1 tpm-seal -q --no-recovery --generate key
        one_line
        return
    fi
    seal key sesame
    cat >inside <<-'END'
		mount --bind "$SEALRING_STATE_DIR" "$SEALRING_STATE_DIR"
		mount -o remount,ro,bind "$SEALRING_STATE_DIR"
		[ "$(tpm-unseal key)" = sesame ] || exit 99
		tpm-reseal -q status >/dev/null || exit 98
		tpm-seal -q --generate other
		echo "exit $?"
		tpm-reseal -q now
		echo "exit $?"
	END
    run unshare -rm bash inside
    [ "$status" -eq 0 ] || { echo "$status $output" && return 1; }
    [ "${#lines[@]}" -eq 4 ]
    [ "$(grep -c 'Read-only file system' <<<"$output")" -eq 2 ]
    [ "$(grep -c 'exit 1' <<<"$output")" -eq 2 ]
    [ "$(tpm-unseal key)" = sesame ]
}

@test "a secret's file that is a link, a pipe or a directory: refused, without waiting" {
    local file=$RINGS/system/secrets/key.cms tried=0 make
    seal key sesame
    mv "$file" whole
    for make in "ln -s $PWD/whole" mkfifo mkdir "ln -s nowhere"; do
        $make "$file"
        run timeout 10 tpm-unseal key
        [[ $status =~ ^(8|9)$ ]]
        one_line
        run timeout 10 tpm-unseal -q --all --credential=out
        [[ $status =~ ^(8|9)$ ]]
        [ ! -e out/key ]
        timeout 10 tpm-ring list >/dev/null
        rm -r "$file"
        tried=$((tried + 1))
    done
    [ "$tried" -eq 4 ]
    mv whole "$file"
    [ "$(tpm-unseal key)" = sesame ]
}

@test "what is written does not follow a link" {
    seal key sesame
    echo precious >victim
    ln -s "$PWD/victim" "$RINGS/system/secrets/.other.cms.new"
    tpm-seal -q --generate other
    [ "$(<victim)" = precious ]
    ln -sf "$PWD/victim" "$RINGS/system/secrets/key.cms"
    printf new | tpm-seal -q --replace key
    [ "$(<victim)" = precious ]
    [ ! -L "$RINGS/system/secrets/key.cms" ]
    [ "$(tpm-unseal key)" = new ]
}

@test "directories of a ring that are links are refused" {
    local name tried=0
    seal key sesame
    for name in secrets approvals; do
        mv "$RINGS/system/$name" elsewhere
        ln -s "$PWD/elsewhere" "$RINGS/system/$name"
        run timeout 10 tpm-unseal key
        [ "$status" -ne 0 ]
        one_line
        [[ $output != *sesame* ]]
        rm "$RINGS/system/$name"
        mv elsewhere "$RINGS/system/$name"
        tried=$((tried + 1))
    done
    mv "$RINGS/system/secrets" elsewhere
    ln -s "$PWD/elsewhere" "$RINGS/system/secrets"
    run tpm-seal -q --generate other
    [ "$status" -ne 0 ]
    [ ! -e elsewhere/other.cms ]
    rm "$RINGS/system/secrets"
    mv elsewhere "$RINGS/system/secrets"
    mv "$RINGS/system" elsewhere
    ln -s "$PWD/elsewhere" "$RINGS/system"
    run tpm-unseal --recovery-key-file "$RK" key
    [ "$status" -ne 0 ]
    one_line
    rm "$RINGS/system"
    mv elsewhere "$RINGS/system"
    [ "$tried" -eq 2 ]
    [ "$(tpm-unseal key)" = sesame ]
}

@test "other files of a ring that are links or pipes are refused, without waiting" {
    local file make tried=0
    seal key sesame
    for file in ring.conf approvals/current.pem; do
        mv "$RINGS/system/$file" whole
        for make in "ln -s $PWD/whole" mkfifo mkdir; do
            $make "$RINGS/system/$file"
            fails 8 timeout 10 tpm-unseal key
            one_line
            rm -r "${RINGS:?}/system/$file"
            tried=$((tried + 1))
        done
        mv whole "$RINGS/system/$file"
    done
    mv "$RINGS/system/recovery.cms" whole
    for make in "ln -s $PWD/whole" mkfifo mkdir; do
        $make "$RINGS/system/recovery.cms"
        fails 8 timeout 10 tpm-unseal --recovery-key-file "$RK" key
        rm -r "$RINGS/system/recovery.cms"
        tried=$((tried + 1))
    done
    mv whole "$RINGS/system/recovery.cms"
    echo "$tried replacements tried"
    [ "$tried" -eq 9 ]
    [ "$(tpm-unseal key)" = sesame ]
}

@test "files that are not ours are left alone, and do not count" {
    seal key sesame
    echo note >"$RINGS/system/README"
    echo note >"$RINGS/system/secrets/README"
    mkdir "$RINGS/.git"
    [ "$(tpm-unseal key)" = sesame ]
    tpm-unseal -q --all --credential=out
    [ "$(ls -A out)" = key ]
    [ "$(tpm-ring list | tail -n +2)" = "  key" ]
    seal other text
    [ -e "$RINGS/system/README" ]
    [ -d "$RINGS/.git" ]
    [ -e "$RINGS/system/secrets/README" ]
}
