#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-unseal: files, descriptors, credentials, and what secrets.d says.

load common

setup() {
    store_new
    seal key sesame
    mkdir "$SEALRING_CONFIG_DIR/secrets.d"
    mark=sealring-test-$$-$BATS_TEST_NUMBER
    ring=$(keyctl newring "$mark" @s)
}

teardown() {
    keyctl unlink "$ring" @s >/dev/null
    no_handles_left
}

# configure NAME LINE...: what secrets.d says about a secret
configure() {
    printf '%s\n' "${@:2}" >"$SEALRING_CONFIG_DIR/secrets.d/$1.conf"
}

# in_keyring DESCRIPTION: what the key of this description in our keyring holds
in_keyring() {
    keyctl print "$(keyctl search "$ring" user "$1")"
}

mode() {
    stat -c %a "$@" | tr '\n' ' ' | sed 's/ $//'
}

# names DIR: what is in it, in one line
names() {
    find "$1" -mindepth 1 -printf '%P\n' | sort | tr '\n' ' '
}

@test "configured: into a keyring and as a credential" {
    configure key '[Secret]' Ring=system '' '[Keyring]' "Keyring=%:$mark" \
        '[Credential]' Name=password Units=a.service 'Units=b@*.service'
    run tpm-unseal --configured --credential=store key
    [ "$status" -eq 0 ]
    says "key is key "
    says "sealring:key, in %:$mark"
    [ "$(in_keyring sealring:key)" = sesame ]
    [ "$(<store/password)" = sesame ]
    [ "$(names store)" = "password " ]
    [ "$(mode store store/password)" = "700 400" ]
}

@test "configured: description, type, timeout and permissions are obeyed" {
    configure key '[Keyring]' Type=user "Keyring=$ring" 'Description=my key' Timeout=1800 \
        Permissions=0x3f1f0000
    tpm-unseal -q --configured key
    [ "$(in_keyring 'my key')" = sesame ]
    id=$(keyctl search "$ring" user 'my key')
    [ "$(keyctl rdescribe "$id" | cut -d ';' -f 1,4)" = "user;3f1f0000" ]
    grep -E "^$(printf %08x "$id") [^ ]+ +[0-9]+ +(29|30)m " /proc/keys
    configure key '[Keyring]' Type=logon "Keyring=$ring" Description=a:b
    tpm-unseal -q --configured key
    keyctl search "$ring" logon a:b
}

@test "withdrawn: both places are empty, and a second time is no mistake" {
    configure key '[Keyring]' "Keyring=%:$mark" '[Credential]' Name=password
    seal other text
    configure other '[Keyring]' "Keyring=%:$mark" '[Credential]' Name=other
    tpm-unseal -q --all --configured --credential=store
    tpm-unseal -q --configured --withdraw --credential=store key
    run in_keyring sealring:key
    [ "$status" -ne 0 ]
    [ ! -e store/password ]
    [ "$(in_keyring sealring:other)" = text ]
    [ "$(<store/other)" = text ]
    tpm-unseal -q --configured --withdraw --credential=store key
    rm "$SEALRING_STATE_DIR" -r
    tpm-unseal -q --configured --withdraw --credential=store --tcti device:/nonexistent other
    [ -z "$(names store)" ]
    run keyctl rlist "$ring"
    [ -z "${output// /}" ] || [[ $output == *"empty"* ]]
}

@test "delivered again, it is replaced in both places" {
    configure key '[Keyring]' "Keyring=%:$mark" '[Credential]' Name=password
    tpm-unseal -q --configured --credential=store key
    printf 'open, sesame' | tpm-seal -q --replace key
    tpm-unseal -q --configured --credential=store key
    [ "$(in_keyring sealring:key)" = 'open, sesame' ]
    [ "$(<store/password)" = 'open, sesame' ]
    [ "$(keyctl rlist "$ring" | wc -w)" -eq 1 ]
}

