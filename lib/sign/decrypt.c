/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decrypting and deriving: what is asked for, brought into the form of the TPM. */
#include "codec/rsaes.h"
#include "ground/parse.h"
#include "signer.h"

static bool decrypts(const struct sr_key *key, TPMI_ALG_PUBLIC alg)
{
	return key->file->pub.publicArea.objectAttributes & TPMA_OBJECT_DECRYPT &&
	       key->type->alg == alg;
}

static int check_padding(const struct sr_key *key, const struct sr_padding *padding,
			 struct sr_decryption *ret, struct sr_err *err)
{
	const char *oaep = padding->oaep;
	TPMI_ALG_HASH hash = oaep ? sr_bank_parse(oaep) : 0;

	if (oaep && !sr_scheme_md(&(struct sr_scheme){ .hash = hash }) &&
	    hash != TPM2_ALG_SHA1)
		return sr_fail(err, -EINVAL,
			       "no hash \"%s\" for OAEP: sha1, sha256, sha384 or sha512",
			       oaep);
	if (padding->size > 0 &&
	    (oaep || padding->size + SR_RSAES_AROUND > key->type->field))
		return sr_fail(err, -EINVAL,
			       "the size of what is hidden is for PKCS#1 v1.5, and at "
			       "most %u bytes",
			       key->type->field - SR_RSAES_AROUND);
	*ret = (struct sr_decryption){
		.scheme = oaep ? TPM2_ALG_OAEP : TPM2_ALG_RSAES,
		.hash = hash,
		.size = padding->size,
	};
	return 0;
}

int sr_decrypt_check(const struct sr_key *key, const struct sr_padding *padding,
		     const struct sr_secret *cipher, struct sr_decryption *ret,
		     struct sr_err *err)
{
	int r;

	if (decrypts(key, TPM2_ALG_ECC))
		return sr_fail(err, -EINVAL,
			       "an EC key decrypts messages (CMS), not what is encrypted "
			       "with RSA");
	if (!decrypts(key, TPM2_ALG_RSA))
		return sr_fail(err, -EINVAL,
			       "it is not for decryption: that takes a key made with "
			       "--usage decrypt");
	r = check_padding(key, padding, ret, err);
	if (r == 0 && cipher->size != key->type->field)
		r = sr_fail(err, -EBADMSG,
			    "%zu bytes were not encrypted to this key: that would be %u",
			    cipher->size, key->type->field);
	return r;
}

int sr_derive_check(const struct sr_key *key, const uint8_t *peer, size_t size,
		    struct sr_secret *point, struct sr_decryption *ret,
		    struct sr_err *err)
{
	if (!decrypts(key, TPM2_ALG_ECC))
		return sr_fail(err, -EINVAL,
			       "it derives no secrets: that takes an EC key made with "
			       "--usage decrypt");
	*ret = (struct sr_decryption){ .scheme = TPM2_ALG_ECDH };
	return sr_point_read(key->type, peer, size, point, err);
}

static int decrypt(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_decryption *how, const struct sr_secret *cipher,
		   struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_signer_ struct sr_signer signer = SR_SIGNER(tpm);
	int r = sr_signer_open(key, tpm, ask, SR_SIGNER_ENCRYPTED, &signer, err);

	return r < 0 ? r : sr_signer_decrypt(&signer, how, cipher, true, ret, err);
}

int sr_key_decrypt(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_padding *padding, const struct sr_secret *cipher,
		   struct sr_secret *ret, struct sr_err *err)
{
	struct sr_decryption how;
	int r = sr_decrypt_check(key, padding, cipher, &how, err);

	if (r == 0)
		r = decrypt(key, tpm, ask, &how, cipher, ret, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}

int sr_key_derive(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		  const uint8_t *peer, size_t size, struct sr_secret *ret,
		  struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret point = { 0 };
	struct sr_decryption how;
	int r = sr_derive_check(key, peer, size, &point, &how, err);

	if (r == 0)
		r = decrypt(key, tpm, ask, &how, &point, ret, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}
