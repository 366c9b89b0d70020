/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a command on a terminal of its own and answers its questions as a person would. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "ground/attr.h"

#define SECONDS 30 /* for everything: sanitizers are slow */

/*
 *   pty [-e] [-p FILE] [QUESTION ANSWER]... -- COMMAND...
 *
 * Each ANSWER and Enter are typed once the terminal shows QUESTION (after the one
 * before); of "^C" the control character alone. Prints what the terminal showed.
 *
 * -p:	when all is answered, write the command's process id to FILE
 * -e:	say in the last line whether the terminal was left with echo
 *
 * Exits as the command does; with 128 and its number after a signal, and a last line that
 * says whether there was a core dump; with 99 when a question never came.
 */

struct terminal {
	int fd;
	time_t end;
	char shown[1U << 16];
	size_t size;
	size_t seen; /* where the next question is looked for */
};

/* Returns false at the end. */
static bool receive(struct terminal *terminal)
{
	struct pollfd wait = { .fd = terminal->fd, .events = POLLIN };
	ssize_t n;

	if (time(NULL) > terminal->end || poll(&wait, 1, 1000) < 0)
		return false;
	if (!wait.revents)
		return true;
	assert(terminal->size < sizeof(terminal->shown) - 1);
	n = read(terminal->fd, terminal->shown + terminal->size,
		 sizeof(terminal->shown) - 1 - terminal->size);
	if (n <= 0)
		return false; /* EIO: the last one closed it */
	terminal->size += (size_t)n;
	terminal->shown[terminal->size] = '\0';
	return true;
}

static bool wait_for(struct terminal *terminal, const char *question)
{
	const char *found;

	while (!(found = strstr(terminal->shown + terminal->seen, question)))
		if (!receive(terminal))
			return false;
	terminal->seen = (size_t)(found - terminal->shown) + strlen(question);
	return true;
}

static void type(const struct terminal *terminal, const char *answer)
{
	bool control = strlen(answer) == 2 && answer[0] == '^';
	char key = control ? (char)(answer[1] & 0x1f) : '\n';

	if (!control)
		assert(write(terminal->fd, answer, strlen(answer)) ==
		       (ssize_t)strlen(answer));
	assert(write(terminal->fd, &key, 1) == 1);
}

static void write_pid(const char *file, pid_t pid)
{
	_cleanup_free_ char *temporary = NULL;
	FILE *out;

	assert(asprintf(&temporary, "%s.new", file) > 0);
	out = fopen(temporary, "w");
	assert(out && fprintf(out, "%d\n", (int)pid) > 0 && fclose(out) == 0);
	assert(rename(temporary, file) == 0);
}

static int finish(struct terminal *terminal, pid_t pid, bool echo)
{
	struct termios mode;
	int status;

	while (receive(terminal))
		;
	if (time(NULL) > terminal->end) {
		printf("%s\npty: the command does not end\n", terminal->shown);
		(void)kill(pid, SIGKILL);
		return 99;
	}
	assert(waitpid(pid, &status, 0) == pid);
	(void)fwrite(terminal->shown, 1, terminal->size, stdout);
	if (echo && tcgetattr(terminal->fd, &mode) == 0)
		printf("pty: echo %s\n", mode.c_lflag & ECHO ? "on" : "off");
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	printf("pty: killed by signal %d, %s\n", WTERMSIG(status),
	       WCOREDUMP(status) ? "core dumped" : "no core");
	return 128 + WTERMSIG(status);
}

static int converse(struct terminal *terminal, char **answers, pid_t pid,
		    const char *pid_file)
{
	for (; strcmp(answers[0], "--") != 0; answers += 2) {
		if (!wait_for(terminal, answers[0])) {
			printf("%s\npty: never asked: %s\n", terminal->shown, answers[0]);
			(void)kill(pid, SIGKILL);
			return 99;
		}
		if (answers[1][0])
			type(terminal, answers[1]);
	}
	if (pid_file)
		write_pid(pid_file, pid);
	return 0;
}

int main(int argc, char **argv)
{
	static struct terminal terminal;
	struct winsize size = { .ws_row = 50, .ws_col = 100 };
	const char *pid_file = NULL;
	bool echo = false;
	char **command;
	int option, r;
	pid_t pid;

	while ((option = getopt(argc, argv, "+ep:")) != -1) {
		assert(option == 'e' || option == 'p');
		if (option == 'e')
			echo = true;
		else
			pid_file = optarg;
	}
	argv += strcmp(argv[optind - 1], "--") == 0 ? optind - 1 : optind;
	for (command = argv; *command && strcmp(*command, "--") != 0; command++)
		;
	assert(*command && (command - argv) % 2 == 0);
	command++;
	pid = forkpty(&terminal.fd, NULL, NULL, &size);
	assert(pid >= 0);
	if (pid == 0) {
		execvp(command[0], command);
		_exit(127);
	}
	terminal.end = time(NULL) + SECONDS;
	r = converse(&terminal, argv, pid, pid_file);
	return r ? r : finish(&terminal, pid, echo);
}
