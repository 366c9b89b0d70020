/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict text: names, numbers, hex, PCR lists, times. */
#include "parse.h"

#include <string.h>

#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define TIME_MAX 253402300799 /* 9999-12-31T23:59:59Z: four digits are all we write */

/* TPM_ALG_ID and what tpm2-tools call it. */
static const struct bank {
	uint16_t id;
	uint8_t size;
	const char *name;
} banks[] = {
	{ 0x0004, 20, "sha1" },	    { 0x000b, 32, "sha256" },
	{ 0x000c, 48, "sha384" },   { 0x000d, 64, "sha512" },
	{ 0x0012, 32, "sm3_256" },  { 0x0027, 32, "sha3_256" },
	{ 0x0028, 48, "sha3_384" }, { 0x0029, 64, "sha3_512" },
};

static const struct bank *find_bank(uint16_t id)
{
	for (size_t i = 0; i < SR_COUNT(banks); i++)
		if (banks[i].id == id)
			return &banks[i];
	return NULL;
}

const char *sr_bank_name(uint16_t bank)
{
	const struct bank *found = find_bank(bank);

	return found ? found->name : NULL;
}

size_t sr_bank_size(uint16_t bank)
{
	const struct bank *found = find_bank(bank);

	return found ? found->size : 0;
}

uint16_t sr_bank_parse(const char *name)
{
	for (size_t i = 0; i < SR_COUNT(banks); i++)
		if (strcmp(banks[i].name, name) == 0)
			return banks[i].id;
	return 0;
}

/* The first of a size is the SHA-2 one (or SHA-1), which is what is meant by default. */
static uint16_t bank_of_size(size_t size)
{
	for (size_t i = 0; i < SR_COUNT(banks); i++)
		if (banks[i].size == size)
			return banks[i].id;
	return 0;
}

/* Moves past "sha256:" if it is there. */
static int parse_bank(const char **text, struct sr_pcrs *pcrs, struct sr_err *err)
{
	const char *colon = strchr(*text, ':');
	char name[16] = "";

	if (!colon)
		return 0;
	if ((size_t)(colon - *text) < sizeof(name))
		memcpy(name, *text, (size_t)(colon - *text));
	pcrs->bank = sr_bank_parse(name);
	if (pcrs->bank == 0)
		return sr_fail(err, -EINVAL,
			       "PCR list \"%.64s\": unknown bank; write sha256:0+7",
			       *text);
	*text = colon + 1;
	return 0;
}

/* Without a bank's name the length of the first value decides. */
static int parse_value(const char *text, size_t length, unsigned int index,
		       struct sr_pcrs *pcrs, struct sr_err *err)
{
	char hex[2 * SR_DIGEST_MAX + 1] = "";

	if (length == 1 && *text == '0') {
		pcrs->given |= 1U << index;
		return 0;
	}
	if (pcrs->bank == 0 && length % 2 == 0)
		pcrs->bank = bank_of_size(length / 2);
	if (length == 0 || length != 2 * sr_bank_size(pcrs->bank))
		return sr_fail(err, -EINVAL,
			       "value of PCR %u: %zu characters are no %s digest in hex",
			       index, length,
			       pcrs->bank ? sr_bank_name(pcrs->bank) : "known");
	memcpy(hex, text, length);
	if (sr_hex_parse(hex, pcrs->value[index], length / 2, NULL) < 0)
		return sr_fail(err, -EINVAL, "value of PCR %u: not in hex", index);
	pcrs->given |= 1U << index;
	return 0;
}

/* One "7" or "7=HEX" of @length characters. */
static int parse_pcr(const char *text, size_t length, struct sr_pcrs *pcrs,
		     struct sr_err *err)
{
	const char *equals = memchr(text, '=', length);
	size_t digits = equals ? (size_t)(equals - text) : length;
	char number[3] = "";
	uint64_t index = 0;

	if (digits > 0 && digits < sizeof(number))
		memcpy(number, text, digits);
	if (sr_number_parse(number, SR_PCR_COUNT - 1, &index, NULL) < 0)
		return sr_fail(err, -EINVAL,
			       "PCR list at \"%.64s\": write numbers from 0 to 23 as 0+7",
			       text);
	if (pcrs->mask & (1U << index))
		return sr_fail(err, -EINVAL, "PCR %u is listed twice",
			       (unsigned int)index);
	pcrs->mask |= 1U << index;
	if (!equals)
		return 0;
	return parse_value(equals + 1, length - digits - 1, (unsigned int)index, pcrs,
			   err);
}

int sr_pcrs_parse(const char *text, struct sr_pcrs *ret, struct sr_err *err)
{
	struct sr_pcrs pcrs = { 0 };
	int r = parse_bank(&text, &pcrs, err);

	while (r == 0) {
		size_t length = strcspn(text, "+");

		r = parse_pcr(text, length, &pcrs, err);
		if (text[length] == 0)
			break;
		text += length + 1;
	}
	if (r == 0)
		*ret = pcrs;
	return r;
}

void sr_pcrs_format(const struct sr_pcrs *pcrs, char ret[SR_PCRS_TEXT])
{
	const char *bank = sr_bank_name(pcrs->bank);
	const char *separator = "";
	size_t used = 0;

	ret[0] = 0;
	if (bank)
		used += (size_t)snprintf(ret, SR_PCRS_TEXT, "%s:", bank);
	for (unsigned int i = 0; i < SR_PCR_COUNT; i++) {
		if (!(pcrs->mask & (1U << i)))
			continue;
		used += (size_t)snprintf(ret + used, SR_PCRS_TEXT - used, "%s%u",
					 separator, i);
		separator = "+";
	}
}

