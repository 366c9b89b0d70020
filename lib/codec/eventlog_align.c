/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding what belongs together in two event logs. */
#include <string.h>

#include "eventlog_explain.h"

#define CELLS_MAX                                                                        \
	(1U << 22) /* of a table; beyond it, only what is at both ends is found */

/* The events of one PCR in one log; those that are the same have the same number. */
struct list {
	const struct sr_event **event;
	uint32_t *number;
	size_t count;
};

struct work {
	struct list a, b;
	struct sr_pairs pairs;
};

static void work_done(struct work *work)
{
	free(work->a.event);
	free(work->a.number);
	free(work->b.event);
	free(work->b.number);
	free(work->pairs.pair);
}

static int list_events(const struct sr_eventlog *log, unsigned int pcr, struct list *ret,
		       struct sr_err *err)
{
	ret->event = calloc(log->count + 1, sizeof(struct sr_event *));
	ret->number = calloc(log->count + 1, sizeof(*ret->number));
	if (!ret->event || !ret->number)
		return sr_fail_memory(err);
	for (size_t i = 0; i < log->count; i++)
		if (log->event[i].pcr == pcr && log->event[i].type != SR_EV_NO_ACTION)
			ret->event[ret->count++] = &log->event[i];
	return 0;
}

/* An event as it is compared: by type and digest, or by its data where there is none. */
struct item {
	uint32_t type;
	bool hashed;
	const uint8_t *what;
	size_t size;
	uint32_t *number;
};

static void take_items(const struct list *list, const struct sr_eventlog *log,
		       uint16_t bank, struct item *to)
{
	int index = sr_eventlog_find_bank(log, bank);

	for (size_t i = 0; i < list->count; i++) {
		const struct sr_event *event = list->event[i];
		const uint8_t *digest = index < 0 ? NULL : event->digest[index];

		to[i] = (struct item){ .type = event->type,
				       .hashed = digest != NULL,
				       .what = digest ? digest : event->data,
				       .size = digest ? sr_bank_size(bank) : event->size,
				       .number = &list->number[i] };
	}
}

static int compare_items(const void *left, const void *right)
{
	const struct item *a = left, *b = right;
	int r = (a->type > b->type) - (a->type < b->type);

	if (r == 0)
		r = a->hashed - b->hashed;
	if (r == 0)
		r = (a->size > b->size) - (a->size < b->size);
	return r || a->size == 0 ? r : memcmp(a->what, b->what, a->size);
}

/* Each event is looked at a few times here, and then by its number only. */
static int number_events(struct work *work, const struct sr_boots *boots,
			 struct sr_err *err)
{
	size_t count = work->a.count + work->b.count;
	_cleanup_free_ struct item *items = calloc(count + 1, sizeof(*items));
	uint32_t number = 0;

	if (!items)
		return sr_fail_memory(err);
	take_items(&work->a, boots->before, boots->bank, items);
	take_items(&work->b, boots->after, boots->bank, items + work->a.count);
	qsort(items, count, sizeof(*items), compare_items);
	for (size_t i = 0; i < count; i++) {
		number += i > 0 && compare_items(&items[i - 1], &items[i]) != 0;
		*items[i].number = number;
	}
	return 0;
}

static bool same(const struct work *work, size_t i, size_t j)
{
	return work->a.number[i] == work->b.number[j];
}

static void add(struct work *work, const struct sr_event *before,
		const struct sr_event *after, bool same_event)
{
	work->pairs.pair[work->pairs.count++] =
	    (struct sr_pair){ before, after, same_event };
}

/* What lies between @from and the ends; @at is the table of subsequences' lengths. */
static void walk(struct work *work, size_t from, size_t rows, size_t columns,
		 const uint16_t *at)
{
	size_t i = 0, j = 0;

	while (i < rows || j < columns) {
		const struct sr_event **a = &work->a.event[from + i],
				      **b = &work->b.event[from + j];

		if (i < rows && j < columns && at && same(work, from + i, from + j)) {
			add(work, *a, *b, true);
			i++;
			j++;
		} else if (i < rows && (j == columns || !at ||
					at[(i + 1) * (columns + 1) + j] >=
					    at[i * (columns + 1) + j + 1])) {
			add(work, *a, NULL, false);
			i++;
		} else {
			add(work, NULL, *b, false);
			j++;
		}
	}
}

