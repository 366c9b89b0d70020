/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on the TPM still, though the conversation that put it there, or its program, ended. */
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

/**
 * struct sr_diary - what a program has on the TPM now, for its successor if it is killed
 * @kind:	SR_DIARY_KIND
 * @era:	of the TPM, see sr_context_era()
 * @present:	what is there
 */
struct sr_diary {
	uint64_t kind;
	uint64_t era;
	struct sr_leftovers present;
};

#define SR_DIARY_KIND 0x316c747372ULL /* "rstl1": anything else is not looked at */

/**
 * sr_diary_open() - the diary in a file, as its predecessor left it
 *
 * It is mapped, so that what is noted is there whatever happens to the program, and it is for
 * one program at a time. NULL where there can be none.
 */
struct sr_diary *sr_diary_open(const char *path);

/** sr_diary_close() - NULL is fine */
void sr_diary_close(struct sr_diary *diary);

#endif
