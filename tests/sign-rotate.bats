#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys that are replaced, and what stays of the old ones; tags.
# shellcheck disable=SC2154 # helper, status, output: from bats

load common
load pins

# signs KEY FILE [OPTIONS]: into FILE, and stock openssl accepts it
signs() {
    tpm-sign sign "$1" message -o "$2" "${@:3}" &&
        openssl dgst -sha256 -verify <(tpm-sign pubkey "$1") -signature "$2" message >/dev/null
}

@test "rotate: another key under the same name; what the old one signed still verifies" {
    tpm-sign keygen -q web
    signs web one
    cp "$KEYS/web.pub" first.pub
    tpm-sign rotate web 2>said
    grep -q 'made a new key web (p256)' said
    signs web two
    run cmp -s "$KEYS/web.pub" first.pub
    [ "$status" -ne 0 ]
    tpm-sign pubkey web | cmp - "$KEYS/web.pub"
    tpm-sign pubkey web@1 | cmp - first.pub
    run tpm-sign verify web -s one message
    [ "$status" -eq 0 ]
    says "good signature of key web@1, which has been replaced"
    run tpm-sign verify web -s two message
    [ "$output" = "tpm-sign: good signature of key web" ]
    # the key alone, without those before it
    fails 8 tpm-sign verify web@1 -s two message
    fails 8 tpm-sign verify "$KEYS/web.pem" -s one message
    echo "another" >other
    fails 8 tpm-sign verify web -s one other
    tpm-sign rotate -q web
    for signature in one two; do tpm-sign verify -q web -s "$signature" message; done
    # Of what can't be read nobody knows whether it is that one's.
    cp "$KEYS/web@1.pem" first
    echo nonsense >"$KEYS/web@1.pem"
    tpm-sign verify -q web -s two message
    fails 8 tpm-sign verify web -s one message
    says 'web@1'
    mv first "$KEYS/web@1.pem"
    [ "$(ls "$KEYS")" = $'web.pem\nweb.pub\nweb@1.pem\nweb@1.pub\nweb@2.pem\nweb@2.pub' ]
    # an old one can still be used, by its own name
    signs web@1 three
    fails 9 tpm-sign info web@3
    fails 2 tpm-sign info web@0
    fails 2 tpm-sign info web@01
    fails 2 tpm-sign info web@10000
    fails 2 tpm-sign keygen web@3
}

@test "rotate: type, usage, PIN, PCRs and tags are as they were; the PCRs as they are now" {
    tpm-sign keygen -q web -t rsa2048 --usage both --pin-file pin --pcrs 0+7 --tag role=tls 2>/dev/null
    extend 7 "another certificate"
    fails 3 tpm-sign sign web message --pin-file pin
    before=$(failed_tries)
    fails 4 tpm-sign rotate web --pin-file wrong
    one_line
    [ "$(failed_tries)" -eq $((before + 1)) ]
    [ "$(ls "$KEYS")" = $'web.pem\nweb.pub' ]
    tpm-sign rotate -q web --pin-file pin
    signs web sig --pin-file pin
    fails 4 tpm-sign sign web message --pin-file wrong
    facts() {
        tpm-sign info "$1" --json | grep -E '"(type|usage|pin|pcrs|in_tpm|imported|exportable|role)"'
    }
    [ "$(facts web | wc -l)" -eq 8 ]
    [ "$(facts web)" = "$(facts web@1)" ]
    tpm_boot
    fails 3 tpm-sign sign web message --pin-file pin
    fails 4 setsid -w tpm-sign rotate web </dev/null
    says "PIN"
}

@test "rotate: exportable stays so; what was imported is made in the TPM" {
    tpm-sign pubkey -o srk.pub
    tpm-sign keygen -q web --exportable
    tpm-sign rotate -q web
    tpm-sign export web --to srk.pub >/dev/null
    openssl ecparam -name prime256v1 -genkey -noout -out soft.pem
    tpm-sign import -q soft soft.pem
    tpm-sign rotate -q soft
    tpm-sign info soft | grep -q '^Type: .*made there$'
    tpm-sign info soft@1 | grep -q '^Type: .*imported$'
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=owner \
        -keyout owner.key -out owner.pem 2>/dev/null
    tpm-sign rotate -q soft --backup owner.pem -o copy
    openssl cms -decrypt -inform DER -in copy -inkey owner.key -out copy.key
    openssl pkey -inform DER -in copy.key -pubout | cmp - "$KEYS/soft.pub"
}

