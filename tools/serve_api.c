/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What REST asks of keys, apart from HTTP: a path and a JSON text come in, a status and one go out. */
#include "serve_api.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "ground/base64.h"
#include "json.h"
#include "json_read.h"
#include "key_text.h"
#include "serve_metrics.h"

#define KEYS "/api/v1/keys"
#define SIGNATURE_MAX 16384 /* bytes in a signature */
#define CIPHER_MAX 1024	    /* bytes that are decrypted */
#define PEER_MAX 1024	    /* bytes in the public key of a peer */

static const char is_json[] = "application/json";

/* What a body may have. */
enum {
	DATA,
	DIGEST,
	SIGNATURE,
	HASH,
	FORMAT,
	NAMESPACE,
	PSS,
	CIPHERTEXT,
	PADDING,
	SIZE,
	PEER,
	PIN,
	ACCEPT_UNMEASURED,
	MEMBERS
};
enum { SIGN = 1, VERIFY = 2, DECRYPT = 4, DERIVE = 8, ROTATE = 16 };

static const struct {
	const char *name;
	unsigned int may_be;
	unsigned int of;
} members[MEMBERS] = {
	[DATA] = { "data", JSON_TEXT | JSON_LIST, SIGN | VERIFY },
	[DIGEST] = { "digest", JSON_TEXT | JSON_LIST, SIGN | VERIFY },
	[SIGNATURE] = { "signature", JSON_TEXT, VERIFY },
	[HASH] = { "hash", JSON_TEXT, SIGN | VERIFY | DECRYPT },
	[FORMAT] = { "format", JSON_TEXT, SIGN | VERIFY },
	[NAMESPACE] = { "namespace", JSON_TEXT, SIGN | VERIFY },
	[PSS] = { "pss", JSON_FLAG, SIGN | VERIFY },
	[CIPHERTEXT] = { "ciphertext", JSON_TEXT, DECRYPT },
	[PADDING] = { "padding", JSON_TEXT, DECRYPT },
	[SIZE] = { "size", JSON_NUMBER, DECRYPT },
	[PEER] = { "peer", JSON_TEXT, DERIVE },
	[PIN] = { "pin", JSON_TEXT, SIGN | DECRYPT | DERIVE | ROTATE },
	[ACCEPT_UNMEASURED] = { "accept_unmeasured", JSON_FLAG, ROTATE },
};

/*
 * One request on its way: @fields are what its body says. A call needs @options and @digests
 * as long as it is there.
 */
struct api_work {
	struct sr_server *server;
	const struct api_request *request;
	struct waiter *waiter;
	struct api_answer *answer;
	char *key;
	struct json_field fields[MEMBERS + 1];
	struct sr_sign_options options;
	struct sr_digest *digests;
	size_t count;
	const char *hash;
	const char *gives; /* the answer, if it is a secret */
};

/* ---- answers ---- */

void api_answer_done(struct api_answer *answer)
{
	free(answer->text);
	sr_secret_done(&answer->secret);
	*answer = (struct api_answer){ 0 };
}

/* Releases @object. */
static void give(struct json_object *object, unsigned int status,
		 struct api_answer *answer)
{
	const char *text = json_object_to_json_string_ext(
	    object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	answer->status = status;
	answer->type = is_json;
	if (!text || asprintf(&answer->text, "%s\n", text) < 0)
		answer->text = NULL;
	json_object_put(object);
}

void api_refuse(unsigned int status, const char *word, const char *message,
		struct api_answer *answer)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "code", word);
	json_add_text(object, "message", message);
	give(object, status, answer);
}

void api_fail(int r, const struct sr_err *why, struct api_answer *answer)
{
	const struct rest_code *code = rest_code_of(r);

	api_refuse(code->status, code->word, why->text[0] ? why->text : strerror(-r),
		   answer);
}

/* ---- what the body says ---- */

static int read_body(struct api_work *work, unsigned int of, struct sr_err *err)
{
	const struct api_request *request = work->request;

	for (size_t i = 0; i < MEMBERS; i++)
		work->fields[i] = (struct json_field){
			.name = members[i].of & of ? members[i].name : "",
			.may_be = members[i].of & of ? members[i].may_be : 0,
		};
	return json_read(request->body, request->size, work->fields, err);
}

/* As a string, where it must not be anything else; NULL if it is absent. */
static int take_word(const struct api_work *work, size_t at, const char **ret,
		     struct sr_err *err)
{
	const struct json_field *field = &work->fields[at];