@test "configured: a place must be said, and the secret must be there" {
    fails 1 tpm-unseal --configured key
    one_line
    says "secrets.d/key.conf"
    configure key '[Secret]' Ring=system
    fails 2 tpm-unseal --configured key
    one_line
    says "no place"
    configure missing '[Credential]' Name=missing
    fails 9 tpm-unseal --configured --credential=store missing
    one_line
    configure key '[Keyring]' Typo=user
    fails 8 tpm-unseal --configured key
    says "secrets.d/key.conf:2: "
}

@test "all that is configured, and nothing else" {
    seal other text
    seal third more --ring second
    configure key '[Credential]' Name=password
    configure third '[Credential]' Name=third
    tpm-unseal -q --all --configured --credential=store
    [ "$(names store)" = "password third " ]
    [ "$(cat store/password store/third)" = sesamemore ]
    tpm-unseal -q --all --credential=every
    [ "$(names every)" = "key other third " ]
}

@test "a ring without configured secrets is not opened" {
    seal other text --ring second
    configure key '[Credential]' Name=password
    [ "$(commands tpm-unseal -q --all --configured --credential=store)" = \
        "StartAuthSession PolicyPCR Load Unseal FlushContext" ]
    rm "$SEALRING_CONFIG_DIR/secrets.d/key.conf"
    tpm-unseal -q --all --configured --tcti device:/nonexistent
    fails 6 tpm-unseal -q --all --credential=store --tcti device:/nonexistent
}

@test "what fails does not keep the rest from being delivered" {
    seal a 1
    seal b 2
    seal c 3
    seal d 4 --ring second
    seal e 5 --ring third --pcrs 0+7+4
    for name in a b c d e; do
        configure "$name" '[Credential]' "Name=$name"
    done
    configure b '[Keyring]' "Keyring=%:$mark.missing" '[Credential]' Name=b
    truncate -s -1 "$RINGS/system/secrets/a.cms"
    extend 4 "a boot loader"
    fails 8 tpm-unseal -q --all --configured --credential=store
    [ "${#lines[@]}" -eq 3 ]
    says "secret a"
    says "no such keyring"
    says "ring third"
    says "PCR 4"
    [ "$(names store)" = "c d " ]
    [ "$(cat store/c store/d)" = 34 ]
    tpm_boot
}

# bats test_tags=minimal
@test "configured for another user's keyring" {
    local user=65534 as_user
    [ "$(id -u)" -ne "$user" ] || user=65533
    configure key '[Keyring]' "User=$user" Keyring=@u "Description=$mark"
    # shellcheck disable=SC2016 # for the inner shell
    as_user=(setpriv --reuid "$user" --regid "$user" --clear-groups keyctl session -
        bash -c 'keyctl link @u @s; keyctl print "$(keyctl search @u user "$1")"' -)
    if [ "$(id -u)" -eq 0 ]; then
        run "${as_user[@]}" "$mark"
        [ "$status" -ne 0 ]
        tpm-unseal -q --configured key
        run "${as_user[@]}" "$mark"
        [ "$status" -eq 0 ]
        says sesame
        run keyctl search @u user "$mark"
        [ "$status" -ne 0 ]
        tpm-unseal -q --configured --withdraw key
        run "${as_user[@]}" "$mark"
        [ "$status" -ne 0 ]
        [[ $output != *sesame* ]]
    else
        fails 1 tpm-unseal --configured key
        one_line
        says "cannot become user $user"
    fi
}

@test "credential: modes whatever the umask, and whatever was there" {
    umask 000
    tpm-unseal -q --credential=store key
    [ "$(mode store store/key)" = "700 400" ]
    umask 077
    tpm-unseal -q --credential=deep/er/store key
    [ "$(mode deep/er/store deep/er/store/key)" = "700 400" ]
    ln -s ../victim store/link
    echo precious >victim
    mv store/link store/key
    tpm-unseal -q --credential=store key
    [ "$(<victim)" = precious ]
    [ ! -L store/key ]
    [ "$(<store/key)" = sesame ]
}

