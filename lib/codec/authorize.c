/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies that are signed afterwards: PolicyAuthorize, in software. */
#include "authorize.h"

#include <string.h>
#include <tss2/tss2_mu.h>

#include "name.h"
#include "signature.h"

SR_DEFINE_CLEANUP(md_ctx_freep, EVP_MD_CTX *, EVP_MD_CTX_free)
SR_DEFINE_CLEANUP(pkey_ctx_freep, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

static const struct sr_scheme ecdsa = { .hash = TPM2_ALG_SHA256 };

bool sr_digest_equal(const TPM2B_DIGEST *a, const TPM2B_DIGEST *b)
{
	return a->size == b->size && memcmp(a->buffer, b->buffer, a->size) == 0;
}

int sr_authorize_join(const struct sr_policy *entry, const struct sr_policy *top,
		      struct sr_policy *ret, struct sr_err *err)
{
	*ret = *entry;
	for (size_t i = 1; i < top->count; i++) {
		if (ret->count == SR_POLICY_STEPS)
			return sr_fail(err, -EBADMSG,
				       "its policy has too many statements");
		ret->step[ret->count++] = top->step[i];
	}
	return 0;
}

int sr_authorize_digest(const TPM2B_DIGEST *policy, const struct sr_policy_step *step,
			TPM2B_DIGEST *ret, struct sr_err *err)
{
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md = sr_name_hash(step->authorize.key.publicArea.nameAlg);
	const TPM2B_DIGEST *ref = &step->authorize.ref;
	unsigned int size = 0;

	if (!ctx || !md || EVP_DigestInit_ex(ctx, md, NULL) != 1 ||
	    EVP_DigestUpdate(ctx, policy->buffer, policy->size) != 1 ||
	    EVP_DigestUpdate(ctx, ref->buffer, ref->size) != 1 ||
	    EVP_DigestFinal_ex(ctx, ret->buffer, &size) != 1)
		return sr_fail_libcrypto(err, "hashing a policy");
	ret->size = (uint16_t)size;
	return 0;
}

int sr_authorize_digest_of(const struct sr_policy *entry, TPM2B_DIGEST *ret,
			   struct sr_err *err)
{
	struct sr_policy before = *entry;

	before.count--;
	return sr_policy_digest(&before, ret, err);
}

int sr_authorize_public(const EVP_PKEY *key, TPM2B_PUBLIC *ret, struct sr_err *err)
{
	TPM2B_PUBLIC pub = { .publicArea.nameAlg = TPM2_ALG_SHA256 };
	int r = sr_pubkey_unique(key, &pub, err);

	if (r == 0 && (pub.publicArea.type != TPM2_ALG_ECC ||
		       pub.publicArea.parameters.eccDetail.curveID != TPM2_ECC_NIST_P256))
		r = sr_fail(err, -EINVAL, "policies are signed with keys on P-256 only");
	if (r < 0)
		return r;
	pub.publicArea.objectAttributes =
	    TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
	*ret = pub;
	return 0;
}

static bool has_pcrs(const struct sr_policy *policy)
{
	for (size_t i = 0; i < policy->count; i++)
		if (policy->step[i].code == TPM2_CC_PolicyPCR)
			return true;
	return false;
}

static int sign_digest(EVP_PKEY *key, const TPM2B_DIGEST *digest, TPMT_SIGNATURE *ret,
		       struct sr_err *err)
{
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	_cleanup_buf_ struct sr_buf tss = { 0 };
	uint8_t data[SR_SIGNATURE_MAX];
	struct sr_buf der = { data, sizeof(data) };
	size_t used = 0;
	int r;

	if (!ctx || EVP_PKEY_sign_init(ctx) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) <= 0 ||
	    EVP_PKEY_sign(ctx, der.data, &der.size, digest->buffer, digest->size) <= 0)
		return sr_fail_libcrypto(err, "signing a policy");
	r = sr_signature_tss(&der, sr_key_type_find("p256"), &ecdsa, &tss, err);
	if (r < 0)
		return r;
	return Tss2_MU_TPMT_SIGNATURE_Unmarshal(tss.data, tss.size, &used, ret) ==
		       TSS2_RC_SUCCESS
		   ? 0
		   : sr_fail(err, -EIO, "a signed policy cannot be marshalled");
}