	*ret = json_string(field, NULL);
	return field->is == JSON_TEXT && !*ret
		   ? sr_fail(err, -EINVAL, "%s: it has a NUL inside", field->name)
		   : 0;
}

static int take_bytes(const char *name, const struct json_text *text, size_t max,
		      struct sr_buf *ret, struct sr_err *err)
{
	if (strlen(text->data) != text->size ||
	    sr_base64_parse(text->data, max, ret, NULL) < 0)
		return sr_fail(err, -EINVAL, "%s: not base64 of at most %zu bytes", name,
			       max);
	return 0;
}

static int take_options(struct api_work *work, struct sr_err *err)
{
	struct sr_sign_options *options = &work->options;
	const char *format = NULL;
	int r = take_word(work, FORMAT, &format, err);

	if (r == 0)
		r = take_word(work, HASH, &options->hash, err);
	if (r == 0)
		r = take_word(work, NAMESPACE, &options->name_space, err);
	options->pss = work->fields[PSS].flag;
	return r < 0 ? r : key_form_parse(format ?: "der", &options->form, err);
}

/* Takes @bytes over where the key signs messages, and not their hash. */
static int take_digest(struct sr_buf *bytes, bool is_digest, const char *hash,
		       struct sr_digest *ret, struct sr_err *err)
{
	size_t size = 0;

	if (is_digest) {
		memcpy(ret->data, bytes->data, bytes->size);
		ret->size = bytes->size;
		return 0;
	}
	if (strcmp(hash, "none") == 0) {
		ret->message = bytes->data;
		ret->message_size = bytes->size;
		*bytes = (struct sr_buf){ 0 };
		return 0;
	}
	if (EVP_Q_digest(NULL, hash, NULL, bytes->data, bytes->size, ret->data, &size) !=
	    1)
		return sr_fail(err, -EIO, "hashing failed");
	ret->size = size;
	return 0;
}

/* One or many, messages or digests; messages are hashed as the key has it. */
static int take_digests(struct api_work *work, const struct sr_key *key,
			struct sr_err *err)
{
	bool is_digest = work->fields[DIGEST].is != JSON_ABSENT;
	const struct json_field *field = &work->fields[is_digest ? DIGEST : DATA];
	const struct json_text *texts =
	    field->is == JSON_LIST ? field->list : &field->text;
	int r = 0;

	work->hash = sr_key_hash(key, &work->options, err);
	if (!work->hash)
		return -EINVAL;

	if (r == 0 && is_digest == (work->fields[DATA].is != JSON_ABSENT))
		r = sr_fail(err, -EINVAL, "one of \"data\" and \"digest\" it has to be");
	if (r < 0)
		return r;
	work->count = field->is == JSON_LIST ? field->count : 1;
	work->digests = calloc(work->count + 1, sizeof(*work->digests));
	if (!work->digests)
		return sr_fail(err, -ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < work->count; i++) {
		struct sr_buf bytes = { 0 };

		r = take_bytes(field->name, &texts[i],
			       is_digest ? SR_DIGEST_BYTES : REST_BODY_MAX, &bytes, err);
		if (r == 0)
			r = take_digest(&bytes, is_digest, work->hash, &work->digests[i],
					err);
		free(bytes.data);
	}
	return r;
}

static struct sr_secret lend_pin(const struct api_work *work)
{
	const struct json_field *pin = &work->fields[PIN];

	return (struct sr_secret){ .data = (uint8_t *)pin->text.data,
				   .size = pin->text.size };
}

/* ---- keys ---- */

static int find(struct api_work *work, const struct sr_key **ret, struct sr_err *err)
{
	return sr_server_key(work->server, &work->waiter->client->peer, work->key, ret,
			     err);
}

static int give_key(const struct sr_key *key, struct api_answer *answer,
		    struct sr_err *err)
{
	struct sr_key_info info;
	int r = sr_key_info(key, &info, err);

	if (r == 0)
		give(key_to_json(&info), 200, answer);
	return r;
}

static int list_keys(struct api_work *work, struct sr_err *err)
{
	struct json_object *answer = json_object_new_object();
	struct json_object *keys = json_object_new_array();
	const struct sr_key *key;
	int r = 0;

	json_object_object_add(answer, "keys", keys);
	for (size_t at = 0;
	     r == 0 && (key = sr_server_next_key(work->server,
						 &work->waiter->client->peer, &at));) {
		struct sr_key_info info;

		r = sr_key_info(key, &info, err);
		if (r == 0)
			json_object_array_add(keys, key_to_json(&info));
	}
	if (r < 0)
		json_object_put(answer);
	else
		give(answer, 200, work->answer);
	return r;
}

