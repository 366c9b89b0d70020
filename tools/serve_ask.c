/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-serve: asking a person without waiting for the answer. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "serve.h"

#define ANSWER_MAX 256 /* bytes that are typed, at most */
#define SECONDS 90
#define GRACE 2 /* seconds to end when told to */

static const char ask_password[] = "/usr/bin/systemd-ask-password";

/* A program that runs, and what it has printed so far; it is done when it has ended. */
struct ask {
	struct ask_question question;
	bool typed_yes; /* the program only has texts as answers */
	pid_t pid;
	int from;
	struct sr_secret typed;
	size_t used;
	bool failed;
	bool closed;
	bool ended;
	sd_event_source *output;
	sd_event_source *child;
	sd_event_source *deadline;
};

void ask_free(struct ask *ask)
{
	if (!ask)
		return;
	(void)sd_event_source_disable_unref(ask->output);
	(void)sd_event_source_disable_unref(ask->child);
	(void)sd_event_source_disable_unref(ask->deadline);
	if (ask->pid > 0 && !ask->ended) {
		(void)kill(ask->pid, SIGKILL);
		(void)waitpid(ask->pid, NULL, 0);
	}
	sr_closep(&ask->from);
	sr_secret_done(&ask->typed);
	free(ask);
}

SR_DEFINE_CLEANUP(ask_freep, struct ask *, ask_free)

/* ---- what came back ---- */

/* The first line; an answer of nothing is one too, to a question of yes or no. */
static bool is_yes(const struct ask *ask, size_t size)
{
	if (size == 0)
		return !ask->typed_yes;
	return size == 3 && memcmp(ask->typed.data, "yes", 3) == 0;
}

static void conclude(struct ask *ask)
{
	const uint8_t *newline =
	    ask->used > 0 ? memchr(ask->typed.data, '\n', ask->used) : NULL;
	size_t size = newline ? (size_t)(newline - ask->typed.data) : ask->used;
	struct sr_secret typed = { .data = ask->typed.data, .size = size };
	bool good = !ask->failed && (!ask->question.confirm || is_yes(ask, size));

	ask->question.answer(ask->question.arg, good ? &typed : NULL);
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct ask *ask = arg;
	ssize_t n = read(fd, ask->typed.data + ask->used, ask->typed.size - ask->used);

	(void)source;
	(void)events;
	if (n < 0 && errno == EINTR)
		return 0;
	if (n > 0) {
		ask->used += (size_t)n;
		if (ask->used < ask->typed.size)
			return 0;
	}
	ask->failed = ask->failed || n != 0;
	ask->closed = true;
	ask->output = sd_event_source_disable_unref(ask->output);
	if (ask->ended)
		conclude(ask);
	return 0;
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *arg)
{
	struct ask *ask = arg;

	(void)source;
	ask->ended = true;
	ask->failed = ask->failed || info->si_code != CLD_EXITED || info->si_status != 0;
	if (ask->closed)
		conclude(ask);
	return 0;
}

/* It is told to end. If it does not, or something that it began still writes, that is all. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *arg)
{
	struct ask *ask = arg;
	bool told = ask->failed || ask->ended;

	ask->failed = true;
	if (told) {
		conclude(ask);
		return 0;
	}
	(void)kill(ask->pid, SIGTERM);
	(void)sd_event_source_set_time(source, usec + GRACE * SECOND);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- the program ---- */

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

/* As ssh(1) has it: a program with windows needs a display, unless it is told otherwise. */
static const char *askpass(void)
{
	const char *require = getenv("SSH_ASKPASS_REQUIRE");

	if (!is_set("SSH_ASKPASS") || (require && strcmp(require, "never") == 0))
		return NULL;
	if (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") ||
	    (require &&
	     (strcmp(require, "force") == 0 || strcmp(require, "prefer") == 0)))
		return getenv("SSH_ASKPASS");
	return NULL;
}

