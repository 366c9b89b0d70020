/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzing of codec/envelope: arbitrary files, and arbitrary secrets with a bit flipped.
 */
#include <assert.h>
#include <string.h>

#include "codec/envelope.h"

#define RING "system"
#define NAME "db"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sr_secret ring_key;

/* Bytes 0 to 31: the key that the seeds were made with. */
static void make_ring_key(void)
{
	if (ring_key.data)
		return;
	assert(sr_secret_alloc(SR_RING_KEY, &ring_key, NULL) == 0);
	for (size_t i = 0; i < ring_key.size; i++)
		ring_key.data[i] = (uint8_t)i;
}

static bool open_file(const struct sr_buf *file, struct sr_secret *ret)
{
	struct sr_err err = { 0 };
	int r = sr_envelope_open(&ring_key, RING, NAME, file, ret, &err);

	assert(r == 0 || (r == -EBADMSG && err.code == r && err.text[0] && !ret->data));
	return r == 0;
}

/* What is sealed opens, and with any one bit changed it does not. */
static void check_secret(const struct sr_secret *secret, size_t where)
{
	_cleanup_secret_ struct sr_secret again = { 0 }, damaged = { 0 };
	_cleanup_buf_ struct sr_buf file = { 0 };

	assert(sr_envelope_seal(&ring_key, RING, NAME, secret, &file, NULL) == 0);
	assert(open_file(&file, &again));
	assert(sr_secret_equal(secret, &again));
	file.data[where % file.size] ^= (uint8_t)(1 << where % 8);
	assert(!open_file(&file, &damaged));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sr_buf file = { .data = (uint8_t *)data, .size = size };
	_cleanup_secret_ struct sr_secret opened = { 0 }, given = { 0 };

	make_ring_key();
	if (open_file(&file, &opened))
		check_secret(&opened, 0);
	if (size == 0 || size > SR_SECRET_MAX)
		return 0;
	assert(sr_secret_copy(data, size, &given, NULL) == 0);
	check_secret(&given, (size_t)data[0] << 8 | data[size - 1]);
	return 0;
}