static int show_key(struct api_work *work, struct sr_err *err)
{
	const struct sr_key *key = NULL;
	int r = find(work, &key, err);

	return r < 0 ? r : give_key(key, work->answer, err);
}

static int show_public(struct api_work *work, struct sr_err *err)
{
	const char *format = work->request->format ?: "pem";
	bool ssh = strcmp(format, "ssh") == 0;
	const struct sr_key *key = NULL;
	int r = find(work, &key, err);

	if (r == 0 && !ssh && strcmp(format, "pem") != 0)
		r = sr_fail(err, -EINVAL, "no format \"%s\": pem or ssh", format);
	if (r == 0)
		r = sr_key_public(key, ssh ? SR_FORM_SSH : SR_FORM_PEM,
				  &work->answer->text, err);
	if (r < 0)
		return r;
	work->answer->status = 200;
	work->answer->type = ssh ? "text/plain" : "application/x-pem-file";
	return 0;
}

static int show_certificate(struct api_work *work, struct sr_err *err)
{
	int r = sr_server_certificate(work->server, &work->waiter->client->peer,
				      work->key, &work->answer->text, err);

	if (r < 0)
		return r;
	work->answer->status = 200;
	work->answer->type = "application/x-pem-file";
	return 0;
}

/* ---- using them ---- */

static int sign(struct api_work *work, struct sr_err *err)
{
	const struct sr_key *key = NULL;
	struct sr_secret pin;
	int r = read_body(work, SIGN, err);

	if (r == 0)
		r = take_options(work, err);
	if (r == 0)
		r = find(work, &key, err);
	if (r == 0)
		r = take_digests(work, key, err);
	if (r < 0)
		return r;
	pin = lend_pin(work);
	return sr_sign_call(work->server, &work->waiter->client->peer,
			    &(struct sr_sign_request){ work->key, &work->options,
						       work->digests, work->count, &pin },
			    work->waiter, &work->waiter->call, err);
}

static int verify(struct api_work *work, struct sr_err *err)
{
	struct json_object *answer;
	struct sr_buf bytes = { 0 };
	const struct sr_key *key = NULL;
	unsigned int version = 0;
	int r = read_body(work, VERIFY, err);

	if (r == 0)
		r = take_options(work, err);
	if (r == 0)
		r = find(work, &key, err);
	if (r == 0)
		r = take_digests(work, key, err);
	if (r == 0 && (work->count != 1 || work->fields[SIGNATURE].is == JSON_ABSENT))
		r = sr_fail(err, -EINVAL, "one message and one signature it has to be");
	if (r == 0)
		r = take_bytes("signature", &work->fields[SIGNATURE].text, SIGNATURE_MAX,
			       &bytes, err);
	if (r < 0)
		return r;
	r = sr_server_verify(work->server, key, &work->options, work->digests,
			     &(struct sr_signature){ bytes.data, bytes.size }, &version,
			     err);
	free(bytes.data);
	if (r < 0 && r != -EBADMSG)
		return r;
	answer = json_object_new_object();
	json_object_object_add(answer, "valid", json_object_new_boolean(r == 0));
	if (version > 0)
		json_object_object_add(answer, "older_version",
				       json_object_new_int64(version));
	give(answer, 200, work->answer);
	return 0;
}

static int take_padding(const struct api_work *work, struct sr_padding *ret,
			struct sr_err *err)
{
	const char *padding = NULL;
	int r = take_word(work, PADDING, &padding, err);

	if (r == 0)
		r = take_word(work, HASH, &ret->oaep, err);
	if (r < 0)
		return r;
	ret->size = work->fields[SIZE].number;
	if (work->fields[SIZE].is != JSON_ABSENT && ret->size == 0)
		return sr_fail(err, -EINVAL, "size: nothing has no bytes");
	if (!padding || strcmp(padding, "oaep") == 0) {
		ret->oaep = ret->oaep ?: "sha256";
		return 0;
	}
	if (strcmp(padding, "rsaes") != 0)
		return sr_fail(err, -EINVAL, "no padding \"%s\": oaep or rsaes", padding);
	return ret->oaep ? sr_fail(err, -EINVAL, "rsaes has no hash: leave out \"hash\"")
			 : 0;
}

