/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON to others: one object that grows where a PIN may be in it. */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include "sealring.h"

/**
 * struct json_writer - an object on its way; begins as zero
 * @text:	what is written, once json_end() said so; release with sr_secret_done()
 * @used:	bytes in it
 * @r:		what went wrong, which json_end() tells
 */
struct json_writer {
	struct sr_secret text;
	size_t used;
	int r;
};

/** json_put() - write @text as it is */
void json_put(struct json_writer *to, const char *text);

/** json_put_name() - begin a member, whose value is to follow */
void json_put_name(struct json_writer *to, const char *name);

/** json_put_string() - write these bytes as a string */
void json_put_string(struct json_writer *to, const uint8_t *data, size_t size);

/** json_put_base64() - ... in base64, of which no copy is made */
void json_put_base64(struct json_writer *to, const uint8_t *data, size_t size);

/** json_put_text() - write a member that is a string; none if @value is NULL */
void json_put_text(struct json_writer *to, const char *name, const char *value);

/** json_end() - end the object, and its line; 0 or -ENOMEM */
int json_end(struct json_writer *to, struct sr_err *err);

#endif
