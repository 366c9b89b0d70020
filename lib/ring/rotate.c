/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new ring key: the ring is built again beside the old one, then they change places. */
#include <fcntl.h>
#include <string.h>

#include "manage.h"

static int copy_secrets(struct sr_ring *from, struct sr_ring *to,
			const struct sr_progress *progress, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_ring_open_subdir(to, "secrets", err);
	_cleanup_(sr_strv_freep) char **names = NULL;
	int count, r = 0;

	if (dir < 0)
		return dir;
	count = sr_secrets_list(from, &names, err);
	if (count < 0)
		return count;
	for (int i = 0; i < count && r == 0; i++) {
		_cleanup_secret_ struct sr_secret secret = { 0 };

		r = sr_secret_load(from, names[i], &secret, err);
		if (r == 0)
			r = sr_secret_store(to, dir, names[i], &secret, err);
		if (progress && progress->step)
			progress->step(progress->arg, (size_t)i + 1, (size_t)count);
	}
	return r;
}

/* The same ring, with a key of its own. */
static int inherit(const struct sr_ring *from, const struct sr_ring_options *options,
		   struct sr_ring *to, struct sr_err *err)
{
	int r;

	memcpy(to->id, from->id, sizeof(to->id));
	to->created = from->created;
	to->srk = from->srk;
	for (size_t i = 0; i < from->volume_count; i++)
		if (sr_strv_add(&to->volumes, &to->volume_count, from->volumes[i], err) <
		    0)
			return -ENOMEM;
	to->pin = from->pin_value.size > 0;
	r = options->pcrs ? 0 : sr_ring_check_selection(from, err);
	if (r == 0)
		r = sr_ring_set_pcrs(to, from->pcrs_text, err);
	if (r == 0)
		r = sr_secret_copy(from->pin_value.data, from->pin_value.size,
				   &to->pin_value, err);
	if (r == 0)
		r = sr_ring_apply(to, options, err);
	return r < 0 ? r : sr_secret_random(SR_RING_KEY, &to->key, err);
}

/* Both keys are known to all that has one of them, before the new one counts. */
static int prepare(struct sr_ring *from, struct sr_ring *to, int lock,
		   const struct sr_follow *follow, struct sr_err *err)
{
	int r = from->manager ? sr_manage_write(to, from->manager, from, lock, err) : 0;

	if (r == 0 && follow)
		r = follow->follow(follow->arg, to, from, false, err);
	return r;
}

static int rebuild(struct sr_ring *from, struct sr_ring *to, struct sr_tpm *tpm,
		   const struct sr_ring_options *options,
		   const struct sr_progress *progress, bool *later, struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	struct sr_ring_options alone = *options;
	int r = inherit(from, options, to, err);

	alone.follow = NULL; /* it is not complete yet */
	if (r == 0)
		r = sr_opening_start(to, tpm, true, &opening, err);
	if (r == 0)
		r = sr_opening_approve(to, &opening, &alone, later, err);
	if (r == 0)
		r = sr_recovery_write(to, &options->recovery, false, err);
	if (r == 0)
		r = copy_secrets(from, to, progress, err);
	return r < 0 ? r : sr_ring_save(to, err);
}

static int announce(const struct sr_ring *to, const struct sr_recovery *recovery,
		    struct sr_err *err)
{
	int r = recovery->announce ? recovery->announce(recovery->arg, err) : 0;

	return r < 0 ? r : sr_sync_dir(to->dir, to->name, err);
}

/* From here on the hidden directory is the old ring, which the next writer would remove.
 */
static int change_places(struct sr_building *building, struct sr_err *err)
{
	if (renameat2(building->rings, building->hidden, building->rings,
		      building->ring->name, RENAME_EXCHANGE) < 0)
		return sr_fail_sys(err, errno, "cannot put the new ring %s in place",
				   building->ring->name);
	return sr_sync_dir(building->rings, "rings", err);
}

/* Tried while both are empty: nobody should get a new recovery key in vain. */
static int check_exchange(const struct sr_ring *ring, struct sr_err *err)
{
	for (int i = 0; i < 2; i++)
		if (renameat2(ring->dir, "approvals", ring->dir, "secrets",
			      RENAME_EXCHANGE) < 0)
			return sr_fail_sys(err, errno,
					   "the file system of %s cannot exchange two "
					   "directories, which rotation needs",
					   ring->store->rings_path);
	return 0;
}

static void become(struct sr_ring *ring, struct sr_ring *new)
{
	struct sr_ring old = *ring;

	*ring = *new;
	*new = old;
}

/* Where its key is kept and that is not open, it would be kept no longer. */
static int check_manager(const struct sr_ring *ring, struct sr_err *err)
{
	int r = ring->manager ? 0 : sr_manage_exists(ring, err);

	if (r <= 0)
		return r;
	return sr_fail(err, -EKEYREJECTED,
		       "ring system, which has the key of ring %s, does not open: "
		       "tpm-reseal status",
		       ring->name);
}

static int finish(struct sr_ring *ring, int lock, bool later,
		  const struct sr_follow *follow, struct sr_err *err)
{
	int r = ring->manager ? sr_manage_write(ring, ring->manager, NULL, lock, err) : 0;

	if (r == 0 && follow)
		r = follow->follow(follow->arg, ring, NULL, !later, err);
	if (r == 0)
		return 0;
	r = sr_prefix(err, r, "it has a new key, tpm-reseal now finishes the rest");
	return sr_fail_ring(ring, r, err);
}

int sr_ring_rotate(struct sr_ring *ring, struct sr_tpm *tpm,
		   const struct sr_ring_options *options,
		   const struct sr_progress *progress, struct sr_err *err)
{
	_cleanup_building_ struct sr_building building = SR_BUILDING;
	_cleanup_close_ int lock = -1;
	bool later = false;
	int r = sr_ring_need_key(ring, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r == 0)
		r = check_manager(ring, err);
	if (r == 0)
		r = sr_building_start(ring->store, ring->name, false, &lock, &building,
				      err);
	if (r == 0)
		r = check_exchange(building.ring, err);
	if (r == 0)
		r = rebuild(ring, building.ring, tpm, options, progress, &later, err);
	if (r == 0)
		r = prepare(ring, building.ring, building.rings, options->follow, err);
	if (r == 0)
		r = announce(building.ring, &options->recovery, err);
	if (r == 0)
		r = change_places(&building, err);
	if (r < 0)
		return r;
	become(ring, building.ring);
	ring->manager = take(building.ring->manager);
	/* Lets go of the old directory, on which this process holds a reader's lock. */
	sr_ring_free(take(building.ring));
	r = finish(ring, building.rings, later, options->follow, err);
	sr_discard_hidden(building.rings, building.hidden, SR_DISCARD_MS);
	building.hidden[0] = '\0';
	return r;
}
