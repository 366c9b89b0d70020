#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is written is true: options, commands, exit statuses, files and examples in --help,
# manual pages, completions, messages and README.

load common

programs="tpm-seal tpm-unseal tpm-ring tpm-reseal tpm-luks tpm-sign tpm-doctor"
# Run by units and scripts: not on PATH, so nothing is completed.
private="tpm-latch tpm-credential tpm-serve"

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
    store_new
}

# same WHAT A B: two lists, one item a line; the first must not be empty
same() {
    [ -s "$2" ] || {
        echo "$1: nothing found in $2"
        return 1
    }
    diff -u "$2" "$3" || {
        echo "$1 differ"
        return 1
    }
}

# section PAGE NAME: the lines of one section of a manual page
section() {
    awk -v name="# $2" '/^```/ { literal = !literal }
        /^# / && !literal { inside = ($0 == name); next } inside' "$root/man/$1.scd"
}

# -- long options, as --name ------------------------------------------------------------

# helps PROGRAM: its help, and that of each of its commands
helps() {
    "$1" --help
    commands_of "$1" | while read -ra command; do
        [ "${command[0]}" = serve ] || "$1" "${command[@]}" --help
    done
}

help_options() {
    helps "$1" | grep -oE '^  (-[a-z], |    )--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u
}

page_of() {
    basename "$root"/man/"$1".[18].scd .scd
}

page_options() {
    section "$(page_of "$1")" OPTIONS | grep -E '^\*-' | grep -oE -- '--[a-z-]+' | sort
}

bash_options() {
    sed -n "/options='/,/'\$/p" "$root/completions/bash/$1" | grep -oE -- '--[a-z-]+' | sort
}

zsh_options() {
    sed -n '/^_arguments/,$p' "$root/completions/zsh/_$1" | sed 's/\[.*//' |
        grep -oE -- '--[a-z-]+' | sort -u
}

fish_options() {
    sed -nE "s/^complete -c $1 (-s . )?-l ([a-z-]*).*/--\2/p" "$root/completions/fish/$1.fish" | sort
}

@test "long options are the same in --help, page and the three completions" {
    count=0
    for program in $programs; do
        help_options "$program" >in-help
        [ "$(wc -l <in-help)" -ge 7 ]
        for where in page bash zsh fish; do
            "${where}_options" "$program" >"in-$where"
            same "options of $program" in-help "in-$where"
            count=$((count + $(wc -l <"in-$where")))
        done
    done
    echo "# $count options compared" >&3
    # The comparison notices one that is missing.
    sed -i '$d' in-fish
    run same "options" in-help in-fish
    [ "$status" -ne 0 ]
}

@test "long options of private programs are the same in --help and page" {
    for program in $private; do
        help_options "$program" >in-help
        page_options "$program" >in-page
        same "options of $program" in-help in-page
        "$program" --help | grep -q "See $program(8); exit status in sealring(7)"
        [ "$("$program" --help | wc -L)" -le 80 ]
    done
}

@test "short options are the same in --help, page and completions" {
    for program in $programs; do
        helps "$program" | grep -oE '^  -[a-z], --[a-z-]+' | sed 's/^  -//; s/, / /' | sort -u >in-help
        section "$program.1" OPTIONS | sed -nE 's/^\*-([a-z])\*, \*(--[a-z-]+)\*.*/\1 \2/p' |
            sort >in-page
        sed -nE "s/^    '\(-([a-z]) (--[a-z-]+)\)'.*/\1 \2/p" "$root/completions/zsh/_$program" |
            sort >in-zsh
        sed -nE "s/^complete -c $program -s ([a-z]) -l ([a-z-]*).*/\1 --\2/p" \
            "$root/completions/fish/$program.fish" | sort >in-fish
        for where in page zsh fish; do
            same "short options of $program" in-help "in-$where"
        done
    done
}

