/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walking through little-endian bytes that nobody has checked yet. */
#ifndef SR_BYTES_H
#define SR_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct sr_bytes - what is still to be read
 * @data:	the next byte
 * @left:	how many there are
 *
 * Each function takes from the front; false if there is not enough, and then nothing is
 * taken.
 */
struct sr_bytes {
	const uint8_t *data;
	size_t left;
};

static inline bool sr_bytes_take(struct sr_bytes *in, size_t size, const uint8_t **ret)
{
	if (size > in->left)
		return false;
	*ret = in->data;
	in->data += size;
	in->left -= size;
	return true;
}

static inline bool sr_bytes_number(struct sr_bytes *in, size_t size, uint64_t *ret)
{
	const uint8_t *at;
	uint64_t value = 0;

	if (!sr_bytes_take(in, size, &at))
		return false;
	while (size-- > 0)
		value = value << 8 | at[size];
	*ret = value;
	return true;
}

static inline bool sr_bytes_u8(struct sr_bytes *in, uint8_t *ret)
{
	uint64_t value;
	bool good = sr_bytes_number(in, 1, &value);

	if (good)
		*ret = (uint8_t)value;
	return good;
}

static inline bool sr_bytes_u16(struct sr_bytes *in, uint16_t *ret)
{
	uint64_t value;
	bool good = sr_bytes_number(in, 2, &value);

	if (good)
		*ret = (uint16_t)value;
	return good;
}

static inline bool sr_bytes_u32(struct sr_bytes *in, uint32_t *ret)
{
	uint64_t value;
	bool good = sr_bytes_number(in, 4, &value);

	if (good)
		*ret = (uint32_t)value;
	return good;
}

static inline bool sr_bytes_u64(struct sr_bytes *in, uint64_t *ret)
{
	return sr_bytes_number(in, 8, ret);
}

#endif
