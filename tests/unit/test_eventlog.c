/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of codec/eventlog: logs made here, whole, damaged and odd; what changed between two. */
#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

#include "codec/eventlog.h"

#define CRTM_VERSION 0x8
#define NO_ACTION 0x3
#define SEPARATOR 0x4
#define BLOB 0x80000008
#define VARIABLE 0x80000001
#define ACTION 0x80000007
#define HCRTM 0x80000010

/* A log that is being written. */
struct writer {
	uint8_t at[16384];
	size_t size;
};

static unsigned int cases;

static void put(struct writer *log, const void *data, size_t size)
{
	assert(log->size + size <= sizeof(log->at));
	if (size > 0)
		memcpy(log->at + log->size, data, size);
	log->size += size;
}

static void put_number(struct writer *log, uint64_t number, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(number >> 8 * i);

		put(log, &byte, 1);
	}
}

/* "Spec ID Event03" with SHA-1 and SHA-256 */
static void begin(struct writer *log)
{
	log->size = 0;
	put_number(log, 0, 4);
	put_number(log, NO_ACTION, 4);
	put(log, (uint8_t[20]){ 0 }, 20);
	put_number(log, 37, 4);
	put(log, "Spec ID Event03", 16);
	put(log, "\0\0\0\0\0\2\0\2", 8);
	put_number(log, 2, 4);
	put_number(log, 0x4, 2);
	put_number(log, 20, 2);
	put_number(log, 0xb, 2);
	put_number(log, 32, 2);
	put_number(log, 0, 1);
}

/* An event whose digests are of @hashed, and which says @data about it. */
static void put_event(struct writer *log, uint32_t pcr, uint32_t type, const void *data,
		      size_t size, const char *hashed)
{
	uint8_t sha1[20], sha256[32];
	const void *what = hashed ? hashed : data;
	size_t length = hashed ? strlen(hashed) : size;

	put_number(log, pcr, 4);
	put_number(log, type, 4);
	put_number(log, 2, 4);
	(void)SHA1(what, length, sha1);
	(void)SHA256(what, length, sha256);
	put_number(log, 0x4, 2);
	put(log, sha1, sizeof(sha1));
	put_number(log, 0xb, 2);
	put(log, sha256, sizeof(sha256));
	put_number(log, size, 4);
	put(log, data, size);
}

static void put_text(struct writer *log, uint32_t pcr, uint32_t type, const char *text)
{
	put_event(log, pcr, type, text, strlen(text), NULL);
}

static void put_utf16(struct writer *log, uint32_t pcr, uint32_t type, const char *text)
{
	struct writer wide = { .size = 0 };

	for (; *text; text++)
		put_number(&wide, (uint8_t)*text, 2);
	put_number(&wide, 0, 2);
	put_event(log, pcr, type, wide.at, wide.size, NULL);
}

static void put_blob(struct writer *log, uint64_t base, const char *contents)
{
	struct writer place = { .size = 0 };

	put_number(&place, base, 8);
	put_number(&place, 0x100000, 8);
	put_event(log, 0, BLOB, place.at, place.size, contents);
}

static void put_variable(struct writer *log, uint32_t type, const char *name,
			 const void *data, size_t size)
{
	struct writer variable = { .size = 0 };

	put(&variable, "0123456789abcdef", 16);
	put_number(&variable, strlen(name), 8);
	put_number(&variable, size, 8);
	for (const char *c = name; *c; c++)
		put_number(&variable, (uint8_t)*c, 2);
	put(&variable, data, size);
	put_event(log, 7, type, variable.at, variable.size, NULL);
}

static const uint8_t sha256_type[16] = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
					 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28 };

/* One list of hashes; each character of @hashes is one, of @owners its owner. */
static void put_list(struct writer *list, const char *hashes, const char *owners)
{
	put(list, sha256_type, 16);
	put_number(list, 28 + 48 * strlen(hashes), 4);
	put_number(list, 0, 4);
	put_number(list, 48, 4);
	for (size_t i = 0; hashes[i]; i++) {
		uint8_t entry[48];

		memset(entry, owners[i], 16);
		memset(entry + 16, hashes[i], 32);
		put(list, entry, sizeof(entry));
	}
}

static void put_dbx(struct writer *log, const char *hashes, const char *owners)
{
	struct writer list = { .size = 0 };

	put_list(&list, hashes, owners);
	put_variable(log, VARIABLE, "dbx", list.at, list.size);
}

static struct sr_eventlog *read_log(const struct writer *log)
{
	struct sr_eventlog *ret = NULL;

