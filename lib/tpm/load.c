/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving the TPM an object that is wrapped for it. */
#include <tss2/tss2_sys.h>

#include "codec/name.h"
#include "known.h"
#include "object.h"

/* The Name that the TPM tells has to be that of what it was given. */
static TSS2_RC adopt(struct sr_tpm *tpm, TPM2_HANDLE handle, const TPM2B_NAME *told,
		     const TPM2B_PUBLIC *pub, struct sr_handle *ret)
{
	TPM2B_NAME name;

	if (sr_name_of(pub, &name, NULL) < 0)
		return TSS2_ESYS_RC_GENERAL_FAILURE;
	if (!sr_name_equal(&name, told))
		return TSS2_ESYS_RC_MALFORMED_RESPONSE;
	return sr_known(tpm, handle, &name, pub, &ret->tr);
}

/*
 * By the layer below ESYS, which would compute the Name in a library context of OpenSSL
 * that it makes for that, and takes longer for it than the TPM for loading. The storage
 * key's authorization is empty.
 */
TSS2_RC sr_object_try_load(const struct sr_handle *parent, const struct sr_tpmkey *key,
			   struct sr_handle *ret)
{
	static const TSS2L_SYS_AUTH_COMMAND empty = {
		.count = 1,
		.auths = { { .sessionHandle = TPM2_RS_PW } },
	};
	ESYS_CONTEXT *esys = parent->tpm->esys;
	TPM2B_NAME told = { .size = sizeof(told.name) };
	TPM2_HANDLE storage = 0, handle = 0;
	TSS2L_SYS_AUTH_RESPONSE unused;
	TSS2_SYS_CONTEXT *sys = NULL;
	TSS2_RC rc = Esys_GetSysContext(esys, &sys);

	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_TR_GetTpmHandle(esys, parent->tr, &storage);
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_Sys_Load(sys, storage, &empty, &key->priv, &key->pub, &handle,
				   &told, &unused);
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	rc = adopt(parent->tpm, handle, &told, &key->pub, ret);
	if (rc != TSS2_RC_SUCCESS)
		(void)Tss2_Sys_FlushContext(sys, handle);
	return rc;
}
