/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys get other PINs. */
#include "newpin.h"

#include <string.h>

#include "prove.h"
#include "signer.h"

static int give_new_pin(void *arg, const char *name, struct sr_secret *ret,
			struct sr_err *err)
{
	const struct sr_secret *pin = arg;

	(void)name;
	return sr_secret_copy(pin->data, pin->size, ret, err);
}

struct sr_ask sr_ask_new_pin(const struct sr_secret *pin)
{
	return (struct sr_ask){ .pin = give_new_pin, .arg = (void *)pin };
}

int sr_key_ask_pin(const struct sr_key *key, const struct sr_ask *ask,
		   struct sr_secret *ret, struct sr_err *err)
{
	if (!sr_key_needs_pin(key))
		return 0;
	if (!ask || !ask->pin)
		return sr_fail(err, -EACCES,
			       "it takes a PIN: give it on a terminal or with "
			       "--pin-file");
	return ask->pin(ask->arg, key->name, ret, err);
}

int sr_key_repin(struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		 const struct sr_secret *pin, struct sr_err *err)
{
	_cleanup_signer_ struct sr_signer signer = SR_SIGNER(tpm);
	int r;

	if (key->type->software)
		return sr_fail(
		    err, -EINVAL,
		    "a key in software has no PIN of its own: tpm-reseal now %s "
		    "--pin gives its ring one",
		    key->ring);
	if (!sr_key_needs_pin(key))
		return sr_fail(err, -EINVAL,
			       "it takes no PIN, and the TPM would not slow down "
			       "guessing one: make a new key with --pin");
	if (pin->size == 0 || pin->size > SR_PIN_MAX)
		return sr_fail(err, -EINVAL, "a PIN has 1 to %d bytes", SR_PIN_MAX);
	r = sr_signer_open(key, tpm, ask, SR_SIGNER_ADMIN, &signer, err);
	return r < 0 ? r
		     : sr_key_rewrap(&signer.session, &signer.parent, &signer.object, pin,
				     key->file, err);
}

/* The PCRs that it is bound to need not hold for that, and so can't be counted on. */
static int prove_changed(const struct sr_key *key, struct sr_tpm *tpm,
			 const struct sr_secret *pin, struct sr_err *err)
{
	bool later = key->pinned && key->file->policy.count > 0;
	struct sr_ask ask = sr_ask_new_pin(pin);

	return sr_key_prove(key, tpm, &ask, later, err);
}

/* Meanwhile its ring may have been sealed anew, or its PIN changed. */
static int read_again(struct sr_key *key, int dir, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *again = sr_key_new(key->name);
	_cleanup_buf_ struct sr_buf content = { 0 };
	struct sr_tpmkey *old = key->file;
	int r;

	if (dir < 0)
		return 0;
	r = again ? sr_keystore_read(dir, key->name, &content, err) : sr_fail_memory(err);
	if (r == 0)
		r = sr_key_read(again, &content, err);
	if (r < 0)
		return r;
	key->file = again->file;
	again->file = old;
	free(key->text);
	key->text = take(again->text);
	return 0;
}

/* A person may take long, and others want the store meanwhile: its lock comes after. */
int sr_key_change_pin(struct sr_store *store, struct sr_key *key, struct sr_tpm *tpm,
		      const struct sr_ask *ask, const struct sr_secret *pin,
		      struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret present = { 0 };
	struct sr_ask given = sr_ask_new_pin(&present);
	_cleanup_close_ int dir = -1;
	int r = sr_key_ask_pin(key, ask, &present, err);

	/* A file that is not in the store has none. */
	if (r == 0 && !strchr(key->name, '/'))
		r = sr_keystore_lock_key(store, key->name, &dir, err);
	if (r == 0)
		r = read_again(key, dir, err);
	if (r == 0)
		r = sr_key_repin(key, tpm, &given, pin, err);
	if (r == 0)
		r = prove_changed(key, tpm, pin, err);
	if (r == 0)
		r = sr_key_write(key, dir, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}
