/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Base64 (RFC 4648, section 4) in its one canonical form. */
#ifndef SR_BASE64_H
#define SR_BASE64_H

#include "ground/io.h"

/** sr_base64_size() - characters that @size bytes become, without the NUL */
#define sr_base64_size(size) (((size) + 2) / 3 * 4)

/** sr_base64_encode() - write sr_base64_size(@size) characters and a NUL */
void sr_base64_encode(const uint8_t *data, size_t size, char *ret);

/**
 * sr_base64_decode() - read what sr_base64_encode() writes
 * @text:	no white space, padded, unused bits zero
 * @ret:	the bytes; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG or -ENOMEM.
 */
int sr_base64_decode(const char *text, struct sr_buf *ret, struct sr_err *err);

#endif
