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
	  "prime256v1", false },
	{ "p384", TPM2_ALG_ECC, TPM2_ECC_NIST_P384, 48, "sha384", "ecdsa-sha2-nistp384",
	  "secp384r1", false },
	{ "p521", TPM2_ALG_ECC, TPM2_ECC_NIST_P521, 66, "sha512", "ecdsa-sha2-nistp521",
	  "secp521r1", false },
	{ "rsa2048", TPM2_ALG_RSA, 0, 256, "sha256", "ssh-rsa", NULL, false },
	{ "rsa3072", TPM2_ALG_RSA, 0, 384, "sha256", "ssh-rsa", NULL, false },
	{ "rsa4096", TPM2_ALG_RSA, 0, 512, "sha256", "ssh-rsa", NULL, false },
	{ "ed25519", SR_ALG_EDDSA, SR_ECC_CURVE_25519, 32, "none", "ssh-ed25519",
	  "ED25519", true },
	{ "ed448", SR_ALG_EDDSA, SR_ECC_CURVE_448, 57, "none", NULL, "ED448", true },
	{ "secp256k1", TPM2_ALG_ECC, SR_ECC_SECP256K1, 32, "sha256", NULL, "secp256k1",
	  true },
};

/*
 * AlgorithmIdentifier of each curve, and of RSA (RFC 5480, 2.1.1; RFC 3279, 2.3.1; RFC 8410,
 * 3; SEC 2, A.2.1).
 */
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
static const uint8_t algorithm_ed25519[] = { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 };
static const uint8_t algorithm_ed448[] = { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71 };
static const uint8_t algorithm_secp256k1[] = { 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
					       0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
					       0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a };

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
	if (type->alg == SR_ALG_EDDSA)
		return pub->parameters.eccDetail.curveID == type->curve &&
		       pub->unique.ecc.x.size == type->field;
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
	if (type->alg != TPM2_ALG_RSA)
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

/* The same for what EdDSA has instead of a point. */
static size_t put_octets(const TPMS_ECC_POINT *point, uint8_t *to)
{
	to[0] = 0;
	memcpy(to + 1, point->x.buffer, point->x.size);
	return 1 + point->x.size;
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
		{ SR_ECC_CURVE_25519, algorithm_ed25519, sizeof(algorithm_ed25519) },
		{ SR_ECC_CURVE_448, algorithm_ed448, sizeof(algorithm_ed448) },
		{ SR_ECC_SECP256K1, algorithm_secp256k1, sizeof(algorithm_secp256k1) },
	};

	for (size_t i = 0; i < SR_COUNT(algorithms); i++)
		if (algorithms[i].curve == type->curve) {
			memcpy(to, algorithms[i].der, algorithms[i].size);
			return algorithms[i].size;
		}
	return 0;
}

static size_t put_key(const struct sr_key_type *type, const TPMU_PUBLIC_ID *unique,
		      uint8_t *to)
{
	if (type->alg == SR_ALG_EDDSA)
		return put_octets(&unique->ecc, to);
	return type->alg == TPM2_ALG_ECC ? put_point(&unique->ecc, type->field, to)
					 : put_modulus(&unique->rsa, to);
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
	size = put_key(type, &pub->publicArea.unique, key);
	used = put_algorithm(type, both);
	used += put_der(both + used, DER_BIT_STRING, key, size);
	ret->size = put_der(ret->data, DER_SEQUENCE, both, used);
	return 0;
}

