/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wire format of SSH (RFC 4251, section 5): written into bounded room, read strictly. */
#include "wire.h"

#include <string.h>

void sr_put(struct sr_writer *to, const void *data, size_t size)
{
	to->full = to->full || size > to->room - to->size;
	if (to->full || size == 0)
		return;
	memcpy(to->data + to->size, data, size);
	to->size += size;
}

void sr_put_byte(struct sr_writer *to, uint8_t byte)
{
	sr_put(to, &byte, 1);
}

static void write_number(uint32_t number, uint8_t to[4])
{
	to[0] = (uint8_t)(number >> 24);
	to[1] = (uint8_t)(number >> 16);
	to[2] = (uint8_t)(number >> 8);
	to[3] = (uint8_t)number;
}

void sr_put_number(struct sr_writer *to, uint32_t number)
{
	uint8_t bytes[4];

	write_number(number, bytes);
	sr_put(to, bytes, sizeof(bytes));
}

void sr_put_string(struct sr_writer *to, const void *data, size_t size)
{
	sr_put_number(to, (uint32_t)size);
	sr_put(to, data, size);
}

void sr_put_text(struct sr_writer *to, const char *text)
{
	sr_put_string(to, text, strlen(text));
}

void sr_put_mpint(struct sr_writer *to, const uint8_t *data, size_t size)
{
	bool high;

	for (; size > 0 && *data == 0; data++)
		size--;
	high = size > 0 && *data & 0x80;
	sr_put_number(to, (uint32_t)size + high);
	if (high)
		sr_put_byte(to, 0);
	sr_put(to, data, size);
}

size_t sr_put_begin(struct sr_writer *to)
{
	size_t at = to->size;

	sr_put_number(to, 0);
	return at;
}

void sr_put_end(struct sr_writer *to, size_t at)
{
	if (!to->full)
		write_number((uint32_t)(to->size - at - 4), to->data + at);
}

int sr_put_done(const struct sr_writer *from, struct sr_buf *ret, struct sr_err *err)
{
	if (from->full)
		return sr_fail(err, -EBADMSG, "too large for what OpenSSH reads");
	ret->data = malloc(from->size + 1);
	if (!ret->data)
		return sr_fail_memory(err);
	if (from->size > 0)
		memcpy(ret->data, from->data, from->size);
	ret->data[from->size] = 0;
	ret->size = from->size;
	return 0;
}

const uint8_t *sr_get(struct sr_reader *from, size_t size)
{
	const uint8_t *at = from->data;

	from->bad = from->bad || size > from->left;
	if (from->bad)
		return NULL;
	from->data += size;
	from->left -= size;
	return at;
}

uint8_t sr_get_byte(struct sr_reader *from)
{
	const uint8_t *at = sr_get(from, 1);

	return at ? *at : 0;
}

uint32_t sr_get_number(struct sr_reader *from)
{
	const uint8_t *at = sr_get(from, 4);

	return at ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
			at[3]
		  : 0;
}

struct sr_reader sr_get_string(struct sr_reader *from)
{
	size_t size = sr_get_number(from);
	const uint8_t *at = sr_get(from, size);

	return (struct sr_reader){ .data = at, .left = at ? size : 0, .bad = !at };
}

bool sr_get_end(const struct sr_reader *from)
{
	return !from->bad && from->left == 0;
}

bool sr_wire_is(const struct sr_reader *from, const void *data, size_t size)
{
	return !from->bad && from->left == size &&
	       (size == 0 || memcmp(from->data, data, size) == 0);
}

bool sr_wire_is_text(const struct sr_reader *from, const char *text)
{
	return sr_wire_is(from, text, strlen(text));
}
