/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kills a program as it begins a certain system call; the others it makes at full speed. */
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS                                                                          \
	(PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |                \
	 PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

/* Only this call stops it. */
static void announce(unsigned int call)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	assert(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static pid_t start(unsigned int call, char **command)
{
	pid_t pid = fork();
	int status;

	assert(pid >= 0);
	if (pid == 0) {
		assert(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
		(void)raise(SIGSTOP);
		announce(call);
		(void)execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	assert(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	assert(ptrace(PTRACE_SETOPTIONS, pid, NULL, OPTIONS) == 0);
	assert(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
	return pid;
}

/* What it gets of the signal that it stopped with: none that only the tracing caused. */
static int signal_of(int status)
{
	int signal = WSTOPSIG(status);

	return status >> 16 || signal == SIGSTOP || signal == SIGTRAP ? 0 : signal;
}

/* Processes and threads that it starts are counted, and waited for, like itself. */
static int follow(pid_t pid, unsigned long left, int signal)
{
	int status, ret = 0;
	pid_t who;

	while ((who = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (who > 0 && !WIFSTOPPED(status) && who == pid)
			ret = status;
		if (who <= 0 || !WIFSTOPPED(status))
			continue;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) && --left == 0)
			(void)kill(who, signal);
		if (signal != SIGKILL || left > 0)
			(void)ptrace(PTRACE_CONT, who, NULL, signal_of(status));
	}
	return ret;
}

/* killer CALL N COMMAND...: $SIGNAL (9) as the N-th system call of this number begins */
int main(int argc, char **argv)
{
	const char *signal = getenv("SIGNAL");
	int status;

	assert(argc > 3);
	status = follow(start((unsigned int)atoi(argv[1]), argv + 3),
			strtoul(argv[2], NULL, 10), signal ? atoi(signal) : SIGKILL);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