	assert(sr_eventlog_read(log->at, log->size, &ret, NULL) == 0);
	return ret;
}

/* -- reading -- */

/* A small log: version, blob, Secure Boot, dbx, separators. */
static void put_boot(struct writer *log, const char *version, const char *firmware,
		     uint8_t secure_boot, const char *dbx)
{
	begin(log);
	put_utf16(log, 0, CRTM_VERSION, version);
	put_blob(log, 0xff000000, firmware);
	put_blob(log, 0xff800000, "never changes");
	put_variable(log, VARIABLE, "SecureBoot", &secure_boot, 1);
	put_dbx(log, dbx, "oooooooooo");
	put_event(log, 7, SEPARATOR, "\0\0\0\0", 4, NULL);
	put_event(log, 0, SEPARATOR, "\0\0\0\0", 4, NULL);
}

/* Whatever is cut off: no crash, all records before the cut, and the cut is noticed. */
static void test_every_cut(void)
{
	_cleanup_eventlog_ struct sr_eventlog *whole = NULL;
	struct writer log;
	size_t boundaries = 0;

	put_boot(&log, "V1", "one", 1, "ab");
	whole = read_log(&log);
	assert(!whole->damaged[0] && whole->count == 8);
	for (size_t size = 0; size <= log.size; size++) {
		_cleanup_eventlog_ struct sr_eventlog *cut = NULL;
		_cleanup_free_ uint8_t *exact = malloc(size + 1);
		size_t complete = 0;

		assert(exact);
		memcpy(exact, log.at, size);
		assert(sr_eventlog_read(exact, size, &cut, NULL) == 0);
		while (complete < whole->count &&
		       (complete + 1 < whole->count ? whole->event[complete + 1].offset
						    : log.size) <= size)
			complete++;
		assert(cut->count == complete);
		if (complete > 0 &&
		    size == (complete < whole->count ? whole->event[complete].offset
						     : log.size)) {
			assert(!cut->damaged[0]);
			boundaries++;
		} else if (!cut->padding) {
			struct sr_err err = { 0 };

			assert(cut->damaged[0]);
			assert(cut->damaged_at == (complete < whole->count
						       ? whole->event[complete].offset
						       : 0));
			assert(sr_eventlog_check(cut, "cut", &err) == -EBADMSG);
			assert(strncmp(err.text, "cut: damaged at offset ", 23) == 0);
		}
		cases++;
	}
	assert(boundaries == whole->count);
}

/* One number of the log is replaced; what is then said of it. */
static const struct damage_case {
	size_t at; /* in the header, or from the first record on if negative */
	uint64_t value;
	size_t size;
	size_t reported;
	const char *reason;
} damage_cases[] = {
	{ 56, 0, 4, 0, "the header lists 0 banks, 1 to 8 are read" },
	{ 56, 9, 4, 0, "the header lists 9 banks, 1 to 8 are read" },
	{ 56, 0xffffffff, 4, 0, "the header lists 4294967295 banks, 1 to 8 are read" },
	{ 56, 3, 4, 0, "the header ends in its list of banks" },
	{ 62, 19, 2, 0, "the header gives algorithm 0x0004 19 bytes" },
	{ 64, 4, 2, 0, "the header gives algorithm 0x0004 32 bytes" },
	{ 64, 0xee, 4, 0, "the header gives algorithm 0x00ee 0 bytes" },
	{ 64, 0x4100ee, 4, 0, "the header gives algorithm 0x00ee 65 bytes" },
	{ 68, 1, 1, 0, "the header ends in its vendor's part" },
	{ 28, 0xffff, 4, 0, "65535 bytes of data, but " },
	{ 0, 24, 4, 0, "PCR 24 does not exist" },
	{ 69, 24, 4, 69, "PCR 24 does not exist" },
	{ 77, 3, 4, 69, "3 digests, the log has 2 banks" },
	{ 81, 0xee, 2, 69, "algorithm 0x00ee is not in the log's header" },
	{ 103, 0x4, 2, 69, "two digests of algorithm 0x0004" },
	{ 137, 0x47efbfbd, 4, 69, "1206894525 bytes of data, but " },
};

