/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of ground/parse: what is written is read back, and nothing else is taken. */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "ground/base64.h"
#include "ground/parse.h"

#define HEX4 "00112233445566778899aabbccddeeff"
#define HEX32 HEX4 "FF112233445566778899AABBCCDDEEFF"
#define HEX20 HEX4 "01234567"
#define HEX48 HEX32 HEX4
#define HEX64 HEX32 HEX32
#define NAME64 "a234567890123456789012345678901234567890123456789012345678901234"
#define ALL "0+1+2+3+4+5+6+7+8+9+10+11+12+13+14+15+16+17+18+19+20+21+22+23"

static unsigned int cases;

/* A failure says why, in one line, under the number that is returned. */
static void check_error(int r, const struct sr_err *err)
{
	assert(r == -EINVAL && err->code == r);
	assert(err->text[0] != '\0' && !strchr(err->text, '\n'));
}

static const struct pcrs_case {
	const char *text;
	const char *again; /* NULL: refused */
	uint32_t mask;
	uint32_t given;
} pcrs_cases[] = {
	{ "0+7", "0+7", 0x81, 0 },
	{ "7+0", "0+7", 0x81, 0 },
	{ "23", "23", 0x800000, 0 },
	{ ALL, ALL, 0xffffff, 0 },
	{ "sha3_512:" ALL, "sha3_512:" ALL, 0xffffff, 0 },
	{ "sha256:0+7", "sha256:0+7", 0x81, 0 },
	{ "sha1:0", "sha1:0", 1, 0 },
	{ "sm3_256:9", "sm3_256:9", 0x200, 0 },
	{ "15=0", "15", 0x8000, 0x8000 },
	{ "0+7=" HEX32, "sha256:0+7", 0x81, 0x80 },
	{ "sha256:7=" HEX32 "+15=0", "sha256:7+15", 0x8080, 0x8080 },
	{ "sha3_256:7=" HEX32, "sha3_256:7", 0x80, 0x80 },
	{ "7=" HEX20, "sha1:7", 0x80, 0x80 },
	{ "7=" HEX48, "sha384:7", 0x80, 0x80 },
	{ "7=" HEX64, "sha512:7", 0x80, 0x80 },
	{ "", NULL, 0, 0 },
	{ "sha256:", NULL, 0, 0 },
	{ ":0", NULL, 0, 0 },
	{ "sha257:0", NULL, 0, 0 },
	{ "SHA256:0", NULL, 0, 0 },
	{ "sha256:sha256:0", NULL, 0, 0 },
	{ "a-bank-with-a-name-that-is-far-too-long:0", NULL, 0, 0 },
	{ "24", NULL, 0, 0 },
	{ "999", NULL, 0, 0 },
	{ "4294967296", NULL, 0, 0 },
	{ "07", NULL, 0, 0 },
	{ "-1", NULL, 0, 0 },
	{ "+0", NULL, 0, 0 },
	{ "0+", NULL, 0, 0 },
	{ "0++7", NULL, 0, 0 },
	{ "0,7", NULL, 0, 0 },
	{ " 0", NULL, 0, 0 },
	{ "0\n", NULL, 0, 0 },
	{ "\033[2J:0", NULL, 0, 0 },
	{ "0 ", NULL, 0, 0 },
	{ "0+7+0", NULL, 0, 0 },
	{ "0=", NULL, 0, 0 },
	{ "0=00", NULL, 0, 0 },
	{ "0=1", NULL, 0, 0 },
	{ "0==0", NULL, 0, 0 },
	{ "=0", NULL, 0, 0 },
	{ "sha256:0=" HEX20, NULL, 0, 0 },
	{ "sha1:0=" HEX32, NULL, 0, 0 },
	{ "0=" HEX32 "+7=" HEX20, NULL, 0, 0 },
	{ "0=" HEX64 "00", NULL, 0, 0 },
	{ "0=x" HEX4 "112233445566778899aabbccddeeffa", NULL, 0, 0 },
};

static void test_pcrs(void)
{
	for (size_t i = 0; i < SR_COUNT(pcrs_cases); i++, cases++) {
		const struct pcrs_case *c = &pcrs_cases[i];
		struct sr_pcrs pcrs = { .mask = 42 };
		struct sr_err err = { 0 };
		char text[SR_PCRS_TEXT];
		int r = sr_pcrs_parse(c->text, &pcrs, &err);

		if (!c->again) {
			check_error(r, &err);
			assert(pcrs.mask == 42);
			continue;
		}
		assert(r == 0 && pcrs.mask == c->mask && pcrs.given == c->given);
		sr_pcrs_format(&pcrs, text);
		assert(strcmp(text, c->again) == 0);
	}
}

static void test_pcr_values(void)
{
	static const uint8_t zeros[SR_DIGEST_MAX];
	struct sr_pcrs pcrs;
	char hex[2 * SR_DIGEST_MAX + 1];

	assert(sr_pcrs_parse("sha256:0+7=" HEX32 "+15=0", &pcrs, NULL) == 0);
	sr_hex_format(pcrs.value[7], 32, hex);
	assert(strcasecmp(hex, HEX32) == 0);
	assert(memcmp(pcrs.value[7] + 32, zeros, 32) == 0);
	assert(memcmp(pcrs.value[15], zeros, sizeof(zeros)) == 0);
	assert(memcmp(pcrs.value[0], zeros, sizeof(zeros)) == 0);
	cases++;
}

