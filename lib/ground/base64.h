/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Base64 (RFC 4648, section 4) in its one canonical form. */
#ifndef SR_BASE64_H
#define SR_BASE64_H

#include "io.h"

#define SR_BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1) /* characters and the NUL */

/** sr_base64_format() - write @size bytes in base64, padded, in one line, and a NUL */
void sr_base64_format(const uint8_t *data, size_t size, char *ret);

/**
 * sr_base64_parse() - read what sr_base64_format() writes, and nothing else
 * @text:	base64; no white space, the unused bits zero
 * @max:	bytes at most
 * @ret:	the bytes; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int sr_base64_parse(const char *text, size_t max, struct sr_buf *ret, struct sr_err *err);

#endif
