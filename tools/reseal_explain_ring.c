/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-reseal explain RING: what changed since the ring was sealed. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "choices.h"
#include "json.h"
#include "reseal.h"

struct rings {
	struct sr_store *store;
	struct sr_tpm *tpm;
	struct sr_baseline *now; /* NULL: no event log */
	uint32_t mask;		 /* PCRs that were asked for; 0: the ring's own */
	struct json_object *array;
};

static void rings_done(struct rings *rings)
{
	sr_baseline_free(rings->now);
	sr_tpm_close(rings->tpm);
	sr_store_close(rings->store);
}

struct work {
	struct reseal_found found;
	struct sr_ring *ring;
	struct sr_baseline *baseline;
	struct sr_pcrs required;
	struct sr_pcrs present;
	struct sr_boot_note note;
	time_t made;
	bool open;
	bool then; /* compared is what the TPM held when the initramfs failed */
};

static void work_done(struct work *work)
{
	reseal_found_done(&work->found);
	sr_baseline_free(work->baseline);
	sr_ring_free(work->ring);
}

/* To know whether the baseline is its own; explain answers without it as well. */
static int try_to_open(struct rings *rings, struct work *work, const char *name,
		       struct sr_err *err)
{
	struct sr_ring_info info;
	int r = sr_ring_info(work->ring, &info, err);

	if (r == 0 && choices.recovery_key_file)
		r = choices_open_recovery(work->ring, name, NULL, err);
	else if (r == 0 && (info.pin || sr_ring_open(work->ring, rings->tpm, NULL, NULL)))
		return 0;
	work->open = r == 0;
	return r;
}

/* A log that can't be used is as good as none, but that is said. */
static void take_baseline(struct work *work, const char *name)
{
	struct sr_err err = { 0 };
	int r = sr_baseline_load(work->ring, &work->baseline, &err);

	if (r == 0)
		r = sr_eventlog_check(work->baseline->log, "the log of the baseline",
				      &err);
	if (r < 0 && r != -ENOKEY)
		tool_warn("%s: what it says of ring %s does not count", err.text, name);
	if (r < 0) {
		sr_baseline_free(work->baseline);
		work->baseline = NULL;
	}
}

static const struct sr_pcrs *held_at_baseline(const struct work *work, uint16_t bank)
{
	for (size_t i = 0; work->baseline && i < work->baseline->banks; i++)
		if (work->baseline->held[i].bank == bank)
			return &work->baseline->held[i];
	return NULL;
}

/* What no approval says is taken from the baseline. */
static void complete(struct work *work)
{
	const struct sr_pcrs *held = held_at_baseline(work, work->required.bank);

	for (unsigned int pcr = 0; held && pcr < SR_PCR_COUNT; pcr++)
		if (held->given & ~work->required.given & 1U << pcr) {
			memcpy(work->required.value[pcr], held->value[pcr],
			       SR_DIGEST_MAX);
			work->required.given |= 1U << pcr;
		}
}

static const struct sr_eventlog *log_of(const struct sr_baseline *baseline, uint16_t bank)
{
	for (size_t i = 0; baseline && i < baseline->log->banks; i++)
		if (baseline->log->bank[i] == bank && !baseline->log->damaged[0] &&
		    !baseline->log->confidential)
			return baseline->log;
	return NULL;
}

/*
 * The system extends some PCRs further: what was there in the initramfs counts. Of the
 * others what kept the ring closed, unless that was approved since.
 */
static void recall(struct work *work)
{
	const struct sr_pcrs *noted = &work->note.pcrs;
	bool failed =
	    work->note.failed && !work->note.opened && work->made < work->note.failed;
	uint32_t mask =
	    noted->given & work->present.given & (failed ? UINT32_MAX : SR_PCRS_LATER);

	if (noted->bank != work->present.bank || !mask)
		return;
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (mask & 1U << pcr)
			memcpy(work->present.value[pcr], noted->value[pcr],
			       SR_DIGEST_MAX);
	work->then = failed;
}

/* The closest thing to a PCR that changed. */
static int fail_inactive(const struct work *work, const char *name, struct sr_err *err)
{
	return sr_fail(
	    err, -EKEYREJECTED,
	    "ring %s: the TPM's %s bank is not active any more: switch it on in "
	    "the firmware setup, or: tpm-reseal recover %s --pcrs BANK:LIST",
	    name, sr_bank_name(work->required.bank), name);
}

