/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private keys that no TPM has: made, written, used to sign, in software. */
#include "softkey.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>
#include <string.h>

#define HEAP 65536     /* bytes that libcrypto has for its copies */
#define HEAP_PIECE 32  /* the least it takes of them */
#define POINT 65       /* bytes in a point of secp256k1, not compressed */
#define UNCOMPRESSED 4 /* what it begins with */

SR_DEFINE_CLEANUP(bn_freep, BIGNUM *, BN_clear_free)
SR_DEFINE_CLEANUP(builder_freep, OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free)
SR_DEFINE_CLEANUP(params_freep, OSSL_PARAM *, OSSL_PARAM_free)
SR_DEFINE_CLEANUP(pkey_ctx_freep, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
SR_DEFINE_CLEANUP(md_ctx_freep, EVP_MD_CTX *, EVP_MD_CTX_free)

/* What stands before the private bytes, and between those and the public ones. */
static const uint8_t head_ed25519[] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
					0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };
static const uint8_t head_ed448[] = { 0x30, 0x47, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
				      0x03, 0x2b, 0x65, 0x71, 0x04, 0x3b, 0x04, 0x39 };
static const uint8_t head_secp256k1[] = { 0x30, 0x81, 0x84, 0x02, 0x01, 0x00, 0x30,
					  0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
					  0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
					  0x04, 0x00, 0x0a, 0x04, 0x6d, 0x30, 0x6b,
					  0x02, 0x01, 0x01, 0x04, 0x20 };
static const uint8_t between_secp256k1[] = { 0xa1, 0x44, 0x03, 0x42, 0x00 };

struct shape {
	TPMI_ECC_CURVE curve;
	const uint8_t *head;
	size_t head_size;
	const uint8_t *between;
	size_t between_size;
};

static const struct shape shapes[] = {
	{ SR_ECC_CURVE_25519, head_ed25519, sizeof(head_ed25519), NULL, 0 },
	{ SR_ECC_CURVE_448, head_ed448, sizeof(head_ed448), NULL, 0 },
	{ SR_ECC_SECP256K1, head_secp256k1, sizeof(head_secp256k1), between_secp256k1,
	  sizeof(between_secp256k1) },
};

static const struct shape *shape_of(const TPM2B_PUBLIC *pub)
{
	const struct sr_key_type *type = sr_key_type_of(pub);

	for (size_t i = 0; type && i < SR_COUNT(shapes); i++)
		if (shapes[i].curve == type->curve)
			return &shapes[i];
	return NULL;
}

void sr_softkey_protect(void)
{
	if (!CRYPTO_secure_malloc_initialized())
		(void)CRYPTO_secure_malloc_init(HEAP, HEAP_PIECE);
}

/* ---- for libcrypto ---- */

static void put_point(const TPM2B_PUBLIC *pub, uint8_t ret[POINT])
{
	const TPMS_ECC_POINT *point = &pub->publicArea.unique.ecc;

	ret[0] = UNCOMPRESSED;
	(void)sr_pubkey_pad(point->x.buffer, point->x.size, ret + 1, POINT / 2);
	(void)sr_pubkey_pad(point->y.buffer, point->y.size, ret + 1 + POINT / 2,
			    POINT / 2);
}

static int build_ec(const struct sr_key_type *type, const TPM2B_PUBLIC *pub,
		    const struct sr_secret *value, EVP_PKEY **ret)
{
	_cleanup_(builder_freep) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
	_cleanup_(params_freep) OSSL_PARAM *params = NULL;
	_cleanup_(bn_freep) BIGNUM *number = BN_secure_new();
	uint8_t point[POINT];

	put_point(pub, point);
	if (!builder || !number || !BN_bin2bn(value->data, (int)value->size, number) ||
	    !OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME,
					     type->group, 0) ||
	    !OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
					      sizeof(point)) ||
	    !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, number))
		return -1;
	params = OSSL_PARAM_BLD_to_param(builder);
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	return params && ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
		       EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_KEYPAIR, params) > 0
		   ? 0
		   : -1;
}

static int build(const TPM2B_PUBLIC *pub, const struct sr_secret *value, EVP_PKEY **ret,
		 struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_of(pub);
	int r = 0;

	if (type->alg == SR_ALG_EDDSA)
		*ret = EVP_PKEY_new_raw_private_key_ex(NULL, type->group, NULL,
						       value->data, value->size);
	else
		r = build_ec(type, pub, value, ret);
	return r == 0 && *ret ? 0 : sr_fail_libcrypto(err, "taking in a private key");
}

int sr_softkey_generate(const struct sr_key_type *type, struct sr_private *ret,
			struct sr_err *err)
{
	_cleanup_evp_ EVP_PKEY *key =
	    type->alg == SR_ALG_EDDSA ? EVP_PKEY_Q_keygen(NULL, NULL, type->group)
				      : EVP_PKEY_Q_keygen(NULL, NULL, "EC", type->group);

