/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys on the TPM: more of them in use than it has slots, over one session for all. */
#include "slots.h"

#include "fetch.h"
#include "leftovers.h"
#include "tpm/context.h"
#include "tpm/meter.h"
#include "tpm/session.h"
#include "tpm/srk.h"

#define KEPT 64	 /* keys that are loaded or can be brought back */
#define LOADED 2 /* of the three slots that each TPM has; the third is for others */

/*
 * A key that was loaded once: @signer.object is empty while it is not on the TPM, and
 * @saved is there once it had to make room. @used is when it was used last, @before the time
 * before that.
 */
struct slot {
	struct sr_served *served;
	struct sr_signer signer;
	TPMS_CONTEXT *saved;
	uint64_t used;
	uint64_t before;
};

/* @session is for keys without policy; @session_pinned: salted to a storage key on file. */
struct sr_slots {
	const char *tcti;
	bool encrypt;
	struct sr_tpm *tpm;
	struct sr_leftovers
	    leftovers; /* of the connection before, or the program before */
	struct sr_diary *diary;
	uint64_t era;
	struct sr_handle session;
	struct sr_handle policy;
	bool session_pinned;
	bool policy_pinned;
	struct slot slot[KEPT];
	uint64_t uses;
	struct sr_meter meter;
	atomic_uint_fast64_t hits;
	atomic_uint_fast64_t loads;
};

struct sr_slots *sr_slots_new(const char *tcti, bool encrypt, struct sr_err *err)
{
	struct sr_slots *slots = calloc(1, sizeof(*slots));

	if (!slots) {
		(void)sr_fail_memory(err);
		return NULL;
	}
	slots->tcti = tcti;
	slots->encrypt = encrypt;
	slots->session = slots->policy = SR_HANDLE(NULL);
	for (size_t i = 0; i < KEPT; i++)
		slots->slot[i].signer = SR_SIGNER(NULL);
	return slots;
}

void sr_slots_remember(struct sr_slots *slots, const char *path)
{
	slots->diary = sr_tcti_is_managed(slots->tcti) ? NULL : sr_diary_open(path);
	if (!slots->diary)
		return;
	slots->era = slots->diary->era;
	slots->leftovers = slots->diary->present;
}

/* ---- what is on the TPM, and leaves it ---- */

/* A resource manager has flushed it by then, and given the numbers to others. */
static void note_present(const struct sr_slots *slots, struct sr_leftovers *ret)
{
	if (sr_tcti_is_managed(slots->tcti))
		return;
	sr_leftovers_note(ret, &slots->session);
	sr_leftovers_note(ret, &slots->policy);
	for (size_t i = 0; i < KEPT; i++)
		sr_leftovers_note(ret, &slots->slot[i].signer.object);
}

/* What went since is told by its Name when somebody looks; but for a session. */
static void keep_diary(struct sr_slots *slots)
{
	struct sr_leftovers present = slots->leftovers;

	if (!slots->diary)
		return;
	note_present(slots, &present);
	slots->diary->present.count = 0;
	slots->diary->era = slots->era;
	slots->diary->present = present;
}

static bool is_loaded(const struct slot *slot)
{
	return slot->signer.object.tr != ESYS_TR_NONE;
}

/* Empty again: only then is the key let go. */
static void clear(struct slot *slot)
{
	sr_handle_flush(&slot->signer.object);
	Esys_Free(take(slot->saved));
	sr_served_drop(take(slot->served));
	*slot = (struct slot){ .signer = SR_SIGNER(NULL) };
}

/* Without a saved context it is loaded from its file the next time. */
static void make_room(struct slot *slot)
{
	if (!slot->saved)
		(void)sr_context_save(&slot->signer.object, &slot->saved);
	sr_handle_flush(&slot->signer.object);
}

/*
 * A key that is used now and then must not cost two that are used all the time their places:
 * so it is not the last use that counts, but the one before.
 */
