/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of codec/recovery and the recovery key's text: who can recover, and who cannot.
 */
#include "codec/recovery.h"

#include <assert.h>
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#define YEAR (365L * 24 * 3600)

SR_DEFINE_CLEANUP(cms_freep, CMS_ContentInfo *, CMS_ContentInfo_free)
SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)

static struct sr_secret ring_key, recovery_key;
static unsigned int cases;

static struct sr_secret secret_of(const char *text)
{
	struct sr_secret secret;

	assert(sr_secret_copy(text, strlen(text), &secret, NULL) == 0);
	return secret;
}

/* ---- the recovery key's text ---- */

#define ZERO "ccccv-ccccu-cccct-ccccr-ccccn-ccccl-cccck-ccccj"
#define MIXED "vvvve-cbdef-fghin-jklnc-rtuvi-cvcvr-bdfhf-vcvcl"

/* @wrong: the number of the group that the error names; 0 when it names none */
static const struct {
	const char *typed;
	const char *text;
	unsigned int wrong;
} typed_keys[] = {
	{ ZERO, ZERO, 0 },
	{ "CCCCV-CCCCU-CCCCT-CCCCR-CCCCN-CCCCL-CCCCK-CCCCJ", ZERO, 0 },
	{ "ccccvccccucccctccccrccccncccclcccckccccj", ZERO, 0 },
	{ "ccccv ccccu cccct ccccr\nccccn ccccl cccck ccccj\r\n", ZERO, 0 },
	{ " c-c-c-c-v - ccccu\tcccct--ccccr ccccn ccccl cccck ccccj", ZERO, 0 },
	{ "", NULL, 0 },
	{ "-", NULL, 0 },
	{ "ccccv-ccccu-cccct-ccccr-ccccn-ccccl-cccck-cccc", NULL, 0 },
	{ "ccccv-ccccu-cccct-ccccr-ccccn-ccccl-cccck", NULL, 0 },
	{ ZERO "c", NULL, 0 },
	{ ZERO "-" ZERO, NULL, 0 },
	{ "accv-ccccu-cccct-ccccr-ccccn-ccccl-cccck-ccccj", NULL, 1 },
	{ "ccccv-ccccu-cccct-ccccr-ccccn-ccccl-cccck-cccc1", NULL, 8 },
	{ "ccccv-cccu-cccct-ccccr-ccccn-ccccl-cccck-ccccj", NULL, 2 },
	{ "ccccv-ccccu-cccct-ccccr-ccccn-c\303\244cccl-cccck-ccccj", NULL, 6 },
	{ "ccccu-ccccv-cccct-ccccr-ccccn-ccccl-cccck-ccccj", NULL, 1 },
	{ "ccccv-ccccu-cccct-ccccr-ccccn-ccccl-ccccj-cccck", NULL, 7 },
	{ MIXED, MIXED, 0 },
};

static void expect_parse(const struct sr_secret *typed, const char *text,
			 unsigned int wrong)
{
	_cleanup_secret_ struct sr_secret got = { 0 };
	struct sr_err err = { 0 };
	char group[16];
	int r = sr_recovery_key_parse(typed, &got, &err);

	cases++;
	if (text) {
		assert(r == 0 && got.size == SR_RECOVERY_TEXT);
		assert(memcmp(got.data, text, got.size) == 0);
		return;
	}
	assert(r == -EACCES && err.code == r && !got.data);
	(void)snprintf(group, sizeof(group), "group %u ", wrong);
	assert(!strstr(err.text, "group ") == (wrong == 0));
	assert(wrong == 0 || strstr(err.text, group));
}

static void test_typed_keys(void)
{
	for (size_t i = 0; i < SR_COUNT(typed_keys); i++) {
		_cleanup_secret_ struct sr_secret typed = secret_of(typed_keys[i].typed);

		expect_parse(&typed, typed_keys[i].text, typed_keys[i].wrong);
	}
}

/* Every single wrong letter is found, in its group. */
static void test_wrong_letters(void)
{
	static const char alphabet[] = "cbdefghijklnrtuv";
	_cleanup_secret_ struct sr_secret typed = secret_of(MIXED);

	for (size_t i = 0; i < typed.size; i++) {
		uint8_t right = typed.data[i];

		for (size_t j = 0; right != '-' && alphabet[j]; j++) {
			if (alphabet[j] == right)
				continue;
			typed.data[i] = (uint8_t)alphabet[j];
			expect_parse(&typed, NULL, (unsigned int)i / 6 + 1);
		}
		typed.data[i] = right;
	}
}

/* No two groups can change places, whatever is in them. */
static void test_swapped_groups(void)
{
	for (size_t a = 0; a < 8; a++) {
		for (size_t b = a + 1; b < 8; b++) {
			_cleanup_secret_ struct sr_secret typed = secret_of(MIXED);
			uint8_t group[5];

			memcpy(group, typed.data + a * 6, 5);
			memcpy(typed.data + a * 6, typed.data + b * 6, 5);
			memcpy(typed.data + b * 6, group, 5);
			expect_parse(&typed, NULL, (unsigned int)a + 1);
		}
	}
}

