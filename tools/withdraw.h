/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking back what secrets.d had delivered. */
#ifndef WITHDRAW_H
#define WITHDRAW_H

#include "sealring.h"

#define CREDSTORE RUNSTATEDIR "/credstore"

/** withdraw_read() - sr_delivery_read(), and what to do where nothing is said */
int withdraw_read(const struct sr_store *store, const char *name, struct sr_delivery *ret,
		  struct sr_err *err);

/**
 * withdraw_secret() - take one back from keyring and credential directory
 * @store:	whose secrets.d
 * @name:	the secret
 * @directory:	where its credential is
 * @err:	says why, on failure
 *
 * Returns 0, also if it was not there, -ENOENT (nothing is said) and others.
 */
int withdraw_secret(const struct sr_store *store, const char *name, const char *directory,
		    struct sr_err *err);

/** withdraw_initramfs() - take back all with Initramfs=yes; all are tried */
int withdraw_initramfs(struct sr_store *store, struct sr_err *err);

#endif