@test "an option takes an argument in --help, page, zsh and fish, or in none" {
    for program in $programs; do
        helps "$program" | sed -nE 's/^  (-[a-z], |    )(--[a-z-]+) [A-Z].*/\2/p' | sort -u >in-help
        section "$program.1" OPTIONS | sed -nE 's/^\*.*(--[a-z-]+)\* _.*/\1/p' | sort >in-page
        grep -oE -- '--[a-z-]+=[^-]' "$root/completions/zsh/_$program" | sed 's/=.*//' | sort >in-zsh
        sed -nE "s/^complete -c $program .*-l ([a-z-]+) (-r|-x) .*/--\1/p" \
            "$root/completions/fish/$program.fish" | sort >in-fish
        for where in page zsh fish; do
            same "options of $program with an argument" in-help "in-$where"
        done
    done
}

# -- commands -----------------------------------------------------------------------------

# commands_of PROGRAM: one a line, some of two words; nothing if it has none
commands_of() {
    "$1" --help | sed -nE 's/^  ([a-z-]+( [a-z-]+)?) [[A-Z].*/\1/p' | grep -v '^-' | sort
}

words() {
    tr ' ' '\n' | sort -u
}

@test "commands are the same in --help, page and the three completions" {
    for program in tpm-ring tpm-reseal tpm-luks tpm-sign; do
        commands_of "$program" >in-help
        [ "$(wc -l <in-help)" -ge 3 ]
        section "$program.1" COMMANDS | sed -nE 's/^\*([a-z -]+)\* \[?[_*].*/\1/p' | sort >in-page
        same "commands of $program" in-help in-page

        words <in-help >words-help
        {
            sed -nE "s/.*commands='([a-z -]+)'.*/\1/p" "$root/completions/bash/$program"
            sed -nE "s/.*compgen -W '([a-z -]+)'.*/\1/p" "$root/completions/bash/$program"
        } | words >words-bash
        sed -nE "s/^ +'([a-z-]+):.*/\1/p" "$root/completions/zsh/_$program" | words >words-zsh
        sed -nE "s/^complete .* -a ([a-z-]+) -d .*/\1/p" "$root/completions/fish/$program.fish" |
            words >words-fish
        for where in bash zsh fish; do
            same "commands of $program" words-help "words-$where"
        done
    done
}

# strings FILE...: the string literals of C files, those that continue joined
strings_of() {
    cat "$@" | tr '\n\t' '  ' | sed 's/\\"/\x01/g; s/" *"//g' | grep -oE '"[^"]*"'
}

# is_command PROGRAM WORDS...: whether its first words are a command; "%s" may be any word
is_command() {
    local known pattern
    pattern=$(printf '%s' "$2${3:+ $3}" | sed 's/%s/[a-z-]+/g')
    while read -r known; do
        [[ $known == "$2" || "$2${3:+ $3}" =~ ^"$known"$ || $known =~ ^$pattern$ ]] && return 0
    done < <(commands_of "$1")
    return 1
}