	return key ? sr_private_take(key, ret, err)
		   : sr_fail_libcrypto(err, "making a private key");
}

/* ---- as a file ---- */

int sr_softkey_write(const struct sr_private *key, struct sr_secret *ret,
		     struct sr_err *err)
{
	const struct shape *shape = shape_of(&key->pub);
	size_t public_size = shape && shape->between ? POINT : 0;
	uint8_t *to;
	int r = shape ? sr_secret_alloc(shape->head_size + key->value.size +
					    shape->between_size + public_size,
					ret, err)
		      : sr_fail(err, -EINVAL, "not a kind of key that is in software");

	if (r < 0)
		return r;
	to = ret->data;
	memcpy(to, shape->head, shape->head_size);
	to += shape->head_size;
	memcpy(to, key->value.data, key->value.size);
	to += key->value.size;
	if (public_size == 0)
		return 0;
	memcpy(to, shape->between, shape->between_size);
	put_point(&key->pub, to + shape->between_size);
	return 0;
}

static int fail_other(struct sr_err *err)
{
	return sr_fail(err, -EBADMSG, "the private part is of another key");
}

static int check_octets(const TPM2B_PUBLIC *pub, const struct sr_secret *value,
			struct sr_err *err)
{
	const TPM2B_ECC_PARAMETER *wanted = &pub->publicArea.unique.ecc.x;
	_cleanup_evp_ EVP_PKEY *key = NULL;
	uint8_t found[sizeof(wanted->buffer)];
	size_t size = sizeof(found);
	int r = build(pub, value, &key, err);

	if (r < 0)
		return r;
	if (EVP_PKEY_get_raw_public_key(key, found, &size) != 1)
		return sr_fail_libcrypto(err, "taking in a private key");
	return size == wanted->size && memcmp(found, wanted->buffer, size) == 0
		   ? 0
		   : fail_other(err);
}

static int check_point(const TPM2B_PUBLIC *pub, const uint8_t *found, struct sr_err *err)
{
	uint8_t wanted[POINT];

	put_point(pub, wanted);
	return memcmp(found, wanted, POINT) == 0 ? 0 : fail_other(err);
}

int sr_softkey_read(const struct sr_secret *content, const TPM2B_PUBLIC *pub,
		    struct sr_secret *ret, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_of(pub);
	const struct shape *shape = shape_of(pub);
	_cleanup_secret_ struct sr_secret value = { 0 };
	const uint8_t *rest;
	size_t private_end;
	int r;

	if (!shape)
		return sr_fail(err, -EBADMSG, "not a kind of key that is in software");
	private_end = shape->head_size + type->field;
	if (content->size !=
		private_end + (shape->between ? shape->between_size + POINT : 0) ||
	    CRYPTO_memcmp(content->data, shape->head, shape->head_size) != 0)
		return fail_other(err);
	rest = content->data + private_end;
	if (shape->between && CRYPTO_memcmp(rest, shape->between, shape->between_size))
		return fail_other(err);
	r = sr_secret_copy(content->data + shape->head_size, type->field, &value, err);
	if (r == 0)
		r = shape->between ? check_point(pub, rest + shape->between_size, err)
				   : check_octets(pub, &value, err);
	if (r == 0)
		sr_secret_take(&value, ret);
	return r;
}

/* ---- signatures ---- */

static bool sign_message(EVP_PKEY *key, const uint8_t *data, size_t size, uint8_t *to,
			 size_t *room)
{
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	return ctx &&
	       EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) == 1 &&
	       EVP_DigestSign(ctx, to, room, data, size) == 1;
}

static bool sign_digest(EVP_PKEY *key, const struct sr_scheme *scheme,
			const uint8_t *data, size_t size, uint8_t *to, size_t *room)
{
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	const EVP_MD *md = sr_scheme_md(scheme);

	return ctx && md && EVP_PKEY_sign_init(ctx) > 0 &&
	       EVP_PKEY_CTX_set_signature_md(ctx, md) > 0 &&
	       EVP_PKEY_sign(ctx, to, room, data, size) > 0;
}

int sr_softkey_sign(const TPM2B_PUBLIC *pub, const struct sr_secret *value,
		    const struct sr_scheme *scheme, const uint8_t *data, size_t size,
		    struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_evp_ EVP_PKEY *key = NULL;
	uint8_t *to = malloc(SR_SIGNATURE_MAX);
	size_t used = SR_SIGNATURE_MAX;
	int r = to ? build(pub, value, &key, err) : sr_fail_memory(err);
	bool ok = r == 0 && (scheme->hash == TPM2_ALG_NULL
				 ? sign_message(key, data, size, to, &used)
				 : sign_digest(key, scheme, data, size, to, &used));

	if (ok) {
		*ret = (struct sr_buf){ to, used };
		return 0;
	}
	free(to);
	return r < 0 ? r : sr_fail_libcrypto(err, "signing");
}
