/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A foreign root file system gets none of the volumes that the TPM opened. */
#include "guard.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "close.h"
#include "unlock.h"

#define BLOCKS "/sys/class/block"
#define DEPTH 8	   /* device on device */
#define VOLUMES 32 /* below one root file system */

SR_DEFINE_CLEANUP(free_ringp, struct sr_ring *, sr_ring_free)
#define _cleanup_secret_ _cleanup_(sr_secret_done)

static inline void close_dirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static inline void free_device(struct crypt_device **cd)
{
	crypt_free(*cd);
}

/* The volumes that the root file system is on, by name; @whole: and nothing else. */
struct base {
	char name[VOLUMES][SR_DM_TEXT];
	size_t count;
	bool whole;
};

static bool is_luks2(const char *device, char name[SR_DM_TEXT])
{
	char uuid[SR_DM_TEXT];

	return sr_dm_attribute(device, "uuid", uuid) &&
	       strncmp(uuid, "CRYPT-LUKS2-", 12) == 0 &&
	       sr_dm_attribute(device, "name", name);
}

static bool on_base(const struct base *base, const char *name)
{
	for (size_t i = 0; i < base->count; i++)
		if (strcmp(base->name[i], name) == 0)
			return true;
	return false;
}

/* Follows a device down to the volumes it is made of. */
static void descend(struct base *base, const char *device, int depth)
{
	_cleanup_(close_dirp) DIR *dir = NULL;
	_cleanup_free_ char *path = NULL;
	char name[SR_DM_TEXT];
	struct dirent *entry;
	bool found = false;

	if (is_luks2(device, name)) {
		if (on_base(base, name))
			return;
		if (base->count < VOLUMES)
			memcpy(base->name[base->count++], name, sizeof(name));
		else
			base->whole = false;
		return;
	}
	if (depth < DEPTH && asprintf(&path, BLOCKS "/%s/slaves", device) >= 0)
		dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			found = true;
			descend(base, entry->d_name, depth + 1);
		}
	if (!found)
		base->whole = false;
}

/* The What= of a mount unit, as a generator of systemd wrote it. */
static bool read_unit(const char *path, char ret[PATH_MAX])
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *in = fopen(path, "re");

	while (in && !found && getline(&line, &size, in) > 0)
		if (strncmp(line, "What=", 5) == 0 && strlen(line) < PATH_MAX) {
			line[strcspn(line, "\n")] = '\0';
			(void)snprintf(ret, PATH_MAX, "%s", line + 5);
			found = true;
		}
	if (in)
		(void)fclose(in);
	return found;
}

static bool find_unit(const char *unit, char ret[PATH_MAX])
{
	static const char *const places[] = { "generator.early", "generator",
					      "generator.late" };

	for (size_t i = 0; i < SR_COUNT(places); i++) {
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "/run/systemd/%s/%s", places[i], unit) < 0)
			path = NULL;
		else if (read_unit(path, ret))
			return true;
	}
	return false;
}

static bool is_unit(const char *root)
{
	const char *dot = strrchr(root, '.');

	return dot && strcmp(dot, ".mount") == 0 && !strchr(root, '/');
}

/* A root file system that is nowhere to be found is nobody's. */
static void find_base(const char *root, struct base *base)
{
	char what[PATH_MAX], link[64], target[PATH_MAX];
	struct stat st;
	ssize_t length;

	*base = (struct base){ .whole = false };
	if (is_unit(root) ? !find_unit(root, what)
			  : snprintf(what, sizeof(what), "%s", root) < 0)
		return;
	if (stat(what, &st) < 0 || !S_ISBLK(st.st_mode))
		return;
	(void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(st.st_rdev),
		       minor(st.st_rdev));
	length = readlink(link, target, sizeof(target) - 1);
	if (length <= 0)
		return;
	target[length] = '\0';
	base->whole = true;
	descend(base, strrchr(target, '/') ? strrchr(target, '/') + 1 : target, 0);
}

static void write_to(const char *file, const char *text)
{
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
}

/* What was read with another key does not stay in the kernel's memory. */
static void forget_pages(const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "%s/%s", crypt_get_dir(), name) < 0) {
		path = NULL;
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)ioctl(fd, BLKFLSBUF, 0);
	write_to("/proc/sys/vm/drop_caches", "3\n");
}

/* The next token of ours, from number @at on; -1 when there is none. */
static int next_token(struct crypt_device *cd, int at, struct sr_token *ret)
{
	for (; at < SR_VOLUME_SLOTS; at++) {
		const char *json, *type;

		if (crypt_token_status(cd, at, &type) <= CRYPT_TOKEN_INACTIVE ||
		    strcmp(type, SR_TOKEN_TYPE) != 0 ||
		    crypt_token_json_get(cd, at, &json) < 0)
			continue;
		if (sr_token_read(json, ret, NULL) == 0)
			return at;
	}
	return -1;
}

/*
 * Gives the kernel the key of a volume once more. Tried first: what is suspended and does
 * not come back hangs whoever reads it.
 */
