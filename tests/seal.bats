#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# tpm-seal: what goes in, under which name, and what is refused.

load common

# absent PATH...: none of them is there
absent() {
    local path
    for path in "$@"; do
        if [ -e "$path" ] || [ -L "$path" ]; then
            echo "there is: $path"
            return 1
        fi
    done
}

# identity FILE: changes whenever the file is replaced or written
identity() {
    stat -c '%i %y %z' "$1"
}

# refused_line NUMBER FILE TEXT: a configuration with this text is refused, naming the line
refused_line() {
    mkdir -p "$(dirname "$2")"
    printf '%b' "$3" >"$2"
    fails 8 tpm-seal -q --generate key
    one_line
    says "$2:$1: "
    [ -z "${4-}" ] || says "$4"
    absent "$RINGS/system/secrets/key.cms"
    rm "$2"
    refused=$((refused + 1))
}

@test "from standard input, from a file, and at random" {
    printf 'from stdin' | tpm-seal -q --recovery-key-file "$RK" a
    [ "$(tpm-unseal a)" = "from stdin" ]
    printf 'dash' | tpm-seal -q b -
    [ "$(tpm-unseal b)" = dash ]
    printf 'from file' >file
    tpm-seal -q c file
    [ "$(tpm-unseal c)" = "from file" ]
    tpm-seal -q --generate d
    [ "$(tpm-unseal d | wc -c)" -eq 32 ]
    tpm-seal -q -g5 e
    [ "$(tpm-unseal e | wc -c)" -eq 5 ]
    tpm-seal -q --generate=64 f
    [ "$(tpm-unseal f | wc -c)" -eq 64 ]
    tpm-seal -q --generate=64 g
    [ "$(tpm-unseal f | sha256sum)" != "$(tpm-unseal g | sha256sum)" ]
}

