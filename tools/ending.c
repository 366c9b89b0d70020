/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The signal that ends a program: nothing of it stays on the TPM. */
#include "ending.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "ground/attr.h"

#define PATIENCE_MS 1000 /* timeout(1) sends its signal twice */

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
volatile sig_atomic_t ending;
static int64_t since;

static int64_t now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void die_of(int number)
{
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* In the handler of a signal it is held back, so that it comes at the end of that. */
static void note(int number)
{
	int saved = errno;

	if (!ending) {
		since = now_ms();
		ending = number;
	} else if (now_ms() - since >= PATIENCE_MS) {
		die_of(number);
	}
	errno = saved;
}

void ending_heed(void)
{
	struct sigaction action = { .sa_handler = note }, old;
	sigset_t blocked;

	(void)sigprocmask(SIG_BLOCK, NULL, &blocked);
	if (sigismember(&blocked, SIGTERM))
		return;
	for (size_t i = 0; i < SR_COUNT(signals); i++)
		(void)sigaddset(&action.sa_mask, signals[i]);
	for (size_t i = 0; i < SR_COUNT(signals); i++)
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &action, NULL);
}

void ending_die(void)
{
	if (ending)
		die_of(ending);
}
