/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Approvals for the boots after an update, made before it. */
#include <string.h>

#include "compare.h"
#include "manage.h"
#include "replace.h"
#include "reseal.h"

static const char bridge[] = "bridge", planned[] = "planned";

/**
 * struct sealed - an approval that is not written yet
 * @key:	the sealed object
 * @values:	the PCRs it wants
 * @kind:	what it is called, but for a number
 * @name:	what it is called, once it is about to be written
 */
struct sealed {
	struct sr_tpmkey *key;
	struct sr_pcrs values;
	const char *kind;
	char name[SR_NAME_MAX + 1];
};

/**
 * struct work - one ring that is prepared
 * @ring:	the ring
 * @plan:	for what
 * @approvals:	those it has
 * @present:	the present values of its PCRs
 * @open:	those that are left out of bounded approvals
 * @window:	when these hold
 */
struct work {
	struct sr_ring *ring;
	const struct sr_plan *plan;
	struct sr_approvals approvals;
	struct sr_pcrs present;
	uint32_t open;
	struct sr_window window;
	struct sealed sealed[SR_APPROVALS_MAX];
	size_t count;
};

static void work_done(struct work *work)
{
	sr_approvals_done(&work->approvals);
	for (size_t i = 0; i < work->count; i++)
		sr_tpmkey_free(work->sealed[i].key);
}

/* "planned" is 1, "planned-2" is 2: in the order of the updates. 0 for others. */
static unsigned long plan_number(const struct sr_approval *approval)
{
	size_t length = strlen(planned);
	const char *behind = approval->name + length;

	if (approval->bounded || strncmp(approval->name, planned, length) != 0)
		return 0;
	return !*behind ? 1 : *behind == '-' ? strtoul(behind + 1, NULL, 10) : 0;
}

bool sr_approval_is_planned(const struct sr_approval *approval)
{
	return plan_number(approval) > 0;
}

bool sr_approval_is_beyond(const struct sr_approval *approval,
			   const struct sr_approval *before)
{
	return plan_number(before) > 0 && plan_number(approval) > plan_number(before);
}

static bool is_prepared(const struct sr_approval *approval)
{
	return approval->bounded || sr_approval_is_planned(approval);
}

/* Only from a state that is approved: what is bounded must not make itself last, and what
 * was foreseen would go, were it replaced. */
static int check_good(const struct work *work, struct sr_err *err)
{
	bool prepared = false;

	for (size_t i = 0; i < work->approvals.count; i++) {
		const struct sr_approval *approval = &work->approvals.approval[i];
		int r = sr_approval_holds(approval, &work->present, err);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (!is_prepared(approval))
			return 0;
		prepared = true;
	}
	if (prepared)
		return sr_fail(
		    err, -EKEYREJECTED,
		    "this boot was opened by what an update was prepared with: "
		    "tpm-reseal confirm %s comes first",
		    work->ring->name);
	return sr_fail(
	    err, -EKEYREJECTED,
	    "the boot state is not the approved one, so nothing can be prepared "
	    "from it: tpm-reseal status %s",
	    work->ring->name);
}

/* One that was prepared in this boot for other PCRs is not taken back by this one. */
static int choose_window(struct work *work, struct sr_tpm *tpm, struct sr_err *err)
{
	struct sr_clock clock;
	int r = sr_tpm_clock(tpm, &clock, err);

	if (r < 0)
		return r;
	work->window =
	    (struct sr_window){ clock.resets, clock.resets + work->plan->boots };
	for (size_t i = 0; i < work->approvals.count; i++) {
		const struct sr_approval *earlier = &work->approvals.approval[i];

		if (!earlier->bounded || earlier->window.after != clock.resets)
			continue;
		work->open |= work->ring->pcrs.mask & ~earlier->values.mask;
		if (earlier->window.until > work->window.until)
			work->window.until = earlier->window.until;
	}
	return 0;
}

