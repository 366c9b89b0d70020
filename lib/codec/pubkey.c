/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Public keys: what kinds there are, and a TPM's public area as others write it. */
#include "pubkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

#define DER_INTEGER 0x02
#define DER_BIT_STRING 0x03
#define DER_SEQUENCE 0x30
#define DER_ROOM (SR_FIELD_MAX + 64) /* the largest key, and what is around it */
#define UNCOMPRESSED 0x04	     /* SEC 1, 2.3.3 */

#define POINT_MAX (2 + 2 * SR_FIELD_MAX)

SR_DEFINE_CLEANUP(bn_freep, BIGNUM *, BN_free)
SR_DEFINE_CLEANUP(builder_freep, OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free)
SR_DEFINE_CLEANUP(params_freep, OSSL_PARAM *, OSSL_PARAM_free)
SR_DEFINE_CLEANUP(pkey_ctx_freep, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

static const struct sr_key_type types[] = {
	{ "p256", TPM2_ALG_ECC, TPM2_ECC_NIST_P256, 32, "sha256", "ecdsa-sha2-nistp256",
	  "prime256v1" },
	{ "p384", TPM2_ALG_ECC, TPM2_ECC_NIST_P384, 48, "sha384", "ecdsa-sha2-nistp384",
	  "secp384r1" },
	{ "p521", TPM2_ALG_ECC, TPM2_ECC_NIST_P521, 66, "sha512", "ecdsa-sha2-nistp521",
	  "secp521r1" },
	{ "rsa2048", TPM2_ALG_RSA, 0, 256, "sha256", "ssh-rsa", NULL },
	{ "rsa3072", TPM2_ALG_RSA, 0, 384, "sha256", "ssh-rsa", NULL },
	{ "rsa4096", TPM2_ALG_RSA, 0, 512, "sha256", "ssh-rsa", NULL },
};

/* AlgorithmIdentifier of each curve, and of RSA (RFC 5480, 2.1.1; RFC 3279, 2.3.1). */
static const uint8_t algorithm_p256[] = { 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
					  0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
					  0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t algorithm_p384[] = { 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
					  0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
					  0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t algorithm_p521[] = { 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
					  0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
					  0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 };
static const uint8_t algorithm_rsa[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };

const struct sr_key_type *sr_key_type_at(size_t at)
{
	return at < SR_COUNT(types) ? &types[at] : NULL;
}

const struct sr_key_type *sr_key_type_find(const char *name)
{
	for (size_t i = 0; i < SR_COUNT(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

static bool is_of(const TPMT_PUBLIC *pub, const struct sr_key_type *type)
{
	const TPMS_RSA_PARMS *rsa = &pub->parameters.rsaDetail;

	if (pub->type != type->alg)
		return false;
	if (type->alg == TPM2_ALG_ECC)
		return pub->parameters.eccDetail.curveID == type->curve &&
		       pub->unique.ecc.x.size <= type->field &&
		       pub->unique.ecc.y.size <= type->field;
	return rsa->keyBits == type->field * 8 && pub->unique.rsa.size == type->field &&
	       (rsa->exponent == 0 || rsa->exponent == SR_EXPONENT);
}

const struct sr_key_type *sr_key_type_of(const TPM2B_PUBLIC *pub)
{
	for (size_t i = 0; i < SR_COUNT(types); i++)
		if (is_of(&pub->publicArea, &types[i]))
			return &types[i];
	return NULL;
}

void sr_key_type_params(const struct sr_key_type *type, TPMU_PUBLIC_PARMS *ret)
{
	*ret = (TPMU_PUBLIC_PARMS){ 0 };
	if (type->alg == TPM2_ALG_ECC)
		ret->eccDetail = (TPMS_ECC_PARMS){
			.symmetric.algorithm = TPM2_ALG_NULL,
			.scheme.scheme = TPM2_ALG_NULL,
			.curveID = type->curve,
			.kdf.scheme = TPM2_ALG_NULL,
		};
	else
		ret->rsaDetail = (TPMS_RSA_PARMS){
			.symmetric.algorithm = TPM2_ALG_NULL,
			.scheme.scheme = TPM2_ALG_NULL,
			.keyBits = (TPMI_RSA_KEY_BITS)(type->field * 8),
		};
}

bool sr_pubkey_pad(const uint8_t *data, size_t size, uint8_t *ret, size_t room)
{
	for (; size > room; data++, size--)
		if (*data != 0)
			return false;
	memset(ret, 0, room - size);
	memcpy(ret + room - size, data, size);
	return true;
}

/* Appends tag, length (X.690, 8.1.3) and content; returns how many bytes that is. */
static size_t put_der(uint8_t *to, uint8_t tag, const uint8_t *content, size_t size)
{
	size_t at = 0;

	to[at++] = tag;
	if (size >= 0x100) {
		to[at++] = 0x82;
		to[at++] = (uint8_t)(size >> 8);
	} else if (size >= 0x80) {
		to[at++] = 0x81;
	}
	to[at++] = (uint8_t)size;
	memcpy(to + at, content, size);
	return at + size;
}

/* The content of the BIT STRING: no unused bits, then the point. */
static size_t put_point(const TPMS_ECC_POINT *point, size_t field, uint8_t *to)
{
	to[0] = 0;
	to[1] = UNCOMPRESSED;
	(void)sr_pubkey_pad(point->x.buffer, point->x.size, to + 2, field);
	(void)sr_pubkey_pad(point->y.buffer, point->y.size, to + 2 + field, field);
	return 2 + 2 * field;
}

/* The same for RSAPublicKey; a modulus has its highest bit set, so a zero goes before. */
static size_t put_modulus(const TPM2B_PUBLIC_KEY_RSA *modulus, uint8_t *to)
{
	static const uint8_t exponent[] = { 0x01, 0x00, 0x01 };
	uint8_t number[SR_FIELD_MAX + 1] = { 0 }, numbers[DER_ROOM];
	size_t size;

	memcpy(number + 1, modulus->buffer, modulus->size);
	size = put_der(numbers, DER_INTEGER, number, modulus->size + 1U);
	size += put_der(numbers + size, DER_INTEGER, exponent, sizeof(exponent));
	to[0] = 0;
	return 1 + put_der(to + 1, DER_SEQUENCE, numbers, size);
}

static size_t put_algorithm(const struct sr_key_type *type, uint8_t *to)
{
	static const struct {
		TPMI_ECC_CURVE curve;
		const uint8_t *der;
		size_t size;
	} algorithms[] = {
		{ 0, algorithm_rsa, sizeof(algorithm_rsa) },
		{ TPM2_ECC_NIST_P256, algorithm_p256, sizeof(algorithm_p256) },
		{ TPM2_ECC_NIST_P384, algorithm_p384, sizeof(algorithm_p384) },
		{ TPM2_ECC_NIST_P521, algorithm_p521, sizeof(algorithm_p521) },
	};

	for (size_t i = 0; i < SR_COUNT(algorithms); i++)
		if (algorithms[i].curve == type->curve) {
			memcpy(to, algorithms[i].der, algorithms[i].size);
			return algorithms[i].size;
		}
	return 0;
}

int sr_pubkey_spki(const TPM2B_PUBLIC *pub, struct sr_buf *ret, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_of(pub);
	uint8_t key[DER_ROOM], both[2 * DER_ROOM];
	size_t size, used;

	if (!type)
		return sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	ret->data = calloc(1, 3 * (size_t)DER_ROOM);
	if (!ret->data)
		return sr_fail_memory(err);
	size = type->alg == TPM2_ALG_ECC
		   ? put_point(&pub->publicArea.unique.ecc, type->field, key)
		   : put_modulus(&pub->publicArea.unique.rsa, key);
	used = put_algorithm(type, both);
	used += put_der(both + used, DER_BIT_STRING, key, size);
	ret->size = put_der(ret->data, DER_SEQUENCE, both, used);
	return 0;
}

static bool build_ecc(OSSL_PARAM_BLD *to, const struct sr_key_type *type,
		      const TPMS_ECC_POINT *from, uint8_t point[POINT_MAX])
{
	(void)put_point(from, type->field, point);
	return OSSL_PARAM_BLD_push_utf8_string(to, OSSL_PKEY_PARAM_GROUP_NAME,
					       type->group, 0) &&
	       OSSL_PARAM_BLD_push_octet_string(to, OSSL_PKEY_PARAM_PUB_KEY, point + 1,
						1 + 2 * (size_t)type->field);
}

static bool build_rsa(OSSL_PARAM_BLD *to, const TPM2B_PUBLIC_KEY_RSA *from, BIGNUM **n,
		      BIGNUM **e)
{
	*n = BN_bin2bn(from->buffer, from->size, NULL);
	*e = BN_new();
	return *n && *e && BN_set_word(*e, SR_EXPONENT) &&
	       OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_N, *n) &&
	       OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_E, *e);
}

/* OpenSSL's decoders would take three times as long as all the rest of a signature. */
int sr_pubkey_evp(const TPM2B_PUBLIC *pub, EVP_PKEY **ret, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_of(pub);
	const TPMU_PUBLIC_ID *unique = &pub->publicArea.unique;
	_cleanup_(builder_freep) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	_cleanup_(params_freep) OSSL_PARAM *params = NULL;
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
	_cleanup_(bn_freep) BIGNUM *n = NULL, *e = NULL;
	uint8_t point[POINT_MAX];
	bool ecc, ok;

	if (!type)
		return sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	ecc = type->alg == TPM2_ALG_ECC;
	ok = builder && (ecc ? build_ecc(builder, type, &unique->ecc, point)
			     : build_rsa(builder, &unique->rsa, &n, &e));
	if (ok) {
		params = OSSL_PARAM_BLD_to_param(builder);
		ctx = EVP_PKEY_CTX_new_from_name(NULL, ecc ? "EC" : "RSA", NULL);
	}
	if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) <= 0)
		return sr_fail_libcrypto(err, "taking in a public key");
	if (EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY, params) > 0)
		return 0;
	(void)sr_fail_libcrypto(err, "taking in a public key");
	return sr_fail(err, -EBADMSG, "its public key is not on its curve");
}

static int take_number(const EVP_PKEY *key, const char *name, size_t size, uint8_t *ret)
{
	_cleanup_(bn_freep) BIGNUM *number = NULL;

	if (!EVP_PKEY_get_bn_param(key, name, &number))
		return -1;
	return BN_bn2binpad(number, ret, (int)size);
}

static const struct sr_key_type *type_of_evp(const EVP_PKEY *key)
{
	char group[32] = "";
	bool rsa = EVP_PKEY_is_a(key, "RSA");

	if (EVP_PKEY_is_a(key, "EC"))
		(void)EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
	for (size_t i = 0; i < SR_COUNT(types); i++)
		if (types[i].group ? strcmp(group, types[i].group) == 0
				   : rsa && EVP_PKEY_get_bits(key) == types[i].field * 8)
			return &types[i];
	return NULL;
}

int sr_pubkey_unique(const EVP_PKEY *key, TPM2B_PUBLIC *ret, struct sr_err *err)
{
	const struct sr_key_type *type = type_of_evp(key);
	TPMT_PUBLIC *pub = &ret->publicArea;
	uint8_t exponent[8];
	int n;

	if (!type)
		return sr_fail(
		    err, -EINVAL,
		    "it is none of the keys that a TPM holds: RSA of 2048, 3072 or "
		    "4096 bits, or EC on P-256, P-384 or P-521");
	pub->type = type->alg;
	sr_key_type_params(type, &pub->parameters);
	if (type->alg == TPM2_ALG_ECC) {
		n = take_number(key, OSSL_PKEY_PARAM_EC_PUB_X, type->field,
				pub->unique.ecc.x.buffer);
		if (n > 0)
			n = take_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, type->field,
					pub->unique.ecc.y.buffer);
		pub->unique.ecc.x.size = pub->unique.ecc.y.size = type->field;
	} else {
		n = take_number(key, OSSL_PKEY_PARAM_RSA_N, type->field,
				pub->unique.rsa.buffer);
		pub->unique.rsa.size = type->field;
		if (n > 0)
			n = take_number(key, OSSL_PKEY_PARAM_RSA_E, sizeof(exponent),
					exponent);
		if (n > 0 && memcmp(exponent, "\0\0\0\0\0\1\0\1", 8) != 0)
			return sr_fail(err, -EINVAL,
				       "its public exponent is not 65537, which TPMs "
				       "want");
	}
	return n > 0 ? 0 : sr_fail_libcrypto(err, "reading a public key");
}
