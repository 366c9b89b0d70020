/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: tokens of LUKS2 headers. What is read is written, and reads as the same. */
#include <assert.h>
#include <string.h>

#include "luks/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void free_ring(struct sr_ring **ring)
{
	sr_ring_free(*ring);
}

/* What stands for a ring is put together, or refused; there is no TPM to ask. */
static void check_parts(const struct sr_ring_parts *parts)
{
	_cleanup_(free_ring) struct sr_ring *ring = NULL;
	struct sr_err err = { 0 };
	int r = sr_ring_from_parts(parts, &ring, &err);

	assert(r == 0 ? ring != NULL : r == -EBADMSG && !ring && err.text[0]);
}

static void check_token(const struct sr_token *token)
{
	const struct sr_ring_parts *parts = &token->parts;

	assert(token->slot >= 0 && token->slot < SR_TOKEN_SLOTS);
	assert(strlen(parts->name) <= SR_NAME_MAX && strlen(parts->id) <= 32);
	assert(parts->srk_size > 0 && token->envelope.size > 0);
	assert(parts->count > 0 && parts->count <= SR_PARTS_APPROVALS);
	for (size_t i = 0; i < parts->count; i++)
		assert(strlen(parts->approvals[i]) <= SR_TOKEN_TEXT_MAX &&
		       strlen(parts->values[i]) <= SR_TOKEN_TEXT_MAX);
}

static void read_and_write(const char *json)
{
	_cleanup_token_ struct sr_token token = { 0 }, again = { 0 };
	_cleanup_free_ char *first = NULL, *second = NULL;
	struct sr_err err = { 0 };
	int r = sr_token_read(json, &token, &err);

	if (r < 0) {
		assert(r == -EBADMSG && err.text[0]);
		return;
	}
	check_token(&token);
	check_parts(&token.parts);
	/* Escaped it may be larger than there may be. */
	if (sr_token_write(&token, &first, NULL) < 0)
		return;
	assert(sr_token_read(first, &again, NULL) == 0);
	assert(again.slot == token.slot && again.assigned == token.assigned);
	assert(sr_token_write(&again, &second, NULL) == 0);
	assert(strcmp(first, second) == 0);
}

static void read_mark(const char *json)
{
	_cleanup_free_ char *text = NULL;
	struct sr_token_recovery mark, again;

	if (sr_token_recovery_read(json, &mark, NULL) < 0)
		return;
	text = sr_token_recovery_write(&mark);
	assert(text && sr_token_recovery_read(text, &again, NULL) == 0);
	assert(again.slot == mark.slot && strcmp(again.ring, mark.ring) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *json = malloc(size + 1);

	assert(json);
	memcpy(json, data, size);
	json[size] = '\0';
	read_and_write(json);
	read_mark(json);
	return 0;
}
