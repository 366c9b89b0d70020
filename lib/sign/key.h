/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One key: its file, and what is known of it. */
#ifndef SR_KEY_H
#define SR_KEY_H

#include "codec/ssh.h"
#include "codec/tpmkey.h"
#include "keystore.h"

#define SR_KEY_ID 33 /* 32 hex digits and a NUL */

/**
 * struct sr_key - a loaded key file
 * @name:	of the key, or of the file where there is a slash in it
 * @store:	where it was looked for; NULL where that is not known
 * @type:	its kind
 * @file:	what is in the file; of a software key, its public part
 * @text:	what stands before the PEM block; NULL for nothing
 * @pinned:	@parent is known from that text
 * @parent:	the storage key
 * @made:	when, from that text; 0 when it does not tell
 * @version:	from that text: how many keys of that name there were, with this one
 * @tags:	"KEY=VALUE" each, from that text; NULL at the end, or for none
 * @tag_count:	how many
 * @ring:	whose boot states it is bound to, or software: whose secret it is; from that
 *		text, "" when it does not tell
 * @id:		what tells it from others that are bound to that ring: 32 hex digits
 * @imported:	software: it was
 * @elsewhere:	who signs with it; NULL for the TPM, or for a ring's secret
 */
struct sr_key {
	char *name;
	struct sr_store *store;
	const struct sr_key_type *type;
	struct sr_tpmkey *file;
	char *text;
	bool pinned;
	TPM2B_PUBLIC parent;
	time_t made;
	unsigned int version;
	char **tags;
	size_t tag_count;
	char ring[SR_NAME_MAX + 1];
	char id[SR_KEY_ID];
	bool imported;
	const struct sr_elsewhere *elsewhere;
};

SR_DEFINE_CLEANUP(sr_key_freep, struct sr_key *, sr_key_free)
#define _cleanup_key_ _cleanup_(sr_key_freep)

/** sr_key_new() - an empty one with this name; NULL without memory */
struct sr_key *sr_key_new(const char *name);

/** sr_key_check_scheme() - refuse one that leaves the TPM no choice of padding and hash */
int sr_key_check_scheme(const TPM2B_PUBLIC *pub, struct sr_err *err);

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

/** sr_key_read_text() - take in what the file says in words; 0 or -ENOMEM */
int sr_key_read_text(struct sr_key *key, const struct sr_buf *content,
		     struct sr_err *err);

/** sr_key_describe() - make the text of a new key from the rest, @parent being known */
int sr_key_describe(struct sr_key *key, struct sr_err *err);

/**
 * sr_key_set_tags() - change its tags
 * @key:	the key; its text is as before
 * @tags:	"KEY=VALUE" each; without VALUE that tag goes
 * @count:	how many
 * @err:	says which is wrong, on failure
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int sr_key_set_tags(struct sr_key *key, const char *const *tags, size_t count,
		    struct sr_err *err);

#define SR_TEXT_VERSION "Version: "
#define SR_TEXT_TAG "Tag: "

/** sr_key_read_tag() - take in a tag from its text; a wrong one is left out */
void sr_key_read_tag(struct sr_key *key, const char *tag);

/** sr_key_unreadable() - @r; of a damaged file -EUCLEAN, where -EBADMSG is a wrong signature */
int sr_key_unreadable(int r, struct sr_err *err);

/** sr_key_retext() - bring version and tags in its text up to date; 0 or -ENOMEM */
int sr_key_retext(struct sr_key *key, struct sr_err *err);

/** sr_key_write() - write the key's file, which is read back and taken in again */
int sr_key_write(const struct sr_key *key, int dir, struct sr_err *err);

/** sr_key_write_public() - write NAME.pub */
int sr_key_write_public(const struct sr_key *key, int dir, struct sr_err *err);

/** sr_public_pem() - a public area as PEM; release with free() */
int sr_public_pem(const TPM2B_PUBLIC *pub, char **ret, struct sr_err *err);

/** sr_key_in_store() - whether it is one by name; -EINVAL if it is a file */
int sr_key_in_store(const struct sr_key *key, struct sr_err *err);

/** sr_key_pcrs() - what it is bound to; mask 0 for nothing */
void sr_key_pcrs(const struct sr_key *key, struct sr_pcrs *ret);

/** sr_key_spki() - SHA-256 of its SubjectPublicKeyInfo, in hexadecimal */
int sr_key_spki(const struct sr_key *key, char ret[SR_FINGERPRINT_TEXT],
		struct sr_err *err);

/** sr_key_is_approved() - whether others approve the boot states that it takes */
bool sr_key_is_approved(const struct sr_key *key);

/** sr_key_needs_pin() - whether using it takes a PIN */
bool sr_key_needs_pin(const struct sr_key *key);

/** sr_key_is_fingerprint() - whether that is one, of either kind, and not a name */
bool sr_key_is_fingerprint(const char *name);

/** sr_key_has_fingerprint() - whether it is this key's */
bool sr_key_has_fingerprint(const struct sr_key *key, const char *wanted);

/** sr_fail_no_key() - say that there is none of that name in the store; -ENOKEY */
int sr_fail_no_key(const struct sr_store *store, const char *name, struct sr_err *err);

/** sr_digest_data() - what is signed: the digest, or the message */
static inline const uint8_t *sr_digest_data(const struct sr_digest *digest, size_t *size)
{
	*size = digest->message ? digest->message_size : digest->size;
	return digest->message ? digest->message : digest->data;
}

/** sr_fail_key() - put "key NAME: " before a failure; returns @r */
int sr_fail_key(const struct sr_key *key, int r, struct sr_err *err);

#endif