void sr_pcrs_print(FILE *out, const struct sr_pcrs *pcrs)
{
	char hex[2 * SR_DIGEST_MAX + 1], plus = ':';

	if (pcrs->given)
		fputs(sr_bank_name(pcrs->bank), out);
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		if (!(pcrs->given & 1U << pcr))
			continue;
		sr_hex_format(pcrs->value[pcr], sr_bank_size(pcrs->bank), hex);
		fprintf(out, "%c%u=%s", plus, pcr, sr_pcr_is_zero(pcrs, pcr) ? "0" : hex);
		plus = '+';
	}
}

bool sr_name_ok(const char *name)
{
	size_t length = strspn(name, LETTERS DIGITS "_.-");

	return length > 0 && length <= SR_NAME_MAX && name[length] == 0 &&
	       name[0] != '.' && name[0] != '-';
}

int sr_name_check(const char *name, const char *what, struct sr_err *err)
{
	if (sr_name_ok(name))
		return 0;
	return sr_fail(err, -EINVAL,
		       "\"%.80s\" cannot name a %s: 1 to %d of A-Z a-z 0-9 _ . - "
		       "are allowed, not starting with . or -",
		       name, what, SR_NAME_MAX);
}

/* 0 to 15, or -1; isxdigit() would ask the locale. */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int fail_number(const char *text, uint64_t max, struct sr_err *err)
{
	return sr_fail(err, -EINVAL, "\"%.64s\" is not a number from 0 to %llu", text,
		       (unsigned long long)max);
}

/* A leading zero is refused: elsewhere it would mean octal. */
int sr_number_parse(const char *text, uint64_t max, uint64_t *ret, struct sr_err *err)
{
	bool hex = text[0] == '0' && text[1] == 'x';
	const char *digits = hex ? text + 2 : text;
	unsigned int base = hex ? 16 : 10;
	uint64_t value = 0;

	if (!*digits || (!hex && digits[0] == '0' && digits[1]))
		return fail_number(text, max, err);
	for (; *digits; digits++) {
		int digit = hex_value(*digits);

		if (digit < 0 || (unsigned int)digit >= base ||
		    __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return fail_number(text, max, err);
	}
	if (value > max)
		return fail_number(text, max, err);
	*ret = value;
	return 0;
}

int sr_bool_parse(const char *text, bool *ret, struct sr_err *err)
{
	static const char *const words[] = { "no", "yes", "false", "true",
					     "0",  "1",	  "off",   "on" };

	for (size_t i = 0; i < SR_COUNT(words); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*ret = i % 2;
		return 0;
	}
	return sr_fail(err, -EINVAL, "\"%.64s\" is neither yes nor no", text);
}

int sr_hex_parse(const char *text, uint8_t *ret, size_t size, struct sr_err *err)
{
	bool good = strlen(text) / 2 == size && strlen(text) % 2 == 0;

	for (size_t i = 0; good && i < 2 * size; i++)
		good = hex_value(text[i]) >= 0;
	if (!good)
		return sr_fail(err, -EINVAL, "not %zu bytes in hex", size);
	for (size_t i = 0; i < size; i++)
		ret[i] =
		    (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
	return 0;
}

void sr_hex_format(const uint8_t *data, size_t size, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		ret[2 * i] = digits[data[i] >> 4];
		ret[2 * i + 1] = digits[data[i] & 15];
	}
	ret[2 * size] = 0;
}

bool sr_pcr_is_zero(const struct sr_pcrs *pcrs, unsigned int pcr)
{
	static const uint8_t zero[SR_DIGEST_MAX];

	return memcmp(pcrs->value[pcr], zero, SR_DIGEST_MAX) == 0;
}

void sr_time_format(time_t when, char ret[SR_TIME_TEXT])
{
	time_t clamped = when < 0 ? 0 : when > TIME_MAX ? TIME_MAX : when;
	struct tm tm = { 0 };

	(void)gmtime_r(&clamped, &tm);
	(void)strftime(ret, SR_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static int two_digits(const char *text)
{
	return (text[0] - '0') * 10 + text[1] - '0';
}

/* Written again it must be the same text; so February 30 and second 60 are refused. */
int sr_time_parse(const char *text, time_t *ret, struct sr_err *err)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	bool good = strlen(text) == sizeof(shape) - 1;
	char again[SR_TIME_TEXT] = "";
	time_t when = 0;

	for (size_t i = 0; good && shape[i]; i++)
		good = shape[i] == 'd' ? strchr(DIGITS, text[i]) != NULL
				       : text[i] == shape[i];
	if (good) {
		struct tm tm = {
			.tm_year = two_digits(text) * 100 + two_digits(text + 2) - 1900,
			.tm_mon = two_digits(text + 5) - 1,
			.tm_mday = two_digits(text + 8),
			.tm_hour = two_digits(text + 11),
			.tm_min = two_digits(text + 14),
			.tm_sec = two_digits(text + 17),
		};

		when = timegm(&tm);
		sr_time_format(when, again);
	}
	if (!good || strcmp(again, text) != 0)
		return sr_fail(err, -EINVAL,
			       "\"%.64s\" is not a time such as 2026-01-31T12:00:00Z",
			       text);
	*ret = when;
	return 0;
}
