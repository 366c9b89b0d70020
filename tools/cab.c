/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files in a cabinet archive, as updates of firmware are distributed in. */
#include "cab.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "codec/bytes.h"
#include "ground/attr.h"

#define BLOCK_MAX 32768 /* bytes in a block, once it is unpacked */
#define NAME_MAX_CAB 256

enum { HAS_PREVIOUS = 1, HAS_NEXT = 2, HAS_RESERVE = 4 };
enum { STORED = 0, MSZIP = 1 };

struct cab {
	struct sr_bytes all;
	uint32_t files_at;
	uint16_t folders;
	uint16_t files;
	uint8_t folder_reserve;
	uint8_t block_reserve;
	struct sr_bytes first_folder;
};

struct entry {
	char name[NAME_MAX_CAB];
	uint32_t size;
	uint32_t start;
	uint16_t folder;
};

struct folder {
	uint32_t at;
	uint16_t blocks;
	uint16_t packing;
};

/* What is wanted of what a folder unpacks to. */
struct piece {
	uint64_t start;
	uint64_t end;
	uint8_t *to;
};

static int fail(struct sr_err *err)
{
	return sr_fail(err, -EBADMSG, "the cabinet archive is damaged");
}

static bool seek(const struct cab *cab, uint32_t at, struct sr_bytes *ret)
{
	const uint8_t *skipped;

	*ret = cab->all;
	return sr_bytes_take(ret, at, &skipped);
}

static bool skip(struct sr_bytes *in, size_t size)
{
	const uint8_t *skipped;

	return sr_bytes_take(in, size, &skipped);
}

static int read_header(struct cab *cab, struct sr_err *err)
{
	static const uint8_t magic[4] = { 'M', 'S', 'C', 'F' };
	struct sr_bytes in = cab->all;
	uint16_t flags, reserve = 0;
	const uint8_t *at;

	if (!sr_bytes_take(&in, 4, &at) || memcmp(at, magic, 4) != 0)
		return sr_fail(err, -EBADMSG, "this is no cabinet archive");
	if (!skip(&in, 12) || !sr_bytes_u32(&in, &cab->files_at) || !skip(&in, 6) ||
	    !sr_bytes_u16(&in, &cab->folders) || !sr_bytes_u16(&in, &cab->files) ||
	    !sr_bytes_u16(&in, &flags) || !skip(&in, 4))
		return fail(err);
	if (flags & (HAS_PREVIOUS | HAS_NEXT))
		return sr_fail(err, -EBADMSG, "a cabinet archive in several parts");
	if (flags & HAS_RESERVE &&
	    (!sr_bytes_u16(&in, &reserve) || !sr_bytes_u8(&in, &cab->folder_reserve) ||
	     !sr_bytes_u8(&in, &cab->block_reserve)))
		return fail(err);
	if (!skip(&in, reserve))
		return fail(err);
	cab->first_folder = in;
	return 0;
}

static int read_folder(const struct cab *cab, uint16_t index, struct folder *ret,
		       struct sr_err *err)
{
	struct sr_bytes in = cab->first_folder;

	if (index >= cab->folders ||
	    !skip(&in, (size_t)index * (8 + cab->folder_reserve)) ||
	    !sr_bytes_u32(&in, &ret->at) || !sr_bytes_u16(&in, &ret->blocks) ||
	    !sr_bytes_u16(&in, &ret->packing))
		return fail(err);
	ret->packing &= 0xf;
	if (ret->packing != STORED && ret->packing != MSZIP)
		return sr_fail(err, -EBADMSG,
			       "the cabinet archive is compressed in a way that is not "
			       "known here");
	return 0;
}

static int read_entry(struct sr_bytes *in, struct entry *ret, struct sr_err *err)
{
	const uint8_t *name;
	size_t length;

	if (!sr_bytes_u32(in, &ret->size) || !sr_bytes_u32(in, &ret->start) ||
	    !sr_bytes_u16(in, &ret->folder) || !skip(in, 6))
		return fail(err);
	length = strnlen((const char *)in->data, in->left);
	if (length >= sizeof(ret->name) || !sr_bytes_take(in, length + 1, &name))
		return fail(err);
	memcpy(ret->name, name, length + 1);
	return 0;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t length = strlen(name), wanted = strlen(suffix);

	return length >= wanted && strcasecmp(name + length - wanted, suffix) == 0;
}

