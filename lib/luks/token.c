/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A token in a LUKS2 header: JSON to struct and back. */
#include "token.h"

#include <json-c/json.h>
#include <string.h>

#include "ground/base64.h"

#define DEPTH 4 /* token, approvals, approval, and one to spare */
#define ID_DIGITS 32

SR_DEFINE_CLEANUP(put_json, struct json_object *, json_object_put)
SR_DEFINE_CLEANUP(free_tokener, struct json_tokener *, json_tokener_free)
#define _cleanup_json_ _cleanup_(put_json)

struct field {
	const char *name;
	enum json_type type;
};

static const struct field token_fields[] = {
	{ "type", json_type_string },	{ "keyslots", json_type_array },
	{ "format", json_type_int },	{ "slot", json_type_int },
	{ "ring", json_type_string },	{ "id", json_type_string },
	{ "pcrs", json_type_string },	{ "pin", json_type_boolean },
	{ "srk", json_type_string },	{ "approvals", json_type_array },
	{ "secret", json_type_string },
};

static const struct field approval_fields[] = {
	{ "key", json_type_string },
	{ "values", json_type_string },
};

static const struct field recovery_fields[] = {
	{ "type", json_type_string },
	{ "keyslots", json_type_array },
	{ "ring", json_type_string },
	{ "id", json_type_string },
};

void sr_token_done(struct sr_token *token)
{
	sr_ring_parts_done(&token->parts);
	sr_buf_done(&token->envelope);
	*token = (struct sr_token){ 0 };
}

static int parse(const char *json, struct json_object **ret, struct sr_err *err)
{
	_cleanup_(free_tokener) struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	size_t size = strnlen(json, SR_TOKEN_MAX + 1);

	if (size > SR_TOKEN_MAX)
		return sr_fail(err, -EBADMSG, "larger than %d bytes", SR_TOKEN_MAX);
	if (!tokener)
		return sr_fail(err, -ENOMEM, "out of memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*ret = json_tokener_parse_ex(tokener, json, (int)size);
	if (*ret && json_tokener_get_parse_end(tokener) == size)
		return 0;
	return sr_fail(err, -EBADMSG, "not JSON");
}

static bool is_known(const char *name, const struct field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, fields[i].name) == 0)
			return true;
	return false;
}

/* All of the fields, each of its type, and no other. */
static int check_fields(struct json_object *object, const struct field *fields,
			size_t count, struct sr_err *err)
{
	if (!json_object_is_type(object, json_type_object))
		return sr_fail(err, -EBADMSG, "not a JSON object");
	json_object_object_foreach(object, name, value)
	{
		(void)value;
		if (!is_known(name, fields, count))
			return sr_fail(err, -EBADMSG, "a field that we do not know");
	}
	for (size_t i = 0; i < count; i++) {
		struct json_object *field;

		if (!json_object_object_get_ex(object, fields[i].name, &field))
			return sr_fail(err, -EBADMSG, "\"%s\" is missing",
				       fields[i].name);
		if (json_object_get_type(field) != fields[i].type)
			return sr_fail(err, -EBADMSG, "\"%s\" is of another type",
				       fields[i].name);
	}
	return 0;
}

