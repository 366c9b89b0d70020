/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PKCS#1 v1.5 around a key: taken off so that nobody learns whether it was there. */
#include "rsaes.h"

#include <string.h>

#include "pubkey.h"

/* 0xff for zero, else 0: without a branch. */
static uint8_t is_zero(uint8_t byte)
{
	return (uint8_t)(((uint32_t)byte - 1) >> 24);
}

/* 0x00, 0x02, random bytes that are not zero, 0x00, the key (RFC 8017, 7.2.2). */
static uint8_t is_padded(const uint8_t *block, size_t padding)
{
	uint8_t good = is_zero(block[0]) & is_zero(block[1] ^ 0x02);

	for (size_t i = 2; i < padding - 1; i++)
		good &= (uint8_t)~is_zero(block[i]);
	return good & is_zero(block[padding - 1]);
}

int sr_rsaes_open(const uint8_t *block, size_t used, size_t modulus, size_t size,
		  struct sr_secret *ret)
{
	_cleanup_secret_ struct sr_secret full = { 0 }, key = { 0 };
	uint8_t good;
	int r;

	if (size == 0 || modulus < size + SR_RSAES_AROUND || used > modulus)
		return -EINVAL;
	r = sr_secret_alloc(modulus, &full, NULL);
	if (r == 0)
		r = sr_secret_random(size, &key, NULL);
	if (r < 0)
		return r;
	(void)sr_pubkey_pad(block, used, full.data, modulus);
	good = is_padded(full.data, modulus - size);
	for (size_t i = 0; i < size; i++)
		key.data[i] = (uint8_t)((full.data[modulus - size + i] & good) |
					(key.data[i] & (uint8_t)~good));
	sr_secret_take(&key, ret);
	return 0;
}
