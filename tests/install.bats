#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installing into an empty tree gives programs that start there; uninstalling leaves nothing.

setup_file() {
    cd "$BATS_TEST_DIRNAME/.."
    export DEST=$BATS_FILE_TMPDIR/root COPY=$BATS_FILE_TMPDIR/build
    # A copy, so that other tests never see this build directory change.
    cp -a "$SEALRING_BUILD" "$COPY"
    make -s BUILD="$COPY" DESTDIR="$DEST" install
}

setup() {
    cd "$BATS_TEST_DIRNAME/.."
}

# bats test_tags=minimal
@test "the tree is complete" {
    (cd "$DEST" && find . ! -type d | sort)
    for source in tools/tpm-*.c; do
        name=$(basename "$source" .c)
        [ -x "$DEST/usr/bin/$name" ] || [ -x "$DEST/usr/libexec/sealring/$name" ]
    done
    [ "$(readlink "$DEST/usr/lib/libsealring.so")" = libsealring.so.0 ]
    [ -f "$DEST/usr/lib/libsealring.so.0" ]
    for header in sealring.h sealring/base.h; do [ -f "$DEST/usr/include/$header" ]; done
    for page in man/*.scd; do
        [ -e "$page" ] || continue
        page=$(basename "$page" .scd)
        [ -s "$DEST/usr/share/man/man${page##*.}/$page" ]
    done
    run grep -rIEl '@[A-Z]+@' "$DEST/usr"
    [ "$output" = "" ]
    # As systemd makes them at boot, those of the configuration too.
    for dir in sealring sealring/keys.d sealring/secrets.d; do
        [ "$(stat -c '%a' "$DEST/etc/$dir")" = 755 ]
        grep -qxF "d /etc/$dir 0755 root root -" "$DEST/usr/lib/tmpfiles.d/sealring.conf"
    done
}

@test "the programs start from there, and know no other place for the library" {
    for program in "$DEST"/usr/bin/tpm-* "$DEST"/usr/libexec/sealring/tpm-*; do
        run readelf -d "$program"
        # That one has it in itself.
        [[ $program == */tpm-sign || $output == *'libsealring.so.0'* ]]
        [[ $output != *RUNPATH* && $output != *RPATH* ]]
        LD_LIBRARY_PATH=$DEST/usr/lib "$program" --help >/dev/null
    done
}

@test "the programs are hardened" {
    for file in "$DEST"/usr/bin/tpm-* "$DEST"/usr/libexec/sealring/tpm-* \
        "$DEST/usr/lib/libsealring.so.0"; do
        readelf -Wd "$file" | grep -q 'FLAGS_1.*NOW'
        readelf -Wl "$file" | grep -q GNU_RELRO
        readelf -Wl "$file" | grep -q 'GNU_STACK.* RW '
        readelf -Wh "$file" | grep -q 'Type: *DYN'
        [[ $SEALRING_BUILD == *-san ]] || readelf -Ws "$file" | grep -q __stack_chk_fail
    done
}

# bats test_tags=minimal
@test "a program can be built against what was installed" {
    cat >"$BATS_TEST_TMPDIR/user.c" <<'END'
#include <sealring.h>
int main(void)
{
	struct sr_secret secret = { 0 };
	int r = sr_secret_copy("x", 1, &secret, NULL);

	sr_secret_done(&secret);
	return r;
}
END
    [[ $SEALRING_BUILD != *-san ]] || set -- -fsanitize=address,undefined
    PKG_CONFIG_SYSROOT_DIR=$DEST PKG_CONFIG_PATH=$DEST/usr/lib/pkgconfig \
        PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 \
        pkg-config --cflags --libs sealring >"$BATS_TEST_TMPDIR/flags"
    # shellcheck disable=SC2046 # flags
    gcc "$@" -o "$BATS_TEST_TMPDIR/user" "$BATS_TEST_TMPDIR/user.c" \
        $(cat "$BATS_TEST_TMPDIR/flags") -Wl,-rpath-link,"$DEST/usr/lib"
    LD_LIBRARY_PATH=$DEST/usr/lib "$BATS_TEST_TMPDIR/user"
}

# How good the code is does not matter here, nor is the other copy built anew for the next test.
@test "other paths are honoured" {
    cp -a "$COPY" "$COPY-others"
    make -s CFLAGS=-O0 BUILD="$COPY-others" DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/opt/s LIBDIR=/opt/s/lib64 \
        MANDIR=/m UNITDIR=/u USERUNITDIR=/v UDEVDIR=/r DRACUTDIR=/d \
        TMPFILESDIR=/t PRESETDIR=/p CATALOGDIR=/c SYSUSERSDIR=/y SLEEPDIR=/l TOKENDIR=/k MODULESDIR=/o \
        KERNELHOOKDIR=/h IMAGEHOOKDIR=/i install
    [ -f "$BATS_TEST_TMPDIR/root/opt/s/lib64/libsealring.so.0" ]
    run grep libdir= "$BATS_TEST_TMPDIR/root/opt/s/lib64/pkgconfig/sealring.pc"
    [ "$output" = "libdir=/opt/s/lib64" ]
    [ ! -e "$BATS_TEST_TMPDIR/root/usr" ]
    make -s CFLAGS=-O0 BUILD="$COPY-others" DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/opt/s LIBDIR=/opt/s/lib64 \
        MANDIR=/m UNITDIR=/u USERUNITDIR=/v UDEVDIR=/r DRACUTDIR=/d \
        TMPFILESDIR=/t PRESETDIR=/p CATALOGDIR=/c SYSUSERSDIR=/y SLEEPDIR=/l TOKENDIR=/k MODULESDIR=/o \
        KERNELHOOKDIR=/h IMAGEHOOKDIR=/i uninstall
    run find "$BATS_TEST_TMPDIR/root" -mindepth 1
    [ "$output" = "" ]
}

@test "uninstall leaves nothing of ours, and all of others'" {
    touch "$DEST/usr/bin/other" "$DEST/etc/sealring/keys.d/web.conf"
    make -s BUILD="$COPY" DESTDIR="$DEST" uninstall
    run find "$DEST" ! -type d
    [ "$output" = "$DEST/usr/bin/other"$'\n'"$DEST/etc/sealring/keys.d/web.conf" ] ||
        [ "$output" = "$DEST/etc/sealring/keys.d/web.conf"$'\n'"$DEST/usr/bin/other" ]
    rm "$DEST/usr/bin/other" "$DEST/etc/sealring/keys.d/web.conf"
    make -s BUILD="$COPY" DESTDIR="$DEST" install
    make -s BUILD="$COPY" DESTDIR="$DEST" uninstall
    run find "$DEST" -mindepth 1
    [ "$output" = "" ]
}
