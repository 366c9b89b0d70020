/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to a TPM, and handles that flush themselves. */
#ifndef SR_TPM_H
#define SR_TPM_H

#include <openssl/crypto.h>
#include <tss2/tss2_esys.h>

#include "ground/secret.h"

#define SR_SRK_HANDLE 0x81000001U /* TCG TPM v2.0 Provisioning Guidance, 7.8 */

struct sr_handle;

struct sr_tpm {
	ESYS_CONTEXT *esys;
	TSS2_TCTI_CONTEXT *tcti;
	TSS2_TCTI_CONTEXT *outer; /* around @tcti: the meter, or what stops; or NULL */
	bool loaded;		  /* the TCTI came from tctildr */
	/* Told of what is on the TPM still, as it could not be reached; unless NULL. */
	void (*stays)(void *arg, const struct sr_handle *handle);
	/* Told of what comes onto the TPM, and when it is not ours any more; unless NULL. */
	void (*comes)(void *arg, const struct sr_handle *handle);
	void (*goes)(void *arg, const struct sr_handle *handle);
	void *arg;
};

/**
 * struct sr_handle - an object or session on the TPM that flushes itself
 * @tpm:	where it lives
 * @tr:		ESYS_TR_NONE when there is none
 * @kept:	it is not ours to flush: a persistent object
 */
struct sr_handle {
	struct sr_tpm *tpm;
	ESYS_TR tr;
	bool kept;
};

/** sr_tpm_open_metered() - as sr_tpm_open(); its commands are timed, unless @meter is NULL */
struct sr_meter;
int sr_tpm_open_metered(const char *tcti, struct sr_meter *meter, struct sr_tpm **ret,
			struct sr_err *err);

#define SR_HANDLE(t) ((struct sr_handle){ .tpm = (t), .tr = ESYS_TR_NONE })
#define _cleanup_handle_ _cleanup_(sr_handle_flush)

/** sr_handle_came() - what a command has just put onto the TPM is at @handle */
void sr_handle_came(const struct sr_handle *handle);

/** sr_handle_flush() - remove it from the TPM; empty afterwards */
void sr_handle_flush(struct sr_handle *handle);

/** sr_handle_forget() - the TPM flushed it itself; empty afterwards */
void sr_handle_forget(struct sr_handle *handle);

/** sr_handle_take() - hand a handle over */
static inline void sr_handle_take(struct sr_handle *from, struct sr_handle *ret)
{
	*ret = *from;
	from->tr = ESYS_TR_NONE;
}

/**
 * sr_fail_tss() - describe a failure of the TPM or of the way to it
 * @err:	filled unless NULL; @rc is kept in err->tss
 * @rc:		as the call returned it
 * @what:	the command or function
 *
 * Returns the errno of sealring.h for @rc (TPM 2.0 Part 2, 6.6), or -EIO.
 */
int sr_fail_tss(struct sr_err *err, TSS2_RC rc, const char *what);

/**
 * sr_tss_code() - @rc without layer, handle, session and parameter bits, which move
 *
 * Returns a TPM2_RC_ value of Part 2, or 0 when @rc is not the TPM's own.
 */
TPM2_RC sr_tss_code(TSS2_RC rc);

/** sr_tss_again() - whether to send it once more, after a pause; @tries counts */
bool sr_tss_again(TSS2_RC rc, unsigned int *tries);

/*
 * Sends a command again while the TPM says RETRY, YIELDED or TESTING (ESYS does that too,
 * but five times at most and without a pause) or has no slot free.
 */
#define SR_TSS(call)                                                                     \
	({                                                                               \
		unsigned int tries_ = 0;                                                 \
		TSS2_RC rc_;                                                             \
                                                                                         \
		do                                                                       \
			rc_ = (call);                                                    \
		while (sr_tss_again(rc_, &tries_));                                      \
		rc_;                                                                     \
	})

/** sr_sensitive_freep() - wipe and free what Esys_Unseal() gave */
static inline void sr_sensitive_freep(TPM2B_SENSITIVE_DATA **data)
{
	if (*data)
		OPENSSL_cleanse(*data, sizeof(**data));
	Esys_Free(*data);
}

static inline void sr_esys_freep(void *p)
{
	Esys_Free(*(void **)p);
}

#define _cleanup_esys_ _cleanup_(sr_esys_freep)

#endif
