/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking a person: on the terminal, or by systemd-ask-password. */
#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>

#include "ending.h"
#include "ground/attr.h"

#define _cleanup_secret_ _cleanup_(sr_secret_done)

static const char ask_password[] = "/usr/bin/systemd-ask-password";
static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
static volatile sig_atomic_t caught;

static void note(int number)
{
	caught = number;
}

static bool has_agent(void)
{
	return access("/run/systemd/system", F_OK) == 0 &&
	       access(ask_password, X_OK) == 0;
}

bool prompt_possible(void)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);

	return tty >= 0;
}

/* With @mask signals arrive only while it waits, so that none is missed before that. */
static ssize_t read_byte(int fd, uint8_t *to, const sigset_t *mask)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	if (mask && ppoll(&wait, 1, NULL, mask) < 0)
		return -1;
	return read(fd, to, 1);
}

/* Reads one line byte by byte; a signal ends it, so that the echo comes back on. */
static int read_line(int fd, const sigset_t *mask, size_t max, struct sr_secret *ret,
		     struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret line = { 0 };
	size_t used = 0;
	ssize_t n;
	int r = sr_secret_alloc(max + 1, &line, err);

	if (r < 0)
		return r;
	while ((n = read_byte(fd, line.data + used, mask)) == 1 &&
	       line.data[used] != '\n')
		if (used++ == max)
			return sr_fail(err, -EINVAL,
				       "the answer is longer than %zu bytes", max);
	if (n < 0)
		return sr_fail(err, -EACCES, "no answer");
	return sr_secret_copy(line.data, used, ret, err);
}

static void set_handlers(struct sigaction old[SR_COUNT(signals)], sigset_t *mask)
{
	struct sigaction action = { .sa_handler = note };
	sigset_t block;

	caught = 0;
	(void)sigemptyset(&block);
	for (size_t i = 0; i < SR_COUNT(signals); i++)
		(void)sigaddset(&block, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &block, mask);
	for (size_t i = 0; i < SR_COUNT(signals); i++)
		(void)sigaction(signals[i], &action, &old[i]);
}

static void restore_handlers(const struct sigaction old[SR_COUNT(signals)],
			     const sigset_t *mask)
{
	for (size_t i = 0; i < SR_COUNT(signals); i++)
		(void)sigaction(signals[i], &old[i], NULL);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
}

static int ask_terminal(int tty, const char *question, size_t max, struct sr_secret *ret,
			struct sr_err *err)
{
	struct sigaction old[SR_COUNT(signals)];
	struct termios shown, hidden;
	sigset_t mask;
	int r;

	if (tcgetattr(tty, &shown) < 0)
		return sr_fail_sys(err, errno, "cannot ask on the terminal");
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	set_handlers(old, &mask);
	(void)tcsetattr(tty, TCSAFLUSH, &hidden);
	dprintf(tty, "%s: ", question);
	r = read_line(tty, &mask, max, ret, err);
	(void)tcsetattr(tty, TCSAFLUSH, &shown);
	dprintf(tty, "\n");
	restore_handlers(old, &mask);
	if (caught == SIGTSTP)
		(void)raise(SIGTSTP);
	else if (caught)
		ending = caught;
	return r;
}

static int spawn_agent(const char *question, int *from, pid_t *pid, struct sr_err *err)
{
	char *const argv[] = { (char *)ask_password,	(char *)"--timeout=90",
			       (char *)"--id=sealring", (char *)"--icon=drive-harddisk",
			       (char *)question,	NULL };
	char *const envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], number;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return sr_fail_sys(err, errno, "cannot ask for %s", question);
	number = posix_spawn_file_actions_init(&actions);
	if (number == 0) {
		(void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
		number = posix_spawn(pid, ask_password, &actions, NULL, argv, envp);
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	(void)close(ends[1]);
	*from = ends[0];
	return number ? sr_fail_sys(err, number, "cannot run %s", ask_password) : 0;
}

static int ask_agent(const char *question, size_t max, struct sr_secret *ret,
		     struct sr_err *err)
{
	_cleanup_close_ int from = -1;
	_cleanup_secret_ struct sr_secret answer = { 0 };
	int status, r;
	pid_t pid;

	r = spawn_agent(question, &from, &pid, err);
	if (r < 0)
		return r;
	r = read_line(from, NULL, max, &answer, err);
	if (r < 0)
		(void)kill(pid, SIGTERM); /* a signal is for both */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return sr_fail(err, -EACCES, "nobody answered: %s", question);
	*ret = answer;
	answer = (struct sr_secret){ 0 };
	return 0;
}

int prompt_secret(const char *question, size_t max, struct sr_secret *ret,
		  struct sr_err *err)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (ending)
		return sr_fail(err, -EACCES, "no answer");
	if (tty >= 0)
		return ask_terminal(tty, question, max, ret, err);
	if (has_agent())
		return ask_agent(question, max, ret, err);
	return sr_fail(err, -EACCES, "nobody to ask for the %s: no terminal", question);
}

bool prompt_yes(const char *question)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	char answer[8] = "";

	if (tty < 0)
		return false;
	dprintf(tty, "%s [y/N] ", question);
	if (read(tty, answer, sizeof(answer) - 1) < 1)
		return false;
	return answer[0] == 'y' || answer[0] == 'Y';
}
