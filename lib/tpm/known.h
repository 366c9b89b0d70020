/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handles on what the TPM holds, by what is known of it. */
#ifndef SR_KNOWN_H
#define SR_KNOWN_H

#include "tpm.h"

#define SR_RC_ANOTHER TSS2_ESYS_RC_BAD_VALUE

/**
 * sr_known() - a handle for an object whose public area we know, at no cost
 * @tpm:	an open TPM
 * @handle:	what the TPM calls it
 * @name:	its Name
 * @pub:	its public area
 * @ret:	the handle, on success
 *
 * Nothing is sent, unless ESYS refuses.
 *
 * Returns what ESYS returned; SR_RC_ANOTHER if it is not what the TPM has there.
 */
TSS2_RC sr_known(struct sr_tpm *tpm, TPM2_HANDLE handle, const TPM2B_NAME *name,
		 const TPM2B_PUBLIC *pub, ESYS_TR *ret);

#endif