@test "every command that a message or a page names exists" {
    strings_of "$root"/lib/*/*.c "$root"/tools/*.c >texts
    find "$root/units" -type f -exec cat {} + >>texts
    cat "$root/README.md" "$root"/man/*.scd "$root/tests/demo" "$root/NEWS" | tr -d '*' >>texts
    count=0
    for program in tpm-ring tpm-reseal tpm-luks tpm-sign; do
        while read -r name first second _; do
            is_command "$name" "$first" "$second" || {
                echo "no such command: $name $first $second"
                false
            }
            "$name" "$first" --help >/dev/null
            count=$((count + 1))
        done < <(grep -oE "$program"'( -[^ ]+)* [a-z%][a-z%-]+( [a-z%-]+)?' texts | sort -u |
            grep -vE "$program (shows|compares|-)")
    done
    [ "$count" -ge 10 ]
    echo "# $count commands looked up" >&3
    run is_command tpm-ring nonsense
    [ "$status" -ne 0 ]
}

@test "every program that a message names exists" {
    # But for the package of udev rules.
    strings_of "$root"/lib/*/*.c "$root"/tools/*.c | grep -oE '\btpm-[a-z]+\b' | grep -vx tpm-udev |
        sort -u >named
    [ -s named ]
    while read -r name; do
        [ -x "$SEALRING_BUILD/bin/$name" ] || {
            echo "no such program: $name"
            false
        }
    done <named
}

@test "every option that a message, a page or the README names exists" {
    for program in $programs $private; do help_options "$program"; done | sort -u >known
    # Those of systemd-ask-password, systemd-creds, systemctl and curl.
    printf '%s\n' --timeout --id --icon --echo --no-tty --with-key --now --unix-socket >>known
    strings_of "$root"/lib/*/*.c "$root"/tools/*.c >texts
    cat "$root/README.md" "$root/NEWS" "$root"/man/*.scd >>texts
    find "$root/units" -type f -exec cat {} + >>texts
    grep -oE -- '(^|[^a-z-])--[a-z]+(-[a-z]+)*' texts | grep -oE -- '--.*' | sort -u >named
    [ "$(wc -l <named)" -ge 20 ]
    run grep -vxFf known named
    echo "no such option: $output"
    [ "$output" = "" ]
}

# -- the programs themselves ----------------------------------------------------------------

@test "--help goes to standard output, fits a screen, and ends with 0" {
    for program in $programs; do
        for option in --help -h; do
            "$program" "$option" >out 2>err
            [ ! -s err ]
            [ "$(wc -l <out)" -le 50 ]
            [ "$(wc -L <out)" -le 80 ]
            grep -q "^Usage: $program " out
            grep -q "See $program(1); exit status in sealring(7)" out
        done
        "$program" --version | grep -q "^$program (sealring) [0-9]"
    done
}

@test "COMMAND --help fits a screen; an option that is not in it is refused" {
    commands_of tpm-sign | grep -vx serve >known
    while read -ra command; do
        tpm-sign "${command[@]}" --help >out
        [ "$(wc -l <out)" -le 50 ]
        [ "$(wc -L <out)" -le 80 ]
        grep -q "^Usage: tpm-sign ${command[*]} \[OPTIONS\]" out
    done <known
    # What the help of one command has and that of another has not, the other refuses.
    help_options tpm-sign >all
    count=0
    for command in keygen verify delete 'cert install'; do
        # shellcheck disable=SC2086 # two words
        tpm-sign $command --help | grep -oE -- '^ .* --[a-z-]+' | grep -oE -- '--[a-z-]+' | sort >taken
        for option in $(comm -23 all taken); do
            # shellcheck disable=SC2086 # two words
            fails 2 tpm-sign $command web "$option" x
            one_line
            says "$option is no option of $command"
            count=$((count + 1))
        done
        [ -s taken ]
    done
    echo "# $count options refused" >&3
    [ "$count" -ge 40 ]
    [ "$(tpm-sign cert --help | grep -c '\[OPTIONS\]')" -eq "$(grep -c '^cert ' known)" ]
    fails 2 tpm-sign nonsense --help
    # Of two words the first may be right.
    fails 2 tpm-sign cert nonsense web
    says 'no command "cert nonsense": see cert --help'
    fails 2 tpm-sign cert
    says 'cert: which? See cert --help'
    fails 2 tpm-sign nonsense web
    says 'no command "nonsense": see --help'
}

@test "a mistake gets one line on standard error, and exit status 2" {
    seal here secret
    mistakes=(
        'tpm-seal' 'tpm-seal a b c' 'tpm-seal --nonsense a' 'tpm-seal -Z a' 'tpm-seal --ring'
        'tpm-seal --quiet=1 a' 'tpm-seal --remove --rename here' 'tpm-seal --rename here'
        'tpm-seal --remove here there' 'tpm-seal .hidden' 'tpm-seal a/b' 'tpm-seal --generate=0 a'
        'tpm-seal --generate=1048576 a' 'tpm-seal --generate=x a' 'tpm-seal empty'
        'tpm-seal --generate --ring r --no-recovery --pcrs 0+24 a'
        'tpm-seal --generate --ring r --no-recovery --pcrs 7+7 a'
        'tpm-seal --generate --ring r --no-recovery --pcrs md5:7 a'
        'tpm-seal --generate --ring r --no-recovery --escrow f a'
        'tpm-seal --generate --ring r --no-recovery --pin-file empty a'
        'tpm-seal --system --user --generate a' 'tpm-seal --pcrs 0+4 --generate a'
        'tpm-unseal' 'tpm-unseal a b' 'tpm-unseal --nonsense' 'tpm-unseal --all'
        'tpm-unseal --all here' 'tpm-unseal --fd 1 --output o here' 'tpm-unseal --withdraw here'
        'tpm-unseal --keyring @x here' 'tpm-unseal --type none here' 'tpm-unseal --timeout x here'
        'tpm-unseal --permissions 0x1ffffffff here' 'tpm-unseal --type logon --description x here'
        'tpm-ring' 'tpm-ring nonsense' 'tpm-ring list a b' 'tpm-ring show' 'tpm-ring recovery'
        'tpm-ring recovery test' 'tpm-ring export system' 'tpm-ring list --nonsense'
        'tpm-ring create .x --no-recovery' 'tpm-ring show a/b'
        'tpm-sign' 'tpm-sign nonsense' 'tpm-sign keygen' 'tpm-sign keygen a b' 'tpm-sign keygen a/b'
        'tpm-sign keygen k --type none' 'tpm-sign keygen k --usage none' 'tpm-sign keygen k --pcrs x'
        'tpm-sign import k --type p256' 'tpm-sign keygen k --pss' 'tpm-sign info' 'tpm-sign verify k' 'tpm-sign sign k --format x'
        'tpm-sign verify k --signature s --format pem' 'tpm-sign sign k --output o a b' 'tpm-sign cert'
        'tpm-sign cert self-sign' 'tpm-sign csr k' 'tpm-sign csr k --subject /CN=x --format der'
        'tpm-sign cert self-sign k --subject /CN=x --days x' 'tpm-sign pubkey k --format der'
        'tpm-sign decrypt k --rsaes --hash sha1' 'tpm-sign delete' 'tpm-sign algs none'
        'tpm-reseal' 'tpm-reseal nonsense' 'tpm-reseal status a b' 'tpm-reseal now --pcrs x'
        'tpm-reseal events a b' 'tpm-reseal explain --log f' 'tpm-reseal predict'
        'tpm-reseal explain --baseline empty --pcrs 7=00' 'tpm-reseal predict --dbx'
        'tpm-luks' 'tpm-luks nonsense' 'tpm-luks enroll' 'tpm-luks enroll a b' 'tpm-luks list a b'
        'tpm-luks remove' 'tpm-luks remove --all --ring r empty' 'tpm-luks list --nonsense'
        'tpm-doctor a' 'tpm-doctor --nonsense' 'tpm-doctor --system --user'
    )
    for mistake in "${mistakes[@]}"; do
        status=0
        # shellcheck disable=SC2086 # words
        setsid -w $mistake >out 2>err </dev/null || status=$?
        if [ "$status" -ne 2 ] || [ "$(wc -l <err)" -ne 1 ] || [ -s out ]; then
            echo "$mistake: exit status $status, expected 2 and one line:"
            cat err out
            false
        fi
        grep -q "^${mistake%% *}: " err
    done
    echo "# ${#mistakes[@]} mistakes made" >&3
    [ "$(tpm-unseal here)" = secret ]
}

# -- manual pages -----------------------------------------------------------------------------

# bats test_tags=minimal
@test "every program has a page with the sections in their order" {
    for program in $programs; do
        grep -E '^# ' "$root/man/$program.1.scd" | sed 's/^# //' | grep -v COMMANDS >sections
        printf '%s\n' NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLES FILES ENVIRONMENT \
            'SEE ALSO' | same "sections of $program(1)" sections -
    done
}

@test "every page lists the exit statuses; sealring(7) has those of the code" {
    sed -n '/^int tool_status/,/^}/p' "$root/tools/tool.c" | grep -oE ', [0-9]+ \}' |
        grep -oE '[0-9]+' >in-code
    { cat in-code; echo 1; } | sort -nu >statuses
    [ "$(wc -l <statuses)" -eq 11 ]
    for page in tpm-seal.1 tpm-unseal.1 tpm-ring.1 tpm-reseal.1 tpm-luks.1 tpm-sign.1 sealring.7; do
        section "$page" 'EXIT STATUS' | grep -oE '\*[0-9]+\*' | tr -d '*' | sort -n >in-page
        same "exit statuses of $page" statuses in-page
    done
}

@test "every environment variable that the code reads is in the pages" {
    # Those of tpm-serve alone are in its own page.
    grep -hoE '(getenv|is_set)\("[A-Z_]+"' "$root"/tools/serve*.c | cut -d'"' -f2 >variables
    [ "$(wc -l <variables)" -ge 4 ]
    while read -r name; do
        grep -qF "*$name*" <(section tpm-serve.8 ENVIRONMENT)
    done <variables
    find "$root/tools" -name '*.c' ! -name 'serve*' -exec cat {} + | tr '\n\t' '  ' |
        grep -oE '(getenv|from_env|directory)\( *"[^;]*;' | grep -oE '"[A-Z][A-Z0-9_]+"' | tr -d '"' |
        sort -u | grep -vx -e HOME -e TERM -e TSS2_LOG \
        -e JOURNAL_STREAM -e SYSTEMD_EXEC_PID >variables
    [ "$(wc -l <variables)" -ge 7 ]
    for program in $programs; do
        while read -r name; do
            grep -qF "*$name*" <(section "$program.1" ENVIRONMENT) || {
                echo "$program(1) does not say what $name does"
                false
            }
        done <variables
    done
}

# keys_in_code FILE: "Section Key" of the table in it
keys_in_code() {
    sed -nE 's/^\t\{ "([A-Za-z]+)", "([A-Za-z]+)", (true|false), .*/\1 \2/p' "$root/$1" | sort
}

