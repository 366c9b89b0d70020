/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-serve: clients of the agent's socket, from their connection to their end. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "serve.h"

#define CLIENTS_MAX 512
#define CLIENTS_OF_ONE 256 /* of one user */
#define PAUSE 1000000U	   /* microseconds */
#define PAGE 4096U	   /* bytes that a client's buffer has at first */

/*
 * One connection. It is answered in order, so the next message is not looked at before that:
 * @call is the one request that is worked on. Of @in, what is from @at to @end has not been
 * looked at.
 */
struct client {
	int fd;
	struct sr_peer peer;
	gid_t *groups;
	pid_t pid;
	struct sr_secret in;
	size_t at;
	size_t end;
	struct sr_call *call;
	size_t sent;
	sd_event_source *io;
	struct client *next;
	struct client *next_question;
};

static sd_event *loop;
static struct sr_server *keys;
static sd_event_source *listener, *finished;
static struct client *clients;
static size_t count;
static uint64_t active;
static bool stopping;

static struct client *questions; /* the first is being asked */
static struct ask *asking;

static void go_on(struct client *client);
static void ask_next(void);

size_t serve_clients(void)
{
	return count;
}

uint64_t serve_active(void)
{
	return active;
}

static void note_activity(void)
{
	(void)sd_event_now(loop, CLOCK_BOOTTIME, &active);
}

/* ---- the end of one ---- */

static void forget_question(struct client *client)
{
	struct client **at = &questions;
	bool first = questions == client;

	while (*at && *at != client)
		at = &(*at)->next_question;
	if (!*at)
		return;
	*at = client->next_question;
	client->next_question = NULL;
	if (first) {
		ask_free(asking);
		asking = NULL;
	}
}

static void check_stop(void)
{
	if (!stopping)
		return;
	for (struct client *client = clients; client; client = client->next)
		if (client->call && sr_call_state(client->call) == SR_CALL_WORK)
			return;
	(void)sd_event_exit(loop, 0);
}

static void client_free(struct client *client)
{
	struct client **at = &clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	count--;
	forget_question(client);
	sr_call_free(client->call);
	(void)sd_event_source_disable_unref(client->io);
	sr_closep(&client->fd);
	sr_secret_done(&client->in);
	free(client->groups);
	free(client);
	note_activity();
	ask_next();
	check_stop();
}

/* ---- asking a person ---- */

/* What the kernel knows of who asks; the rest anybody could say. */
static void describe(const struct client *client, char *ret, size_t room)
{
	const struct passwd *user = getpwuid(client->peer.uid);
	char path[64], name[17] = "";
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)client->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, name, sizeof(name) - 1);
		(void)close(fd);
	}
	if (n > 0)
		name[n] = '\0';
	for (char *at = name; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = *at == '\n' ? '\0' : '?';
	if (user)
		(void)snprintf(ret, room, "%s (process %d of %s)",
			       *name ? name : "a program", (int)client->pid,
			       user->pw_name);
	else
		(void)snprintf(ret, room, "%s (process %d of user %u)",
			       *name ? name : "a program", (int)client->pid,
			       (unsigned int)client->peer.uid);
}

static void on_answer(void *arg, const struct sr_secret *typed)
{
	struct client *client = arg;

	if (sr_call_state(client->call) == SR_CALL_CONFIRM)
		sr_call_confirm(client->call, typed);
	else
		sr_call_pin(client->call, typed);
	forget_question(client);
	go_on(client);
	ask_next();
}

static int ask(struct client *client, bool confirm, struct sr_err *err)
{
	const char *key = sr_call_key(client->call);
	char who[128], text[320];
	struct ask_question question = {
		.text = text, .confirm = confirm, .answer = on_answer, .arg = client
	};

	describe(client, who, sizeof(who));
	if (confirm)
		(void)snprintf(text, sizeof(text), "Let %s use the key %s?", who, key);
	else
		(void)snprintf(text, sizeof(text), "PIN of the key %s, for %s:", key,
			       who);
	return ask_start(loop, &question, &asking, err);
}