@test "rotate: certificates stay with the key that they are for" {
    tpm-sign keygen -q web
    tpm-sign cert self-sign web --subject /CN=web -o web.crt
    tpm-sign cert install -q web web.crt
    ssh-keygen -q -t ed25519 -N '' -f ca
    tpm-sign pubkey web --format ssh >web-ssh.pub
    ssh-keygen -q -s ca -I me -n me web-ssh.pub
    tpm-sign cert install -q web web-ssh-cert.pub
    tpm-sign rotate -q web
    [ ! -e "$KEYS/web.crt" ]
    [ ! -e "$KEYS/web-cert.pub" ]
    cmp web.crt "$KEYS/web@1.crt"
    cmp web-ssh-cert.pub "$KEYS/web@1-cert.pub"
    tpm-sign info web | grep -q '^Certificate: none$'
    tpm-sign info web@1 | grep -q '^Certificate: X.509, OpenSSH$'
    fails 8 tpm-sign cert install web web.crt
    tpm-sign cert install -q web@1 web.crt
    # Where another program puts it back: it does not count.
    cp web.crt "$KEYS/web.crt"
    tpm-sign info web | grep -q '^Certificate: none$'
}

@test "rotate, killed before old certificates were removed: they do not become the new key's" {
    tpm-sign keygen -q web
    tpm-sign cert self-sign web --subject /CN=web | tpm-sign cert install -q web
    tpm-sign rotate -q web
    ln "$KEYS/web@1.crt" "$KEYS/web.crt"
    tpm-sign info web | grep -q '^Certificate: none$'
    tpm-sign rotate -q web
    [ ! -e "$KEYS/web@2.crt" ]
    [ ! -e "$KEYS/web.crt" ]
    [ -e "$KEYS/web@1.crt" ]
}

@test "list and info: one line a key, with its versions" {
    tpm-sign keygen -q web
    tpm-sign keygen -q other
    tpm-sign rotate -q web
    tpm-sign rotate -q web
    [ "$(tpm-sign list | cut -d' ' -f1 | tr '\n' ' ')" = "other web " ]
    tpm-sign info web | grep -qx 'Version: *3; older: 2, 1'
    run grep -c Version: <(tpm-sign info other)
    [ "$output" = 0 ]
    json() { tpm-sign info web --json | tr -d ' \n' | grep -oE '"(version|older)":(\[[0-9,]*\]|[0-9]+)' | tr '\n' ' '; }
    [ "$(json)" = '"version":3 "older":[2,1] ' ]
    tpm-sign delete -qf web@2
    [ "$(json)" = '"version":3 "older":[1] ' ]
    tpm-sign rotate -q web
    [ "$(json)" = '"version":4 "older":[3,1] ' ]
}

@test "delete removes all versions, or the one that is named" {
    tpm-sign keygen -q web
    tpm-sign keygen -q web2
    for _ in 1 2; do tpm-sign rotate -q web; done
    tpm-sign rotate -q web2
    tpm-sign delete -qf web@1
    [ "$(find "$KEYS" -name "web@*" | wc -l)" -eq 2 ]
    tpm-sign delete -qf web
    [ "$(ls "$KEYS")" = $'web2.pem\nweb2.pub\nweb2@1.pem\nweb2@1.pub' ]
    fails 9 tpm-sign delete -f web@2
    # a new one begins anew
    tpm-sign keygen -q web
    tpm-sign rotate -q web
    [ -e "$KEYS/web@1.pem" ]
}

