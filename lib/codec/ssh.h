/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What OpenSSH writes: public keys (RFC 4253, RFC 5656), fingerprints, SSHSIG files. */
#ifndef SR_SSH_H
#define SR_SSH_H

#include "signature.h"

#define SR_SSH_FINGERPRINT 51	/* "SHA256:", 43 characters and a NUL */
#define SR_SSH_NAMESPACE_MAX 64 /* characters in what a signature is for, at most */
#define SR_SSHSIG_MAX 16384	/* bytes in an SSHSIG file, at most */

/** sr_base64() - base64 without line breaks; NULL without memory */
char *sr_base64(const void *data, size_t size);

/**
 * sr_ssh_public() - a public key as the protocol has it
 * @pub:	a public area of a kind that there is
 * @ret:	the "blob"; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (no such kind), -EINVAL (OpenSSH has none of this kind) or -ENOMEM.
 */
int sr_ssh_public(const TPM2B_PUBLIC *pub, struct sr_buf *ret, struct sr_err *err);

/** sr_ssh_line() - one line of authorized_keys, without newline; release with free() */
int sr_ssh_line(const TPM2B_PUBLIC *pub, const char *comment, char **ret,
		struct sr_err *err);

/** sr_ssh_fingerprint() - "SHA256:...", as ssh-keygen -l shows it */
int sr_ssh_fingerprint(const TPM2B_PUBLIC *pub, char ret[SR_SSH_FINGERPRINT],
		       struct sr_err *err);

/**
 * sr_ssh_scheme() - how OpenSSH has a key of this kind sign
 *
 * The curve decides the hash; RSA signs with PKCS#1 v1.5 and SHA-512; EdDSA without hash.
 */
struct sr_scheme sr_ssh_scheme(const struct sr_key_type *type);

/**
 * sr_ssh_signature() - a signature as the protocol has it (RFC 5656, 8332, 8709)
 * @type:	of the key
 * @scheme:	how it was made; RSA: SHA-256 or SHA-512
 * @der:	as sr_signature_der() gave it
 * @ret:	its name and the signature; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG or -ENOMEM.
 */
int sr_ssh_signature(const struct sr_key_type *type, const struct sr_scheme *scheme,
		     const struct sr_buf *der, struct sr_buf *ret, struct sr_err *err);

/**
 * struct sr_sshsig - what a signature of the form "ssh" is about (PROTOCOL.sshsig)
 * @name_space:	"file", "git": what it is for
 * @hash:	TPM2_ALG_SHA256 or TPM2_ALG_SHA512: hash of the message
 * @digest:	that hash
 * @size:	bytes in @digest
 */
struct sr_sshsig {
	const char *name_space;
	TPMI_ALG_HASH hash;
	const uint8_t *digest;
	size_t size;
};

/** sr_sshsig_signed() - the bytes that are signed; release with sr_buf_done() */
int sr_sshsig_signed(const struct sr_sshsig *sig, struct sr_buf *ret, struct sr_err *err);

/**
 * sr_sshsig_write() - an SSH SIGNATURE file
 * @sig:	what was signed
 * @pub:	by which key
 * @der:	the signature of sr_sshsig_signed(), by sr_ssh_scheme()
 * @ret:	the file; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG or -ENOMEM.
 */
int sr_sshsig_write(const struct sr_sshsig *sig, const TPM2B_PUBLIC *pub,
		    const struct sr_buf *der, struct sr_buf *ret, struct sr_err *err);

/**
 * sr_sshsig_read() - the hash and the signature in an SSH SIGNATURE file
 * @file:	the file
 * @pub:	the key it must be of
 * @name_space:	what it must be for
 * @hash:	gets TPM2_ALG_SHA256 or TPM2_ALG_SHA512
 * @der:	gets the signature; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (not such a file, or of another key or namespace) or -ENOMEM.
 */
int sr_sshsig_read(const struct sr_buf *file, const TPM2B_PUBLIC *pub,
		   const char *name_space, TPMI_ALG_HASH *hash, struct sr_buf *der,
		   struct sr_err *err);

#endif
