/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a good boot: sealed to just this state, and what bridged the way to it goes. */
#include <fcntl.h>
#include <string.h>

#include "baseline.h"
#include "compare.h"
#include "manage.h"
#include "replace.h"
#include "reseal.h"
#include "tpm/object.h"
#include "tpm/srk.h"

#define FIRMWARE 0xffU /* PCRs that only the firmware and boot loaders extend */
#define NONE SR_APPROVALS_MAX

/**
 * struct work - a ring and this boot
 * @ring:	the ring
 * @tpm:	the TPM
 * @ask:	where a PIN comes from
 * @options:	of the caller
 * @approvals:	what it has
 * @now:	which of them hold
 * @noted:	index of the one that opened it in the initramfs, or NONE
 * @opening:	the conversation, once it is open
 * @lock:	the store's lock from then on
 */
struct work {
	struct sr_ring *ring;
	struct sr_tpm *tpm;
	const struct sr_ask *ask;
	const struct sr_ring_options *options;
	struct sr_approvals approvals;
	struct sr_comparison now;
	size_t noted;
	struct sr_opening opening;
	int lock;
};

static void work_done(struct work *work)
{
	sr_approvals_done(&work->approvals);
	sr_opening_done(&work->opening);
	sr_closep(&work->lock);
}

static int look(struct work *work, struct sr_err *err)
{
	const struct sr_approval *noted;
	int r = sr_approvals_read_all(work->ring, &work->approvals, err);

	if (r == 0)
		r = sr_compare(work->ring, &work->approvals, work->tpm, &work->now, err);
	if (r == 0)
		r = sr_find_proven(work->ring, &work->approvals, &noted, err);
	if (r == 1)
		work->noted = (size_t)(noted - work->approvals.approval);
	return r < 0 ? r : 0;
}

static const struct sr_approval *at(const struct work *work, size_t index)
{
	return &work->approvals.approval[index];
}

static bool is_named(const struct work *work, size_t index, const char *name)
{
	return index != NONE && strcmp(at(work, index)->name, name) == 0;
}

static bool holds(const struct work *work, size_t index)
{
	return index != NONE && work->now.holding & 1U << index;
}

/* It was made in an earlier boot: what it was for happened, or it did not. */
static bool has_served(const struct work *work, const struct sr_approval *approval)
{
	return work->now.clock.resets > approval->window.after;
}

/* What is needed no longer once @proven is known to open. */
static uint32_t find_stale(const struct work *work, size_t proven)
{
	bool settled = is_named(work, proven, "current");
	uint32_t stale = 0;

	for (size_t i = 0; i < work->approvals.count; i++) {
		const struct sr_approval *approval = at(work, i);

		if (i == proven || i == work->noted)
			continue;
		if (approval->bounded ? has_served(work, approval)
		    : settled	      ? is_named(work, i, "booted")
			      : !sr_approval_is_beyond(approval, at(work, proven)))
			stale |= 1U << i;
	}
	return stale;
}

/* Without volumes to follow nobody has to type a PIN for what only goes. */
static bool is_needless(const struct work *work, bool settled)
{
	return settled && work->ring->pin && work->ring->volume_count == 0;
}

/* A ring that the latch closed is opened through "system"; another one by itself. */
static int open_ring(struct work *work, struct sr_err *err)
{
	int r;

	if (work->now.latched)
		return sr_manage_open(work->ring, work->tpm, work->ask, false,
				      &work->opening, &work->lock, err);
	r = sr_opening_unseal(work->ring, work->tpm, work->ask, &work->opening, err);
	return r < 0 ? r : sr_ring_lock(work->ring, &work->lock, err);
}

