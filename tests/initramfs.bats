#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is put into an initramfs, and the proof that it works there. Real images are made in
# tests/vm.

load common

setup() {
    store_new
    image=$BATS_TEST_TMPDIR/image
    mkdir "$image"
}

# early NAME RING: a secret that the initramfs shall deliver
early() {
    [ -d "$RINGS/boot" ] || tpm-ring create boot --quiet --recovery-key-file "$RK" --pcrs 0+7+15=0
    [ "$2" = boot ] || [ -d "$RINGS/$2" ] || tpm-ring create "$2" --quiet --recovery-key-file "$RK"
    printf %s "early $1" | tpm-seal --quiet --ring "$2" "$1"
    mkdir -p "$SEALRING_CONFIG_DIR/secrets.d"
    printf '[Secret]\nRing=%s\nInitramfs=yes\n[Keyring]\nKeyring=@u\n' "$2" \
        >"$SEALRING_CONFIG_DIR/secrets.d/$1.conf"
}

# in_image: what is in the image, paths from the trees on
in_image() {
    (cd "$image" && find . -type f) | sed -e "s|^\.$SEALRING_STATE_DIR/|state |" \
        -e "s|^\.$SEALRING_CONFIG_DIR/|config |" | sort
}

@test "without early secrets an image gets the configuration only" {
    seal late 'of the system'
    mkdir "$SEALRING_CONFIG_DIR/sealring.conf.d" "$SEALRING_CONFIG_DIR/secrets.d"
    printf '[TPM]\nWait=3\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    printf '[Policy]\nPCRs=0+7\n' >"$SEALRING_CONFIG_DIR/sealring.conf.d/a.conf"
    printf '[Keyring]\nKeyring=@u\n' >"$SEALRING_CONFIG_DIR/secrets.d/late.conf"
    tpm-latch --install "$image"
    in_image >found
    diff - found <<EOS
config sealring.conf
config sealring.conf.d/a.conf
EOS
    diff -r "$SEALRING_CONFIG_DIR/sealring.conf.d" "$image$SEALRING_CONFIG_DIR/sealring.conf.d"
}

@test "an empty store and no configuration are fine" {
    tpm-latch --install "$image"
    [ "$(in_image)" = "" ]
}

@test "of early secrets it gets what opens them, and nothing else" {
    early disk boot
    printf x | tpm-seal --quiet --ring boot other
    seal late 'of the system'
    run tpm-latch --install "$image"
    [ "$status" -eq 0 ]
    says 'the image gets 1 secret'
    in_image >found
    diff - found <<EOS
config secrets.d/disk.conf
state rings/boot/approvals/current.pem
state rings/boot/ring.conf
state rings/boot/secrets/disk.cms
EOS
    there=(env SEALRING_STATE_DIR="$image$SEALRING_STATE_DIR"
        SEALRING_CONFIG_DIR="$image$SEALRING_CONFIG_DIR")
    [ "$("${there[@]}" tpm-unseal disk)" = 'early disk' ]
    fails 9 "${there[@]}" tpm-unseal late
    "${there[@]}" tpm-unseal --quiet --configured --all
    key=$(keyctl search @u user sealring:disk)
    keyctl unlink "$key" @u
}

@test "a ring that stays open is refused for the initramfs" {
    early disk system
    fails 2 tpm-latch --install "$image"
    one_line
    says 'Initramfs=yes, but ring system stays open'
}

@test "a ring that another PCR closes than the configured one is refused" {
    early disk boot
    printf '[Latch]\nPCR=14\n' >"$SEALRING_CONFIG_DIR/sealring.conf"
    fails 2 tpm-latch --install "$image"
    one_line
    says 'ring boot is closed by PCR 15, but [Latch] PCR=14'
}

