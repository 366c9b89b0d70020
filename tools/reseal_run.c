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
#define SIGNALS SR_COUNT(signals)

static const int signals[] = { SIGINT, SIGQUIT };

static __attribute__((noreturn)) void become(char **argv)
{
	(void)signal(SIGXFSZ, SIG_DFL);
	(void)execvp(argv[0], argv);
	fprintf(stderr, "tpm-reseal: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(NOT_RUN);
}

/* Ctrl-C is for the command: what comes afterwards is still ours. */
static void set_signals(const struct sigaction by[SIGNALS], struct sigaction old[SIGNALS])
{
	for (size_t i = 0; i < SIGNALS; i++)
		(void)sigaction(signals[i], &by[i], old ? &old[i] : NULL);
}

int reseal_run(char **argv, struct sr_err *err)
{
	static const struct sigaction ignore[SIGNALS] = { { .sa_handler = SIG_IGN },
							  { .sa_handler = SIG_IGN } };
	struct sigaction old[SIGNALS];
	pid_t pid = fork(), done;
	int status;

	if (pid < 0)
		return sr_fail_sys(err, errno, "cannot run %s", argv[0]);
	if (pid == 0)
		become(argv);
	set_signals(ignore, old);
	do
		done = waitpid(pid, &status, 0);
	while (done < 0 && errno == EINTR);
	set_signals(old, NULL);
	if (done < 0)
		return sr_fail_sys(err, errno, "cannot wait for %s", argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
