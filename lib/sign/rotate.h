/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New keys in place of old ones, which stay for what they have signed. */
#ifndef SR_SIGN_ROTATE_H
#define SR_SIGN_ROTATE_H

#include "key.h"

/**
 * sr_rotate_check() - with the store locked: whether a key can make room
 *
 * Returns 0, -ENOKEY (it has gone, or has been replaced), -EEXIST (its place among the
 * older ones is taken by another) or -EIO.
 */
int sr_rotate_check(struct sr_store *store, const struct sr_key *old, struct sr_err *err);

#endif
