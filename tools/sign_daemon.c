/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: asking the daemon that serves the keys, where there is one. */
#include "sign_daemon.h"

#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ground/base64.h"
#include "json.h"
#include "json_read.h"
#include "key_text.h"
#include "rest_code.h"

#define KEYS "/api/v1/keys/"
#define HEADER_MAX 1024	  /* bytes before the body of our requests */
#define PLAIN_MAX 1024	  /* bytes that are decrypted */
#define BODY_REST 4096	  /* bytes in the body of a request beside what is signed */
#define SOON 3		  /* seconds until it is said what is waited for */
#define BOUND 10	  /* seconds for what nobody has to be asked for, nor the TPM */
#define SERVES "sealring" /* who does, of the system's users: units/sysusers.conf */

void daemon_done(struct daemon *daemon)
{
	free(daemon->socket);
}

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

static int ask(const struct daemon *daemon, const char *method, const char *action,
	       const struct sr_secret *body, struct sr_secret *ret, struct sr_err *err)
{
	char header[HEADER_MAX], key[3 * SR_FINGERPRINT_TEXT + 8];
	_cleanup_close_ int fd = -1;
	int n, r = connect_to(daemon->socket, &fd, err);

	if (r < 0)
		return r;
	escape(daemon->key, key, sizeof(key));
	n = snprintf(header, sizeof(header),
		     "%s " KEYS "%s%s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n", method,
		     key, action, body->size);
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

static int fail_answer(const struct daemon *daemon, struct sr_err *err)
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
		return fail_answer(daemon, err);
	word = json_string(&fields[0], NULL);
	message = json_string(&fields[1], NULL);
	code = word ? rest_code_named(word) : NULL;
	return code && message ? sr_fail(err, -code->number, "%s", message)
			       : fail_answer(daemon, err);
}

static int ask_json(const struct daemon *daemon, const char *action,
		    const struct sr_secret *body, struct sr_secret *answer,
		    struct json_field *fields, struct sr_err *err)
{
	struct json_text text = { 0 };
	int r = ask(daemon, "POST", action, body, answer, err), status;

	if (r < 0)
		return r == -ENOTCONN ? fail_answer(daemon, err) : r;
	status = find_body(answer, &text);
	if (status != 200)
		return status < 0 ? fail_answer(daemon, err)
				  : fail_as_said(daemon, &text, err);
	return json_read(text.data, text.size, fields, NULL) < 0
		   ? fail_answer(daemon, err)
		   : 0;
}

static int take_bytes(const struct daemon *daemon, const struct json_text *text,
		      struct sr_buf *ret, struct sr_err *err)
{
	return strlen(text->data) != text->size ||
		       sr_base64_parse(text->data, SR_SECRET_MAX, ret, NULL) < 0
		   ? fail_answer(daemon, err)
		   : 0;
}

/* ---- which key ---- */

/* Of a key in software the ring may have a PIN: whether it has the daemon will say. */
static int read_key(struct daemon *daemon, const struct json_text *body,
		    struct sr_err *err)
{
	struct json_tokener *parser = json_tokener_new();
	struct json_object *key, *pin = NULL, *in_tpm = NULL, *hash = NULL, *ring = NULL;
	struct json_object *type = NULL;
	int r = 1;

	if (!parser)
		return sr_fail(err, -ENOMEM, "out of memory");
	key = json_tokener_parse_ex(parser, body->data, (int)body->size);
	json_tokener_free(parser);
	if (json_object_object_get_ex(key, "pin", &pin) &&
	    json_object_object_get_ex(key, "in_tpm", &in_tpm) &&
	    json_object_object_get_ex(key, "hash", &hash) &&
	    json_object_object_get_ex(key, "type", &type) &&
	    json_object_object_get_ex(key, "ring", &ring))
		(void)snprintf(daemon->ring, sizeof(daemon->ring), "%s",
			       json_object_get_boolean(in_tpm)
				   ? ""
				   : json_object_get_string(ring) ?: "");
	else
		r = fail_answer(daemon, err);
	daemon->needs_pin = json_object_get_boolean(pin);
	(void)snprintf(daemon->hash, sizeof(daemon->hash), "%s",
		       hash ? json_object_get_string(hash) : "");
	(void)snprintf(daemon->type, sizeof(daemon->type), "%s",
		       type ? json_object_get_string(type) : "");
	json_object_put(key);
	return r;
}

