/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-reseal events: what a log says was measured, and which PCR values it leads to. */
#include <errno.h>
#include <string.h>

#include "json.h"
#include "reseal.h"

static struct json_object *json_banks(const struct sr_eventlog *log,
				      struct json_object *(*of)(const struct sr_pcrs *),
				      const struct sr_pcrs *pcrs, const bool *present)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < log->banks; i++) {
		char name[8];

		if (!present || present[i])
			json_object_object_add(object, reseal_bank(log->bank[i], name),
					       of(&pcrs[i]));
	}
	return object;
}

/* {"0": true} where the log leads to what the TPM holds. */
static struct json_object *json_explained(const struct sr_pcrs *replayed,
					  const struct sr_pcrs *held)
{
	struct json_object *object = json_object_new_object();

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		char number[4];

		if (!(held->given & 1U << pcr))
			continue;
		(void)snprintf(number, sizeof(number), "%u", pcr);
		json_object_object_add(
		    object, number,
		    json_object_new_boolean(replayed->given & 1U << pcr &&
					    memcmp(replayed->value[pcr], held->value[pcr],
						   sr_bank_size(held->bank)) == 0));
	}
	return object;
}

static struct json_object *json_damage(const struct sr_eventlog *log)
{
	struct json_object *object;

	if (!log->damaged[0])
		return NULL;
	object = json_object_new_object();
	json_object_object_add(object, "offset",
			       json_object_new_int64((int64_t)log->damaged_at));
	json_add_text(object, "reason", log->damaged);
	return object;
}

static const char *format_of(const struct sr_eventlog *log)
{
	if (log->confidential)
		return "confidential-computing";
	return log->agile ? "crypto-agile" : "sha1";
}

static void print_json(const struct sr_eventlog *log, const struct sr_pcrs *replayed,
		       const struct reseal_boot *boot)
{
	struct json_object *root = json_object_new_object(),
			   *events = json_object_new_array();
	struct json_object *pcrs = json_banks(log, reseal_json_pcrs, replayed, NULL);

	json_add_text(root, "format", format_of(log));
	/* Registers of a confidential machine are called what they are. */
	json_object_object_add(root, "pcrs",
			       log->confidential ? json_object_new_object()
						 : json_object_get(pcrs));
	if (log->confidential)
		json_object_object_add(root, "registers", json_object_get(pcrs));
	json_object_put(pcrs);
	json_object_object_add(root, "startup_locality",
			       log->locality < 0 ? NULL
						 : json_object_new_int(log->locality));
	if (boot->log) {
		struct json_object *explained = json_object_new_object();

		json_object_object_add(
		    root, "tpm",
		    json_banks(log, reseal_json_pcrs, boot->held, boot->active));
		for (size_t i = 0; i < log->banks; i++)
			if (boot->active[i])
				json_object_object_add(
				    explained, sr_bank_name(log->bank[i]),
				    json_explained(&replayed[i], &boot->held[i]));
		json_object_object_add(root, "explained", explained);
	}
	for (size_t i = 0; i < log->count; i++)
		json_object_array_add(events, reseal_json_event(log, &log->event[i]));
	json_object_object_add(root, "events", events);
	json_object_object_add(root, "damaged", json_damage(log));
	json_print(root);
}

static void print_header(const struct sr_eventlog *log)
{
	printf("%s log", format_of(log));
	for (size_t i = 0; i < log->banks; i++) {
		char name[8];

		printf("%s%s", i ? ", " : ": ", reseal_bank(log->bank[i], name));
	}
	printf("; %zu event%s\n", log->count, log->count == 1 ? "" : "s");
	if (log->confidential)
		reseal_wrap(0, "It is that of a confidential virtual machine: what "
			       "stands for PCRs below are its registers.");
}

/* Control characters can't be in it; the text is escaped where it was made. */
static void print_events(const struct sr_eventlog *log)
{
	for (size_t i = 0; i < log->count; i++) {
		const struct sr_event *event = &log->event[i];
		struct sr_event_text text;

		sr_event_describe(log, event, &text);
		if (event->type == 0x3 || event->pcr >= SR_PCR_COUNT)
			printf("  -");
		else
			printf("%3u", event->pcr);
		if (!*text.value) {
			fputs("  ", stdout);
			reseal_wrap(5, text.subject);
		} else if (strlen(text.subject) < 25) {
			printf("  %-24s  ", text.subject);
			reseal_wrap(31, text.value);
		} else {
			fputs("  ", stdout);
			reseal_wrap(5, text.subject);
			printf("%31s", "");
			reseal_wrap(31, text.value);
		}
	}
}

static const char *compared(const struct sr_pcrs *replayed, const struct sr_pcrs *held,
			    unsigned int pcr)
{
	if (!(held->given & 1U << pcr))
		return "";
	return memcmp(replayed->value[pcr], held->value[pcr], sr_bank_size(held->bank)) ==
		       0
		   ? "  = TPM"
		   : "  TPM: other";
}

static void print_pcrs(const struct sr_eventlog *log, const struct sr_pcrs *replayed,
		       const struct reseal_boot *boot)
{
	uint16_t bank = sr_eventlog_bank(log);

	for (size_t i = 0; i < log->banks; i++) {
		if (log->bank[i] != bank || !replayed[i].given)
			continue;
		printf("\n%s\n",
		       log->confidential ? "Registers by replay:" : "PCRs by replay:");
		if (boot->log && !boot->active[i])
			printf("The TPM has no active %s bank.\n", sr_bank_name(bank));
		for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
			char hex[2 * SR_DIGEST_MAX + 1], text[sizeof(hex) + 16];

			if (!(replayed[i].given & 1U << pcr))
				continue;
			sr_hex_format(replayed[i].value[pcr], sr_bank_size(bank), hex);
			(void)snprintf(text, sizeof(text), "%s%s", hex,
				       compared(&replayed[i], &boot->held[i], pcr));
			printf("%3u ", pcr);
			reseal_wrap(4, text);
		}
	}
}

/* What is wrong with the log is what the program ends with, after what was read. */
static int show(const struct sr_eventlog *log, const char *name,
		const struct reseal_boot *boot, struct sr_err *err)
{
	struct sr_pcrs replayed[SR_EVENTLOG_BANKS] = { 0 };

	for (size_t i = 0; i < log->banks; i++)
		if (sr_bank_name(log->bank[i]))
			(void)sr_eventlog_replay(log, log->bank[i], &replayed[i], NULL);
	if (reseal_options.json) {
		print_json(log, replayed, boot);
	} else if (log->count > 0) {
		print_header(log);
		print_events(log);
		print_pcrs(log, replayed, boot);
	}
	(void)fflush(stdout); /* before what follows on standard error */
	return sr_eventlog_check(log, name, err);
}

int reseal_events(int argc, char **argv, struct sr_err *err)
{
	_cleanup_log_ struct sr_eventlog *log = NULL;
	struct reseal_boot boot = { 0 };
	int r;

	if (argc > 0) {
		r = reseal_log(argv[0], &log, err);
		return r < 0 ? r : show(log, argv[0], &boot, err);
	}
	r = reseal_this_boot(&boot, err);
	if (r < 0)
		return r;
	log = boot.log;
	return show(log, "the kernel's event log", &boot, err);
}
