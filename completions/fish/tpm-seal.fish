# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tpm-seal for fish.

function __tpm_seal_rings
    tpm-ring list 2>/dev/null | string replace -r -f '^([^ ]+)  .*' '$1'
end

function __tpm_seal_secrets
    tpm-ring list 2>/dev/null | string replace -r -f '^  (.*)' '$1'
end

complete -c tpm-seal -n 'not __fish_seen_argument -s g -l generate' -a '(__tpm_seal_secrets)' -d secret

complete -c tpm-seal -s r -l ring -x -a '(__tpm_seal_rings)' -d 'under this ring (system)'
complete -c tpm-seal -s g -l generate -d 'seal N random bytes (32)'
complete -c tpm-seal -l replace -d 'replace the secret if it exists'
complete -c tpm-seal -l if-changed -d 'write only if the bytes differ'
complete -c tpm-seal -l unit -x -d 'deliver it to a systemd service'
complete -c tpm-seal -l remove -d 'remove the secret NAME'
complete -c tpm-seal -l rename -d 'rename it: NAME is old, FILE is new'
complete -c tpm-seal -l pcrs -x -a '0+7 0+4+7 0+7+9 0+7+11' -d 'seal to these PCRs (0+7)'
complete -c tpm-seal -l pin -d 'ask for a new PIN'
complete -c tpm-seal -l pin-file -r -F -d 'read the PIN from FILE'
complete -c tpm-seal -l accept-unmeasured -d 'take PCRs that firmware left alone'
complete -c tpm-seal -l recovery-key-file -r -F -d 'recovery key: use FILE\'s, or write it'
complete -c tpm-seal -l escrow -r -F -d 'let this certificate\'s owner recover'
complete -c tpm-seal -l no-recovery -d 'nobody can recover: TPM or nothing'
complete -c tpm-seal -l manage -x -a 'yes no' -d 'keep ring boot\'s key in ring system'
complete -c tpm-seal -l system -d 'use the system\'s store'
complete -c tpm-seal -l user -d 'use your own store'
complete -c tpm-seal -l tcti -x -d 'the TPM (default: /dev/tpmrm0)'
complete -c tpm-seal -s q -l quiet -d 'say nothing on success'
complete -c tpm-seal -s h -l help -d 'show this help'
complete -c tpm-seal -l version -d 'show the version'
