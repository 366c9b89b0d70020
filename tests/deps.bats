#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make deps` with each package manager, played by scripts: what it asks for, and when.

setup() {
    cd "$BATS_TEST_DIRNAME/.."
    bin=$BATS_TEST_TMPDIR/bin log=$BATS_TEST_TMPDIR/log
    mkdir "$bin"
    for tool in sh bash make nproc tr sed grep id expand env; do
        ln -s "$(command -v "$tool")" "$bin/$tool"
    done
    unset MAKEFLAGS MFLAGS MAKELEVEL DEPS
}

# fake NAME SCRIPT - a command that writes how it was called
fake() {
    printf '#!/bin/sh\necho "%s $*" >>%s\n%s\n' "$1" "$log" "$2" >"$bin/$1"
    chmod +x "$bin/$1"
}

as_root() {
    rm "$bin/id"
    fake id 'echo 0'
}

as_user() {
    rm "$bin/id"
    fake id 'echo 1000'
}

deps() {
    PATH=$bin run env SUDO_UID=0 make "$@"
    echo "$output"
}

@test "apt: only what is missing is installed, after an update" {
    as_root
    fake dpkg-query 'case $* in *swtpm*|*scdoc*) exit 1;; esac; echo installed'
    fake apt-get ''
    deps deps
    [ "$status" -eq 0 ]
    [[ $output == *'apt-get -q -y --no-install-recommends install scdoc swtpm'* ]]
    run grep '^apt-get' "$log"
    [ "${lines[0]}" = "apt-get -q update" ]
    [ "${lines[1]}" = "apt-get -q -y --no-install-recommends install scdoc swtpm" ]
    [ "${#lines[@]}" -eq 2 ]
}

@test "dnf" {
    as_root
    fake rpm 'case $* in *tpm2-tss-devel*) exit 1;; esac'
    fake dnf ''
    deps deps
    [ "$status" -eq 0 ]
    grep -x 'dnf -y install tpm2-tss-devel ' "$log" || grep -x 'dnf -y install tpm2-tss-devel' "$log"
}

@test "pacman" {
    as_root
    # shellcheck disable=SC2016 # for the script
    fake pacman 'case $1 in -T) echo tpm2-tss; exit 127;; esac'
    deps deps
    [ "$status" -eq 0 ]
    grep -x 'pacman -Sy --needed --noconfirm tpm2-tss' "$log"
}

@test "nothing missing: nothing is done, and no root is needed" {
    as_user
    fake dpkg-query 'echo installed'
    fake apt-get 'exit 1'
    deps deps
    [ "$status" -eq 0 ]
    [ "$output" = "deps: nothing to install" ]
}

@test "not root: told what to type" {
    as_user
    fake dpkg-query 'exit 1'
    fake apt-get 'exit 0'
    deps deps check
    [ "$status" -ne 0 ]
    [[ $output == *'run "sudo make deps check"'* ]]
    run grep '^apt-get' "$log"
    [ "$output" = "" ]
}

@test "a failed installation stops the rest" {
    as_root
    fake dpkg-query 'exit 1'
    fake apt-get 'case $* in *install*) exit 100;; esac'
    deps deps help
    [ "$status" -ne 0 ]
    [[ $output != *'list these targets'* ]]
}

@test "no known package manager" {
    as_user
    deps deps
    [ "$status" -ne 0 ]
    [[ $output == *'none of apt-get, dnf, pacman'* ]]
}

@test "the rest runs after the packages, with pkg-config asked only then" {
    as_user
    fake dpkg-query 'echo installed'
    fake apt-get ''
    deps deps help
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "deps: nothing to install" ]
    [[ $output == *'list these targets'* ]]
    [ "$(grep -c 'list these targets' <<<"$output")" -eq 1 ]
}

@test "under sudo the rest runs as whoever called it" {
    as_root
    fake dpkg-query 'echo installed'
    fake apt-get ''
    fake setpriv 'exit 0'
    fake getent 'echo tester:x:1234:1234::/home/tester:/bin/sh'
    ln -s "$(command -v cut)" "$bin/cut"
    PATH=$bin run env SUDO_UID=1234 SUDO_GID=1235 SUDO_USER=tester make deps demo
    [ "$status" -eq 0 ]
    grep -E '^setpriv --reuid 1234 --regid 1235 --init-groups env USER=tester .*HOME=/home/tester .*demo$' "$log"
}