keys_in_page() {
    section "$1" OPTIONS | sed -nE 's/^## \[(.*)\]$/[\1]/p; s/^\*([A-Za-z]+)=\*$/\1/p' |
        awk '/^\[/ { section = substr($0, 2, length($0) - 2); next } { print section, $0 }' | sort
}

@test "the keys of the configuration files are the same in code and page" {
    keys_in_code lib/ring/store.c >in-code
    keys_in_page sealring.conf.5 >in-page
    same "keys of sealring.conf" in-code in-page
    keys_in_code lib/ring/delivery.c >in-code
    keys_in_page secrets.d.5 >in-page
    same "keys of secrets.d" in-code in-page
    keys_in_code lib/serve/rules.c >in-code
    keys_in_page keys.d.5 >in-page
    same "keys of keys.d" in-code in-page
    sed -n '/^const.*ring_keys/,/^};/p; /ring_keys\[\]/,/^};/p' "$root/lib/ring/ring.c" |
        grep -oE '"[A-Za-z0-9]+", "[A-Za-z0-9]+"' | sed 's/.*, //' | tr -d '"' | sort -u >in-code
    section sealring-formats.5 RING.CONF | sed -nE 's/^([A-Za-z0-9]+)=.*/\1/p' | sort -u >in-page
    same "keys of ring.conf" in-code in-page
    keys_in_code lib/ring/baseline_file.c | sed 's/.* //' | sort -u >in-code
    section sealring-formats.5 BASELINES | sed -nE 's/^([A-Za-z0-9]+)=.*/\1/p' | sort -u >in-page
    same "keys of a baseline" in-code in-page
}

