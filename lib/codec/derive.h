/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that follow from a ring key. */
#ifndef SR_DERIVE_H
#define SR_DERIVE_H

#include "ground/secret.h"

#define SR_RING_KEY 32 /* bytes in a ring key, and in what is derived from it */

/**
 * sr_derive() - HKDF-SHA-256 without salt (RFC 5869)
 * @ring_key:	32 bytes
 * @info:	what for
 * @ret:	32 bytes; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOMEM or -EIO.
 */
int sr_derive(const struct sr_secret *ring_key, const char *info, struct sr_secret *ret,
	      struct sr_err *err);

#endif
