/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding a key: by name, by file, by fingerprint. */
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "ground/parse.h"
#include "ground/strv.h"
#include "key.h"

static int load_file(struct sr_store *store, int dir, const char *file, const char *name,
		     struct sr_key **ret, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = sr_key_new(name);
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r;

	if (!key)
		return sr_fail_memory(err);
	key->store = store;
	r = sr_read_file(dir, file, SR_TPMKEY_MAX, &content, err);
	if (r == -ENOENT)
		return r;
	if (r == 0)
		r = sr_key_read(key, &content, err);
	if (r < 0)
		return sr_fail_key(key, r, err);
	*ret = take(key);
	return 0;
}

static int load_named(struct sr_store *store, int dir, const char *name,
		      struct sr_key **ret, struct sr_err *err)
{
	char file[SR_KEY_FILE];

	sr_keystore_file(name, ".pem", file);
	return load_file(store, dir, file, name, ret, err);
}

bool sr_key_has_fingerprint(const struct sr_key *key, const char *wanted)
{
	char found[SR_FINGERPRINT_TEXT] = "";

	if (wanted[0] == 'S')
		return sr_ssh_fingerprint(&key->file->pub, found, NULL) == 0 &&
		       strcmp(found, wanted) == 0;
	return sr_key_spki(key, found, NULL) == 0 && strcasecmp(found, wanted) == 0;
}

bool sr_key_is_fingerprint(const char *name)
{
	return strncmp(name, "SHA256:", 7) == 0 ||
	       (strlen(name) == 64 && strspn(name, "0123456789abcdefABCDEF") == 64);
}

int sr_fail_no_key(const struct sr_store *store, const char *name, struct sr_err *err)
{
	if (sr_key_is_fingerprint(name))
		return sr_fail(err, -ENOKEY, "no key with the fingerprint %s", name);
	return sr_fail(err, -ENOKEY,
		       "no key \"%s\" in %s: tpm-sign list shows all, and a file needs a "
		       "slash: ./%s",
		       name, store->state_dir, name);
}

/* A key that is damaged is not the one looked for; one that was replaced is the last choice. */
static int find(struct sr_store *store, int dir, const char *fingerprint,
		struct sr_key **ret, struct sr_err *err)
{
	_cleanup_names_ struct sr_names names = { 0 };
	_cleanup_key_ struct sr_key *older = NULL;
	int r = dir < 0 ? 0 : sr_keystore_list(dir, &names, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < names.count; i++) {
		_cleanup_key_ struct sr_key *key = NULL;

		if (load_named(store, dir, names.name[i], &key, NULL) < 0 ||
		    !sr_key_has_fingerprint(key, fingerprint))
			continue;
		if (sr_name_ok(key->name)) {
			*ret = take(key);
			return 0;
		}
		sr_key_free(older);
		older = take(key);
	}
	if (older) {
		*ret = take(older);
		return 0;
	}
	return sr_fail_no_key(NULL, fingerprint, err);
}

int sr_key_load(struct sr_store *store, const char *name, struct sr_key **ret,
		struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	int r;

	/* An ssh fingerprint may have a slash in it. */
	if (strchr(name, '/') && strncmp(name, "SHA256:", 7) != 0) {
		r = load_file(store, AT_FDCWD, name, name, ret, err);
		return r == -ENOENT ? sr_fail(err, -ENOKEY, "no file %s", name) : r;
	}
	dir = sr_keystore_dir(store, err);
	if (dir < 0 && dir != -ENOENT)
		return dir;
	if (sr_key_is_fingerprint(name))
		return find(store, dir, name, ret, err);
	r = sr_keystore_check(name, err);
	if (r == 0)
		r = dir < 0 ? dir : load_named(store, dir, name, ret, err);
	if (r == -ENOENT)
		return sr_fail_no_key(store, name, err);
	return r;
}
