# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The smallest event log of SHA-256: what goes through every byte of it ends.

# small_log TEXT: on standard output; TEXT is what was measured into PCR 0
small_log() {
    printf '\0\0\0\0\003\0\0\0'
    head -c 20 /dev/zero
    printf '\041\0\0\0Spec ID Event03\0\0\0\0\0\0\002\0\002\001\0\0\0\013\0\040\0\0'
    printf '\0\0\0\0\010\0\0\0\001\0\0\0\013\0'
    printf %s "$1" | sha256sum | cut -d ' ' -f 1 | xxd -r -p
    printf '%08x' "${#1}" | sed 's/\(..\)\(..\)\(..\)\(..\)/\4\3\2\1/' | xxd -r -p
    printf %s "$1"
}
