/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-serve: what clients of all sockets have in common: who they are, and waiting. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "serve.h"

#define CLIENTS_MAX 512
#define BYTES_MAX (32U << 20) /* that clients make us hold: of LimitMEMLOCK=, half */
#define PAGE 4096U	      /* what each may have, whatever others have */
#define LAST_SECONDS 8 /* for what is worked on when told to end; see also fetch.c */

static sd_event *loop;
static struct sr_server *keys;
static sd_event_source *finished;
static struct client *clients;
static size_t count;
static bool stopping;
static sd_event_source *patience;

/* ---- who ---- */

size_t serve_clients(void)
{
	return count;
}

static int identify(int fd, struct client *client)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	client->pid = peer.pid;
	client->peer.uid = peer.uid;
	client->peer.gid = peer.gid;
	size = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 &&
	    errno == ERANGE) {
		client->groups = malloc(size);
		if (!client->groups ||
		    getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, client->groups, &size) < 0)
			return -errno;
		client->peer.groups = client->groups;
		client->peer.group_count = size / sizeof(*client->groups);
	}
	return 0;
}

/* ---- how much of it ---- */

/* What clients have between them. */
struct held {
	size_t clients;
	size_t bytes;
};

/* Whoever may use all keys is not among the others, and so not kept out by them. */
static void add_up(uid_t uid, struct held *own, struct held *others)
{
	for (const struct client *client = clients; client; client = client->next) {
		struct held *to = client->peer.uid == uid ? own : others;

		if (to == others && sr_peer_is_trusted(client->peer.uid))
			continue;
		to->clients++;
		to->bytes += client->bytes;
	}
}

/* Half of what others leave: it takes many users to leave one more without. */
static size_t share(uid_t uid, size_t all, size_t others)
{
	return (all - (sr_peer_is_trusted(uid) ? 0 : others)) / 2;
}

static bool is_welcome(uid_t uid)
{
	struct held own = { 0 }, others = { 0 };

	add_up(uid, &own, &others);
	return own.clients < share(uid, CLIENTS_MAX, others.clients);
}

bool client_hold(struct client *client, size_t bytes)
{
	struct held own = { 0 }, others = { 0 };

	client->bytes = 0;
	if (bytes <= PAGE)
		return true;
	add_up(client->peer.uid, &own, &others);
	if (own.bytes + bytes > share(client->peer.uid, BYTES_MAX, others.bytes))
		return false;
	client->bytes = bytes;
	return true;
}

int client_grow(struct client *client, struct sr_secret *buffer, size_t used, size_t size)
{
	struct sr_secret larger = { 0 };
	int r =
	    client_hold(client, size) ? sr_secret_alloc(size, &larger, NULL) : -ENOMEM;

	if (r < 0)
		return r;
	if (used > 0)
		memcpy(larger.data, buffer->data, used);
	sr_secret_done(buffer);
	*buffer = larger;
	return 0;
}

/* ---- taking them in ---- */

static int on_pause_end(sd_event_source *timer, uint64_t usec, void *source)
{
	(void)usec;
	if (!stopping)
		(void)sd_event_source_set_enabled(source, SD_EVENT_ON);
	return sd_event_source_set_floating(timer, false);
}

static void unref_source(void *source)
{
	sd_event_source_unref(source);
}

/* Out of descriptors or memory, which passes: what is known here must not be lost by ending. */
static void pause_listening(sd_event_source *source, int number)
{
	sd_event_source *timer = NULL;
	struct sr_err err = { 0 };
	int r = sd_event_add_time_relative(loop, &timer, CLOCK_BOOTTIME, SECOND, 0,
					   on_pause_end, source);

	if (r < 0) {
		(void)sd_event_exit(loop, r);
		return;
	}
	(void)sd_event_source_set_destroy_callback(timer, unref_source);
	(void)sd_event_source_ref(source);
	(void)sd_event_source_set_floating(timer, true);
	sd_event_source_unref(timer);
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	tool_report(sr_fail_sys(&err, number, "nobody can connect for a second"), &err,
		    NULL);
}

int client_accept(sd_event_source *source, int listener, struct client *ret)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		pause_listening(source, errno);
	daemon_active();
	if (fd < 0)
		return -EAGAIN;
	if (identify(fd, ret) < 0 || !is_welcome(ret->peer.uid)) {
		free(ret->groups);
		*ret = (struct client){ 0 };
		(void)close(fd);
		return -EAGAIN;
	}
	ret->next = clients;
	clients = ret;
	count++;
	return fd;
}

void client_done(struct client *client)
{
	struct client **at = &clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	count--;
	free(client->groups);
	*client = (struct client){ 0 };
	daemon_active();
}

/* ---- what they wait for ---- */

static int on_finished(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct sr_call *call;

	(void)source;
	(void)fd;
	(void)events;
	(void)arg;
	while ((call = sr_server_next(keys))) {
		struct waiter *waiter = sr_call_arg(call);

		person_forget(waiter);
		waiter->go_on(waiter);
	}
	return 0;
}

int serve_start(sd_event *event, struct sr_server *server, struct sr_err *err)
{
	int r;

	loop = event;
	keys = server;
	daemon_active();
	r = sd_event_add_io(event, &finished, sr_server_fd(server), EPOLLIN, on_finished,
			    NULL);
	return r < 0 ? sr_fail_sys(err, -r, "cannot wait for the TPM") : 0;
}

/* ---- the end ---- */

bool serve_stopping(void)
{
	return stopping;
}

void serve_check_stop(void)
{
	if (stopping && !agent_busy() && !rest_busy())
		(void)sd_event_exit(loop, 0);
}

/* Lists of signatures may be long, and a TPM slow; systemd does not wait for ever either. */
static int on_patience_end(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)usec;
	(void)arg;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

void serve_stop(void)
{
	if (!stopping && sd_event_add_time_relative(loop, &patience, CLOCK_BOOTTIME,
						    LAST_SECONDS * SECOND, 0,
						    on_patience_end, NULL) < 0)
		(void)sd_event_exit(loop, 0);
	stopping = true;
	agent_stop();
	rest_stop();
	serve_check_stop();
}

void serve_end(void)
{
	stopping = true;
	agent_end();
	rest_end();
	finished = sd_event_source_disable_unref(finished);
	patience = sd_event_source_disable_unref(patience);
}
