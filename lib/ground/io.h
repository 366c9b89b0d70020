/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files: bounded reads, and replacement that is proven before the old file goes. */
#ifndef SR_IO_H
#define SR_IO_H

#include <sys/types.h>

#include "secret.h"

#define SR_NAMES_MAX 65536 /* names that are listed in a directory, at most */

/**
 * struct sr_buf - bytes that are not secret
 * @data:	the bytes, followed by a NUL that @size does not count
 * @size:	how many
 */
struct sr_buf {
	uint8_t *data;
	size_t size;
};

#define _cleanup_buf_ _cleanup_(sr_buf_done)

static inline void sr_buf_done(struct sr_buf *buf)
{
	free(buf->data);
	*buf = (struct sr_buf){ 0 };
}

/**
 * sr_read_full() - read @size bytes or to end of file; bytes read, or -1 with errno
 *
 * EINTR where there is a handler without SA_RESTART: whoever set it wants what waits to end.
 */
ssize_t sr_read_full(int fd, void *data, size_t size);

/** sr_write_full() - write everything; 0, or -1 with errno, as above */
int sr_write_full(int fd, const void *data, size_t size);

/**
 * sr_read_file() - read a whole regular file
 * @dir:	directory that @name starts from, where a symbolic link is refused; or
 *		AT_FDCWD for a path that the user chose, where one is followed
 * @name:	the file
 * @max:	bytes at most
 * @ret:	its content; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOENT, -EBADMSG (not a regular file, or larger than @max) or others.
 */
int sr_read_file(int dir, const char *name, size_t max, struct sr_buf *ret,
		 struct sr_err *err);

/**
 * struct sr_check - what proves that a file just written is good
 * @run:	gets the bytes read back from the disk; 0 or a negative errno
 * @arg:	handed to @run
 */
struct sr_check {
	int (*run)(const struct sr_buf *content, void *arg, struct sr_err *err);
	void *arg;
};

/**
 * sr_replace_file_alike() - as sr_replace_file(), with owner, group and mode of the file that it
 *			     replaces, which has to be there: looked at in the open directory,
 *			     as somebody may move a path's parts about
 *
 * Who may not give it to them keeps it to himself.
 */
int sr_replace_file_alike(int dir, const char *name, const struct sr_buf *content,
			  const struct sr_check *check, struct sr_err *err);

/**
 * sr_replace_file() - replace or create a file, so that a reader sees the old or the new
 * @dir:	directory that @name starts from
 * @name:	the file; its temporary twin is ".NAME.new" in the same directory
 * @content:	what it will hold
 * @mode:	permissions, whatever the umask
 * @check:	proves what was read back, beside being equal; may be NULL
 * @err:	says why, on failure
 *
 * Written, fsynced, read back and checked, renamed, directory fsynced. Callers hold the
 * store's lock, or are the only writer.
 *
 * Returns 0, what @check returned, -EIO and others. On failure the old file is untouched
 * and nothing else is left; only when the last step fails, the fsync of the directory,
 * the new file stays in its place.
 */
int sr_replace_file(int dir, const char *name, const struct sr_buf *content, mode_t mode,
		    const struct sr_check *check, struct sr_err *err);

/**
 * sr_create_dir() - make directory @path and its parents
 * @path:	the directory; links among what is there already are followed
 * @mode:	permissions of each one that is new, whatever the umask
 * @err:	says why, on failure
 *
 * Returns 0, also if it is there already, or a negative errno.
 */
int sr_create_dir(const char *path, mode_t mode, struct sr_err *err);

/**
 * sr_open_dir() - open a directory
 * @dir:	as in sr_read_file()
 * @name:	the directory
 * @err:	says why, on failure
 *
 * Returns a descriptor, -ENOENT, -ENOTDIR (also for a refused link) or others.
 */
int sr_open_dir(int dir, const char *name, struct sr_err *err);

/** sr_sync_dir() - make the names in an open directory permanent; 0 or -EIO */
int sr_sync_dir(int dir, const char *name, struct sr_err *err);

/**
 * struct sr_names - names in a directory, in the order of strcmp()
 */
struct sr_names {
	char **name;
	size_t count;
};

#define _cleanup_names_ _cleanup_(sr_names_done)

void sr_names_done(struct sr_names *names);

/**
 * sr_list_dir() - the names in a directory that end in @suffix, without it
 * @dir:	the directory, open
 * @suffix:	what to look for; "" takes all; names with a leading dot are left out
 * @ret:	the names; release with sr_names_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (more than SR_NAMES_MAX), -ENOMEM or -EIO.
 */
int sr_list_dir(int dir, const char *suffix, struct sr_names *ret, struct sr_err *err);

/** sr_list_hidden() - the same, with those that have a leading dot */
int sr_list_hidden(int dir, const char *suffix, struct sr_names *ret, struct sr_err *err);

/**
 * sr_remove_tree() - remove a directory and what is in it; nothing there is not an error
 * @dir:	directory that @name starts from
 * @name:	what to remove
 * @err:	says why, on failure
 *
 * Symbolic links are removed, not followed. Returns 0, -EBADMSG (nested too deeply) or
 * another negative errno.
 */
int sr_remove_tree(int dir, const char *name, struct sr_err *err);

#endif
