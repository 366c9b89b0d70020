/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys on the TPM: more of them in use than it has slots, over one session for all. */
#include "loading.h"

#include "tpm/context.h"

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
	for (size_t i = 0; i < SR_SLOTS; i++)
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
	for (size_t i = 0; i < SR_SLOTS; i++)
		sr_leftovers_note(ret, &slots->slot[i].signer.object);
}

/* What went since is told by its Name when somebody looks; but for a session. */
void sr_slots_note(struct sr_slots *slots)
{
	struct sr_leftovers present = slots->leftovers;

	if (!slots->diary)
		return;
	note_present(slots, &present);
	for (size_t i = 0; i < slots->lent.count && present.count < SR_LEFTOVERS_MAX; i++)
		present.left[present.count++] = slots->lent.left[i];
	slots->diary->present.count = 0;
	slots->diary->era = slots->era;
	slots->diary->present = present;
}

/* Empty again: only then is the key let go. */
void sr_slot_clear(struct sr_slot *slot)
{
	sr_handle_flush(&slot->signer.object);
	Esys_Free(take(slot->saved));
	sr_served_drop(take(slot->served));
	*slot = (struct sr_slot){ .signer = SR_SIGNER(NULL) };
}

/* Without a saved context it is loaded from its file the next time. */
void sr_slot_make_room(struct sr_slot *slot)
{
	if (!slot->saved)
		(void)sr_context_save(&slot->signer.object, &slot->saved);
	sr_handle_flush(&slot->signer.object);
}

/*
 * A key that is used now and then must not cost two that are used all the time their places:
 * so it is not the last use that counts, but the one before.
 */
static bool makes_room_before(const struct sr_slot *a, const struct sr_slot *b)
{
	return a->before != b->before ? a->before < b->before : a->used < b->used;
}

/* Who makes room, but for @keep; NULL if there is none. */
struct sr_slot *sr_slots_oldest(struct sr_slots *slots, const struct sr_slot *keep)
{
	struct sr_slot *oldest = NULL;

	for (size_t i = 0; i < SR_SLOTS; i++) {
		struct sr_slot *slot = &slots->slot[i];

		if (slot != keep && sr_slot_is_loaded(slot) &&
		    (!oldest || makes_room_before(slot, oldest)))
			oldest = slot;
	}
	return oldest;
}

size_t sr_slots_loaded(const struct sr_slots *slots)
{
	size_t count = 0;

	for (size_t i = 0; i < SR_SLOTS; i++)
		count += sr_slot_is_loaded(&slots->slot[i]);
	return count;
}

void sr_slots_end_sessions(struct sr_slots *slots)
{
	sr_handle_flush(&slots->session);
	sr_handle_flush(&slots->policy);
	sr_slots_note(slots);
}

/* What the handles name is gone, and they may name what is others' by now. */
static void forget_all(struct sr_slots *slots)
{
	sr_handle_forget(&slots->session);
	sr_handle_forget(&slots->policy);
	for (size_t i = 0; i < SR_SLOTS; i++)
		sr_handle_forget(&slots->slot[i].signer.object);
}

static void hang_up(struct sr_slots *slots)
{
	note_present(slots, &slots->leftovers);
	forget_all(slots);
	sr_slots_note(slots);
	slots->session = slots->policy = SR_HANDLE(NULL);
	sr_tpm_close(take(slots->tpm));
}

static void note_what_stays(void *arg, const struct sr_handle *handle)
{
	struct sr_slots *slots = arg;

	if (!sr_tcti_is_managed(slots->tcti))
		sr_leftovers_note(&slots->leftovers, handle);
}

