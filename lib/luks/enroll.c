/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keyslots and tokens of a ring in a volume's header: put there, kept up to date. */
#include "enroll.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "unlock.h"

#define _cleanup_secret_ _cleanup_(sr_secret_done)
#define _cleanup_parts_ _cleanup_(sr_ring_parts_done)

#define PBKDF_ROUNDS 1000 /* the fewest that there may be: what is typed in is random */

int sr_volume_lock(const struct sr_store *store, int *ret, struct sr_err *err)
{
	const char *path = sr_store_path(store);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot open %s", path);
	if (flock(fd, LOCK_EX) < 0)
		return sr_fail_sys(err, errno, "cannot lock %s", path);
	*ret = take_fd(&fd);
	return 0;
}

bool sr_volume_has_token(const struct sr_volume *volume, int number)
{
	char type[sizeof(SR_TOKEN_TYPE) + 1];
	const char *json;

	if (crypt_token_json_get(volume->cd, number, &json) < 0)
		return false;
	sr_token_type(json, type, sizeof(type));
	return strcmp(type, SR_TOKEN_TYPE) == 0;
}

int sr_volume_token(const struct sr_volume *volume, int number, struct sr_token *ret,
		    struct sr_err *err)
{
	struct sr_err why = { 0 };
	const char *json;
	int r;

	if (!sr_volume_has_token(volume, number) ||
	    crypt_token_json_get(volume->cd, number, &json) < 0)
		return -ENOENT;
	r = sr_token_read(json, ret, &why);
	return r < 0 ? sr_fail(err, r, "%s: token %d: %s", volume->path, number, why.text)
		     : 0;
}

