/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys with which a ring approves its boot states for other keys. */
#include "approver.h"

#include <openssl/ec.h>
#include <openssl/x509.h>
#include <string.h>

#include "codec/name.h"
#include "ring/manage.h"

static const char ref_label[] = "sealring approve";

SR_DEFINE_CLEANUP(p8_freep, PKCS8_PRIV_KEY_INFO *, PKCS8_PRIV_KEY_INFO_free)
SR_DEFINE_CLEANUP(md_ctx_freep, EVP_MD_CTX *, EVP_MD_CTX_free)

void sr_approvers_done(struct sr_approvers *approvers)
{
	for (size_t i = 0; i < approvers->count; i++)
		EVP_PKEY_free(approvers->key[i]);
	*approvers = (struct sr_approvers){ 0 };
}

static int secret_name(const struct sr_ring *ring, char ret[SR_NAME_MAX + 1],
		       struct sr_err *err)
{
	if (snprintf(ret, SR_NAME_MAX + 1, "%s" SR_APPROVER_SUFFIX, ring->name) <=
	    SR_NAME_MAX)
		return 0;
	return sr_fail(err, -EINVAL,
		       "ring %s has too long a name for keys to be bound to it",
		       ring->name);
}

/* One PrivateKeyInfo (RFC 5208, DER) after the other. */
static int parse(const struct sr_secret *secret, struct sr_approvers *ret,
		 struct sr_err *err)
{
	const unsigned char *at = secret->data, *end = at + secret->size;

	while (at < end) {
		_cleanup_(p8_freep) PKCS8_PRIV_KEY_INFO *info =
		    d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, end - at);
		EVP_PKEY *key = info ? EVP_PKCS82PKEY(info) : NULL;
		TPM2B_PUBLIC unused;
		int r;

		if (!key || ret->count == SR_APPROVERS_MAX) {
			EVP_PKEY_free(key);
			return sr_fail(err, -EBADMSG, "its approver is damaged");
		}
		ret->key[ret->count++] = key;
		r = sr_authorize_public(key, &unused, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int sr_approvers_load(struct sr_ring *ring, struct sr_approvers *ret, struct sr_err *err)
{
	_cleanup_approvers_ struct sr_approvers approvers = { 0 };
	_cleanup_secret_ struct sr_secret secret = { 0 };
	char name[SR_NAME_MAX + 1];
	int r = secret_name(ring, name, err);

	if (r == 0)
		r = sr_secret_load(ring, name, &secret, err);
	if (r == 0)
		r = parse(&secret, &approvers, err);
	if (r < 0 && r != -ENOKEY)
		return r;
	*ret = approvers;
	approvers.count = 0;
	return 0;
}

static int append(EVP_PKEY *key, struct sr_secret *to, size_t *used, struct sr_err *err)
{
	_cleanup_(p8_freep) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *at = to->data + *used;
	int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : -1;

	if (size < 0 || (size_t)size > to->size - *used ||
	    i2d_PKCS8_PRIV_KEY_INFO(info, &at) != size)
		return sr_fail_libcrypto(err, "writing an approver");
	*used += (size_t)size;
	return 0;
}

int sr_approvers_store(struct sr_ring *ring, const struct sr_approvers *approvers,
		       struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	_cleanup_close_ int dir = -1;
	char name[SR_NAME_MAX + 1];
	size_t used = 0;
	int r = secret_name(ring, name, err);

	if (r == 0)
		r = sr_secret_alloc(approvers->count * 256, &secret, err);
	for (size_t i = 0; r == 0 && i < approvers->count; i++)
		r = append(approvers->key[i], &secret, &used, err);
	if (r < 0)
		return r;
	sr_secret_shrink(&secret, used);
	dir = sr_ring_open_subdir(ring, "secrets", err);
	return dir < 0 ? dir : sr_secret_store(ring, dir, name, &secret, err);
}

int sr_approvers_add(struct sr_approvers *approvers, struct sr_err *err)
{
	EVP_PKEY *key;

	if (approvers->count == SR_APPROVERS_MAX)
		return sr_fail(err, -EINVAL,
			       "keys that are bound to it are of before %d rotations: "
			       "make new ones first",
			       SR_APPROVERS_MAX - 1);
	key = EVP_EC_gen("P-256");
	if (!key)
		return sr_fail_libcrypto(err, "making an approver");
	for (size_t i = approvers->count; i > 0; i--)
		approvers->key[i] = approvers->key[i - 1];
	approvers->key[0] = key;
	approvers->count++;
	return 0;
}

EVP_PKEY *sr_approvers_find(const struct sr_approvers *approvers,
			    const struct sr_policy_step *step)
{
	TPM2B_NAME wanted, name;
	TPM2B_PUBLIC pub;

	if (sr_name_of(&step->authorize.key, &wanted, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < approvers->count; i++)
		if (sr_authorize_public(approvers->key[i], &pub, NULL) == 0 &&
		    sr_name_of(&pub, &name, NULL) == 0 && sr_name_equal(&name, &wanted))
			return approvers->key[i];
	return NULL;
}

int sr_approver_ref(const struct sr_ring *ring, const char *id, TPM2B_DIGEST *ret,
		    struct sr_err *err)
{
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, ref_label, strlen(ref_label)) != 1 ||
	    EVP_DigestUpdate(ctx, ring->id, strlen(ring->id)) != 1 ||
	    EVP_DigestUpdate(ctx, id, strlen(id)) != 1 ||
	    EVP_DigestFinal_ex(ctx, ret->buffer, NULL) != 1)
		return sr_fail_libcrypto(err, "hashing a policy reference");
	ret->size = TPM2_SHA256_DIGEST_SIZE;
	return 0;
}

void sr_approval_condition(const struct sr_approval *approval, struct sr_policy *ret)
{
	const struct sr_policy *policy = &approval->key->policy;

	*ret = (struct sr_policy){ 0 };
	for (size_t i = 0; i < policy->count; i++)
		if (policy->step[i].code != TPM2_CC_PolicyAuthValue)
			ret->step[ret->count++] = policy->step[i];
}

int sr_approved_name(const struct sr_approval *approval, char **ret, struct sr_err *err)
{
	const struct sr_pcrs *values = &approval->values;
	size_t size;
	FILE *out;

	*ret = NULL;
	if (!values->mask || (values->given & values->mask) != values->mask)
		return 0;
	out = open_memstream(ret, &size);
	if (!out)
		return sr_fail_memory(err);
	sr_pcrs_print(out, values);
	if (fclose(out) == 0)
		return 0;
	free(take(*ret));
	return sr_fail_memory(err);
}

bool sr_approved_values(const struct sr_tpmkey_signed *entry, struct sr_pcrs *ret)
{
	const struct sr_policy_step *step = &entry->policy.step[0];
	TPM2B_DIGEST digest;

	return entry->name && step->code == TPM2_CC_PolicyPCR &&
	       sr_pcrs_parse(entry->name, ret, NULL) == 0 &&
	       sr_pcrs_digest(ret, &digest, NULL) == 0 &&
	       digest.size == step->pcr.digest.size &&
	       memcmp(digest.buffer, step->pcr.digest.buffer, digest.size) == 0;
}
