/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A ring outside the store: taken apart, and put together from what anybody may write. */
#include <string.h>
#include <tss2/tss2_mu.h>

#include "approval.h"
#include "tpm/srk.h"

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; texts && i < count; i++)
		free(texts[i]);
	free(texts);
}

void sr_ring_parts_done(struct sr_ring_parts *parts)
{
	free(parts->name);
	free(parts->id);
	free(parts->pcrs);
	free(parts->srk);
	free_texts(parts->approvals, parts->count);
	free_texts(parts->values, parts->count);
	*parts = (struct sr_ring_parts){ 0 };
}

#define _cleanup_parts_ _cleanup_(sr_ring_parts_done)

static int get_srk(const struct sr_ring *ring, struct sr_ring_parts *parts,
		   struct sr_err *err)
{
	uint8_t bytes[sizeof(ring->srk)];
	size_t size = 0;

	if (!ring->srk.publicArea.type ||
	    Tss2_MU_TPM2B_PUBLIC_Marshal(&ring->srk, bytes, sizeof(bytes), &size))
		return sr_fail(err, -EINVAL, "ring %s belongs to no TPM yet", ring->name);
	parts->srk = malloc(size);
	if (!parts->srk)
		return sr_fail_memory(err);
	memcpy(parts->srk, bytes, size);
	parts->srk_size = size;
	return 0;
}

static int get_texts(const struct sr_ring *ring, struct sr_ring_parts *parts,
		     struct sr_err *err)
{
	parts->name = strdup(ring->name);
	parts->id = strdup(ring->id);
	parts->pcrs = strdup(ring->pcrs_text);
	return parts->name && parts->id && parts->pcrs ? 0 : sr_fail_memory(err);
}

static int make_room(struct sr_ring_parts *parts, size_t count, struct sr_err *err)
{
	parts->approvals = calloc(count, sizeof(*parts->approvals));
	parts->values = calloc(count, sizeof(*parts->values));
	if (!parts->approvals || !parts->values)
		return sr_fail_memory(err);
	parts->count = count;
	return 0;
}

static int get_approvals(const struct sr_ring *ring, struct sr_ring_parts *parts,
			 struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	int r = sr_approvals_read(ring, &approvals, err);

	if (r == 0)
		r = make_room(parts, approvals.count, err);
	sr_approvals_sort(&approvals);
	for (size_t i = 0; r == 0 && i < approvals.count; i++) {
		const struct sr_approval *approval = &approvals.approval[i];

		r = sr_approval_format(approval, &parts->approvals[i], &parts->values[i],
				       err);
		parts->pin |= sr_policy_needs_auth(&approval->key->policy);
	}
	return r;
}

static size_t total(const struct sr_ring_parts *parts)
{
	size_t size = parts->srk_size + strlen(parts->name) + strlen(parts->id) +
		      strlen(parts->pcrs);

	for (size_t i = 0; i < parts->count; i++)
		size += strlen(parts->approvals[i]) + strlen(parts->values[i]);
	return size;
}

int sr_ring_parts_get(const struct sr_ring *ring, struct sr_ring_parts *ret,
		      struct sr_err *err)
{
	_cleanup_parts_ struct sr_ring_parts parts = { 0 };
	int r = get_texts(ring, &parts, err);

	if (r == 0)
		r = get_srk(ring, &parts, err);
	if (r == 0)
		r = get_approvals(ring, &parts, err);
	if (r < 0)
		return r;
	if (total(&parts) > SR_PARTS_MAX)
		return sr_fail(err, -EINVAL,
			       "ring %s: its %zu approvals are too much for a header: "
			       "tpm-reseal now %s leaves fewer",
			       ring->name, parts.count, ring->name);
	*ret = parts;
	parts = (struct sr_ring_parts){ 0 };
	return 0;
}

static bool is_whole(const struct sr_ring_parts *parts)
{
	bool whole = parts->name && parts->id && parts->pcrs && parts->srk &&
		     parts->approvals && parts->values && parts->count > 0 &&
		     parts->count <= SR_PARTS_APPROVALS;

	for (size_t i = 0; whole && i < parts->count; i++)
		whole = parts->approvals[i] && parts->values[i];
	return whole && parts->srk_size <= SR_PARTS_MAX && total(parts) <= SR_PARTS_MAX;
}

static int copy_parts(const struct sr_ring_parts *from, struct sr_ring_parts *to,
		      struct sr_err *err)
{
	bool good;