static bool makes_room_before(const struct slot *a, const struct slot *b)
{
	return a->before != b->before ? a->before < b->before : a->used < b->used;
}

/* Who makes room, but for @keep; NULL if there is none. */
static struct slot *oldest_loaded(struct sr_slots *slots, const struct slot *keep)
{
	struct slot *oldest = NULL;

	for (size_t i = 0; i < KEPT; i++) {
		struct slot *slot = &slots->slot[i];

		if (slot != keep && is_loaded(slot) &&
		    (!oldest || makes_room_before(slot, oldest)))
			oldest = slot;
	}
	return oldest;
}

static size_t count_loaded(const struct sr_slots *slots)
{
	size_t count = 0;

	for (size_t i = 0; i < KEPT; i++)
		count += is_loaded(&slots->slot[i]);
	return count;
}

static void end_sessions(struct sr_slots *slots)
{
	sr_handle_flush(&slots->session);
	sr_handle_flush(&slots->policy);
	keep_diary(slots);
}

/* What the handles name is gone, and they may name what is others' by now. */
static void forget_all(struct sr_slots *slots)
{
	sr_handle_forget(&slots->session);
	sr_handle_forget(&slots->policy);
	for (size_t i = 0; i < KEPT; i++)
		sr_handle_forget(&slots->slot[i].signer.object);
}

static void hang_up(struct sr_slots *slots)
{
	note_present(slots, &slots->leftovers);
	forget_all(slots);
	keep_diary(slots);
	slots->session = slots->policy = SR_HANDLE(NULL);
	sr_tpm_close(take(slots->tpm));
}

/* What a connection that broke left on the TPM goes with the next one. */
static int open_tpm(struct sr_slots *slots, struct sr_err *err)
{
	uint64_t before = slots->era;
	int r = slots->tpm
		    ? 0
		    : sr_tpm_open_metered(slots->tcti, &slots->meter, &slots->tpm, err);

	if (r < 0 || slots->session.tpm)
		return r;
	slots->session = slots->policy = SR_HANDLE(slots->tpm);
	r = sr_context_era(slots->tpm, &slots->era, err);
	if (r < 0) {
		hang_up(slots);
		slots->era = before;
		return r;
	}
	if (slots->era != before)
		slots->leftovers.count = 0;
	sr_leftovers_flush(&slots->leftovers, slots->tpm);
	keep_diary(slots);
	return 0;
}

/*
 * False after a reset: what its handles name is others' by now, if anything, and must not
 * be flushed.
 */
static bool is_same_era(struct sr_slots *slots)
{
	uint64_t era = 0;

	if (sr_context_era(slots->tpm, &era, NULL) < 0) {
		hang_up(slots);
		return false;
	}
	if (era == slots->era)
		return true;
	forget_all(slots);
	slots->era = era;
	return false;
}

static void make_all_room(struct sr_slots *slots)
{
	for (size_t i = 0; i < KEPT; i++)
		if (is_loaded(&slots->slot[i]))
			make_room(&slots->slot[i]);
}

void sr_slots_rest(struct sr_slots *slots)
{
	if (count_loaded(slots) > 0 && is_same_era(slots))
		make_all_room(slots);
}

static void leave(struct sr_slots *slots)
{
	if (slots->leftovers.count > 0)
		(void)open_tpm(slots, NULL);
	if (slots->tpm)
		hang_up(slots);
}

void sr_slots_leave(struct sr_slots *slots)
{
	if (slots->tpm && is_same_era(slots)) {
		make_all_room(slots);
		end_sessions(slots);
	}
	leave(slots);
}

void sr_slots_free(struct sr_slots *slots)
{
	if (!slots)
		return;
	if (slots->tpm)
		(void)is_same_era(slots);
	for (size_t i = 0; i < KEPT; i++)
		clear(&slots->slot[i]);
	end_sessions(slots);
	leave(slots);
	sr_diary_close(slots->diary);
	free(slots);
}

