/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A foreign root file system gets none of the volumes that the TPM opened. */
#ifndef SR_GUARD_H
#define SR_GUARD_H

#include "sealring.h"

/**
 * struct sr_guard - what is guarded, and how
 * @root:	the device with the root file system, or the name of a mount unit whose
 *		What= it is
 * @opener:	how to get at the TPM, which must not be latched yet
 * @closed:	called with @arg and the name of each volume that was closed; may be NULL
 * @arg:	the caller's
 */
struct sr_guard {
	const char *root;
	struct sr_ring_opener opener;
	void (*closed)(void *arg, const char *name);
	void *arg;
};

/**
 * sr_volumes_guard() - before a root file system is mounted: is it of the same ring?
 * @guard:	what and how
 * @err:	says why, on failure
 *
 * Somebody may have put another disk in the place of the root file system's, and left the
 * victim's other volumes: the TPM opens these for him. So each volume whose token opens,
 * and that the root file system is not on, is closed, unless all that the root file system
 * is on was enrolled under the same ring key. That is proven by giving the kernel its
 * volume key once more, from the keyslot to which the token has the passphrase: what was
 * encrypted with another key is not readable afterwards. A volume whose token can't be
 * tried is closed as well: its PIN is not kept any more, or the TPM fails.
 *
 * Where there is one volume only nothing is asked, and nothing done.
 *
 * Returns how many were closed, or -EIO (one could not be closed, or its key not given
 * back).
 */
int sr_volumes_guard(const struct sr_guard *guard, struct sr_err *err);

#endif
