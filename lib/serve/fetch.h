/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Software keys for who may not read rings: asked for at the socket of tpm-credential. */
#ifndef SR_FETCH_H
#define SR_FETCH_H

#include "sign/software.h"

/** sr_fetch_needed() - whether the rings of a store are not for this process to read */
bool sr_fetch_needed(const struct sr_store *store);

/**
 * sr_fetch() - as sr_software_open(), without TPM; it may take a while
 *
 * Also returns -EPERM (the ring has a PIN) and -ETIMEDOUT.
 */
int sr_fetch(const struct sr_key *key, const struct sr_store *store,
	     struct sr_secret *ret, struct sr_err *err);

#endif
