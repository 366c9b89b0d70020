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

/**
 * sr_follow_forget() - the opposite
 * @store:	the store
 * @id:		the ring's; NULL for all rings
 * @uuid:	the volume
 *
 * Returns whether it was noted.
 */
bool sr_follow_forget(struct sr_store *store, const char *id, const char *uuid);

/** sr_follow_find() - open a volume that was noted; -ENOKEY if it isn't there now */
int sr_follow_find(const struct sr_store *store, const char *uuid, struct sr_volume **ret,
		   struct sr_err *err);

/**
 * struct sr_following - carries a ring's approvals to its volumes
 * @store:	the store
 * @absent:	told about each volume that is not here: it stays as it is, and is behind
 * @arg:	the caller's
 */
struct sr_following {
	struct sr_store *store;
	void (*absent)(void *arg, const char *uuid);
	void *arg;
};

/**
 * sr_follow() - for struct sr_follow, whose @arg is a struct sr_following
 *
 * A ring does not get a new key while one of its volumes is not here: nothing could ever
 * write that one's header again.
 */
int sr_follow(void *arg, struct sr_ring *ring, struct sr_ring *old, bool settled,
	      struct sr_err *err);

/**
 * sr_follow_behind() - a volume that does not have its ring's present approvals
 * @store:	the store
 * @ring:	the ring
 * @ret:	its UUID, on success
 *
 * One that was not here when the ring was re-sealed, or whose header says so.
 *
 * Returns whether there is one.
 */
bool sr_follow_behind(const struct sr_store *store, const struct sr_ring *ring,
		      char ret[SR_UUID_TEXT]);

/** sr_follow_older() - whether a volume that is here does not have them */
bool sr_follow_older(const struct sr_store *store, const struct sr_ring *ring);

/** sr_follow_id() - the id of the only ring of that name that a volume has; or -ENOKEY */
int sr_follow_id(const struct sr_volume *volume, const char *ring, char ret[33],
		 struct sr_err *err);

/** sr_follow_interrupted() - whether a token of ours is for no keyslot */
bool sr_follow_interrupted(const struct sr_volume *volume);

#endif
