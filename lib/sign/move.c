/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that leave for another TPM, encrypted to its storage key. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "codec/private.h"
#include "signer.h"
#include "tpm/move.h"
#include "tpm/session.h"
#include "tpm/srk.h"

static const char pem_head[] = "-----BEGIN ";

SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)

/* A public key says nothing of the rest of its public area: it is a template's. */
static int read_pem(const struct sr_secret *pem, TPM2B_PUBLIC *ret, struct sr_err *err)
{
	_cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->size);
	_cleanup_evp_ EVP_PKEY *key = NULL;
	TPM2B_PUBLIC found = { 0 };
	const struct sr_key_type *type;
	int r;

	if (bio)
		key = PEM_read_bio_PUBKEY(bio, NULL, sr_no_passphrase, NULL);
	ERR_clear_error();
	if (!key)
		return sr_fail(err, -EINVAL, "no public key in what was given");
	r = sr_pubkey_unique(key, &found, err);
	if (r < 0)
		return r;
	type = sr_key_type_of(&found);
	if (strcmp(type->name, "p256") != 0 && strcmp(type->name, "rsa2048") != 0)
		return sr_fail(err, -EINVAL,
			       "storage keys are p256 or rsa2048, and that is %s: give "
			       "its TPM2B_PUBLIC",
			       type->name);
	sr_srk_template(type->alg == TPM2_ALG_RSA, ret);
	ret->publicArea.unique = found.publicArea.unique;
	return 0;
}

static int read_parent(const struct sr_secret *content, TPM2B_PUBLIC *ret,
		       struct sr_err *err)
{
	TPM2B_PUBLIC parent = { 0 };
	size_t used = 0;

	if (memmem(content->data, content->size, pem_head, strlen(pem_head)))
		return read_pem(content, ret, err);
	if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(content->data, content->size, &used,
					   &parent) != TSS2_RC_SUCCESS ||
	    used != content->size)
		return sr_fail(err, -EINVAL,
			       "the other TPM's storage key is given as PEM or as "
			       "TPM2B_PUBLIC");
	*ret = parent;
	return 0;
}

static int check_may_move(const struct sr_key *key, struct sr_err *err)
{
	TPMA_OBJECT attributes = key->file->pub.publicArea.objectAttributes;
	int allowed;

	if (key->type->software)
		return sr_fail(err, -EINVAL,
			       "a key in software goes elsewhere with its ring: tpm-ring "
			       "export");
	allowed = sr_move_allowed(&key->file->pub, err);
	if (allowed != 0)
		return allowed < 0 ? allowed : 0;
	if (attributes & TPMA_OBJECT_FIXEDTPM)
		return sr_fail(
		    err, -EINVAL,
		    "it was made never to leave this TPM: make a key there, or "
		    "one here with --exportable");
	return sr_fail(err, -EINVAL,
		       "it was not made to be moved: import what it was imported from "
		       "there, or here with --exportable");
}

static int move(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		const TPM2B_PUBLIC *parent, struct sr_tpmkey *ret, struct sr_err *err)
{
	_cleanup_signer_ struct sr_signer signer = SR_SIGNER(tpm);
	int r = sr_signer_open(key, tpm, ask, SR_SIGNER_MOVE, &signer, err);

	if (r == 0)
		r = sr_session_encrypt(&signer.session, err);
	return r < 0 ? r
		     : sr_object_move(&signer.session, &signer.object, parent, ret, err);
}

static int write_moved(const struct sr_key *key, const struct sr_tpmkey *moved,
		       char **ret, struct sr_err *err)
{
	char fingerprint[SR_SSH_FINGERPRINT], text[sizeof(fingerprint) + 128];
	struct sr_buf file = { 0 };
	int r = sr_ssh_fingerprint(&moved->pub, fingerprint, err);

	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text),
		       "Private key (%s), encrypted for another TPM, into which it has "
		       "to be imported.\n%s\n",
		       key->type->name, fingerprint);
	r = sr_tpmkey_write(moved, text, &file, err);
	*ret = (char *)file.data;
	return r;
}

int sr_key_export(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		  const struct sr_secret *parent, char **ret, struct sr_err *err)
{
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *moved = sr_tpmkey_new();
	TPM2B_PUBLIC target;
	int r = moved ? check_may_move(key, err) : sr_fail_memory(err);

	if (r == 0)
		r = read_parent(parent, &target, err);
	if (r < 0)
		return sr_fail_key(key, r, err);
	moved->has_empty_auth = true;
	moved->empty_auth = !sr_key_needs_pin(key);
	moved->parent = SR_SRK_HANDLE;
	moved->pub = key->file->pub;
	r = move(key, tpm, ask, &target, moved, err);
	if (r == 0)
		r = write_moved(key, moved, ret, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}

int sr_storage_key(struct sr_tpm *tpm, char **ret, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(tpm);
	TPM2B_PUBLIC pub;
	int r = sr_srk_get(tpm, &pub, &parent, err);

	return r < 0 ? r : sr_public_pem(&pub, ret, err);
}
