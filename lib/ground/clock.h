/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The clock that goes on while the machine sleeps, and that nobody sets. */
#ifndef SR_CLOCK_H
#define SR_CLOCK_H

#include <time.h>

/** sr_clock() - seconds since the machine was started (CLOCK_BOOTTIME of clock_gettime(2)) */
static inline time_t sr_clock(void)
{
	struct timespec time = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &time);
	return time.tv_sec;
}

#endif