static bool is_served(const char *name)
{
	if (sign_choices.direct || sign_choices.encrypt_session || tool_chose_tpm() ||
	    (getenv("SEALRING_STATE_DIR") && !getenv("SEALRING_RUNTIME_DIR")))
		return false;
	return strlen(name) < SR_FINGERPRINT_TEXT &&
	       (!strchr(name, '/') || strncmp(name, "SHA256:", 7) == 0);
}

int daemon_find(const char *name, struct daemon *ret, struct sr_err *err)
{
	static const struct sr_secret nothing;
	_cleanup_secret_ struct sr_secret answer = { 0 };
	_cleanup_free_ char *dir = is_served(name) ? tool_runtime_dir() : NULL;
	struct json_text body = { 0 };
	int r, status;

	if (!dir)
		return 0;
	if (asprintf(&ret->socket, "%s/sign.sock", dir) < 0) {
		ret->socket = NULL;
		return sr_fail(err, -ENOMEM, "out of memory");
	}
	ret->key = name;
	r = ask(ret, "GET", "", &nothing, &answer, err);
	if (r < 0)
		return r == -ENOTCONN ? 0 : r;
	status = find_body(&answer, &body);
	if (status != 200)
		return status < 0 ? fail_answer(ret, err) : fail_as_said(ret, &body, err);
	return read_key(ret, &body, err);
}

/* ---- what is asked ---- */

/* A JSON object that grows; a PIN is part of it. */
struct body {
	struct sr_secret text;
	size_t size;
	int r;
};

static void put(struct body *body, const void *data, size_t size)
{
	struct sr_secret larger = { 0 };
	size_t room = body->text.size ?: 4096;

	while (room - body->size < size)
		room *= 2;
	if (room != body->text.size) {
		if (body->r == 0)
			body->r = sr_secret_alloc(room, &larger, NULL);
		if (body->r < 0)
			return;
		if (body->size > 0)
			memcpy(larger.data, body->text.data, body->size);
		sr_secret_done(&body->text);
		body->text = larger;
	}
	memcpy(body->text.data + body->size, data, size);
	body->size += size;
}

static void put_text(struct body *body, const char *text)
{
	put(body, text, strlen(text));
}

/* A byte that JSON does not take as it is, is written as \u00XX. */
static void put_string(struct body *body, const uint8_t *data, size_t size)
{
	char escaped[8];

	put_text(body, "\"");
	for (size_t i = 0; i < size; i++) {
		if (data[i] >= ' ' && data[i] != '\"' && data[i] != '\\') {
			put(body, &data[i], 1);
			continue;
		}
		(void)snprintf(escaped, sizeof(escaped), "\\u%04x", data[i]);
		put_text(body, escaped);
		explicit_bzero(escaped, sizeof(escaped));
	}
	put_text(body, "\"");
}

static void put_member(struct body *body, const char *name, const char *value)
{
	if (!value)
		return;
	put_text(body, ",\"");
	put_text(body, name);
	put_text(body, "\":");
	put_string(body, (const uint8_t *)value, strlen(value));
}

static int put_base64(struct body *body, const uint8_t *data, size_t size,
		      struct sr_err *err)
{
	_cleanup_free_ char *text = malloc(SR_BASE64_SIZE(size));

	if (!text)
		return sr_fail(err, -ENOMEM, "out of memory");
	sr_base64_format(data, size, text);
	put_string(body, (const uint8_t *)text, strlen(text));
	return 0;
}

/* Asked for as sr_key_sign() does; @of: key or ring. */
static int put_pin(struct body *body, const struct daemon *daemon, const char *of,
		   struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret pin = { 0 };
	const struct sr_ask *from = daemon->ask ?: choices_ask();
	struct sr_err why = { 0 };
	int r = from->pin(from->arg, of, &pin, &why);

	if (r < 0)
		return sr_fail(err, r, "key %s: %s", daemon->key, why.text);
	if (pin.size > 0) {
		put_text(body, ",\"pin\":");
		put_string(body, pin.data, pin.size);
	}
	return 0;
}

