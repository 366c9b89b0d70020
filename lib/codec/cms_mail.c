/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages as they travel: PEM, or the base64 of a mail. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "cms.h"
#include "pem.h"

#define SEQUENCE 0x30	 /* how DER and BER of CMS begin */
#define HEADER_MAX 65536 /* bytes in the header of a mail, at most */

SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)

static int copy(const uint8_t *data, size_t size, struct sr_buf *ret, struct sr_err *err)
{
	ret->data = malloc(size + 1);
	if (!ret->data)
		return sr_fail_memory(err);
	memcpy(ret->data, data, size);
	ret->data[size] = '\0';
	ret->size = size;
	return 0;
}

static int fail_form(struct sr_err *err)
{
	ERR_clear_error();
	return sr_fail(err, -EBADMSG,
		       "the message is none that is encrypted: neither CMS, as PEM or "
		       "DER, nor a mail (S/MIME)");
}

static int from_pem(const struct sr_buf *message, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio =
	    BIO_new_mem_buf(message->data, (int)message->size);
	_cleanup_(sr_pem_done) struct sr_pem block = { 0 };

	if (!bio)
		return sr_fail_memory(err);
	if (sr_pem_next(bio, &block) != 0 || block.header[0] ||
	    (strcmp(block.label, PEM_STRING_CMS) != 0 &&
	     strcmp(block.label, PEM_STRING_PKCS7) != 0))
		return fail_form(err);
	return copy(block.data, (size_t)block.size, ret, err);
}

/* Behind the first empty line; NULL if there is none. */
static const char *find_body(const char *mail, size_t size)
{
	const char *unix_end = memmem(mail, size, "\n\n", 2);
	const char *mail_end = memmem(mail, size, "\n\r\n", 3);

	if (unix_end && (!mail_end || unix_end < mail_end))
		return unix_end + 2;
	return mail_end ? mail_end + 3 : NULL;
}

static bool is_encrypted(const char *mail, size_t size)
{
	_cleanup_free_ char *header = size <= HEADER_MAX ? strndup(mail, size) : NULL;

	return header && strcasestr(header, "pkcs7-mime") && strcasestr(header, "base64");
}

static int decode(const char *text, size_t size, struct sr_buf *ret, struct sr_err *err)
{
	EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
	int used = 0, rest = 0;
	bool good;

	ret->data = malloc(size + 1);
	if (!ctx || !ret->data) {
		EVP_ENCODE_CTX_free(ctx);
		return sr_fail_memory(err);
	}
	EVP_DecodeInit(ctx);
	good = EVP_DecodeUpdate(ctx, ret->data, &used, (const unsigned char *)text,
				(int)size) >= 0 &&
	       EVP_DecodeFinal(ctx, ret->data + used, &rest) == 1;
	EVP_ENCODE_CTX_free(ctx);
	ret->size = (size_t)used + (size_t)rest;
	return good ? 0 : fail_form(err);
}

/* All of it, not a part: that is what is sent (RFC 8551, 3.3). */
static int from_mail(const struct sr_buf *message, struct sr_buf *ret, struct sr_err *err)
{
	const char *mail = (const char *)message->data;
	const char *body = find_body(mail, message->size);

	if (!body || !is_encrypted(mail, (size_t)(body - mail)))
		return fail_form(err);
	return decode(body, message->size - (size_t)(body - mail), ret, err);
}

int sr_cms_unpack(const struct sr_buf *message, struct sr_buf *ret, struct sr_err *err)
{
	static const char begin[] = "-----BEGIN ";

	if (message->size == 0)
		return fail_form(err);
	if (message->size > SR_CMS_MAX)
		return sr_fail(err, -EBADMSG, "the message is larger than %d bytes",
			       SR_CMS_MAX);
	if (*message->data == SEQUENCE)
		return copy(message->data, message->size, ret, err);
	return memmem(message->data, message->size, begin, strlen(begin))
		   ? from_pem(message, ret, err)
		   : from_mail(message, ret, err);
}
