/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private keys from files of others, as a TPM takes them. */
#include "private.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

#define DER_SEQUENCE 0x30
#define PASSPHRASE_ROOM 1025 /* bytes for one and its NUL */

static const char openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----";

SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)
SR_DEFINE_CLEANUP(bn_clear_freep, BIGNUM *, BN_clear_free)
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

static int fail_read(const struct question *question, struct sr_err *err)
{
	ERR_clear_error();
	if (question->r < 0)
		return question->r;
	if (question->asked)
		return sr_fail(err, -EACCES, "wrong passphrase of the private key");
	return sr_fail(err, -EBADMSG,
		       "no private key in a form that is known: PKCS#8, PKCS#1, SEC1 or "
		       "PKCS#12");
}

/* Its own certificate first, as TLS sends them. */
static int take_certificates(X509 *own, STACK_OF(X509) * others, char **ret,
			     struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *out = BIO_new(BIO_s_mem());
	char *text;
	long size;

	if (!own)
		return 0;
	if (!out || PEM_write_bio_X509(out, own) != 1)
		return sr_fail_libcrypto(err, "reading a certificate");
	for (int i = 0; i < sk_X509_num(others); i++)
		if (PEM_write_bio_X509(out, sk_X509_value(others, i)) != 1)
			return sr_fail_libcrypto(err, "reading a certificate");
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
	if (question->r < 0 || PKCS12_parse(file, passphrase, key, &own, &others) != 1 ||
	    !*key)
		return fail_read(question, question->err);
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
	if (memmem(content->data, content->size, openssh, strlen(openssh)))
		return sr_fail(err, -EBADMSG,
			       "a private key in OpenSSH's own form: convert a copy of "
			       "it with ssh-keygen -p -m PKCS8 -f COPY");
	*ret = (struct sr_private){ 0 };
	r = decode(content, passphrase, &key, &ret->certificates, err);
	return r < 0 ? r : sr_private_take(key, ret, err);
}
