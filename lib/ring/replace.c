/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which approvals a ring has, and in what order they come and go: add, verify, remove. */
#include "replace.h"

#include <fcntl.h>
#include <string.h>

static const char current[] = "current", next[] = "next", booted[] = "booted";

int sr_find_proven(const struct sr_ring *ring, const struct sr_approvals *approvals,
		   const struct sr_approval **ret, struct sr_err *err)
{
	struct sr_boot_note note = { 0 };
	char id[SR_APPROVAL_ID];
	int r = sr_boot_note_of(ring, &note, err);

	for (size_t i = 0; r == 1 && note.opened && i < approvals->count; i++) {
		int failed = sr_approval_id(&approvals->approval[i], id, err);

		if (failed < 0)
			return failed;
		if (strcmp(id, note.approval) == 0) {
			*ret = &approvals->approval[i];
			return 1;
		}
	}
	return r < 0 ? r : 0;
}

/* Where none can be read there is none to keep. */
static int read_approvals(const struct sr_ring *ring, struct sr_approvals *ret,
			  struct sr_err *err)
{
	int r = sr_approvals_read(ring, ret, err);

	return r == -EKEYREJECTED || r == -EBADMSG ? 0 : r;
}

static int move(const struct sr_ring *ring, const char *from, const char *to,
		struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	char old[SR_NAME_MAX + 8], new[SR_NAME_MAX + 8];

	if (strcmp(from, to) == 0)
		return 0;
	dir = sr_ring_open_subdir(ring, "approvals", err);
	if (dir < 0)
		return dir;
	(void)snprintf(old, sizeof(old), "%s.pem", from);
	(void)snprintf(new, sizeof(new), "%s.pem", to);
	if (renameat(dir, old, dir, new) < 0)
		return sr_fail_sys(err, errno, "cannot rename approvals/%s to %s", old,
				   new);
	return sr_sync_dir(dir, "approvals", err);
}

/* In doubt there is one. */
static bool has_current(const struct sr_ring *ring)
{
	return faccessat(ring->dir, "approvals/current.pem", F_OK, AT_SYMLINK_NOFOLLOW) ==
		   0 ||
	       errno != ENOENT;
}

static int tell(const struct sr_replacing *replacing, bool settled, struct sr_err *err)
{
	const struct sr_follow *follow = replacing->follow;

	return follow ? follow->follow(follow->arg, replacing->ring, NULL, settled, err)
		      : 0;
}

/*
 * What opened this boot gets out of the way of the new one; @kept becomes its name. One
 * that is bounded is in nobody's way.
 */
static int set_aside(const struct sr_replacing *replacing, char kept[SR_NAME_MAX + 1],
		     struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	const struct sr_approval *proven;
	int r = read_approvals(replacing->ring, &approvals, err);

	if (r == 0)
		r = sr_find_proven(replacing->ring, &approvals, &proven, err);
	if (r <= 0)
		return r;
	(void)snprintf(kept, SR_NAME_MAX + 1, "%s",
		       proven->bounded	  ? proven->name
		       : replacing->later ? current
					  : booted);
	return move(replacing->ring, proven->name, kept, err);
}

static int replace_now(const struct sr_replacing *replacing, const char *kept,
		       const struct sr_tpmkey *key, const struct sr_pcrs *values,
		       struct sr_err *err)
{
	/* Under its last name at once, it would take the place of one still needed. */
	const char *name = replacing->follow ? next : current;
	int r = sr_approval_write(replacing->ring, name, key, values, err);

	if (r == 0)
		r = tell(replacing, false, err);
	if (r == 0)
		r = move(replacing->ring, name, current, err);
	if (r == 0)
		r = sr_approval_remove_others(replacing->ring, current, kept, err);
	return r < 0 ? r : tell(replacing, !replacing->later, err);
}

int sr_replace_approvals(const struct sr_replacing *replacing,
			 const struct sr_tpmkey *key, const struct sr_pcrs *values,
			 struct sr_err *err)
{
	char kept[SR_NAME_MAX + 1] = "";
	const char *name;
	int r = replacing->ring->moved ? 0 : set_aside(replacing, kept, err);

	if (r < 0)
		return r;
	if (!replacing->later || replacing->ring->moved)
		return replace_now(replacing, kept, key, values, err);
	name = has_current(replacing->ring) ? next : current;
	r = sr_approval_write(replacing->ring, name, key, values, err);
	/* Proven by this boot is the ring's key, if not this approval. */
	return r < 0 ? r : tell(replacing, *kept, err);
}

int sr_keep_proven(const struct sr_replacing *replacing, const struct sr_policy *policy,
		   struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	const struct sr_approval *proven;
	TPM2B_DIGEST wanted;
	int r = sr_policy_digest(policy, &wanted, err);

	if (r == 0)
		r = read_approvals(replacing->ring, &approvals, err);
	if (r == 0)
		r = sr_find_proven(replacing->ring, &approvals, &proven, err);
	if (r <= 0)
		return r;
	if (proven->key->pub.publicArea.authPolicy.size != wanted.size ||
	    memcmp(proven->key->pub.publicArea.authPolicy.buffer, wanted.buffer,
		   wanted.size) != 0)
		return 0;
	r = move(replacing->ring, proven->name, current, err);
	if (r == 0)
		r = sr_approval_remove_others(replacing->ring, current, NULL, err);
	if (r == 0)
		r = tell(replacing, true, err);
	return r < 0 ? r : 1;
}

int sr_settle_approvals(const struct sr_replacing *replacing,
			const struct sr_approvals *approvals, size_t proven,
			uint32_t stale, struct sr_err *err)
{
	const char *name = approvals->approval[proven].name;
	int r = move(replacing->ring, name, current, err);

	for (size_t i = 0; r == 0 && i < approvals->count; i++)
		if (stale & 1U << i && strcmp(approvals->approval[i].name, current) != 0)
			r = sr_approval_remove(replacing->ring,
					       approvals->approval[i].name, err);
	return r < 0 ? r : tell(replacing, true, err);
}
