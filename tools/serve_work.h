/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of REST's API share: a request on its way, what its body says, what is done. */
#ifndef SERVE_WORK_H
#define SERVE_WORK_H

#include "ground/io.h"
#include "json.h"
#include "json_read.h"
#include "serve_api.h"

/* What a body may have. */
enum body_member {
	BODY_DATA,
	BODY_DIGEST,
	BODY_SIGNATURE,
	BODY_HASH,
	BODY_FORMAT,
	BODY_NAMESPACE,
	BODY_PSS,
	BODY_CIPHERTEXT,
	BODY_PADDING,
	BODY_SIZE,
	BODY_PEER,
	BODY_PIN,
	BODY_ACCEPT_UNMEASURED,
	BODY_MEMBERS
};

/**
 * struct api_work - one request on its way
 * @server:	the server
 * @request:	what is asked
 * @waiter:	who asks
 * @answer:	filled where no call has to be waited for
 * @key:	the name in its path
 * @fields:	what its body says
 * @options:	how to sign; a call needs them, and @digests, as long as it is there
 * @digests:	what is signed
 * @count:	how many
 * @many:	they came as a list, and so go the signatures
 * @hash:	what they were made with
 * @gives:	the member that is the answer, if it is a secret
 */
struct api_work {
	struct sr_server *server;
	const struct api_request *request;
	struct waiter *waiter;
	struct api_answer *answer;
	char *key;
	struct json_field fields[BODY_MEMBERS + 1];
	struct sr_sign_options options;
	struct sr_digest *digests;
	size_t count;
	bool many;
	const char *hash;
	const char *gives;
};

/* ---- answers ---- */

extern const char api_json[]; /* their type, mostly */

/** api_give() - answer with @object, and release it */
void api_give(struct json_object *object, unsigned int status, struct api_answer *answer);

/* ---- what the body says ---- */

/* What it is for. */
enum { TO_SIGN = 1, TO_VERIFY = 2, TO_DECRYPT = 4, TO_DERIVE = 8, TO_ROTATE = 16 };

/** body_read() - read it: a JSON object with nothing but what is of use @to do that */
int body_read(struct api_work *work, unsigned int to, struct sr_err *err);

/** body_bytes() - a member that is base64 of at most @max bytes */
int body_bytes(const struct api_work *work, enum body_member at, size_t max,
	       struct sr_buf *ret, struct sr_err *err);

/** body_options() - how to sign or to verify */
int body_options(struct api_work *work, struct sr_err *err);

/** body_digests() - what: one or many, messages or digests; messages are hashed as @key has it */
int body_digests(struct api_work *work, const struct sr_key *key, struct sr_err *err);

/** body_padding() - what is around what is decrypted */
int body_padding(const struct api_work *work, struct sr_padding *ret, struct sr_err *err);

/** body_pin() - the PIN, which stays where it is */
struct sr_secret body_pin(const struct api_work *work);

/* ---- what is done: an answer, or a call that the waiter gets ---- */

int api_list_keys(struct api_work *work, struct sr_err *err);
int api_show_key(struct api_work *work, struct sr_err *err);
int api_show_public(struct api_work *work, struct sr_err *err);
int api_show_certificate(struct api_work *work, struct sr_err *err);
int api_show_health(struct api_work *work, struct sr_err *err);
int api_show_version(struct api_work *work, struct sr_err *err);
int api_show_metrics(struct api_work *work, struct sr_err *err);
int api_sign(struct api_work *work, struct sr_err *err);
int api_verify(struct api_work *work, struct sr_err *err);
int api_decrypt(struct api_work *work, struct sr_err *err);
int api_derive(struct api_work *work, struct sr_err *err);
int api_rotate(struct api_work *work, struct sr_err *err);

/** api_find_key() - the key that is asked for */
int api_find_key(struct api_work *work, const struct sr_key **ret, struct sr_err *err);

/** api_give_key() - answer with what there is to know of a key */
int api_give_key(const struct sr_key *key, struct api_answer *answer, struct sr_err *err);

#endif
