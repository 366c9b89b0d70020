/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: one request to the daemon that serves the keys, and its answer. */
#ifndef SIGN_ASK_H
#define SIGN_ASK_H

#include "json_read.h"
#include "sign_daemon.h"

/**
 * daemon_ask() - ask for something that is done with a key
 * @daemon:	its @socket and @key
 * @method:	"GET"
 * @action:	what stands behind the key: "/sign"
 * @body:	what is sent; may be empty
 * @answer:	what it sent, header and all; release with sr_secret_done()
 * @ret:	its body, in @answer
 * @err:	says why, on failure, in the daemon's words where it has some
 *
 * Returns 0, -ENOTCONN where nobody listens, which is not said, or a negative errno.
 */
int daemon_ask(const struct daemon *daemon, const char *method, const char *action,
	       const struct sr_secret *body, struct sr_secret *answer,
	       struct json_text *ret, struct sr_err *err);

/** daemon_fail() - it answered what tpm-serve does not */
int daemon_fail(const struct daemon *daemon, struct sr_err *err);

#endif