static void test_damage(void)
{
	for (size_t i = 0; i < SR_COUNT(damage_cases); i++) {
		const struct damage_case *c = &damage_cases[i];
		_cleanup_eventlog_ struct sr_eventlog *read = NULL;
		struct sr_explanation *explained = NULL;
		struct sr_prediction *predicted = NULL;
		struct sr_boots boots;
		struct writer log;

		put_boot(&log, "V1", "one", 1, "ab");
		for (size_t byte = 0; byte < c->size; byte++)
			log.at[c->at + byte] = (uint8_t)(c->value >> 8 * byte);
		read = read_log(&log);
		assert(read->damaged_at == c->reported);
		assert(strncmp(read->damaged, c->reason, strlen(c->reason)) == 0);
		/* Nothing is concluded from it. */
		boots = (struct sr_boots){ .before = read, .after = read };
		assert(sr_explain(&boots, &explained, NULL) == -EBADMSG);
		assert(sr_predict(read, NULL, NULL, 0, &predicted, NULL) == -EBADMSG);
		cases++;
	}
}

static void test_padding(void)
{
	static const uint8_t fill[] = { 0x00, 0xff };
	struct writer log;

	for (size_t i = 0; i < SR_COUNT(fill); i++)
		for (size_t size = 1; size < 100; size++) {
			_cleanup_eventlog_ struct sr_eventlog *read = NULL;
			uint8_t padding[100];

			put_boot(&log, "V1", "one", 1, "ab");
			memset(padding, fill[i], size);
			put(&log, padding, size);
			read = read_log(&log);
			assert(!read->damaged[0] && read->count == 8);
			assert(read->padding == size);
			cases++;
		}
	/* Something behind the padding is no padding. */
	{
		_cleanup_eventlog_ struct sr_eventlog *read = NULL;

		put_boot(&log, "V1", "one", 1, "ab");
		put(&log, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 13);
		read = read_log(&log);
		assert(read->damaged[0] && read->count == 8);
	}
}

static void test_too_many(void)
{
	size_t size = 32 * 16390;
	_cleanup_free_ uint8_t *records = calloc(1, size);
	_cleanup_eventlog_ struct sr_eventlog *log = NULL;
	struct sr_eventlog *none = NULL;

	assert(records);
	for (size_t i = 0; i < size; i += 32)
		records[i] = 1 + i / 32 % 7;
	assert(sr_eventlog_read(records, size, &log, NULL) == 0);
	assert(log->count == 16384 &&
	       strcmp(log->damaged, "more than 16384 records") == 0);
	assert(sr_eventlog_read(records, SR_EVENTLOG_MAX + 1, &none, NULL) == -EBADMSG);
}

/* -- replay -- */

static void extend(uint8_t value[32], const void *data, size_t size)
{
	uint8_t both[64];

	memcpy(both, value, 32);
	(void)SHA256(data, size, both + 32);
	(void)SHA256(both, sizeof(both), value);
}

static const struct locality_case {
	int first;  /* locality said before the firmware's own event; -1: not */
	int second; /* behind it */
	bool hcrtm;
	uint8_t start;
} locality_cases[] = {
	{ -1, -1, false, 0 }, { 3, -1, false, 3 }, { -1, 3, false, 3 },
	{ 0, -1, false, 0 },  { 4, -1, true, 4 },  { -1, -1, true, 4 },
	{ 3, 4, false, 3 },
};

static void put_locality(struct writer *log, uint32_t pcr, int locality)
{
	uint8_t data[17] = "StartupLocality";

	data[16] = (uint8_t)locality;
	if (locality >= 0)
		put_event(log, pcr, NO_ACTION, data, sizeof(data), NULL);
}

static void test_locality(void)
{
	for (size_t i = 0; i < SR_COUNT(locality_cases); i++) {
		const struct locality_case *c = &locality_cases[i];
		_cleanup_eventlog_ struct sr_eventlog *read = NULL;
		uint8_t value[32] = { [31] = c->start };
		struct sr_pcrs pcrs;
		struct writer log;

		begin(&log);
		put_locality(&log, 0, c->first);
		put_locality(&log, 7, 2);
		if (c->hcrtm) {
			put_text(&log, 0, HCRTM, "HCRTM");
			extend(value, "HCRTM", 5);
		}
		put_text(&log, 0, ACTION, "firmware");
		extend(value, "firmware", 8);
		put_locality(&log, 0, c->second);
		read = read_log(&log);
		assert(sr_eventlog_replay(read, 0xb, &pcrs, NULL) == 0);
		assert(pcrs.mask == 1 && pcrs.given == 1);
		assert(memcmp(pcrs.value[0], value, 32) == 0);
		assert(sr_eventlog_replay(read, 0xc, &pcrs, NULL) == -EINVAL);
		cases++;
	}
}

