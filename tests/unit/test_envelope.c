/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of codec/envelope: what is sealed opens, to libcrypto's CMS too; nothing else
 * does. */
#include <assert.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "codec/envelope.h"

#define RING "system"
#define NAME "db"
#define TEXT "attack at dawn!!" /* one block, so that every length stays short */

SR_DEFINE_CLEANUP(cms_freep, CMS_ContentInfo *, CMS_ContentInfo_free)
SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)

#define _cleanup_cms_ _cleanup_(cms_freep)
#define _cleanup_bio_ _cleanup_(bio_freep)

static struct sr_secret ring_key;
static unsigned int cases;

static struct sr_secret secret_of(const void *data, size_t size)
{
	struct sr_secret secret;

	assert(sr_secret_copy(data, size, &secret, NULL) == 0);
	return secret;
}

static struct sr_buf seal(const struct sr_secret *secret, const char *ring,
			  const char *name)
{
	struct sr_buf file;

	assert(sr_envelope_seal(&ring_key, ring, name, secret, &file, NULL) == 0);
	return file;
}

/* Opens, and proves that a failure says why and leaves nothing behind. */
static int open_file(const struct sr_buf *file, const char *ring, const char *name,
		     struct sr_secret *ret)
{
	struct sr_err err = { 0 };
	int r = sr_envelope_open(&ring_key, ring, name, file, ret, &err);

	if (r < 0) {
		assert(err.code == r && err.text[0] != '\0');
		assert(!strchr(err.text, '\n'));
		assert(!ret->data && ret->size == 0);
		assert(ERR_peek_error() == 0);
	}
	return r;
}

/* HKDF as RFC 5869 has it, from nothing but HMAC. */
static void kek_of(const char *name, uint8_t ret[32])
{
	static const uint8_t no_salt[32];
	uint8_t pseudo_random_key[32];
	char info[128];
	int size = snprintf(info, sizeof(info), "sealring secret %s\001", name);

	assert(
	    HMAC(EVP_sha256(), no_salt, 32, ring_key.data, 32, pseudo_random_key, NULL));
	assert(HMAC(EVP_sha256(), pseudo_random_key, 32, (uint8_t *)info, (size_t)size,
		    ret, NULL));
}

/* What libcrypto's CMS makes of a file; false if it refuses. */
static bool oracle_open(const struct sr_buf *file, const char *id, const char *name,
			struct sr_buf *ret)
{
	_cleanup_bio_ BIO *in = BIO_new_mem_buf(file->data, (int)file->size);
	_cleanup_bio_ BIO *out = BIO_new(BIO_s_mem());
	_cleanup_cms_ CMS_ContentInfo *cms = d2i_CMS_bio(in, NULL);
	uint8_t kek[32];
	char *data;
	bool ok;

	kek_of(name, kek);
	ok = cms &&
	     CMS_decrypt_set1_key(cms, kek, 32, (uint8_t *)id, (int)strlen(id)) == 1 &&
	     CMS_decrypt(cms, NULL, NULL, NULL, out, 0) == 1;
	ERR_clear_error();
	if (!ok)
		return false;
	ret->size = (size_t)BIO_get_mem_data(out, &data);
	ret->data = malloc(ret->size + 1);
	assert(ret->data);
	memcpy(ret->data, data, ret->size);
	return true;
}

/* A file of the same shape by libcrypto's CMS. */
static struct sr_buf oracle_seal(const struct sr_secret *secret, const char *id,
				 const char *name)
{
	_cleanup_bio_ BIO *in = BIO_new_mem_buf(secret->data, (int)secret->size);
	_cleanup_cms_ CMS_ContentInfo *cms =
	    CMS_AuthEnvelopedData_create(EVP_aes_256_gcm());
	uint8_t *kek = OPENSSL_malloc(32);
	struct sr_buf file = { 0 };
	uint8_t *der = NULL;
	int size;

	kek_of(name, kek);
	assert(CMS_set_detached(cms, 0) == 1);
	assert(CMS_add0_recipient_key(cms, NID_id_aes256_wrap, kek, 32,
				      (uint8_t *)OPENSSL_strdup(id), strlen(id), NULL,
				      NULL, NULL));
	assert(CMS_final(cms, in, NULL, CMS_BINARY) == 1);
	size = i2d_CMS_ContentInfo(cms, &der);
	assert(size > 0);
	file = (struct sr_buf){ .data = malloc((size_t)size), .size = (size_t)size };
	assert(file.data);
	memcpy(file.data, der, file.size);
	OPENSSL_free(der);
	return file;
}

