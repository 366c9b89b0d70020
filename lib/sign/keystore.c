/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where keys live: keys/NAME.pem, and what belongs to it. */
#include "keystore.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "codec/tpmkey.h"
#include "ground/parse.h"
#include "ground/strv.h"

/*
 * A key is there when NAME.pem is: it says all. It comes first and goes last, so that a
 * killed program leaves a whole key, which at worst lacks what can be made from it.
 */
static const char *const beside[] = { ".crt", SR_SSHCERT_SUFFIX, ".csr", ".pub" };

/* Not in names: "web@2.pem" is the second key that had the name "web". */
#define VERSION_MARK '@'

#define BESIDE_MAX (1U << 20) /* bytes in a file of a key */

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
	r = sr_store_flock(store, dir, path, err);
	if (r == 0)
		*ret = take_fd(&dir);
	return r;
}

int sr_keystore_lock_key(const struct sr_store *store, const char *name, int *ret,
			 struct sr_err *err)
{
	char file[SR_KEY_FILE];
	int r = sr_keystore_lock(store, ret, err);

	if (r < 0)
		return r;
	sr_keystore_file(name, ".pem", file);
	if (faccessat(*ret, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT ? sr_fail(err, -ENOKEY, "it is not there any more")
			       : sr_fail_sys(err, errno, "cannot look for %s", file);
}

mode_t sr_keystore_mode(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 ? 0600 | (st.st_mode & S_IRGRP) : 0600;
}

void sr_keystore_file(const char *name, const char *suffix, char ret[SR_KEY_FILE])
{
	(void)snprintf(ret, SR_KEY_FILE, "%.*s%s", SR_KEY_NAME, name, suffix);
}

int sr_keystore_read(int dir, const char *name, struct sr_buf *ret, struct sr_err *err)
{
	char file[SR_KEY_FILE];

	sr_keystore_file(name, ".pem", file);
	return sr_read_file(dir, file, SR_TPMKEY_MAX, ret, err);
}

void sr_keystore_older(const char *name, unsigned int version, char ret[SR_KEY_NAME + 1])
{
	(void)snprintf(ret, SR_KEY_NAME + 1, "%.*s%c%u", SR_NAME_MAX, name, VERSION_MARK,
		       version);
}

bool sr_keystore_plain(const char *name, char ret[SR_NAME_MAX + 1])
{
	const char *mark = strchrnul(name, VERSION_MARK);

	(void)snprintf(ret, SR_NAME_MAX + 1, "%.*s", (int)(mark - name), name);
	return *mark;
}

int sr_keystore_check(const char *name, struct sr_err *err)
{
	const char *mark = strchr(name, VERSION_MARK);
	char plain[SR_NAME_MAX + 1];
	uint64_t version;

	if (!mark || mark - name > SR_NAME_MAX)
		return sr_name_check(name, "key", err);
	(void)snprintf(plain, sizeof(plain), "%.*s", (int)(mark - name), name);
	if (mark[1] == '0' ||
	    sr_number_parse(mark + 1, SR_KEY_VERSIONS, &version, NULL) < 0)
		return sr_fail(err, -EINVAL, "\"%s\": an older version is NAME%cNUMBER",
			       name, VERSION_MARK);
	return sr_name_check(plain, "key", err);
}

static bool is_name(const char *name)
{
	return sr_keystore_check(name, NULL) == 0;
}

int sr_keystore_list(int dir, struct sr_names *ret, struct sr_err *err)
{
	int r = sr_list_dir(dir, ".pem", ret, err);

	if (r == 0)
		sr_names_keep_if(ret, is_name);
	return r;
}

static int remove_file(int dir, const char *name, const char *suffix, struct sr_err *err)
{
	char file[SR_KEY_FILE + 8];

	(void)snprintf(file, sizeof(file), "%s%s", name, suffix);
	if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot remove %s", file);
	return 0;
}

/* What a killed writer left half-way. */
static int remove_half(int dir, const char *name, const char *suffix, struct sr_err *err)
{
	char hidden[SR_KEY_FILE + 1];

	(void)snprintf(hidden, sizeof(hidden), ".%.*s%s", SR_KEY_NAME, name, suffix);
	return remove_file(dir, hidden, ".new", err);
}

static int remove_beside(int dir, const char *name, struct sr_err *err)
{
	int r = remove_half(dir, name, ".pem", err);

	for (size_t i = 0; r == 0 && i < SR_COUNT(beside); i++) {
		r = remove_half(dir, name, beside[i], err);
		if (r == 0)
			r = remove_file(dir, name, beside[i], err);
	}
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

static int remove_one(int dir, const char *name, struct sr_err *err)
{
	int r = remove_beside(dir, name, err);

	return r < 0 ? r : remove_file(dir, name, ".pem", err);
}

static int remove_older(int dir, const char *name, struct sr_err *err)
{
	_cleanup_names_ struct sr_names names = { 0 };
	size_t length = strlen(name);
	int r = sr_list_dir(dir, ".pem", &names, err);

	for (size_t i = 0; r == 0 && i < names.count; i++)
		if (strncmp(names.name[i], name, length) == 0 &&
		    names.name[i][length] == VERSION_MARK)
			r = remove_one(dir, names.name[i], err);
	return r;
}

int sr_keystore_remove(int dir, const char *name, struct sr_err *err)
{
	int r = remove_older(dir, name, err);

	if (r == 0)
		r = remove_one(dir, name, err);
	return r < 0 ? r : sr_sync_dir(dir, name, err);
}

static int copy_file(int dir, const char *from, const char *to, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = sr_read_file(dir, from, BESIDE_MAX, &content, err);

	return r < 0
		   ? r
		   : sr_replace_file(dir, to, &content, sr_keystore_mode(dir), NULL, err);
}

/*
 * To give a second name to a file of another user the kernel wants the right to write it,
 * where fs.protected_hardlinks is set.
 */
static int link_file(int dir, const char *name, const char *to, const char *suffix,
		     struct sr_err *err)
{
	char from[SR_KEY_FILE], file[SR_KEY_FILE];

	sr_keystore_file(name, suffix, from);
	sr_keystore_file(to, suffix, file);
	if (linkat(dir, from, dir, file, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EPERM
		   ? copy_file(dir, from, file, err)
		   : sr_fail_sys(err, errno, "cannot keep %s as %s", from, file);
}

static bool is_copy(int dir, const char *a, const char *b)
{
	_cleanup_buf_ struct sr_buf one = { 0 }, other = { 0 };

	return sr_read_file(dir, a, BESIDE_MAX, &one, NULL) == 0 &&
	       sr_read_file(dir, b, BESIDE_MAX, &other, NULL) == 0 &&
	       one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

/* 1 if both names are there, and of the same file, or of its copy. */
static int same_file(int dir, const char *a, const char *b, struct sr_err *err)
{
	struct stat one, other;

	if (fstatat(dir, a, &one, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(dir, b, &other, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			   ? 0
			   : sr_fail_sys(err, errno, "cannot examine %s and %s", a, b);
	return (one.st_dev == other.st_dev && one.st_ino == other.st_ino) ||
	       is_copy(dir, a, b);
}

/* What a killed writer did not come to remove is the version's before this one. */
static int forget_other(int dir, const char *name, unsigned int version,
			struct sr_err *err)
{
	char file[SR_KEY_FILE], before[SR_KEY_NAME + 1], other[SR_KEY_FILE];
	int r = 0;

	sr_keystore_older(name, version - 1, before);
	for (size_t i = 0; r == 0 && i < SR_COUNT(beside); i++) {
		sr_keystore_file(name, beside[i], file);
		sr_keystore_file(before, beside[i], other);
		r = same_file(dir, file, other, err);
		if (r == 1)
			r = remove_file(dir, name, beside[i], err);
	}
	return r;
}

int sr_keystore_keep(int dir, const char *name, unsigned int version, struct sr_err *err)
{
	char older[SR_KEY_NAME + 1];
	int r;

	r = forget_other(dir, name, version, err);
	sr_keystore_older(name, version, older);
	if (r == 0)
		r = remove_one(dir, older, err);
	for (size_t i = 0; r == 0 && i < SR_COUNT(beside); i++)
		r = link_file(dir, name, older, beside[i], err);
	if (r == 0)
		r = link_file(dir, name, older, ".pem", err);
	return r < 0 ? r : sr_sync_dir(dir, name, err);
}

int sr_keystore_renewed(int dir, const char *name, struct sr_err *err)
{
	int r = remove_beside(dir, name, err);

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
