/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking opened volumes away from who comes next. */
#define _GNU_SOURCE 1 /* O_DIRECT */

#include "close.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "ground/attr.h"

#define BLOCKS "/sys/class/block"
#define SECTOR 4096

static inline void close_dirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static inline void free_device(struct crypt_device **cd)
{
	crypt_free(*cd);
}

/* The files alone could be on a disk as well, the file systems alone in a container. */
static bool root_is_initramfs(void)
{
	struct statfs fs;

	return statfs("/", &fs) == 0 &&
	       (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC) &&
	       sr_in_initramfs();
}

bool sr_dm_attribute(const char *device, const char *attribute, char ret[SR_DM_TEXT])
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	ssize_t got;

	if (asprintf(&path, BLOCKS "/%s/dm/%s", device, attribute) < 0)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, ret, SR_DM_TEXT - 1);
	if (got <= 0)
		return false;
	ret[got] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* The same past the page cache: what counts is whether the kernel can still decrypt. */
static bool still_readable(const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ void *sector = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "%s/%s", crypt_get_dir(), name) < 0 ||
	    posix_memalign(&sector, SECTOR, SECTOR) != 0)
		return true;
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	return fd >= 0 && read(fd, sector, SECTOR) > 0;
}

static void say_nothing(int level, const char *message, void *arg)
{
	(void)level;
	(void)message;
	(void)arg;
}

void sr_volumes_quiet(void)
{
	crypt_set_log_callback(NULL, say_nothing, NULL);
}

/*
 * In use, it is made a device that fails: "forced" does that, and reports that it is still
 * there.
 */
int sr_volume_take_away(const char *name, struct sr_err *err)
{
	_cleanup_(free_device) struct crypt_device *cd = NULL;
	int r = crypt_init_by_name(&cd, name);

	if (r >= 0)
		r = crypt_deactivate_by_name(cd, name, CRYPT_DEACTIVATE_FORCE);
	if (r < 0 && still_readable(name))
		return sr_fail_sys(err, -r, "volume %s cannot be closed", name);
	return 0;
}

/* What hangs on it is not asked: it loses what it reads from. */
static void unmount_root(void)
{
	static const char *const places[] = { "/sysroot", "/root" };

	for (size_t i = 0; i < SR_COUNT(places); i++)
		(void)umount2(places[i], MNT_DETACH | UMOUNT_NOFOLLOW);
}

int sr_volumes_close(void (*closed)(void *arg, const char *name), void *arg,
		     struct sr_err *err)
{
	_cleanup_(close_dirp) DIR *dir = NULL;
	struct dirent *entry;
	int count = 0, failed = 0;

	if (!root_is_initramfs())
		return sr_fail(err, -EINVAL, "volumes are closed in an initramfs only");
	unmount_root();
	sr_volumes_quiet();
	dir = opendir(BLOCKS);
	while (dir && (entry = readdir(dir))) {
		char uuid[SR_DM_TEXT], name[SR_DM_TEXT];
		int r;

		if (!sr_dm_attribute(entry->d_name, "uuid", uuid) ||
		    strncmp(uuid, "CRYPT-", 6) != 0 ||
		    !sr_dm_attribute(entry->d_name, "name", name))
			continue;
		r = sr_volume_take_away(name, err);
		if (r < 0)
			failed = r;
		else if (closed)
			closed(arg, name);
		count++;
	}
	return failed ? failed : count;
}
