/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: one request to the daemon that serves the keys, and its answer. */
#include "sign_ask.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "rest_code.h"

#define KEYS "/api/v1/keys"
#define HEADER_MAX 1024	  /* bytes before the body of our requests */
#define SOON 3		  /* seconds until it is said what is waited for */
#define BOUND 10	  /* seconds for what nobody has to be asked for, nor the TPM */
#define SERVES "sealring" /* who does, of the system's users: units/sysusers.conf */

/* ---- one request: HTTP 1.0, so that its answer ends with the connection ---- */

/*
 * It gets PINs, and what is to be decrypted, so it has to be who is trusted with them anyway.
 * Where systemd listens the kernel says that of it: root, or the user himself.
 */
static int check_server(const char *path, int fd, struct sr_err *err)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	const struct passwd *serves;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return sr_fail_sys(err, errno, "%s: cannot learn who listens", path);
	if (peer.uid == 0 || peer.uid == geteuid())
		return 0;
	serves = getpwnam(SERVES);
	if (serves && serves->pw_uid == peer.uid)
		return 0;
	return sr_fail(err, -EPERM,
		       "%s: user %u listens there, who is neither root nor " SERVES
		       " nor you, and is told nothing: --direct does without",
		       path, peer.uid);
}

static int fail_silent(const char *path, struct sr_err *err)
{
	return sr_fail(err, -ETIMEDOUT,
		       "%s: who listens there does not answer: restart it, or do without "
		       "by --direct",
		       path);
}

/* -ENOTCONN where nobody listens. */
static int connect_to(const char *path, int *ret, struct sr_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval bound = { .tv_sec = BOUND };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot make a socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENOTCONN;
	memcpy(address.sun_path, path, strlen(path));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EAGAIN ? fail_silent(path, err) : -ENOTCONN;
	r = check_server(path, fd, err);
	if (r == 0)
		*ret = take_fd(&fd);
	return r;
}

static int send_all(int fd, const void *data, size_t size, struct sr_err *err)
{
	for (size_t sent = 0; sent < size;) {
		ssize_t n =
		    send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sr_fail_sys(err, errno, "cannot ask the daemon");
		sent += (size_t)n;
	}
	return 0;
}

/* What is no letter of a name is written as %XX: a fingerprint has such. */
static void escape(const char *name, char *to, size_t room)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.-:";

	for (; *name && room > 4; name++) {
		int n = snprintf(to, room, strchr(plain, *name) ? "%c" : "%%%02X",
				 (unsigned char)*name);

		to += n;
		room -= (size_t)n;
	}
	*to = '\0';
}

/* A person who is to be asked may take long; others wait for the same TPM. */
static int wait_for_answer(const char *path, int fd, bool bounded, struct sr_err *err)
{
	struct pollfd answer = { .fd = fd, .events = POLLIN };

	if (poll(&answer, 1, SOON * 1000) != 0)
		return 0;
	tool_warn("waiting for the answer of who listens at %s", path);
	return bounded && poll(&answer, 1, (BOUND - SOON) * 1000) == 0
		   ? fail_silent(path, err)
		   : 0;
}

static int send_request(const struct daemon *daemon, const char *method,
			const char *action, const struct sr_secret *body,
			struct sr_secret *ret, struct sr_err *err)
{
	char header[HEADER_MAX], key[3 * DAEMON_NAME_MAX + 8];
	_cleanup_close_ int fd = -1;
	int n, r = connect_to(daemon->socket, &fd, err);

	if (r < 0)
		return r;
	escape(daemon->key ?: "", key, sizeof(key));
	n = snprintf(header, sizeof(header),
		     "%s " KEYS "%s%s%s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n", method,
		     key[0] ? "/" : "", key, action, body->size);
	r = send_all(fd, header, (size_t)n, err);
	if (r == 0)
		r = send_all(fd, body->data, body->size, err);
	if (r == 0)
		r = wait_for_answer(daemon->socket, fd, strcmp(method, "GET") == 0, err);
	return r < 0 ? r : sr_secret_read(fd, daemon->socket, SR_SECRET_MAX, ret, err);
}

/* ---- its answer ---- */

/* What stands behind the header; the status of HTTP is returned. */
static int find_body(const struct sr_secret *answer, struct json_text *ret)
{
	static const char empty[] = "\r\n\r\n";
	char *body;

	if (answer->size < 12 || memcmp(answer->data, "HTTP/1.", 7) != 0)
		return -1;
	body = memmem(answer->data, answer->size, empty, strlen(empty));
	if (!body)
		return -1;
	ret->data = body + strlen(empty);
	ret->size = answer->size - (size_t)(ret->data - (char *)answer->data);
	return (answer->data[9] - '0') * 100 + (answer->data[10] - '0') * 10 +
	       (answer->data[11] - '0');
}

int daemon_fail(const struct daemon *daemon, struct sr_err *err)
{
	return sr_fail(err, -EIO,
		       "%s: what answers there is not tpm-serve, or hung up: --direct "
		       "does without",
		       daemon->socket);
}

static int fail_as_said(const struct daemon *daemon, const struct json_text *body,
			struct sr_err *err)
{
	struct json_field fields[] = { { .name = "code", .may_be = JSON_TEXT },
				       { .name = "message", .may_be = JSON_TEXT },
				       { 0 } };
	const char *word, *message;
	const struct rest_code *code;

	if (json_read(body->data, body->size, fields, NULL) < 0)
		return daemon_fail(daemon, err);
	word = json_string(&fields[0], NULL);
	message = json_string(&fields[1], NULL);
	code = word ? rest_code_named(word) : NULL;
	return code && message ? sr_fail(err, -code->number, "%s", message)
			       : daemon_fail(daemon, err);
}

int daemon_ask(const struct daemon *daemon, const char *method, const char *action,
	       const struct sr_secret *body, struct sr_secret *answer,
	       struct json_text *ret, struct sr_err *err)
{
	int r = send_request(daemon, method, action, body, answer, err), status;

	if (r < 0)
		return r;
	status = find_body(answer, ret);
	if (status < 0)
		return daemon_fail(daemon, err);
	return status == 200 ? 0 : fail_as_said(daemon, ret, err);
}
