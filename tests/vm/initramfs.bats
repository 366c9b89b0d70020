#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Images of dracut and initramfs-tools, made in the guest's file system: what is in them, by
# how much they grow, and that none is made when a part is missing. Nothing is booted here.

GROWTH_MAX=1500000 # bytes, compressed

setup_file() {
    export ROOTS=$BATS_FILE_TMPDIR
    for flavour in dracut initramfs-tools; do
        image=$(VM_FLAVOUR=$flavour "$BATS_TEST_DIRNAME/image" 3>&-)
        # Other sets of packages have more in them.
        tar=$(find "$(dirname "$image")" -maxdepth 1 -name "packages-$flavour-*.tar" -printf '%s %p\n' |
            sort -n | head -n 1 | cut -d' ' -f2)
        mkdir "$ROOTS/$flavour"
        tar -C "$ROOTS/$flavour" -x --numeric-owner --xattrs --xattrs-include='*' -f "$tar"
        tar -C "${VM_OVERLAY:?}" -c . |
            tar -C "$ROOTS/$flavour" -x --no-same-owner --keep-directory-symlink
        printf 'root UUID=5ea10000-0000-4000-8000-000000000001 none luks,initramfs\n' \
            >"$ROOTS/$flavour/etc/crypttab"
    done
    cp "$BATS_TEST_DIRNAME/guest/dracut.conf" "$ROOTS/dracut/etc/dracut.conf.d/vm.conf"
    cp "$BATS_TEST_DIRNAME/guest/initramfs.conf" "$ROOTS/initramfs-tools/etc/initramfs-tools/conf.d/vm"
}

# in_root FLAVOUR COMMAND...: in its file system, with mounts that end with the command
in_root() {
    # shellcheck disable=SC2016 # for that shell
    unshare --mount --pid --fork --kill-child bash -c '
        root=$1
        shift
        mount -t proc proc "$root/proc"
        mount -t sysfs -o ro sysfs "$root/sys"
        mount -t devtmpfs devtmpfs "$root/dev" 2>/dev/null || mount --rbind /dev "$root/dev"
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 chroot "$root" "$@"
        ' - "$ROOTS/$1" "${@:2}" 3>&-
}

# build FLAVOUR [DRACUT OPTIONS]: /boot/made in its file system
build() {
    local kernel
    kernel=$(ls "$ROOTS/$1/lib/modules")
    rm -f "$ROOTS/$1/boot/made"
    in_root "$1" ldconfig
    case $1 in
    dracut) in_root dracut dracut --quiet --force --kver "$kernel" "${@:2}" /boot/made ;;
    *)
        rm -f "$ROOTS/$1/boot/initrd.img-$kernel"
        in_root initramfs-tools update-initramfs -c -k "$kernel" || return
        mv "$ROOTS/$1/boot/initrd.img-$kernel" "$ROOTS/$1/boot/made"
        ;;
    esac
}

size_of() {
    stat -c %s "$ROOTS/$1/boot/made"
}

# contents FLAVOUR: names of the files in the image
contents() {
    case $1 in
    dracut) in_root dracut lsinitrd /boot/made | awk '/^[-l]/ { print $9 }' ;;
    *) in_root initramfs-tools lsinitramfs /boot/made ;;
    esac
}

# has NAME...: the image in the file "list" has files that end so
has() {
    local name
    for name; do
        grep -q "$name\$" list || {
            echo "not in the image: $name"
            return 1
        }
    done
}

# none_without FLAVOUR FILE...: with one of them away no image is made, and it is said
none_without() {
    local file said
    for file in "${@:2}"; do
        file=$ROOTS/$1$file
        [ -e "$file" ] || {
            echo "$file: nothing to take away"
            return 1
        }
        mv "$file" "$ROOTS/away"
        run build "$1"
        said=$output
        mv "$ROOTS/away" "$file"
        [ "$status" -ne 0 ] || {
            echo "an image was made without $file"
            return 1
        }
        run find "$ROOTS/$1/boot" -name 'made*' -o -name 'initrd.img*'
        [ "$output" = "" ]
        [[ $said == *sealring:* ]] || {
            echo "$said"
            return 1
        }
        echo "# none without ${file#"$ROOTS/$1"}: $(grep -m1 -o 'sealring: .*' <<<"$said")" >&3
    done
}

@test "dracut: programs, plugin, libraries, units; and it grows by little" {
    cd "$BATS_TEST_TMPDIR"
    build dracut --omit sealring
    without=$(size_of dracut)
    build dracut
    growth=$(($(size_of dracut) - without))
    echo "# dracut: $without bytes, with sealring $growth more" >&3
    [ "$growth" -gt 100000 ]
    [ "$growth" -le "$GROWTH_MAX" ]
    contents dracut >list
    has sealring/tpm-latch bin/tpm-unseal cryptsetup/libcryptsetup-token-sealring.so \
        libsealring.so.0 libtss2-tcti-device.so.0 libtss2-esys.so.0 \
        system/tpm-latch.service system/tpm-wait.service system/tpm-unseal-initrd.service
    for unit in emergency rescue dracut-emergency debug-shell; do
        has "/$unit.service.d/10-sealring.conf"
    done
    for unit in sysroot.mount initrd-switch-root.service dracut-pre-pivot.service plymouth-switch-root.service; do
        has "/$unit.requires/tpm-latch.service"
    done
    # What dracut's own module for a TPM brings is not there.
    run grep -E 'libtss2-fapi|libcurl' list
    [ "$output" = "" ]
}

@test "dracut: no image without a part" {
    none_without dracut '/usr/lib/x86_64-linux-gnu/libtss2-mu.so.0.0.0' \
        '/usr/lib/x86_64-linux-gnu/cryptsetup/libcryptsetup-token-sealring.so' \
        /usr/bin/tpm-unseal /usr/lib/systemd/system/tpm-latch.service \
        /usr/lib/dracut/modules.d/90sealring/shell.conf
    build dracut
}

@test "initramfs-tools: programs, plugin, libraries, scripts; and it grows by little" {
    cd "$BATS_TEST_TMPDIR"
    hook=$ROOTS/initramfs-tools/usr/share/initramfs-tools/hooks/sealring
    mv "$hook" "$ROOTS/away"
    build initramfs-tools
    mv "$ROOTS/away" "$hook"
    without=$(size_of initramfs-tools)
    build initramfs-tools
    growth=$(($(size_of initramfs-tools) - without))
    echo "# initramfs-tools: $without bytes, with sealring $growth more" >&3
    [ "$growth" -gt 100000 ]
    [ "$growth" -le "$GROWTH_MAX" ]
    contents initramfs-tools >list
    has sealring/tpm-latch bin/tpm-unseal cryptsetup/libcryptsetup-token-sealring.so \
        libsealring.so.0 libtss2-tcti-device.so.0 cryptsetup/scripts/sealring \
        scripts/init-premount/sealring scripts/local-bottom/sealring \
        scripts/init-bottom/sealring scripts/panic/sealring
}

@test "initramfs-tools: no image without a part" {
    none_without initramfs-tools '/usr/lib/x86_64-linux-gnu/libtss2-mu.so.0.0.0' \
        '/usr/lib/x86_64-linux-gnu/cryptsetup/libcryptsetup-token-sealring.so' \
        /usr/bin/tpm-unseal /usr/lib/cryptsetup/scripts/sealring
    build initramfs-tools
}
