/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys go, and with them what their rings keep for them. */
#include <string.h>

#include "ring/ring.h"
#include "rotate.h"
#include "software.h"
#include "strays.h"

/* The key, if it is a software key; one whose file is damaged can be removed all the same. */
static int load(struct sr_store *store, const char *name, struct sr_key **ret,
		struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	int r = sr_key_load(store, name, &key, err);

	if (r < 0)
		return r == -EBADMSG || r == -ENOKEY ? 0 : r;
	if (key->type->software && key->ring[0])
		*ret = take(key);
	return 0;
}

/* The ring of a software key, locked; nothing for others, or if it is no more. */
static int lock_ring(struct sr_store *store, const char *name, struct sr_ring **ring,
		     int *lock, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	int r = load(store, name, &key, err);

	if (r < 0 || !key)
		return r;
	r = sr_ring_load(store, key->ring, ring, err);
	if (r == 0)
		r = sr_ring_lock(*ring, lock, err);
	return r == -ENOKEY ? 0 : r;
}

/* Another file may be of the same key. */
static int remove_private(struct sr_store *store, const struct sr_key *key,
			  struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **names = NULL;
	char spki[SR_FINGERPRINT_TEXT], other[SR_FINGERPRINT_TEXT];
	int r = sr_key_spki(key, spki, err);

	if (r == 0)
		r = sr_store_keys(store, &names, err);
	for (char **name = names; r >= 0 && *name; name++) {
		_cleanup_key_ struct sr_key *found = NULL;

		if (strcmp(*name, key->name) != 0 &&
		    sr_key_load(store, *name, &found, NULL) == 0 &&
		    found->type->software && sr_key_spki(found, other, NULL) == 0 &&
		    strcmp(spki, other) == 0)
			return 0;
	}
	return r < 0 ? r : sr_software_remove(key, ring, err);
}

static int remove_privates(struct sr_store *store, const struct sr_key *key,
			   struct sr_ring *ring, struct sr_err *err)
{
	unsigned int version = key->version;
	char name[SR_KEY_NAME + 1];
	int r = 0;

	while (r >= 0 && (version = sr_key_older(store, key, version))) {
		_cleanup_key_ struct sr_key *older = NULL;

		sr_keystore_older(key->name, version, name);
		if (sr_key_load(store, name, &older, NULL) == 0 && older->type->software)
			r = remove_private(store, older, ring, err);
	}
	return r < 0 ? r : remove_private(store, key, ring, err);
}

/* The private part first: it must not outlive what a killed program removed. */
static int remove_named(struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	_cleanup_(sr_ring_freep) struct sr_ring *ring = NULL;
	_cleanup_close_ int rings = -1, dir = -1;
	int r = sr_keystore_check(name, err);

	if (r < 0)
		return r;
	if (sr_stray_is_name(store, name))
		return sr_stray_remove(store, name, err);
	r = lock_ring(store, name, &ring, &rings, err);
	if (r == 0)
		r = sr_keystore_lock_key(store, name, &dir, err);
	if (r == -ENOKEY)
		return sr_fail(err, r, "no key \"%s\" in %s: tpm-sign list shows all",
			       name, sr_store_path(store));
	/* Until the locks were there it may have been replaced: there is another secret. */
	if (r == 0)
		r = load(store, name, &key, err);
	if (r == 0 && key && ring)
		r = remove_privates(store, key, ring, err);
	return r < 0 ? r : sr_keystore_remove(dir, name, err);
}

int sr_key_remove(struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	int r;

	if (!sr_key_is_fingerprint(name))
		return remove_named(store, name, err);
	r = sr_key_load(store, name, &key, err);
	return r < 0 ? r : remove_named(store, key->name, err);
}
