/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-reseal explain: what changed between two boots, in words. */
#include <errno.h>
#include <string.h>

#include "choices.h"
#include "json.h"
#include "reseal.h"

#define USUAL (1U << 0 | 1U << 7) /* what is shown in detail unless told otherwise */
#define LINES_MAX 16		  /* events that are shown of each PCR */

void reseal_found_done(struct reseal_found *found)
{
	sr_explanation_free(found->asked);
	sr_explanation_free(found->all);
}

static char sign_of(const struct sr_change *change)
{
	return !change->before ? '+' : !change->after ? '-' : '~';
}

/* -- text -- */

static void print_changes(const struct sr_explanation *found, unsigned int pcr)
{
	const struct sr_pcr_change *change = &found->pcr[pcr];
	size_t shown = change->count < LINES_MAX ? change->count : LINES_MAX;

	for (size_t i = 0; i < shown; i++) {
		const struct sr_change *event = &found->change[change->first + i];

		reseal_pair(sign_of(event), event->subject, event->text);
	}
	if (shown < change->count)
		printf("      and %zu more, which --json lists\n", change->count - shown);
	if (change->same > 0) {
		char text[SR_EVENT_TEXT + 16];

		(void)snprintf(text, sizeof(text), "%s: unchanged", change->unchanged);
		fputs("    = ", stdout);
		reseal_wrap(6, text);
	}
}

static const char *why(enum sr_verdict verdict)
{
	switch (verdict) {
	case SR_VERDICT_BEHIND:
		return "The log is the same, the PCR is not: something extended it after "
		       "the firmware had finished, or the log is that of another boot "
		       "(hibernation, kexec). This is not an update.";
	case SR_VERDICT_NEVER:
		return "Its log did not lead to its value at the baseline either, so "
		       "there may be more than what is listed.";
	case SR_VERDICT_NOT_NOW:
		return "The log of now does not lead to what the TPM holds, so there is "
		       "more than what is listed.";
	case SR_VERDICT_VALUES:
		return "There is no log to say why.";
	default:
		return NULL;
	}
}

static void print_pcr(const struct sr_explanation *found, unsigned int pcr)
{
	const struct sr_pcr_change *change = &found->pcr[pcr];
	char before[9] = "unknown", after[9] = "unknown";
	const char *note = why(change->verdict);

	if (change->known) {
		sr_hex_format(change->before, 4, before);
		sr_hex_format(change->after, 4, after);
	}
	printf("\n  %sPCR %-2u %-25s%s was %s  is %s\n", tool_bold(true, STDOUT_FILENO),
	       pcr, reseal_pcr_name(pcr), tool_bold(false, STDOUT_FILENO), before, after);
	if (note) {
		fputs("    ", stdout);
		reseal_wrap(4, note);
	}
	print_changes(found, pcr);
}

static void print_answer(const struct sr_explanation *asked, const char *about,
			 const char *since)
{
	char list[RESEAL_LIST], text[2 * SR_EVENT_TEXT];

	reseal_pcr_list(asked->changed ? asked->changed : asked->mask, list);
	(void)snprintf(text, sizeof(text), "%s%s%s%s", about, list,
		       asked->changed ? " changed" : ": nothing changed", since);
	fputs(tool_bold(true, STDOUT_FILENO), stdout);
	reseal_wrap(0, text);
	fputs(tool_bold(false, STDOUT_FILENO), stdout);
	for (size_t i = 0; i < asked->warnings; i++) {
		fputs("  WARNING: ", stdout);
		reseal_wrap(11, asked->warning[i]);
	}
	if (*asked->cause) {
		char cause[sizeof(asked->cause) + 16];

		(void)snprintf(cause, sizeof(cause), "Likely cause: %s.", asked->cause);
		fputs("  ", stdout);
		reseal_wrap(4, cause);
	}
}

/* How sure that is: the worst of what is said about each PCR. */
static const char *confidence(const struct sr_explanation *found)
{
	size_t logged = 0, explained = 0, changed = 0;

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		if (!(found->changed & 1U << pcr))
			continue;
		changed++;
		logged += found->pcr[pcr].verdict == SR_VERDICT_LOGGED;
		explained += found->pcr[pcr].verdict == SR_VERDICT_EXPLAINED;
	}
	if (changed == 0)
		return "same";
	if (logged == changed)
		return "logged";
	if (explained == changed)
		return "explained";
	return logged + explained > 0 ? "partly" : "unexplained";
}