static int decrypt(struct api_work *work, struct sr_err *err)
{
	struct sr_secret cipher, pin;
	struct sr_buf bytes = { 0 };
	struct sr_padding padding = { 0 };
	int r = read_body(work, DECRYPT, err);

	if (r == 0)
		r = take_padding(work, &padding, err);
	if (r == 0 && work->fields[CIPHERTEXT].is == JSON_ABSENT)
		r = sr_fail(err, -EINVAL,
			    "what is to be decrypted is missing: \"ciphertext\"");
	if (r == 0)
		r = take_bytes("ciphertext", &work->fields[CIPHERTEXT].text, CIPHER_MAX,
			       &bytes, err);
	if (r < 0)
		return r;
	work->gives = "plaintext";
	pin = lend_pin(work);
	cipher = (struct sr_secret){ .data = bytes.data, .size = bytes.size };
	r = sr_decrypt_call(
	    work->server, &work->waiter->client->peer,
	    &(struct sr_decrypt_request){ work->key, &padding, &cipher, &pin },
	    work->waiter, &work->waiter->call, err);
	free(bytes.data);
	return r;
}

static int derive(struct api_work *work, struct sr_err *err)
{
	struct sr_buf peer = { 0 };
	struct sr_secret pin;
	int r = read_body(work, DERIVE, err);

	if (r == 0 && work->fields[PEER].is == JSON_ABSENT)
		r = sr_fail(err, -EINVAL, "the peer's public key is missing: \"peer\"");
	if (r == 0)
		r = take_bytes("peer", &work->fields[PEER].text, PEER_MAX, &peer, err);
	if (r < 0)
		return r;
	work->gives = "secret";
	pin = lend_pin(work);
	r = sr_derive_call(
	    work->server, &work->waiter->client->peer,
	    &(struct sr_derive_request){ work->key, peer.data, peer.size, &pin },
	    work->waiter, &work->waiter->call, err);
	free(peer.data);
	return r;
}

/* A key without PIN can be replaced without a body. */
static int rotate(struct api_work *work, struct sr_err *err)
{
	struct sr_secret pin;
	int r = work->request->size > 0 ? read_body(work, ROTATE, err) : 0;

	if (r < 0)
		return r;
	pin = lend_pin(work);
	return sr_rotate_call(work->server, &work->waiter->client->peer,
			      &(struct sr_rotate_request){
				  work->key, &pin, work->fields[ACCEPT_UNMEASURED].flag },
			      work->waiter, &work->waiter->call, err);
}

/* ---- what was made ---- */

static struct json_object *to_base64(const struct sr_signature *signature)
{
	char *text = malloc(SR_BASE64_SIZE(signature->size));
	struct json_object *object = NULL;

	if (text) {
		sr_base64_format(signature->data, signature->size, text);
		object = json_object_new_string(text);
	}
	free(text);
	return object;
}

/* As it was asked for: one, or a list. */
static void give_signatures(const struct api_work *work, struct api_answer *answer)
{
	const struct sr_call *call = work->waiter->call;
	struct json_object *object = json_object_new_object(), *list;

	json_add_text(object, "key", sr_call_key(call));
	json_add_text(object, "hash", work->hash);
	json_add_text(object, "format", key_form_name(work->options.form));
	if (work->fields[DATA].is != JSON_LIST && work->fields[DIGEST].is != JSON_LIST) {
		json_object_object_add(object, "signature",
				       to_base64(sr_call_signature(call, 0)));
	} else {
		list = json_object_new_array();
		for (size_t i = 0; i < work->count; i++)
			json_object_array_add(list,
					      to_base64(sr_call_signature(call, i)));
		json_object_object_add(object, "signature", list);
	}
	give(object, 200, answer);
}

/* Written by hand, as a JSON library would leave it in memory. */
static int give_plain(const char *member, const struct sr_secret *plain,
		      struct api_answer *answer, struct sr_err *err)
{
	static const char behind[] = "\"}\n";
	char before[32];
	size_t begin = (size_t)snprintf(before, sizeof(before), "{\"%s\":\"", member);
	size_t size = SR_BASE64_SIZE(plain->size) - 1;
	int r = sr_secret_alloc(begin + size + sizeof(behind), &answer->secret, err);

	if (r < 0)
		return r;
	memcpy(answer->secret.data, before, begin);
	sr_base64_format(plain->data, plain->size, (char *)answer->secret.data + begin);
	memcpy(answer->secret.data + begin + size, behind, sizeof(behind));
	answer->secret.size--;
	answer->status = 200;
	answer->type = is_json;
	return 0;
}

