/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loaded objects that make room for others, and come back (TPM 2.0 Part 1, section 30). */
#ifndef SR_CONTEXT_H
#define SR_CONTEXT_H

#include "tpm.h"

/**
 * sr_context_save() - a loaded object as the TPM takes it back without its parent
 * @object:	it stays loaded
 * @ret:	release with Esys_Free(); the TPM takes it until it is reset
 *
 * Returns what the TPM did.
 */
TSS2_RC sr_context_save(const struct sr_handle *object, TPMS_CONTEXT **ret);

/** sr_context_load() - bring it back, at once or not at all; returns what the TPM did */
TSS2_RC sr_context_load(struct sr_tpm *tpm, const TPMS_CONTEXT *from,
			struct sr_handle *ret);

/**
 * sr_context_era() - what changes when the TPM forgets all that is loaded
 * @tpm:	an open TPM
 * @ret:	its counters of resets and restarts in one number
 * @err:	says why, on failure
 */
int sr_context_era(struct sr_tpm *tpm, uint64_t *ret, struct sr_err *err);

#endif
