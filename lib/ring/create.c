/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and removing rings: built where no reader looks, then named in one step. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "baseline.h"
#include "manage.h"

static int make_dir(int dir, const char *name, struct sr_err *err)
{
	if (mkdirat(dir, name, 0700) == 0 && fchmodat(dir, name, 0700, 0) == 0)
		return 0;
	if (errno == EEXIST)
		return sr_fail(
		    err, -EIO,
		    "another program still reads the ring as it was before (it may "
		    "wait for a PIN): end it, and run this again");
	return sr_fail_sys(err, errno, "cannot make directory %s", name);
}

/* Under the lock nobody else can make it meanwhile. */
static int check_absent(int rings, const char *name, struct sr_err *err)
{
	if (faccessat(rings, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return sr_fail(err, -EEXIST, "ring %s exists already", name);
	return errno == ENOENT ? 0
			       : sr_fail_sys(err, errno, "cannot look for ring %s", name);
}

int sr_building_start(struct sr_store *store, const char *name, bool is_new, int *lock,
		      struct sr_building *ret, struct sr_err *err)
{
	_cleanup_building_ struct sr_building building = SR_BUILDING;
	int r;

	building.ring = sr_ring_new(store, name);
	if (!building.ring)
		return sr_fail_memory(err);
	building.rings = take_fd(lock);
	r = is_new ? check_absent(building.rings, name, err) : 0;
	if (r < 0)
		return r;
	sr_hidden_name(name, building.hidden);
	r = make_dir(building.rings, building.hidden, err);
	if (r < 0)
		return r;
	building.ring->dir = sr_open_dir(building.rings, building.hidden, err);
	r = building.ring->dir < 0 ? building.ring->dir
				   : make_dir(building.ring->dir, "approvals", err);
	if (r == 0)
		r = make_dir(building.ring->dir, "secrets", err);
	if (r < 0)
		return r;
	*ret = building;
	building = SR_BUILDING;
	return 0;
}

int sr_building_appear(struct sr_building *building, struct sr_err *err)
{
	int r = sr_sync_dir(building->ring->dir, building->ring->name, err);

	if (r < 0)
		return r;
	if (renameat(building->rings, building->hidden, building->rings,
		     building->ring->name) < 0)
		return sr_fail_sys(err, errno, "cannot name ring %s",
				   building->ring->name);
	building->hidden[0] = '\0';
	return sr_sync_dir(building->rings, "rings", err);
}

void sr_building_done(struct sr_building *building)
{
	sr_ring_free(building->ring);
	if (building->hidden[0])
		sr_discard_hidden(building->rings, building->hidden, 0);
	sr_closep(&building->rings);
	*building = SR_BUILDING;
}

static int make_id(struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret id = { 0 };
	int r = sr_secret_random(16, &id, err);

	if (r == 0)
		sr_hex_format(id.data, id.size, ring->id);
	return r;
}

static int take_pin(struct sr_ring *ring, const struct sr_secret *pin, struct sr_err *err)
{
	if (!pin || pin->size == 0)
		return 0;
	if (pin->size > SR_PIN_MAX)
		return sr_fail(err, -EINVAL, "the PIN is longer than %d bytes",
			       SR_PIN_MAX);
	sr_secret_done(&ring->pin_value);
	ring->pin = true;
	return sr_secret_copy(pin->data, pin->size, &ring->pin_value, err);
}

int sr_ring_apply(struct sr_ring *ring, const struct sr_ring_options *options,
		  struct sr_err *err)
{
	int r = options->pcrs ? sr_ring_choose_pcrs(ring, options->pcrs, err) : 0;

	return r < 0 ? r : take_pin(ring, options->pin, err);
}

int sr_ring_set_pcrs_default(struct sr_ring *ring, struct sr_err *err)
{
	return sr_ring_choose_pcrs(ring, ring->store->config.pcrs ?: "0+7", err);
}

static int describe(struct sr_ring *ring, const struct sr_ring_options *options,
		    struct sr_err *err)
{
	int r = make_id(ring, err);

	if (r == 0)
		r = sr_ring_set_pcrs_default(ring, err);
	if (r == 0)
		r = sr_ring_apply(ring, options, err);
	ring->created = time(NULL);
	return r < 0 ? r : sr_secret_random(SR_RING_KEY, &ring->key, err);
}

static int build(struct sr_ring *ring, struct sr_tpm *tpm,
		 const struct sr_ring_options *options, int lock, struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	int r = describe(ring, options, err);

	if (r == 0)
		r = sr_ring_check_evidence(ring, tpm, options, err);
	if (r == 0)
		r = sr_opening_start(ring, tpm, false, &opening, err);
	if (r == 0)
		r = sr_opening_approve(ring, &opening, options, NULL, err);
	if (r == 0)
		r = sr_recovery_write(ring, &options->recovery, false, err);
	if (r == 0)
		r = sr_ring_save(ring, err);
	if (r == 0 && options->manager)
		r = sr_manage_write(ring, options->manager, NULL, lock, err);
	return r;
}

/* Its key is kept before it appears, or nothing but recovery could change it. */
int sr_ring_create(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		   const struct sr_ring_options *options, struct sr_ring **ret,
		   struct sr_err *err)
{
	_cleanup_building_ struct sr_building building = SR_BUILDING;
	_cleanup_close_ int lock = -1;
	int r = sr_name_check(name, "ring", err);

	if (r == 0)
		r = sr_store_lock(store, &lock, err);
	if (r == 0)
		r = sr_building_start(store, name, true, &lock, &building, err);
	if (r < 0)
		return r;
	r = build(building.ring, tpm, options, building.rings, err);
	if (r == 0 && options->recovery.announce)
		r = options->recovery.announce(options->recovery.arg, err);
	if (r == 0)
		r = sr_building_appear(&building, err);
	if (r < 0 && building.hidden[0] && options->manager)
		sr_manage_forget(building.rings, name);
	if (r < 0)
		return r;
	*ret = take(building.ring);
	return 0;
}

int sr_ring_remove(struct sr_store *store, const char *name, struct sr_err *err)
{
	char hidden[SR_HIDDEN_MAX];
	_cleanup_close_ int lock = -1;
	int r = sr_name_check(name, "ring", err);

	if (r == 0)
		r = sr_store_lock(store, &lock, err);
	if (r < 0)
		return r;
	sr_hidden_name(name, hidden);
	if (renameat(lock, name, lock, hidden) < 0)
		return errno == ENOENT
			   ? sr_fail(err, -ENOKEY, "no ring \"%s\" in %s", name,
				     store->rings_path)
			   : sr_fail_sys(err, errno, "cannot remove ring %s", name);
	r = sr_sync_dir(lock, "rings", err);
	sr_manage_forget(lock, name);
	sr_discard_hidden(lock, hidden, SR_DISCARD_MS);
	return r;
}
