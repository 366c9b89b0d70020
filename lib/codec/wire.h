/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wire format of SSH (RFC 4251, section 5): written into bounded room, read strictly. */
#ifndef SR_WIRE_H
#define SR_WIRE_H

#include "ground/io.h"

/**
 * struct sr_writer - where a message is written to
 * @data:	room for it
 * @room:	bytes of it
 * @size:	bytes written
 * @full:	something did not fit; nothing is written from then on
 */
struct sr_writer {
	uint8_t *data;
	size_t room;
	size_t size;
	bool full;
};

/* Into an array. */
#define SR_WRITER(array) ((struct sr_writer){ .data = (array), .room = sizeof(array) })

void sr_put(struct sr_writer *to, const void *data, size_t size);
void sr_put_byte(struct sr_writer *to, uint8_t byte);
void sr_put_number(struct sr_writer *to, uint32_t number);
void sr_put_string(struct sr_writer *to, const void *data, size_t size);
void sr_put_text(struct sr_writer *to, const char *text);

/** sr_put_mpint() - a number that is not negative, as short as it can be */
void sr_put_mpint(struct sr_writer *to, const uint8_t *data, size_t size);

/** sr_put_begin() - begin a string whose content is put next */
size_t sr_put_begin(struct sr_writer *to);

/** sr_put_end() - end it; @at as sr_put_begin() gave it */
void sr_put_end(struct sr_writer *to, size_t at);

/** sr_put_done() - a copy of what was written; 0, -EBADMSG (it did not fit) or -ENOMEM */
int sr_put_done(const struct sr_writer *from, struct sr_buf *ret, struct sr_err *err);

/**
 * struct sr_reader - what is still to be read
 * @data:	the next byte
 * @left:	how many there are
 * @bad:	there were fewer than asked for; every step fails from then on
 */
struct sr_reader {
	const uint8_t *data;
	size_t left;
	bool bad;
};

/** sr_get() - the next @size bytes; NULL if there are not so many */
const uint8_t *sr_get(struct sr_reader *from, size_t size);

/** sr_get_byte() - 0 if there is none */
uint8_t sr_get_byte(struct sr_reader *from);

/** sr_get_number() - 0 if there is none */
uint32_t sr_get_number(struct sr_reader *from);

/** sr_get_string() - a reader of its content, which is bad if there is none */
struct sr_reader sr_get_string(struct sr_reader *from);

/** sr_get_end() - whether all was there, and nothing is left */
bool sr_get_end(const struct sr_reader *from);

/** sr_wire_is() - whether what is left is these bytes */
bool sr_wire_is(const struct sr_reader *from, const void *data, size_t size);

/** sr_wire_is_text() - whether what is left is this text */
bool sr_wire_is_text(const struct sr_reader *from, const char *text);

#endif
