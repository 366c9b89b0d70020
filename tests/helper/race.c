/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mistake that the thread sanitizer has to find: two threads, one number, no lock. */
#include <assert.h>
#include <pthread.h>
#include <stddef.h>

static int number;

static void *count(void *unused)
{
	number++;
	return unused;
}

int main(void)
{
	pthread_t other;

	assert(pthread_create(&other, NULL, count, NULL) == 0);
	(void)count(NULL);
	assert(pthread_join(other, NULL) == 0);
	return 0;
}
