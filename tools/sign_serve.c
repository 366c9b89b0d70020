/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: the daemon is a program of its own, with libraries that one signature needs not. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "ground/attr.h"
#include "sign.h"

static const char program[] = "tpm-serve";

/* Beside this one, where both were built; else where it was installed. */
static void find(char ret[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - sizeof(program));
	char *slash;

	ret[n > 0 ? n : 0] = '\0';
	slash = strrchr(ret, '/');
	if (slash)
		memcpy(slash + 1, program, sizeof(program));
	if (!slash || access(ret, X_OK) < 0)
		(void)snprintf(ret, PATH_MAX, "%s/sealring/%s", LIBEXECDIR, program);
}

static char path[PATH_MAX];
static int failure;

void sign_serve(int argc, char **argv)
{
	_cleanup_free_ char **arguments = calloc((size_t)argc + 2, sizeof(*arguments));

	find(path);
	if (arguments) {
		arguments[0] = path;
		for (int i = 0; i < argc; i++)
			arguments[i + 1] = argv[i];
		(void)execv(path, arguments);
	}
	failure = errno;
}

int cmd_serve(int argc, char **argv, struct sr_err *err)
{
	(void)argc;
	(void)argv;
	return failure ? sr_fail_sys(err, failure, "cannot run %s", path)
		       : sr_fail(err, -EINVAL,
				 "its options stand behind it: tpm-sign serve --help");
}
