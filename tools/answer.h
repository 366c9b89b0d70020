/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a credential's reader is told: all of the secret, or that there is none. */
#ifndef ANSWER_H
#define ANSWER_H

#include "sealring.h"

/*
 * systemd takes what it can read until the end for the credential: nothing at all, and the
 * half of a secret, too. Only what is too large makes it give up (1 MiB, and 128 KiB more
 * where it is encrypted), so that many zeros refuse.
 */
#define ANSWER_REFUSAL (1280U << 10)

/**
 * answer_give() - send a whole secret at once
 * @fd:		the peer: a stream socket that does not block
 * @secret:	what
 * @err:	says why, on failure
 *
 * It is sent only if it fits the socket's buffer: whatever happens to this process, or
 * however slowly the peer reads, it gets all.
 *
 * Returns 0, -EMSGSIZE (larger than the buffer may be), -EPIPE (the peer is gone) or -EIO;
 * after a failure the peer has to be refused.
 */
int answer_give(int fd, const struct sr_secret *secret, struct sr_err *err);

/**
 * answer_deny() - tell who serves keys why it does not get one
 * @fd:		as above
 * @r:		negative errno
 * @why:	the same in words
 *
 * A byte that no key begins with, the errno, the text: all that is sent, and it may be less.
 */
void answer_deny(int fd, int r, const struct sr_err *why);

/**
 * answer_refuse() - send what makes the unit fail
 * @fd:		as above
 * @sent:	bytes of it sent so far; kept
 *
 * All at once where the buffer may be that large.
 *
 * Returns whether it is done: all is sent, or the peer is gone. Else try again once @fd is
 * writable.
 */
bool answer_refuse(int fd, size_t *sent);

#endif
