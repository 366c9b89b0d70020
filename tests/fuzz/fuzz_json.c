/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes bodies of REST: what is read lies in the body; written again it is read as the same. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS                                                                           \
	{                                                                                \
		{ .name = "data", .may_be = JSON_TEXT | JSON_LIST },                     \
		    { .name = "hash", .may_be = JSON_TEXT },                             \
		    { .name = "pss", .may_be = JSON_FLAG },                              \
		    { .name = "pin", .may_be = JSON_TEXT }, { 0 },                       \
	}

static void check_text(const struct json_text *text, const char *body, size_t size)
{
	assert(text->data > body && text->data + text->size < body + size);
	assert(text->data[text->size] == '\0');
}

static size_t put_text(char *to, const struct json_text *text)
{
	size_t used = 0;

	to[used++] = '"';
	for (size_t i = 0; i < text->size; i++)
		used += (size_t)sprintf(to + used,
					(signed char)text->data[i] < 0 ? "%c" : "\\u%04x",
					(unsigned char)text->data[i]);
	to[used++] = '"';
	return used;
}

/* All of it escaped, which is six bytes for one. */
static void check_again(const struct json_field *first, size_t size)
{
	struct json_field again[] = FIELDS;
	char *to = malloc(6 * size + 64);
	size_t used = 0;

	assert(to);
	to[used++] = '{';
	if (first[3].is == JSON_TEXT) {
		used += (size_t)sprintf(to + used, "\"pin\":");
		used += put_text(to + used, &first[3].text);
	}
	to[used++] = '}';
	assert(json_read(to, used, again, NULL) == 0);
	assert(again[3].is == first[3].is && again[3].text.size == first[3].text.size);
	assert(first[3].is != JSON_TEXT ||
	       memcmp(again[3].text.data, first[3].text.data, first[3].text.size) == 0);
	json_done(again);
	free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_field fields[] = FIELDS;
	char *body = malloc(size ? size : 1);
	int r;

	assert(body);
	if (size > 0)
		memcpy(body, data, size);
	r = json_read(body, size, fields, NULL);
	assert(r == 0 || r == -EINVAL);
	for (struct json_field *field = fields; r == 0 && field->name; field++) {
		assert(field->is == JSON_ABSENT || field->is & field->may_be);
		if (field->is == JSON_TEXT)
			check_text(&field->text, body, size);
		for (size_t i = 0; i < field->count; i++)
			check_text(&field->list[i], body, size);
	}
	if (r == 0)
		check_again(fields, size);
	json_done(fields);
	free(body);
	return 0;
}