static int renew_key(struct crypt_device *cd, const char *name, int slot,
		     const struct sr_secret *passphrase, struct sr_err *err)
{
	const char *text = (const char *)passphrase->data;
	int r = crypt_activate_by_passphrase(cd, NULL, slot, text, passphrase->size, 0);

	if (r < 0 || crypt_suspend(cd, name) < 0)
		return 0;
	r = crypt_resume_by_passphrase(cd, name, slot, text, passphrase->size);
	if (r < 0)
		return sr_fail_sys(err, -r, "volume %s: its key is gone", name);
	forget_pages(name);
	return 1;
}

/* 1 if the volume @name was enrolled under the key of this ring, and is read with it. */
static int prove(const struct sr_ring *ring, const char *name, struct sr_err *err)
{
	_cleanup_(free_device) struct crypt_device *cd = NULL;
	int proven = 0;

	if (crypt_init_by_name(&cd, name) < 0)
		return 0;
	for (int at = 0; proven == 0; at++) {
		_cleanup_token_ struct sr_token token = { 0 };
		_cleanup_secret_ struct sr_secret passphrase = { 0 };

		at = next_token(cd, at, &token);
		if (at < 0)
			break;
		if (sr_volume_check_slot(cd, token.slot, NULL) == 0 &&
		    sr_passphrase_unwrap(ring, cd, &token, &passphrase, NULL) == 0)
			proven = renew_key(cd, name, token.slot, &passphrase, err);
	}
	return proven;
}

/* 1 if all that the root file system is on is of this ring. */
static int is_of_ring(const struct base *base, const struct sr_ring *ring,
		      struct sr_err *err)
{
	int proven = base->whole && base->count > 0;

	for (size_t i = 0; proven > 0 && i < base->count; i++)
		proven = prove(ring, base->name[i], err);
	return proven;
}

/* Whether the ring could have been opened a moment ago, although it can't be now. */
static bool is_unsure(int r)
{
	return r != -EKEYREJECTED && r != -EREMOTE && r != -EBADMSG;
}

/* 1 and the ring of a token that unlocks the volume; 0 if it does not; -EIO in doubt. */
static int open_ring(struct crypt_device *cd, const struct sr_token *token,
		     const struct sr_ring_opener *opener, struct sr_ring **ret)
{
	_cleanup_(free_ringp) struct sr_ring *ring = NULL;
	int r = sr_ring_from_parts(&token->parts, &ring, NULL);

	if (r < 0)
		return is_unsure(r) ? -EIO : 0;
	for (int i = 0; i < 2; i++) {
		_cleanup_secret_ struct sr_secret passphrase = { 0 };
		int kept = sr_ring_open_cached(ring, opener, NULL);

		if (kept < 0)
			return is_unsure(kept) ? -EIO : 0;
		if (sr_passphrase_unwrap(ring, cd, token, &passphrase, NULL) == 0) {
			*ret = take(ring);
			return 1;
		}
		if (kept == 0)
			return 0;
		sr_ring_cache_drop(ring);
	}
	return 0;
}

/*
 * 1 if the volume has to be closed: a token opens it, and the root is not of its ring. A PIN
 * that nobody types again, or a TPM that fails: in doubt a token opened it, too.
 */
static int is_at_risk(const struct sr_guard *guard, const struct base *base,
		      const char *name, struct sr_err *err)
{
	_cleanup_(free_device) struct crypt_device *cd = NULL;
	bool unsure = false;

	if (crypt_init_by_name(&cd, name) < 0)
		return 0;
	for (int at = 0;; at++) {
		_cleanup_token_ struct sr_token token = { 0 };
		_cleanup_(free_ringp) struct sr_ring *ring = NULL;
		int r;

		at = next_token(cd, at, &token);
		if (at < 0)
			return unsure;
		r = open_ring(cd, &token, &guard->opener, &ring);
		unsure |= r < 0;
		if (r <= 0)
			continue;
		r = is_of_ring(base, ring, err);
		return r < 0 ? r : !r;
	}
}

static int guard_volume(const struct sr_guard *guard, const struct base *base,
			const char *name, struct sr_err *err)
{
	int r = is_at_risk(guard, base, name, err);

	if (r <= 0)
		return r;
	r = sr_volume_take_away(name, err);
	if (r == 0 && guard->closed)
		guard->closed(guard->arg, name);
	return r < 0 ? r : 1;
}

int sr_volumes_guard(const struct sr_guard *guard, struct sr_err *err)
{
	_cleanup_(close_dirp) DIR *dir = opendir(BLOCKS);
	struct base base;
	struct dirent *entry;
	int closed = 0, failed = 0;

	sr_volumes_quiet();
	find_base(guard->root, &base);
	while (dir && (entry = readdir(dir))) {
		char name[SR_DM_TEXT];
		int r;

		if (!is_luks2(entry->d_name, name) || on_base(&base, name))
			continue;
		r = guard_volume(guard, &base, name, err);
		if (r < 0)
			failed = r;
		else
			closed += r;
	}
	return failed ? failed : closed;
}
