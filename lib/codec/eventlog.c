/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading an event log: the records, up to the end or to what can't be one. */
#include "eventlog.h"

#include <stdarg.h>
#include <string.h>

#include "bytes.h"

#define SHA1_SIZE 20
#define BANK_SHA1 0x0004
#define NO_PCR 0xffffffffU
#define EVENTS_MAX 16384 /* records in a log; real ones have some hundred */

static const char spec_id[16] = "Spec ID Event03";

_printf_(3, 4) static bool damaged(struct sr_eventlog *log, size_t at, const char *fmt,
				   ...)
{
	va_list ap;

	log->damaged_at = at;
	va_start(ap, fmt);
	(void)vsnprintf(log->damaged, sizeof(log->damaged), fmt, ap);
	va_end(ap);
	return false;
}

static bool starts_with(const struct sr_event *event, const char prefix[16])
{
	return event->size >= 16 && memcmp(event->data, prefix, 16) == 0;
}

static bool check_pcr(struct sr_eventlog *log, const struct sr_event *event)
{
	if (event->pcr < SR_PCR_COUNT || event->pcr == NO_PCR)
		return true;
	return damaged(log, event->offset, "PCR %u does not exist", event->pcr);
}

/* The end of a record in both formats. */
static bool read_data(struct sr_eventlog *log, struct sr_bytes *in,
		      struct sr_event *event)
{
	uint32_t size;

	if (!sr_bytes_u32(in, &size))
		return damaged(log, event->offset,
			       "the record ends before its size (%zu bytes left)",
			       in->left);
	if (!sr_bytes_take(in, size, &event->data))
		return damaged(log, event->offset, "%u bytes of data, but %zu are left",
			       size, in->left);
	event->size = size;
	return true;
}

static bool read_sha1(struct sr_eventlog *log, struct sr_bytes *in,
		      struct sr_event *event)
{
	if (!sr_bytes_u32(in, &event->pcr) || !sr_bytes_u32(in, &event->type) ||
	    !sr_bytes_take(in, SHA1_SIZE, &event->digest[0]))
		return damaged(log, event->offset, "%zu bytes are no record", in->left);
	return check_pcr(log, event) && read_data(log, in, event);
}

static bool read_digest(struct sr_eventlog *log, struct sr_bytes *in,
			struct sr_event *event)
{
	uint16_t bank;

	if (!sr_bytes_u16(in, &bank))
		return damaged(log, event->offset, "the record ends in its digests");
	for (size_t i = 0; i < log->banks; i++) {
		if (log->bank[i] != bank)
			continue;
		if (event->digest[i])
			return damaged(log, event->offset,
				       "two digests of algorithm 0x%04x", bank);
		if (!sr_bytes_take(in, log->digest_size[i], &event->digest[i]))
			return damaged(log, event->offset,
				       "the record ends in its digests");
		return true;
	}
	return damaged(log, event->offset, "algorithm 0x%04x is not in the log's header",
		       bank);
}

static bool read_agile(struct sr_eventlog *log, struct sr_bytes *in,
		       struct sr_event *event)
{
	uint32_t count;

	if (!sr_bytes_u32(in, &event->pcr) || !sr_bytes_u32(in, &event->type) ||
	    !sr_bytes_u32(in, &count))
		return damaged(log, event->offset, "%zu bytes are no record", in->left);
	if (!check_pcr(log, event))
		return false;
	if (count > log->banks)
		return damaged(log, event->offset, "%u digests, the log has %zu banks",
			       count, log->banks);
	while (count-- > 0)
		if (!read_digest(log, in, event))
			return false;
	return read_data(log, in, event);
}

static bool read_bank(struct sr_eventlog *log, struct sr_bytes *in)
{
	uint16_t bank, size;

	if (!sr_bytes_u16(in, &bank) || !sr_bytes_u16(in, &size))
		return damaged(log, 0, "the header ends in its list of banks");
	if (size == 0 || size > SR_DIGEST_MAX ||
	    (sr_bank_size(bank) != 0 && sr_bank_size(bank) != size))
		return damaged(log, 0, "the header gives algorithm 0x%04x %u bytes", bank,
			       size);
	for (size_t i = 0; i < log->banks; i++)
		if (log->bank[i] == bank)
			return damaged(log, 0, "the header has algorithm 0x%04x twice",
				       bank);
	log->bank[log->banks] = bank;
	log->digest_size[log->banks++] = size;
	return true;
}

/* TCG_EfiSpecIdEvent. Class, version and errata say nothing that a reader needs. */
static bool read_header(struct sr_eventlog *log, const struct sr_event *event)
{
	struct sr_bytes in = { event->data + 16, event->size - 16 };
	const uint8_t *skipped;
	uint32_t count;
	uint8_t vendor;

	log->agile = true;
	log->confidential = event->pcr != 0;
	log->banks = 0;
	if (!sr_bytes_take(&in, 8, &skipped) || !sr_bytes_u32(&in, &count))
		return damaged(log, 0, "the header is too short");
	if (count == 0 || count > SR_EVENTLOG_BANKS)
		return damaged(log, 0, "the header lists %u banks, 1 to %d are read",
			       count, SR_EVENTLOG_BANKS);
	while (count-- > 0)
		if (!read_bank(log, &in))
			return false;
	if (!sr_bytes_u8(&in, &vendor) || vendor > in.left)
		return damaged(log, 0, "the header ends in its vendor's part");
	return true;
}

