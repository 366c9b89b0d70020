/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks of PEM, one after the other, whatever they are of (RFC 7468, and RFC 1421's headers). */
#ifndef SR_PEM_H
#define SR_PEM_H

#include <openssl/bio.h>

/**
 * struct sr_pem - a block
 * @label:	what it says it is
 * @header:	not empty if it is encrypted
 * @data:	what is in it, without base64
 * @size:	bytes in @data
 */
struct sr_pem {
	char *label;
	char *header;
	unsigned char *data;
	long size;
};

/** sr_pem_done() - wipes it, too: there may be a private key in it */
void sr_pem_done(struct sr_pem *pem);

/**
 * sr_pem_next() - read the next block
 * @bio:	where
 * @ret:	empty before; release with sr_pem_done()
 *
 * Decrypts nothing: the functions with a type in their names would ask the terminal for a
 * passphrase.
 *
 * Returns 0, or OpenSSL's reason, with its queue as it was: PEM_R_NO_START_LINE if there is
 * none.
 */
int sr_pem_next(BIO *bio, struct sr_pem *ret);

#endif
