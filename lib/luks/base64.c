/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Base64 (RFC 4648, section 4) in its one canonical form. */
#include "base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

void sr_base64_encode(const uint8_t *data, size_t size, char *ret)
{
	(void)EVP_EncodeBlock((uint8_t *)ret, data, (int)size);
}

static size_t padding(const char *text, size_t length)
{
	size_t count = 0;

	while (count < 2 && count < length && text[length - 1 - count] == '=')
		count++;
	return count;
}

/* libcrypto skips white space and takes any padding: only what it would write is taken. */
static bool is_canonical(const char *text, size_t length, const struct sr_buf *bytes)
{
	char again[65];

	if (sr_base64_size(bytes->size) != length)
		return false;
	for (size_t at = 0; at < bytes->size; at += 48) {
		size_t size = bytes->size - at < 48 ? bytes->size - at : 48;

		sr_base64_encode(bytes->data + at, size, again);
		if (memcmp(again, text + at / 3 * 4, sr_base64_size(size)) != 0)
			return false;
	}
	return true;
}

int sr_base64_decode(const char *text, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf bytes = { 0 };
	size_t length = strlen(text);
	int n;

	if (length == 0 || length % 4 || length > INT_MAX)
		return sr_fail(err, -EBADMSG, "not base64");
	bytes.data = malloc(length);
	if (!bytes.data)
		return sr_fail(err, -ENOMEM, "out of memory");
	n = EVP_DecodeBlock(bytes.data, (const uint8_t *)text, (int)length);
	if (n < 0)
		return sr_fail(err, -EBADMSG, "not base64");
	bytes.size = (size_t)n - padding(text, length);
	if (!is_canonical(text, length, &bytes))
		return sr_fail(err, -EBADMSG, "not base64");
	bytes.data[bytes.size] = '\0';
	*ret = bytes;
	bytes = (struct sr_buf){ 0 };
	return 0;
}
