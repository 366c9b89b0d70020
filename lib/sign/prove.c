/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A key is used once before anybody relies on it. */
#include "prove.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "signer.h"
#include "tpm/srk.h"

#define PROOF_SIZE 32 /* bytes that are signed or encrypted for a try */

SR_DEFINE_CLEANUP(pkey_ctx_freep, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

static int encrypt_for(EVP_PKEY *pub, const struct sr_secret *plain,
		       struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);
	size_t size = (size_t)EVP_PKEY_get_size(pub);
	int r = sr_secret_alloc(size, ret, err);

	if (r < 0)
		return r;
	if (!ctx || EVP_PKEY_encrypt_init(ctx) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) <= 0 ||
	    EVP_PKEY_encrypt(ctx, ret->data, &size, plain->data, plain->size) <= 0)
		return sr_fail_libcrypto(err, "encrypting");
	return 0;
}

static int prove_decrypts(struct sr_signer *signer, struct sr_err *err)
{
	static const struct sr_decryption oaep = { TPM2_ALG_OAEP, TPM2_ALG_SHA256, 0 };
	_cleanup_secret_ struct sr_secret plain = { 0 }, cipher = { 0 }, found = { 0 };
	int r = sr_secret_random(PROOF_SIZE, &plain, err);

	if (r == 0)
		r = encrypt_for(signer->pub, &plain, &cipher, err);
	if (r == 0)
		r = sr_signer_decrypt(signer, &oaep, &cipher, true, &found, err);
	if (r == 0 && !sr_secret_equal(&plain, &found))
		r = sr_fail(err, -EIO, "the TPM decrypts to other bytes");
	return r;
}

/* The secret that a passing peer has with the key, and its public key. */
static int share_with(EVP_PKEY *pub, const struct sr_key_type *type,
		      struct sr_secret *peer, struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_evp_ EVP_PKEY *own = EVP_EC_gen(type->group);
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx =
	    own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
	TPM2B_PUBLIC area = { 0 };
	size_t size = type->field;
	int r = sr_secret_alloc(size, ret, err);

	if (r < 0)
		return r;
	if (!ctx || EVP_PKEY_derive_init(ctx) <= 0 ||
	    EVP_PKEY_derive_set_peer(ctx, pub) <= 0 ||
	    EVP_PKEY_derive(ctx, ret->data, &size) <= 0)
		return sr_fail_libcrypto(err, "deriving a secret");
	r = sr_pubkey_unique(own, &area, err);
	return r < 0 ? r : sr_point_of(&area, peer, err);
}

static int prove_derives(struct sr_signer *signer, struct sr_err *err)
{
	static const struct sr_decryption ecdh = { TPM2_ALG_ECDH, 0, 0 };
	_cleanup_secret_ struct sr_secret peer = { 0 }, wanted = { 0 }, found = { 0 };
	int r = sr_signer_ready(signer, err);

	if (r == 0)
		r = share_with(signer->pub, signer->key->type, &peer, &wanted, err);
	if (r == 0)
		r = sr_signer_decrypt(signer, &ecdh, &peer, true, &found, err);
	if (r == 0 && !sr_secret_equal(&wanted, &found))
		r = sr_fail(err, -EIO, "the TPM derives another secret");
	return r;
}

static int prove_signs(struct sr_signer *signer, struct sr_err *err)
{
	static const struct sr_scheme scheme = { .hash = TPM2_ALG_SHA256 };
	static const struct sr_digest digest = { .size = PROOF_SIZE };
	_cleanup_buf_ struct sr_buf unused = { 0 };

	return sr_signer_sign(signer, &scheme, &digest, true, &unused, err);
}

static bool signs(const struct sr_key *key)
{
	return key->file->pub.publicArea.objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT;
}

static int prove_works(const struct sr_key *key, struct sr_tpm *tpm,
		       const struct sr_ask *ask, struct sr_err *err)
{
	_cleanup_signer_ struct sr_signer signer = SR_SIGNER(tpm);
	int r = sr_signer_open(key, tpm, ask,
			       signs(key) ? SR_SIGNER_PLAIN : SR_SIGNER_ENCRYPTED,
			       &signer, err);

	if (r < 0)
		return r;
	if (signs(key))
		return prove_signs(&signer, err);
	r = sr_signer_ready(&signer, err);
	if (r < 0)
		return r;
	return key->type->alg == TPM2_ALG_RSA ? prove_decrypts(&signer, err)
					      : prove_derives(&signer, err);
}

int sr_key_prove(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		 bool later, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(tpm);
	int r;

	if (!later)
		return prove_works(key, tpm, ask, err);
	r = sr_srk_pin(tpm, key->file->parent, &key->parent, &parent, err);
	return r < 0 ? r : sr_object_loads(&parent, key->file, err);
}
