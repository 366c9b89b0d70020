/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files: bounded reads, and replacement that is proven before the old file goes. */
#define _GNU_SOURCE 1 /* O_PATH */

#include "io.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_READ 4096 /* room for files that do not tell their size, as in /sys */
#define DEPTH_MAX 32	/* directories inside each other that are removed */

ssize_t sr_read_full(int fd, void *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (uint8_t *)data + done, size - done);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* A pipe takes as much as that whole, or fails with EINTR: more would be half done. */
int sr_write_full(int fd, const void *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t part = size - done < PIPE_BUF ? size - done : PIPE_BUF;
		ssize_t n = write(fd, (const uint8_t *)data + done, part);

		if (n < 0)
			return -1;
		if (n == 0) {
			errno = EIO;
			return -1;
		}
		done += (size_t)n;
	}
	return 0;
}

/* In a directory of ours a symbolic link is somebody else's idea. */
static int link_flag(int dir)
{
	return dir == AT_FDCWD ? 0 : O_NOFOLLOW;
}

/* O_NONBLOCK, because opening a FIFO would otherwise wait for its writer. */
static int open_regular(int dir, const char *name, struct stat *st, struct sr_err *err)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | link_flag(dir);
	_cleanup_close_ int fd = openat(dir, name, flags);

	if (fd < 0 && errno == ELOOP)
		return sr_fail(err, -EBADMSG, "%s is a symbolic link: refused", name);
	if (fd < 0 &&
	    (errno == ENXIO || errno == ENODEV)) /* a socket, a device without */
		return sr_fail(err, -EBADMSG, "%s is not a regular file", name);
	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot open %s", name);
	if (fstat(fd, st) < 0)
		return sr_fail_sys(err, errno, "cannot examine %s", name);
	if (!S_ISREG(st->st_mode))
		return sr_fail(err, -EBADMSG, "%s is not a regular file", name);
	return take_fd(&fd);
}

static int fail_large(const char *name, size_t max, struct sr_err *err)
{
	return sr_fail(err, -EBADMSG, "%s is larger than %zu bytes", name, max);
}

/* One byte more than allowed is read, so that "exactly max" and "too large" differ. */
static int read_rest(int fd, const char *name, size_t room, size_t max,
		     struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf buf = { 0 };

	for (;;) {
		uint8_t *larger = realloc(buf.data, room + 1);
		ssize_t n;

		if (!larger)
			return sr_fail_memory(err);
		buf.data = larger;
		n = sr_read_full(fd, buf.data + buf.size, room - buf.size);
		if (n < 0)
			return sr_fail_sys(err, errno, "cannot read %s", name);
		buf.size += (size_t)n;
		if (buf.size > max)
			return fail_large(name, max, err);
		if (buf.size < room)
			break;
		room = room > max / 4 ? max + 1 : room * 4;
	}
	buf.data[buf.size] = 0;
	*ret = buf;
	buf = (struct sr_buf){ 0 };
	return 0;
}

int sr_read_file(int dir, const char *name, size_t max, struct sr_buf *ret,
		 struct sr_err *err)
{
	struct stat st;
	_cleanup_close_ int fd = open_regular(dir, name, &st, err);
	size_t room;

	if (fd < 0)
		return fd;
	if (max >= SSIZE_MAX - 1)
		return sr_fail(err, -EINVAL, "%s: no bound to its size", name);
	if (st.st_size > 0 && (uintmax_t)st.st_size > max)
		return fail_large(name, max, err);
	room = st.st_size > 0 ? (size_t)st.st_size + 1 : FIRST_READ;
	return read_rest(fd, name, room > max ? max + 1 : room, max, ret, err);
}

/* A file that goes away again unless it was renamed. */
struct temporary {
	int dir;
	int fd;
	bool live;
	char name[NAME_MAX + 1];
};

