/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-serve: the agent's socket: its clients from their connection to their end. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "serve.h"

#define PAGE 4096U /* bytes that a client's buffer has at first */

/*
 * One connection. It is answered in order, so the next message is not looked at before that:
 * there is one call that is worked on. Of @in, what is from @at to @end has not been looked at.
 */
struct connection {
	struct waiter waiter; /* first, as it comes back */
	struct client client;
	int fd;
	struct sr_secret in;
	size_t at;
	size_t end;
	size_t sent;
	bool deaf; /* to what it sent before it was answered */
	sd_event_source *io;
	struct connection *next;
};

static sd_event *loop;
static struct sr_server *keys;
static sd_event_source *listener;
static struct connection *connections;

/* Whether it waits for this. */
static bool waits_for(const struct connection *connection, enum sr_call_state state)
{
	return connection->waiter.call && sr_call_state(connection->waiter.call) == state;
}

/* ---- the end of one ---- */

bool agent_busy(void)
{
	for (struct connection *one = connections; one; one = one->next)
		if (waits_for(one, SR_CALL_WORK))
			return true;
	return false;
}

static void connection_free(struct connection *connection)
{
	struct connection **at = &connections;

	while (*at != connection)
		at = &(*at)->next;
	*at = connection->next;
	person_forget(&connection->waiter);
	sr_call_free(connection->waiter.call);
	(void)sd_event_source_disable_unref(connection->io);
	sr_closep(&connection->fd);
	sr_secret_done(&connection->in);
	client_done(&connection->client);
	free(connection);
	serve_check_stop();
}

/* ---- messages ---- */

/* True once all of the answer is in the kernel. */
static bool send_answer(struct connection *connection, bool *gone)
{
	size_t size;
	const uint8_t *data = sr_call_answer(connection->waiter.call, &size);

	*gone = !data;
	while (data && connection->sent < size) {
		ssize_t n = send(connection->fd, data + connection->sent,
				 size - connection->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*gone = errno != EAGAIN;
			return false;
		}
		connection->sent += (size_t)n;
	}
	person_forget(&connection->waiter);
	sr_call_free(take(connection->waiter.call));
	connection->deaf = false;
	connection->sent = 0;
	return data;
}

/* A passphrase may be in it. What was made for a large one is not kept for those to come. */
static void forget_message(struct connection *connection, size_t size)
{
	explicit_bzero(connection->in.data + connection->at, size);
	connection->at += size;
	if (connection->at < connection->end || connection->in.size <= PAGE)
		return;
	sr_secret_done(&connection->in);
	connection->at = connection->end = 0;
	(void)client_hold(&connection->client, 0);
}

/* The size of the message that has arrived, 0 if it is not whole yet. */
static ssize_t arrived(const struct connection *connection)
{
	size_t have = connection->end - connection->at, size;

	if (have < SR_AGENT_PREFIX)
		return 0;
	size = sr_agent_length(connection->in.data + connection->at);
	if (size == 0)
		return -EBADMSG;
	return have < SR_AGENT_PREFIX + size ? 0 : (ssize_t)size;
}

/* 1 if there was a whole message, 0 if not yet. */
static int take_message(struct connection *connection)
{
	ssize_t size = arrived(connection);
	int r;

	if (size <= 0)
		return (int)size;
	watch_look();
	r = sr_agent_call(keys, &connection->client.peer,
			  connection->in.data + connection->at + SR_AGENT_PREFIX,
			  (size_t)size, &connection->waiter, &connection->waiter.call,
			  NULL);
	forget_message(connection, SR_AGENT_PREFIX + (size_t)size);
	daemon_active();
	return r < 0 ? r : 1;
}

/* Room is made for what has arrived, not for what is announced. */
static int make_room(struct connection *connection)
{
	size_t have = connection->end - connection->at;

	if (connection->at > 0)
		memmove(connection->in.data, connection->in.data + connection->at, have);
	connection->at = 0;
	connection->end = have;
	return have < connection->in.size
		   ? 0
		   : client_grow(&connection->client, &connection->in, have,
				 have > 0 ? 2 * have : PAGE);
}

/*
 * Whoever has sent the next message already waits for his turn, until an answer fits. Few send
 * anything while they wait: only then they are not heard any more, see on_client().
 */
static uint32_t wanted(const struct connection *connection)
{
	if (connection->waiter.call ? waits_for(connection, SR_CALL_DONE)
				    : arrived(connection) && !serve_stopping())
		return EPOLLOUT;
	return serve_stopping() || connection->deaf ? 0 : EPOLLIN;
}

/*
 * Does what can be done now, but one message at most, as others have messages, too; a client
 * that is of no use any more is gone afterwards.
 */
static void go_on(struct connection *connection)
{
	bool gone = false;
	int r = 0;

	if (!connection->waiter.call && !serve_stopping())
		r = take_message(connection);
	if (r >= 0 && waits_for(connection, SR_CALL_DONE))
		(void)send_answer(connection, &gone);
	if (r < 0 || gone) {
		connection_free(connection);
		return;
	}
	(void)sd_event_source_set_io_events(connection->io, wanted(connection));
	if (waits_for(connection, SR_CALL_CONFIRM) || waits_for(connection, SR_CALL_PIN))
		person_ask(loop, &connection->waiter);
	serve_check_stop();
}

static void go_on_waiter(struct waiter *waiter)
{
	go_on((struct connection *)waiter);
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct connection *connection = arg;
	ssize_t n;

	(void)source;
	if (connection->waiter.call) {
		if (events & (EPOLLHUP | EPOLLERR)) {
			connection_free(connection);
		} else if (waits_for(connection, SR_CALL_DONE)) {
			go_on(connection);
		} else {
			connection->deaf = true;
			(void)sd_event_source_set_io_events(connection->io, 0);
		}
		return 0;
	}
	if (arrived(connection)) {
		go_on(connection);
		return 0;
	}
	if (make_room(connection) < 0) {
		connection_free(connection);
		return 0;
	}
	n = read(fd, connection->in.data + connection->end,
		 connection->in.size - connection->end);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		connection_free(connection);
		return 0;
	}
	connection->end += (size_t)n;
	go_on(connection);
	return 0;
}

/* ---- the beginning of one ---- */

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	(void)events;
	(void)arg;
	if (!connection)
		return 0;
	connection->fd = client_accept(source, fd, &connection->client);
	if (connection->fd < 0) {
		free(connection);
		return 0;
	}
	connection->waiter =
	    (struct waiter){ .client = &connection->client, .go_on = go_on_waiter };
	connection->next = connections;
	connections = connection;
	if (sd_event_add_io(loop, &connection->io, connection->fd, EPOLLIN, on_client,
			    connection) < 0)
		connection_free(connection);
	return 0;
}

int agent_serve(sd_event *event, struct sr_server *server, int fd, struct sr_err *err)
{
	int r;

	loop = event;
	keys = server;
	r = sd_event_add_io(event, &listener, fd, EPOLLIN, on_connection, NULL);
	return r < 0 ? sr_fail_sys(err, -r, "cannot serve the socket") : 0;
}

void agent_stop(void)
{
	listener = sd_event_source_disable_unref(listener);
}

void agent_end(void)
{
	agent_stop();
	while (connections)
		connection_free(connections);
}
