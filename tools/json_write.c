/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON to others: one object that grows where a PIN may be in it. */
#include "json_write.h"

#include <string.h>

#include "ground/base64.h"

#define PAGE 4096U /* bytes that there is room for at first */

/* For @size more bytes; a failure stays. */
static int make_room(struct json_writer *to, size_t size)
{
	struct sr_secret larger = { 0 };
	size_t room = to->text.size ?: PAGE;

	while (room - to->used < size)
		room *= 2;
	if (to->r == 0 && room != to->text.size) {
		to->r = sr_secret_alloc(room, &larger, NULL);
		if (to->r < 0)
			return to->r;
		if (to->used > 0)
			memcpy(larger.data, to->text.data, to->used);
		sr_secret_done(&to->text);
		to->text = larger;
	}
	return to->r;
}

static void put(struct json_writer *to, const void *data, size_t size)
{
	if (make_room(to, size) < 0)
		return;
	memcpy(to->text.data + to->used, data, size);
	to->used += size;
}

void json_put(struct json_writer *to, const char *text)
{
	put(to, text, strlen(text));
}

void json_put_name(struct json_writer *to, const char *name)
{
	json_put(to, to->used == 0 ? "{\"" : ",\"");
	json_put(to, name);
	json_put(to, "\":");
}

/* A byte that JSON does not take as it is, is written as \u00XX. */
void json_put_string(struct json_writer *to, const uint8_t *data, size_t size)
{
	char escaped[8];

	json_put(to, "\"");
	for (size_t i = 0; i < size; i++) {
		if (data[i] >= ' ' && data[i] != '\"' && data[i] != '\\') {
			put(to, &data[i], 1);
			continue;
		}
		(void)snprintf(escaped, sizeof(escaped), "\\u%04x", data[i]);
		json_put(to, escaped);
		explicit_bzero(escaped, sizeof(escaped));
	}
	json_put(to, "\"");
}

void json_put_base64(struct json_writer *to, const uint8_t *data, size_t size)
{
	json_put(to, "\"");
	if (make_room(to, SR_BASE64_SIZE(size)) < 0)
		return;
	sr_base64_format(data, size, (char *)to->text.data + to->used);
	to->used += SR_BASE64_SIZE(size) - 1;
	json_put(to, "\"");
}

void json_put_text(struct json_writer *to, const char *name, const char *value)
{
	if (!value)
		return;
	json_put_name(to, name);
	json_put_string(to, (const uint8_t *)value, strlen(value));
}

int json_end(struct json_writer *to, struct sr_err *err)
{
	json_put(to, "}\n");
	if (to->r < 0)
		return sr_fail(err, to->r, "out of memory");
	to->text.size = to->used;
	return 0;
}
