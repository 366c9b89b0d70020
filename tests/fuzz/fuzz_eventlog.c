/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes event logs: two logs and an update are read, said in words, compared, predicted. */
#include <assert.h>
#include <string.h>

#include "codec/eventlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

SR_DEFINE_CLEANUP(explanation_freep, struct sr_explanation *, sr_explanation_free)

/* Whatever it is, it can be printed. */
static void check_text(const char *text, size_t room)
{
	assert(strlen(text) < room);
	for (; *text; text++)
		assert(*text >= 0x20 && *text < 0x7f);
}

static void check_event(const struct sr_eventlog *log, const struct sr_event *event)
{
	_cleanup_siglist_ struct sr_siglist list = { 0 };
	struct sr_event_text text;

	assert(event->offset < log->size && event->size <= log->size);
	assert(event->data >= log->content &&
	       event->data + event->size <= log->content + log->size);
	sr_event_describe(log, event, &text);
	check_text(text.subject, sizeof(text.subject));
	check_text(text.value, sizeof(text.value));
	(void)sr_event_hashed(log, event);
	if (sr_event_siglist(event, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		struct sr_siglist_text entry;

		sr_siglist_describe(&list.entry[i], &entry);
		check_text(entry.type, sizeof(entry.type));
		check_text(entry.subject, sizeof(entry.subject));
		check_text(entry.hash, sizeof(entry.hash));
	}
}

static void check_log(const struct sr_eventlog *log)
{
	size_t at = 0;

	assert(log->banks <= SR_EVENTLOG_BANKS && (log->count > 0 || log->damaged[0]));
	check_text(log->damaged, sizeof(log->damaged));
	for (size_t i = 0; i < log->count; i++) {
		assert(i == 0 || log->event[i].offset > at);
		at = log->event[i].offset;
		check_event(log, &log->event[i]);
	}
	assert(!log->damaged[0] || log->count == 0 || log->damaged_at >= at);
	for (size_t i = 0; i < log->banks; i++) {
		struct sr_pcrs pcrs;

		if (sr_eventlog_replay(log, log->bank[i], &pcrs, NULL) == 0)
			assert((pcrs.given & ~pcrs.mask) == 0);
	}
}

/* What the initramfs gets leads to the same values of the same PCRs, and has no others. */
static void check_cut(const struct sr_eventlog *log)
{
	const uint32_t kept = 1U << 0 | 1U << 7;
	_cleanup_eventlog_ struct sr_eventlog *again = NULL;
	_cleanup_buf_ struct sr_buf cut = { 0 };
	struct sr_pcrs whole, part;

	if (sr_eventlog_usable(log, "", NULL) < 0)
		return;
	assert(sr_eventlog_cut(log, kept, &cut, NULL) == 0);
	assert(cut.size <= log->size - log->padding);
	assert(sr_eventlog_read(cut.data, cut.size, &again, NULL) == 0);
	assert((sr_eventlog_mask(again) & ~kept) == 0);
	if (again->damaged[0] || sr_eventlog_replay(log, log->bank[0], &whole, NULL) < 0)
		return;
	assert(sr_eventlog_replay(again, log->bank[0], &part, NULL) == 0);
	assert(part.mask == (whole.mask & kept) && part.given == (whole.given & kept));
	for (unsigned int pcr = 0; pcr < 8; pcr += 7)
		assert(!(part.given & 1U << pcr) ||
		       memcmp(part.value[pcr], whole.value[pcr], SR_DIGEST_MAX) == 0);
}

static void check_explained(const struct sr_eventlog *a, const struct sr_eventlog *b)
{
	_cleanup_(explanation_freep) struct sr_explanation *found = NULL;
	struct sr_boots boots = { .before = a, .after = b };
	size_t counted = 0;
	int r = sr_explain(&boots, &found, NULL);

	if (r < 0) {
		assert(r == -EBADMSG || r == -EINVAL);
		return;
	}
	for (size_t i = 0; i < found->count; i++) {
		assert(found->change[i].before || found->change[i].after);
		check_text(found->change[i].subject, sizeof(found->change[i].subject));
		check_text(found->change[i].text, sizeof(found->change[i].text));
	}
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		counted += found->pcr[pcr].count;
		check_text(found->pcr[pcr].unchanged, SR_EVENT_TEXT);
		/* The same value by other events would be a collision. */
		if (found->pcr[pcr].known && found->pcr[pcr].count == 0)
			assert(!(found->changed & 1U << pcr));
	}
	assert(counted == found->count);
	assert(a != b || (found->changed == 0 && found->count == 0));
	check_text(found->cause, sizeof(found->cause));
}

static void check_predicted(const struct sr_eventlog *log, const uint8_t *data,
			    size_t size)
{
	static const char *const names[] = { "db", "dbx", "KEK" };
	_cleanup_free_ struct sr_prediction *found = NULL;
	struct sr_variable_update update = { names[size % 3], "update", data, size };
	int r = sr_predict(log, NULL, &update, 1, &found, NULL);

	assert(r == 0 || r == -EINVAL || r == -EBADMSG || r == -EKEYREJECTED);
	if (r == 0 && found->variable[0].added == 0)
		assert(memcmp(found->before, found->after, sizeof(found->before)) == 0);
}

/* Two sizes of 16 bits: of the first log and of the second; what is left is an update. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_eventlog_ struct sr_eventlog *a = NULL, *b = NULL;
	size_t first, second;

	if (size < 4)
		return 0;
	first = data[0] | (size_t)data[1] << 8;
	second = data[2] | (size_t)data[3] << 8;
	data += 4;
	size -= 4;
	first = first < size ? first : size;
	second = second < size - first ? second : size - first;
	assert(sr_eventlog_read(data, first, &a, NULL) == 0);
	assert(sr_eventlog_read(data + first, second, &b, NULL) == 0);
	check_log(a);
	check_log(b);
	check_cut(a);
	check_explained(a, b);
	check_explained(a, a);
	check_predicted(a, data + first + second, size - first - second);
	return 0;
}
