/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loaded objects that make room for others, and come back (TPM 2.0 Part 1, section 30). */
#include "context.h"

TSS2_RC sr_context_save(const struct sr_handle *object, TPMS_CONTEXT **ret)
{
	return SR_TSS(Esys_ContextSave(object->tpm->esys, object->tr, ret));
}

TSS2_RC sr_context_load(struct sr_tpm *tpm, const TPMS_CONTEXT *from,
			struct sr_handle *ret)
{
	struct sr_handle object = SR_HANDLE(tpm);
	TSS2_RC rc = Esys_ContextLoad(tpm->esys, from, &object.tr);

	if (rc != TSS2_RC_SUCCESS)
		return rc;
	*ret = object;
	sr_handle_came(ret);
	return TSS2_RC_SUCCESS;
}

int sr_context_era(struct sr_tpm *tpm, uint64_t *ret, struct sr_err *err)
{
	_cleanup_esys_ TPMS_TIME_INFO *time = NULL;
	TSS2_RC rc = SR_TSS(
	    Esys_ReadClock(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time));

	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_ReadClock");
	*ret = (uint64_t)time->clockInfo.resetCount << 32 | time->clockInfo.restartCount;
	return 0;
}
