/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding what belongs together in two event logs. */
#include <string.h>

#include "eventlog_explain.h"

#define CELLS_MAX                                                                        \
	(1U << 22) /* of a table; beyond it, only what is at both ends is found */

/* The events of one PCR in one log. */
struct list {
	const struct sr_event **event;
	size_t count;
	int bank;
};

struct work {
	struct list a, b;
	size_t size; /* of a digest */
	struct sr_pairs pairs;
};

static void work_done(struct work *work)
{
	free(work->a.event);
	free(work->b.event);
	free(work->pairs.pair);
}

static int list_events(const struct sr_eventlog *log, uint16_t bank, unsigned int pcr,
		       struct list *ret, struct sr_err *err)
{
	ret->bank = sr_eventlog_find_bank(log, bank);
	ret->event = calloc(log->count + 1, sizeof(struct sr_event *));
	if (!ret->event)
		return sr_fail_memory(err);
	for (size_t i = 0; i < log->count; i++)
		if (log->event[i].pcr == pcr && log->event[i].type != SR_EV_NO_ACTION)
			ret->event[ret->count++] = &log->event[i];
	return 0;
}

static bool same(const struct work *work, size_t i, size_t j)
{
	const struct sr_event *a = work->a.event[i], *b = work->b.event[j];
	const uint8_t *left = a->digest[work->a.bank], *right = b->digest[work->b.bank];

	if (a->type != b->type || !left != !right)
		return false;
	if (!left)
		return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
	return memcmp(left, right, work->size) == 0;
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
	_cleanup_(work_done) struct work work = { .size = sr_bank_size(boots->bank) };
	int r = list_events(boots->before, boots->bank, pcr, &work.a, err);

	if (r == 0)
		r = list_events(boots->after, boots->bank, pcr, &work.b, err);
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
