/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON from others: one object, read in place, because a PIN may be in it. */
#ifndef JSON_READ_H
#define JSON_READ_H

#include "sealring.h"

#define JSON_LIST_MAX 1024 /* texts in a list, at most */

enum json_kind {
	JSON_ABSENT = 0,
	JSON_TEXT = 1,
	JSON_LIST = 2, /* of texts */
	JSON_FLAG = 4,
	JSON_NUMBER = 8, /* 0 to 999999999 */
};

/** struct json_text - bytes, followed by a NUL; there may be others among them */
struct json_text {
	char *data;
	size_t size;
};

/**
 * struct json_field - a member of the object
 * @name:	its name; NULL ends a table
 * @may_be:	what it may be, with | between
 * @is:		what it was
 * @text:	... if a text
 * @list:	... if a list
 * @count:	how many are in @list
 * @flag:	... if true or false
 * @number:	... if a number
 */
struct json_field {
	const char *name;
	unsigned int may_be;
	enum json_kind is;
	struct json_text text;
	struct json_text *list;
	size_t count;
	bool flag;
	unsigned int number;
};

/**
 * json_read() - read an object
 * @data:	the JSON text, which is overwritten
 * @size:	bytes in it
 * @fields:	the members that there may be
 * @err:	says why, on failure; nothing of a text's content
 *
 * RFC 8259, without fractions, null and objects inside. A member that is not in @fields, or
 * is there twice, is refused. Release with json_done(), also after a failure.
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int json_read(char *data, size_t size, struct json_field *fields, struct sr_err *err);

/** json_done() - release what was read; @fields can be used again */
void json_done(struct json_field *fields);

/** json_string() - a text as a string; @otherwise if it was absent, NULL if it has a NUL inside */
const char *json_string(const struct json_field *field, const char *otherwise);

#endif
