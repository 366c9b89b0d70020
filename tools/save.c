/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Results into files: whole or not at all, and devices and pipes as what they are. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool.h"

/* A pipe or device is written to; the last thing wanted is a file in its place. */
static int write_special(const char *file, const struct sr_secret *content,
			 struct sr_err *err)
{
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot open %s", file);
	return sr_secret_write(content, fd, file, err);
}

static bool is_special(const char *file, mode_t mode)
{
	return !S_ISREG(mode) || strncmp(file, "/dev/", 5) == 0 ||
	       strncmp(file, "/proc/", 6) == 0;
}

/* What is no secret has the mode that any program would give it. */
static mode_t usual_mode(void)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return 0666 & ~mask;
}

int tool_save(const char *file, const struct sr_secret *content, bool secret,
	      struct sr_err *err)
{
	_cleanup_free_ char *real = realpath(file, NULL);
	const char *name = real ? real : file;
	struct stat st;
	bool there = stat(file, &st) == 0;

	if (!there && errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot examine %s", file);
	if (there && is_special(file, st.st_mode))
		return write_special(file, content, err);
	if (secret)
		return sr_secret_write_file(content, name, false, err);
	return sr_result_write_file(content->data, content->size, name,
				    there ? st.st_mode & 0777 : usual_mode(), err);
}
