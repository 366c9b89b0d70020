/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: asking the daemon that serves the keys, where there is one. */
#include "sign_daemon.h"

#include <errno.h>
#include <json-c/json_visit.h>
#include <openssl/evp.h>
#include <string.h>

#include "ground/base64.h"
#include "ground/harmless.h"
#include "json.h"
#include "json_write.h"
#include "key_text.h"
#include "rest_code.h"
#include "sign_ask.h"

#define PLAIN_MAX 1024 /* bytes that are decrypted */
#define BODY_REST 4096 /* bytes in the body of a request beside what is signed */

void daemon_done(struct daemon *daemon)
{
	free(daemon->socket);
	json_object_put(daemon->said);
}

/* ---- its answers ---- */

/* Found once, it has to be there still. */
static int ask(const struct daemon *daemon, const char *method, const char *action,
	       const struct sr_secret *body, struct sr_secret *answer,
	       struct json_text *ret, struct sr_err *err)
{
	int r = daemon_ask(daemon, method, action, body, answer, ret, err);

	return r == -ENOTCONN ? daemon_fail(daemon, err) : r;
}

static int ask_json(const struct daemon *daemon, const char *action,
		    const struct sr_secret *body, struct sr_secret *answer,
		    struct json_field *fields, struct sr_err *err)
{
	struct json_text text = { 0 };
	int r = ask(daemon, "POST", action, body, answer, &text, err);

	if (r < 0)
		return r;
	return json_read(text.data, text.size, fields, NULL) < 0
		   ? daemon_fail(daemon, err)
		   : 0;
}

static int take_bytes(const struct daemon *daemon, const struct json_text *text,
		      struct sr_buf *ret, struct sr_err *err)
{
	return strlen(text->data) != text->size ||
		       sr_base64_parse(text->data, SR_SECRET_MAX, ret, NULL) < 0
		   ? daemon_fail(daemon, err)
		   : 0;
}

/* ---- which key ---- */

/* Of a key in software the ring may have a PIN: whether it has the daemon will say. */
static int read_key(struct daemon *daemon, struct sr_err *err)
{
	struct json_object *pin = NULL, *in_tpm = NULL, *hash = NULL, *ring = NULL;
	struct json_object *type = NULL, *key = daemon->said;

	if (!json_object_object_get_ex(key, "pin", &pin) ||
	    !json_object_object_get_ex(key, "in_tpm", &in_tpm) ||
	    !json_object_object_get_ex(key, "hash", &hash) ||
	    !json_object_object_get_ex(key, "type", &type) ||
	    !json_object_object_get_ex(key, "ring", &ring))
		return daemon_fail(daemon, err);
	daemon->needs_pin = json_object_get_boolean(pin);
	(void)snprintf(
	    daemon->ring, sizeof(daemon->ring), "%s",
	    json_object_get_boolean(in_tpm) ? "" : json_object_get_string(ring) ?: "");
	(void)snprintf(daemon->hash, sizeof(daemon->hash), "%s",
		       json_object_get_string(hash) ?: "");
	(void)snprintf(daemon->type, sizeof(daemon->type), "%s",
		       json_object_get_string(type) ?: "");
	return 1;
}

/* It may be shown: no text that does more to a terminal, nothing missing from a list. */
static int check_value(struct json_object *value, int flags, struct json_object *in,
		       const char *name, size_t *index, void *arg)
{
	bool text = json_object_is_type(value, json_type_string);

	(void)flags;
	(void)in;
	(void)arg;
	if ((name && !sr_text_is_harmless(name, strlen(name))) || (index && !value) ||
	    (text && !sr_text_is_harmless(json_object_get_string(value),
					  (size_t)json_object_get_string_len(value))))
		return JSON_C_VISIT_RETURN_ERROR;
	return JSON_C_VISIT_RETURN_CONTINUE;
}

/* What was not asked of a key is of all. */
static int read_answer(struct daemon *daemon, const struct json_text *body,
		       struct sr_err *err)
{
	struct json_tokener *parser = json_tokener_new();
	struct json_object *keys = NULL;

	if (!parser)
		return sr_fail(err, -ENOMEM, "out of memory");
	daemon->said = json_tokener_parse_ex(parser, body->data, (int)body->size);
	json_tokener_free(parser);
	if (json_c_visit(daemon->said, 0, check_value, NULL) < 0)
		return daemon_fail(daemon, err);
	if (daemon->key)
		return read_key(daemon, err);
	return json_object_object_get_ex(daemon->said, "keys", &keys) &&
		       json_object_is_type(keys, json_type_array)
		   ? 1
		   : daemon_fail(daemon, err);
}

static bool is_served(const char *name)
{
	if (sign_choices.direct || sign_choices.encrypt_session || tool_chose_tpm() ||
	    (getenv("SEALRING_STATE_DIR") && !getenv("SEALRING_RUNTIME_DIR")))
		return false;
	return !name || (*name && strlen(name) <= DAEMON_NAME_MAX &&
			 (!strchr(name, '/') || strncmp(name, "SHA256:", 7) == 0));
}

