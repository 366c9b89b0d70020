/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which approvals a ring has, and in what order they come and go: add, verify, remove. */
#ifndef SR_REPLACE_H
#define SR_REPLACE_H

#include "approval.h"

/**
 * struct sr_replacing - a new approval, proven, about to be written
 * @ring:	an open ring
 * @follow:	what else carries the approvals; may be NULL
 * @later:	it is for a boot state to come, and could not be opened now
 */
struct sr_replacing {
	struct sr_ring *ring;
	const struct sr_follow *follow;
	bool later;
};

/**
 * sr_replace_approvals() - write it, have it followed, remove what it replaces
 * @replacing:	what to do
 * @key:	the sealed object
 * @values:	the PCRs it is sealed to
 * @err:	says why, on failure
 *
 * One for now, or on a new TPM, becomes "current", and the others go. One for later becomes "next" beside
 * "current", or "current" where there is none. The approval that opened this boot, of
 * which the initramfs left a note, stays in either case: as "current" beside "next", or
 * as "booted" beside another "current".
 */
int sr_replace_approvals(const struct sr_replacing *replacing,
			 const struct sr_tpmkey *key, const struct sr_pcrs *values,
			 struct sr_err *err);

/**
 * sr_keep_proven() - leave only the approval that opened this boot, if it is of a policy
 * @replacing:	what to do; @later is not looked at
 * @policy:	the policy that a new one would have
 * @err:	says why, on failure
 *
 * Returns 1 if that is all there is now, 0 if there is none, or a negative errno.
 */
int sr_keep_proven(const struct sr_replacing *replacing, const struct sr_policy *policy,
		   struct sr_err *err);

/**
 * sr_settle_approvals() - make one of them "current", and remove others
 * @replacing:	what to do; @later is not looked at
 * @approvals:	all there are
 * @proven:	index of the one that was proven
 * @stale:	bit N: approval N goes
 * @err:	says why, on failure
 */
int sr_settle_approvals(const struct sr_replacing *replacing,
			const struct sr_approvals *approvals, size_t proven,
			uint32_t stale, struct sr_err *err);

/**
 * sr_find_proven() - the approval by which the initramfs opened the ring in this boot
 *
 * Returns 1, 0 if nothing was noted or it is not among @approvals, or a negative errno.
 */
int sr_find_proven(const struct sr_ring *ring, const struct sr_approvals *approvals,
		   const struct sr_approval **ret, struct sr_err *err);

#endif
