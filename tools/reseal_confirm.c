/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-reseal confirm: this boot is good, so rings are sealed to just its state. */
#include <errno.h>

#include "choices.h"
#include "follow.h"
#include "luks/follow.h"
#include "reseal.h"

static bool is_named;

static void say_confirmed(const char *name, const struct sr_confirmation *confirmed)
{
	switch (confirmed->what) {
	case SR_CONFIRMED_DROPPED:
		tool_say("ring %s: what was prepared in an earlier boot is taken away",
			 name);
		break;
	case SR_CONFIRMED_STATE:
		tool_say("ring %s is sealed to just this boot state", name);
		break;
	case SR_CONFIRMED_LATER:
		tool_say(
		    "ring %s is sealed to just this boot state: the next boot has to "
		    "prove it",
		    name);
		break;
	default: /* at boot there mostly is, and nobody reads it */
		if (*confirmed->text || is_named || tool_is_terminal())
			tool_say("ring %s: %s", name,
				 *confirmed->text ? confirmed->text
						  : "nothing to confirm");
	}
	if (*confirmed->warning)
		tool_warn("%s: tpm-reseal explain will know less of this boot",
			  confirmed->warning);
}

/* Nobody is asked for the PINs of all rings, and certainly not at boot. */
static const struct sr_ask *ask(void)
{
	return is_named || choices.pin_file ? choices_ask() : NULL;
}

/* A header that was not written, as the machine lost its power or the volume was away. */
static int catch_up(struct reseal_work *work, struct sr_ring *ring, const char *name,
		    struct sr_err *err)
{
	const struct sr_follow *hook = follow_hook();
	int r;

	if (!sr_follow_older(work->store, ring))
		return 0;
	r = sr_ring_open_for_admin(ring, work->tpm, ask(), err);
	if (r == 0)
		r = hook->follow(hook->arg, ring, NULL, false, err);
	if (r == 0)
		tool_say("ring %s: the headers of its volumes have its approvals again",
			 name);
	return r;
}

static int confirm(struct reseal_work *work, const char *name, struct sr_err *err)
{
	_cleanup_chosen_ struct chosen chosen = { 0 };
	_cleanup_ring_ struct sr_ring *ring = NULL;
	struct sr_confirmation confirmed;
	struct sr_ring_info info;
	int r = sr_ring_load(work->store, name, &ring, err);

	if (r == 0)
		r = sr_ring_info(ring, &info, err);
	if (r == 0)
		r = choices_ring(work->tpm, name, info.pin, &chosen, err);
	chosen.options.follow = follow_hook();
	if (r == 0)
		r = sr_ring_confirm_boot(ring, work->tpm, ask(), &chosen.options,
					 &confirmed, err);
	if (r == 0)
		r = follow_keys(ring, err);
	if (r == 0)
		say_confirmed(name, &confirmed);
	if (r == 0 && confirmed.what == SR_CONFIRMED_NOTHING && !*confirmed.text)
		r = catch_up(work, ring, name, err);
	return r;
}

int reseal_confirm(int argc, char **argv, struct sr_err *err)
{
	_cleanup_reseal_work_ struct reseal_work work = { 0 };
	int r = 0;

	is_named = argc > 0;
	if (choices.pcrs || reseal_options.json)
		r = sr_fail(err, -EINVAL, "confirm takes neither --pcrs nor --json");
	if (r == 0 && argc == 0 && (choices.pin || choices.new_pin_file))
		r = sr_fail(err, -EINVAL,
			    "--pin needs the name of a ring: tpm-reseal confirm RING");
	if (r == 0)
		r = reseal_work_start(&work, err);
	if (r == 0)
		r = follow_start(work.store, err);
	return r < 0 ? r : reseal_each(&work, argc, argv, confirm, err);
}
