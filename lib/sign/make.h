/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New keys: what they are made of, and where. */
#ifndef SR_MAKE_H
#define SR_MAKE_H

#include "bind.h"
#include "software.h"

/**
 * struct sr_making - a key that is being made
 * @tpm:	an open TPM
 * @options:	how
 * @from:	the private key that it will be; NULL for one that the TPM makes
 * @pair:	what it will be, of the TPM already; NULL otherwise
 * @ask:	gives its PIN, to try it
 * @backup:	a copy to be given away, once it works; NULL for none
 * @old:	the key whose name it takes; NULL for none
 * @imported:	it has been elsewhere
 * @key:	the key; this and what follows is for sr_key_make()
 * @ring:	the open ring that it is bound to, or a secret of; NULL for none
 * @approvers:	what approves the boot states of that ring
 * @policy:	what the TPM binds it to
 * @later:	that is PCR values to come
 */
struct sr_making {
	struct sr_tpm *tpm;
	const struct sr_key_options *options;
	const struct sr_private *from;
	struct sr_tpmkey *pair;
	const struct sr_ask *ask;
	const struct sr_buf *backup;
	const struct sr_key *old;
	bool imported;
	struct sr_key *key;
	struct sr_ring *ring;
	struct sr_approvers approvers;
	struct sr_policy policy;
	bool later;
};

/**
 * sr_key_make() - make a key, and put it in the store
 * @store:	the store
 * @making:	what
 * @name:	its name
 * @type:	its kind
 * @ret:	release with sr_key_free()
 * @err:	says why, on failure
 *
 * Returns as sr_key_generate().
 */
int sr_key_make(struct sr_store *store, struct sr_making *making, const char *name,
		const struct sr_key_type *type, struct sr_key **ret, struct sr_err *err);

/** sr_make_in_tpm() - make it there, and try it */
int sr_make_in_tpm(struct sr_making *making, struct sr_err *err);

/** sr_make_in_software() - try it, and make its private part a secret of the ring */
int sr_make_in_software(struct sr_making *making, struct sr_err *err);

/** sr_key_generate_in_place() - sr_key_generate(), in the place of @old unless it is NULL */
int sr_key_generate_in_place(struct sr_store *store, struct sr_tpm *tpm, const char *name,
			     const struct sr_key_options *options,
			     const struct sr_key *old, struct sr_key **ret,
			     struct sr_err *err);

#endif
