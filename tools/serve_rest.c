/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-serve: REST's socket: libmicrohttpd inside the event loop. */
#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "serve_api.h"

#define PATIENCE                                                                         \
	(10 * SECOND)  /* for a request to arrive, and for its answer to be read */
#define LINKS_MAX 1024 /* more than there can be clients */
#define POOL 16384U    /* bytes that libmicrohttpd has for one, headers and all */
#define PAGE 4096U     /* bytes that a body has at first */

/*
 * One request. While its call is waited for libmicrohttpd does not look at the connection
 * (@waits), so that @watch tells when its client hangs up: then it is @gone.
 */
struct request {
	struct waiter waiter; /* first, as it comes back */
	struct link *link;
	struct sr_secret body;
	size_t used;
	bool too_large;
	bool begun;
	bool waits;
	bool gone;
	struct api_request what;
	struct api_work *work;
	struct api_answer answer;
	sd_event_source *watch;
};

/* One connection; its socket is libmicrohttpd's. */
struct link {
	struct client client;
	struct MHD_Connection *connection;
	int fd;
	struct request *request;
	sd_event_source *deadline;
	struct link *next;
};

static sd_event *loop;
static struct sr_server *keys;
static struct MHD_Daemon *http;
static sd_event_source *listener, *ready, *more;
static struct link *links, *arriving;

/* ---- libmicrohttpd and the event loop ---- */

/* It says at once when it has not done all that it could. */
static void run_http(void)
{
	MHD_UNSIGNED_LONG_LONG timeout = 1;
	bool again;

	(void)MHD_run(http);
	again = MHD_get_timeout(http, &timeout) == MHD_YES && timeout == 0;
	(void)sd_event_source_set_enabled(more, again ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source;
	(void)fd;
	(void)events;
	(void)arg;
	run_http();
	return 0;
}

static int on_more(sd_event_source *source, void *arg)
{
	(void)source;
	(void)arg;
	run_http();
	return 0;
}

/* ---- patience ---- */

/* A client that says nothing, or a letter a second, or does not read, is hung up on. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *arg)
{
	struct link *link = arg;

	(void)source;
	(void)usec;
	(void)shutdown(link->fd, SHUT_RDWR);
	return 0;
}

static void set_deadline(struct link *link)
{
	uint64_t now = 0;

	(void)sd_event_now(loop, CLOCK_BOOTTIME, &now);
	(void)sd_event_source_set_time(link->deadline, now + PATIENCE);
	(void)sd_event_source_set_enabled(link->deadline, SD_EVENT_ONESHOT);
}

/* ---- waiting for a call ---- */

static void end_wait(struct request *request)
{
	request->waits = false;
	request->watch = sd_event_source_disable_unref(request->watch);
	set_deadline(request->link);
	MHD_resume_connection(request->link->connection);
	(void)sd_event_source_set_enabled(more, SD_EVENT_ONESHOT);
}

static void forget_call(struct request *request)
{
	person_forget(&request->waiter);
	sr_call_free(take(request->waiter.call));
}

static void give_up(struct request *request)
{
	request->gone = true;
	forget_call(request);
	end_wait(request);
}

static int on_hang_up(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source;
	(void)fd;
	(void)events;
	give_up(arg);
	return 0;
}

/* Nobody is asked for a PIN: it came with the request, or is missing. */
static void go_on(struct waiter *waiter)
{
	struct request *request = (struct request *)waiter;

	switch (sr_call_state(waiter->call)) {
	case SR_CALL_CONFIRM:
		person_ask(loop, waiter);
		break;
	case SR_CALL_DONE:
		api_finish(request->work, &request->answer);
		if (request->waits)
			end_wait(request);
		break;
	default:
		break;
	}
}

static bool is_answered(const struct request *request)
{
	return request->answer.status != 0;
}

static enum MHD_Result wait_for_call(struct request *request)
{
	struct link *link = request->link;

	request->waits = true;
	MHD_suspend_connection(link->connection);
	(void)sd_event_source_set_enabled(link->deadline, SD_EVENT_OFF);
	if (sd_event_add_io(loop, &request->watch, link->fd, 0, on_hang_up, request) < 0)
		give_up(request);
	else
		go_on(&request->waiter);
	return MHD_YES;
}

/* ---- answers ---- */

static void free_secret(void *arg)
{
	sr_secret_done(arg);
	free(arg);
}

static struct MHD_Response *make_response(struct api_answer *answer)
{
	struct sr_secret *secret;
	char *text = take(answer->text);

	if (answer->secret.size == 0)
		return MHD_create_response_from_buffer(text ? strlen(text) : 0, text,
						       MHD_RESPMEM_MUST_FREE);
	secret = malloc(sizeof(*secret));
	if (!secret)
		return NULL;
	*secret = answer->secret;
	answer->secret = (struct sr_secret){ 0 };
	return MHD_create_response_from_buffer_with_free_callback_cls(
	    secret->size, secret->data, free_secret, secret);
}

static enum MHD_Result respond(struct MHD_Connection *connection,
			       struct api_answer *answer)
{
	struct MHD_Response *response = make_response(answer);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
				      "no-store");
	if (answer->type)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
					      answer->type);
	if (answer->allow)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
					      answer->allow);
	if (answer->last)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION,
					      "close");
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- requests ---- */

