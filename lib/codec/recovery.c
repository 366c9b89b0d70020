/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ring key encrypted to a printed recovery key and escrow certificates, as CMS. */
#include "recovery.h"

#include <limits.h>
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "private.h"

#define EC_BITS 256 /* at least */

SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)
SR_DEFINE_CLEANUP(cms_freep, CMS_ContentInfo *, CMS_ContentInfo_free)
SR_DEFINE_CLEANUP(pkey_freep, EVP_PKEY *, EVP_PKEY_free)
SR_DEFINE_CLEANUP(x509_freep, X509 *, X509_free)

/* libcrypto owns the copy and wipes it with the rest of @cms. */
static int add_password(CMS_ContentInfo *cms, const struct sr_secret *key,
			struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret same = { 0 };
	uint8_t *password;
	int r = sr_recovery_key_parse(key, &same, err);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || !sr_secret_equal(key, &same))
		return sr_fail(err, -EINVAL,
			       "the recovery key is not in its printed form");
	password = OPENSSL_memdup(key->data, key->size);
	if (!password)
		return sr_fail_memory(err);
	if (CMS_add0_recipient_password(cms, SR_RECOVERY_ROUNDS, NID_id_alg_PWRI_KEK, -1,
					password, (ossl_ssize_t)key->size,
					EVP_aes_256_cbc()))
		return 0;
	OPENSSL_clear_free(password, key->size);
	return sr_fail_libcrypto(err, "adding the recovery key");
}

static bool rsa_usable(EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);

	return EVP_PKEY_is_a(key, "RSA") && bits >= SR_RECOVERY_RSA_MIN &&
	       bits <= SR_RECOVERY_RSA_MAX;
}

static bool ec_usable(EVP_PKEY *key)
{
	char curve[64];

	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) >= EC_BITS &&
	       EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1;
}

/* A smart card obeys keyUsage, so it is minded here, not in an emergency. */
static const char *why_unusable(X509 *certificate)
{
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	uint32_t usage = X509_get_key_usage(certificate);

	if (!key)
		return "its key can't be read";
	if (rsa_usable(key))
		return usage & KU_KEY_ENCIPHERMENT ? NULL
						   : "keyUsage lacks keyEncipherment";
	if (ec_usable(key))
		return usage & KU_KEY_AGREEMENT ? NULL : "keyUsage lacks keyAgreement";
	return "its key is neither RSA from 2048 bits nor EC on a named curve from 256 "
	       "bits";
}

/* ECDH gets X9.63 from libcrypto, which refuses a context where a KDF is set already. */
static bool set_algorithms(CMS_RecipientInfo *recipient)
{
	EVP_PKEY_CTX *ctx = CMS_RecipientInfo_get0_pkey_ctx(recipient);

	if (CMS_RecipientInfo_type(recipient) == CMS_RECIPINFO_AGREE)
		return EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, EVP_sha256()) == 1;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1;
}

static int add_certificate(CMS_ContentInfo *cms, X509 *certificate, struct sr_err *err)
{
	const char *wrong = why_unusable(certificate);
	CMS_RecipientInfo *recipient;

	if (wrong) {
		ERR_clear_error();
		return sr_fail(err, -EINVAL, "certificate cannot be used: %s", wrong);
	}
	recipient = CMS_add1_recipient_cert(cms, certificate, CMS_KEY_PARAM);
	if (!recipient || !set_algorithms(recipient))
		return sr_fail_libcrypto(err, "adding an escrow certificate");
	return 0;
}

/* After the last certificate: was it the end, or something that is none? */
static int check_end(int count, struct sr_err *err)
{
	bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	if (!end)
		return sr_fail(err, -EINVAL, "damaged certificate");
	if (count == 0)
		return sr_fail(err, -EINVAL, "no certificate in it");
	return 0;
}

static int add_pem(CMS_ContentInfo *cms, const char *pem, size_t size, struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio = NULL;

	if (size == 0 || size > INT_MAX)
		return sr_fail(err, -EINVAL, "empty, or too large");
	bio = BIO_new_mem_buf(pem, (int)size);
	if (!bio)
		return sr_fail_memory(err);
	for (int count = 0;; count++) {
		_cleanup_(x509_freep) X509 *certificate = NULL;
		int r;

		certificate = PEM_read_bio_X509(bio, NULL, sr_no_passphrase, NULL);
		if (!certificate)
			return check_end(count, err);
		r = add_certificate(cms, certificate, err);
		if (r < 0)
			return r;
	}
}

