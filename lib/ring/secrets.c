/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The secrets of a ring. */
#include <fcntl.h>
#include <string.h>

#include "codec/envelope.h"
#include "manage.h"

#define FILE_NAME (SR_NAME_MAX + 5)

static void file_name(const char *name, char ret[FILE_NAME])
{
	(void)snprintf(ret, FILE_NAME, "%.*s.cms", SR_NAME_MAX, name);
}

static int fail_secret(const char *name, int r, struct sr_err *err)
{
	char prefix[SR_NAME_MAX + 10];

	(void)snprintf(prefix, sizeof(prefix), "secret %s", name);
	return sr_about(err, sr_prefix(err, r, prefix), NULL, name);
}

int sr_secrets_list(struct sr_ring *ring, char ***ret, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_ring_open_subdir(ring, "secrets", err);
	_cleanup_names_ struct sr_names names = { 0 };
	int r;

	if (dir < 0)
		return dir;
	r = sr_list_dir(dir, ".cms", &names, err);
	if (r < 0)
		return r;
	sr_names_keep(&names);
	return sr_names_to_strv(&names, ret, err);
}

static bool is_softkey(const char *name)
{
	size_t length = strlen(name), suffix = strlen(SR_SOFTKEY_SUFFIX);

	return length > suffix && strcmp(name + length - suffix, SR_SOFTKEY_SUFFIX) == 0;
}

/* The key of another ring, or of tpm-sign, is none of the secrets that somebody put there. */
int sr_ring_secrets(struct sr_ring *ring, char ***ret, struct sr_err *err)
{
	int count = sr_secrets_list(ring, ret, err), kept = 0;

	for (int i = 0; i < count; i++) {
		if (sr_manage_is_reserved((*ret)[i]) || is_softkey((*ret)[i]))
			free((*ret)[i]);
		else
			(*ret)[kept++] = (*ret)[i];
	}
	if (count < 0)
		return count;
	(*ret)[kept] = NULL;
	return kept;
}

int sr_secret_name_check(const char *name, struct sr_err *err)
{
	int r = sr_name_check(name, "secret", err);

	if (r == 0 && sr_manage_is_reserved(name))
		r = sr_fail(err, -EINVAL,
			    "%s: names that end in " SR_MANAGE_SUFFIX
			    " or " SR_APPROVER_SUFFIX
			    " are for the keys of rings, which are not given out",
			    name);
	if (r == 0 && is_softkey(name))
		r = sr_fail(err, -EINVAL,
			    "%s: names that end in " SR_SOFTKEY_SUFFIX
			    " are for keys of tpm-sign, which are not given out",
			    name);
	return r;
}

static int read_secret(struct sr_ring *ring, int dir, const char *name,
		       struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	char file[FILE_NAME];
	int r;

	file_name(name, file);
	r = sr_read_file(dir, file, SR_ENVELOPE_MAX, &content, err);
	if (r == -ENOENT)
		return sr_fail(err, -ENOKEY, "no secret \"%s\" in ring %s", name,
			       ring->name);
	if (r == 0)
		r = sr_envelope_open(&ring->key, ring->name, name, &content, ret, err);
	return r < 0 ? fail_secret(name, r, err) : 0;
}

int sr_secret_load(struct sr_ring *ring, const char *name, struct sr_secret *ret,
		   struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	int r = sr_ring_need_key(ring, err);

	if (r < 0)
		return r;
	dir = sr_ring_open_subdir(ring, "secrets", err);
	r = dir < 0 ? dir : read_secret(ring, dir, name, ret, err);
	return sr_about(err, r, ring->name, name);
}

int sr_ring_unseal(struct sr_ring *ring, const char *name, struct sr_secret *ret,
		   struct sr_err *err)
{
	int r = sr_secret_name_check(name, err);

	return r < 0 ? r : sr_secret_load(ring, name, ret, err);
}

struct written {
	const struct sr_ring *ring;
	const char *name;
	const struct sr_secret *secret;
};

/* The old file goes only when the new one was opened and holds the same bytes. */
static int check_written(const struct sr_buf *content, void *arg, struct sr_err *err)
{
	const struct written *written = arg;
	_cleanup_secret_ struct sr_secret again = { 0 };
	int r = sr_envelope_open(&written->ring->key, written->ring->name, written->name,
				 content, &again, err);

	if (r == 0 && !sr_secret_equal(&again, written->secret))
		return sr_fail(err, -EIO, "what was written holds another secret");
	return r;
}

