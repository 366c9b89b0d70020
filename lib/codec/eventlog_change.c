/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How one event differs from what it was, in words. */
#include <string.h>

#include "eventlog_explain.h"
#include "text.h"

#define NAMES_MAX 2 /* certificates that are named; more are only counted */

/* How many entries of @a are not in @b, which is sorted; their names go to @text. */
static size_t missing(const struct sr_siglist *a, const struct sr_siglist *b,
		      const char *sign, struct sr_text *text)
{
	size_t count = 0, named = 0;

	for (size_t i = 0; i < a->count; i++) {
		struct sr_siglist_text entry;

		if (sr_siglist_has(b, &a->entry[i], true))
			continue;
		count++;
		if (sr_siglist_is_hash(&a->entry[i]) || named == NAMES_MAX)
			continue;
		named++;
		sr_siglist_describe(&a->entry[i], &entry);
		sr_text_add(text, "; %s %.80s (%.16s)", sign,
			    *entry.subject ? entry.subject : entry.type, entry.hash);
	}
	return count;
}

static size_t count_hashes(const struct sr_siglist *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += sr_siglist_is_hash(&list->entry[i]);
	return count;
}

/* "83 -> 267 hashes: 184 added, 0 removed (4040 -> 12900 bytes)" */
static void say_lists(struct sr_change *change, const struct sr_siglist *a,
		      const struct sr_siglist *b, struct sr_text *text)
{
	struct sr_variable old = { 0 }, new = { 0 };
	char names[SR_EVENT_TEXT];
	struct sr_text list = SR_TEXT(names);
	bool hashes = count_hashes(a) + count_hashes(b) > 0;
	bool others = count_hashes(a) + count_hashes(b) < a->count + b->count;

	(void)sr_variable_read(change->before, &old);
	(void)sr_variable_read(change->after, &new);
	change->added = missing(b, a, "new:", &list);
	change->removed = missing(a, b, "gone:", &list);
	sr_text_add(text, "%zu -> %zu %s: %zu added, %zu removed (%zu -> %zu bytes)%s",
		    a->count, b->count,
		    hashes && others ? "entries"
		    : hashes	     ? "hashes"
				     : "certificates",
		    change->added, change->removed, old.size, new.size, names);
}

/* Whether both are signature lists; then it is said how they differ. */
static int compare_lists(struct sr_change *change, bool *done, struct sr_text *text,
			 struct sr_err *err)
{
	_cleanup_siglist_ struct sr_siglist a = { 0 }, b = { 0 };
	int r;

	*done = false;
	if (change->before->type != SR_EV_EFI_VARIABLE_DRIVER_CONFIG)
		return 0;
	r = sr_event_siglist(change->before, &a, err);
	if (r == 0)
		r = sr_event_siglist(change->after, &b, err);
	if (r == -EBADMSG)
		return 0;
	if (r == 0 && a.count + b.count > 0) {
		sr_siglist_sort(&a);
		sr_siglist_sort(&b);
		say_lists(change, &a, &b, text);
		*done = true;
	}
	return r;
}

static bool equal_data(const struct sr_event *a, const struct sr_event *b)
{
	return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* The same digest, elsewhere among the others: that is another PCR value, too. */
static bool moved(const struct sr_boots *boots, const struct sr_change *change)
{
	int a = sr_eventlog_find_bank(boots->before, boots->bank);
	int b = sr_eventlog_find_bank(boots->after, boots->bank);

	return change->before->type != SR_EV_NO_ACTION && a >= 0 && b >= 0 &&
	       change->before->digest[a] && change->after->digest[b] &&
	       memcmp(change->before->digest[a], change->after->digest[b],
		      sr_bank_size(boots->bank)) == 0;
}

/* Texts that were cut may look the same, too. */
static void say_values(const struct sr_change *change, const char *before,
		       const char *after, struct sr_text *text)
{
	if (strcmp(before, after) != 0)
		sr_text_add(text, "%s -> %s", *before ? before : "nothing",
			    *after ? after : "nothing");
	else if (*before && equal_data(change->before, change->after))
		sr_text_add(text, "%s: contents changed", before);
	else
		sr_text_add(text, "%s%schanged", before, *before ? ": " : "");
}

/* By the profile the digest is of the data; a log that did not have it so stays believed. */
static bool is_claim(const struct sr_boots *boots, const struct sr_change *change)
{
	return change->after && change->after->type == SR_EV_EFI_VARIABLE_DRIVER_CONFIG &&
	       !sr_event_hashed(boots->after, change->after) &&
	       (!change->before || sr_event_hashed(boots->before, change->before));
}

int sr_change_describe(const struct sr_boots *boots, struct sr_change *change,
		       struct sr_err *err)
{
	struct sr_event_text before = { "", "" }, after = { "", "" };
	struct sr_text text = SR_TEXT(change->text);
	bool done = false;
	int r = 0;

	if (change->before)
		sr_event_describe(boots->before, change->before, &before);
	if (change->after)
		sr_event_describe(boots->after, change->after, &after);
	memcpy(change->subject, change->after ? after.subject : before.subject,
	       SR_EVENT_TEXT);
	change->claim = is_claim(boots, change);
	if (change->claim) {
		sr_text_add(&text, "not what the log shows: that was not measured");
		return 0;
	}
	if (!change->before || !change->after) {
		sr_text_add(&text, "%s", change->after ? after.value : before.value);
		return 0;
	}
	if (moved(boots, change)) {
		sr_text_add(&text, "the same, in another place");
		return 0;
	}
	r = compare_lists(change, &done, &text, err);
	if (r == 0 && !done)
		say_values(change, before.value, after.value, &text);
	return r;
}
