/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plays the journal to a program: shows its messages, and what it wrote to stderr. */
#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "ground/attr.h"

/*
 *   journal DIR COMMAND...	what COMMAND sends to the journal, as it came, each after a
 *				line "entry"; what it wrote to standard error after "stream"
 */

static int bind_socket(const char *dir, const char *name, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	size_t room = sizeof(address.sun_path);

	assert((size_t)snprintf(address.sun_path, room, "%s/%s", dir, name) < room);
	(void)unlink(address.sun_path);
	assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* Standard error becomes a connection to the journal, and JOURNAL_STREAM says which. */
static void become(const char *dir, char **command)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char text[64];
	struct stat st;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/stdout", dir);
	assert(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	assert(dup2(fd, STDERR_FILENO) == STDERR_FILENO && fstat(fd, &st) == 0);
	(void)snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	if (!getenv("JOURNAL_STREAM"))
		assert(setenv("JOURNAL_STREAM", text, 1) == 0);
	execvp(command[0], command);
	_exit(127);
}

static void show(int fd, const char *what, int flags)
{
	char data[16384];
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), flags)) > 0) {
		printf("%s\n", what);
		assert(fwrite(data, 1, (size_t)n, stdout) == (size_t)n);
	}
}

int main(int argc, char **argv)
{
	int listener, datagrams, stream, status;

	assert(argc > 2);
	listener = bind_socket(argv[1], "stdout", SOCK_STREAM);
	datagrams = bind_socket(argv[1], "socket", SOCK_DGRAM);
	assert(listen(listener, 1) == 0);
	if (fork() == 0)
		become(argv[1], argv + 2);
	stream = accept(listener, NULL, NULL);
	assert(wait(&status) > 0);
	show(datagrams, "entry", MSG_DONTWAIT);
	show(stream, "stream", 0);
	return WEXITSTATUS(status);
}
