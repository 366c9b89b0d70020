/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates that others made, kept beside their keys. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "codec/pem.h"
#include "codec/private.h"
#include "codec/sshcert.h"
#include "key.h"

SR_DEFINE_CLEANUP(request_freep, X509_REQ *, X509_REQ_free)
SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)

static void x509s_free(STACK_OF(X509) * list)
{
	sk_X509_pop_free(list, X509_free);
}

typedef STACK_OF(X509) certificates;

SR_DEFINE_CLEANUP(x509s_freep, certificates *, x509s_free)

/* -- certificates ------------------------------------------------------------------- */

static int next_block(BIO *bio, struct sr_pem *ret, bool *more, struct sr_err *err)
{
	int reason = sr_pem_next(bio, ret);

	*more = reason == 0;
	return *more || reason == PEM_R_NO_START_LINE
		   ? 0
		   : sr_fail(err, -EBADMSG, "a block of PEM in it is damaged");
}

/* Whoever may see certificates may not see what some programs keep in the same file. */
static int add_block(const struct sr_pem *pem, certificates *to, struct sr_err *err)
{
	const unsigned char *at = pem->data;
	X509 *one;

	if (strcmp(pem->label, PEM_STRING_X509) != 0)
		return sr_fail(
		    err, -EBADMSG,
		    "%.40s: that is no certificate, and nothing else belongs there: "
		    "give the certificates alone",
		    pem->label);
	one = pem->header[0] ? NULL : d2i_X509(NULL, &at, pem->size);
	ERR_clear_error();
	if (!one || at != pem->data + pem->size) {
		X509_free(one);
		return sr_fail(err, -EBADMSG, "certificate %d is damaged",
			       sk_X509_num(to) + 1);
	}
	if (sk_X509_push(to, one) > 0)
		return 0;
	X509_free(one);
	return sr_fail_memory(err);
}

static int read_certificates(const char *pem, size_t size, certificates *ret,
			     struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem, (int)size);
	int r = bio && ret ? 0 : sr_fail_memory(err);
	bool more = true;

	while (r == 0 && more) {
		_cleanup_(sr_pem_done) struct sr_pem block = { 0 };

		r = next_block(bio, &block, &more, err);
		if (r == 0 && more)
			r = add_block(&block, ret, err);
	}
	return r;
}

/* As TLS sends them, and as its peers may want it: each behind the one that it certifies. */
static int check_chain(const certificates *list, struct sr_err *err)
{
	for (int i = 1; i < sk_X509_num(list); i++) {
		X509 *one = sk_X509_value(list, i - 1), *issuer = sk_X509_value(list, i);
		bool good = sr_certificate_issued(issuer, one);

		ERR_clear_error();
		if (!good)
			return sr_fail(
			    err, -EBADMSG,
			    "certificate %d did not issue the one before it: the "
			    "key's comes first, and then each one's issuer",
			    i + 1);
	}
	return 0;
}

/* @list gets them; the first is the key's. */
static int check_first(const struct sr_key *key, const char *pem, size_t size,
		       certificates *list, struct sr_err *err)
{
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	int r = sr_pubkey_evp(&key->file->pub, &pub, err);

	if (r == 0)
		r = read_certificates(pem, size, list, err);
	if (r < 0)
		return r;
	if (sk_X509_num(list) == 0)
		return sr_fail(err, -EBADMSG, "no certificate (PEM) in what was given");
	if (EVP_PKEY_eq(pub, X509_get0_pubkey(sk_X509_value(list, 0))) != 1)
		return sr_fail(err, -EBADMSG,
			       "the first certificate is not for this key");
	return 0;
}

static int check_certificate(const struct sr_key *key, const char *pem, size_t size,
			     struct sr_err *err)
{
	_cleanup_(x509s_freep) certificates *list = sk_X509_new_null();
	int r = check_first(key, pem, size, list, err);

	return r < 0 ? r : check_chain(list, err);
}

/* The first word is the kind of key; that of PEM is not. */
static bool is_ssh(const struct sr_buf *content)
{
	const uint8_t *at = content->data;
	size_t left = content->size;

	while (left > 0 && *at && strchr(SR_SSHCERT_BLANKS, *at)) {
		at++;
		left--;
	}
	return left > 4 && (memcmp(at, "ssh-", 4) == 0 || memcmp(at, "ecds", 4) == 0);
}

static int check_content(const struct sr_key *key, const struct sr_buf *content,
			 struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf unused = { 0 };

	if (content->size > SR_CERTIFICATES_MAX)
		return sr_fail(err, -EBADMSG, "certificates have at most %d bytes",
			       SR_CERTIFICATES_MAX);
	if (is_ssh(content))
		return sr_sshcert_read(content, &key->file->pub, &unused, err);
	return check_certificate(key, (const char *)content->data, content->size, err);
}

static const char *suffix_of(enum sr_key_form form)
{
	return form == SR_FORM_SSH ? SR_SSHCERT_SUFFIX : ".crt";
}

int sr_key_install(struct sr_store *store, const struct sr_key *key, const char *pem,
		   size_t size, struct sr_err *err)
{
	struct sr_buf content = { (uint8_t *)pem, size };
	_cleanup_close_ int dir = -1;
	char file[SR_KEY_FILE];
	int r = sr_key_in_store(key, err);

	if (r < 0)
		return r;
	r = check_content(key, &content, err);
	if (r == 0)
		r = sr_keystore_lock(store, &dir, err);
	sr_keystore_file(key->name,
			 suffix_of(is_ssh(&content) ? SR_FORM_SSH : SR_FORM_PEM), file);
	if (r == 0)
		r = sr_replace_file(dir, file, &content, 0644, NULL, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}

static int check_request(const struct sr_key *key, const char *pem, size_t size,
			 struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem, (int)size);
	_cleanup_(request_freep) X509_REQ *request = NULL;
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	int r = sr_pubkey_evp(&key->file->pub, &pub, err);

	if (r < 0)
		return r;
	if (bio)
		request = PEM_read_bio_X509_REQ(bio, NULL, sr_no_passphrase, NULL);
	ERR_clear_error();
	if (!request || EVP_PKEY_eq(pub, X509_REQ_get0_pubkey(request)) != 1)
		return sr_fail(err, -EBADMSG, "no certificate request for this key");
	return 0;
}