/* PCRs that the log of a boot does not lead to, although it has events of them. */
static uint32_t unexplained(const struct sr_ring *ring, const struct sr_baseline *boot)
{
	uint32_t mask = ring->pcrs.mask & FIRMWARE, differ = 0;
	struct sr_pcrs replayed;

	if (boot->log->damaged[0] ||
	    sr_eventlog_replay(boot->log, ring->pcrs.bank, &replayed, NULL) < 0)
		return 0;
	for (size_t i = 0; i < boot->banks; i++)
		for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
			if (boot->held[i].bank == replayed.bank &&
			    boot->held[i].given & replayed.given & mask & 1U << pcr &&
			    memcmp(boot->held[i].value[pcr], replayed.value[pcr],
				   sr_bank_size(replayed.bank)) != 0)
				differ |= 1U << pcr;
	return differ;
}

/* There are machines whose log never leads to all of them. */
static uint32_t never_explained(struct sr_ring *ring)
{
	_cleanup_baseline_ struct sr_baseline *before = NULL;

	return sr_baseline_load(ring, &before, NULL) == 0 ? unexplained(ring, before) : 0;
}

/* 1: this boot is the one that its log is of; 0: it is not, and @ret says so. */
static int check_log(struct work *work, struct sr_baseline **boot,
		     struct sr_confirmation *ret, struct sr_err *err)
{
	_cleanup_eventlog_ struct sr_eventlog *log = NULL;
	char text[SR_CHANGED_TEXT];
	uint32_t differ;
	int r = sr_baseline_log(work->ring->store, work->tpm, &log, err);

	if (r == -ENODEV)
		return 1;
	if (r == 0)
		r = sr_baseline_of(work->tpm, &log, boot, err);
	if (r < 0)
		return r;
	differ = unexplained(work->ring, *boot);
	if (differ)
		differ &= ~never_explained(work->ring);
	if (!differ)
		return 1;
	sr_changed_text(differ, text);
	(void)snprintf(ret->text, sizeof(ret->text),
		       "this boot's event log does not lead to %.100s, as after "
		       "hibernation or kexec: nothing is approved; the next boot tells",
		       text);
	return 0;
}

static void keep_baseline(struct work *work, struct sr_baseline *boot,
			  struct sr_confirmation *ret)
{
	struct sr_err err = { 0 };

	if (boot && sr_baseline_keep(work->ring, boot, &err) < 0)
		(void)snprintf(ret->warning, sizeof(ret->warning), "%s", err.text);
}

/* PCRs that fit are no proof: it may be damaged, and another one have opened the ring. */
static int is_what_opened(const struct work *work, size_t proven, struct sr_err *err)
{
	char id[SR_APPROVAL_ID];
	int r = sr_approval_id(at(work, proven), id, err);

	if (r < 0)
		return r;
	return work->now.latched || strcmp(id, work->ring->approval) == 0;
}

/* Where it is not opened, that the TPM takes it is what can be known. */
static int check_loads(struct work *work, size_t proven, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(work->tpm);
	int r = sr_srk_pin(work->tpm, SR_SRK_HANDLE, &work->ring->srk, &parent, err);

	if (r == 0)
		r = sr_object_loads(&parent, at(work, proven)->key, err);
	return r == -EREMOTE ? sr_fail(err, -EBADMSG,
				       "its approval is damaged: tpm-reseal now %s seals "
				       "it anew",
				       work->ring->name)
			     : r;
}

static int drop(struct work *work, size_t proven, struct sr_err *err)
{
	const struct sr_follow *follow = work->options->follow;
	const struct sr_replacing replacing = {
		.ring = work->ring,
		.follow = work->ring->volume_count > 0 ? follow : NULL,
	};

	return sr_settle_approvals(&replacing, &work->approvals, proven,
				   find_stale(work, proven), err);
}

static int drop_unopened(struct work *work, size_t proven, struct sr_confirmation *ret,
			 struct sr_err *err)
{
	int r = check_loads(work, proven, err);

	if (r == 0)
		r = sr_ring_lock(work->ring, &work->lock, err);
	if (r == 0)
		r = drop(work, proven, err);
	if (r == 0)
		ret->what = SR_CONFIRMED_DROPPED;
	return r;
}

