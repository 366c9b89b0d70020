/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private keys from files of others, as a TPM takes them. */
#include "private.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define DER_SEQUENCE 0x30

static const char openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----";

SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)
SR_DEFINE_CLEANUP(bn_clear_freep, BIGNUM *, BN_clear_free)

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
		       "no private key in a form that is known: PKCS#8, PKCS#1 or SEC1");
}

static int decode(const struct sr_secret *content, const struct sr_ask *ask,
		  EVP_PKEY **ret, struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio =
	    BIO_new_mem_buf(content->data, (int)content->size);
	struct question question = { .ask = ask, .err = err };
	const unsigned char *at = content->data;

	if (!bio)
		return sr_fail_libcrypto(err, "reading a private key");
	if (content->data[0] == DER_SEQUENCE) {
		*ret = d2i_AutoPrivateKey(NULL, &at, (long)content->size);
		if (!*ret)
			*ret = d2i_PKCS8PrivateKey_bio(bio, NULL, give_passphrase,
						       &question);
	} else {
		*ret = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &question);
	}
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

static int take_key(const EVP_PKEY *key, struct sr_private *ret, struct sr_err *err)
{
	const struct sr_key_type *type;
	int r = sr_pubkey_unique(key, &ret->pub, err);

	if (r < 0)
		return r;
	type = sr_key_type_of(&ret->pub);
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
	r = decode(content, passphrase, &key, err);
	return r < 0 ? r : take_key(key, ret, err);
}
