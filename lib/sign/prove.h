/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A key is used once before anybody relies on it. */
#ifndef SR_PROVE_H
#define SR_PROVE_H

#include "key.h"

/**
 * sr_key_prove() - sign or decrypt with a key, and check that
 * @key:	the key
 * @tpm:	an open TPM
 * @ask:	where its PIN comes from
 * @later:	it is for a boot state to come: that it loads is all there is
 * @err:	says why, on failure
 *
 * Returns as sr_signer_open().
 */
int sr_key_prove(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		 bool later, struct sr_err *err);

#endif