int daemon_find(const char *name, struct daemon *ret, struct sr_err *err)
{
	static const struct sr_secret nothing;
	_cleanup_secret_ struct sr_secret answer = { 0 };
	_cleanup_free_ char *dir = is_served(name) ? tool_runtime_dir() : NULL;
	struct json_text body = { 0 };
	int r;

	if (!dir)
		return 0;
	if (asprintf(&ret->socket, "%s/sign.sock", dir) < 0) {
		ret->socket = NULL;
		return sr_fail(err, -ENOMEM, "out of memory");
	}
	ret->key = name;
	r = daemon_ask(ret, "GET", "", &nothing, &answer, &body, err);
	if (r < 0)
		return r == -ENOTCONN ? 0 : r;
	return read_answer(ret, &body, err);
}

/* ---- what is asked ---- */

/* Asked for as sr_key_sign() does; @of: key or ring. */
static int put_pin(struct json_writer *body, const struct daemon *daemon, const char *of,
		   struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret pin = { 0 };
	const struct sr_ask *from = daemon->ask ?: choices_ask();
	struct sr_err why = { 0 };
	int r = from->pin(from->arg, of, &pin, &why);

	if (r < 0)
		return sr_fail(err, r, "key %s: %s", daemon->key, why.text);
	if (pin.size > 0) {
		json_put_name(body, "pin");
		json_put_string(body, pin.data, pin.size);
	}
	return 0;
}

bool daemon_takes(const struct sr_digest *digests, size_t count)
{
	size_t size = BODY_REST;

	for (size_t i = 0; i < count && size <= REST_BODY_MAX; i++)
		size += digests[i].message_size / 3 * 4 + 8;
	return size <= REST_BODY_MAX;
}

static void put_digests(struct json_writer *body, const struct sr_digest *digests,
			size_t count)
{
	json_put_name(body, count > 0 && digests[0].message ? "data" : "digest");
	json_put(body, "[");
	for (size_t i = 0; i < count; i++) {
		const struct sr_digest *digest = &digests[i];

		json_put(body, i == 0 ? "" : ",");
		if (digest->message)
			json_put_base64(body, digest->message, digest->message_size);
		else
			json_put_base64(body, digest->data, digest->size);
	}
	json_put(body, "]");
}

