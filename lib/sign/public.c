/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Public keys of anybody: to verify with, or to have somebody else sign. */
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "software.h"

#define PUBLIC_MAX 65536 /* bytes in a file with a public key or a certificate */

SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)
SR_DEFINE_CLEANUP(x509_freep, X509 *, X509_free)

/* NULL if it is neither a public key nor a certificate. */
static EVP_PKEY *read_pem(const void *data, size_t size)
{
	_cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(data, (int)size);
	_cleanup_(x509_freep) X509 *certificate = NULL;
	EVP_PKEY *key = NULL;

	if (bio)
		key = PEM_read_bio_PUBKEY(bio, NULL, sr_no_passphrase, NULL);
	if (bio && !key && BIO_reset(bio) == 1)
		certificate = PEM_read_bio_X509(bio, NULL, sr_no_passphrase, NULL);
	if (certificate)
		key = X509_get_pubkey(certificate);
	ERR_clear_error();
	return key;
}

static int make_key(const char *name, const void *data, size_t size, struct sr_key **ret,
		    struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = sr_key_new(name);
	_cleanup_evp_ EVP_PKEY *found = NULL;
	int r;

	if (key)
		key->file = sr_tpmkey_new();
	if (!key || !key->file)
		return sr_fail_memory(err);
	found = read_pem(data, size);
	if (!found)
		return sr_fail(err, -EBADMSG, "%s: no public key, nor a certificate",
			       name);
	r = sr_pubkey_unique(found, &key->file->pub, err);
	if (r < 0)
		return sr_fail_key(key, r, err);
	key->type = sr_key_type_of(&key->file->pub);
	sr_software_shape(&key->file->pub);
	*ret = take(key);
	return 0;
}

int sr_key_load_public(const char *file, struct sr_key **ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = sr_read_file(AT_FDCWD, file, PUBLIC_MAX, &content, err);

	if (r < 0)
		return r == -ENOENT ? sr_fail(err, -ENOKEY, "no file %s", file) : r;
	return make_key(file, content.data, content.size, ret, err);
}

int sr_key_elsewhere(const char *name, const char *pem, unsigned int usage,
		     const struct sr_elsewhere *elsewhere, struct sr_key **ret,
		     struct sr_err *err)
{
	int r = make_key(name, pem, strlen(pem), ret, err);

	if (r < 0)
		return r;
	if (usage & SR_KEY_DECRYPT)
		(*ret)->file->pub.publicArea.objectAttributes |= TPMA_OBJECT_DECRYPT;
	(*ret)->elsewhere = elsewhere;
	return 0;
}
