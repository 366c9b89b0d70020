/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private keys from files of others, as a TPM takes them. */
#include "private.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "sshprivate.h"

#define DER_SEQUENCE 0x30
#define PASSPHRASE_ROOM 1025 /* bytes for one and its NUL */

SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)
SR_DEFINE_CLEANUP(bn_clear_freep, BIGNUM *, BN_clear_free)
SR_DEFINE_CLEANUP(pkcs8_freep, PKCS8_PRIV_KEY_INFO *, PKCS8_PRIV_KEY_INFO_free)
SR_DEFINE_CLEANUP(pkcs12_freep, PKCS12 *, PKCS12_free)
SR_DEFINE_CLEANUP(x509_freep, X509 *, X509_free)

static inline void x509s_freep(STACK_OF(X509) * *list)
{
	sk_X509_pop_free(*list, X509_free);
}

/* What the callback of OpenSSL was told, and told us. */
struct question {
	const struct sr_ask *ask;
	struct sr_err *err;
	bool asked;
	int r;
};

static int give_passphrase(char *to, int room, int writing, void *arg)
{
	_cleanup_secret_ struct sr_secret answer = { 0 };
	struct question *question = arg;

	(void)writing;
	question->asked = true;
	question->r = question->ask && question->ask->pin
			  ? question->ask->pin(question->ask->arg, "the private key",
					       &answer, question->err)
			  : sr_fail(question->err, -EACCES,
				    "the private key is encrypted, and there is nobody "
				    "to ask for its passphrase");
	if (question->r < 0 || answer.size > (size_t)room)
		return -1;
	memcpy(to, answer.data, answer.size);
	return (int)answer.size;
}

int sr_no_passphrase(char *to, int room, int writing, void *arg)
{
	(void)to;
	(void)room;
	(void)writing;
	(void)arg;
	return -1;
}

static int fail_read(const struct question *question, struct sr_err *err)
{
	ERR_clear_error();
	if (question->r < 0)
		return question->r;
	if (question->asked)
		return sr_fail(err, -EACCES, "wrong passphrase of the private key");
	return sr_fail(err, -EBADMSG,
		       "no private key in a form that is known: PKCS#8, PKCS#1, SEC1, "
		       "PKCS#12 or OpenSSH's");
}

bool sr_certificate_issued(X509 *issuer, X509 *one)
{
	return X509_check_issued(issuer, one) == X509_V_OK &&
	       X509_verify(one, X509_get0_pubkey(issuer)) == 1;
}

/* The one of @others that issued @one; NULL if there is none, or it did that itself. */
static X509 *find_issuer(X509 *one, const STACK_OF(X509) * others)
{
	if (X509_check_issued(one, one) == X509_V_OK)
		return NULL;
	for (int i = 0; i < sk_X509_num(others); i++)
		if (sr_certificate_issued(sk_X509_value(others, i), one))
			return sk_X509_value(others, i);
	return NULL;
}

/* Each behind the one that it certifies, as TLS sends them: there is no order in the file. */
static int take_certificates(X509 *own, const STACK_OF(X509) * others, char **ret,
			     struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *out = BIO_new(BIO_s_mem());
	int left = others ? sk_X509_num(others) : 0;
	char *text;
	long size;

	if (!own)
		return 0;
	for (X509 *one = own; one && left-- >= 0; one = find_issuer(one, others))
		if (!out || PEM_write_bio_X509(out, one) != 1)
			return sr_fail_libcrypto(err, "reading a certificate");
	ERR_clear_error();
	size = BIO_get_mem_data(out, &text);
	*ret = strndup(text, (size_t)size);
	return *ret ? 0 : sr_fail_memory(err);
}

/* An empty passphrase and none at all are different in PKCS#12, and both are in use. */
static const char *pkcs12_passphrase(PKCS12 *file, struct question *question,
				     struct sr_secret *room)
{
	int size;

	if (PKCS12_verify_mac(file, NULL, 0))
		return NULL;
	if (!PKCS12_verify_mac(file, "", 0)) {
		size =
		    give_passphrase((char *)room->data, PASSPHRASE_ROOM - 1, 0, question);
		room->data[size < 0 ? 0 : size] = '\0';
	}
	return (const char *)room->data;
}

/* The passphrase was right. */
static int fail_cipher(struct sr_err *err)
{
	ERR_clear_error();
	return sr_fail(
	    err, -EBADMSG,
	    "the PKCS#12 file is encrypted as it was usual before OpenSSL 3: import "
	    "what openssl pkcs12 -legacy -nodes prints of it");
}

static int decode_pkcs12(PKCS12 *file, struct question *question, EVP_PKEY **key,
			 char **certificates)
{
	_cleanup_(x509s_freep) STACK_OF(X509) *others = NULL;
	_cleanup_(x509_freep) X509 *own = NULL;
	_cleanup_secret_ struct sr_secret room = { 0 };
	const char *passphrase;
	int r = sr_secret_alloc(PASSPHRASE_ROOM, &room, question->err);

	if (r < 0)
		return r;
	passphrase = pkcs12_passphrase(file, question, &room);
	if (question->r < 0 || !PKCS12_verify_mac(file, passphrase, -1))
		return fail_read(question, question->err);
	if (PKCS12_parse(file, passphrase, key, &own, &others) != 1)
		return fail_cipher(question->err);
	if (!*key)
		return fail_read(&(struct question){ 0 }, question->err);
	return take_certificates(own, others, certificates, question->err);
}

