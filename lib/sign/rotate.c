/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New keys in place of old ones, which stay for what they have signed. */
#include "rotate.h"

#include <fcntl.h>
#include <string.h>

#include "ground/parse.h"
#include "make.h"
#include "newpin.h"

/* How to make a key like another: all but what is not the old key's, and the PIN. */
static int options_of(const struct sr_key *old, struct sr_key_options *ret,
		      char pcrs[SR_PCRS_TEXT], struct sr_err *err)
{
	struct sr_key_info info;
	struct sr_pcrs bound;
	int r = sr_key_in_store(old, err);

	if (r == 0 && !sr_name_ok(old->name))
		r = sr_fail(err, -EINVAL, "an older version: only the newest is rotated");
	if (r == 0 && old->version >= SR_KEY_VERSIONS)
		r = sr_fail(err, -EINVAL, "it is the last of %d versions: make a new key",
			    SR_KEY_VERSIONS);
	if (r == 0)
		r = sr_key_info(old, &info, err);
	if (r < 0)
		return r;
	sr_key_pcrs(old, &bound);
	if (info.ring)
		bound.mask = 0;
	if (bound.mask)
		sr_pcrs_format(&bound, pcrs);
	ret->type = info.type;
	ret->usage = info.usage;
	ret->pcrs = bound.mask ? pcrs : NULL;
	ret->bind = info.in_tpm && info.ring;
	ret->exportable = info.exportable;
	ret->tags = info.tags;
	ret->tag_count = info.tag_count;
	return 0;
}

/* 1 if it is. */
static int is_same(const struct sr_key *key, const struct sr_key *other,
		   struct sr_err *err)
{
	char one[SR_FINGERPRINT_TEXT], two[SR_FINGERPRINT_TEXT];
	int r = sr_key_spki(key, one, err);

	if (r == 0)
		r = sr_key_spki(other, two, err);
	return r < 0 ? r : strcmp(one, two) == 0;
}

/* What was killed half-way has left the same key there. */
static int check_place(struct sr_store *store, const struct sr_key *old,
		       struct sr_err *err)
{
	_cleanup_key_ struct sr_key *other = NULL;
	char older[SR_KEY_NAME + 1];
	int r;

	sr_keystore_older(old->name, old->version, older);
	r = sr_key_load(store, older, &other, err);
	if (r == -ENOKEY)
		return 0;
	if (r == 0)
		r = is_same(old, other, err);
	if (r == 0)
		return sr_fail(err, -EEXIST,
			       "it would become %s, and that is there, and another key: "
			       "tpm-sign delete removes it",
			       older);
	return r < 0 ? r : 0;
}

int sr_rotate_check(struct sr_store *store, const struct sr_key *old, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *now = NULL;
	int r = sr_key_load(store, old->name, &now, err);

	if (r == 0)
		r = is_same(old, now, err);
	if (r == 0)
		return sr_fail(err, -ENOKEY, "it has just been replaced by another");
	return r < 0 ? r : check_place(store, old, err);
}

/* A wrong PIN would become that of the new key. The PCRs may have moved meanwhile. */
static int check_pin(struct sr_key *old, struct sr_tpm *tpm, const struct sr_ask *ask,
		     struct sr_secret *ret, struct sr_err *err)
{
	struct sr_ask again = sr_ask_new_pin(ret);
	int r = sr_key_ask_pin(old, ask, ret, err);

	return r < 0 || !sr_key_needs_pin(old) ? r
					       : sr_key_repin(old, tpm, &again, ret, err);
}

int sr_key_rotate(struct sr_store *store, struct sr_key *old, struct sr_tpm *tpm,
		  const struct sr_ask *ask, const struct sr_key_options *options,
		  struct sr_key **ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret pin = { 0 };
	struct sr_key_options same = *options;
	char pcrs[SR_PCRS_TEXT];
	int r = options_of(old, &same, pcrs, err);

	if (r == 0)
		r = check_pin(old, tpm, ask, &pin, err);
	if (r < 0)
		return sr_fail_key(old, r, err);
	same.pin = pin.size > 0 ? &pin : NULL;
	return sr_key_generate_in_place(store, tpm, old->name, &same, old, ret, err);
}

unsigned int sr_key_older(const struct sr_store *store, const struct sr_key *key,
			  unsigned int version)
{
	char older[SR_KEY_NAME + 1], file[SR_KEY_FILE];
	_cleanup_close_ int dir = -1;

	if (version <= 1 || !sr_name_ok(key->name))
		return 0;
	dir = sr_keystore_dir(store, NULL);
	if (dir < 0)
		return 0;
	while (--version > 0) {
		sr_keystore_older(key->name, version, older);
		sr_keystore_file(older, ".pem", file);
		if (faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			break;
	}
	return version;
}

/* 1 or 0; 0 also if it has been removed meanwhile. */
static int is_of_version(struct sr_store *store, const struct sr_key *key,
			 unsigned int version, const struct sr_sign_options *options,
			 const struct sr_digest *digest,
			 const struct sr_signature *signature, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *old = NULL;
	char older[SR_KEY_NAME + 1];
	int r;

	sr_keystore_older(key->name, version, older);
	r = sr_key_load(store, older, &old, err);
	if (r < 0)
		return r == -ENOKEY ? 0 : sr_key_unreadable(r, err);
	r = sr_key_verify(old, options, digest, signature, err);
	return r == -EBADMSG ? 0 : r < 0 ? r : 1;
}

int sr_key_verify_any(struct sr_store *store, const struct sr_key *key,
		      const struct sr_sign_options *options,
		      const struct sr_digest *digest,
		      const struct sr_signature *signature, unsigned int *ret,
		      struct sr_err *err)
{
	unsigned int version = key->version;
	int r = sr_key_verify(key, options, digest, signature, err), is = 0;
	struct sr_err why = { 0 };

	*ret = 0;
	if (r != -EBADMSG)
		return r;
	while (is == 0 && (version = sr_key_older(store, key, version)))
		is = is_of_version(store, key, version, options, digest, signature, &why);
	if (is == 0)
		return r;
	if (is < 0 && err)
		*err = why;
	*ret = is > 0 ? version : 0;
	return is < 0 ? is : 0;
}