/* PCRs of a dynamic launch begin with all ones, and no other does. */
static void test_beginnings(void)
{
	_cleanup_eventlog_ struct sr_eventlog *read = NULL;
	struct sr_pcrs pcrs;
	struct writer log;

	begin(&log);
	for (uint32_t pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		put_text(&log, pcr, ACTION, "x");
	put_text(&log, 0xffffffff, ACTION, "of no PCR");
	read = read_log(&log);
	assert(!read->damaged[0] && read->count == 26);
	assert(sr_eventlog_replay(read, 0xb, &pcrs, NULL) == 0);
	assert(pcrs.given == 0xffffff && sr_eventlog_mask(read) == 0xffffff);
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		uint8_t value[32];

		memset(value, pcr >= 17 && pcr <= 22 ? 0xff : 0, sizeof(value));
		extend(value, "x", 1);
		assert(memcmp(pcrs.value[pcr], value, 32) == 0);
		cases++;
	}
}

/* An event without a digest in a bank leaves its PCR unknown there, and only there. */
static void test_missing_digest(void)
{
	_cleanup_eventlog_ struct sr_eventlog *read = NULL;
	struct sr_pcrs pcrs;
	struct writer log;
	uint8_t sha1[20] = { 1 };

	put_boot(&log, "V1", "one", 1, "ab");
	put_number(&log, 7, 4);
	put_number(&log, ACTION, 4);
	put_number(&log, 1, 4);
	put_number(&log, 0x4, 2);
	put(&log, sha1, sizeof(sha1));
	put_number(&log, 0, 4);
	read = read_log(&log);
	assert(!read->damaged[0]);
	assert(sr_eventlog_replay(read, 0xb, &pcrs, NULL) == 0);
	assert(pcrs.mask == 0x81 && pcrs.given == 0x01);
	assert(sr_eventlog_replay(read, 0x4, &pcrs, NULL) == 0);
	assert(pcrs.mask == 0x81 && pcrs.given == 0x81);
}

/* -- words -- */

static const struct words_case {
	uint32_t type;
	const char *data;
	size_t size;
	const char *subject;
	const char *value;
} words_cases[] = {
	{ CRTM_VERSION, "R\0001\0\0\0", 6, "S-CRTM version", "R1" },
	{ CRTM_VERSION, "\0\0", 2, "S-CRTM version", "empty" },
	{ CRTM_VERSION, "N1429 ", 6, "S-CRTM version", "N1429 " },
	{ CRTM_VERSION, "R70\0\0\4\0\5\1\2", 10, "S-CRTM version", "R70 and 7 bytes" },
	{ CRTM_VERSION,
	  "\x1e\xfb\x6b\x54\x0c\x1d\x55\x40\xa4\xad\x4e\xf4\xbf\x17\xb8\x3a", 16,
	  "S-CRTM version", "546bfb1e-1d0c-4055-a4ad-4ef4bf17b83a" },
	{ BLOB, "\0\0\xc0\x09\0\0\0\0\0\0\x10\0\0\0\0\0", 16,
	  "firmware volume at 0x9c00000", "1 MiB" },
	{ BLOB, "\0", 1, "firmware volume", "1 byte" },
	{ SEPARATOR, "\0\0\0\0", 4, "separator", "00000000" },
	{ SEPARATOR, "\xff\xff\xff\xff", 4, "separator", "ffffffff" },
	{ SEPARATOR, "\1\0\0\0", 4, "separator", "error of the firmware" },
	{ SEPARATOR, "", 0, "separator", "0 bytes" },
	{ SEPARATOR, "WBCL", 4, "separator", "WBCL" },
	{ ACTION, "DMA Protection Disabled", 23, "DMA Protection Disabled", "" },
	{ ACTION, "a\033[2J\nb", 8, "action", "8 bytes" },
	{ 0xd, "grub_cmd: boot\0", 15, "grub_cmd", "boot" },
	{ 0xd, "MokList\0", 8, "MokList", "" },
	{ 0xd, "two\nlines\0", 10, "two\\x0alines", "" },
	{ 0x1, "ACPI DATA", 9, "POST code ACPI DATA", "" },
	{ 0xc, "\0\0\0", 3, "EV_COMPACT_HASH", "3 bytes" },
	{ 0x7777, "?", 1, "type 0x00007777", "?" },
	{ 0x80000003, "short", 5, "program (unreadable)", "" },
	{ 0x80000006, "short", 5, "partition table", "5 bytes" },
	{ 0x80000009, "short", 5, "tables", "5 bytes" },
	{ VARIABLE, "short", 5, "EV_EFI_VARIABLE_DRIVER_CONFIG", "short" },
	{ VARIABLE, "0123456789abcdef\377\377\377\377\377\377\377\177\0\0\0\0\0\0\0\0",
	  32, "EV_EFI_VARIABLE_DRIVER_CONFIG", "32 bytes" },
	{ 0x8000000a, "\3abc\0\0\0\xff\0\0\0\0\0\4\0\0\0\0\0\0", 20,
	  "firmware volume abc at 0xff000000", "1 KiB" },
	{ 0x8000000a, "\377abc", 4, "firmware volume", "4 bytes" },
};

