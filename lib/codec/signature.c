/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures: what a TPM gives, as others write it, and checked in software. */
#include "signature.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "name.h"

SR_DEFINE_CLEANUP(ecdsa_freep, ECDSA_SIG *, ECDSA_SIG_free)
SR_DEFINE_CLEANUP(pkey_ctx_freep, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
SR_DEFINE_CLEANUP(md_ctx_freep, EVP_MD_CTX *, EVP_MD_CTX_free)

const EVP_MD *sr_scheme_md(const struct sr_scheme *scheme)
{
	return scheme->hash == TPM2_ALG_SHA1 ? NULL : sr_name_hash(scheme->hash);
}

static int copy(const void *data, size_t size, struct sr_buf *ret, struct sr_err *err)
{
	uint8_t *memory = calloc(1, size + 1);

	if (!memory)
		return sr_fail_memory(err);
	memcpy(memory, data, size);
	*ret = (struct sr_buf){ memory, size };
	return 0;
}

static int fail_form(struct sr_err *err)
{
	return sr_fail(err, -EBADMSG, "the signature is damaged, or not of such a key");
}

/* Two numbers as ECDSA-Sig-Value. */
static int pair_to_der(const uint8_t *r_data, size_t r_size, const uint8_t *s_data,
		       size_t s_size, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_(ecdsa_freep) ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(r_data, (int)r_size, NULL);
	BIGNUM *s = BN_bin2bn(s_data, (int)s_size, NULL);
	uint8_t der[SR_SIGNATURE_MAX], *at = der;
	int size;

	if (!pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return sr_fail_libcrypto(err, "writing a signature");
	}
	size = i2d_ECDSA_SIG(pair, &at);
	return size > 0 ? copy(der, (size_t)size, ret, err)
			: sr_fail_libcrypto(err, "writing a signature");
}

static ECDSA_SIG *pair_of(const struct sr_buf *der)
{
	const unsigned char *at = der->data;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der->size);

	if (pair && at != der->data + der->size) {
		ECDSA_SIG_free(pair);
		pair = NULL;
	}
	ERR_clear_error();
	return pair;
}

int sr_signature_der(const TPMT_SIGNATURE *from, const struct sr_key_type *type,
		     struct sr_buf *ret, struct sr_err *err)
{
	const TPMS_SIGNATURE_ECDSA *ecdsa = &from->signature.ecdsa;
	const TPM2B_PUBLIC_KEY_RSA *rsa = &from->signature.rsassa.sig;

	if (type->alg == TPM2_ALG_ECC && from->sigAlg == TPM2_ALG_ECDSA &&
	    ecdsa->signatureR.size <= type->field &&
	    ecdsa->signatureS.size <= type->field)
		return pair_to_der(ecdsa->signatureR.buffer, ecdsa->signatureR.size,
				   ecdsa->signatureS.buffer, ecdsa->signatureS.size, ret,
				   err);
	if (type->alg == TPM2_ALG_RSA && rsa->size == type->field &&
	    (from->sigAlg == TPM2_ALG_RSASSA || from->sigAlg == TPM2_ALG_RSAPSS))
		return copy(rsa->buffer, rsa->size, ret, err);
	return fail_form(err);
}

int sr_signature_plain(const struct sr_buf *der, const struct sr_key_type *type,
		       struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_(ecdsa_freep) ECDSA_SIG *pair = NULL;
	uint8_t both[2 * SR_FIELD_MAX];

	if (type->alg != TPM2_ALG_ECC)
		return copy(der->data, der->size, ret, err);
	pair = pair_of(der);
	if (!pair || BN_bn2binpad(ECDSA_SIG_get0_r(pair), both, type->field) < 0 ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(pair), both + type->field, type->field) < 0)
		return fail_form(err);
	return copy(both, 2U * type->field, ret, err);
}

int sr_signature_from_plain(const struct sr_buf *plain, const struct sr_key_type *type,
			    struct sr_buf *ret, struct sr_err *err)
{
	size_t field = type->field;

	if (plain->size != (type->alg == TPM2_ALG_RSA ? field : 2 * field))
		return fail_form(err);
	if (type->alg != TPM2_ALG_ECC)
		return copy(plain->data, plain->size, ret, err);
	return pair_to_der(plain->data, field, plain->data + field, field, ret, err);
}