static int check_open(const struct work *work, struct sr_err *err)
{
	uint32_t latch = sr_ring_latch(work->ring);
	char text[SR_CHANGED_TEXT];

	sr_changed_text(work->open & latch, text);
	if (*text)
		return sr_fail(err, -EINVAL, "%s is what closes it after the initramfs",
			       text);
	if (work->ring->pcrs.mask & ~work->open & ~latch)
		return 0;
	return sr_fail(err, -EINVAL,
		       "without these PCRs nothing would be left that it depends on: "
		       "whatever boots would open it");
}

static int check_plan(const struct work *work, struct sr_err *err)
{
	const struct sr_plan *plan = work->plan;

	if (plan->boots > SR_BOOTS_MAX || plan->states > SR_STATES_MAX)
		return sr_fail(err, -EINVAL, "more than %d boots, or %d boot states",
			       SR_BOOTS_MAX, SR_STATES_MAX);
	for (size_t i = 0; i < plan->states; i++)
		if (plan->state[i].bank != work->ring->pcrs.bank)
			return sr_fail(
			    err, -EINVAL,
			    "what is foreseen is of the %s bank, but it is sealed to %s",
			    sr_bank_name(plan->state[i].bank), work->ring->pcrs_text);
	return 0;
}

/* The present values, but those that a state to come gives. */
static struct sr_pcrs overlay(const struct work *work, const struct sr_pcrs *state)
{
	struct sr_pcrs values = work->present;
	uint32_t latch = sr_ring_latch(work->ring);

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (state->given & values.mask & ~latch & 1U << pcr)
			memcpy(values.value[pcr], state->value[pcr], SR_DIGEST_MAX);
	return values;
}

static bool same_values(const struct sr_pcrs *a, const struct sr_pcrs *b)
{
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (a->mask & 1U << pcr &&
		    memcmp(a->value[pcr], b->value[pcr], sr_bank_size(a->bank)) != 0)
			return false;
	return a->mask == b->mask;
}

static bool is_sealed(const struct work *work, const struct sr_pcrs *values)
{
	for (size_t i = 0; i < work->count; i++)
		if (same_values(&work->sealed[i].values, values))
			return true;
	return false;
}

static int seal(struct work *work, struct sr_opening *opening,
		const struct sr_pcrs *values, const char *kind, struct sr_err *err)
{
	struct sealed *sealed = &work->sealed[work->count];
	const struct sr_window *window = kind == bridge ? &work->window : NULL;
	struct sr_policy policy;
	int r;

	if (is_sealed(work, values))
		return 0;
	if (work->approvals.count + work->count >= SR_APPROVALS_MAX)
		return sr_fail(
		    err, -EINVAL,
		    "more than %d approvals: tpm-reseal prepare --undo %s takes "
		    "away what was prepared before",
		    SR_APPROVALS_MAX, work->ring->name);
	r = sr_approval_policy(values, window, work->ring->pin_value.size > 0, &policy,
			       err);
	if (r == 0)
		r = sr_opening_seal(work->ring, opening, &policy, true, &sealed->key,
				    err);
	if (r < 0)
		return r;
	sealed->values = *values;
	sealed->kind = kind;
	work->count++;
	return 0;
}

static int seal_states(struct work *work, struct sr_opening *opening, struct sr_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < work->plan->states; i++) {
		struct sr_pcrs values = overlay(work, &work->plan->state[i]);

		if (!same_values(&values, &work->present))
			r = seal(work, opening, &values, planned, err);
	}
	return r;
}

static int seal_bridge(struct work *work, struct sr_opening *opening,
		       const struct sr_pcrs *state, struct sr_err *err)
{
	struct sr_pcrs values = overlay(work, state);

	values.mask &= ~work->open;
	return seal(work, opening, &values, bridge, err);
}

/* Whatever else is foreseen may come with what is not. */
static int seal_bridges(struct work *work, struct sr_opening *opening, struct sr_err *err)
{
	int r = choose_window(work, opening->session.tpm, err);

	if (r == 0)
		r = check_open(work, err);
	if (r == 0)
		r = seal_bridge(work, opening, &work->present, err);
	for (size_t i = 0; r == 0 && i < work->plan->states; i++)
		r = seal_bridge(work, opening, &work->plan->state[i], err);
	return r;
}

