/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages as they travel: PEM, or the base64 of a mail. */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "cms.h"

#define SEQUENCE 0x30 /* how DER and BER of CMS begin */

SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)
SR_DEFINE_CLEANUP(cms_freep, CMS_ContentInfo *, CMS_ContentInfo_free)

struct block {
	char *name;
	char *header;
	uint8_t *data;
	long size;
};

static void block_done(struct block *block)
{
	OPENSSL_free(block->name);
	OPENSSL_free(block->header);
	OPENSSL_free(block->data);
}

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

static int from_pem(BIO *bio, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_(block_done) struct block block = { 0 };

	if (PEM_read_bio(bio, &block.name, &block.header, &block.data, &block.size) !=
		1 ||
	    block.header[0] ||
	    (strcmp(block.name, PEM_STRING_CMS) != 0 &&
	     strcmp(block.name, PEM_STRING_PKCS7) != 0))
		return fail_form(err);
	return copy(block.data, (size_t)block.size, ret, err);
}

/* The parts of a mail are libcrypto's business; what it makes of them is read once more. */
static int from_mail(BIO *bio, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_(cms_freep) CMS_ContentInfo *cms = SMIME_read_CMS(bio, NULL);
	uint8_t *der = NULL;
	int size = cms ? i2d_CMS_ContentInfo(cms, &der) : -1, r;

	if (size <= 0)
		return fail_form(err);
	r = copy(der, (size_t)size, ret, err);
	OPENSSL_free(der);
	return r;
}

int sr_cms_unpack(const struct sr_buf *message, struct sr_buf *ret, struct sr_err *err)
{
	static const char begin[] = "-----BEGIN ";
	_cleanup_(bio_freep) BIO *bio = NULL;

	if (message->size == 0)
		return fail_form(err);
	if (message->size > SR_CMS_MAX)
		return sr_fail(err, -EBADMSG, "the message is larger than %d bytes",
			       SR_CMS_MAX);
	if (*message->data == SEQUENCE)
		return copy(message->data, message->size, ret, err);
	bio = BIO_new_mem_buf(message->data, (int)message->size);
	if (!bio)
		return sr_fail_memory(err);
	return memmem(message->data, message->size, begin, strlen(begin))
		   ? from_pem(bio, ret, err)
		   : from_mail(bio, ret, err);
}
