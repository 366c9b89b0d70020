/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One sealed-data TPMKey file, of whichever tool. */
#include <fcntl.h>
#include <string.h>

#include "codec/authorize.h"
#include "codec/tpmkey.h"
#include "tpm/object.h"
#include "tpm/session.h"
#include "tpm/srk.h"

struct file {
	const char *name;
	struct sr_tpm *tpm;
	const struct sr_ask *ask;
	struct sr_tpmkey *key;
	struct sr_handle parent;
	struct sr_secret pin;
};

/* A persistent parent is the caller's; for a hierarchy the draft says which primary. */
static int find_parent(struct file *file, struct sr_err *err)
{
	TPM2_HANDLE parent = file->key->parent;
	TPM2B_PUBLIC unused;

	if (parent >> TPM2_HR_SHIFT == TPM2_HT_PERSISTENT)
		return sr_persistent(file->tpm, parent, &file->parent, err);
	return sr_srk_create(file->tpm, file->key->rsa_parent, parent, &unused,
			     &file->parent, err);
}

static int try_policy(struct file *file, const struct sr_policy *policy,
		      struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle session = SR_HANDLE(file->tpm);
	struct sr_unseal unseal = {
		.session = &session,
		.parent = &file->parent,
		.name = file->name,
		.ask = file->ask,
		.pin = &file->pin,
		.last = true,
	};
	int r = sr_session_start(file->tpm, policy->count ? TPM2_SE_POLICY : TPM2_SE_HMAC,
				 &file->parent, &session, err);

	if (r == 0)
		r = sr_object_unseal(&unseal, file->key, policy, NULL, ret, err);
	if (r == 0)
		sr_handle_forget(&session);
	return r;
}

/* The first signed alternative that holds opens it; a wrong PIN ends the search. */
static int try_signed(struct file *file, struct sr_secret *ret, struct sr_err *err)
{
	int r = -EKEYREJECTED;

	for (size_t i = 0; i < file->key->signed_count && r == -EKEYREJECTED; i++) {
		struct sr_policy policy;

		r = sr_authorize_join(&file->key->signed_policy[i].policy,
				      &file->key->policy, &policy, err);
		if (r == 0)
			r = try_policy(file, &policy, ret, err);
	}
	return r;
}

static int open_key(struct file *file, struct sr_secret *ret, struct sr_err *err)
{
	int r = find_parent(file, err);

	if (r == 0 && file->key->secret.size > 0)
		r = sr_object_import(&file->parent, file->key, err);
	if (r < 0)
		return r;
	if (file->key->signed_count > 0)
		return try_signed(file, ret, err);
	return try_policy(file, &file->key->policy, ret, err);
}

int sr_file_unseal(const char *name, struct sr_tpm *tpm, const struct sr_ask *ask,
		   struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = NULL;
	_cleanup_buf_ struct sr_buf content = { 0 };
	struct file file = {
		.name = name, .tpm = tpm, .ask = ask, .parent = SR_HANDLE(tpm)
	};
	int r = sr_read_file(AT_FDCWD, name, SR_TPMKEY_MAX, &content, err);

	if (r < 0)
		return r;
	r = sr_tpmkey_read(&content, &key, err);
	if (r == 0 && key->type != SR_TPMKEY_SEALED)
		r = sr_fail(err, -EBADMSG, "it holds a key, not sealed data");
	if (r == 0) {
		file.key = key;
		r = open_key(&file, ret, err);
	}
	sr_handle_flush(&file.parent);
	sr_secret_done(&file.pin);
	return r < 0 ? sr_prefix(err, r, name) : 0;
}
