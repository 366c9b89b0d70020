/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of codec/pubkey, codec/signature and codec/ssh with keys made by OpenSSL. */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "codec/ssh.h"

static unsigned int cases;

static const struct {
	const char *name;
	const char *curve; /* NULL: RSA */
	unsigned int bits;
} keys[] = {
	{ "p256", "P-256", 0 },	   { "p384", "P-384", 0 },    { "p521", "P-521", 0 },
	{ "rsa2048", NULL, 2048 }, { "rsa4096", NULL, 4096 },
};

/* A key pair, and its public half as a TPM would give it. */
struct pair {
	EVP_PKEY *key;
	TPM2B_PUBLIC pub;
	const struct sr_key_type *type;
};

static void make(size_t at, struct pair *ret)
{
	ret->key =
	    keys[at].curve ? EVP_EC_gen(keys[at].curve) : EVP_RSA_gen(keys[at].bits);
	assert(ret->key);
	ret->pub = (TPM2B_PUBLIC){ 0 };
	assert(sr_pubkey_unique(ret->key, &ret->pub, NULL) == 0);
	ret->type = sr_key_type_of(&ret->pub);
	assert(ret->type == sr_key_type_find(keys[at].name));
}

/* What we write is what OpenSSL writes, and reads. */
static void check_public(const struct pair *pair)
{
	_cleanup_buf_ struct sr_buf spki = { 0 };
	_cleanup_evp_ EVP_PKEY *again = NULL;
	unsigned char *der = NULL;
	int size = i2d_PUBKEY(pair->key, &der);

	assert(sr_pubkey_spki(&pair->pub, &spki, NULL) == 0);
	assert(size > 0 && (size_t)size == spki.size);
	assert(memcmp(der, spki.data, spki.size) == 0);
	assert(sr_pubkey_evp(&pair->pub, &again, NULL) == 0);
	assert(EVP_PKEY_eq(again, pair->key) == 1);
	OPENSSL_free(der);
	cases += 2;
}

static void sign(const struct pair *pair, const struct sr_scheme *scheme,
		 const uint8_t *digest, size_t size, struct sr_buf *ret)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pair->key, NULL);

	ret->size = SR_SIGNATURE_MAX;
	ret->data = calloc(1, ret->size + 1);
	assert(ctx && ret->data && EVP_PKEY_sign_init(ctx) > 0);
	assert(EVP_PKEY_CTX_set_signature_md(ctx, sr_scheme_md(scheme)) > 0);
	if (scheme->pss)
		assert(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0);
	assert(EVP_PKEY_sign(ctx, ret->data, &ret->size, digest, size) > 0);
	EVP_PKEY_CTX_free(ctx);
}

