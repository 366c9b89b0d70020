/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into tpm-latch: image files are volumes that the device mapper has opened.
 *
 *   MAPPER_DIR		a directory like /sys/class/block; dm/name of a device in it is
 *			the path of its image. The names of those that were closed are
 *			appended to the file "closed" in it.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char blocks[] = "/sys/class/block";

static const char *redirect(const char *path, char room[4096])
{
	if (strncmp(path, blocks, strlen(blocks)) != 0)
		return path;
	(void)snprintf(room, 4096, "%s%s", getenv("MAPPER_DIR"), path + strlen(blocks));
	return room;
}

DIR *opendir(const char *path)
{
	char room[4096];

	return REAL(opendir)(redirect(path, room));
}

int open(const char *path, int flags, ...)
{
	char room[4096];
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return REAL(open)(redirect(path, room), flags, mode);
}

int crypt_init_by_name(struct crypt_device **cd, const char *name)
{
	int r = crypt_init(cd, name);

	return r < 0 ? r : crypt_load(*cd, CRYPT_LUKS2, NULL);
}

int crypt_deactivate_by_name(struct crypt_device *cd, const char *name, uint32_t flags)
{
	char room[4096];
	FILE *out;

	(void)cd;
	(void)flags;
	(void)snprintf(room, sizeof(room), "%s/closed", getenv("MAPPER_DIR"));
	out = fopen(room, "a");
	if (!out)
		return -1;
	fprintf(out, "%s\n", name);
	return fclose(out);
}
