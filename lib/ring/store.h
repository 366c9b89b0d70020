/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store inside the library: its directories and its lock. */
#ifndef SR_STORE_H
#define SR_STORE_H

#include "ground/conf.h"
#include "ground/strv.h"

/* @impatient: its locks are not waited for, as others would have to wait, too. */
struct sr_store {
	char *config_dir;
	char *state_dir;
	char *runtime_dir; /* or NULL */
	char *rings_path;
	struct sr_config config;
	bool impatient;
};

/** sr_store_dir() - open rings/, or -ENOENT */
int sr_store_dir(const struct sr_store *store, struct sr_err *err);

/**
 * sr_store_lock() - become the only writer
 * @store:	the store; its directories are made if missing
 * @ret:	an open descriptor of rings/ that holds the lock until it is closed
 * @err:	says why, on failure
 *
 * What a killed writer left behind is removed.
 *
 * Returns 0, -ETIMEDOUT as sr_store_flock(), -EIO and others.
 */
int sr_store_lock(const struct sr_store *store, int *ret, struct sr_err *err);

/**
 * sr_store_flock() - lock one of its directories, as sr_store_lock() does
 * @store:	the store
 * @dir:	the directory
 * @path:	what to call it
 * @err:	says why, on failure
 *
 * Returns 0, -ETIMEDOUT (another program has it, and @store is impatient), -EINTR (the
 * handler of a signal ran meanwhile) or -EIO.
 */
int sr_store_flock(const struct sr_store *store, int dir, const char *path,
		   struct sr_err *err);

/* Where a ring is built, or taken down: hidden from all readers. */
#define SR_HIDDEN_SUFFIX ".new"
#define SR_HIDDEN_MAX (SR_NAME_MAX + 6)
void sr_hidden_name(const char *name, char ret[SR_HIDDEN_MAX]);

#define SR_DISCARD_MS 2000 /* how long a writer waits for the last reader */

/** sr_discard_hidden() - remove a hidden directory once nobody reads it, or leave it */
void sr_discard_hidden(int rings, const char *hidden, unsigned int wait_ms);

#endif
