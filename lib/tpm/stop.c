/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A way to the TPM for programs that signals end: first what is there is removed. */
#include "stop.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "around.h"

#define CODE_AT 6     /* of a command's header: tag, size, code */
#define HANDLES_MAX 4 /* that are waited for; a TCTI has one */

struct stoppable {
	struct sr_around around;
	const volatile sig_atomic_t *stop;
	bool refused;
};

/* libtss2 takes an interrupted system call for a broken connection. */
static void block_signals(sigset_t *old)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, old);
}

static void restore_signals(const sigset_t *old)
{
	(void)pthread_sigmask(SIG_SETMASK, old, NULL);
}

static bool removes(size_t size, const uint8_t *command)
{
	TPM2_CC code = 0;

	if (size >= CODE_AT + sizeof(code))
		memcpy(&code, command + CODE_AT, sizeof(code));
	return be32toh(code) == TPM2_CC_FlushContext;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, const uint8_t *command)
{
	struct stoppable *stoppable = (struct stoppable *)tcti;
	sigset_t old;
	TSS2_RC rc;

	/* ESYS would not go on after a failure here. */
	stoppable->refused = *stoppable->stop && !removes(size, command);
	if (stoppable->refused)
		return TSS2_RC_SUCCESS;
	block_signals(&old);
	rc = Tss2_Tcti_Transmit(stoppable->around.inner, size, command);
	restore_signals(&old);
	return rc;
}

/* Signals arrive while it waits, so that the second, which nothing holds up, can. */
static void wait_for_answer(TSS2_TCTI_CONTEXT *inner, const sigset_t *arriving)
{
	TSS2_TCTI_POLL_HANDLE handles[HANDLES_MAX];
	size_t count = 0;

	if (Tss2_Tcti_GetPollHandles(inner, NULL, &count) != TSS2_RC_SUCCESS ||
	    count == 0 || count > HANDLES_MAX ||
	    Tss2_Tcti_GetPollHandles(inner, handles, &count) != TSS2_RC_SUCCESS)
		return;
	while (ppoll(handles, count, NULL, arriving) < 0 && errno == EINTR)
		;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
		       int32_t timeout)
{
	const struct stoppable *stoppable = (const struct stoppable *)tcti;
	sigset_t old;
	TSS2_RC rc;

	if (stoppable->refused)
		return sr_around_answer(TPM2_RC_CANCELED, size, response);
	block_signals(&old);
	if (timeout == TSS2_TCTI_TIMEOUT_BLOCK)
		wait_for_answer(stoppable->around.inner, &old);
	rc = Tss2_Tcti_Receive(stoppable->around.inner, size, response, timeout);
	restore_signals(&old);
	return rc;
}

TSS2_TCTI_CONTEXT *sr_stop_tcti(TSS2_TCTI_CONTEXT *inner,
				const volatile sig_atomic_t *stop)
{
	struct stoppable *stoppable = malloc(sizeof(*stoppable));

	if (!stoppable)
		return NULL;
	*stoppable = (struct stoppable){ .stop = stop };
	sr_around_init(&stoppable->around, inner, transmit, receive);
	return (TSS2_TCTI_CONTEXT *)stoppable;
}
