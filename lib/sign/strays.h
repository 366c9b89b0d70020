/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which software keys a ring has the private parts of, and which of those no key file names. */
#ifndef SR_STRAYS_H
#define SR_STRAYS_H

#include "sealring.h"

/** sr_stray_is_name() - whether a ring has a secret of this name that is a private part */
bool sr_stray_is_name(const struct sr_store *store, const char *name);

/**
 * sr_stray_remove() - remove a private part that no key file names
 *
 * Returns 0, -EINVAL (one does), -EBADMSG (a key file is damaged, and may do) or others.
 */
int sr_stray_remove(struct sr_store *store, const char *name, struct sr_err *err);

#endif
