/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private keys in OpenSSH's own form (PROTOCOL.key). */
#ifndef SR_SSHPRIVATE_H
#define SR_SSHPRIVATE_H

#include "private.h"

/** sr_sshprivate_is() - whether a file is in that form */
bool sr_sshprivate_is(const struct sr_secret *content);

/**
 * sr_sshprivate_read() - read a key that is not encrypted
 * @content:	the file
 * @ret:	release with sr_private_done()
 * @err:	says why, and how a passphrase is taken off, on failure
 *
 * Returns 0, -EBADMSG, -EINVAL (a key of another kind), -ENOMEM or -EIO.
 */
int sr_sshprivate_read(const struct sr_secret *content, struct sr_private *ret,
		       struct sr_err *err);

#endif
