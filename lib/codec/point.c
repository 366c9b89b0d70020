/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points of curves that strangers send: checked before a private key meets them. */
#include "point.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#define UNCOMPRESSED 0x04 /* SEC 1, 2.3.3 */
#define SEQUENCE 0x30	  /* how SubjectPublicKeyInfo begins, and no point does */

SR_DEFINE_CLEANUP(pkey_ctx_freep, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

static EVP_PKEY *read_point(const struct sr_key_type *type, const uint8_t *data,
			    size_t size)
{
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx =
	    EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)type->group,
				       0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)data, size),
		OSSL_PARAM_END,
	};
	EVP_PKEY *key = NULL;

	params[0].data_size = strlen(type->group);
	if (ctx && EVP_PKEY_fromdata_init(ctx) > 0)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	return key;
}

static EVP_PKEY *read_spki(const uint8_t *data, size_t size)
{
	const uint8_t *at = data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)size);

	if (key && at == data + size)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

/* On the curve, in its range, not at infinity. */
static bool is_good(EVP_PKEY *key)
{
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

	return ctx && EVP_PKEY_public_check(ctx) == 1;
}

int sr_point_of(const TPM2B_PUBLIC *pub, struct sr_secret *ret, struct sr_err *err)
{
	const TPMS_ECC_POINT *point = &pub->publicArea.unique.ecc;
	const struct sr_key_type *type = sr_key_type_of(pub);
	int r = sr_secret_alloc(1 + 2 * (size_t)type->field, ret, err);

	if (r < 0)
		return r;
	ret->data[0] = UNCOMPRESSED;
	(void)sr_pubkey_pad(point->x.buffer, point->x.size, ret->data + 1, type->field);
	(void)sr_pubkey_pad(point->y.buffer, point->y.size, ret->data + 1 + type->field,
			    type->field);
	return 0;
}

int sr_point_read(const struct sr_key_type *type, const uint8_t *data, size_t size,
		  struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_evp_ EVP_PKEY *key = NULL;
	TPM2B_PUBLIC pub = { 0 };

	if (size > 0 && size <= SR_POINT_MAX)
		key = *data == SEQUENCE ? read_spki(data, size)
					: read_point(type, data, size);
	if (!key || sr_pubkey_unique(key, &pub, NULL) < 0 ||
	    sr_key_type_of(&pub) != type || !is_good(key)) {
		ERR_clear_error();
		return sr_fail(err, -EBADMSG, "the peer's public key is no point of %s",
			       type->name);
	}
	return sr_point_of(&pub, ret, err);
}

void sr_point_coordinates(const struct sr_key_type *type, const uint8_t *point,
			  TPMS_ECC_POINT *ret)
{
	ret->x.size = ret->y.size = type->field;
	memcpy(ret->x.buffer, point + 1, type->field);
	memcpy(ret->y.buffer, point + 1 + type->field, type->field);
}
