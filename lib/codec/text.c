/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of a bounded length, into which strings of strangers go escaped. */
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static bool printable(unsigned int c)
{
	return c >= 0x20 && c < 0x7f;
}

/* What does not fit with "..." behind it is cut, once. */
static bool append(struct sr_text *text, const char *more)
{
	size_t length = strlen(more), room = text->room - text->used;
	bool fits = length + sizeof("...") <= room;

	if (!fits)
		length = room < sizeof("...") ? 0 : room - sizeof("...");
	memcpy(text->at + text->used, more, length);
	text->used += length;
	if (room >= sizeof("..."))
		memcpy(text->at + text->used, fits ? "" : "...", fits ? 1 : 4);
	if (!fits)
		text->room = text->used;
	return fits;
}

void sr_text_add(struct sr_text *text, const char *fmt, ...)
{
	char more[2 * SR_EVENT_TEXT];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	(void)append(text, more);
}

static bool append_character(struct sr_text *text, unsigned int c, const char *escape)
{
	char more[8];

	if (printable(c))
		(void)snprintf(more, sizeof(more), "%c", (char)c);
	else
		(void)snprintf(more, sizeof(more), escape, c);
	return append(text, more);
}

void sr_text_ascii(struct sr_text *text, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size && data[i] != '\0'; i++)
		if (!append_character(text, data[i], "\\x%02x"))
			return;
}

static unsigned int unit(const uint8_t *data)
{
	return data[0] | (unsigned int)data[1] << 8;
}

void sr_text_utf16(struct sr_text *text, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 1 < size && unit(data + i) != 0; i += 2)
		if (!append_character(text, unit(data + i), "\\u%04x"))
			return;
}

void sr_text_size(struct sr_text *text, uint64_t size)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
	size_t power = 0;

	while (size >= 1024 && size % 1024 == 0 && power + 1 < SR_COUNT(units)) {
		size /= 1024;
		power++;
	}
	sr_text_add(text, "%" PRIu64 " %s", size,
		    size == 1 && power == 0 ? "byte" : units[power]);
}

bool sr_text_is_ascii(const uint8_t *data, size_t size)
{
	while (size > 0 && data[size - 1] == '\0')
		size--;
	for (size_t i = 0; i < size; i++)
		if (!printable(data[i]) && data[i] != '\n' && data[i] != '\t')
			return false;
	return size > 0;
}

bool sr_text_is_utf16(const uint8_t *data, size_t size)
{
	if (size % 2 != 0)
		return false;
	while (size > 0 && unit(data + size - 2) == 0)
		size -= 2;
	for (size_t i = 0; i < size; i += 2)
		if (!printable(unit(data + i)))
			return false;
	return size > 0;
}
