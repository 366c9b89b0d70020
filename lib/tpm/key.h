/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of the TPM: created or imported under the storage key, used, given another PIN. */
#ifndef SR_TPM_KEY_H
#define SR_TPM_KEY_H

#include "codec/point.h"
#include "codec/private.h"
#include "codec/signature.h"
#include "object.h"
#include "sealring.h"

/**
 * struct sr_key_shape - what a new key shall be
 * @type:	its kind; not for sr_key_wrap()
 * @usage:	SR_KEY_SIGN, SR_KEY_DECRYPT or both
 * @policy:	without statements for none
 * @pin:	NULL or empty for none
 * @moves:	it may be moved to another TPM; not with a policy
 */
struct sr_key_shape {
	const struct sr_key_type *type;
	unsigned int usage;
	const struct sr_policy *policy;
	const struct sr_secret *pin;
	bool moves;
};

/**
 * sr_key_create() - have the TPM make a key
 * @session:	a session
 * @parent:	the storage key
 * @shape:	what to make
 * @ret:	gets all but the parent
 * @err:	says why, on failure
 *
 * Attributes: fixedTPM and fixedParent unless it moves; sensitiveDataOrigin; userWithAuth
 * unless there is a policy; noDA unless there is a PIN. The scheme is chosen at use.
 *
 * Returns 0, -EINVAL (the TPM has no such keys) or as sr_fail_tss().
 */
int sr_key_create(const struct sr_handle *session, const struct sr_handle *parent,
		  const struct sr_key_shape *shape, struct sr_tpmkey *ret,
		  struct sr_err *err);

/**
 * sr_key_wrap() - have the TPM take a private key over
 * @session:	a session, which encrypts the key that encrypts the private key
 * @parent:	the storage key
 * @shape:	what to make of it
 * @from:	the private key
 * @ret:	gets all but the parent
 * @err:	says why, on failure
 *
 * The inner wrapper of TPM 2.0 Part 1, 23.3.2.3. Attributes: as above, but none that
 * says that the key was always in this TPM.
 *
 * Returns as sr_key_create().
 */
int sr_key_wrap(const struct sr_handle *session, const struct sr_handle *parent,
		const struct sr_key_shape *shape, const struct sr_private *from,
		struct sr_tpmkey *ret, struct sr_err *err);

/**
 * sr_key_rewrap() - another PIN: TPM2_ObjectChangeAuth
 * @session:	an HMAC session
 * @parent:	the storage key
 * @object:	the loaded key, with its present PIN
 * @pin:	the new one
 * @key:	its private area is replaced
 * @err:	says why, on failure
 */
int sr_key_rewrap(const struct sr_handle *session, const struct sr_handle *parent,
		  const struct sr_handle *object, const struct sr_secret *pin,
		  struct sr_tpmkey *key, struct sr_err *err);

/** sr_tpm_takes() - whether the TPM has keys of a kind: 1, 0 or a negative errno */
int sr_tpm_takes(struct sr_tpm *tpm, const struct sr_key_type *type, struct sr_err *err);

/**
 * sr_object_sign_begin() - TPM2_Sign, up to where the TPM works
 * @object:	a loaded key
 * @session:	authorizes and encrypts; NULL where there is nothing to prove or to hide
 * @type:	the key's kind
 * @scheme:	how
 * @digest:	of the size of the scheme's hash
 *
 * Nothing else may be sent before sr_object_sign_end(), which follows unless it fails.
 */
TSS2_RC sr_object_sign_begin(const struct sr_handle *object,
			     const struct sr_handle *session,
			     const struct sr_key_type *type,
			     const struct sr_scheme *scheme,
			     const struct sr_digest *digest);

/** sr_object_sign_end() - wait for the signature */
TSS2_RC sr_object_sign_end(const struct sr_handle *object, TPMT_SIGNATURE *ret);

/**
 * struct sr_decryption - what a private key does to what is encrypted
 * @scheme:	TPM2_ALG_OAEP, TPM2_ALG_RSAES or TPM2_ALG_ECDH
 * @hash:	of OAEP
 * @size:	RSAES: of the key that is expected: see sr_rsaes_open(); 0 for whatever is there
 */
struct sr_decryption {
	TPM2_ALG_ID scheme;
	TPMI_ALG_HASH hash;
	size_t size;
};

/**
 * sr_object_decrypt() - TPM2_RSA_Decrypt or TPM2_ECDH_ZGen
 * @object:	a loaded key
 * @session:	authorizes, and encrypts the answer
 * @type:	of the key
 * @how:	what to do
 * @cipher:	of as many bytes as @type has; ECDH: the peer's point, from sr_point_read()
 * @ret:	the plaintext, or the shared secret (SEC 1, 3.3.1); release with
 *		sr_secret_done()
 * @r:		0, or a negative errno for what is not the TPM's doing
 *
 * Returns what the TPM did.
 */
TSS2_RC sr_object_decrypt(const struct sr_handle *object, const struct sr_handle *session,
			  const struct sr_key_type *type, const struct sr_decryption *how,
			  const struct sr_secret *cipher, struct sr_secret *ret, int *r);

#endif
