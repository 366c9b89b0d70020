/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes messages, as PEM, DER and mail, for an EC key and for an RSA key that takes all. */
#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "codec/cms.h"
#include "codec/point.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The EC key that the seeds were made for; it is good for nothing else. */
static const char private_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgD1yzltwG3q4qsTqz\n"
    "Kkmm6xW3oUGeSFz2n4uwtzB97fKhRANCAARmCseUsAEX5L+g7VUbJ8NJpSHU7my+\n"
    "et2xDxk/bgCHCxvBCdN0a6cBMRHU3wC5SFP+85msxrrnbOfvmwi10oVl\n"
    "-----END PRIVATE KEY-----\n";

static EVP_PKEY *own_key(void)
{
	static EVP_PKEY *key;
	BIO *bio;

	if (!key) {
		bio = BIO_new_mem_buf(private_key, -1);
		key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		BIO_free(bio);
		assert(key);
	}
	return key;
}

/* A point that passed is one that libcrypto takes. */
static int derive(void *arg, const uint8_t *peer, size_t size, struct sr_secret *ret,
		  struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_find("p256");
	_cleanup_secret_ struct sr_secret point = { 0 };
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own_key(), NULL);
	EVP_PKEY *other = EVP_PKEY_new();
	size_t used = type->field;
	int r = sr_point_read(type, peer, size, &point, err);

	(void)arg;
	if (r == 0) {
		assert(EVP_PKEY_copy_parameters(other, own_key()) == 1);
		assert(EVP_PKEY_set1_encoded_public_key(other, point.data, point.size) ==
		       1);
		assert(sr_secret_alloc(used, ret, NULL) == 0);
		assert(EVP_PKEY_derive_init(ctx) > 0);
		assert(EVP_PKEY_derive_set_peer(ctx, other) > 0);
		assert(EVP_PKEY_derive(ctx, ret->data, &used) > 0);
	}
	EVP_PKEY_free(other);
	EVP_PKEY_CTX_free(ctx);
	return r;
}

static int decrypt(void *arg, const struct sr_padding *padding,
		   const struct sr_secret *cipher, struct sr_secret *ret,
		   struct sr_err *err)
{
	(void)arg;
	assert(cipher->size == 256 && (!padding->oaep || padding->size == 0));
	return sr_secret_alloc(padding->size ?: 16, ret, err);
}

static void open_for(const char *type, const uint8_t *data, size_t size)
{
	struct sr_cms_hand hand = { .type = type, .decrypt = decrypt, .derive = derive };
	_cleanup_secret_ struct sr_secret plain = { 0 };
	struct sr_err err = { 0 };
	int r = sr_cms_open(data, size, &hand, &plain, &err);

	assert(r == 0 || r == -EBADMSG);
	assert(r == 0 ? plain.size <= size : err.text[0] && !plain.data);
	assert(ERR_peek_error() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	open_for("p256", data, size);
	open_for("rsa2048", data, size);
	return 0;
}