static bool same_texts(char *const *a, char *const *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

bool sr_token_fresh(const struct sr_token *token, const struct sr_ring_parts *parts)
{
	const struct sr_ring_parts *has = &token->parts;

	return token->assigned && has->pin == parts->pin &&
	       strcmp(has->name, parts->name) == 0 && strcmp(has->id, parts->id) == 0 &&
	       strcmp(has->pcrs, parts->pcrs) == 0 && has->srk_size == parts->srk_size &&
	       memcmp(has->srk, parts->srk, parts->srk_size) == 0 &&
	       has->count == parts->count &&
	       same_texts(has->approvals, parts->approvals, parts->count) &&
	       same_texts(has->values, parts->values, parts->count);
}

/* A token of the ring, and the passphrase that it was seen to hold. */
struct found {
	int number;
	struct sr_token token;
	struct sr_secret passphrase;
};

static void found_done(struct found *found)
{
	sr_token_done(&found->token);
	sr_secret_done(&found->passphrase);
}

#define FOUND ((struct found){ .number = -1 })
#define _cleanup_found_ _cleanup_(found_done)

/* Whether a token holds the passphrase of the keyslot it says. */
static int try_token(struct sr_volume *volume, const struct sr_ring *ring,
		     const struct sr_token *token, struct sr_secret *ret,
		     struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret passphrase = { 0 };
	int r = sr_passphrase_unwrap(ring, volume->cd, token, &passphrase, err);

	if (r == 0)
		r = sr_volume_check_slot(volume->cd, token->slot, err);
	if (r == 0)
		r = sr_volume_opens(volume, token->slot, &passphrase, err);
	if (r < 0)
		return r;
	sr_secret_done(ret);
	*ret = passphrase;
	passphrase = (struct sr_secret){ 0 };
	return 0;
}

/* Returns 1 if there is a token of the ring at that number, 0 if not, or -ENOMEM. */
static int read_of(const struct sr_volume *volume, int number, const char *id,
		   struct sr_token *ret, struct sr_err *err)
{
	_cleanup_token_ struct sr_token token = { 0 };
	int r = sr_volume_token(volume, number, &token, err);

	if (r < 0)
		return r == -ENOENT || r == -EBADMSG ? 0 : r;
	if (strcmp(token.parts.id, id) != 0)
		return 0;
	*ret = token;
	token = (struct sr_token){ 0 };
	return 1;
}

/* Returns 0 if it works, -ENOENT if not, or why that can't be told. */
static int try_number(struct sr_volume *volume, const struct sr_ring *ring,
		      const char *id, int number, bool assigned, struct found *ret,
		      struct sr_err *err)
{
	_cleanup_found_ struct found found = { .number = number };
	int r = read_of(volume, number, id, &found.token, err);

	if (r <= 0 || found.token.assigned != assigned)
		return r < 0 ? r : -ENOENT;
	r = try_token(volume, ring, &found.token, &found.passphrase, err);
	if (r < 0)
		return r == -EBADMSG || r == -EACCES ? -ENOENT : r;
	*ret = found;
	found = FOUND;
	return 0;
}

/* The first token of the ring that works; one that libcryptsetup would use goes before. */
static int find_working(struct sr_volume *volume, const struct sr_ring *ring,
			const char *id, struct found *ret, struct sr_err *err)
{
	int r = -ENOENT;

	for (int n = 0; n < SR_TOKEN_SLOTS && r == -ENOENT; n++)
		r = try_number(volume, ring, id, n, true, ret, err);
	for (int n = 0; n < SR_TOKEN_SLOTS && r == -ENOENT; n++)
		r = try_number(volume, ring, id, n, false, ret, err);
	return r;
}

/* What an enrolment gave a keyslot: nobody's own passphrase is stretched so little. */
static bool is_cheap(const struct sr_volume *volume, int slot)
{
	struct crypt_pbkdf_type pbkdf = { 0 };

	return crypt_keyslot_get_pbkdf(volume->cd, slot, &pbkdf) == 0 &&
	       strcmp(pbkdf.type, CRYPT_KDF_PBKDF2) == 0 &&
	       pbkdf.iterations == PBKDF_ROUNDS;
}

bool sr_enroll_owns(struct sr_volume *volume, const struct sr_ring *ring,
		    const struct sr_token *token)
{
	_cleanup_secret_ struct sr_secret passphrase = { 0 };

	if (!sr_volume_active(volume, token->slot))
		return false;
	if (token->assigned && is_cheap(volume, token->slot))
		return true;
	return ring && try_token(volume, ring, token, &passphrase, NULL) == 0;
}

int sr_enroll_drop(struct sr_volume *volume, int number, int slot, struct sr_err *err)
{
	int r = slot < 0 ? 0 : crypt_keyslot_destroy(volume->cd, slot);

	if (r < 0)
		return sr_volume_fail(volume, r, "cannot remove a keyslot", err);
	r = crypt_token_json_set(volume->cd, number, NULL);
	return r < 0 ? sr_volume_fail(volume, r, "cannot remove a token", err) : 0;
}

/* Returns 1 if it is wrapped under another key, which the ring has or had, 0 or -ENOMEM. */
static int is_older(struct sr_volume *volume, const struct sr_ring *ring,
		    const struct sr_token *token, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret passphrase = { 0 };
	int r = sr_passphrase_unwrap(ring, volume->cd, token, &passphrase, err);

	return r == -EBADMSG ? 1 : r;
}

/* Returns 1 if it went, 0 if it stays. */
static int drop_one(struct sr_volume *volume, const struct sr_ring *ring, const char *id,
		    int number, int kept_slot, bool older, struct sr_err *err)
{
	_cleanup_token_ struct sr_token token = { 0 };
	bool owned;
	int r = read_of(volume, number, id, &token, err);

	if (r <= 0)
		return r;
	r = older ? 0 : is_older(volume, ring, &token, err);
	if (r != 0)
		return r < 0 ? r : 0;
	owned = token.slot != kept_slot && sr_enroll_owns(volume, ring, &token);
	r = sr_enroll_drop(volume, number, owned ? token.slot : -1, err);
	return r < 0 ? r : 1;
}

/* Copies of the token that stays, and what was interrupted; with their keyslots. */
static int drop_others(struct sr_volume *volume, const struct sr_ring *ring,
		       const char *id, int number, bool older, struct sr_enrolled *kept,
		       struct sr_err *err)
{
	int r = 0;

	for (int n = 0; n < SR_TOKEN_SLOTS && r >= 0; n++) {
		r = n == number ? 0
				: drop_one(volume, ring, id, n, kept->slot, older, err);
		kept->written |= r > 0;
	}
	return r < 0 ? r : 0;
}

static int put_token(struct sr_volume *volume, int number, const struct sr_token *token,
		     struct sr_err *err)
{
	_cleanup_free_ char *json = NULL;
	int r = sr_token_write(token, &json, err);

	if (r < 0)
		return r;
	r = crypt_token_json_set(volume->cd, number, json);
	if (r == -ENOSPC)
		return sr_fail(err, -EINVAL, "%s: its header has no room for a token",
			       volume->path);
	return r < 0 ? sr_volume_fail(volume, r, "cannot write the token", err) : 0;
}

/* The token as the ring would write it today. Its parts are borrowed. */
static int put_present(struct sr_volume *volume, const struct sr_ring *ring, int number,
		       const struct sr_ring_parts *parts, int slot, bool assigned,
		       const struct sr_secret *passphrase, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf envelope = { 0 };
	struct sr_token token = { .slot = slot, .assigned = assigned, .parts = *parts };
	int r = sr_passphrase_wrap(ring, volume->cd, slot, passphrase, &envelope, err);

	token.envelope = envelope;
	return r < 0 ? r : put_token(volume, number, &token, err);
}

/* What the disk has now, read by what would read it at boot. */
static int prove(struct sr_volume *volume, const struct sr_ring *ring, int number,
		 const struct sr_ring_parts *parts, const struct sr_secret *passphrase,
		 struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret again = { 0 };
	_cleanup_token_ struct sr_token token = { 0 };
	int r = sr_volume_reload(volume, err);

	if (r == 0)
		r = sr_volume_token(volume, number, &token, err);
	if (r == 0)
		r = try_token(volume, ring, &token, &again, err);
	if (r == 0 &&
	    (!sr_secret_equal(&again, passphrase) || !sr_token_fresh(&token, parts)))
		r = sr_fail(err, -EIO, "what was read back is another token");
	return r < 0 && r != -ENOMEM
		   ? sr_fail(err, -EIO, "%s: the new token does not open it",
			     volume->path)
		   : r;
}

int sr_enroll_refresh(struct sr_volume *volume, const struct sr_ring *ring, bool settled,
		      struct sr_enrolled *ret, struct sr_err *err)
{
	_cleanup_found_ struct found found = FOUND;
	_cleanup_parts_ struct sr_ring_parts parts = { 0 };
	struct sr_enrolled enrolled = { 0 };
	char spec[SR_SPEC_TEXT];
	int r = sr_volume_check(volume, spec, err);

	if (r == 0)
		r = sr_ring_parts_get(ring, &parts, err);
	if (r == 0)
		r = find_working(volume, ring, parts.id, &found, err);
	if (r < 0)
		return r;
	enrolled.slot = found.token.slot;
	if (!sr_token_fresh(&found.token, &parts)) {
		enrolled.written = true;
		r = put_present(volume, ring, found.number, &parts, enrolled.slot, true,
				&found.passphrase, err);
		if (r == 0)
			r = prove(volume, ring, found.number, &parts, &found.passphrase,
				  err);
	}
	if (r == 0)
		r = drop_others(volume, ring, parts.id, found.number, settled, &enrolled,
				err);
	if (r == 0)
		*ret = enrolled;
	return r;
}

static int free_slot(const struct sr_volume *volume, struct sr_err *err)
{
	for (int slot = 0; slot < SR_TOKEN_SLOTS; slot++)
		if (crypt_keyslot_status(volume->cd, slot) == CRYPT_SLOT_INACTIVE)
			return slot;
	return sr_fail(err, -EINVAL, "%s: all its keyslots are in use", volume->path);
}

static int free_number(const struct sr_volume *volume, struct sr_err *err)
{
	const char *json;

	for (int number = 0; number < SR_TOKEN_SLOTS; number++)
		if (crypt_token_json_get(volume->cd, number, &json) < 0)
			return number;
	return sr_fail(err, -EINVAL, "%s: all its tokens are in use", volume->path);
}

int sr_enroll_key(struct sr_volume *volume, const struct sr_ring *ring,
		  struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_found_ struct found found = FOUND;
	_cleanup_parts_ struct sr_ring_parts parts = { 0 };
	int r = sr_ring_parts_get(ring, &parts, err);

	if (r == 0)
		r = find_working(volume, ring, parts.id, &found, err);
	return r < 0 ? r : sr_volume_key(volume, &found.passphrase, ret, err);
}

/* A copy of the present token is written behind first, so that there always is one. */
static int put_before(struct sr_volume *volume, const struct found *found,
		      const struct sr_ring *ring, const struct sr_ring_parts *parts,
		      struct sr_err *err)
{
	int behind = free_number(volume, err);
	int r = behind < 0 ? behind : put_token(volume, behind, &found->token, err);

	if (r == 0)
		r = put_present(volume, ring, found->number, parts, found->token.slot,
				true, &found->passphrase, err);
	return r < 0 ? r
		     : prove(volume, ring, found->number, parts, &found->passphrase, err);
}

int sr_enroll_carry(struct sr_volume *volume, const struct sr_ring *ring,
		    const struct sr_ring *old, struct sr_err *err)
{
	_cleanup_found_ struct found found = FOUND, new = FOUND;
	_cleanup_parts_ struct sr_ring_parts parts = { 0 };
	struct sr_enrolled enrolled;
	char spec[SR_SPEC_TEXT];
	int r = sr_volume_check(volume, spec, err);

	if (r == 0)
		r = sr_ring_parts_get(ring, &parts, err);
	if (r == 0)
		r = find_working(volume, ring, parts.id, &new, err);
	if (r == 0)
		return sr_enroll_refresh(volume, ring, false, &enrolled, err);
	if (r == -ENOENT)
		r = find_working(volume, old, parts.id, &found, err);
	return r < 0 ? r : put_before(volume, &found, ring, &parts, err);
}

static int add_slot(struct sr_volume *volume, int slot,
		    const struct sr_secret *passphrase, const struct sr_secret *key,
		    struct sr_err *err)
{
	static const struct crypt_pbkdf_type pbkdf = {
		.type = CRYPT_KDF_PBKDF2,
		.hash = "sha256",
		.iterations = PBKDF_ROUNDS,
		.flags = CRYPT_PBKDF_NO_BENCHMARK,
	};
	int r = crypt_set_pbkdf_type(volume->cd, &pbkdf);

	if (r == 0)
		r = crypt_keyslot_add_by_key(volume->cd, slot, (const char *)key->data,
					     key->size, (const char *)passphrase->data,
					     passphrase->size, 0);
	return r < 0 ? sr_volume_fail(volume, r, "cannot add a keyslot", err) : 0;
}

static int assign(struct sr_volume *volume, int number, int slot, struct sr_err *err)
{
	int r = crypt_token_assign_keyslot(volume->cd, number, slot);

	return r < 0 ? sr_volume_fail(volume, r, "cannot write the token", err) : 0;
}

/* The keyslot is ours as soon as it is there: it was free, and the lock is ours. */
static void take_back(struct sr_volume *volume, int number, int slot)
{
	if (volume->cd || sr_volume_reload(volume, NULL) == 0)
		(void)sr_enroll_drop(volume, number,
				     sr_volume_active(volume, slot) ? slot : -1, NULL);
}

int sr_enroll_add(struct sr_volume *volume, const struct sr_ring *ring,
		  const struct sr_secret *key, struct sr_enrolled *ret,
		  struct sr_err *err)
{
	_cleanup_parts_ struct sr_ring_parts parts = { 0 };
	_cleanup_secret_ struct sr_secret passphrase = { 0 };
	struct sr_enrolled enrolled = { free_slot(volume, err), true };
	char spec[SR_SPEC_TEXT];
	int number = enrolled.slot < 0 ? enrolled.slot : free_number(volume, err);
	int r = number < 0 ? number : sr_volume_check(volume, spec, err);

	if (r == 0)
		r = sr_ring_parts_get(ring, &parts, err);
	if (r == 0)
		r = sr_passphrase_new(&passphrase, err);
	if (r == 0)
		r = put_present(volume, ring, number, &parts, enrolled.slot, false,
				&passphrase, err);
	if (r < 0)
		return r;
	r = add_slot(volume, enrolled.slot, &passphrase, key, err);
	if (r == 0)
		r = assign(volume, number, enrolled.slot, err);
	if (r == 0)
		r = prove(volume, ring, number, &parts, &passphrase, err);
	if (r < 0) {
		take_back(volume, number, enrolled.slot);
		return r;
	}
	*ret = enrolled;
	return drop_others(volume, ring, parts.id, number, false, &enrolled, err);
}

/* The keyslot among the cheap ones that a recovery key opens; trying others takes long. */
static int opened_by(struct sr_volume *volume, const struct sr_secret *key,
		     struct sr_err *err)
{
	for (int slot = 0; slot < SR_TOKEN_SLOTS; slot++) {
		int r;

		if (!sr_volume_active(volume, slot) || !is_cheap(volume, slot))
			continue;
		r = sr_volume_opens(volume, slot, key, err);
		if (r >= 0 || r != -EACCES)
			return r;
	}
	return -ENOENT;
}

/* Marks of the ring's older recovery keys, whose keyslots go with them. */
static int drop_marks(struct sr_volume *volume, const char *id, int slot, bool *marked,
		      struct sr_err *err)
{
	int r = 0;

	*marked = false;
	for (int n = 0; n < SR_TOKEN_SLOTS && r == 0; n++) {
		struct sr_token_recovery mark;
		const char *json;

		if (crypt_token_json_get(volume->cd, n, &json) < 0 ||
		    sr_token_recovery_read(json, &mark, NULL) < 0 ||
		    strcmp(mark.id, id) != 0)
			continue;
		if (mark.slot == slot)
			*marked = true;
		else
			r = sr_enroll_drop(volume, n,
					   mark.slot >= 0 && is_cheap(volume, mark.slot)
					       ? mark.slot
					       : -1,
					   err);
	}
	return r;
}

static int put_mark(struct sr_volume *volume, const struct sr_ring_info *ring, int slot,
		    struct sr_err *err)
{
	struct sr_token_recovery mark = { .slot = slot };
	_cleanup_free_ char *json = NULL;
	int number = free_number(volume, err), r;

	if (number < 0)
		return number;
	(void)snprintf(mark.ring, sizeof(mark.ring), "%s", ring->name);
	(void)snprintf(mark.id, sizeof(mark.id), "%s", ring->id);
	json = sr_token_recovery_write(&mark);
	if (!json)
		return sr_fail(err, -ENOMEM, "out of memory");
	r = crypt_token_json_set(volume->cd, number, json);
	return r < 0 ? sr_volume_fail(volume, r, "cannot mark the keyslot", err) : 0;
}

int sr_enroll_recovery(struct sr_volume *volume, const struct sr_ring_info *ring,
		       const struct sr_secret *recovery_key, const struct sr_secret *key,
		       struct sr_enrolled *ret, struct sr_err *err)
{
	struct sr_enrolled enrolled = { opened_by(volume, recovery_key, err), false };
	bool marked;
	int r = 0;

	if (enrolled.slot == -ENOENT) {
		enrolled = (struct sr_enrolled){ free_slot(volume, err), true };
		r = enrolled.slot < 0
			? enrolled.slot
			: add_slot(volume, enrolled.slot, recovery_key, key, err);
	}
	if (enrolled.slot < 0)
		return enrolled.slot;
	if (r == 0)
		r = drop_marks(volume, ring->id, enrolled.slot, &marked, err);
	if (r == 0 && !marked)
		r = put_mark(volume, ring, enrolled.slot, err);
	if (r == 0)
		*ret = enrolled;
	return r;
}
