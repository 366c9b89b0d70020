/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON from others: one object, read in place, because a PIN may be in it. */
#include "json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ground/attr.h"

#define NUMBER_MAX 9 /* digits in a number */

/* What has not been read yet. */
struct reader {
	char *at;
	char *end;
};

static int fail_form(struct sr_err *err, const char *what)
{
	return sr_fail(err, -EINVAL, "that is not the JSON that belongs here: %s", what);
}

static void skip_space(struct reader *from)
{
	while (from->at < from->end && strchr(" \t\r\n", *from->at) && *from->at)
		from->at++;
}

static bool take_mark(struct reader *from, char letter)
{
	skip_space(from);
	if (from->at == from->end || *from->at != letter)
		return false;
	from->at++;
	return true;
}

static bool take_word(struct reader *from, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(from->end - from->at) < size || memcmp(from->at, word, size) != 0)
		return false;
	from->at += size;
	return true;
}

/* ---- texts ---- */

static bool take_hex(struct reader *from, unsigned int *ret)
{
	*ret = 0;
	if (from->end - from->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char letter = *from->at++;
		int digit = letter >= '0' && letter <= '9'   ? letter - '0'
			    : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
			    : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10
							     : -1;

		if (digit < 0)
			return false;
		*ret = *ret << 4 | (unsigned int)digit;
	}
	return true;
}

static bool is_surrogate(unsigned int code, unsigned int from)
{
	return code >= from && code < from + 0x400;
}

/* UTF-8 is never longer than what it is written as here. */
static char *put_code(char *to, unsigned int code)
{
	if (code < 0x80) {
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*to++ = (char)(0xe0 | code >> 12);
		} else {
			*to++ = (char)(0xf0 | code >> 18);
			*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

static bool take_unicode(struct reader *from, char **to)
{
	unsigned int code, low;

	if (!take_hex(from, &code))
		return false;
	if (is_surrogate(code, 0xdc00))
		return false;
	if (is_surrogate(code, 0xd800)) {
		if (!take_word(from, "\\u") || !take_hex(from, &low) ||
		    !is_surrogate(low, 0xdc00))
			return false;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	*to = put_code(*to, code);
	return true;
}

static bool take_escape(struct reader *from, char **to)
{
	static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *known;
	char letter;

	if (from->at == from->end)
		return false;
	letter = *from->at++;
	if (letter == 'u')
		return take_unicode(from, to);
	known = letter ? strchr(letters, letter) : NULL;
	if (!known)
		return false;
	*(*to)++ = values[known - letters];
	return true;
}

/* Bytes from 0x80 on are as they are: a PIN need not be UTF-8. */
static bool take_text(struct reader *from, struct json_text *ret)
{
	char *to;

	if (!take_mark(from, '\"'))
		return false;
	ret->data = to = from->at;
	while (from->at < from->end && *from->at != '\"') {
		char letter = *from->at++;

		if (letter == '\\') {
			if (!take_escape(from, &to))
				return false;
		} else if (letter >= 0 && letter < ' ') {
			return false;
		} else {
			*to++ = letter;
		}
	}
	if (from->at == from->end)
		return false;
	from->at++;
	*to = '\0'; /* at the latest over the mark at its end */
	ret->size = (size_t)(to - ret->data);
	return true;
}

/* ---- members ---- */

static int take_list(struct reader *from, struct json_field *field, struct sr_err *err)
{
	field->list = calloc(JSON_LIST_MAX, sizeof(*field->list));
	if (!field->list)
		return sr_fail(err, -ENOMEM, "out of memory");
	if (take_mark(from, ']'))
		return 0;
	do {
		if (field->count == JSON_LIST_MAX)
			return sr_fail(err, -EINVAL, "%s: a list has %d texts at most",
				       field->name, JSON_LIST_MAX);
		if (!take_text(from, &field->list[field->count++]))
			return sr_fail(err, -EINVAL, "%s: a list is of texts",
				       field->name);
	} while (take_mark(from, ','));
	return take_mark(from, ']') ? 0 : fail_form(err, "a list does not end");
}

static bool take_number(struct reader *from, unsigned int *ret)
{
	const char *begin = from->at;

	for (*ret = 0; from->at < from->end && *from->at >= '0' && *from->at <= '9' &&
		       from->at - begin < NUMBER_MAX;)
		*ret = *ret * 10 + (unsigned int)(*from->at++ - '0');
	return from->at > begin && (*begin != '0' || from->at == begin + 1);
}

static int take_value(struct reader *from, struct json_field *field, struct sr_err *err)
{
	int r = 0;

	skip_space(from);
	if (field->may_be & JSON_LIST && take_mark(from, '[')) {
		field->is = JSON_LIST;
		r = take_list(from, field, err);
	} else if (field->may_be & JSON_TEXT && take_text(from, &field->text)) {
		field->is = JSON_TEXT;
	} else if (field->may_be & JSON_FLAG &&
		   ((field->flag = take_word(from, "true")) ||
		    take_word(from, "false"))) {
		field->is = JSON_FLAG;
	} else if (field->may_be & JSON_NUMBER && take_number(from, &field->number)) {
		field->is = JSON_NUMBER;
	} else {
		r = sr_fail(err, -EINVAL, "%s: that is no value for it", field->name);
	}
	return r;
}

static int take_member(struct reader *from, struct json_field *fields, struct sr_err *err)
{
	struct json_text name;

	if (!take_text(from, &name))
		return fail_form(err, "a member has a name");
	if (!take_mark(from, ':'))
		return fail_form(err, "a member has a value");
	while (fields->name && (strlen(fields->name) != name.size ||
				strcmp(fields->name, name.data) != 0))
		fields++;
	if (!fields->name)
		return fail_form(err, "it has a member that is not known");
	if (fields->is != JSON_ABSENT)
		return sr_fail(err, -EINVAL, "%s: it is there twice", fields->name);
	return take_value(from, fields, err);
}

int json_read(char *data, size_t size, struct json_field *fields, struct sr_err *err)
{
	struct reader from = { data, data + size };
	int r = 0;

	if (!take_mark(&from, '{'))
		return fail_form(err, "it begins with no object");
	if (!take_mark(&from, '}')) {
		do
			r = take_member(&from, fields, err);
		while (r == 0 && take_mark(&from, ','));
		if (r == 0 && !take_mark(&from, '}'))
			r = fail_form(err, "the object does not end");
	}
	skip_space(&from);
	if (r == 0 && from.at != from.end)
		r = fail_form(err, "something stands behind it");
	return r;
}

void json_done(struct json_field *fields)
{
	for (; fields->name; fields++) {
		free(fields->list);
		*fields =
		    (struct json_field){ .name = fields->name, .may_be = fields->may_be };
	}
}

const char *json_string(const struct json_field *field, const char *otherwise)
{
	if (field->is != JSON_TEXT)
		return otherwise;
	return strlen(field->text.data) == field->text.size ? field->text.data : NULL;
}
