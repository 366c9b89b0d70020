/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A token in a LUKS2 header: JSON to struct and back. */
#ifndef SR_TOKEN_H
#define SR_TOKEN_H

#include "ground/io.h"

#define SR_TOKEN_TYPE "sealring"
#define SR_TOKEN_RECOVERY_TYPE "sealring-recovery" /* marks the recovery key's keyslot */
#define SR_TOKEN_FORMAT 1
#define SR_TOKEN_MAX 9000 /* bytes of JSON, at most: a default header has room for them */
#define SR_TOKEN_TEXT_MAX 4096 /* bytes in one text, at most */
#define SR_TOKEN_SLOTS 32      /* keyslots are numbered below this */

/**
 * struct sr_token - what a token says
 * @slot:	the keyslot that the passphrase is for
 * @assigned:	libcryptsetup knows so: not yet, where an enrolment was interrupted
 * @parts:	what opens the ring
 * @envelope:	the passphrase and what it unlocks, encrypted under the ring key
 */
struct sr_token {
	int slot;
	bool assigned;
	struct sr_ring_parts parts;
	struct sr_buf envelope;
};

#define _cleanup_token_ _cleanup_(sr_token_done)

/** sr_token_done() - release */
void sr_token_done(struct sr_token *token);

/**
 * sr_token_read() - parse a token
 * @json:	its text; anybody may have written it
 * @ret:	release with sr_token_done()
 * @err:	says why, on failure
 *
 * Refused: more than SR_TOKEN_MAX bytes, JSON that is not strict, another type, a key we do
 * not know or miss, a value of another type or size, more than SR_PARTS_APPROVALS
 * approvals, other keyslots than "slot". What the approvals may be sr_ring_from_parts()
 * says.
 *
 * Returns 0, -EBADMSG or -ENOMEM.
 */
int sr_token_read(const char *json, struct sr_token *ret, struct sr_err *err);

/**
 * sr_token_write() - write a token; the opposite
 *
 * Returns 0, -EINVAL (more than SR_TOKEN_MAX bytes) or -ENOMEM.
 */
int sr_token_write(const struct sr_token *token, char **ret, struct sr_err *err);

/** sr_token_type() - the type of any token; "" if it has none; in @ret of @size bytes */
void sr_token_type(const char *json, char *ret, size_t size);

/**
 * struct sr_token_recovery - what marks the keyslot that a ring's recovery key opens
 * @ring:	name of the ring
 * @id:		its id
 * @slot:	the keyslot; -1 when it has none any more
 */
struct sr_token_recovery {
	char ring[SR_NAME_MAX + 1];
	char id[33];
	int slot;
};

/** sr_token_recovery_read() - parse such a mark; 0, -EBADMSG or -ENOMEM */
int sr_token_recovery_read(const char *json, struct sr_token_recovery *ret,
			   struct sr_err *err);

/** sr_token_recovery_write() - write one; release with free(); NULL without memory */
char *sr_token_recovery_write(const struct sr_token_recovery *mark);

#endif
