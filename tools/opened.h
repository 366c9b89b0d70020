/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rings that stay open for a while: one TPM conversation for many requests. */
#ifndef OPENED_H
#define OPENED_H

#include "sealring.h"

/**
 * opened_get() - an open ring
 * @store:	where
 * @name:	which
 * @ret:	the ring, valid until the next call
 * @err:	says why it can't be opened, on failure
 *
 * Opened at most a minute ago, and the one that has the name now. A failure is repeated
 * for a second before the TPM is asked again. Nobody can be asked for a PIN.
 *
 * Returns what sr_ring_load() and sr_ring_open() do.
 */
int opened_get(struct sr_store *store, const char *name, struct sr_ring **ret,
	       struct sr_err *err);

/** opened_forget() - wipe all keys */
void opened_forget(void);

#endif