void api_finish(const struct api_work *work, struct api_answer *answer)
{
	struct sr_err why = { 0 };
	const struct sr_call *call = work->waiter->call;
	int r = sr_call_result(call, &why);

	if (r == 0 && sr_call_renewed(call))
		r = give_key(sr_call_renewed(call), answer, &why);
	else if (r == 0 && work->gives)
		r = give_plain(work->gives, sr_call_plain(call), answer, &why);
	else if (r == 0)
		give_signatures(work, answer);
	if (r < 0)
		api_fail(r, &why, answer);
}

/* ---- about the daemon ---- */

static int show_health(struct api_work *work, struct sr_err *err)
{
	struct json_object *object = json_object_new_object();

	(void)err;
	json_add_text(object, "status", "ok");
	give(object, 200, work->answer);
	return 0;
}

static int show_version(struct api_work *work, struct sr_err *err)
{
	struct json_object *object = json_object_new_object();

	(void)err;
	json_add_text(object, "version", VERSION);
	give(object, 200, work->answer);
	return 0;
}

static int show_metrics(struct api_work *work, struct sr_err *err)
{
	work->answer->text = metrics_text(work->server);
	work->answer->status = 200;
	work->answer->type = "text/plain; version=0.0.4";
	return work->answer->text ? 0 : sr_fail(err, -ENOMEM, "out of memory");
}

/* ---- paths ---- */

/* @path: what stands behind the name of a key, where there is one. */
static const struct route {
	bool of_key;
	const char *path;
	const char *method;
	int (*run)(struct api_work *work, struct sr_err *err);
} routes[] = {
	{ false, "/health", "GET", show_health },
	{ false, "/version", "GET", show_version },
	{ false, "/metrics", "GET", show_metrics },
	{ false, KEYS, "GET", list_keys },
	{ true, "/public", "GET", show_public },
	{ true, "/certificate", "GET", show_certificate },
	{ true, "/sign", "POST", sign },
	{ true, "/verify", "POST", verify },
	{ true, "/decrypt", "POST", decrypt },
	{ true, "/derive", "POST", derive },
	{ true, "/rotate", "POST", rotate },
	{ true, "", "GET", show_key }, /* last: any end is this one, too */
};

/* An ssh fingerprint may have slashes in it, so it is the end that counts. */
static bool matches(const struct route *route, const char *path, size_t *key)
{
	size_t size = strlen(path), end = strlen(route->path), begin = strlen(KEYS "/");

	*key = 0;
	if (!route->of_key)
		return strcmp(route->path, path) == 0;
	if (strncmp(path, KEYS "/", begin) != 0 || size <= begin + end ||
	    strcmp(path + size - end, route->path) != 0)
		return false;
	*key = size - begin - end;
	return true;
}

static const struct route *find_route(const struct api_request *request, char **key,
				      struct api_answer *answer)
{
	const char *method =
	    strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
	const struct route *route = routes;
	size_t size = 0;

	while (!matches(route, request->path, &size))
		if (++route == routes + SR_COUNT(routes)) {
			api_refuse(404, "no_such_path",
				   "nothing is served at this path: see tpm-serve(8)",
				   answer);
			return NULL;
		}
	if (strcmp(route->method, method) != 0) {
		api_refuse(405, "no_such_method", "this path has another method", answer);
		answer->allow = strcmp(route->method, "GET") == 0 ? "GET, HEAD" : "POST";
		return NULL;
	}
	*key = strndup(request->path + strlen(KEYS "/") * (size > 0), size);
	return route;
}

struct api_work *api_start(struct sr_server *server, const struct api_request *request,
			   struct waiter *waiter, struct api_answer *answer)
{
	struct api_work *work = calloc(1, sizeof(*work));
	const struct route *route;
	struct sr_err why = { 0 };
	int r;

	if (!work) {
		api_fail(-ENOMEM, &why, answer);
		return NULL;
	}
	*work = (struct api_work){
		.server = server, .request = request, .waiter = waiter, .answer = answer
	};
	route = find_route(request, &work->key, answer);
	if (route) {
		r = work->key ? route->run(work, &why)
			      : sr_fail(&why, -ENOMEM, "out of memory");
		if (r < 0)
			api_fail(r, &why, answer);
	}
	if (waiter->call)
		return work;
	api_free(work);
	return NULL;
}

void api_free(struct api_work *work)
{
	if (!work)
		return;
	if (work->fields[0].name)
		json_done(work->fields);
	for (size_t i = 0; work->digests && i < work->count; i++)
		sr_digest_done(&work->digests[i]);
	free(work->digests);
	free(work->key);
	free(work);
}
