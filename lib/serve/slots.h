/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys on the TPM: more of them in use than it has slots, over one session for all. */
#ifndef SR_SLOTS_H
#define SR_SLOTS_H

#include "pins.h"
#include "sign/signer.h"

struct sr_slots;

/**
 * sr_slots_new() - without asking the TPM anything
 * @tcti:	as for sr_tpm_open()
 * @encrypt:	a session encrypts what every command carries; otherwise there is one only
 *		for what has a PIN or a policy
 * @err:	says why, on failure
 *
 * NULL without memory. Only one thread may use it at a time.
 */
struct sr_slots *sr_slots_new(const char *tcti, bool encrypt, struct sr_err *err);

/**
 * sr_slots_remember() - note in a file what is on the TPM, and get rid of what is noted there
 *
 * For the case that this program is killed, as its predecessor may have been. To be called
 * before anything is signed. Without such a file nothing is noted.
 */
void sr_slots_remember(struct sr_slots *slots, const char *path);

/** sr_slots_free() - release, on the TPM too; NULL is fine */
void sr_slots_free(struct sr_slots *slots);

/** sr_slots_rest() - leave the slots to others; the session and the connection stay */
void sr_slots_rest(struct sr_slots *slots);

/** sr_slots_leave() - leave nothing on the TPM, and hang up; it is opened anew when needed */
void sr_slots_leave(struct sr_slots *slots);

/**
 * sr_slots_sign() - sign a digest
 * @slots:	where keys are kept loaded
 * @served:	the key
 * @pin:	its PIN; empty for a key without one
 * @scheme:	how
 * @digest:	of the size of the scheme's hash
 * @ret:	the signature, as yet unchecked; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * One TPM command if the key is loaded. What the TPM lost (a reset, another program that
 * flushed it) is brought back, and the command sent once more, but never with a PIN that
 * it may have seen.
 *
 * Returns 0, -EACCES (wrong PIN), -EBUSY, -EKEYREJECTED, -ENODEV, -EREMOTE, -EUCLEAN,
 * -EIO.
 */
int sr_slots_sign(struct sr_slots *slots, struct sr_served *served,
		  const struct sr_secret *pin, const struct sr_scheme *scheme,
		  const struct sr_digest *digest, struct sr_buf *ret, struct sr_err *err);

/** sr_slots_decrypt() - the same for decrypting: as sr_signer_decrypt() */
int sr_slots_decrypt(struct sr_slots *slots, struct sr_served *served,
		     const struct sr_secret *pin, const struct sr_decryption *how,
		     const struct sr_secret *cipher, struct sr_secret *ret,
		     struct sr_err *err);

/** sr_slots_meter() - how long the TPM took; may be read in any thread */
struct sr_meter;
const struct sr_meter *sr_slots_meter(const struct sr_slots *slots);

/** sr_slots_counts() - how often a key was there, and had to be loaded; in any thread */
void sr_slots_counts(const struct sr_slots *slots, uint64_t *hits, uint64_t *loads);

/**
 * sr_slots_check() - whether a key's policy holds, before a person is asked for its PIN
 *
 * Returns 0, also where only its use will tell, or -EKEYREJECTED.
 */
int sr_slots_check(struct sr_slots *slots, struct sr_served *served, struct sr_err *err);

/**
 * sr_slots_unseal() - get the private part of a software key
 * @slots:	their connection to the TPM is used
 * @store:	where the key's ring is
 * @served:	the key
 * @pin:	of its ring, if that has one; it is tried once
 * @ret:	release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Five TPM commands. Keys that are loaded make room where that helps.
 *
 * Returns as sr_software_open().
 */
int sr_slots_unseal(struct sr_slots *slots, struct sr_store *store,
		    const struct sr_served *served, struct sr_given *pin,
		    struct sr_secret *ret, struct sr_err *err);

/**
 * sr_slots_lend() - the TPM, with nothing of ours on it, for a conversation of its own
 *
 * Over a new connection, so that what a reset took away is nothing that it could miss.
 */
int sr_slots_lend(struct sr_slots *slots, struct sr_tpm **ret, struct sr_err *err);

/** sr_slots_doubt() - what it signed with a key was wrong: load all anew */
void sr_slots_doubt(struct sr_slots *slots);

#endif
