/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a file lies on: whether the kernel decrypts it. */
#include "volume.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DEPTH_MAX 16 /* LVM on RAID on LUKS is three */

static bool is_crypt(int device)
{
	_cleanup_buf_ struct sr_buf uuid = { 0 };

	return sr_read_file(device, "dm/uuid", 4096, &uuid, NULL) == 0 &&
	       strncmp((const char *)uuid.data, "CRYPT-", 6) == 0;
}

static bool device_number(int slaves, const char *name, dev_t *ret)
{
	_cleanup_buf_ struct sr_buf number = { 0 };
	unsigned int major, minor;
	char path[300];

	(void)snprintf(path, sizeof(path), "%.255s/dev", name);
	if (sr_read_file(slaves, path, 4096, &number, NULL) < 0 ||
	    sscanf((const char *)number.data, "%u:%u", &major, &minor) != 2)
		return false;
	*ret = makedev(major, minor);
	return true;
}

static bool encrypted(const char *sysfs, dev_t device, unsigned int depth)
{
	_cleanup_names_ struct sr_names names = { 0 };
	_cleanup_close_ int dir = -1, slaves = -1;
	_cleanup_free_ char *path = NULL;
	bool all;

	if (depth == 0 || asprintf(&path, "%s/dev/block/%u:%u", sysfs, major(device),
				   minor(device)) < 0)
		return false;
	dir = sr_open_dir(AT_FDCWD, path, NULL);
	if (dir < 0 || is_crypt(dir))
		return dir >= 0;
	slaves = sr_open_dir(dir, "slaves", NULL);
	if (slaves < 0 || sr_list_dir(slaves, "", &names, NULL) < 0)
		return false;
	all = names.count > 0;
	for (size_t i = 0; all && i < names.count; i++) {
		dev_t below;

		all = device_number(slaves, names.name[i], &below) &&
		      encrypted(sysfs, below, depth - 1);
	}
	return all;
}

bool sr_device_encrypted(const char *sysfs, dev_t device)
{
	return encrypted(sysfs, device, DEPTH_MAX);
}

/* The number of its mount, which btrfs does not hide as it hides the device's. */
static bool mount_of(int fd, int *ret)
{
	_cleanup_buf_ struct sr_buf info = { 0 };
	const char *at;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (sr_read_file(AT_FDCWD, path, 65536, &info, NULL) < 0)
		return false;
	at = strstr((const char *)info.data, "mnt_id:");
	return at && sscanf(at, "mnt_id: %d", ret) == 1;
}

/* "36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw" */
static bool device_of(char *line, dev_t *ret)
{
	unsigned int major, minor;
	char source[256];
	const char *rest = strstr(line, " - ");
	struct stat st;

	if (!rest || sscanf(rest, " - %*s %255s", source) != 1)
		return false;
	if (source[0] == '/' && stat(source, &st) == 0 && S_ISBLK(st.st_mode)) {
		*ret = st.st_rdev;
		return true;
	}
	if (sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2 || major == 0)
		return false;
	*ret = makedev(major, minor);
	return true;
}

static bool device_of_mount(int mount, dev_t *ret)
{
	_cleanup_free_ char *line = NULL;
	FILE *in = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	size_t room = 0;
	int id;

	while (in && !found && getline(&line, &room, in) > 0)
		found = sscanf(line, "%d", &id) == 1 && id == mount;
	if (in)
		(void)fclose(in);
	return found && device_of(line, ret);
}

static int open_nearest(const char *path)
{
	_cleanup_free_ char *at = strdup(path);
	int fd = -1;

	while (at && fd < 0) {
		char *slash;

		fd = open(*at ? at : "/", O_PATH | O_CLOEXEC);
		slash = strrchr(at, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return fd;
}

bool sr_path_encrypted(const char *path)
{
	_cleanup_close_ int fd = open_nearest(path);
	dev_t device;
	int mount;

	return fd >= 0 && mount_of(fd, &mount) && device_of_mount(mount, &device) &&
	       sr_device_encrypted("/sys", device);
}
