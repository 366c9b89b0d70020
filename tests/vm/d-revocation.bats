#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario d: the revocation list of Secure Boot was updated, so PCR 7 is another.

# shellcheck disable=SC2154 # from vm.bash
load scenario

@test "PCR 7 changed: a prompt that says so; latched; after re-sealing unattended again" {
    vm_update_dbx
    vm_changed 7 0
    vm_stop
    vm_unattended 'after re-sealing'
    vm_latched
    vm_stop
}
