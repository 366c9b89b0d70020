#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys: made, used, listed, found, given another PIN, removed; what is refused, and why.
# shellcheck disable=SC2094,SC2154 # list is a command too; helper, status, output: from bats

load common
load pins

# signs KEY [OPTIONS]: it does, and stock openssl accepts what it gave
signs() {
    rm -f sig
    tpm-sign sign "$@" -o sig message &&
        openssl dgst -sha256 -verify <(tpm-sign pubkey "$1") -signature sig message >/dev/null
}

# loaded KEY: by tpm2-tools, into key.ctx; they know no policies in such files, so the two
# areas are taken out
loaded() {
    local offsets
    openssl asn1parse -in <(sed -n '/^-----BEGIN/,$p' "$KEYS/$1.pem") >parts
    sed -n '/^-----BEGIN/,$p' "$KEYS/$1.pem" | grep -v -e '^-----' | base64 -d >der
    mapfile -t offsets < <(sed -nE 's/^ *([0-9]+):d=1 +hl=([0-9]+) l= *([0-9]+) prim: OCTET STRING.*/\1 \2 \3/p' parts)
    # shellcheck disable=SC2086 # three numbers
    part ${offsets[0]} >pub && part ${offsets[1]} >priv
    tpm2_load -Q -C 0x81000001 -u pub -r priv -c key.ctx
}

part() {
    tail -c +$(($1 + $2 + 1)) der | head -c "$3"
}

# alone COMMAND: without a terminal or anybody else to ask
alone() {
    setsid --wait "$@" </dev/null
}

# -- the number of TPM commands is the speed --------------------------------------------

@test "a signature takes three TPM commands, four with a PIN or when told to encrypt" {
    keygen web
    keygen guarded --pin-file pin
    signs web # the first after a TPM's start may be asked for twice
    [ "$(commands tpm-sign sign web message)" = "Load Sign FlushContext" ]
    [ "$(commands tpm-sign sign web --encrypt-session message)" = \
        "StartAuthSession Load Sign FlushContext" ]
    [ "$(commands tpm-sign sign guarded --pin-file pin message)" = \
        "StartAuthSession Load Sign FlushContext" ]
    openssl dgst -sha256 -verify "$KEYS/guarded.pub" -signature out message
}

@test "bound to PCRs it takes five, six with a PIN; many signatures share a conversation" {
    keygen bound --pcrs 0+7
    keygen both --pcrs 0+7 --pin-file pin
    signs bound
    [ "$(commands tpm-sign sign bound message)" = \
        "StartAuthSession PolicyPCR Load Sign FlushContext" ]
    [ "$(commands tpm-sign sign both --pin-file pin message)" = \
        "StartAuthSession PolicyPCR PolicyAuthValue Load Sign FlushContext" ]

    keygen web
    for n in 1 2 3 4; do echo "message $n" >"m$n"; done
    [ "$(commands tpm-sign sign web m1 m2 m3 m4)" = "Load Sign Sign Sign Sign FlushContext" ]
    for n in 1 2 3 4; do
        openssl dgst -sha256 -verify "$KEYS/web.pub" -signature "m$n.sig" "m$n"
    done
    [ "$(commands tpm-sign sign both --pin-file pin m1 m2)" = \
        "StartAuthSession PolicyPCR PolicyAuthValue Load Sign PolicyPCR PolicyAuthValue Sign FlushContext" ]
    openssl dgst -sha256 -verify "$KEYS/both.pub" -signature m2.sig m2
}

@test "verify, list, info and pubkey need no TPM" {
    keygen web
    signs web
    without=(env SEALRING_TCTI=swtpm:path=/nowhere tpm-sign)
    "${without[@]}" verify -q web -s sig message
    [[ $("${without[@]}" list) == "web  p256  sign  SHA256:"* ]]
    "${without[@]}" info web | grep -q '^Usage: *sign$'
    "${without[@]}" pubkey web | cmp - "$KEYS/web.pub"
    fails 6 "${without[@]}" sign web message
}

# -- what a key is ------------------------------------------------------------------------

