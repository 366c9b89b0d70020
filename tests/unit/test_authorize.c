/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of codec/authorize: what is signed, what is taken for it, what is not. */
#include <assert.h>
#include <openssl/ec.h>
#include <string.h>

#include "codec/authorize.h"

static unsigned int cases;

/* PCR 7 with this value, and what else a policy may say. */
static struct sr_policy policy_of(uint8_t value, bool bounded, bool pin)
{
	struct sr_pcrs pcrs = { .bank = TPM2_ALG_SHA256,
				.mask = 1U << 7,
				.given = 1U << 7 };
	struct sr_policy policy = { 0 };

	memset(pcrs.value[7], value, sizeof(pcrs.value[7]));
	assert(sr_policy_add_pcrs(&policy, &pcrs, NULL) == 0);
	if (bounded)
		assert(sr_policy_add_counter(&policy, 16, TPM2_EO_UNSIGNED_LE, 5, NULL) ==
		       0);
	if (pin)
		assert(sr_policy_add_auth_value(&policy, NULL) == 0);
	return policy;
}

static TPM2B_DIGEST ref_of(uint8_t value)
{
	TPM2B_DIGEST ref = { .size = 32 };

	memset(ref.buffer, value, ref.size);
	return ref;
}

/* The policy of an object that an approver has a say in. */
static struct sr_policy top_of(const EVP_PKEY *approver, uint8_t ref, bool pin)
{
	struct sr_policy top = { .count = 1 };

	top.step[0].code = TPM2_CC_PolicyAuthorize;
	top.step[0].authorize.ref = ref_of(ref);
	top.step[0].authorize.signature.sigAlg = TPM2_ALG_NULL;
	assert(sr_authorize_public(approver, &top.step[0].authorize.key, NULL) == 0);
	if (pin)
		assert(sr_policy_add_auth_value(&top, NULL) == 0);
	return top;
}

static struct sr_policy sign(const struct sr_policy *policy, EVP_PKEY *approver,
			     uint8_t ref)
{
	TPM2B_DIGEST digest = ref_of(ref);
	struct sr_policy entry;

	assert(sr_authorize_sign(policy, approver, &digest, &entry, NULL) == 0);
	return entry;
}

static void refused(const struct sr_policy *entry, const struct sr_policy *top,
		    const char *why)
{
	struct sr_err err = { 0 };

	assert(sr_authorize_check(entry, top, &err) == -EBADMSG);
	if (!strstr(err.text, why)) {
		fprintf(stderr, "expected: %s\ngot: %s\n", why, err.text);
		abort();
	}
	cases++;
}

