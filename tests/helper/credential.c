/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plays systemd to tpm-credential: starts it by its socket, and asks as units do. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "ground/attr.h"

#define LIMIT (1U << 20) /* bytes from which on systemd refuses a credential */
#define STORE_MAX 64
#define HELD_MAX 16

/*
 *   credential serve SOCKET COMMAND...	start COMMAND whenever somebody connects; what it
 *					puts into the file descriptor store comes back to
 *					its successor when it is killed
 *   credential forget SOCKET COMMAND	the same without such a store
 *   credential ask SOCKET ADDRESS	load a credential; "" has no address, "UNIT/NAME"
 *					gets the rest around it. 243: it is refused
 *   credential drain SOCKET ADDRESS MS	count what comes, to the end, pausing once
 *   credential storm SOCKET COUNT	requests of all kinds, from several processes
 */

static struct sockaddr_un path_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	assert(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	return address;
}

/* ---- serve ---- */

static int listener, notify, stored[STORE_MAX];
static size_t stored_count;
static volatile sig_atomic_t ended;
static pid_t child;
static bool forgetful;
static sigset_t unblocked;

static void on_signal(int signal)
{
	ended = signal == SIGTERM ? 2 : 1;
}

/* Where there are too many already, systemd does not keep it. */
static void store(const struct msghdr *message)
{
	const struct cmsghdr *part = CMSG_FIRSTHDR(message);
	int fd;

	if (!part || part->cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&fd, CMSG_DATA(part), sizeof(fd));
	if (stored_count < STORE_MAX)
		stored[stored_count++] = fd;
	else
		(void)close(fd);
}

static void receive(void)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(sizeof(int))];
	} control;
	char text[256];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	while ((n = recvmsg(notify, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) >= 0) {
		text[n] = '\0';
		if (strncmp(text, "FDSTORE=1", 9) == 0)
			store(&message);
		else
			printf("%s\n", text);
		message.msg_controllen = sizeof(control);
	}
	(void)fflush(stdout);
}

/* The new numbers are above all old ones first, so that none is overwritten. */
static void become(char **command)
{
	char number[16];

	(void)sigprocmask(SIG_SETMASK, &unblocked, NULL);
	for (int i = -1; i < (int)stored_count; i++) {
		int fd = fcntl(i < 0 ? listener : stored[i], F_DUPFD, 200);

		assert(fd >= 0 && fd == 201 + i);
	}
	for (int i = 0; i <= (int)stored_count; i++)
		assert(dup2(200 + i, 3 + i) == 3 + i && close(200 + i) == 0);
	(void)snprintf(number, sizeof(number), "%d", getpid());
	assert(setenv("LISTEN_PID", number, 1) == 0);
	(void)snprintf(number, sizeof(number), "%zu", stored_count + 1);
	assert(setenv("LISTEN_FDS", number, 1) == 0);
	execvp(command[0], command);
	_exit(127);
}

static void start(char **command)
{
	(void)fflush(stdout);
	child = fork();
	assert(child >= 0);
	if (child == 0)
		become(command);
	for (size_t i = 0; i < stored_count; i++)
		(void)close(stored[i]);
	printf("started %d%s\n", child, stored_count ? ", with peers" : "");
	(void)fflush(stdout);
	stored_count = 0;
}

static void forget(void)
{
	while (stored_count > 0)
		(void)close(stored[--stored_count]);
}

