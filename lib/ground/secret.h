/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secret bytes inside the library; the type itself is public. */
#ifndef SR_SECRET_H
#define SR_SECRET_H

#include "err.h"

#define _cleanup_secret_ _cleanup_(sr_secret_done)

/** sr_secret_shrink() - forget the bytes from @size on */
void sr_secret_shrink(struct sr_secret *secret, size_t size);

/** sr_secret_take() - move @from into @ret, which must be empty */
static inline void sr_secret_take(struct sr_secret *from, struct sr_secret *ret)
{
	*ret = *from;
	*from = (struct sr_secret){ 0 };
}

#endif
