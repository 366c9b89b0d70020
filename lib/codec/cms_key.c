/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key of a message's content, as each kind of recipient gets it. */
#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

#include "cms.h"

#define WRAP_ROOM 32 /* bytes more than the key that wrapping adds, at most */

SR_DEFINE_CLEANUP(oaep_freep, RSA_OAEP_PARAMS *, RSA_OAEP_PARAMS_free)
SR_DEFINE_CLEANUP(algor_freep, X509_ALGOR *, X509_ALGOR_free)
SR_DEFINE_CLEANUP(cipher_freep, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)
SR_DEFINE_CLEANUP(kdf_freep, EVP_KDF *, EVP_KDF_free)
SR_DEFINE_CLEANUP(kdf_ctx_freep, EVP_KDF_CTX *, EVP_KDF_CTX_free)

static int fail_unknown(struct sr_err *err, const char *what)
{
	ERR_clear_error();
	return sr_fail(err, -EBADMSG, "the message can't be decrypted here: %s", what);
}

/* ---- RSA ---- */

bool sr_cms_is_rsaes(const struct sr_cms_recipient *recipient)
{
	return !recipient->peer &&
	       OBJ_obj2nid(recipient->algorithm->algorithm) == NID_rsaEncryption;
}

static int nid_of(const X509_ALGOR *hash)
{
	return hash ? OBJ_obj2nid(hash->algorithm) : NID_sha1;
}

/* The hash of MGF1, which for a TPM is that of OAEP. */
static int mask_nid(const RSA_OAEP_PARAMS *params)
{
	_cleanup_(algor_freep) X509_ALGOR *hash = NULL;

	if (!params->maskGenFunc)
		return NID_sha1;
	if (OBJ_obj2nid(params->maskGenFunc->algorithm) != NID_mgf1)
		return NID_undef;
	hash = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR),
					 params->maskGenFunc->parameter);
	return hash ? nid_of(hash) : NID_undef;
}

static bool has_label(const RSA_OAEP_PARAMS *params)
{
	const X509_ALGOR *source = params->pSourceFunc;
	const ASN1_TYPE *label = source ? source->parameter : NULL;

	return source && !(OBJ_obj2nid(source->algorithm) == NID_pSpecified && label &&
			   label->type == V_ASN1_OCTET_STRING &&
			   label->value.octet_string->length == 0);
}

static const char *hash_name(int nid)
{
	return nid == NID_sha1	   ? "sha1"
	       : nid == NID_sha256 ? "sha256"
	       : nid == NID_sha384 ? "sha384"
	       : nid == NID_sha512 ? "sha512"
				   : NULL;
}

static int read_oaep(const X509_ALGOR *algorithm, struct sr_padding *ret,
		     struct sr_err *err)
{
	_cleanup_(oaep_freep) RSA_OAEP_PARAMS *params = ASN1_TYPE_unpack_sequence(
	    ASN1_ITEM_rptr(RSA_OAEP_PARAMS), algorithm->parameter);

	if (!params)
		return fail_unknown(err, "the parameters of OAEP are damaged");
	ret->oaep = hash_name(nid_of(params->hashFunc));
	if (!ret->oaep || has_label(params) ||
	    mask_nid(params) != nid_of(params->hashFunc))
		return fail_unknown(err, "a TPM's OAEP has no label, and one hash, which "
					 "is also that of MGF1");
	return 0;
}

static int decrypt_key(const struct sr_cms *cms, const struct sr_cms_recipient *recipient,
		       const struct sr_cms_hand *hand, struct sr_secret *ret,
		       struct sr_err *err)
{
	struct sr_secret cipher = { .data = recipient->key->data,
				    .size = (size_t)recipient->key->length };
	struct sr_padding padding = { .size = cms->key_size };
	int r = 0;

	if (!sr_cms_is_rsaes(recipient)) {
		padding.size = 0;
		r = read_oaep(recipient->algorithm, &padding, err);
	}
	if (r < 0)
		return r;
	r = hand->decrypt(hand->arg, &padding, &cipher, ret, err);
	return r == -EBADMSG ? sr_cms_fail(err) : r;
}

/* ---- ECDH ---- */

static const EVP_CIPHER *wrap_cipher(const X509_ALGOR *algorithm)
{
	switch (OBJ_obj2nid(algorithm->algorithm)) {
	case NID_id_aes128_wrap:
		return EVP_aes_128_wrap();
	case NID_id_aes192_wrap:
		return EVP_aes_192_wrap();
	case NID_id_aes256_wrap:
		return EVP_aes_256_wrap();
	case NID_id_smime_alg_CMS3DESwrap:
		return EVP_des_ede3_wrap();
	default:
		return NULL;
	}
}

/* The curves have no cofactor, so it does not matter whether that is taken. */
static const char *kdf_hash(const X509_ALGOR *algorithm)
{
	int hash, kdf;

	if (!OBJ_find_sigid_algs(OBJ_obj2nid(algorithm->algorithm), &hash, &kdf) ||
	    (kdf != NID_dh_std_kdf && kdf != NID_dh_cofactor_kdf))
		return NULL;
	return OBJ_nid2sn(hash);
}

