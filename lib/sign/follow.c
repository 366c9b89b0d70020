/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All keys that are bound to a ring: they follow what it is sealed to. */
#include <string.h>

#include "bind.h"
#include "ground/strv.h"

/* Most keys are bound to nothing: their text tells, before all is taken apart. */
static bool names_ring(const struct sr_buf *content, const struct sr_ring *ring)
{
	char lines[SR_NAME_MAX + 24];

	(void)snprintf(lines, sizeof(lines), "\nRing: %s\nKey-Id: ", ring->name);
	return memmem(content->data, content->size, lines, strlen(lines));
}

/* Whoever can write a file can name a ring in it: the reference can't be made up. */
static int check_ref(const struct sr_key *key, const struct sr_ring *ring,
		     struct sr_err *err)
{
	TPM2B_DIGEST ref;
	int r;

	if (!sr_key_is_approved(key))
		return sr_fail(err, -EBADMSG, "it is not bound to any ring, as it says");
	r = sr_approver_ref(ring, key->id, &ref, err);
	if (r == 0 && !sr_digest_equal(&ref, &key->file->policy.step[0].authorize.ref))
		r = sr_fail(err, -EBADMSG, "it is bound to another ring %s, or forged",
			    ring->name);
	return r;
}

/*
 * What is done with each key: @run gets it; @skipped, which may be NULL, is told why it is not
 * one of the ring's, though it says so.
 */
struct walk {
	const struct sr_ring *ring;
	int dir;
	int (*run)(struct walk *walk, struct sr_key *key, struct sr_err *err);
	void (*skipped)(struct walk *walk, const char *name, const struct sr_err *why);
	void *arg;
};

/* A damaged file, or one that only says so, keeps no ring from being sealed. */
static int visit_content(struct walk *walk, const struct sr_buf *content,
			 struct sr_key *key, struct sr_err *err)
{
	struct sr_err why = { 0 };
	int r = sr_key_read(key, content, &why);

	if (r == 0)
		r = check_ref(key, walk->ring, &why);
	if (r == 0)
		return walk->run(walk, key, err);
	if (r != -EBADMSG)
		return sr_fail(err, r, "key %s: %s", key->name, why.text);
	if (walk->skipped)
		walk->skipped(walk, key->name, &why);
	return 0;
}

/* What is not there any more, or no file, is no key. */
static int visit(struct walk *walk, const char *name, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = sr_key_new(name);
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r;

	if (!key)
		return sr_fail_memory(err);
	r = sr_keystore_read(walk->dir, name, &content, err);
	if (r < 0)
		return r == -ENOENT || r == -EBADMSG ? 0 : r;
	return names_ring(&content, walk->ring) ? visit_content(walk, &content, key, err)
						: 0;
}

static int walk_keys(struct walk *walk, struct sr_err *err)
{
	_cleanup_names_ struct sr_names names = { 0 };
	int r = sr_list_dir(walk->dir, ".pem", &names, err);

	if (r == 0)
		sr_names_keep(&names);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = visit(walk, names.name[i], err);
	return r;
}

struct strv {
	char **name;
	size_t count;
};

static int note_name(struct walk *walk, struct sr_key *key, struct sr_err *err)
{
	struct strv *to = walk->arg;

	return sr_strv_add(&to->name, &to->count, key->name, err);
}

int sr_ring_keys(const struct sr_ring *ring, char ***ret, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_keystore_dir(ring->store, err);
	struct strv names = { calloc(1, sizeof(char *)), 0 };
	struct walk walk = { .ring = ring, .dir = dir, .run = note_name, .arg = &names };
	int r = !names.name	 ? sr_fail_memory(err)
		: dir == -ENOENT ? 0
		: dir < 0	 ? dir
				 : walk_keys(&walk, err);

	if (r < 0) {
		sr_strv_free(names.name);
		return r;
	}
	*ret = names.name;
	return (int)names.count;
}

/* -- following ---------------------------------------------------------------------- */

struct following {
	const struct sr_key_following *how;
	struct sr_approvals approvals;
	struct sr_approvers approvers;
	bool keep;
};

static void following_done(struct following *following)
{
	sr_approvals_done(&following->approvals);
	sr_approvers_done(&following->approvers);
}

static void say_skipped(struct walk *walk, const char *name, const struct sr_err *why)
{
	const struct sr_key_following *how = ((struct following *)walk->arg)->how;

	if (how->skipped)
		how->skipped(how->arg, name, why);
}

