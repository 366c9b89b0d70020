/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The storage root key: pinned by its public area, found, or provisioned. */
#include "srk.h"

#include "codec/name.h"
#include "known.h"

static const char other_tpm[] = "sealed by another TPM, or the TPM was cleared since";

#define NO_SESSIONS ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE

/* TCG EK Credential Profile 2.x, templates H-1 and H-2; unique is empty as in the draft.
 */
#define STORAGE_ATTRIBUTES                                                               \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |                                \
	 TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | \
	 TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)
#define AES_128_CFB                                                                      \
	{                                                                                \
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB  \
	}

static const TPM2B_PUBLIC template_ecc = {
	.publicArea = {
		.type = TPM2_ALG_ECC,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = STORAGE_ATTRIBUTES,
		.parameters.eccDetail = {
			.symmetric = AES_128_CFB,
			.scheme.scheme = TPM2_ALG_NULL,
			.curveID = TPM2_ECC_NIST_P256,
			.kdf.scheme = TPM2_ALG_NULL,
		},
	},
};

static const TPM2B_PUBLIC template_rsa = {
	.publicArea = {
		.type = TPM2_ALG_RSA,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = STORAGE_ATTRIBUTES,
		.parameters.rsaDetail = {
			.symmetric = AES_128_CFB,
			.scheme.scheme = TPM2_ALG_NULL,
			.keyBits = 2048,
		},
	},
};

void sr_srk_template(bool rsa, TPM2B_PUBLIC *ret)
{
	*ret = rsa ? template_rsa : template_ecc;
}

/* An empty handle is answered with TPM_RC_HANDLE. */
static TSS2_RC find(struct sr_tpm *tpm, TPM2_HANDLE handle, struct sr_handle *ret)
{
	TSS2_RC rc =
	    SR_TSS(Esys_TR_FromTPMPublic(tpm->esys, handle, NO_SESSIONS, &ret->tr));

	ret->kept = true;
	return rc;
}

int sr_srk_pin(struct sr_tpm *tpm, TPM2_HANDLE handle, const TPM2B_PUBLIC *pub,
	       struct sr_handle *ret, struct sr_err *err)
{
	struct sr_handle key = { .tpm = tpm, .kept = true };
	TPM2B_NAME name;
	TSS2_RC rc;
	int r = sr_name_of(pub, &name, err);

	if (r < 0)
		return r;
	rc = sr_known(tpm, handle, &name, pub, &key.tr);
	if (rc == SR_RC_ANOTHER)
		return sr_fail(err, -EREMOTE, "%s", other_tpm);
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_ReadPublic");
	*ret = key;
	return 0;
}

/* What is sent is the hierarchy's authorization, which has nothing to do with a PIN. */
static int fail_primary(TSS2_RC rc, struct sr_err *err)
{
	int r = sr_fail_tss(err, rc, "TPM2_CreatePrimary");

	if (r != -EACCES)
		return r;
	(void)sr_fail(
	    err, -EIO,
	    "the TPM's owner has set a password: make a storage key at 0x%x with "
	    "it (TPM2_CreatePrimary: 0x%03x)",
	    SR_SRK_HANDLE, rc);
	if (err)
		err->tss = rc;
	return -EIO;
}

