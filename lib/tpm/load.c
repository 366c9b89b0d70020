/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving the TPM an object that is wrapped for it. */
#include <tss2/tss2_sys.h>

#include "codec/name.h"
#include "known.h"
#include "object.h"

/* The storage key's authorization is empty. */
static TSS2_RC send(TSS2_SYS_CONTEXT *sys, TPM2_HANDLE storage,
		    const struct sr_tpmkey *key)
{
	static const TSS2L_SYS_AUTH_COMMAND empty = {
		.count = 1,
		.auths = { { .sessionHandle = TPM2_RS_PW } },
	};
	TSS2_RC rc = Tss2_Sys_Load_Prepare(sys, storage, &key->priv, &key->pub);

	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_Sys_SetCmdAuths(sys, &empty);
	return rc == TSS2_RC_SUCCESS ? Tss2_Sys_ExecuteAsync(sys) : rc;
}

static TSS2_RC receive(TSS2_SYS_CONTEXT *sys, TPM2_HANDLE *handle, TPM2B_NAME *name)
{
	TSS2_RC rc = Tss2_Sys_ExecuteFinish(sys, TSS2_TCTI_TIMEOUT_BLOCK);

	return rc == TSS2_RC_SUCCESS ? Tss2_Sys_Load_Complete(sys, handle, name) : rc;
}

/*
 * By the layer below ESYS, which would compute the Name in a library context of OpenSSL
 * that it makes for that, and takes longer for it than the TPM for loading. Ours is computed
 * while the TPM loads, and has to be that of what it tells.
 */
TSS2_RC sr_object_load_under(struct sr_tpm *tpm, TPM2_HANDLE storage,
			     const struct sr_tpmkey *key, struct sr_handle *ret)
{
	TPM2B_NAME name, told = { .size = sizeof(told.name) };
	TSS2_SYS_CONTEXT *sys = NULL;
	TPM2_HANDLE handle = 0;
	TSS2_RC rc = Esys_GetSysContext(tpm->esys, &sys);
	int r;

	if (rc == TSS2_RC_SUCCESS)
		rc = send(sys, storage, key);
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	r = sr_name_of(&key->pub, &name, NULL);
	rc = receive(sys, &handle, &told);
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	if (r < 0)
		rc = TSS2_ESYS_RC_GENERAL_FAILURE;
	else if (!sr_name_equal(&name, &told))
		rc = TSS2_ESYS_RC_MALFORMED_RESPONSE;
	else
		rc = sr_known(tpm, handle, &name, &key->pub, &ret->tr);
	if (rc != TSS2_RC_SUCCESS)
		(void)Tss2_Sys_FlushContext(sys, handle);
	else
		sr_handle_came(ret);
	return rc;
}
