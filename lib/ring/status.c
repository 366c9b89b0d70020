/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a ring stands in this boot, and what that means for the next. */
#include <string.h>

#include "compare.h"
#include "replace.h"
#include "tpm/srk.h"

const char *sr_state_name(enum sr_state state)
{
	static const char *const names[] = {
		[SR_STATE_READY] = "ready",	[SR_STATE_PENDING] = "pending",
		[SR_STATE_BRIDGED] = "bridged", [SR_STATE_DRIFTED] = "drifted",
		[SR_STATE_EXPOSED] = "exposed", [SR_STATE_FOREIGN] = "foreign",
		[SR_STATE_DAMAGED] = "damaged",
	};

	return (size_t)state < SR_COUNT(names) ? names[state] : "unknown";
}

static int set_state(struct sr_status *status, enum sr_state state, const char *text)
{
	status->state = state;
	(void)snprintf(status->text, sizeof(status->text), "%s", text);
	return 0;
}

/* Whether what the next boot will open it by is what opened this one. */
static bool is_proven(const struct sr_approvals *approvals, uint32_t holding,
		      const struct sr_boot_note *note)
{
	const struct sr_approval *first = &approvals->approval[__builtin_ctz(holding)];
	char id[SR_APPROVAL_ID];

	return note->opened && sr_approval_id(first, id, NULL) == 0 &&
	       strcmp(id, note->approval) == 0;
}

/* The latch has closed it: what it will be at the next boot is judged by this one. */
static void judge_latched(const struct sr_approvals *approvals,
			  const struct sr_comparison *comparison,
			  const struct sr_boot_note *note, struct sr_status *status)
{
	if (is_proven(approvals, comparison->holding, note)) {
		(void)set_state(status, SR_STATE_READY,
				"opened in this boot, closed until the next");
		return;
	}
	(void)set_state(status, SR_STATE_PENDING,
			"sealed to this boot state; the next boot has to prove it");
	if (status->failed)
		(void)snprintf(status->text, sizeof(status->text),
			       "the next boot has to prove it; this one did not open it: "
			       "%.180s",
			       note->text);
}

static void judge_drifted(const struct sr_ring *ring,
			  const struct sr_comparison *comparison,
			  struct sr_status *status)
{
	char text[SR_CHANGED_TEXT], when[SR_TIME_TEXT];

	status->state = SR_STATE_DRIFTED;
	sr_comparison_text(comparison, text);
	sr_time_format(status->failed, when);
	(void)snprintf(status->text, sizeof(status->text),
		       "%.100s changed%s%s: if you know why: tpm-reseal recover %s", text,
		       status->failed ? ", the initramfs did not open it at " : "",
		       status->failed ? when : "", ring->name);
}

/* Which PCRs the live ones do not look at, and how many boots are still to come. */
static uint32_t find_bridge(const struct sr_ring *ring,
			    const struct sr_approvals *approvals,
			    const struct sr_comparison *comparison, uint32_t *boots)
{
	uint32_t open = 0;

	*boots = 0;
	for (size_t i = 0; i < approvals->count; i++) {
		const struct sr_approval *approval = &approvals->approval[i];
		uint32_t left = approval->window.until - comparison->clock.resets;

		if (!approval->bounded ||
		    approval->window.until < comparison->clock.resets)
			continue;
		open |= ring->pcrs.mask & ~approval->values.mask;
		if (left > *boots)
			*boots = left;
	}
	return open;
}

