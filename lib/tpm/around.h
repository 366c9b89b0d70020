/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A way to the TPM around another: what it does not change passes through. */
#ifndef SR_AROUND_H
#define SR_AROUND_H

#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tpm2_types.h>

/**
 * struct sr_around - looks to ESYS like any other way to a TPM; the first member of one
 * @common:	what TCTIs are made of
 * @inner:	the way to the TPM; has to live as long
 */
struct sr_around {
	TSS2_TCTI_CONTEXT_COMMON_V2 common;
	TSS2_TCTI_CONTEXT *inner;
};

/** sr_around_init() - with these two functions, and those of @inner for all else */
void sr_around_init(struct sr_around *around, TSS2_TCTI_CONTEXT *inner,
		    TSS2_TCTI_TRANSMIT_FCN transmit, TSS2_TCTI_RECEIVE_FCN receive);

/** sr_around_answer() - what is received is this failure, as if a TPM had said so */
TSS2_RC sr_around_answer(TPM2_RC code, size_t *size, uint8_t *response);

#endif
