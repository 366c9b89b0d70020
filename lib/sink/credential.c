/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Credential files: where systemd's LoadCredential=NAME looks for a secret. */
#include <fcntl.h>
#include <sys/stat.h>

#include "ground/parse.h"

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
	return sr_replace_file(fd, name, &(struct sr_buf){ secret->data, secret->size },
			       0400, NULL, err);
}

int sr_credential_remove(const char *directory, const char *name, struct sr_err *err)
{
	_cleanup_close_ int fd = -1;
	char hidden[SR_NAME_MAX + 8];
	int r = sr_name_check(name, "credential", err);

	if (r < 0)
		return r;
	fd = open_dir(directory, err);
	if (fd < 0 && fd != -ENOENT)
		return fd;
	/* A delivery that was killed may have left its file unnamed. */
	(void)snprintf(hidden, sizeof(hidden), ".%s.new", name);
	if (fd >= 0)
		(void)unlinkat(fd, hidden, 0);
	if (fd >= 0 && unlinkat(fd, name, 0) == 0)
		return 0;
	if (fd >= 0 && errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot remove %s/%s", directory, name);
	return sr_fail(err, -ENOKEY, "no credential %s in %s", name, directory);
}