int sr_authorize_sign(const struct sr_policy *policy, EVP_PKEY *key,
		      const TPM2B_DIGEST *ref, struct sr_policy *ret, struct sr_err *err)
{
	struct sr_policy_step *step = &ret->step[policy->count];
	TPM2B_DIGEST digest;
	int r;

	if (!has_pcrs(policy))
		return sr_fail(err, -EINVAL,
			       "a policy that says nothing about PCRs is not signed");
	if (policy->count == SR_POLICY_STEPS)
		return sr_fail(err, -EINVAL, "a policy has at most %d statements",
			       SR_POLICY_STEPS);
	*ret = *policy;
	ret->count++;
	memset(step, 0, sizeof(*step));
	step->code = TPM2_CC_PolicyAuthorize;
	step->authorize.ref = *ref;
	r = sr_authorize_public(key, &step->authorize.key, err);
	if (r == 0)
		r = sr_policy_digest(policy, &digest, err);
	if (r == 0)
		r = sr_authorize_digest(&digest, step, &digest, err);
	return r < 0 ? r : sign_digest(key, &digest, &step->authorize.signature, err);
}

static bool same_approver(const struct sr_policy_step *a, const struct sr_policy_step *b)
{
	TPM2B_NAME one, other;

	return sr_name_of(&a->authorize.key, &one, NULL) == 0 &&
	       sr_name_of(&b->authorize.key, &other, NULL) == 0 &&
	       sr_name_equal(&one, &other);
}

/* The statements of an approval: some PCRs, in some boots. */
static bool is_approval(const struct sr_policy *entry)
{
	for (size_t i = 0; i + 1 < entry->count; i++)
		if (entry->step[i].code != TPM2_CC_PolicyPCR &&
		    entry->step[i].code != TPM2_CC_PolicyCounterTimer)
			return false;
	return has_pcrs(entry);
}

static int check_signature(const struct sr_policy *entry,
			   const struct sr_policy_step *step, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_of(&step->authorize.key);
	_cleanup_evp_ EVP_PKEY *key = NULL;
	_cleanup_buf_ struct sr_buf der = { 0 };
	TPM2B_DIGEST digest;
	int r;

	if (!type || type->curve != TPM2_ECC_NIST_P256 ||
	    step->authorize.key.publicArea.nameAlg != TPM2_ALG_SHA256 ||
	    step->authorize.signature.signature.ecdsa.hash != TPM2_ALG_SHA256)
		return sr_fail(err, -EBADMSG,
			       "its policy is signed by a kind of key that is not used "
			       "here");
	r = sr_authorize_digest_of(entry, &digest, err);
	if (r == 0)
		r = sr_authorize_digest(&digest, step, &digest, err);
	if (r == 0)
		r = sr_signature_der(&step->authorize.signature, type, &der, err);
	if (r == 0)
		r = sr_pubkey_evp(&step->authorize.key, &key, err);
	if (r == 0)
		r = sr_signature_verify(key, &ecdsa, digest.buffer, digest.size, &der,
					err);
	if (r == 0 || r == -EINVAL)
		return sr_fail(err, -EBADMSG,
			       "the signature of an approval in it is not valid");
	return r < 0 ? r : 0;
}

int sr_authorize_check(const struct sr_policy *entry, const struct sr_policy *top,
		       struct sr_err *err)
{
	const struct sr_policy_step *step = &entry->step[entry->count - 1];

	if (!same_approver(step, &top->step[0]))
		return sr_fail(err, -EBADMSG,
			       "an approval in it was signed by another than may");
	if (!sr_digest_equal(&step->authorize.ref, &top->step[0].authorize.ref))
		return sr_fail(err, -EBADMSG, "an approval in it is for another key");
	if (!is_approval(entry))
		return sr_fail(err, -EBADMSG,
			       "an approval in it is not one of PCR values, in any boot "
			       "or in some");
	return check_signature(entry, step, err);
}