@test "the files of a key: modes, names, and what the text before it says" {
    keygen web
    [ "$(stat -c %a "$KEYS" "$KEYS/web.pem" "$KEYS/web.pub" | tr '\n' ' ')" = "700 600 644 " ]
    grep -q "^Private key (p256) that only one TPM can use\.$" "$KEYS/web.pem"
    grep -q "^$(tpm-sign info web | sed -n 's/^Fingerprint: //p')$" "$KEYS/web.pem"
    grep -q "^Storage-Key: " "$KEYS/web.pem"
    [ "$(ls "$KEYS")" = $'web.pem\nweb.pub' ]
    [ -z "$(find "$KEYS" -name '.*' -type f)" ]
}

@test "attributes: bound to this TPM; DA-protected exactly when there is a PIN" {
    keygen web
    keygen guarded --pin-file pin
    keygen bound --pcrs 0+7
    for name in web guarded bound; do
        loaded "$name"
        tpm2_readpublic -c key.ctx >"$name.public"
        tpm2_flushcontext -t
        grep -q 'value: fixedtpm|fixedparent|sensitivedataorigin' "$name.public"
    done
    grep -q noda web.public && grep -q userwithauth web.public
    run grep -c noda guarded.public
    [ "$output" = 0 ]
    grep -q noda bound.public
    run grep -c userwithauth bound.public
    [ "$output" = 0 ]
}

@test "--json: the same facts for programs" {
    keygen web
    keygen guarded --pin-file pin --pcrs 0+7 -t rsa2048 --usage both
    tpm-sign list --json >list
    for key in name type usage pin pcrs in_tpm imported; do
        sed -nE "s/^ *\"$key\":(.*),\$/\1/p" list | tr '\n' ' '
    done >facts
    [ "$(cat facts)" = '"guarded" "web" "rsa2048" "p256" "both" "sign" true false "sha256:0+7" null true true false false ' ]
    [ "$(tpm-sign info web --json | sed -n 's/.*"ssh_fingerprint":"\(.*\)",$/\1/p')" = \
        "$(ssh-keygen -lf <(tpm-sign pubkey web --format ssh) | cut -d' ' -f2)" ]
}

@test "a key is found by either fingerprint" {
    keygen web
    keygen other
    ssh=$(ssh-keygen -lf <(tpm-sign pubkey web --format ssh) | cut -d' ' -f2)
    spki=$(openssl pkey -pubin -in "$KEYS/web.pub" -outform DER | sha256sum | cut -d' ' -f1)
    [[ $(tpm-sign list "$ssh") == "web  "* ]]
    [[ $(tpm-sign list "$spki") == "web  "* ]]
    [[ $(tpm-sign list "${spki^^}") == "web  "* ]]
    tpm-sign sign "$spki" message -o sig
    tpm-sign verify -q web -s sig message
    fails 9 tpm-sign info "$(printf %064d 7)"
    fails 9 tpm-sign info "${ssh%?????}AAAAA"
    says "no key with the fingerprint"
    fails 9 tpm-sign delete --force "$(printf %064d 7)"
    says "no key with the fingerprint"
    # Also one that was replaced since.
    tpm-sign rotate -q web
    for fingerprint in "$ssh" "$spki"; do
        [[ $(tpm-sign list "$fingerprint") == "web@1  "* ]]
    done
    fails 2 alone tpm-sign delete "$spki"
    says "key web@1 stays"
    tpm-sign delete --force "$ssh"
    fails 9 tpm-sign info web@1
    tpm-sign delete -qf "$(tpm-sign info other --json | jq -r '.[0].spki_sha256')"
    [ "$(ls "$KEYS")" = $'web.pem\nweb.pub' ]
}

