/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and extending PCRs. */
#include "pcr.h"

#include <string.h>

#include "codec/policy.h"

static bool selected(const TPML_PCR_SELECTION *list, uint16_t bank, unsigned int pcr)
{
	for (uint32_t i = 0; i < list->count && i < TPM2_NUM_PCR_BANKS; i++) {
		const TPMS_PCR_SELECTION *s = &list->pcrSelections[i];

		if (s->hash == bank && pcr / 8 < s->sizeofSelect)
			return s->pcrSelect[pcr / 8] & 1U << pcr % 8;
	}
	return false;
}

/* Takes the values of one answer, which come in ascending order; returns their mask. */
static uint32_t take_values(const TPML_PCR_SELECTION *out, const TPML_DIGEST *digests,
			    struct sr_pcrs *pcrs)
{
	uint32_t got = 0, used = 0;

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		const TPM2B_DIGEST *digest = &digests->digests[used];

		if (!selected(out, pcrs->bank, pcr))
			continue;
		if (used++ >= digests->count || digest->size != sr_bank_size(pcrs->bank))
			break;
		memcpy(pcrs->value[pcr], digest->buffer, digest->size);
		got |= 1U << pcr;
	}
	return got;
}

int sr_pcr_read(struct sr_tpm *tpm, struct sr_pcrs *pcrs, struct sr_err *err)
{
	struct sr_pcrs missing = *pcrs;

	missing.mask = pcrs->mask & ~pcrs->given;
	while (missing.mask) {
		_cleanup_esys_ TPML_PCR_SELECTION *out = NULL;
		_cleanup_esys_ TPML_DIGEST *digests = NULL;
		TPML_PCR_SELECTION in;
		uint32_t got, counter;
		TSS2_RC rc;

		sr_pcrs_selection(&missing, &in);
		rc = SR_TSS(Esys_PCR_Read(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE,
					  ESYS_TR_NONE, &in, &counter, &out, &digests));
		if (rc != TSS2_RC_SUCCESS)
			return sr_fail_tss(err, rc, "TPM2_PCR_Read");
		got = take_values(out, digests, pcrs) & missing.mask;
		if (!got)
			return sr_fail(
			    err, -EINVAL,
			    "the TPM has no such PCRs: its %s bank is not active: "
			    "choose another bank: --pcrs BANK:LIST",
			    sr_bank_name(pcrs->bank));
		pcrs->given |= got;
		missing.mask &= ~got;
	}
	return 0;
}

/* TCG PC Client Platform TPM Profile: debug, and application support. */
#define RESETTABLE (1U << 16 | 1U << 23)

static bool unmeasured(const uint8_t *value, size_t size)
{
	size_t zeros = 0, ones = 0;

	for (size_t i = 0; i < size; i++) {
		zeros += value[i] == 0x00;
		ones += value[i] == 0xff;
	}
	return zeros == size || ones == size;
}

int sr_pcr_read_measured(struct sr_tpm *tpm, struct sr_pcrs *pcrs, bool accept,
			 struct sr_err *err)
{
	struct sr_pcrs present = *pcrs;
	int r;

	if (!accept && pcrs->mask & RESETTABLE)
		return sr_fail(
		    err, -EINVAL,
		    "PCR 16 and 23 can be reset by any program: a secret sealed to "
		    "them opens whenever somebody wants: insist with "
		    "--accept-unmeasured");
	present.mask |= 1U;
	present.given &= ~1U;
	r = sr_pcr_read(tpm, &present, err);
	if (r < 0)
		return r;
	if (!accept && unmeasured(present.value[0], sr_bank_size(present.bank)))
		return sr_fail(
		    err, -EINVAL,
		    "PCR 0 of the %s bank was never measured into: a secret sealed to "
		    "it would open after any boot: choose another bank, or insist "
		    "with --accept-unmeasured",
		    sr_bank_name(present.bank));
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (pcrs->mask & ~pcrs->given & 1U << pcr) {
			memcpy(pcrs->value[pcr], present.value[pcr], SR_DIGEST_MAX);
			pcrs->given |= 1U << pcr;
		}
	return 0;
}

/*
 * TPM2_PCR_Event hashes by itself, for every bank that it has, so that none is forgotten:
 * neither one that was made active since nor one whose algorithm is not known here.
 */
int sr_tpm_extend(struct sr_tpm *tpm, unsigned int pcr, const char *text,
		  struct sr_err *err)
{
	_cleanup_esys_ TPML_DIGEST_VALUES *digests = NULL;
	TPM2B_EVENT event = { 0 };
	TSS2_RC rc;

	if (pcr >= SR_PCR_COUNT || strlen(text) > sizeof(event.buffer))
		return sr_fail(err, -EINVAL, "PCR %u cannot be extended", pcr);
	event.size = (uint16_t)strlen(text);
	memcpy(event.buffer, text, event.size);
	rc = SR_TSS(Esys_PCR_Event(tpm->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD,
				   ESYS_TR_NONE, ESYS_TR_NONE, &event, &digests));
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_PCR_Event");
	if (digests->count == 0)
		return sr_fail(err, -EIO,
			       "PCR %u was extended in no bank: the TPM has none", pcr);
	return 0;
}
