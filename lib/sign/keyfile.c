/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A key's files: what is taken in, and how it is written. */
#include <fcntl.h>
#include <string.h>

#include "codec/authorize.h"
#include "ground/base64.h"
#include "key.h"
#include "software.h"

#define PEM_LINE 64 /* letters in a line of a PEM block (RFC 7468) */

/* For decryption EC keys have but one. */
static bool is_fixed_scheme(const TPMT_PUBLIC *pub)
{
	TPMI_ALG_ASYM_SCHEME scheme = pub->type == TPM2_ALG_ECC
					  ? pub->parameters.eccDetail.scheme.scheme
					  : pub->parameters.rsaDetail.scheme.scheme;

	return scheme != TPM2_ALG_NULL && scheme != TPM2_ALG_ECDH;
}

int sr_key_check_scheme(const TPM2B_PUBLIC *pub, struct sr_err *err)
{
	if (!is_fixed_scheme(&pub->publicArea))
		return 0;
	return sr_fail(err, -EBADMSG,
		       "a key of one scheme for good, and here that is chosen for each "
		       "signature: make it without one (tpm2_create -G rsa2048, ecc256), "
		       "or import its private key if there is a copy");
}

/* What could be loaded, but not used as its file says. */
static int check_use(const struct sr_tpmkey *file, struct sr_err *err)
{
	TPMA_OBJECT attributes = file->pub.publicArea.objectAttributes;

	if (file->type == SR_TPMKEY_IMPORTABLE)
		return sr_fail(err, -EBADMSG,
			       "it has to be imported into its TPM before it is used");
	if (attributes & (TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_X509SIGN))
		return sr_fail(err, -EBADMSG,
			       "a restricted key, which signs only what its TPM made");
	if (!(attributes & (TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_DECRYPT)))
		return sr_fail(err, -EBADMSG, "a key that neither signs nor decrypts");
	return sr_key_check_scheme(&file->pub, err);
}

/* Every alternative counts: a file with one that is not its approver's is a forged one. */
static int check_approvals(const struct sr_key *key, struct sr_err *err)
{
	const struct sr_tpmkey *file = key->file;
	int r = 0;

	if (!sr_key_is_approved(key))
		return file->signed_count == 0
			   ? 0
			   : sr_fail(err, -EBADMSG,
				     "approvals that its TPM does not ask "
				     "for");
	if (file->signed_count == 0)
		return sr_fail(err, -EBADMSG, "no boot state was approved for it");
	for (size_t i = 0; r == 0 && i < file->signed_count; i++)
		r = sr_authorize_check(&file->signed_policy[i].policy, &file->policy,
				       err);
	return r;
}

int sr_key_read(struct sr_key *key, const struct sr_buf *content, struct sr_err *err)
{
	int r;

	if (sr_software_is_file(content)) {
		r = sr_software_read(key, content, err);
		return r < 0 ? r : sr_key_read_text(key, content, err);
	}
	r = sr_tpmkey_read(content, &key->file, err);
	if (r == 0 && key->file->type == SR_TPMKEY_SEALED)
		r = sr_fail(err, -EBADMSG, "it holds sealed data, not a key");
	if (r < 0)
		return r;
	key->type = sr_key_type_of(&key->file->pub);
	if (!key->type || key->type->software)
		return sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	r = check_use(key->file, err);
	if (r == 0)
		r = check_approvals(key, err);
	return r < 0 ? r : sr_key_read_text(key, content, err);
}

static int check_written(const struct sr_buf *content, void *arg, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *again = sr_key_new(arg);

	return again ? sr_key_read(again, content, err) : sr_fail_memory(err);
}

int sr_public_pem(const TPM2B_PUBLIC *pub, char **ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf spki = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out;
	int r = sr_pubkey_spki(pub, &spki, err);

	if (r < 0)
		return r;
	text = sr_base64(spki.data, spki.size);
	out = text ? open_memstream(ret, &size) : NULL;
	if (!out)
		return sr_fail_memory(err);
	fputs("-----BEGIN PUBLIC KEY-----\n", out);
	for (const char *at = text; *at; at += strnlen(at, PEM_LINE))
		fprintf(out, "%.*s\n", PEM_LINE, at);
	fputs("-----END PUBLIC KEY-----\n", out);
	if (fclose(out) == 0)
		return 0;
	free(take(*ret));
	return sr_fail_memory(err);
}

static int software_content(const struct sr_key *key, struct sr_buf *ret,
			    struct sr_err *err)
{
	_cleanup_free_ char *pem = NULL;
	char *content = NULL;
	int r = sr_public_pem(&key->file->pub, &pem, err);

	if (r < 0)
		return r;
	if (asprintf(&content, "%s%s", key->text, pem) < 0)
		return sr_fail_memory(err);
	*ret = (struct sr_buf){ (uint8_t *)content, strlen(content) };
	return 0;
}

/* One that somebody reads elsewhere, perhaps as another user, and by a link. */
static int replace_named(const char *name, const struct sr_buf *content,
			 const struct sr_check *check, struct sr_err *err)
{
	_cleanup_free_ char *real = realpath(name, NULL);

	if (!real)
		return sr_fail_sys(err, errno, "cannot examine %s", name);
	return sr_replace_file_alike(AT_FDCWD, real, content, check, err);
}

int sr_key_write(const struct sr_key *key, int dir, struct sr_err *err)
{
	struct sr_check check = { .run = check_written, .arg = key->name };
	_cleanup_buf_ struct sr_buf content = { 0 };
	char file[SR_KEY_FILE];
	int r = key->type->software
		    ? software_content(key, &content, err)
		    : sr_tpmkey_write(key->file, key->text, &content, err);

	if (r < 0)
		return r;
	if (strchr(key->name, '/'))
		return replace_named(key->name, &content, &check, err);
	sr_keystore_file(key->name, ".pem", file);
	return sr_replace_file(dir, file, &content, sr_keystore_mode(dir), &check, err);
}

int sr_key_public(const struct sr_key *key, enum sr_key_form form, char **ret,
		  struct sr_err *err)
{
	_cleanup_free_ char *line = NULL;
	const char *slash = strrchr(key->name, '/');
	int r;

	if (form == SR_FORM_PEM)
		return sr_public_pem(&key->file->pub, ret, err);
	r = sr_ssh_line(&key->file->pub, slash ? slash + 1 : key->name, &line, err);
	if (r < 0)
		return r;
	return asprintf(ret, "%s\n", line) < 0 ? sr_fail_memory(err) : 0;
}

int sr_key_write_public(const struct sr_key *key, int dir, struct sr_err *err)
{
	_cleanup_free_ char *text = NULL;
	char file[SR_KEY_FILE];
	int r = sr_public_pem(&key->file->pub, &text, err);

	if (r < 0)
		return r;
	sr_keystore_file(key->name, ".pub", file);
	return sr_replace_file(dir, file,
			       &(struct sr_buf){ (uint8_t *)text, strlen(text) }, 0644,
			       NULL, err);
}