/* A weakened approval is shown until it is gone. */
static void judge_bridge(const struct sr_ring *ring, const struct sr_approvals *approvals,
			 const struct sr_comparison *comparison, struct sr_status *status)
{
	char text[SR_CHANGED_TEXT];
	uint32_t boots, open = find_bridge(ring, approvals, comparison, &boots);

	if (!open || !comparison->holding)
		return;
	status->state = SR_STATE_BRIDGED;
	sr_changed_text(open, text);
	if (!(comparison->holding & ~comparison->bounded))
		(void)snprintf(
		    status->text, sizeof(status->text),
		    "this boot opens it whatever %.100s is: tpm-reseal confirm "
		    "%s seals it to just this boot state",
		    text, ring->name);
	else if (boots == 0)
		(void)snprintf(
		    status->text, sizeof(status->text),
		    "this boot, but none after it, opens it whatever %.100s is", text);
	else
		(void)snprintf(status->text, sizeof(status->text),
			       "the next %u boot%s open%s it whatever %.100s is", boots,
			       boots == 1 ? "" : "s", boots == 1 ? "s" : "", text);
}

/* What was prepared, and the update has still to come, as far as can be known. */
static bool is_prepared(const struct sr_approvals *approvals,
			const struct sr_comparison *comparison)
{
	for (size_t i = 0; i < approvals->count; i++) {
		const struct sr_approval *approval = &approvals->approval[i];

		if (approval->bounded ? approval->window.after == comparison->clock.resets
				      : sr_approval_is_planned(approval) &&
					    !(comparison->holding & 1U << i))
			return true;
	}
	return false;
}

/* It waits for its boot, or that has come, and nothing that lasts opens this one. */
static void judge_planned(const struct sr_ring *ring,
			  const struct sr_approvals *approvals,
			  const struct sr_comparison *comparison,
			  struct sr_status *status)
{
	uint32_t planned = 0;

	for (size_t i = 0; i < approvals->count; i++)
		if (sr_approval_is_planned(&approvals->approval[i]))
			planned |= 1U << i;
	if (status->state != SR_STATE_READY || !planned)
		return;
	if (comparison->holding & ~comparison->bounded & ~planned)
		(void)set_state(
		    status, SR_STATE_PENDING,
		    "an update is prepared for: this boot state opens it, and "
		    "that after the update");
	else
		(void)snprintf(status->text, sizeof(status->text),
			       "what an update was prepared with opens this boot: "
			       "tpm-reseal confirm %s seals it to just this boot state",
			       ring->name);
	status->state = SR_STATE_PENDING;
}

static int judge_pcrs(const struct sr_ring *ring, struct sr_approvals *approvals,
		      struct sr_tpm *tpm, struct sr_status *status, struct sr_err *err)
{
	struct sr_boot_note note = { 0 };
	struct sr_comparison comparison;
	int r = sr_boot_note_of(ring, &note, err);

	sr_approvals_sort(approvals);
	if (r >= 0)
		r = sr_compare(ring, approvals, tpm, &comparison, err);
	if (r < 0)
		return r;
	status->failed = note.opened ? 0 : note.failed;
	status->changed = comparison.changed;
	status->approved = comparison.made;
	if (comparison.holding && comparison.latched)
		judge_latched(approvals, &comparison, &note, status);
	else if (comparison.holding)
		(void)set_state(status, SR_STATE_READY, "opens in this boot");
	else
		judge_drifted(ring, &comparison, status);
	status->prepared = is_prepared(approvals, &comparison);
	judge_planned(ring, approvals, &comparison, status);
	judge_bridge(ring, approvals, &comparison, status);
	return 0;
}

static bool is_good(const struct sr_status *status)
{
	return status->state == SR_STATE_READY || status->state == SR_STATE_PENDING ||
	       status->state == SR_STATE_BRIDGED;
}

/* A latch that extends another PCR leaves the ring open for all that runs afterwards. */
static void judge_latch(const struct sr_ring *ring, struct sr_status *status)
{
	unsigned int configured = ring->store->config.latch_pcr;
	uint32_t latch = sr_ring_latch(ring);
	char text[SR_CHANGED_TEXT];

	if (!is_good(status) || !latch || latch & 1U << configured)
		return;
	status->state = SR_STATE_EXPOSED;
	sr_changed_text(latch, text);
	(void)snprintf(status->text, sizeof(status->text),
		       "%.100s closes it, but [Latch] PCR=%u says what is extended: "
		       "tpm-reseal now %s --pcrs LIST seals it to that one",
		       text, configured, ring->name);
}

