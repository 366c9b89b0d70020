/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a ring stands in this boot, and approving the present state. */
#include "compare.h"
#include "opening.h"
#include "tpm/srk.h"

int sr_ring_open(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		 struct sr_err *err)
{
	return sr_about(err, sr_opening_unseal(ring, tpm, ask, NULL, err), ring->name,
			NULL);
}

/* Without a PIN a ring that had one would come back weaker than its owner made it. */
static int check_pin(const struct sr_ring *ring, struct sr_err *err)
{
	if (!ring->pin || ring->pin_value.size > 0)
		return 0;
	return sr_fail(err, -EACCES,
		       "it has a PIN, which recovery does not know: give one with --pin");
}

static int approve(struct sr_ring *ring, struct sr_opening *opening,
		   const struct sr_ring_options *options, struct sr_err *err)
{
	bool later = false;
	int r = sr_ring_apply(ring, options, err);

	if (r == 0 && !options->pcrs)
		r = sr_ring_check_selection(ring, err);
	if (r == 0)
		r = check_pin(ring, err);
	ring->pin = ring->pin_value.size > 0;
	if (r == 0)
		r = sr_opening_approve(ring, opening, options->accept_unmeasured, &later,
				       err);
	if (r == 0)
		r = sr_ring_save(ring, err);
	return r < 0 ? r : later;
}

int sr_ring_reseal(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_ring_options *options, struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	_cleanup_close_ int lock = -1;
	int r = sr_opening_unseal(ring, tpm, ask, &opening, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r < 0)
		return r;
	r = approve(ring, &opening, options, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : r;
}

int sr_ring_approve(struct sr_ring *ring, struct sr_tpm *tpm,
		    const struct sr_ring_options *options, struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	_cleanup_close_ int lock = -1;
	int r = sr_ring_need_key(ring, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r == 0)
		r = sr_opening_start(ring, tpm, !options->new_tpm, &opening, err);
	if (r == 0)
		r = approve(ring, &opening, options, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : r;
}

const char *sr_state_name(enum sr_state state)
{
	static const char *const names[] = {
		[SR_STATE_READY] = "ready",	[SR_STATE_DRIFTED] = "drifted",
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

static int judge_pcrs(const struct sr_ring *ring, const struct sr_approvals *approvals,
		      struct sr_tpm *tpm, struct sr_status *status, struct sr_err *err)
{
	struct sr_comparison comparison;
	char text[SR_CHANGED_TEXT];
	int r = sr_compare(ring, approvals, tpm, &comparison, err);

	if (r < 0)
		return r;
	status->changed = comparison.changed;
	status->approved = comparison.made;
	if (comparison.holds)
		return set_state(status, SR_STATE_READY, "opens in this boot");
	status->state = SR_STATE_DRIFTED;
	sr_changed_text(status->changed, text);
	(void)snprintf(status->text, sizeof(status->text),
		       "%.100s changed: if you know why: tpm-reseal recover %s",
		       *text ? text : "the boot state", ring->name);
	return 0;
}

static void judge_recovery(struct sr_ring *ring, struct sr_status *status)
{
	struct sr_ring_info info;

	if (status->state != SR_STATE_READY || sr_ring_info(ring, &info, NULL) < 0 ||
	    info.recovery_intact)
		return;
	status->state = SR_STATE_EXPOSED;
	(void)snprintf(status->text, sizeof(status->text),
		       "opens in this boot, but has %s: tpm-ring recovery %s %s",
		       info.recovery_key || info.escrow ? "not the recovery copy it was "
							  "given"
							: "no recovery",
		       info.recovery_key || info.escrow ? "test" : "renew", ring->name);
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