@test "a ring is pending until its present secrets and approvals are in an image" {
    early disk boot
    run tpm-reseal status boot
    [ "$status" -eq 0 ]
    says pending
    says 'build it anew'
    tpm-latch --install "$image"
    make_image
    in_namespace tpm-latch --check "$image" "$latch"
    run tpm-reseal status boot
    says ready
    printf new | tpm-seal --quiet --replace --ring boot disk
    run tpm-reseal status boot
    says pending
    tpm-latch --install "$image"
    in_namespace tpm-latch --check "$image" "$latch"
    run tpm-reseal status boot
    says ready
    tpm-reseal --quiet now boot
    run tpm-reseal status boot
    says pending
}

# -- programs and libraries of an image ----------------------------------------------------

latch=$SEALRING_BUILD/bin/tpm-latch
plugin=$SEALRING_BUILD/token/libcryptsetup-token-sealring.so

# make_image: program and plugin with all that they need, at their places here
make_image() {
    local file
    { printf '%s\n' "$latch" "$plugin" "$SEALRING_BUILD/libsealring.so.0"
        ldd "$latch" "$plugin" | grep -oE '/[^ ]+' | grep -v ':$'; } | sort -u >wanted
    while read -r file; do
        mkdir -p "$image$(dirname "$file")"
        cp -L "$file" "$image$file"
    done <wanted
    mkdir -p "$image/proc"
}

# in_namespace COMMAND...: where anybody can change the root directory
in_namespace() {
    # shellcheck disable=SC2016 # for that shell
    unshare --map-root-user --mount sh -c 'mount --rbind /proc "$0/proc" && exec "$@"' "$image" "$@"
}

# missing NAME: takes libraries of that name out of the image
missing() {
    local found
    found=$(find "$image" -name "$1")
    [ "$found" != "" ]
    # shellcheck disable=SC2086 # a list
    rm $found
}

@test "an image with everything passes" {
    make_image
    run in_namespace tpm-latch --check "$image" "$latch" "$plugin"
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
}

@test "without any one of its libraries it does not" {
    count=0
    while read -r library; do
        rm -rf "${image:?}"/*
        make_image
        missing "$library"
        run in_namespace tpm-latch --check "$image" "$latch" "$plugin"
        [ "$status" -eq 1 ] || {
            echo "$status without $library: $output"
            false
        }
        says 'does not start in the image'
        count=$((count + 1))
    done < <(ldd "$latch" "$plugin" | sed -n 's/^\t\([^ ]*\) => .*/\1/p' | sort -u)
    echo "# $count libraries left out" >&3
    [ "$count" -ge 10 ]
}

@test "without program, plugin or dynamic linker it does not" {
    for name in tpm-latch "${plugin##*/}" 'ld-linux*'; do
        rm -rf "${image:?}"/*
        make_image
        missing "$name"
        fails 1 in_namespace tpm-latch --check "$image" "$latch" "$plugin"
    done
}

@test "only root can try an image" {
    make_image
    [ "$(id -u)" -ne 0 ] || as=(setpriv --bounding-set -sys_chroot --inh-caps -sys_chroot)
    fails 1 "${as[@]}" tpm-latch --check "$image" "$latch"
    says 'only root can make an image'
}

# -- the scripts ----------------------------------------------------------------------------

@test "units of the initramfs: verified by systemd" {
    mkdir -p "$BATS_TEST_TMPDIR/etc"
    for unit in "$SEALRING_BUILD"/units/tpm-{wait,latch,unseal-initrd}.service "$SEALRING_BUILD"/units/tpm-unseal@.service; do
        sed -e "s|^\(Exec[A-Za-z]*=\)[^ ]*/\(tpm-[a-z]*\)|\1$SEALRING_BUILD/bin/\2|" "$unit" >"${unit##*/}"
    done
    cp tpm-unseal@.service tpm-unseal@db.service
    run systemd-analyze verify --man=no ./tpm-wait.service ./tpm-latch.service ./tpm-unseal-initrd.service ./tpm-unseal@db.service
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    # It would notice.
    sed -i 's/^TimeoutStartSec=.*/TimeoutStartSecs=1/' tpm-latch.service
    run systemd-analyze verify --man=no ./tpm-latch.service
    [[ $output == *TimeoutStartSecs* ]]
}