static void print_confidence(const struct sr_explanation *found)
{
	const char *word = confidence(found);

	if (strcmp(word, "logged") == 0)
		reseal_wrap(2,
			    "  By the two logs, nothing else changed in these PCRs; no "
			    "TPM was asked.");
	else if (strcmp(word, "explained") == 0)
		reseal_wrap(2, "  The logs lead to what the TPM holds: nothing else "
			       "changed in these PCRs.");
	else if (strcmp(word, "partly") == 0)
		reseal_wrap(2, "  The logs explain some of these PCRs, not all.");
	else if (strcmp(word, "unexplained") == 0)
		reseal_wrap(2, "  The logs do not explain it.");
}

/* What else differs is said, but not how. */
static void print_others(const struct reseal_found *found)
{
	uint32_t others = found->all->changed & ~found->asked->mask;
	char list[RESEAL_LIST], text[RESEAL_LIST + 128], hint[RESEAL_LIST];
	size_t used = 0;

	if (!others)
		return;
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (others & 1U << pcr)
			used += (size_t)snprintf(hint + used, sizeof(hint) - used, "%s%u",
						 used ? "+" : "", pcr);
	reseal_pcr_list(others, list);
	(void)snprintf(text, sizeof(text), "%s changed as well; --pcrs %s says how.",
		       list, hint);
	fputs("\n  ", stdout);
	reseal_wrap(2, text);
}

void reseal_found_print(const struct reseal_found *found, const char *about,
			const char *since)
{
	print_answer(found->asked, about, since);
	print_confidence(found->asked);
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (found->asked->changed & 1U << pcr)
			print_pcr(found->asked, pcr);
	print_others(found);
}

/* -- JSON -- */

static struct json_object *json_event(const struct sr_eventlog *log,
				      const struct sr_event *event)
{
	return event ? reseal_json_event(log, event) : NULL;
}

static struct json_object *json_changes(const struct reseal_found *found,
					const struct sr_pcr_change *change)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < change->count; i++) {
		const struct sr_change *event = &found->asked->change[change->first + i];
		struct json_object *object = json_object_new_object();
		char sign[2] = { sign_of(event), '\0' };

		json_add_text(object, "sign", sign);
		json_add_text(object, "subject", event->subject);
		json_add_text(object, "text", event->text);
		if (event->before && event->after && event->added + event->removed > 0) {
			json_object_object_add(
			    object, "added",
			    json_object_new_int64((int64_t)event->added));
			json_object_object_add(
			    object, "removed",
			    json_object_new_int64((int64_t)event->removed));
		}
		json_object_object_add(object, "before",
				       json_event(found->boots.before, event->before));
		json_object_object_add(object, "after",
				       json_event(found->boots.after, event->after));
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *json_pcr(const struct reseal_found *found, unsigned int pcr)
{
	const struct sr_pcr_change *change = &found->asked->pcr[pcr];
	struct json_object *object = json_object_new_object();
	size_t size = sr_bank_size(found->asked->bank);
	char hex[2 * SR_DIGEST_MAX + 1];

	json_object_object_add(object, "pcr", json_object_new_int((int)pcr));
	json_add_text(object, "verdict", sr_verdict_name(change->verdict));
	sr_hex_format(change->before, size, hex);
	json_add_text(object, "before", change->known ? hex : NULL);
	sr_hex_format(change->after, size, hex);
	json_add_text(object, "after", change->known ? hex : NULL);
	json_object_object_add(object, "changes", json_changes(found, change));
	json_object_object_add(object, "same",
			       json_object_new_int64((int64_t)change->same));
	json_add_text(object, "unchanged", change->unchanged);
	return object;
}

static struct json_object *json_numbers(uint32_t mask)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (mask & 1U << pcr)
			json_object_array_add(array, json_object_new_int((int)pcr));
	return array;
}

