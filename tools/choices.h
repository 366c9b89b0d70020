/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a ring is made and opened: the options that several programs share. */
#ifndef CHOICES_H
#define CHOICES_H

#include "options.h"

#define CHOICES_PEM_MAX 65536 /* bytes in a file of certificates or a key, at most */

/**
 * struct choices - what the options below were given
 */
struct choices {
	const char *pcrs;
	bool pin;
	const char *pin_file;
	const char *new_pin_file;
	bool accept_unmeasured;
	const char *recovery_key_file;
	struct option_list escrow;
	bool no_recovery;
	const char *manage;
};

extern struct choices choices;

/* For programs that make a ring. */
extern const struct option_row ring_options[];

/**
 * struct chosen - the choices, ready for the library
 * Its address must not change between choices_recovery() and choices_done().
 */
struct chosen {
	struct sr_ring_options options;
	struct sr_secret pin;
	struct sr_secret recovery_key;
	struct sr_secret *certificates;
	struct sr_escrow escrow;
	bool print;
	bool write;
	const char *ring;
};

#define _cleanup_chosen_ __attribute__((cleanup(choices_done)))

/**
 * choices_recovery() - who can recover
 * @store:	whose [Recovery] Escrow= counts when nothing is chosen
 * @ring:	for messages
 * @ret:	its options.recovery; the recovery key is announced when it counts
 * @err:	says what to choose, on failure
 *
 * On a terminal a recovery key is made and printed unless something else was chosen;
 * elsewhere something must be chosen.
 */
int choices_recovery(const struct sr_store *store, const char *ring, struct chosen *ret,
		     struct sr_err *err);

/** choices_certificates() - read them into @ret->escrow, which its options then name */
int choices_certificates(const char *const names[], size_t count, struct chosen *ret,
			 struct sr_err *err);

/**
 * choices_ring() - PCR list and a new PIN, if those were given
 * @tpm:	asked whether guessing is slowed down
 * @ring:	for messages
 * @opened_by_pin:	--pin-file is the present PIN, so the new one is in --new-pin-file
 * @ret:	its options.pcrs, .pin and .accept_unmeasured
 * @err:	says why, on failure
 */
int choices_ring(struct sr_tpm *tpm, const char *ring, bool opened_by_pin,
		 struct chosen *ret, struct sr_err *err);

/**
 * choices_manager() - where a ring's key is to be kept, so that it can be changed later
 * @store:	the store
 * @tpm:	an open TPM
 * @name:	the ring
 * @ret:	ring "system", open, made if there is none; NULL if the key is not to be kept
 * @err:	says why, on failure
 *
 * Only that of "boot" is kept, and unless --manage decides only where the store lies on an
 * encrypted volume.
 */
int choices_manager(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		    struct sr_ring **ret, struct sr_err *err);

/** choices_new_ring() - make a ring as was chosen, and say so */
int choices_new_ring(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		     struct sr_ring **ret, struct sr_err *err);

/**
 * choices_use_ring() - open a ring to put something under; make it if there is none
 * @store:	the store
 * @tpm:	opened if it is NULL; release with sr_tpm_close()
 * @name:	the ring
 * @ret:	the ring, open; release with sr_ring_free()
 * @err:	says why, on failure
 *
 * Options that promise of a ring what it is not are refused.
 */
int choices_use_ring(struct sr_store *store, struct sr_tpm **tpm, const char *name,
		     struct sr_ring **ret, struct sr_err *err);

/** choices_done() - wipe and release */
void choices_done(struct chosen *chosen);

/** choices_ask() - where the PIN of an existing ring comes from: --pin-file, or a person
 */
const struct sr_ask *choices_ask(void);

/** choices_open_recovery() - open a ring by --recovery-key-file, @escrow_key or asking */
int choices_open_recovery(struct sr_ring *ring, const char *name, const char *escrow_key,
			  struct sr_err *err);

/** choices_standard_input() - its descriptor, for the one who asks first; -EINVAL for others */
int choices_standard_input(struct sr_err *err);

/** choices_read_typed() - what could be typed, from a file: without the newline at its end */
int choices_read_typed(const char *name, size_t max, struct sr_secret *ret,
		       struct sr_err *err);

/** choices_read_file() - a file named on the command line, "-" for standard input */
int choices_read_file(const char *name, size_t max, struct sr_secret *ret,
		      struct sr_err *err);

#endif
