/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One TPM conversation: getting a ring key out, or a new approval in. */
#include "opening.h"

#include <fcntl.h>
#include <string.h>

#include "codec/name.h"
#include "compare.h"
#include "replace.h"
#include "tpm/object.h"
#include "tpm/pcr.h"
#include "tpm/session.h"
#include "tpm/srk.h"

#define REMEDY_TEXT (SR_NAME_MAX + 64)

struct attempt {
	struct sr_ring *ring;
	struct sr_tpm *tpm;
	const struct sr_ask *ask;
	struct sr_opening *keep;
	const struct sr_approvals *approvals;
};

static int take_key(struct sr_ring *ring, struct sr_secret *key, struct sr_err *err)
{
	if (key->size != SR_RING_KEY)
		return sr_fail(err, -EBADMSG, "what is sealed is no ring key");
	sr_secret_done(&ring->key);
	sr_secret_take(key, &ring->key);
	return 0;
}

/* A statement after PolicyPCR failed: the session has to forget what it holds. */
static int try_one(const struct attempt *attempt, struct sr_unseal *unseal,
		   const struct sr_approval *approval, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret key = { 0 };
	size_t made = 0;
	int r;

	r = sr_object_unseal(unseal, approval->key, &approval->key->policy, &made, &key,
			     err);
	if (r == 0)
		return take_key(attempt->ring, &key, err);
	if (made > 0 && sr_session_restart(unseal->session, NULL) < 0)
		return r == -EKEYREJECTED ? -EIO : r;
	return r;
}

/* What just opened is confirmed by the TPM, which ring.conf is not. */
static int note_policy(struct sr_ring *ring, struct sr_opening *opening,
		       const struct sr_approval *approval, struct sr_err *err)
{
	opening->values = approval->values;
	ring->opened = approval->values;
	ring->bounded = approval->bounded;
	return sr_approval_id(approval, ring->approval, err);
}

/* Its policy does not hold, or it is damaged: another one may open. A PIN is not retried. */
static bool may_go_on(int r)
{
	return r == -EKEYREJECTED || r == -EREMOTE || r == -EBADMSG;
}

static int try_all(const struct attempt *attempt, struct sr_opening *opening,
		   struct sr_err *err)
{
	const struct sr_approvals *approvals = attempt->approvals;
	struct sr_unseal unseal = {
		.session = &opening->session,
		.parent = &opening->parent,
		.name = attempt->ring->name,
		.ask = attempt->ask,
		.pin = &attempt->ring->pin_value,
		.last = !attempt->keep,
	};
	struct sr_err why = { 0 };
	int r = -EKEYREJECTED, first = 0;

	for (size_t i = 0; i < approvals->count && may_go_on(r); i++) {
		r = try_one(attempt, &unseal, &approvals->approval[i], &why);
		if (r == 0)
			r = note_policy(attempt->ring, opening, &approvals->approval[i],
					&why);
		if (r < 0 && !first)
			first = sr_fail(err, r, "%s", why.text);
	}
	if (may_go_on(r) && first)
		return first;
	return r < 0 ? sr_fail(err, r, "%s", why.text) : 0;
}

static int converse(const struct attempt *attempt, struct sr_handle *parent,
		    struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(attempt->tpm);
	int r;

	sr_handle_take(parent, &opening.parent);
	r = sr_session_start(attempt->tpm, TPM2_SE_POLICY, &opening.parent,
			     &opening.session, err);
	if (r == 0)
		r = try_all(attempt, &opening, err);
	if (r < 0)
		return r;
	if (attempt->keep) {
		*attempt->keep = opening;
		opening = SR_OPENING(attempt->tpm);
	} else {
		sr_handle_forget(&opening.session);
	}
	return 0;
}

/* What to do about it: in the initramfs there is no store, but a passphrase. */
static const char *remedy(const struct sr_ring *ring, char ret[REMEDY_TEXT])
{
	if (!ring->store)
		return "enter the passphrase, then: tpm-reseal status";
	(void)snprintf(ret, REMEDY_TEXT,
		       "get in with the recovery key: tpm-reseal recover %s", ring->name);
	return ret;
}

static int fail_latched(const struct sr_ring *ring, struct sr_err *err)
{
	char text[SR_CHANGED_TEXT];

	sr_changed_text(sr_ring_latch(ring), text);
	return sr_fail(err, -EKEYREJECTED,
		       "ring %s: policy does not hold: it was closed when the initramfs "
		       "was left (%s), until the next boot",
		       ring->name, text);
}

