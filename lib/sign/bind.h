/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys bound to the boot states of a ring, whatever these become. */
#ifndef SR_BIND_H
#define SR_BIND_H

#include "approver.h"
#include "key.h"

/** sr_approvers_ready() - those of an open ring, the store being locked; one is made if
 * there is none */
int sr_approvers_ready(struct sr_ring *ring, struct sr_approvers *ret,
		       struct sr_err *err);

/** sr_key_bind() - choose a new key's id, and begin its policy */
int sr_key_bind(struct sr_key *key, const struct sr_ring *ring,
		const struct sr_approvers *approvers, struct sr_policy *ret,
		struct sr_err *err);

/**
 * sr_key_approve() - make its approvals those of the ring
 * @key:	a key of that ring
 * @ring:	the ring
 * @approvers:	what signs; without, nothing is added
 * @keep:	nothing is taken away
 * @err:	says why, on failure
 *
 * Returns 1 if there are others now, 0, -EKEYREJECTED (it would have none) and others.
 */
int sr_key_approve(struct sr_key *key, const struct sr_ring *ring,
		   const struct sr_approvers *approvers, bool keep, struct sr_err *err);

/** sr_approved_find() - which entry has a policy of that digest; @count if none has */
size_t sr_approved_find(const struct sr_tpmkey_signed *entry, size_t count,
			const TPM2B_DIGEST *wanted);

#endif