static int add_escrow(CMS_ContentInfo *cms, const struct sr_escrow *escrow,
		      struct sr_err *err)
{
	char prefix[48];
	int r;

	for (size_t i = 0; escrow && i < escrow->count; i++) {
		r = add_pem(cms, escrow->pem[i], escrow->size[i], err);
		if (r < 0) {
			(void)snprintf(prefix, sizeof(prefix), "escrow file %zu", i + 1);
			return sr_prefix(err, r, prefix);
		}
	}
	return 0;
}

static int add_recipients(CMS_ContentInfo *cms, const struct sr_secret *recovery_key,
			  const struct sr_escrow *escrow, struct sr_err *err)
{
	int count, r = 0;

	if (recovery_key && recovery_key->size > 0)
		r = add_password(cms, recovery_key, err);
	if (r == 0)
		r = add_escrow(cms, escrow, err);
	if (r < 0)
		return r;
	count = sk_CMS_RecipientInfo_num(CMS_get0_RecipientInfos(cms));
	if (count == 0)
		return sr_fail(err, -EINVAL,
			       "nobody could recover: a recovery key or a "
			       "certificate is needed");
	if (count > SR_RECOVERY_RECIPIENTS)
		return sr_fail(err, -EINVAL, "%d could recover, and %d is the limit",
			       count, SR_RECOVERY_RECIPIENTS);
	return 0;
}

/* CMS_final() would do, and leave the secret in buffers that nobody wipes. */
static int encrypt(CMS_ContentInfo *cms, const struct sr_secret *plain,
		   struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *chain = CMS_dataInit(cms, NULL);
	int size = (int)plain->size;

	if (!chain || BIO_write(chain, plain->data, size) != size ||
	    BIO_flush(chain) != 1 || CMS_dataFinal(cms, chain) != 1)
		return sr_fail_libcrypto(err, "encrypting to the recipients");
	return 0;
}

static int encode(CMS_ContentInfo *cms, struct sr_buf *ret, struct sr_err *err)
{
	int size = i2d_CMS_ContentInfo(cms, NULL);
	uint8_t *end;

	if (size <= 0)
		return sr_fail_libcrypto(err, "encoding the recovery file");
	end = malloc((size_t)size + 1);
	if (!end)
		return sr_fail_memory(err);
	*ret = (struct sr_buf){ .data = end, .size = (size_t)size };
	if (i2d_CMS_ContentInfo(cms, &end) != size)
		return sr_fail_libcrypto(err, "encoding the recovery file");
	*end = '\0';
	return 0;
}

static int seal(const struct sr_secret *plain, const struct sr_secret *recovery_key,
		const struct sr_escrow *escrow, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_(cms_freep) CMS_ContentInfo *cms = NULL;
	int r;

	cms = CMS_AuthEnvelopedData_create(EVP_aes_256_gcm());
	if (!cms || CMS_set_detached(cms, 0) != 1)
		return sr_fail_libcrypto(err, "making the recovery file");
	r = add_recipients(cms, recovery_key, escrow, err);
	if (r == 0)
		r = encrypt(cms, plain, err);
	return r < 0 ? r : encode(cms, ret, err);
}

int sr_escrow_seal(const struct sr_secret *content, const struct sr_escrow *escrow,
		   struct sr_buf *ret, struct sr_err *err)
{
	return seal(content, NULL, escrow, ret, err);
}

int sr_recovery_seal(const struct sr_secret *ring_key,
		     const struct sr_secret *recovery_key, const struct sr_escrow *escrow,
		     struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf file = { 0 };
	int r;

	if (ring_key->size != SR_RING_KEY)
		return sr_fail(err, -EINVAL, "the ring key has %zu bytes, not %d",
			       ring_key->size, SR_RING_KEY);
	r = seal(ring_key, recovery_key, escrow, &file, err);
	if (r < 0)
		return r;
	if (file.size > SR_RECOVERY_MAX)
		return sr_fail(err, -EINVAL,
			       "the certificates make the recovery file larger "
			       "than %d bytes; leave some out",
			       SR_RECOVERY_MAX);
	/* A libcrypto that writes another shape is noticed today, not in an emergency. */
	if (sr_recovery_check(&file, NULL, NULL, NULL) < 0)
		return sr_fail(err, -EIO,
			       "OpenSSL made a recovery file of a shape that we "
			       "do not open; report its version");
	*ret = file;
	file = (struct sr_buf){ 0 };
	return 0;
}

