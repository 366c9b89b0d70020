/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of ground/volume: what a device is made of, in a /sys of our own. */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "ground/volume.h"

static char sysfs[] = "/tmp/test-volume-XXXXXX";
static unsigned int cases;

static void write_file(const char *device, const char *name, const char *text)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/dev/block/%s/%s", sysfs, device, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert(fd >= 0 && sr_write_full(fd, text, strlen(text)) == 0 && close(fd) == 0);
}

/* A device with its number, and what is dm's name for it. */
static void make(const char *device, const char *dm)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/dev/block/%s/slaves", sysfs, device);
	assert(sr_create_dir(path, 0700, NULL) == 0);
	write_file(device, "dev", device);
	if (!dm)
		return;
	(void)snprintf(path, sizeof(path), "%s/dev/block/%s/dm", sysfs, device);
	assert(sr_create_dir(path, 0700, NULL) == 0);
	write_file(device, "dm/uuid", dm);
}

static void put_on(const char *device, const char *below)
{
	char path[512], target[64];

	(void)snprintf(path, sizeof(path), "%s/dev/block/%s/slaves/%s", sysfs, device,
		       below);
	(void)snprintf(target, sizeof(target), "../../%s", below);
	assert(symlink(target, path) == 0);
}

static void check(unsigned int minor, bool wanted)
{
	if (sr_device_encrypted(sysfs, makedev(9, minor)) != wanted)
		fprintf(stderr, "device %u\n", minor);
	assert(sr_device_encrypted(sysfs, makedev(9, minor)) == wanted);
	cases++;
}

int main(void)
{
	assert(mkdtemp(sysfs));
	make("9:1", NULL); /* a disk */
	make("9:2", "CRYPT-LUKS2-0a00aaaa111122223333444444444444-root\n");
	make("9:3", "LVM-abcdef\n");
	put_on("9:3", "9:2");
	make("9:4", "LVM-ghijkl\n"); /* half of it on the disk itself */
	put_on("9:4", "9:2");
	put_on("9:4", "9:1");
	make("9:5", "LVM-mnopqr\n"); /* LVM on LVM on LUKS */
	put_on("9:5", "9:3");
	make("9:6", "LVM-CRYPT-\n");
	make("9:7", NULL); /* on itself */
	put_on("9:7", "9:7");
	make("9:8", "CRYPT");
	check(1, false);
	check(2, true);
	check(3, true);
	check(4, false);
	check(5, true);
	check(6, false);
	check(7, false);
	check(8, false);
	check(99, false);
	assert(!sr_path_encrypted("/proc/self") && !sr_path_encrypted("/proc/no/such"));
	cases += 2;
	assert(sr_remove_tree(AT_FDCWD, sysfs, NULL) == 0);
	printf("test_volume: %u cases\n", cases);
	return 0;
}
