/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of codec/cms, codec/point and codec/rsaes, with keys in software and OpenSSL's CMS. */
#include <assert.h>
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "codec/cms.h"
#include "codec/point.h"
#include "codec/rsaes.h"

#define MODULUS 256

static unsigned int cases;

/* ---- PKCS#1 v1.5 ---- */

static void pad(uint8_t block[MODULUS], const uint8_t *key, size_t size)
{
	memset(block, 0x77, MODULUS);
	block[0] = 0;
	block[1] = 2;
	block[MODULUS - size - 1] = 0;
	memcpy(block + MODULUS - size, key, size);
}

/* 1 for the key, 0 for other bytes of the same number. */
static int opened(const uint8_t *block, size_t used, const uint8_t *key, size_t size)
{
	_cleanup_secret_ struct sr_secret found = { 0 };
	int r = sr_rsaes_open(block, used, MODULUS, size, &found);

	cases++;
	if (r < 0)
		return r;
	assert(found.size == size);
	return memcmp(found.data, key, size) == 0;
}

static void check_rsaes(void)
{
	static const size_t sizes[] = { 16, 24, 32, MODULUS - SR_RSAES_AROUND };
	uint8_t key[MODULUS], block[MODULUS];

	for (size_t i = 0; i < MODULUS; i++)
		key[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < SR_COUNT(sizes); i++) {
		pad(block, key, sizes[i]);
		assert(opened(block, MODULUS, key, sizes[i]) == 1);
		/* As a TPM may give it. */
		assert(opened(block + 1, MODULUS - 1, key, sizes[i]) == 1);
		/* Each byte of the padding counts. */
		for (size_t at = 0; at < MODULUS - sizes[i]; at++) {
			uint8_t was = block[at];

			block[at] = was ? 0 : 1;
			assert(opened(block, MODULUS, key, sizes[i]) == 0);
			block[at] = was;
		}
	}
	pad(block, key, 32);
	assert(opened(block, MODULUS, block + MODULUS - 16, 16) == 0);
	assert(opened(block, MODULUS, block + MODULUS - 33, 33) == 0);
	assert(opened(block, MODULUS, key, 0) == -EINVAL);
	assert(opened(block, MODULUS, key, MODULUS - SR_RSAES_AROUND + 1) == -EINVAL);
	assert(opened(block, MODULUS + 1, key, 32) == -EINVAL);
}

/* ---- points ---- */

static void check_points(void)
{
	static const char *const names[] = { "p256", "p384", "p521" };

	for (size_t i = 0; i < SR_COUNT(names); i++) {
		const struct sr_key_type *type = sr_key_type_find(names[i]);
		_cleanup_evp_ EVP_PKEY *key = EVP_EC_gen(type->group);
		_cleanup_secret_ struct sr_secret point = { 0 }, again = { 0 };
		unsigned char *der = NULL;
		int size = i2d_PUBKEY(key, &der);
		struct sr_err err = { 0 };

		assert(size > 0);
		assert(sr_point_read(type, der, (size_t)size, &point, NULL) == 0);
		assert(point.size == 1 + 2 * (size_t)type->field);
		assert(memcmp(point.data, der + size - point.size, point.size) == 0);
		assert(sr_point_read(type, point.data, point.size, &again, NULL) == 0);
		assert(sr_secret_equal(&point, &again));
		sr_secret_done(&again);
		/* Another y is on no curve. */
		for (size_t at = 1 + type->field; at < point.size; at += 5) {
			point.data[at] ^= 0x04;
			assert(sr_point_read(type, point.data, point.size, &again,
					     &err) == -EBADMSG);
			assert(err.text[0] && !again.data);
			point.data[at] ^= 0x04;
			cases++;
		}
		for (size_t cut = 0; cut < point.size; cut += 7)
			assert(sr_point_read(type, point.data, cut, &again, NULL) ==
			       -EBADMSG);
		assert(sr_point_read(sr_key_type_find(names[(i + 1) % 3]), point.data,
				     point.size, &again, NULL) == -EBADMSG);
		assert(sr_point_read(type, der, (size_t)size - 1, &again, NULL) ==
		       -EBADMSG);
		cases += 4;
		OPENSSL_free(der);
	}
}

/* ---- messages ---- */

static int derive(void *arg, const uint8_t *peer, size_t size, struct sr_secret *ret,
		  struct sr_err *err)
{
	EVP_PKEY *key = arg;
	const struct sr_key_type *type = sr_key_type_find("p256");
	TPM2B_PUBLIC pub = { .publicArea.type = TPM2_ALG_ECC };
	_cleanup_secret_ struct sr_secret point = { 0 };
	_cleanup_evp_ EVP_PKEY *other = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	size_t used = type->field;
	int r = sr_point_read(type, peer, size, &point, err);

	if (r == 0) {
		sr_key_type_params(type, &pub.publicArea.parameters);
		sr_point_coordinates(type, point.data, &pub.publicArea.unique.ecc);
		assert(sr_pubkey_evp(&pub, &other, NULL) == 0);
		assert(sr_secret_alloc(used, ret, NULL) == 0);
		assert(EVP_PKEY_derive_init(ctx) > 0);
		assert(EVP_PKEY_derive_set_peer(ctx, other) > 0);
		assert(EVP_PKEY_derive(ctx, ret->data, &used) > 0);
	}
	EVP_PKEY_CTX_free(ctx);
	return r;
}

