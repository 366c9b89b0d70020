/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private keys that no TPM has: made, written, used to sign, in software. */
#ifndef SR_SOFTKEY_H
#define SR_SOFTKEY_H

#include "private.h"
#include "signature.h"

/**
 * sr_softkey_protect() - have libcrypto keep its copies in locked memory from now on
 *
 * Once in a process, before it has threads. What remains of a copy is wiped by libcrypto.
 */
void sr_softkey_protect(void);

/** sr_softkey_generate() - a new key of a kind; release with sr_private_done() */
int sr_softkey_generate(const struct sr_key_type *type, struct sr_private *ret,
			struct sr_err *err);

/**
 * sr_softkey_write() - a key as PKCS#8 (RFC 5958), DER, in the one shape for its kind
 * @key:	of a kind in software
 * @ret:	release with sr_secret_done()
 * @err:	says why, on failure
 */
int sr_softkey_write(const struct sr_private *key, struct sr_secret *ret,
		     struct sr_err *err);

/**
 * sr_softkey_read() - the private part of a key from what sr_softkey_write() made
 * @content:	PKCS#8
 * @pub:	the key it must be of
 * @ret:	release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Without libcrypto's decoders, which leave copies behind.
 *
 * Returns 0, -EBADMSG (damaged, or of another key), -ENOMEM or -EIO.
 */
int sr_softkey_read(const struct sr_secret *content, const TPM2B_PUBLIC *pub,
		    struct sr_secret *ret, struct sr_err *err);

/**
 * sr_softkey_sign() - sign, without check
 * @pub:	the key
 * @value:	its private part
 * @scheme:	how
 * @data:	the digest; EdDSA: the message
 * @size:	bytes in @data
 * @ret:	as sr_signature_der() gives it; release with sr_buf_done()
 * @err:	says why, on failure
 */
int sr_softkey_sign(const TPM2B_PUBLIC *pub, const struct sr_secret *value,
		    const struct sr_scheme *scheme, const uint8_t *data, size_t size,
		    struct sr_buf *ret, struct sr_err *err);

#endif
