/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sealed objects: created under the storage key, loaded, unsealed. */
#ifndef SR_OBJECT_H
#define SR_OBJECT_H

#include "codec/tpmkey.h"
#include "tpm.h"

/**
 * sr_object_create() - seal bytes under a policy
 * @session:	a session; its statements are forgotten by the TPM
 * @parent:	the storage key
 * @policy:	the policy, every PolicyPCR with its digest
 * @pin:	authorization value for PolicyAuthValue; NULL or empty for none
 * @plain:	the bytes, at most 128
 * @key:	gets policy, parent, emptyAuth, public and private area
 * @err:	says why, on failure
 *
 * Attributes: fixedTPM, fixedParent, adminWithPolicy; noDA unless there is a PIN.
 *
 * Returns 0, -EINVAL or as sr_fail_tss().
 */
int sr_object_create(const struct sr_handle *session, const struct sr_handle *parent,
		     const struct sr_policy *policy, const struct sr_secret *pin,
		     const struct sr_secret *plain, struct sr_tpmkey *key,
		     struct sr_err *err);

/**
 * struct sr_unseal - one conversation in which sealed objects are tried
 * @session:	a policy session without statements
 * @parent:	the storage key
 * @name:	what a PIN is asked for
 * @ask:	where a PIN comes from; may be NULL
 * @pin:	the PIN, once it was given: also the caller's, to use it again
 * @last:	end the session with a successful unseal
 */
struct sr_unseal {
	const struct sr_handle *session;
	const struct sr_handle *parent;
	const char *name;
	const struct sr_ask *ask;
	struct sr_secret *pin;
	bool last;
};

/**
 * sr_object_unseal() - satisfy a policy, load the object, get its bytes
 * @unseal:	the conversation
 * @key:	the object
 * @policy:	what to satisfy: key's own, or a signed alternative
 * @made:	statements that the session holds after a failure: restart it unless 0
 * @ret:	the bytes; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * The order is policy, Load, Unseal: behind a resource manager few objects are alive for
 * few commands. A PCR that changes meanwhile costs the policy and Unseal once more. A PIN
 * is asked for only when the policy holds, and never tried twice.
 *
 * Returns 0, -EKEYREJECTED, -EACCES, -EBUSY, -EREMOTE, -ENODEV, -EIO.
 */
int sr_object_unseal(struct sr_unseal *unseal, const struct sr_tpmkey *key,
		     const struct sr_policy *policy, size_t *made, struct sr_secret *ret,
		     struct sr_err *err);

/** sr_object_load() - give an object to the TPM; as sr_fail_tss(), or -EBADMSG */
int sr_object_load(const struct sr_handle *parent, const struct sr_tpmkey *key,
		   struct sr_handle *ret, struct sr_err *err);

/** sr_object_try_load() - the same, at once or not at all; returns what the TPM did */
TSS2_RC sr_object_try_load(const struct sr_handle *parent, const struct sr_tpmkey *key,
			   struct sr_handle *ret);

/** sr_object_load_under() - the same, under a storage key by what the TPM calls it */
TSS2_RC sr_object_load_under(struct sr_tpm *tpm, TPM2_HANDLE storage,
			     const struct sr_tpmkey *key, struct sr_handle *ret);

/** sr_fail_load() - describe a failure of it */
int sr_fail_load(TSS2_RC rc, struct sr_err *err);

/** sr_object_use_pin() - what authorizes a loaded object from now on */
int sr_object_use_pin(const struct sr_handle *object, const struct sr_secret *pin,
		      struct sr_err *err);

/**
 * sr_object_forget_pin() - nothing authorizes it any more, and no memory has its PIN
 * @object:	a loaded object, of a TPM that was opened with sr_tpm_open_metered()
 * @session:	what it was used with
 */
void sr_object_forget_pin(const struct sr_handle *object,
			  const struct sr_handle *session);

/** sr_auth_of() - a PIN as the TPM has it; 0, or -EINVAL if too long */
int sr_auth_of(const struct sr_secret *pin, TPM2B_AUTH *ret, struct sr_err *err);

static inline void sr_auth_wipe(TPM2B_AUTH *auth)
{
	OPENSSL_cleanse(auth, sizeof(*auth));
}

/**
 * sr_fail_parent() - as sr_fail_tss(), for commands that the storage key authorizes
 *
 * Create, Load and Import send its authorization: no PIN, nothing to guess.
 */
int sr_fail_parent(TSS2_RC rc, const char *what, struct sr_err *err);

/** sr_object_loads() - whether the TPM takes the object at all, whatever its policy */
int sr_object_loads(const struct sr_handle *parent, const struct sr_tpmkey *key,
		    struct sr_err *err);

/**
 * sr_object_import() - turn an importable object into a loadable one under @parent
 * @parent:	the storage key it was wrapped for
 * @key:	its secret is used; private area and secret are replaced
 * @err:	says why, on failure
 */
int sr_object_import(const struct sr_handle *parent, struct sr_tpmkey *key,
		     struct sr_err *err);

#endif