static void temporary_done(struct temporary *temporary)
{
	sr_closep(&temporary->fd);
	if (temporary->live)
		(void)unlinkat(temporary->dir, temporary->name, 0);
}

/* O_EXCL keeps us from writing through a link; what a crash left is removed first. */
static int temporary_open(int dir, const char *name, struct temporary *temporary,
			  struct sr_err *err)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int n = snprintf(temporary->name, sizeof(temporary->name), ".%s.new", name);

	if (n < 0 || (size_t)n >= sizeof(temporary->name))
		return sr_fail_sys(err, ENAMETOOLONG, "cannot write %s", name);
	temporary->dir = dir;
	if (unlinkat(dir, temporary->name, 0) < 0 && errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot remove %s", temporary->name);
	temporary->fd = openat(dir, temporary->name, flags, 0600);
	if (temporary->fd < 0)
		return sr_fail_sys(err, errno, "cannot create %s", temporary->name);
	temporary->live = true;
	return 0;
}

/*
 * What goes into a file, and how: @passing: it is not made to outlast a power cut; @alike: whose
 * the old one was; its mode, too.
 */
struct replacement {
	struct sr_buf content;
	mode_t mode;
	bool alike;
	const struct sr_check *check;
	bool new_only;
	bool passing;
};

/* Of the old file, in this directory; what it may not give away stays private. */
static int take_owner(const struct temporary *temporary, const char *name, mode_t *mode,
		      struct sr_err *err)
{
	struct stat st;