@test "the success line names the secret, the ring and the store" {
    run tpm-seal --recovery-key-file "$RK" --generate key
    [ "$status" -eq 0 ]
    says "made ring system in $SEALRING_STATE_DIR"
    says "sealed key under ring system in $SEALRING_STATE_DIR"
    run tpm-seal --quiet --generate other
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "nothing is not a secret: empty input is refused and makes no ring" {
    fails 2 tpm-seal -q --recovery-key-file "$RK" key </dev/null
    one_line
    says "the input is empty"
    : >empty
    fails 2 tpm-seal -q --recovery-key-file "$RK" key empty
    fails 2 tpm-seal -q --recovery-key-file "$RK" --generate=0 key
    absent "$RINGS" "$RK"
    printf x >empty
    tpm-seal -q --recovery-key-file "$RK" key empty
    [ "$(tpm-unseal key)" = x ]
}

@test "1,048,575 bytes fit, one more is refused" {
    head -c 1048576 /dev/urandom >large
    head -c 1048575 large >fits
    tpm-seal -q --recovery-key-file "$RK" key fits
    tpm-unseal key | cmp - fits
    fails 2 tpm-seal -q larger large
    one_line
    says 1048575
    fails 2 tpm-seal -q larger <large
    fails 2 tpm-seal -q --generate=1048576 larger
    absent "$RINGS/system/secrets/larger.cms"
    tpm-seal -q --generate=1048575 larger
    [ "$(tpm-unseal larger | wc -c)" -eq 1048575 ]
}

@test "names: what may be one, and what may not" {
    local long name tried=0
    long=$(printf 'n%.0s' {1..64})
    for name in a _ 0 A.b-c_9 a..b "$long"; do
        seal "$name" "text of $name"
        [ "$(tpm-unseal "$name")" = "text of $name" ]
    done
    find "$SEALRING_STATE_DIR" | sort >before
    for name in "" . .. .x a/b ../x /x "${long}n" -x 'a b' 'a*' $'a\n' ä a@b; do
        fails 2 tpm-seal -q --generate -- "$name"
        one_line
        fails 2 tpm-seal -q --generate --no-recovery --ring="$name" -- key
        fails 2 tpm-seal -q --rename a -- "$name"
        fails 2 tpm-unseal -- "$name"
        tried=$((tried + 1))
    done
    find "$SEALRING_STATE_DIR" | sort | cmp - before
    echo "$tried names refused"
    [ "$tried" -eq 14 ]
}

@test "a name that is taken is refused, unless it may be replaced" {
    seal key one
    fails 10 tpm-seal -q --generate key
    one_line
    says "--replace"
    [ "$(tpm-unseal key)" = one ]
    printf two | tpm-seal -q --replace key
    [ "$(tpm-unseal key)" = two ]
    printf new | tpm-seal -q --replace other
    [ "$(tpm-unseal other)" = new ]
}

@test "--if-changed leaves the file alone when the bytes are the same" {
    local file=$RINGS/system/secrets/key.cms before
    seal key one
    before=$(identity "$file")
    run tpm-seal --if-changed key < <(printf one)
    [ "$status" -eq 0 ]
    says "key under ring system in $SEALRING_STATE_DIR is unchanged"
    [ "$(identity "$file")" = "$before" ]
    run tpm-seal --if-changed key < <(printf two)
    [ "$status" -eq 0 ]
    says "sealed key"
    [ "$(identity "$file")" != "$before" ]
    [ "$(tpm-unseal key)" = two ]
    printf three | tpm-seal -q --if-changed new
    [ "$(tpm-unseal new)" = three ]
}

@test "--if-changed repairs a secret that no longer opens" {
    seal key one
    printf x >>"$RINGS/system/secrets/key.cms"
    fails 8 tpm-unseal key
    printf one | tpm-seal -q --if-changed key
    [ "$(tpm-unseal key)" = one ]
}

@test "--remove: gone, and only this one" {
    seal key one
    seal other two
    run tpm-seal --remove key
    [ "$status" -eq 0 ]
    says "removed key from $SEALRING_STATE_DIR"
    absent "$RINGS/system/secrets/key.cms"
    fails 9 tpm-unseal key
    fails 9 tpm-seal --remove key
    one_line
    [ "$(tpm-unseal other)" = two ]
}

@test "--remove needs no TPM" {
    seal key one
    tpm-seal -q --remove --tcti device:/nonexistent key
    fails 9 tpm-unseal key
}

@test "--rename: the new name opens, the old one is gone" {
    seal old sesame
    seal taken other
    tpm-seal -q --rename old new
    [ "$(tpm-unseal new)" = sesame ]
    fails 9 tpm-unseal old
    absent "$RINGS/system/secrets/old.cms"
    fails 10 tpm-seal --rename new taken
    fails 10 tpm-seal --rename new new
    fails 9 tpm-seal --rename old newer
    [ "$(tpm-unseal new)" = sesame ]
    [ "$(tpm-unseal taken)" = other ]
}

@test "a file renamed by hand is another secret's, and does not open" {
    seal key sesame
    seal other public
    cp "$RINGS/system/secrets/key.cms" "$RINGS/system/secrets/copy.cms"
    fails 8 tpm-unseal copy
    one_line
    says "secret copy"
    cp "$RINGS/system/secrets/key.cms" "$RINGS/system/secrets/other.cms"
    fails 8 tpm-unseal other
    mv "$RINGS/system/secrets/copy.cms" "$RINGS/system/secrets/key.cms"
    [ "$(tpm-unseal key)" = sesame ]
}

@test "a file moved to another ring does not open there" {
    seal key sesame
    seal other text --ring second
    mv "$RINGS/system/secrets/key.cms" "$RINGS/second/secrets/key.cms"
    fails 8 tpm-unseal key
    mv "$RINGS/second/secrets/key.cms" "$RINGS/system/secrets/key.cms"
    [ "$(tpm-unseal key)" = sesame ]
}

@test "names are unique across rings" {
    seal key one
    fails 10 tpm-seal -q --generate --no-recovery --ring second key
    one_line
    says "ring system"
    absent "$RINGS/second"
    fails 10 tpm-seal -q --replace --generate --no-recovery --ring second key
    absent "$RINGS/second"
    seal other two --ring second
    fails 10 tpm-seal -q --replace --generate --ring second key
    fails 10 tpm-seal --rename other key
    [ "$(tpm-unseal key)" = one ]
    [ "$(tpm-unseal other)" = two ]
}

@test "--ring: a ring of its own, where --replace finds the secret again" {
    seal key one --ring second
    [ -e "$RINGS/second/secrets/key.cms" ]
    absent "$RINGS/system"
    printf two | tpm-seal -q --replace key
    absent "$RINGS/system"
    [ "$(tpm-unseal key)" = two ]
    seal first three
    [ -e "$RINGS/system/secrets/first.cms" ]
    [ "$(tpm-ring list second | tail -n +2)" = "  key" ]
    [ "$(tpm-ring list system | tail -n +2)" = "  first" ]
}

@test "an existing ring keeps its promises, or says that it does not" {
    seal key one
    fails 2 tpm-seal -q --generate --pcrs 0+4 other
    one_line
    says "sealed to sha256:0+7"
    fails 2 tpm-seal -q --generate --pcrs sha384:0+7 other
    printf 'a long enough pin' >pin
    fails 2 tpm-seal -q --generate --pin --pin-file pin other
    says "has no PIN"
    absent "$RINGS/system/secrets/other.cms"
    tpm-seal -q --generate --pcrs 0+7 other
    tpm-seal -q --generate --pcrs sha256:0+7 another
}

@test "a mistake in the options is one line, and exit 2" {
    local tried=0 line
    seal key one
    printf x >file
    while read -r line; do
        # shellcheck disable=SC2086 # several words
        fails 2 tpm-seal $line
        one_line
        tried=$((tried + 1))
    done <<-'END'

		--no-such-option key
		-Z key
		a b c
		--ring
		--remove
		--remove key other
		--rename key
		--rename key a b
		--remove --rename key other
		--remove --replace key
		--remove --generate key
		--rename --if-changed key other
		--generate=x new
		--generate=-1 new
		--generate=1k new
		--generate new file
		--replace=yes key
		--system --user --generate new
		--ring second --no-recovery --escrow c --generate new
		--ring second --no-recovery --recovery-key-file k --generate new
		--ring second --pcrs 0+24 --no-recovery --generate new
		--ring second --pcrs md5:0 --no-recovery --generate new
		--ring second --pcrs 7= --no-recovery --generate new
	END
    echo "$tried mistakes tried"
    [ "$tried" -eq 24 ]
    absent "$RINGS/second" "$RINGS/system/secrets/new.cms"
    [ "$(tpm-unseal key)" = one ]
}

@test "the value of a mistyped option is not repeated" {
    fails 2 tpm-seal --passwort=sesame key
    [[ $output != *sesame* ]]
    says "--passwort"
}

@test "help is on standard output, and fits a screen" {
    run tpm-seal --help
    [ "$status" -eq 0 ]
    says "--if-changed"
    [ "${#lines[@]}" -le 40 ]
    run bash -c 'tpm-seal --help 2>/dev/null | wc -L'
    [ "$output" -gt 40 ]
    [ "$output" -le 80 ]
}

# bats test_tags=minimal
@test "--unit: written where it is delivered, with the drop-in to paste" {
    run tpm-seal --quiet --recovery-key-file "$RK" --generate --unit web.service key
    [ "$status" -eq 0 ]
    if [ "$(id -u)" -eq 0 ]; then edit=edit runtime=/run; else edit='--user edit' runtime=%t; fi
    [ "$output" = "# systemctl $edit web.service
[Unit]
Requires=tpm-credential.socket
After=tpm-credential.socket

[Service]
LoadCredential=key:$runtime/sealring/credential.sock" ]
    [ "$(cat "$SEALRING_CONFIG_DIR/secrets.d/key.conf")" = "[Secret]
Ring=system

[Credential]
Name=key
Units=web.service" ]
    tpm-unseal -q --configured --credential=store key
    tpm-unseal key | cmp - store/key
    # Who is started by a socket can't be asked for a PIN.
    printf 'correct horse battery' >pin
    tpm-seal -q --ring pinned --no-recovery --pin --pin-file pin --generate --unit web.service other \
        >drop-in 2>warning
    [ "$(cat drop-in)" = "# systemctl $edit web.service
[Unit]
Requires=tpm-unseal@other.service
After=tpm-unseal@other.service

[Service]
LoadCredential=other" ]
}

@test "what a key of its type cannot hold is refused when it is sealed" {
    mkdir "$SEALRING_CONFIG_DIR/secrets.d"
    printf '[Keyring]\nType=user\n' >"$SEALRING_CONFIG_DIR/secrets.d/key.conf"
    fails 2 tpm-seal -q --recovery-key-file "$RK" --generate=32768 key
    one_line
    says 32767
    absent "$RINGS"
    tpm-seal -q --recovery-key-file "$RK" --generate=32767 key
    tpm-seal -q --generate=32768 without
    printf '[Keyring]\nType=logon\nDescription=noprefix\n' \
        >"$SEALRING_CONFIG_DIR/secrets.d/login.conf"
    fails 2 tpm-seal -q --generate login
    says "prefix"
    absent "$RINGS/system/secrets/login.cms"
    printf '[Keyring]\nType=logon\nDescription=disk:one\n' \
        >"$SEALRING_CONFIG_DIR/secrets.d/login.conf"
    tpm-seal -q --generate login
    printf '[Keyring]\nType=big_key\n' >"$SEALRING_CONFIG_DIR/secrets.d/big.conf"
    tpm-seal -q --generate=1048575 big
    printf '[Keyring]\nType=keyring\n' >"$SEALRING_CONFIG_DIR/secrets.d/odd.conf"
    fails 2 tpm-seal -q --generate odd
    absent "$RINGS/system/secrets/odd.cms"
}

@test "secrets.d: what is not understood is refused, with file and line" {
    local file=$SEALRING_CONFIG_DIR/secrets.d/key.conf refused=0 long
    long=$(printf 'x%.0s' {1..300})
    refused_line 1 "$file" '[Nonsense]\n' "unknown section"
    refused_line 3 "$file" '# about\n\n[keyring]\n' "unknown section"
    refused_line 2 "$file" '[Keyring]\nTypo=user\n' "unknown key"
    refused_line 2 "$file" '[Keyring]\nUnits=a.service\n' "unknown key"
    refused_line 1 "$file" 'Type=user\n' "no [Section]"
    refused_line 2 "$file" "[Keyring]\nDescription=$long\n" "too long"
    refused_line 2 "$file" "[Keyring]\n# $long\n" "too long"
    refused_line 2 "$file" '[Keyring]\nType=user # not logon\n' "comment"
    refused_line 2 "$file" '[Keyring]\nType=user ; not logon\n' "comment"
    refused_line 3 "$file" '[Keyring]\nType=user\nType=logon\n' "twice"
    refused_line 4 "$file" '[Keyring]\nType=user\n[Keyring]\nType=user\n' "twice"
    refused_line 2 "$file" '[Keyring]\nType: user\n' "Key=Value"
    refused_line 3 "$file" '[Keyring]\nType=user\n  logon\n' "blank"
    refused_line 2 "$file" '[Keyring]\nTimeout=1h\n'
    refused_line 2 "$file" '[Keyring]\nPermissions=0x1ffffffff\n'
    refused_line 2 "$file" '[Secret]\nRing=a/b\n'
    refused_line 2 "$file" '[Credential]\nName=../x\n'
    refused_line 2 "$file" '[Keyring]\nType=user\x01\n' "control"
    echo "$refused texts refused"
    [ "$refused" -eq 18 ]
    printf '# fine\n[Secret]\nRing=system\n\n[Keyring]\nType=user\n[Credential]\n' >"$file"
    printf 'Name=key\nUnits=a.service\nUnits=b@*.service\n' >>"$file"
    seal key sesame
    [ "$(tpm-unseal key)" = sesame ]
}

@test "sealring.conf and its drop-ins: the same, and no program goes on without" {
    local file refused=0
    for file in "$SEALRING_CONFIG_DIR/sealring.conf" \
        "$SEALRING_CONFIG_DIR/sealring.conf.d/10-a.conf"; do
        refused_line 1 "$file" '[Nonsense]\n' "unknown section"
        refused_line 2 "$file" '[TPM]\nDevice=x\n' "unknown key"
        refused_line 2 "$file" '[Policy]\nPCRs=0+7 # usual\n' "comment"
        refused_line 2 "$file" '[Policy]\nPCRs=0+99\n'
        refused_line 3 "$file" '[Policy]\nPCRs=0\nPCRs=7\n' "twice"
        refused_line 2 "$file" "[TPM]\nTCTI=$(printf 'x%.0s' {1..300})\n" "too long"
    done
    echo "$refused texts refused"
    [ "$refused" -eq 12 ]
    seal key sesame
    printf '[Nonsense]\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    for program in "tpm-unseal key" "tpm-ring list" "tpm-reseal status" "tpm-seal --remove key"; do
        # shellcheck disable=SC2086 # several words
        fails 8 $program
        says "sealring.conf:1: "
    done
    rm "$SEALRING_CONFIG_DIR/sealring.conf"
    [ "$(tpm-unseal key)" = sesame ]
}

@test "configuration counts: the PCR list, and a drop-in after the file" {
    printf '[Policy]\nPCRs=0+4\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    seal key sesame
    [ "$(sed -n 's/^PCRs=//p' "$RINGS/system/ring.conf")" = "sha256:0+4" ]
    mkdir "$SEALRING_CONFIG_DIR/sealring.conf.d"
    printf '[Policy]\nPCRs=7\n' >"$SEALRING_CONFIG_DIR/sealring.conf.d/50.conf"
    printf '[Policy]\nPCRs=0+2\n' >"$SEALRING_CONFIG_DIR/sealring.conf.d/60.off"
    seal other sesame --ring second
    [ "$(sed -n 's/^PCRs=//p' "$RINGS/second/ring.conf")" = "sha256:7" ]
    seal third sesame --ring third --pcrs 0+2
    [ "$(sed -n 's/^PCRs=//p' "$RINGS/third/ring.conf")" = "sha256:0+2" ]
}

@test "the TPM may be named in the configuration, and the command line wins" {
    printf '[TPM]\nTCTI=%s\n' "$SEALRING_TCTI" >"$SEALRING_CONFIG_DIR/sealring.conf"
    printf sesame | env -u SEALRING_TCTI TPM2TOOLS_TCTI=device:/nonexistent \
        tpm-seal -q --recovery-key-file "$RK" key
    [ "$(env -u SEALRING_TCTI tpm-unseal key)" = sesame ]
    fails 6 env -u SEALRING_TCTI tpm-unseal --tcti device:/nonexistent key
    fails 6 env SEALRING_TCTI=device:/nonexistent tpm-unseal key
}

@test "a ring of a newer format: upgrade sealring" {
    seal key sesame
    cp "$RINGS/system/ring.conf" whole
    sed -i 's/^Format=1$/Format=2/' "$RINGS/system/ring.conf"
    fails 8 tpm-unseal key
    one_line
    says "upgrade sealring"
    fails 8 tpm-seal -q --generate other
    says "upgrade sealring"
    cp whole "$RINGS/system/ring.conf"
    [ "$(tpm-unseal key)" = sesame ]
}
