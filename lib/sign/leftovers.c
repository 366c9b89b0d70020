/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on the TPM still, though the conversation that put it there broke. */
#include "leftovers.h"

#include "codec/name.h"

void sr_leftovers_note(struct sr_leftovers *leftovers, const struct sr_handle *handle)
{
	struct sr_leftover *left = &leftovers->left[leftovers->count];
	_cleanup_esys_ TPM2B_NAME *name = NULL;

	if (handle->tr == ESYS_TR_NONE || leftovers->count == SR_LEFTOVERS_MAX)
		return;
	if (Esys_TR_GetTpmHandle(handle->tpm->esys, handle->tr, &left->handle) !=
		TSS2_RC_SUCCESS ||
	    Esys_TR_GetName(handle->tpm->esys, handle->tr, &name) != TSS2_RC_SUCCESS)
		return;
	left->name = *name;
	leftovers->count++;
}

/* Of a session ESYS only knows the number. */
static void flush(const struct sr_leftover *left, struct sr_tpm *tpm)
{
	_cleanup_handle_ struct sr_handle found = SR_HANDLE(tpm);
	_cleanup_esys_ TPM2B_NAME *name = NULL;

	if (SR_TSS(Esys_TR_FromTPMPublic(tpm->esys, left->handle, ESYS_TR_NONE,
					 ESYS_TR_NONE, ESYS_TR_NONE, &found.tr)) !=
	    TSS2_RC_SUCCESS)
		return;
	if (Esys_TR_GetName(tpm->esys, found.tr, &name) != TSS2_RC_SUCCESS ||
	    !sr_name_equal(name, &left->name))
		sr_handle_forget(&found);
}

void sr_leftovers_flush(struct sr_leftovers *leftovers, struct sr_tpm *tpm)
{
	while (leftovers->count > 0)
		flush(&leftovers->left[--leftovers->count], tpm);
}
