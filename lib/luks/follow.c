/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volumes of a ring: where they are, and keeping their headers as the ring is. */
#include "follow.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const char by_uuid[] = "/dev/disk/by-uuid";

SR_DEFINE_CLEANUP(free_ringp, struct sr_ring *, sr_ring_free)
SR_DEFINE_CLEANUP(free_strvp, char **, sr_strv_free)
#define _cleanup_strv_ _cleanup_(free_strvp)

#define BEHIND ".behind" /* marks a volume that was not here */

static int path_of(const struct sr_store *store, const char *uuid, const char *suffix,
		   char **ret, struct sr_err *err)
{
	if (asprintf(ret, "%s/volumes%s%s%s", sr_store_path(store), *uuid ? "/" : "",
		     uuid, suffix) < 0) {
		*ret = NULL;
		return sr_fail(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* Replaced in one step, so that a path is always there. */
static int link_file(const struct sr_store *store, const struct sr_volume *volume,
		     struct sr_err *err)
{
	_cleanup_free_ char *dir = NULL, *path = NULL, *fresh = NULL, *target = NULL;
	int r = path_of(store, "", "", &dir, err);

	if (r == 0)
		r = path_of(store, volume->uuid, "", &path, err);
	if (r < 0)
		return r;
	target = realpath(volume->path, NULL);
	if (!target || asprintf(&fresh, "%s.new", path) < 0)
		return sr_fail_sys(err, errno, "cannot note the path of %s",
				   volume->path);
	(void)unlink(fresh);
	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) || symlink(target, fresh) < 0 ||
	    rename(fresh, path) < 0)
		return sr_fail_sys(err, errno, "cannot make %s", path);
	return 0;
}

int sr_follow_note(struct sr_store *store, struct sr_ring *ring,
		   const struct sr_volume *volume, struct sr_err *err)
{
	struct stat st;
	int r = 0;

	if (stat(volume->path, &st) < 0)
		return sr_fail_sys(err, errno, "cannot examine %s", volume->path);
	if (S_ISREG(st.st_mode))
		r = link_file(store, volume, err);
	return r < 0 ? r : sr_ring_volume_add(ring, volume->uuid, err);
}

static bool is_behind(const struct sr_store *store, const char *uuid)
{
	_cleanup_free_ char *path = NULL;

	return path_of(store, uuid, BEHIND, &path, NULL) == 0 && access(path, F_OK) == 0;
}

/* Only for messages: a volume without mark whose header is old is found as well. */
static void mark_behind(const struct sr_store *store, const char *uuid, bool behind)
{
	_cleanup_free_ char *dir = NULL, *path = NULL;
	_cleanup_close_ int fd = -1;

	if (path_of(store, uuid, BEHIND, &path, NULL) < 0 ||
	    path_of(store, "", "", &dir, NULL) < 0)
		return;
	if (!behind) {
		(void)unlink(path);
		return;
	}
	(void)mkdir(dir, 0700);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static bool is_listed(const struct sr_ring *ring, const char *uuid)
{
	_cleanup_strv_ char **volumes = NULL;
	int count = sr_ring_volumes(ring, &volumes, NULL);

	for (int i = 0; i < count; i++)
		if (strcmp(volumes[i], uuid) == 0)
			return true;
	return false;
}

bool sr_follow_forget(struct sr_store *store, const char *id, const char *uuid)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_free_ char *path = NULL;
	bool kept = false, found = false;

	if (sr_store_rings(store, &names, NULL) < 0)
		return false;
	for (char **name = names; *name; name++) {
		_cleanup_(free_ringp) struct sr_ring *ring = NULL;
		struct sr_ring_info info;

		if (sr_ring_load(store, *name, &ring, NULL) < 0 ||
		    sr_ring_info(ring, &info, NULL) < 0 || !is_listed(ring, uuid))
			continue;
		if (id && strcmp(id, info.id) != 0)
			kept = true;
		else if (sr_ring_volume_remove(ring, uuid, NULL) == 0)
			found = true;
	}
	if (!kept) {
		mark_behind(store, uuid, false);
		if (path_of(store, uuid, "", &path, NULL) == 0)
			(void)unlink(path);
	}
	return found;
}

/* Messages name the device or file, not the link to it. */
static int open_if(const char *link, const char *uuid, struct sr_volume **ret,
		   struct sr_err *err)
{
	_cleanup_volume_ struct sr_volume *volume = NULL;
	_cleanup_free_ char *path = realpath(link, NULL);
	int r;

	if (!path)
		return -ENOKEY;
	r = sr_volume_open(path, &volume, err);
	if (r < 0 || strcmp(volume->uuid, uuid) != 0)
		return r < 0 ? r : -ENOKEY;
	*ret = take(volume);
	return 0;
}

int sr_follow_find(const struct sr_store *store, const char *uuid, struct sr_volume **ret,
		   struct sr_err *err)
{
	_cleanup_free_ char *path = NULL;
	char device[sizeof(by_uuid) + SR_UUID_TEXT];
	int r = path_of(store, uuid, "", &path, err);

	(void)snprintf(device, sizeof(device), "%s/%s", by_uuid, uuid);
	if (r == 0)
		r = open_if(device, uuid, ret, err);
	if (r == -ENOKEY)
		r = open_if(path, uuid, ret, err);
	return r == -ENOKEY ? sr_fail(err, r, "volume %s is not here now", uuid) : r;
}

static int update(struct sr_volume *volume, struct sr_ring *ring, struct sr_ring *old,
		  bool settled, struct sr_err *err)
{
	struct sr_enrolled enrolled;
	int r = old ? sr_enroll_carry(volume, ring, old, err)
		    : sr_enroll_refresh(volume, ring, settled, &enrolled, err);

	return r == -ENOENT ? 0 : r; /* taken out by other means: no header of ours */
}

static int follow_one(const struct sr_following *following, const char *uuid,
		      struct sr_ring *ring, struct sr_ring *old, bool settled,
		      struct sr_err *err)
{
	_cleanup_volume_ struct sr_volume *volume = NULL;
	int r = sr_follow_find(following->store, uuid, &volume, err);

	if (r == -ENOKEY && old)
		return sr_fail(err, -EIO,
			       "volume %s is not here, and could not be re-sealed any "
			       "more: attach it, or give it up: tpm-luks remove %s",
			       uuid, uuid);
	if (r == -ENOKEY && following->absent)
		following->absent(following->arg, uuid);
	if (r == -ENOKEY)
		mark_behind(following->store, uuid, true);
	if (r < 0)
		return r == -ENOKEY ? 0 : r;
	r = update(volume, ring, old, settled, err);
	if (r == 0 && !old)
		mark_behind(following->store, uuid, false);
	return r;
}

int sr_follow(void *arg, struct sr_ring *ring, struct sr_ring *old, bool settled,
	      struct sr_err *err)
{
	_cleanup_strv_ char **volumes = NULL;
	int count = sr_ring_volumes(ring, &volumes, err), r = count < 0 ? count : 0;

	for (int i = 0; i < count && r == 0; i++)
		r = follow_one(arg, volumes[i], ring, old, settled, err);
	return r;
}

/* Whether a header that can be read has older approvals. */
static bool has_older(const struct sr_volume *volume, const struct sr_ring_parts *parts)
{
	bool older = false;

	for (int n = 0; n < SR_TOKEN_SLOTS; n++) {
		_cleanup_token_ struct sr_token token = { 0 };

		if (sr_volume_token(volume, n, &token, NULL) < 0 || !token.assigned ||
		    strcmp(token.parts.id, parts->id) != 0)
			continue;
		if (sr_token_fresh(&token, parts))
			return false;
		older = true;
	}
	return older;
}

bool sr_follow_behind(const struct sr_store *store, const struct sr_ring *ring,
		      char ret[SR_UUID_TEXT])
{
	_cleanup_(sr_ring_parts_done) struct sr_ring_parts parts = { 0 };
	_cleanup_strv_ char **volumes = NULL;
	int count = sr_ring_volumes(ring, &volumes, NULL);

	if (count <= 0 || sr_ring_parts_get(ring, &parts, NULL) < 0)
		return false;
	for (int i = 0; i < count; i++) {
		_cleanup_volume_ struct sr_volume *volume = NULL;

		if (sr_follow_find(store, volumes[i], &volume, NULL) == 0
			? has_older(volume, &parts)
			: is_behind(store, volumes[i])) {
			(void)snprintf(ret, SR_UUID_TEXT, "%s", volumes[i]);
			return true;
		}
	}
	return false;
}

bool sr_follow_older(const struct sr_store *store, const struct sr_ring *ring)
{
	_cleanup_(sr_ring_parts_done) struct sr_ring_parts parts = { 0 };
	_cleanup_strv_ char **volumes = NULL;
	int count = sr_ring_volumes(ring, &volumes, NULL);
	bool older = false;

	if (count <= 0 || sr_ring_parts_get(ring, &parts, NULL) < 0)
		return false;
	for (int i = 0; i < count && !older; i++) {
		_cleanup_volume_ struct sr_volume *volume = NULL;

		if (sr_follow_find(store, volumes[i], &volume, NULL) == 0)
			older = has_older(volume, &parts);
	}
	return older;
}

int sr_follow_id(const struct sr_volume *volume, const char *ring, char ret[33],
		 struct sr_err *err)
{
	int count = 0;

	for (int n = 0; n < SR_TOKEN_SLOTS; n++) {
		_cleanup_token_ struct sr_token token = { 0 };

		if (sr_volume_token(volume, n, &token, NULL) < 0 ||
		    strcmp(token.parts.name, ring) != 0 ||
		    (count && strcmp(ret, token.parts.id) == 0))
			continue;
		(void)snprintf(ret, 33, "%s", token.parts.id);
		count++;
	}
	if (count == 1)
		return 0;
	return sr_fail(err, -ENOKEY,
		       count ? "%s has tokens of several rings \"%s\": --all removes all"
			     : "%s has no token of ring %s",
		       volume->path, ring);
}

bool sr_follow_interrupted(const struct sr_volume *volume)
{
	for (int n = 0; n < SR_TOKEN_SLOTS; n++) {
		_cleanup_token_ struct sr_token token = { 0 };

		if (sr_volume_token(volume, n, &token, NULL) == 0 && !token.assigned)
			return true;
	}
	return false;
}
