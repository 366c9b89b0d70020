/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ring key encrypted to a printed recovery key and escrow certificates, as CMS. */
#ifndef SR_RECOVERY_H
#define SR_RECOVERY_H

#include "envelope.h"

/* Of PBKDF2, at least. The Makefile wants fewer where sanitizers slow them down. */
#ifndef SR_RECOVERY_ROUNDS
#define SR_RECOVERY_ROUNDS 100000
#endif

#define SR_RECOVERY_MAX 65536	  /* bytes in a file, at most */
#define SR_RECOVERY_RSA_MIN 2048  /* bits of an RSA key, at least */
#define SR_RECOVERY_RSA_MAX 16384 /* what libcrypto encrypts to */
#define SR_RECOVERY_RECIPIENTS 16 /* recipients, at most */

/**
 * sr_recovery_seal() - encrypt a ring key to a recovery key and certificates
 * @ring_key:	32 bytes
 * @recovery_key:	its text, as sr_recovery_key_generate() makes it; NULL or empty
 * for none
 * @escrow:	certificates; NULL for none. At least one recipient is needed
 * @ret:	the file (DER); release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Recovery key: PasswordRecipientInfo, PBKDF2 with HMAC-SHA-1, 8 bytes of salt, 100,000
 * rounds, id-alg-PWRI-KEK over aes-256-cbc. The hash and the salt are what libcrypto
 * takes, and nothing public sets them; a password of 128 random bits needs neither.
 * RSA: RSAES-OAEP with SHA-256. EC: dhSinglePass-stdDH-sha256kdf with aes256-wrap.
 *
 * A certificate that has expired is as good as any: it names the key that recovers. One
 * cannot be used if its key is RSA under 2048 bits, EC under 256 bits or on no named
 * curve, or anything else, or if its keyUsage forbids it (keyEncipherment for RSA,
 * keyAgreement for EC: a smart card would refuse in the emergency).
 *
 * Returns 0, -EINVAL (no recipient, too many, a recovery key not in its one form, a
 * certificate that cannot be used), -ENOMEM or -EIO.
 */
int sr_recovery_seal(const struct sr_secret *ring_key,
		     const struct sr_secret *recovery_key, const struct sr_escrow *escrow,
		     struct sr_buf *ret, struct sr_err *err);

/**
 * sr_escrow_seal() - encrypt anything to certificates, in the same way
 * @content:	what to encrypt
 * @escrow:	one certificate at least
 * @ret:	CMS (DER); release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns as sr_recovery_seal().
 */
int sr_escrow_seal(const struct sr_secret *content, const struct sr_escrow *escrow,
		   struct sr_buf *ret, struct sr_err *err);

/**
 * sr_recovery_check() - check the outer shape, before libcrypto sees it
 * @content:	the file
 * @has_key:	whether a recovery key opens it; may be NULL
 * @escrow:	how many certificates can; may be NULL
 * @err:	says why, on failure
 *
 * AuthEnvelopedData with aes-256-gcm (12-byte nonce, 16-byte tag) around 32 bytes, no
 * attributes, at most one password recipient with 100,000 to 10,000,000 rounds and 8 to
 * 64 bytes of salt, 1 to SR_RECOVERY_RECIPIENTS recipients, all as sr_recovery_seal()
 * writes them, lengths as DER has them, no trailing bytes. PBKDF2 may name HMAC-SHA-256,
 * for the day when libcrypto does. The names of certificates' issuers are not looked
 * into.
 *
 * Returns 0 or -EBADMSG.
 */
int sr_recovery_check(const struct sr_buf *content, bool *has_key, unsigned int *escrow,
		      struct sr_err *err);

/**
 * sr_recovery_open() - the ring key, by the printed recovery key
 * @content:	the file
 * @recovery_key:	its text in its one form
 * @ret:	the ring key; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EACCES (the key does not open it), -EBADMSG, -ENOMEM or -EIO.
 */
int sr_recovery_open(const struct sr_buf *content, const struct sr_secret *recovery_key,
		     struct sr_secret *ret, struct sr_err *err);

/**
 * sr_recovery_open_escrow() - the ring key, by the private key of an escrow certificate
 * @content:	the file
 * @private_key:	PEM, not encrypted
 * @ret:	the ring key; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EACCES (the key does not open it), -EINVAL (no private key in the PEM, or
 * an encrypted one), -EBADMSG, -ENOMEM or -EIO.
 */
int sr_recovery_open_escrow(const struct sr_buf *content,
			    const struct sr_secret *private_key, struct sr_secret *ret,
			    struct sr_err *err);

#endif
