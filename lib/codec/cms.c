/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages encrypted to others and to us: found, opened, decrypted. */
#include "cms.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#define TRIES 16 /* private keys are slow, and recipients are a stranger's to choose */

SR_DEFINE_CLEANUP(cipher_freep, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)
SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)
SR_DEFINE_CLEANUP(x509_freep, X509 *, X509_free)

/*
 * What is done, and to whose hand; @candidates are those recipients that may be it, of
 * which no more are kept than are tried; @blind: for one of them nothing tells.
 */
struct work {
	struct sr_cms cms;
	const struct sr_cms_hand *hand;
	const struct sr_key_type *type;
	const struct sr_cms_recipient *candidates[TRIES];
	size_t count;
	bool blind;
};

static void work_done(struct work *work)
{
	sr_cms_done(&work->cms);
}

/* ---- who it is ---- */

static bool is_of(const struct sr_cms_recipient *recipient, const X509 *certificate)
{
	const ASN1_OCTET_STRING *key_id = X509_get0_subject_key_id((X509 *)certificate);

	if (recipient->issuer)
		return X509_NAME_cmp(recipient->issuer->issuer,
				     X509_get_issuer_name(certificate)) == 0 &&
		       ASN1_INTEGER_cmp(recipient->issuer->serial,
					X509_get0_serialNumber(certificate)) == 0;
	return recipient->key_id && key_id &&
	       ASN1_OCTET_STRING_cmp(recipient->key_id, key_id) == 0;
}

/*
 * With the wrong key CBC gives a content in one case of 256, and under PKCS#1 v1.5 nothing
 * may tell that the key was wrong. So it has to be known which recipient it is.
 */
static void add_candidates(struct work *work, const X509 *certificate)
{
	for (size_t i = 0; i < work->cms.count; i++) {
		const struct sr_cms_recipient *recipient = &work->cms.recipients[i];

		if (!sr_cms_fits(recipient, work->type) ||
		    (certificate && !is_of(recipient, certificate)))
			continue;
		if (work->count < TRIES)
			work->candidates[work->count] = recipient;
		work->count++;
		work->blind |= !work->cms.tag && sr_cms_is_rsaes(recipient);
	}
}

/* The certificates behind the first are its issuers'. */
static int add_certified(struct work *work, struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(work->hand->certificates, -1);
	_cleanup_(x509_freep) X509 *first =
	    bio ? PEM_read_bio_X509(bio, NULL, NULL, (void *)"") : NULL;

	if (!first)
		return sr_fail_libcrypto(err, "reading the key's certificate");
	add_candidates(work, first);
	return 0;
}

/* One that is not told by the certificate may have been told by an earlier one. */
static int find_candidates(struct work *work, struct sr_err *err)
{
	bool certified = work->hand->certificates;
	int r = certified ? add_certified(work, err) : 0;

	if (work->count > TRIES)
		return sr_fail(err, -EBADMSG,
			       "the message is encrypted to the key's certificate %zu "
			       "times, of which at most %d are tried",
			       work->count, TRIES);
	if (r < 0 || work->count > 0)
		return r;
	add_candidates(work, NULL);
	if (work->count == 0)
		return sr_fail(err, -EBADMSG,
			       "the message is not encrypted to a key of this kind");
	if (certified && work->blind)
		return sr_fail(err, -EBADMSG,
			       "the message is not encrypted to the key's certificate");
	if (work->count > TRIES || (work->count > 1 && work->blind))
		return sr_fail(err, -EBADMSG,
			       "%zu recipients of the message could be this key: keep "
			       "its certificate beside it (tpm-sign cert install)",
			       work->count);
	return 0;
}

/* ---- what it says ---- */

int sr_cms_fail(struct sr_err *err)
{
	ERR_clear_error();
	return sr_fail(err, -EBADMSG,
		       "the message is not encrypted to this key, or damaged");
}

static int decrypt(const struct sr_cms *cms, const struct sr_secret *key,
		   struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	_cleanup_secret_ struct sr_secret plain = { 0 };
	int used = 0, rest = 0;
	int r = sr_secret_alloc((size_t)cms->bytes->length + EVP_MAX_BLOCK_LENGTH, &plain,
				err);

	if (r < 0)
		return r;
	if (!ctx ||
	    EVP_DecryptInit_ex(ctx, cms->cipher, NULL, key->data, cms->iv->data) != 1)
		return sr_fail_libcrypto(err, "decrypting a message");
	if (EVP_DecryptUpdate(ctx, plain.data, &used, cms->bytes->data,
			      cms->bytes->length) != 1 ||
	    (cms->tag && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, cms->tag->length,
					     cms->tag->data) != 1) ||
	    EVP_DecryptFinal_ex(ctx, plain.data + used, &rest) != 1)
		return sr_cms_fail(err);
	sr_secret_shrink(&plain, (size_t)used + (size_t)rest);
	sr_secret_take(&plain, ret);
	return 0;
}

static int open_as(const struct work *work, const struct sr_cms_recipient *recipient,
		   struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret key = { 0 };
	int r = sr_cms_key(&work->cms, recipient, work->hand, &key, err);

	return r < 0 ? r : decrypt(&work->cms, &key, ret, err);
}

static int open_any(const struct work *work, struct sr_secret *ret, struct sr_err *err)
{
	int r = -EBADMSG;

	for (size_t i = 0; r == -EBADMSG && i < work->count; i++)
		r = open_as(work, work->candidates[i], ret, err);
	return r;
}

int sr_cms_open(const uint8_t *message, size_t size, const struct sr_cms_hand *hand,
		struct sr_secret *ret, struct sr_err *err)
{
	struct sr_buf given = { (uint8_t *)message, size };
	_cleanup_buf_ struct sr_buf der = { 0 };
	_cleanup_(work_done) struct work work = {
		.hand = hand,
		.type = sr_key_type_find(hand->type),
	};
	int r = work.type ? sr_cms_unpack(&given, &der, err)
			  : sr_fail(err, -EINVAL, "no keys of type \"%s\"", hand->type);

	if (r == 0)
		r = sr_cms_read(&der, &work.cms, err);
	if (r == 0)
		r = find_candidates(&work, err);
	return r < 0 ? r : open_any(&work, ret, err);
}
