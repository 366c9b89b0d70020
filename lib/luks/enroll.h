/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keyslots and tokens of a ring in a volume's header: put there, kept up to date, removed. */
#ifndef SR_ENROLL_H
#define SR_ENROLL_H

#include "token.h"
#include "volume.h"

/*
 * Every change of a header is one write of libcryptsetup's, and whoever is killed between
 * two of them leaves a volume that unlocks as before:
 *
 *   enrolling	the token, for no keyslot yet; the keyslot; the token is for that keyslot
 *   removing	the keyslot, which takes it out of the token; the token
 *
 * A token without keyslot is one of an enrolment or a removal that was interrupted. As it
 * holds the passphrase, the next one can tell whether the keyslot it was meant for is
 * ours. Callers hold sr_volume_lock().
 */

/**
 * sr_volume_lock() - keep other enrolments and re-sealings of a store waiting
 * @store:	the store; its directory must be there
 * @ret:	a descriptor that holds the lock until it is closed
 * @err:	says why, on failure
 */
int sr_volume_lock(const struct sr_store *store, int *ret, struct sr_err *err);

/**
 * sr_volume_token() - a token of ours
 * @volume:	the volume
 * @number:	0 to SR_TOKEN_SLOTS - 1
 * @ret:	release with sr_token_done()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOENT (there is none of ours at that number), -EBADMSG or -ENOMEM.
 */
int sr_volume_token(const struct sr_volume *volume, int number, struct sr_token *ret,
		    struct sr_err *err);

/** sr_volume_has_token() - whether there is one of ours, readable or not */
bool sr_volume_has_token(const struct sr_volume *volume, int number);

/** sr_token_fresh() - whether a token has the approvals that its ring has now */
bool sr_token_fresh(const struct sr_token *token, const struct sr_ring_parts *parts);

/**
 * sr_enroll_owns() - whether the keyslot that a token says was made by an enrolment
 * @volume:	the volume
 * @ring:	the token's ring, open; NULL where it can't be opened
 * @token:	the token
 *
 * Known by the token's passphrase; or, of one that libcryptsetup has assigned to the token,
 * by how little its passphrase is stretched.
 */
bool sr_enroll_owns(struct sr_volume *volume, const struct sr_ring *ring,
		    const struct sr_token *token);

/** sr_enroll_drop() - remove a keyslot unless @slot is negative, then a token */
int sr_enroll_drop(struct sr_volume *volume, int number, int slot, struct sr_err *err);

/** struct sr_enrolled - what an enrolment came to */
struct sr_enrolled {
	int slot;
	bool written;
};

/**
 * sr_enroll_refresh() - give the token of an open ring the ring's present approvals
 * @volume:	the volume
 * @ring:	an open ring
 * @settled:	tokens that are wrapped under an older key of the ring may go
 * @ret:	its keyslot, and whether the header had to be written
 * @err:	says why, on failure
 *
 * What else the header has of this ring goes: copies, and what was interrupted. Needs no
 * passphrase: the token has it.
 *
 * Returns 0, -ENOENT (no token of this ring opens a keyslot), -EBADMSG (as
 * sr_volume_spec()) and others.
 */
int sr_enroll_refresh(struct sr_volume *volume, const struct sr_ring *ring, bool settled,
		      struct sr_enrolled *ret, struct sr_err *err);

/**
 * sr_enroll_carry() - beside the token of a ring one that is wrapped under its new key
 * @volume:	the volume
 * @ring:	the ring with its new key, open
 * @old:	with its old one, open
 * @err:	says why, on failure
 *
 * The new one is tried first when the volume is unlocked, and is for the same keyslot. The
 * old one goes when sr_enroll_refresh() is told that the new key has been proven.
 *
 * Returns as sr_enroll_refresh().
 */
int sr_enroll_carry(struct sr_volume *volume, const struct sr_ring *ring,
		    const struct sr_ring *old, struct sr_err *err);

/** sr_enroll_key() - the volume key, by the token of an open ring; as sr_volume_key() */
int sr_enroll_key(struct sr_volume *volume, const struct sr_ring *ring,
		  struct sr_secret *ret, struct sr_err *err);

/**
 * sr_enroll_add() - a new keyslot, and a token that opens it
 * @volume:	the volume
 * @ring:	an open ring
 * @key:	the volume key
 * @ret:	the keyslot
 * @err:	says why, on failure
 *
 * Read back from the disk and proven to open before it counts; else it is taken back.
 *
 * Returns 0, -EINVAL (no room), -EBADMSG (as sr_volume_spec()) and others.
 */
int sr_enroll_add(struct sr_volume *volume, const struct sr_ring *ring,
		  const struct sr_secret *key, struct sr_enrolled *ret,
		  struct sr_err *err);

/**
 * sr_enroll_recovery() - a keyslot for the ring's recovery key, to type at the prompt
 * @volume:	the volume
 * @ring:	the ring
 * @recovery_key:	its recovery key in its one form
 * @key:	the volume key
 * @ret:	the keyslot; written is false if the recovery key opens one already
 * @err:	says why, on failure
 */
int sr_enroll_recovery(struct sr_volume *volume, const struct sr_ring_info *ring,
		       const struct sr_secret *recovery_key, const struct sr_secret *key,
		       struct sr_enrolled *ret, struct sr_err *err);

/**
 * struct sr_unenroll - what to remove
 * @id:		tokens of the ring with this id; NULL: of every ring, and the keyslots of
 *		recovery keys
 * @ring:	the ring, open: tells whose a keyslot without token is; may be NULL
 */
struct sr_unenroll {
	const char *id;
	const struct sr_ring *ring;
};

/**
 * sr_enroll_remove() - remove keyslots and tokens
 * @volume:	the volume
 * @what:	which
 * @err:	says why, on failure
 *
 * Refused if no keyslot would remain that is not ours: nobody could open the volume.
 *
 * Returns how many tokens, -ENOKEY (there is none), -EINVAL (refused) and others.
 */
int sr_enroll_remove(struct sr_volume *volume, const struct sr_unenroll *what,
		     struct sr_err *err);

#endif
