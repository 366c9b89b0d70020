/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that follow from a ring key. */
#include "derive.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

SR_DEFINE_CLEANUP(kdf_freep, EVP_KDF *, EVP_KDF_free)
SR_DEFINE_CLEANUP(kdf_ctx_freep, EVP_KDF_CTX *, EVP_KDF_CTX_free)

int sr_derive(const struct sr_secret *ring_key, const char *info, struct sr_secret *ret,
	      struct sr_err *err)
{
	_cleanup_(kdf_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
	_cleanup_(kdf_ctx_freep) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	_cleanup_secret_ struct sr_secret key = { 0 };
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, ring_key->data,
						  ring_key->size),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (char *)info,
						  strlen(info)),
		OSSL_PARAM_END,
	};
	int r = sr_secret_alloc(SR_RING_KEY, &key, err);

	if (r < 0)
		return r;
	if (!ctx || EVP_KDF_derive(ctx, key.data, key.size, params) != 1)
		return sr_fail_libcrypto(err, "deriving a key from the ring key");
	sr_secret_take(&key, ret);
	return 0;
}
