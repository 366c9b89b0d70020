/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unlocks a volume as systemd-cryptsetup does: one process, a PIN a prompt. */
/*
 * prompts VOLUME <PINS
 *
 * A PIN a line, until one opens or the passphrase would be asked for; prints what each
 * came to. Preload what shows libcryptsetup the plugin.
 */
#include <assert.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <string.h>

#include "ground/err.h"

static const char *word(int r)
{
	return r >= 0 ? "opened" : r == -ENOANO ? "again" : "passphrase";
}

static int unlock(struct crypt_device *cd, const char *pin)
{
	return crypt_activate_by_token_pin(cd, NULL, NULL, CRYPT_ANY_TOKEN, pin,
					   pin ? strlen(pin) : 0, NULL, 0);
}

int main(int argc, char **argv)
{
	struct crypt_device *cd = NULL;
	char line[64];
	int r;

	assert(argc == 2);
	assert(crypt_init(&cd, argv[1]) == 0 && crypt_load(cd, CRYPT_LUKS2, NULL) == 0);
	r = unlock(cd, NULL);
	while (r == -ENOANO && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		r = unlock(cd, line);
		printf("pin: %s\n", word(r));
	}
	crypt_free(cd);
	return r < 0;
}
