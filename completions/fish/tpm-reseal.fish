# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tpm-reseal for fish.

function __tpm_reseal_rings
    tpm-ring list 2>/dev/null | string replace -r -f '^([^ ]+)  .*' '$1'
end

set -l commands status now prepare confirm recover events explain predict
set -l with_ring status now prepare confirm recover explain
complete -c tpm-reseal -f
complete -c tpm-reseal -n "not __fish_seen_subcommand_from $commands" -a status -d 'how rings stand in this boot'
complete -c tpm-reseal -n "not __fish_seen_subcommand_from $commands" -a now -d 'seal to the present boot state'
complete -c tpm-reseal -n "not __fish_seen_subcommand_from $commands" -a prepare -d 'before an update, or around it'
complete -c tpm-reseal -n "not __fish_seen_subcommand_from $commands" -a confirm -d 'after it: this boot is good'
complete -c tpm-reseal -n "not __fish_seen_subcommand_from $commands" -a recover -d 'the same, opened by recovery'
complete -c tpm-reseal -n "not __fish_seen_subcommand_from $commands" -a events -d 'what a boot\'s event log says'
complete -c tpm-reseal -n "not __fish_seen_subcommand_from $commands" -a explain -d 'what changed since it was sealed'
complete -c tpm-reseal -n "not __fish_seen_subcommand_from $commands" -a predict -d 'PCR 7 after a Secure Boot update'
complete -c tpm-reseal -n "__fish_seen_subcommand_from events" -F
complete -c tpm-reseal -n "__fish_seen_subcommand_from $with_ring" -a '(__tpm_reseal_rings)' -d ring

complete -c tpm-reseal -s j -l json -d 'print JSON'
complete -c tpm-reseal -l pcrs -x -a '0+7 0+4+7 0+7+9 0+7+11' -d 'seal to these PCRs from now on'
complete -c tpm-reseal -l pin -d 'ask for a new PIN'
complete -c tpm-reseal -l pin-file -r -F -d 'read the PIN from FILE'
complete -c tpm-reseal -l new-pin-file -r -F -d 'read the new PIN from FILE'
complete -c tpm-reseal -l accept-unmeasured -d 'take PCRs that firmware left alone'
complete -c tpm-reseal -l recovery-key-file -r -F -d 'read the recovery key from FILE'
complete -c tpm-reseal -l escrow-key -r -F -d 'recover with this private key'
complete -c tpm-reseal -l baseline -r -F -d 'explain: event log of the good boot'
complete -c tpm-reseal -l log -r -F -d 'event log, instead of this boot\'s'
complete -c tpm-reseal -l dbx -r -F -d 'this update of dbx'
complete -c tpm-reseal -l db -r -F -d 'this update of db'
complete -c tpm-reseal -l kek -r -F -d 'this update of KEK'
complete -c tpm-reseal -l next-boot -d 'prepare: whatever PCR 0 is in N boots'
complete -c tpm-reseal -l cab -r -F -d 'prepare: PCR 0 as the vendor says'
complete -c tpm-reseal -l undo -d 'prepare: take that back'
complete -c tpm-reseal -l manage -x -a 'yes no' -d 'recover: keep ring boot\'s key in ring system'
complete -c tpm-reseal -l system -d 'use the system\'s store'
complete -c tpm-reseal -l user -d 'use your own store'
complete -c tpm-reseal -l tcti -x -d 'the TPM (default: /dev/tpmrm0)'
complete -c tpm-reseal -s q -l quiet -d 'say nothing on success'
complete -c tpm-reseal -s h -l help -d 'show this help'
complete -c tpm-reseal -l version -d 'show the version'