/* What a connection that broke left on the TPM goes with the next one. */
int sr_slots_open(struct sr_slots *slots, struct sr_err *err)
{
	uint64_t before = slots->era;
	int r = slots->tpm
		    ? 0
		    : sr_tpm_open_metered(slots->tcti, &slots->meter, &slots->tpm, err);

	if (r < 0)
		return r;
	slots->tpm->comes = slots->tpm->goes = NULL;
	if (slots->session.tpm)
		return 0;
	slots->session = slots->policy = SR_HANDLE(slots->tpm);
	slots->tpm->stays = note_what_stays;
	slots->tpm->arg = slots;
	r = sr_context_era(slots->tpm, &slots->era, err);
	if (r < 0) {
		hang_up(slots);
		slots->era = before;
		return r;
	}
	if (slots->era != before)
		slots->leftovers.count = 0;
	sr_leftovers_flush(&slots->leftovers, slots->tpm);
	sr_slots_note(slots);
	return 0;
}

/*
 * False after a reset: what its handles name is others' by now, if anything, and must not
 * be flushed.
 */
bool sr_slots_same_era(struct sr_slots *slots)
{
	uint64_t era = 0;

	if (sr_context_era(slots->tpm, &era, NULL) < 0) {
		hang_up(slots);
		return false;
	}
	if (era == slots->era)
		return true;
	forget_all(slots);
	slots->leftovers.count = 0;
	slots->era = era;
	return false;
}

static void make_all_room(struct sr_slots *slots)
{
	for (size_t i = 0; i < SR_SLOTS; i++)
		if (sr_slot_is_loaded(&slots->slot[i]))
			sr_slot_make_room(&slots->slot[i]);
}

void sr_slots_rest(struct sr_slots *slots)
{
	if (sr_slots_loaded(slots) > 0 && sr_slots_same_era(slots))
		make_all_room(slots);
}

static void leave(struct sr_slots *slots)
{
	if (slots->tpm)
		hang_up(slots);
	if (slots->leftovers.count > 0 && sr_slots_open(slots, NULL) == 0)
		hang_up(slots);
}

void sr_slots_leave(struct sr_slots *slots)
{
	if (slots->tpm && sr_slots_same_era(slots)) {
		make_all_room(slots);
		sr_slots_end_sessions(slots);
		sr_leftovers_flush(&slots->leftovers, slots->tpm);
	}
	leave(slots);
}

void sr_slots_free(struct sr_slots *slots)
{
	if (!slots)
		return;
	if (slots->tpm)
		(void)sr_slots_same_era(slots);
	for (size_t i = 0; i < SR_SLOTS; i++)
		sr_slot_clear(&slots->slot[i]);
	sr_slots_end_sessions(slots);
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

static void note_lent(void *arg, const struct sr_handle *handle)
{
	struct sr_slots *slots = arg;
	size_t at = slots->lent.count;

	sr_leftovers_note(&slots->lent, handle);
	if (slots->lent.count == at)
		return;
	slots->lent_tr[at] = handle->tr;
	sr_slots_note(slots);
}

static void forget_lent(void *arg, const struct sr_handle *handle)
{
	struct sr_slots *slots = arg;
	size_t at = 0, last = slots->lent.count - 1;

	while (at < slots->lent.count && slots->lent_tr[at] != handle->tr)
		at++;
	if (at == slots->lent.count)
		return;
	slots->lent.left[at] = slots->lent.left[last];
	slots->lent_tr[at] = slots->lent_tr[last];
	slots->lent.count = last;
	sr_slots_note(slots);
}

int sr_slots_lend(struct sr_slots *slots, struct sr_tpm **ret, struct sr_err *err)
{
	int r;

	sr_slots_leave(slots);
	r = sr_slots_open(slots, err);
	if (r < 0)
		return r;
	slots->lent.count = 0;
	slots->tpm->comes = note_lent;
	slots->tpm->goes = forget_lent;
	*ret = slots->tpm;
	return 0;
}

/* ---- what it did ---- */

const struct sr_meter *sr_slots_meter(const struct sr_slots *slots)
{
	return &slots->meter;
}

void sr_slots_counts(const struct sr_slots *slots, uint64_t *hits, uint64_t *loads)
{
	*hits = atomic_load(&slots->hits);
	*loads = atomic_load(&slots->loads);
}