static int create(struct sr_tpm *tpm, const TPM2B_PUBLIC *template, ESYS_TR hierarchy,
		  TPM2B_PUBLIC *pub, struct sr_handle *ret, struct sr_err *err)
{
	static const TPM2B_SENSITIVE_CREATE no_auth = { 0 };
	static const TPM2B_DATA no_data = { 0 };
	static const TPML_PCR_SELECTION no_pcrs = { 0 };
	_cleanup_esys_ TPM2B_PUBLIC *made = NULL;
	struct sr_handle key = SR_HANDLE(tpm);
	TSS2_RC rc;

	rc = SR_TSS(Esys_CreatePrimary(
	    tpm->esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_auth,
	    template, &no_data, &no_pcrs, &key.tr, &made, NULL, NULL, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return fail_primary(rc, err);
	*pub = *made;
	*ret = key;
	sr_handle_came(ret);
	return 0;
}

int sr_srk_create(struct sr_tpm *tpm, bool rsa, TPM2_HANDLE hierarchy, TPM2B_PUBLIC *pub,
		  struct sr_handle *ret, struct sr_err *err)
{
	ESYS_TR tr = hierarchy == TPM2_RH_ENDORSEMENT ? ESYS_TR_RH_ENDORSEMENT
		     : hierarchy == TPM2_RH_PLATFORM  ? ESYS_TR_RH_PLATFORM
		     : hierarchy == TPM2_RH_NULL      ? ESYS_TR_RH_NULL
						      : ESYS_TR_RH_OWNER;

	return create(tpm, rsa ? &template_rsa : &template_ecc, tr, pub, ret, err);
}

bool sr_srk_is_storage_key(const TPM2B_PUBLIC *pub)
{
	TPMA_OBJECT wanted = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;

	return (pub->publicArea.type == TPM2_ALG_ECC ||
		pub->publicArea.type == TPM2_ALG_RSA) &&
	       (pub->publicArea.objectAttributes & wanted) == wanted;
}

/* Makes the storage key persistent; the transient twin goes, as slots are few. */
static int provision(struct sr_tpm *tpm, TPM2B_PUBLIC *pub, struct sr_handle *ret,
		     struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle primary = SR_HANDLE(tpm);
	struct sr_handle kept = SR_HANDLE(tpm);
	TSS2_RC rc;
	int r;

	r = create(tpm, &template_ecc, ESYS_TR_RH_OWNER, pub, &primary, err);
	if (r < 0)
		return sr_prefix(err, r, "cannot make a storage key in the TPM");
	rc = SR_TSS(Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, primary.tr,
				      ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				      SR_SRK_HANDLE, &kept.tr));
	if (rc != TSS2_RC_SUCCESS)
		return sr_prefix(err, sr_fail_tss(err, rc, "TPM2_EvictControl"),
				 "cannot keep the storage key in the TPM");
	kept.kept = true;
	*ret = kept;
	return 0;
}

int sr_persistent(struct sr_tpm *tpm, TPM2_HANDLE handle, struct sr_handle *ret,
		  struct sr_err *err)
{
	struct sr_handle key = SR_HANDLE(tpm);
	TSS2_RC rc = find(tpm, handle, &key);

	if (sr_tss_code(rc) == TPM2_RC_HANDLE)
		return sr_fail(
		    err, -EREMOTE,
		    "its storage key 0x%x is not in this TPM: sealed by another TPM, "
		    "or the TPM was cleared since",
		    handle);
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_ReadPublic");
	*ret = key;
	return 0;
}

int sr_srk_get(struct sr_tpm *tpm, TPM2B_PUBLIC *pub, struct sr_handle *ret,
	       struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle key = SR_HANDLE(tpm);
	_cleanup_esys_ TPM2B_PUBLIC *found = NULL;
	TSS2_RC rc = find(tpm, SR_SRK_HANDLE, &key);

	if (sr_tss_code(rc) == TPM2_RC_HANDLE)
		return provision(tpm, pub, ret, err);
	if (rc == TSS2_RC_SUCCESS)
		rc = SR_TSS(
		    Esys_ReadPublic(tpm->esys, key.tr, NO_SESSIONS, &found, NULL, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_ReadPublic");
	if (!sr_srk_is_storage_key(found))
		return sr_fail(
		    err, -EIO,
		    "the TPM's handle 0x%x holds no storage key: remove what is "
		    "there, so that one can be made",
		    SR_SRK_HANDLE);
	*pub = *found;
	sr_handle_take(&key, ret);
	return 0;
}

/* Whether the persistent handle holds the key of this Name; only a clear answer counts.
 */
static int persistent_is(struct sr_tpm *tpm, const TPM2B_NAME *name, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle key = SR_HANDLE(tpm);
	_cleanup_esys_ TPM2B_NAME *found = NULL;
	TSS2_RC rc = find(tpm, SR_SRK_HANDLE, &key);

	if (sr_tss_code(rc) == TPM2_RC_HANDLE)
		return false;
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_TR_GetName(tpm->esys, key.tr, &found);
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_ReadPublic");
	return sr_name_equal(found, name);
}

int sr_srk_question(struct sr_tpm *tpm, const TPM2B_PUBLIC *pinned, struct sr_handle *ret,
		    struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle primary = SR_HANDLE(tpm);
	TPM2B_PUBLIC unused;
	_cleanup_esys_ TPM2B_NAME *found = NULL;
	TPM2B_NAME name;
	int r;

	r = sr_name_of(pinned, &name, err);
	if (r < 0)
		return r;
	r = persistent_is(tpm, &name, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = create(tpm, &template_ecc, ESYS_TR_RH_OWNER, &unused, &primary, err);
	if (r < 0)
		return r;
	if (Esys_TR_GetName(tpm->esys, primary.tr, &found) == TSS2_RC_SUCCESS &&
	    sr_name_equal(found, &name)) {
		sr_handle_take(&primary, ret);
		return 1;
	}
	return sr_fail(err, -EREMOTE, "%s", other_tpm);
}