	to->name = strdup(from->name);
	to->id = strdup(from->id);
	to->pcrs = strdup(from->pcrs);
	to->srk = malloc(from->srk_size);
	to->pin = from->pin;
	good = to->name && to->id && to->pcrs && to->srk &&
	       make_room(to, from->count, NULL) == 0;
	for (size_t i = 0; good && i < from->count; i++) {
		to->approvals[i] = strdup(from->approvals[i]);
		to->values[i] = strdup(from->values[i]);
		good = to->approvals[i] && to->values[i];
	}
	if (!good)
		return sr_fail_memory(err);
	memcpy(to->srk, from->srk, from->srk_size);
	to->srk_size = from->srk_size;
	return 0;
}

static int take_srk(const struct sr_ring_parts *parts, struct sr_ring *ring,
		    struct sr_err *err)
{
	uint8_t again[sizeof(ring->srk)];
	size_t at = 0, used = 0;

	if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(parts->srk, parts->srk_size, &at,
					   &ring->srk) ||
	    Tss2_MU_TPM2B_PUBLIC_Marshal(&ring->srk, again, sizeof(again), &used) ||
	    at != parts->srk_size || used != at || memcmp(again, parts->srk, at) != 0 ||
	    !sr_srk_is_storage_key(&ring->srk))
		return sr_fail(err, -EBADMSG, "its storage key is none");
	return 0;
}

static int take_texts(const struct sr_ring_parts *parts, struct sr_ring *ring,
		      struct sr_err *err)
{
	uint8_t id[16];

	if (sr_hex_parse(parts->id, id, sizeof(id), NULL) < 0)
		return sr_fail(err, -EBADMSG, "its id is not 32 hex digits");
	sr_hex_format(id, sizeof(id), ring->id);
	if (sr_ring_set_pcrs(ring, parts->pcrs, NULL) < 0 ||
	    strcmp(ring->pcrs_text, parts->pcrs) != 0)
		return sr_fail(err, -EBADMSG, "its PCR list is damaged");
	ring->pin = parts->pin;
	return 0;
}

/* Read once now, so that nothing is begun with what is refused. */
static int check_approvals(const struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	int r = sr_approvals_read(ring, &approvals, err);
	bool pin = false;

	for (size_t i = 0; r == 0 && i < approvals.count; i++)
		pin |= sr_policy_needs_auth(&approvals.approval[i].key->policy);
	if (r < 0 || pin == ring->pin)
		return r;
	return sr_fail(err, -EBADMSG, "ring %s: %s", ring->name,
		       pin ? "an approval wants a PIN, which the ring has not"
			   : "no approval wants the PIN that the ring has");
}

int sr_ring_from_parts(const struct sr_ring_parts *parts, struct sr_ring **ret,
		       struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *ring = NULL;
	int r;

	if (!is_whole(parts) || !sr_name_ok(parts->name))
		return sr_fail(err, -EBADMSG,
			       "what stands for a ring is incomplete or too large");
	ring = sr_ring_new(NULL, parts->name);
	if (ring)
		ring->parts = calloc(1, sizeof(*ring->parts));
	if (!ring || !ring->parts)
		return sr_fail_memory(err);
	r = copy_parts(parts, ring->parts, err);
	if (r == 0)
		r = take_texts(parts, ring, err);
	if (r == 0)
		r = take_srk(parts, ring, err);
	if (r < 0)
		return sr_fail_ring(ring, r, err);
	r = check_approvals(ring, err);
	if (r == 0)
		*ret = take(ring);
	return r;
}

int sr_ring_wrap(const struct sr_ring *ring, const char *name,
		 const struct sr_secret *secret, uint8_t **ret, size_t *size,
		 struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = sr_ring_need_key(ring, err);

	if (r == 0)
		r = sr_envelope_seal(&ring->key, ring->name, name, secret, &content, err);
	if (r < 0)
		return r;
	*size = content.size;
	*ret = take(content.data);
	return 0;
}

int sr_ring_unwrap(const struct sr_ring *ring, const char *name, const uint8_t *envelope,
		   size_t size, struct sr_secret *ret, struct sr_err *err)
{
	const struct sr_buf content = { (uint8_t *)envelope, size };
	int r = sr_ring_need_key(ring, err);

	if (r == 0 && size > SR_ENVELOPE_MAX)
		r = sr_fail(err, -EBADMSG, "%.*s is too large", SR_NAME_MAX, name);
	return r < 0 ? r
		     : sr_envelope_open(&ring->key, ring->name, name, &content, ret, err);
}
