/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes configuration files: what was read, written plainly, is read the same again. */
#include <assert.h>
#include <string.h>

#include "ground/conf.h"

#define NAME "fuzz.conf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Collects what the setters get, as a file. */
static int collect(const char *section, const char *key, const char *value, void *arg)
{
	struct sr_buf *file = arg;
	size_t room = strlen(section) + strlen(key) + strlen(value) + 8;

	file->data = realloc(file->data, file->size + room);
	assert(file->data);
	file->size += (size_t)snprintf((char *)file->data + file->size, room,
				       "[%s]\n%s=%s\n", section, key, value);
	return 0;
}

static int set_ring(const char *value, void *arg, struct sr_err *err)
{
	(void)err;
	return collect("Secret", "Ring", value, arg);
}

static int set_type(const char *value, void *arg, struct sr_err *err)
{
	if (*value == 'x')
		return sr_fail(err, -EINVAL, "starts with x");
	return collect("Keyring", "Type", value, arg);
}

static int add_units(const char *value, void *arg, struct sr_err *err)
{
	(void)err;
	return collect("Credential", "Units", value, arg);
}

static const struct sr_conf_key keys[] = {
	{ "Secret", "Ring", false, set_ring },
	{ "Keyring", "Type", false, set_type },
	{ "Credential", "Units", true, add_units },
	{ 0 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sr_buf content = { (uint8_t *)data, size };
	_cleanup_buf_ struct sr_buf first = { 0 };
	_cleanup_buf_ struct sr_buf second = { 0 };
	struct sr_err err = { 0 };
	int r = sr_conf_read(&content, NAME, keys, &first, &err);

	if (r < 0) {
		assert(r == -EBADMSG || r == -EINVAL);
		assert(strncmp(err.text, NAME, strlen(NAME)) == 0);
		assert(!strchr(err.text, '\n'));
		return 0;
	}
	if (first.size > SR_CONF_MAX) /* sections are repeated, so it may have grown */
		return 0;
	assert(sr_conf_read(&first, NAME, keys, &second, NULL) == 0);
	assert(first.size == second.size);
	assert(first.size == 0 || memcmp(first.data, second.data, first.size) == 0);
	return 0;
}