static void test_generated_keys(void)
{
	_cleanup_secret_ struct sr_secret last = { 0 };

	for (size_t i = 0; i < 200; i++) {
		_cleanup_secret_ struct sr_secret key = { 0 };
		char text[SR_RECOVERY_TEXT + 1] = { 0 };

		assert(sr_recovery_key_generate(&key, NULL) == 0);
		assert(key.size == SR_RECOVERY_TEXT && !sr_secret_equal(&key, &last));
		memcpy(text, key.data, key.size);
		expect_parse(&key, text, 0);
		sr_secret_done(&last);
		assert(sr_secret_copy(key.data, key.size, &last, NULL) == 0);
	}
}

/* ---- certificates ---- */

/* A key pair, its certificate, and both as PEM. */
struct identity {
	EVP_PKEY *key;
	X509 *certificate;
	char *pem;
	size_t size;
	struct sr_secret private_key;
};

static void add_usage(X509 *certificate, const char *usage)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, usage);

	assert(extension && X509_add_ext(certificate, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static X509 *certificate_of(EVP_PKEY *key, const char *name, const char *usage,
			    long until)
{
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);
	const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();

	assert(X509_set_version(certificate, 2) == 1);
	assert(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
					  (const uint8_t *)name, -1, -1, 0) == 1);
	assert(X509_set_issuer_name(certificate, subject) == 1);
	assert(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7) == 1);
	assert(X509_gmtime_adj(X509_getm_notBefore(certificate), -YEAR));
	assert(X509_gmtime_adj(X509_getm_notAfter(certificate), until));
	assert(X509_set_pubkey(certificate, key) == 1);
	if (usage)
		add_usage(certificate, usage);
	assert(X509_sign(certificate, key, md) > 0);
	return certificate;
}

/* Takes @key over. */
static struct identity identity_of(EVP_PKEY *key, const char *usage, long until)
{
	_cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
	_cleanup_(bio_freep) BIO *private = BIO_new(BIO_s_mem());
	struct identity id = { .key = key };
	char *data;
	long size;

	assert(key && bio && private);
	id.certificate = certificate_of(key, "escrow", usage, until);
	assert(PEM_write_bio_X509(bio, id.certificate) == 1);
	id.size = (size_t)BIO_get_mem_data(bio, &data);
	id.pem = malloc(id.size);
	assert(id.pem);
	memcpy(id.pem, data, id.size);
	assert(PEM_write_bio_PrivateKey(private, key, NULL, NULL, 0, NULL, NULL) == 1);
	size = BIO_get_mem_data(private, &data);
	assert(sr_secret_copy(data, (size_t)size, &id.private_key, NULL) == 0);
	return id;
}

static void identity_done(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->certificate);
	free(id->pem);
	sr_secret_done(&id->private_key);
	*id = (struct identity){ 0 };
}

enum { RSA_A, RSA_B, P256, P384, P521, COMPRESSED, EXPIRED, CAN_AGREE, IDENTITIES };

static struct identity identities[IDENTITIES];

static EVP_PKEY *compressed_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	assert(EVP_PKEY_set_utf8_string_param(key, "point-format", "compressed") == 1);
	return key;
}

static void make_identities(void)
{
	identities[RSA_A] = identity_of(EVP_RSA_gen(2048), NULL, YEAR);
	identities[RSA_B] = identity_of(EVP_RSA_gen(2048), "keyEncipherment", YEAR);
	identities[P256] = identity_of(EVP_EC_gen("P-256"), NULL, YEAR);
	identities[P384] = identity_of(EVP_EC_gen("P-384"), NULL, YEAR);
	identities[P521] = identity_of(EVP_EC_gen("P-521"), NULL, YEAR);
	identities[COMPRESSED] = identity_of(compressed_key(), NULL, YEAR);
	identities[EXPIRED] = identity_of(EVP_EC_gen("P-256"), NULL, -YEAR / 2);
	identities[CAN_AGREE] = identity_of(EVP_EC_gen("P-256"), "keyAgreement", YEAR);
}

/* ---- sealing and opening ---- */

static int seal(bool with_key, const int *who, size_t count, struct sr_buf *ret)
{
	char *pem[32];
	size_t size[32];
	struct sr_escrow escrow = { .pem = pem, .size = size, .count = count };

	for (size_t i = 0; i < count; i++) {
		pem[i] = identities[who[i]].pem;
		size[i] = identities[who[i]].size;
	}
	return sr_recovery_seal(&ring_key, with_key ? &recovery_key : NULL, &escrow, ret,
				NULL);
}

/* Success must be the ring key; a failure says why and leaves nothing behind. */
static int expect_ring_key(int r, struct sr_secret *got, const struct sr_err *err)
{
	if (r == 0) {
		assert(sr_secret_equal(got, &ring_key));
	} else {
		assert(err->code == r && err->text[0] != '\0' &&
		       !strchr(err->text, '\n'));
		assert(!got->data && got->size == 0);
	}
	assert(ERR_peek_error() == 0);
	sr_secret_done(got);
	return r;
}

