/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mistake that the thread sanitizer has to find: two threads, one number, no lock.
 * For so long that both are there at once: of a thread that has ended it may know too little.
 */
#include <assert.h>
#include <pthread.h>
#include <stddef.h>

static volatile int number;

static void *count(void *unused)
{
	for (int i = 0; i < 1000000; i++)
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
