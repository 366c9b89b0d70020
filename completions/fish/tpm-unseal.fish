# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tpm-unseal for fish.

function __tpm_unseal_secrets
    tpm-ring list 2>/dev/null | string replace -r -f '^  (.*)' '$1'
end

complete -c tpm-unseal -f -a '(__tpm_unseal_secrets)' -d secret

complete -c tpm-unseal -s o -l output -r -F -d 'write to FILE (0600); - is stdout'
complete -c tpm-unseal -l fd -x -d 'write to the open file descriptor N'
complete -c tpm-unseal -s k -l keyring -x -a '@s @u @us @p' -d '@s, @u, @us, @p, name or id'
complete -c tpm-unseal -l type -x -a 'user logon big_key' -d 'user, logon or big_key'
complete -c tpm-unseal -l description -x -d 'instead of sealring:NAME'
complete -c tpm-unseal -l timeout -x -d 'the kernel forgets the key then'
complete -c tpm-unseal -l permissions -x -d 'as keyctl setperm takes it'
complete -c tpm-unseal -s c -l credential -d 'as DIR/NAME (/run/credstore)'
complete -c tpm-unseal -l configured -d 'where secrets.d says'
complete -c tpm-unseal -l withdraw -d 'take back what --configured delivers'
complete -c tpm-unseal -s a -l all -d 'every secret'
complete -c tpm-unseal -l file -r -F -d 'a sealed TPM key file, any tool\'s'
complete -c tpm-unseal -l pin-file -r -F -d 'read the PIN from FILE'
complete -c tpm-unseal -l recovery-key-file -r -F -d 'open with the recovery key, without TPM'
complete -c tpm-unseal -l escrow-key -r -F -d 'open with this private key'
complete -c tpm-unseal -l system -d 'use the system\'s store'
complete -c tpm-unseal -l user -d 'use your own store'
complete -c tpm-unseal -l tcti -x -d 'the TPM (default: /dev/tpmrm0)'
complete -c tpm-unseal -s q -l quiet -d 'say nothing on success'
complete -c tpm-unseal -s h -l help -d 'show this help'
complete -c tpm-unseal -l version -d 'show the version'