static void test_words(void)
{
	for (size_t i = 0; i < SR_COUNT(words_cases); i++) {
		const struct words_case *c = &words_cases[i];
		_cleanup_eventlog_ struct sr_eventlog *read = NULL;
		struct sr_event_text text;
		struct writer log;

		begin(&log);
		put_event(&log, 0, c->type, c->data, c->size, NULL);
		read = read_log(&log);
		assert(read->count == 2);
		sr_event_describe(read, &read->event[1], &text);
		if (strcmp(text.subject, c->subject) != 0 ||
		    strcmp(text.value, c->value) != 0) {
			fprintf(stderr, "%zu: \"%s\" \"%s\"\n", i, text.subject,
				text.value);
			assert(false);
		}
		assert(sr_event_hashed(read, &read->event[1]));
		cases++;
	}
}

/* However long what a stranger wrote is, the text ends, and says that it was cut. */
static void test_long_words(void)
{
	for (size_t size = 200; size < 400; size++) {
		_cleanup_eventlog_ struct sr_eventlog *read = NULL;
		struct sr_event_text text;
		struct writer log;
		char data[400];
		size_t length;

		memset(data, 'x', sizeof(data));
		data[size / 2] = '\n';
		begin(&log);
		put_event(&log, 4, ACTION, data, size, NULL);
		read = read_log(&log);
		sr_event_describe(read, &read->event[1], &text);
		length = strlen(text.subject);
		assert(length < SR_EVENT_TEXT);
		/* Three more for the escape, and room for the dots. */
		assert(length == (size + 3 <= 252 ? size + 3 : 255));
		assert((length < 255) == (strcmp(text.subject + length - 3, "xxx") == 0));
		assert((length == 255) ==
		       (strcmp(text.subject + length - 3, "...") == 0));
		cases++;
	}
}

/* -- what changed -- */

struct boot {
	const char *version;
	const char *firmware;
	uint8_t secure_boot;
	const char *dbx;
	const char *action;
};

static const struct explain_case {
	struct boot before, after;
	uint32_t changed;
	const char *cause;
	const char *change; /* subject and text of the last one */
	const char *warning;
} explain_cases[] = {
	{ { "V1", "one", 1, "ab", NULL },
	  { "V1", "one", 1, "ab", NULL },
	  0,
	  "",
	  NULL,
	  NULL },
	{ { "V1", "one", 1, "ab", NULL },
	  { "V2", "two", 1, "ab", NULL },
	  0x01,
	  "firmware update V1 -> V2",
	  "firmware volume at 0xff000000|1 MiB: contents changed",
	  NULL },
	{ { "V1", "one", 1, "ab", NULL },
	  { "V1", "two", 1, "ab", NULL },
	  0x01,
	  "firmware update (the log does not say its version)",
	  "firmware volume at 0xff000000|1 MiB: contents changed",
	  NULL },
	{ { "V1", "one", 1, "ab", NULL },
	  { "V1", "one", 1, "abcd", NULL },
	  0x80,
	  "a Secure Boot dbx update",
	  "dbx|2 -> 4 hashes: 2 added, 0 removed (124 -> 220 bytes)",
	  NULL },
	{ { "V1", "one", 1, "ab", NULL },
	  { "V1", "one", 1, "b", NULL },
	  0x80,
	  "another Secure Boot dbx",
	  "dbx|2 -> 1 hashes: 0 added, 1 removed (124 -> 76 bytes)",
	  "dbx lost entries: what was revoked starts again" },
	{ { "V1", "one", 1, "ab", NULL },
	  { "V1", "one", 0, "ab", NULL },
	  0x80,
	  "Secure Boot switched off",
	  "SecureBoot|on -> off",
	  "Secure Boot is off now: PCR 7 no longer says what was started" },
	{ { "V1", "one", 0, "ab", NULL },
	  { "V1", "one", 1, "ab", NULL },
	  0x80,
	  "Secure Boot switched on",
	  "SecureBoot|off -> on",
	  NULL },
	{ { "V1", "one", 1, "ab", NULL },
	  { "V2", "two", 1, "abc", NULL },
	  0x81,
	  "firmware update V1 -> V2 and a Secure Boot dbx update",
	  "dbx|2 -> 3 hashes: 1 added, 0 removed (124 -> 172 bytes)",
	  NULL },
	{ { "V1", "one", 1, "ab", NULL },
	  { "V1", "one", 1, "ab", "DMA Protection Disabled" },
	  0x80,
	  "something else in the Secure Boot policy",
	  "DMA Protection Disabled|",
	  "protection against DMA is off now (PCR 7)" },
	{ { "V1", "one", 1, "ab", "UEFI Debug Mode" },
	  { "V1", "one", 1, "ab", NULL },
	  0x80,
	  "something else in the Secure Boot policy",
	  "UEFI Debug Mode|",
	  NULL },
};