@test "credential: a directory that others may write to is refused" {
    local bad
    mkdir -m 700 good
    mkdir -m 777 open
    mkdir -m 770 shared
    chmod 777 open
    chmod 770 shared
    ln -s good link
    echo file >file
    for bad in open shared link; do
        fails 8 tpm-unseal --credential=$bad key
        one_line
        says "$bad"
    done
    run tpm-unseal --credential=file key
    [ "$status" -ne 0 ]
    one_line
    [ -z "$(names open)$(names shared)$(names good)" ]
    tpm-unseal -q --credential=good key
    [ "$(<good/key)" = sesame ]
}

@test "output: 0600 whatever the umask, and replaced whole" {
    umask 000
    tpm-unseal --output out key
    [ "$(<out)" = sesame ]
    [ "$(mode out)" = 600 ]
    echo "what was there before" >before
    ln before held
    chmod 644 before
    tpm-unseal -o before key
    [ "$(<before)" = sesame ]
    [ "$(mode before)" = 600 ]
    [ "$(<held)" = "what was there before" ]
    run ls -A
    [[ $output != *"before."* ]]
    [[ $output != *"out."* ]]
}

@test "output: devices and pipes stay what they are" {
    local reader
    tpm-unseal --output /dev/null key
    [ -c /dev/null ]
    mkfifo pipe
    cat pipe >got 3>&- &
    reader=$!
    tpm-unseal --output pipe key
    wait "$reader"
    [ -p pipe ]
    [ "$(<got)" = sesame ]
    [ "$(tpm-unseal --output /dev/stdout key)" = sesame ]
    fails 1 tpm-unseal --output /dev/full key
    one_line
    mkdir directory
    fails 1 tpm-unseal --output directory key
    one_line
    fails 1 tpm-unseal --output missing/out key
    one_line
}

@test "output: a failure leaves the old file" {
    echo before >out
    extend 7 "another certificate"
    fails 3 tpm-unseal --output out key
    [ "$(<out)" = before ]
    tpm_boot
    tpm-unseal --output out key
    [ "$(<out)" = sesame ]
}

@test "standard output and other descriptors" {
    [ "$(tpm-unseal -o - key)" = sesame ]
    [ "$(tpm-unseal key)" = sesame ]
    tpm-unseal --fd 7 key 7>seven
    [ "$(<seven)" = sesame ]
    [ "$(tpm-unseal --fd 1 key)" = sesame ]
    fails 2 tpm-unseal --fd 9 key 9>&-
    one_line
    fails 2 tpm-unseal --fd x key
    fails 2 tpm-unseal --fd -1 key
    run bash -c 'tpm-unseal key >/dev/full'
    [ "$status" -eq 1 ]
    one_line
    run bash -c 'tpm-unseal key >&-'
    [ "$status" -eq 1 ]
    one_line
    [[ $output != *sesame* ]]
}

@test "one way at a time: mistakes are one line, and exit 2" {
    local tried=0 line
    while read -r line; do
        # shellcheck disable=SC2086 # several words
        fails 2 tpm-unseal $line
        one_line
        [[ $output != *sesame* ]]
        tried=$((tried + 1))
    done <<-'END'

		key other
		--all
		--all key
		--all --output out
		--file f key
		--output out --fd 3 key
		--output - --keyring @s key
		--configured --keyring @s key
		--credential=d --keyring @s key
		--withdraw key
		--withdraw --configured --all
		--timeout x key
		--timeout -1 key
		--permissions 0x100000000 key
		--no-such-option key
	END
    echo "$tried mistakes tried"
    [ "$tried" -eq 16 ]
    [ ! -e out ]
}

@test "the unit says what the program understands" {
    local option tried=0
    tpm-unseal --help >help
    while read -r option; do
        grep -qE -- "$option( |=|\[|\$)" help
        tried=$((tried + 1))
    done < <(grep -E '^Exec(Start|Reload|Stop)=' \
        "$BATS_TEST_DIRNAME/../units/tpm-unseal@.service" | grep -oE -- '--[a-z-]+' | sort -u)
    echo "$tried options tried"
    [ "$tried" -ge 2 ]
    configure key '[Credential]' Name=password
    tpm-unseal --quiet --configured --credential=store key
    tpm-unseal --quiet --configured --withdraw --credential=store key
    [ -z "$(names store)" ]
}
