/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is left on the TPM: prints the handles of transient objects and sessions. */
#include <assert.h>
#include <string.h>

#include "tpm/tpm.h"

/* First handles of their kind; the headers' macros shift into the sign bit. */
#define TRANSIENT 0x80000000U
#define LOADED_SESSION 0x02000000U
#define SAVED_SESSION 0x03000000U

static size_t list(struct sr_tpm *tpm, TPM2_HANDLE first, bool flush)
{
	_cleanup_esys_ TPMS_CAPABILITY_DATA *data = NULL;
	TPMI_YES_NO more;
	ESYS_TR tr;

	assert(Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
				  TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &more,
				  &data) == 0);
	for (uint32_t i = 0; i < data->data.handles.count; i++) {
		TPM2_HANDLE handle = data->data.handles.handle[i];

		printf("0x%08x\n", handle);
		if (flush && Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE,
						   ESYS_TR_NONE, ESYS_TR_NONE, &tr) == 0)
			(void)Esys_FlushContext(tpm->esys, tr);
	}
	return data->data.handles.count;
}

/* handles TCTI [flush]: exits with 1 if there were any */
int main(int argc, char **argv)
{
	bool flush = argc == 3 && strcmp(argv[2], "flush") == 0;
	struct sr_tpm *tpm = NULL;
	struct sr_err err = { 0 };
	size_t count;

	assert(argc >= 2);
	if (sr_tpm_open(argv[1], &tpm, &err) < 0) {
		fprintf(stderr, "handles: %s\n", err.text);
		return 2;
	}
	count = list(tpm, TRANSIENT, flush);
	count += list(tpm, LOADED_SESSION, flush);
	count += list(tpm, SAVED_SESSION, flush);
	sr_tpm_close(tpm);
	return count > 0;
}