/* Lengths of the longest common subsequence from each pair of places on. */
static uint16_t *measure(const struct work *work, size_t from, size_t rows,
			 size_t columns)
{
	uint16_t *at = calloc((rows + 1) * (columns + 1), sizeof(*at));
	size_t width = columns + 1;

	for (size_t i = rows; at && i-- > 0;)
		for (size_t j = columns; j-- > 0;) {
			uint16_t down = at[(i + 1) * width + j];
			uint16_t right = at[i * width + j + 1];

			if (same(work, from + i, from + j))
				at[i * width + j] = at[(i + 1) * width + j + 1] + 1;
			else
				at[i * width + j] = down > right ? down : right;
		}
	return at;
}

static int compare(struct work *work, struct sr_err *err)
{
	size_t n = work->a.count, m = work->b.count, from = 0, tail = 0;
	_cleanup_free_ uint16_t *at = NULL;

	while (from < n && from < m && same(work, from, from)) {
		add(work, work->a.event[from], work->b.event[from], true);
		from++;
	}
	while (tail < n - from && tail < m - from &&
	       same(work, n - 1 - tail, m - 1 - tail))
		tail++;
	if ((n - from - tail) * (m - from - tail) <= CELLS_MAX) {
		at = measure(work, from, n - from - tail, m - from - tail);
		if (!at)
			return sr_fail_memory(err);
	}
	walk(work, from, n - from - tail, m - from - tail, at);
	for (; tail > 0; tail--)
		add(work, work->a.event[n - tail], work->b.event[m - tail], true);
	return 0;
}

/* What those are about that are in one log only: the same variable, the same place in
 * memory, the same file. */
static struct sr_event_text *describe(const struct sr_boots *boots,
				      const struct sr_pairs *pairs)
{
	struct sr_event_text *text = calloc(pairs->count + 1, sizeof(*text));

	for (size_t i = 0; text && i < pairs->count; i++) {
		const struct sr_pair *pair = &pairs->pair[i];

		if (!pair->after)
			sr_event_describe(boots->before, pair->before, &text[i]);
		else if (!pair->before)
			sr_event_describe(boots->after, pair->after, &text[i]);
	}
	return text;
}

/* The event that was added where this one is gone; it then belongs to the pair. */
static void find_partner(struct sr_pairs *pairs, size_t gone,
			 const struct sr_event_text *text)
{
	struct sr_pair *pair = &pairs->pair[gone];

	for (size_t i = 0; i < pairs->count; i++) {
		struct sr_pair *other = &pairs->pair[i];

		if (other->before || !other->after ||
		    other->after->type != pair->before->type ||
		    strcmp(text[i].subject, text[gone].subject) != 0)
			continue;
		pair->after = take(other->after);
		return;
	}
}

/* What is gone and what was added in its place become one. */
static int join(const struct sr_boots *boots, struct sr_pairs *pairs, struct sr_err *err)
{
	_cleanup_free_ struct sr_event_text *text = NULL;
	size_t kept = 0, gone = 0, added = 0;

	for (size_t i = 0; i < pairs->count; i++) {
		gone += !pairs->pair[i].after;
		added += !pairs->pair[i].before;
	}
	if (gone * added > CELLS_MAX || gone * added == 0)
		return 0;
	text = describe(boots, pairs);
	if (!text)
		return sr_fail_memory(err);
	for (size_t i = 0; i < pairs->count; i++)
		if (pairs->pair[i].before && !pairs->pair[i].after)
			find_partner(pairs, i, text);
	for (size_t i = 0; i < pairs->count; i++)
		if (pairs->pair[i].before || pairs->pair[i].after)
			pairs->pair[kept++] = pairs->pair[i];
	pairs->count = kept;
	return 0;
}

int sr_eventlog_align(const struct sr_boots *boots, unsigned int pcr,
		      struct sr_pairs *ret, struct sr_err *err)
{
	_cleanup_(work_done) struct work work = { 0 };
	int r = list_events(boots->before, pcr, &work.a, err);

	if (r == 0)
		r = list_events(boots->after, pcr, &work.b, err);
	if (r == 0)
		r = number_events(&work, boots, err);
	if (r < 0)
		return r;
	work.pairs.pair = calloc(work.a.count + work.b.count + 1, sizeof(struct sr_pair));
	if (!work.pairs.pair)
		return sr_fail_memory(err);
	r = compare(&work, err);
	if (r == 0)
		r = join(boots, &work.pairs, err);
	if (r < 0)
		return r;
	*ret = work.pairs;
	work.pairs = (struct sr_pairs){ 0 };
	return 0;
}
