/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of the TPM: created or imported under the storage key, used, given another PIN. */
#include "key.h"

#include <openssl/evp.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "codec/name.h"
#include "codec/rsaes.h"
#include "move.h"
#include "session.h"

#define WRAP_KEY 16 /* bytes: AES-128 */

#define NO_SESSIONS ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE

SR_DEFINE_CLEANUP(cipher_ctx_freep, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

static inline void wipe_create(TPM2B_SENSITIVE_CREATE *sensitive)
{
	OPENSSL_cleanse(sensitive, sizeof(*sensitive));
}

static inline void wipe_sensitive(TPM2B_SENSITIVE *sensitive)
{
	OPENSSL_cleanse(sensitive, sizeof(*sensitive));
}

static inline void wipe_data(TPM2B_DATA *data)
{
	OPENSSL_cleanse(data, sizeof(*data));
}

static bool has_pin(const struct sr_key_shape *shape)
{
	return shape->pin && shape->pin->size > 0;
}

static int describe(const struct sr_key_shape *shape, TPMA_OBJECT attributes,
		    TPMT_PUBLIC *ret, struct sr_err *err)
{
	struct sr_policy policy = *shape->policy;
	int r = shape->moves ? sr_move_policy(has_pin(shape), &policy, err) : 0;

	if (r < 0)
		return r;
	ret->nameAlg = TPM2_ALG_SHA256;
	ret->objectAttributes =
	    attributes | (shape->usage & SR_KEY_SIGN ? TPMA_OBJECT_SIGN_ENCRYPT : 0) |
	    (shape->usage & SR_KEY_DECRYPT ? TPMA_OBJECT_DECRYPT : 0) |
	    (shape->policy->count ? 0 : TPMA_OBJECT_USERWITHAUTH) |
	    (has_pin(shape) ? 0 : TPMA_OBJECT_NODA);
	return policy.count ? sr_policy_digest(&policy, &ret->authPolicy, err) : 0;
}

static void note(const struct sr_key_shape *shape, const TPM2B_PUBLIC *pub,
		 const TPM2B_PRIVATE *priv, struct sr_tpmkey *ret)
{
	ret->type = SR_TPMKEY_LOADABLE;
	ret->has_empty_auth = true;
	ret->empty_auth = !has_pin(shape);
	ret->policy = *shape->policy;
	ret->pub = *pub;
	ret->priv = *priv;
}

/* How TPMs say that they do not have a kind of key. */
static bool is_unknown(TSS2_RC rc)
{
	switch (sr_tss_code(rc)) {
	case TPM2_RC_VALUE:
	case TPM2_RC_CURVE:
	case TPM2_RC_KEY_SIZE:
	case TPM2_RC_ASYMMETRIC:
	case TPM2_RC_TYPE:
		return true;
	default:
		return false;
	}
}

static int fail_create(TSS2_RC rc, const char *type, const char *what, struct sr_err *err)
{
	if (!is_unknown(rc))
		return sr_fail_parent(rc, what, err);
	return sr_fail(err, -EINVAL,
		       "this TPM has no %s keys: tpm-sign algs shows what it has (%s: "
		       "0x%03x)",
		       type, what, rc);
}

int sr_key_create(const struct sr_handle *session, const struct sr_handle *parent,
		  const struct sr_key_shape *shape, struct sr_tpmkey *ret,
		  struct sr_err *err)
{
	static const TPM2B_DATA no_data = { 0 };
	static const TPML_PCR_SELECTION no_pcrs = { 0 };
	_cleanup_(wipe_create) TPM2B_SENSITIVE_CREATE sensitive = { 0 };
	TPM2B_PUBLIC template = { .publicArea.type = shape->type->alg };
	_cleanup_esys_ TPM2B_PRIVATE *priv = NULL;
	_cleanup_esys_ TPM2B_PUBLIC *pub = NULL;
	TSS2_RC rc;
	int r;

	sr_key_type_params(shape->type, &template.publicArea.parameters);
	r = describe(
	    shape,
	    TPMA_OBJECT_SENSITIVEDATAORIGIN |
		(shape->moves ? 0 : TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT),
	    &template.publicArea, err);
	if (r == 0)
		r = sr_auth_of(shape->pin, &sensitive.sensitive.userAuth, err);
	if (r == 0)
		r = sr_session_encrypt(session, err);
	if (r < 0)
		return r;
	rc = SR_TSS(Esys_Create(parent->tpm->esys, parent->tr, ESYS_TR_PASSWORD,
				session->tr, ESYS_TR_NONE, &sensitive, &template,
				&no_data, &no_pcrs, &priv, &pub, NULL, NULL, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return fail_create(rc, shape->type->name, "TPM2_Create", err);
	note(shape, pub, priv, ret);
	return 0;
}

/* TPM2B_SENSITIVE, as it will be in the TPM. */
static int marshal_sensitive(const struct sr_key_shape *shape,
			     const struct sr_private *from, struct sr_secret *ret,
			     struct sr_err *err)
{
	_cleanup_(wipe_sensitive) TPM2B_SENSITIVE sensitive = {
		.sensitiveArea.sensitiveType = from->pub.publicArea.type,
	};
	TPM2B_PRIVATE_KEY_RSA *value = &sensitive.sensitiveArea.sensitive.rsa;
	size_t used = 0;
	int r = sr_auth_of(shape->pin, &sensitive.sensitiveArea.authValue, err);

	if (r == 0)
		r = sr_secret_alloc(sizeof(sensitive), ret, err);
	if (r < 0)
		return r;
	/* Both kinds are a size and as many bytes. */
	value->size = (uint16_t)from->value.size;
	memcpy(value->buffer, from->value.data, from->value.size);
	if (Tss2_MU_TPM2B_SENSITIVE_Marshal(&sensitive, ret->data, ret->size, &used) !=
	    TSS2_RC_SUCCESS)
		return sr_fail(err, -EIO, "the private key cannot be marshalled");
	sr_secret_shrink(ret, used);
	return 0;
}

/* What proves to the TPM that it decrypted the right thing: TPM2B_DIGEST of both. */
static int integrity(const struct sr_secret *sensitive, const TPM2B_PUBLIC *pub,
		     uint8_t ret[2 + SR_DIGEST_BYTES], size_t *size, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret both = { 0 };
	unsigned int used = 0;
	TPM2B_NAME name;
	int r = sr_name_of(pub, &name, err);

	if (r == 0)
		r = sr_secret_alloc(sensitive->size + name.size, &both, err);
	if (r < 0)
		return r;
	memcpy(both.data, sensitive->data, sensitive->size);
	memcpy(both.data + sensitive->size, name.name, name.size);
	if (EVP_Digest(both.data, both.size, ret + 2, &used, EVP_sha256(), NULL) != 1)
		return sr_fail_libcrypto(err, "hashing a private key");
	ret[0] = 0;
	ret[1] = (uint8_t)used;
	*size = 2 + used;
	return 0;
}

/* AES-128-CFB with a zero IV, which is what the inner wrapper is. */
static int encrypt(const TPM2B_DATA *key, const uint8_t *proof, size_t proof_size,
		   const struct sr_secret *sensitive, TPM2B_PRIVATE *ret,
		   struct sr_err *err)
{
	static const uint8_t iv[WRAP_KEY];
	_cleanup_(cipher_ctx_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int used = 0, more = 0;

	if (proof_size + sensitive->size > sizeof(ret->buffer))
		return sr_fail(err, -EINVAL, "the private key is too large");
	if (!ctx ||
	    EVP_EncryptInit_ex(ctx, EVP_aes_128_cfb128(), NULL, key->buffer, iv) != 1 ||
	    EVP_EncryptUpdate(ctx, ret->buffer, &used, proof, (int)proof_size) != 1 ||
	    EVP_EncryptUpdate(ctx, ret->buffer + used, &more, sensitive->data,
			      (int)sensitive->size) != 1)
		return sr_fail_libcrypto(err, "encrypting a private key");
	ret->size = (uint16_t)(used + more);
	return 0;
}

/* The private area that TPM2_Import takes, and the key that it decrypts it with. */
static int wrap(const struct sr_key_shape *shape, const struct sr_private *from,
		const TPM2B_PUBLIC *pub, TPM2B_DATA *key, TPM2B_PRIVATE *ret,
		struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret sensitive = { 0 }, random = { 0 };
	uint8_t proof[2 + SR_DIGEST_BYTES];
	size_t size = 0;
	int r = marshal_sensitive(shape, from, &sensitive, err);

	if (r == 0)
		r = integrity(&sensitive, pub, proof, &size, err);
	if (r == 0)
		r = sr_secret_random(WRAP_KEY, &random, err);
	if (r < 0)
		return r;
	key->size = WRAP_KEY;
	memcpy(key->buffer, random.data, random.size);
	return encrypt(key, proof, size, &sensitive, ret, err);
}

int sr_key_wrap(const struct sr_handle *session, const struct sr_handle *parent,
		const struct sr_key_shape *shape, const struct sr_private *from,
		struct sr_tpmkey *ret, struct sr_err *err)
{
	static const TPM2B_ENCRYPTED_SECRET no_seed = { 0 };
	static const TPMT_SYM_DEF_OBJECT aes = {
		.algorithm = TPM2_ALG_AES,
		.keyBits.aes = WRAP_KEY * 8,
		.mode.aes = TPM2_ALG_CFB,
	};
	_cleanup_(wipe_data) TPM2B_DATA key = { 0 };
	_cleanup_esys_ TPM2B_PRIVATE *priv = NULL;
	TPM2B_PUBLIC pub = from->pub;
	TPM2B_PRIVATE wrapped = { 0 };
	TSS2_RC rc;
	int r = describe(shape, 0, &pub.publicArea, err);

	if (r == 0)
		r = wrap(shape, from, &pub, &key, &wrapped, err);
	if (r == 0)
		r = sr_session_encrypt(session, err);
	if (r < 0)
		return r;
	rc = SR_TSS(Esys_Import(parent->tpm->esys, parent->tr, ESYS_TR_PASSWORD,
				session->tr, ESYS_TR_NONE, &key, &pub, &wrapped, &no_seed,
				&aes, &priv));
	if (rc != TSS2_RC_SUCCESS)
		return fail_create(rc, sr_key_type_of(&pub)->name, "TPM2_Import", err);
	note(shape, &pub, priv, ret);
	return 0;
}

int sr_key_rewrap(const struct sr_handle *session, const struct sr_handle *parent,
		  const struct sr_handle *object, const struct sr_secret *pin,
		  struct sr_tpmkey *key, struct sr_err *err)
{
	_cleanup_(sr_auth_wipe) TPM2B_AUTH auth = { 0 };
	_cleanup_esys_ TPM2B_PRIVATE *priv = NULL;
	TSS2_RC rc;
	int r = sr_auth_of(pin, &auth, err);

	if (r == 0)
		r = sr_session_encrypt(session, err);
	if (r < 0)
		return r;
	rc = SR_TSS(Esys_ObjectChangeAuth(object->tpm->esys, object->tr, parent->tr,
					  session->tr, ESYS_TR_NONE, ESYS_TR_NONE, &auth,
					  &priv));
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_ObjectChangeAuth");
	key->priv = *priv;
	return 0;
}

int sr_tpm_takes(struct sr_tpm *tpm, const struct sr_key_type *type, struct sr_err *err)
{
	TPMT_PUBLIC_PARMS parms = { .type = type->alg };
	TSS2_RC rc;

	if (type->software)
		return 0;
	sr_key_type_params(type, &parms.parameters);
	rc = SR_TSS(Esys_TestParms(tpm->esys, NO_SESSIONS, &parms));
	if (rc == TSS2_RC_SUCCESS)
		return 1;
	return is_unknown(rc) ? 0 : sr_fail_tss(err, rc, "TPM2_TestParms");
}

TSS2_RC sr_object_sign_begin(const struct sr_handle *object,
			     const struct sr_handle *session,
			     const struct sr_key_type *type,
			     const struct sr_scheme *scheme,
			     const struct sr_digest *digest)
{
	/* Of a key that may sign anything, the TPM wants no proof of the hash. */
	static const TPMT_TK_HASHCHECK no_ticket = {
		.tag = TPM2_ST_HASHCHECK,
		.hierarchy = TPM2_RH_NULL,
	};
	TPMT_SIG_SCHEME how = {
		.scheme = type->alg == TPM2_ALG_ECC ? TPM2_ALG_ECDSA
			  : scheme->pss		    ? TPM2_ALG_RSAPSS
						    : TPM2_ALG_RSASSA,
		.details.any.hashAlg = scheme->hash,
	};
	TPM2B_DIGEST hash = { .size = (uint16_t)digest->size };

	memcpy(hash.buffer, digest->data, digest->size);
	return Esys_Sign_Async(object->tpm->esys, object->tr,
			       session ? session->tr : ESYS_TR_PASSWORD, ESYS_TR_NONE,
			       ESYS_TR_NONE, &hash, &how, &no_ticket);
}

/* Where the TPM says RETRY, ESYS sends it again, and wants to be asked again. */
TSS2_RC sr_object_sign_end(const struct sr_handle *object, TPMT_SIGNATURE *ret)
{
	_cleanup_esys_ TPMT_SIGNATURE *signature = NULL;
	TSS2_RC rc;

	do
		rc = Esys_Sign_Finish(object->tpm->esys, &signature);
	while ((rc & ~TSS2_RC_LAYER_MASK) == TSS2_BASE_RC_TRY_AGAIN);
	if (rc == TSS2_RC_SUCCESS)
		*ret = *signature;
	return rc;
}

static inline void wipe_messagep(TPM2B_PUBLIC_KEY_RSA **message)
{
	if (*message)
		OPENSSL_cleanse(*message, sizeof(**message));
	Esys_Free(*message);
}

/* With a key to be expected the padding is not the TPM's business, which would tell. */
static TSS2_RC decrypt_rsa(const struct sr_handle *object,
			   const struct sr_handle *session,
			   const struct sr_decryption *how,
			   const struct sr_secret *cipher, struct sr_secret *ret, int *r)
{
	static const TPM2B_DATA no_label = { 0 };
	TPMT_RSA_DECRYPT scheme = {
		.scheme = how->size > 0 ? TPM2_ALG_NULL : how->scheme,
		.details.oaep.hashAlg = how->hash,
	};
	TPM2B_PUBLIC_KEY_RSA in = { .size = (uint16_t)cipher->size };
	_cleanup_(wipe_messagep) TPM2B_PUBLIC_KEY_RSA *out = NULL;
	TSS2_RC rc;

	memcpy(in.buffer, cipher->data, cipher->size);
	rc = SR_TSS(Esys_RSA_Decrypt(object->tpm->esys, object->tr, session->tr,
				     ESYS_TR_NONE, ESYS_TR_NONE, &in, &scheme, &no_label,
				     &out));
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	*r = how->size > 0
		 ? sr_rsaes_open(out->buffer, out->size, cipher->size, how->size, ret)
		 : sr_secret_copy(out->buffer, out->size, ret, NULL);
	return rc;
}

static inline void wipe_pointp(TPM2B_ECC_POINT **point)
{
	if (*point)
		OPENSSL_cleanse(*point, sizeof(**point));
	Esys_Free(*point);
}

/* Its x alone is the secret. */
static TSS2_RC derive_ecc(const struct sr_handle *object, const struct sr_handle *session,
			  const struct sr_key_type *type, const struct sr_secret *peer,
			  struct sr_secret *ret, int *r)
{
	_cleanup_(wipe_pointp) TPM2B_ECC_POINT *out = NULL;
	TPM2B_ECC_POINT in = { 0 };
	TSS2_RC rc;

	sr_point_coordinates(type, peer->data, &in.point);
	rc = SR_TSS(Esys_ECDH_ZGen(object->tpm->esys, object->tr, session->tr,
				   ESYS_TR_NONE, ESYS_TR_NONE, &in, &out));
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	*r = sr_secret_alloc(type->field, ret, NULL);
	if (*r == 0 && !sr_pubkey_pad(out->point.x.buffer, out->point.x.size, ret->data,
				      type->field))
		*r = -EIO;
	return rc;
}

TSS2_RC sr_object_decrypt(const struct sr_handle *object, const struct sr_handle *session,
			  const struct sr_key_type *type, const struct sr_decryption *how,
			  const struct sr_secret *cipher, struct sr_secret *ret, int *r)
{
	*r = 0;
	return how->scheme == TPM2_ALG_ECDH
		   ? derive_ecc(object, session, type, cipher, ret, r)
		   : decrypt_rsa(object, session, how, cipher, ret, r);
}
