/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Credential files: where systemd's LoadCredential=NAME looks for a secret. */
#include <fcntl.h>
#include <sys/stat.h>

#include "ground/parse.h"

#define TEMPORARY_MAX (SR_NAME_MAX + sizeof("..new")) /* ".NAME.new" */

struct temporary {
	int dir;
	int fd;
	bool live;
	char name[TEMPORARY_MAX];
};

static void temporary_done(struct temporary *temporary)
{
	sr_closep(&temporary->fd);
	if (temporary->live)
		(void)unlinkat(temporary->dir, temporary->name, 0);
}

/* Who else may write to the directory could put another file in the place of ours. */
static int open_dir(const char *path, struct sr_err *err)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int fd = open(path, flags);
	struct stat st;

	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return sr_fail(err, -EBADMSG, "%s is not a directory: refused", path);
	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot open directory %s", path);
	if (fstat(fd, &st) < 0)
		return sr_fail_sys(err, errno, "cannot examine %s", path);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return sr_fail(err, -EBADMSG,
			       "%s may be written by others: chown it to user %u and "
			       "chmod it to 0700",
			       path, (unsigned int)geteuid());
	return take_fd(&fd);
}

/* What a crash left behind is removed first; O_EXCL does not follow a link. */
static int temporary_open(struct temporary *temporary, const char *path, const char *name,
			  struct sr_err *err)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	(void)snprintf(temporary->name, sizeof(temporary->name), ".%s.new", name);
	if (unlinkat(temporary->dir, temporary->name, 0) < 0 && errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot remove %s/%s", path,
				   temporary->name);
	temporary->fd = openat(temporary->dir, temporary->name, flags, 0400);
	if (temporary->fd < 0)
		return sr_fail_sys(err, errno, "cannot create %s/%s", path,
				   temporary->name);
	temporary->live = true;
	return 0;
}

/* The fsync is for those who chose a directory on a disk. */
static int temporary_fill(const struct temporary *temporary, const char *path,
			  const struct sr_secret *secret, struct sr_err *err)
{
	char name[TEMPORARY_MAX + 256];
	int r;

	(void)snprintf(name, sizeof(name), "%.255s/%s", path, temporary->name);
	r = sr_secret_write(secret, temporary->fd, name, err);
	if (r < 0)
		return r;
	if (fchmod(temporary->fd, 0400) < 0 || fsync(temporary->fd) < 0)
		return sr_fail_sys(err, errno, "cannot complete %s", name);
	return 0;
}

static int put(int dir, const char *path, const char *name,
	       const struct sr_secret *secret, struct sr_err *err)
{
	_cleanup_(temporary_done) struct temporary temporary = { .dir = dir, .fd = -1 };
	int r = temporary_open(&temporary, path, name, err);

	if (r < 0)
		return r;
	r = temporary_fill(&temporary, path, secret, err);
	if (r < 0)
		return r;
	if (renameat(dir, temporary.name, dir, name) < 0)
		return sr_fail_sys(err, errno, "cannot replace %s/%s", path, name);
	temporary.live = false;
	return 0;
}

int sr_credential_put(const char *directory, const char *name,
		      const struct sr_secret *secret, struct sr_err *err)
{
	_cleanup_close_ int fd = -1;
	int r = sr_name_check(name, "credential", err);

	if (r < 0)
		return r;
	r = sr_create_dir(directory, 0700, err);
	if (r < 0)
		return r;
	fd = open_dir(directory, err);
	if (fd < 0)
		return fd;
	return put(fd, directory, name, secret, err);
}

int sr_credential_remove(const char *directory, const char *name, struct sr_err *err)
{
	_cleanup_close_ int fd = -1;
	int r = sr_name_check(name, "credential", err);

	if (r < 0)
		return r;
	fd = open_dir(directory, err);
	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (fd >= 0 && unlinkat(fd, name, 0) == 0)
		return 0;
	if (fd >= 0 && errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot remove %s/%s", directory, name);
	return sr_fail(err, -ENOKEY, "no credential %s in %s", name, directory);
}