static struct sr_eventlog *boot_log(const struct boot *boot)
{
	struct writer log;

	put_boot(&log, boot->version, boot->firmware, boot->secure_boot, boot->dbx);
	if (boot->action)
		put_text(&log, 7, ACTION, boot->action);
	return read_log(&log);
}

SR_DEFINE_CLEANUP(explanation_freep, struct sr_explanation *, sr_explanation_free)
#define _cleanup_explanation_ _cleanup_(explanation_freep)

static void check_explained(const struct explain_case *c,
			    const struct sr_explanation *found)
{
	char last[3 * SR_EVENT_TEXT] = "";

	if (found->count > 0)
		(void)snprintf(last, sizeof(last), "%s|%s",
			       found->change[found->count - 1].subject,
			       found->change[found->count - 1].text);
	if (strcmp(found->cause, c->cause) != 0 ||
	    strcmp(last, c->change ? c->change : "") != 0)
		fprintf(stderr, "\"%s\" \"%s\"\n", found->cause, last);
	assert(found->changed == c->changed);
	assert(strcmp(found->cause, c->cause) == 0);
	assert(strcmp(last, c->change ? c->change : "") == 0);
	assert(found->warnings == (c->warning ? 1 : 0));
	assert(!c->warning || strcmp(found->warning[0], c->warning) == 0);
}

static void test_explain(void)
{
	for (size_t i = 0; i < SR_COUNT(explain_cases); i++) {
		const struct explain_case *c = &explain_cases[i];
		_cleanup_eventlog_ struct sr_eventlog *a = boot_log(&c->before);
		_cleanup_eventlog_ struct sr_eventlog *b = boot_log(&c->after);
		_cleanup_explanation_ struct sr_explanation *found = NULL;
		struct sr_boots boots = { .before = a, .after = b };

		assert(sr_explain(&boots, &found, NULL) == 0);
		assert(found->bank == 0xb && found->mask == 0x81);
		check_explained(c, found);
		for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
			assert(found->pcr[pcr].verdict == (c->changed & 1U << pcr
							       ? SR_VERDICT_LOGGED
							       : SR_VERDICT_SAME));
		cases++;
	}
}

/* What is in one log only stays one event; what moved is gone here and added there. */
static void test_alignment(void)
{
	static const struct {
		const char *before, *after, *signs;
	} table[] = {
		{ "abc", "abc", "" },	 { "abc", "ac", "-" },
		{ "ac", "abc", "+" },	 { "abc", "axc", "-+" },
		{ "", "ab", "++" },	 { "ab", "", "--" },
		{ "abcd", "acbd", "~" }, { "aab", "ab", "-" },
		{ "abab", "baba", "~" }, { "abcdef", "xbcdey", "-+-+" },
	};

	for (size_t i = 0; i < SR_COUNT(table); i++) {
		_cleanup_eventlog_ struct sr_eventlog *a = NULL, *b = NULL;
		_cleanup_explanation_ struct sr_explanation *found = NULL;
		struct writer logs[2];
		const char *texts[2] = { table[i].before, table[i].after };
		char signs[16] = "";

		for (size_t j = 0; j < 2; j++) {
			begin(&logs[j]);
			for (const char *c = texts[j]; *c; c++)
				put_event(&logs[j], 4, ACTION, c, 1, NULL);
		}
		a = read_log(&logs[0]);
		b = read_log(&logs[1]);
		assert(sr_explain(&(struct sr_boots){ .before = a, .after = b }, &found,
				  NULL) == 0);
		for (size_t j = 0; j < found->count; j++)
			signs[j] = !found->change[j].before  ? '+'
				   : !found->change[j].after ? '-'
							     : '~';
		if (strcmp(signs, table[i].signs) != 0)
			fprintf(stderr, "%zu: %s\n", i, signs);
		assert(strcmp(signs, table[i].signs) == 0);
		if (strcmp(signs, "~") == 0)
			assert(strcmp(found->change[0].text,
				      "the same, in another place") == 0);
		cases++;
	}
}