/* What tells where the body ends, and whether it does so for others, too. */
struct framing {
	unsigned int lengths;
	unsigned int codings;
	bool strange;
};

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct framing *framing = arg;

	(void)kind;
	framing->strange |= name[strcspn(name, " \t")] != '\0';
	if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0)
		framing->lengths++;
	if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) != 0)
		return MHD_YES;
	framing->codings++;
	framing->strange |= !value || strcasecmp(value, "chunked") != 0;
	return MHD_YES;
}

/*
 * A proxy in front may see another end than libmicrohttpd, and what one client sends behind
 * it would be another one's request (RFC 9112, 11.2).
 */
static bool is_framed(struct MHD_Connection *connection)
{
	struct framing framing = { 0 };

	(void)MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &framing);
	return !framing.strange && framing.lengths + framing.codings <= 1;
}

static enum MHD_Result refuse_framing(struct MHD_Connection *connection)
{
	__attribute__((cleanup(api_answer_done))) struct api_answer answer = { 0 };

	api_refuse(400, "bad_request",
		   "where the body ends is said twice, or not as it is here: by one "
		   "Content-Length, or by Transfer-Encoding: chunked",
		   &answer);
	answer.last = true;
	return respond(connection, &answer);
}

static enum MHD_Result begin(struct link *link, void **state)
{
	struct request *request;

	if (serve_stopping())
		return MHD_NO;
	if (!is_framed(link->connection))
		return refuse_framing(link->connection);
	request = calloc(1, sizeof(*request));
	if (!request)
		return MHD_NO;
	request->waiter = (struct waiter){ .client = &link->client, .go_on = go_on };
	request->link = link;
	link->request = request;
	*state = request;
	set_deadline(link);
	daemon_active();
	return MHD_YES;
}

static int make_room(struct request *request, size_t size)
{
	size_t wanted = request->body.size ?: PAGE;

	while (wanted - request->used < size)
		wanted *= 2;
	return wanted == request->body.size
		   ? 0
		   : client_grow(&request->link->client, &request->body, request->used,
				 wanted);
}

/* What has been taken libmicrohttpd does not need, and there may be a PIN in it. */
static enum MHD_Result take_body(struct request *request, const char *data, size_t size)
{
	request->too_large = request->too_large || size > REST_BODY_MAX - request->used;
	if (!request->too_large) {
		if (make_room(request, size) < 0)
			return MHD_NO;
		memcpy(request->body.data + request->used, data, size);
		request->used += size;
	}
	explicit_bzero((char *)data, size);
	return MHD_YES;
}

static void start(struct request *request, const char *method, const char *path)
{
	static char none[1];

	request->begun = true;
	set_deadline(request->link);
	request->what = (struct api_request){
		.method = method,
		.path = path,
		.format = MHD_lookup_connection_value(request->link->connection,
						      MHD_GET_ARGUMENT_KIND, "format"),
		.body = request->used > 0 ? (char *)request->body.data : none,
		.size = request->used,
	};
	watch_look();
	if (request->too_large)
		api_refuse(413, "too_large",
			   "a request has 256 KiB at most: send the digest of what is "
			   "larger",
			   &request->answer);
	else
		request->work =
		    api_start(keys, &request->what, &request->waiter, &request->answer);
	daemon_active();
	if (request->waiter.call && sr_call_state(request->waiter.call) == SR_CALL_DONE)
		api_finish(request->work, &request->answer);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *data, size_t *size,
				  void **state)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *request = *state;
	enum MHD_Result result;

	(void)arg;
	(void)version;
	if (!request)
		return begin(info->socket_context, state);
	if (*size > 0) {
		result = take_body(request, data, *size);
		*size = 0;
		return result;
	}
	if (request->gone || (!request->begun && serve_stopping()))
		return MHD_NO;
	if (!request->begun)
		start(request, method, url);
	return is_answered(request) ? respond(connection, &request->answer)
				    : wait_for_call(request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct request *request = *state;

	(void)arg;
	(void)connection;
	(void)why;
	if (!request)
		return;
	*state = NULL;
	forget_call(request);
	(void)sd_event_source_disable_unref(request->watch);
	api_free(request->work);
	api_answer_done(&request->answer);
	sr_secret_done(&request->body);
	(void)client_hold(&request->link->client, 0);
	request->link->request = NULL;
	set_deadline(request->link);
	free(request);
	daemon_active();
	serve_check_stop();
}

