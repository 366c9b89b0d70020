/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a file lies on: whether the kernel decrypts it. */
#ifndef SR_VOLUME_H
#define SR_VOLUME_H

#include <sys/types.h>

#include "io.h"

/**
 * sr_path_encrypted() - whether a path lies on an encrypted volume
 * @path:	absolute; where it is not there, the nearest directory above counts
 *
 * False also where that cannot be told.
 */
bool sr_path_encrypted(const char *path);

/**
 * sr_device_encrypted() - whether all that a block device is made of is dm-crypt
 * @sysfs:	"/sys"
 * @device:	its number
 */
bool sr_device_encrypted(const char *sysfs, dev_t device);

#endif
