/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A key that is served: read once, never changed, shared between threads. */
#include "served.h"

#include "codec/sshcert.h"

static int read_key(int dir, struct sr_served *served, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = sr_keystore_read(dir, served->key->name, &content, err);

	if (r == 0)
		r = sr_key_read(served->key, &content, err);
	if (r == 0)
		r = sr_pubkey_evp(&served->key->file->pub, &served->pub, err);
	if (r == 0 && served->key->type->ssh)
		r = sr_ssh_public(&served->key->file->pub, &served->blob, err);
	return r;
}

int sr_served_certify(int dir, struct sr_served *served, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	char file[SR_KEY_FILE];
	int r;

	sr_keystore_file(served->key->name, SR_SSHCERT_SUFFIX, file);
	r = sr_read_file(dir, file, SR_SSHCERT_MAX, &content, err);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = sr_sshcert_read(&content, &served->key->file->pub,
				    &served->certificate, err);
	return r < 0 ? sr_prefix(err, r, file) : 0;
}

int sr_served_load(int dir, const char *name, struct sr_served **ret, struct sr_err *err)
{
	_cleanup_served_ struct sr_served *served = calloc(1, sizeof(*served));
	int r;

	if (!served)
		return sr_fail_memory(err);
	atomic_init(&served->users, 1);
	served->key = sr_key_new(name);
	if (!served->key)
		return sr_fail_memory(err);
	r = read_key(dir, served, err);
	if (r < 0)
		return r == -ENOENT ? r : sr_fail_key(served->key, r, err);
	served->signs =
	    served->key->file->pub.publicArea.objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT;
	*ret = take(served);
	return 0;
}

struct sr_served *sr_served_hold(struct sr_served *served)
{
	(void)atomic_fetch_add(&served->users, 1);
	return served;
}

void sr_served_drop(struct sr_served *served)
{
	if (!served || atomic_fetch_sub(&served->users, 1) > 1)
		return;
	sr_key_free(served->key);
	EVP_PKEY_free(served->pub);
	sr_buf_done(&served->blob);
	sr_buf_done(&served->certificate);
	free(served);
}
