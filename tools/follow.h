/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeping the headers of LUKS volumes and the files of keys as their ring is. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "sealring.h"

/**
 * follow_start() - lock the volumes of a store, and follow what is done to its rings
 * @store:	the store; must stay open until follow_end()
 * @err:	says why, on failure
 *
 * A volume that is not here is warned of, and a key whose file is damaged. Once in a
 * program.
 */
int follow_start(struct sr_store *store, struct sr_err *err);

/** follow_hook() - for the options of what changes a ring; after follow_start() */
const struct sr_follow *follow_hook(void);

/** follow_remedy() - what to do for a volume that was not here, if not tpm-reseal now */
void follow_remedy(const char *remedy);

/** follow_end() - release the lock */
void follow_end(void);

/** follow_keys() - the keys of a ring, after what was done to it while it was closed */
int follow_keys(struct sr_ring *ring, struct sr_err *err);

/** follow_status() - a ring that is ready is pending while a volume or key is behind */
void follow_status(struct sr_store *store, const char *name, struct sr_status *status);

#endif
