/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding the TPM's device; sr_tpm_wait() is in sealring.h. */
#ifndef SR_WAIT_H
#define SR_WAIT_H

#include <stdbool.h>

#define SR_TPM_DEVICE_MAX 4096

/** sr_tpm_device() - the tpmrm device in @dev with the smallest number, if there is one */
bool sr_tpm_device(const char *dev, char ret[SR_TPM_DEVICE_MAX]);

#endif
