/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changed between two boots, by their event logs and the values of their PCRs. */
#include <string.h>

#include "eventlog_explain.h"
#include "text.h"

#define LABELS 24 /* different things that are listed as unchanged */

SR_DEFINE_CLEANUP(explanation_freep, struct sr_explanation *, sr_explanation_free)

/* What is needed to judge each PCR. */
struct work {
	struct sr_boots boots;
	struct sr_pcrs logged_before;
	struct sr_pcrs logged_after;
	struct sr_explanation *out;
	size_t room;
};

void sr_explanation_free(struct sr_explanation *explanation)
{
	if (!explanation)
		return;
	free(explanation->change);
	free(explanation);
}

const char *sr_verdict_name(enum sr_verdict verdict)
{
	static const char *const names[] = {
		[SR_VERDICT_SAME] = "same",
		[SR_VERDICT_LOGGED] = "logged",
		[SR_VERDICT_EXPLAINED] = "explained",
		[SR_VERDICT_BEHIND] = "behind-the-log",
		[SR_VERDICT_NEVER] = "never-explained",
		[SR_VERDICT_NOT_NOW] = "not-explained",
		[SR_VERDICT_VALUES] = "values-only",
	};

	return names[verdict];
}

static struct sr_change *new_change(struct work *work, struct sr_err *err)
{
	struct sr_explanation *out = work->out;

	if (out->count == work->room) {
		size_t more = work->room ? work->room * 2 : 32;
		void *larger = reallocarray(out->change, more, sizeof(*out->change));

		if (!larger) {
			(void)sr_fail_memory(err);
			return NULL;
		}
		out->change = larger;
		work->room = more;
	}
	out->change[out->count] = (struct sr_change){ 0 };
	return &out->change[out->count];
}

static int add_change(struct work *work, unsigned int pcr, const struct sr_event *before,
		      const struct sr_event *after, struct sr_err *err)
{
	struct sr_change *change = new_change(work, err);
	int r;

	if (!change)
		return -ENOMEM;
	change->pcr = pcr;
	change->before = before;
	change->after = after;
	r = sr_change_describe(&work->boots, change, err);
	if (r < 0)
		return r;
	work->out->count++;
	work->out->pcr[pcr].count++;
	return 0;
}

/* Things that are as they were, each once, with how often it is there. */
struct labels {
	struct label {
		char text[SR_EVENT_TEXT];
		size_t count;
	} label[LABELS];
	size_t count;
	size_t more;
};

static void add_label(struct labels *labels, const char *text)
{
	for (size_t i = 0; i < labels->count; i++)
		if (strcmp(labels->label[i].text, text) == 0) {
			labels->label[i].count++;
			return;
		}
	if (labels->count == LABELS) {
		labels->more++;
		return;
	}
	(void)snprintf(labels->label[labels->count].text, SR_EVENT_TEXT, "%s", text);
	labels->label[labels->count++].count = 1;
}

static void add_unchanged(const struct work *work, const struct sr_event *event,
			  struct labels *labels)
{
	struct sr_event_text text;

	char *place;

	sr_event_describe(work->boots.after, event, &text);
	/* Where each of many was is of no interest if nothing changed. */
	place = strstr(text.subject, " at 0x");
	if (place)
		*place = '\0';
	if (strcmp(text.value, "on") == 0 || strcmp(text.value, "off") == 0)
		(void)snprintf(text.subject + strlen(text.subject),
			       SR_EVENT_TEXT - strlen(text.subject), " %s", text.value);
	add_label(labels, text.subject);
}

static void say_unchanged(const struct labels *labels, char ret[SR_EVENT_TEXT])
{
	struct sr_text text = sr_text_start(ret, SR_EVENT_TEXT);

	for (size_t i = 0; i < labels->count; i++) {
		sr_text_add(&text, "%s%s", i ? ", " : "", labels->label[i].text);
		if (labels->label[i].count > 1)
			sr_text_add(&text, " (%zu)", labels->label[i].count);
	}
	if (labels->more > 0)
		sr_text_add(&text, " and %zu more", labels->more);
}

static const struct sr_event *find_locality(const struct sr_eventlog *log)
{
	for (size_t i = 0; i < log->count; i++)
		if (sr_event_locality(&log->event[i]) >= 0)
			return &log->event[i];
	return NULL;
}

/* It is never extended, yet decides what PCR 0 begins with. */
static int compare_locality(struct work *work, struct sr_err *err)
{
	const struct sr_boots *boots = &work->boots;

	if (boots->before->locality == boots->after->locality)
		return 0;
	return add_change(work, 0, find_locality(boots->before),
			  find_locality(boots->after), err);
}

static int compare_events(struct work *work, unsigned int pcr, struct sr_err *err)
{
	struct sr_pcr_change *change = &work->out->pcr[pcr];
	_cleanup_free_ struct labels *labels = calloc(1, sizeof(*labels));
	struct sr_pairs pairs = { 0 };
	int r = labels ? 0 : sr_fail_memory(err);

	change->first = work->out->count;
	if (r == 0 && pcr == 0)
		r = compare_locality(work, err);
	if (r == 0)
		r = sr_eventlog_align(&work->boots, pcr, &pairs, err);
	for (size_t i = 0; r == 0 && i < pairs.count; i++) {
		const struct sr_pair *pair = &pairs.pair[i];

		if (!pair->same) {
			r = add_change(work, pcr, pair->before, pair->after, err);
			continue;
		}
		change->same++;
		add_unchanged(work, pair->after, labels);
	}
	free(pairs.pair);
	if (r == 0)
		say_unchanged(labels, change->unchanged);
	return r;
}

