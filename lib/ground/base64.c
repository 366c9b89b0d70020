/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Base64 (RFC 4648, section 4) in its one canonical form. */
#include "base64.h"

#include <openssl/evp.h>
#include <string.h>

void sr_base64_format(const uint8_t *data, size_t size, char *ret)
{
	(void)EVP_EncodeBlock((unsigned char *)ret, data, (int)size);
	if (size == 0)
		ret[0] = '\0';
}

/* libcrypto is lenient about white space and unused bits: only its own form is read. */
int sr_base64_parse(const char *text, size_t max, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf bytes = { 0 };
	_cleanup_free_ char *again = NULL;
	size_t length = strlen(text);

	if (length % 4 || length / 4 * 3 > max + 2)
		return sr_fail(err, -EINVAL, "not base64 of at most %zu bytes", max);
	bytes.data = calloc(1, length / 4 * 3 + 1);
	again = calloc(1, length + 1);
	if (!bytes.data || !again)
		return sr_fail(err, -ENOMEM, "out of memory");
	if (length > 0 && EVP_DecodeBlock(bytes.data, (const unsigned char *)text,
					  (int)length) == (int)(length / 4 * 3))
		bytes.size = length / 4 * 3;
	for (size_t i = 0; i < 2 && bytes.size > 0; i++)
		bytes.size -= text[length - 1 - i] == '=';
	sr_base64_format(bytes.data, bytes.size, again);
	if (bytes.size > max || strcmp(again, text) != 0)
		return sr_fail(err, -EINVAL, "not base64 of at most %zu bytes", max);
	*ret = bytes;
	bytes = (struct sr_buf){ 0 };
	return 0;
}
