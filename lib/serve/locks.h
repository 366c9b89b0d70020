/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users who locked their agent: each with a passphrase of their own. */
#ifndef SR_LOCKS_H
#define SR_LOCKS_H

#include <sys/types.h>
#include <time.h>

#include "ground/secret.h"

#define SR_LOCKS_MAX 256 /* users, at most */
#define SR_LOCK_SALT 16

/**
 * struct sr_locks - who did
 * @lock:	some of them empty: @digest.size is 0
 */
struct sr_locks {
	struct sr_lock {
		uid_t uid;
		uint8_t salt[SR_LOCK_SALT];
		struct sr_secret digest;
		unsigned int failures;
		struct timespec not_before;
	} lock[SR_LOCKS_MAX];
};

/** sr_locks_has() - whether a user did */
bool sr_locks_has(const struct sr_locks *locks, uid_t uid);

/** sr_locks_any() - whether anybody did */
bool sr_locks_any(const struct sr_locks *locks);

/** sr_locks_add() - lock; false if it is locked already, or cannot be */
bool sr_locks_add(struct sr_locks *locks, uid_t uid, const uint8_t *phrase, size_t size);

/**
 * sr_locks_open() - unlock; false if that is not the passphrase
 *
 * After a wrong one the next is not looked at for a tenth of a second, then two, and so on,
 * at most ten seconds.
 */
bool sr_locks_open(struct sr_locks *locks, uid_t uid, const uint8_t *phrase, size_t size);

void sr_locks_clear(struct sr_locks *locks);

#endif
