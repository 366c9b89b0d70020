/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into cryptsetup: the plugin comes from the build, and, if wanted, this is an
 * initramfs. libcryptsetup looks for plugins in one directory only, which is compiled in.
 *
 *   TOKEN_PLUGIN	the plugin to load
 *   TOKEN_INITRAMFS	this is an initramfs, and its console is this file
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char plugin[] = "libcryptsetup-token-sealring.so";

void *dlopen(const char *file, int mode)
{
	const char *slash = file ? strrchr(file, '/') : NULL;

	if (slash && strcmp(slash + 1, plugin) == 0 && getenv("TOKEN_PLUGIN"))
		file = getenv("TOKEN_PLUGIN");
	return REAL(dlopen)(file, mode);
}

int access(const char *file, int mode)
{
	if (strcmp(file, "/etc/initrd-release") == 0 && getenv("TOKEN_INITRAMFS"))
		return 0;
	return REAL(access)(file, mode);
}

int open(const char *file, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (strcmp(file, "/dev/console") == 0 && getenv("TOKEN_INITRAMFS"))
		return REAL(open)(getenv("TOKEN_INITRAMFS"), flags | O_CREAT | O_APPEND,
				  0600);
	return REAL(open)(file, flags, mode);
}
