/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proof that programs of an initramfs image find all they need in it. */
#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>

#include "ground/attr.h"

#define NOT_ENTERED 126
#define NOT_STARTED 127 /* as the dynamic linker says it, too */

static bool is_library(const char *file)
{
	size_t length = strlen(file);

	return length > 3 && strcmp(file + length - 3, ".so") == 0;
}

/* Symbols are resolved as well: one that an older library lacks would show at boot only. */
static int load(const char *file, struct sr_err *err)
{
	const char *why;

	if (dlopen(file, RTLD_NOW | RTLD_LOCAL))
		return 0;
	why = dlerror();
	return sr_fail(err, -EIO, "%s cannot be loaded: %s", file, why ? why : "unknown");
}

/* In the child. What the dynamic linker has to say goes to our stderr. */
static void run(const char *root, const char *const argv[])
{
	static const char *const environment[] = { "LD_BIND_NOW=1", NULL };

	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0)
		(void)dup2(null, STDOUT_FILENO);
	if (chroot(root) < 0 || chdir("/") < 0)
		_exit(NOT_ENTERED);
	(void)execve(argv[0], (char *const *)argv, (char *const *)environment);
	_exit(NOT_STARTED);
}

static int run_in(const char *root, const char *file, const char *const argv[],
		  struct sr_err *err)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		run(root, argv);
	if (child < 0)
		return sr_fail_sys(err, errno, "cannot start another process");
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return sr_fail_sys(err, errno, "cannot wait for %s", file);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ENTERED)
		return sr_fail(err, -EPERM,
			       "cannot enter %s to try %s: only root can make an image",
			       root, file);
	return sr_fail(
	    err, -EIO,
	    "%s does not start in the image: something that it needs is missing", file);
}

int check_file(const char *root, const char *file, struct sr_err *err)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *const version[] = { file, "--version", NULL };
	const char *const twin[] = { self, "--quiet", "--check", "/", file, NULL };

	if (is_library(file) && strcmp(root, "/") == 0)
		return load(file, err);
	if (length <= 0)
		return sr_fail_sys(err, errno, "cannot read /proc/self/exe");
	self[length] = '\0';
	return run_in(root, file, is_library(file) ? twin : version, err);
}
