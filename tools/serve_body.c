/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the body of a REST request says: a JSON object with what its use has. */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "ground/base64.h"
#include "key_text.h"
#include "serve_work.h"

static const struct {
	const char *name;
	unsigned int may_be;
	unsigned int to;
} members[BODY_MEMBERS] = {
	[BODY_DATA] = { "data", JSON_TEXT | JSON_LIST, TO_SIGN | TO_VERIFY },
	[BODY_DIGEST] = { "digest", JSON_TEXT | JSON_LIST, TO_SIGN | TO_VERIFY },
	[BODY_SIGNATURE] = { "signature", JSON_TEXT, TO_VERIFY },
	[BODY_HASH] = { "hash", JSON_TEXT, TO_SIGN | TO_VERIFY | TO_DECRYPT },
	[BODY_FORMAT] = { "format", JSON_TEXT, TO_SIGN | TO_VERIFY },
	[BODY_NAMESPACE] = { "namespace", JSON_TEXT, TO_SIGN | TO_VERIFY },
	[BODY_PSS] = { "pss", JSON_FLAG, TO_SIGN | TO_VERIFY },
	[BODY_CIPHERTEXT] = { "ciphertext", JSON_TEXT, TO_DECRYPT },
	[BODY_PADDING] = { "padding", JSON_TEXT, TO_DECRYPT },
	[BODY_SIZE] = { "size", JSON_NUMBER, TO_DECRYPT },
	[BODY_PEER] = { "peer", JSON_TEXT, TO_DERIVE },
	[BODY_PIN] = { "pin", JSON_TEXT, TO_SIGN | TO_DECRYPT | TO_DERIVE | TO_ROTATE },
	[BODY_ACCEPT_UNMEASURED] = { "accept_unmeasured", JSON_FLAG, TO_ROTATE },
};

int body_read(struct api_work *work, unsigned int to, struct sr_err *err)
{
	const struct api_request *request = work->request;

	for (size_t i = 0; i < BODY_MEMBERS; i++)
		work->fields[i] = (struct json_field){
			.name = members[i].to & to ? members[i].name : "",
			.may_be = members[i].to & to ? members[i].may_be : 0,
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

int body_bytes(const struct api_work *work, enum body_member at, size_t max,
	       struct sr_buf *ret, struct sr_err *err)
{
	return take_bytes(members[at].name, &work->fields[at].text, max, ret, err);
}

int body_options(struct api_work *work, struct sr_err *err)
{
	struct sr_sign_options *options = &work->options;
	const char *format = NULL;
	int r = take_word(work, BODY_FORMAT, &format, err);

	if (r == 0)
		r = take_word(work, BODY_HASH, &options->hash, err);
	if (r == 0)
		r = take_word(work, BODY_NAMESPACE, &options->name_space, err);
	options->pss = work->fields[BODY_PSS].flag;
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

int body_digests(struct api_work *work, const struct sr_key *key, struct sr_err *err)
{
	bool is_digest = work->fields[BODY_DIGEST].is != JSON_ABSENT;
	const struct json_field *field =
	    &work->fields[is_digest ? BODY_DIGEST : BODY_DATA];
	const struct json_text *texts =
	    field->is == JSON_LIST ? field->list : &field->text;
	int r = 0;

	work->hash = sr_key_hash(key, &work->options, err);
	if (!work->hash)
		return -EINVAL;
	if (is_digest == (work->fields[BODY_DATA].is != JSON_ABSENT))
		return sr_fail(err, -EINVAL,
			       "one of \"data\" and \"digest\" it has to be");
	work->many = field->is == JSON_LIST;
	work->count = work->many ? field->count : 1;
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

int body_padding(const struct api_work *work, struct sr_padding *ret, struct sr_err *err)
{
	const char *padding = NULL;
	int r = take_word(work, BODY_PADDING, &padding, err);

	if (r == 0)
		r = take_word(work, BODY_HASH, &ret->oaep, err);
	if (r < 0)
		return r;
	ret->size = work->fields[BODY_SIZE].number;
	if (work->fields[BODY_SIZE].is != JSON_ABSENT && ret->size == 0)
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

struct sr_secret body_pin(const struct api_work *work)
{
	const struct json_field *pin = &work->fields[BODY_PIN];

	return (struct sr_secret){ .data = (uint8_t *)pin->text.data,
				   .size = pin->text.size };
}
