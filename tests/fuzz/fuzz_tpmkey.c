/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: key files. What is read is written, and reads and writes as the same. */
#include <assert.h>
#include <string.h>

#include "codec/authorize.h"
#include "codec/tpmkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A policy that was read has a digest, but where a PolicyPCR leaves it to the TPM. */
static void check_policy(const struct sr_policy *policy)
{
	TPM2B_DIGEST digest = { .size = 7 };
	int r = sr_policy_digest(policy, &digest, NULL);

	assert(policy->count <= SR_POLICY_STEPS);
	assert((r == 0 && digest.size == 32) || (r == -EINVAL && digest.size == 7));
}

/* What is signed is taken, or refused as damaged: nothing else can be wrong with it. */
static void check_approval(const struct sr_policy *entry, const struct sr_policy *top)
{
	struct sr_policy joined;
	int r;

	if (top->count == 0 || top->step[0].code != TPM2_CC_PolicyAuthorize)
		return;
	r = sr_authorize_check(entry, top, NULL);
	assert(r == 0 || r == -EBADMSG);
	r = sr_authorize_join(entry, top, &joined, NULL);
	assert(r == 0 || r == -EBADMSG);
}

static void check_key(const struct sr_tpmkey *key)
{
	assert(key->pub.size > 0 && key->priv.size > 0);
	assert((key->type == SR_TPMKEY_LOADABLE) <= (key->secret.size == 0));
	assert((key->type == SR_TPMKEY_IMPORTABLE) <= (key->secret.size > 0));
	check_policy(&key->policy);
	for (size_t i = 0; i < key->signed_count; i++) {
		check_policy(&key->signed_policy[i].policy);
		check_approval(&key->signed_policy[i].policy, &key->policy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = NULL, *again = NULL;
	_cleanup_buf_ struct sr_buf first = { 0 }, second = { 0 };
	struct sr_buf content = { .data = (uint8_t *)data, .size = size };
	struct sr_err err = { 0 };
	int r = sr_tpmkey_read(&content, &key, &err);

	if (r < 0) {
		assert(r == -EBADMSG && !key && err.text[0] != '\0');
		return 0;
	}
	check_key(key);
	r = sr_tpmkey_write(key, "Text.\n", &first, &err);
	if (r == -EINVAL && size > SR_TPMKEY_MAX / 2)
		return 0; /* base64 makes it larger than a file may be */
	assert(r == 0);
	assert(sr_tpmkey_read(&first, &again, NULL) == 0);
	assert(again->has_empty_auth && again->empty_auth == key->empty_auth);
	assert(again->parent == key->parent && again->type == key->type);
	assert(memcmp(&again->pub, &key->pub, sizeof(key->pub)) == 0);
	assert(memcmp(&again->priv, &key->priv, sizeof(key->priv)) == 0);
	assert(memcmp(&again->policy, &key->policy, sizeof(key->policy)) == 0);
	assert(again->signed_count == key->signed_count);
	assert(sr_tpmkey_write(again, "Text.\n", &second, NULL) == 0);
	assert(second.size == first.size);
	assert(memcmp(second.data, first.data, first.size) == 0);
	return 0;
}