	if (fstatat(temporary->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return sr_fail_sys(err, errno, "cannot examine %s", name);
	if (!S_ISREG(st.st_mode))
		return sr_fail(err, -EIO, "%s is not a regular file any more", name);
	*mode = st.st_mode & 0777;
	if (fchown(temporary->fd, st.st_uid, st.st_gid) < 0)
		*mode &= S_IRWXU;
	return 0;
}

static int temporary_write(const struct temporary *temporary, const char *name,
			   const struct replacement *by, struct sr_err *err)
{
	mode_t mode = by->mode;
	int r = by->alike ? take_owner(temporary, name, &mode, err) : 0;

	if (r < 0)
		return r;
	if (sr_write_full(temporary->fd, by->content.data, by->content.size) < 0)
		return sr_fail_sys(err, errno, "cannot write %s", temporary->name);
	if (fchmod(temporary->fd, mode) < 0)
		return sr_fail_sys(err, errno, "cannot set the mode of %s",
				   temporary->name);
	if (!by->passing && fsync(temporary->fd) < 0)
		return sr_fail_sys(err, errno, "cannot write %s to disk",
				   temporary->name);
	return 0;
}

/* The page cache is dropped, so that what is compared has been on the disk. */
static int temporary_check(const struct temporary *temporary,
			   const struct replacement *by, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret found = { 0 };
	const struct sr_buf *content = &by->content;
	ssize_t n;
	int r = sr_secret_alloc(content->size + 1, &found, err);

	if (r < 0)
		return r;
	(void)posix_fadvise(temporary->fd, 0, 0, POSIX_FADV_DONTNEED);
	n = lseek(temporary->fd, 0, SEEK_SET) < 0
		? -1
		: sr_read_full(temporary->fd, found.data, found.size);
	if (n < 0)
		return sr_fail_sys(err, errno, "cannot read back %s", temporary->name);
	if ((size_t)n != content->size ||
	    (n > 0 && CRYPTO_memcmp(found.data, content->data, content->size) != 0))
		return sr_fail(err, -EIO, "%s differs when read back: check the disk",
			       temporary->name);
	return by->check ? by->check->run(&(struct sr_buf){ found.data, content->size },
					  by->check->arg, err)
			 : 0;
}

/* For a name with a slash: its directory, and what follows in *@base. */
static int open_parent(int dir, const char *name, const char **base, struct sr_err *err)
{
	const char *slash = strrchr(name, '/');
	size_t length = (size_t)(slash - name);
	char path[PATH_MAX];

	if (length >= sizeof(path))
		return sr_fail_sys(err, ENAMETOOLONG, "cannot write %s", name);
	memcpy(path, name, length);
	path[length] = 0;
	*base = slash + 1;
	return sr_open_dir(dir, length == 0 ? "/" : path, err);
}

static int replace_here(int dir, const char *name, const struct replacement *by,
			struct sr_err *err)
{
	_cleanup_(temporary_done) struct temporary temporary = { .fd = -1 };
	int r;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return sr_fail(err, -EINVAL, "\"%s\" is not the name of a file", name);
	r = temporary_open(dir, name, &temporary, err);
	if (r == 0)
		r = temporary_write(&temporary, name, by, err);
	if (r == 0 && !by->passing)
		r = temporary_check(&temporary, by, err);
	if (r < 0)
		return r;
	if (renameat2(dir, temporary.name, dir, name,
		      by->new_only ? RENAME_NOREPLACE : 0) < 0)
		return by->new_only && errno == EEXIST
			   ? sr_fail(err, -EEXIST, "%s exists already", name)
			   : sr_fail_sys(err, errno, "cannot replace %s", name);
	temporary.live = false;
	return by->passing ? 0 : sr_sync_dir(dir, name, err);
}

static int replace(int dir, const char *name, const struct replacement *by,
		   struct sr_err *err)
{
	_cleanup_close_ int parent = -1;
	const char *base = name;

	parent = strchr(name, '/') ? open_parent(dir, name, &base, err)
				   : sr_open_dir(dir, ".", err);
	if (parent < 0)
		return sr_prefix(err, parent, name);
	return replace_here(parent, base, by, err);
}

int sr_replace_file(int dir, const char *name, const struct sr_buf *content, mode_t mode,
		    const struct sr_check *check, struct sr_err *err)
{
	struct replacement by = { .content = *content, .mode = mode, .check = check };

	return replace(dir, name, &by, err);
}

int sr_replace_file_alike(int dir, const char *name, const struct sr_buf *content,
			  const struct sr_check *check, struct sr_err *err)
{
	struct replacement by = { .content = *content, .alike = true, .check = check };

	return replace(dir, name, &by, err);
}

int sr_secret_write_file(const struct sr_secret *secret, const char *file, bool new_only,
			 struct sr_err *err)
{
	struct replacement by = { .content = { secret->data, secret->size },
				  .mode = 0600,
				  .new_only = new_only };

	return replace(AT_FDCWD, file, &by, err);
}

int sr_result_write_file(const void *data, size_t size, const char *file, mode_t mode,
			 struct sr_err *err)
{
	struct replacement by = { .content = { (uint8_t *)data, size },
				  .mode = mode,
				  .passing = true };

	return replace(AT_FDCWD, file, &by, err);
}

/* A new directory starts closed; O_NOFOLLOW, so that the mode goes to what we made. */
static int make_dir(int dir, const char *name, mode_t mode)
{
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int parent = -1;

	if (mkdirat(dir, name, 0700) < 0)
		return -1;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return -1;
	parent = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent >= 0)
		(void)fsync(parent);
	return 0;
}

/* What is there may be a link (/var/run), or closed to reading: O_PATH is enough. */
static int enter_dir(int dir, const char *name, mode_t mode)
{
	if (make_dir(dir, name, mode) < 0 && errno != EEXIST)
		return -1;
	return openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int sr_create_dir(const char *path, mode_t mode, struct sr_err *err)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int at =
	    open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *save = NULL;

	if (!copy)
		return sr_fail_memory(err);
	for (char *part = strtok_r(copy, "/", &save); part && at >= 0;
	     part = strtok_r(NULL, "/", &save)) {
		int next = enter_dir(at, part, mode);
		int number = errno;

		(void)close(at);
		at = next;
		errno = number;
	}
	if (at < 0)
		return sr_fail_sys(err, errno, "cannot create directory %s", path);
	return 0;
}

int sr_open_dir(int dir, const char *name, struct sr_err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | link_flag(dir));

	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot open directory %s", name);
	return fd;
}