/* X9.63 with what RFC 5753, 7.2, says is hashed beside the secret. */
static int make_kek(const struct sr_cms_recipient *recipient, X509_ALGOR *wrap,
		    const struct sr_secret *shared, size_t size, struct sr_secret *ret,
		    struct sr_err *err)
{
	_cleanup_(kdf_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "X963KDF", NULL);
	_cleanup_(kdf_ctx_freep) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	const char *hash = kdf_hash(recipient->algorithm);
	unsigned char *info = NULL;
	OSSL_PARAM params[4];
	int used = CMS_SharedInfo_encode(&info, wrap, (ASN1_OCTET_STRING *)recipient->ukm,
					 (int)size);
	int r = used > 0 && ctx ? sr_secret_alloc(size, ret, err)
				: sr_fail_libcrypto(err, "deriving a key");

	if (r < 0) {
		OPENSSL_free(info);
		return r;
	}
	params[0] =
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)hash, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, shared->data,
						      shared->size);
	params[2] =
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)used);
	params[3] = OSSL_PARAM_construct_end();
	if (EVP_KDF_derive(ctx, ret->data, size, params) != 1)
		r = sr_fail_libcrypto(err, "deriving a key");
	OPENSSL_free(info);
	return r;
}

static int unwrap(const struct sr_secret *kek, const EVP_CIPHER *cipher,
		  const ASN1_OCTET_STRING *wrapped, size_t size, struct sr_secret *ret,
		  struct sr_err *err)
{
	_cleanup_(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	_cleanup_secret_ struct sr_secret key = { 0 };
	int used = 0, r;

	if (wrapped->length <= (int)size || wrapped->length > (int)size + WRAP_ROOM)
		return sr_cms_fail(err);
	r = ctx ? sr_secret_alloc(size + 2 * WRAP_ROOM, &key, err) : sr_fail_memory(err);
	if (r < 0)
		return r;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_DecryptInit_ex(ctx, cipher, NULL, kek->data, NULL) != 1 ||
	    EVP_DecryptUpdate(ctx, key.data, &used, wrapped->data, wrapped->length) !=
		1 ||
	    used != (int)size)
		return sr_cms_fail(err);
	sr_secret_shrink(&key, size);
	sr_secret_take(&key, ret);
	return 0;
}

static int agree_key(const struct sr_cms *cms, const struct sr_cms_recipient *recipient,
		     const struct sr_cms_hand *hand, struct sr_secret *ret,
		     struct sr_err *err)
{
	_cleanup_(algor_freep) X509_ALGOR *wrap = ASN1_TYPE_unpack_sequence(
	    ASN1_ITEM_rptr(X509_ALGOR), recipient->algorithm->parameter);
	const EVP_CIPHER *cipher = wrap ? wrap_cipher(wrap) : NULL;
	_cleanup_secret_ struct sr_secret shared = { 0 }, kek = { 0 };
	int r;

	if (!cipher || !kdf_hash(recipient->algorithm))
		return fail_unknown(err, "its key is not agreed on by ECDH with the KDF "
					 "of X9.63, and wrapped by AES or 3DES");
	r = hand->derive(hand->arg, recipient->peer->data,
			 (size_t)recipient->peer->length, &shared, err);
	if (r == -EBADMSG)
		return sr_cms_fail(err);
	if (r == 0)
		r = make_kek(recipient, wrap, &shared,
			     (size_t)EVP_CIPHER_get_key_length(cipher), &kek, err);
	return r < 0 ? r : unwrap(&kek, cipher, recipient->key, cms->key_size, ret, err);
}

/* ---- either ---- */

/*
 * Parameters may be left out, or NULL: then it is the recipient's curve (RFC 5753, 3.1.1), and
 * the size tells which. A point has both of its coordinates, or one.
 */
static bool is_on_curve(const struct sr_cms_recipient *recipient,
			const struct sr_key_type *type)
{
	const ASN1_TYPE *curve = recipient->peer_algorithm->parameter;

	if (OBJ_obj2nid(recipient->peer_algorithm->algorithm) !=
		NID_X9_62_id_ecPublicKey ||
	    (recipient->peer->length != 1 + 2 * type->field &&
	     recipient->peer->length != 1 + type->field))
		return false;
	return !curve || curve->type == V_ASN1_NULL ||
	       (curve->type == V_ASN1_OBJECT &&
		OBJ_obj2nid(curve->value.object) == OBJ_sn2nid(type->group));
}

bool sr_cms_fits(const struct sr_cms_recipient *recipient, const struct sr_key_type *type)
{
	int nid = OBJ_obj2nid(recipient->algorithm->algorithm);

	if (type->alg == TPM2_ALG_RSA)
		return !recipient->peer && recipient->key->length == type->field &&
		       (nid == NID_rsaEncryption || nid == NID_rsaesOaep);
	return type->alg == TPM2_ALG_ECC && recipient->peer &&
	       is_on_curve(recipient, type);
}

int sr_cms_key(const struct sr_cms *cms, const struct sr_cms_recipient *recipient,
	       const struct sr_cms_hand *hand, struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret key = { 0 };
	int r = recipient->peer ? agree_key(cms, recipient, hand, &key, err)
				: decrypt_key(cms, recipient, hand, &key, err);

	if (r < 0)
		return r;
	if (key.size != cms->key_size)
		return sr_cms_fail(err);
	sr_secret_take(&key, ret);
	return 0;
}
