/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private keys from files of others, as a TPM takes them. */
#ifndef SR_PRIVATE_H
#define SR_PRIVATE_H

#include "ground/secret.h"
#include "pubkey.h"

#define SR_PRIVATE_MAX 16384 /* bytes in a file with a private key, at most */

/**
 * struct sr_private - a private key
 * @pub:	type, parameters and unique are set
 * @value:	the private number of an EC key; one of RSA's two primes; EdDSA's bytes
 * @certificates:	PKCS#12: the key's, its issuer's, and so on, PEM; NULL for none
 */
struct sr_private {
	TPM2B_PUBLIC pub;
	struct sr_secret value;
	char *certificates;
};

/**
 * sr_private_read() - read a private key
 * @content:	PKCS#8, PKCS#1 or SEC1, PEM or DER; PKCS#12; OpenSSH
 * @passphrase:	asked for if it is encrypted; may be NULL
 * @ret:	release with sr_private_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (not such a file), -EINVAL (a key of another kind), -EACCES
 * (wrong or no passphrase), -ENOMEM or -EIO.
 */
int sr_private_read(const struct sr_secret *content, const struct sr_ask *passphrase,
		    struct sr_private *ret, struct sr_err *err);

/** sr_private_take() - the same of a key that libcrypto has */
int sr_private_take(const EVP_PKEY *key, struct sr_private *ret, struct sr_err *err);

/**
 * sr_private_generate() - make a private key in software
 * @type:	its kind
 * @ret:	PKCS#8 (DER), as sr_private_read() takes it; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOMEM or -EIO.
 */
int sr_private_generate(const struct sr_key_type *type, struct sr_secret *ret,
			struct sr_err *err);

/** sr_no_passphrase() - for libcrypto, which would ask the terminal: that is not the library's */
int sr_no_passphrase(char *to, int room, int writing, void *arg);

/** sr_private_done() - wipe and release */
static inline void sr_private_done(struct sr_private *key)
{
	sr_secret_done(&key->value);
	free(key->certificates);
}

/** sr_certificate_issued() - by its name, and by its key: a CA's new one may have the old name */
bool sr_certificate_issued(X509 *issuer, X509 *one);

#endif
