/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A ring to put something under: the one that is there, or a new one at its first use. */
#include <errno.h>

#include "choices.h"
#include "ground/attr.h"
#include "tool.h"

/* A ring that exists is used as it is; a promise it doesn't keep is refused. */
static int check_promises(struct sr_ring *ring, struct sr_err *err)
{
	struct sr_ring_info info;
	int r = sr_ring_info(ring, &info, err);

	if (r == 0 && choices.pcrs) {
		r = sr_ring_sealed_to(ring, choices.pcrs, err);
		if (r == 0)
			return sr_fail(
			    err, -EINVAL,
			    "ring %s exists and is sealed to %s: another list is "
			    "another ring (--ring), or: tpm-reseal now %s --pcrs LIST",
			    info.name, info.pcrs, info.name);
	}
	if (r < 0)
		return r;
	if (choices.recovery_key_file || choices.escrow.count || choices.no_recovery)
		tool_say("ring %s exists: who can recover it stays as it is; tpm-ring "
			 "recovery "
			 "renew %s changes that",
			 info.name, info.name);
	if ((choices.pin || choices.pin_file) && !info.pin)
		return sr_fail(
		    err, -EINVAL,
		    "ring %s exists and has no PIN: tpm-reseal now %s --pin gives "
		    "it one",
		    info.name, info.name);
	return 0;
}

int choices_use_ring(struct sr_store *store, struct sr_tpm **tpm, const char *name,
		     struct sr_ring **ret, struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	int r = sr_ring_load(store, name, &ring, err);

	if (r < 0 && r != -ENOKEY)
		return r;
	r = ring ? check_promises(ring, err) : 0;
	if (r == 0 && !*tpm)
		r = tool_tpm(store, tpm, err);
	if (r < 0)
		return r;
	if (!ring) {
		r = choices_new_ring(store, *tpm, name, ret, err);
		/* Another program may have made it meanwhile: it is used as it is. */
		if (r != -EEXIST || sr_ring_load(store, name, &ring, NULL) < 0)
			return r;
		r = check_promises(ring, err);
		if (r < 0)
			return r;
	}
	r = sr_ring_open_for_admin(ring, *tpm, choices_ask(), err);
	if (r == 0)
		*ret = take(ring);
	return r;
}
