/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Damages a token in every place, one after the other, and unlocks its volume each time. */
/*
 * token VOLUME NUMBER MASK...
 *
 * MASK in hex is what each byte is changed by; "cut" ends the text there. The volume's
 * passphrase is what comes, or nothing does. Prints how many there were, and what they came
 * to.
 */
#include <assert.h>
#include <string.h>

#include "luks/enroll.h"
#include "luks/unlock.h"

static struct {
	unsigned int tried;
	unsigned int unread; /* refused before anything was done with it */
	unsigned int refused;
	unsigned int harmless;
	unsigned int wrong;
} count;

static int connect_tpm(void *arg, struct sr_tpm **ret, struct sr_err *err)
{
	(void)arg;
	return sr_tpm_open(getenv("SEALRING_TCTI"), ret, err);
}

static int unlock(const struct sr_volume *volume, const struct sr_token *token,
		  struct sr_secret *ret)
{
	struct sr_unlocking how = { .opener = { .tpm = connect_tpm } };
	struct sr_err err = { 0 };
	int r = sr_unlock(volume->cd, token, &how, ret, &err);

	assert(r == 0 || err.text[0]);
	return r;
}

static void try(const struct sr_volume *volume, const char *json,
		const struct sr_secret *wanted)
{
	_cleanup_(sr_secret_done) struct sr_secret passphrase = { 0 };
	_cleanup_token_ struct sr_token token = { 0 };

	count.tried++;
	if (sr_token_read(json, &token, NULL) < 0)
		count.unread++;
	else if (unlock(volume, &token, &passphrase) < 0)
		count.refused++;
	else if (sr_secret_equal(&passphrase, wanted))
		count.harmless++;
	else
		count.wrong++;
}

static void try_all(const struct sr_volume *volume, char *json, const char *mask,
		    const struct sr_secret *wanted)
{
	unsigned long bits = strtoul(mask, NULL, 16);
	size_t size = strlen(json);

	for (size_t i = 0; i < size; i++) {
		char was = json[i];

		json[i] = strcmp(mask, "cut") == 0 ? '\0' : (char)(was ^ (char)bits);
		try(volume, json, wanted);
		json[i] = was;
	}
}

int main(int argc, char **argv)
{
	_cleanup_volume_ struct sr_volume *volume = NULL;
	_cleanup_(sr_secret_done) struct sr_secret wanted = { 0 };
	_cleanup_token_ struct sr_token token = { 0 };
	_cleanup_free_ char *copy = NULL;
	const char *json;
	int number;

	assert(argc > 3);
	number = atoi(argv[2]);
	assert(sr_volume_open(argv[1], &volume, NULL) == 0);
	assert(sr_volume_token(volume, number, &token, NULL) == 0);
	assert(unlock(volume, &token, &wanted) == 0 && wanted.size == SR_PASSPHRASE);
	assert(crypt_token_json_get(volume->cd, number, &json) >= 0);
	copy = strdup(json);
	assert(copy);
	for (int i = 3; i < argc; i++)
		try_all(volume, copy, argv[i], &wanted);
	printf("%u tried: %u not read, %u refused, %u harmless, %u wrong\n", count.tried,
	       count.unread, count.refused, count.harmless, count.wrong);
	return count.tried == 0 || count.wrong > 0;
}
