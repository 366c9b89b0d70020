/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Approvals against the present boot state, without opening anything. */
#include "compare.h"

#include <string.h>

#include "tpm/pcr.h"

static uint32_t differences(const struct sr_pcrs *wanted, const struct sr_pcrs *present)
{
	uint32_t mask = 0;

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (wanted->given & present->given & 1U << pcr &&
		    memcmp(wanted->value[pcr], present->value[pcr],
			   sr_bank_size(present->bank)) != 0)
			mask |= 1U << pcr;
	return mask;
}

/* What the latch closed is open again at the next boot: it is compared as it will be. */
static bool open_latch(const struct sr_ring *ring, struct sr_pcrs *present)
{
	uint32_t latch = sr_ring_latch(ring) & present->given;
	bool latched = false;

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		if (!(latch & 1U << pcr))
			continue;
		latched |= !sr_pcr_is_zero(present, pcr);
		memset(present->value[pcr], 0, SR_DIGEST_MAX);
	}
	return latched;
}

static bool is_time(const struct sr_approval *approval, const struct sr_clock *clock)
{
	return !approval->bounded ||
	       sr_window_open(&approval->window, clock->resets, clock->restarts);
}

/*
 * The approval that wants the fewest changes is the one worth talking about. One that is
 * bounded wants fewer by design.
 */
static int consider(const struct sr_approval *approval, const struct sr_pcrs *present,
		    uint32_t bit, struct sr_comparison *best, struct sr_err *err)
{
	uint32_t changed =
	    approval->bounded ? 0 : differences(&approval->values, present);

	int r = sr_approval_holds(approval, present, err);

	if (r == 1 && is_time(approval, &best->clock)) {
		if (!best->holding)
			best->made = approval->made;
		best->holding |= bit;
		best->changed = 0;
	} else if (!best->holding && changed &&
		   (!best->changed ||
		    __builtin_popcount(changed) < __builtin_popcount(best->changed))) {
		best->changed = changed;
		best->made = approval->made;
	}
	return r < 0 ? r : 0;
}

static int ask_clock(const struct sr_approvals *approvals, struct sr_tpm *tpm,
		     struct sr_comparison *ret, struct sr_err *err)
{
	for (size_t i = 0; i < approvals->count; i++)
		if (approvals->approval[i].bounded)
			ret->bounded |= 1U << i;
	return ret->bounded ? sr_tpm_clock(tpm, &ret->clock, err) : 0;
}

/* Each is compared in its own bank: a list may have been sealed in another before. */
int sr_compare(const struct sr_ring *ring, const struct sr_approvals *approvals,
	       struct sr_tpm *tpm, struct sr_comparison *ret, struct sr_err *err)
{
	struct sr_comparison best = { 0 };
	struct sr_pcrs present = { 0 };
	int r = ask_clock(approvals, tpm, &best, err);

	for (size_t i = 0; r == 0 && i < approvals->count; i++) {
		const struct sr_pcrs *wanted = &approvals->approval[i].values;

		if (present.bank != wanted->bank)
			present = (struct sr_pcrs){ .bank = wanted->bank };
		present.mask |= wanted->mask;
		r = sr_pcr_read(tpm, &present, err);
		if (r == -EINVAL) {
			best.inactive = wanted->bank;
			present = (struct sr_pcrs){ 0 };
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		best.latched |= open_latch(ring, &present);
		r = consider(&approvals->approval[i], &present, 1U << i, &best, err);
	}
	if (r < 0)
		return r;
	*ret = best;
	ret->present = present;
	return 0;
}

void sr_comparison_text(const struct sr_comparison *comparison, char ret[SR_CHANGED_TEXT])
{
	sr_changed_text(comparison->changed, ret);
	if (*ret)
		return;
	if (comparison->inactive)
		(void)snprintf(ret, SR_CHANGED_TEXT, "the TPM's active banks (no %s now)",
			       sr_bank_name(comparison->inactive));
	else
		(void)snprintf(ret, SR_CHANGED_TEXT, "the boot state");
}

void sr_changed_text(uint32_t changed, char ret[SR_CHANGED_TEXT])
{
	size_t used = 0;

	ret[0] = '\0';
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		if (!(changed & 1U << pcr))
			continue;
		used += (size_t)snprintf(ret + used, SR_CHANGED_TEXT - used, "%sPCR %u",
					 used ? " and " : "", pcr);
	}
}

/* What holds, or else wants the fewest changes, is what can be explained best. */
static const struct sr_approval *closest(const struct sr_approvals *approvals,
					 const struct sr_comparison *comparison,
					 uint32_t latch)
{
	const struct sr_approval *best = NULL;
	int least = SR_PCR_COUNT + 1;

	for (size_t i = 0; i < approvals->count; i++) {
		const struct sr_approval *approval = &approvals->approval[i];
		int changed = comparison->holding & 1U << i
				  ? -1
				  : __builtin_popcount(differences(&approval->values,
								   &comparison->present));

		if (approval->bounded || !(approval->values.given & ~latch) ||
		    changed >= least)
			continue;
		best = approval;
		least = changed;
	}
	return best;
}

int sr_ring_required(const struct sr_ring *ring, struct sr_tpm *tpm, struct sr_pcrs *ret,
		     time_t *made, struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	struct sr_comparison comparison;
	const struct sr_approval *approval;
	uint32_t latch = sr_ring_latch(ring);
	int r = sr_approvals_read(ring, &approvals, err);

	if (r == 0)
		r = sr_compare(ring, &approvals, tpm, &comparison, err);
	if (r < 0)
		return sr_fail_ring(ring, r, err);
	approval = closest(&approvals, &comparison, latch);
	*ret = approval ? approval->values : ring->pcrs;
	ret->mask &= ~latch;
	ret->given = approval ? ret->given & ~latch : 0;
	*made = approval ? approval->made : 0;
	return 0;
}
