/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-credential: give units of systemd their secrets over a socket (LoadCredential=). */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "answer.h"
#include "daemon.h"
#include "opened.h"
#include "tool.h"

#define PEERS_MAX 64

/* One that is being refused, where its socket does not hold the whole refusal. */
struct peer {
	int fd;
	size_t sent;
	sd_event_source *writable;
	sd_event_source *deadline;
};

static const char *idle_text, *wait_text;
static uint64_t idle_seconds = 5, wait_seconds = 30;
static sd_event *event;
static sd_event_source *listener, *keys;
static struct sr_store *store;
static struct peer peers[PEERS_MAX];
static size_t next_peer, peer_count;
static bool stopping;

static const struct option_row options[] = {
	{ 0, "idle", OPTION_TEXT, &idle_text, "SECONDS",
	  "end when nobody asked for so long (5)", NULL },
	{ 0, "wait", OPTION_TEXT, &wait_text, "SECONDS", "for a slow reader (30)", NULL },
	{ 0 },
};

/*
 * Should this process be killed before it answered, systemd still holds the connection: to
 * the peer, an end without an answer would be an empty credential.
 */
static void keep(int fd)
{
	(void)sd_pid_notify_with_fds(0, false, "FDSTORE=1\nFDNAME=peer", &fd, 1);
}

/* Also for who else holds it; systemd lets go of it then. */
static void hang_up(int *fd)
{
	(void)shutdown(*fd, SHUT_RDWR);
	sr_closep(fd);
	*fd = -1;
}

/* ---- refusing ---- */

static void peer_done(struct peer *peer)
{
	(void)sd_event_source_disable_unref(peer->writable);
	(void)sd_event_source_disable_unref(peer->deadline);
	hang_up(&peer->fd);
	*peer = (struct peer){ 0 };
	peer_count--;
	if (stopping && peer_count == 0)
		(void)sd_event_exit(event, 0);
}

static int on_writable(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct peer *peer = arg;

	(void)source;
	if (events & (EPOLLHUP | EPOLLERR) || answer_refuse(fd, &peer->sent))
		peer_done(peer);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	peer_done(arg);
	return 0;
}

static int watch(struct peer *peer)
{
	int r = sd_event_add_io(event, &peer->writable, peer->fd, EPOLLOUT, on_writable,
				peer);

	return r < 0 ? r
		     : sd_event_add_time_relative(event, &peer->deadline, CLOCK_BOOTTIME,
						  wait_seconds * SECOND, 0, on_deadline,
						  peer);
}

/* Without memory to remember it by, it is waited for. */
static void refuse_now(struct peer *peer)
{
	struct pollfd fd = { .fd = peer->fd, .events = POLLOUT };

	while (poll(&fd, 1, 1000) > 0 && !answer_refuse(peer->fd, &peer->sent))
		;
	peer_done(peer);
}

/* When all places are taken, the one who reads slowest gives up his. */
static void refuse(int fd)
{
	struct peer *peer = &peers[next_peer++ % PEERS_MAX];

	if (peer->writable)
		peer_done(peer);
	*peer = (struct peer){ .fd = fd };
	peer_count++;
	if (answer_refuse(fd, &peer->sent))
		peer_done(peer);
	else if (watch(peer) < 0)
		refuse_now(peer);
}

/* ---- answering ---- */

/* Who may connect to the other socket is its mode's to say: the user that serves keys. */
static int identify(int fd, bool key, struct sr_request *ret, struct sr_err *err)
{
	struct sockaddr_un address = { 0 };
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return sr_fail_sys(err, errno, "cannot see who asks");
	if (!key && peer.uid != geteuid())
		return sr_fail(err, -EPERM,
			       "user %u asked, and only systemd may: let a unit load it",
			       (unsigned int)peer.uid);
	size = sizeof(address);
	if (getpeername(fd, (struct sockaddr *)&address, &size) < 0)
		return sr_fail_sys(err, errno, "cannot see who asks");
	return sr_request_parse(address.sun_path,
				size - offsetof(struct sockaddr_un, sun_path), ret, err);
}

static int give(int fd, const struct sr_request *request, struct sr_err *err)
{
	char ring_name[SR_NAME_MAX + 1], name[SR_NAME_MAX + 1];
	_cleanup_secret_ struct sr_secret secret = { 0 };
	struct sr_ring *ring = NULL;
	int r = store ? 0 : tool_store(&store, err);

	if (r == 0)
		r = sr_delivery_find(store, request, ring_name, name, err);
	if (r == 0)
		r = opened_get(store, ring_name, &ring, err);
	if (r == 0)
		r = sr_ring_unseal(ring, name, &secret, err);
	return r < 0 ? r : answer_give(fd, &secret, err);
}

