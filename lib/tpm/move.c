/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that may move to another TPM: TPM2_Duplicate. */
#include "move.h"

#include <string.h>

#include "srk.h"

#define NO_SESSIONS ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE

int sr_move_policy(bool pin, struct sr_policy *ret, struct sr_err *err)
{
	struct sr_policy policy = { 0 };
	int r = pin ? sr_policy_add_auth_value(&policy, err) : 0;

	if (r == 0)
		r = sr_policy_add_command(&policy, TPM2_CC_Duplicate, err);
	if (r == 0)
		*ret = policy;
	return r;
}

/* 1 if that is the policy of a key. */
static int has_policy(const TPM2B_DIGEST *found, bool pin, struct sr_err *err)
{
	struct sr_policy policy;
	TPM2B_DIGEST digest;
	int r = sr_move_policy(pin, &policy, err);

	if (r == 0)
		r = sr_policy_digest(&policy, &digest, err);
	return r < 0 ? r
		     : found->size == digest.size &&
			   memcmp(found->buffer, digest.buffer, digest.size) == 0;
}

int sr_move_allowed(const TPM2B_PUBLIC *pub, struct sr_err *err)
{
	TPMA_OBJECT fixed = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT;
	const TPMT_PUBLIC *area = &pub->publicArea;
	int r;

	if (area->objectAttributes & fixed || area->authPolicy.size == 0)
		return 0;
	r = has_policy(&area->authPolicy, false, err);
	return r != 0 ? r : has_policy(&area->authPolicy, true, err);
}

static int load_parent(struct sr_tpm *tpm, const TPM2B_PUBLIC *parent,
		       struct sr_handle *ret, struct sr_err *err)
{
	TSS2_RC rc = SR_TSS(Esys_LoadExternal(tpm->esys, NO_SESSIONS, NULL, parent,
					      ESYS_TR_RH_OWNER, &ret->tr));

	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_LoadExternal");
	sr_handle_came(ret);
	return 0;
}

int sr_object_move(const struct sr_handle *session, const struct sr_handle *object,
		   const TPM2B_PUBLIC *parent, struct sr_tpmkey *key, struct sr_err *err)
{
	static const TPM2B_DATA no_key = { 0 };
	static const TPMT_SYM_DEF_OBJECT no_wrap = { .algorithm = TPM2_ALG_NULL };
	_cleanup_handle_ struct sr_handle target = SR_HANDLE(object->tpm);
	_cleanup_esys_ TPM2B_ENCRYPTED_SECRET *seed = NULL;
	_cleanup_esys_ TPM2B_PRIVATE *priv = NULL;
	_cleanup_esys_ TPM2B_DATA *unused = NULL;
	TSS2_RC rc;
	int r;

	if (!sr_srk_is_storage_key(parent))
		return sr_fail(err, -EINVAL, "that is not a TPM's storage key");
	r = load_parent(object->tpm, parent, &target, err);
	if (r < 0)
		return r;
	rc = SR_TSS(Esys_Duplicate(object->tpm->esys, object->tr, target.tr, session->tr,
				   ESYS_TR_NONE, ESYS_TR_NONE, &no_key, &no_wrap, &unused,
				   &priv, &seed));
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_Duplicate");
	key->type = SR_TPMKEY_IMPORTABLE;
	key->priv = *priv;
	key->secret = *seed;
	return 0;
}
