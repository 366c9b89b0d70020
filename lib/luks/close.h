/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking opened volumes away from who comes next. */
#ifndef SR_CLOSE_H
#define SR_CLOSE_H

#include "sealring.h"

/**
 * sr_volumes_close() - close all volumes of dm-crypt, in use or not
 * @closed:	called with @arg and the name of each one that was closed; may be NULL
 * @arg:	the caller's
 * @err:	says which could not be closed, on failure
 *
 * For the initramfs only, which this checks: what is mounted there, and any device on top,
 * gives I/O errors from then on. The key leaves the kernel.
 *
 * Returns how many, -EINVAL (this is no initramfs) or -EIO; all are tried.
 */
int sr_volumes_close(void (*closed)(void *arg, const char *name), void *arg,
		     struct sr_err *err);

#define SR_DM_TEXT                                                                       \
	256 /* the longest name or UUID of a device mapper's device, and its NUL */

/** sr_dm_attribute() - one line of /sys/class/block/@device/dm/@attribute: "name", "uuid" */
bool sr_dm_attribute(const char *device, const char *attribute, char ret[SR_DM_TEXT]);

/** sr_volumes_quiet() - libcryptsetup writes nothing by itself any more */
void sr_volumes_quiet(void);

/** sr_volume_take_away() - close one volume, as sr_volumes_close(); 0 or -EIO */
int sr_volume_take_away(const char *name, struct sr_err *err);

#endif