static int take_signatures(const struct daemon *daemon, const struct json_field *field,
			   size_t count, struct sr_signature *ret, struct sr_err *err)
{
	int r = field->is == JSON_LIST && field->count == count
		    ? 0
		    : daemon_fail(daemon, err);

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
	struct json_writer body = { 0 };
	int r = 0;

	put_digests(&body, digests, count);
	json_put_text(&body, "hash", options->hash);
	json_put_text(&body, "format", key_form_name(options->form));
	json_put_text(&body, "namespace", options->name_space);
	json_put(&body, options->pss ? ",\"pss\":true" : "");
	if (of)
		r = put_pin(&body, daemon, of, err);
	if (r == 0)
		r = json_end(&body, err);
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

const char *daemon_name(const struct daemon *daemon)
{
	struct json_object *name = NULL;

	return json_object_object_get_ex(daemon->said, "name", &name) &&
		       json_object_is_type(name, json_type_string)
		   ? json_object_get_string(name)
		   : daemon->key;
}

unsigned int daemon_older(const struct daemon *daemon, size_t index)
{
	struct json_object *older = NULL;
	int version = json_object_object_get_ex(daemon->said, "older", &older) &&
			      json_object_is_type(older, json_type_array) &&
			      index < json_object_array_length(older)
			  ? json_object_get_int(json_object_array_get_idx(older, index))
			  : 0;

	return version > 0 ? (unsigned int)version : 0;
}

/* What it shows of the key, as text that is to be read, not printed. */
static int show(const struct daemon *daemon, const char *action, char **ret,
		struct sr_err *err)
{
	static const struct sr_secret nothing;
	_cleanup_secret_ struct sr_secret answer = { 0 };
	struct json_text body = { 0 };
	int r = ask(daemon, "GET", action, &nothing, &answer, &body, err);

	if (r < 0)
		return r;
	*ret = strndup(body.data, body.size);
	return *ret ? 0 : sr_fail(err, -ENOMEM, "out of memory");
}

static int sign_elsewhere(void *arg, const struct sr_sign_options *options,
			  const struct sr_digest *digests, size_t count,
			  struct sr_signature *ret, struct sr_err *err)
{
	return daemon_sign(arg, options, digests, count, ret, err);
}

int daemon_key(struct daemon *daemon, struct sr_key **ret, struct sr_err *err)
{
	struct json_object *said = NULL;
	_cleanup_free_ char *pem = NULL;
	unsigned int usage;
	int r;

	if (!json_object_object_get_ex(daemon->said, "usage", &said) ||
	    key_usage_parse(json_object_get_string(said) ?: "", &usage, NULL) < 0)
		return daemon_fail(daemon, err);
	r = show(daemon, "/public", &pem, err);
	if (r < 0)
		return r;
	daemon->elsewhere = (struct sr_elsewhere){ sign_elsewhere, daemon };
	return sr_key_elsewhere(daemon_name(daemon), pem, usage, &daemon->elsewhere, ret,
				err);
}

void key_hand_done(struct key_hand *hand)
{
	key_work_done(&hand->work);
	daemon_done(&hand->daemon);
}

int key_hand_take(struct key_hand *hand, int found, const char *name, bool with_tpm,
		  struct sr_err *err)
{
	hand->served = found == 1;
	if (found < 0)
		return found;
	return hand->served ? daemon_key(&hand->daemon, &hand->work.key, err)
			    : key_work_load(&hand->work, name, with_tpm, err);
}

static bool is_hash(const char *name)
{
	return strcmp(name, "sha256") == 0 || strcmp(name, "sha384") == 0 ||
	       strcmp(name, "sha512") == 0;
}

/* Why one may not be used, only the key knows. */
static int fail_hash(struct daemon *daemon, const struct sr_sign_options *options,
		     struct sr_err *err)
{
	struct sr_key *key = NULL;
	int r = daemon_key(daemon, &key, err);

	if (r == 0)
		r = sr_key_hash(key, options, err) ? daemon_fail(daemon, err) : -EINVAL;
	sr_key_free(key);
	return r;
}

int daemon_hash(struct daemon *daemon, struct sr_sign_options *options,
		struct sr_err *err)
{
	bool ssh = options->form == SR_SIGNATURE_SSH;
	const char *hash = options->hash ?: ssh ? "sha512" : daemon->hash;
	bool messages = strcmp(daemon->hash, "none") == 0 && !ssh;

	if (messages ? strcmp(hash, "none") != 0
		     : !is_hash(hash) || (ssh && strcmp(hash, "sha384") == 0))
		return fail_hash(daemon, options, err);
	options->hash = hash;
	return 0;
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
		return daemon_fail(daemon, err);
	r = sr_secret_alloc(size / 4 * 3, &plain, err);
	if (r < 0)
		return r;
	if (size > 0 && EVP_DecodeBlock(plain.data, (const unsigned char *)text,
					(int)size) != (int)plain.size)
		return daemon_fail(daemon, err);
	for (size_t i = 0; i < 2 && size > 0; i++)
		plain.size -= text[size - 1 - i] == '=';
	return sr_secret_copy(plain.data, plain.size, ret, err);
}

/* Sends @body, which it releases. */
static int ask_secret(const struct daemon *daemon, const char *action, const char *member,
		      struct json_writer *body, struct sr_secret *ret, struct sr_err *err)
{
	struct json_field fields[] = { { .name = member, .may_be = JSON_TEXT }, { 0 } };
	_cleanup_secret_ struct sr_secret answer = { 0 };
	int r = 0;

	if (daemon->needs_pin)
		r = put_pin(body, daemon, daemon->key, err);
	if (r == 0)
		r = json_end(body, err);
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
	struct json_writer body = { 0 };
	char size[32];

	json_put_name(&body, "ciphertext");
	json_put_base64(&body, cipher->data, cipher->size);
	json_put_text(&body, "padding", padding->oaep ? "oaep" : "rsaes");
	json_put_text(&body, "hash", padding->oaep);
	if (padding->size > 0) {
		(void)snprintf(size, sizeof(size), ",\"size\":%zu", padding->size);
		json_put(&body, size);
	}
	return ask_secret(daemon, "/decrypt", "plaintext", &body, ret, err);
}

int daemon_derive(const struct daemon *daemon, const uint8_t *peer, size_t size,
		  struct sr_secret *ret, struct sr_err *err)
{
	struct json_writer body = { 0 };

	json_put_name(&body, "peer");
	json_put_base64(&body, peer, size);
	return ask_secret(daemon, "/derive", "secret", &body, ret, err);
}

/* ---- what is known of keys, for who may not read them ---- */

/* 1 if so, else 0 or an error. */
static int is_unreadable(struct sr_err *err)
{
	_cleanup_free_ char *state = tool_state_dir(), *keys = NULL;

	if (!state || asprintf(&keys, "%s/keys", state) < 0) {
		keys = NULL;
		return sr_fail(err, -ENOMEM, "out of memory");
	}
	if (access(keys, R_OK | X_OK) == 0 || errno == ENOENT)
		return 0;
	return errno == EACCES ? 1
			       : sr_fail_sys(err, errno, "%s: cannot be looked at", keys);
}

int daemon_find_unreadable(const char *name, struct daemon *ret, struct sr_err *err)
{
	int r = is_unreadable(err);

	return r == 1 ? daemon_find(name, ret, err) : r;
}

int daemon_certificates(const struct daemon *daemon, char **ret, struct sr_err *err)
{
	int r = show(daemon, "/certificate", ret, err);

	return r == -ENOKEY ? 0 : r;
}
