/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemons have in common: an event loop that ends when it is told to, or idle. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

static struct daemon_end when;
static sd_event *loop;
static uint64_t active;

void daemon_active(void)
{
	(void)sd_event_now(loop, CLOCK_BOOTTIME, &active);
}

/* With 0 it ends when nobody is there; that is not asked without pause. */
static int on_idle(sd_event_source *source, uint64_t usec, void *arg)
{
	uint64_t end = active + when.seconds * SECOND;

	(void)arg;
	if (usec >= end) {
		if (when.idle())
			return sd_event_exit(loop, 0);
		end = usec + (when.seconds ?: 1) * SECOND;
	}
	(void)sd_event_source_set_time(source, end);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info,
		     void *arg)
{
	(void)source;
	(void)info;
	(void)arg;
	when.stop();
	return 0;
}

/* Children are waited for in the loop, too. */
static void block_signals(void)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

int daemon_loop(const struct daemon_end *end, sd_event **ret, struct sr_err *err)
{
	int r;

	when = *end;
	block_signals();
	r = sd_event_new(&loop);
	*ret = loop;
	if (r >= 0)
		r = sd_event_add_signal(loop, NULL, SIGTERM, on_signal, NULL);
	if (r >= 0)
		r = sd_event_add_signal(loop, NULL, SIGINT, on_signal, NULL);
	if (r >= 0)
		r = sd_event_add_time_relative(loop, NULL, CLOCK_BOOTTIME,
					       when.seconds * SECOND, 0, on_idle, NULL);
	return r < 0 ? sr_fail_sys(err, -r, "cannot wait for requests") : 0;
}

int daemon_socket(int fd, const char *unit, struct sr_err *err)
{
	if (sd_is_socket_unix(fd, SOCK_STREAM, true, NULL, 0) <= 0)
		return sr_fail(
		    err, -EINVAL,
		    "what it listens on has to be a Unix stream socket: see %s", unit);
	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return sr_fail_sys(err, errno, "cannot set up the socket");
	return 0;
}

int daemon_run(sd_event *event, struct sr_err *err)
{
	int r;

	(void)sd_notify(false, "READY=1");
	r = sd_event_loop(event);
	(void)sd_notify(false, "STOPPING=1");
	return r < 0 ? sr_fail_sys(err, -r, "cannot serve the socket") : 0;
}
