# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tpm-ring for fish.

function __tpm_ring_rings
    tpm-ring list 2>/dev/null | string replace -r -f '^([^ ]+)  .*' '$1'
end

set -l commands list show create rotate recovery export import remove
complete -c tpm-ring -f
complete -c tpm-ring -n "not __fish_seen_subcommand_from $commands" -a list -d 'rings and the names of their secrets'
complete -c tpm-ring -n "not __fish_seen_subcommand_from $commands" -a show -d 'all that is known without opening it'
complete -c tpm-ring -n "not __fish_seen_subcommand_from $commands" -a create -d 'make a ring'
complete -c tpm-ring -n "not __fish_seen_subcommand_from $commands" -a rotate -d 'new ring key, everything encrypted again'
complete -c tpm-ring -n "not __fish_seen_subcommand_from $commands" -a recovery -d 'recovery key and escrow'
complete -c tpm-ring -n "not __fish_seen_subcommand_from $commands" -a export -d 'copy for another machine'
complete -c tpm-ring -n "not __fish_seen_subcommand_from $commands" -a import -d 'take over such a copy'
complete -c tpm-ring -n "not __fish_seen_subcommand_from $commands" -a remove -d 'remove a ring and its secrets'
complete -c tpm-ring -n '__fish_seen_subcommand_from recovery; and not __fish_seen_subcommand_from test renew open' -a test -d 'prove that recovery works'
complete -c tpm-ring -n '__fish_seen_subcommand_from recovery; and not __fish_seen_subcommand_from test renew open' -a renew -d 'choose anew who recovers'
complete -c tpm-ring -n '__fish_seen_subcommand_from recovery; and not __fish_seen_subcommand_from test renew open' -a open -d 'secrets into DIR, without TPM'
complete -c tpm-ring -n "__fish_seen_subcommand_from $commands" -a '(__tpm_ring_rings)' -d ring
complete -c tpm-ring -n '__fish_seen_subcommand_from open export import' -a '(__fish_complete_directories)'

complete -c tpm-ring -s j -l json -d 'list and show as JSON'
complete -c tpm-ring -l new-pin-file -r -F -d 'rotate: read the new PIN from FILE'
complete -c tpm-ring -l escrow-key -r -F -d 'recover with this private key'
complete -c tpm-ring -s f -l force -d 'remove without asking'
complete -c tpm-ring -l pcrs -x -a '0+7 0+4+7 0+7+9 0+7+11' -d 'seal to these PCRs (0+7)'
complete -c tpm-ring -l pin -d 'ask for a new PIN'
complete -c tpm-ring -l pin-file -r -F -d 'read the PIN from FILE'
complete -c tpm-ring -l accept-unmeasured -d 'take PCRs that firmware left alone'
complete -c tpm-ring -l recovery-key-file -r -F -d 'recovery key: use FILE\'s, or write it'
complete -c tpm-ring -l escrow -r -F -d 'let this certificate\'s owner recover'
complete -c tpm-ring -l no-recovery -d 'nobody can recover: TPM or nothing'
complete -c tpm-ring -l manage -x -a 'yes no' -d 'keep ring boot\'s key in ring system'
complete -c tpm-ring -l system -d 'use the system\'s store'
complete -c tpm-ring -l user -d 'use your own store'
complete -c tpm-ring -l tcti -x -d 'the TPM (default: /dev/tpmrm0)'
complete -c tpm-ring -s q -l quiet -d 'say nothing on success'
complete -c tpm-ring -s h -l help -d 'show this help'
complete -c tpm-ring -l version -d 'show the version'
