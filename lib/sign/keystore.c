/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where keys live: keys/NAME.pem, and what belongs to it. */
#include "keystore.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "ground/parse.h"
#include "ground/strv.h"

/*
 * A key is there when NAME.pem is: it says all. It comes first and goes last, so that a
 * killed program leaves a whole key, which at worst lacks what can be made from it.
 */
static const char *const beside[] = { ".crt", SR_SSHCERT_SUFFIX, ".pub" };

static char *path_of(const struct sr_store *store)
{
	char *path = NULL;

	return asprintf(&path, "%s/keys", store->state_dir) < 0 ? NULL : path;
}

int sr_keystore_dir(const struct sr_store *store, struct sr_err *err)
{
	_cleanup_free_ char *path = path_of(store);

	return path ? sr_open_dir(AT_FDCWD, path, err) : sr_fail_memory(err);
}

void sr_keystore_make(const struct sr_store *store)
{
	_cleanup_free_ char *path = path_of(store);

	if (path)
		(void)sr_create_dir(path, 0700, NULL);
}

int sr_keystore_lock(const struct sr_store *store, int *ret, struct sr_err *err)
{
	_cleanup_free_ char *path = path_of(store);
	_cleanup_close_ int dir = -1;
	int r = path ? sr_create_dir(path, 0700, err) : sr_fail_memory(err);

	if (r < 0)
		return r;
	dir = sr_open_dir(AT_FDCWD, path, err);
	if (dir < 0)
		return dir;
	while (flock(dir, LOCK_EX) < 0)
		if (errno != EINTR)
			return sr_fail_sys(err, errno, "cannot lock %s", path);
	*ret = take_fd(&dir);
	return 0;
}

mode_t sr_keystore_mode(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 ? 0600 | (st.st_mode & S_IRGRP) : 0600;
}

void sr_keystore_file(const char *name, const char *suffix, char ret[SR_KEY_FILE])
{
	(void)snprintf(ret, SR_KEY_FILE, "%.*s%s", SR_NAME_MAX, name, suffix);
}

static int remove_file(int dir, const char *name, const char *suffix, struct sr_err *err)
{
	char file[SR_KEY_FILE + 8];

	(void)snprintf(file, sizeof(file), "%s%s", name, suffix);
	if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot remove %s", file);
	return 0;
}

/* Also what a killed writer left half-way. */
static int remove_beside(int dir, const char *name, struct sr_err *err)
{
	static const char *const half[] = { ".pem.new", ".crt.new",
					    SR_SSHCERT_SUFFIX ".new", ".pub.new" };
	char hidden[SR_NAME_MAX + 2];
	int r = 0;

	(void)snprintf(hidden, sizeof(hidden), ".%.*s", SR_NAME_MAX, name);
	for (size_t i = 0; r == 0 && i < SR_COUNT(half); i++)
		r = remove_file(dir, hidden, half[i], err);
	for (size_t i = 0; r == 0 && i < SR_COUNT(beside); i++)
		r = remove_file(dir, name, beside[i], err);
	return r;
}

int sr_keystore_begin(int dir, const char *name, struct sr_err *err)
{
	char file[SR_KEY_FILE];

	sr_keystore_file(name, ".pem", file);
	if (faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return sr_fail(err, -EEXIST, "key %s exists already", name);
	if (errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot look for key %s", name);
	return remove_beside(dir, name, err);
}

int sr_keystore_remove(int dir, const char *name, struct sr_err *err)
{
	int r = remove_beside(dir, name, err);

	if (r == 0)
		r = remove_file(dir, name, ".pem", err);
	return r < 0 ? r : sr_sync_dir(dir, name, err);
}

int sr_store_keys(const struct sr_store *store, char ***ret, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_keystore_dir(store, err);
	_cleanup_names_ struct sr_names names = { 0 };
	int r;

	if (dir < 0 && dir != -ENOENT)
		return dir;
	r = dir < 0 ? 0 : sr_list_dir(dir, ".pem", &names, err);
	if (r < 0)
		return r;
	sr_names_keep(&names);
	return sr_names_to_strv(&names, ret, err);
}