/* The ring is open. */
static int seal_anew(struct work *work, struct sr_confirmation *ret, struct sr_err *err)
{
	_cleanup_baseline_ struct sr_baseline *boot = NULL;
	int r = check_log(work, &boot, ret, err);

	if (r <= 0)
		return r;
	r = sr_reseal_approve(work->ring, &work->opening, work->options, err);
	sr_closep(&work->lock);
	if (r < 0)
		return r;
	ret->what = r ? SR_CONFIRMED_LATER : SR_CONFIRMED_STATE;
	keep_baseline(work, boot, ret);
	return 0;
}

static int settle(struct work *work, size_t proven, struct sr_confirmation *ret,
		  struct sr_err *err)
{
	_cleanup_baseline_ struct sr_baseline *boot = NULL;
	bool settled = is_named(work, proven, "current");
	int r;

	if (is_needless(work, settled))
		return drop_unopened(work, proven, ret, err);
	r = open_ring(work, err);
	if (r < 0)
		return r;
	r = is_what_opened(work, proven, err);
	if (r == 0)
		return seal_anew(work, ret, err);
	if (r > 0 && !settled)
		r = check_log(work, &boot, ret, err);
	if (r <= 0)
		return r;
	r = drop(work, proven, err);
	sr_closep(&work->lock);
	if (r < 0)
		return r;
	ret->what = settled ? SR_CONFIRMED_DROPPED : SR_CONFIRMED_STATE;
	keep_baseline(work, boot, ret);
	return 0;
}

static int approve(struct work *work, struct sr_confirmation *ret, struct sr_err *err)
{
	int r = open_ring(work, err);

	return r < 0 ? r : seal_anew(work, ret, err);
}

static int fail_drifted(const struct work *work, struct sr_err *err)
{
	char text[SR_CHANGED_TEXT];

	sr_comparison_text(&work->now, text);
	return sr_fail(err, -EKEYREJECTED,
		       "policy does not hold: %.100s changed: tpm-reseal explain %s says "
		       "how",
		       text, work->ring->name);
}

/* What is sealed, but was not proven by this boot, is left alone. */
static int confirm(struct work *work, struct sr_confirmation *ret, struct sr_err *err)
{
	uint32_t whole = work->now.holding & ~work->now.bounded;
	size_t proven = work->now.latched   ? work->noted
			: whole		    ? (size_t)__builtin_ctz(whole)
			: work->now.holding ? (size_t)__builtin_ctz(work->now.holding)
					    : NONE;

	if (!work->now.holding)
		return fail_drifted(work, err);
	if (!holds(work, proven)) {
		(void)snprintf(ret->text, sizeof(ret->text), "%s",
			       whole ? "the next boot has to prove what it is sealed to"
				     : "nothing says what opened it in this boot");
		return 0;
	}
	if (at(work, proven)->bounded)
		return whole ? 0 : approve(work, ret, err);
	if (is_named(work, work->noted, "current") && proven != work->noted)
		return 0;
	if (is_named(work, proven, "current") && !find_stale(work, proven))
		return 0;
	return settle(work, proven, ret, err);
}

int sr_ring_confirm_boot(struct sr_ring *ring, struct sr_tpm *tpm,
			 const struct sr_ask *ask, const struct sr_ring_options *options,
			 struct sr_confirmation *ret, struct sr_err *err)
{
	_cleanup_(work_done) struct work work = {
		.ring = ring,
		.tpm = tpm,
		.ask = ask,
		.options = options,
		.noted = NONE,
		.opening = SR_OPENING(tpm),
		.lock = -1,
	};
	struct sr_confirmation confirmation = { 0 };
	int r = look(&work, err);

	if (r == 0)
		r = confirm(&work, &confirmation, err);
	if (r < 0)
		return sr_fail_ring(ring, r, err);
	*ret = confirmation;
	return 0;
}
