/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handles on what the TPM holds, by what is known of it. */
#include "known.h"

#include <string.h>
#include <tss2/tss2_mu.h>

#include "codec/name.h"

/* The form in which ESYS serialises a key object: handle, Name, kind, public area. */
static TSS2_RC serialize(TPM2_HANDLE handle, const TPM2B_NAME *name,
			 const TPM2B_PUBLIC *pub, uint8_t *ret, size_t room, size_t *used)
{
	static const UINT32 key_resource = 1;
	TSS2_RC rc = Tss2_MU_UINT32_Marshal(handle, ret, room, used);

	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_TPM2B_NAME_Marshal(name, ret, room, used);
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_UINT32_Marshal(key_resource, ret, room, used);
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_TPM2B_PUBLIC_Marshal(pub, ret, room, used);
	return rc;
}

/* Whether ESYS understood it as we meant it: it must give back the same. */
static bool deserialize(struct sr_tpm *tpm, const uint8_t *form, size_t size,
			ESYS_TR *ret)
{
	_cleanup_esys_ uint8_t *again = NULL;
	size_t again_size;

	if (Esys_TR_Deserialize(tpm->esys, form, size, ret) != TSS2_RC_SUCCESS)
		return false;
	if (Esys_TR_Serialize(tpm->esys, *ret, &again, &again_size) == TSS2_RC_SUCCESS &&
	    again_size == size && memcmp(again, form, size) == 0)
		return true;
	(void)Esys_TR_Close(tpm->esys, ret);
	return false;
}

/* Should a later ESYS have another form, the TPM is asked, and its answer compared. */
static TSS2_RC ask(struct sr_tpm *tpm, TPM2_HANDLE handle, const TPM2B_NAME *name,
		   ESYS_TR *ret)
{
	_cleanup_esys_ TPM2B_NAME *found = NULL;
	ESYS_TR tr = ESYS_TR_NONE;
	TSS2_RC rc = SR_TSS(Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE,
						  ESYS_TR_NONE, ESYS_TR_NONE, &tr));

	if (rc != TSS2_RC_SUCCESS)
		return rc;
	rc = Esys_TR_GetName(tpm->esys, tr, &found);
	if (rc == TSS2_RC_SUCCESS && !sr_name_equal(found, name))
		rc = SR_RC_ANOTHER;
	if (rc == TSS2_RC_SUCCESS)
		*ret = tr;
	else
		(void)Esys_TR_Close(tpm->esys, &tr);
	return rc;
}

TSS2_RC sr_known(struct sr_tpm *tpm, TPM2_HANDLE handle, const TPM2B_NAME *name,
		 const TPM2B_PUBLIC *pub, ESYS_TR *ret)
{
	uint8_t form[sizeof(TPM2B_PUBLIC) + sizeof(TPM2B_NAME) + 8];
	size_t size = 0;

	if (serialize(handle, name, pub, form, sizeof(form), &size) == TSS2_RC_SUCCESS &&
	    deserialize(tpm, form, size, ret))
		return TSS2_RC_SUCCESS;
	return ask(tpm, handle, name, ret);
}