static int follow(struct walk *walk, struct sr_key *key, struct sr_err *err)
{
	const struct following *following = walk->arg;
	struct sr_err why = { 0 };
	int r = sr_key_approve(key, walk->ring, &following->approvals,
			       &following->approvers, following->keep, &why);

	if (r == -EKEYREJECTED) {
		say_skipped(walk, key->name, &why);
		return 0;
	}
	if (r < 0)
		return sr_fail(err, r, "key %s: %s", key->name, why.text);
	r = r == 1 ? sr_key_write(key, walk->dir, err) : 0;
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}

/* Those that a key was made with stay, as long as it is there. */
struct used {
	struct sr_approvers *all;
	bool used[SR_APPROVERS_MAX];
};

static int note_used(struct walk *walk, struct sr_key *key, struct sr_err *err)
{
	struct used *used = walk->arg;
	const EVP_PKEY *approver =
	    sr_approvers_find(used->all, &key->file->policy.step[0]);

	(void)err;
	for (size_t i = 0; i < used->all->count; i++)
		used->used[i] |= used->all->key[i] == approver;
	return 0;
}

static void drop_unused(struct used *used)
{
	struct sr_approvers *all = used->all;
	size_t kept = 0;

	for (size_t i = 0; i < all->count; i++)
		if (used->used[i])
			all->key[kept++] = all->key[i];
		else
			EVP_PKEY_free(all->key[i]);
	all->count = kept;
}

/*
 * Who knew the old ring key has the old approver: a rotated ring has another one for new
 * keys. What it replaces is read from the old ring each time, as this may be done again.
 */
static int rotate_approvers(struct walk *walk, struct sr_ring *ring, struct sr_ring *old,
			    struct sr_approvers *ret, struct sr_err *err)
{
	struct used used = { .all = ret };
	struct walk counting = {
		.ring = ring, .dir = walk->dir, .run = note_used, .arg = &used
	};
	int r = sr_approvers_load(old, ret, err);

	if (r < 0 || ret->count == 0)
		return r;
	r = walk_keys(&counting, err);
	if (r < 0)
		return r;
	drop_unused(&used);
	r = sr_approvers_add(ret, err);
	return r < 0 ? r : sr_approvers_store(ring, ret, err);
}

int sr_key_follow(void *arg, struct sr_ring *ring, struct sr_ring *old, bool settled,
		  struct sr_err *err)
{
	struct following following = { .how = arg, .keep = old };
	_cleanup_close_ int dir = sr_keystore_dir(ring->store, err);
	struct walk walk = {
		.ring = ring,
		.run = follow,
		.skipped = say_skipped,
		.arg = &following,
	};
	int r;

	(void)settled;
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	sr_closep(&dir);
	r = sr_keystore_lock(ring->store, &dir, err);
	walk.dir = dir;
	if (r == 0 && old)
		r = rotate_approvers(&walk, ring, old, &following.approvers, err);
	else if (r == 0 && ring->key.size > 0)
		r = sr_approvers_load(ring, &following.approvers, err);
	if (r == 0)
		r = sr_ring_approvals(ring, &following.approvals, err);
	if (r == 0)
		r = walk_keys(&walk, err);
	following_done(&following);
	return r;
}

/* What a ring is sealed to, and the first key that has something else. */
struct comparing {
	struct sr_approvals approvals;
	char *behind;
};

/* Whether a key has just what a ring would sign now: each of one list is in the other. */
static int compare(struct walk *walk, struct sr_key *key, struct sr_err *err)
{
	const struct comparing *comparing = walk->arg;
	const struct sr_tpmkey *file = key->file;
	bool found[SR_TPMKEY_SIGNED] = { false }, same = true;

	(void)err;
	for (size_t i = 0; same && i < comparing->approvals.count; i++) {
		struct sr_policy policy;
		TPM2B_DIGEST digest;
		size_t at = file->signed_count;

		sr_approval_condition(&comparing->approvals.approval[i], &policy);
		if (sr_policy_digest(&policy, &digest, NULL) == 0)
			at = sr_approved_find(file->signed_policy, at, &digest);
		same = at < file->signed_count;
		if (same)
			found[at] = true;
	}
	for (size_t i = 0; i < file->signed_count; i++)
		same &= found[i];
	if (!same && !comparing->behind[0])
		(void)snprintf(comparing->behind, SR_NAME_MAX + 1, "%s", key->name);
	return 0;
}

bool sr_key_behind(const struct sr_ring *ring, char ret[SR_NAME_MAX + 1])
{
	_cleanup_close_ int dir = sr_keystore_dir(ring->store, NULL);
	struct comparing comparing = { .behind = ret };
	struct walk walk = {
		.ring = ring, .dir = dir, .run = compare, .arg = &comparing
	};

	ret[0] = '\0';
	if (dir >= 0 && sr_ring_approvals(ring, &comparing.approvals, NULL) == 0)
		(void)walk_keys(&walk, NULL);
	sr_approvals_done(&comparing.approvals);
	return ret[0];
}
