/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a credential's reader is told: all of the secret, or that there is none. */
#include "answer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "ground/attr.h"

#define PIECE (64U << 10)
#define PIECES (ANSWER_REFUSAL / PIECE)

/* Returns how much surely fits: half the buffer, the rest is the kernel's bookkeeping. */
static size_t make_room(int fd, size_t wanted)
{
	int size = (int)wanted, got = 0;
	socklen_t length = sizeof(got);

	/* Beyond net.core.wmem_max only with CAP_NET_ADMIN; without it, up to there. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &length) < 0)
		return 0;
	return (size_t)got / 2;
}

int answer_give(int fd, const struct sr_secret *secret, struct sr_err *err)
{
	size_t room = make_room(fd, secret->size);
	ssize_t n;

	if (secret->size == 0)
		return sr_fail(err, -EIO, "an empty secret is none");
	if (secret->size > room)
		return sr_fail(err, -EMSGSIZE,
			       "it has %zu bytes, and %zu go through a socket at once: "
			       "raise net.core.wmem_max, or let tpm-unseal@.service "
			       "deliver it",
			       secret->size, room);
	n = send(fd, secret->data, secret->size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n == (ssize_t)secret->size)
		return 0;
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
		return sr_fail(err, -EPIPE, "it did not wait for the answer");
	return sr_fail(err, -EIO, "the kernel took only a part of it: try again");
}

void answer_deny(int fd, int r, const struct sr_err *why)
{
	uint8_t head[2] = { 0, (uint8_t)-r };
	struct iovec pieces[] = { { head, sizeof(head) },
				  { (char *)why->text, strlen(why->text) } };
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = SR_COUNT(pieces) };

	(void)sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool answer_refuse(int fd, size_t *sent)
{
	static uint8_t zeros[PIECE];
	struct iovec pieces[PIECES];
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = PIECES };

	if (*sent == 0)
		(void)make_room(fd, ANSWER_REFUSAL);
	while (*sent < ANSWER_REFUSAL) {
		size_t left = ANSWER_REFUSAL - *sent;
		ssize_t n;

		for (size_t i = 0; i < PIECES; i++, left -= pieces[i - 1].iov_len)
			pieces[i] = (struct iovec){ zeros, left < PIECE ? left : PIECE };
		n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM;
		*sent += (size_t)n;
	}
	return true;
}