static void test_sizes(void)
{
	static const size_t sizes[] = {
		1, 2, 15, 16, 17, 32, 63, 127, 128, 255, 4096, 65536, 65537, SR_SECRET_MAX
	};

	for (size_t i = 0; i < SR_COUNT(sizes); i++, cases++) {
		_cleanup_secret_ struct sr_secret secret = { 0 }, ours = { 0 },
						  theirs = { 0 };
		_cleanup_buf_ struct sr_buf file = { 0 }, read = { 0 }, made = { 0 };

		assert(sr_secret_random(sizes[i], &secret, NULL) == 0);
		file = seal(&secret, RING, NAME);
		assert(file.size <= SR_ENVELOPE_MAX && file.data[file.size] == '\0');
		assert(open_file(&file, RING, NAME, &ours) == 0);
		assert(sr_secret_equal(&secret, &ours));

		assert(oracle_open(&file, RING "/" NAME, NAME, &read));
		assert(read.size == secret.size);
		assert(memcmp(read.data, secret.data, read.size) == 0);

		made = oracle_seal(&secret, RING "/" NAME, NAME);
		assert(made.size == file.size);
		assert(open_file(&made, RING, NAME, &theirs) == 0);
		assert(sr_secret_equal(&secret, &theirs));
	}
}

/* The longest names and the largest secret fit in the size that readers allow. */
static void test_largest(void)
{
	_cleanup_secret_ struct sr_secret secret = { 0 }, again = { 0 };
	_cleanup_buf_ struct sr_buf file = { 0 };
	char name[SR_NAME_MAX + 1];

	memset(name, 'n', SR_NAME_MAX);
	name[SR_NAME_MAX] = '\0';
	assert(sr_secret_alloc(SR_SECRET_MAX, &secret, NULL) == 0);
	file = seal(&secret, name, name);
	assert(file.size <= SR_ENVELOPE_MAX);
	assert(open_file(&file, name, name, &again) == 0);
	assert(sr_secret_equal(&secret, &again));
	cases++;
}

static void test_mistakes(void)
{
	static const struct {
		size_t key, secret;
		const char *ring, *name;
	} table[] = {
		{ 32, 0, RING, NAME },	 { 32, SR_SECRET_MAX + 1, RING, NAME },
		{ 31, 1, RING, NAME },	 { 33, 1, RING, NAME },
		{ 0, 1, RING, NAME },	 { 32, 1, "", NAME },
		{ 32, 1, RING, "" },	 { 32, 1, "a/b", NAME },
		{ 32, 1, RING, "../x" },
	};

	for (size_t i = 0; i < SR_COUNT(table); i++, cases++) {
		_cleanup_secret_ struct sr_secret key = { 0 }, secret = { 0 };
		struct sr_err err = { 0 };
		struct sr_buf file = { 0 };

		assert(sr_secret_alloc(table[i].key, &key, NULL) == 0);
		assert(sr_secret_alloc(table[i].secret, &secret, NULL) == 0);
		assert(sr_envelope_seal(&key, table[i].ring, table[i].name, &secret,
					&file, &err) == -EINVAL);
		assert(err.code == -EINVAL && !file.data);
	}
}

/* A file once written must open for ever: this one was made by the first version. */
static void test_known(void)
{
	static const char hex[] =
	    "3081b2060b2a864886f70d0109100117a081a230819f0201003149a247020104"
	    "300b040973797374656d2f6462300b060960864801650304012d042862229076"
	    "6959e50a009bbe5e66b3f19b85d31399b9f35f42194ff6ec4715436e29d26454"
	    "1b0d8427303d06092a864886f70d010701301e060960864801650304012e3011"
	    "040cc2099eb9e9dd9c387902051a020110801080f78fb6a1d04d3b8caa2e0482"
	    "f111e30410b5be706bb3bc5e953d8c80d11ce842ed";
	_cleanup_secret_ struct sr_secret secret = { 0 };
	struct sr_buf file = { 0 };
	long size;

	file.data = OPENSSL_hexstr2buf(hex, &size);
	file.size = (size_t)size;
	assert(open_file(&file, RING, NAME, &secret) == 0);
	assert(secret.size == strlen(TEXT) &&
	       memcmp(secret.data, TEXT, secret.size) == 0);
	OPENSSL_free(file.data);
	cases++;
}