static bool reap(void)
{
	int status;

	if (child == 0 || waitpid(child, &status, WNOHANG) != child)
		return false;
	receive();
	if (forgetful)
		forget();
	child = 0;
	if (WIFSIGNALED(status))
		printf("killed %d\n", WTERMSIG(status));
	else
		printf("ended %d\n", WEXITSTATUS(status));
	(void)fflush(stdout);
	return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

/* As systemd does: a peer that hung up, or was hung up on, is let go of. */
static void drop(const struct pollfd *fds)
{
	size_t kept = 0, count = stored_count;

	for (size_t i = 0; i < count; i++) {
		if (fds[i].revents & (POLLHUP | POLLERR))
			(void)close(stored[i]);
		else
			stored[kept++] = stored[i];
	}
	stored_count = kept;
}

static void serve_once(char **command)
{
	struct pollfd fds[2 + STORE_MAX] = { { listener, child ? 0 : POLLIN, 0 },
					     { notify, POLLIN, 0 } };

	for (size_t i = 0; i < stored_count; i++)
		fds[2 + i] = (struct pollfd){ stored[i], 0, 0 };
	if (ppoll(fds, 2 + stored_count, NULL, &unblocked) < 0)
		assert(errno == EINTR);
	else
		drop(fds + 2);
	receive();
	if (forgetful)
		forget();
	if (reap())
		start(command);
	if (child == 0 && fds[0].revents & POLLIN)
		start(command);
}

static int serve(char **argv)
{
	struct sockaddr_un address = path_address(argv[2]);
	struct sigaction action = { .sa_handler = on_signal };
	char path[sizeof(address.sun_path) + 8];
	sigset_t blocked;

	(void)snprintf(path, sizeof(path), "%s.n", argv[2]);
	(void)unlink(argv[2]);
	(void)unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	assert(listen(listener, 4096) == 0);
	address = path_address(path);
	notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert(bind(notify, (struct sockaddr *)&address, sizeof(address)) == 0);
	assert(setenv("NOTIFY_SOCKET", path, 1) == 0);
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGTERM);
	(void)sigaddset(&blocked, SIGCHLD);
	assert(sigprocmask(SIG_BLOCK, &blocked, &unblocked) == 0);
	assert(sigaction(SIGTERM, &action, NULL) == 0);
	assert(sigaction(SIGCHLD, &action, NULL) == 0);
	printf("listening\n");
	(void)fflush(stdout);
	while (ended != 2)
		serve_once(argv + 3);
	if (child) {
		(void)kill(child, SIGTERM);
		while (!reap() && child)
			(void)poll(NULL, 0, 5);
	}
	return 0;
}

/* ---- ask ---- */

static void bind_as(int fd, const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t room = sizeof(address.sun_path) - 1, size;
	uint64_t random;

	if (!*text)
		return;
	assert(getrandom(&random, sizeof(random), 0) == sizeof(random));
	if (text[0] == '@')
		size = (size_t)snprintf(address.sun_path + 1, room, "%s", text + 1);
	else
		size = (size_t)snprintf(address.sun_path + 1, room, "%llx/unit/%s",
					(unsigned long long)random, text);
	assert(size < room);
	size += offsetof(struct sockaddr_un, sun_path) + 1;
	if (bind(fd, (struct sockaddr *)&address, (socklen_t)size) < 0) {
		perror("bind");
		exit(1);
	}
}

static int ask(const char *path, const char *text)
{
	struct sockaddr_un address = path_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert(fd >= 0);
	bind_as(fd, text);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("connect");
		exit(1);
	}
	return fd;
}

