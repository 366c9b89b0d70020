/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New keys in place of old ones, which stay for what they have signed. */
#ifndef SR_SIGN_ROTATE_H
#define SR_SIGN_ROTATE_H

#include "ground/parse.h"
#include "key.h"

/**
 * sr_rotate_options() - how to make a key like another
 * @old:	the other; one of the store, and the newest of its name
 * @ret:	all but what is not the old key's, and the PIN
 * @pcrs:	what @ret->pcrs points to
 * @err:	says why, on failure
 */
int sr_rotate_options(const struct sr_key *old, struct sr_key_options *ret,
		      char pcrs[SR_PCRS_TEXT], struct sr_err *err);

/**
 * sr_rotate_check() - with the store locked: whether a key can make room
 *
 * Returns 0, -ENOKEY (it has gone, or has been replaced), -EEXIST (its place among the
 * older ones is taken by another) or -EIO.
 */
int sr_rotate_check(struct sr_store *store, const struct sr_key *old, struct sr_err *err);

#endif
