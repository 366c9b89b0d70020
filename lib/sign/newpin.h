/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys get other PINs. */
#ifndef SR_NEWPIN_H
#define SR_NEWPIN_H

#include "key.h"

/** sr_ask_new_pin() - gives a PIN that has just been chosen: nobody is asked */
struct sr_ask sr_ask_new_pin(const struct sr_secret *pin);

/** sr_key_ask_pin() - ask for the PIN of a key; nothing for one that takes none */
int sr_key_ask_pin(const struct sr_key *key, const struct sr_ask *ask,
		   struct sr_secret *ret, struct sr_err *err);

/**
 * sr_key_repin() - change a key's PIN, but not yet its file
 * @key:	the key
 * @tpm:	an open TPM
 * @ask:	where the PIN comes from that it has
 * @pin:	the other one
 * @err:	says why, on failure
 *
 * Returns as sr_key_change_pin().
 */
int sr_key_repin(struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		 const struct sr_secret *pin, struct sr_err *err);

#endif
