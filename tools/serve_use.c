/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What REST does with a key: signs, verifies, decrypts, derives, rotates. */
#include <errno.h>
#include <string.h>

#include "ground/base64.h"
#include "json_write.h"
#include "key_text.h"
#include "serve_work.h"

#define SIGNATURE_MAX 16384 /* bytes in a signature */
#define CIPHER_MAX 1024	    /* bytes that are decrypted */
#define PEER_MAX 1024	    /* bytes in the public key of a peer */

static int read_digests(struct api_work *work, unsigned int to, const struct sr_key **key,
			struct sr_err *err)
{
	int r = body_read(work, to, err);

	if (r == 0)
		r = body_options(work, err);
	if (r == 0)
		r = api_find_key(work, key, err);
	return r < 0 ? r : body_digests(work, *key, err);
}

int api_sign(struct api_work *work, struct sr_err *err)
{
	const struct sr_key *key = NULL;
	struct sr_secret pin;
	int r = read_digests(work, TO_SIGN, &key, err);

	if (r < 0)
		return r;
	pin = body_pin(work);
	return sr_sign_call(work->server, &work->waiter->client->peer,
			    &(struct sr_sign_request){ work->key, &work->options,
						       work->digests, work->count, &pin },
			    work->waiter, &work->waiter->call, err);
}

int api_verify(struct api_work *work, struct sr_err *err)
{
	struct json_object *answer;
	struct sr_buf bytes = { 0 };
	const struct sr_key *key = NULL;
	unsigned int version = 0;
	int r = read_digests(work, TO_VERIFY, &key, err);

	if (r == 0 &&
	    (work->count != 1 || work->fields[BODY_SIGNATURE].is == JSON_ABSENT))
		r = sr_fail(err, -EINVAL, "one message and one signature it has to be");
	if (r == 0)
		r = body_bytes(work, BODY_SIGNATURE, SIGNATURE_MAX, &bytes, err);
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
	api_give(answer, 200, work->answer);
	return 0;
}

int api_decrypt(struct api_work *work, struct sr_err *err)
{
	struct sr_secret cipher, pin;
	struct sr_buf bytes = { 0 };
	struct sr_padding padding = { 0 };
	int r = body_read(work, TO_DECRYPT, err);

	if (r == 0)
		r = body_padding(work, &padding, err);
	if (r == 0 && work->fields[BODY_CIPHERTEXT].is == JSON_ABSENT)
		r = sr_fail(err, -EINVAL,
			    "what is to be decrypted is missing: \"ciphertext\"");
	if (r == 0)
		r = body_bytes(work, BODY_CIPHERTEXT, CIPHER_MAX, &bytes, err);
	if (r < 0)
		return r;
	work->gives = "plaintext";
	pin = body_pin(work);
	cipher = (struct sr_secret){ .data = bytes.data, .size = bytes.size };
	r = sr_decrypt_call(
	    work->server, &work->waiter->client->peer,
	    &(struct sr_decrypt_request){ work->key, &padding, &cipher, &pin },
	    work->waiter, &work->waiter->call, err);
	free(bytes.data);
	return r;
}

int api_derive(struct api_work *work, struct sr_err *err)
{
	struct sr_buf peer = { 0 };
	struct sr_secret pin;
	int r = body_read(work, TO_DERIVE, err);

	if (r == 0 && work->fields[BODY_PEER].is == JSON_ABSENT)
		r = sr_fail(err, -EINVAL, "the peer's public key is missing: \"peer\"");
	if (r == 0)
		r = body_bytes(work, BODY_PEER, PEER_MAX, &peer, err);
	if (r < 0)
		return r;
	work->gives = "secret";
	pin = body_pin(work);
	r = sr_derive_call(
	    work->server, &work->waiter->client->peer,
	    &(struct sr_derive_request){ work->key, peer.data, peer.size, &pin },
	    work->waiter, &work->waiter->call, err);
	free(peer.data);
	return r;
}

/* A key without PIN can be replaced without a body. */
int api_rotate(struct api_work *work, struct sr_err *err)
{
	struct sr_secret pin;
	int r = work->request->size > 0 ? body_read(work, TO_ROTATE, err) : 0;

	if (r < 0)
		return r;
	pin = body_pin(work);
	return sr_rotate_call(
	    work->server, &work->waiter->client->peer,
	    &(struct sr_rotate_request){ work->key, &pin,
					 work->fields[BODY_ACCEPT_UNMEASURED].flag },
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
	if (!work->many) {
		json_object_object_add(object, "signature",
				       to_base64(sr_call_signature(call, 0)));
	} else {
		list = json_object_new_array();
		for (size_t i = 0; i < work->count; i++)
			json_object_array_add(list,
					      to_base64(sr_call_signature(call, i)));
		json_object_object_add(object, "signature", list);
	}
	api_give(object, 200, answer);
}

/* A JSON library would leave it in memory. */
static int give_plain(const char *member, const struct sr_secret *plain,
		      struct api_answer *answer, struct sr_err *err)
{
	struct json_writer to = { 0 };
	int r;

	json_put_name(&to, member);
	json_put_base64(&to, plain->data, plain->size);
	r = json_end(&to, err);
	if (r < 0) {
		sr_secret_done(&to.text);
		return r;
	}
	answer->secret = to.text;
	answer->status = 200;
	answer->type = api_json;
	return 0;
}

void api_finish(const struct api_work *work, struct api_answer *answer)
{
	struct sr_err why = { 0 };
	const struct sr_call *call = work->waiter->call;
	int r = sr_call_result(call, &why);

	if (r == 0 && sr_call_renewed(call))
		r = api_give_key(sr_call_renewed(call), answer, &why);
	else if (r == 0 && work->gives)
		r = give_plain(work->gives, sr_call_plain(call), answer, &why);
	else if (r == 0)
		give_signatures(work, answer);
	if (r < 0)
		api_fail(r, &why, answer);
}
