/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that nobody had before. */
#include "codec/recovery.h"
#include "make.h"
#include "newpin.h"
#include "signer.h"

static int generate_outside(const struct sr_key_type *type,
			    const struct sr_key_backup *to, struct sr_private *ret,
			    struct sr_buf *backup, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret pkcs8 = { 0 };
	int r = sr_private_generate(type, &pkcs8, err);

	if (r == 0)
		r = sr_escrow_seal(&pkcs8, to->owners, backup, err);
	return r < 0 ? r : sr_private_read(&pkcs8, NULL, ret, err);
}

int sr_key_generate_in_place(struct sr_store *store, struct sr_tpm *tpm, const char *name,
			     const struct sr_key_options *options,
			     const struct sr_key *old, struct sr_key **ret,
			     struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_find(options->type ?: "p256");
	_cleanup_(sr_private_done) struct sr_private from = { 0 };
	struct sr_ask ask = sr_ask_new_pin(options->pin);
	struct sr_making making = {
		.tpm = tpm, .options = options, .ask = &ask, .old = old
	};
	_cleanup_buf_ struct sr_buf backup = { 0 };
	int r = 0;

	if (!type)
		return sr_fail(err, -EINVAL,
			       "no keys of type \"%s\": tpm-sign algs shows which there "
			       "are",
			       options->type);
	if (type->software) {
		making.from = &from;
		r = options->backup ? sr_fail(err, -EINVAL,
					      "a key in software is recovered with its "
					      "ring: it takes no --backup")
				    : sr_softkey_generate(type, &from, err);
	} else if (options->backup) {
		making.from = &from;
		making.backup = &backup;
		r = generate_outside(type, options->backup, &from, &backup, err);
	}
	return r < 0 ? r : sr_key_make(store, &making, name, type, ret, err);
}

int sr_key_generate(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		    const struct sr_key_options *options, struct sr_key **ret,
		    struct sr_err *err)
{
	return sr_key_generate_in_place(store, tpm, name, options, NULL, ret, err);
}

int sr_tpm_has_type(struct sr_tpm *tpm, const char *name, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_find(name);

	return type ? sr_tpm_takes(tpm, type, err)
		    : sr_fail(err, -EINVAL, "no keys of type \"%s\"", name);
}