/* A value that no log leads to. */
static const uint8_t other[SR_DIGEST_MAX] = { 0x77 };

static void test_verdicts(void)
{
	static const struct boot one = { "V1", "one", 1, "ab", NULL };
	static const struct boot two = { "V2", "two", 1, "ab", NULL };
	_cleanup_eventlog_ struct sr_eventlog *a = boot_log(&one), *b = boot_log(&two);
	struct sr_pcrs first, second, odd;
	const struct {
		const struct sr_eventlog *before, *after;
		const struct sr_pcrs *required, *present;
		enum sr_verdict verdict;
	} table[] = {
		{ a, b, NULL, NULL, SR_VERDICT_LOGGED },
		{ a, b, &first, &second, SR_VERDICT_EXPLAINED },
		{ a, b, NULL, &second, SR_VERDICT_EXPLAINED },
		{ a, a, &first, &first, SR_VERDICT_SAME },
		{ a, a, &first, &odd, SR_VERDICT_BEHIND },
		{ a, b, &first, &odd, SR_VERDICT_NOT_NOW },
		{ a, b, &odd, &second, SR_VERDICT_NEVER },
		{ a, a, &odd, &odd, SR_VERDICT_SAME },
		{ NULL, b, &first, &second, SR_VERDICT_VALUES },
		{ a, NULL, &first, &second, SR_VERDICT_VALUES },
		{ NULL, NULL, &first, &second, SR_VERDICT_VALUES },
	};

	assert(sr_eventlog_replay(a, 0xb, &first, NULL) == 0);
	assert(sr_eventlog_replay(b, 0xb, &second, NULL) == 0);
	odd = second;
	memcpy(odd.value[0], other, sizeof(other));
	for (size_t i = 0; i < SR_COUNT(table); i++) {
		_cleanup_explanation_ struct sr_explanation *found = NULL;
		struct sr_boots boots = { table[i].before,
					  table[i].after,
					  table[i].required,
					  table[i].present,
					  0,
					  1 };

		assert(sr_explain(&boots, &found, NULL) == 0);
		assert(found->pcr[0].verdict == table[i].verdict);
		assert(found->changed == (table[i].verdict != SR_VERDICT_SAME));
		assert(sr_verdict_name(table[i].verdict)[0]);
		cases++;
	}
}

/* What PCR 0 begins with is another, though every digest is the same. */
static void test_other_locality(void)
{
	_cleanup_eventlog_ struct sr_eventlog *a = NULL, *b = NULL;
	_cleanup_explanation_ struct sr_explanation *found = NULL;
	struct writer log;

	begin(&log);
	put_locality(&log, 0, 3);
	put_text(&log, 0, ACTION, "x");
	a = read_log(&log);
	begin(&log);
	put_locality(&log, 0, 0);
	put_text(&log, 0, ACTION, "x");
	b = read_log(&log);
	assert(sr_explain(&(struct sr_boots){ .before = a, .after = b }, &found, NULL) ==
	       0);
	assert(found->changed == 1 && found->count == 1);
	assert(strcmp(found->change[0].subject, "startup locality") == 0);
	assert(strcmp(found->change[0].text, "3 -> 0") == 0);
	assert(strcmp(found->cause, "another startup locality") == 0);
}

/* -- what will change -- */

static const struct predict_case {
	const char *present, *owners;	    /* what dbx has */
	const char *offered, *new_owners;   /* what the update brings */
	const char *result, *result_owners; /* the list that is appended; NULL: none */
	const char *other, *other_owners;   /* the same, where owners do not count */
} predict_cases[] = {
	{ "ab", "oo", "cd", "oo", "cd", "oo", "cd", "oo" },
	{ "ab", "oo", "bcd", "ooo", "cd", "oo", "cd", "oo" },
	{ "ab", "oo", "ab", "oo", NULL, NULL, NULL, NULL },
	{ "ab", "oo", "abc", "ppp", "abc", "ppp", "c", "p" },
	{ "ab", "oo", "cacbc", "ooooo", "ccc", "ooo", "ccc", "ooo" },
};