# literal PAGE SECTION N: the N-th literal block of a section
literal() {
    section "$1" "$2" | awk -v n="$3" '/^```/ { inside = !inside; block += inside; next }
        inside && block == n'
}

@test "the examples of configuration files are accepted" {
    literal sealring.conf.5 EXAMPLES 1 >"$SEALRING_CONFIG_DIR/sealring.conf"
    [ -s "$SEALRING_CONFIG_DIR/sealring.conf" ]
    tpm-ring -q list
    # The file was read: a line that is wrong is named.
    echo Nonsense=1 >>"$SEALRING_CONFIG_DIR/sealring.conf"
    fails 8 tpm-ring list
    says "sealring.conf:$(wc -l <"$SEALRING_CONFIG_DIR/sealring.conf"): "
    rm "$SEALRING_CONFIG_DIR/sealring.conf"

    seal first secret
    mkdir "$SEALRING_CONFIG_DIR/secrets.d"
    for number in 1 2 3; do
        file=$SEALRING_CONFIG_DIR/secrets.d/example$number.conf
        literal secrets.d.5 EXAMPLES "$number" >"$file"
        [ -s "$file" ]
        tpm-seal -q --generate "example$number"
        echo Nonsense=1 >>"$file"
        fails 8 tpm-seal -q --generate --replace "example$number"
        says "$file:"
    done
}

