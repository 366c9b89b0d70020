# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tpm-doctor for fish.

complete -c tpm-doctor -f
complete -c tpm-doctor -s j -l json -d 'print JSON'
complete -c tpm-doctor -l system -d 'use the system\'s store'
complete -c tpm-doctor -l user -d 'use your own store'
complete -c tpm-doctor -l tcti -x -d 'the TPM (default: /dev/tpmrm0)'
complete -c tpm-doctor -s q -l quiet -d 'only what is wrong'
complete -c tpm-doctor -s h -l help -d 'show this help'
complete -c tpm-doctor -l version -d 'show the version'
