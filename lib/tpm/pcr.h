/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading PCRs; sr_tpm_extend() is in sealring.h. */
#ifndef SR_PCR_H
#define SR_PCR_H

#include "ground/parse.h"
#include "tpm.h"

/**
 * sr_pcr_read_measured() - the same, and refuse PCRs that firmware never measured into
 * @tpm:	an open TPM
 * @pcrs:	as above
 * @accept:	do not refuse
 * @err:	says why, on failure
 *
 * Refused is a bank whose PCR 0 is all zeros or all ones: whatever boots looks the same.
 *
 * Returns as sr_pcr_read(); -EINVAL when refused.
 */
int sr_pcr_read_measured(struct sr_tpm *tpm, struct sr_pcrs *pcrs, bool accept,
			 struct sr_err *err);

#endif
