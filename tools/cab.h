/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files in a cabinet archive, as updates of firmware are distributed in. */
#ifndef CAB_H
#define CAB_H

#include "sealring.h"

/**
 * cab_extract() - the content of a file in an archive
 * @data:	the archive, of which nothing is believed
 * @size:	bytes in it
 * @suffix:	what the file's name ends with, in any case
 * @index:	0 for the first such file
 * @max:	bytes in it, at most
 * @ret:	its content and a NUL behind it; free() it
 * @length:	bytes in it
 * @err:	says why, on failure
 *
 * What is stored, and what is compressed by MSZIP. Checksums are not looked at: whoever
 * forges an archive makes them right.
 *
 * Returns 0, -ENOENT (no such file, without @err), -EBADMSG or -ENOMEM.
 */
int cab_extract(const void *data, size_t size, const char *suffix, size_t index,
		size_t max, char **ret, size_t *length, struct sr_err *err);

#endif