/* Where nothing authenticates what is said, a handle may name what is others' by now. */
void sr_slots_doubt(struct sr_slots *slots)
{
	if (!slots->encrypt) {
		sr_handle_forget(&slots->session);
		sr_handle_forget(&slots->policy);
	}
	hang_up(slots);
}

/* ---- bringing a key onto the TPM ---- */

/* The key's place: where it is, or an empty one, or that of whoever waited longest. */
static struct slot *find_slot(struct sr_slots *slots, struct sr_served *served)
{
	struct slot *found = &slots->slot[0];

	for (size_t i = 0; i < KEPT; i++) {
		struct slot *slot = &slots->slot[i];

		if (slot->served == served)
			return slot;
		if (!slot->served || slot->used < found->used)
			found = slot;
	}
	clear(found);
	found->served = sr_served_hold(served);
	found->signer.key = served->key;
	return found;
}

/*
 * How to load: @parent is looked for only when needed; @doubt: the TPM refused what it had
 * so far, so it is asked whether it still has the storage key, and it is @foreign if not;
 * @secret: what it will answer is one.
 */
struct loading {
	struct sr_slots *slots;
	struct slot *slot;
	struct sr_handle parent;
	bool doubt;
	bool secret;
	bool foreign;
};

static int find_parent(struct loading *loading, struct sr_err *err)
{
	const struct sr_key *key = loading->slot->served->key;
	struct sr_tpm *tpm = loading->slots->tpm;

	if (loading->parent.tr != ESYS_TR_NONE)
		return 0;
	if (loading->doubt && key->pinned && key->file->parent == SR_SRK_HANDLE) {
		int r = sr_srk_question(tpm, &key->parent, &loading->parent, err);

		loading->foreign = r == -EREMOTE;
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return sr_key_parent(key, tpm, &loading->parent, err);
}

static bool is_no_room(TSS2_RC rc)
{
	TPM2_RC code = sr_tss_code(rc);

	return code == TPM2_RC_OBJECT_MEMORY || code == TPM2_RC_OBJECT_HANDLES ||
	       code == TPM2_RC_MEMORY;
}

static TSS2_RC load_once(struct loading *loading)
{
	struct slot *slot = loading->slot;
	TSS2_RC rc =
	    slot->saved
		? sr_context_load(loading->slots->tpm, slot->saved, &slot->signer.object)
		: sr_object_try_load(&loading->parent, slot->served->key->file,
				     &slot->signer.object);

	if (rc == TSS2_RC_SUCCESS)
		keep_diary(loading->slots);
	return rc;
}

/* Our own keys make room first; only then others are waited for. */
static TSS2_RC load_crowded(struct loading *loading)
{
	struct slot *other;
	TSS2_RC rc;

	while (is_no_room(rc = load_once(loading)) &&
	       (other = oldest_loaded(loading->slots, loading->slot)))
		make_room(other);
	return rc;
}

/* A saved context that the TPM does not take any more is no failure. */
static int load(struct loading *loading, struct sr_err *err)
{
	struct sr_slots *slots = loading->slots;
	struct slot *slot = loading->slot;
	TSS2_RC rc;
	int r;

	(void)atomic_fetch_add(is_loaded(slot) ? &slots->hits : &slots->loads, 1);
	if (is_loaded(slot))
		return 0;
	while (count_loaded(slots) >= LOADED)
		make_room(oldest_loaded(slots, slot));
	slot->signer.object = SR_HANDLE(slots->tpm);
	if (slot->saved) {
		rc = SR_TSS(load_crowded(loading));
		if (rc == TSS2_RC_SUCCESS || is_no_room(rc))
			return rc == TSS2_RC_SUCCESS ? 0 : sr_fail_load(rc, err);
		Esys_Free(take(slot->saved));
	}
	r = find_parent(loading, err);
	if (r < 0)
		return r;
	rc = SR_TSS(load_crowded(loading));
	return rc == TSS2_RC_SUCCESS ? 0 : sr_fail_load(rc, err);
}

/* ---- the sessions ---- */

static bool has_policy(const struct sr_key *key)
{
	return key->file->policy.count > 0;
}

static bool needs_session(const struct loading *loading)
{
	const struct sr_key *key = loading->slot->served->key;

	return loading->slots->encrypt || loading->secret || has_policy(key) ||
	       sr_key_needs_pin(key);
}

/*
 * Salted to the first key's storage key. If that key's file did not say which that is, the
 * session is good only for such keys.
 */
static int ready_session(struct loading *loading, struct sr_err *err)
{
	struct sr_slots *slots = loading->slots;
	const struct sr_key *key = loading->slot->served->key;
	bool policy = has_policy(key);
	struct sr_handle *session = policy ? &slots->policy : &slots->session;
	bool *pinned = policy ? &slots->policy_pinned : &slots->session_pinned;
	int r;

	if (!needs_session(loading)) {
		loading->slot->signer.session = SR_HANDLE(slots->tpm);
		return 0;
	}
	if (key->pinned && !*pinned)
		sr_handle_flush(session);
	r = session->tr == ESYS_TR_NONE ? find_parent(loading, err) : 0;
	if (r == 0 && session->tr == ESYS_TR_NONE) {
		r = sr_session_start(slots->tpm, policy ? TPM2_SE_POLICY : TPM2_SE_HMAC,
				     &loading->parent, session, err);
		*pinned = key->pinned;
		keep_diary(slots);
	}
	loading->slot->signer.session = *session;
	return r;
}

/* The approver's public key needs a slot for a moment: our own keys make room. */
static int satisfy(struct loading *loading, struct sr_err *err)
{
	const struct slot *slot = loading->slot;
	const struct sr_key *key = slot->served->key;
	struct sr_err why = { 0 };
	struct slot *other;
	int r = sr_key_satisfy(key, &slot->signer.session, &why);

	while (r < 0 && is_no_room(why.tss) &&
	       (other = oldest_loaded(loading->slots, NULL))) {
		make_room(other);
		why = (struct sr_err){ 0 };
		r = sr_session_restart(&slot->signer.session, &why);
		if (r == 0)
			r = sr_key_satisfy(key, &slot->signer.session, &why);
	}
	if (r == -EKEYREJECTED)
		(void)sr_key_explain(key, loading->slots->tpm, &why);
	if (r < 0 && err)
		*err = why;
	return r;
}

/* Where boot states are approved, before the key takes its slot, and before its PIN is sent. */
static int ready_policy(struct loading *loading, struct sr_err *err)
{
	struct slot *slot = loading->slot;
	int r;

	if (!sr_key_is_approved(slot->served->key))
		return 0;
	r = satisfy(loading, err);
	slot->signer.fresh = r == 0;
	return r;
}

/* ---- signing and decrypting ---- */

/* What somebody waits for: a signature, or what @cipher hides. @sent: the TPM may have seen
   the PIN. */
struct use {
	struct sr_served *served;
	const struct sr_secret *pin;
	const struct sr_scheme *scheme;
	const struct sr_digest *digest;
	struct sr_buf *signature;
	TPMI_ALG_HASH oaep;
	const struct sr_secret *cipher;
	struct sr_secret *plain;
	bool opened;
	bool sent;
	bool foreign;
};

static int lend_pin(struct slot *slot, const struct sr_secret *pin, struct sr_err *err)
{
	int r;

	if (pin->size == 0)
		return sr_key_needs_pin(slot->served->key)
			   ? sr_fail(err, -EACCES, "it takes a PIN, and none was given")
			   : 0;
	r = sr_secret_copy(pin->data, pin->size, &slot->signer.pin, err);
	return r < 0 ? r : sr_object_use_pin(&slot->signer.object, pin, err);
}

/* Neither ESYS nor the slot remembers a PIN from one use to the next. */
static void take_pin_back(struct slot *slot)
{
	static const struct sr_secret none;

	sr_secret_done(&slot->signer.pin);
	if (is_loaded(slot))
		(void)sr_object_use_pin(&slot->signer.object, &none, NULL);
}

static int use_loaded(struct slot *slot, const struct use *use, struct sr_err *err)
{
	if (use->cipher)
		return sr_signer_decrypt(&slot->signer, use->oaep, use->cipher, false,
					 use->plain, err);
	return sr_signer_try(&slot->signer, use->scheme, use->digest, false,
			     use->signature, err);
}

static int try_use(struct sr_slots *slots, struct use *use, bool doubt,
		   struct sr_err *err)
{
	struct loading loading = { .slots = slots,
				   .doubt = doubt,
				   .secret = use->cipher };
	struct slot *slot;
	int r = open_tpm(slots, err);

	use->opened = r == 0;
	if (r < 0)
		return r;
	slot = loading.slot = find_slot(slots, use->served);
	loading.parent = SR_HANDLE(slots->tpm);
	slot->before = slot->used;
	slot->used = ++slots->uses;
	r = ready_session(&loading, err);
	if (r == 0)
		r = ready_policy(&loading, err);
	if (r == 0)
		r = load(&loading, err);
	use->foreign = loading.foreign;
	sr_handle_flush(&loading.parent);
	if (r == 0)
		r = lend_pin(slot, use->pin, err);
	if (r == 0) {
		use->sent = use->pin->size > 0;
		r = use_loaded(slot, use, err);
	}
	if (use->pin->size > 0)
		take_pin_back(slot);
	slot->signer.session = SR_HANDLE(NULL);
	return r;
}

static bool is_gone(TPM2_RC code)
{
	return code >= TPM2_RC_REFERENCE_H0 && code <= TPM2_RC_REFERENCE_S6;
}

/* Nothing is retried that the TPM counts, or that was not its doing. */
static bool may_retry(const struct use *use, int r, const struct sr_err *why)
{
	TPM2_RC code = sr_tss_code(why->tss);

	if (use->sent)
		return is_gone(code);
	if (use->cipher && r == -EBADMSG) /* it is for another key, or padded otherwise */
		return false;
	return r != -EACCES && r != -EBUSY && r != -EINVAL && r != -EKEYREJECTED &&
	       r != -ENOMEM;
}

/* Gets rid of what the TPM does not have any more, and of nothing that is others'. */
static void clean_up(struct sr_slots *slots, struct sr_served *served,
		     const struct sr_err *why)
{
	if (!slots->tpm || !is_same_era(slots))
		return;
	end_sessions(slots);
	for (size_t i = 0; i < KEPT; i++) {
		struct slot *slot = &slots->slot[i];

		if (slot->served != served)
			continue;
		if (is_gone(sr_tss_code(why->tss)))
			sr_handle_forget(&slot->signer.object);
		clear(slot);
	}
}

/* As sr_signer_open() has it. */
static int explain(const struct sr_slots *slots, const struct use *use, int r,
		   struct sr_err *err)
{
	const struct sr_key *key = use->served->key;

	if (r == -EKEYREJECTED && !sr_key_is_approved(key))
		return sr_key_explain(key, slots->tpm, err);
	return r == -EREMOTE ? sr_key_disown(key, use->foreign, err) : r;
}

static int use_key(struct sr_slots *slots, struct use *use, struct sr_err *err)
{
	struct sr_err why = { 0 };
	int r = try_use(slots, use, false, &why);

	if (r < 0) {
		clean_up(slots, use->served, &why);
		if (may_retry(use, r, &why)) {
			r = try_use(slots, use, true, &why);
			if (r < 0)
				clean_up(slots, use->served, &why);
		}
	}
	if (r < 0)
		r = explain(slots, use, r, &why);
	if (r < 0 && err)
		*err = why;
	/* Without TPM it is none of the key. */
	return r < 0 && use->opened ? sr_fail_key(use->served->key, r, err) : r;
}

int sr_slots_sign(struct sr_slots *slots, struct sr_served *served,
		  const struct sr_secret *pin, const struct sr_scheme *scheme,
		  const struct sr_digest *digest, struct sr_buf *ret, struct sr_err *err)
{
	struct use use = { .served = served,
			   .pin = pin,
			   .scheme = scheme,
			   .digest = digest,
			   .signature = ret };

	return use_key(slots, &use, err);
}

int sr_slots_decrypt(struct sr_slots *slots, struct sr_served *served,
		     const struct sr_secret *pin, TPMI_ALG_HASH oaep,
		     const struct sr_secret *cipher, struct sr_secret *ret,
		     struct sr_err *err)
{
	struct use use = {
		.served = served, .pin = pin, .oaep = oaep, .cipher = cipher, .plain = ret
	};

	return use_key(slots, &use, err);
}

const struct sr_meter *sr_slots_meter(const struct sr_slots *slots)
{
	return &slots->meter;
}

void sr_slots_counts(const struct sr_slots *slots, uint64_t *hits, uint64_t *loads)
{
	*hits = atomic_load(&slots->hits);
	*loads = atomic_load(&slots->loads);
}

static int try_policy(struct sr_slots *slots, struct sr_served *served,
		      struct sr_err *err)
{
	struct loading loading = { .slots = slots };
	int r = open_tpm(slots, err);

	if (r < 0)
		return r;
	loading.slot = find_slot(slots, served);
	loading.parent = SR_HANDLE(slots->tpm);
	r = ready_session(&loading, err);
	sr_handle_flush(&loading.parent);
	if (r == 0)
		r = satisfy(&loading, err);
	if (r == 0)
		r = sr_session_restart(&loading.slot->signer.session, err);
	loading.slot->signer.session = SR_HANDLE(NULL);
	return r;
}

int sr_slots_check(struct sr_slots *slots, struct sr_served *served, struct sr_err *err)
{
	struct sr_err why = { 0 };
	int r = try_policy(slots, served, &why);

	if (r >= 0)
		return r;
	clean_up(slots, served, &why);
	if (r != -EKEYREJECTED)
		return 0;
	if (err)
		*err = why;
	return sr_fail_key(served->key, r, err);
}

static int try_unseal(struct sr_slots *slots, struct sr_store *store,
		      const struct sr_served *served, struct sr_secret *ret,
		      struct sr_err *err)
{
	int r;

	if (sr_fetch_needed(store))
		return sr_fetch(served->key, store, ret, err);
	r = open_tpm(slots, err);
	return r < 0 ? r
		     : sr_software_open(served->key, store, slots->tpm, NULL, ret, err);
}

/* After a reset, or with slots and sessions that were all taken, it may do the second time. */
int sr_slots_unseal(struct sr_slots *slots, struct sr_store *store,
		    const struct sr_served *served, struct sr_secret *ret,
		    struct sr_err *err)
{
	struct sr_err why = { 0 };
	int r = try_unseal(slots, store, served, ret, &why);

	if (r == -EIO || r == -ENODEV) {
		sr_slots_leave(slots);
		r = try_unseal(slots, store, served, ret, &why);
	}
	if (r < 0 && err)
		*err = why;
	return r < 0 ? sr_fail_key(served->key, r, err) : 0;
}

int sr_slots_lend(struct sr_slots *slots, struct sr_tpm **ret, struct sr_err *err)
{
	int r;

	sr_slots_leave(slots);
	r = open_tpm(slots, err);
	if (r == 0)
		*ret = slots->tpm;
	return r;
}