static int keep(struct sr_eventlog *log, const struct sr_event *event, size_t *room,
		struct sr_err *err)
{
	if (log->count == *room) {
		size_t more = *room ? *room * 2 : 128;
		void *larger = reallocarray(log->event, more, sizeof(*log->event));

		if (!larger)
			return sr_fail_memory(err);
		log->event = larger;
		*room = more;
	}
	log->event[log->count++] = *event;
	return 0;
}

int sr_event_locality(const struct sr_event *event)
{
	if (event->pcr != 0 || event->type != SR_EV_NO_ACTION || event->size < 17 ||
	    !starts_with(event, "StartupLocality"))
		return -1;
	return event->data[16];
}

/* What an event says about all those of PCR 0. */
static void note(struct sr_eventlog *log, const struct sr_event *event)
{
	if (log->locality < 0)
		log->locality = sr_event_locality(event);
	if (event->pcr == 0 && event->type == SR_EV_EFI_HCRTM_EVENT)
		log->hcrtm = true;
}

/* Where bytes begin that are all 0, or all 0xff, up to the end. */
static size_t find_padding(const uint8_t *data, size_t size)
{
	size_t at = size;

	if (size == 0 || (data[size - 1] != 0x00 && data[size - 1] != 0xff))
		return size;
	while (at > 0 && data[at - 1] == data[size - 1])
		at--;
	return at;
}

static int read_events(struct sr_eventlog *log, struct sr_err *err)
{
	struct sr_bytes in = { log->content, log->size };
	size_t padding = find_padding(log->content, log->size), room = 0;

	while (in.left > 0) {
		struct sr_event event = { .offset = log->size - in.left };
		int r;

		if (event.offset >= padding) {
			log->padding = in.left;
			break;
		}
		if (log->count == EVENTS_MAX) {
			(void)damaged(log, event.offset, "more than %d records",
				      EVENTS_MAX);
			break;
		}
		if (!(log->agile ? read_agile : read_sha1)(log, &in, &event))
			break;
		r = keep(log, &event, &room, err);
		if (r < 0)
			return r;
		note(log, &event);
		if (log->count == 1 && event.type == SR_EV_NO_ACTION &&
		    starts_with(&event, spec_id)) {
			log->event[0].digest[0] = NULL;
			if (!read_header(log, &event))
				break;
		}
	}
	if (log->count == 0 && !log->damaged[0])
		(void)damaged(log, 0, "there is no record in it");
	return 0;
}

int sr_eventlog_read(const void *data, size_t size, struct sr_eventlog **ret,
		     struct sr_err *err)
{
	_cleanup_eventlog_ struct sr_eventlog *log = NULL;
	int r;

	if (size > SR_EVENTLOG_MAX)
		return sr_fail(err, -EBADMSG, "event log: larger than %d bytes",
			       SR_EVENTLOG_MAX);
	log = calloc(1, sizeof(*log));
	if (!log)
		return sr_fail_memory(err);
	log->content = malloc(size + 1);
	if (!log->content)
		return sr_fail_memory(err);
	if (size > 0)
		memcpy(log->content, data, size);
	log->size = size;
	log->locality = -1;
	log->bank[0] = BANK_SHA1;
	log->digest_size[0] = SHA1_SIZE;
	log->banks = 1;
	r = read_events(log, err);
	if (r == 0)
		*ret = take(log);
	return r;
}

int sr_eventlog_check(const struct sr_eventlog *log, const char *name, struct sr_err *err)
{
	if (!log->damaged[0])
		return 0;
	return sr_fail(err, -EBADMSG, "%s: damaged at offset %zu: %s", name,
		       log->damaged_at, log->damaged);
}

int sr_eventlog_cut(const struct sr_eventlog *log, uint32_t mask, struct sr_buf *ret,
		    struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf cut = { .data = malloc(log->size + 1) };

	if (!cut.data)
		return sr_fail_memory(err);
	for (size_t i = 0; i < log->count; i++) {
		size_t from = log->event[i].offset;
		size_t to = i + 1 < log->count ? log->event[i + 1].offset
					       : log->size - log->padding;

		if (log->event[i].pcr >= SR_PCR_COUNT ||
		    !(mask & 1U << log->event[i].pcr))
			continue;
		memcpy(cut.data + cut.size, log->content + from, to - from);
		cut.size += to - from;
	}
	*ret = cut;
	cut = (struct sr_buf){ 0 };
	return 0;
}

void sr_eventlog_free(struct sr_eventlog *log)
{
	if (!log)
		return;
	free(log->event);
	free(log->content);
	free(log);
}
