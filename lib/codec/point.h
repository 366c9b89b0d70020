/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points of curves that strangers send: checked before a private key meets them. */
#ifndef SR_POINT_H
#define SR_POINT_H

#include "pubkey.h"

#define SR_POINT_MAX 1024 /* bytes in what is read as a point, at most */

/**
 * sr_point_read() - take in a peer's public key for ECDH
 * @type:	of our own key, whose curve it has to be on
 * @data:	SubjectPublicKeyInfo (DER), or the point alone (SEC 1, 2.3.3)
 * @size:	bytes in @data
 * @ret:	the point, uncompressed, with its leading 0x04; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * A point that is not on the curve has a TPM that does not check tell what the private key
 * is, modulo small numbers.
 *
 * Returns 0, -EBADMSG (not a point of that curve, or the one at infinity), -ENOMEM or -EIO.
 */
int sr_point_read(const struct sr_key_type *type, const uint8_t *data, size_t size,
		  struct sr_secret *ret, struct sr_err *err);

/** sr_point_of() - the same from the public area of an EC key */
int sr_point_of(const TPM2B_PUBLIC *pub, struct sr_secret *ret, struct sr_err *err);

/** sr_point_coordinates() - the same as a TPM takes it */
void sr_point_coordinates(const struct sr_key_type *type, const uint8_t *point,
			  TPMS_ECC_POINT *ret);

#endif
