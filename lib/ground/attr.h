/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the compiler is asked to do for us: cleanup in the declaration, handing over. */
#ifndef SR_ATTR_H
#define SR_ATTR_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))

#define SR_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Hands a pointer over: the caller owns it, the variable no longer does. */
#define take(p)                                                                          \
	({                                                                               \
		__typeof__(p) taken_ = (p);                                              \
		(p) = NULL;                                                              \
		taken_;                                                                  \
	})

/* Hands a file descriptor over. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Defines a cleanup function for variables of pointer type that ignores NULL. */
#define SR_DEFINE_CLEANUP(name, type, release)                                           \
	static inline void name(type *p)                                                 \
	{                                                                                \
		if (*p)                                                                  \
			release(*p);                                                     \
	}

static inline void sr_freep(void *p)
{
	free(*(void **)p);
}

static inline void sr_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

#define _cleanup_free_ _cleanup_(sr_freep)
#define _cleanup_close_ _cleanup_(sr_closep)

#endif