/* ---- connections ---- */

static void link_free(struct link *link)
{
	(void)sd_event_source_disable_unref(link->deadline);
	client_done(&link->client);
	free(link);
}

static void on_link(void *arg, struct MHD_Connection *connection, void **context,
		    enum MHD_ConnectionNotificationCode what)
{
	struct link *link = *context, **at = &links;

	(void)arg;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = link = take(arriving);
		link->connection = connection;
		link->next = links;
		links = link;
		return;
	}
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	link_free(link);
}

/* It closes the socket when it does not take it. */
static void hand_over(struct link *link)
{
	static const struct sockaddr_un nowhere = { .sun_family = AF_UNIX };

	arriving = link;
	(void)MHD_add_connection(http, link->fd, (const struct sockaddr *)&nowhere,
				 sizeof(nowhere));
	if (arriving)
		link_free(take(arriving));
	(void)sd_event_source_set_enabled(more, SD_EVENT_ONESHOT);
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct link *link = calloc(1, sizeof(*link));

	(void)events;
	(void)arg;
	if (!link)
		return 0;
	link->fd = client_accept(source, fd, &link->client);
	if (link->fd < 0) {
		free(link);
		return 0;
	}
	if (sd_event_add_time_relative(loop, &link->deadline, CLOCK_BOOTTIME, PATIENCE, 0,
				       on_deadline, link) < 0) {
		(void)close(link->fd);
		link_free(link);
		return 0;
	}
	hand_over(link);
	return 0;
}

/* ---- beginning and end ---- */

/* Nothing that is served has a NUL in its name, and behind one nobody would look. */
static size_t unescape(void *arg, struct MHD_Connection *connection, char *text)
{
	size_t size = MHD_http_unescape(text);

	(void)arg;
	(void)connection;
	for (size_t i = 0; i < size; i++)
		if (text[i] == '\0')
			text[i] = '\1';
	return size;
}

static int start_http(struct sr_err *err)
{
	http = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
	    NULL, on_request, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
	    MHD_OPTION_NOTIFY_CONNECTION, on_link, NULL, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned int)LINKS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL,
	    MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_END);
	return http ? 0 : sr_fail(err, -EIO, "cannot start libmicrohttpd");
}

int rest_serve(sd_event *event, struct sr_server *server, int fd, struct sr_err *err)
{
	int r = start_http(err);

	if (r < 0)
		return r;
	loop = event;
	keys = server;
	r = sd_event_add_io(event, &listener, fd, EPOLLIN, on_connection, NULL);
	if (r >= 0)
		r = sd_event_add_io(
		    event, &ready,
		    MHD_get_daemon_info(http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		    EPOLLIN, on_ready, NULL);
	if (r >= 0)
		r = sd_event_add_defer(event, &more, on_more, NULL);
	return r < 0 ? sr_fail_sys(err, -r, "cannot serve the socket") : 0;
}

void rest_stop(void)
{
	listener = sd_event_source_disable_unref(listener);
}

/* An answer is not there before it is sent. Who waits for a person may wait long. */
static bool is_busy(const struct request *request)
{
	struct sr_call *call = request->waiter.call;

	return request->begun && !(call && sr_call_state(call) == SR_CALL_CONFIRM);
}

bool rest_busy(void)
{
	for (struct link *link = links; link; link = link->next)
		if (link->request && is_busy(link->request))
			return true;
	return false;
}

/* A connection that waits must not be there when libmicrohttpd ends. */
void rest_end(void)
{
	rest_stop();
	if (!http)
		return;
	for (struct link *link = links; link; link = link->next)
		if (link->request && link->request->waits)
			give_up(link->request);
	(void)MHD_run(http);
	/* It closes what this one watches. */
	ready = sd_event_source_disable_unref(ready);
	more = sd_event_source_disable_unref(more);
	MHD_stop_daemon(http);
	http = NULL;
}
