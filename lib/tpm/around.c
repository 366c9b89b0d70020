/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A way to the TPM around another: what it does not change passes through. */
#include "around.h"

#include <string.h>

static TSS2_TCTI_CONTEXT *inner(TSS2_TCTI_CONTEXT *tcti)
{
	return ((struct sr_around *)tcti)->inner;
}

static TSS2_RC cancel(TSS2_TCTI_CONTEXT *tcti)
{
	return Tss2_Tcti_Cancel(inner(tcti));
}

static TSS2_RC get_poll_handles(TSS2_TCTI_CONTEXT *tcti, TSS2_TCTI_POLL_HANDLE *handles,
				size_t *count)
{
	return Tss2_Tcti_GetPollHandles(inner(tcti), handles, count);
}

static TSS2_RC set_locality(TSS2_TCTI_CONTEXT *tcti, uint8_t locality)
{
	return Tss2_Tcti_SetLocality(inner(tcti), locality);
}

static TSS2_RC make_sticky(TSS2_TCTI_CONTEXT *tcti, TPM2_HANDLE *handle, uint8_t sticky)
{
	return Tss2_Tcti_MakeSticky(inner(tcti), handle, sticky);
}

void sr_around_init(struct sr_around *around, TSS2_TCTI_CONTEXT *inner,
		    TSS2_TCTI_TRANSMIT_FCN transmit, TSS2_TCTI_RECEIVE_FCN receive)
{
	*around = (struct sr_around){
		.common = { .v1 = { .magic = 0x7365616c72696e67ULL, /* "sealring" */
				    .version = 2,
				    .transmit = transmit,
				    .receive = receive,
				    .cancel = cancel,
				    .getPollHandles = get_poll_handles,
				    .setLocality = set_locality },
			    .makeSticky = make_sticky },
		.inner = inner,
	};
}

TSS2_RC sr_around_answer(TPM2_RC code, size_t *size, uint8_t *response)
{
	const uint8_t answer[] = {
		0x80, 0x01, 0, 0, 0, 10, 0, 0, (uint8_t)(code >> 8), (uint8_t)code
	};

	if (response && *size < sizeof(answer))
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	if (response)
		memcpy(response, answer, sizeof(answer));
	*size = sizeof(answer);
	return TSS2_RC_SUCCESS;
}
