/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking a person: on the terminal, or by systemd-ask-password. */
#ifndef PROMPT_H
#define PROMPT_H

#include "sealring.h"

/** prompt_possible() - whether there is somebody to ask */
bool prompt_possible(void);

/**
 * prompt_secret() - ask for something secret; what is typed is not shown
 * @question:	without colon
 * @max:	bytes at most
 * @ret:	the answer, without newline; may be empty
 * @err:	says why, on failure
 *
 * On the controlling terminal, or in a service by systemd-ask-password(1). When a signal
 * (Ctrl-C) comes instead of an answer, the question fails as if unanswered, and the program
 * dies of it once everything is released (ending.h).
 *
 * Returns 0, -EACCES (nobody to ask, no answer), -EINVAL (too long) or -EIO.
 */
int prompt_secret(const char *question, size_t max, struct sr_secret *ret,
		  struct sr_err *err);

/** prompt_yes() - ask for yes on the terminal; false also when there is none */
bool prompt_yes(const char *question);

#endif
