/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on the TPM still, though the conversation that put it there broke. */
#ifndef SR_LEFTOVERS_H
#define SR_LEFTOVERS_H

#include "tpm/tpm.h"

#define SR_LEFTOVERS_MAX 8

/** struct sr_leftovers - objects and sessions, by what the TPM calls them */
struct sr_leftovers {
	struct sr_leftover {
		TPM2_HANDLE handle;
		TPM2B_NAME name;
	} left[SR_LEFTOVERS_MAX];
	size_t count;
};

/** sr_leftovers_note() - before its connection is closed; what is empty is not noted */
void sr_leftovers_note(struct sr_leftovers *leftovers, const struct sr_handle *handle);

/**
 * sr_leftovers_flush() - in another conversation, unless the TPM was reset meanwhile
 *
 * What others have in the same place by now stays: objects are told by their Names.
 */
void sr_leftovers_flush(struct sr_leftovers *leftovers, struct sr_tpm *tpm);

#endif
