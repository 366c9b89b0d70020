/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Approving the present boot state. */
#ifndef SR_RESEAL_H
#define SR_RESEAL_H

#include "opening.h"

/**
 * sr_reseal_check_pin() - -EACCES for a ring whose PIN is needed, and not known
 *
 * Without a PIN a ring that had one would come back weaker than its owner made it.
 */
int sr_reseal_check_pin(const struct sr_ring *ring, struct sr_err *err);

/** sr_reseal_approve() - sr_ring_approve() where the caller has lock and conversation */
int sr_reseal_approve(struct sr_ring *ring, struct sr_opening *opening,
		      const struct sr_ring_options *options, struct sr_err *err);

#endif
