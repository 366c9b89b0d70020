/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Salted, encrypting sessions, and policies replayed in them. */
#include "session.h"

#include "codec/authorize.h"

#define NO_SESSIONS ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE

int sr_session_start(struct sr_tpm *tpm, TPM2_SE type, const struct sr_handle *salt_key,
		     struct sr_handle *ret, struct sr_err *err)
{
	static const TPMT_SYM_DEF symmetric = {
		.algorithm = TPM2_ALG_AES,
		.keyBits.aes = 128,
		.mode.aes = TPM2_ALG_CFB,
	};
	struct sr_handle session = SR_HANDLE(tpm);
	TSS2_RC rc;

	rc = SR_TSS(Esys_StartAuthSession(tpm->esys, salt_key->tr, ESYS_TR_NONE,
					  NO_SESSIONS, NULL, type, &symmetric,
					  TPM2_ALG_SHA256, &session.tr));
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_StartAuthSession");
	*ret = session;
	sr_handle_came(ret);
	return 0;
}

int sr_session_restart(const struct sr_handle *session, struct sr_err *err)
{
	TSS2_RC rc =
	    SR_TSS(Esys_PolicyRestart(session->tpm->esys, session->tr, NO_SESSIONS));

	return rc == TSS2_RC_SUCCESS ? 0 : sr_fail_tss(err, rc, "TPM2_PolicyRestart");
}

static int set_attributes(const struct sr_handle *session, TPMA_SESSION attributes,
			  struct sr_err *err)
{
	TSS2_RC rc =
	    Esys_TRSess_SetAttributes(session->tpm->esys, session->tr, attributes, 0xff);

	return rc == TSS2_RC_SUCCESS ? 0
				     : sr_fail_tss(err, rc, "Esys_TRSess_SetAttributes");
}

int sr_session_encrypt(const struct sr_handle *session, struct sr_err *err)
{
	return set_attributes(session,
			      TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT |
				  TPMA_SESSION_ENCRYPT,
			      err);
}

int sr_session_last(const struct sr_handle *session, struct sr_err *err)
{
	return set_attributes(session, TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT, err);
}

static TSS2_RC policy_pcr(const struct sr_handle *session,
			  const struct sr_policy_step *step)
{
	return SR_TSS(Esys_PolicyPCR(session->tpm->esys, session->tr, NO_SESSIONS,
				     &step->pcr.digest, &step->pcr.selection));
}

static TSS2_RC policy_counter_timer(const struct sr_handle *session,
				    const struct sr_policy_step *step)
{
	return SR_TSS(Esys_PolicyCounterTimer(
	    session->tpm->esys, session->tr, NO_SESSIONS, &step->counter_timer.operand,
	    step->counter_timer.offset, step->counter_timer.operation));
}

static TSS2_RC verify(struct sr_tpm *tpm, const struct sr_policy_step *step,
		      const TPM2B_DIGEST *approved, TPMT_TK_VERIFIED **ticket,
		      TPM2B_NAME **name)
{
	_cleanup_handle_ struct sr_handle key = SR_HANDLE(tpm);
	TPM2B_DIGEST digest;
	TSS2_RC rc;

	if (sr_authorize_digest(approved, step, &digest, NULL) < 0)
		return TSS2_ESYS_RC_GENERAL_FAILURE;
	rc = SR_TSS(Esys_LoadExternal(tpm->esys, NO_SESSIONS, NULL, &step->authorize.key,
				      ESYS_TR_RH_OWNER, &key.tr));
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	sr_handle_came(&key);
	rc = Esys_TR_GetName(tpm->esys, key.tr, name);
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	return SR_TSS(Esys_VerifySignature(tpm->esys, key.tr, NO_SESSIONS, &digest,
					   &step->authorize.signature, ticket));
}

/* What the session holds; the TPM is asked only where the policy leaves values to it. */
static TSS2_RC digest_so_far(const struct sr_handle *session,
			     const struct sr_policy *policy, size_t made,
			     TPM2B_DIGEST *ret)
{
	_cleanup_esys_ TPM2B_DIGEST *held = NULL;
	struct sr_policy before = *policy;
	TSS2_RC rc;
	int r;

	before.count = made;
	r = sr_policy_digest(&before, ret, NULL);
	if (r != -EINVAL)
		return r == 0 ? TSS2_RC_SUCCESS : TSS2_ESYS_RC_GENERAL_FAILURE;
	rc = SR_TSS(
	    Esys_PolicyGetDigest(session->tpm->esys, session->tr, NO_SESSIONS, &held));
	if (rc == TSS2_RC_SUCCESS)
		*ret = *held;
	return rc;
}

