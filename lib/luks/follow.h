/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volumes of a ring: where they are, and keeping their headers as the ring is. */
#ifndef SR_FOLLOW_H
#define SR_FOLLOW_H

#include "enroll.h"

/**
 * sr_follow_note() - remember that a volume belongs to a ring
 * @store:	the store
 * @ring:	its ring
 * @volume:	the volume
 * @err:	says why, on failure
 *
 * Block devices are found by UUID. Of an image file the path is kept, in a symbolic link
 * volumes/UUID beside rings/.
 */
int sr_follow_note(struct sr_store *store, struct sr_ring *ring,
		   const struct sr_volume *volume, struct sr_err *err);

/** sr_follow_forget() - the opposite; of the ring with this id, or of all with NULL */
void sr_follow_forget(struct sr_store *store, const char *id, const char *uuid);

/** sr_follow_find() - open a volume that was noted; -ENOKEY if it isn't there now */
int sr_follow_find(const struct sr_store *store, const char *uuid, struct sr_volume **ret,
		   struct sr_err *err);

/** sr_follow_id() - the id of the only ring of that name that a volume has; or -ENOKEY */
int sr_follow_id(const struct sr_volume *volume, const char *ring, char ret[33],
		 struct sr_err *err);

/** sr_follow_interrupted() - whether a token of ours is for no keyslot */
bool sr_follow_interrupted(const struct sr_volume *volume);

#endif
