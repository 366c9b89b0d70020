/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies that hold in a few boots only, as a TPM counts them. */
#include "window.h"

/* Where they stand in a TPMS_TIME_INFO (TPM 2.0 Part 2, 10.11.6). */
#define RESET_COUNT 16
#define RESTART_COUNT 20

int sr_window_add(struct sr_policy *policy, const struct sr_window *window,
		  struct sr_err *err)
{
	int r = sr_policy_add_counter(policy, RESET_COUNT, TPM2_EO_UNSIGNED_GT,
				      window->after, err);

	if (r == 0)
		r = sr_policy_add_counter(policy, RESET_COUNT, TPM2_EO_UNSIGNED_LE,
					  window->until, err);
	if (r == 0)
		r = sr_policy_add_counter(policy, RESTART_COUNT, TPM2_EO_EQ, 0, err);
	return r;
}

static bool compares(const struct sr_policy_step *step, uint16_t offset,
		     TPM2_EO operation, uint32_t *ret)
{
	const TPM2B_OPERAND *operand = &step->counter_timer.operand;

	if (step->code != TPM2_CC_PolicyCounterTimer || operand->size != sizeof(*ret) ||
	    step->counter_timer.offset != offset ||
	    step->counter_timer.operation != operation)
		return false;
	*ret = 0;
	for (size_t i = 0; i < sizeof(*ret); i++)
		*ret = *ret << 8 | operand->buffer[i];
	return true;
}

bool sr_window_of(const struct sr_policy *policy, struct sr_window *ret)
{
	const struct sr_policy_step *first = NULL;
	struct sr_window window;
	uint32_t restarts;
	size_t count = 0;

	for (size_t i = 0; i < policy->count; i++) {
		if (policy->step[i].code != TPM2_CC_PolicyCounterTimer)
			continue;
		if (count++ == 0)
			first = &policy->step[i];
	}
	*ret = (struct sr_window){ 0 };
	if (count == 3 && first + 2 < policy->step + policy->count &&
	    compares(&first[0], RESET_COUNT, TPM2_EO_UNSIGNED_GT, &window.after) &&
	    compares(&first[1], RESET_COUNT, TPM2_EO_UNSIGNED_LE, &window.until) &&
	    compares(&first[2], RESTART_COUNT, TPM2_EO_EQ, &restarts) && restarts == 0)
		*ret = window;
	return count > 0;
}

bool sr_window_open(const struct sr_window *window, uint32_t resets, uint32_t restarts)
{
	return resets > window->after && resets <= window->until && restarts == 0;
}