/*
 * libcrypto answers a wrong RSA key with success and a random content key, lest a server
 * that decrypts for strangers tells them about PKCS #1 v1.5 padding. We have neither, so
 * it is asked for the truth; and whatever it says, the tag decides.
 */
static int parse(const struct sr_buf *content, CMS_ContentInfo **ret, struct sr_err *err)
{
	_cleanup_(cms_freep) CMS_ContentInfo *cms = NULL;
	const uint8_t *at = content->data;

	cms = d2i_CMS_ContentInfo(NULL, &at, (long)content->size);
	if (!cms || CMS_decrypt(cms, NULL, NULL, NULL, NULL, CMS_DEBUG_DECRYPT) != 1) {
		ERR_clear_error();
		return sr_fail(
		    err, -EBADMSG,
		    "recovery file: damaged; restore it from a backup, or renew it");
	}
	*ret = take(cms);
	return 0;
}

/* Once a key has been unwrapped. Straight into the secret, through no other buffer. */
static int decrypt(CMS_ContentInfo *cms, struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *chain = CMS_dataInit(cms, NULL);
	_cleanup_secret_ struct sr_secret key = { 0 };
	uint8_t extra;
	bool ok;
	int r = sr_secret_alloc(SR_RING_KEY, &key, err);

	if (r < 0)
		return r;
	/* Reading on to the end is what makes libcrypto check the tag. */
	ok = chain && BIO_read(chain, key.data, SR_RING_KEY) == SR_RING_KEY &&
	     BIO_read(chain, &extra, 1) <= 0 && BIO_get_cipher_status(chain) == 1;
	/* Also after success: the recipients that did not fit have left their errors. */
	ERR_clear_error();
	if (!ok)
		return sr_fail(
		    err, -EBADMSG,
		    "recovery file: damaged: its content is not what was sealed");
	sr_secret_take(&key, ret);
	return 0;
}

int sr_recovery_open(const struct sr_buf *content, const struct sr_secret *recovery_key,
		     struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(cms_freep) CMS_ContentInfo *cms = NULL;
	bool has_key;
	int r = sr_recovery_check(content, &has_key, NULL, err);

	if (r < 0)
		return r;
	if (!has_key)
		return sr_fail(err, -EACCES,
			       "the recovery file was made for no recovery "
			       "key, only for escrow certificates");
	r = parse(content, &cms, err);
	if (r < 0)
		return r;
	if (recovery_key->size != SR_RECOVERY_TEXT ||
	    CMS_decrypt_set1_password(cms, recovery_key->data, SR_RECOVERY_TEXT) != 1) {
		ERR_clear_error();
		return sr_fail(err, -EACCES, "this is not the recovery key of this file");
	}
	return decrypt(cms, ret, err);
}

static int read_private_key(const struct sr_secret *pem, EVP_PKEY **ret,
			    struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio = NULL;

	if (pem->size == 0 || pem->size > SR_SECRET_MAX)
		return sr_fail(err, -EINVAL, "the escrow key is empty, or too large");
	bio = BIO_new_mem_buf(pem->data, (int)pem->size);
	if (!bio)
		return sr_fail_memory(err);
	*ret = PEM_read_bio_PrivateKey(bio, NULL, sr_no_passphrase, NULL);
	ERR_clear_error();
	if (!*ret)
		return sr_fail(err, -EINVAL,
			       "the escrow key is no private key in PEM that is "
			       "not encrypted; decrypt it with openssl pkey");
	return 0;
}

int sr_recovery_open_escrow(const struct sr_buf *content,
			    const struct sr_secret *private_key, struct sr_secret *ret,
			    struct sr_err *err)
{
	_cleanup_(cms_freep) CMS_ContentInfo *cms = NULL;
	_cleanup_(pkey_freep) EVP_PKEY *key = NULL;
	unsigned int escrow;
	int r = sr_recovery_check(content, NULL, &escrow, err);

	if (r < 0)
		return r;
	if (escrow == 0)
		return sr_fail(err, -EACCES,
			       "the recovery file was made for no escrow "
			       "certificate, only for a recovery key");
	r = read_private_key(private_key, &key, err);
	if (r == 0)
		r = parse(content, &cms, err);
	if (r < 0)
		return r;
	if (CMS_decrypt_set1_pkey(cms, key, NULL) != 1) {
		ERR_clear_error();
		return sr_fail(err, -EACCES,
			       "no certificate of this recovery file belongs to "
			       "this private key");
	}
	return decrypt(cms, ret, err);
}
