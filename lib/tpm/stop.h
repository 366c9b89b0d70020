/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A way to the TPM for programs that signals end: first what is there is removed. */
#ifndef SR_STOP_H
#define SR_STOP_H

#include <signal.h>
#include <tss2/tss2_tcti.h>

/**
 * sr_stop_tcti() - a TCTI that sends nothing any more but what removes things from the TPM
 * @inner:	the way to the TPM; has to live as long
 * @stop:	from when it is not 0; has to live as long
 *
 * A command that was sent is waited for, whatever signals come: what it made is known then.
 *
 * Release with free(). NULL without memory.
 */
TSS2_TCTI_CONTEXT *sr_stop_tcti(TSS2_TCTI_CONTEXT *inner,
				const volatile sig_atomic_t *stop);

#endif
