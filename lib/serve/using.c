/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys on the TPM: using one, whatever others and the TPM did meanwhile. */
#include "loading.h"
#include "sign/software.h"
#include "tpm/object.h"
#include "tpm/session.h"

/* What somebody waits for: a signature, or what @cipher hides. @sent: the TPM may have seen
   the PIN. */
struct use {
	struct sr_served *served;
	const struct sr_secret *pin;
	const struct sr_scheme *scheme;
	const struct sr_digest *digest;
	struct sr_buf *signature;
	const struct sr_decryption *how;
	const struct sr_secret *cipher;
	struct sr_secret *plain;
	bool opened;
	bool sent;
	bool foreign;
};

static int lend_pin(struct sr_slot *slot, const struct sr_secret *pin, struct sr_err *err)
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
static void take_pin_back(struct sr_slot *slot)
{
	sr_secret_done(&slot->signer.pin);
	if (sr_slot_is_loaded(slot))
		sr_object_forget_pin(&slot->signer.object, &slot->signer.session);
}

static int use_loaded(struct sr_slot *slot, const struct use *use, struct sr_err *err)
{
	if (use->cipher)
		return sr_signer_decrypt(&slot->signer, use->how, use->cipher, false,
					 use->plain, err);
	return sr_signer_try(&slot->signer, use->scheme, use->digest, false,
			     use->signature, err);
}

static int try_use(struct sr_slots *slots, struct use *use, bool doubt,
		   struct sr_err *err)
{
	struct sr_loading loading = { .slots = slots,
				      .doubt = doubt,
				      .secret = use->cipher };
	struct sr_slot *slot;
	int r = sr_slots_open(slots, err);

	use->opened = r == 0;
	if (r < 0)
		return r;
	slot = loading.slot = sr_slots_find(slots, use->served);
	loading.parent = SR_HANDLE(slots->tpm);
	slot->before = slot->used;
	slot->used = ++slots->uses;
	r = sr_loading_session(&loading, err);
	if (r == 0)
		r = sr_loading_policy(&loading, err);
	if (r == 0)
		r = sr_loading_load(&loading, err);
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
	if (r == -EACCES) /* or the session's number is another's by now */
		return !sr_key_needs_pin(use->served->key);
	return r != -EBUSY && r != -EINVAL && r != -EKEYREJECTED && r != -ENOMEM;
}

/*
 * Gets rid of what the TPM does not have any more, and of nothing that is others'. A session
 * may be gone alone: the key is flushed if it is there still.
 */
static void clean_up(struct sr_slots *slots, struct sr_served *served,
		     const struct sr_err *why)
{
	if (!slots->tpm || !sr_slots_same_era(slots))
		return;
	sr_slots_end_sessions(slots);
	for (size_t i = 0; i < SR_SLOTS; i++) {
		struct sr_slot *slot = &slots->slot[i];

		if (slot->served != served)
			continue;
		if (is_gone(sr_tss_code(why->tss))) {
			sr_leftovers_note(&slots->leftovers, &slot->signer.object);
			sr_handle_forget(&slot->signer.object);
		}
		sr_slot_clear(slot);
	}
	sr_leftovers_flush(&slots->leftovers, slots->tpm);
}

/* As sr_signer_open() has it. */
static int explain(const struct sr_slots *slots, const struct use *use, int r,
		   struct sr_err *err)
{
	const struct sr_key *key = use->served->key;

	if (r == -EKEYREJECTED && !sr_key_is_approved(key))
		return sr_key_explain(key, slots->tpm, err);
	if (r == -EUCLEAN)
		return sr_key_damaged(err);
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
		     const struct sr_secret *pin, const struct sr_decryption *how,
		     const struct sr_secret *cipher, struct sr_secret *ret,
		     struct sr_err *err)
{
	struct use use = {
		.served = served, .pin = pin, .how = how, .cipher = cipher, .plain = ret
	};

	return use_key(slots, &use, err);
}

static int try_policy(struct sr_slots *slots, struct sr_served *served,
		      struct sr_err *err)
{
	struct sr_loading loading = { .slots = slots };
	int r = sr_slots_open(slots, err);

	if (r < 0)
		return r;
	loading.slot = sr_slots_find(slots, served);
	loading.parent = SR_HANDLE(slots->tpm);
	r = sr_loading_session(&loading, err);
	sr_handle_flush(&loading.parent);
	if (r == 0)
		r = sr_loading_satisfy(&loading, err);
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
		      const struct sr_served *served, struct sr_given *pin,
		      struct sr_secret *ret, struct sr_err *err)
{
	struct sr_ask ask = sr_given_ask(pin);
	int r = sr_slots_open(slots, err);

	/* Its ring takes all slots that there are, and would wait for those of ours. */
	if (r == 0 && !sr_tcti_is_managed(slots->tcti))
		sr_slots_rest(slots);
	return r < 0 ? r
		     : sr_software_open(served->key, store, slots->tpm, &ask, ret, err);
}

/*
 * After a reset, or with slots and sessions that were all taken, it may do the second time:
 * but not with a PIN that the TPM may have seen.
 */
int sr_slots_unseal(struct sr_slots *slots, struct sr_store *store,
		    const struct sr_served *served, struct sr_given *pin,
		    struct sr_secret *ret, struct sr_err *err)
{
	struct sr_err why = { 0 };
	int r = try_unseal(slots, store, served, pin, ret, &why);

	if ((r == -EIO || r == -ENODEV) && !pin->wanted) {
		sr_slots_leave(slots);
		r = try_unseal(slots, store, served, pin, ret, &why);
	}
	if (r < 0 && err)
		*err = why;
	return r < 0 ? sr_fail_key(served->key, r, err) : 0;
}