# examples PAGE: the commands of its EXAMPLES, as a script that shows each
examples() {
    section "$1" EXAMPLES | sed -n 's/^\$ //p'
}

# prepare: the files and secrets that the examples speak of
prepare() {
    echo sesame >password.txt
    head -c 64 /dev/urandom >disk.key
    printf 'correct horse battery' >pin.txt
    openssl req -quiet -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=admin \
        -keyout admin.key -out admin.pem 2>/dev/null ||
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=admin \
            -keyout admin.key -out admin.pem 2>/dev/null
    mkdir "$SEALRING_CONFIG_DIR/secrets.d"
    printf '[Keyring]\nKeyring=@s\n' >"$SEALRING_CONFIG_DIR/secrets.d/db-password.conf"
}

# run_examples PAGE: each must succeed; without a terminal, so that nothing waits for a person
run_examples() {
    examples "$1" >commands
    [ "$(wc -l <commands)" -ge 3 ]
    while read -r line; do
        status=0
        setsid -w bash -o pipefail -c "$line" >out 2>&1 </dev/null || status=$?
        if [ "$status" -ne 0 ]; then
            echo "exit status $status: $line"
            cat out
            return 1
        fi
    done <commands
    echo "# $(wc -l <commands) examples of $1 ran" >&3
}

@test "the examples in tpm-seal(1) run" {
    prepare
    run_examples tpm-seal.1
    [ "$(tpm-unseal db-password)" = sesame ]
    cmp <(tpm-unseal disk-key) disk.key
    cmp <(tpm-unseal --escrow-key admin.key disk-key) disk.key
    [ "$(tpm-unseal cookie-salt | wc -c)" -eq 16 ]
    [ "$(tpm-unseal replication | wc -c)" -eq 32 ]
    fails 9 tpm-unseal session-key-1
}

