/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients of the agent and of REST share in tests: many of them at once, and chance. */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * One client: writes to @ready and closes it, waits until @start ends, asks @count times, writes
 * to @finished; returns how many signatures were good. One that can't begin ends.
 */
typedef unsigned int (*client_work)(unsigned long client, unsigned long count,
				    unsigned long hot, int ready, int start,
				    int finished);

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

static int sign_at_once(client_work work, unsigned long clients, unsigned long count,
			unsigned long hot)
{
	unsigned int *good = mmap(NULL, clients * sizeof(*good), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ready[2], start[2], finished[2];
	unsigned int total = 0;
	double began, took;

	assert(good != MAP_FAILED && pipe(ready) == 0 && pipe(start) == 0 &&
	       pipe(finished) == 0);
	for (unsigned long i = 0; i < clients; i++) {
		pid_t pid = fork();

		assert(pid >= 0);
		if (pid == 0) {
			(void)close(start[1]);
			good[i] = work(i, count, hot, ready[1], start[0], finished[1]);
			_exit(0);
		}
	}
	(void)close(ready[1]);
	(void)close(finished[1]);
	wait_for(ready[0], clients);
	began = now();
	(void)close(start[1]);
	wait_for(finished[0], clients);
	took = now() - began;
	while (wait(NULL) > 0)
		;
	for (unsigned long i = 0; i < clients; i++)
		total += good[i];
	printf("%u %.0f\n", total, (double)(clients * count) / took);
	return total == clients * count ? 0 : 1;
}

static uint32_t seed;

static uint32_t random_number(uint32_t below)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % below;
}

#endif