static int seal_all(struct work *work, struct sr_opening *opening,
		    const struct sr_ring_options *options, struct sr_err *err)
{
	int r = sr_ring_apply(work->ring, options, err);

	if (r == 0)
		r = sr_ring_check_selection(work->ring, err);
	if (r == 0)
		r = sr_reseal_check_pin(work->ring, err);
	if (r == 0)
		r = sr_opening_values(work->ring, opening, true, &work->present, err);
	if (r == 0)
		r = check_good(work, err);
	if (r == 0)
		r = seal_states(work, opening, err);
	if (r == 0 && work->plan->boots && work->open)
		r = seal_bridges(work, opening, err);
	return r;
}

/* "bridge", or "bridge-2" while that is needed. */
static void choose_name(const struct work *work, struct sealed *sealed)
{
	unsigned int n = 1;
	bool taken;

	(void)snprintf(sealed->name, sizeof(sealed->name), "%s", sealed->kind);
	do {
		taken = false;
		for (size_t i = 0; i < work->approvals.count; i++)
			taken |=
			    strcmp(work->approvals.approval[i].name, sealed->name) == 0;
		for (const struct sealed *other = work->sealed; other < sealed; other++)
			taken |= strcmp(other->name, sealed->name) == 0;
		if (taken)
			(void)snprintf(sealed->name, sizeof(sealed->name), "%s-%u",
				       sealed->kind, ++n);
	} while (taken);
}

static int tell(struct sr_ring *ring, const struct sr_follow *follow, struct sr_err *err)
{
	return follow ? follow->follow(follow->arg, ring, NULL, false, err) : 0;
}

static void take_back(const struct work *work, const struct sr_follow *follow)
{
	for (size_t i = 0; i < work->count; i++)
		if (work->sealed[i].name[0])
			(void)sr_approval_remove(work->ring, work->sealed[i].name, NULL);
	(void)tell(work->ring, follow, NULL);
}

static int write_all(struct work *work, const struct sr_follow *follow,
		     struct sr_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < work->count; i++) {
		struct sealed *sealed = &work->sealed[i];

		choose_name(work, sealed);
		r = sr_approval_write(work->ring, sealed->name, sealed->key,
				      &sealed->values, err);
	}
	if (r == 0 && work->count > 0)
		r = tell(work->ring, follow, err);
	if (r < 0)
		take_back(work, follow);
	return r;
}

static int id_of(const struct sr_tpmkey *key, char ret[SR_APPROVAL_ID],
		 struct sr_err *err)
{
	const struct sr_approval approval = { .key = (struct sr_tpmkey *)key };

	return sr_approval_id(&approval, ret, err);
}

/* What is replaced are earlier ones of the kinds of which there are new ones. */
static int describe(const struct work *work, struct sr_prepared *ret, struct sr_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < work->count; i++) {
		r = id_of(work->sealed[i].key, ret->added[ret->count++], err);
		ret->states += work->sealed[i].kind == planned;
	}
	for (size_t i = 0; r == 0 && i < work->approvals.count; i++) {
		const struct sr_approval *earlier = &work->approvals.approval[i];

		if (earlier->bounded ? ret->count > ret->states
				     : ret->states > 0 && sr_approval_is_planned(earlier))
			r = id_of(earlier->key, ret->earlier[ret->earlier_count++], err);
	}
	if (ret->count > ret->states) {
		ret->open = work->open;
		ret->boots = work->window.until - work->window.after;
	}
	return r;
}