/* It gets our environment, and of us no descriptor but the pipe. */
static int spawn(char *const argv[], char *const environment[], int to, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	int number = posix_spawn_file_actions_init(&actions);

	if (number != 0)
		return number;
	number = posix_spawnattr_init(&attributes);
	if (number == 0) {
		(void)sigemptyset(&none);
		(void)sigemptyset(&usual);
		(void)sigaddset(&usual, SIGPIPE);
		(void)posix_spawnattr_setsigmask(&attributes, &none);
		(void)posix_spawnattr_setsigdefault(&attributes, &usual);
		(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
								POSIX_SPAWN_SETSIGDEF);
		(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO,
						       "/dev/null", O_RDONLY, 0);
		(void)posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
		(void)posix_spawn_file_actions_addclosefrom_np(&actions,
							       STDERR_FILENO + 1);
		number =
		    posix_spawn(pid, argv[0], &actions, &attributes, argv, environment);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return number;
}

/* Ours, with what @confirm says; not by setenv(3), as the TPM's thread may look at ours. */
static char **make_environment(bool confirm)
{
	static const char prompt[] = "SSH_ASKPASS_PROMPT=";
	size_t count = 0, kept = 0;
	char **environment;

	while (environ[count])
		count++;
	environment = calloc(count + 2, sizeof(*environment));
	if (!environment)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], prompt, strlen(prompt)) != 0)
			environment[kept++] = environ[i];
	if (confirm)
		environment[kept] = (char *)"SSH_ASKPASS_PROMPT=confirm";
	return environment;
}

static int run(struct ask *ask, int to, struct sr_err *err)
{
	const char *text = ask->question.text, *program = askpass();
	char *const plain[] = { (char *)program, (char *)text, NULL };
	char *const agent[] = { (char *)ask_password,
				(char *)"--no-tty",
				(char *)"--timeout=90",
				(char *)"--id=sealring",
				(char *)"--icon=dialog-password",
				(char *)(ask->question.confirm ? "--echo=yes"
							       : "--echo=masked"),
				(char *)"--",
				(char *)text,
				NULL };
	_cleanup_free_ char **environment = make_environment(ask->question.confirm);
	int number;

	if (!environment)
		return sr_fail(err, -ENOMEM, "out of memory");
	if (!program && access("/run/systemd/system", F_OK) < 0)
		return sr_fail(err, -EACCES,
			       "nobody to ask: set SSH_ASKPASS, and DISPLAY or "
			       "SSH_ASKPASS_REQUIRE=force");
	ask->typed_yes = !program;
	number = spawn(program ? plain : agent, environment, to, &ask->pid);
	return number == 0 ? 0
			   : sr_fail_sys(err, number, "cannot run %s",
					 program ? program : ask_password);
}

static int watch(sd_event *event, struct ask *ask, struct sr_err *err)
{
	int r = sd_event_add_io(event, &ask->output, ask->from, EPOLLIN, on_output, ask);

	if (r >= 0)
		r = sd_event_add_child(event, &ask->child, ask->pid, WEXITED, on_child,
				       ask);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &ask->deadline, CLOCK_BOOTTIME,
					       SECONDS * SECOND, 0, on_deadline, ask);
	return r < 0 ? sr_fail_sys(err, -r, "cannot wait for an answer") : 0;
}

int ask_start(sd_event *event, const struct ask_question *question, struct ask **ret,
	      struct sr_err *err)
{
	__attribute__((cleanup(ask_freep))) struct ask *ask = calloc(1, sizeof(*ask));
	int ends[2], r;

	if (!ask)
		return sr_fail(err, -ENOMEM, "out of memory");
	ask->question = *question;
	ask->from = -1;
	r = sr_secret_alloc(ANSWER_MAX, &ask->typed, err);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return sr_fail_sys(err, errno, "cannot ask");
	ask->from = ends[0];
	r = run(ask, ends[1], err);
	(void)close(ends[1]);
	if (r == 0)
		r = watch(event, ask, err);
	if (r < 0)
		return r;
	*ret = ask;
	ask = NULL;
	return 0;
}