static int end_body(struct body *body, struct sr_err *err)
{
	put_text(body, "}");
	if (body->r < 0)
		return sr_fail(err, body->r, "out of memory");
	body->text.size = body->size;
	return 0;
}

bool daemon_takes(const struct sr_digest *digests, size_t count)
{
	size_t size = BODY_REST;

	for (size_t i = 0; i < count && size <= REST_BODY_MAX; i++)
		size += digests[i].message_size / 3 * 4 + 8;
	return size <= REST_BODY_MAX;
}

static int put_digests(struct body *body, const struct sr_digest *digests, size_t count,
		       struct sr_err *err)
{
	int r = 0;

	put_text(body, count > 0 && digests[0].message ? "{\"data\":[" : "{\"digest\":[");
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct sr_digest *digest = &digests[i];

		put_text(body, i == 0 ? "" : ",");
		r = digest->message
			? put_base64(body, digest->message, digest->message_size, err)
			: put_base64(body, digest->data, digest->size, err);
	}
	put_text(body, "]");
	return r;
}

static int take_signatures(const struct daemon *daemon, const struct json_field *field,
			   size_t count, struct sr_signature *ret, struct sr_err *err)
{
	int r = field->is == JSON_LIST && field->count == count
		    ? 0
		    : fail_answer(daemon, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct sr_buf bytes = { 0 };

		r = take_bytes(daemon, &field->list[i], &bytes, err);
		if (r == 0)
			ret[i] = (struct sr_signature){ bytes.data, bytes.size };
	}
	return r;
}

/* What has a PIN, and @of which it has to be, only the caller knows. */
static int ask_sign(const struct daemon *daemon, const struct sr_sign_options *options,
		    const struct sr_digest *digests, size_t count, const char *of,
		    struct sr_signature *ret, struct sr_err *err)
{
	struct json_field fields[] = { { .name = "signature", .may_be = JSON_LIST },
				       { .name = "key", .may_be = JSON_TEXT },
				       { .name = "hash", .may_be = JSON_TEXT },
				       { .name = "format", .may_be = JSON_TEXT },
				       { 0 } };
	_cleanup_secret_ struct sr_secret answer = { 0 };
	struct body body = { 0 };
	int r = put_digests(&body, digests, count, err);

	put_member(&body, "hash", options->hash);
	put_member(&body, "format", key_form_name(options->form));
	put_member(&body, "namespace", options->name_space);
	put_text(&body, options->pss ? ",\"pss\":true" : "");
	if (r == 0 && of)
		r = put_pin(&body, daemon, of, err);
	if (r == 0)
		r = end_body(&body, err);
	if (r == 0)
		r = ask_json(daemon, "/sign", &body.text, &answer, fields, err);
	if (r == 0)
		r = take_signatures(daemon, &fields[0], count, ret, err);
	json_done(fields);
	sr_secret_done(&body.text);
	return r;
}

/* The first time no PIN is sent for a ring: it is not asked for in vain, nor for one without. */
int daemon_sign(const struct daemon *daemon, const struct sr_sign_options *options,
		const struct sr_digest *digests, size_t count, struct sr_signature *ret,
		struct sr_err *err)
{
	const char *of = daemon->needs_pin && count > 0 ? daemon->key : NULL;
	int r = ask_sign(daemon, options, digests, count, of, ret, err);

	if (r == -EACCES && daemon->ring[0])
		r = ask_sign(daemon, options, digests, count, daemon->ring, ret, err);
	return r;
}

static bool is_hash(const char *name)
{
	return strcmp(name, "sha256") == 0 || strcmp(name, "sha384") == 0 ||
	       strcmp(name, "sha512") == 0;
}