static void taken(const struct sr_policy *entry, const struct sr_policy *top)
{
	struct sr_err err = { 0 };

	if (sr_authorize_check(entry, top, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	cases++;
}

static void test_checked(EVP_PKEY *approver, EVP_PKEY *other)
{
	struct sr_policy policy = policy_of(1, true, false);
	struct sr_policy top = top_of(approver, 1, true), theirs = top_of(other, 1, true);
	struct sr_policy entry = sign(&policy, approver, 1), forged;

	taken(&entry, &top);
	refused(&entry, &theirs, "signed by another than may");
	forged = sign(&policy, approver, 2);
	refused(&forged, &top, "for another key");
	forged = sign(&policy, other, 1);
	refused(&forged, &top, "signed by another than may");
	forged.step[2].authorize.key = entry.step[2].authorize.key;
	refused(&forged, &top, "signature of an approval in it is not valid");

	/* What was signed is these values, in this order, for this reference. */
	forged = entry;
	forged.step[0].pcr.digest.buffer[31] ^= 1;
	refused(&forged, &top, "not valid");
	forged = entry;
	forged.step[1].counter_timer.operand.buffer[3]++;
	refused(&forged, &top, "not valid");
	forged = entry;
	forged.step[0] = entry.step[1];
	forged.step[1] = entry.step[0];
	refused(&forged, &top, "not valid");
	forged = entry;
	forged.step[2].authorize.signature.signature.ecdsa.signatureS.buffer[0] ^= 1;
	refused(&forged, &top, "not valid");
	forged = entry;
	forged.step[2].authorize.signature.signature.ecdsa.hash = TPM2_ALG_SHA384;
	refused(&forged, &top, "kind of key that is not used here");
}

/* A policy that is signed without PCRs would hold in any boot. */
static void test_without_pcrs(EVP_PKEY *approver)
{
	struct sr_policy policy = policy_of(1, true, false), entry;
	struct sr_policy top = top_of(approver, 1, false);
	TPM2B_DIGEST ref = ref_of(1);
	struct sr_err err = { 0 };

	assert(sr_authorize_sign(&policy, approver, &ref, &entry, &err) == 0);
	policy.step[0] = policy.step[1];
	policy.count = 1;
	assert(sr_authorize_sign(&policy, approver, &ref, &entry, &err) == -EINVAL);
	assert(strstr(err.text, "says nothing about PCRs"));
	policy.count = 0;
	assert(sr_authorize_sign(&policy, approver, &ref, &entry, &err) == -EINVAL);
	cases += 3;

	/* A PIN beside the PCRs is the object's business: no approval has one. */
	policy = policy_of(1, false, true);
	entry = sign(&policy, approver, 1);
	refused(&entry, &top, "not one of PCR values");
	policy = policy_of(1, false, false);
	entry = sign(&policy, approver, 1);
	taken(&entry, &top);
	entry.step[0] = entry.step[1];
	entry.count = 1;
	refused(&entry, &top, "not one of PCR values");
}

static void test_joined(EVP_PKEY *approver)
{
	struct sr_policy policy = policy_of(1, true, false), joined;
	struct sr_policy top = top_of(approver, 1, true);
	struct sr_policy entry = sign(&policy, approver, 1);
	TPM2B_DIGEST object, session, before, wanted;

	assert(sr_authorize_join(&entry, &top, &joined, NULL) == 0);
	assert(joined.count == 4 && joined.step[3].code == TPM2_CC_PolicyAuthValue);
	/* Whatever was approved, the session ends up where the object's policy is. */
	assert(sr_policy_digest(&top, &object, NULL) == 0);
	assert(sr_policy_digest(&joined, &session, NULL) == 0);
	assert(sr_digest_equal(&object, &session));
	assert(sr_authorize_digest_of(&entry, &before, NULL) == 0);
	assert(sr_policy_digest(&policy, &wanted, NULL) == 0);
	assert(sr_digest_equal(&before, &wanted) && !sr_digest_equal(&before, &session));
	while (entry.count < SR_POLICY_STEPS)
		entry.step[entry.count++] = policy.step[1];
	assert(sr_authorize_join(&entry, &top, &joined, NULL) == -EBADMSG);
	cases += 4;
}

static void test_full(EVP_PKEY *approver)
{
	struct sr_policy policy = policy_of(1, false, false), entry;
	TPM2B_DIGEST ref = ref_of(1);

	while (policy.count < SR_POLICY_STEPS)
		policy.step[policy.count++] = policy.step[0];
	assert(sr_authorize_sign(&policy, approver, &ref, &entry, NULL) == -EINVAL);
	policy.count--;
	assert(sr_authorize_sign(&policy, approver, &ref, &entry, NULL) == 0);
	cases += 2;
}

int main(void)
{
	EVP_PKEY *approver = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	EVP_PKEY *larger = EVP_EC_gen("P-384");
	TPM2B_PUBLIC unused;

	assert(approver && other && larger);
	assert(sr_authorize_public(larger, &unused, NULL) == -EINVAL);
	test_checked(approver, other);
	test_without_pcrs(approver);
	test_joined(approver);
	test_full(approver);
	EVP_PKEY_free(larger);
	EVP_PKEY_free(other);
	EVP_PKEY_free(approver);
	printf("test_authorize: %u cases\n", cases);
	return 0;
}
