/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies that hold in a few boots only, as a TPM counts them. */
#ifndef SR_WINDOW_H
#define SR_WINDOW_H

#include "policy.h"

/**
 * struct sr_window - some boots
 * @after:	the resetCount of the boot before the first
 * @until:	that of the last
 */
struct sr_window {
	uint32_t after;
	uint32_t until;
};

/**
 * sr_window_add() - append three PolicyCounterTimer to a policy
 *
 * resetCount above @after, at most @until, and restartCount 0: neither hibernation nor sleep
 * makes a boot of the window last.
 *
 * Returns 0 or -EINVAL.
 */
int sr_window_add(struct sr_policy *policy, const struct sr_window *window,
		  struct sr_err *err);

/**
 * sr_window_of() - the boots a policy holds in
 * @policy:	the policy
 * @ret:	the window; no boot at all if its statements about time are not those above
 *
 * Returns false for a policy that says nothing about time.
 */
bool sr_window_of(const struct sr_policy *policy, struct sr_window *ret);

/** sr_window_open() - whether it is open after so many resets and restarts */
bool sr_window_open(const struct sr_window *window, uint32_t resets, uint32_t restarts);

#endif