/* The first who waits; some have their answer from those before them. */
static void ask_first(void)
{
	struct client *client = questions;
	enum sr_call_state state = sr_call_state(client->call);
	struct sr_err err = { 0 };
	int r;

	if (state != SR_CALL_CONFIRM && state != SR_CALL_PIN) {
		forget_question(client);
		go_on(client);
		return;
	}
	r = ask(client, state == SR_CALL_CONFIRM, &err);
	if (r < 0) {
		tool_report(r, &err, NULL);
		on_answer(client, NULL);
	}
}

/* One question at a time. What it is called from here calls it again: once is enough. */
static void ask_next(void)
{
	static bool busy;

	if (busy)
		return;
	busy = true;
	while (questions && !asking)
		ask_first();
	busy = false;
}

static void wait_for_person(struct client *client)
{
	struct client **at = &questions;

	while (*at && *at != client)
		at = &(*at)->next_question;
	if (!*at)
		*at = client;
	ask_next();
}

/* ---- messages ---- */

/* True once all of the answer is in the kernel. */
static bool send_answer(struct client *client, bool *gone)
{
	size_t size;
	const uint8_t *data = sr_call_answer(client->call, &size);

	*gone = !data;
	while (data && client->sent < size) {
		ssize_t n = send(client->fd, data + client->sent, size - client->sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*gone = errno != EAGAIN;
			return false;
		}
		client->sent += (size_t)n;
	}
	sr_call_free(client->call);
	client->call = NULL;
	client->sent = 0;
	return data;
}

/* A passphrase may be in it. */
static void forget_message(struct client *client, size_t size)
{
	explicit_bzero(client->in.data + client->at, size);
	client->at += size;
}

/* 1 if there was a whole message, 0 if not yet. */
static int take_message(struct client *client)
{
	const uint8_t *message = client->in.data + client->at;
	size_t have = client->end - client->at, size;
	int r;

	if (have < SR_AGENT_PREFIX)
		return 0;
	size = sr_agent_length(message);
	if (size == 0)
		return -EBADMSG;
	if (have < SR_AGENT_PREFIX + size)
		return 0;
	r = sr_agent_call(keys, &client->peer, message + SR_AGENT_PREFIX, size, client,
			  &client->call, NULL);
	forget_message(client, SR_AGENT_PREFIX + size);
	note_activity();
	return r < 0 ? r : 1;
}

/* Room is made for what has arrived, not for what is announced. */
static int make_room(struct client *client)
{
	struct sr_secret larger = { 0 };
	size_t have = client->end - client->at;
	int r;

	if (client->at > 0)
		memmove(client->in.data, client->in.data + client->at, have);
	client->at = 0;
	client->end = have;
	if (have < client->in.size)
		return 0;
	r = sr_secret_alloc(have > 0 ? 2 * have : PAGE, &larger, NULL);
	if (r < 0)
		return r;
	if (have > 0)
		memcpy(larger.data, client->in.data, have);
	sr_secret_done(&client->in);
	client->in = larger;
	return 0;
}

static uint32_t wanted(const struct client *client)
{
	if (!client->call)
		return stopping ? 0 : EPOLLIN;
	return sr_call_state(client->call) == SR_CALL_DONE ? EPOLLOUT : 0;
}

