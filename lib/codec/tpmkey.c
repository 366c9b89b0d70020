/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TSS2 PRIVATE KEY files (draft-bottomley-tpm2-keys): PEM or DER to struct and back. */
#include "tpmkey.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "pem.h"

#define LABEL "TSS2 PRIVATE KEY"
#define OID "2.23.133.10.1." /* the type's number follows */
#define DER_SEQUENCE 0x30    /* a DER file's first byte; text must not start with it */
#define DER_TRUE 0xff
#define LENIENT_TRUE 0x01 /* BER's rather than DER's, but pcr-oracle writes it */
#define ABSENT (-1)	  /* an ASN1_BOOLEAN that is not there */

struct tpm_policy {
	ASN1_INTEGER *code;
	ASN1_OCTET_STRING *body;
};

DEFINE_SPECIAL_STACK_OF(tpm_policy, struct tpm_policy)

ASN1_SEQUENCE(TPM_POLICY) = {
	ASN1_EXP(struct tpm_policy, code, ASN1_INTEGER, 0),
	ASN1_EXP(struct tpm_policy, body, ASN1_OCTET_STRING, 1),
} static_ASN1_SEQUENCE_END_name(struct tpm_policy, TPM_POLICY)

struct tpm_auth_policy {
	ASN1_UTF8STRING *name;
	STACK_OF(tpm_policy) * policy;
};

DEFINE_SPECIAL_STACK_OF(tpm_auth_policy, struct tpm_auth_policy)

ASN1_SEQUENCE(TPM_AUTH_POLICY) = {
	ASN1_EXP_OPT(struct tpm_auth_policy, name, ASN1_UTF8STRING, 0),
	ASN1_EXP_SEQUENCE_OF(struct tpm_auth_policy, policy, TPM_POLICY, 1),
} static_ASN1_SEQUENCE_END_name(struct tpm_auth_policy, TPM_AUTH_POLICY)

struct tpm_key {
	ASN1_OBJECT *type;
	ASN1_BOOLEAN empty_auth;
	STACK_OF(tpm_policy) * policy;
	ASN1_OCTET_STRING *secret;
	STACK_OF(tpm_auth_policy) * auth_policy;
	ASN1_UTF8STRING *description;
	ASN1_BOOLEAN rsa_parent;
	ASN1_INTEGER *parent;
	ASN1_OCTET_STRING *pub;
	ASN1_OCTET_STRING *priv;
};