/* A piece of DER. */
struct der {
	size_t size;
	uint8_t data[600];
};

static struct der bytes(const void *data, size_t size)
{
	struct der der = { .size = size };

	assert(size <= sizeof(der.data));
	memcpy(der.data, data, size);
	return der;
}

#define BYTES(...) bytes((uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static struct der join(struct der a, struct der b)
{
	assert(a.size + b.size <= sizeof(a.data));
	memcpy(a.data + a.size, b.data, b.size);
	a.size += b.size;
	return a;
}

static struct der tlv(uint8_t identifier, struct der value)
{
	if (value.size < 128)
		return join(BYTES(identifier, (uint8_t)value.size), value);
	if (value.size < 256)
		return join(BYTES(identifier, 0x81, (uint8_t)value.size), value);
	return join(
	    BYTES(identifier, 0x82, (uint8_t)(value.size >> 8), (uint8_t)value.size),
	    value);
}

static struct der oid(int nid)
{
	const ASN1_OBJECT *object = OBJ_nid2obj(nid);

	return tlv(0x06, bytes(OBJ_get0_data(object), OBJ_length(object)));
}

static struct der number(uint8_t value)
{
	return BYTES(0x02, 0x01, value);
}

/* Every field of a file, as encoded; what a forger would change. */
struct shape {
	struct der type, version, originator;
	struct der kek_version, key_id, kek_algorithm, wrapped, more_recipients;
	struct der content_type, cipher, parameters, content;
	struct der auth_attributes, tag, other_attributes, trailing;
	uint8_t nonce[12];
	uint8_t ciphertext[sizeof(TEXT) - 1];
};

static struct der recipient(const struct shape *shape)
{
	return tlv(0xa2, join(join(shape->kek_version, tlv(0x30, shape->key_id)),
			      join(tlv(0x30, shape->kek_algorithm), shape->wrapped)));
}

static struct der inner(const struct shape *shape)
{
	struct der recipients = tlv(0x31, join(recipient(shape), shape->more_recipients));
	struct der algorithm = tlv(0x30, join(shape->cipher, shape->parameters));
	struct der content =
	    tlv(0x30, join(shape->content_type, join(algorithm, shape->content)));
	struct der front = join(join(shape->version, shape->originator), recipients);
	struct der back =
	    join(shape->auth_attributes, join(shape->tag, shape->other_attributes));

	return tlv(0xa0, tlv(0x30, join(join(front, content), back)));
}

static struct der build(const struct shape *shape)
{
	return join(tlv(0x30, join(shape->type, inner(shape))), shape->trailing);
}

static struct der gcm(const uint8_t *nonce, size_t size, uint8_t tag)
{
	return tlv(0x30, join(tlv(0x04, bytes(nonce, size)), number(tag)));
}

/* Takes a file apart from its end, where every length is known. */
static struct shape take_apart(const struct sr_buf *file)
{
	const uint8_t *tag = file->data + file->size - 16;
	const uint8_t *ciphertext = tag - 2 - strlen(TEXT);
	const uint8_t *nonce = ciphertext - 2 - 3 - 12;
	const uint8_t *wrapped = nonce - 2 - 2 - 11 - 2 - 11 - 2 - 40;
	struct shape shape = {
		.type = oid(NID_id_smime_ct_authEnvelopedData),
		.version = number(0),
		.kek_version = number(4),
		.key_id = tlv(0x04, bytes(RING "/" NAME, strlen(RING "/" NAME))),
		.kek_algorithm = oid(NID_id_aes256_wrap),
		.wrapped = tlv(0x04, bytes(wrapped, 40)),
		.content_type = oid(NID_pkcs7_data),
		.cipher = oid(NID_aes_256_gcm),
		.parameters = gcm(nonce, 12, 16),
		.content = tlv(0x80, bytes(ciphertext, strlen(TEXT))),
		.tag = tlv(0x04, bytes(tag, 16)),
	};

	memcpy(shape.nonce, nonce, sizeof(shape.nonce));
	memcpy(shape.ciphertext, ciphertext, sizeof(shape.ciphertext));
	return shape;
}

static void forge_nothing(struct shape *shape)
{
	(void)shape;
}

#define CHOSEN "attack at noon!!"

/*
 * GCM's first key stream block is AES(nonce, 2), and OFB's is AES(IV). So who knows the
 * text of a block puts another text there, with no tag in the way.
 */
