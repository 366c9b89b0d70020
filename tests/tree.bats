#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The tree keeps its own rules: exports, prefixes, layers, sizes, licences.

setup() {
    cd "$BATS_TEST_DIRNAME/.."
    tmp=$BATS_TEST_TMPDIR
}

c_files() {
    find lib tools tests -name '*.[ch]' | sort
}

@test "the library exports what the header declares, nothing else" {
    echo '#include "sealring.h"' | gcc -Ilib -x c -fsyntax-only -aux-info "$tmp/aux" -
    sed -nE '/lib\/sealring[/.]/s/.*[ *](sr_[a-z0-9_]+) \(.*/\1/p' "$tmp/aux" | sort >"$tmp/declared"
    nm -D --defined-only "$SEALRING_BUILD/libsealring.so.0" |
        awk '$2 != "A" { sub("@.*", "", $3); print $3 }' | sort >"$tmp/exported"
    [ -s "$tmp/declared" ]
    diff "$tmp/declared" "$tmp/exported"
}

@test "every symbol of the library that is not static begins with sr_" {
    nm -g --defined-only "$SEALRING_BUILD/libsealring.a" "$SEALRING_BUILD/libluks.a" |
        awk 'NF == 3 { print $3 }' >"$tmp/symbols"
    [ "$(wc -l <"$tmp/symbols")" -gt 10 ]
    run grep -v -e '^sr_' -e '^__odr_asan' "$tmp/symbols"
    [ "$output" = "" ]
}

@test "the plugin exports what libcryptsetup looks for, nothing else" {
    nm -D --defined-only "$SEALRING_BUILD/token/libcryptsetup-token-sealring.so" |
        awk '$2 != "A" { print $3 }' | sort >"$tmp/exported"
    for name in buffer_free dump open open_pin validate version; do
        echo "cryptsetup_token_$name@@CRYPTSETUP_TOKEN_1.0"
    done | diff - "$tmp/exported"
}

@test "the provider exports what OpenSSL looks for, nothing else, and needs nothing" {
    nm -D --defined-only "$SEALRING_BUILD/ossl-modules/sealring.so" | awk '{ print $3 }' >"$tmp/exported"
    [ "$(cat "$tmp/exported")" = OSSL_provider_init ]
    objdump -p "$SEALRING_BUILD/ossl-modules/sealring.so" >"$tmp/headers"
    run grep -c 'NEEDED.*\(tss\|crypto\|sealring\)' "$tmp/headers"
    [ "$output" = 0 ]
}

@test "what is started for each signature needs these libraries, and no more" {
    readelf -d "$SEALRING_BUILD/dist/tpm-sign" | sed -n 's/.*NEEDED.*\[lib\([a-z0-9-]*\).*/\1/p' >"$tmp/needed"
    grep -qx crypto "$tmp/needed"
    run grep -vxE 'c|crypto|inih|json-c|tss2-(esys|sys|mu|tctildr|tcti-device|rc)' "$tmp/needed"
    [ "$output" = "" ]
    # tpm-unseal has one more.
    readelf -d "$SEALRING_BUILD/dist/tpm-unseal" | grep -q 'NEEDED.*libsealring'
}

@test "every header compiles alone" {
    for header in $(c_files); do
        [[ $header == *.h ]] || continue
        echo "$header"
        # shellcheck disable=SC2046 # flags
        gcc -std=gnu17 -Wall -Wextra -Werror -D_GNU_SOURCE -Ilib -Itools -Itests $(pkg-config --cflags tss2-esys) \
            -fsyntax-only -include "$header" -x c /dev/null
    done
}

@test "a file includes only what stands above it" {
    declare -A below=(
        [ground]='ground' [codec]='ground codec' [tpm]='ground codec tpm'
        [ring]='ground codec tpm ring' [sink]='ground sink' [luks]='ground luks'
        [sign]='ground codec tpm ring sign' [serve]='ground codec tpm ring sign serve'
    )
    checked=0
    for layer in "${!below[@]}"; do
        while IFS=: read -r file included; do
            checked=$((checked + 1))
            [[ " ${below[$layer]} " == *" ${included%%/*} "* ]] || {
                echo "$file includes $included"
                false
            }
        done < <(grep -HoE '^#include "[a-z]+/' "lib/$layer"/*.[ch] | sed 's/#include "//')
    done
    [ "$checked" -gt 10 ]
}

@test "every source file says its licence and its purpose" {
    files=$(c_files; find Makefile .ci/run man units completions lib/sealring.pc.in -type f
        find tests -maxdepth 1 -type f ! -name '*.txt')
    for file in $files; do
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || {
            echo "$file: no SPDX line"
            false
        }
    done
}

@test "no file over 1000 lines, no function over 100" {
    for file in $(c_files); do
        [ "$(wc -l <"$file")" -le 1000 ] || {
            echo "$file: too long"
            false
        }
        awk -v file="$file" '
            /^\{/ { start = NR }
            /^\}/ && start {
                if (NR - start > 100) { print file ":" start ": " NR - start " lines"; bad = 1 }
                start = 0
            }
            END { exit bad }' "$file"
    done
}

@test "the version is the one that NEWS begins with" {
    version=$(sed -n 's/^VERSION = //p' Makefile)
    grep -m 1 -E '^## ' NEWS | grep -F " $version"
}

# In tests/chroot; deps.bats has no user but those it plays, and initramfs.bats needs namespaces.
@test "what an ordinary user does otherwise is tried by one, too" {
    grep -lE 'id -u|setpriv' tests/*.bats | grep -v -e /deps.bats -e /initramfs.bats -e /tree.bats >"$tmp/differ"
    [ "$(wc -l <"$tmp/differ")" -gt 10 ]
    # shellcheck disable=SC2046 # names
    run grep -L '^# bats test_tags=minimal$' $(cat "$tmp/differ")
    [ "$output" = "" ] || {
        echo "no test with the tag \"minimal\": $output"
        false
    }
}
