/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys on the TPM: bringing one onto it, with its session and its policy. */
#include "loading.h"

#include "tpm/context.h"
#include "tpm/object.h"
#include "tpm/session.h"
#include "tpm/srk.h"

#define LOADED 2 /* of the three slots that each TPM has; the third is for others */

/* The key's place: where it is, or an empty one, or that of whoever waited longest. */
struct sr_slot *sr_slots_find(struct sr_slots *slots, struct sr_served *served)
{
	struct sr_slot *found = &slots->slot[0];

	for (size_t i = 0; i < SR_SLOTS; i++) {
		struct sr_slot *slot = &slots->slot[i];

		if (slot->served == served)
			return slot;
		if (!slot->served || slot->used < found->used)
			found = slot;
	}
	sr_slot_clear(found);
	found->served = sr_served_hold(served);
	found->signer.key = served->key;
	return found;
}

static int find_parent(struct sr_loading *loading, struct sr_err *err)
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

static TPM2_HANDLE handle_of(const struct sr_slot *slot)
{
	TPM2_HANDLE handle = 0;

	if (sr_slot_is_loaded(slot))
		(void)Esys_TR_GetTpmHandle(slot->signer.object.tpm->esys,
					   slot->signer.object.tr, &handle);
	return handle;
}

/*
 * A handle names one object. If the TPM gives it out again, others flushed the key that had it
 * before; and ESYS, asked what the handle names, would go on to say that key.
 */
static void forget_namesakes(struct sr_slots *slots, const struct sr_slot *slot)
{
	TPM2_HANDLE handle = handle_of(slot);

	for (size_t i = 0; i < SR_SLOTS; i++)
		if (&slots->slot[i] != slot && handle_of(&slots->slot[i]) == handle)
			sr_handle_forget(&slots->slot[i].signer.object);
}

static TSS2_RC load_once(struct sr_loading *loading)
{
	struct sr_slot *slot = loading->slot;
	TSS2_RC rc =
	    slot->saved
		? sr_context_load(loading->slots->tpm, slot->saved, &slot->signer.object)
		: sr_object_try_load(&loading->parent, slot->served->key->file,
				     &slot->signer.object);

	if (rc == TSS2_RC_SUCCESS) {
		forget_namesakes(loading->slots, slot);
		sr_slots_note(loading->slots);
	}
	return rc;
}

/* Our own keys make room first; only then others are waited for. */
static TSS2_RC load_crowded(struct sr_loading *loading)
{
	struct sr_slot *other;
	TSS2_RC rc;

	while (is_no_room(rc = load_once(loading)) &&
	       (other = sr_slots_oldest(loading->slots, loading->slot)))
		sr_slot_make_room(other);
	return rc;
}

/* As for a ring's secret, but of a key it has to be told from what it is used on. */
static int fail_load(TSS2_RC rc, struct sr_err *err)
{
	int r = sr_fail_load(rc, err);

	return r == -EBADMSG ? -EUCLEAN : r;
}

/* A saved context that the TPM does not take any more is no failure. */
int sr_loading_load(struct sr_loading *loading, struct sr_err *err)
{
	struct sr_slots *slots = loading->slots;
	struct sr_slot *slot = loading->slot;
	TSS2_RC rc;
	int r;

	(void)atomic_fetch_add(sr_slot_is_loaded(slot) ? &slots->hits : &slots->loads, 1);
	if (sr_slot_is_loaded(slot))
		return 0;
	while (sr_slots_loaded(slots) >= LOADED)
		sr_slot_make_room(sr_slots_oldest(slots, slot));
	slot->signer.object = SR_HANDLE(slots->tpm);
	if (slot->saved) {
		rc = SR_TSS(load_crowded(loading));
		if (rc == TSS2_RC_SUCCESS || is_no_room(rc))
			return rc == TSS2_RC_SUCCESS ? 0 : fail_load(rc, err);
		Esys_Free(take(slot->saved));
	}
	r = find_parent(loading, err);
	if (r < 0)
		return r;
	rc = SR_TSS(load_crowded(loading));
	return rc == TSS2_RC_SUCCESS ? 0 : fail_load(rc, err);
}

/* ---- the sessions ---- */

static bool has_policy(const struct sr_key *key)
{
	return key->file->policy.count > 0;
}

static bool needs_session(const struct sr_loading *loading)
{
	const struct sr_key *key = loading->slot->served->key;

	return loading->slots->encrypt || loading->secret || has_policy(key) ||
	       sr_key_needs_pin(key);
}

/*
 * Salted to the first key's storage key. If that key's file did not say which that is, the
 * session is good only for such keys.
 */
int sr_loading_session(struct sr_loading *loading, struct sr_err *err)
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
		sr_slots_note(slots);
	}
	loading->slot->signer.session = *session;
	return r;
}

/* The approver's public key needs a slot for a moment: our own keys make room. */
int sr_loading_satisfy(struct sr_loading *loading, struct sr_err *err)
{
	const struct sr_slot *slot = loading->slot;
	const struct sr_key *key = slot->served->key;
	struct sr_err why = { 0 };
	struct sr_slot *other;
	int r = sr_key_satisfy(key, &slot->signer.session, &why);

	while (r < 0 && is_no_room(why.tss) &&
	       (other = sr_slots_oldest(loading->slots, NULL))) {
		sr_slot_make_room(other);
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
int sr_loading_policy(struct sr_loading *loading, struct sr_err *err)
{
	struct sr_slot *slot = loading->slot;
	int r;

	if (!sr_key_is_approved(slot->served->key))
		return 0;
	r = sr_loading_satisfy(loading, err);
	slot->signer.fresh = r == 0;
	return r;
}