/* One that may not be used the daemon refuses in its own words. */
const char *daemon_hash(const struct daemon *daemon,
			const struct sr_sign_options *options, struct sr_err *err)
{
	bool ssh = options->form == SR_SIGNATURE_SSH;
	const char *hash = options->hash ?: ssh ? "sha512" : daemon->hash;
	bool messages = strcmp(daemon->hash, "none") == 0 && !ssh;

	if (messages ? strcmp(hash, "none") == 0
		     : is_hash(hash) && !(ssh && strcmp(hash, "sha384") == 0))
		return hash;
	(void)daemon_sign(daemon, options, NULL, 0, NULL, err);
	return NULL;
}

/* Not by sr_base64_parse(), which has copies of its own. */
static int take_plain(const struct daemon *daemon, const struct json_field *field,
		      struct sr_secret *ret, struct sr_err *err)
{
	const char *text = json_string(field, NULL);
	size_t size = field->text.size;
	_cleanup_secret_ struct sr_secret plain = { 0 };
	int r;

	if (!text || size % 4 || size > SR_BASE64_SIZE(PLAIN_MAX))
		return fail_answer(daemon, err);
	r = sr_secret_alloc(size / 4 * 3, &plain, err);
	if (r < 0)
		return r;
	if (size > 0 && EVP_DecodeBlock(plain.data, (const unsigned char *)text,
					(int)size) != (int)plain.size)
		return fail_answer(daemon, err);
	for (size_t i = 0; i < 2 && size > 0; i++)
		plain.size -= text[size - 1 - i] == '=';
	return sr_secret_copy(plain.data, plain.size, ret, err);
}

/* Sends @body, which it releases. */
static int ask_secret(const struct daemon *daemon, const char *action, const char *member,
		      struct body *body, int r, struct sr_secret *ret, struct sr_err *err)
{
	struct json_field fields[] = { { .name = member, .may_be = JSON_TEXT }, { 0 } };
	_cleanup_secret_ struct sr_secret answer = { 0 };

	if (r == 0 && daemon->needs_pin)
		r = put_pin(body, daemon, daemon->key, err);
	if (r == 0)
		r = end_body(body, err);
	if (r == 0)
		r = ask_json(daemon, action, &body->text, &answer, fields, err);
	if (r == 0)
		r = take_plain(daemon, &fields[0], ret, err);
	json_done(fields);
	sr_secret_done(&body->text);
	return r;
}

int daemon_decrypt(const struct daemon *daemon, const struct sr_padding *padding,
		   const struct sr_secret *cipher, struct sr_secret *ret,
		   struct sr_err *err)
{
	struct body body = { 0 };
	char size[32];
	int r;

	put_text(&body, "{\"ciphertext\":");
	r = put_base64(&body, cipher->data, cipher->size, err);
	put_member(&body, "padding", padding->oaep ? "oaep" : "rsaes");
	put_member(&body, "hash", padding->oaep);
	if (padding->size > 0) {
		(void)snprintf(size, sizeof(size), ",\"size\":%zu", padding->size);
		put_text(&body, size);
	}
	return ask_secret(daemon, "/decrypt", "plaintext", &body, r, ret, err);
}

int daemon_derive(const struct daemon *daemon, const uint8_t *peer, size_t size,
		  struct sr_secret *ret, struct sr_err *err)
{
	struct body body = { 0 };
	int r;

	put_text(&body, "{\"peer\":");
	r = put_base64(&body, peer, size, err);
	return ask_secret(daemon, "/derive", "secret", &body, r, ret, err);
}

int daemon_certificates(const struct daemon *daemon, char **ret, struct sr_err *err)
{
	static const struct sr_secret nothing;
	_cleanup_secret_ struct sr_secret answer = { 0 };
	struct json_text body = { 0 };
	int r = ask(daemon, "GET", "/certificate", &nothing, &answer, err), status;

	if (r < 0)
		return r == -ENOTCONN ? fail_answer(daemon, err) : r;
	status = find_body(&answer, &body);
	if (status == 404)
		return 0;
	if (status != 200)
		return status < 0 ? fail_answer(daemon, err)
				  : fail_as_said(daemon, &body, err);
	*ret = strndup(body.data, body.size);
	return *ret ? 0 : sr_fail(err, -ENOMEM, "out of memory");
}