static void forge_stream_cipher(struct shape *shape)
{
	uint8_t iv[16] = { [15] = 2 };
	uint8_t forged[sizeof(TEXT) - 1];

	memcpy(iv, shape->nonce, sizeof(shape->nonce));
	for (size_t i = 0; i < sizeof(forged); i++)
		forged[i] = (uint8_t)(shape->ciphertext[i] ^ TEXT[i] ^ CHOSEN[i]);
	shape->type = oid(NID_pkcs7_enveloped);
	shape->version = number(2);
	shape->cipher = oid(NID_aes_256_ofb128);
	shape->parameters = tlv(0x04, bytes(iv, sizeof(iv)));
	shape->content = tlv(0x80, bytes(forged, sizeof(forged)));
	shape->tag = (struct der){ 0 };
}

static void forge_short_tag(struct shape *shape)
{
	shape->parameters = gcm(shape->nonce, 12, 4);
	shape->tag = tlv(0x04, bytes(shape->tag.data + 2, 4));
}

/* A short tag under parameters that still promise a long one. */
static void forge_cut_tag(struct shape *shape)
{
	shape->tag = tlv(0x04, bytes(shape->tag.data + 2, 4));
}

static void forge_default_tag(struct shape *shape)
{
	shape->parameters = tlv(0x30, tlv(0x04, bytes(shape->nonce, 12)));
	shape->tag = tlv(0x04, bytes(shape->tag.data + 2, 12));
}

static void forge_long_nonce(struct shape *shape)
{
	uint8_t nonce[16] = { 0 };

	memcpy(nonce, shape->nonce, sizeof(shape->nonce));
	shape->parameters = gcm(nonce, sizeof(nonce), 16);
}

static void forge_loose_parameters(struct shape *shape)
{
	struct der loose = join(BYTES(0x04, 0x81, 12), bytes(shape->nonce, 12));

	shape->parameters = tlv(0x30, join(loose, number(16)));
}

static void forge_no_parameters(struct shape *shape)
{
	shape->parameters = (struct der){ 0 };
}

static struct der attribute(void)
{
	return tlv(0x30,
		   join(oid(NID_pkcs9_contentType), tlv(0x31, oid(NID_pkcs7_data))));
}

static void forge_auth_attributes(struct shape *shape)
{
	shape->auth_attributes = tlv(0xa1, attribute());
}

static void forge_other_attributes(struct shape *shape)
{
	shape->other_attributes = tlv(0xa2, attribute());
}

static void forge_originator(struct shape *shape)
{
	shape->originator = BYTES(0xa0, 0x00);
}

static void forge_trailing(struct shape *shape)
{
	shape->trailing = BYTES(0x00);
}

static void forge_second_file(struct shape *shape)
{
	shape->trailing = build(shape);
}

static void forge_two_recipients(struct shape *shape)
{
	shape->more_recipients = recipient(shape);
}

static void forge_recipient_kind(struct shape *shape)
{
	shape->more_recipients = BYTES(0xa4, 0x00);
}

static void forge_date(struct shape *shape)
{
	shape->key_id = join(shape->key_id, tlv(0x18, bytes("20260101000000Z", 15)));
}

static void forge_id(struct shape *shape)
{
	shape->key_id = tlv(0x04, bytes("system/dB", 9));
}

static void forge_id_with_nul(struct shape *shape)
{
	shape->key_id = tlv(0x04, bytes("system/db", 10));
}

static void forge_wrap_parameter(struct shape *shape)
{
	shape->kek_algorithm = join(shape->kek_algorithm, BYTES(0x05, 0x00));
}

static void forge_wrap_cipher(struct shape *shape)
{
	shape->kek_algorithm = oid(NID_id_aes192_wrap);
}

static void forge_wrapped_size(struct shape *shape)
{
	shape->wrapped = tlv(0x04, bytes(shape->wrapped.data + 2, 32));
}

static void forge_kek_version(struct shape *shape)
{
	shape->kek_version = number(3);
}

static void forge_version(struct shape *shape)
{
	shape->version = number(1);
}

static void forge_long_version(struct shape *shape)
{
	shape->version = BYTES(0x02, 0x02, 0x00, 0x00);
}

static void forge_type(struct shape *shape)
{
	shape->type = oid(NID_pkcs7_enveloped);
}

static void forge_content_type(struct shape *shape)
{
	shape->content_type = oid(NID_pkcs7_signed);
}

static void forge_cipher(struct shape *shape)
{
	shape->cipher = oid(NID_aes_128_gcm);
}

