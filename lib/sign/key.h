/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One key: its file, and what is known of it. */
#ifndef SR_KEY_H
#define SR_KEY_H

#include "codec/ssh.h"
#include "codec/tpmkey.h"
#include "keystore.h"

/**
 * struct sr_key - a loaded key file
 * @name:	of the key, or of the file where there is a slash in it
 * @type:	its kind
 * @file:	what is in the file
 * @text:	what stands before the PEM block; NULL for nothing
 * @pinned:	@parent is known from that text
 * @parent:	the storage key
 * @made:	when, from that text; 0 when it does not tell
 */
struct sr_key {
	char *name;
	const struct sr_key_type *type;
	struct sr_tpmkey *file;
	char *text;
	bool pinned;
	TPM2B_PUBLIC parent;
	time_t made;
};

SR_DEFINE_CLEANUP(sr_key_freep, struct sr_key *, sr_key_free)
#define _cleanup_key_ _cleanup_(sr_key_freep)

/** sr_key_new() - an empty one with this name; NULL without memory */
struct sr_key *sr_key_new(const char *name);

/**
 * sr_key_read() - take in a key file
 * @key:	with its name
 * @content:	the file
 * @err:	says why, on failure
 *
 * Refused is what TPM2_Load or TPM2_Sign would refuse, or what would not be used as its
 * owner meant it: sealed data, restricted keys, keys that sign certificates only,
 * unknown kinds.
 *
 * Returns 0, -EBADMSG, -ENOMEM or -EIO.
 */
int sr_key_read(struct sr_key *key, const struct sr_buf *content, struct sr_err *err);

/** sr_key_describe() - make the text of a new key from the rest, @parent being known */
int sr_key_describe(struct sr_key *key, struct sr_err *err);

/** sr_key_write() - write the key's file, which is read back and taken in again */
int sr_key_write(const struct sr_key *key, int dir, struct sr_err *err);

/** sr_key_write_public() - write NAME.pub */
int sr_key_write_public(const struct sr_key *key, int dir, struct sr_err *err);

/** sr_key_in_store() - whether it is one by name; -EINVAL if it is a file */
int sr_key_in_store(const struct sr_key *key, struct sr_err *err);

/** sr_key_pcrs() - what it is bound to; mask 0 for nothing */
void sr_key_pcrs(const struct sr_key *key, struct sr_pcrs *ret);

/** sr_key_spki() - SHA-256 of its SubjectPublicKeyInfo, in hexadecimal */
int sr_key_spki(const struct sr_key *key, char ret[SR_FINGERPRINT_TEXT],
		struct sr_err *err);

/** sr_key_needs_pin() - whether using it takes a PIN */
bool sr_key_needs_pin(const struct sr_key *key);

/** sr_key_is_fingerprint() - whether that is one, of either kind, and not a name */
bool sr_key_is_fingerprint(const char *name);

/** sr_key_has_fingerprint() - whether it is this key's */
bool sr_key_has_fingerprint(const struct sr_key *key, const char *wanted);

/** sr_fail_no_key() - say that there is none of that name in the store; -ENOKEY */
int sr_fail_no_key(const struct sr_store *store, const char *name, struct sr_err *err);

/** sr_fail_key() - put "key NAME: " before a failure; returns @r */
int sr_fail_key(const struct sr_key *key, int r, struct sr_err *err);

#endif
