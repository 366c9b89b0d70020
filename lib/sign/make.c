/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New keys, from what was asked for to what is in the store. */
#include "make.h"

#include <string.h>

#include "ring/ring.h"
#include "rotate.h"

static int check_software(const struct sr_key_options *options, struct sr_err *err)
{
	if (options->exportable)
		return sr_fail(err, -EINVAL,
			       "a key in software goes elsewhere with its ring: tpm-ring "
			       "export");
	if (options->pcrs || options->pin)
		return sr_fail(
		    err, -EINVAL,
		    "a key in software has no PCRs and no PIN of its own: they "
		    "are its ring's");
	if (options->usage & SR_KEY_DECRYPT)
		return sr_fail(err, -EINVAL,
			       "a key in software only signs: rsa2048, p256 and others "
			       "of the TPM decrypt");
	return 0;
}

/* Names that mean something else already. */
static int check_name(const char *name, struct sr_err *err)
{
	size_t length = strlen(name);
	int r = sr_name_check(name, "key", err);

	if (r < 0)
		return r;
	if (length == SR_NAME_MAX &&
	    strspn(name, "0123456789abcdefABCDEF") == SR_NAME_MAX)
		return sr_fail(err, -EINVAL,
			       "64 hexadecimal digits are a fingerprint, not a name");
	if (length > 5 && strcmp(name + length - 5, "-cert") == 0)
		return sr_fail(
		    err, -EINVAL,
		    "\"%s\": %s.pub would be the certificate of key %.*s: choose "
		    "a name that does not end in -cert",
		    name, name, (int)length - 5, name);
	return 0;
}

static int check_options(const struct sr_key_type *type,
			 const struct sr_key_options *options, struct sr_err *err)
{
	unsigned int known = SR_KEY_SIGN | SR_KEY_DECRYPT;

	if (options->usage & ~known)
		return sr_fail(err, -EINVAL, "no such usage of a key");
	if (type->software)
		return check_software(options, err);
	if (options->exportable && (options->pcrs || options->bind))
		return sr_fail(err, -EINVAL,
			       "a key that may move to another TPM can't be bound to the "
			       "boot state of this one: leave out one of both");
	if (options->bind && options->pcrs)
		return sr_fail(err, -EINVAL,
			       "a key is bound to PCRs for good, or to a ring as it is "
			       "re-sealed: not to both");
	if (options->pin && (options->pin->size == 0 || options->pin->size > SR_PIN_MAX))
		return sr_fail(err, -EINVAL, "a PIN has 1 to %d bytes", SR_PIN_MAX);
	return 0;
}

static int find_ring(struct sr_making *making, struct sr_err *err)
{
	const struct sr_key_options *options = making->options;

	making->ring = options->ring;
	if (making->ring)
		return 0;
	return options->open_ring ? options->open_ring(options->arg, &making->ring, err)
				  : sr_fail(err, -EINVAL, "it takes a ring");
}

/* From when the key works, and until it is there: nobody is without what they count on. */
static int give_backup(const struct sr_making *making, struct sr_err *err)
{
	const struct sr_key_backup *to = making->options->backup;

	return making->backup
		   ? to->save(to->arg, making->backup->data, making->backup->size, err)
		   : 0;
}

/* NAME.pem decides: what the old key has is kept before, and leaves the name after. */
static int write_key(const struct sr_making *making, int dir, struct sr_err *err)
{
	const struct sr_key *key = making->key, *old = making->old;
	int r = old ? sr_keystore_keep(dir, key->name, old->version, err) : 0;

	if (r == 0)
		r = sr_key_write(key, dir, err);
	if (r == 0 && old)
		r = sr_keystore_renewed(dir, key->name, err);
	return r < 0 ? r : sr_key_write_public(key, dir, err);
}

/* Nobody else can make a key of that name meanwhile. The lock of the rings goes first. */
static int make_and_write(struct sr_store *store, struct sr_making *making,
			  struct sr_err *err)
{
	_cleanup_close_ int rings = -1, dir = -1;
	bool software = making->key->type->software;
	int r = making->ring ? sr_ring_lock(making->ring, &rings, err) : 0;

	if (r == 0 && making->options->bind && !software)
		r = sr_approvers_ready(making->ring, &making->approvers, err);
	if (r == 0)
		r = sr_keystore_lock(store, &dir, err);
	if (r == 0)
		r = making->old ? sr_rotate_check(store, making->old, err)
				: sr_keystore_begin(dir, making->key->name, err);
	if (r == 0)
		r = software ? sr_make_in_software(making, err)
			     : sr_make_in_tpm(making, err);
	if (r == 0)
		r = give_backup(making, err);
	return r < 0 ? r : write_key(making, dir, err);
}

int sr_key_make(struct sr_store *store, struct sr_making *making, const char *name,
		const struct sr_key_type *type, struct sr_key **ret, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	int r = making->old ? 0 : check_name(name, err);

	if (r == 0)
		r = check_options(type, making->options, err);
	if (r == 0 && (type->software || making->options->bind))
		r = find_ring(making, err);
	if (r < 0)
		return r;
	key = sr_key_new(name);
	if (key)
		key->file = sr_tpmkey_new();
	if (!key || !key->file)
		return sr_fail_memory(err);
	key->store = store;
	key->type = type;
	key->version = making->old ? making->old->version + 1 : 1;
	key->imported = making->imported;
	making->key = key;
	r = sr_key_set_tags(key, making->options->tags, making->options->tag_count, err);
	if (r == 0)
		r = make_and_write(store, making, err);
	sr_approvers_done(&making->approvers);
	if (r < 0)
		return r == -EEXIST ? r : sr_fail_key(key, r, err);
	*ret = take(key);
	return 0;
}
