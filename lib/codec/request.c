/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The address that systemd connects from when a unit loads a credential. */
#include <string.h>

#include "ground/parse.h"

#define HEX "0123456789abcdef"
#define UNIT                                                                             \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"                           \
	"0123456789:-_.\\@"
#define RANDOM_MAX 16 /* 64 bits in hex, without leading zeros */

static int refuse(struct sr_err *err)
{
	return sr_fail(err, -EINVAL,
		       "it does not ask as a unit's LoadCredential= does: name this "
		       "socket in a unit only");
}

/* Steps over @text, or over as much as consists of @set; NULL if that is not there. */
static const char *skip_text(const char *at, const char *text)
{
	size_t size = strlen(text);

	return at && strncmp(at, text, size) == 0 ? at + size : NULL;
}

static const char *skip_set(const char *at, const char *set, size_t max)
{
	size_t size = at ? strspn(at, set) : 0;

	return size > 0 && size <= max ? at + size : NULL;
}

/* systemd writes "@%PRIx64/unit/%s/%s" (exec-credential.c), and the kernel at most 108. */
int sr_request_parse(const void *address, size_t size, struct sr_request *ret,
		     struct sr_err *err)
{
	char text[RANDOM_MAX + sizeof("/unit/") + sizeof(*ret)];
	const char *unit, *slash;

	if (size < 1 || size > sizeof(text) || memchr(address, '\0', size) != address)
		return refuse(err);
	memcpy(text, (const char *)address + 1, size - 1);
	text[size - 1] = '\0';
	if (strlen(text) != size - 1)
		return refuse(err);
	unit = skip_text(skip_set(text, HEX, RANDOM_MAX), "/unit/");
	slash = skip_set(unit, UNIT, SR_UNIT_MAX);
	if (!slash || *slash != '/' || !sr_name_ok(slash + 1))
		return refuse(err);
	*ret = (struct sr_request){ 0 };
	memcpy(ret->unit, unit, (size_t)(slash - unit));
	memcpy(ret->credential, slash + 1, strlen(slash + 1));
	return 0;
}
