/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key of a ring that the latch closes, kept under ring "system" to change it with. */
#ifndef SR_MANAGE_H
#define SR_MANAGE_H

#include "opening.h"

#define SR_MANAGE_SUFFIX ".manage"     /* of secrets that hold the key of a ring */
#define SR_APPROVER_SUFFIX ".approver" /* and of what approves boot states for keys */

/** sr_manage_is_reserved() - whether a secret of that name would be one of those */
bool sr_manage_is_reserved(const char *name);

/** sr_manage_exists() - whether ring "system" has the ring's key; 1, 0 or a negative errno */
int sr_manage_exists(const struct sr_ring *ring, struct sr_err *err);

/**
 * sr_manage_write() - keep a ring's key under "system"
 * @ring:	an open ring
 * @manager:	ring "system", open
 * @old:	while it is rotated: the ring with the key it has still, which is kept too
 * @rings:	the store's lock
 * @err:	says why, on failure
 */
int sr_manage_write(const struct sr_ring *ring, struct sr_ring *manager,
		    const struct sr_ring *old, int rings, struct sr_err *err);

/**
 * sr_manage_open() - open a ring to change it: lock, and a conversation that can go on
 * @ring:	a loaded ring
 * @tpm:	an open TPM
 * @ask:	where a PIN comes from; may be NULL
 * @new_tpm:	the ring may move to another TPM than it was sealed by
 * @opening:	empty; its session is salted to the ring's storage key
 * @lock:	the store's lock
 * @err:	as sr_ring_open_for_admin(), on failure
 *
 * A rotation that was cut off is finished.
 */
int sr_manage_open(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		   bool new_tpm, struct sr_opening *opening, int *lock,
		   struct sr_err *err);

/** sr_manage_forget() - remove the key of a ring that is no more */
void sr_manage_forget(int rings, const char *name);

#endif