static const struct bank_case {
	uint16_t id;
	size_t size;
	const char *name;
} bank_cases[] = {
	{ 0x0004, 20, "sha1" },	    { 0x000b, 32, "sha256" },
	{ 0x000c, 48, "sha384" },   { 0x000d, 64, "sha512" },
	{ 0x0012, 32, "sm3_256" },  { 0x0027, 32, "sha3_256" },
	{ 0x0028, 48, "sha3_384" }, { 0x0029, 64, "sha3_512" },
};

static void test_banks(void)
{
	for (size_t i = 0; i < SR_COUNT(bank_cases); i++, cases++) {
		const struct bank_case *c = &bank_cases[i];

		assert(strcmp(sr_bank_name(c->id), c->name) == 0);
		assert(sr_bank_size(c->id) == c->size && c->size <= SR_DIGEST_MAX);
		assert(sr_bank_parse(c->name) == c->id);
	}
	assert(!sr_bank_name(0) && sr_bank_size(0xffff) == 0);
	assert(sr_bank_parse("") == 0 && sr_bank_parse("sha2") == 0);
	cases++;
}

static const struct name_case {
	const char *name;
	bool good;
} name_cases[] = {
	{ "a", true },	   { "_", true },    { "9.pem", true },	    { "A-b_c.d", true },
	{ NAME64, true },  { "", false },    { NAME64 "5", false }, { ".a", false },
	{ "-a", false },   { "..", false },  { "a/b", false },	    { "a b", false },
	{ "a\n", false },  { "a@b", false }, { "\xc3\xa4", false }, { "a%", false },
	{ "a\\x", false }, { "a:b", false },
};

static void test_names(void)
{
	for (size_t i = 0; i < SR_COUNT(name_cases); i++, cases++) {
		const struct name_case *c = &name_cases[i];
		struct sr_err err = { 0 };
		int r = sr_name_check(c->name, "secret", &err);

		assert(sr_name_ok(c->name) == c->good);
		if (c->good)
			assert(r == 0);
		else
			check_error(r, &err);
	}
}

