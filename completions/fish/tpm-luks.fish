# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tpm-luks for fish.

function __tpm_luks_rings
    tpm-ring list 2>/dev/null | string replace -r -f '^([^ ]+)  .*' '$1'
end

set -l commands enroll list remove
complete -c tpm-luks -f
complete -c tpm-luks -n "not __fish_seen_subcommand_from $commands" -a enroll -d 'let a ring unlock it; again: refresh'
complete -c tpm-luks -n "not __fish_seen_subcommand_from $commands" -a list -d 'volumes of the rings, or its keyslots'
complete -c tpm-luks -n "not __fish_seen_subcommand_from $commands" -a remove -d 'take keyslot and token away'
complete -c tpm-luks -n "__fish_seen_subcommand_from $commands" -F

complete -c tpm-luks -s r -l ring -x -a '(__tpm_luks_rings)' -d 'this ring unlocks it (boot)'
complete -c tpm-luks -l passphrase-file -r -F -d 'a passphrase that unlocks it now'
complete -c tpm-luks -l unlock-with-token -d 'one of its tokens unlocks it now'
complete -c tpm-luks -l header-backup -r -F -d 'first copy its header into a new FILE'
complete -c tpm-luks -l all -d 'remove: of all rings, recovery keys too'
complete -c tpm-luks -s j -l json -d 'list as JSON'
complete -c tpm-luks -l pcrs -x -a '0+7 0+4+7 0+7+9 0+7+11' -d 'seal to these PCRs (0+7)'
complete -c tpm-luks -l pin -d 'ask for a new PIN'
complete -c tpm-luks -l pin-file -r -F -d 'read the PIN from FILE'
complete -c tpm-luks -l accept-unmeasured -d 'take PCRs that firmware left alone'
complete -c tpm-luks -l recovery-key-file -r -F -d 'recovery key: use FILE\'s, or write it'
complete -c tpm-luks -l escrow -r -F -d 'let this certificate\'s owner recover'
complete -c tpm-luks -l no-recovery -d 'nobody can recover: TPM or nothing'
complete -c tpm-luks -l manage -x -a 'yes no' -d 'keep ring boot\'s key in ring system'
complete -c tpm-luks -l system -d 'use the system\'s store'
complete -c tpm-luks -l user -d 'use your own store'
complete -c tpm-luks -l tcti -x -d 'the TPM (default: /dev/tpmrm0)'
complete -c tpm-luks -s q -l quiet -d 'say nothing on success'
complete -c tpm-luks -s h -l help -d 'show this help'
complete -c tpm-luks -l version -d 'show the version'