static int fail_tss(struct sr_err *err)
{
	return sr_fail(err, -EINVAL, "TPMs have no form for EdDSA signatures");
}

int sr_signature_tss(const struct sr_buf *der, const struct sr_key_type *type,
		     const struct sr_scheme *scheme, struct sr_buf *ret,
		     struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf plain = { 0 };
	TPMT_SIGNATURE tss = { 0 };
	uint8_t data[sizeof(tss)];
	size_t size = 0;
	int r = type->alg == SR_ALG_EDDSA ? fail_tss(err)
					  : sr_signature_plain(der, type, &plain, err);

	if (r < 0)
		return r;
	if (type->alg == TPM2_ALG_ECC) {
		TPMS_SIGNATURE_ECDSA *ecdsa = &tss.signature.ecdsa;

		tss.sigAlg = TPM2_ALG_ECDSA;
		ecdsa->hash = scheme->hash;
		ecdsa->signatureR.size = ecdsa->signatureS.size = type->field;
		memcpy(ecdsa->signatureR.buffer, plain.data, type->field);
		memcpy(ecdsa->signatureS.buffer, plain.data + type->field, type->field);
	} else {
		tss.sigAlg = scheme->pss ? TPM2_ALG_RSAPSS : TPM2_ALG_RSASSA;
		tss.signature.rsassa.hash = scheme->hash;
		tss.signature.rsassa.sig.size = (uint16_t)plain.size;
		memcpy(tss.signature.rsassa.sig.buffer, plain.data, plain.size);
	}
	if (Tss2_MU_TPMT_SIGNATURE_Marshal(&tss, data, sizeof(data), &size) !=
	    TSS2_RC_SUCCESS)
		return fail_form(err);
	return copy(data, size, ret, err);
}

int sr_signature_from_tss(const struct sr_buf *tss, const struct sr_key_type *type,
			  const struct sr_scheme *scheme, struct sr_buf *ret,
			  struct sr_err *err)
{
	TPMI_ALG_SIG_SCHEME wanted = type->alg == TPM2_ALG_ECC ? TPM2_ALG_ECDSA
				     : scheme->pss	       ? TPM2_ALG_RSAPSS
							       : TPM2_ALG_RSASSA;
	TPMT_SIGNATURE found = { 0 };
	size_t used = 0;

	if (type->alg == SR_ALG_EDDSA)
		return fail_tss(err);
	/* All these signatures begin with their hash. */
	if (Tss2_MU_TPMT_SIGNATURE_Unmarshal(tss->data, tss->size, &used, &found) !=
		TSS2_RC_SUCCESS ||
	    used != tss->size || found.sigAlg != wanted ||
	    found.signature.any.hashAlg != scheme->hash)
		return fail_form(err);
	return sr_signature_der(&found, type, ret, err);
}

/* TPMs differ in the length of the salt: as long as the digest, or as fits. */
static bool set_padding(EVP_PKEY_CTX *ctx, bool pss)
{
	if (!pss)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_AUTO) > 0;
}

static int verify_message(EVP_PKEY *key, const uint8_t *message, size_t size,
			  const struct sr_buf *signature, struct sr_err *err)
{
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok;

	if (!ctx || EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) != 1)
		return sr_fail_libcrypto(err, "checking a signature");
	ok = EVP_DigestVerify(ctx, signature->data, signature->size, message, size);
	ERR_clear_error();
	return ok == 1;
}

int sr_signature_verify(EVP_PKEY *key, const struct sr_scheme *scheme,
			const uint8_t *digest, size_t size, const struct sr_buf *der,
			struct sr_err *err)
{
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;
	const EVP_MD *md = sr_scheme_md(scheme);
	int ok;

	if (scheme->hash == TPM2_ALG_NULL)
		return verify_message(key, digest, size, der, err);
	ctx = EVP_PKEY_CTX_new(key, NULL);
	if (!ctx || !md || EVP_PKEY_verify_init(ctx) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, md) <= 0 ||
	    (EVP_PKEY_is_a(key, "RSA") && !set_padding(ctx, scheme->pss)))
		return sr_fail_libcrypto(err, "checking a signature");
	ok = EVP_PKEY_verify(ctx, der->data, der->size, digest, size);
	ERR_clear_error(); /* a signature that is none has reasons of many kinds */
	return ok == 1;
}
