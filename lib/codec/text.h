/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of a bounded length, into which strings of strangers go escaped. */
#ifndef SR_TEXT_H
#define SR_TEXT_H

#include "ground/attr.h"
#include "sealring.h"

/**
 * struct sr_text - a text that grows up to its room
 * @at:	where it is; always ends with a NUL
 * @room:	bytes there
 * @used:	bytes of text in it
 *
 * What no longer fits is cut, and the text then ends in "...".
 */
struct sr_text {
	char *at;
	size_t room;
	size_t used;
};

/** SR_TEXT() - a text into a char array */
#define SR_TEXT(array) sr_text_start((array), sizeof(array))

static inline struct sr_text sr_text_start(char *at, size_t room)
{
	at[0] = '\0';
	return (struct sr_text){ .at = at, .room = room };
}

/** sr_text_add() - append words of ours */
void sr_text_add(struct sr_text *text, const char *fmt, ...) _printf_(2, 3);

/** sr_text_ascii() - append bytes up to a NUL; what is no printable ASCII as \xNN */
void sr_text_ascii(struct sr_text *text, const uint8_t *data, size_t size);

/** sr_text_utf16() - the same for UTF-16LE; what is no printable ASCII as \uNNNN */
void sr_text_utf16(struct sr_text *text, const uint8_t *data, size_t size);

/** sr_text_size() - append "1 MiB", "4040 bytes" */
void sr_text_size(struct sr_text *text, uint64_t size);

/** sr_text_is_ascii() - whether bytes are printable ASCII, but for NULs at the end */
bool sr_text_is_ascii(const uint8_t *data, size_t size);

/** sr_text_is_utf16() - the same, in UTF-16LE */
bool sr_text_is_utf16(const uint8_t *data, size_t size);

#endif