static const struct number_case {
	const char *text;
	uint64_t max;
	bool good;
	uint64_t value;
} number_cases[] = {
	{ "0", 0, true, 0 },
	{ "42", 42, true, 42 },
	{ "43", 42, false, 0 },
	{ "0x2a", 42, true, 42 },
	{ "0x2A", 42, true, 42 },
	{ "0x002a", 42, true, 42 },
	{ "0x3f010000", UINT32_MAX, true, 0x3f010000 },
	{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
	{ "18446744073709551616", UINT64_MAX, false, 0 },
	{ "0xffffffffffffffff", UINT64_MAX, true, UINT64_MAX },
	{ "0x10000000000000000", UINT64_MAX, false, 0 },
	{ "99999999999999999999999999", UINT64_MAX, false, 0 },
	{ "", 9, false, 0 },
	{ "0x", 9, false, 0 },
	{ "0X1", 9, false, 0 },
	{ "00", 9, false, 0 },
	{ "01", 9, false, 0 },
	{ "-0", 9, false, 0 },
	{ "+1", 9, false, 0 },
	{ " 1", 9, false, 0 },
	{ "1 ", 9, false, 0 },
	{ "1\n", 9, false, 0 },
	{ "1a", 99, false, 0 },
	{ "a", 99, false, 0 },
	{ "0xg", 99, false, 0 },
	{ "0x-1", 99, false, 0 },
};

static void test_numbers(void)
{
	for (size_t i = 0; i < SR_COUNT(number_cases); i++, cases++) {
		const struct number_case *c = &number_cases[i];
		struct sr_err err = { 0 };
		uint64_t value = 77;
		int r = sr_number_parse(c->text, c->max, &value, &err);

		if (c->good)
			assert(r == 0 && value == c->value);
		else
			check_error(r, &err);
		assert(c->good || value == 77);
	}
}

static const struct bool_case {
	const char *text;
	int value; /* -1: refused */
} bool_cases[] = {
	{ "yes", 1 },	{ "true", 1 }, { "1", 1 },    { "on", 1 }, { "no", 0 },
	{ "false", 0 }, { "0", 0 },    { "off", 0 },  { "", -1 },  { "Yes", -1 },
	{ "yes ", -1 }, { "2", -1 },   { "y\n", -1 }, { "y", -1 },
};

static void test_bools(void)
{
	for (size_t i = 0; i < SR_COUNT(bool_cases); i++, cases++) {
		const struct bool_case *c = &bool_cases[i];
		struct sr_err err = { 0 };
		bool value = true;
		int r = sr_bool_parse(c->text, &value, &err);

		if (c->value < 0)
			check_error(r, &err);
		else
			assert(r == 0 && value == (c->value == 1));
	}
}

static const struct hex_case {
	const char *text;
	size_t size;
	bool good;
} hex_cases[] = {
	{ "", 0, true },     { "00", 1, true },	   { "00ff80", 3, true },
	{ "00", 0, false },  { "", 1, false },	   { "0", 1, false },
	{ "000", 1, false }, { "0000", 1, false }, { "0g", 1, false },
	{ "0x", 1, false },  { " 0", 1, false },   { "0\n", 1, false },
};

static void test_hex(void)
{
	for (size_t i = 0; i < SR_COUNT(hex_cases); i++, cases++) {
		const struct hex_case *c = &hex_cases[i];
		struct sr_err err = { 0 };
		uint8_t data[4] = { 0 };
		char again[9];
		int r = sr_hex_parse(c->text, data, c->size, &err);

		if (!c->good) {
			check_error(r, &err);
			continue;
		}
		sr_hex_format(data, c->size, again);
		assert(r == 0 && strcmp(again, c->text) == 0);
	}
}

static const struct time_case {
	const char *text;
	bool good;
	time_t when;
} time_cases[] = {
	{ "1970-01-01T00:00:00Z", true, 0 },
	{ "2000-02-29T12:34:56Z", true, 951827696 },
	{ "2038-01-19T03:14:08Z", true, 2147483648 },
	{ "9999-12-31T23:59:59Z", true, 253402300799 },
	{ "1969-12-31T23:59:59Z", false, 0 },
	{ "0000-00-00T00:00:00Z", false, 0 },
	{ "2001-02-29T00:00:00Z", false, 0 },
	{ "2001-13-01T00:00:00Z", false, 0 },
	{ "2001-00-01T00:00:00Z", false, 0 },
	{ "2001-01-01T24:00:00Z", false, 0 },
	{ "2001-01-01T00:60:00Z", false, 0 },
	{ "2016-12-31T23:59:60Z", false, 0 },
	{ "2001-01-01T00:00:00", false, 0 },
	{ "2001-01-01T00:00:00z", false, 0 },
	{ "2001-01-01 00:00:00Z", false, 0 },
	{ "2001-1-01T00:00:00ZZ", false, 0 },
	{ "2001-01-01T00:00:00Z ", false, 0 },
	{ "+001-01-01T00:00:00Z", false, 0 },
	{ "", false, 0 },
};

static void test_times(void)
{
	char text[SR_TIME_TEXT];

	for (size_t i = 0; i < SR_COUNT(time_cases); i++, cases++) {
		const struct time_case *c = &time_cases[i];
		struct sr_err err = { 0 };
		time_t when = -7;
		int r = sr_time_parse(c->text, &when, &err);

		if (!c->good) {
			check_error(r, &err);
			continue;
		}
		sr_time_format(when, text);
		assert(r == 0 && when == c->when && strcmp(text, c->text) == 0);
	}
	sr_time_format(-1, text);
	assert(strcmp(text, "1970-01-01T00:00:00Z") == 0);
	sr_time_format((time_t)INT64_MAX, text);
	assert(strcmp(text, "9999-12-31T23:59:59Z") == 0);
	cases += 2;
}

static const struct base64_case {
	const char *text;
	const char *bytes; /* NULL: refused */
} base64_cases[] = {
	{ "", "" },
	{ "Zg==", "f" },
	{ "Zm8=", "fo" },
	{ "Zm9v", "foo" },
	{ "Zm9vYmFy", "foobar" },
	{ "Zm9vYmFyLg==", NULL }, /* 7 bytes are too many */
	{ "Zh==", NULL },	  /* unused bits */
	{ "Zm9=", NULL },
	{ "Zg=", NULL },
	{ "Zg", NULL },
	{ "=", NULL },
	{ "====", NULL },
	{ "Z===", NULL },
	{ "Zg==Zg==", NULL },
	{ "Zm9v\n", NULL },
	{ " Zm9v", NULL },
	{ "Zm\n9v", NULL },
	{ "Zm9v    ", NULL },
	{ "Zm-_", NULL },
	{ "Zm9\xff", NULL },
};

static void test_base64(void)
{
	char text[SR_BASE64_SIZE(6)];

	for (size_t i = 0; i < SR_COUNT(base64_cases); i++, cases++) {
		const struct base64_case *c = &base64_cases[i];
		_cleanup_buf_ struct sr_buf bytes = { 0 };
		struct sr_err err = { 0 };
		int r = sr_base64_parse(c->text, 6, &bytes, &err);

		if (!c->bytes) {
			check_error(r, &err);
			assert(!bytes.data);
			continue;
		}
		assert(r == 0 && bytes.size == strlen(c->bytes) &&
		       memcmp(bytes.data, c->bytes, bytes.size) == 0);
		sr_base64_format(bytes.data, bytes.size, text);
		assert(strcmp(text, c->text) == 0);
	}
}

int main(void)
{
	test_base64();
	test_pcrs();
	test_pcr_values();
	test_banks();
	test_names();
	test_numbers();
	test_bools();
	test_hex();
	test_times();
	printf("test_parse: %u cases\n", cases);
	return 0;
}