int sr_key_keep_request(struct sr_store *store, const struct sr_key *key, const char *pem,
			struct sr_err *err)
{
	struct sr_buf content = { (uint8_t *)pem, strlen(pem) };
	_cleanup_close_ int dir = -1;
	char file[SR_KEY_FILE];
	int r = sr_key_in_store(key, err);

	if (r == 0)
		r = check_request(key, pem, content.size, err);
	if (r == 0)
		r = sr_keystore_lock(store, &dir, err);
	sr_keystore_file(key->name, ".csr", file);
	if (r == 0)
		r = sr_replace_file(dir, file, &content, 0644, NULL, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}

int sr_key_has_request(const struct sr_store *store, const struct sr_key *key,
		       struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	_cleanup_close_ int dir = -1;
	char file[SR_KEY_FILE];
	int r;

	if (sr_key_in_store(key, NULL) < 0)
		return 0;
	sr_keystore_file(key->name, ".csr", file);
	r = dir = sr_keystore_dir(store, err);
	if (r >= 0)
		r = sr_read_file(dir, file, SR_CERTIFICATES_MAX, &content, err);
	if (r == 0)
		r = check_request(key, (const char *)content.data, content.size, err);
	if (r == -ENOENT || r == -EBADMSG)
		return 0;
	return r < 0 ? sr_fail_key(key, r, err) : 1;
}

static int fail_none(const struct sr_key *key, enum sr_key_form form, struct sr_err *err)
{
	return sr_fail(err, -ENOKEY, "key %s has no certificate%s", key->name,
		       form == SR_FORM_SSH ? " of OpenSSH" : "");
}

static int read_beside(struct sr_store *store, const struct sr_key *key,
		       enum sr_key_form form, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	char file[SR_KEY_FILE];
	int r = sr_key_in_store(key, err);

	if (r < 0)
		return r;
	dir = sr_keystore_dir(store, err);
	sr_keystore_file(key->name, suffix_of(form), file);
	r = dir < 0 ? dir : sr_read_file(dir, file, SR_CERTIFICATES_MAX, ret, err);
	return r == -ENOENT ? fail_none(key, form, err) : r;
}

int sr_key_has_certificate(struct sr_store *store, const struct sr_key *key,
			   enum sr_key_form form, struct sr_err *err)
{
	_cleanup_(x509s_freep) certificates *list = sk_X509_new_null();
	_cleanup_buf_ struct sr_buf content = { 0 }, blob = { 0 };
	int r;

	if (sr_key_in_store(key, NULL) < 0)
		return 0;
	r = read_beside(store, key, form, &content, err);
	if (r == 0)
		r = form == SR_FORM_SSH
			? sr_sshcert_read(&content, &key->file->pub, &blob, err)
			: check_first(key, (const char *)content.data, content.size, list,
				      err);
	if (r == -ENOKEY || r == -EBADMSG)
		return 0;
	return r < 0 ? sr_fail_key(key, r, err) : 1;
}

int sr_key_certificate(struct sr_store *store, const struct sr_key *key, char **ret,
		       struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = read_beside(store, key, SR_FORM_PEM, &content, err);

	if (r == -ENOKEY)
		return r;
	if (r == 0)
		r = check_certificate(key, (const char *)content.data, content.size, err);
	if (r < 0)
		return sr_fail_key(key, r, err);
	*ret = (char *)take(content.data);
	return 0;
}

/* A file that ssh takes may have blanks around it, which nobody wants to see. */
static char *only_line(const struct sr_buf *content)
{
	const char *text = (const char *)content->data;
	const char *line = text + strspn(text, SR_SSHCERT_BLANKS);
	char *ret = NULL;

	return asprintf(&ret, "%.*s\n", (int)strcspn(line, "\r\n"), line) < 0 ? NULL
									      : ret;
}

int sr_key_ssh_certificate(struct sr_store *store, const struct sr_key *key,
			   struct sr_ssh_certificate *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	struct sr_sshcert_time valid;
	int r = read_beside(store, key, SR_FORM_SSH, &content, err);

	if (r == -ENOKEY)
		return r;
	if (r == 0)
		r = sr_sshcert_valid(&content, &key->file->pub, &valid, err);
	if (r < 0)
		return sr_fail_key(key, r, err);
	ret->line = only_line(&content);
	if (!ret->line)
		return sr_fail_memory(err);
	ret->from = valid.after > SR_TIME_LAST ? SR_TIME_LAST : (time_t)valid.after;
	ret->until = valid.before > SR_TIME_LAST ? SR_TIME_LAST : (time_t)valid.before;
	return 0;
}

int sr_key_uninstall(struct sr_store *store, const struct sr_key *key,
		     enum sr_key_form form, struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	char file[SR_KEY_FILE];
	int r = sr_key_in_store(key, err);

	if (r == 0)
		r = sr_keystore_lock(store, &dir, err);
	if (r < 0)
		return r;
	sr_keystore_file(key->name, suffix_of(form), file);
	if (unlinkat(dir, file, 0) == 0)
		return sr_sync_dir(dir, file, err);
	return errno == ENOENT ? fail_none(key, form, err)
			       : sr_fail_sys(err, errno, "cannot remove %s", file);
}