static X509 *certify(EVP_PKEY *key)
{
	X509 *certificate = X509_new();

	assert(X509_set_pubkey(certificate, key) == 1);
	assert(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
	assert(X509_gmtime_adj(X509_getm_notAfter(certificate), 86400));
	assert(X509_sign(certificate, key, EVP_sha256()) > 0);
	return certificate;
}

static size_t encrypt(X509 *certificate, const EVP_CIPHER *cipher, const char *text,
		      unsigned int flags, unsigned char **ret)
{
	STACK_OF(X509) *certificates = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(text, -1);
	CMS_ContentInfo *cms;
	int size;

	sk_X509_push(certificates, certificate);
	cms = CMS_encrypt(certificates, in, cipher, CMS_BINARY | CMS_PARTIAL | flags);
	assert(cms && CMS_final(cms, in, NULL, CMS_BINARY) == 1);
	size = i2d_CMS_ContentInfo(cms, ret);
	assert(size > 0);
	CMS_ContentInfo_free(cms);
	sk_X509_free(certificates);
	BIO_free(in);
	return (size_t)size;
}

static void check_message(EVP_PKEY *key, X509 *certificate, const EVP_CIPHER *cipher,
			  bool authenticated)
{
	static const char text[] = "a message of some length, and of two blocks";
	struct sr_cms_hand hand = { .type = "p256", .derive = derive, .arg = key };
	_cleanup_secret_ struct sr_secret plain = { 0 };
	unsigned char *message = NULL;
	size_t size = encrypt(certificate, cipher, text, 0, &message);

	assert(sr_cms_open(message, size, &hand, &plain, NULL) == 0);
	assert(plain.size == strlen(text) && memcmp(plain.data, text, plain.size) == 0);
	for (size_t at = 0; at < size; at++) {
		_cleanup_secret_ struct sr_secret other = { 0 };
		struct sr_err err = { 0 };
		int r;

		message[at] ^= 0x10;
		r = sr_cms_open(message, size, &hand, &other, &err);
		assert(r == 0 ? !authenticated || sr_secret_equal(&other, &plain)
			      : r == -EBADMSG && err.text[0] && !other.data);
		message[at] ^= 0x10;
		assert(sr_cms_open(message, at, &hand, &other, NULL) == -EBADMSG);
		cases += 2;
	}
	OPENSSL_free(message);
}

/* The recipients, without what they may read. */
static void check_detached(EVP_PKEY *key, X509 *certificate)
{
	struct sr_cms_hand hand = { .type = "p256", .derive = derive, .arg = key };
	struct sr_secret plain = { 0 };
	struct sr_err err = { 0 };
	unsigned char *message = NULL;
	size_t size =
	    encrypt(certificate, EVP_aes_128_cbc(), "text", CMS_DETACHED, &message);

	assert(sr_cms_open(message, size, &hand, &plain, &err) == -EBADMSG);
	assert(strstr(err.text, "its content is elsewhere") && !plain.data);
	OPENSSL_free(message);
	cases++;
}

static void check_messages(void)
{
	_cleanup_evp_ EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = certify(key);

	check_message(key, certificate, EVP_aes_128_gcm(), true);
	check_message(key, certificate, EVP_aes_256_cbc(), false);
	check_message(key, certificate, EVP_des_ede3_cbc(), false);
	check_detached(key, certificate);
	X509_free(certificate);
}

static size_t put_head(uint8_t *to, uint8_t tag, size_t size)
{
	const uint8_t head[] = { tag, 0x83, (uint8_t)(size >> 16), (uint8_t)(size >> 8),
				 (uint8_t)size };

	memcpy(to, head, sizeof(head));
	return sizeof(head);
}

/* Recipients that are nothing, each of two bytes, and a content without an IV. */
static void open_crowd(size_t count, struct sr_err *err)
{
	static const uint8_t type[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					0xf7, 0x0d, 0x01, 0x07, 0x03 };
	static const uint8_t version[] = { 0x02, 0x01, 0x02 };
	static const uint8_t content[] = { 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48,
					   0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01, 0x30,
					   0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					   0x65, 0x03, 0x04, 0x01, 0x02, 0x80, 0x00 };
	struct sr_cms_hand hand = { .type = "p256", .derive = derive };
	struct sr_secret plain = { 0 };
	size_t set = 2 * count, data = sizeof(version) + 5 + set + sizeof(content);
	uint8_t *message = malloc(data + 64), *at = message;

	at += put_head(at, 0x30, sizeof(type) + 5 + 5 + data);
	memcpy(at, type, sizeof(type));
	at += sizeof(type);
	at += put_head(at, 0xa0, 5 + data);
	at += put_head(at, 0x30, data);
	memcpy(at, version, sizeof(version));
	at += sizeof(version);
	at += put_head(at, 0x31, set);
	for (size_t i = 0; i < count; i++) {
		*at++ = 0xa2;
		*at++ = 0x00;
	}
	memcpy(at, content, sizeof(content));
	at += sizeof(content);
	assert(sr_cms_open(message, (size_t)(at - message), &hand, &plain, err) ==
	       -EBADMSG);
	free(message);
	cases++;
}

static void check_crowds(void)
{
	struct sr_err few = { 0 }, many = { 0 };

	open_crowd(100, &few);
	open_crowd(1000000, &many);
	/* Of few it is known what is in it, of many it is not looked. */
	assert(strstr(few.text, "parameters of its cipher"));
	assert(strstr(many.text, "2000000 bytes, at most 1048576"));
}

int main(void)
{
	check_crowds();
	check_rsaes();
	check_points();
	check_messages();
	printf("%u cases\n", cases);
	return 0;
}
