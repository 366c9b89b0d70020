/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* keys.d: who may use a key, and what is asked before. */
#ifndef SR_RULES_H
#define SR_RULES_H

#include <sys/types.h>

#include "ring/store.h"
#include "sealring.h"

/**
 * struct sr_rules - one file of keys.d; all zero is a key for nobody but root
 * @users:	who may use it
 * @groups:	whose members may
 * @user_count:	how many
 * @group_count:	how many
 * @rotate:	they may have it replaced by a new one
 * @confirm:	a person is asked each time
 * @hidden:	not offered to clients of the agent
 */
struct sr_rules {
	uid_t *users;
	gid_t *groups;
	size_t user_count;
	size_t group_count;
	bool rotate;
	bool confirm;
	bool hidden;
};

void sr_rules_done(struct sr_rules *rules);

/**
 * sr_rules_read() - what keys.d says of a key
 * @store:	whose configuration
 * @name:	the key
 * @ret:	release with sr_rules_done(); nothing is said where there is no file. On failure
 *		as strict as rules can be
 * @err:	says why, with file and line, on failure
 *
 * Returns 0, -EBADMSG (also for a user or group that there is not) or -EIO.
 */
int sr_rules_read(const struct sr_store *store, const char *name, struct sr_rules *ret,
		  struct sr_err *err);

/** sr_rules_dir() - open keys.d; a negative errno if that can't be done */
int sr_rules_dir(const struct sr_store *store);

/** sr_rules_allow() - whether somebody may use the key; root and ourselves always */
bool sr_rules_allow(const struct sr_rules *rules, const struct sr_peer *peer);

/** sr_rules_allow_rotate() - whether one who may use it may replace it, too */
bool sr_rules_allow_rotate(const struct sr_rules *rules, const struct sr_peer *peer);

#endif