void reseal_found_json(const struct reseal_found *found, struct json_object *root)
{
	const struct sr_explanation *asked = found->asked;
	struct json_object *pcrs = json_object_new_array(),
			   *warnings = json_object_new_array();

	json_add_text(root, "bank", sr_bank_name(asked->bank));
	json_object_object_add(root, "changed", json_numbers(asked->changed));
	json_object_object_add(root, "others",
			       json_numbers(found->all->changed & ~asked->mask));
	json_add_text(root, "confidence", confidence(asked));
	json_add_text(root, "cause", *asked->cause ? asked->cause : NULL);
	for (size_t i = 0; i < asked->warnings; i++)
		json_object_array_add(warnings,
				      json_object_new_string(asked->warning[i]));
	json_object_object_add(root, "warnings", warnings);
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (asked->mask & 1U << pcr)
			json_object_array_add(pcrs, json_pcr(found, pcr));
	json_object_object_add(root, "pcrs", pcrs);
}

/* -- two logs -- */

struct work {
	struct reseal_found found;
	struct sr_eventlog *before;
	struct sr_eventlog *after;
	struct sr_pcrs present;
};

static void work_done(struct work *work)
{
	reseal_found_done(&work->found);
	sr_eventlog_free(work->before);
	sr_eventlog_free(work->after);
}

static int choose_pcrs(struct work *work, struct sr_err *err)
{
	struct sr_pcrs pcrs = { .mask = USUAL };
	int r = choices.pcrs ? sr_pcrs_parse(choices.pcrs, &pcrs, err) : 0;

	if (r == 0 && pcrs.given)
		r = sr_fail(err, -EINVAL, "explain takes no values in --pcrs");
	work->found.boots.mask = pcrs.mask;
	work->found.boots.bank = pcrs.bank;
	return r;
}

/* The bank in which this boot is compared: the one asked for, if the TPM has it. */
static int take_boot(struct work *work, struct sr_err *err)
{
	struct reseal_boot boot = { 0 };
	uint16_t bank;
	int r = reseal_this_boot(&boot, err);

	if (r < 0)
		return r;
	work->after = boot.log;
	bank =
	    work->found.boots.bank ? work->found.boots.bank : sr_eventlog_bank(boot.log);
	for (size_t i = 0; i < boot.log->banks; i++) {
		if (boot.log->bank[i] != bank)
			continue;
		if (!boot.active[i])
			return sr_fail(
			    err, -EINVAL,
			    "bank %s is in the log, but not active in the TPM: "
			    "choose another by --pcrs",
			    sr_bank_name(bank));
		work->present = boot.held[i];
		work->found.boots.present = &work->present;
	}
	return 0;
}

static int take_logs(struct work *work, struct sr_err *err)
{
	int r = reseal_log(reseal_options.baseline, &work->before, err);

	if (r == 0)
		r = sr_eventlog_check(work->before, reseal_options.baseline, err);
	if (r < 0)
		return r;
	if (!reseal_options.log)
		r = take_boot(work, err);
	else
		r = reseal_log(reseal_options.log, &work->after, err);
	if (r == 0 && reseal_options.log)
		r = sr_eventlog_check(work->after, reseal_options.log, err);
	work->found.boots.before = work->before;
	work->found.boots.after = work->after;
	return r;
}

int reseal_find(struct reseal_found *found, struct sr_err *err)
{
	struct sr_boots all = found->boots;
	int r = sr_explain(&found->boots, &found->asked, err);

	if (r < 0)
		return r;
	all.bank = found->asked->bank;
	all.mask = 0;
	return sr_explain(&all, &found->all, err);
}

static int explain_logs(struct sr_err *err)
{
	_cleanup_(work_done) struct work work = { 0 };
	int r = choose_pcrs(&work, err);

	if (r == 0)
		r = take_logs(&work, err);
	if (r == 0)
		r = reseal_find(&work.found, err);
	if (r < 0)
		return r;
	if (reseal_options.json) {
		struct json_object *root = json_object_new_object();

		reseal_found_json(&work.found, root);
		json_print(root);
	} else {
		reseal_found_print(&work.found, "", ".");
	}
	return 0;
}

int reseal_explain(int argc, char **argv, struct sr_err *err)
{
	if (!reseal_options.baseline && !reseal_options.log)
		return reseal_explain_rings(argc, argv, err);
	if (argc > 0)
		return sr_fail(
		    err, -EINVAL,
		    "a ring, or logs: explain RING, or explain --baseline FILE "
		    "[--log FILE]");
	if (!reseal_options.baseline)
		return sr_fail(err, -EINVAL,
			       "--log is compared with another log: --baseline FILE");
	return explain_logs(err);
}