@test "names: one that is there, none, not a name, a file" {
    keygen web
    before=$(sha256sum "$KEYS"/*)
    fails 10 tpm-sign keygen web
    one_line
    says "key web exists already"
    [ "$(sha256sum "$KEYS"/*)" = "$before" ]
    fails 9 tpm-sign sign nothing message
    one_line
    says 'no key "nothing"'
    fails 2 tpm-sign keygen .hidden
    fails 2 tpm-sign keygen "$(printf '%064d' 7)"
    says "a fingerprint, not a name"
    # Of which NAME-cert.pub would be the public key: that is where the certificate of NAME is.
    fails 2 tpm-sign keygen web-cert
    one_line
    says 'web-cert.pub would be the certificate of key web'
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out made.pem
    fails 2 tpm-sign import web-cert made.pem
    [ "$(sha256sum "$KEYS"/*)" = "$before" ]
    keygen cert
    mv "$KEYS/cert.pem" "$KEYS/ca-cert.pem" # of before that was refused
    signs ca-cert
    tpm-sign rotate -q ca-cert
    signs ca-cert
    cp "$KEYS/web.pem" elsewhere.pem
    signs ./elsewhere.pem
    fails 9 tpm-sign sign elsewhere.pem message
    says "a file needs a slash"
    fails 9 tpm-sign sign ./nowhere.pem message
    fails 2 tpm-sign keygen --system --user x
}

@test "delete removes all of a key, after a question, and nothing else" {
    keygen web
    keygen kept
    tpm-sign cert self-sign web --subject /CN=web | tpm-sign cert install -q web
    fails 2 alone tpm-sign delete web
    says "key web stays"
    tpm-sign delete -q --force web
    [ "$(ls "$KEYS")" = $'kept.pem\nkept.pub' ]
    fails 9 tpm-sign delete --force web
    fails 9 alone tpm-sign delete web
    says 'no key "web"'
    fails 2 alone tpm-sign delete "$KEYS/kept.pem"
    [[ $output != *--force* ]]
    signs kept
    # Nothing of a key that was there before is taken for the new one's.
    touch "$KEYS/web.crt"
    keygen web
    [ ! -e "$KEYS/web.crt" ]
}

@test "the user's own store is used with --user" {
    unset SEALRING_STATE_DIR
    XDG_STATE_HOME=$PWD/xdg tpm-sign keygen -q --user mine
    [ -s xdg/sealring/keys/mine.pem ]
}

# -- PINs ---------------------------------------------------------------------------------

@test "a wrong PIN: exit 4, one line, and one try on the TPM's counter" {
    keygen guarded --pin-file pin
    keygen bound --pin-file pin --pcrs 0+7
    for command in "sign guarded message" "sign bound message" "sign guarded message message" \
        "csr guarded --subject /CN=x" "passwd guarded --new-pin-file pin"; do
        before=$(failed_tries)
        # shellcheck disable=SC2086 # words
        fails 4 tpm-sign $command --pin-file wrong
        says "wrong PIN"
        [ "$(failed_tries)" -eq $((before + 1)) ]
    done
    signs guarded --pin-file pin
}

@test "no PIN where one is needed: exit 4, nothing tried; none is asked where none is needed" {
    keygen guarded --pin-file pin
    keygen web
    before=$(failed_tries)
    fails 4 alone tpm-sign sign guarded message
    one_line
    : >empty
    fails 4 tpm-sign sign guarded message --pin-file empty
    [ "$(failed_tries)" = "$before" ]
    alone tpm-sign sign web message >sig
    [ "$(wc -c <sig)" -ge 68 ]
}

@test "the PIN is asked on a terminal, and not shown" {
    keygen guarded --pin-file pin
    run "$helper/pty" "PIN of guarded:" "correct horse battery" -- tpm-sign sign guarded message -o sig
    says "PIN of guarded:"
    [[ $output != *horse* ]]
    tpm-sign verify -q guarded -s sig message
}

@test "what is decrypted goes to a terminal if that only shows it, or is told to" {
    local bad=$'\e]0;owned\a'
    tpm-sign keygen -q opens -t rsa2048 --usage decrypt
    encrypt() { openssl pkeyutl -encrypt -pubin -inkey "$KEYS/opens.pub" -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -out cipher; }
    printf 'two lines,\nand é\n' | encrypt
    fails 0 "$helper/pty" -- tpm-sign decrypt opens cipher
    says 'two lines,'
    printf 'of mail,\r\n\tindented\r\n' | encrypt
    fails 0 "$helper/pty" -- tpm-sign decrypt opens cipher
    says indented
    printf 'all over\rall' | encrypt
    fails 2 "$helper/pty" -- tpm-sign decrypt opens cipher
    printf 'before\n%s' "$bad" | encrypt
    fails 2 "$helper/pty" -- tpm-sign decrypt opens cipher
    says --output
    [[ $output != *owned* ]]
    fails 0 "$helper/pty" -- tpm-sign decrypt opens cipher -o -
    [[ $output == *"$bad"* ]]
    [ "$(tpm-sign decrypt opens cipher)" = $'before\n'"$bad" ]
}

@test "passwd: while it asks for the PIN the store is free for others" {
    printf 'correct horse battery\n' >pin
    printf 'another horse battery\n' >new
    tpm-sign keygen -q key --pin-file pin 2>/dev/null
    mkfifo typed
    tpm-sign passwd -q key --pin-file typed --new-pin-file new 3>&- &
    passwd=$!
    exec {typing}>typed
    flock -n "$KEYS" true
    cat pin >&"$typing"
    exec {typing}>&-
    wait "$passwd"
    tpm-sign sign key message --pin-file new -o sig
    # It is locked when something is written: not before another lets go.
    exec {held}<"$KEYS"
    flock "$held"
    fails 124 timeout 1 tpm-sign passwd -q key --pin-file new --new-pin-file pin
    exec {held}<&-
    tpm-sign sign key message --pin-file new -o sig
}

@test "passwd: the new PIN signs, the old one does not; copies of the old file keep theirs" {
    printf 'another long PIN' >new
    for options in "" "--pcrs 0+7" "-t rsa2048 --usage decrypt"; do
        # shellcheck disable=SC2086 # words
        keygen key --pin-file pin $options
        cp "$KEYS/key.pem" old.pem
        tpm-sign passwd -q key --pin-file pin --new-pin-file new
        cmp "$KEYS/key.pub" <(tpm-sign pubkey ./old.pem)
        if [[ $options == *decrypt ]]; then
            openssl pkeyutl -encrypt -pubin -inkey "$KEYS/key.pub" -in message -out secret \
                -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256
            tpm-sign decrypt key --pin-file new secret | cmp - message
            fails 4 tpm-sign decrypt key --pin-file pin secret
        else
            signs key --pin-file new
            fails 4 tpm-sign sign key --pin-file pin message
            signs ./old.pem --pin-file pin
        fi
        tpm-sign delete -q -f key
    done
    keygen open
    fails 2 tpm-sign passwd open --new-pin-file new
    says "takes no PIN"
    # ... and that is said before anybody is asked for another.
    fails 2 setsid -w tpm-sign passwd open
    says "takes no PIN"
}

# bats test_tags=minimal
@test "passwd of a file elsewhere: by a link, and whose it was" {
    local group
    printf 'another long PIN' >new
    keygen key --pin-file pin
    cp "$KEYS/key.pem" real.pem
    ln -s real.pem link.pem
    group=$(id -G | tr ' ' '\n' | tail -n 1)
    [ "$(id -u)" -ne 0 ] || group=4711
    chgrp "$group" real.pem
    chmod 640 real.pem
    tpm-sign passwd -q ./link.pem --pin-file pin --new-pin-file new
    [ -L link.pem ]
    [ "$(stat -c '%a %g' real.pem)" = "640 $group" ]
    signs ./real.pem --pin-file new
    signs ./link.pem --pin-file new
    fails 4 tpm-sign sign ./link.pem --pin-file pin message
}

@test "lockout: exit 5" {
    keygen guarded --pin-file pin
    keygen web
    tpm2_dictionarylockout -Q --clear-lockout
    tpm_tries 1
    fails 4 tpm-sign sign guarded --pin-file wrong message
    fails 5 tpm-sign sign guarded --pin-file pin message
    says lockout
    # a key without PIN is served all the same
    signs web
    tpm2_dictionarylockout -Q --clear-lockout
    tpm_tries 30
    signs guarded --pin-file pin
}

# -- PCRs ---------------------------------------------------------------------------------

@test "a key bound to PCRs: refused when one moved, before a PIN is asked; good after a boot" {
    keygen bound --pcrs 0+7
    keygen both --pcrs 0+7 --pin-file pin
    signs bound
    extend 7 "another certificate"
    before=$(failed_tries)
    fails 3 tpm-sign sign bound message
    one_line
    says "bound to the PCRs sha256:0+7"
    fails 3 alone tpm-sign sign both message
    fails 3 tpm-sign sign both --pin-file nowhere message
    [ "$(failed_tries)" = "$before" ]
    tpm_boot
    signs bound
    signs both --pin-file pin
}

@test "a policy that is not satisfied is not got around with the empty password" {
    keygen bound --pcrs 0+7
    loaded bound
    openssl dgst -sha256 -binary message >digest
    run tpm2_sign -c key.ctx -g sha256 -d digest -o sig
    [ "$status" -ne 0 ]
    [[ $output == *0x12F* ]]
    tpm2_flushcontext -t
    # the same steps sign with a key that has no policy
    keygen web
    loaded web
    tpm2_sign -Q -c key.ctx -g sha256 -d digest -o sig
    tpm2_flushcontext -t
}

@test "a key for a boot state to come signs in that boot only" {
    value=$(printf 'next' | sha256sum | cut -d' ' -f1)
    next=$({ head -c 32 /dev/zero; printf '%s' "$value" | xxd -r -p; } | sha256sum | cut -d' ' -f1)
    keygen later --pcrs "0+7=$next"
    fails 3 tpm-sign sign later message
    tpm_reboot
    boot_state "firmware 1.0" next
    signs later
    tpm_boot
    fails 3 tpm-sign sign later message
}

@test "PCRs that nothing was measured into are refused, unless insisted" {
    tpm_reboot
    fails 2 tpm-sign keygen bound --pcrs 0+7
    says "never measured into"
    keygen bound --pcrs 0+7 --accept-unmeasured
    signs bound
    tpm_boot
}

# -- another TPM, damage --------------------------------------------------------------------

@test "another TPM: exit 7, with and without PIN and PCRs" {
    keygen web
    keygen guarded --pin-file pin
    keygen bound --pcrs 0+7
    tpm_start other
    boot_state
    count=0
    for key in web guarded bound; do
        # without a storage key, and with one
        fails 7 tpm-sign sign "$key" --pin-file pin message
        one_line
        says "key $key: made by another TPM, or the TPM was cleared since"
        count=$((count + 1))
    done
    SEALRING_STATE_DIR=$PWD/second keygen first
    for key in web guarded bound; do
        fails 7 tpm-sign sign "$key" --pin-file pin message
        count=$((count + 1))
    done
    [ "$count" -eq 6 ]
    no_handles_left
    tpm_stop other
    tpm_use main
    signs web
}

@test "the TPM was cleared: exit 7; new keys can be made" {
    tpm_start cleared
    boot_state
    keygen web
    signs web
    tpm2_clear -Q -c p 2>/dev/null || tpm2_clear -Q
    fails 7 tpm-sign sign web message
    keygen new
    fails 7 tpm-sign sign web message
    signs new
    no_handles_left
    tpm_stop cleared
    tpm_use main
}

@test "the storage key lost its handle: made again for the occasion" {
    keygen web
    keygen guarded --pin-file pin
    tpm2_evictcontrol -Q -C o -c 0x81000001
    signs web
    signs guarded --pin-file pin
    keygen back
    [ "$(commands tpm-sign sign web message)" = "Load Sign FlushContext" ]
}

@test "damaged files: exit 8, one line; a damaged key does not hide the others" {
    keygen web
    keygen good
    cp "$KEYS/web.pem" whole.pem
    size=$(stat -c %s whole.pem)
    count=0
    for damage in empty truncated text twice private text-only; do
        case $damage in
        empty) : >"$KEYS/web.pem" ;;
        truncated) head -c $((size - 60)) whole.pem >"$KEYS/web.pem" ;;
        text) echo nonsense >"$KEYS/web.pem" ;;
        twice) cat whole.pem whole.pem >"$KEYS/web.pem" ;;
        private) private_damaged whole.pem >"$KEYS/web.pem" ;;
        text-only) sed '/^-----BEGIN/,$d' whole.pem >"$KEYS/web.pem" ;;
        esac
        fails 8 tpm-sign sign web message
        one_line
        count=$((count + 1))
        if [ "$damage" != private ]; then
            fails 8 tpm-sign list
            [[ ${lines[*]} == *"good  p256"* ]]
        fi
    done
    [ "$count" -eq 6 ]
    cp whole.pem "$KEYS/web.pem"
    signs web
}

@test "what is not a key that signs is refused: sealed data, a restricted key" {
    seal secret text
    fails 8 tpm-sign sign "$RINGS/system/approvals/current.pem" message
    says "sealed data"
    tpm2_create -Q -C 0x81000001 -G ecc256:ecdsa-sha256:null -u pub -r priv \
        -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign'
    tpm2_encodeobject -C 0x81000001 -u pub -r priv -o restricted.pem
    tpm2_flushcontext -l
    fails 8 tpm-sign sign ./restricted.pem message
    says "restricted"
}

@test "a key of one scheme is refused, with what to do instead; the same kind without is taken" {
    keygen first # the storage key is there
    for kind in rsa2048:rsassa-sha256:null rsa2048:rsapss-sha256:null ecc256:ecdsa-sha256:null; do
        tpm2_create -Q -C 0x81000001 -G $kind -u pub -r priv
        tpm2_flushcontext -l
        fails 8 tpm-sign import fixed priv pub
        one_line
        says 'a key of one scheme for good'
        says 'make it without one (tpm2_create -G rsa2048, ecc256)'
        tpm2_encodeobject -C 0x81000001 -u pub -r priv -o fixed.pem
        tpm2_flushcontext -l
        fails 8 tpm-sign import fixed fixed.pem
        says 'a key of one scheme for good'
        fails 8 tpm-sign sign ./fixed.pem message
        says 'a key of one scheme for good'
        tpm2_create -Q -C 0x81000001 -G "${kind%%:*}" -u pub -r priv
        tpm2_flushcontext -l
        tpm-sign import -q "open-${kind//:/-}" priv pub
        signs "open-${kind//:/-}"
    done
}

# -- what this TPM has ------------------------------------------------------------------------

@test "a kind of key that the TPM lacks: one clear line, and algs shows it" {
    [ "$(tpm-sign algs | grep -c yes)" -ge 5 ]
    lacks=$(tpm-sign algs | sed -n 's/ *no$//p')
    for type in $lacks; do
        fails 2 tpm-sign keygen x -t "$type"
        one_line
        says "this TPM has no $type keys"
        fails 1 tpm-sign algs "$type"
    done
    [ "$(tpm-sign algs p256)" = "p256      yes" ]
    [ "$(SEALRING_TCTI=swtpm:path=$PWD/none tpm-sign algs ed25519)" = "ed25519   in software, under a ring" ]
    fails 2 tpm-sign keygen x -t p192
    fails 2 tpm-sign keygen x -t ed25519 --usage decrypt
    says "a key in software only signs"
    [ ! -e "$KEYS/x.pem" ]
}

# -- where results go -------------------------------------------------------------------

@test "a file is replaced whole, keeps its mode, and links and devices stay what they are" {
    umask 022
    keygen web
    fails 0 tpm-sign csr "$(tpm-sign info web --json | jq -r '.[0].ssh_fingerprint')" --subject /CN=web --keep
    says "is in $KEYS/web.csr"
    [ -s "$KEYS/web.csr" ]
    tpm-sign csr web --subject /CN=web -o new
    [ "$(stat -c %a new)" = 644 ]
    echo old >kept
    chmod 640 kept
    ln -s kept link
    before=$(stat -c %i kept)
    tpm-sign csr web --subject /CN=web -o link
    [ -L link ] && [ "$(stat -c %a kept)" = 640 ] && [ "$(stat -c %i kept)" != "$before" ]
    openssl req -in kept -noout -verify
    tpm-sign csr web --subject /CN=web -o /dev/stdout | openssl req -noout -verify
    tpm-sign keygen -q decrypter -t rsa2048 --usage decrypt
    echo hello | openssl pkeyutl -encrypt -pubin -inkey "$KEYS/decrypter.pub" \
        -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -out cipher
    [ "$(tpm-sign decrypt decrypter cipher -o /dev/stdout)" = hello ]
    [ -L /dev/stdout ]
    mkfifo pipe
    tpm-sign csr web --subject /CN=web -o pipe &
    openssl req -noout -verify <pipe
    [ -p pipe ] && [ -z "$(find . -name '.*.new')" ]
}
