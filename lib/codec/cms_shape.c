/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shape of EnvelopedData (RFC 5652) and AuthEnvelopedData (RFC 5083). */
#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "cms.h"
#include "cms_content.h"

#define NONCE 12   /* what RFC 5084 recommends, and all use */
#define TAG_MIN 12 /* RFC 5084, 3.2 */
#define TAG_MAX 16
#define TAG_DEFAULT 12
#define RECIPIENTS_MAX 1048576 /* bytes that are about recipients, at most */

/*
 * libcrypto has these types, too, but they do not show the encrypted keys, and take none
 * that was decrypted elsewhere. What is of no use here is kept as it is encoded.
 */

/* ---- who it is for ---- */

struct certificate_id {
	int type;
	union {
		PKCS7_ISSUER_AND_SERIAL *issuer;
		ASN1_OCTET_STRING *key_id;
	} d;
};

ASN1_CHOICE(CERTIFICATE_ID) = {
	ASN1_SIMPLE(struct certificate_id, d.issuer, PKCS7_ISSUER_AND_SERIAL),
	ASN1_IMP(struct certificate_id, d.key_id, ASN1_OCTET_STRING, 0),
} static_ASN1_CHOICE_END_name(struct certificate_id, CERTIFICATE_ID)

struct key_trans {
	int32_t version;
	struct certificate_id *id;
	X509_ALGOR *algorithm;
	ASN1_OCTET_STRING *key;
};

