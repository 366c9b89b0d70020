/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key of a ring that the latch closes, kept under ring "system" to change it with. */
#include "manage.h"

#include <fcntl.h>
#include <string.h>

#include "codec/name.h"

static const char manager_name[] = "system";

static bool ends_in(const char *name, const char *suffix)
{
	size_t length = strlen(name), size = strlen(suffix);

	return length > size && strcmp(name + length - size, suffix) == 0;
}

bool sr_manage_is_reserved(const char *name)
{
	return ends_in(name, SR_MANAGE_SUFFIX) || ends_in(name, SR_APPROVER_SUFFIX);
}

/* False for a ring whose name leaves no room, and for "system" itself. */
static bool secret_name(const struct sr_ring *ring, char ret[SR_NAME_MAX + 1])
{
	return strcmp(ring->name, manager_name) != 0 &&
	       snprintf(ret, SR_NAME_MAX + 1, "%s" SR_MANAGE_SUFFIX, ring->name) <=
		   SR_NAME_MAX;
}

/* Loads "system" if it has the ring's key; -ENOKEY if not. */
static int load_manager(const struct sr_ring *ring, const char *name,
			struct sr_ring **ret, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *manager = NULL;
	char path[SR_NAME_MAX + 16];
	int r = sr_ring_load(ring->store, manager_name, &manager, err);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "secrets/%s.cms", name);
	if (faccessat(manager->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			   ? sr_fail(err, -ENOKEY, "ring %s has no secret %s",
				     manager_name, name)
			   : sr_fail_sys(err, errno, "cannot look for secret %s", name);
	*ret = take(manager);
	return 0;
}

int sr_manage_exists(const struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *manager = NULL;
	char name[SR_NAME_MAX + 1];
	int r;

	if (!ring->store || !secret_name(ring, name))
		return 0;
	r = load_manager(ring, name, &manager, err);
	return r == -ENOKEY ? 0 : r < 0 ? r : 1;
}

/* While a ring is rotated there are two: only one of them made ring.conf's MAC. */
static int take_fitting(struct sr_ring *ring, const struct sr_secret *kept,
			struct sr_err *err)
{
	for (size_t at = 0; at + SR_RING_KEY <= kept->size; at += SR_RING_KEY) {
		int r = sr_secret_copy(kept->data + at, SR_RING_KEY, &ring->key, err);

		if (r == 0)
			r = sr_ring_check_mac(ring, err);
		if (r == 0)
			return 0;
		sr_secret_done(&ring->key);
		if (r != -EBADMSG)
			return r;
	}
	return sr_fail(err, -EBADMSG,
		       "ring %s has another key for it, or its ring.conf was changed: "
		       "get in with the recovery key: tpm-reseal recover %s",
		       manager_name, ring->name);
}

static int open_kept(struct sr_ring *ring, const char *name, struct sr_ring *manager,
		     struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret kept = { 0 };
	int r = sr_secret_load(manager, name, &kept, err);

	ring->half_rotated = r == 0 && kept.size > SR_RING_KEY;
	return r < 0 ? r : take_fitting(ring, &kept, err);
}

static int through_manager(struct sr_ring *ring, struct sr_tpm *tpm,
			   const struct sr_ask *ask, struct sr_opening *keep,
			   struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *manager = NULL;
	char name[SR_NAME_MAX + 1];
	int r;

	if (!ring->store || !secret_name(ring, name))
		return sr_fail(err, -ENOKEY, "ring %s is not managed", ring->name);
	r = load_manager(ring, name, &manager, err);
	if (r == 0)
		r = sr_opening_unseal(manager, tpm, ask, keep, err);
	if (r == 0)
		r = open_kept(ring, name, manager, err);
	if (r < 0)
		return r;
	sr_ring_free(ring->manager);
	ring->manager = take(manager);
	ring->approval[0] = '\0';
	ring->opened = (struct sr_pcrs){ 0 };
	ring->bounded = false;
	return 0;
}

/* A PIN that was wrong is not asked for again under another name. */
static bool may_go_on(int r)
{
	return r == -ENOKEY || r == -EKEYREJECTED || r == -EREMOTE || r == -EBADMSG;
}

/* Its own approvals are what counts, unless nothing but the latch keeps it closed. */
static int fail_closed(const struct sr_ring *ring, int r, const struct sr_err *own,
		       int manager_r, const struct sr_err *manager, struct sr_err *err)
{
	if (r != -EKEYREJECTED || !ring->latched)
		return sr_fail(err, r, "%s", own->text);
	if (manager_r == -ENOKEY)
		return sr_fail(
		    err, r,
		    "%s; its key is not kept in ring %s: tpm-reseal recover %s "
		    "gets in with the recovery key",
		    own->text, manager_name, ring->name);
	return sr_fail(err, manager_r, "ring %s is changed through ring %s: %s",
		       ring->name, manager_name, manager->text);
}

/* From "system", or else from its own approvals; @keep is of whichever ring was unsealed. */
static int manage_unseal(struct sr_ring *ring, struct sr_tpm *tpm,
			 const struct sr_ask *ask, struct sr_opening *keep,
			 struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	struct sr_err manager = { 0 }, own = { 0 };
	int first = through_manager(ring, tpm, ask, keep ? &opening : NULL, &manager), r;

	if (first < 0 && !may_go_on(first))
		return sr_fail(err, first, "%s", manager.text);
	if (first < 0) {
		sr_opening_done(&opening);
		opening = SR_OPENING(tpm);
		r = sr_opening_unseal(ring, tpm, ask, keep ? &opening : NULL, &own);
		if (r < 0)
			return fail_closed(ring, r, &own, first, &manager, err);
	}
	if (keep) {
		*keep = opening;
		opening = SR_OPENING(tpm);
	}
	return 0;
}

int sr_ring_open_for_admin(struct sr_ring *ring, struct sr_tpm *tpm,
			   const struct sr_ask *ask, struct sr_err *err)
{
	return manage_unseal(ring, tpm, ask, NULL, err);
}

/* Both keys while a ring is rotated, @old the one it has: whatever is cut off, one fits. */
static int join(const struct sr_ring *ring, const struct sr_ring *old,
		struct sr_secret *ret, struct sr_err *err)
{
	size_t count = old ? 2 : 1;
	int r = sr_secret_alloc(count * SR_RING_KEY, ret, err);

	if (r < 0)
		return r;
	memcpy(ret->data, ring->key.data, SR_RING_KEY);
	if (old)
		memcpy(ret->data + SR_RING_KEY, old->key.data, SR_RING_KEY);
	return 0;
}

int sr_manage_write(const struct sr_ring *ring, struct sr_ring *manager,
		    const struct sr_ring *old, int rings, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret keys = { 0 };
	_cleanup_close_ int dir = -1;
	char name[SR_NAME_MAX + 1];
	int r = sr_ring_need_key(manager, err);

	if (r == 0 && !secret_name(ring, name))
		r = sr_fail(err, -EINVAL, "the key of ring %s cannot be kept in ring %s",
			    ring->name, manager->name);
	if (r == 0)
		r = sr_ring_confirm(manager, rings, err);
	if (r == 0)
		r = join(ring, old, &keys, err);
	if (r < 0)
		return r;
	dir = sr_ring_open_subdir(manager, "secrets", err);
	return dir < 0 ? dir : sr_secret_store(manager, dir, name, &keys, err);
}

int sr_ring_manage(struct sr_ring *ring, struct sr_ring *manager, struct sr_err *err)
{
	_cleanup_close_ int lock = -1;
	int r = sr_ring_need_key(ring, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	return r < 0 ? r : sr_manage_write(ring, manager, NULL, lock, err);
}

/* The session is salted to the storage key of "system", which is this ring's as a rule. */
static int fit_parent(struct sr_ring *ring, struct sr_tpm *tpm, bool new_tpm,
		      struct sr_opening *opening, struct sr_err *err)
{
	TPM2B_NAME is, was;
	int r = sr_name_of(&ring->manager->srk, &is, err);

	if (r == 0)
		r = sr_name_of(&ring->srk, &was, err);
	if (r < 0 || sr_name_equal(&is, &was))
		return r;
	sr_opening_done(opening);
	*opening = SR_OPENING(tpm);
	return sr_opening_start(ring, tpm, !new_tpm, opening, err);
}

static int after_manager(struct sr_ring *ring, struct sr_tpm *tpm, bool new_tpm,
			 struct sr_opening *opening, int lock, struct sr_err *err)
{
	int r = ring->half_rotated ? sr_manage_write(ring, ring->manager, NULL, lock, err)
				   : 0;

	return r < 0 ? r : fit_parent(ring, tpm, new_tpm, opening, err);
}

int sr_manage_open(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		   bool new_tpm, struct sr_opening *opening, int *lock,
		   struct sr_err *err)
{
	int r = manage_unseal(ring, tpm, ask, opening, err);

	if (r == 0)
		r = sr_ring_lock(ring, lock, err);
	if (r == 0 && ring->manager)
		r = after_manager(ring, tpm, new_tpm, opening, *lock, err);
	return r;
}

void sr_manage_forget(int rings, const char *name)
{
	char path[2 * SR_NAME_MAX + 32];

	(void)snprintf(path, sizeof(path), "%s/secrets/%.*s" SR_MANAGE_SUFFIX ".cms",
		       manager_name, SR_NAME_MAX, name);
	(void)unlinkat(rings, path, 0);
}
