# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tpm-sign for fish.

function __tpm_sign_keys
    tpm-sign list 2>/dev/null | string replace -r -f '^([^ ]+)  .*' '$1'
end

set -l commands keygen import list info pubkey sign verify decrypt csr cert passwd delete algs openssl-conf serve
complete -c tpm-sign -f
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a keygen -d 'make a key in the TPM'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a import -d 'bring a private key into the TPM'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a list -d 'what keys there are'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a info -d 'all that is known of a key'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a pubkey -d 'its public key'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a sign -d 'sign FILE, or standard input'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a verify -d 'check a signature, without TPM'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a decrypt -d 'decrypt with an RSA key'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a csr -d 'a certificate request'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a cert -d 'certificates of a key'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a passwd -d 'change its PIN'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a delete -d 'remove a key'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a algs -d 'what kinds of keys this TPM has'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a openssl-conf -d 'configuration for OpenSSL to use the keys'
complete -c tpm-sign -n "not __fish_seen_subcommand_from $commands" -a serve -d 'the ssh-agent'
complete -c tpm-sign -n '__fish_seen_subcommand_from cert; and not __fish_seen_subcommand_from self-sign install' -a self-sign -d 'a certificate signed by the key itself'
complete -c tpm-sign -n '__fish_seen_subcommand_from cert; and not __fish_seen_subcommand_from self-sign install' -a install -d 'keep a certificate beside the key'
complete -c tpm-sign -n '__fish_seen_subcommand_from algs' -a 'p256 p384 p521 rsa2048 rsa3072 rsa4096'
complete -c tpm-sign -n "__fish_seen_subcommand_from $commands; and not __fish_seen_subcommand_from algs openssl-conf serve" -a '(__tpm_sign_keys)' -d key
complete -c tpm-sign -n '__fish_seen_subcommand_from sign verify decrypt import install openssl-conf' -F

complete -c tpm-sign -s j -l json -d 'list, info and algs as JSON'
complete -c tpm-sign -s t -l type -x -a 'p256 p384 p521 rsa2048 rsa3072 rsa4096' -d 'kind of key: p256, rsa2048 ... (p256)'
complete -c tpm-sign -l usage -x -a 'sign decrypt both' -d 'sign, decrypt or both'
complete -c tpm-sign -l pcrs -x -a '0+7 0+4+7 0+7+9 0+7+11' -d 'bind the key to these PCRs'
complete -c tpm-sign -l pin -d 'ask for a new PIN'
complete -c tpm-sign -l pin-file -r -F -d 'read the PIN from FILE'
complete -c tpm-sign -l new-pin-file -r -F -d 'passwd: read the new PIN from FILE'
complete -c tpm-sign -l accept-unmeasured -d 'take PCRs that firmware left alone'
complete -c tpm-sign -l hash -x -a 'sha256 sha384 sha512' -d 'sha256, sha384 or sha512'
complete -c tpm-sign -l pss -d 'RSA: PSS instead of PKCS#1 v1.5'
complete -c tpm-sign -l rsaes -d 'decrypt: PKCS#1 v1.5 instead of OAEP'
complete -c tpm-sign -l digest -d 'FILE is the hash of the message'
complete -c tpm-sign -l format -x -a 'der plain tss ssh pem' -d 'der, plain, tss, ssh; pubkey: pem, ssh'
complete -c tpm-sign -l namespace -x -a 'file git' -d 'what an ssh signature is for (file)'
complete -c tpm-sign -s s -l signature -r -F -d 'verify: the signature'
complete -c tpm-sign -s o -l output -r -F -d 'write to FILE, not standard output'
complete -c tpm-sign -l encrypt-session -d 'encrypt also where nothing is secret'
complete -c tpm-sign -l subject -x -d 'csr, cert: as in /CN=example.org'
complete -c tpm-sign -l alt-name -x -d 'csr, cert: as in DNS:example.org'
complete -c tpm-sign -l days -x -d 'cert: how long it is valid'
complete -c tpm-sign -s f -l force -d 'delete without asking'
complete -c tpm-sign -l system -d 'use the system\'s store'
complete -c tpm-sign -l user -d 'use your own store'
complete -c tpm-sign -l tcti -x -d 'the TPM (default: /dev/tpmrm0)'
complete -c tpm-sign -s q -l quiet -d 'say nothing on success'
complete -c tpm-sign -s h -l help -d 'show this help'
complete -c tpm-sign -l version -d 'show the version'
