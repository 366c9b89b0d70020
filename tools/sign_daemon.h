/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: asking the daemon that serves the keys, where there is one. */
#ifndef SIGN_DAEMON_H
#define SIGN_DAEMON_H

#include <json-c/json.h>

#include "sign.h"

#define DAEMON_NAME_MAX (SR_NAME_MAX + 5) /* NAME@9999; a fingerprint is no longer */

/**
 * struct daemon - one that is asked for a key
 * @socket:	where
 * @key:	name or fingerprint; NULL for all keys
 * @needs_pin:	using it takes a PIN
 * @ring:	of a key in software: the ring, which may have a PIN; else ""
 * @hash:	the key's own; "none" if it signs messages themselves
 * @type:	its kind
 * @said:	all that it says: what key_whole_to_json() makes, or an object with such "keys"
 * @ask:	where a PIN comes from, if not from choices_ask()
 * @elsewhere:	what daemon_key() makes keys with
 */
struct daemon {
	char *socket;
	const char *key;
	bool needs_pin;
	char ring[SR_NAME_MAX + 1];
	char hash[16];
	char type[16];
	struct json_object *said;
	const struct sr_ask *ask;
	struct sr_elsewhere elsewhere;
};

void daemon_done(struct daemon *daemon);

#define _cleanup_daemon_ __attribute__((cleanup(daemon_done)))

/**
 * daemon_find() - whether the daemon is to be asked for a key
 * @name:	as on the command line
 * @ret:	what it says of the key; release with daemon_done()
 * @err:	says why, on failure
 *
 * Not with --direct, --tcti or --encrypt-session, which name the TPM and the way to it; not for
 * a file; not where the store was moved, but not the sockets; and not where nobody listens.
 *
 * Returns 1, 0 (use the TPM) or a negative errno.
 */
int daemon_find(const char *name, struct daemon *ret, struct sr_err *err);

/** daemon_find_unreadable() - as above, but only who may not read the store; NULL for all keys */
int daemon_find_unreadable(const char *name, struct daemon *ret, struct sr_err *err);

/** daemon_sign() - as sr_key_sign() */
int daemon_sign(const struct daemon *daemon, const struct sr_sign_options *options,
		const struct sr_digest *digests, size_t count, struct sr_signature *ret,
		struct sr_err *err);

/** daemon_name() - its name, when it was found by a fingerprint, too */
const char *daemon_name(const struct daemon *daemon);

/** daemon_older() - the number of its older version at @index; 0 behind the last */
unsigned int daemon_older(const struct daemon *daemon, size_t index);

/** daemon_key() - the key, to verify with, or to have it sign; @daemon has to live as long */
int daemon_key(struct daemon *daemon, struct sr_key **ret, struct sr_err *err);

/**
 * struct key_hand - who has a key
 * @work:	the store and the TPM; of a key that is served, its public part at most
 * @daemon:	the daemon
 * @served:	it has it
 */
struct key_hand {
	struct key_work work;
	struct daemon daemon;
	bool served;
};

void key_hand_done(struct key_hand *hand);

/**
 * key_hand_take() - have the key, or its public part that signs by way of the daemon
 * @hand:	empty but for @daemon
 * @found:	what daemon_find() said, or daemon_find_unreadable(); 0 for no daemon
 * @with_tpm:	the TPM, too, where it is needed
 */
int key_hand_take(struct key_hand *hand, int found, const char *name, bool with_tpm,
		  struct sr_err *err);

/** daemon_takes() - whether that is no more than a request may have: messages may be larger */
bool daemon_takes(const struct sr_digest *digests, size_t count);

/** daemon_hash() - have the one in @options that is used, as sr_key_hash() finds it */
int daemon_hash(struct daemon *daemon, struct sr_sign_options *options,
		struct sr_err *err);

/** daemon_decrypt() - as sr_key_decrypt() */
int daemon_decrypt(const struct daemon *daemon, const struct sr_padding *padding,
		   const struct sr_secret *cipher, struct sr_secret *ret,
		   struct sr_err *err);

/** daemon_derive() - as sr_key_derive() */
int daemon_derive(const struct daemon *daemon, const uint8_t *peer, size_t size,
		  struct sr_secret *ret, struct sr_err *err);

/** daemon_certificates() - as sr_key_certificate(); NULL for none */
int daemon_certificates(const struct daemon *daemon, char **ret, struct sr_err *err);

#endif