static int compare(struct rings *rings, struct work *work, const char *name,
		   struct sr_err *err)
{
	uint32_t mask = rings->mask ? rings->mask : work->required.mask;
	int r;

	complete(work);
	work->present = (struct sr_pcrs){ .bank = work->required.bank,
					  .mask = mask | work->required.given };
	r = sr_pcr_read(rings->tpm, &work->present, err);
	if (r == -EINVAL)
		return fail_inactive(work, name, err);
	if (r < 0)
		return r;
	recall(work);
	work->found.boots = (struct sr_boots){
		.before = log_of(work->baseline, work->required.bank),
		.after = log_of(rings->now, work->required.bank),
		.required = &work->required,
		.present = &work->present,
		.bank = work->required.bank,
		.mask = mask,
	};
	return reseal_find(&work->found, err);
}

/* -- output -- */

static void print_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void print_line(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fputs("  ", stdout);
	reseal_wrap(4, text);
}

/* What SMBIOS says; the log often says less. */
static void print_machine(const struct sr_baseline *was, const struct sr_baseline *is)
{
	if (strcmp(was->version, is->version) != 0 || strcmp(was->date, is->date) != 0)
		print_line("Firmware: %s %s (%s) -> %s %s (%s)", was->vendor,
			   was->version, was->date, is->vendor, is->version, is->date);
	if (strcmp(was->product, is->product) != 0)
		print_line("Machine: %s -> %s", was->product, is->product);
	if (strcmp(was->tpm, is->tpm) != 0)
		print_line("TPM: %s -> %s", was->tpm, is->tpm);
}

/* After hibernation the log is that of the boot that was resumed, the PCRs are not. */
static void print_restart(const struct sr_baseline *now)
{
	if (now && now->restart_count > 0)
		print_line("The TPM was restarted since this boot began: suspended, or "
			   "hibernated. After hibernation PCRs and log are of different "
			   "boots, and only a new boot says more.");
}

/* Said on the console as well, which nobody sees any more who typed the passphrase. */
static void print_failure(const struct work *work)
{
	const struct sr_boot_note *note = &work->note;
	char when[SR_TIME_TEXT];

	if (!note->failed || note->opened)
		return;
	sr_time_format(note->failed, when);
	if (note->code == -EKEYREJECTED)
		print_line("The initramfs did not open it at %s: this boot state is not "
			   "the approved one.%s",
			   when, work->then ? " What PCRs held then is compared." : "");
	else
		print_line("The initramfs did not open it at %s: %s", when, note->text);
}

static void print_baseline(const struct rings *rings, const struct work *work)
{
	if (!work->baseline) {
		print_line("There is no baseline of it: only values can be compared.");
		return;
	}
	if (rings->now)
		print_machine(work->baseline, rings->now);
	else
		print_line("There is no event log of this boot: only values can be "
			   "compared.");
	if (!work->baseline->authentic)
		print_line("The ring is closed, so who wrote its baseline is not known "
			   "for sure; --recovery-key-file finds out.");
}

static void print_remedy(const char *name)
{
	putchar('\n');
	print_line("If you made this change: tpm-reseal recover %s", name);
	print_line("If you did not: do not enter the recovery key; check the machine.");
}

static void print_text(const struct rings *rings, const struct work *work,
		       const char *name)
{
	bool taken = work->baseline && work->baseline->taken >= work->made;
	time_t since = taken ? work->baseline->taken : work->made;
	char about[SR_NAME_MAX + 16], when[SR_TIME_TEXT], text[SR_TIME_TEXT + 32] = ".";

	(void)snprintf(about, sizeof(about), "ring %.*s: ", SR_NAME_MAX, name);
	sr_time_format(since, when);
	if (since)
		(void)snprintf(text, sizeof(text), " since %s.", when);
	reseal_found_print(&work->found, about, text);
	print_failure(work);
	print_baseline(rings, work);
	print_restart(rings->now);
	if ((work->found.asked->changed | work->found.all->changed) & work->required.mask)
		print_remedy(name);
}

static struct json_object *json_boot(const struct sr_baseline *boot)
{
	struct json_object *object;

	if (!boot)
		return NULL;
	object = json_object_new_object();
	json_add_text(object, "boot", boot->boot);
	json_add_text(object, "vendor", boot->vendor);
	json_add_text(object, "version", boot->version);
	json_add_text(object, "date", boot->date);
	json_add_text(object, "product", boot->product);
	json_add_text(object, "tpm", boot->tpm);
	json_object_object_add(object, "reset_count",
			       json_object_new_int64(boot->reset_count));
	json_object_object_add(object, "restart_count",
			       json_object_new_int64(boot->restart_count));
	return object;
}

