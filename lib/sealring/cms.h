/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages that others encrypted to a certificate: CMS, which S/MIME and PKCS#7 are too. */
#ifndef SEALRING_CMS_H
#define SEALRING_CMS_H

#include <sealring/sign.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SR_CMS_MAX 16777216 /* bytes in a message, at most */

/**
 * struct sr_cms_hand - whoever has the private key
 * @type:	"p256", "rsa2048" ...
 * @certificates:	of the key, and those behind it (PEM): the first tells which recipient it
 *		is; NULL for none. Otherwise those that could be it are tried, but not where
 *		nothing would tell the right one: PKCS#1 v1.5 with CBC
 * @decrypt:	an RSA key: as sr_key_decrypt(), with @arg
 * @derive:	an EC key: as sr_key_derive(), with @arg
 * @arg:	the caller's
 */
struct sr_cms_hand {
	const char *type;
	const char *certificates;
	int (*decrypt)(void *arg, const struct sr_padding *padding,
		       const struct sr_secret *cipher, struct sr_secret *ret,
		       struct sr_err *err);
	int (*derive)(void *arg, const uint8_t *peer, size_t size, struct sr_secret *ret,
		      struct sr_err *err);
	void *arg;
};

/**
 * sr_cms_open() - decrypt a message
 * @message:	EnvelopedData or AuthEnvelopedData: PEM, DER (BER), or a mail (S/MIME)
 * @size:	bytes in @message, at most SR_CMS_MAX
 * @hand:	whose key it was encrypted to
 * @ret:	its content; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Content: AES-CBC, AES-GCM, 3DES-CBC. Keys: RSA with PKCS#1 v1.5 or OAEP (one hash for
 * all of it, no label), ephemeral-static ECDH with the KDF of X9.63, wrapped by AES or 3DES.
 * What is about recipients may have 1 MiB. Only GCM tells whether somebody changed the
 * message.
 *
 * What was wrong behind the recipient's private key nobody is told: neither by the text
 * nor by the time it took.
 *
 * Returns 0, -EBADMSG (not for this key, damaged, or not such a message), -ENOMEM, -EIO,
 * and what @hand returned, but -EBADMSG.
 */
int sr_cms_open(const uint8_t *message, size_t size, const struct sr_cms_hand *hand,
		struct sr_secret *ret, struct sr_err *err);

#ifdef __cplusplus
}
#endif
#endif