/* 1 if so, else 0 or an error. The key itself stands last. */
static int is_spki_of(const struct sr_key_type *type, const struct sr_buf *spki,
		      TPMT_PUBLIC *ret, struct sr_err *err)
{
	TPM2B_PUBLIC pub = { .publicArea.type = type->alg };
	TPMS_ECC_POINT *point = &pub.publicArea.unique.ecc;
	size_t coordinates = type->alg == SR_ALG_EDDSA ? 1 : 2;
	_cleanup_buf_ struct sr_buf again = { 0 };
	const uint8_t *at;
	int r;

	if (!type->software || spki->size < coordinates * type->field)
		return 0;
	at = spki->data + spki->size - coordinates * type->field;
	sr_key_type_params(type, &pub.publicArea.parameters);
	point->x.size = type->field;
	memcpy(point->x.buffer, at, type->field);
	if (coordinates == 2) {
		point->y.size = type->field;
		memcpy(point->y.buffer, at + type->field, type->field);
	}
	r = sr_pubkey_spki(&pub, &again, err);
	if (r < 0)
		return r;
	if (again.size != spki->size || memcmp(again.data, spki->data, again.size) != 0)
		return 0;
	*ret = pub.publicArea;
	return 1;
}

int sr_pubkey_software(const struct sr_buf *spki, TPM2B_PUBLIC *ret, struct sr_err *err)
{
	for (size_t i = 0; i < SR_COUNT(types); i++) {
		int r = is_spki_of(&types[i], spki, &ret->publicArea, err);

		if (r != 0)
			return r < 0 ? r : 0;
	}
	return sr_fail(err, -EBADMSG, "not a public key of Ed25519, Ed448 or secp256k1");
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

static int evp_of_octets(const struct sr_key_type *type, const TPMS_ECC_POINT *from,
			 EVP_PKEY **ret, struct sr_err *err)
{
	*ret = EVP_PKEY_new_raw_public_key_ex(NULL, type->group, NULL, from->x.buffer,
					      from->x.size);
	return *ret ? 0 : sr_fail_libcrypto(err, "taking in a public key");
}

/* OpenSSL's decoders would take three times as long as all the rest of a signature. */
int sr_pubkey_evp(const TPM2B_PUBLIC *pub, EVP_PKEY **ret, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_of(pub);
	const TPMU_PUBLIC_ID *unique = &pub->publicArea.unique;
	_cleanup_(builder_freep) OSSL_PARAM_BLD *builder = NULL;
	_cleanup_(params_freep) OSSL_PARAM *params = NULL;
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
	_cleanup_(bn_freep) BIGNUM *n = NULL, *e = NULL;
	uint8_t point[POINT_MAX];
	bool ecc, ok;

	if (!type)
		return sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	if (type->alg == SR_ALG_EDDSA)
		return evp_of_octets(type, &unique->ecc, ret, err);
	ecc = type->alg == TPM2_ALG_ECC;
	builder = OSSL_PARAM_BLD_new();
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
	for (size_t i = 0; i < SR_COUNT(types); i++) {
		const struct sr_key_type *type = &types[i];

		if (type->alg == SR_ALG_EDDSA ? EVP_PKEY_is_a(key, type->group)
		    : type->alg == TPM2_ALG_ECC
			? strcmp(group, type->group) == 0
			: rsa && EVP_PKEY_get_bits(key) == type->field * 8)
			return type;
	}
	return NULL;
}

static int take_octets(const EVP_PKEY *key, size_t size, TPM2B_ECC_PARAMETER *ret)
{
	ret->size = (uint16_t)size;
	return EVP_PKEY_get_raw_public_key(key, ret->buffer, &size);
}

static int take_point(const EVP_PKEY *key, size_t size, TPMS_ECC_POINT *ret)
{
	int n = take_number(key, OSSL_PKEY_PARAM_EC_PUB_X, size, ret->x.buffer);

	ret->x.size = ret->y.size = (uint16_t)size;
	return n < 0 ? n
		     : take_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, size, ret->y.buffer);
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
		    "it is none of the keys that are used here: RSA of 2048, 3072 or "
		    "4096 bits, EC on P-256, P-384, P-521 or secp256k1, Ed25519, Ed448");
	pub->type = type->alg;
	sr_key_type_params(type, &pub->parameters);
	if (type->alg == SR_ALG_EDDSA) {
		n = take_octets(key, type->field, &pub->unique.ecc.x);
	} else if (type->alg == TPM2_ALG_ECC) {
		n = take_point(key, type->field, &pub->unique.ecc);
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