static int open_by_key(const struct sr_buf *file, const struct sr_secret *key)
{
	struct sr_secret got = { 0 };
	struct sr_err err = { 0 };
	int r = sr_recovery_open(file, key, &got, &err);

	return expect_ring_key(r, &got, &err);
}

static int open_by_escrow(const struct sr_buf *file, const struct sr_secret *pem)
{
	struct sr_secret got = { 0 };
	struct sr_err err = { 0 };
	int r = sr_recovery_open_escrow(file, pem, &got, &err);

	return expect_ring_key(r, &got, &err);
}

/* What libcrypto's CMS makes of a file, by the recovery key or an identity. */
static bool oracle_open(const struct sr_buf *file, const struct identity *id)
{
	_cleanup_(bio_freep) BIO *in = BIO_new_mem_buf(file->data, (int)file->size);
	_cleanup_(bio_freep) BIO *out = BIO_new(BIO_s_mem());
	_cleanup_(cms_freep) CMS_ContentInfo *cms = d2i_CMS_bio(in, NULL);
	char *data;
	bool ok;

	ok = cms &&
	     (id || CMS_decrypt_set1_password(cms, recovery_key.data,
					      (ossl_ssize_t)recovery_key.size) == 1);
	ok = ok && CMS_decrypt(cms, id ? id->key : NULL, id ? id->certificate : NULL,
			       NULL, out, 0) == 1;
	ERR_clear_error();
	return ok && BIO_get_mem_data(out, &data) == SR_RING_KEY &&
	       memcmp(data, ring_key.data, SR_RING_KEY) == 0;
}

static const struct {
	bool key;
	size_t count;
	int who[SR_RECOVERY_RECIPIENTS + 1];
} recipients[] = {
	{ true, 0, { 0 } },
	{ false, 1, { RSA_A } },
	{ false, 1, { P256 } },
	{ false, 1, { P384 } },
	{ false, 1, { P521 } },
	{ false, 1, { COMPRESSED } },
	{ false, 1, { EXPIRED } },
	{ true, 1, { EXPIRED } },
	{ false, 2, { RSA_A, RSA_B } },
	{ false, 3, { P256, P384, EXPIRED } },
	{ true, 8, { RSA_A, RSA_B, P256, P384, P521, COMPRESSED, EXPIRED, CAN_AGREE } },
	{ false, 16, { RSA_A } },
	{ true, 15, { RSA_A } },
};

static bool is_recipient(size_t row, int who)
{
	for (size_t i = 0; i < recipients[row].count; i++)
		if (recipients[row].who[i] == who)
			return true;
	return false;
}

static void test_recipients(void)
{
	_cleanup_secret_ struct sr_secret other = { 0 };

	assert(sr_recovery_key_generate(&other, NULL) == 0);
	for (size_t i = 0; i < SR_COUNT(recipients); i++, cases++) {
		_cleanup_buf_ struct sr_buf file = { 0 };
		unsigned int escrow;
		bool key;

		assert(seal(recipients[i].key, recipients[i].who, recipients[i].count,
			    &file) == 0);
		assert(file.size <= SR_RECOVERY_MAX && file.data[file.size] == '\0');
		assert(sr_recovery_check(&file, &key, &escrow, NULL) == 0);
		assert(key == recipients[i].key && escrow == recipients[i].count);
		assert(open_by_key(&file, &recovery_key) == (key ? 0 : -EACCES));
		assert(open_by_key(&file, &other) == -EACCES);
		assert(oracle_open(&file, NULL) == key);
		for (int who = 0; who < IDENTITIES; who++) {
			const struct identity *id = &identities[who];
			bool ok = is_recipient(i, who);

			assert(open_by_escrow(&file, &id->private_key) ==
			       (ok ? 0 : -EACCES));
			/* All have the same issuer and serial: it takes the first of a
			 * kind. */
			assert(recipients[i].count != 1 || oracle_open(&file, id) == ok);
		}
	}
}

/* The recovery key is compared byte for byte: only its one form opens. */
static void test_other_forms(void)
{
	_cleanup_secret_ struct sr_secret shorter = { 0 }, longer = { 0 }, upper = { 0 };
	_cleanup_buf_ struct sr_buf file = { 0 };
	struct sr_secret empty = { 0 };

	assert(sr_secret_copy(recovery_key.data, SR_RECOVERY_TEXT - 1, &shorter, NULL) ==
	       0);
	assert(sr_secret_alloc(SR_RECOVERY_TEXT + 1, &longer, NULL) == 0);
	memcpy(longer.data, recovery_key.data, SR_RECOVERY_TEXT);
	assert(sr_secret_copy(recovery_key.data, SR_RECOVERY_TEXT, &upper, NULL) == 0);
	upper.data[0] -= 'a' - 'A';
	assert(seal(true, NULL, 0, &file) == 0);
	assert(open_by_key(&file, &shorter) == -EACCES);
	assert(open_by_key(&file, &longer) == -EACCES);
	assert(open_by_key(&file, &upper) == -EACCES);
	assert(open_by_key(&file, &empty) == -EACCES);
	assert(open_by_escrow(&file, &identities[RSA_A].private_key) == -EACCES);
	cases += 5;
}

