/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wrong PINs in a row: a user who goes on must not use up the tries that the TPM has for all. */
#ifndef SR_TRIES_H
#define SR_TRIES_H

#include <stdatomic.h>

#include "served.h"

#define SR_TRIES_MAX 64 /* users and keys */

/**
 * struct sr_tries - who gave wrong ones for which key; empty where @served is NULL
 * @tried:	the TPM's thread's
 * @end:	until when they have to be remembered: an hour after the last
 */
struct sr_tries {
	struct sr_try {
		struct sr_served *served;
		uid_t uid;
		unsigned int wrong;
		time_t until;	  /* this key's are not tried */
		time_t until_all; /* nor those of the user's others */
		time_t end;
	} tried[SR_TRIES_MAX];
	atomic_llong end;
};

/**
 * sr_tries_check() - whether the TPM may be asked about a PIN
 *
 * After three wrong ones for this key, or eight for all, not for five seconds, after the
 * next twenty and so on, at most an hour. A right one makes those for its key forgotten.
 * Returns 0 or -EAGAIN.
 */
int sr_tries_check(const struct sr_tries *tries, const struct sr_served *served,
		   uid_t uid, struct sr_err *err);

/** sr_tries_learn() - what came of it: 0, -EACCES, or something else that says nothing */
void sr_tries_learn(struct sr_tries *tries, struct sr_served *served, uid_t uid, int r);

/** sr_tries_count() - whether there is what must not be forgotten; in any thread */
bool sr_tries_count(struct sr_tries *tries);

void sr_tries_clear(struct sr_tries *tries);

#endif
