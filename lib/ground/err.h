/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What went wrong, in one line: made once, where the detail is known. */
#ifndef SR_ERR_H
#define SR_ERR_H

#include <errno.h>

#include "attr.h"
#include "sealring.h"

/** sr_fail_memory() - no memory; returns -ENOMEM */
int sr_fail_memory(struct sr_err *err);

/** sr_fail_libcrypto() - OpenSSL failed at @what; empties its error queue; returns -EIO
 */
int sr_fail_libcrypto(struct sr_err *err, const char *what);

/** sr_prefix() - put "@prefix: " before the text of a failure; returns @r */
int sr_prefix(struct sr_err *err, int r, const char *prefix);

/**
 * sr_about() - note what a failure is about; success passes untouched
 * @err:	filled unless NULL
 * @r:		what is to be returned
 * @ring:	a ring's name, or NULL
 * @secret:	a secret's name, or NULL
 *
 * Returns @r.
 */
int sr_about(struct sr_err *err, int r, const char *ring, const char *secret);

#endif
