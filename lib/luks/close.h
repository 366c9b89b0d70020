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

#endif
