/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-reseal prepare: before an update, or around it. */
#include <errno.h>
#include <string.h>

#include "choices.h"
#include "follow.h"
#include "reseal.h"

/**
 * struct done - a ring that was prepared
 * @ring:	it is open
 * @prepared:	for what
 * @next:	another one
 */
struct done {
	struct sr_ring *ring;
	struct sr_prepared prepared;
	struct done *next;
};

static struct reseal_foreseen foreseen;
static struct done *first;
static bool failed;

static void forget(void)
{
	while (first) {
		struct done *done = first;

		first = done->next;
		sr_ring_free(done->ring);
		free(done);
	}
	reseal_foreseen_done(&foreseen);
}

static void say_prepared(const char *name, const struct sr_prepared *prepared)
{
	size_t bounded = prepared->count - prepared->states;
	char list[RESEAL_LIST];

	if (prepared->count == 0)
		tool_say("ring %s depends on nothing of that: it stays as it is", name);
	if (prepared->states > 0)
		tool_say("ring %s: %zu boot state%s to come open%s it as well", name,
			 prepared->states, prepared->states == 1 ? "" : "s",
			 prepared->states == 1 ? "s" : "");
	if (bounded == 0)
		return;
	reseal_pcr_list(prepared->open, list);
	tool_say(
	    "ring %s: the next %u boot%s open%s it whatever %s is, unless the machine "
	    "sleeps in between: tpm-reseal confirm ends that, prepare --undo takes it "
	    "back",
	    name, prepared->boots, prepared->boots == 1 ? "" : "s",
	    prepared->boots == 1 ? "s" : "", list);
}

static int choose(struct reseal_work *work, struct sr_ring *ring, const char *name,
		  struct chosen *chosen, struct sr_plan *plan, struct sr_err *err)
{
	struct sr_ring_info info;
	struct sr_pcrs list;
	int r = sr_ring_info(ring, &info, err);

	if (r == 0)
		r = sr_pcrs_parse(info.pcrs, &list, err);
	if (r == 0)
		r = reseal_plan(&foreseen, list.bank, plan, err);
	if (r == 0)
		r = choices_ring(work->tpm, name, info.pin, chosen, err);
	chosen->options.pcrs = NULL;
	chosen->options.follow = follow_hook();
	return r;
}

static int prepare(struct reseal_work *work, const char *name, struct sr_err *err)
{
	_cleanup_chosen_ struct chosen chosen = { 0 };
	_cleanup_free_ struct done *done = calloc(1, sizeof(*done));
	_cleanup_ring_ struct sr_ring *ring = NULL;
	struct sr_plan plan;
	int r = done ? sr_ring_load(work->store, name, &ring, err)
		     : sr_fail(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = choose(work, ring, name, &chosen, &plan, err);
	if (r == 0)
		r = sr_ring_prepare(ring, work->tpm, choices_ask(), &plan,
				    &chosen.options, &done->prepared, err);
	failed |= r < 0;
	if (r < 0)
		return r;
	say_prepared(name, &done->prepared);
	done->ring = take(ring);
	done->next = first;
	first = take(done);
	return 0;
}

/* The update was made, and what was prepared for others goes; or it was not. */
static int finish(bool made, struct sr_err *err)
{
	int r = 0;

	for (struct done *done = first; done; done = done->next) {
		struct sr_err why = { 0 };
		int one = done->prepared.count == 0
			      ? 0
			      : sr_ring_prepared(done->ring, &done->prepared, made,
						 follow_hook(), &why);

		if (one < 0 && r == 0)
			r = sr_fail(err, one, "%s", why.text);
	}
	return r;
}

/* Neither lock nor TPM is kept from what runs meanwhile: it may come back here. */
static int run(struct reseal_work *work, char **command, struct sr_err *err)
{
	int status, r;

	follow_end();
	sr_tpm_close(take(work->tpm));
	status = reseal_run(command, err);
	if (status < 0)
		failed = true;
	r = follow_start(work->store, status < 0 ? NULL : err);
	if (r == 0)
		r = finish(status == 0, err);
	if (status > 0 && r == 0)
		tool_say("%s failed: what was prepared for it is taken back", command[0]);
	if (status > 0)
		tool_end_with(status);
	return status < 0 ? status : r;
}

static void check_image(const struct reseal_work *work)
{
	if (first && sr_image_current(work->store, NULL) == 0)
		tool_warn("the initramfs has not what was prepared: build it anew: "
			  "update-initramfs -u, or dracut --force");
}

static int undo(struct reseal_work *work, const char *name, struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	int r = sr_ring_load(work->store, name, &ring, err), removed;

	if (r == 0)
		r = sr_ring_unprepare(ring, work->tpm, choices_ask(), follow_hook(), err);
	removed = r;
	if (r >= 0)
		r = follow_keys(ring, err);
	if (r == 0 && removed > 0)
		tool_say("ring %s: what was prepared is taken back", name);
	else if (r == 0)
		tool_say("ring %s: nothing was prepared", name);
	return r;
}

static int check_words(int count, int behind, struct sr_err *err)
{
	if (count > 1)
		return sr_fail(err, -EINVAL,
			       "usage: tpm-reseal prepare [RING] [-- COMMAND]");
	if (reseal_options.json)
		return sr_fail(err, -EINVAL, "prepare takes no --json");
	if (count == 0 && (choices.pin || choices.new_pin_file))
		return sr_fail(err, -EINVAL,
			       "--pin needs the name of a ring: tpm-reseal prepare RING");
	if (reseal_options.undo && (behind || choices.pcrs || reseal_options.next_boot ||
				    reseal_options.log || reseal_options.cab ||
				    reseal_options.dbx.count + reseal_options.db.count +
					    reseal_options.kek.count >
					0))
		return sr_fail(err, -EINVAL,
			       "--undo takes back all that was prepared: nothing else "
			       "goes with it");
	return 0;
}

static int prepare_all(struct reseal_work *work, int argc, char **argv, char **command,
		       struct sr_err *err)
{
	int r = reseal_foresee(work, &foreseen, err);

	follow_remedy("prepare again");
	if (r == 0)
		r = reseal_each(work, argc, argv, prepare, err);
	if (r == 0)
		check_image(work);
	if (r == 0 && !failed && *command)
		return run(work, command, err);
	if (!*command)
		return r < 0 ? r : finish(true, err);
	if (r == 0)
		tool_warn(
		    "%s is not run, as not every ring could be prepared: name those "
		    "that matter: tpm-reseal prepare RING",
		    command[0]);
	return finish(false, r < 0 ? NULL : err) ?: r;
}

int reseal_prepare(int argc, char **argv, struct sr_err *err)
{
	_cleanup_reseal_work_ struct reseal_work work = { 0 };
	int behind = tool_behind(), count = argc - behind;
	int r = check_words(count, behind, err);

	if (r == 0)
		r = reseal_work_start(&work, err);
	if (r == 0)
		r = follow_start(work.store, err);
	if (r == 0)
		r = reseal_options.undo
			? reseal_each(&work, count, argv, undo, err)
			: prepare_all(&work, count, argv, argv + count, err);
	forget();
	return r;
}