@test "the examples in tpm-unseal(1) run" {
    prepare
    tpm-seal -q --recovery-key-file recovery.key db-password password.txt
    tpm-seal -q disk-key disk.key
    cp "$RINGS/system/approvals/current.pem" app.tpm
    run_examples tpm-unseal.1
    [ "$(cat db.pw)" = sesame ]
    [ "$(stat -c %a db.pw)" = 600 ]
    cmp credentials/disk-key disk.key
    [ "$(stat -c %s app.key)" -eq 32 ]
    # The one was withdrawn again, the other is still there.
    keyctl list @s >keys
    grep -q 'logon: app:disk-key$' keys
    run grep -c 'user: sealring:db-password$' keys
    [ "$output" = 0 ]
    keyctl purge logon app:disk-key
}

# bats test_tags=minimal
@test "the examples in tpm-luks(1) run" {
    printf 'old passphrase\n' >old.txt
    truncate -s 20M disk.img
    PATH=/usr/sbin:$PATH cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 \
        --pbkdf-force-iterations 2000 disk.img - < <(printf 'old passphrase')
    run_examples tpm-luks.1
    [ -s recovery.key ]
    [ -s header.backup ]
    [ "$(tpm-luks list disk.img | wc -l)" -eq 2 ]
}

@test "the examples in tpm-ring(1) run" {
    prepare
    tpm-seal -q --recovery-key-file recovery.key db-password password.txt
    run_examples tpm-ring.1
    [ "$(cat rescued/db-password)" = sesame ]
    [ "$(tpm-unseal db-password)" = sesame ]
    fails 4 tpm-ring recovery test system --recovery-key-file recovery.key
}

@test "the examples in tpm-reseal(1) run" {
    prepare
    tpm-seal -q --recovery-key-file recovery.key db-password password.txt
    gunzip -c "$root/tests/eventlogs/before.bin.gz" >good.log
    gunzip -c "$root/tests/eventlogs/after.bin.gz" >now.log
    cp "$root/tests/eventlogs/dbx.esl" dbxupdate.bin
    tpm-ring -q create boot --recovery-key-file recovery.key --manage yes
    printf '#!/bin/sh\n[ "$*" = update ]\n' >fwupdmgr
    chmod +x fwupdmgr
    PATH=$PWD:$PATH
    run_examples tpm-reseal.1
    [ "$(tpm-unseal --pin-file pin.txt db-password)" = sesame ]
    fails 4 setsid -w tpm-unseal db-password
    extend 4 "another loader"
    fails 3 tpm-unseal --pin-file pin.txt db-password
    says "PCR 4"
    tpm_boot
}

@test "the examples in tpm-sign(1) run" {
    prepare
    echo "what is new" >notes.txt
    echo "and more" >more.txt
    echo "Password=secret" >app.conf
    run_examples tpm-sign.1
    cmp app.conf <(echo "Password=secret")
    tpm-sign verify -q guarded -s more.txt.sig more.txt
    openssl req -in web.csr -noout -verify
    cmp notes.dec notes.txt
}

@test "the examples in tpm-doctor(1) run" {
    prepare
    tpm-seal -q --recovery-key-file recovery.key db-password password.txt
    run_examples tpm-doctor.1
}

@test "the examples in sealring(7) run" {
    prepare
    run_examples sealring.7
}

# -- completions, README, demo --------------------------------------------------------------

# complete_bash WORD...: what the completion of the first word offers for the last
complete_bash() {
    bash -c '
        source "$1/completions/bash/$2"
        COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
        compopt() { :; }
        "_${2//-/_}"
        printf "%s\n" "${COMPREPLY[@]}"' - "$root" "$@" | sort | tr '\n' ' '
}

