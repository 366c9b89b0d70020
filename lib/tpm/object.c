/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sealed objects: created under the storage key, loaded, unsealed. */
#include "object.h"

#include <string.h>
#include <time.h>

#include "meter.h"
#include "session.h"

#define PCR_CHANGED_TRIES 20
#define PCR_CHANGED_SECONDS 2

static inline void wipe_sensitive(TPM2B_SENSITIVE_CREATE *sensitive)
{
	OPENSSL_cleanse(sensitive, sizeof(*sensitive));
}

int sr_fail_parent(TSS2_RC rc, const char *what, struct sr_err *err)
{
	int r = sr_fail_tss(err, rc, what);

	if (r != -EACCES)
		return r;
	return sr_fail(err, -EIO,
		       "the TPM's storage key has a password: one without is needed (%s: "
		       "0x%03x)",
		       what, rc);
}

int sr_auth_of(const struct sr_secret *pin, TPM2B_AUTH *ret, struct sr_err *err)
{
	if (!pin || pin->size == 0)
		return 0;
	if (pin->size > SR_PIN_MAX)
		return sr_fail(err, -EINVAL, "the PIN is longer than %d bytes",
			       SR_PIN_MAX);
	ret->size = (uint16_t)pin->size;
	memcpy(ret->buffer, pin->data, pin->size);
	return 0;
}

static int make_template(const struct sr_policy *policy, bool has_pin, TPM2B_PUBLIC *ret,
			 struct sr_err *err)
{
	*ret = (TPM2B_PUBLIC){
		.publicArea = {
			.type = TPM2_ALG_KEYEDHASH,
			.nameAlg = TPM2_ALG_SHA256,
			.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
					    TPMA_OBJECT_ADMINWITHPOLICY |
					    (has_pin ? 0 : TPMA_OBJECT_NODA),
			.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL,
		},
	};
	return sr_policy_digest(policy, &ret->publicArea.authPolicy, err);
}

int sr_object_create(const struct sr_handle *session, const struct sr_handle *parent,
		     const struct sr_policy *policy, const struct sr_secret *pin,
		     const struct sr_secret *plain, struct sr_tpmkey *key,
		     struct sr_err *err)
{
	static const TPM2B_DATA no_data = { 0 };
	static const TPML_PCR_SELECTION no_pcrs = { 0 };
	_cleanup_(wipe_sensitive) TPM2B_SENSITIVE_CREATE sensitive = { 0 };
	_cleanup_esys_ TPM2B_PRIVATE *priv = NULL;
	_cleanup_esys_ TPM2B_PUBLIC *pub = NULL;
	TPM2B_PUBLIC template;
	TSS2_RC rc;
	int r;

	if (plain->size > TPM2_MAX_SYM_DATA)
		return sr_fail(err, -EINVAL, "more than the TPM can seal");
	r = sr_auth_of(pin, &sensitive.sensitive.userAuth, err);
	if (r == 0)
		r = make_template(policy, pin && pin->size, &template, err);
	if (r == 0)
		r = sr_session_encrypt(session, err);
	if (r < 0)
		return r;
	sensitive.sensitive.data.size = (uint16_t)plain->size;
	memcpy(sensitive.sensitive.data.buffer, plain->data, plain->size);

