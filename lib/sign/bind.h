/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys bound to the boot states of a ring, whatever these become. */
#ifndef SR_BIND_H
#define SR_BIND_H

#include "approver.h"
#include "key.h"

/**
 * struct sr_binding - a ring that a new key is bound to
 * @ring:	it, open
 * @rings:	the store's lock, so that nobody re-seals it before the key is there
 * @approvers:	what it signs with
 */
struct sr_binding {
	struct sr_ring *ring;
	int rings;
	struct sr_approvers approvers;
};

#define SR_BINDING ((struct sr_binding){ .rings = -1 })
#define _cleanup_binding_ _cleanup_(sr_binding_done)

/** sr_binding_start() - lock the store; the ring gets an approver if it has none */
int sr_binding_start(struct sr_ring *ring, struct sr_binding *ret, struct sr_err *err);

void sr_binding_done(struct sr_binding *binding);

/** sr_key_bind() - choose a new key's id, and begin its policy */
int sr_key_bind(struct sr_key *key, const struct sr_binding *binding,
		struct sr_policy *ret, struct sr_err *err);

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
