/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The storage root key: pinned by its public area, found, or provisioned. */
#ifndef SR_SRK_H
#define SR_SRK_H

#include "tpm.h"

/**
 * sr_srk_pin() - a handle for the storage key we know, at no cost
 * @tpm:	an open TPM
 * @handle:	where it persists
 * @pub:	its public area, from our own file
 * @ret:	the handle
 * @err:	says why, on failure
 *
 * Nothing is sent: a session is salted to the key on file, not to whatever answers.
 *
 * Returns 0 or -EIO.
 */
int sr_srk_pin(struct sr_tpm *tpm, TPM2_HANDLE handle, const TPM2B_PUBLIC *pub,
	       struct sr_handle *ret, struct sr_err *err);

/**
 * sr_srk_get() - the storage key of this TPM; made if there is none
 * @tpm:	an open TPM
 * @pub:	its public area
 * @ret:	the handle
 * @err:	says why, on failure
 *
 * An empty SR_SRK_HANDLE gets the TCG ECC P-256 storage template H-2 (TCG EK Credential
 * Profile 2.x, B.3.4) without auth. What is there must be a restricted decryption key.
 *
 * Returns 0, -EIO (something else is at the handle, or we may not) or as sr_fail_tss().
 */
int sr_srk_get(struct sr_tpm *tpm, TPM2B_PUBLIC *pub, struct sr_handle *ret,
	       struct sr_err *err);

/** sr_srk_is_storage_key() - whether a public area is a restricted decryption key's */
bool sr_srk_is_storage_key(const TPM2B_PUBLIC *pub);

/** sr_srk_template() - a storage key's public area without its key: H-2, or H-1 (RSA) */
void sr_srk_template(bool rsa, TPM2B_PUBLIC *ret);

/** sr_persistent() - a handle for a foreign file's persistent parent; asks the TPM */
int sr_persistent(struct sr_tpm *tpm, TPM2_HANDLE handle, struct sr_handle *ret,
		  struct sr_err *err);

/** sr_srk_create() - a transient primary of template H-2, or H-1 (RSA 2048) */
int sr_srk_create(struct sr_tpm *tpm, bool rsa, TPM2_HANDLE hierarchy, TPM2B_PUBLIC *pub,
		  struct sr_handle *ret, struct sr_err *err);

/**
 * sr_srk_question() - after a failure: is this still the TPM we sealed to?
 * @tpm:	an open TPM
 * @pinned:	public area of the storage key that was used
 * @ret:	the same key as a transient object, where only the handle lost it
 * @err:	says why, on failure
 *
 * Returns 0 if SR_SRK_HANDLE holds the pinned key: believe the failure; 1 if it does
 * not, but @ret is that key; -EREMOTE if this TPM does not have it any more; another error
 * if that cannot be told (the owner has set a password).
 */
int sr_srk_question(struct sr_tpm *tpm, const TPM2B_PUBLIC *pinned, struct sr_handle *ret,
		    struct sr_err *err);

#endif
