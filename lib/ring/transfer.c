/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A ring goes to another machine: what is bound to this TPM stays, the rest is copied. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "baseline.h"
#include "codec/recovery.h"
#include "manage.h"

static int copy_file(int from, int to, const char *name, size_t max, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = sr_read_file(from, name, max, &content, err);

	return r < 0 ? r : sr_replace_file(to, name, &content, 0600, NULL, err);
}

static int copy_secrets(int from, int to, struct sr_err *err)
{
	_cleanup_close_ int in = sr_open_dir(from, "secrets", err);
	_cleanup_close_ int out = sr_open_dir(to, "secrets", err);
	_cleanup_names_ struct sr_names names = { 0 };
	int r;

	if (in < 0 || out < 0)
		return in < 0 ? in : out;
	r = sr_list_dir(in, ".cms", &names, err);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		char file[SR_NAME_MAX + 5];

		/* The keys of other rings, and for keys of its TPM, are for this machine. */
		if (!sr_name_ok(names.name[i]) || sr_manage_is_reserved(names.name[i]))
			continue;
		(void)snprintf(file, sizeof(file), "%s.cms", names.name[i]);
		r = copy_file(in, out, file, SR_ENVELOPE_MAX, err);
	}
	return r;
}

static int copy_ring(int from, int to, struct sr_err *err)
{
	int r = copy_file(from, to, "recovery.cms", SR_RECOVERY_MAX, err);

	if (r == -ENOENT)
		return sr_fail(
		    err, -EINVAL,
		    "it has no recovery copy, without which no other machine opens "
		    "it: tpm-ring recovery renew makes one");
	return r < 0 ? r : copy_secrets(from, to, err);
}

static int export_into(struct sr_ring *ring, const char *directory, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *copy =
	    sr_ring_new(ring->store, ring->name);
	int r;

	if (!copy)
		return sr_fail_memory(err);
	copy->dir = sr_open_dir(AT_FDCWD, directory, err);
	if (copy->dir < 0)
		return copy->dir;
	if (mkdirat(copy->dir, "secrets", 0700) < 0)
		return sr_fail_sys(err, errno, "cannot make %s/secrets", directory);
	memcpy(copy->id, ring->id, sizeof(copy->id));
	copy->pcrs = ring->pcrs;
	memcpy(copy->pcrs_text, ring->pcrs_text, sizeof(copy->pcrs_text));
	copy->pin = ring->pin;
	copy->created = ring->created;
	memcpy(copy->mac, ring->mac, sizeof(copy->mac));
	copy->proven = ring->proven;
	memcpy(copy->recovery_digest, ring->recovery_digest,
	       sizeof(copy->recovery_digest));
	r = copy_ring(ring->dir, copy->dir, err);
	return r < 0 ? r : sr_ring_save(copy, err);
}

int sr_ring_export(struct sr_ring *ring, const char *directory, struct sr_err *err)
{
	int r;

	if (mkdir(directory, 0700) < 0)
		return errno == EEXIST
			   ? sr_fail(err, -EEXIST, "%s exists already", directory)
			   : sr_fail_sys(err, errno, "cannot make directory %s",
					 directory);
	r = export_into(ring, directory, err);
	if (r == 0)
		return 0;
	(void)sr_remove_tree(AT_FDCWD, directory, NULL);
	return sr_fail_ring(ring, r, err);
}

/* Names are unique across rings, and an import must not hide a secret that is here. */
static int check_names(struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **names = NULL;
	char owner[SR_NAME_MAX + 1];
	int count = sr_ring_secrets(ring, &names, err);

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		int r = sr_store_find(ring->store, names[i], owner, err);

		if (r == 0)
			return sr_fail(
			    err, -EEXIST,
			    "secret %s exists already in ring %s: rename or remove "
			    "one of them first",
			    names[i], owner);
		if (r != -ENOKEY)
			return r;
	}
	return 0;
}

/* Every secret must open before the ring is taken: a copy may have lost something. */
static int check_secrets(struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **names = NULL;
	int count = sr_ring_secrets(ring, &names, err), r = count < 0 ? count : 0;

	for (int i = 0; i < count && r == 0; i++) {
		_cleanup_secret_ struct sr_secret secret = { 0 };

		r = sr_ring_unseal(ring, names[i], &secret, err);
	}
	return r;
}

static int read_exported(struct sr_store *store, const char *directory, const char *name,
			 struct sr_ring **ret, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_open_dir(AT_FDCWD, directory, err);

	if (dir == -ENOENT)
		return sr_fail(err, -ENOKEY, "no exported ring at %s", directory);
	return dir < 0 ? dir : sr_ring_load_from(store, name, &dir, ret, err);
}

static int rebuild(struct sr_ring *from, struct sr_ring *to, struct sr_tpm *tpm,
		   const struct sr_ring_options *options, struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	int r;

	memcpy(to->id, from->id, sizeof(to->id));
	to->created = from->created;
	/* What the export says of PCRs is nobody's word: this machine's own default counts. */
	r = sr_ring_set_pcrs_default(to, err);
	if (r == 0)
		r = sr_ring_apply(to, options, err);
	if (r == 0 && from->pin && !to->pin)
		r = sr_fail(err, -EACCES,
			    "it has a PIN on its machine: give one with --pin");
	if (r == 0)
		r = copy_ring(from->dir, to->dir, err);
	if (r == 0)
		r = sr_recovery_note(to, err);
	if (r == 0)
		r = sr_secret_copy(from->key.data, from->key.size, &to->key, err);
	if (r == 0)
		r = check_names(to, err);
	if (r == 0)
		r = check_secrets(to, err);
	if (r == 0)
		r = sr_ring_check_evidence(to, tpm, options, err);
	if (r == 0)
		r = sr_opening_start(to, tpm, false, &opening, err);
	if (r == 0)
		r = sr_opening_approve(to, &opening, options, NULL, err);
	return r < 0 ? r : sr_ring_save(to, err);
}

int sr_ring_import(struct sr_store *store, const char *directory, const char *name,
		   struct sr_tpm *tpm,
		   int (*open)(struct sr_ring *ring, void *arg, struct sr_err *err),
		   void *arg, const struct sr_ring_options *options, struct sr_err *err)
{
	_cleanup_building_ struct sr_building building = SR_BUILDING;
	_cleanup_(sr_ring_freep) struct sr_ring *from = NULL;
	_cleanup_close_ int lock = -1;
	int r = sr_name_check(name, "ring", err);

	if (r == 0)
		r = read_exported(store, directory, name, &from, err);
	if (r == 0)
		r = open(from, arg, err);
	if (r == 0)
		r = sr_ring_check_mac(from, err);
	if (r == 0)
		r = sr_store_lock(store, &lock, err);
	if (r == 0)
		r = sr_building_start(store, name, true, &lock, &building, err);
	if (r == 0)
		r = rebuild(from, building.ring, tpm, options, err);
	if (r < 0)
		return r;
	return sr_building_appear(&building, err);
}
