/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of slots.h: where each key is, and what brings it onto the TPM. */
#ifndef SR_LOADING_H
#define SR_LOADING_H

#include "leftovers.h"
#include "slots.h"
#include "tpm/meter.h"

#define SR_SLOTS 64 /* keys that are loaded or can be brought back */

/*
 * A key that was loaded once: @signer.object is empty while it is not on the TPM, and
 * @saved is there once it had to make room. @used is when it was used last, @before the time
 * before that.
 */
struct sr_slot {
	struct sr_served *served;
	struct sr_signer signer;
	TPMS_CONTEXT *saved;
	uint64_t used;
	uint64_t before;
};

/*
 * @session is for keys without policy; @session_pinned: salted to a storage key on file.
 * @leftovers are of the connection before, or the program before; @lent are of the
 * conversation that the TPM is lent to, each by its number in @lent_tr.
 */
struct sr_slots {
	const char *tcti;
	bool encrypt;
	struct sr_tpm *tpm;
	struct sr_leftovers leftovers;
	struct sr_leftovers lent;
	ESYS_TR lent_tr[SR_LEFTOVERS_MAX];
	struct sr_diary *diary;
	uint64_t era;
	struct sr_handle session;
	struct sr_handle policy;
	bool session_pinned;
	bool policy_pinned;
	struct sr_slot slot[SR_SLOTS];
	uint64_t uses;
	struct sr_meter meter;
	atomic_uint_fast64_t hits;
	atomic_uint_fast64_t loads;
};

static inline bool sr_slot_is_loaded(const struct sr_slot *slot)
{
	return slot->signer.object.tr != ESYS_TR_NONE;
}

/** sr_slots_open() - connect, and get rid of what a connection that broke left */
int sr_slots_open(struct sr_slots *slots, struct sr_err *err);

/**
 * sr_slots_same_era() - false after a reset, or where the TPM does not answer
 *
 * What its handles name is others' then, if anything, and is forgotten, not flushed.
 */
bool sr_slots_same_era(struct sr_slots *slots);

/** sr_slots_note() - into the diary: what is on the TPM now */
void sr_slots_note(struct sr_slots *slots);

/** sr_slots_end_sessions() - they are made anew when needed */
void sr_slots_end_sessions(struct sr_slots *slots);

/** sr_slots_loaded() - how many keys are on the TPM */
size_t sr_slots_loaded(const struct sr_slots *slots);

/** sr_slots_oldest() - who makes room, but for @keep; NULL if there is none */
struct sr_slot *sr_slots_oldest(struct sr_slots *slots, const struct sr_slot *keep);

/** sr_slot_make_room() - leave the TPM, to come back */
void sr_slot_make_room(struct sr_slot *slot);

/** sr_slot_clear() - empty again: only then is the key let go */
void sr_slot_clear(struct sr_slot *slot);

/**
 * struct sr_loading - how to load
 * @slots:	where
 * @slot:	the key's
 * @parent:	looked for only when needed
 * @doubt:	the TPM refused what it had so far: it is asked for the storage key
 * @secret:	what it will answer is one
 * @foreign:	it does not have the storage key
 */
struct sr_loading {
	struct sr_slots *slots;
	struct sr_slot *slot;
	struct sr_handle parent;
	bool doubt;
	bool secret;
	bool foreign;
};

/** sr_slots_find() - the key's place: where it is, or another that is made empty */
struct sr_slot *sr_slots_find(struct sr_slots *slots, struct sr_served *served);

/** sr_loading_session() - lend the slot a session, if it needs one */
int sr_loading_session(struct sr_loading *loading, struct sr_err *err);

/** sr_loading_policy() - satisfy the policy of a key whose boot states are approved */
int sr_loading_policy(struct sr_loading *loading, struct sr_err *err);

/** sr_loading_satisfy() - satisfy the policy of any key that has one */
int sr_loading_satisfy(struct sr_loading *loading, struct sr_err *err);

/** sr_loading_load() - have the key on the TPM */
int sr_loading_load(struct sr_loading *loading, struct sr_err *err);

#endif
