/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running the update itself. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reseal.h"

#define NOT_RUN 127 /* as shells have it */

static __attribute__((noreturn)) void become(char **argv)
{
	(void)signal(SIGXFSZ, SIG_DFL);
	(void)execvp(argv[0], argv);
	fprintf(stderr, "tpm-reseal: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(NOT_RUN);
}

/* Ctrl-C is for the command: what comes afterwards is still ours. */
static void set_signals(void (*handler)(int))
{
	(void)signal(SIGINT, handler);
	(void)signal(SIGQUIT, handler);
}

int reseal_run(char **argv, struct sr_err *err)
{
	pid_t pid = fork(), done;
	int status;

	if (pid < 0)
		return sr_fail_sys(err, errno, "cannot run %s", argv[0]);
	if (pid == 0)
		become(argv);
	set_signals(SIG_IGN);
	do
		done = waitpid(pid, &status, 0);
	while (done < 0 && errno == EINTR);
	set_signals(SIG_DFL);
	if (done < 0)
		return sr_fail_sys(err, errno, "cannot wait for %s", argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
