/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that no TPM has: the public part a file of the store, the private one a ring's secret. */
#ifndef SR_SOFTWARE_H
#define SR_SOFTWARE_H

#include "codec/softkey.h"
#include "key.h"

/** sr_software_is_file() - whether a key file is one of these */
bool sr_software_is_file(const struct sr_buf *content);

/**
 * sr_software_read() - take in the PUBLIC KEY block of a key file
 * @key:	gets its kind and public part
 * @content:	the file
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG or -ENOMEM.
 */
int sr_software_read(struct sr_key *key, const struct sr_buf *content,
		     struct sr_err *err);

/** sr_software_shape() - give a public part the attributes that all of these have */
void sr_software_shape(TPM2B_PUBLIC *pub);

/** sr_software_name() - what its secret is called */
int sr_software_name(const struct sr_key *key, char ret[SR_NAME_MAX + 1],
		     struct sr_err *err);

/**
 * sr_software_store() - make the private part a secret of the key's ring
 * @key:	its public part is known
 * @ring:	that ring, open
 * @value:	the private part
 * @err:	says why, on failure
 *
 * The caller has the lock of the rings.
 */
int sr_software_store(const struct sr_key *key, struct sr_ring *ring,
		      const struct sr_private *value, struct sr_err *err);

/**
 * sr_software_remove() - remove it from there
 *
 * A ring that is not there any more has no secrets. The caller has the locks.
 */
int sr_software_remove(const struct sr_key *key, struct sr_ring *ring,
		       struct sr_err *err);

/**
 * sr_software_open() - get the private part of a key
 * @key:	the key
 * @store:	where its ring is
 * @tpm:	an open TPM
 * @ask:	where the ring's PIN comes from; may be NULL
 * @ret:	release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Five TPM commands, as for any secret.
 *
 * Returns as sr_ring_open(); also -ENOKEY (ring or secret are gone).
 */
int sr_software_open(const struct sr_key *key, struct sr_store *store, struct sr_tpm *tpm,
		     const struct sr_ask *ask, struct sr_secret *ret, struct sr_err *err);

/**
 * sr_software_sign() - sign, and check that
 * @key:	the key
 * @pub:	its public part for libcrypto
 * @value:	its private part
 * @scheme:	how
 * @digest:	what
 * @ret:	as sr_signer_sign(); release with sr_buf_done()
 * @err:	says why, on failure
 */
int sr_software_sign(const struct sr_key *key, EVP_PKEY *pub,
		     const struct sr_secret *value, const struct sr_scheme *scheme,
		     const struct sr_digest *digest, struct sr_buf *ret,
		     struct sr_err *err);

#endif