/* Reads to the end, or until it is too much; -1 if the connection broke. */
static ssize_t load(int fd, uint8_t *data, size_t max)
{
	size_t used = 0;
	ssize_t n;

	while (used < max && (n = read(fd, data + used, max - used)) != 0) {
		if (n < 0)
			return -1;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

static int ask_once(char **argv)
{
	static uint8_t data[LIMIT];
	int fd = ask(argv[2], argv[3]);
	ssize_t n;

	assert(shutdown(fd, SHUT_WR) == 0);
	n = load(fd, data, sizeof(data));
	if (n < 0) {
		perror("read");
		return 1;
	}
	if (n == LIMIT)
		return 243;
	assert(fwrite(data, 1, (size_t)n, stdout) == (size_t)n);
	return 0;
}

static int drain(char **argv)
{
	static uint8_t data[8 * LIMIT];
	int fd = ask(argv[2], argv[3]);
	size_t nonzero = 0;
	ssize_t n;

	assert(shutdown(fd, SHUT_WR) == 0);
	(void)poll(NULL, 0, atoi(argv[4]));
	n = load(fd, data, sizeof(data));
	for (ssize_t i = 0; i < n; i++)
		nonzero += data[i] != 0;
	printf("%zd bytes, %zu of them not zero\n", n, nonzero);
	return 0;
}

/* ---- storm ---- */

enum kind { GOOD, SLOW, HELD, CHATTY, UNKNOWN, STRANGER, NAMELESS, GARBAGE, GONE, KINDS };

static const char *const kinds[] = {
	[GOOD] = "good",	 [SLOW] = "slow",	[HELD] = "half-open",
	[CHATTY] = "talkative",	 [UNKNOWN] = "unknown", [STRANGER] = "not in Units=",
	[NAMELESS] = "nameless", [GARBAGE] = "garbage", [GONE] = "gone at once",
};

#define WRONG KINDS

static unsigned int asked[KINDS + 1], wrong;
static struct {
	int fd;
	unsigned int secret;
} held[HELD_MAX];
static size_t held_count;

/* Who talks instead of listening may find the connection broken. */
static void check(int fd, unsigned int secret, bool may_break)
{
	static uint8_t data[LIMIT];
	char wanted[32];
	ssize_t n = load(fd, data, sizeof(data));
	int size = snprintf(wanted, sizeof(wanted), "secret of %u", secret);

	if (n >= 0 || !may_break)
		wrong += n != size || memcmp(data, wanted, (size_t)size) != 0;
	(void)close(fd);
}

static void check_refused(int fd)
{
	static uint8_t data[LIMIT];

	wrong += load(fd, data, sizeof(data)) != LIMIT || data[0] || data[LIMIT - 1];
	(void)close(fd);
}

/* Not read for as long as there are not too many of them. */
static void hold(int fd, unsigned int secret)
{
	if (held_count == HELD_MAX) {
		check(held[0].fd, held[0].secret, false);
		memmove(held, held + 1, sizeof(held) - sizeof(held[0]));
		held_count--;
	}
	held[held_count].fd = fd;
	held[held_count++].secret = secret;
}

static void address_of(enum kind kind, unsigned int secret, char ret[96])
{
	switch (kind) {
	case UNKNOWN:
		(void)snprintf(ret, 96, "s%u.service/none", secret);
		break;
	case STRANGER:
		(void)snprintf(ret, 96, "other.service/c%u", secret);
		break;
	case NAMELESS:
		ret[0] = '\0';
		break;
	case GARBAGE:
		(void)snprintf(ret, 96, "@%d.%ld/unit/../\x1b[2J%u", getpid(), random(),
			       secret);
		break;
	default:
		(void)snprintf(ret, 96, "s%u.service/c%u", secret, secret);
	}
}

static void request(const char *path, enum kind kind)
{
	unsigned int secret = (unsigned int)random() % 24 + 1;
	char address[96];
	int fd;

	address_of(kind, secret, address);
	fd = ask(path, address);
	asked[kind]++;
	if (kind == CHATTY)
		(void)send(fd, address, sizeof(address), MSG_NOSIGNAL);
	else if (kind != HELD && kind != GONE)
		assert(shutdown(fd, SHUT_WR) == 0);
	if (kind == SLOW)
		(void)poll(NULL, 0, 5);
	if (kind == HELD)
		hold(fd, secret);
	else if (kind == GONE)
		(void)close(fd);
	else if (kind <= CHATTY)
		check(fd, secret, kind == CHATTY);
	else
		check_refused(fd);
}

static void worker(const char *path, unsigned int count, unsigned int seed, int result)
{
	srandom(seed);
	for (unsigned int i = 0; i < count; i++)
		request(path, (enum kind)(random() % 100 < 40 ? GOOD : random() % KINDS));
	for (size_t i = 0; i < held_count; i++)
		check(held[i].fd, held[i].secret, false);
	asked[WRONG] = wrong;
	assert(write(result, asked, sizeof(asked)) ==
	       sizeof(asked)); /* whole: PIPE_BUF */
	_exit(0);
}

static int storm(char **argv)
{
	unsigned int count = (unsigned int)atoi(argv[3]), total[KINDS + 1] = { 0 };
	int result[2];

	assert(pipe(result) == 0);
	for (unsigned int i = 0; i < 8; i++)
		if (fork() == 0)
			worker(argv[2], count / 8, i + 1, result[1]);
	assert(close(result[1]) == 0);
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int part[KINDS + 1];

		assert(read(result[0], part, sizeof(part)) == sizeof(part));
		for (unsigned int k = 0; k <= WRONG; k++)
			total[k] += part[k];
	}
	for (unsigned int k = 0; k < KINDS; k++)
		printf("%u %s, ", total[k], kinds[k]);
	printf("%u wrong\n", total[WRONG]);
	return total[WRONG] > 0;
}

int main(int argc, char **argv)
{
	assert(argc >= 4);
	forgetful = strcmp(argv[1], "forget") == 0;
	if (forgetful || strcmp(argv[1], "serve") == 0)
		return serve(argv);
	if (strcmp(argv[1], "ask") == 0)
		return ask_once(argv);
	if (strcmp(argv[1], "drain") == 0 && argc == 5)
		return drain(argv);
	assert(strcmp(argv[1], "storm") == 0);
	return storm(argv);
}