static EVP_PKEY *key_of_type(const char *type)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, type);
}

static EVP_PKEY *pss_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *key = NULL;

	assert(EVP_PKEY_keygen_init(ctx) == 1);
	assert(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1);
	assert(EVP_PKEY_keygen(ctx, &key) == 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* Curves by number in the certificate, which a decoder then may not know. */
static EVP_PKEY *explicit_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	assert(EVP_PKEY_set_utf8_string_param(key, "encoding", "explicit") == 1);
	return key;
}

static void expect_refused(const char *pem, size_t size)
{
	char *pems[] = { (char *)pem };
	struct sr_escrow escrow = { .pem = pems, .size = &size, .count = 1 };
	struct sr_buf file = { 0 };
	struct sr_err err = { 0 };

	assert(sr_recovery_seal(&ring_key, &recovery_key, &escrow, &file, &err) ==
	       -EINVAL);
	assert(err.code == -EINVAL && !file.data && strstr(err.text, "escrow file 1: "));
	assert(ERR_peek_error() == 0);
	cases++;
}

static void test_unusable_certificates(void)
{
	struct identity unusable[] = {
		identity_of(EVP_RSA_gen(1024), NULL, YEAR),
		identity_of(pss_key(), NULL, YEAR),
		identity_of(key_of_type("ED25519"), NULL, YEAR),
		identity_of(EVP_EC_gen("P-224"), NULL, YEAR),
		identity_of(EVP_RSA_gen(2048), "digitalSignature", YEAR),
		identity_of(EVP_EC_gen("P-256"), "digitalSignature,keyEncipherment",
			    YEAR),
	};
	const struct identity *good = &identities[P256];
	char *pem = strndup(good->pem, good->size);

	for (size_t i = 0; i < SR_COUNT(unusable); i++) {
		expect_refused(unusable[i].pem, unusable[i].size);
		identity_done(&unusable[i]);
	}
	expect_refused("", 0);
	expect_refused("no certificate", 14);
	expect_refused((const char *)good->private_key.data, good->private_key.size);
	expect_refused(good->pem, good->size / 2);
	assert(pem);
	pem[40] = '!';
	expect_refused(pem, good->size);
	free(pem);
}

/* Where explicit parameters are taken at all, the file must open. */
static void test_explicit_curve(void)
{
	struct identity id = identity_of(explicit_key(), NULL, YEAR);
	struct sr_escrow escrow = { .pem = &id.pem, .size = &id.size, .count = 1 };
	_cleanup_buf_ struct sr_buf file = { 0 };
	int r = sr_recovery_seal(&ring_key, NULL, &escrow, &file, NULL);

	assert(r == 0 || r == -EINVAL);
	assert(r < 0 || open_by_escrow(&file, &id.private_key) == 0);
	identity_done(&id);
	cases++;
}

/* Issuers with names so long that the file could not be read again. */
static void test_long_issuer(void)
{
	struct identity id = { .key = EVP_EC_gen("P-256") };
	_cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
	struct sr_escrow escrow = { .pem = &id.pem, .size = &id.size, .count = 1 };
	struct sr_buf file = { 0 };
	X509_NAME *name = X509_NAME_new();
	char unit[61] = { 0 };

	memset(unit, 'u', sizeof(unit) - 1);
	for (int i = 0; i < 1000; i++)
		assert(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC,
						  (const uint8_t *)unit, -1, -1, 0) == 1);
	id.certificate = certificate_of(id.key, "long", NULL, YEAR);
	assert(X509_set_issuer_name(id.certificate, name) == 1);
	assert(X509_sign(id.certificate, id.key, EVP_sha256()) > 0);
	assert(PEM_write_bio_X509(bio, id.certificate) == 1);
	id.size = (size_t)BIO_get_mem_data(bio, &id.pem);
	assert(sr_recovery_seal(&ring_key, NULL, &escrow, &file, NULL) == -EINVAL);
	assert(!file.data);
	id.pem = NULL;
	identity_done(&id);
	X509_NAME_free(name);
	cases++;
}

/* Text around certificates and several in a file are fine. */
static void test_several_in_a_file(void)
{
	const struct identity *a = &identities[P256], *b = &identities[RSA_B];
	char text[16384];
	char *pem = text;
	size_t size = (size_t)snprintf(text, sizeof(text), "two:\n%.*s\nand:\n%.*send\n",
				       (int)a->size, a->pem, (int)b->size, b->pem);
	struct sr_escrow escrow = { .pem = &pem, .size = &size, .count = 1 };
	_cleanup_buf_ struct sr_buf file = { 0 };
	unsigned int count;

	assert(sr_recovery_seal(&ring_key, NULL, &escrow, &file, NULL) == 0);
	assert(sr_recovery_check(&file, NULL, &count, NULL) == 0 && count == 2);
	assert(open_by_escrow(&file, &a->private_key) == 0);
	assert(open_by_escrow(&file, &b->private_key) == 0);
	cases++;
}