static struct json_object *json_note(const struct sr_boot_note *note)
{
	struct json_object *object;

	if (!note->failed && !note->opened)
		return NULL;
	object = json_object_new_object();
	json_add_time(object, "opened", note->opened);
	json_add_time(object, "failed", note->failed);
	json_add_text(object, "text", note->failed ? note->text : NULL);
	json_add_text(object, "cause", *note->cause ? note->cause : NULL);
	json_object_object_add(object, "pcrs",
			       note->pcrs.given ? reseal_json_pcrs(&note->pcrs) : NULL);
	return object;
}

static void add_json(struct rings *rings, const struct work *work, const char *name)
{
	struct json_object *root = json_object_new_object(),
			   *baseline = json_boot(work->baseline);

	json_add_text(root, "ring", name);
	json_add_time(root, "approved", work->made);
	if (baseline) {
		json_add_time(baseline, "taken", work->baseline->taken);
		json_object_object_add(
		    baseline, "authentic",
		    work->open ? json_object_new_boolean(work->baseline->authentic)
			       : NULL);
	}
	json_object_object_add(root, "baseline", baseline);
	json_object_object_add(root, "now", json_boot(rings->now));
	json_object_object_add(root, "initramfs", json_note(&work->note));
	reseal_found_json(&work->found, root);
	json_object_array_add(rings->array, root);
}

static int explain_ring(struct rings *rings, const char *name, struct sr_err *err)
{
	_cleanup_(work_done) struct work work = { 0 };
	int r = sr_ring_load(rings->store, name, &work.ring, err);

	if (r == 0)
		r = sr_ring_required(work.ring, rings->tpm, &work.required, &work.made,
				     err);
	if (r == 0)
		r = try_to_open(rings, &work, name, err);
	if (r == 0)
		r = sr_boot_note_of(work.ring, &work.note, err);
	if (r < 0)
		return r;
	take_baseline(&work, name);
	r = compare(rings, &work, name, err);
	if (r < 0)
		return r;
	if (rings->array)
		add_json(rings, &work, name);
	else
		print_text(rings, &work, name);
	return 0;
}

static int take_pcrs(struct rings *rings, struct sr_err *err)
{
	struct sr_pcrs pcrs = { 0 };
	int r = choices.pcrs ? sr_pcrs_parse(choices.pcrs, &pcrs, err) : 0;

	if (r == 0 && pcrs.given)
		r = sr_fail(err, -EINVAL, "explain takes no values in --pcrs");
	rings->mask = pcrs.mask;
	return r;
}

static int start(struct rings *rings, struct sr_err *err)
{
	int r = take_pcrs(rings, err);

	if (r == 0)
		r = tool_store(&rings->store, err);
	if (r == 0)
		r = tool_tpm(rings->store, &rings->tpm, err);
	if (r < 0)
		return r;
	/* What there is of it is said; values are compared in any case. */
	r = sr_baseline_now(rings->store, rings->tpm, &rings->now, err);
	if (r == -ENOMEM || (r < 0 && err->tss))
		return r;
	if (r < 0 && r != -ENODEV)
		tool_warn("this boot's event log does not count: %s", err->text);
	if (r == 0 && rings->now->log->damaged[0])
		tool_warn("this boot's event log is damaged at offset %zu: %s: it does "
			  "not count",
			  rings->now->log->damaged_at, rings->now->log->damaged);
	return 0;
}

int reseal_explain_rings(int argc, char **argv, struct sr_err *err)
{
	_cleanup_(rings_done) struct rings rings = { 0 };
	_cleanup_strv_ char **names = NULL;
	int r = start(&rings, err);

	if (r < 0)
		return r;
	if (reseal_options.json)
		rings.array = json_object_new_array();
	r = argc > 0 ? explain_ring(&rings, argv[0], err)
		     : sr_store_rings(rings.store, &names, err);
	for (char **name = names; r >= 0 && name && *name; name++) {
		struct sr_err why = { 0 };
		int failed = explain_ring(&rings, *name, &why);

		if (failed < 0)
			tool_complain(failed, &why);
		if (name[1] && !rings.array)
			putchar('\n');
	}
	r = json_list_end(rings.array, r);
	return r < 0 ? r : 0;
}