/* Which PCRs keep the ring closed, in words. */
static int explain(const struct attempt *attempt, struct sr_err *err)
{
	const char *name = attempt->ring->name;
	char text[SR_CHANGED_TEXT], since[SR_TIME_TEXT] = "sealing", how[REMEDY_TEXT];
	struct sr_comparison comparison = { 0 };
	int r;

	if (sr_compare(attempt->ring, attempt->approvals, attempt->tpm, &comparison,
		       NULL) == 0 &&
	    comparison.holding && comparison.latched) {
		attempt->ring->latched = true;
		return fail_latched(attempt->ring, err);
	}
	attempt->ring->seen = comparison.present;
	if (!comparison.changed && !comparison.inactive)
		return sr_fail(
		    err, -EKEYREJECTED,
		    "ring %s: policy does not hold: the boot state is not the approved "
		    "one: %s",
		    name, remedy(attempt->ring, how));
	sr_comparison_text(&comparison, text);
	if (comparison.made) {
		sr_time_format(comparison.made, since);
		since[10] = '\0'; /* the day is enough */
	}
	r = sr_fail(err, -EKEYREJECTED,
		    "ring %s: policy does not hold: %s changed since %s: %s%s", name,
		    text, since, attempt->ring->store ? "if you know why, " : "",
		    remedy(attempt->ring, how));
	if (err)
		err->pcrs = comparison.changed;
	return r;
}

static int fail_other_tpm(const struct sr_ring *ring, struct sr_err *err)
{
	char how[REMEDY_TEXT];

	return sr_fail(err, -EREMOTE,
		       "ring %s: sealed by another TPM, or the TPM was cleared since: %s",
		       ring->name, remedy(ring, how));
}

/* The TPM's word is believed only after the TPM is known to be the one we sealed to. */
static int diagnose(const struct attempt *attempt, int r, struct sr_err *err)
{
	const struct sr_ring *ring = attempt->ring;
	char how[REMEDY_TEXT];

	if (r == -EKEYREJECTED)
		return explain(attempt, err);
	if (r == -EREMOTE)
		return sr_fail(err, -EBADMSG, "ring %s: its approval is damaged: %s%s",
			       ring->name,
			       ring->store ? "restore it from a backup, or " : "",
			       remedy(ring, how));
	return sr_fail_ring(ring, r, err);
}

static bool is_final(int r)
{
	return r == 0 || r == -EACCES || r == -EBUSY || r == -ENODEV || r == -ENOMEM;
}

static int question(const struct attempt *attempt, int r, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(attempt->tpm);
	struct sr_err other = { 0 };
	int q = sr_srk_question(attempt->tpm, &attempt->ring->srk, &parent, &other);

	if (q == -EREMOTE)
		return fail_other_tpm(attempt->ring, err);
	if (q < 0)
		return sr_fail_ring(attempt->ring, sr_fail(err, q, "%s", other.text),
				    err);
	if (q == 1) {
		r = converse(attempt, &parent, err);
		if (r == 0)
			return 0;
	}
	return diagnose(attempt, r, err);
}

int sr_opening_unseal(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		      struct sr_opening *keep, struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(tpm);
	struct attempt attempt = { ring, tpm, ask, keep, &approvals };
	int r = sr_approvals_read(ring, &approvals, err);

	if (r < 0)
		return r;
	r = sr_srk_pin(tpm, SR_SRK_HANDLE, &ring->srk, &parent, err);
	if (r == 0)
		r = converse(&attempt, &parent, err);
	if (is_final(r))
		return r == 0 ? 0 : sr_fail_ring(ring, r, err);
	return question(&attempt, r, err);
}

/* A key that only the ring's own TPM may get does not go to whichever answers. */
static int check_same(struct sr_ring *ring, const TPM2B_PUBLIC *found, bool same_tpm,
		      struct sr_err *err)
{
	TPM2B_NAME is, was;
	int r;

	if (!ring->srk.publicArea.type)
		return 0; /* it is new */
	r = sr_name_of(found, &is, err);
	if (r == 0)
		r = sr_name_of(&ring->srk, &was, err);
	if (r < 0 || sr_name_equal(&is, &was))
		return r;
	ring->moved = true;
	return same_tpm ? sr_fail(err, -EREMOTE,
				  "sealed by another TPM than the one that answers now")
			: 0;
}

int sr_opening_start(struct sr_ring *ring, struct sr_tpm *tpm, bool same_tpm,
		     struct sr_opening *ret, struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	TPM2B_PUBLIC srk;
	int r = sr_srk_get(tpm, &srk, &opening.parent, err);

	if (r == 0)
		r = check_same(ring, &srk, same_tpm, err);
	if (r == 0)
		r = sr_session_start(tpm, TPM2_SE_POLICY, &opening.parent,
				     &opening.session, err);
	if (r < 0)
		return r;
	ring->srk = srk;
	*ret = opening;
	opening = SR_OPENING(tpm);
	return 0;
}

