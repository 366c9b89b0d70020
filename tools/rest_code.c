/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What went wrong, as REST says it: a word and a status of HTTP for each errno. */
#include "rest_code.h"

#include <errno.h>
#include <string.h>

#include "ground/attr.h"

/* The last stands for all others. */
static const struct rest_code codes[] = {
	{ EINVAL, 400, "bad_request" },
	{ EACCES, 403, "wrong_pin" },
	{ EPERM, 403, "not_permitted" },
	{ ENOKEY, 404, "no_such_key" },
	{ EKEYREJECTED, 409, "policy_does_not_hold" },
	{ EREMOTE, 409, "another_tpm" },
	{ EEXIST, 409, "exists" },
	{ EBADMSG, 422, "refused" },
	{ EUCLEAN, 422, "damaged_key" },
	{ EBUSY, 423, "lockout" },
	{ EAGAIN, 429, "too_many" },
	{ ETIMEDOUT, 503, "busy" },
	{ ENODEV, 503, "no_tpm" },
	{ EIO, 500, "failed" },
};

const struct rest_code *rest_code_of(int r)
{
	size_t at = 0;

	while (at + 1 < SR_COUNT(codes) && codes[at].number != -r)
		at++;
	return &codes[at];
}

const struct rest_code *rest_code_named(const char *word)
{
	for (size_t i = 0; i < SR_COUNT(codes); i++)
		if (strcmp(codes[i].word, word) == 0)
			return &codes[i];
	return NULL;
}
