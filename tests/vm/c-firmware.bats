#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario c: the firmware was updated, so PCR 0 is another.

# shellcheck disable=SC2154 # from vm.bash
load scenario

@test "PCR 0 changed: a prompt that says so; latched; after re-sealing unattended again" {
    vm_use_firmware 2
    vm_changed 0 7
    vm_stop
    vm_unattended 'after re-sealing'
    vm_latched
    vm_stop
}
