/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-reseal predict: PCR 7 after an update of Secure Boot variables. */
#include <errno.h>
#include <string.h>

#include "choices.h"
#include "json.h"
#include "reseal.h"

#define PCR_POLICY 7

struct work {
	struct sr_eventlog *log;
	struct sr_pcrs measured;
	struct reseal_updates updates;
	struct sr_prediction *found;
};

static void work_done(struct work *work)
{
	reseal_updates_done(&work->updates);
	sr_eventlog_free(work->log);
	free(work->found);
}

static int take_all_updates(struct work *work, struct sr_err *err)
{
	int r = reseal_updates(&work->updates, err);

	if (r == 0 && work->updates.count == 0)
		r = sr_fail(
		    err, -EINVAL,
		    "predict needs an update: --dbx FILE, --db FILE or --kek FILE");
	return r;
}

/* --pcrs 7=HEX says what a TPM held where only a log can be had. */
static int take_log(struct work *work, struct sr_err *err)
{
	int r = choices.pcrs ? sr_pcrs_parse(choices.pcrs, &work->measured, err) : 0;

	if (r == 0)
		r = reseal_log(reseal_options.log, &work->log, err);
	return r < 0 ? r : sr_eventlog_check(work->log, reseal_options.log, err);
}

static int take_boot(struct work *work, struct sr_err *err)
{
	struct reseal_boot boot = { 0 };
	int r;

	if (choices.pcrs)
		return sr_fail(err, -EINVAL,
			       "--pcrs goes with --log here; else the TPM is asked");
	r = reseal_this_boot(&boot, err);
	if (r < 0)
		return r;
	work->log = boot.log;
	return reseal_measured(&boot, &work->measured, err);
}

/* -- output -- */

static struct json_object *json_value(const struct work *work, const struct sr_pcrs *pcrs)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < work->found->banks; i++)
		if (pcrs[i].given)
			json_object_object_add(object, sr_bank_name(pcrs[i].bank),
					       reseal_json_pcrs(&pcrs[i]));
	return object;
}

static struct json_object *json_updates(const struct work *work)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < work->updates.count; i++) {
		const struct sr_variable_prediction *variable = &work->found->variable[i];
		struct json_object *object = json_object_new_object();
		char hex[65];

		sr_hex_format(variable->hash, sizeof(variable->hash), hex);
		json_add_text(object, "variable", work->updates.update[i].variable);
		json_add_text(object, "file", work->updates.update[i].file);
		json_object_object_add(object, "offered",
				       json_object_new_int64((int64_t)variable->offered));
		json_object_object_add(object, "added",
				       json_object_new_int64((int64_t)variable->added));
		json_object_object_add(
		    object, "old_size",
		    json_object_new_int64((int64_t)variable->old_size));
		json_object_object_add(
		    object, "new_size",
		    json_object_new_int64((int64_t)variable->new_size));
		json_add_text(object, "new_sha256", hex);
		json_object_object_add(object, "pcrs",
				       json_value(work, work->found->step[i]));
		json_object_array_add(array, object);
	}
	return array;
}

/* Whether a change of db or KEK may change more than the variable. */
static bool uncertain(const struct work *work)
{
	return work->found->authorities > 0 &&
	       reseal_options.db.count + reseal_options.kek.count > 0;
}

static void print_json(const struct work *work)
{
	struct json_object *root = json_object_new_object();

	json_object_object_add(root, "before", json_value(work, work->found->before));
	json_object_object_add(root, "updates", json_updates(work));
	json_object_object_add(root, "pcrs", json_value(work, work->found->after));
	json_object_object_add(
	    root, "other_firmware",
	    work->found->ambiguous ? json_value(work, work->found->other) : NULL);
	json_object_object_add(root, "same_authority_assumed",
			       json_object_new_boolean(uncertain(work)));
	json_print(root);
}

static void print_value(const char *what, const struct work *work,
			const struct sr_pcrs *pcrs)
{
	uint16_t bank =
	    work->measured.given ? work->measured.bank : sr_eventlog_bank(work->log);

	for (size_t i = 0; i < work->found->banks; i++) {
		char hex[2 * SR_DIGEST_MAX + 1];

		if (pcrs[i].bank != bank || !pcrs[i].given)
			continue;
		sr_hex_format(pcrs[i].value[PCR_POLICY], sr_bank_size(bank), hex);
		printf("%s\n  %s:7=%s\n", what, sr_bank_name(bank), hex);
	}
}

static void print_text(const struct work *work)
{
	for (size_t i = 0; i < work->updates.count; i++) {
		const struct sr_variable_prediction *variable = &work->found->variable[i];
		char text[160];

		(void)snprintf(text, sizeof(text),
			       "%s: %zu entries offered, %zu of them new (%zu -> %zu "
			       "bytes)",
			       work->updates.update[i].variable, variable->offered,
			       variable->added, variable->old_size, variable->new_size);
		reseal_wrap(2, text);
	}
	print_value("PCR 7 now:", work, work->found->before);
	print_value("PCR 7 afterwards:", work, work->found->after);
	if (work->found->ambiguous)
		print_value("or, on firmware that does not look at owners:", work,
			    work->found->other);
	if (uncertain(work))
		reseal_wrap(0, "This holds only if the same entries of db authorize what "
			       "is started.");
	if (!work->measured.given)
		reseal_wrap(0, "No TPM was asked whether the log is true: --pcrs 7=HEX "
			       "says what it held.");
}

int reseal_predict(int argc, char **argv, struct sr_err *err)
{
	_cleanup_(work_done) struct work work = { 0 };
	int r = take_all_updates(&work, err);

	(void)argc;
	(void)argv;
	if (r == 0)
		r = reseal_options.log ? take_log(&work, err) : take_boot(&work, err);
	if (r == 0)
		r = sr_predict(work.log, work.measured.given ? &work.measured : NULL,
			       work.updates.update, work.updates.count, &work.found, err);
	if (r < 0)
		return r;
	if (reseal_options.json)
		print_json(&work);
	else
		print_text(&work);
	return 0;
}