ASN1_SEQUENCE(KEY_TRANS) = {
	ASN1_EMBED(struct key_trans, version, INT32),
	ASN1_SIMPLE(struct key_trans, id, CERTIFICATE_ID),
	ASN1_SIMPLE(struct key_trans, algorithm, X509_ALGOR),
	ASN1_SIMPLE(struct key_trans, key, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END_name(struct key_trans, KEY_TRANS)

struct dated_key_id {
	ASN1_OCTET_STRING *key_id;
	ASN1_GENERALIZEDTIME *date;
	ASN1_STRING *other;
};

ASN1_SEQUENCE(DATED_KEY_ID) = {
	ASN1_SIMPLE(struct dated_key_id, key_id, ASN1_OCTET_STRING),
	ASN1_OPT(struct dated_key_id, date, ASN1_GENERALIZEDTIME),
	ASN1_OPT(struct dated_key_id, other, ASN1_SEQUENCE),
} static_ASN1_SEQUENCE_END_name(struct dated_key_id, DATED_KEY_ID)

struct reader_id {
	int type;
	union {
		PKCS7_ISSUER_AND_SERIAL *issuer;
		struct dated_key_id *dated;
	} d;
};

ASN1_CHOICE(READER_ID) = {
	ASN1_SIMPLE(struct reader_id, d.issuer, PKCS7_ISSUER_AND_SERIAL),
	ASN1_IMP(struct reader_id, d.dated, DATED_KEY_ID, 0),
} static_ASN1_CHOICE_END_name(struct reader_id, READER_ID)

struct reader {
	struct reader_id *id;
	ASN1_OCTET_STRING *key;
};

ASN1_SEQUENCE(READER) = {
	ASN1_SIMPLE(struct reader, id, READER_ID),
	ASN1_SIMPLE(struct reader, key, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END_name(struct reader, READER)

struct sender_key {
	X509_ALGOR *algorithm;
	ASN1_BIT_STRING *point;
};

ASN1_SEQUENCE(SENDER_KEY) = {
	ASN1_SIMPLE(struct sender_key, algorithm, X509_ALGOR),
	ASN1_SIMPLE(struct sender_key, point, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct sender_key, SENDER_KEY)

enum { SENDER_ISSUER, SENDER_KEY_ID, SENDER_KEY };

struct sender {
	int type;
	union {
		ASN1_STRING *issuer;
		ASN1_OCTET_STRING *key_id;
		struct sender_key *key;
	} d;
};

ASN1_CHOICE(SENDER) = {
	ASN1_SIMPLE(struct sender, d.issuer, ASN1_SEQUENCE),
	ASN1_IMP(struct sender, d.key_id, ASN1_OCTET_STRING, 0),
	ASN1_IMP(struct sender, d.key, SENDER_KEY, 1),
} static_ASN1_CHOICE_END_name(struct sender, SENDER)

typedef struct reader reader;
DEFINE_STACK_OF(reader)

struct key_agree {
	int32_t version;
	struct sender *sender;
	ASN1_OCTET_STRING *ukm;
	X509_ALGOR *algorithm;
	STACK_OF(reader) * readers;
};

ASN1_SEQUENCE(KEY_AGREE) = {
	ASN1_EMBED(struct key_agree, version, INT32),
	ASN1_EXP(struct key_agree, sender, SENDER, 0),
	ASN1_EXP_OPT(struct key_agree, ukm, ASN1_OCTET_STRING, 1),
	ASN1_SIMPLE(struct key_agree, algorithm, X509_ALGOR),
	ASN1_SEQUENCE_OF(struct key_agree, readers, READER),
} static_ASN1_SEQUENCE_END_name(struct key_agree, KEY_AGREE)

enum { KEY_TRANS_RECIPIENT, KEY_AGREE_RECIPIENT };

struct recipient {
	int type;
	union {
		struct key_trans *trans;
		struct key_agree *agree;
		ASN1_STRING *other;
	} d;
};

/* The others have a symmetric key, a password, or something that CMS does not know. */
ASN1_CHOICE(RECIPIENT) = {
	ASN1_SIMPLE(struct recipient, d.trans, KEY_TRANS),
	ASN1_IMP(struct recipient, d.agree, KEY_AGREE, 1),
	ASN1_IMP(struct recipient, d.other, ASN1_SEQUENCE, 2),
	ASN1_IMP(struct recipient, d.other, ASN1_SEQUENCE, 3),
	ASN1_IMP(struct recipient, d.other, ASN1_SEQUENCE, 4),
} static_ASN1_CHOICE_END_name(struct recipient, RECIPIENT)

/* ---- the message ---- */

typedef struct recipient recipient;
DEFINE_STACK_OF(recipient)

struct enveloped {
	int32_t version;
	ASN1_STRING *sender;
	STACK_OF(recipient) * recipients;
	struct encrypted_content *content;
	ASN1_STRING *attributes;
	ASN1_OCTET_STRING *tag;
	ASN1_STRING *others;
};

/*
 * Either of both: with @tag it is AuthEnvelopedData, whose attributes are authenticated.
 * Those are sets, which under a tag of their own are encoded as sequences are.
 */
ASN1_SEQUENCE(ENVELOPED) = {
	ASN1_EMBED(struct enveloped, version, INT32),
	ASN1_IMP_OPT(struct enveloped, sender, ASN1_SEQUENCE, 0),
	ASN1_SET_OF(struct enveloped, recipients, RECIPIENT),
	ASN1_SIMPLE(struct enveloped, content, ENCRYPTED_CONTENT),
	ASN1_IMP_OPT(struct enveloped, attributes, ASN1_SEQUENCE, 1),
	ASN1_OPT(struct enveloped, tag, ASN1_OCTET_STRING),
	ASN1_IMP_OPT(struct enveloped, others, ASN1_SEQUENCE, 2),
} static_ASN1_SEQUENCE_END_name(struct enveloped, ENVELOPED)

struct content_info {
	ASN1_OBJECT *type;
	struct enveloped *data;
};

ASN1_SEQUENCE(CONTENT_INFO) = {
	ASN1_SIMPLE(struct content_info, type, ASN1_OBJECT),
	ASN1_EXP(struct content_info, data, ENVELOPED, 0),
} static_ASN1_SEQUENCE_END_name(struct content_info, CONTENT_INFO)

struct gcm {
	ASN1_OCTET_STRING *nonce;
	ASN1_INTEGER *tag_size;
};

ASN1_SEQUENCE(GCM) = {
	ASN1_SIMPLE(struct gcm, nonce, ASN1_OCTET_STRING),
	ASN1_OPT(struct gcm, tag_size, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END_name(struct gcm, GCM)

static void gcm_free(struct gcm *gcm)
{
	ASN1_item_free((ASN1_VALUE *)gcm, ASN1_ITEM_rptr(GCM));
}

SR_DEFINE_CLEANUP(gcm_freep, struct gcm *, gcm_free)

void sr_cms_done(struct sr_cms *cms)
{
	ASN1_item_free((ASN1_VALUE *)cms->info, ASN1_ITEM_rptr(CONTENT_INFO));
	ASN1_OCTET_STRING_free(cms->iv);
	free(cms->recipients);
	*cms = (struct sr_cms){ 0 };
}

/* ---- reading it ---- */

static int fail_shape(struct sr_err *err, const char *why)
{
	ERR_clear_error();
	return sr_fail(err, -EBADMSG, "the message can't be decrypted here: %s", why);
}

static void add_trans(const struct key_trans *trans, struct sr_cms *to)
{
	to->recipients[to->count++] = (struct sr_cms_recipient){
		.issuer = trans->id->type == 0 ? trans->id->d.issuer : NULL,
		.key_id = trans->id->type == 1 ? trans->id->d.key_id : NULL,
		.algorithm = trans->algorithm,
		.key = trans->key,
	};
}

/* A sender who is a certificate's owner would have to be looked up. */
static void add_agree(const struct key_agree *agree, struct sr_cms *to)
{
	if (agree->sender->type != SENDER_KEY)
		return;
	for (int i = 0; i < sk_reader_num(agree->readers); i++) {
		const struct reader *one = sk_reader_value(agree->readers, i);
		const struct reader_id *id = one->id;

		to->recipients[to->count++] = (struct sr_cms_recipient){
			.issuer = id->type == 0 ? id->d.issuer : NULL,
			.key_id = id->type == 1 ? id->d.dated->key_id : NULL,
			.algorithm = agree->algorithm,
			.key = one->key,
			.peer_algorithm = agree->sender->d.key->algorithm,
			.peer = agree->sender->d.key->point,
			.ukm = agree->ukm,
		};
	}
}

/* And one more. */
static size_t count_recipients(const struct enveloped *from)
{
	size_t count = 1;

	for (int i = 0; i < sk_recipient_num(from->recipients); i++) {
		const struct recipient *one = sk_recipient_value(from->recipients, i);

		count += one->type == KEY_AGREE_RECIPIENT
			     ? (size_t)sk_reader_num(one->d.agree->readers)
			     : 1;
	}
	return count;
}

static int take_recipients(const struct enveloped *from, struct sr_cms *ret,
			   struct sr_err *err)
{
	ret->recipients = calloc(count_recipients(from), sizeof(*ret->recipients));
	if (!ret->recipients)
		return sr_fail_memory(err);
	for (int i = 0; i < sk_recipient_num(from->recipients); i++) {
		const struct recipient *one = sk_recipient_value(from->recipients, i);

		if (one->type == KEY_TRANS_RECIPIENT)
			add_trans(one->d.trans, ret);
		else if (one->type == KEY_AGREE_RECIPIENT)
			add_agree(one->d.agree, ret);
	}
	return 0;
}

/* A mode without padding or tag would have anybody change what comes out, bit by bit. */
static const EVP_CIPHER *find_cipher(const X509_ALGOR *algorithm, bool authenticated)
{
	switch (OBJ_obj2nid(algorithm->algorithm)) {
	case NID_aes_128_cbc:
		return authenticated ? NULL : EVP_aes_128_cbc();
	case NID_aes_192_cbc:
		return authenticated ? NULL : EVP_aes_192_cbc();
	case NID_aes_256_cbc:
		return authenticated ? NULL : EVP_aes_256_cbc();
	case NID_des_ede3_cbc:
		return authenticated ? NULL : EVP_des_ede3_cbc();
	case NID_aes_128_gcm:
		return authenticated ? EVP_aes_128_gcm() : NULL;
	case NID_aes_192_gcm:
		return authenticated ? EVP_aes_192_gcm() : NULL;
	case NID_aes_256_gcm:
		return authenticated ? EVP_aes_256_gcm() : NULL;
	default:
		return NULL;
	}
}

static bool take_nonce(const X509_ALGOR *algorithm, const ASN1_OCTET_STRING *tag,
		       ASN1_OCTET_STRING **ret)
{
	_cleanup_(gcm_freep) struct gcm *gcm =
	    ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(GCM), algorithm->parameter);
	long size;

	if (!gcm)
		return false;
	size = gcm->tag_size ? ASN1_INTEGER_get(gcm->tag_size) : TAG_DEFAULT;
	if (gcm->nonce->length != NONCE || size < TAG_MIN || size > TAG_MAX ||
	    tag->length != size)
		return false;
	*ret = take(gcm->nonce);
	return true;
}

static bool take_iv(const X509_ALGOR *algorithm, const EVP_CIPHER *cipher,
		    ASN1_OCTET_STRING **ret)
{
	const ASN1_TYPE *iv = algorithm->parameter;

	if (!iv || iv->type != V_ASN1_OCTET_STRING ||
	    iv->value.octet_string->length != EVP_CIPHER_get_iv_length(cipher))
		return false;
	*ret = ASN1_OCTET_STRING_dup(iv->value.octet_string);
	return *ret;
}

static int take_content(const struct enveloped *from, struct sr_cms *ret,
			struct sr_err *err)
{
	const struct encrypted_content *content = from->content;

	if (OBJ_obj2nid(content->type) != NID_pkcs7_data)
		return fail_shape(err, "its content is of another kind");
	ret->cipher = find_cipher(content->algorithm, from->tag);
	if (!ret->cipher)
		return fail_shape(
		    err, "its content is neither in AES (CBC or GCM) nor in 3DES (CBC)");
	if (from->tag ? !take_nonce(content->algorithm, from->tag, &ret->iv)
		      : !take_iv(content->algorithm, ret->cipher, &ret->iv))
		return fail_shape(err, "the parameters of its cipher are not right");
	ret->key_size = (size_t)EVP_CIPHER_get_key_length(ret->cipher);
	ret->tag = from->tag;
	ret->bytes = content->bytes;
	return 0;
}

static int check_kind(const struct content_info *info, struct sr_err *err)
{
	const struct enveloped *data = info->data;

	switch (OBJ_obj2nid(info->type)) {
	case NID_pkcs7_enveloped:
		return data->tag || data->others ? fail_shape(err, "it is damaged") : 0;
	case NID_id_smime_ct_authEnvelopedData:
		if (!data->tag)
			return fail_shape(err, "it is damaged");
		return data->attributes
			   ? fail_shape(err, "it has authenticated attributes")
			   : 0;
	default:
		return fail_shape(err, "it is not encrypted to a certificate");
	}
}

/* Steps into, or over, the next element; false if it is another, or of no definite size. */
static bool step(const uint8_t **at, const uint8_t *end, int tag, int class, bool over,
		 long *size)
{
	const uint8_t *next = *at;
	int found_tag, found_class;
	int head = ASN1_get_object(&next, size, &found_tag, &found_class, end - *at);

	if (head & 0x80 || found_tag != tag || found_class != class || (head & 1 && over))
		return false;
	*at = over ? next + *size : next;
	return true;
}

/* Steps up to the recipients, and says how many bytes they have. */
static bool find_recipients(const struct sr_buf *message, long *ret)
{
	const uint8_t *at = message->data, *end = at + message->size;
	const int own = V_ASN1_CONTEXT_SPECIFIC, all = V_ASN1_UNIVERSAL;
	long size = 0;

	if (!step(&at, end, V_ASN1_SEQUENCE, all, false, &size) ||
	    !step(&at, end, V_ASN1_OBJECT, all, true, &size) ||
	    !step(&at, end, 0, own, false, &size) ||
	    !step(&at, end, V_ASN1_SEQUENCE, all, false, &size) ||
	    !step(&at, end, V_ASN1_INTEGER, all, true, &size))
		return false;
	(void)step(&at, end, 0, own, true, &size);
	return step(&at, end, V_ASN1_SET, all, true, ret);
}

/*
 * An empty recipient has two bytes, and a hundred once it is read: so many of them as a
 * message has room for are not.
 */
static int check_bound(const struct sr_buf *message, struct sr_err *err)
{
	long size;

	if (message->size <= RECIPIENTS_MAX)
		return 0;
	if (!find_recipients(message, &size))
		return fail_shape(
		    err, "it is damaged, or no CMS that is encrypted to a certificate, "
			 "or it does not say first how many bytes its recipients have");
	if (size <= RECIPIENTS_MAX)
		return 0;
	return sr_fail(err, -EBADMSG,
		       "the message can't be decrypted here: its recipients have %ld "
		       "bytes, at most %d are read",
		       size, RECIPIENTS_MAX);
}

int sr_cms_read(const struct sr_buf *message, struct sr_cms *ret, struct sr_err *err)
{
	const uint8_t *at = message->data;
	int r = check_bound(message, err);

	if (r < 0)
		return r;
	ret->info = (struct content_info *)ASN1_item_d2i(NULL, &at, (long)message->size,
							 ASN1_ITEM_rptr(CONTENT_INFO));
	if (!ret->info || at != message->data + message->size)
		return fail_shape(
		    err,
		    "it is damaged, or no CMS that is encrypted to a certificate, or "
		    "its content is elsewhere");
	r = check_kind(ret->info, err);
	if (r == 0)
		r = take_recipients(ret->info->data, ret, err);
	return r < 0 ? r : take_content(ret->info->data, ret, err);
}