/* A key of tpm-sign, which no unit gets. */
static int give_key(int fd, const struct sr_request *request, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	const char *name = request->credential;
	char ring_name[SR_NAME_MAX + 1];
	struct sr_ring *ring = NULL;
	int r = store ? 0 : tool_store(&store, err);

	if (r == 0)
		r = sr_store_find_softkey(store, name, ring_name, err);
	if (r == 0)
		r = opened_get(store, ring_name, &ring, err);
	if (r == 0)
		r = sr_ring_unseal_softkey(ring, name, &secret, err);
	return r < 0 ? r : answer_give(fd, &secret, err);
}

static void answer(int fd, bool key)
{
	struct sr_request request = { 0 };
	struct sr_err err = { 0 };
	int r;

	keep(fd);
	r = identify(fd, key, &request, &err);
	if (r == 0)
		r = key ? give_key(fd, &request, &err) : give(fd, &request, &err);
	if (r < 0)
		tool_report(r, &err, &request);
	if (r < 0 && key)
		answer_deny(fd, r, &err);
	if (r < 0 && !key)
		refuse(fd);
	else
		hang_up(&fd);
}

/* Nobody knows what it was told already: the same secret twice would be another one. */
static void answer_left(int fd)
{
	struct sr_request request = { 0 };
	struct sr_err err = { 0 };

	(void)identify(fd, true, &request, NULL);
	(void)sr_fail(&err, -EIO,
		      "tpm-credential ended before it could answer: restart %s",
		      request.unit[0] ? request.unit : "the unit");
	tool_report(err.code, &err, &request);
	refuse(fd);
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	(void)arg;
	if (peer >= 0)
		answer(peer, source == keys);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		return sd_event_exit(event, -errno);
	daemon_active();
	return 0;
}

/* ---- beginning and end ---- */

static bool on_idle(void)
{
	return peer_count == 0;
}

/* Who was promised a refusal gets all of it. */
static void stop(void)
{
	stopping = true;
	if (peer_count == 0)
		(void)sd_event_exit(event, 0);
	if (keys)
		(void)sd_event_source_set_enabled(keys, SD_EVENT_OFF);
	if (listener)
		(void)sd_event_source_set_enabled(listener, SD_EVENT_OFF);
}

static int listen_on(int fd, sd_event_source **ret, struct sr_err *err)
{
	int r = daemon_socket(fd, "tpm-credential.socket", err);

	if (r < 0)
		return r;
	r = sd_event_add_io(event, ret, fd, EPOLLIN, on_connection, NULL);
	return r < 0 ? sr_fail_sys(err, -r, "cannot serve the socket") : 0;
}

/* That for keys has a name; the first other one is for credentials, the rest are peers. */
static int take_sockets(char **names, int count, struct sr_err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < count; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (strcmp(names[i], "softkey") == 0 && !keys)
			r = listen_on(fd, &keys, err);
		else if (strcmp(names[i], "peer") != 0 && !listener)
			r = listen_on(fd, &listener, err);
		else
			answer_left(fd);
	}
	return r;
}

static int parse_numbers(struct sr_err *err)
{
	int r = 0;

	if (idle_text)
		r = sr_number_parse(idle_text, 86400, &idle_seconds, err);
	if (r == 0 && wait_text)
		r = sr_number_parse(wait_text, 86400, &wait_seconds, err);
	return r;
}

static int run(int argc, char **argv, struct sr_err *err)
{
	_cleanup_strv_ char **names = NULL;
	struct daemon_end end = { .stop = stop, .idle = on_idle };
	int count, r = parse_numbers(err);

	(void)argc;
	(void)argv;
	if (r < 0)
		return r;
	count = sd_listen_fds_with_names(true, &names);
	if (count < 1)
		return sr_fail(err, -EINVAL,
			       "it is started when somebody asks: systemctl start "
			       "tpm-credential.socket");
	end.seconds = idle_seconds;
	r = daemon_loop(&end, &event, err);
	if (r == 0)
		r = take_sockets(names, count, err);
	if (r == 0)
		r = daemon_run(event, err);
	opened_forget();
	sr_store_close(store);
	(void)sd_event_source_disable_unref(listener);
	(void)sd_event_source_disable_unref(keys);
	(void)sd_event_unref(event);
	return r;
}

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-credential",
		.usage = "[OPTIONS]",
		.summary = "Give services their secrets: run by tpm-credential.socket.",
		.options = options,
		.run = run,
		.section = 8,
	};

	tool_quick_crypto(CRYPTO_OWN);
	return tool_main(&tool, argc, argv);
}
