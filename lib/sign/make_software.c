/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New keys in software: a secret of a ring. */
#include "make.h"
#include "ring/ring.h"

static int prove_software(const struct sr_key *key, const struct sr_private *value,
			  struct sr_err *err)
{
	static const struct sr_digest digest = { .size = 32 };
	struct sr_scheme scheme = sr_ssh_scheme(key->type);
	_cleanup_buf_ struct sr_buf unused = { 0 };
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	int r = sr_pubkey_evp(&key->file->pub, &pub, err);

	return r < 0 ? r
		     : sr_software_sign(key, pub, &value->value, &scheme, &digest,
					&unused, err);
}

int sr_make_in_software(struct sr_making *making, struct sr_err *err)
{
	struct sr_key *key = making->key;
	struct sr_ring_info ring;
	int r = sr_ring_info(making->ring, &ring, err);

	if (r < 0)
		return r;
	(void)snprintf(key->ring, sizeof(key->ring), "%s", ring.name);
	key->file->pub = making->from->pub;
	sr_software_shape(&key->file->pub);
	key->file->empty_auth = true;
	r = sr_key_describe(key, err);
	if (r == 0)
		r = prove_software(key, making->from, err);
	return r < 0 ? r : sr_software_store(key, making->ring, making->from, err);
}