	rc = SR_TSS(Esys_Create(parent->tpm->esys, parent->tr, ESYS_TR_PASSWORD,
				session->tr, ESYS_TR_NONE, &sensitive, &template,
				&no_data, &no_pcrs, &priv, &pub, NULL, NULL, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_parent(rc, "TPM2_Create", err);
	key->type = SR_TPMKEY_SEALED;
	key->has_empty_auth = true;
	key->empty_auth = !pin || pin->size == 0;
	key->policy = *policy;
	key->pub = *pub;
	key->priv = *priv;
	return 0;
}

/* All that TPM2_Load is given is from the file, so that is what a refusal is about. */
int sr_fail_load(TSS2_RC rc, struct sr_err *err)
{
	TPM2_RC code = sr_tss_code(rc);
	int r = sr_fail_parent(rc, "TPM2_Load", err);

	if (r != -EIO || !(code & TPM2_RC_FMT1) || !(rc & TPM2_RC_P))
		return r;
	(void)sr_fail(err, -EBADMSG,
		      "the TPM refuses what is sealed: the file is damaged (TPM2_Load: "
		      "0x%03x)",
		      rc);
	if (err)
		err->tss = rc;
	return -EBADMSG;
}

TSS2_RC sr_object_try_load(const struct sr_handle *parent, const struct sr_tpmkey *key,
			   struct sr_handle *ret)
{
	TPM2_HANDLE storage = 0;
	TSS2_RC rc = Esys_TR_GetTpmHandle(parent->tpm->esys, parent->tr, &storage);

	return rc == TSS2_RC_SUCCESS
		   ? sr_object_load_under(parent->tpm, storage, key, ret)
		   : rc;
}

int sr_object_load(const struct sr_handle *parent, const struct sr_tpmkey *key,
		   struct sr_handle *ret, struct sr_err *err)
{
	TSS2_RC rc = SR_TSS(sr_object_try_load(parent, key, ret));

	return rc == TSS2_RC_SUCCESS ? 0 : sr_fail_load(rc, err);
}

int sr_object_loads(const struct sr_handle *parent, const struct sr_tpmkey *key,
		    struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle object = SR_HANDLE(parent->tpm);

	return sr_object_load(parent, key, &object, err);
}

static int ask_pin(struct sr_unseal *unseal, struct sr_err *err)
{
	if (unseal->pin->size > 0)
		return 0;
	if (!unseal->ask || !unseal->ask->pin)
		return sr_fail(err, -EACCES,
			       "%s needs a PIN: give it on a terminal or with "
			       "--pin-file",
			       unseal->name);
	return unseal->ask->pin(unseal->ask->arg, unseal->name, unseal->pin, err);
}

int sr_object_use_pin(const struct sr_handle *object, const struct sr_secret *pin,
		      struct sr_err *err)
{
	_cleanup_(sr_auth_wipe) TPM2B_AUTH auth = { 0 };
	TSS2_RC rc;
	int r;

	r = sr_auth_of(pin, &auth, err);
	if (r < 0)
		return r;
	rc = Esys_TR_SetAuth(object->tpm->esys, object->tr, &auth);
	return rc == TSS2_RC_SUCCESS ? 0 : sr_fail_tss(err, rc, "Esys_TR_SetAuth");
}

/* With a session ESYS keeps the key of its last HMAC, PIN included. That is written over when it
   makes the next, which needs no TPM. */
void sr_object_forget_pin(const struct sr_handle *object, const struct sr_handle *session)
{
	static const TPM2B_AUTH zeros = { .size = SR_PIN_MAX }, none;
	struct sr_tpm *tpm = object->tpm;

	(void)Esys_TR_SetAuth(tpm->esys, object->tr, &zeros);
	sr_meter_divert(tpm->outer, true);
	(void)Esys_Unseal(tpm->esys, object->tr, session->tr, ESYS_TR_NONE, ESYS_TR_NONE,
			  NULL);
	sr_meter_divert(tpm->outer, false);
	(void)Esys_TR_SetAuth(tpm->esys, object->tr, &none);
}

static TSS2_RC unseal_once(const struct sr_unseal *unseal, const struct sr_handle *object,
			   struct sr_secret *ret, int *r, struct sr_err *err)
{
	_cleanup_(sr_sensitive_freep) TPM2B_SENSITIVE_DATA *plain = NULL;
	TSS2_RC rc =
	    SR_TSS(Esys_Unseal(object->tpm->esys, object->tr, unseal->session->tr,
			       ESYS_TR_NONE, ESYS_TR_NONE, &plain));

	*r = rc == TSS2_RC_SUCCESS ? sr_secret_copy(plain->buffer, plain->size, ret, err)
				   : sr_fail_tss(err, rc, "TPM2_Unseal");
	if (*r == -EACCES)
		sr_secret_done(unseal->pin); /* nobody may try it again unasked */
	return rc;
}

/* IMA extends PCR 10 all through the boot, which invalidates a PolicyPCR made before. */
static int unseal_stubborn(struct sr_unseal *unseal, const struct sr_policy *policy,
			   const struct sr_handle *object, size_t *made,
			   struct sr_secret *ret, struct sr_err *err)
{
	time_t end = time(NULL) + PCR_CHANGED_SECONDS;
	int r;

	for (unsigned int tries = 1;; tries++) {
		TSS2_RC rc = unseal_once(unseal, object, ret, &r, err);

		if (sr_tss_code(rc) != TPM2_RC_PCR_CHANGED ||
		    tries >= PCR_CHANGED_TRIES || time(NULL) > end)
			return r;
		r = sr_session_restart(unseal->session, err);
		if (r == 0)
			r = sr_session_satisfy(unseal->session, policy, made, err);
		if (r < 0)
			return r;
	}
}

int sr_object_unseal(struct sr_unseal *unseal, const struct sr_tpmkey *key,
		     const struct sr_policy *policy, size_t *made, struct sr_secret *ret,
		     struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle object = SR_HANDLE(unseal->session->tpm);
	bool needs_pin = policy->count ? sr_policy_needs_auth(policy) : !key->empty_auth;
	int r;

	r = sr_session_satisfy(unseal->session, policy, made, err);
	if (r == 0 && needs_pin)
		r = ask_pin(unseal, err);
	if (r == 0)
		r = sr_object_load(unseal->parent, key, &object, err);
	if (r == 0 && needs_pin)
		r = sr_object_use_pin(&object, unseal->pin, err);
	if (r == 0)
		r = unseal->last ? sr_session_last(unseal->session, err)
				 : sr_session_encrypt(unseal->session, err);
	if (r < 0)
		return r;
	r = unseal_stubborn(unseal, policy, &object, made, ret, err);
	/* Where no PIN takes part none can be wrong: something changed the session. */
	if (r == -EACCES && policy->count > 0 && !needs_pin)
		return sr_fail(err, -EIO,
			       "the TPM refuses the session: something between it and "
			       "this program changes what they say");
	return r;
}

int sr_object_import(const struct sr_handle *parent, struct sr_tpmkey *key,
		     struct sr_err *err)
{
	static const TPM2B_DATA no_key = { 0 };
	static const TPMT_SYM_DEF_OBJECT no_wrap = { .algorithm = TPM2_ALG_NULL };
	_cleanup_esys_ TPM2B_PRIVATE *priv = NULL;
	TSS2_RC rc = SR_TSS(Esys_Import(parent->tpm->esys, parent->tr, ESYS_TR_PASSWORD,
					ESYS_TR_NONE, ESYS_TR_NONE, &no_key, &key->pub,
					&key->priv, &key->secret, &no_wrap, &priv));

	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_parent(rc, "TPM2_Import", err);
	key->priv = *priv;
	key->secret.size = 0;
	return 0;
}
