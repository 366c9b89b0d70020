/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients of the agent and of REST share in tests: many of them at once, and chance. */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ground/io.h"
#include "sealring.h"

#define KEYS 16
#define DATA 100 /* bytes that are signed: about what a login signs */

static size_t key_count;

static struct sr_store *open_store(void)
{
	struct sr_store_options options = { .config_dir = "/nonexistent",
					    .state_dir = getenv("SEALRING_STATE_DIR") };
	struct sr_store *store = NULL;

	assert(sr_store_open(&options, &store, NULL) == 0);
	return store;
}

/* To the socket in $@variable. One that has just made it may not listen yet. */
static int connect_to(const char *variable)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv(variable);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r = -1;

	assert(path && fd >= 0 && strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	for (int tries = 0; r < 0 && tries < 100; tries++) {
		r = connect(fd, (struct sockaddr *)&address, sizeof(address));
		if (r < 0)
			(void)usleep(1000);
	}
	if (r < 0) {
		puts("nobody listens");
		exit(1);
	}
	return fd;
}

static bool send_all(int fd, const void *data, size_t size)
{
	const uint8_t *from = data;

	while (size > 0) {
		ssize_t n = send(fd, from, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		from += n;
		size -= (size_t)n;
	}
	return true;
}

/* Standard input as it is, and what is answered; nothing comes behind it if it @ends. */
static int raw(int fd, bool ends)
{
	uint8_t message[4096];
	ssize_t n = sr_read_full(STDIN_FILENO, message, sizeof(message));

	assert(n >= 0);
	(void)send_all(fd, message, (size_t)n);
	if (ends)
		(void)shutdown(fd, SHUT_WR);
	n = sr_read_full(fd, message, sizeof(message));
	return n < 0 || sr_write_full(STDOUT_FILENO, message, (size_t)n) < 0;
}

/* ---- many that sign ---- */

/* What is signed, by which key, and what came back. */
struct done {
	size_t key;
	char data[DATA];
	uint8_t *answer;
	size_t size;
};

struct signing {
	int (*connect)(void);
	bool (*ask)(int fd, struct done *one);
	bool (*verify)(const struct done *one);
	unsigned long clients;
	unsigned long count; /* of each */
	unsigned long hot; /* of 100 with one of the first two keys; 0 for all in turn */
};

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* All of them, or those that are left. */
static void wait_for(int fd, unsigned long count)
{
	char byte;

	while (count-- > 0 && read(fd, &byte, 1) == 1)
		;
}

static size_t choose(unsigned long at, unsigned long hot)
{
	if (!hot || key_count < 3)
		return at % key_count;
	return at * 37 % 100 < hot ? at % 2 : 2 + at / 2 % (key_count - 2);
}

/* Checked only when all have signed, as that takes as long again. */
static unsigned int sign(const struct signing *how, unsigned long client, int ready,
			 int start, int finished)
{
	struct done *all = calloc(how->count, sizeof(*all));
	unsigned int good = 0;
	int fd = how->connect();
	char go;

	assert(write(ready, "", 1) == 1 && close(ready) == 0 && read(start, &go, 1) == 0);
	for (unsigned long i = 0; i < how->count; i++) {
		all[i].key = choose(client * 7 + i, how->hot);
		(void)snprintf(all[i].data, DATA, "client %lu, message %lu", client, i);
		if (!how->ask(fd, &all[i]))
			break;
	}
	assert(write(finished, "", 1) == 1);
	for (unsigned long i = 0; i < how->count && all[i].answer; i++)
		good += how->verify(&all[i]);
	return good;
}

/* Prints how many signatures were good, and signatures a second. */
static int sign_at_once(const struct signing *how)
{
	unsigned int *good =
	    mmap(NULL, how->clients * sizeof(*good), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long wanted = how->clients * how->count;
	int ready[2], start[2], finished[2];
	unsigned int total = 0;
	double began, took;

	assert(good != MAP_FAILED && pipe(ready) == 0 && pipe(start) == 0 &&
	       pipe(finished) == 0);
	for (unsigned long i = 0; i < how->clients; i++) {
		pid_t pid = fork();

		assert(pid >= 0);
		if (pid == 0) {
			(void)close(start[1]);
			good[i] = sign(how, i, ready[1], start[0], finished[1]);
			_exit(0);
		}
	}
	(void)close(ready[1]);
	(void)close(finished[1]);
	wait_for(ready[0], how->clients);
	began = now();
	(void)close(start[1]);
	wait_for(finished[0], how->clients);
	took = now() - began;
	while (wait(NULL) > 0)
		;
	for (unsigned long i = 0; i < how->clients; i++)
		total += good[i];
	printf("%u %.0f\n", total, (double)wanted / took);
	return total == wanted ? 0 : 1;
}

/* ---- chance ---- */

static uint32_t seed;

static uint32_t random_number(uint32_t below)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % below;
}

#endif