/* Values an approval was just opened with are the present ones: no need to ask again. */
int sr_opening_values(const struct sr_ring *ring, const struct sr_opening *opening,
		      bool accept_unmeasured, struct sr_pcrs *ret, struct sr_err *err)
{
	*ret = ring->pcrs;
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (opening->values.bank == ret->bank &&
		    opening->values.given & ret->mask & ~ret->given & 1U << pcr) {
			memcpy(ret->value[pcr], opening->values.value[pcr],
			       SR_DIGEST_MAX);
			ret->given |= 1U << pcr;
		}
	if ((ret->given & ret->mask) == ret->mask)
		return 0;
	return sr_pcr_read_measured(opening->session.tpm, ret, accept_unmeasured, err);
}

static int prove_by_unseal(struct sr_ring *ring, struct sr_opening *opening,
			   const struct sr_tpmkey *key, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret again = { 0 };
	struct sr_unseal unseal = {
		.session = &opening->session,
		.parent = &opening->parent,
		.name = ring->name,
		.pin = &ring->pin_value,
		.last = true,
	};
	int r = sr_object_unseal(&unseal, key, &key->policy, NULL, &again, err);

	if (r < 0)
		return r;
	sr_handle_forget(&opening->session);
	if (!sr_secret_equal(&again, &ring->key))
		return sr_fail(err, -EIO,
			       "the TPM gave back another key than was sealed");
	return 0;
}

/* Whether a value that the list gives is another than the present one. */
static int check_later(const struct sr_ring *ring, struct sr_tpm *tpm, bool *ret,
		       struct sr_err *err)
{
	struct sr_pcrs present = { .bank = ring->pcrs.bank, .mask = ring->pcrs.given };
	int r = present.mask ? sr_pcr_read(tpm, &present, err) : 0;

	for (unsigned int pcr = 0; r == 0 && pcr < SR_PCR_COUNT; pcr++)
		if (present.mask & 1U << pcr &&
		    memcmp(present.value[pcr], ring->pcrs.value[pcr],
			   sr_bank_size(present.bank)) != 0)
			*ret = true;
	return r;
}

/*
 * What is for a boot state to come can't be opened now: that the TPM made it in an
 * encrypted session, with our policy digest, and loads it again is all that can be proven.
 */
static int prove(struct sr_ring *ring, struct sr_opening *opening,
		 const struct sr_tpmkey *key, bool later, struct sr_err *err)
{
	int r = later ? sr_object_loads(&opening->parent, key, err)
		      : prove_by_unseal(ring, opening, key, err);

	return r < 0 ? sr_prefix(err, r, "the new approval does not open") : 0;
}

/* What to seal to: the ring's list, with the values that are the present ones. */
static int choose(struct sr_ring *ring, struct sr_opening *opening,
		  const struct sr_ring_options *options, bool *later,
		  struct sr_pcrs *values, struct sr_policy *policy, struct sr_err *err)
{
	int r = check_later(ring, opening->session.tpm, later, err);

	if (r == 0)
		r = sr_opening_values(ring, opening, options->accept_unmeasured, values,
				      err);
	return r < 0 ? r
		     : sr_approval_policy(values, NULL, ring->pin_value.size > 0, policy,
					  err);
}

int sr_opening_seal(struct sr_ring *ring, struct sr_opening *opening,
		    const struct sr_policy *policy, bool later, struct sr_tpmkey **ret,
		    struct sr_err *err)
{
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = sr_tpmkey_new();
	int r;

	if (!key)
		return sr_fail_memory(err);
	r = sr_object_create(&opening->session, &opening->parent, policy,
			     &ring->pin_value, &ring->key, key, err);
	if (r == 0)
		r = prove(ring, opening, key, later, err);
	if (r < 0)
		return r;
	key->parent = SR_SRK_HANDLE;
	*ret = take(key);
	return 0;
}

int sr_opening_approve(struct sr_ring *ring, struct sr_opening *opening,
		       const struct sr_ring_options *options, bool *later,
		       struct sr_err *err)
{
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = NULL;
	struct sr_replacing replacing = { .ring = ring, .follow = options->follow };
	struct sr_policy policy;
	struct sr_pcrs values;
	int r;

	r = choose(ring, opening, options, &replacing.later, &values, &policy, err);
	/* The values of two PINs can't be compared: a ring with one is sealed anew. */
	if (r == 0 && replacing.later && ring->pin_value.size == 0)
		r = sr_keep_proven(&replacing, &policy, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = sr_opening_seal(ring, opening, &policy, replacing.later, &key, err);
	if (r < 0)
		return r;
	if (later)
		*later = replacing.later;
	return sr_replace_approvals(&replacing, key, &values, err);
}