/* DER does not say which of them it is. */
static int decode_der(const struct sr_secret *content, BIO *bio,
		      struct question *question, EVP_PKEY **key, char **certificates)
{
	_cleanup_(pkcs12_freep) PKCS12 *file = NULL;
	const unsigned char *at = content->data;

	*key = d2i_AutoPrivateKey(NULL, &at, (long)content->size);
	if (!*key)
		*key = d2i_PKCS8PrivateKey_bio(bio, NULL, give_passphrase, question);
	if (*key || question->asked)
		return *key ? 0 : fail_read(question, question->err);
	at = content->data;
	file = d2i_PKCS12(NULL, &at, (long)content->size);
	return file ? decode_pkcs12(file, question, key, certificates)
		    : fail_read(question, question->err);
}

static int decode(const struct sr_secret *content, const struct sr_ask *ask,
		  EVP_PKEY **ret, char **certificates, struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio =
	    BIO_new_mem_buf(content->data, (int)content->size);
	struct question question = { .ask = ask, .err = err };

	if (!bio)
		return sr_fail_libcrypto(err, "reading a private key");
	if (content->data[0] == DER_SEQUENCE)
		return decode_der(content, bio, &question, ret, certificates);
	*ret = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &question);
	return *ret ? 0 : fail_read(&question, err);
}

/* A TPM wants one prime of RSA, from which it computes the rest. */
static int take_value(const EVP_PKEY *key, size_t field, bool rsa, struct sr_secret *ret,
		      struct sr_err *err)
{
	const char *name = rsa ? OSSL_PKEY_PARAM_RSA_FACTOR1 : OSSL_PKEY_PARAM_PRIV_KEY;
	_cleanup_(bn_clear_freep) BIGNUM *number = NULL;
	size_t size = rsa ? field / 2 : field;
	int r;

	if (EVP_PKEY_get_bn_param(key, name, &number) != 1)
		return sr_fail_libcrypto(err, "reading a private key");
	r = sr_secret_alloc(size, ret, err);
	if (r < 0)
		return r;
	if (BN_bn2binpad(number, ret->data, (int)size) < 0)
		return sr_fail(err, -EINVAL,
			       "its two primes are not of the same size, which TPMs "
			       "want");
	return 0;
}

static int take_octets(const EVP_PKEY *key, size_t size, struct sr_secret *ret,
		       struct sr_err *err)
{
	int r = sr_secret_alloc(size, ret, err);

	if (r < 0)
		return r;
	return EVP_PKEY_get_raw_private_key(key, ret->data, &size) == 1
		   ? 0
		   : sr_fail_libcrypto(err, "reading a private key");
}

int sr_private_take(const EVP_PKEY *key, struct sr_private *ret, struct sr_err *err)
{
	const struct sr_key_type *type;
	int r = sr_pubkey_unique(key, &ret->pub, err);

	if (r < 0)
		return r;
	type = sr_key_type_of(&ret->pub);
	if (type->alg == SR_ALG_EDDSA)
		return take_octets(key, type->field, &ret->value, err);
	return take_value(key, type->field, type->alg == TPM2_ALG_RSA, &ret->value, err);
}

int sr_private_read(const struct sr_secret *content, const struct sr_ask *passphrase,
		    struct sr_private *ret, struct sr_err *err)
{
	_cleanup_evp_ EVP_PKEY *key = NULL;
	int r;

	if (content->size == 0 || content->size > SR_PRIVATE_MAX)
		return sr_fail(err, -EBADMSG, "a private key has 1 to %d bytes",
			       SR_PRIVATE_MAX);
	*ret = (struct sr_private){ 0 };
	if (sr_sshprivate_is(content))
		return sr_sshprivate_read(content, ret, err);
	r = decode(content, passphrase, &key, &ret->certificates, err);
	return r < 0 ? r : sr_private_take(key, ret, err);
}

int sr_private_generate(const struct sr_key_type *type, struct sr_secret *ret,
			struct sr_err *err)
{
	_cleanup_(pkcs8_freep) PKCS8_PRIV_KEY_INFO *info = NULL;
	_cleanup_secret_ struct sr_secret content = { 0 };
	_cleanup_evp_ EVP_PKEY *key = NULL;
	uint8_t *at;
	int size, r;

	key = type->alg == TPM2_ALG_ECC
		  ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", type->group)
		  : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", 8 * (size_t)type->field);
	info = key ? EVP_PKEY2PKCS8(key) : NULL;
	size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : 0;
	if (size <= 0)
		return sr_fail_libcrypto(err, "making a private key");
	r = sr_secret_alloc((size_t)size, &content, err);
	if (r < 0)
		return r;
	at = content.data;
	if (i2d_PKCS8_PRIV_KEY_INFO(info, &at) != size)
		return sr_fail_libcrypto(err, "making a private key");
	sr_secret_take(&content, ret);
	return 0;
}
