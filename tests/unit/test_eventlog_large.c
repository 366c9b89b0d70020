/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of codec/eventlog: logs of strangers, as large as they may be, take seconds at most. */
#include <assert.h>
#include <openssl/sha.h>
#include <string.h>
#include <time.h>

#include "codec/eventlog.h"

#define ROOM (SR_EVENTLOG_MAX - 4096) /* for what is compared */
#define LIST 76			      /* a signature list with one hash */
#define SHARED 1000		      /* entries that both logs have */
#define BOUND 20 /* seconds of the processor; comparing each with each takes minutes */

SR_DEFINE_CLEANUP(explanation_freep, struct sr_explanation *, sr_explanation_free)
#define _cleanup_explanation_ _cleanup_(explanation_freep)

/* A log that is being written. */
struct writer {
	uint8_t *at;
	size_t size;
};

static unsigned int cases;

static void put(struct writer *log, const void *data, size_t size)
{
	assert(log->size + size <= SR_EVENTLOG_MAX);
	memcpy(log->at + log->size, data, size);
	log->size += size;
}

static void put_number(struct writer *log, uint64_t number, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = i < sizeof(number) ? (uint8_t)(number >> 8 * i) : 0;

		put(log, &byte, 1);
	}
}

/* "Spec ID Event03" with SHA-256 */
static void begin(struct writer *log)
{
	static const uint8_t zeros[20];

	log->at = malloc(SR_EVENTLOG_MAX);
	assert(log->at);
	put_number(log, 0, 4);
	put_number(log, SR_EV_NO_ACTION, 4);
	put(log, zeros, sizeof(zeros));
	put_number(log, 33, 4);
	put(log, "Spec ID Event03", 16);
	put(log, "\0\0\0\0\0\2\0\2", 8);
	put_number(log, 1, 4);
	put_number(log, 0xb, 2);
	put_number(log, 32, 2);
	put_number(log, 0, 1);
}

static void put_list(struct writer *to, uint32_t number)
{
	static const uint8_t type[16] = {
		0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
		0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28
	};

	put(to, type, sizeof(type));
	put_number(to, LIST, 4);
	put_number(to, 0, 4);
	put_number(to, 48, 4);
	put(to, "0123456789abcdef", 16);
	put_number(to, 0, 28);
	put_number(to, number, 4);
}

/* The variable dbx, of as many lists as fit; but for SHARED, they count from @first on. */
static struct sr_eventlog *dbx_log(size_t room, uint32_t first, size_t *count)
{
	struct writer log = { 0 }, data = { 0 };
	struct sr_eventlog *ret = NULL;
	uint8_t digest[32];

	*count = room / LIST;
	data.at = malloc(SR_EVENTLOG_MAX);
	assert(data.at);
	put(&data, "fedcba9876543210", 16);
	put_number(&data, 3, 8);
	put_number(&data, *count * LIST, 8);
	put(&data, "d\0b\0x", 6);
	for (uint32_t i = 0; i < *count; i++)
		put_list(&data, i < SHARED ? i : first + i);
	begin(&log);
	put_number(&log, 7, 4);
	put_number(&log, SR_EV_EFI_VARIABLE_DRIVER_CONFIG, 4);
	put_number(&log, 1, 4);
	put_number(&log, 0xb, 2);
	(void)SHA256(data.at, data.size, digest);
	put(&log, digest, sizeof(digest));
	put_number(&log, data.size, 4);
	put(&log, data.at, data.size);
	assert(sr_eventlog_read(log.at, log.size, &ret, NULL) == 0 && !ret->damaged[0]);
	free(data.at);
	free(log.at);
	return ret;
}

/* Events without a digest, which can be told by the end of their data only. */
static struct sr_eventlog *event_log(size_t each, uint32_t first, size_t *count)
{
	struct writer log = { 0 };
	struct sr_eventlog *ret = NULL;
	uint8_t *data = calloc(1, each);

	assert(data);
	*count = ROOM / (each + 16);
	begin(&log);
	for (uint32_t i = 0; i < *count; i++) {
		uint32_t number = i < SHARED ? i : first + i;

		memcpy(data + each - sizeof(number), &number, sizeof(number));
		put_number(&log, 4, 4);
		put_number(&log, SR_EV_IPL, 4);
		put_number(&log, 0, 4);
		put_number(&log, each, 4);
		put(&log, data, each);
	}
	assert(sr_eventlog_read(log.at, log.size, &ret, NULL) == 0 && !ret->damaged[0]);
	free(data);
	free(log.at);
	return ret;
}

static void took(const char *what, size_t count, clock_t since)
{
	double seconds = (double)(clock() - since) / CLOCKS_PER_SEC;

	printf("%zu %s: %.2f s of the processor\n", count, what, seconds);
	assert(seconds < BOUND);
	cases++;
}

static void test_dbx(void)
{
	size_t count;
	_cleanup_eventlog_ struct sr_eventlog *a = dbx_log(ROOM, 1U << 20, &count);
	_cleanup_eventlog_ struct sr_eventlog *b = dbx_log(ROOM, 2U << 20, &count);
	_cleanup_explanation_ struct sr_explanation *found = NULL;
	clock_t since = clock();

	assert(sr_explain(&(struct sr_boots){ .before = a, .after = b }, &found, NULL) ==
	       0);
	assert(found->count == 1 && count > 100000);
	assert(found->change[0].added == count - SHARED);
	assert(found->change[0].removed == count - SHARED);
	took("entries of dbx, compared", count, since);
}

static void test_prediction(void)
{
	size_t count, more;
	_cleanup_eventlog_ struct sr_eventlog *log = dbx_log(ROOM / 2, 1U << 20, &count);
	_cleanup_eventlog_ struct sr_eventlog *offered =
	    dbx_log(ROOM / 2, 2U << 20, &more);
	_cleanup_free_ struct sr_prediction *found = NULL;
	struct sr_variable variable;
	struct sr_variable_update update = { .variable = "dbx", .file = "file" };
	clock_t since = clock();

	assert(sr_variable_read(&offered->event[1], &variable));
	update.data = variable.data;
	update.size = variable.size;
	assert(sr_predict(log, NULL, &update, 1, &found, NULL) == 0);
	assert(count > 50000 && found->variable[0].offered == more);
	assert(found->variable[0].added == more - SHARED);
	took("entries of dbx, predicted", more, since);
}

static void test_events(size_t each)
{
	size_t count;
	_cleanup_eventlog_ struct sr_eventlog *a = event_log(each, 1U << 20, &count);
	_cleanup_eventlog_ struct sr_eventlog *b = event_log(each, 2U << 20, &count);
	_cleanup_explanation_ struct sr_explanation *found = NULL;
	clock_t since = clock();

	assert(sr_explain(&(struct sr_boots){ .before = a, .after = b }, &found, NULL) ==
	       0);
	assert(found->pcr[4].same == SHARED && found->count >= count - SHARED);
	took("events without digest, compared", count, since);
}

int main(void)
{
	test_dbx();
	test_prediction();
	test_events(4000);
	test_events(496); /* more than a table has room for */
	printf("%u cases\n", cases);
	return EXIT_SUCCESS;
}
