/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures: what a TPM gives, as others write it, and checked in software. */
#ifndef SR_SIGNATURE_H
#define SR_SIGNATURE_H

#include "pubkey.h"

#define SR_SIGNATURE_MAX 1024 /* bytes in a signature of any form, at most */

/**
 * struct sr_scheme - how a digest is signed
 * @hash:	TPM_ALG_ID of the hash it was made with; EdDSA: TPM2_ALG_NULL, as it signs the
 *		message itself
 * @pss:	RSA: PSS instead of PKCS#1 v1.5
 */
struct sr_scheme {
	TPMI_ALG_HASH hash;
	bool pss;
};

/**
 * sr_signature_der() - the form in which OpenSSL and X.509 have it
 * @from:	what TPM2_Sign gave
 * @type:	of the key
 * @ret:	ECDSA-Sig-Value (RFC 3279), or the RSA signature of full length
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (not a signature of such a key), -ENOMEM or -EIO.
 */
int sr_signature_der(const TPMT_SIGNATURE *from, const struct sr_key_type *type,
		     struct sr_buf *ret, struct sr_err *err);

/** sr_signature_plain() - ECDSA: r and s, each as long as a coordinate; else as above */
int sr_signature_plain(const struct sr_buf *der, const struct sr_key_type *type,
		       struct sr_buf *ret, struct sr_err *err);

/** sr_signature_from_plain() - the opposite; -EBADMSG for a length not the key's */
int sr_signature_from_plain(const struct sr_buf *plain, const struct sr_key_type *type,
			    struct sr_buf *ret, struct sr_err *err);

/** sr_signature_tss() - TPMT_SIGNATURE as the TPM marshals it */
int sr_signature_tss(const struct sr_buf *der, const struct sr_key_type *type,
		     const struct sr_scheme *scheme, struct sr_buf *ret,
		     struct sr_err *err);

/** sr_signature_from_tss() - the opposite; the scheme must be @scheme */
int sr_signature_from_tss(const struct sr_buf *tss, const struct sr_key_type *type,
			  const struct sr_scheme *scheme, struct sr_buf *ret,
			  struct sr_err *err);

/**
 * sr_signature_verify() - check a signature in software
 * @key:	the public key
 * @scheme:	how it was made
 * @digest:	what was signed; EdDSA: the message
 * @size:	bytes in @digest
 * @der:	the signature
 * @err:	says why, on failure
 *
 * Returns 1, 0 (it is not this key's signature of this digest) or -EIO.
 */
int sr_signature_verify(EVP_PKEY *key, const struct sr_scheme *scheme,
			const uint8_t *digest, size_t size, const struct sr_buf *der,
			struct sr_err *err);

/** sr_scheme_md() - OpenSSL's hash for a scheme; NULL if it may not sign */
const EVP_MD *sr_scheme_md(const struct sr_scheme *scheme);

#endif