/* The TPM's value if there is one, else that of the log; NULL if neither is there. */
static const uint8_t *value_of(const struct sr_pcrs *held, const struct sr_pcrs *logged,
			       unsigned int pcr)
{
	if (held && held->given & 1U << pcr)
		return held->value[pcr];
	return logged->given & 1U << pcr ? logged->value[pcr] : NULL;
}

/* Whether the log leads to what the TPM held; true also where that is not known. */
static bool agrees(const struct sr_pcrs *held, const struct sr_pcrs *logged,
		   unsigned int pcr)
{
	if (!held || !(held->given & 1U << pcr))
		return true;
	return logged->given & 1U << pcr && memcmp(held->value[pcr], logged->value[pcr],
						   sr_bank_size(logged->bank)) == 0;
}

static bool given(const struct sr_pcrs *held, unsigned int pcr)
{
	return held && held->given & 1U << pcr;
}

static enum sr_verdict judge(const struct work *work, unsigned int pcr, bool differs)
{
	const struct sr_boots *boots = &work->boots;
	const struct sr_pcr_change *change = &work->out->pcr[pcr];

	if (!differs)
		return SR_VERDICT_SAME;
	if (!boots->before || !boots->after ||
	    !((work->logged_before.mask | work->logged_after.mask) & 1U << pcr))
		return SR_VERDICT_VALUES;
	if (!agrees(boots->required, &work->logged_before, pcr))
		return SR_VERDICT_NEVER;
	if (!agrees(boots->present, &work->logged_after, pcr))
		return change->count == 0 ? SR_VERDICT_BEHIND : SR_VERDICT_NOT_NOW;
	if (given(boots->required, pcr) || given(boots->present, pcr))
		return SR_VERDICT_EXPLAINED;
	return SR_VERDICT_LOGGED;
}

static int compare_pcr(struct work *work, unsigned int pcr, struct sr_err *err)
{
	struct sr_pcr_change *change = &work->out->pcr[pcr];
	const uint8_t *before = value_of(work->boots.required, &work->logged_before, pcr);
	const uint8_t *after = value_of(work->boots.present, &work->logged_after, pcr);
	size_t size = sr_bank_size(work->out->bank);
	bool differs;
	int r = 0;

	if (work->boots.before && work->boots.after)
		r = compare_events(work, pcr, err);
	if (r < 0)
		return r;
	change->known = before && after;
	if (before)
		memcpy(change->before, before, size);
	if (after)
		memcpy(change->after, after, size);
	differs = change->known ? memcmp(before, after, size) != 0
				: change->count > 0 || !before != !after;
	change->verdict = judge(work, pcr, differs);
	if (differs)
		work->out->changed |= 1U << pcr;
	return 0;
}

static uint16_t common_bank(const struct sr_boots *boots)
{
	uint16_t best = boots->before  ? sr_eventlog_bank(boots->before)
			: boots->after ? sr_eventlog_bank(boots->after)
				       : 0;

	if (boots->present && boots->present->bank)
		return boots->present->bank;
	if (boots->required && boots->required->bank)
		return boots->required->bank;
	if (!boots->before || !boots->after ||
	    sr_eventlog_find_bank(boots->after, best) >= 0)
		return best;
	for (size_t i = 0; i < boots->before->banks; i++)
		if (sr_bank_name(boots->before->bank[i]) &&
		    sr_eventlog_find_bank(boots->after, boots->before->bank[i]) >= 0)
			return boots->before->bank[i];
	return 0;
}

static int check(const struct sr_boots *boots, struct sr_err *err)
{
	int r = 0;

	if (boots->before)
		r = sr_eventlog_usable(boots->before, "the log of before", err);
	if (r == 0 && boots->after)
		r = sr_eventlog_usable(boots->after, "the log of now", err);
	return r;
}

static int replay_both(struct work *work, struct sr_err *err)
{
	const struct sr_boots *boots = &work->boots;
	int r = 0;

	if (boots->before)
		r = sr_eventlog_replay(boots->before, boots->bank, &work->logged_before,
				       err);
	if (r == 0 && boots->after)
		r = sr_eventlog_replay(boots->after, boots->bank, &work->logged_after,
				       err);
	return r;
}

static uint32_t choose_mask(const struct work *work)
{
	const struct sr_boots *boots = &work->boots;
	uint32_t held = 0;

	if (boots->mask)
		return boots->mask;
	if (boots->required && boots->present)
		held = boots->required->given & boots->present->given;
	return work->logged_before.mask | work->logged_after.mask | held;
}

int sr_explain(const struct sr_boots *boots, struct sr_explanation **ret,
	       struct sr_err *err)
{
	_cleanup_(explanation_freep) struct sr_explanation *out = calloc(1, sizeof(*out));
	struct work work = { .boots = *boots, .out = out };
	int r = out ? check(boots, err) : sr_fail_memory(err);

	if (r < 0)
		return r;
	if (!work.boots.bank)
		work.boots.bank = common_bank(boots);
	if (!work.boots.bank)
		return sr_fail(err, -EINVAL, "the logs have no bank in common");
	r = replay_both(&work, err);
	if (r < 0)
		return r;
	out->bank = work.boots.bank;
	out->mask = choose_mask(&work);
	for (unsigned int pcr = 0; r == 0 && pcr < SR_PCR_COUNT; pcr++)
		if (out->mask & 1U << pcr)
			r = compare_pcr(&work, pcr, err);
	if (r < 0)
		return r;
	sr_explanation_conclude(out);
	*ret = take(out);
	return 0;
}