/* BER: the content in two pieces. */
static void forge_pieces(struct shape *shape)
{
	shape->content = tlv(0xa0, join(tlv(0x04, bytes(shape->ciphertext, 8)),
					tlv(0x04, bytes(shape->ciphertext + 8, 8))));
}

/* BER: the content in a piece of indefinite length. */
static void forge_indefinite(struct shape *shape)
{
	struct der piece = tlv(0x04, bytes(shape->ciphertext, sizeof(shape->ciphertext)));

	shape->content = join(BYTES(0xa0, 0x80), join(piece, BYTES(0x00, 0x00)));
}

/* BER: a length in more bytes than it needs. */
static void forge_loose_length(struct shape *shape)
{
	shape->tag = join(BYTES(0x04, 0x81, 0x10), bytes(shape->tag.data + 2, 16));
}

static void forge_empty(struct shape *shape)
{
	shape->content = BYTES(0x80, 0x00);
}

static void forge_detached(struct shape *shape)
{
	shape->content = (struct der){ 0 };
}

#define ANY (-1) /* what libcrypto says differs from one 3.0 to another */

/*
 * @oracle: libcrypto's CMS gets a text out of it, which proves that the forgery is well
 * made and that the refusal is ours.
 */
static const struct forgery {
	const char *what;
	void (*forge)(struct shape *shape);
	int r;
	int oracle;
} forgeries[] = {
	{ "as sealed", forge_nothing, 0, true },
	{ "EnvelopedData with a stream cipher", forge_stream_cipher, -EBADMSG, true },
	{ "4-byte tag", forge_short_tag, -EBADMSG, true },
	{ "tag cut to 4 bytes", forge_cut_tag, -EBADMSG, true },
	{ "12-byte tag by default", forge_default_tag, -EBADMSG, false },
	{ "16-byte nonce", forge_long_nonce, -EBADMSG, true },
	{ "parameters not in DER", forge_loose_parameters, -EBADMSG, true },
	{ "no parameters", forge_no_parameters, -EBADMSG, false },
	{ "authenticated attributes", forge_auth_attributes, -EBADMSG, false },
	{ "other attributes", forge_other_attributes, -EBADMSG, ANY },
	{ "originator", forge_originator, -EBADMSG, true },
	{ "trailing byte", forge_trailing, -EBADMSG, true },
	{ "second file behind", forge_second_file, -EBADMSG, true },
	{ "two recipients", forge_two_recipients, -EBADMSG, true },
	{ "another kind of recipient", forge_recipient_kind, -EBADMSG, false },
	{ "date in the key identifier", forge_date, -EBADMSG, true },
	{ "another key identifier", forge_id, -EBADMSG, false },
	{ "NUL in the key identifier", forge_id_with_nul, -EBADMSG, false },
	{ "wrap with a parameter", forge_wrap_parameter, -EBADMSG, true },
	{ "wrap with another cipher", forge_wrap_cipher, -EBADMSG, false },
	{ "wrapped key of 24 bytes", forge_wrapped_size, -EBADMSG, false },
	{ "version of the recipient", forge_kek_version, -EBADMSG, true },
	{ "version", forge_version, -EBADMSG, true },
	{ "version not in DER", forge_long_version, -EBADMSG, false },
	{ "type", forge_type, -EBADMSG, false },
	{ "type of the content", forge_content_type, -EBADMSG, true },
	{ "another GCM", forge_cipher, -EBADMSG, false },
	{ "content in pieces", forge_pieces, -EBADMSG, true },
	{ "indefinite length", forge_indefinite, -EBADMSG, true },
	{ "loose length", forge_loose_length, -EBADMSG, true },
	{ "no bytes in the content", forge_empty, -EBADMSG, false },
	{ "detached content", forge_detached, -EBADMSG, false },
};