static TSS2_RC policy_authorize(const struct sr_handle *session,
				const struct sr_policy *policy, size_t made)
{
	const struct sr_policy_step *step = &policy->step[made];
	struct sr_tpm *tpm = session->tpm;
	_cleanup_esys_ TPMT_TK_VERIFIED *ticket = NULL;
	_cleanup_esys_ TPM2B_NAME *name = NULL;
	TPM2B_DIGEST approved;
	TSS2_RC rc = digest_so_far(session, policy, made, &approved);

	if (rc != TSS2_RC_SUCCESS)
		return rc;
	rc = verify(tpm, step, &approved, &ticket, &name);
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	return SR_TSS(Esys_PolicyAuthorize(tpm->esys, session->tr, NO_SESSIONS, &approved,
					   &step->authorize.ref, name, ticket));
}

static TSS2_RC make_statement(const struct sr_handle *session,
			      const struct sr_policy *policy, size_t made)
{
	const struct sr_policy_step *step = &policy->step[made];
	ESYS_CONTEXT *esys = session->tpm->esys;

	switch (step->code) {
	case TPM2_CC_PolicyPCR:
		return policy_pcr(session, step);
	case TPM2_CC_PolicyCounterTimer:
		return policy_counter_timer(session, step);
	case TPM2_CC_PolicyAuthorize:
		return policy_authorize(session, policy, made);
	case TPM2_CC_PolicyAuthValue:
		return SR_TSS(Esys_PolicyAuthValue(esys, session->tr, NO_SESSIONS));
	case TPM2_CC_PolicyLocality:
		return SR_TSS(
		    Esys_PolicyLocality(esys, session->tr, NO_SESSIONS, step->locality));
	case TPM2_CC_PolicyCommandCode:
		return SR_TSS(Esys_PolicyCommandCode(esys, session->tr, NO_SESSIONS,
						     step->command));
	default:
		return TPM2_RC_COMMAND_CODE;
	}
}

/* The numbers with which a statement that does not hold is answered. */
static bool does_not_hold(TPM2_CC code, TSS2_RC rc)
{
	TPM2_RC tpm = sr_tss_code(rc);

	return (code == TPM2_CC_PolicyPCR &&
		(tpm == TPM2_RC_VALUE || tpm == TPM2_RC_HASH)) ||
	       (code == TPM2_CC_PolicyCounterTimer && tpm == TPM2_RC_POLICY) ||
	       (code == TPM2_CC_PolicyAuthorize &&
		(tpm == TPM2_RC_SIGNATURE || tpm == TPM2_RC_VALUE));
}

static const char *statement_name(TPM2_CC code)
{
	switch (code) {
	case TPM2_CC_PolicyPCR:
		return "TPM2_PolicyPCR";
	case TPM2_CC_PolicyCounterTimer:
		return "TPM2_PolicyCounterTimer";
	case TPM2_CC_PolicyAuthorize:
		return "TPM2_PolicyAuthorize";
	case TPM2_CC_PolicyAuthValue:
		return "TPM2_PolicyAuthValue";
	case TPM2_CC_PolicyCommandCode:
		return "TPM2_PolicyCommandCode";
	default:
		return "TPM2_PolicyLocality";
	}
}

static int fail_statement(TPM2_CC code, TSS2_RC rc, struct sr_err *err)
{
	static const struct {
		TPM2_CC code;
		const char *text;
	} texts[] = {
		{ TPM2_CC_PolicyPCR, "a PCR is not as it was when sealing" },
		{ TPM2_CC_PolicyCounterTimer, "its time window is not open" },
		{ TPM2_CC_PolicyAuthorize, "the signature on its policy is not valid" },
	};

	if (!does_not_hold(code, rc))
		return sr_fail_tss(err, rc, statement_name(code));
	for (size_t i = 0; i < SR_COUNT(texts); i++)
		if (texts[i].code == code)
			(void)sr_fail(err, -EKEYREJECTED, "policy does not hold: %s",
				      texts[i].text);
	if (err)
		err->tss = rc;
	return -EKEYREJECTED;
}

int sr_session_satisfy(const struct sr_handle *session, const struct sr_policy *policy,
		       size_t *made, struct sr_err *err)
{
	size_t done;

	if (!made)
		made = &done;
	for (*made = 0; *made < policy->count; ++*made) {
		const struct sr_policy_step *step = &policy->step[*made];
		TSS2_RC rc = make_statement(session, policy, *made);

		if (rc != TSS2_RC_SUCCESS)
			return fail_statement(step->code, rc, err);
	}
	return 0;
}