int sr_sync_dir(int dir, const char *name, struct sr_err *err)
{
	if (fsync(dir) < 0)
		return sr_fail_sys(err, errno, "cannot write the directory of %s to disk",
				   name);
	return 0;
}

void sr_names_done(struct sr_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct sr_names){ 0 };
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct sr_names *names, const char *name, size_t length,
		    struct sr_err *err)
{
	char **larger;

	if (names->count >= SR_NAMES_MAX)
		return sr_fail(err, -EBADMSG, "more than %d files in one directory",
			       SR_NAMES_MAX);
	larger = reallocarray(names->name, names->count + 1, sizeof(*larger));
	if (!larger)
		return sr_fail_memory(err);
	names->name = larger;
	larger[names->count] = strndup(name, length);
	if (!larger[names->count])
		return sr_fail_memory(err);
	names->count++;
	return 0;
}

static bool has_suffix(const char *name, size_t length, const char *suffix)
{
	size_t wanted = strlen(suffix);

	return length > wanted && strcmp(name + length - wanted, suffix) == 0;
}

SR_DEFINE_CLEANUP(closedirp, DIR *, closedir)

/* A descriptor of its own, so that the caller's position in the directory stays. */
static DIR *open_listing(int dir)
{
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd < 0 ? NULL : fdopendir(fd);

	if (listing)
		(void)take_fd(&fd);
	return listing;
}

static int list_all(int dir, const char *suffix, bool hidden, struct sr_names *ret,
		    struct sr_err *err)
{
	_cleanup_names_ struct sr_names names = { 0 };
	_cleanup_(closedirp) DIR *listing = open_listing(dir);
	struct dirent *entry;

	if (!listing)
		return sr_fail_sys(err, errno, "cannot list a directory");
	while ((errno = 0, entry = readdir(listing))) {
		const char *name = entry->d_name;
		size_t length = strlen(name);
		int r;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    (*name == '.' && !hidden) || !has_suffix(name, length, suffix))
			continue;
		r = add_name(&names, name, length - strlen(suffix), err);
		if (r < 0)
			return r;
	}
	if (errno != 0)
		return sr_fail_sys(err, errno, "cannot list a directory");
	if (names.count > 0)
		qsort(names.name, names.count, sizeof(*names.name), compare_names);
	*ret = names;
	names = (struct sr_names){ 0 };
	return 0;
}

int sr_list_dir(int dir, const char *suffix, struct sr_names *ret, struct sr_err *err)
{
	return list_all(dir, suffix, false, ret, err);
}

int sr_list_hidden(int dir, const char *suffix, struct sr_names *ret, struct sr_err *err)
{
	return list_all(dir, suffix, true, ret, err);
}

static int remove_deep(int dir, const char *name, int depth, struct sr_err *err);

static int remove_content(int dir, const char *name, int depth, struct sr_err *err)
{
	_cleanup_names_ struct sr_names names = { 0 };
	_cleanup_close_ int fd =
	    openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot open directory %s", name);
	if (depth >= DEPTH_MAX)
		return sr_fail(err, -EBADMSG, "%s: more than %d directories deep", name,
			       DEPTH_MAX);
	r = list_all(fd, "", true, &names, err);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = remove_deep(fd, names.name[i], depth + 1, err);
	return r;
}

static int remove_deep(int dir, const char *name, int depth, struct sr_err *err)
{
	int r;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return sr_fail_sys(err, errno, "cannot remove %s", name);
	r = remove_content(dir, name, depth, err);
	if (r < 0)
		return r;
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot remove directory %s", name);
	return 0;
}

int sr_remove_tree(int dir, const char *name, struct sr_err *err)
{
	return remove_deep(dir, name, 0, err);
}