static void test_mistakes(void)
{
	static const int who[SR_RECOVERY_RECIPIENTS + 1] = { P256 };
	_cleanup_secret_ struct sr_secret short_key = secret_of("k"),
					  bad = secret_of(MIXED);
	_cleanup_secret_ struct sr_secret spaced = { 0 }, text = secret_of("-----BEGIN");
	_cleanup_buf_ struct sr_buf file = { 0 };
	struct sr_secret empty = { 0 };

	assert(seal(false, NULL, 0, &file) == -EINVAL);
	assert(seal(false, who, SR_RECOVERY_RECIPIENTS + 1, &file) == -EINVAL);
	assert(seal(true, who, SR_RECOVERY_RECIPIENTS, &file) == -EINVAL);
	assert(sr_recovery_seal(&ring_key, &empty, NULL, &file, NULL) == -EINVAL);
	assert(sr_recovery_seal(&short_key, &recovery_key, NULL, &file, NULL) == -EINVAL);
	bad.data[0] = 'c';
	assert(sr_recovery_seal(&ring_key, &bad, NULL, &file, NULL) == -EINVAL);
	assert(sr_secret_copy(MIXED "\n", SR_RECOVERY_TEXT + 1, &spaced, NULL) == 0);
	assert(sr_recovery_seal(&ring_key, &spaced, NULL, &file, NULL) == -EINVAL);
	assert(!file.data);

	assert(seal(true, who, 1, &file) == 0);
	assert(open_by_escrow(&file, &empty) == -EINVAL);
	assert(open_by_escrow(&file, &text) == -EINVAL);
	cases += 9;
}

/* An encrypted private key is refused; nobody is asked for its password. */
static void test_encrypted_private_key(void)
{
	_cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
	_cleanup_secret_ struct sr_secret pem = { 0 };
	static const int who[] = { P256 };
	_cleanup_buf_ struct sr_buf file = { 0 };
	char *data;
	long size;

	assert(PEM_write_bio_PrivateKey(bio, identities[P256].key, EVP_aes_256_cbc(),
					(const uint8_t *)"pass", 4, NULL, NULL) == 1);
	size = BIO_get_mem_data(bio, &data);
	assert(sr_secret_copy(data, (size_t)size, &pem, NULL) == 0);
	assert(seal(false, who, 1, &file) == 0);
	assert(open_by_escrow(&file, &pem) == -EINVAL);
	cases++;
}

/* ---- forged shapes ---- */

/* An edit: the element that starts at @at is replaced by @bytes, which may be none. */
struct edit {
	const uint8_t *at;
	const uint8_t *bytes;
	size_t size;
};

struct der {
	size_t size;
	uint8_t data[20000];
};

static void put(struct der *der, const uint8_t *bytes, size_t size)
{
	assert(der->size + size <= sizeof(der->data));
	if (size > 0)
		memcpy(der->data + der->size, bytes, size);
	der->size += size;
}

static void put_head(struct der *der, uint8_t identifier, size_t size)
{
	const uint8_t form[] = { identifier, size < 128 ? (uint8_t)size : 0x82,
				 (uint8_t)(size >> 8), (uint8_t)size };
	const uint8_t form_256[] = { identifier, 0x81, (uint8_t)size };

	if (size >= 128 && size < 256)
		put(der, form_256, 3);
	else
		put(der, form, size < 128 ? 2 : 4);
}

/* Copies DER, with the edit made and every length around it right again. */
static void put_edited(struct der *der, const uint8_t *at, const uint8_t *end,
		       const struct edit *edit)
{
	while (at < end) {
		const uint8_t *value = at;
		int tag, class;
		long size;

		assert((ASN1_get_object(&value, &size, &tag, &class, end - at) & 0x80) ==
		       0);
		if (at == edit->at) {
			put(der, edit->bytes, edit->size);
		} else if (edit->at < value || edit->at >= value + size) {
			put(der, at, (size_t)(value + size - at));
		} else {
			struct der *inner = calloc(1, sizeof(*inner));

			assert(inner);
			put_edited(inner, value, value + size, edit);
			put_head(der, *at, inner->size);
			put(der, inner->data, inner->size);
			free(inner);
		}
		at = value + size;
	}
}

/* The first element that starts with @bytes, from outside in; NULL if there is none. */
static const uint8_t *find_in(const uint8_t *at, const uint8_t *end, const void *bytes,
			      size_t size)
{
	while (at < end) {
		const uint8_t *value = at, *inner = NULL;
		int tag, class;
		long length;

		if ((size_t)(end - at) >= size && memcmp(at, bytes, size) == 0)
			return at;
		assert((ASN1_get_object(&value, &length, &tag, &class, end - at) &
			0x80) == 0);
		if (*at & 0x20)
			inner = find_in(value, value + length, bytes, size);
		if (inner)
			return inner;
		at = value + length;
	}
	return NULL;
}

