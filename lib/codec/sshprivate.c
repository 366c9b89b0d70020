/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private keys in OpenSSH's own form (PROTOCOL.key). */
#include "sshprivate.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "ssh.h"
#include "wire.h"

#define SEED 32
#define PUBLIC 32
#define NUMBERS 5 /* of RSA, that libcrypto wants */
#define BLOCK 8	  /* bytes that the private part is a multiple of, without cipher */

SR_DEFINE_CLEANUP(params_freep, OSSL_PARAM *, OSSL_PARAM_free)
SR_DEFINE_CLEANUP(pkey_ctx_freep, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char tail[] = "-----END OPENSSH PRIVATE KEY-----";
static const char magic[] = "openssh-key-v1";

static const char *find(const struct sr_secret *content, const char *text)
{
	return memmem(content->data, content->size, text, strlen(text));
}

bool sr_sshprivate_is(const struct sr_secret *content)
{
	return find(content, head);
}

static int fail_damaged(struct sr_err *err)
{
	return sr_fail(err, -EBADMSG,
		       "a private key in OpenSSH's own form, which is damaged");
}

/* The bytes between the two lines, at the start of @ret. */
static int unarmour(const struct sr_secret *content, struct sr_secret *ret,
		    struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret text = { 0 };
	const char *from = find(content, head) + strlen(head), *end = find(content, tail);
	size_t used = 0;
	int r = sr_secret_alloc(content->size, &text, err);

	if (r == 0)
		r = sr_secret_alloc(content->size, ret, err);
	if (r < 0)
		return r;
	for (; end && from < end; from++)
		if (*from != '\n' && *from != '\r')
			text.data[used++] = (uint8_t)*from;
	r = used > 0 ? EVP_DecodeBlock(ret->data, text.data, (int)used) : -1;
	if (r <= 0)
		return fail_damaged(err);
	sr_secret_shrink(ret, (size_t)r);
	return 0;
}

/* What libcrypto makes a key of; it wants the numbers until it has done so. */
struct parts {
	OSSL_PARAM_BLD *builder;
	BIGNUM *number[NUMBERS];
	size_t count;
};

static void parts_done(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		BN_clear_free(parts->number[i]);
	OSSL_PARAM_BLD_free(parts->builder);
}

static bool take_number(struct sr_reader *from, const char *name, struct parts *to)
{
	struct sr_reader bytes = sr_get_string(from);
	BIGNUM *number = bytes.bad ? NULL : BN_secure_new();

	if (!number)
		return false;
	to->number[to->count++] = number;
	return BN_bin2bn(bytes.data, (int)bytes.left, number) &&
	       OSSL_PARAM_BLD_push_BN(to->builder, name, number);
}

static bool take_rsa(struct sr_reader *from, struct parts *to)
{
	return take_number(from, OSSL_PKEY_PARAM_RSA_N, to) &&
	       take_number(from, OSSL_PKEY_PARAM_RSA_E, to) &&
	       take_number(from, OSSL_PKEY_PARAM_RSA_D, to) && !sr_get_string(from).bad &&
	       take_number(from, OSSL_PKEY_PARAM_RSA_FACTOR1, to) &&
	       take_number(from, OSSL_PKEY_PARAM_RSA_FACTOR2, to);
}

static bool take_ec(struct sr_reader *from, const struct sr_key_type *type,
		    struct parts *to)
{
	struct sr_reader curve = sr_get_string(from), point = sr_get_string(from);

	return sr_wire_is_text(&curve, type->ssh + strlen("ecdsa-sha2-")) && !point.bad &&
	       OSSL_PARAM_BLD_push_utf8_string(to->builder, OSSL_PKEY_PARAM_GROUP_NAME,
					       type->group, 0) &&
	       OSSL_PARAM_BLD_push_octet_string(to->builder, OSSL_PKEY_PARAM_PUB_KEY,
						point.data, point.left) &&
	       take_number(from, OSSL_PKEY_PARAM_PRIV_KEY, to);
}

/* The numbers may all be there, and not be those of one key. */
static EVP_PKEY *join(const struct parts *parts, bool rsa)
{
	_cleanup_(params_freep) OSSL_PARAM *params =
	    OSSL_PARAM_BLD_to_param(parts->builder);
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx =
	    EVP_PKEY_CTX_new_from_name(NULL, rsa ? "RSA" : "EC", NULL);
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *check = NULL;
	_cleanup_evp_ EVP_PKEY *key = NULL;

	if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) <= 0)
		return NULL;
	check = EVP_PKEY_CTX_new(key, NULL);
	return check && EVP_PKEY_pairwise_check(check) == 1 ? take(key) : NULL;
}