/* It is printed, too: nothing that would change a terminal, nor a NUL. */
static bool is_plain(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

/* NULL for a text that is too long, or not in printable ASCII. */
static const char *text_of(struct json_object *object, const char *name, size_t max)
{
	struct json_object *field = json_object_object_get(object, name);
	size_t size = (size_t)json_object_get_string_len(field);
	const char *text = json_object_get_string(field);

	return size <= max && is_plain(text, size) ? text : NULL;
}

static int take_text(struct json_object *object, const char *name, size_t max, char **ret,
		     struct sr_err *err)
{
	const char *text = text_of(object, name, max);

	if (!text)
		return sr_fail(err, -EBADMSG, "\"%s\" is too long, or no plain text",
			       name);
	*ret = strdup(text);
	return *ret ? 0 : sr_fail(err, -ENOMEM, "out of memory");
}

static int take_bytes(struct json_object *object, const char *name, struct sr_buf *ret,
		      struct sr_err *err)
{
	const char *text = text_of(object, name, SR_TOKEN_TEXT_MAX);
	int r;

	if (!text)
		return sr_fail(err, -EBADMSG, "\"%s\" is too long, or no plain text",
			       name);
	r = *text ? sr_base64_parse(text, SR_TOKEN_TEXT_MAX / 4 * 3, ret, err) : -EINVAL;
	if (r == -EINVAL)
		r = -EBADMSG;
	return r < 0 ? sr_fail(err, r, "\"%s\" is damaged", name) : 0;
}

static int check_type(struct json_object *object, const char *type, struct sr_err *err)
{
	const char *text = text_of(object, "type", SR_NAME_MAX);

	return text && strcmp(text, type) == 0
		   ? 0
		   : sr_fail(err, -EBADMSG, "a token of another type");
}

/* ["3"], or [] where libcryptsetup took the keyslot out: -1. */
static int keyslot_of(struct json_object *object, int *ret, struct sr_err *err)
{
	struct json_object *array = json_object_object_get(object, "keyslots"), *item;
	size_t count = json_object_array_length(array);
	char again[12];
	int slot;

	*ret = -1;
	if (count == 0)
		return 0;
	item = json_object_array_get_idx(array, 0);
	if (count != 1 || !json_object_is_type(item, json_type_string))
		return sr_fail(err, -EBADMSG, "not for one keyslot");
	slot = atoi(json_object_get_string(item));
	(void)snprintf(again, sizeof(again), "%d", slot);
	if (slot < 0 || slot >= SR_TOKEN_SLOTS ||
	    strcmp(again, json_object_get_string(item)) != 0)
		return sr_fail(err, -EBADMSG, "no such keyslot");
	*ret = slot;
	return 0;
}

static int take_numbers(struct json_object *object, struct sr_token *token,
			struct sr_err *err)
{
	int64_t format = json_object_get_int64(json_object_object_get(object, "format"));
	int64_t slot = json_object_get_int64(json_object_object_get(object, "slot"));
	int keyslot, r = keyslot_of(object, &keyslot, err);

	if (r < 0)
		return r;
	if (format != SR_TOKEN_FORMAT)
		return sr_fail(err, -EBADMSG, "of a newer format: upgrade sealring");
	if (slot < 0 || slot >= SR_TOKEN_SLOTS || (keyslot >= 0 && keyslot != slot))
		return sr_fail(err, -EBADMSG, "for another keyslot");
	token->slot = (int)slot;
	token->assigned = keyslot >= 0;
	token->parts.pin = json_object_get_boolean(json_object_object_get(object, "pin"));
	return 0;
}

static int take_approval(struct json_object *object, struct sr_ring_parts *parts,
			 struct sr_err *err)
{
	int r = check_fields(object, approval_fields, SR_COUNT(approval_fields), err);

	if (r == 0)
		r = take_text(object, "key", SR_TOKEN_TEXT_MAX,
			      &parts->approvals[parts->count], err);
	if (r == 0)
		r = take_text(object, "values", SR_TOKEN_TEXT_MAX,
			      &parts->values[parts->count], err);
	if (parts->approvals[parts->count])
		parts->count++;
	return r;
}

static int take_approvals(struct json_object *object, struct sr_ring_parts *parts,
			  struct sr_err *err)
{
	struct json_object *array = json_object_object_get(object, "approvals");
	size_t count = json_object_array_length(array);
	int r = 0;

	if (count == 0 || count > SR_PARTS_APPROVALS)
		return sr_fail(err, -EBADMSG, "not 1 to %d approvals",
			       SR_PARTS_APPROVALS);
	parts->approvals = calloc(count + 1, sizeof(*parts->approvals));
	parts->values = calloc(count + 1, sizeof(*parts->values));
	if (!parts->approvals || !parts->values)
		return sr_fail(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count && r == 0; i++)
		r = take_approval(json_object_array_get_idx(array, i), parts, err);
	return r;
}

static int take_parts(struct json_object *object, struct sr_ring_parts *parts,
		      struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf srk = { 0 };
	int r = take_text(object, "ring", SR_NAME_MAX, &parts->name, err);

	if (r == 0)
		r = take_text(object, "id", ID_DIGITS, &parts->id, err);
	if (r == 0)
		r = take_text(object, "pcrs", SR_TOKEN_TEXT_MAX, &parts->pcrs, err);
	if (r == 0)
		r = take_bytes(object, "srk", &srk, err);
	if (r == 0)
		r = take_approvals(object, parts, err);
	parts->srk_size = srk.size;
	parts->srk = take(srk.data);
	return r;
}

int sr_token_read(const char *json, struct sr_token *ret, struct sr_err *err)
{
	_cleanup_token_ struct sr_token token = { 0 };
	_cleanup_json_ struct json_object *object = NULL;
	int r = parse(json, &object, err);

	if (r == 0)
		r = check_fields(object, token_fields, SR_COUNT(token_fields), err);
	if (r == 0)
		r = check_type(object, SR_TOKEN_TYPE, err);
	if (r == 0)
		r = take_numbers(object, &token, err);
	if (r == 0)
		r = take_parts(object, &token.parts, err);
	if (r == 0)
		r = take_bytes(object, "secret", &token.envelope, err);
	if (r < 0)
		return r;
	*ret = token;
	token = (struct sr_token){ 0 };
	return 0;
}

static int add(struct json_object *object, const char *name, struct json_object *value)
{
	if (value && json_object_object_add(object, name, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static int add_text(struct json_object *object, const char *name, const char *text)
{
	return add(object, name, json_object_new_string(text));
}

static int add_bytes(struct json_object *object, const char *name, const uint8_t *data,
		     size_t size)
{
	_cleanup_free_ char *text = malloc(SR_BASE64_SIZE(size));

	if (!text)
		return -ENOMEM;
	sr_base64_format(data, size, text);
	return add_text(object, name, text);
}

static int append(struct json_object *array, struct json_object *value)
{
	if (value && json_object_array_add(array, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static int add_keyslots(struct json_object *object, int slot)
{
	struct json_object *array = json_object_new_array();
	char text[12];
	int r = add(object, "keyslots", array);

	(void)snprintf(text, sizeof(text), "%d", slot);
	return r < 0 || slot < 0 ? r : append(array, json_object_new_string(text));
}

static int add_approvals(struct json_object *object, const struct sr_ring_parts *parts)
{
	struct json_object *array = json_object_new_array();
	int r = add(object, "approvals", array);

	for (size_t i = 0; i < parts->count && r == 0; i++) {
		struct json_object *approval = json_object_new_object();

		r = append(array, approval);
		if (r == 0)
			r = add_text(approval, "key", parts->approvals[i]);
		if (r == 0)
			r = add_text(approval, "values", parts->values[i]);
	}
	return r;
}

static int fill(struct json_object *object, const struct sr_token *token)
{
	const struct sr_ring_parts *parts = &token->parts;
	int r = add_text(object, "type", SR_TOKEN_TYPE);

	if (r == 0)
		r = add_keyslots(object, token->assigned ? token->slot : -1);
	if (r == 0)
		r = add(object, "format", json_object_new_int(SR_TOKEN_FORMAT));
	if (r == 0)
		r = add(object, "slot", json_object_new_int(token->slot));
	if (r == 0)
		r = add_text(object, "ring", parts->name);
	if (r == 0)
		r = add_text(object, "id", parts->id);
	if (r == 0)
		r = add_text(object, "pcrs", parts->pcrs);
	if (r == 0)
		r = add(object, "pin", json_object_new_boolean(parts->pin));
	if (r == 0)
		r = add_bytes(object, "srk", parts->srk, parts->srk_size);
	if (r == 0)
		r = add_approvals(object, parts);
	if (r == 0)
		r = add_bytes(object, "secret", token->envelope.data,
			      token->envelope.size);
	return r;
}

static char *print(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
	    object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	return text ? strdup(text) : NULL;
}

int sr_token_write(const struct sr_token *token, char **ret, struct sr_err *err)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	_cleanup_free_ char *text = NULL;

	if (object && fill(object, token) == 0)
		text = print(object);
	if (!text)
		return sr_fail(err, -ENOMEM, "out of memory");
	if (strlen(text) > SR_TOKEN_MAX)
		return sr_fail(
		    err, -EINVAL,
		    "ring %s has too many approvals for a LUKS2 header: tpm-reseal "
		    "now %s leaves one",
		    token->parts.name, token->parts.name);
	*ret = take(text);
	return 0;
}

void sr_token_type(const char *json, char *ret, size_t size)
{
	_cleanup_json_ struct json_object *object = json_tokener_parse(json);
	struct json_object *type;

	ret[0] = '\0';
	if (json_object_object_get_ex(object, "type", &type) &&
	    json_object_is_type(type, json_type_string))
		(void)snprintf(ret, size, "%s", json_object_get_string(type));
}

int sr_token_recovery_read(const char *json, struct sr_token_recovery *ret,
			   struct sr_err *err)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct sr_token_recovery mark = { 0 };
	const char *ring, *id;
	int r = parse(json, &object, err);

	if (r == 0)
		r = check_fields(object, recovery_fields, SR_COUNT(recovery_fields), err);
	if (r == 0)
		r = check_type(object, SR_TOKEN_RECOVERY_TYPE, err);
	if (r == 0)
		r = keyslot_of(object, &mark.slot, err);
	if (r < 0)
		return r;
	ring = text_of(object, "ring", SR_NAME_MAX);
	id = text_of(object, "id", ID_DIGITS);
	if (!ring || !id)
		return sr_fail(err, -EBADMSG, "a text is too long, or none");
	(void)snprintf(mark.ring, sizeof(mark.ring), "%s", ring);
	(void)snprintf(mark.id, sizeof(mark.id), "%s", id);
	*ret = mark;
	return 0;
}

char *sr_token_recovery_write(const struct sr_token_recovery *mark)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	int r = object ? add_text(object, "type", SR_TOKEN_RECOVERY_TYPE) : -ENOMEM;

	if (r == 0)
		r = add_keyslots(object, mark->slot);
	if (r == 0)
		r = add_text(object, "ring", mark->ring);
	if (r == 0)
		r = add_text(object, "id", mark->id);
	return r == 0 ? print(object) : NULL;
}