int sr_secret_store(struct sr_ring *ring, int dir, const char *name,
		    const struct sr_secret *secret, struct sr_err *err)
{
	struct written written = { ring, name, secret };
	struct sr_check check = { check_written, &written };
	_cleanup_buf_ struct sr_buf content = { 0 };
	char file[FILE_NAME];
	int r = sr_envelope_seal(&ring->key, ring->name, name, secret, &content, err);

	if (r < 0)
		return fail_secret(name, r, err);
	file_name(name, file);
	r = sr_replace_file(dir, file, &content, 0600, &check, err);
	return r < 0 ? fail_secret(name, r, err) : 0;
}

/* Names are unique across rings: tpm-unseal takes a name alone. */
static int check_free(struct sr_ring *ring, const char *name, enum sr_seal_mode mode,
		      struct sr_err *err)
{
	char owner[SR_NAME_MAX + 1];
	int r = sr_store_find(ring->store, name, owner, err);

	if (r == -ENOKEY)
		return 0;
	if (r < 0)
		return r;
	if (strcmp(owner, ring->name) != 0)
		return sr_fail(
		    err, -EEXIST,
		    "secret %s exists already in ring %s: choose another name, or "
		    "remove that one",
		    name, owner);
	if (mode == SR_SEAL_NEW)
		return sr_fail(
		    err, -EEXIST,
		    "secret %s exists already in ring %s: --replace replaces it", name,
		    ring->name);
	return 1;
}

static bool unchanged(struct sr_ring *ring, int dir, const char *name,
		      const struct sr_secret *secret)
{
	_cleanup_secret_ struct sr_secret present = { 0 };

	return read_secret(ring, dir, name, &present, NULL) == 0 &&
	       sr_secret_equal(&present, secret);
}

int sr_ring_seal(struct sr_ring *ring, const char *name, const struct sr_secret *secret,
		 enum sr_seal_mode mode, struct sr_err *err)
{
	_cleanup_close_ int lock = -1, dir = -1;
	int r = sr_ring_need_key(ring, err);

	if (r == 0)
		r = sr_secret_name_check(name, err);
	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r == 0)
		r = check_free(ring, name, mode, err);
	if (r < 0)
		return r;
	dir = sr_ring_open_subdir(ring, "secrets", err);
	if (dir < 0)
		return dir;
	if (r == 1 && mode == SR_SEAL_IF_CHANGED && unchanged(ring, dir, name, secret))
		return 0;
	r = sr_secret_store(ring, dir, name, secret, err);
	return r < 0 ? sr_about(err, r, ring->name, name) : 1;
}

static int unlink_secret(const struct sr_ring *ring, int dir, const char *name,
			 struct sr_err *err)
{
	char file[FILE_NAME];

	file_name(name, file);
	if (unlinkat(dir, file, 0) == 0)
		return sr_sync_dir(dir, "secrets", err);
	if (errno == ENOENT)
		return sr_fail(err, -ENOKEY, "no secret \"%s\" in ring %s", name,
			       ring->name);
	return sr_fail_sys(err, errno, "cannot remove secret %s", name);
}

int sr_secret_remove(struct sr_ring *ring, const char *name, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_ring_open_subdir(ring, "secrets", err);

	return dir < 0 ? dir : unlink_secret(ring, dir, name, err);
}

int sr_ring_delete(struct sr_ring *ring, const char *name, struct sr_err *err)
{
	_cleanup_close_ int lock = -1;
	int r = sr_secret_name_check(name, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	return r < 0 ? r : sr_secret_remove(ring, name, err);
}

static int rename_locked(struct sr_ring *ring, const char *from, const char *to,
			 struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	_cleanup_close_ int dir = -1;
	int r = sr_ring_unseal(ring, from, &secret, err);

	if (r == 0)
		r = check_free(ring, to, SR_SEAL_REPLACE, err);
	if (r == 1)
		r = sr_fail(
		    err, -EEXIST,
		    "secret %s exists already: remove it first: tpm-seal --remove %s", to,
		    to);
	if (r < 0)
		return r;
	dir = sr_ring_open_subdir(ring, "secrets", err);
	if (dir < 0)
		return dir;
	r = sr_secret_store(ring, dir, to, &secret, err);
	return r < 0 ? r : unlink_secret(ring, dir, from, err);
}

/* The name is part of the encryption, so the secret is sealed again under the new one. */
int sr_ring_rename(struct sr_ring *ring, const char *from, const char *to,
		   struct sr_err *err)
{
	_cleanup_close_ int lock = -1;
	int r = sr_secret_name_check(to, err);

	if (r == 0)
		r = sr_secret_name_check(from, err);
	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	return r < 0 ? r : rename_locked(ring, from, to, err);
}