static EVP_PKEY *take_numbers(struct sr_reader *from, const struct sr_key_type *type)
{
	_cleanup_(parts_done) struct parts parts = { .builder = OSSL_PARAM_BLD_new() };
	bool rsa = type->alg == TPM2_ALG_RSA;
	bool good =
	    parts.builder && (rsa ? take_rsa(from, &parts) : take_ec(from, type, &parts));

	return good ? join(&parts, rsa) : NULL;
}

/* Private and public bytes in one, and the public ones before them. */
static EVP_PKEY *take_octets(struct sr_reader *from)
{
	struct sr_reader public = sr_get_string(from), both = sr_get_string(from);

	if (both.left != SEED + PUBLIC || !sr_wire_is(&public, both.data + SEED, PUBLIC))
		return NULL;
	return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, both.data, SEED);
}

/* Twice the same number, the key, a comment, and what fills the last block: 1, 2, 3 ... */
static EVP_PKEY *read_private(struct sr_reader *from, const struct sr_key_type *type)
{
	bool whole = from->left % BLOCK == 0;
	uint32_t first = sr_get_number(from), second = sr_get_number(from);
	struct sr_reader kind = sr_get_string(from);
	_cleanup_evp_ EVP_PKEY *key = NULL;
	size_t left;

	if (!whole || first != second || !sr_wire_is_text(&kind, type->ssh))
		return NULL;
	key = type->alg == SR_ALG_EDDSA ? take_octets(from) : take_numbers(from, type);
	(void)sr_get_string(from);
	left = from->left;
	if (from->bad || left >= BLOCK)
		return NULL;
	for (size_t i = 1; i <= left; i++)
		if (sr_get_byte(from) != i)
			return NULL;
	return take(key);
}

/* NULL for those with a token, and for what nobody uses any more. */
static const struct sr_key_type *type_named(const struct sr_reader *kind)
{
	const struct sr_key_type *type;

	for (size_t i = 0; (type = sr_key_type_at(i)); i++)
		if (type->ssh && sr_wire_is_text(kind, type->ssh))
			return type;
	return NULL;
}

static int take_key(struct sr_reader *from, const struct sr_key_type *type,
		    const struct sr_reader *public, struct sr_private *ret,
		    struct sr_err *err)
{
	_cleanup_evp_ EVP_PKEY *key = read_private(from, type);
	_cleanup_buf_ struct sr_buf blob = { 0 };
	int r = key ? sr_private_take(key, ret, err) : fail_damaged(err);

	ERR_clear_error();
	if (r == 0)
		r = sr_ssh_public(&ret->pub, &blob, err);
	return r == 0 && !sr_wire_is(public, blob.data, blob.size) ? fail_damaged(err)
								   : r;
}

static int read_file(struct sr_reader *from, struct sr_private *ret, struct sr_err *err)
{
	const uint8_t *start = sr_get(from, sizeof(magic));
	struct sr_reader cipher = sr_get_string(from), blob, public, private, kind;
	const struct sr_key_type *type;

	(void)sr_get_string(from); /* how a passphrase is hashed */
	(void)sr_get_string(from);
	if (!start || memcmp(start, magic, sizeof(magic)) != 0 ||
	    sr_get_number(from) != 1)
		return fail_damaged(err);
	public = blob = sr_get_string(from);
	private = sr_get_string(from);
	kind = sr_get_string(&blob);
	/* The fill of the base64 is still there. */
	if (from->bad || from->left > 2 || kind.bad)
		return fail_damaged(err);
	type = type_named(&kind);
	if (!type)
		return sr_fail(
		    err, -EINVAL,
		    "it is none of the keys of OpenSSH that are used here: RSA, "
		    "ECDSA, Ed25519");
	if (!sr_wire_is_text(&cipher, "none"))
		return sr_fail(err, -EBADMSG,
			       "a private key of OpenSSH that is encrypted: take the "
			       "passphrase off a copy of it with ssh-keygen -p -N '' -f "
			       "COPY");
	return take_key(&private, type, &public, ret, err);
}

int sr_sshprivate_read(const struct sr_secret *content, struct sr_private *ret,
		       struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret plain = { 0 };
	struct sr_reader from;
	int r = unarmour(content, &plain, err);

	if (r < 0)
		return r;
	from = (struct sr_reader){ .data = plain.data, .left = plain.size };
	return read_file(&from, ret, err);
}