static void expect(const struct predict_case *c, const char *appended, const char *owners,
		   const struct sr_pcrs *predicted)
{
	_cleanup_eventlog_ struct sr_eventlog *log = NULL;
	struct writer list = { .size = 0 }, after;
	struct sr_pcrs pcrs;

	put_list(&list, c->present, c->owners);
	if (appended)
		put_list(&list, appended, owners);
	begin(&after);
	put_variable(&after, VARIABLE, "dbx", list.at, list.size);
	put_event(&after, 7, SEPARATOR, "\0\0\0\0", 4, NULL);
	log = read_log(&after);
	assert(sr_eventlog_replay(log, predicted->bank, &pcrs, NULL) == 0);
	assert(predicted->given == 0x80);
	assert(memcmp(predicted->value[7], pcrs.value[7], sr_bank_size(pcrs.bank)) == 0);
}

static void test_predict(void)
{
	for (size_t i = 0; i < SR_COUNT(predict_cases); i++) {
		const struct predict_case *c = &predict_cases[i];
		_cleanup_eventlog_ struct sr_eventlog *log = NULL;
		_cleanup_free_ struct sr_prediction *found = NULL;
		struct writer before, update = { .size = 0 };
		struct sr_variable_update updates[1];

		begin(&before);
		put_dbx(&before, c->present, c->owners);
		put_event(&before, 7, SEPARATOR, "\0\0\0\0", 4, NULL);
		log = read_log(&before);
		put_list(&update, c->offered, c->new_owners);
		updates[0] =
		    (struct sr_variable_update){ "dbx", "file", update.at, update.size };
		assert(sr_predict(log, NULL, updates, 1, &found, NULL) == 0);
		assert(found->banks == 2 && found->count == 1);
		for (size_t bank = 0; bank < 2; bank++) {
			expect(c, NULL, NULL, &found->before[bank]);
			expect(c, c->result, c->result_owners, &found->after[bank]);
			expect(c, c->result, c->result_owners, &found->step[0][bank]);
			expect(c, c->other, c->other_owners, &found->other[bank]);
		}
		assert(found->variable[0].offered == strlen(c->offered));
		assert(found->variable[0].added == (c->result ? strlen(c->result) : 0));
		assert(found->ambiguous ==
		       (c->result && strcmp(c->result, c->other) != 0));
		cases++;
	}
}

static int try_predict(const struct writer *log, const struct sr_pcrs *measured,
		       const char *variable, const void *data, size_t size)
{
	_cleanup_eventlog_ struct sr_eventlog *read = read_log(log);
	_cleanup_free_ struct sr_prediction *found = NULL;
	struct sr_variable_update update = { variable, "file", data, size };
	struct sr_err err = { 0 };
	int r = sr_predict(read, measured, &update, 1, &found, &err);

	assert(!found == (r < 0));
	assert(r == 0 || (err.text[0] && err.code == r));
	return r;
}

/* Each refusal beside what is accepted. */
static void test_predict_refused(void)
{
	_cleanup_eventlog_ struct sr_eventlog *read = NULL;
	struct writer log, again, update = { .size = 0 };
	struct sr_pcrs measured;

	put_boot(&log, "V1", "one", 1, "ab");
	read = read_log(&log);
	put_list(&update, "cd", "oo");
	assert(try_predict(&log, NULL, "dbx", update.at, update.size) == 0);
	assert(try_predict(&log, NULL, "db", update.at, update.size) == -EKEYREJECTED);
	assert(try_predict(&log, NULL, "dbx", update.at, 0) == -EINVAL);
	for (size_t size = 1; size < update.size; size++)
		assert(try_predict(&log, NULL, "dbx", update.at, size) == -EINVAL);
	/* What the TPM held. */
	assert(sr_eventlog_replay(read, 0xb, &measured, NULL) == 0);
	assert(try_predict(&log, &measured, "dbx", update.at, update.size) == 0);
	measured.value[7][0] ^= 1;
	assert(try_predict(&log, &measured, "dbx", update.at, update.size) ==
	       -EKEYREJECTED);
	/* A digest of dbx that is not of what the log says dbx is. */
	again = log;
	again.at[read->event[5].offset + 4 + 4 + 4 + 2 + 20 + 2] ^= 1;
	assert(try_predict(&again, NULL, "dbx", update.at, update.size) == -EKEYREJECTED);
	/* Measured twice. */
	put_dbx(&log, "ab", "oo");
	assert(try_predict(&log, NULL, "dbx", update.at, update.size) == -EKEYREJECTED);
	cases += 8;
}

int main(void)
{
	test_every_cut();
	test_damage();
	test_padding();
	test_too_many();
	test_locality();
	test_beginnings();
	test_missing_digest();
	test_words();
	test_long_words();
	test_explain();
	test_alignment();
	test_verdicts();
	test_other_locality();
	test_predict();
	test_predict_refused();
	printf("%u cases\n", cases);
	return EXIT_SUCCESS;
}
