/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which TPM it is, and how often it was reset. */
#include "identity.h"

static uint32_t find(const TPML_TAGGED_TPM_PROPERTY *list, TPM2_PT property)
{
	for (uint32_t i = 0; i < list->count && i < TPM2_MAX_TPM_PROPERTIES; i++)
		if (list->tpmProperty[i].property == property)
			return list->tpmProperty[i].value;
	return 0;
}

/* Four characters, the first in the highest byte; some are NUL or blank. */
static void write_manufacturer(uint32_t value, char ret[5])
{
	size_t used = 0;

	for (int shift = 24; shift >= 0; shift -= 8) {
		char c = (char)(value >> shift & 0xff);

		if (c > ' ' && c < 0x7f)
			ret[used++] = c;
	}
	ret[used] = '\0';
}

static int ask_version(struct sr_tpm *tpm, struct sr_identity *identity,
		       struct sr_err *err)
{
	_cleanup_esys_ TPMS_CAPABILITY_DATA *data = NULL;
	const TPML_TAGGED_TPM_PROPERTY *list;
	TPMI_YES_NO more;
	uint32_t high, low;
	char manufacturer[5];
	TSS2_RC rc = SR_TSS(Esys_GetCapability(
	    tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
	    TPM2_PT_MANUFACTURER, TPM2_PT_FIRMWARE_VERSION_2 - TPM2_PT_MANUFACTURER + 1,
	    &more, &data));

	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_GetCapability");
	list = &data->data.tpmProperties;
	write_manufacturer(find(list, TPM2_PT_MANUFACTURER), manufacturer);
	high = find(list, TPM2_PT_FIRMWARE_VERSION_1);
	low = find(list, TPM2_PT_FIRMWARE_VERSION_2);
	(void)snprintf(identity->text, sizeof(identity->text), "%s %u.%u.%u.%u",
		       manufacturer, high >> 16, high & 0xffff, low >> 16, low & 0xffff);
	return 0;
}

int sr_tpm_clock(struct sr_tpm *tpm, struct sr_clock *ret, struct sr_err *err)
{
	_cleanup_esys_ TPMS_TIME_INFO *time = NULL;
	TSS2_RC rc = SR_TSS(
	    Esys_ReadClock(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time));

	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_ReadClock");
	ret->resets = time->clockInfo.resetCount;
	ret->restarts = time->clockInfo.restartCount;
	return 0;
}

int sr_tpm_identity(struct sr_tpm *tpm, struct sr_identity *ret, struct sr_err *err)
{
	struct sr_identity identity = { 0 };
	int r = ask_version(tpm, &identity, err);

	if (r == 0)
		r = sr_tpm_clock(tpm, &identity.clock, err);
	if (r == 0)
		*ret = identity;
	return r;
}

bool sr_tpm_is_device(const struct sr_tpm *tpm)
{
	return !tpm->loaded;
}