static bool same(const struct sr_buf *a, const struct sr_buf *b)
{
	return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* Through each form and back; each shorter or longer form is refused. */
static void check_forms(const struct pair *pair, const struct sr_scheme *scheme)
{
	_cleanup_buf_ struct sr_buf der = { 0 }, plain = { 0 }, tss = { 0 };
	struct sr_buf again = { 0 };
	uint8_t digest[64] = { 1, 2, 3 };
	size_t size = (size_t)EVP_MD_get_size(sr_scheme_md(scheme));
	struct sr_scheme other = *scheme;

	sign(pair, scheme, digest, size, &der);
	assert(sr_signature_plain(&der, pair->type, &plain, NULL) == 0);
	assert(sr_signature_from_plain(&plain, pair->type, &again, NULL) == 0);
	assert(same(&der, &again));
	sr_buf_done(&again);
	assert(sr_signature_tss(&der, pair->type, scheme, &tss, NULL) == 0);
	assert(sr_signature_from_tss(&tss, pair->type, scheme, &again, NULL) == 0);
	assert(same(&der, &again));
	sr_buf_done(&again);

	other.hash = scheme->hash == TPM2_ALG_SHA256 ? TPM2_ALG_SHA384 : TPM2_ALG_SHA256;
	assert(sr_signature_from_tss(&tss, pair->type, &other, &again, NULL) == -EBADMSG);
	for (size_t cut = 1; cut < 4; cut++) {
		struct sr_buf part = { plain.data, plain.size - cut };

		assert(sr_signature_from_plain(&part, pair->type, &again, NULL) ==
		       -EBADMSG);
		part = (struct sr_buf){ tss.data, tss.size - cut };
		assert(sr_signature_from_tss(&part, pair->type, scheme, &again, NULL) ==
		       -EBADMSG);
	}
	cases += 8;
}

static void check_verify(const struct pair *pair, const struct sr_scheme *scheme)
{
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	_cleanup_buf_ struct sr_buf der = { 0 };
	uint8_t digest[64] = { 1, 2, 3 };
	size_t size = (size_t)EVP_MD_get_size(sr_scheme_md(scheme));

	assert(sr_pubkey_evp(&pair->pub, &pub, NULL) == 0);
	sign(pair, scheme, digest, size, &der);
	assert(sr_signature_verify(pub, scheme, digest, size, &der, NULL) == 1);
	for (size_t at = 0; at < der.size; at++) {
		der.data[at] ^= 0x40;
		assert(sr_signature_verify(pub, scheme, digest, size, &der, NULL) == 0);
		der.data[at] ^= 0x40;
		cases++;
	}
	digest[0] ^= 1;
	assert(sr_signature_verify(pub, scheme, digest, size, &der, NULL) == 0);
}

/* Signed as ssh-keygen has it, written, read; a flipped byte is refused or verifies not. */
static void check_ssh(const struct pair *pair)
{
	struct sr_scheme scheme = sr_ssh_scheme(pair->type);
	static const uint8_t message[64] = { 9 };
	struct sr_sshsig sig = { "file", TPM2_ALG_SHA512, message, sizeof(message) };
	_cleanup_buf_ struct sr_buf signed_bytes = { 0 }, der = { 0 }, file = { 0 };
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int size = 0, accepted = 0;
	TPMI_ALG_HASH hash;

	assert(sr_pubkey_evp(&pair->pub, &pub, NULL) == 0);
	assert(sr_sshsig_signed(&sig, &signed_bytes, NULL) == 0);
	assert(EVP_Digest(signed_bytes.data, signed_bytes.size, digest, &size,
			  sr_scheme_md(&scheme), NULL) == 1);
	sign(pair, &scheme, digest, size, &der);
	assert(sr_sshsig_write(&sig, &pair->pub, &der, &file, NULL) == 0);
	for (size_t at = 0; at <= file.size; at++) {
		struct sr_buf again = { 0 };
		int r;

		if (at < file.size)
			file.data[at] ^= 0x02;
		r = sr_sshsig_read(&file, &pair->pub, "file", &hash, &again, NULL);
		assert(r == 0 || r == -EBADMSG);
		if (r == 0 && hash == TPM2_ALG_SHA512 &&
		    sr_signature_verify(pub, &scheme, digest, size, &again, NULL) == 1)
			accepted++;
		if (at < file.size)
			file.data[at] ^= 0x02;
		sr_buf_done(&again);
		cases++;
	}
	/* The one that was not touched; what stands behind the last line says nothing. */
	assert(accepted >= 1 && accepted <= 2);
}

static void check_refused(const struct pair *one, const struct pair *other)
{
	static const uint8_t message[64] = { 9 };
	struct sr_sshsig sig = { "git", TPM2_ALG_SHA512, message, sizeof(message) };
	_cleanup_buf_ struct sr_buf der = { 0 }, file = { 0 };
	struct sr_scheme scheme = sr_ssh_scheme(one->type);
	struct sr_buf again = { 0 };
	TPMI_ALG_HASH hash;

	sign(one, &scheme, message, (size_t)EVP_MD_get_size(sr_scheme_md(&scheme)), &der);
	assert(sr_sshsig_write(&sig, &one->pub, &der, &file, NULL) == 0);
	assert(sr_sshsig_read(&file, &one->pub, "git", &hash, &again, NULL) == 0);
	sr_buf_done(&again);
	assert(sr_sshsig_read(&file, &one->pub, "file", &hash, &again, NULL) == -EBADMSG);
	assert(sr_sshsig_read(&file, &other->pub, "git", &hash, &again, NULL) ==
	       -EBADMSG);
	cases += 3;
}

/* A point that is not on its curve, and what is no key of ours. */
static void check_bad_public(struct pair *pair)
{
	_cleanup_evp_ EVP_PKEY *key = NULL, *other = EVP_EC_gen("P-224");
	struct sr_buf spki = { 0 };
	TPM2B_PUBLIC pub = pair->pub;

	pub.publicArea.unique.ecc.x.buffer[3] ^= 1;
	assert(sr_pubkey_evp(&pub, &key, NULL) == -EBADMSG);
	pub = pair->pub;
	pub.publicArea.parameters.eccDetail.curveID = TPM2_ECC_BN_P256;
	assert(sr_pubkey_spki(&pub, &spki, NULL) == -EBADMSG);
	pub = pair->pub;
	pub.publicArea.unique.ecc.y.size = 33;
	assert(!sr_key_type_of(&pub));
	assert(sr_pubkey_unique(other, &pub, NULL) == -EINVAL);
	cases += 4;
}

int main(void)
{
	static const TPMI_ALG_HASH hashes[] = { TPM2_ALG_SHA256, TPM2_ALG_SHA384,
						TPM2_ALG_SHA512 };
	struct pair pairs[SR_COUNT(keys)];

	for (size_t i = 0; i < SR_COUNT(keys); i++) {
		make(i, &pairs[i]);
		check_public(&pairs[i]);
		for (size_t h = 0; h < SR_COUNT(hashes); h++) {
			struct sr_scheme scheme = { .hash = hashes[h] };

			check_forms(&pairs[i], &scheme);
			scheme.pss = !keys[i].curve;
			check_forms(&pairs[i], &scheme);
		}
		check_verify(&pairs[i], &(struct sr_scheme){ .hash = TPM2_ALG_SHA256 });
		check_ssh(&pairs[i]);
	}
	check_refused(&pairs[0], &pairs[1]);
	check_refused(&pairs[3], &pairs[0]);
	check_bad_public(&pairs[0]);
	for (size_t i = 0; i < SR_COUNT(keys); i++)
		EVP_PKEY_free(pairs[i].key);
	printf("%u cases\n", cases);
	assert(cases > 3000);
	return 0;
}
