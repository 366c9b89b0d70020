/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The printed recovery key: 128 random bits as text that survives being typed. */
#include <openssl/crypto.h>
#include <string.h>

#include "ground/secret.h"

/*
 * 8 groups of 5 letters joined by '-'. The letters are modhex (the same keys on most
 * keyboard layouts) and stand for 0 to 15; 4 of a group carry 16 bits, the first the
 * highest; the fifth is their Luhn mod 16 check letter, to whose sum the group's number
 * (1 to 8) is added: so a wrong letter is found in its group, and groups can't change
 * places.
 */

#define RANDOM 16 /* bytes */
#define GROUPS 8
#define GROUP 5 /* letters, the last of which checks the others */
#define LETTERS (GROUPS * GROUP)

static const char alphabet[] = "cbdefghijklnrtuv";

/*
 * Luhn mod N with N = 16: every second letter, from the right, counts double, and what
 * does not fit in one letter is added to it. Doubling so never maps two letters to one.
 */
static unsigned int check_value(const uint8_t value[GROUP - 1], unsigned int number)
{
	unsigned int sum = number;

	for (unsigned int i = 0; i < GROUP - 1; i++) {
		unsigned int counted = i % 2 == 1 ? 2u * value[i] : value[i];

		sum += counted / 16 + counted % 16;
	}
	return (16 - sum % 16) % 16;
}

/* Where group @number (from 1) starts in the text. */
static char *group_at(const struct sr_secret *text, unsigned int number)
{
	return (char *)text->data + (size_t)(number - 1) * (GROUP + 1);
}

static void write_group(const struct sr_secret *text, unsigned int number,
			const uint8_t value[GROUP - 1])
{
	char *at = group_at(text, number);

	for (unsigned int i = 0; i < GROUP - 1; i++)
		at[i] = alphabet[value[i]];
	at[GROUP - 1] = alphabet[check_value(value, number)];
	if (number < GROUPS)
		at[GROUP] = '-';
}

int sr_recovery_key_generate(struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret random = { 0 }, text = { 0 };
	uint8_t value[GROUP - 1];
	int r = sr_secret_random(RANDOM, &random, err);

	if (r == 0)
		r = sr_secret_alloc(SR_RECOVERY_TEXT, &text, err);
	if (r < 0)
		return r;
	for (unsigned int number = 1; number <= GROUPS; number++) {
		const uint8_t *pair = random.data + (number - 1) * 2;

		for (unsigned int i = 0; i < sizeof(value); i++)
			value[i] = pair[i / 2] >> (i % 2 == 0 ? 4 : 0) & 0xf;
		write_group(&text, number, value);
	}
	OPENSSL_cleanse(value, sizeof(value));
	sr_secret_take(&text, ret);
	return 0;
}

static bool separates(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '-' || c == '\r' || c == '\n';
}

/* 0 to 15, or -1; tolower() would ask the locale. */
static int letter_value(uint8_t c)
{
	const char *at;

	if (c >= 'A' && c <= 'Z')
		c = (uint8_t)(c - 'A' + 'a');
	at = c == '\0' ? NULL : strchr(alphabet, c);
	return at ? (int)(at - alphabet) : -1;
}

/* The letters' values, one a byte; @count, from 0, says how many. */
static int read_letters(const struct sr_secret *typed, struct sr_secret *value,
			unsigned int *count, struct sr_err *err)
{
	for (size_t i = 0; i < typed->size; i++) {
		int v = letter_value(typed->data[i]);

		if (separates(typed->data[i]))
			continue;
		if (*count == LETTERS)
			return sr_fail(
			    err, -EACCES,
			    "recovery key: more than its %d groups of %d letters", GROUPS,
			    GROUP);
		if (v < 0)
			return sr_fail(
			    err, -EACCES,
			    "recovery key: group %u has a character that is not "
			    "one of %s",
			    *count / GROUP + 1, alphabet);
		value->data[(*count)++] = (uint8_t)v;
	}
	return 0;
}

int sr_recovery_key_parse(const struct sr_secret *typed, struct sr_secret *ret,
			  struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret value = { 0 }, text = { 0 };
	unsigned int count = 0;
	int r = sr_secret_alloc(LETTERS, &value, err);

	if (r == 0)
		r = sr_secret_alloc(SR_RECOVERY_TEXT, &text, err);
	if (r == 0)
		r = read_letters(typed, &value, &count, err);
	if (r < 0)
		return r;
	/* A group that is wrong says where a letter is missing; so this comes first. */
	for (unsigned int number = 1; number <= count / GROUP; number++) {
		const uint8_t *group = value.data + (number - 1) * GROUP;

		if (check_value(group, number) != group[GROUP - 1])
			return sr_fail(
			    err, -EACCES,
			    "recovery key: group %u is mistyped; compare its %d "
			    "letters with the paper",
			    number, GROUP);
		write_group(&text, number, group);
	}
	if (count < LETTERS)
		return sr_fail(
		    err, -EACCES,
		    "recovery key: it has %u letters, and %d groups of %d make %d", count,
		    GROUPS, GROUP, LETTERS);
	sr_secret_take(&text, ret);
	return 0;
}