static const uint8_t *find(const struct sr_buf *file, const void *bytes, size_t size)
{
	const uint8_t *at = find_in(file->data, file->data + file->size, bytes, size);

	assert(at);
	return at;
}

#define FIND(file, ...)                                                                  \
	find(file, (uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

#define BYTES(...)                                                                       \
	(const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

/*
 * @find, @find_size: the element to replace, by how it starts
 * @bytes, @size: what to put there
 * @r: of sr_recovery_open(); 0 and -EACCES mean that the shape passed
 * @oracle: libcrypto's CMS opens it, which proves that the refusal is ours (where it does
 *	not, it is not asked: 10,000,001 rounds take it several seconds)
 */
static const struct forgery {
	const char *what;
	const uint8_t *find;
	size_t find_size;
	const uint8_t *bytes;
	size_t size;
	int r;
	bool oracle;
} forgeries[] = {
#define ROUNDS(n) 0x02, 0x03, (n) >> 16, (n) >> 8 & 0xff, (n)&0xff
#define ROUNDS_ARE ROUNDS(SR_RECOVERY_ROUNDS)
	{ "as sealed", BYTES(ROUNDS_ARE), BYTES(ROUNDS_ARE), 0, true },
	{ "a round less", BYTES(ROUNDS_ARE), BYTES(ROUNDS(SR_RECOVERY_ROUNDS - 1)),
	  -EBADMSG, false },
	{ "a round more", BYTES(ROUNDS_ARE), BYTES(ROUNDS(SR_RECOVERY_ROUNDS + 1)),
	  -EACCES, false },
	{ "1 round", BYTES(ROUNDS_ARE), BYTES(2, 1, 1), -EBADMSG, false },
	{ "no rounds", BYTES(ROUNDS_ARE), BYTES(2, 1, 0), -EBADMSG, false },
	{ "10,000,001 rounds", BYTES(ROUNDS_ARE), BYTES(2, 4, 0, 0x98, 0x96, 0x81),
	  -EBADMSG, false },
	{ "negative rounds", BYTES(ROUNDS_ARE), BYTES(2, 3, 0x81, 0x86, 0xa0), -EBADMSG,
	  false },
	{ "padded rounds", BYTES(ROUNDS_ARE), BYTES(2, 4, 0, 1, 0x86, 0xa0), -EBADMSG,
	  false },
	{ "key length beside the rounds", BYTES(ROUNDS_ARE), BYTES(ROUNDS_ARE, 2, 1, 32),
	  -EBADMSG, true },
	{ "HMAC-SHA-256", BYTES(ROUNDS_ARE),
	  BYTES(ROUNDS_ARE, 0x30, 12, 6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9, 5,
		0),
	  -EACCES, false },
	{ "HMAC-SHA-512", BYTES(ROUNDS_ARE),
	  BYTES(ROUNDS_ARE, 0x30, 12, 6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 11, 5,
		0),
	  -EBADMSG, false },
	{ "HMAC-SHA-1 in words", BYTES(ROUNDS_ARE),
	  BYTES(ROUNDS_ARE, 0x30, 12, 6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 7, 5,
		0),
	  -EBADMSG, true },
	{ "7 bytes of salt", BYTES(4, 8), BYTES(4, 7, 1, 2, 3, 4, 5, 6, 7), -EBADMSG,
	  false },
	{ "no salt", BYTES(4, 8), BYTES(4, 0), -EBADMSG, false },
	{ "wrapped key of 64 bytes", BYTES(4, 48), BYTES(4, 64, [65] = 0), -EBADMSG,
	  false },
	{ "wrapped key of 32 bytes", BYTES(4, 48), BYTES(4, 32, [33] = 0), -EBADMSG,
	  false },
	{ "no wrapped key", BYTES(4, 48), BYTES(4, 0), -EBADMSG, false },
	{ "IV of 8 bytes", BYTES(4, 16), BYTES(4, 8, [9] = 0), -EBADMSG, false },
	{ "AES-128 wraps", BYTES(6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a),
	  BYTES(6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 2), -EBADMSG, false },
	{ "16-byte nonce", BYTES(4, 12), BYTES(4, 16, [17] = 0), -EBADMSG, false },
	{ "huge nonce", BYTES(4, 12), BYTES(4, 0x82, 0x40, 0, [16387] = 0), -EBADMSG,
	  false },
	{ "promise of a 4-byte tag", BYTES(2, 1, 16), BYTES(2, 1, 4), -EBADMSG, true },
	{ "no promise of a tag", BYTES(2, 1, 16), NULL, 0, -EBADMSG, false },
	{ "AES-128-GCM", BYTES(6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2e),
	  BYTES(6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 6), -EBADMSG, false },
	{ "31 bytes of content", BYTES(0x80, 32), BYTES(0x80, 31, [32] = 0), -EBADMSG,
	  false },
	{ "33 bytes of content", BYTES(0x80, 32), BYTES(0x80, 33, [34] = 0), -EBADMSG,
	  false },
	{ "detached content", BYTES(0x80, 32), NULL, 0, -EBADMSG, false },
	{ "EnvelopedData",
	  BYTES(6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 0x10, 1),
	  BYTES(6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3), -EBADMSG, false },
	{ "another content", BYTES(6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1),
	  BYTES(6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2), -EBADMSG, true },
	{ "version 2", BYTES(2, 1, 0, 0x31), BYTES(2, 1, 2), -EBADMSG, true },
	{ "originator", BYTES(2, 1, 0, 0x31), BYTES(2, 1, 0, 0xa0, 0), -EBADMSG, true },
	{ "no recipients", BYTES(0x31), BYTES(0x31, 0), -EBADMSG, false },
	{ "other kind of recipient", BYTES(0x31), BYTES(0x31, 2, 0xa4, 0), -EBADMSG,
	  false },
};

static void test_forgeries(void)
{
	_cleanup_buf_ struct sr_buf file = { 0 };

	assert(seal(true, NULL, 0, &file) == 0);
	for (size_t i = 0; i < SR_COUNT(forgeries); i++, cases++) {
		const struct forgery *f = &forgeries[i];
		const struct edit edit = { find(&file, f->find, f->find_size), f->bytes,
					   f->size };
		_cleanup_free_ struct der *der = calloc(1, sizeof(*der));
		struct sr_buf forged;

		put_edited(der, file.data, file.data + file.size, &edit);
		forged = (struct sr_buf){ .data = der->data, .size = der->size };
		if (open_by_key(&forged, &recovery_key) != f->r ||
		    (f->oracle && !oracle_open(&forged, NULL))) {
			(void)fprintf(stderr, "%s: not as expected\n", f->what);
			abort();
		}
	}
}

#define ANY (-1) /* what libcrypto says differs from one 3.0 to another */

/* Replaces the element at @at; what comes out must be refused. */
static void expect_forged(const struct sr_buf *file, const uint8_t *at,
			  const uint8_t *bytes, size_t size, int oracle)
{
	_cleanup_free_ struct der *der = calloc(1, sizeof(*der));
	const struct edit edit = { at, bytes, size };
	struct sr_buf forged;

	put_edited(der, file->data, file->data + file->size, &edit);
	forged = (struct sr_buf){ .data = der->data, .size = der->size };
	assert(sr_recovery_check(&forged, NULL, NULL, NULL) == -EBADMSG);
	assert(open_by_key(&forged, &recovery_key) == -EBADMSG);
	assert(oracle == ANY || oracle_open(&forged, NULL) == oracle);
	cases++;
}

/* What the table can't say: forgeries made of the file's own parts. */
static void test_own_parts(void)
{
	_cleanup_buf_ struct sr_buf file = { 0 };
	const uint8_t *recipient, *tag;
	uint8_t bytes[20000];
	size_t size;

	assert(seal(true, NULL, 0, &file) == 0);
	recipient = FIND(&file, 0xa3, 0x81);
	size = 3u + recipient[2];
	memcpy(bytes, recipient, size);
	memcpy(bytes + size, recipient, size);
	expect_forged(&file, recipient, bytes, 2 * size, true);

	tag = file.data + file.size - 18;
	memcpy(bytes, tag, 18);
	memcpy(bytes + 18, "\xa2\x00", 2);
	expect_forged(&file, tag, bytes, 20, ANY);
	memcpy(bytes, "\xa1\x00", 2);
	memcpy(bytes + 2, tag, 18);
	expect_forged(&file, tag, bytes, 20, false);
	memcpy(bytes, "\x04\x04", 2);
	memcpy(bytes + 2, tag + 2, 4);
	expect_forged(&file, tag, bytes, 6, true);
	memcpy(bytes, "\x04\x81\x10", 3);
	memcpy(bytes + 3, tag + 2, 16);
	expect_forged(&file, tag, bytes, 19, true);
	memcpy(bytes, file.data, file.size);
	bytes[file.size] = 0;
	expect_forged(&file, file.data, bytes, file.size + 1, true);
	expect_forged(&file, file.data, bytes, file.size - 1, false);
	expect_forged(&file, file.data, bytes, 0, false);
	expect_forged(&file, file.data, NULL, 0, false);
}

/* BER: the file in indefinite length. */
static void test_indefinite(void)
{
	_cleanup_buf_ struct sr_buf file = { 0 };
	struct der der = { 0 };
	struct sr_buf forged;

	assert(seal(true, NULL, 0, &file) == 0 && file.data[1] == 0x81);
	put(&der, (const uint8_t[]){ 0x30, 0x80 }, 2);
	put(&der, file.data + 3, file.size - 3);
	put(&der, (const uint8_t[]){ 0, 0 }, 2);
	forged = (struct sr_buf){ .data = der.data, .size = der.size };
	assert(oracle_open(&forged, NULL));
	assert(open_by_key(&forged, &recovery_key) == -EBADMSG);
	cases++;
}

/* A recipient as libcrypto makes it when nobody tells it the algorithms. */
static void expect_weak(int who, unsigned int flags)
{
	_cleanup_(bio_freep) BIO *in = BIO_new_mem_buf(ring_key.data, SR_RING_KEY);
	_cleanup_(cms_freep) CMS_ContentInfo *cms =
	    CMS_AuthEnvelopedData_create(EVP_aes_256_gcm());
	const struct identity *id = &identities[who];
	CMS_RecipientInfo *recipient;
	struct sr_buf file = { 0 };
	int size;

	recipient = CMS_add1_recipient_cert(cms, id->certificate, flags);
	assert(recipient && CMS_set_detached(cms, 0) == 1);
	if (who == RSA_A && flags == CMS_KEY_PARAM)
		assert(EVP_PKEY_CTX_set_rsa_padding(
			   CMS_RecipientInfo_get0_pkey_ctx(recipient),
			   RSA_PKCS1_OAEP_PADDING) == 1);
	assert(CMS_final(cms, in, NULL, CMS_BINARY) == 1);
	size = i2d_CMS_ContentInfo(cms, &file.data);
	assert(size > 0);
	file.size = (size_t)size;
	assert(oracle_open(&file, id));
	assert(open_by_escrow(&file, &id->private_key) == -EBADMSG);
	OPENSSL_free(file.data);
	cases++;
}

static void test_weak_recipients(void)
{
	expect_weak(RSA_A, 0);		   /* PKCS #1 v1.5 */
	expect_weak(RSA_A, CMS_KEY_PARAM); /* OAEP with SHA-1 */
	expect_weak(P256, 0);		   /* ECDH with SHA-1 */
}

/* ---- damage ---- */

/* Whatever bit is wrong, there is the ring key or an error, never another key. */
static void test_damage(bool by_key, int who, size_t step)
{
	_cleanup_buf_ struct sr_buf file = { 0 };

	assert(seal(by_key, &who, by_key ? 0 : 1, &file) == 0);
	for (size_t bit = 0; bit < file.size * 8; bit += step, cases++) {
		bool shape_ok;
		int r;

		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		shape_ok = sr_recovery_check(&file, NULL, NULL, NULL) == 0;
		r = by_key ? open_by_key(&file, &recovery_key)
			   : open_by_escrow(&file, &identities[who].private_key);
		assert(shape_ok ? r == 0 || r == -EACCES || r == -EBADMSG
				: r == -EBADMSG);
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < file.size; size++, cases++) {
		struct sr_buf cut = { .data = file.data, .size = size };

		assert(sr_recovery_check(&cut, NULL, NULL, NULL) == -EBADMSG);
	}
	assert((by_key ? open_by_key(&file, &recovery_key)
		       : open_by_escrow(&file, &identities[who].private_key)) == 0);
}

/* The content and its tag are what nobody can change. */
static void test_damaged_content(void)
{
	static const int who[] = { P256 };
	_cleanup_buf_ struct sr_buf file = { 0 };
	size_t start;

	assert(seal(false, who, 1, &file) == 0);
	start = (size_t)(FIND(&file, 0x80, 32) - file.data) + 2;
	for (size_t bit = start * 8; bit < file.size * 8; bit++, cases++) {
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert(open_by_escrow(&file, &identities[P256].private_key) == -EBADMSG);
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* The recovery file of one ring with the content of another's. */
static void test_mixed_files(void)
{
	_cleanup_buf_ struct sr_buf a = { 0 }, b = { 0 };
	static const int who[] = { P256 };

	assert(seal(false, who, 1, &a) == 0 && seal(false, who, 1, &b) == 0);
	assert(a.size == b.size);
	memcpy(a.data + a.size - 50, b.data + b.size - 50, 50);
	assert(sr_recovery_check(&a, NULL, NULL, NULL) == 0);
	assert(open_by_escrow(&a, &identities[P256].private_key) == -EBADMSG);
	cases++;
}

int main(void)
{
	test_typed_keys();
	test_wrong_letters();
	test_swapped_groups();
	test_generated_keys();

	assert(sr_secret_random(SR_RING_KEY, &ring_key, NULL) == 0);
	assert(sr_recovery_key_generate(&recovery_key, NULL) == 0);
	make_identities();
	test_recipients();
	test_other_forms();
	test_unusable_certificates();
	test_explicit_curve();
	test_long_issuer();
	test_several_in_a_file();
	test_mistakes();
	test_encrypted_private_key();
	test_forgeries();
	test_own_parts();
	test_indefinite();
	test_weak_recipients();
	test_damage(false, P256, 1);
	test_damage(false, RSA_A, 11);
	test_damage(true, 0, 83);
	test_damaged_content();
	test_mixed_files();
	for (int i = 0; i < IDENTITIES; i++)
		identity_done(&identities[i]);
	sr_secret_done(&recovery_key);
	sr_secret_done(&ring_key);
	printf("test_recovery: %u cases\n", cases);
	return 0;
}
