/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A key that is served: read once, never changed, shared between threads. */
#ifndef SR_SERVED_H
#define SR_SERVED_H

#include <stdatomic.h>

#include "sign/key.h"

/**
 * struct sr_served - a key and what is often needed of it
 * @users:	how many hold it
 * @key:	the key
 * @pub:	its public part for OpenSSL
 * @blob:	the same for OpenSSH; empty for a kind that it lacks
 * @certificate:	OpenSSH's certificate beside it; empty if there is none
 * @signs:	it may be used to sign
 */
struct sr_served {
	atomic_uint users;
	struct sr_key *key;
	EVP_PKEY *pub;
	struct sr_buf blob;
	struct sr_buf certificate;
	bool signs;
};

/**
 * sr_served_load() - read a key of the store
 * @dir:	keys/
 * @name:	its name
 * @ret:	held once
 * @err:	says why, on failure
 *
 * Returns 0, -ENOENT, -EBADMSG, -EIO or -ENOMEM.
 */
int sr_served_load(int dir, const char *name, struct sr_served **ret, struct sr_err *err);

/** sr_served_certify() - add the certificate, if there is one, before it is shared */
int sr_served_certify(int dir, struct sr_served *served, struct sr_err *err);

/** sr_served_hold() - hold it once more */
struct sr_served *sr_served_hold(struct sr_served *served);

/** sr_served_drop() - hold it once less; the last one releases it; NULL is fine */
void sr_served_drop(struct sr_served *served);

SR_DEFINE_CLEANUP(sr_served_dropp, struct sr_served *, sr_served_drop)
#define _cleanup_served_ _cleanup_(sr_served_dropp)

#endif
