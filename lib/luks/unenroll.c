/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keyslots and tokens of a ring in a volume's header: removed, but never the last way in. */
#include <string.h>

#include "enroll.h"

/* Bit N: token N, keyslot N. */
struct chosen {
	uint32_t tokens;
	uint32_t slots;
	int slot_of[SR_TOKEN_SLOTS];
};

static void choose(struct chosen *chosen, int number, int slot)
{
	chosen->tokens |= UINT32_C(1) << number;
	chosen->slot_of[number] = slot;
	if (slot >= 0)
		chosen->slots |= UINT32_C(1) << slot;
}

/* Damaged ones go with all the others: what they say of their keyslot is not believed. */
static int choose_token(struct sr_volume *volume, int number,
			const struct sr_unenroll *what, struct chosen *ret,
			struct sr_err *err)
{
	_cleanup_token_ struct sr_token token = { 0 };
	int r = sr_volume_token(volume, number, &token, err);

	if (r == -EBADMSG && !what->id)
		choose(ret, number, -1);
	if (r < 0)
		return r == -ENOENT || r == -EBADMSG ? 0 : r;
	if (!what->id || strcmp(what->id, token.parts.id) == 0)
		choose(ret, number,
		       sr_enroll_owns(volume, what->ring, &token) ? token.slot : -1);
	return 0;
}

static int choose_mark(struct sr_volume *volume, int number,
		       const struct sr_unenroll *what, struct chosen *ret,
		       struct sr_err *err)
{
	struct sr_token_recovery mark;
	const char *json;
	int r;

	if (what->id || crypt_token_json_get(volume->cd, number, &json) < 0)
		return 0;
	r = sr_token_recovery_read(json, &mark, err);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	choose(ret, number,
	       mark.slot >= 0 && sr_volume_active(volume, mark.slot) ? mark.slot : -1);
	return 0;
}

/* Keyslots that open by a token of ours only. */
static int ours(struct sr_volume *volume, uint32_t *ret, struct sr_err *err)
{
	for (int n = 0; n < SR_TOKEN_SLOTS; n++) {
		_cleanup_token_ struct sr_token token = { 0 };
		int r = sr_volume_token(volume, n, &token, err);

		if (r == 0 && token.assigned)
			*ret |= UINT32_C(1) << token.slot;
		if (r < 0 && r != -ENOENT && r != -EBADMSG)
			return r;
	}
	return 0;
}

static int check_remains(struct sr_volume *volume, const struct chosen *chosen,
			 struct sr_err *err)
{
	uint32_t gone = chosen->slots;
	int r = ours(volume, &gone, err);

	if (r < 0)
		return r;
	for (int slot = 0; slot < SR_TOKEN_SLOTS; slot++)
		if (sr_volume_active(volume, slot) && !(gone & UINT32_C(1) << slot))
			return 0;
	return sr_fail(
	    err, -EINVAL,
	    "%s: no keyslot would remain that a passphrase opens: add one first: "
	    "cryptsetup luksAddKey, or tpm-luks enroll --recovery-key-file",
	    volume->path);
}

int sr_enroll_remove(struct sr_volume *volume, const struct sr_unenroll *what,
		     struct sr_err *err)
{
	struct chosen chosen = { 0 };
	int count = 0, r = 0;

	for (int n = 0; n < SR_TOKEN_SLOTS && r == 0; n++) {
		r = choose_token(volume, n, what, &chosen, err);
		if (r == 0)
			r = choose_mark(volume, n, what, &chosen, err);
	}
	if (r < 0)
		return r;
	if (!chosen.tokens)
		return sr_fail(err, -ENOKEY, "%s has no token%s", volume->path,
			       what->id ? " of that ring" : " of ours");
	r = chosen.slots ? check_remains(volume, &chosen, err) : 0;
	for (int n = 0; n < SR_TOKEN_SLOTS && r == 0; n++) {
		int slot = chosen.slot_of[n];

		if (!(chosen.tokens & UINT32_C(1) << n))
			continue;
		/* Two tokens may be for one keyslot. */
		r = sr_enroll_drop(
		    volume, n, slot >= 0 && sr_volume_active(volume, slot) ? slot : -1,
		    err);
		count++;
	}
	return r < 0 ? r : count;
}
