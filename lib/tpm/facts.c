/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a TPM says about itself; sr_tpm_facts() is in sealring.h. */
#include "identity.h"

#include <string.h>

#include "srk.h"

#define NO_SESSIONS ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE

/* First handles of their kind; the headers' macros shift into the sign bit. */
#define TRANSIENT 0x80000000U
#define LOADED_SESSION 0x02000000U
#define SAVED_SESSION 0x03000000U

/* A TPM may give less than it has; what we ask for fits into one answer of any. */
static int ask(struct sr_tpm *tpm, TPM2_CAP capability, UINT32 first, UINT32 count,
	       TPMS_CAPABILITY_DATA **ret, struct sr_err *err)
{
	TPMI_YES_NO more;
	TSS2_RC rc = SR_TSS(Esys_GetCapability(tpm->esys, NO_SESSIONS, capability, first,
					       count, &more, ret));

	return rc == TSS2_RC_SUCCESS ? 0 : sr_fail_tss(err, rc, "TPM2_GetCapability");
}

static void take_property(struct sr_tpm_facts *facts, TPM2_PT property, UINT32 value)
{
	switch (property) {
	case TPM2_PT_PERMANENT:
		facts->lockout_auth = value & TPMA_PERMANENT_LOCKOUTAUTHSET;
		facts->in_lockout = value & TPMA_PERMANENT_INLOCKOUT;
		break;
	case TPM2_PT_LOCKOUT_COUNTER:
		facts->tries = value;
		break;
	case TPM2_PT_MAX_AUTH_FAIL:
		facts->max_tries = value;
		break;
	case TPM2_PT_LOCKOUT_INTERVAL:
		facts->interval = value;
		break;
	default:
		break;
	}
}

static int ask_lockout(struct sr_tpm *tpm, struct sr_tpm_facts *facts, struct sr_err *err)
{
	_cleanup_esys_ TPMS_CAPABILITY_DATA *data = NULL;
	const TPML_TAGGED_TPM_PROPERTY *list;
	int r = ask(tpm, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_PERMANENT,
		    TPM2_PT_LOCKOUT_INTERVAL - TPM2_PT_PERMANENT + 1, &data, err);

	if (r < 0)
		return r;
	list = &data->data.tpmProperties;
	for (uint32_t i = 0; i < list->count && i < TPM2_MAX_TPM_PROPERTIES; i++)
		take_property(facts, list->tpmProperty[i].property,
			      list->tpmProperty[i].value);
	return 0;
}

static bool any_pcr(const TPMS_PCR_SELECTION *selection)
{
	for (size_t i = 0; i < selection->sizeofSelect && i < TPM2_PCR_SELECT_MAX; i++)
		if (selection->pcrSelect[i])
			return true;
	return false;
}

/* A bank without PCRs is one that could be active. */
static int ask_banks(struct sr_tpm *tpm, struct sr_tpm_facts *facts, struct sr_err *err)
{
	_cleanup_esys_ TPMS_CAPABILITY_DATA *data = NULL;
	const TPML_PCR_SELECTION *list;
	int r = ask(tpm, TPM2_CAP_PCRS, 0, TPM2_NUM_PCR_BANKS, &data, err);

	if (r < 0)
		return r;
	list = &data->data.assignedPCR;
	for (uint32_t i = 0; i < list->count && i < TPM2_NUM_PCR_BANKS; i++)
		if (any_pcr(&list->pcrSelections[i]) &&
		    facts->banks < SR_COUNT(facts->bank))
			facts->bank[facts->banks++] = list->pcrSelections[i].hash;
	return 0;
}

static int count_handles(struct sr_tpm *tpm, UINT32 first, size_t *count,
			 struct sr_err *err)
{
	_cleanup_esys_ TPMS_CAPABILITY_DATA *data = NULL;
	int r = ask(tpm, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &data, err);

	if (r == 0)
		*count += data->data.handles.count;
	return r;
}

/* An empty handle is answered with TPM_RC_HANDLE. */
static int ask_srk(struct sr_tpm *tpm, struct sr_tpm_facts *facts, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle srk = SR_HANDLE(tpm);
	_cleanup_esys_ TPM2B_PUBLIC *pub = NULL;
	_cleanup_esys_ TPM2B_NAME *name = NULL;
	TSS2_RC rc =
	    SR_TSS(Esys_TR_FromTPMPublic(tpm->esys, SR_SRK_HANDLE, NO_SESSIONS, &srk.tr));

	srk.kept = true;
	facts->srk = SR_SRK_ABSENT;
	if (sr_tss_code(rc) == TPM2_RC_HANDLE)
		return 0;
	if (rc == TSS2_RC_SUCCESS)
		rc = SR_TSS(
		    Esys_ReadPublic(tpm->esys, srk.tr, NO_SESSIONS, &pub, &name, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_ReadPublic");
	facts->srk = sr_srk_is_storage_key(pub) ? SR_SRK_USABLE : SR_SRK_OTHER;
	if (name->size > sizeof(facts->srk_name))
		return sr_fail(err, -EIO, "a Name that is too long (TPM2_ReadPublic)");
	memcpy(facts->srk_name, name->name, name->size);
	facts->srk_name_size = name->size;
	return 0;
}

int sr_tpm_facts(struct sr_tpm *tpm, struct sr_tpm_facts *ret, struct sr_err *err)
{
	struct sr_tpm_facts facts = { 0 };
	struct sr_identity identity;
	int r = sr_tpm_identity(tpm, &identity, err);

	if (r == 0)
		r = ask_lockout(tpm, &facts, err);
	if (r == 0)
		r = ask_banks(tpm, &facts, err);
	if (r == 0)
		r = count_handles(tpm, TRANSIENT, &facts.objects, err);
	if (r == 0)
		r = count_handles(tpm, LOADED_SESSION, &facts.sessions, err);
	if (r == 0)
		r = count_handles(tpm, SAVED_SESSION, &facts.sessions, err);
	if (r == 0)
		r = ask_srk(tpm, &facts, err);
	if (r < 0)
		return r;
	(void)snprintf(facts.text, sizeof(facts.text), "%s", identity.text);
	*ret = facts;
	return 0;
}