# bats test_tags=minimal
@test "bash completes commands, rings, secrets and options" {
    seal alpha 1
    seal beta 2 --ring other
    [ "$(complete_bash tpm-unseal '')" = 'alpha beta ' ]
    [ "$(complete_bash tpm-unseal --quiet b)" = 'beta ' ]
    [ "$(complete_bash tpm-seal --ring '')" = 'other system ' ]
    [ "$(complete_bash tpm-seal --ring = o)" = 'other ' ]
    [ "$(complete_bash tpm-ring s)" = 'show ' ]
    [ "$(complete_bash tpm-ring recovery '')" = 'open renew test ' ]
    [ "$(complete_bash tpm-ring show o)" = 'other ' ]
    [ "$(complete_bash tpm-ring recovery test s)" = 'system ' ]
    [ "$(complete_bash tpm-reseal now '')" = 'other system ' ]
    [ "$(complete_bash tpm-reseal --esc)" = '--escrow-key ' ]
    [ "$(complete_bash tpm-unseal --cred)" = '--credential= ' ]
    [ "$(complete_bash tpm-unseal --type l)" = 'logon ' ]
    tpm-sign keygen -q web
    [ "$(complete_bash tpm-sign sign '')" = 'web ' ]
    [ "$(complete_bash tpm-sign key)" = 'keygen ' ]
    [ "$(complete_bash tpm-sign cert '')" = 'install remove self-sign show ' ]
    [ "$(complete_bash tpm-sign serve --i)" = '--idle ' ]
    [ "$(complete_bash tpm-sign keygen --type = rsa2)" = 'rsa2048 ' ]
}

@test "the README has the two commands, and its links lead somewhere" {
    awk '/^```/ { fenced = !fenced; next } fenced' "$root/README.md" >fenced
    [ "$(grep -cx 'sudo make deps demo' fenced)" -eq 1 ]
    [ "$(grep -cx 'sudo make deps check' fenced)" -eq 1 ]
    grep -oE '\]\([^)]+\)' "$root/README.md" | sed 's/^](//; s/)$//' | grep -v '^https:' >links
    [ "$(wc -l <links)" -ge 4 ]
    while read -r link; do
        [ -e "$root/$link" ] || {
            echo "README.md: no such file: $link"
            false
        }
    done <links
}

# chapter NAME: the fenced lines of a chapter of the README
chapter() {
    awk -v name="## $1" '/^## / { inside = ($0 == name) } /^```/ { fenced = !fenced; next }
        inside && fenced' "$root/README.md"
}

@test "README, Give a service its secret: the command prints what the README says" {
    printf secret >password
    chapter 'Give a service its secret' >shown
    read -r prompt command <shown
    [ "$prompt" = '#' ]
    # The rest of the first block, but for the question.
    sed -n '3,/^$/p; /^\[Service\]/,/^Load/p' shown >wanted
    grep -q '^LoadCredential=' wanted
    setsid -w bash -c "${command/tpm-seal/tpm-seal --system --quiet --no-recovery} password" >printed
    diff printed wanted
    grep -qx 'Units=web.service' "$SEALRING_CONFIG_DIR/secrets.d/web-password.conf"
}

@test "the demo tells its story, and ends with 0" {
    run env TERM=xterm NO_COLOR=1 script -qec "$root/tests/demo" /dev/null </dev/null
    echo "$output"
    [ "$status" -eq 0 ]
    says "PCR 7 changed since"
    says "open sesame"
    [[ $output != *$'\e'* ]]
}

@test "the demo fails if the refusal does not come" {
    mkdir -p fake/bin
    for program in $programs; do
        ln -s "$SEALRING_BUILD/bin/$program" fake/bin/
    done
    rm fake/bin/tpm-unseal
    # Opens with the recovery key whatever the boot state is.
    printf '#!/bin/sh\nexec "%s" "$@" --recovery-key-file recovery.key\n' \
        "$SEALRING_BUILD/bin/tpm-unseal" >fake/bin/tpm-unseal
    chmod +x fake/bin/tpm-unseal
    run env -u NO_COLOR TERM=xterm SEALRING_BUILD="$PWD/fake" \
        script -qec "$root/tests/demo" /dev/null </dev/null
    [ "$status" -ne 0 ]
    says "FAILED: exit status 0 instead of 3"
    # On a terminal, without NO_COLOR, commands are bold; the test above found none.
    says $'\e[1m'
}
