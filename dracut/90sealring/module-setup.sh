#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154 # variables of dracut's
# dracut module: what opens volumes and early secrets by the TPM, and closes that again.

sealring_latch=@LIBEXECDIR@/sealring/tpm-latch
sealring_plugin=@TOKENDIR@/libcryptsetup-token-sealring.so
sealring_rings=@LOCALSTATEDIR@/lib/sealring/rings

# An image without a part of this would ask for the passphrase at best: none is made.
sealring_fail() {
    dfatal "sealring: $1"
    exit 1
}

# In an image for this machine only if it has encrypted volumes or early secrets.
check() {
    local fs
    require_binaries "$sealring_latch" || return 1
    [[ $hostonly ]] || return 0
    for fs in "${host_fs_types[@]}"; do
        [[ $fs == crypto_LUKS ]] && return 0
    done
    grep -qsE '^[^#[:space:]]' "$dracutsysrootdir/etc/crypttab" && return 0
    [[ -d $dracutsysrootdir$sealring_rings ]] && return 0
    return 255
}

depends() {
    echo systemd-initrd
}

# Loaded early, as a TPM behind a bus is slow to come up.
installkernel() {
    local driver
    # shellcheck disable=SC2046 # a list
    hostonly='' instmods '=drivers/char/tpm' $(sealring_bus_drivers)
    for driver in tpm_crb tpm_tis; do
        sealring_has_driver "$driver" || {
            dfatal "sealring: the image lacks the driver $driver"
            return 1
        }
    done
}

# The drivers of the buses that lead to this machine's TPM (SPI, I2C).
sealring_bus_drivers() {
    local device
    for device in /sys/class/tpm/tpm[0-9]*; do
        device=$(readlink -f "$device/device" 2>/dev/null) || continue
        while [[ $device == /sys/devices/* ]]; do
            [[ -e $device/driver/module ]] && basename "$(readlink -f "$device/driver/module")"
            device=${device%/*}
        done
    done
    return 0
}

# Built in, not made for this kernel, or in the image.
sealring_has_driver() {
    local modules=$dracutsysrootdir/lib/modules/$kernel file
    grep -qs "/$1.ko" "$modules/modules.builtin" && return 0
    file=$(find "$modules/" -name "$1.ko*" -print -quit 2>/dev/null)
    [[ ! $file ]] || compgen -G "$initdir/lib/modules/$kernel/${file#"$modules/"}" >/dev/null
}

sealring_unit() {
    inst_simple "@UNITDIR@/$1" && $SYSTEMCTL -q --root "$initdir" enable "$1"
}

# The drop-in without which UNIT would give a shell at any time.
sealring_shell() {
    local drop_in=@UNITDIR@/$1.service.d/10-sealring.conf
    inst_simple "$moddir/shell.conf" "$drop_in" && chmod 0644 "$initdir$drop_in"
}

install() {
    local unit
    local -a files=("$sealring_latch" @BINDIR@/tpm-unseal "$sealring_plugin")

    # With their libraries, now: dracut would look for these only after all modules.
    DRACUT_RESOLVE_DEPS=1 inst_multiple "${files[@]}" ||
        sealring_fail 'a program or the plugin is missing'
    # It is linked; but who names it in TCTI= has it loaded by name.
    inst_libdir_file 'libtss2-tcti-device.so.*' || sealring_fail 'libtss2-tcti-device is missing'
    inst_rules 61-sealring.rules

    for unit in tpm-wait.service tpm-unseal-initrd.service tpm-latch.service; do
        sealring_unit "$unit" || sealring_fail "$unit is missing"
    done
    for unit in emergency rescue dracut-emergency debug-shell; do
        sealring_shell "$unit" || sealring_fail "the drop-in for $unit.service is missing"
    done

    "$sealring_latch" --install "$initdir" || sealring_fail 'the configuration cannot be put into the image'
    build_ld_cache
    "$sealring_latch" --check "$initdir" "${files[@]}" || sealring_fail 'the image would not work'
}
