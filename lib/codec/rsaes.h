/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PKCS#1 v1.5 around a key: taken off so that nobody learns whether it was there. */
#ifndef SR_RSAES_H
#define SR_RSAES_H

#include "ground/err.h"

#define SR_RSAES_AROUND 11 /* bytes of padding, at least */

/**
 * sr_rsaes_open() - take the padding off
 * @block:	what RSA made of the ciphertext; leading zeros may be missing
 * @used:	bytes in @block
 * @modulus:	bytes in the key's modulus
 * @size:	bytes in the key that is expected, 1 to @modulus - SR_RSAES_AROUND
 * @ret:	that key; or, if the padding is not right or hides another number of bytes, as
 *		many random ones (RFC 3218, 2.3.2). Release with sr_secret_done()
 *
 * Time and memory that it touches do not depend on which of them it is. Who is told that a
 * padding was wrong can have this key decrypt for him, bit by bit (Bleichenbacher).
 *
 * Returns 0, -EINVAL (sizes), -ENOMEM or -EIO.
 */
int sr_rsaes_open(const uint8_t *block, size_t used, size_t modulus, size_t size,
		  struct sr_secret *ret);

#endif
