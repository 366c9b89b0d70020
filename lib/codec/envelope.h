/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A secret on disk: CMS AuthEnvelopedData (RFC 5083) in exactly one DER shape. */
#ifndef SR_ENVELOPE_H
#define SR_ENVELOPE_H

#include "derive.h"
#include "ground/io.h"

#define SR_ENVELOPE_MAX (SR_SECRET_MAX + 1024) /* bytes in a file, at most */

/**
 * sr_envelope_seal() - encrypt a secret under a ring key
 * @ring_key:	32 bytes
 * @ring:	name of the ring; with @name it is the keyIdentifier "RING/NAME"
 * @name:	name of the secret: KEK = HKDF-SHA-256(ring key, "sealring secret NAME")
 * @secret:	1 to SR_SECRET_MAX bytes
 * @ret:	the file; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (a name, a size), -ENOMEM or -EIO.
 */
int sr_envelope_seal(const struct sr_secret *ring_key, const char *ring, const char *name,
		     const struct sr_secret *secret, struct sr_buf *ret,
		     struct sr_err *err);

/**
 * sr_envelope_open() - decrypt a secret
 * @ring_key:	32 bytes
 * @ring:	the ring it must belong to
 * @name:	the name it must have
 * @content:	the file
 * @ret:	the secret; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Nothing but the one shape is accepted: one KEKRecipientInfo with id-aes256-wrap,
 * aes-256-gcm with 12-byte nonce and 16-byte tag, definite-length DER, no attributes, no
 * trailing bytes.
 *
 * Returns 0, -EINVAL (not a name, or not 32 bytes of key), -EBADMSG (shape, another
 * secret's file, or authentication), -ENOMEM or -EIO.
 */
int sr_envelope_open(const struct sr_secret *ring_key, const char *ring, const char *name,
		     const struct sr_buf *content, struct sr_secret *ret,
		     struct sr_err *err);

#endif