@test "what rotate refuses: files, older versions, a place that is taken" {
    tpm-sign keygen -q web
    tpm-sign keygen -q other
    fails 2 tpm-sign rotate "$KEYS/web.pem"
    one_line
    fails 9 tpm-sign rotate nothing
    cp "$KEYS/other.pem" "$KEYS/web@1.pem"
    before=$(sha256sum "$KEYS"/*)
    fails 10 tpm-sign rotate web
    one_line
    says "tpm-sign delete removes it"
    [ "$(sha256sum "$KEYS"/*)" = "$before" ]
    # what a killed one left there is the same key, and no hindrance
    cp "$KEYS/web.pem" "$KEYS/web@1.pem"
    tpm-sign rotate -q web
    fails 2 tpm-sign rotate web@1
    one_line
    says "only the newest"
}

@test "two at once: one of them, or both after one another; no key is lost" {
    tpm-sign keygen -q web
    signs web one
    for n in 1 2 3; do tpm-sign rotate web 2>"said$n" & done
    wait
    for n in 1 2 3; do grep -qE 'made a new|has just been replaced' "said$n"; done
    [ "$(grep -c 'made a new' said? | grep -c ':1$')" -eq "$(find "$KEYS" -name "*@*.pem" | wc -l)" ]
    signs web two
    tpm-sign verify -q web -s one message
}

# -- tags ---------------------------------------------------------------------------------

@test "tags: with keygen, changed, removed, shown, and the key is as good as before" {
    tpm-sign keygen -q web --tag role=tls --tag owner='Jane Doé'
    tpm-sign keygen -q other --tag role=git
    tpm-sign keygen -q plain
    [ "$(tpm-sign tag web)" = $'role=tls\nowner=Jane Doé' ]
    grep -q '^Tag: role=tls$' "$KEYS/web.pem"
    tpm-sign tag web role=mail stage= owner=
    [ "$(tpm-sign tag web)" = "role=mail" ]
    tpm-sign tag plain empty=
    [ -z "$(tpm-sign tag plain)" ]
    signs web sig
    tpm-sign info web | grep -qx 'Tag: *role=mail'
    tpm-sign tag web stage=test
    [ "$(tpm-sign info web --json | tr -d ' \n' | grep -o '"tags":{[^}]*}')" = '"tags":{"role":"mail","stage":"test"}' ]
    names() { tpm-sign list "$@" | cut -d' ' -f1 | tr '\n' ' '; }
    [ "$(names)" = "other plain web " ]
    [ "$(names --tag role)" = "other web " ]
    [ "$(names --tag role=git)" = "other " ]
    [ "$(names --tag role --tag stage=test)" = "web " ]
    [ "$(names --tag rol)" = "" ]
    [ "$(names --tag role=gi)" = "" ]
    tpm-sign keygen -q guarded --pin-file pin --tag role=tls 2>/dev/null
    printf 'another long PIN' >new
    tpm-sign passwd -q guarded --pin-file pin --new-pin-file new 2>/dev/null
    [ "$(tpm-sign tag guarded)" = "role=tls" ]
}

@test "tags: of a file that other programs made; all else in it stays" {
    tpm-sign keygen -q web
    { echo "a line of mine"; sed -n '/^-----BEGIN/,$p' "$KEYS/web.pem"; } >foreign.pem
    cp foreign.pem "$KEYS/foreign.pem"
    tpm-sign tag foreign role=tls
    { sed -n 1p foreign.pem; echo "Tag: role=tls"; sed 1d foreign.pem; } | cmp - "$KEYS/foreign.pem"
    tpm-sign tag foreign role=
    cmp foreign.pem "$KEYS/foreign.pem"
    signs foreign sig
}

@test "tags: what is refused changes nothing" {
    tpm-sign keygen -q web --tag role=tls
    before=$(sha256sum "$KEYS"/*)
    long=$(printf %129s x)
    for tag in role =tls .x=1 'a b=1' "a=$long" "$(printf 'a=1\nb=2')" "$(printf 'a=\e[1m')" 'a=-----BEGIN' \
        "$(printf 'a=\xff')"; do
        fails 2 tpm-sign tag web "$tag"
        one_line
        fails 2 tpm-sign keygen new --tag "$tag"
    done
    # shellcheck disable=SC2046 # words
    fails 2 tpm-sign tag web $(seq -f 't%.0f=1' 16)
    says "at most 16 tags"
    fails 2 tpm-sign tag web a=1 b=1 a=2
    says "tag a is given twice"
    fails 2 tpm-sign keygen new --tag a=1 --tag a=2
    fails 2 tpm-sign tag "$KEYS/web.pem" a=1
    fails 9 tpm-sign tag nothing a=1
    [ "$(sha256sum "$KEYS"/*)" = "$before" ]
    # What somebody wrote into a file is no escape sequence on a terminal either.
    sed -i "1s/^/Tag: a=$(printf '\e')[1m\n/" "$KEYS/web.pem"
    [ "$(tpm-sign tag web)" = "role=tls" ]
}

# -- with rings ---------------------------------------------------------------------------

@test "rotate: a key that follows a ring follows it still; its old version does not" {
    tpm-sign keygen -q web --ring system --no-recovery
    signs web one
    tpm-sign rotate -q web
    signs web two
    tpm-sign verify -q web -s one message
    tpm-sign info web | grep -q '^Bound to: .*ring system'
    extend 7 "another certificate"
    fails 3 tpm-sign sign web message
    tpm_boot
    tpm-reseal -q now system --pcrs 0
    extend 7 "another certificate"
    signs web three
    fails 3 tpm-sign sign web@1 message
    tpm_boot
    [ "$(tpm-sign info web --json | sed -nE 's/^ *"ring":"(.*)",$/\1/p')" = system ]
    fails 2 tpm-sign keygen other --ring system --exportable
    one_line
    fails 2 tpm-sign export web --to <(tpm-sign pubkey)
    says "made never to leave"
    fails 8 tpm-sign import copy "$KEYS/web.pem"
    says "copy the file"
}

@test "rotate, tag and delete: keys in software, and their secrets" {
    secrets() { find "$RINGS/system/secrets" -name '*.softkey.cms' | wc -l; }
    tpm-sign keygen -q ed -t ed25519 --no-recovery --tag role=git
    tpm-sign sign ed message -o one
    tpm-sign rotate -q ed
    tpm-sign sign ed message -o two
    tpm-sign verify -q ed -s two message
    run tpm-sign verify ed -s one message
    [ "$status" -eq 0 ]
    says "key ed@1"
    [ "$(secrets)" -eq 2 ]
    [ "$(tpm-sign tag ed)" = role=git ]
    tpm-sign tag ed role=mail
    tpm-sign sign ed message -o three
    tpm-sign verify -q ed -s three message
    tpm-sign info ed | grep -qx 'Version: *2; older: 1'
    tpm-sign rotate -q ed
    tpm-sign delete -qf ed@1
    [ "$(secrets)" -eq 2 ]
    fails 8 tpm-sign verify ed -s one message
    tpm-sign verify -q ed -s two message
    tpm-sign delete -qf ed
    [ "$(secrets)" -eq 0 ]
    fails 2 tpm-sign keygen ed -t ed25519 --exportable
    one_line
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=owner \
        -keyout /dev/null -out owner.pem 2>/dev/null
    fails 2 tpm-sign keygen ed -t ed25519 --backup owner.pem -o copy
    one_line
    [ ! -e copy ]
}

@test "rotate: the ring's PIN is asked for where it has one" {
    printf 'correct horse battery' >pin
    tpm-seal -q --generate --ring guarded --no-recovery --pin --pin-file pin secret 2>/dev/null
    tpm-sign keygen -q ed -t ed25519 --ring guarded --pin-file pin
    tpm-sign sign ed message --pin-file pin -o one
    fails 4 setsid -w tpm-sign rotate ed </dev/null
    tpm-sign rotate -q ed --pin-file pin
    tpm-sign sign ed message --pin-file pin -o two
    tpm-sign verify -q ed -s one message
    tpm-sign verify -q ed -s two message
}
