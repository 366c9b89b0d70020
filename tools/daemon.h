/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemons have in common: an event loop that ends when it is told to, or idle. */
#ifndef DAEMON_H
#define DAEMON_H

#include <systemd/sd-event.h>

#include "sealring.h"

#define SECOND 1000000ULL /* in microseconds, as sd-event counts */

/**
 * struct daemon_end - when a daemon ends, which it does by sd_event_exit()
 * @stop:	SIGTERM or SIGINT came
 * @idle:	nobody asked for @seconds: returns whether there is nothing else to wait for
 * @seconds:	how long
 */
struct daemon_end {
	void (*stop)(void);
	bool (*idle)(void);
	uint64_t seconds;
};

/** daemon_loop() - make the event loop of this process; release with sd_event_unref() */
int daemon_loop(const struct daemon_end *end, sd_event **ret, struct sr_err *err);

/** daemon_active() - somebody asked for something */
void daemon_active(void);

/**
 * daemon_socket() - set up a socket that systemd listens on
 * @fd:		what it gave
 * @unit:	the unit that says what it has to be
 * @err:	says why, on failure
 */
int daemon_socket(int fd, const char *unit, struct sr_err *err);

/** daemon_run() - serve until the loop ends; systemd knows when that begins and ends */
int daemon_run(sd_event *event, struct sr_err *err);

#endif