ASN1_SEQUENCE(TPM_KEY) = {
	ASN1_SIMPLE(struct tpm_key, type, ASN1_OBJECT),
	ASN1_EXP_OPT(struct tpm_key, empty_auth, ASN1_BOOLEAN, 0),
	ASN1_EXP_SEQUENCE_OF_OPT(struct tpm_key, policy, TPM_POLICY, 1),
	ASN1_EXP_OPT(struct tpm_key, secret, ASN1_OCTET_STRING, 2),
	ASN1_EXP_SEQUENCE_OF_OPT(struct tpm_key, auth_policy, TPM_AUTH_POLICY, 3),
	ASN1_EXP_OPT(struct tpm_key, description, ASN1_UTF8STRING, 4),
	ASN1_EXP_OPT(struct tpm_key, rsa_parent, ASN1_BOOLEAN, 5),
	ASN1_SIMPLE(struct tpm_key, parent, ASN1_INTEGER),
	ASN1_SIMPLE(struct tpm_key, pub, ASN1_OCTET_STRING),
	ASN1_SIMPLE(struct tpm_key, priv, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END_name(struct tpm_key, TPM_KEY)

static void tpm_key_free(struct tpm_key *key)
{
	ASN1_item_free((ASN1_VALUE *)key, ASN1_ITEM_rptr(TPM_KEY));
}

static void tpm_policy_free(struct tpm_policy *policy)
{
	ASN1_item_free((ASN1_VALUE *)policy, ASN1_ITEM_rptr(TPM_POLICY));
}

static void tpm_auth_policy_free(struct tpm_auth_policy *policy)
{
	ASN1_item_free((ASN1_VALUE *)policy, ASN1_ITEM_rptr(TPM_AUTH_POLICY));
}

static void openssl_free(void *data)
{
	OPENSSL_free(data);
}

SR_DEFINE_CLEANUP(tpm_key_freep, struct tpm_key *, tpm_key_free)
SR_DEFINE_CLEANUP(tpm_policy_freep, struct tpm_policy *, tpm_policy_free)
SR_DEFINE_CLEANUP(tpm_auth_policy_freep, struct tpm_auth_policy *, tpm_auth_policy_free)
SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)
SR_DEFINE_CLEANUP(openssl_freep, unsigned char *, openssl_free)

struct sr_tpmkey *sr_tpmkey_new(void)
{
	return calloc(1, sizeof(struct sr_tpmkey));
}

void sr_tpmkey_free(struct sr_tpmkey *key)
{
	if (!key)
		return;
	for (size_t i = 0; i < key->signed_count; i++)
		free(key->signed_policy[i].name);
	free(key->signed_policy);
	free(key->description);
	free(key);
}

/* Reading */

/* Whether it is worth looking: for OpenSSL to find nothing is an error, which is slow. */
static bool has_more(BIO *bio)
{
	static const char head[] = "-----BEGIN";
	char *rest;
	long size = BIO_get_mem_data(bio, &rest);

	return size > 0 && memmem(rest, (size_t)size, head, strlen(head));
}

static int check_pem(const struct sr_pem *pem, struct sr_err *err)
{
	if (strcmp(pem->label, LABEL) != 0)
		return sr_fail(err, -EBADMSG,
			       "the file has another PEM block where a " LABEL
			       " is expected");
	if (pem->header[0] != '\0')
		return sr_fail(err, -EBADMSG,
			       "the " LABEL
			       " block has headers: an encrypted one cannot be "
			       "read");
	return 0;
}

static int read_pem(const struct sr_buf *content, struct sr_pem *ret, struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio =
	    BIO_new_mem_buf(content->data, (int)content->size);
	_cleanup_(sr_pem_done) struct sr_pem first = { 0 };
	_cleanup_(sr_pem_done) struct sr_pem second = { 0 };
	int reason, r;

	if (!bio)
		return sr_fail_memory(err);
	reason = sr_pem_next(bio, &first);
	if (reason == ERR_R_MALLOC_FAILURE)
		return sr_fail_memory(err);
	if (reason == PEM_R_NO_START_LINE)
		return sr_fail(err, -EBADMSG, "the file has no " LABEL " block");
	if (reason != 0)
		return sr_fail(err, -EBADMSG, "the file's PEM block is damaged");
	r = check_pem(&first, err);
	if (r < 0)
		return r;
	if (has_more(bio) && sr_pem_next(bio, &second) != PEM_R_NO_START_LINE)
		return sr_fail(err, -EBADMSG,
			       "the file has more than one PEM block: keep one a file");
	*ret = first;
	first = (struct sr_pem){ 0 };
	return 0;
}

/* d2i takes any BER; only DER is written back as it was. */
static int check_der(const struct tpm_key *key, const uint8_t *der, size_t size,
		     struct sr_err *err)
{
	_cleanup_(openssl_freep) unsigned char *again = NULL;
	int written =
	    ASN1_item_i2d((const ASN1_VALUE *)key, &again, ASN1_ITEM_rptr(TPM_KEY));

	if (written < 0)
		return sr_fail_memory(err);
	if ((size_t)written != size || memcmp(again, der, size) != 0)
		return sr_fail(err, -EBADMSG, "the key file is not DER");
	return 0;
}

static int decode(const uint8_t *der, size_t size, struct tpm_key **ret,
		  struct sr_err *err)
{
	_cleanup_(tpm_key_freep) struct tpm_key *key = NULL;
	const unsigned char *at = der;
	bool no_memory;
	int r;

	(void)ERR_set_mark();
	key = (struct tpm_key *)ASN1_item_d2i(NULL, &at, (long)size,
					      ASN1_ITEM_rptr(TPM_KEY));
	no_memory = !key && ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
	(void)ERR_pop_to_mark();
	if (no_memory)
		return sr_fail_memory(err);
	if (!key)
		return sr_fail(err, -EBADMSG, "the key file is damaged: no TPMKey in it");
	if (at != der + size)
		return sr_fail(err, -EBADMSG, "the key file has trailing bytes");
	r = check_der(key, der, size, err);
	if (r < 0)
		return r;
	*ret = take(key);
	return 0;
}

static int read_type(const ASN1_OBJECT *from, enum sr_tpmkey_type *ret,
		     struct sr_err *err)
{
	char text[128] = "";

	(void)OBJ_obj2txt(text, sizeof(text), from, 1);
	if (strcmp(text, OID "3") == 0)
		*ret = SR_TPMKEY_LOADABLE;
	else if (strcmp(text, OID "4") == 0)
		*ret = SR_TPMKEY_IMPORTABLE;
	else if (strcmp(text, OID "5") == 0)
		*ret = SR_TPMKEY_SEALED;
	else
		return sr_fail(err, -EBADMSG, "the key file is of an unknown type, %s",
			       text);
	return 0;
}

/* Peers disagree about other bytes than these, so nobody may depend on them. */
static int read_bool(ASN1_BOOLEAN from, const char *what, bool *ret, struct sr_err *err)
{
	if (from != ABSENT && from != 0 && from != LENIENT_TRUE && from != DER_TRUE)
		return sr_fail(err, -EBADMSG,
			       "the key file's %s is neither true nor false", what);
	*ret = from == LENIENT_TRUE || from == DER_TRUE;
	return 0;
}

/* A persistent handle may have been written as a negative number of 32 bits. */
static int read_parent(const ASN1_INTEGER *from, TPM2_HANDLE *ret, struct sr_err *err)
{
	int64_t number = 0;
	bool fits;

	(void)ERR_set_mark();
	fits = ASN1_INTEGER_get_int64(&number, from) == 1;
	(void)ERR_pop_to_mark();
	if (!fits || number > UINT32_MAX || number < INT32_MIN)
		return sr_fail(err, -EBADMSG, "the key file's parent is no handle");
	*ret = (TPM2_HANDLE)number;
	return 0;
}

/* NULL stays NULL. */
static int read_text(const ASN1_UTF8STRING *from, const char *what, char **ret,
		     struct sr_err *err)
{
	size_t size;

	if (!from)
		return 0;
	size = (size_t)ASN1_STRING_length(from);
	if (size > 0 && memchr(ASN1_STRING_get0_data(from), 0, size))
		return sr_fail(err, -EBADMSG, "the key file's %s has a NUL in it", what);
	*ret = calloc(1, size + 1);
	if (!*ret)
		return sr_fail_memory(err);
	if (size > 0)
		memcpy(*ret, ASN1_STRING_get0_data(from), size);
	return 0;
}

static int read_statement(const struct tpm_policy *from, struct sr_policy_step *ret,
			  struct sr_err *err)
{
	uint64_t code = 0;
	bool fits;

	(void)ERR_set_mark();
	fits = ASN1_INTEGER_get_uint64(&code, from->code) == 1;
	(void)ERR_pop_to_mark();
	if (!fits || code > UINT32_MAX)
		return sr_fail(err, -EBADMSG,
			       "the key file's policy has no command code");
	return sr_policy_body_read((TPM2_CC)code, ASN1_STRING_get0_data(from->body),
				   (size_t)ASN1_STRING_length(from->body), ret, err);
}

/* No stack reads as no statements. */
static int read_policy(const STACK_OF(tpm_policy) * from, struct sr_policy *ret,
		       struct sr_err *err)
{
	int count = from ? sk_tpm_policy_num(from) : 0;

	if (count > SR_POLICY_STEPS)
		return sr_fail(err, -EBADMSG,
			       "the key file's policy has %d statements; %d are allowed",
			       count, SR_POLICY_STEPS);
	for (int i = 0; i < count; i++) {
		int r = read_statement(sk_tpm_policy_value(from, i), &ret->step[i], err);

		if (r < 0)
			return r;
		ret->count++;
	}
	return 0;
}

static int read_auth_policy(const STACK_OF(tpm_auth_policy) * from, struct sr_tpmkey *ret,
			    struct sr_err *err)
{
	int count = from ? sk_tpm_auth_policy_num(from) : 0;

	if (count > SR_TPMKEY_SIGNED)
		return sr_fail(err, -EBADMSG,
			       "the key file's authPolicy has %d entries; %d are allowed",
			       count, SR_TPMKEY_SIGNED);
	if (count == 0)
		return 0;
	ret->signed_policy = calloc((size_t)count, sizeof(*ret->signed_policy));
	if (!ret->signed_policy)
		return sr_fail_memory(err);
	ret->signed_count = (size_t)count;
	for (int i = 0; i < count; i++) {
		const struct tpm_auth_policy *entry = sk_tpm_auth_policy_value(from, i);
		struct sr_tpmkey_signed *to = &ret->signed_policy[i];
		int r = read_text(entry->name, "authPolicy name", &to->name, err);

		if (r == 0)
			r = read_policy(entry->policy, &to->policy, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What writes back to the same bytes was understood, and has no more than its size. */
static bool read_public(const ASN1_OCTET_STRING *from, TPM2B_PUBLIC *ret)
{
	const uint8_t *data = ASN1_STRING_get0_data(from);
	size_t size = (size_t)ASN1_STRING_length(from), at = 0, used = 0;
	uint8_t again[sizeof(*ret)];

	return Tss2_MU_TPM2B_PUBLIC_Unmarshal(data, size, &at, ret) == TSS2_RC_SUCCESS &&
	       Tss2_MU_TPM2B_PUBLIC_Marshal(ret, again, sizeof(again), &used) ==
		   TSS2_RC_SUCCESS &&
	       at == size && used == size && memcmp(again, data, size) == 0;
}

static bool read_private(const ASN1_OCTET_STRING *from, TPM2B_PRIVATE *ret)
{
	size_t size = (size_t)ASN1_STRING_length(from), at = 0;

	return Tss2_MU_TPM2B_PRIVATE_Unmarshal(ASN1_STRING_get0_data(from), size, &at,
					       ret) == TSS2_RC_SUCCESS &&
	       at == size && ret->size > 0;
}

static bool read_secret(const ASN1_OCTET_STRING *from, TPM2B_ENCRYPTED_SECRET *ret)
{
	size_t size, at = 0;

	if (!from)
		return true;
	size = (size_t)ASN1_STRING_length(from);
	return Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(ASN1_STRING_get0_data(from), size,
							&at, ret) == TSS2_RC_SUCCESS &&
	       at == size && ret->size > 0;
}

static int read_object(const struct tpm_key *from, struct sr_tpmkey *ret,
		       struct sr_err *err)
{
	if (!read_public(from->pub, &ret->pub))
		return sr_fail(err, -EBADMSG, "the key file's public area is damaged");
	if (!read_private(from->priv, &ret->priv))
		return sr_fail(err, -EBADMSG, "the key file's private area is damaged");
	if (!read_secret(from->secret, &ret->secret))
		return sr_fail(err, -EBADMSG, "the key file's secret is damaged");
	return 0;
}

static int read_fields(const struct tpm_key *from, struct sr_tpmkey *ret,
		       struct sr_err *err)
{
	int r = read_type(from->type, &ret->type, err);

	ret->has_empty_auth = from->empty_auth != ABSENT;
	if (r == 0)
		r = read_bool(from->empty_auth, "emptyAuth", &ret->empty_auth, err);
	if (r == 0)
		r = read_bool(from->rsa_parent, "rsaParent", &ret->rsa_parent, err);
	if (r == 0)
		r = read_parent(from->parent, &ret->parent, err);
	if (r == 0)
		r = read_text(from->description, "description", &ret->description, err);
	if (r == 0)
		r = read_object(from, ret, err);
	if (r == 0)
		r = read_policy(from->policy, &ret->policy, err);
	if (r == 0)
		r = read_auth_policy(from->auth_policy, ret, err);
	return r;
}

static int read_der(const uint8_t *der, size_t size, struct sr_tpmkey **ret,
		    struct sr_err *err)
{
	_cleanup_(tpm_key_freep) struct tpm_key *file = NULL;
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = sr_tpmkey_new();
	int r;

	if (!key)
		return sr_fail_memory(err);
	r = decode(der, size, &file, err);
	if (r < 0)
		return r;
	r = read_fields(file, key, err);
	if (r < 0)
		return r;
	r = sr_tpmkey_check(key, -EBADMSG, err);
	if (r < 0)
		return r;
	*ret = take(key);
	return 0;
}

int sr_tpmkey_read(const struct sr_buf *content, struct sr_tpmkey **ret,
		   struct sr_err *err)
{
	_cleanup_(sr_pem_done) struct sr_pem pem = { 0 };
	int r;

	if (content->size == 0)
		return sr_fail(err, -EBADMSG, "the key file is empty");
	if (content->size > SR_TPMKEY_MAX)
		return sr_fail(err, -EBADMSG, "the key file is larger than %d bytes",
			       SR_TPMKEY_MAX);
	if (content->data[0] == DER_SEQUENCE)
		return read_der(content->data, content->size, ret, err);
	r = read_pem(content, &pem, err);
	if (r < 0)
		return r;
	return read_der(pem.data, (size_t)pem.size, ret, err);
}

/* Writing */

static bool set_string(ASN1_STRING **field, int type, const void *data, size_t size)
{
	if (!*field)
		*field = ASN1_STRING_type_new(type);
	return *field && ASN1_STRING_set(*field, data, (int)size) == 1;
}

static bool set_octets(ASN1_OCTET_STRING **field, const uint8_t *data, size_t size)
{
	return set_string(field, V_ASN1_OCTET_STRING, data, size);
}

/* NULL leaves the field out. */
static bool set_text(ASN1_UTF8STRING **field, const char *text)
{
	return !text || set_string(field, V_ASN1_UTF8STRING, text, strlen(text));
}

static int write_statement(const struct sr_policy_step *step, STACK_OF(tpm_policy) * to,
			   struct sr_err *err)
{
	_cleanup_(tpm_policy_freep) struct tpm_policy *policy =
	    (struct tpm_policy *)ASN1_item_new(ASN1_ITEM_rptr(TPM_POLICY));
	_cleanup_buf_ struct sr_buf body = { 0 };
	int r = sr_policy_body_write(step, &body, err);

	if (r < 0)
		return r;
	if (!policy || ASN1_INTEGER_set_uint64(policy->code, step->code) != 1 ||
	    !set_octets(&policy->body, body.data, body.size) ||
	    sk_tpm_policy_push(to, policy) <= 0)
		return sr_fail_memory(err);
	policy = NULL;
	return 0;
}

static int write_policy(const struct sr_policy *policy, STACK_OF(tpm_policy) * to,
			struct sr_err *err)
{
	if (!to)
		return sr_fail_memory(err);
	for (size_t i = 0; i < policy->count; i++) {
		int r = write_statement(&policy->step[i], to, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int write_signed(const struct sr_tpmkey_signed *entry,
			STACK_OF(tpm_auth_policy) * to, struct sr_err *err)
{
	_cleanup_(tpm_auth_policy_freep) struct tpm_auth_policy *policy =
	    (struct tpm_auth_policy *)ASN1_item_new(ASN1_ITEM_rptr(TPM_AUTH_POLICY));
	int r;

	if (!policy || !set_text(&policy->name, entry->name))
		return sr_fail_memory(err);
	r = write_policy(&entry->policy, policy->policy, err);
	if (r < 0)
		return r;
	if (sk_tpm_auth_policy_push(to, policy) <= 0)
		return sr_fail_memory(err);
	policy = NULL;
	return 0;
}

/* An empty list is left out. */
static int write_policies(const struct sr_tpmkey *key, struct tpm_key *to,
			  struct sr_err *err)
{
	int r;

	if (key->policy.count > 0) {
		to->policy = sk_tpm_policy_new_null();
		r = write_policy(&key->policy, to->policy, err);
		if (r < 0)
			return r;
	}
	if (key->signed_count == 0)
		return 0;
	to->auth_policy = sk_tpm_auth_policy_new_null();
	if (!to->auth_policy)
		return sr_fail_memory(err);
	for (size_t i = 0; i < key->signed_count; i++) {
		r = write_signed(&key->signed_policy[i], to->auth_policy, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_public(const TPM2B_PUBLIC *pub, ASN1_OCTET_STRING **to,
			struct sr_err *err)
{
	uint8_t data[sizeof(*pub)];
	size_t size = 0;

	if (Tss2_MU_TPM2B_PUBLIC_Marshal(pub, data, sizeof(data), &size) !=
	    TSS2_RC_SUCCESS)
		return sr_fail(err, -EINVAL, "the key's public area cannot be written");
	return set_octets(to, data, size) ? 0 : sr_fail_memory(err);
}

static int write_private(const TPM2B_PRIVATE *priv, ASN1_OCTET_STRING **to,
			 struct sr_err *err)
{
	uint8_t data[sizeof(*priv)];
	size_t size = 0;

	if (priv->size == 0 || Tss2_MU_TPM2B_PRIVATE_Marshal(priv, data, sizeof(data),
							     &size) != TSS2_RC_SUCCESS)
		return sr_fail(err, -EINVAL, "the key's private area cannot be written");
	return set_octets(to, data, size) ? 0 : sr_fail_memory(err);
}

static int write_secret(const TPM2B_ENCRYPTED_SECRET *secret, ASN1_OCTET_STRING **to,
			struct sr_err *err)
{
	uint8_t data[sizeof(*secret)];
	size_t size = 0;

	if (secret->size == 0)
		return 0;
	if (Tss2_MU_TPM2B_ENCRYPTED_SECRET_Marshal(secret, data, sizeof(data), &size) !=
	    TSS2_RC_SUCCESS)
		return sr_fail(err, -EINVAL, "the key's secret cannot be written");
	return set_octets(to, data, size) ? 0 : sr_fail_memory(err);
}

static int write_fields(const struct sr_tpmkey *key, struct tpm_key *to,
			struct sr_err *err)
{
	char oid[sizeof(OID) + 1];
	int r;

	(void)snprintf(oid, sizeof(oid), OID "%u", (unsigned int)key->type % 10);
	to->type = OBJ_txt2obj(oid, 1);
	to->empty_auth = key->empty_auth ? DER_TRUE : 0;
	to->rsa_parent = key->rsa_parent ? DER_TRUE : ABSENT;
	if (!to->type || ASN1_INTEGER_set_uint64(to->parent, key->parent) != 1 ||
	    !set_text(&to->description, key->description))
		return sr_fail_memory(err);
	r = write_policies(key, to, err);
	if (r == 0)
		r = write_public(&key->pub, &to->pub, err);
	if (r == 0)
		r = write_private(&key->priv, &to->priv, err);
	if (r == 0)
		r = write_secret(&key->secret, &to->secret, err);
	return r;
}

/* The text must not look like the block that follows it, nor like DER. */
static int check_explanation(const char *text, struct sr_err *err)
{
	size_t size = text ? strlen(text) : 0;

	if (size == 0)
		return 0;
	if (text[size - 1] != '\n' || text[0] == DER_SEQUENCE || strstr(text, "-----"))
		return sr_fail(
		    err, -EINVAL,
		    "the text before a key must end in a newline, not start with "
		    "0 and not contain -----");
	return 0;
}

static int to_pem(const char *text, const unsigned char *der, long size,
		  struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
	uint8_t *copy;
	char *data;
	long used;

	if (!bio || (text && text[0] != '\0' && BIO_puts(bio, text) <= 0) ||
	    PEM_write_bio(bio, LABEL, "", der, size) <= 0)
		return sr_fail_libcrypto(err, "writing a key file");
	used = BIO_get_mem_data(bio, &data);
	if (used <= 0 || used > SR_TPMKEY_MAX)
		return sr_fail(err, -EINVAL, "the key file would be larger than %d bytes",
			       SR_TPMKEY_MAX);
	copy = calloc(1, (size_t)used + 1);
	if (!copy)
		return sr_fail_memory(err);
	memcpy(copy, data, (size_t)used);
	*ret = (struct sr_buf){ .data = copy, .size = (size_t)used };
	return 0;
}

static int encode(const struct sr_tpmkey *key, unsigned char **der, int *size,
		  struct sr_err *err)
{
	_cleanup_(tpm_key_freep) struct tpm_key *file = NULL;
	int r = sr_tpmkey_check(key, -EINVAL, err);

	if (r < 0)
		return r;
	file = (struct tpm_key *)ASN1_item_new(ASN1_ITEM_rptr(TPM_KEY));
	if (!file)
		return sr_fail_memory(err);
	r = write_fields(key, file, err);
	if (r < 0)
		return r;
	*size = ASN1_item_i2d((const ASN1_VALUE *)file, der, ASN1_ITEM_rptr(TPM_KEY));
	return *size < 0 ? sr_fail_libcrypto(err, "writing a key file") : 0;
}

int sr_tpmkey_write(const struct sr_tpmkey *key, const char *text, struct sr_buf *ret,
		    struct sr_err *err)
{
	_cleanup_(openssl_freep) unsigned char *der = NULL;
	int r = check_explanation(text, err);
	int size;

	if (r == 0)
		r = encode(key, &der, &size, err);
	return r < 0 ? r : to_pem(text, der, size, ret, err);
}

int sr_tpmkey_write_der(const struct sr_tpmkey *key, struct sr_buf *ret,
			struct sr_err *err)
{
	_cleanup_(openssl_freep) unsigned char *der = NULL;
	uint8_t *copy;
	int size, r = encode(key, &der, &size, err);

	if (r < 0)
		return r;
	copy = calloc(1, (size_t)size + 1);
	if (!copy)
		return sr_fail_memory(err);
	memcpy(copy, der, (size_t)size);
	*ret = (struct sr_buf){ .data = copy, .size = (size_t)size };
	return 0;
}