static int find_entry(const struct cab *cab, const char *suffix, size_t index,
		      struct entry *ret, struct sr_err *err)
{
	struct sr_bytes in;

	if (!seek(cab, cab->files_at, &in))
		return fail(err);
	for (uint16_t i = 0; i < cab->files; i++) {
		int r = read_entry(&in, ret, err);

		if (r < 0)
			return r;
		if (ends_with(ret->name, suffix) && index-- == 0)
			return 0;
	}
	return -ENOENT;
}

/* Each block is compressed by itself, but may refer to the one before. */
static bool inflate_block(z_stream *stream, const uint8_t *data, size_t size,
			  uint8_t *block, size_t before, size_t length)
{
	uint8_t dictionary[BLOCK_MAX];

	if (size < 2 || data[0] != 'C' || data[1] != 'K')
		return false;
	memcpy(dictionary, block, before);
	if (inflateReset(stream) != Z_OK ||
	    (before > 0 &&
	     inflateSetDictionary(stream, dictionary, (uInt)before) != Z_OK))
		return false;
	stream->next_in = (Bytef *)(data + 2);
	stream->avail_in = (uInt)(size - 2);
	stream->next_out = block;
	stream->avail_out = (uInt)length;
	return inflate(stream, Z_FINISH) == Z_STREAM_END && stream->avail_out == 0;
}

static void take_piece(const struct piece *piece, uint64_t at, const uint8_t *block,
		       size_t length)
{
	uint64_t from = at > piece->start ? at : piece->start;
	uint64_t to = at + length < piece->end ? at + length : piece->end;

	if (from < to)
		memcpy(piece->to + (from - piece->start), block + (from - at), to - from);
}

static bool unpack(const struct cab *cab, const struct folder *folder, z_stream *stream,
		   const struct piece *piece)
{
	uint8_t block[BLOCK_MAX];
	struct sr_bytes in;
	uint64_t at = 0;
	size_t before = 0;

	if (!seek(cab, folder->at, &in))
		return false;
	for (uint16_t i = 0; i < folder->blocks && at < piece->end; i++) {
		uint16_t size, length;
		const uint8_t *data;

		if (!skip(&in, 4) || !sr_bytes_u16(&in, &size) ||
		    !sr_bytes_u16(&in, &length) || !skip(&in, cab->block_reserve) ||
		    !sr_bytes_take(&in, size, &data) || length > BLOCK_MAX)
			return false;
		if (folder->packing == MSZIP) {
			if (!inflate_block(stream, data, size, block, before, length))
				return false;
		} else if (size == length) {
			memcpy(block, data, length);
		} else {
			return false;
		}
		take_piece(piece, at, block, length);
		at += length;
		before = length;
	}
	return at >= piece->end;
}

static int unpack_entry(const struct cab *cab, const struct entry *entry, uint8_t *to,
			struct sr_err *err)
{
	struct piece piece = { entry->start, (uint64_t)entry->start + entry->size, to };
	z_stream stream = { 0 };
	struct folder folder;
	bool good;
	int r = read_folder(cab, entry->folder, &folder, err);

	if (r < 0)
		return r;
	if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
		return sr_fail(err, -ENOMEM, "out of memory");
	good = unpack(cab, &folder, &stream, &piece);
	(void)inflateEnd(&stream);
	return good ? 0 : fail(err);
}

int cab_extract(const void *data, size_t size, const char *suffix, size_t index,
		size_t max, char **ret, size_t *length, struct sr_err *err)
{
	struct cab cab = { .all = { data, size } };
	_cleanup_free_ char *content = NULL;
	struct entry entry;
	int r = read_header(&cab, err);

	if (r == 0)
		r = find_entry(&cab, suffix, index, &entry, err);
	if (r < 0)
		return r;
	if (entry.size > max)
		return sr_fail(err, -EBADMSG, "a %s of more than %zu bytes", suffix, max);
	content = calloc(1, (size_t)entry.size + 1);
	if (!content)
		return sr_fail(err, -ENOMEM, "out of memory");
	r = unpack_entry(&cab, &entry, (uint8_t *)content, err);
	if (r < 0)
		return r;
	*ret = take(content);
	*length = entry.size;
	return 0;
}
