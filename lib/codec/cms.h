/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages encrypted to others and to us: what is in one, as far as it is of use. */
#ifndef SR_CMS_H
#define SR_CMS_H

#include <openssl/asn1.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "pubkey.h"

/**
 * struct sr_cms_recipient - one whose private key opens a message
 * @issuer:	of the certificate, with its number; or NULL
 * @key_id:	instead: the certificate's subjectKeyIdentifier
 * @algorithm:	how @key is encrypted
 * @key:	the key of the content, encrypted
 * @peer_algorithm:	ECDH: what @peer is; otherwise NULL
 * @peer:	ECDH: the sender's point
 * @ukm:	ECDH: goes into the KDF; may be NULL
 */
struct sr_cms_recipient {
	const PKCS7_ISSUER_AND_SERIAL *issuer;
	const ASN1_OCTET_STRING *key_id;
	const X509_ALGOR *algorithm;
	const ASN1_OCTET_STRING *key;
	const X509_ALGOR *peer_algorithm;
	const ASN1_BIT_STRING *peer;
	const ASN1_OCTET_STRING *ukm;
};

/**
 * struct sr_cms - a message
 * @info:	what all of the others point into
 * @recipients:	with RSA or ECDH keys
 * @count:	how many
 * @cipher:	of the content
 * @key_size:	bytes in its key
 * @iv:		its IV, or nonce
 * @tag:	GCM's; NULL for CBC
 * @bytes:	the encrypted content
 */
struct sr_cms {
	struct content_info *info;
	struct sr_cms_recipient *recipients;
	size_t count;
	const EVP_CIPHER *cipher;
	size_t key_size;
	ASN1_OCTET_STRING *iv;
	const ASN1_OCTET_STRING *tag;
	const ASN1_OCTET_STRING *bytes;
};

/**
 * sr_cms_read() - take in a message; no key is needed for that
 * @message:	DER or BER
 * @ret:	release with sr_cms_done(), also after a failure
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG or -ENOMEM.
 */
int sr_cms_read(const struct sr_buf *message, struct sr_cms *ret, struct sr_err *err);

void sr_cms_done(struct sr_cms *cms);

/**
 * sr_cms_unpack() - from PEM, or from a mail
 * @message:	as it came; DER stays as it is
 * @ret:	DER or BER; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns as sr_cms_read().
 */
int sr_cms_unpack(const struct sr_buf *message, struct sr_buf *ret, struct sr_err *err);

/** sr_cms_fail() - say what is said of all that is wrong behind a private key; -EBADMSG */
int sr_cms_fail(struct sr_err *err);

/** sr_cms_fits() - whether a recipient could have a key of this kind */
bool sr_cms_fits(const struct sr_cms_recipient *recipient,
		 const struct sr_key_type *type);

/** sr_cms_is_rsaes() - whether nothing tells if PKCS#1 v1.5 hid the right key */
bool sr_cms_is_rsaes(const struct sr_cms_recipient *recipient);

/**
 * sr_cms_key() - have a recipient's private key give the key of the content
 * @cms:	the message
 * @recipient:	one that fits
 * @hand:	who has the private key
 * @ret:	@cms->key_size bytes; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (it is not for that key, or in a way that is not known), and what
 * @hand returns.
 */
int sr_cms_key(const struct sr_cms *cms, const struct sr_cms_recipient *recipient,
	       const struct sr_cms_hand *hand, struct sr_secret *ret, struct sr_err *err);

#endif
