/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys bound to the boot states of a ring, whatever these become. */
#include "bind.h"

#include <string.h>

/* What the latch closes is closed before anything could use a key. */
static int check_ring(const struct sr_ring *ring, struct sr_err *err)
{
	int r = sr_ring_need_key(ring, err);

	if (r < 0 || !sr_ring_latch(ring))
		return r;
	return sr_fail(err, -EINVAL,
		       "ring %s is closed when the initramfs is left, so that its keys "
		       "could never be used: choose another ring",
		       ring->name);
}

int sr_approvers_ready(struct sr_ring *ring, struct sr_approvers *ret, struct sr_err *err)
{
	_cleanup_approvers_ struct sr_approvers approvers = { 0 };
	int r = check_ring(ring, err);

	if (r == 0)
		r = sr_approvers_load(ring, &approvers, err);
	if (r == 0 && approvers.count == 0) {
		r = sr_approvers_add(&approvers, err);
		if (r == 0)
			r = sr_approvers_store(ring, &approvers, err);
	}
	if (r < 0)
		return sr_fail_ring(ring, r, err);
	*ret = approvers;
	approvers.count = 0;
	return 0;
}

int sr_key_bind(struct sr_key *key, const struct sr_ring *ring,
		const struct sr_approvers *approvers, struct sr_policy *ret,
		struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret random = { 0 };
	struct sr_policy_step *step = &ret->step[0];
	int r = sr_secret_random(SR_KEY_ID / 2, &random, err);

	if (r < 0)
		return r;
	sr_hex_format(random.data, random.size, key->id);
	(void)snprintf(key->ring, sizeof(key->ring), "%s", ring->name);
	memset(ret, 0, sizeof(*ret));
	ret->count = 1;
	step->code = TPM2_CC_PolicyAuthorize;
	step->authorize.signature.sigAlg = TPM2_ALG_NULL;
	r = sr_authorize_public(approvers->key[0], &step->authorize.key, err);
	return r < 0 ? r : sr_approver_ref(ring, key->id, &step->authorize.ref, err);
}

/* -- one key ------------------------------------------------------------------------ */

/* Approvals that a key is about to have. */
struct approved {
	struct sr_tpmkey_signed *entry;
	size_t count;
	bool changed;
};

static void approved_done(struct approved *approved)
{
	for (size_t i = 0; i < approved->count; i++)
		free(approved->entry[i].name);
	free(approved->entry);
}

size_t sr_approved_find(const struct sr_tpmkey_signed *entry, size_t count,
			const TPM2B_DIGEST *wanted)
{
	TPM2B_DIGEST digest;
	size_t i;

	for (i = 0; i < count; i++)
		if (sr_authorize_digest_of(&entry[i].policy, &digest, NULL) == 0 &&
		    sr_digest_equal(&digest, wanted))
			break;
	return i;
}

static int take_entry(const struct sr_tpmkey_signed *entry, struct approved *to,
		      struct sr_err *err)
{
	struct sr_tpmkey_signed *room = &to->entry[to->count];

	room->policy = entry->policy;
	room->name = entry->name ? strdup(entry->name) : NULL;
	if (entry->name && !room->name)
		return sr_fail_memory(err);
	to->count++;
	return 0;
}

static int sign_entry(const struct sr_approval *approval, const struct sr_policy *policy,
		      const struct sr_key *key, EVP_PKEY *approver, struct approved *to,
		      struct sr_err *err)
{
	const TPM2B_DIGEST *ref = &key->file->policy.step[0].authorize.ref;
	struct sr_tpmkey_signed *room = &to->entry[to->count];
	int r = sr_authorize_sign(policy, approver, ref, &room->policy, err);

	if (r == 0)
		r = sr_approved_name(approval, &room->name, err);
	to->count += r == 0;
	to->changed |= r == 0;
	return r;
}

/* What was signed once needs no proof again; what was not is signed if it is the ring's. */
static int add_approval(const struct sr_approval *approval, const struct sr_ring *ring,
			const struct sr_key *key, EVP_PKEY *approver, struct approved *to,
			struct sr_err *err)
{
	const struct sr_tpmkey *file = key->file;
	struct sr_policy policy;
	TPM2B_DIGEST digest;
	size_t at;
	int r;

	sr_approval_condition(approval, &policy);
	r = sr_policy_digest(&policy, &digest, err);
	if (r < 0 || sr_approved_find(to->entry, to->count, &digest) < to->count)
		return r;
	at = sr_approved_find(file->signed_policy, file->signed_count, &digest);
	if (at < file->signed_count) {
		to->changed |= at != to->count;
		return take_entry(&file->signed_policy[at], to, err);
	}
	r = approver ? sr_approval_is_ours(ring, approval, err) : 0;
	return r == 1 ? sign_entry(approval, &policy, key, approver, to, err) : r;
}

static int keep_others(const struct sr_tpmkey *file, struct approved *to,
		       struct sr_err *err)
{
	TPM2B_DIGEST digest;
	int r = 0;

	for (size_t i = 0; r == 0 && i < file->signed_count; i++) {
		r = sr_authorize_digest_of(&file->signed_policy[i].policy, &digest, err);
		if (r == 0 && to->count < SR_TPMKEY_SIGNED &&
		    sr_approved_find(to->entry, to->count, &digest) == to->count)
			r = take_entry(&file->signed_policy[i], to, err);
	}
	return r;
}

static void replace_entries(struct sr_tpmkey *file, struct approved *with)
{
	struct approved old = { file->signed_policy, file->signed_count, false };

	file->signed_policy = with->entry;
	file->signed_count = with->count;
	*with = old;
}

int sr_key_approve(struct sr_key *key, const struct sr_ring *ring,
		   const struct sr_approvals *approvals,
		   const struct sr_approvers *approvers, bool keep, struct sr_err *err)
{
	_cleanup_(approved_done) struct approved to = { 0 };
	EVP_PKEY *approver = sr_approvers_find(approvers, &key->file->policy.step[0]);
	int r = 0;

	to.entry = calloc(SR_TPMKEY_SIGNED, sizeof(*to.entry));
	if (!to.entry)
		return sr_fail_memory(err);
	for (size_t i = 0; r == 0 && i < approvals->count; i++)
		r = add_approval(&approvals->approval[i], ring, key, approver, &to, err);
	if (r == 0 && keep)
		r = keep_others(key->file, &to, err);
	if (r < 0)
		return r;
	if (to.count == 0)
		return sr_fail(err, -EKEYREJECTED,
			       "ring %s has no approval that can be signed for it: "
			       "tpm-reseal now %s makes one",
			       ring->name, ring->name);
	if (!to.changed && to.count == key->file->signed_count)
		return 0;
	replace_entries(key->file, &to);
	return 1;
}