/* What the initramfs opens is not what lies here, but what was here when it was made. */
static void judge_image(const struct sr_ring *ring, struct sr_status *status)
{
	if (!is_good(status) || !sr_ring_latch(ring) ||
	    sr_image_current(ring->store, NULL) != 0)
		return;
	(void)set_state(
	    status,
	    status->state == SR_STATE_BRIDGED ? SR_STATE_BRIDGED : SR_STATE_PENDING,
	    "the initramfs has not the present approvals and secrets: build it "
	    "anew: update-initramfs -u, or dracut --force");
}

/* Whatever else is the matter with it, a bridge is shown until it is gone. */
static void say_exposed(const struct sr_ring *ring, const struct sr_ring_info *info,
			struct sr_status *status)
{
	bool other = info->recovery_key || info->escrow;
	bool bridged = status->state == SR_STATE_BRIDGED;
	char bridge[sizeof(status->text)];

	memcpy(bridge, status->text, sizeof(bridge));
	(void)snprintf(status->text, sizeof(status->text),
		       "%s%s: tpm-ring recovery %s %s%s%.120s",
		       info->latch ? "it has " : "opens in this boot, but has ",
		       other ? "not the recovery copy it was given" : "no recovery",
		       other ? "test" : "renew", ring->name, bridged ? "; " : "",
		       bridged ? bridge : "");
	status->state = SR_STATE_EXPOSED;
}

static void judge_recovery(struct sr_ring *ring, struct sr_status *status)
{
	static const char way[] = ": if you know why";
	static const char none[] =
	    ": it has no recovery: only the boot state it is sealed to opens it";
	struct sr_ring_info info;
	char *at;

	if (sr_ring_info(ring, &info, NULL) < 0 || info.recovery_intact)
		return;
	if (is_good(status)) {
		say_exposed(ring, &info, status);
		return;
	}
	at = info.recovery ? NULL : strstr(status->text, way);
	if (at)
		(void)snprintf(at, sizeof(status->text) - (size_t)(at - status->text),
			       "%s", none);
}

static int judge(struct sr_ring *ring, struct sr_tpm *tpm, struct sr_status *status,
		 struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	_cleanup_handle_ struct sr_handle same = SR_HANDLE(tpm);
	struct sr_err why = { 0 };
	int r = sr_approvals_read(ring, &approvals, &why);

	if (r == -EKEYREJECTED)
		return set_state(status, SR_STATE_DRIFTED, why.text);
	if (r == -EBADMSG)
		return set_state(status, SR_STATE_DAMAGED, why.text);
	if (r == 0)
		r = sr_srk_question(tpm, &ring->srk, &same, &why);
	if (r == -EREMOTE || r == -EBADMSG)
		return set_state(status, SR_STATE_FOREIGN, why.text);
	if (r < 0)
		return sr_fail(err, r, "%s", why.text);
	r = judge_pcrs(ring, &approvals, tpm, status, err);
	if (r == 0)
		judge_image(ring, status);
	if (r == 0)
		judge_latch(ring, status);
	if (r == 0)
		judge_recovery(ring, status);
	return r;
}

int sr_ring_status(struct sr_store *store, const char *name, struct sr_tpm *tpm,
		   struct sr_status *ret, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *ring = NULL;
	struct sr_err why = { 0 };
	int r = sr_ring_load(store, name, &ring, &why);

	*ret = (struct sr_status){ 0 };
	if (r == -EBADMSG)
		return set_state(ret, SR_STATE_DAMAGED, why.text);
	if (r < 0)
		return sr_fail(err, r, "%s", why.text);
	return judge(ring, tpm, ret, err);
}