static void test_forgeries(void)
{
	_cleanup_secret_ struct sr_secret secret = secret_of(TEXT, strlen(TEXT));
	_cleanup_buf_ struct sr_buf file = seal(&secret, RING, NAME);

	for (size_t i = 0; i < SR_COUNT(forgeries); i++, cases++) {
		const struct forgery *f = &forgeries[i];
		_cleanup_secret_ struct sr_secret got = { 0 };
		_cleanup_buf_ struct sr_buf read = { 0 };
		struct shape shape = take_apart(&file);
		struct der der;
		struct sr_buf forged;
		bool read_it;

		f->forge(&shape);
		der = build(&shape);
		forged = (struct sr_buf){ .data = der.data, .size = der.size };
		if (i == 0)
			assert(der.size == file.size &&
			       memcmp(der.data, file.data, der.size) == 0);
		read_it = oracle_open(&forged, RING "/" NAME, NAME, &read);
		if (open_file(&forged, RING, NAME, &got) != f->r ||
		    (f->oracle != ANY && read_it != f->oracle)) {
			(void)fprintf(stderr, "%s: not as expected\n", f->what);
			abort();
		}
		if (f->forge == forge_stream_cipher)
			assert(memcmp(read.data, CHOSEN, strlen(CHOSEN)) == 0);
		else if (read_it)
			assert(memcmp(read.data, TEXT, strlen(TEXT)) == 0);
	}
}

/* BER: the file as a whole in indefinite length. */
static void test_indefinite_file(void)
{
	_cleanup_secret_ struct sr_secret secret = secret_of(TEXT, strlen(TEXT)),
					  got = { 0 };
	_cleanup_buf_ struct sr_buf file = seal(&secret, RING, NAME), read = { 0 };
	struct shape shape = take_apart(&file);
	struct der der = join(BYTES(0x30, 0x80),
			      join(join(shape.type, inner(&shape)), BYTES(0x00, 0x00)));
	struct sr_buf forged = { .data = der.data, .size = der.size };

	assert(oracle_open(&forged, RING "/" NAME, NAME, &read));
	assert(open_file(&forged, RING, NAME, &got) == -EBADMSG);
	cases++;
}

/* A file under another name, also when what it says about itself is changed with it. */
static void test_renamed(void)
{
	static const struct {
		const char *ring, *name, *id;
	} table[] = {
		{ RING, "dc", RING "/" NAME }, { "boot", NAME, RING "/" NAME },
		{ RING, "dc", RING "/dc" },    { RING, "dbx", RING "/dbx" },
		{ RING, "d", RING "/d" },      { "syste", "db", "system/db" },
	};
	_cleanup_secret_ struct sr_secret secret = secret_of(TEXT, strlen(TEXT));
	_cleanup_buf_ struct sr_buf file = seal(&secret, RING, NAME);

	for (size_t i = 0; i < SR_COUNT(table); i++, cases++) {
		_cleanup_secret_ struct sr_secret got = { 0 };
		struct shape shape = take_apart(&file);
		struct sr_buf forged;
		struct der der;

		shape.key_id = tlv(0x04, bytes(table[i].id, strlen(table[i].id)));
		der = build(&shape);
		forged = (struct sr_buf){ .data = der.data, .size = der.size };
		assert(open_file(&forged, table[i].ring, table[i].name, &got) ==
		       -EBADMSG);
	}
}

static void test_other_key(void)
{
	_cleanup_secret_ struct sr_secret secret = secret_of(TEXT, strlen(TEXT)),
					  other = { 0 };
	_cleanup_buf_ struct sr_buf file = seal(&secret, RING, NAME);
	struct sr_secret got = { 0 };

	assert(sr_secret_random(SR_RING_KEY, &other, NULL) == 0);
	assert(sr_envelope_open(&other, RING, NAME, &file, &got, NULL) == -EBADMSG);
	assert(!got.data);
	cases++;
}

/* Every bit of a file matters, and every byte. */
static void test_damage(void)
{
	_cleanup_secret_ struct sr_secret secret = secret_of(TEXT, strlen(TEXT));
	_cleanup_buf_ struct sr_buf file = seal(&secret, RING, NAME);
	struct sr_secret got = { 0 };

	for (size_t bit = 0; bit < file.size * 8; bit++, cases++) {
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert(open_file(&file, RING, NAME, &got) == -EBADMSG);
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < file.size; size++, cases++) {
		struct sr_buf cut = { .data = file.data, .size = size };

		assert(open_file(&cut, RING, NAME, &got) == -EBADMSG);
	}
	assert(open_file(&file, RING, NAME, &got) == 0);
	sr_secret_done(&got);
	cases++;
}

int main(void)
{
	uint8_t key[SR_RING_KEY];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	ring_key = secret_of(key, sizeof(key));
	test_sizes();
	test_largest();
	test_mistakes();
	test_known();
	test_forgeries();
	test_indefinite_file();
	test_renamed();
	test_other_key();
	test_damage();
	sr_secret_done(&ring_key);
	printf("test_envelope: %u cases\n", cases);
	return 0;
}
