/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A secret on disk: CMS AuthEnvelopedData (RFC 5083) in exactly one DER shape. */
#include "envelope.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>

#include "cms_content.h"
#include "ground/parse.h"

#define KEY 32		  /* bytes in a KEK and in a content-encryption key */
#define WRAPPED (KEY + 8) /* RFC 3394 adds its integrity value */
#define NONCE 12	  /* what RFC 5084 recommends */
#define TAG 16		  /* no shorter one: 4 bytes can be guessed */
#define KEK_RECIPIENT 4	  /* KEKRecipientInfo.version, RFC 5652 6.2.3 */
#define GCM_HEAD 4	  /* bytes before the nonce in DER of GCMParameters */
#define GCM_PARAMETERS 19 /* bytes in DER of GCMParameters */
#define INFO "sealring secret "

/* The names that a file is bound to. */
struct label {
	char id[2 * SR_NAME_MAX + 2];
	char info[sizeof(INFO) + SR_NAME_MAX];
};

/*
 * The templates know only what we write. A field that CMS makes optional and that we do
 * not use (originatorInfo, attributes, a date in the KEK identifier) is not in them, so
 * that a file which has it does not decode.
 */

struct kek_id {
	ASN1_OCTET_STRING *key_identifier;
};

ASN1_SEQUENCE(KEK_ID) = {
	ASN1_SIMPLE(struct kek_id, key_identifier, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END_name(struct kek_id, KEK_ID)

struct kek_recipient {
	int32_t version;
	struct kek_id *kek_id;
	X509_ALGOR *algorithm;
	ASN1_OCTET_STRING *wrapped;
};

ASN1_SEQUENCE(KEK_RECIPIENT_INFO) = {
	ASN1_EMBED(struct kek_recipient, version, INT32),
	ASN1_SIMPLE(struct kek_recipient, kek_id, KEK_ID),
	ASN1_SIMPLE(struct kek_recipient, algorithm, X509_ALGOR),
	ASN1_SIMPLE(struct kek_recipient, wrapped, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END_name(struct kek_recipient, KEK_RECIPIENT_INFO)

struct recipients {
	struct kek_recipient *kek;
};

ASN1_SEQUENCE(RECIPIENTS) = {
	ASN1_IMP(struct recipients, kek, KEK_RECIPIENT_INFO, 2),
} static_ASN1_SEQUENCE_END_name(struct recipients, RECIPIENTS)

struct auth_enveloped {
	int32_t version;
	struct recipients *recipients;
	struct encrypted_content *content;
	ASN1_OCTET_STRING *tag;
};

/*
 * RecipientInfos is a SET OF. A set with one element is encoded like a sequence with one
 * element under the tag of SET, and more than one element is what we refuse.
 */
ASN1_SEQUENCE(AUTH_ENVELOPED) = {
	ASN1_EMBED(struct auth_enveloped, version, INT32),
	ASN1_EX_TYPE(ASN1_TFLG_IMPTAG | ASN1_TFLG_UNIVERSAL, V_ASN1_SET,
		     struct auth_enveloped, recipients, RECIPIENTS),
	ASN1_SIMPLE(struct auth_enveloped, content, ENCRYPTED_CONTENT),
	ASN1_SIMPLE(struct auth_enveloped, tag, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END_name(struct auth_enveloped, AUTH_ENVELOPED)

struct envelope {
	ASN1_OBJECT *type;
	struct auth_enveloped *data;
};

ASN1_SEQUENCE(ENVELOPE) = {
	ASN1_SIMPLE(struct envelope, type, ASN1_OBJECT),
	ASN1_EXP(struct envelope, data, AUTH_ENVELOPED, 0),
} static_ASN1_SEQUENCE_END_name(struct envelope, ENVELOPE)

static void envelope_free(struct envelope *envelope)
{
	ASN1_item_free((ASN1_VALUE *)envelope, ASN1_ITEM_rptr(ENVELOPE));
}

SR_DEFINE_CLEANUP(envelope_freep, struct envelope *, envelope_free)
SR_DEFINE_CLEANUP(cipher_freep, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)
SR_DEFINE_CLEANUP(string_freep, ASN1_STRING *, ASN1_STRING_free)

/* Why libcrypto refused does not matter: the file is not ours. */
static int fail_refused(struct sr_err *err, const char *why)
{
	ERR_clear_error();
	return sr_fail(err, -EBADMSG, "%s; restore the file from a backup", why);
}

/* What both directions need: names that are names, a key that is a ring key. */
static int make_label(const struct sr_secret *ring_key, const char *ring,
		      const char *name, struct label *ret, struct sr_err *err)
{
	int r = sr_name_check(ring, "ring", err);

	if (r == 0)
		r = sr_name_check(name, "secret", err);
	if (r < 0)
		return r;
	if (ring_key->size != SR_RING_KEY)
		return sr_fail(err, -EINVAL, "the key of ring %s has %zu bytes, not %d",
			       ring, ring_key->size, SR_RING_KEY);
	(void)snprintf(ret->id, sizeof(ret->id), "%s/%s", ring, name);
	(void)snprintf(ret->info, sizeof(ret->info), INFO "%s", name);
	return 0;
}

/* DER of GCMParameters: SEQUENCE { nonce OCTET STRING, ICVlen INTEGER 16 }. */
static void gcm_parameters(const uint8_t nonce[NONCE], uint8_t ret[GCM_PARAMETERS])
{
	static const uint8_t head[GCM_HEAD] = { 0x30, 0x11, 0x04, NONCE };
	static const uint8_t tail[] = { 0x02, 0x01, TAG };

	memcpy(ret, head, GCM_HEAD);
	memcpy(ret + GCM_HEAD, nonce, NONCE);
	memcpy(ret + GCM_HEAD + NONCE, tail, sizeof(tail));
}

/* A context for wrapping a key; libcrypto wants to hear that this is on purpose. */
static EVP_CIPHER_CTX *wrap_new(const struct sr_secret *kek, int encrypt)
{
	_cleanup_(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *cipher = EVP_aes_256_wrap();

	if (!ctx)
		return NULL;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_CipherInit_ex(ctx, cipher, NULL, kek->data, NULL, encrypt) != 1)
		return NULL;
	return take(ctx);
}

static int wrap(const struct sr_secret *kek, const struct sr_secret *cek,
		ASN1_OCTET_STRING *ret, struct sr_err *err)
{
	_cleanup_(cipher_freep) EVP_CIPHER_CTX *ctx = wrap_new(kek, 1);
	uint8_t wrapped[WRAPPED + EVP_MAX_BLOCK_LENGTH];
	int size;

	if (!ctx || EVP_EncryptUpdate(ctx, wrapped, &size, cek->data, KEY) != 1 ||
	    size != WRAPPED || ASN1_OCTET_STRING_set(ret, wrapped, WRAPPED) != 1)
		return sr_fail_libcrypto(err, "wrapping a key");
	return 0;
}

static int unwrap(const struct sr_secret *kek, const ASN1_OCTET_STRING *wrapped,
		  struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(cipher_freep) EVP_CIPHER_CTX *ctx = wrap_new(kek, 0);
	_cleanup_secret_ struct sr_secret cek = { 0 };
	int size, r;

	if (!ctx)
		return sr_fail_libcrypto(err, "unwrapping a key");
	r = sr_secret_alloc(WRAPPED + EVP_MAX_BLOCK_LENGTH, &cek, err);
	if (r < 0)
		return r;
	if (EVP_DecryptUpdate(ctx, cek.data, &size, wrapped->data, WRAPPED) != 1 ||
	    size != KEY)
		return fail_refused(err, "damaged, or made with another ring key");
	sr_secret_shrink(&cek, KEY);
	sr_secret_take(&cek, ret);
	return 0;
}

/* Fills in content and tag; there is no AAD, as there are no attributes. */
static int encrypt(const struct sr_secret *cek, const uint8_t nonce[NONCE],
		   const struct sr_secret *secret, struct auth_enveloped *ret,
		   struct sr_err *err)
{
	_cleanup_(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int size, rest;

	if (!ASN1_STRING_set(ret->content->bytes, NULL, (int)secret->size) ||
	    !ASN1_STRING_set(ret->tag, NULL, TAG))
		return sr_fail_memory(err);
	if (!ctx ||
	    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, cek->data, nonce) != 1 ||
	    EVP_EncryptUpdate(ctx, ret->content->bytes->data, &size, secret->data,
			      (int)secret->size) != 1 ||
	    EVP_EncryptFinal_ex(ctx, ret->content->bytes->data + size, &rest) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, ret->tag->data) != 1)
		return sr_fail_libcrypto(err, "encrypting a secret");
	return 0;
}

/* Decrypts straight into the secret, which nobody sees before the tag was right. */
static int decrypt(const struct sr_secret *cek, const struct auth_enveloped *data,
		   struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const ASN1_STRING *gcm = data->content->algorithm->parameter->value.sequence;
	const ASN1_OCTET_STRING *bytes = data->content->bytes;
	const uint8_t *nonce = gcm->data + GCM_HEAD;
	_cleanup_secret_ struct sr_secret secret = { 0 };
	int r = sr_secret_alloc((size_t)bytes->length, &secret, err);
	int size, rest;

	if (r < 0)
		return r;
	if (!ctx ||
	    EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, cek->data, nonce) != 1 ||
	    EVP_DecryptUpdate(ctx, secret.data, &size, bytes->data, bytes->length) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, data->tag->data) != 1)
		return sr_fail_libcrypto(err, "decrypting a secret");
	if (EVP_DecryptFinal_ex(ctx, secret.data + size, &rest) != 1)
		return fail_refused(err, "damaged: the content is not what was sealed");
	sr_secret_take(&secret, ret);
	return 0;
}

/* The fixed part: types, versions, algorithms and the name. */
static int fill(const struct label *label, const uint8_t nonce[NONCE],
		struct envelope *envelope, struct sr_err *err)
{
	struct auth_enveloped *data = envelope->data;
	struct kek_recipient *kek = data->recipients->kek;
	struct encrypted_content *content = data->content;
	_cleanup_(string_freep) ASN1_STRING *gcm = ASN1_STRING_new();
	ASN1_OBJECT *wrap_type = OBJ_nid2obj(NID_id_aes256_wrap);
	ASN1_OBJECT *gcm_type = OBJ_nid2obj(NID_aes_256_gcm);
	uint8_t parameters[GCM_PARAMETERS];

	gcm_parameters(nonce, parameters);
	if (!gcm || !ASN1_STRING_set(gcm, parameters, sizeof(parameters)) ||
	    !ASN1_STRING_set(kek->kek_id->key_identifier, label->id, -1) ||
	    !X509_ALGOR_set0(kek->algorithm, wrap_type, V_ASN1_UNDEF, NULL) ||
	    !X509_ALGOR_set0(content->algorithm, gcm_type, V_ASN1_SEQUENCE, gcm))
		return sr_fail_memory(err);
	(void)take(gcm);
	envelope->type = OBJ_nid2obj(NID_id_smime_ct_authEnvelopedData);
	content->type = OBJ_nid2obj(NID_pkcs7_data);
	kek->version = KEK_RECIPIENT;
	return 0;
}

static int encode(const struct envelope *envelope, struct sr_buf *ret, struct sr_err *err)
{
	const ASN1_VALUE *value = (const ASN1_VALUE *)envelope;
	int size = ASN1_item_i2d(value, NULL, ASN1_ITEM_rptr(ENVELOPE));
	_cleanup_buf_ struct sr_buf buf = { 0 };
	uint8_t *end;

	if (size <= 0)
		return sr_fail_libcrypto(err, "encoding a secret");
	buf = (struct sr_buf){ .data = malloc((size_t)size + 1), .size = (size_t)size };
	if (!buf.data)
		return sr_fail_memory(err);
	end = buf.data;
	if (ASN1_item_i2d(value, &end, ASN1_ITEM_rptr(ENVELOPE)) != size)
		return sr_fail_libcrypto(err, "encoding a secret");
	*end = '\0';
	*ret = buf;
	buf = (struct sr_buf){ 0 };
	return 0;
}

/*
 * What decodes and encodes to the same bytes again is DER, in our shape, with nothing
 * before, between or after.
 */
static int decode(const struct sr_buf *content, struct envelope **ret, struct sr_err *err)
{
	_cleanup_(envelope_freep) struct envelope *envelope = NULL;
	_cleanup_buf_ struct sr_buf again = { 0 };
	const uint8_t *at = content->data;
	int r;

	if (content->size == 0 || content->size > SR_ENVELOPE_MAX)
		return fail_refused(err, "not the file of a secret: empty, or too large");
	envelope = (struct envelope *)ASN1_item_d2i(NULL, &at, (long)content->size,
						    ASN1_ITEM_rptr(ENVELOPE));
	if (!envelope)
		return fail_refused(err, "not the file of a secret");
	r = encode(envelope, &again, err);
	if (r < 0)
		return r;
	if (again.size != content->size ||
	    memcmp(again.data, content->data, again.size) != 0)
		return fail_refused(err, "not the file of a secret: not in strict DER");
	*ret = take(envelope);
	return 0;
}

static bool gcm_parameters_ok(const ASN1_TYPE *parameter)
{
	const ASN1_STRING *given;
	uint8_t expected[GCM_PARAMETERS];

	if (!parameter || parameter->type != V_ASN1_SEQUENCE)
		return false;
	given = parameter->value.sequence;
	if (given->length != GCM_PARAMETERS)
		return false;
	gcm_parameters(given->data + GCM_HEAD, expected);
	return memcmp(given->data, expected, GCM_PARAMETERS) == 0;
}

static bool has_text(const ASN1_OCTET_STRING *string, const char *text)
{
	return (size_t)string->length == strlen(text) &&
	       memcmp(string->data, text, strlen(text)) == 0;
}

/* Every field that the template leaves open, before any key touches the file. */
static int check(const struct envelope *envelope, const struct label *label,
		 struct sr_err *err)
{
	const struct auth_enveloped *data = envelope->data;
	const struct kek_recipient *kek = data->recipients->kek;
	const struct encrypted_content *content = data->content;

	if (OBJ_obj2nid(envelope->type) != NID_id_smime_ct_authEnvelopedData ||
	    data->version != 0 || OBJ_obj2nid(content->type) != NID_pkcs7_data)
		return fail_refused(err, "not the file of a secret: another kind of CMS");
	if (kek->version != KEK_RECIPIENT || kek->wrapped->length != WRAPPED ||
	    OBJ_obj2nid(kek->algorithm->algorithm) != NID_id_aes256_wrap ||
	    kek->algorithm->parameter)
		return fail_refused(err, "refused: its key is not wrapped by AES-256");
	if (OBJ_obj2nid(content->algorithm->algorithm) != NID_aes_256_gcm ||
	    !gcm_parameters_ok(content->algorithm->parameter) || data->tag->length != TAG)
		return fail_refused(err, "refused: not AES-256-GCM with a 16-byte tag");
	if (content->bytes->length < 1 || content->bytes->length > SR_SECRET_MAX)
		return fail_refused(err, "refused: the secret is empty, or too large");
	if (!has_text(kek->kek_id->key_identifier, label->id))
		return fail_refused(err, "refused: the file of another secret, renamed");
	return 0;
}

int sr_envelope_seal(const struct sr_secret *ring_key, const char *ring, const char *name,
		     const struct sr_secret *secret, struct sr_buf *ret,
		     struct sr_err *err)
{
	_cleanup_(envelope_freep) struct envelope *envelope = NULL;
	_cleanup_secret_ struct sr_secret kek = { 0 }, cek = { 0 };
	uint8_t nonce[NONCE];
	struct label label;
	int r = make_label(ring_key, ring, name, &label, err);

	if (r < 0)
		return r;
	if (secret->size < 1 || secret->size > SR_SECRET_MAX)
		return sr_fail(err, -EINVAL, "%s: %zu bytes given, 1 to %d can be sealed",
			       label.id, secret->size, SR_SECRET_MAX);
	envelope = (struct envelope *)ASN1_item_new(ASN1_ITEM_rptr(ENVELOPE));
	if (!envelope)
		return sr_fail_memory(err);
	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return sr_fail_libcrypto(err, "making a nonce");

	r = fill(&label, nonce, envelope, err);
	if (r == 0)
		r = sr_derive(ring_key, label.info, &kek, err);
	if (r == 0)
		r = sr_secret_random(KEY, &cek, err);
	if (r == 0)
		r = wrap(&kek, &cek, envelope->data->recipients->kek->wrapped, err);
	if (r == 0)
		r = encrypt(&cek, nonce, secret, envelope->data, err);
	return r < 0 ? r : encode(envelope, ret, err);
}

static int open_labelled(const struct sr_secret *ring_key, const struct label *label,
			 const struct sr_buf *content, struct sr_secret *ret,
			 struct sr_err *err)
{
	_cleanup_(envelope_freep) struct envelope *envelope = NULL;
	_cleanup_secret_ struct sr_secret kek = { 0 }, cek = { 0 };
	int r = decode(content, &envelope, err);

	if (r == 0)
		r = check(envelope, label, err);
	if (r == 0)
		r = sr_derive(ring_key, label->info, &kek, err);
	if (r == 0)
		r = unwrap(&kek, envelope->data->recipients->kek->wrapped, &cek, err);
	return r < 0 ? r : decrypt(&cek, envelope->data, ret, err);
}

int sr_envelope_open(const struct sr_secret *ring_key, const char *ring, const char *name,
		     const struct sr_buf *content, struct sr_secret *ret,
		     struct sr_err *err)
{
	struct label label;
	int r = make_label(ring_key, ring, name, &label, err);

	if (r < 0)
		return r;
	r = open_labelled(ring_key, &label, content, ret, err);
	return r < 0 ? sr_prefix(err, r, label.id) : 0;
}