static int prepare(struct work *work, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_ring_options *options, struct sr_prepared *ret,
		   struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	_cleanup_close_ int lock = -1;
	struct sr_prepared prepared = { 0 };
	int r = check_plan(work, err);

	if (r == 0)
		r = sr_manage_open(work->ring, tpm, ask, false, &opening, &lock, err);
	if (r == 0)
		r = sr_approvals_read_all(work->ring, &work->approvals, err);
	if (r == 0)
		r = seal_all(work, &opening, options, err);
	if (r == 0)
		r = describe(work, &prepared, err);
	if (r == 0)
		r = write_all(work, options->follow, err);
	if (r == 0)
		*ret = prepared;
	return r;
}

int sr_ring_prepare(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		    const struct sr_plan *plan, const struct sr_ring_options *options,
		    struct sr_prepared *ret, struct sr_err *err)
{
	_cleanup_(work_done) struct work work = { .ring = ring, .plan = plan };
	int r;

	work.open = plan->open & ring->pcrs.mask;
	r = prepare(&work, tpm, ask, options, ret, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : 0;
}

/* What opened this boot stays in any case. Without @ids: all that was prepared. */
static int remove_prepared(struct sr_ring *ring, const char (*ids)[SR_APPROVAL_ID],
			   size_t count, size_t *removed, struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	const struct sr_approval *proven = NULL;
	int r = sr_approvals_read_all(ring, &approvals, err);

	if (r == 0)
		r = sr_find_proven(ring, &approvals, &proven, err);
	for (size_t i = 0; r >= 0 && i < approvals.count; i++) {
		const struct sr_approval *approval = &approvals.approval[i];
		char id[SR_APPROVAL_ID];
		bool goes = !ids && is_prepared(approval);

		r = sr_approval_id(approval, id, err);
		for (size_t j = 0; ids && j < count; j++)
			goes |= strcmp(ids[j], id) == 0;
		if (r < 0 || !goes || approval == proven)
			continue;
		r = sr_approval_remove(ring, approval->name, err);
		*removed += r == 0;
	}
	return r < 0 ? r : 0;
}

int sr_ring_prepared(struct sr_ring *ring, const struct sr_prepared *prepared, bool made,
		     const struct sr_follow *follow, struct sr_err *err)
{
	_cleanup_close_ int lock = -1;
	size_t removed = 0;
	int r = sr_ring_need_key(ring, err);

	if (made && prepared->earlier_count == 0)
		return r;
	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r == 0)
		r = made ? remove_prepared(ring, prepared->earlier,
					   prepared->earlier_count, &removed, err)
			 : remove_prepared(ring, prepared->added, prepared->count,
					   &removed, err);
	if (r == 0 && removed > 0)
		r = tell(ring, follow, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : 0;
}

/* Where this boot is opened by nothing else, it would be closed. */
static int check_needless(struct sr_ring *ring, struct sr_tpm *tpm, size_t *count,
			  struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	struct sr_comparison comparison;
	uint32_t prepared = 0;
	int r = sr_approvals_read_all(ring, &approvals, err);

	for (size_t i = 0; r == 0 && i < approvals.count; i++)
		if (is_prepared(&approvals.approval[i])) {
			prepared |= 1U << i;
			++*count;
		}
	if (r < 0 || *count == 0)
		return r;
	r = sr_compare(ring, &approvals, tpm, &comparison, err);
	if (r < 0 || !comparison.holding || comparison.holding & ~prepared)
		return r;
	return sr_fail(err, -EKEYREJECTED,
		       "nothing else opens this boot: tpm-reseal confirm %s comes first",
		       ring->name);
}

int sr_ring_unprepare(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		      const struct sr_follow *follow, struct sr_err *err)
{
	_cleanup_close_ int lock = -1;
	size_t count = 0, removed = 0;
	int r = check_needless(ring, tpm, &count, err);

	if (r == 0 && count > 0 && ring->volume_count > 0)
		r = sr_ring_open_for_admin(ring, tpm, ask, err);
	if (r == 0 && count > 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r == 0 && count > 0)
		r = remove_prepared(ring, NULL, 0, &removed, err);
	if (r == 0 && removed > 0 && ring->volume_count > 0)
		r = tell(ring, follow, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : (int)removed;
}
