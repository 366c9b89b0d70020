/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What makes a TPMKey file acceptable, be it read or about to be written. */
#include <string.h>

#include "ground/err.h"
#include "ground/harmless.h"
#include "tpmkey.h"

/* What reading and writing both refuse: these functions return @r, or 0. */

static int check_parent(const struct sr_tpmkey *key, int r, struct sr_err *err)
{
	bool persistent = key->parent >> TPM2_HR_SHIFT == TPM2_HT_PERSISTENT;

	if (persistent && key->rsa_parent)
		return sr_fail(err, r,
			       "the key file says rsaParent of a persistent parent, 0x%x",
			       key->parent);
	if (persistent)
		return 0;
	switch (key->parent) {
	case TPM2_RH_OWNER:
	case TPM2_RH_NULL:
	case TPM2_RH_ENDORSEMENT:
	case TPM2_RH_PLATFORM:
		return 0;
	default:
		return sr_fail(
		    err, r,
		    "the key file's parent 0x%x is neither a persistent key nor a "
		    "hierarchy",
		    key->parent);
	}
}

/* The TPM has the last word; this is for a reason that says more than its number. */
static int check_object(const struct sr_tpmkey *key, int r, struct sr_err *err)
{
	switch (key->type) {
	case SR_TPMKEY_LOADABLE:
		if (key->secret.size > 0)
			return sr_fail(err, r,
				       "the key file is loadable but has a secret");
		return 0;
	case SR_TPMKEY_IMPORTABLE:
		if (key->secret.size == 0)
			return sr_fail(err, r,
				       "the key file is importable but has no secret");
		return 0;
	case SR_TPMKEY_SEALED:
		if (key->pub.publicArea.type != TPM2_ALG_KEYEDHASH)
			return sr_fail(err, r,
				       "the key file claims sealed data but has a key");
		return 0;
	}
	return sr_fail(err, r, "the key file is of no known type");
}

/* Shown to people and put into error lines: UTF-8 that does nothing else. */
static int check_text(const char *text, const char *what, int r, struct sr_err *err)
{
	return !text || sr_text_is_harmless(text, strlen(text))
		   ? 0
		   : sr_fail(err, r,
			     "the key file's %s is not UTF-8, or has a control character",
			     what);
}

/* PolicyAuthorize may stand at @place only; elsewhere it would void what is before it. */
static bool authorizes_elsewhere(const struct sr_policy *policy, size_t place)
{
	for (size_t i = 0; i < policy->count; i++)
		if (policy->step[i].code == TPM2_CC_PolicyAuthorize && i != place)
			return true;
	return false;
}

static bool is_authorize(const struct sr_policy *policy, size_t place,
			 bool with_signature)
{
	const struct sr_policy_step *step = &policy->step[place];

	return policy->count > place && step->code == TPM2_CC_PolicyAuthorize &&
	       (step->authorize.signature.sigAlg != TPM2_ALG_NULL) == with_signature;
}

static int check_signed(const struct sr_tpmkey_signed *entry, int r, struct sr_err *err)
{
	size_t count = entry->policy.count;

	if (count == 0 || count > SR_POLICY_STEPS ||
	    !is_authorize(&entry->policy, count - 1, true) ||
	    authorizes_elsewhere(&entry->policy, count - 1))
		return sr_fail(
		    err, r,
		    "the key file has an authPolicy entry that is not one policy "
		    "and its signature");
	return check_text(entry->name, "authPolicy name", r, err);
}

static int check_policies(const struct sr_tpmkey *key, int r, struct sr_err *err)
{
	const struct sr_policy *policy = &key->policy;
	bool authorized = is_authorize(policy, 0, false);

	if (policy->count > SR_POLICY_STEPS || key->signed_count > SR_TPMKEY_SIGNED)
		return sr_fail(err, r, "the key file's policy is too long");
	if (authorizes_elsewhere(policy, 0) || is_authorize(policy, 0, true))
		return sr_fail(
		    err, r,
		    "the key file's policy has PolicyAuthorize in the wrong place");
	if (key->signed_count > 0 && policy->count > 0 && !authorized)
		return sr_fail(err, r,
			       "the key file has an authPolicy but its policy does not "
			       "authorize one");
	for (size_t i = 0; i < key->signed_count; i++)
		if (check_signed(&key->signed_policy[i], r, err) < 0)
			return r;
	return 0;
}

/* Whether the statements are enough to compute the policy of the object from. */
static bool makes_policy(const struct sr_tpmkey *key)
{
	for (size_t i = 0; i < key->policy.count; i++) {
		const struct sr_policy_step *step = &key->policy.step[i];

		if (step->code == TPM2_CC_PolicyPCR && step->pcr.digest.size == 0)
			return false;
	}
	return key->policy.count > 0 && key->pub.publicArea.nameAlg == TPM2_ALG_SHA256;
}

static int check_policy_digest(const struct sr_tpmkey *key, int r, struct sr_err *err)
{
	const TPM2B_DIGEST *object = &key->pub.publicArea.authPolicy;
	TPM2B_DIGEST digest;
	int failed;

	if (!makes_policy(key))
		return 0;
	failed = sr_policy_digest(&key->policy, &digest, err);
	if (failed < 0 && failed != -EINVAL)
		return failed;
	if (failed < 0 || object->size != digest.size ||
	    memcmp(object->buffer, digest.buffer, digest.size) != 0)
		return sr_fail(err, r,
			       "the key file's policy is not the one of its object");
	return 0;
}

int sr_tpmkey_check(const struct sr_tpmkey *key, int r, struct sr_err *err)
{
	int failed = check_parent(key, r, err);

	if (failed == 0)
		failed = check_object(key, r, err);
	if (failed == 0)
		failed = check_text(key->description, "description", r, err);
	if (failed == 0)
		failed = check_policies(key, r, err);
	if (failed == 0)
		failed = check_policy_digest(key, r, err);
	return failed;
}
