# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the bats files of PINs share: a TPM that lets many be tried, one that is right and one that
# is wrong, and a message to sign. For those that have loaded common.bash, or what loads it.

setup_file() {
    tpm_start
    boot_state
    tpm_tries 30
}

setup() {
    pins_new
}

# pins_new: an empty store with the files pin, wrong and message beside it
pins_new() {
    store_new
    printf 'correct horse battery\n' >pin
    printf 'wrong horse battery\n' >wrong
    echo 'a message' >message
}
