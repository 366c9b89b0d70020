/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PCR 0 that a vendor says an update of the firmware leads to. */
#ifndef VENDOR_H
#define VENDOR_H

#include "sealring.h"

#define VENDOR_MAX 8 /* values in an archive, at most */

/**
 * struct vendor - what an archive for fwupd says
 * @value:	PCR 0, of different banks, or firmware for different machines
 * @count:	how many
 */
struct vendor {
	struct sr_pcrs value[VENDOR_MAX];
	size_t count;
};

/**
 * vendor_read() - the device checksums in the AppStream metadata of an archive
 * @data:	the archive (.cab)
 * @size:	bytes in it
 * @name:	what to call it in an error
 * @ret:	of each component, those of its first release, which is the newest
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (damaged), -EINVAL (the vendor says nothing) or -ENOMEM.
 */
int vendor_read(const void *data, size_t size, const char *name, struct vendor *ret,
		struct sr_err *err);

/** vendor_parse() - the same from the metadata themselves, which end in a NUL */
int vendor_parse(const char *xml, struct vendor *ret, struct sr_err *err);

#endif
