/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which software keys a ring has the private parts of, and which of those no key file names. */
#include "strays.h"

#include <fcntl.h>
#include <string.h>

#include "ground/strv.h"
#include "ring/ring.h"
#include "software.h"

struct strv {
	char **name;
	size_t count;
};

static bool is_secret_name(const char *name)
{
	size_t length = strlen(name), suffix = strlen(SR_SOFTKEY_SUFFIX);

	return length > suffix && strcmp(name + length - suffix, SR_SOFTKEY_SUFFIX) == 0;
}

/* What looks at each key in software, older versions too; @strict: none may be damaged. */
struct walk {
	int dir;
	bool strict;
	int (*run)(struct walk *walk, const struct sr_key *key, struct sr_err *err);
	int secrets;
	struct strv found;
};

static int visit(struct walk *walk, const char *name, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = sr_key_new(name);
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r;

	if (!key)
		return sr_fail_memory(err);
	r = sr_keystore_read(walk->dir, name, &content, err);
	if (r == 0 && !sr_software_is_file(&content))
		return 0;
	if (r == 0)
		r = sr_key_read(key, &content, err);
	if (r == 0)
		return walk->run(walk, key, err);
	if (r == -ENOENT || (r == -EBADMSG && !walk->strict))
		return 0;
	return sr_fail_key(key, r, err);
}

static int walk_keys(struct walk *walk, const struct sr_store *store, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_keystore_dir(store, err);
	_cleanup_names_ struct sr_names names = { 0 };
	int r = dir < 0 ? dir : sr_list_dir(dir, ".pem", &names, err);

	walk->dir = dir;
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = visit(walk, names.name[i], err);
	return r == -ENOENT ? 0 : r;
}

static int give(struct strv *found, int r, char ***ret)
{
	if (r < 0) {
		sr_strv_free(found->name);
		return r;
	}
	*ret = found->name;
	return (int)found->count;
}

/* Once for all versions; a ring may have had that name before this one. */
static int note_key(struct walk *walk, const struct sr_key *key, struct sr_err *err)
{
	char name[SR_NAME_MAX + 1], file[SR_NAME_MAX + 8];
	int r = sr_software_name(key, name, err);

	if (r < 0)
		return r;
	(void)snprintf(file, sizeof(file), "%s.cms", name);
	return sr_name_ok(key->name) &&
		       faccessat(walk->secrets, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0
		   ? sr_strv_add(&walk->found.name, &walk->found.count, key->name, err)
		   : 0;
}

int sr_ring_softkeys(const struct sr_ring *ring, char ***ret, struct sr_err *err)
{
	_cleanup_close_ int secrets = sr_ring_open_subdir(ring, "secrets", err);
	struct walk walk = { .run = note_key, .secrets = secrets };
	int r;

	if (secrets < 0)
		return secrets;
	walk.found.name = calloc(1, sizeof(char *));
	r = walk.found.name ? walk_keys(&walk, ring->store, err) : sr_fail_memory(err);
	return give(&walk.found, r, ret);
}

static int drop(struct walk *walk, const struct sr_key *key, struct sr_err *err)
{
	struct strv *found = &walk->found;
	char name[SR_NAME_MAX + 1];
	size_t kept = 0;
	int r = sr_software_name(key, name, err);

	for (size_t i = 0; r == 0 && i < found->count; i++) {
		if (strcmp(found->name[i], name) == 0)
			free(found->name[i]);
		else
			found->name[kept++] = found->name[i];
	}
	if (r == 0) {
		found->count = kept;
		found->name[kept] = NULL;
	}
	return r;
}

int sr_ring_strays(struct sr_ring *ring, char ***ret, struct sr_err *err)
{
	struct walk walk = { .run = drop, .strict = true };
	struct strv *found = &walk.found;
	int r, count = sr_secrets_list(ring, &found->name, err);

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		if (is_secret_name(found->name[i]))
			found->name[found->count++] = found->name[i];
		else
			free(found->name[i]);
	}
	found->name[found->count] = NULL;
	r = found->count > 0 ? walk_keys(&walk, ring->store, err) : 0;
	return give(found, r, ret);
}

bool sr_stray_is_name(const struct sr_store *store, const char *name)
{
	char ring[SR_NAME_MAX + 1];

	return is_secret_name(name) &&
	       sr_store_find_softkey(store, name, ring, NULL) == 0;
}

static int remove_stray(struct sr_ring *ring, const char *name, struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **strays = NULL;
	int r = sr_ring_strays(ring, &strays, err);

	for (char **stray = strays; r >= 0 && *stray; stray++)
		if (strcmp(*stray, name) == 0)
			return sr_secret_remove(ring, name, err);
	return r < 0
		   ? r
		   : sr_fail(err, -EINVAL,
			     "%s is the private part of a key: delete that, by its name",
			     name);
}

int sr_stray_remove(struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *ring = NULL;
	_cleanup_close_ int rings = -1, dir = -1;
	char ring_name[SR_NAME_MAX + 1];
	int r = sr_store_find_softkey(store, name, ring_name, err);

	if (r == 0)
		r = sr_ring_load(store, ring_name, &ring, err);
	if (r == 0)
		r = sr_ring_lock(ring, &rings, err);
	if (r == 0)
		r = sr_keystore_lock(store, &dir, err);
	return r < 0 ? r : remove_stray(ring, name, err);
}