/* Does what can be done now; a client that is of no use any more is gone afterwards. */
static void go_on(struct client *client)
{
	bool gone = false;
	int r = 1;

	while (r == 1 && !stopping) {
		if (!client->call && (r = take_message(client)) <= 0)
			break;
		if (sr_call_state(client->call) != SR_CALL_DONE ||
		    !send_answer(client, &gone))
			break;
	}
	if (stopping && client->call && sr_call_state(client->call) == SR_CALL_DONE)
		(void)send_answer(client, &gone);
	if (r < 0 || gone) {
		client_free(client);
		return;
	}
	(void)sd_event_source_set_io_events(client->io, wanted(client));
	if (client->call && (sr_call_state(client->call) == SR_CALL_CONFIRM ||
			     sr_call_state(client->call) == SR_CALL_PIN))
		wait_for_person(client);
	check_stop();
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct client *client = arg;
	ssize_t n;

	(void)source;
	if (client->call) {
		if (events & (EPOLLHUP | EPOLLERR))
			client_free(client);
		else
			go_on(client);
		return 0;
	}
	if (make_room(client) < 0) {
		client_free(client);
		return 0;
	}
	n = read(fd, client->in.data + client->end, client->in.size - client->end);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		client_free(client);
		return 0;
	}
	client->end += (size_t)n;
	go_on(client);
	return 0;
}

static int on_finished(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct sr_call *call;

	(void)source;
	(void)fd;
	(void)events;
	(void)arg;
	while ((call = sr_server_next(keys)))
		go_on(sr_call_arg(call));
	return 0;
}

/* ---- the beginning of one ---- */

static int identify(struct client *client)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	client->pid = peer.pid;
	client->peer.uid = peer.uid;
	client->peer.gid = peer.gid;
	size = 0;
	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 &&
	    errno == ERANGE) {
		client->groups = malloc(size);
		if (!client->groups || getsockopt(client->fd, SOL_SOCKET, SO_PEERGROUPS,
						  client->groups, &size) < 0)
			return -errno;
		client->peer.groups = client->groups;
		client->peer.group_count = size / sizeof(*client->groups);
	}
	return 0;
}

static bool is_welcome(uid_t uid)
{
	size_t of_one = 0;

	for (struct client *client = clients; client; client = client->next)
		of_one += client->peer.uid == uid;
	return count < CLIENTS_MAX && of_one < CLIENTS_OF_ONE;
}

static void client_new(int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	int r = -ENOMEM;

	if (client) {
		client->fd = fd;
		r = identify(client);
		if (r == 0 && !is_welcome(client->peer.uid))
			r = -EAGAIN;
		if (r == 0)
			r = sd_event_add_io(loop, &client->io, fd, EPOLLIN, on_client,
					    client);
	}
	if (r < 0) {
		if (client)
			free(client->groups);
		free(client);
		(void)close(fd);
		return;
	}
	client->next = clients;
	clients = client;
	count++;
}

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
static int pause_listening(sd_event_source *source, int number)
{
	sd_event_source *timer = NULL;
	struct sr_err err = { 0 };
	int r = sd_event_add_time_relative(loop, &timer, CLOCK_BOOTTIME, PAUSE, 0,
					   on_pause_end, source);

	if (r < 0)
		return sd_event_exit(loop, r);
	(void)sd_event_source_set_destroy_callback(timer, unref_source);
	(void)sd_event_source_ref(source);
	(void)sd_event_source_set_floating(timer, true);
	sd_event_source_unref(timer);
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	tool_report(sr_fail_sys(&err, number, "nobody can connect for a second"), &err,
		    NULL);
	return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	(void)arg;
	if (peer < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		return pause_listening(source, errno);
	if (peer >= 0)
		client_new(peer);
	note_activity();
	return 0;
}

int serve_agent(sd_event *event, struct sr_server *server, int fd, struct sr_err *err)
{
	int r;

	loop = event;
	keys = server;
	note_activity();
	r = sd_event_add_io(event, &listener, fd, EPOLLIN, on_connection, NULL);
	if (r >= 0)
		r = sd_event_add_io(event, &finished, sr_server_fd(server), EPOLLIN,
				    on_finished, NULL);
	return r < 0 ? sr_fail_sys(err, -r, "cannot serve the socket") : 0;
}

void serve_stop(void)
{
	stopping = true;
	listener = sd_event_source_disable_unref(listener);
	check_stop();
}

void serve_end(void)
{
	stopping = false;
	while (clients)
		client_free(clients);
	listener = sd_event_source_disable_unref(listener);
	finished = sd_event_source_disable_unref(finished);
}
