/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-reseal: how rings stand in this boot, and approving the boot state anew. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "choices.h"
#include "follow.h"
#include "json.h"
#include "prompt.h"
#include "reseal.h"

static const char *escrow_key;

static const struct option_row options[] = {
	{ 'j', "json", OPTION_FLAG, &reseal_options.json, NULL, "print JSON", NULL },
	{ 0, "pcrs", OPTION_TEXT, &choices.pcrs, "LIST", "seal to these PCRs from now on",
	  NULL },
	{ 0, "pin", OPTION_FLAG, &choices.pin, NULL, "ask for a new PIN", NULL },
	{ 0, "pin-file", OPTION_TEXT, &choices.pin_file, "FILE", "read the PIN from FILE",
	  NULL },
	{ 0, "new-pin-file", OPTION_TEXT, &choices.new_pin_file, "FILE",
	  "read the new PIN from FILE", NULL },
	{ 0, "accept-unmeasured", OPTION_FLAG, &choices.accept_unmeasured, NULL,
	  "take PCRs that firmware left alone", NULL },
	{ 0, "recovery-key-file", OPTION_TEXT, &choices.recovery_key_file, "FILE",
	  "read the recovery key from FILE", NULL },
	{ 0, "escrow-key", OPTION_TEXT, &escrow_key, "FILE",
	  "recover with this private key", NULL },
	{ 0, "manage", OPTION_TEXT, &choices.manage, "YES|NO",
	  "recover: keep ring boot's key in ring system", NULL },
	{ 0, "baseline", OPTION_TEXT, &reseal_options.baseline, "FILE",
	  "explain: event log of the good boot", NULL },
	{ 0, "log", OPTION_TEXT, &reseal_options.log, "FILE",
	  "event log, instead of this boot's", NULL },
	{ 0, "dbx", OPTION_LIST, &reseal_options.dbx, "FILE", "this update of dbx",
	  NULL },
	{ 0, "db", OPTION_LIST, &reseal_options.db, "FILE", "this update of db", NULL },
	{ 0, "kek", OPTION_LIST, &reseal_options.kek, "FILE", "this update of KEK",
	  NULL },
	{ 0, "next-boot", OPTION_MAY_TEXT, &reseal_options.next_boot, "N",
	  "prepare: whatever PCR 0 is in N boots", NULL },
	{ 0, "cab", OPTION_TEXT, &reseal_options.cab, "FILE",
	  "prepare: PCR 0 as the vendor says", NULL },
	{ 0, "undo", OPTION_FLAG, &reseal_options.undo, NULL, "prepare: take that back",
	  NULL },
	{ 0 },
};

/* What a script learns: as if it had tried to open the ring. */
static int state_number(enum sr_state state)
{
	switch (state) {
	case SR_STATE_READY:
	case SR_STATE_PENDING:
	case SR_STATE_BRIDGED:
		return 0;
	case SR_STATE_DRIFTED:
		return -EKEYREJECTED;
	case SR_STATE_FOREIGN:
		return -EREMOTE;
	case SR_STATE_DAMAGED:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

static void print_json(struct reseal_work *work, const char *name,
		       const struct sr_status *status)
{
	struct json_object *ring = json_object_new_object();
	struct json_object *pcrs = json_object_new_array();

	for (int pcr = 0; pcr < 24; pcr++)
		if (status->changed & 1U << pcr)
			json_object_array_add(pcrs, json_object_new_int(pcr));
	json_add_text(ring, "name", name);
	json_add_text(ring, "state", sr_state_name(status->state));
	json_object_object_add(ring, "changed", pcrs);
	json_add_time(ring, "approved", status->approved);
	json_add_time(ring, "failed", status->failed);
	json_add_text(ring, "text", status->text);
	json_object_array_add(work->array, ring);
}

static int show_status(struct reseal_work *work, const char *name, struct sr_err *err)
{
	struct sr_status status;
	int r = sr_ring_status(work->store, name, work->tpm, &status, err);

	if (r < 0)
		return r;
	follow_status(work->store, name, &status);
	if (work->array)
		print_json(work, name, &status);
	else
		printf("%s: %s%s%s: %s\n", name, tool_bold(true, STDOUT_FILENO),
		       sr_state_name(status.state), tool_bold(false, STDOUT_FILENO),
		       status.text);
	if (!work->worst)
		work->worst = state_number(status.state);
	return 0;
}

static int cmd_status(int argc, char **argv, struct sr_err *err)
{
	_cleanup_reseal_work_ struct reseal_work work = { 0 };
	int r = reseal_work_start(&work, err);

	if (r == 0 && reseal_options.json)
		work.array = json_object_new_array();
	if (r == 0)
		r = reseal_each(&work, argc, argv, show_status, err);
	r = json_list_end(work.array, r);
	if (r == 0 && work.worst)
		tool_fail_silently(work.worst);
	return r;
}

static void say_sealed(struct reseal_work *work, struct sr_ring *ring, bool later)
{
	struct sr_ring_info info;

	if (sr_ring_info(ring, &info, NULL) < 0)
		return;
	if (!later)
		tool_say("ring %s in %s is sealed to the present boot state (%s)",
			 info.name, sr_store_path(work->store), info.pcrs);
	else if (info.latch)
		tool_say("ring %s in %s is sealed to the present boot state (%s) as it "
			 "will be in the initramfs: the next boot has to prove it",
			 info.name, sr_store_path(work->store), info.pcrs);
	else
		tool_say("ring %s in %s is sealed to a boot state to come as well (%s); "
			 "what opens it now stays until then",
			 info.name, sr_store_path(work->store), info.pcrs);
}

static int approve_now(struct reseal_work *work, const char *name, struct sr_err *err)
{
	_cleanup_chosen_ struct chosen chosen = { 0 };
	_cleanup_ring_ struct sr_ring *ring = NULL;
	struct sr_ring_info info;
	int r = sr_ring_load(work->store, name, &ring, err);

	if (r == 0)
		r = sr_ring_info(ring, &info, err);
	if (r == 0)
		r = choices_ring(work->tpm, name, info.pin, &chosen, err);
	chosen.options.follow = follow_hook();
	if (r == 0)
		r = sr_ring_reseal(ring, work->tpm, choices_ask(), &chosen.options, err);
	if (r >= 0)
		say_sealed(work, ring, r);
	if (r == 0)
		reseal_take_baseline(ring, work->tpm);
	return r < 0 ? r : 0;
}

/* What concerns one ring only is not done to all of them by leaving out a word. */
static int check_now(int argc, struct sr_err *err)
{
	if (reseal_options.json)
		return sr_fail(err, -EINVAL,
			       "--json goes with status, events, explain and predict");
	if (argc == 0 && (choices.pcrs || choices.pin || choices.new_pin_file))
		return sr_fail(
		    err, -EINVAL,
		    "--pcrs and --pin need the name of a ring: tpm-reseal now RING");
	return 0;
}

static int cmd_now(int argc, char **argv, struct sr_err *err)
{
	_cleanup_reseal_work_ struct reseal_work work = { 0 };
	int r = check_now(argc, err);

	if (r == 0)
		r = reseal_work_start(&work, err);
	if (r == 0)
		r = follow_start(work.store, err);
	return r < 0 ? r : reseal_each(&work, argc, argv, approve_now, err);
}

/* Who types the key is asked; who names a file that holds it has decided. */
static int ask_first(const char *name, struct sr_err *err)
{
	char question[SR_NAME_MAX + 64];

	if (choices.recovery_key_file || escrow_key)
		return 0;
	(void)snprintf(question, sizeof(question),
		       "Seal ring %.*s to the present boot state?", SR_NAME_MAX, name);
	if (prompt_yes(question))
		return 0;
	return sr_fail(err, -EINVAL,
		       "ring %s is as it was; tpm-unseal opens a secret with "
		       "--recovery-key-file",
		       name);
}

static void say_why(const char *name, const struct sr_status *status)
{
	char changed[SR_CHANGED_TEXT];

	sr_changed_text(status->changed, changed);
	tool_warn("ring %s is %s%s%s%s", name, sr_state_name(status->state),
		  *changed ? ": " : "", changed, *changed ? " changed" : "");
}

/* Through ring "system" where that opens and has its key; else with what recovers it. */
static int open_to_recover(struct reseal_work *work, struct sr_ring *ring,
			   const char *name, bool *managed, struct sr_err *err)
{
	struct sr_ring_info info;
	int r = sr_ring_info(ring, &info, err);

	if (r < 0)
		return r;
	*managed = info.managed &&
		   sr_ring_open_for_admin(ring, work->tpm, choices_ask(), NULL) == 0;
	if (*managed) {
		tool_say("ring %s is opened with its key in ring system", name);
		return 0;
	}
	r = choices_open_recovery(ring, name, escrow_key, err);
	return r < 0 ? r : ask_first(name, err);
}

/* Whoever had to recover it should not have to the next time. */
static int manage(struct reseal_work *work, struct sr_ring *ring, const char *name,
		  struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *manager = NULL;
	struct sr_ring_info info;
	int r = sr_ring_info(ring, &info, err);

	if (r < 0 || info.managed || !info.latch)
		return r;
	r = choices_manager(work->store, work->tpm, name, &manager, err);
	if (r < 0 || !manager)
		return r;
	r = sr_ring_manage(ring, manager, err);
	if (r == 0)
		tool_say("its key is also kept in ring system, to change ring %s with",
			 name);
	return r;
}

static int seal_again(struct reseal_work *work, struct sr_ring *ring, const char *name,
		      bool managed, struct chosen *chosen, struct sr_err *err)
{
	int r = choices_ring(work->tpm, name, false, chosen, err), later = 0;

	if (r == 0)
		later = sr_ring_approve(ring, work->tpm, &chosen->options, err);
	if (r == 0 && later < 0)
		r = later;
	if (r == 0 && !managed)
		r = sr_ring_recovery_proven(ring, err);
	if (r == 0)
		say_sealed(work, ring, later);
	if (r == 0 && !later)
		reseal_take_baseline(ring, work->tpm);
	if (r == 0 && !managed)
		r = manage(work, ring, name, err);
	return r;
}

/* Why is said in any case: a changed boot state should not be approved unseen. */
static int recover_one(struct reseal_work *work, const char *name, struct sr_err *err)
{
	_cleanup_chosen_ struct chosen chosen = { 0 };
	_cleanup_ring_ struct sr_ring *ring = NULL;
	struct sr_ring_info info;
	struct sr_status status;
	bool managed = false;
	int r = sr_ring_status(work->store, name, work->tpm, &status, err);

	if (r < 0)
		return r;
	say_why(name, &status);
	r = sr_ring_load(work->store, name, &ring, err);
	if (r == 0)
		r = open_to_recover(work, ring, name, &managed, err);
	chosen.options.new_tpm = status.state == SR_STATE_FOREIGN;
	chosen.options.follow = follow_hook();
	if (r == 0)
		r = seal_again(work, ring, name, managed, &chosen, err);
	if (r == 0)
		r = sr_ring_info(ring, &info, err);
	if (r < 0)
		return r;
	if (!info.latch)
		tool_say("ring %s in %s opens again: tpm-unseal --all --configured "
			 "delivers its secrets",
			 name, sr_store_path(work->store));
	if (escrow_key)
		tool_say(
		    "tpm-ring rotate %s gives it a key that nobody else can have made",
		    name);
	return 0;
}

static int recover_unless_ready(struct reseal_work *work, const char *name,
				struct sr_err *err)
{
	struct sr_status status;
	int r = sr_ring_status(work->store, name, work->tpm, &status, err);

	if (r < 0)
		return r;
	if (state_number(status.state) == 0 || status.state == SR_STATE_EXPOSED) {
		tool_say("ring %s is %s: nothing to recover", name,
			 sr_state_name(status.state));
		return 0;
	}
	return recover_one(work, name, err);
}

static int cmd_recover(int argc, char **argv, struct sr_err *err)
{
	_cleanup_reseal_work_ struct reseal_work work = { 0 };
	int r = check_now(argc, err);

	if (r == 0)
		r = reseal_work_start(&work, err);
	if (r == 0)
		r = follow_start(work.store, err);
	if (r < 0)
		return r;
	return reseal_each(&work, argc, argv, argc ? recover_one : recover_unless_ready,
			   err);
}

static const struct command_row commands[] = {
	{ "status", "[RING]", 0, 1, cmd_status, "how rings stand in this boot" },
	{ "now", "[RING]", 0, 1, cmd_now, "seal to the present boot state" },
	{ "prepare", "[RING] [-- COMMAND]", 0, INT_MAX, reseal_prepare,
	  "before an update, or around it" },
	{ "confirm", "[RING]", 0, 1, reseal_confirm, "after it: this boot is good" },
	{ "recover", "[RING]", 0, 1, cmd_recover, "the same, opened by recovery" },
	{ "events", "[FILE]", 0, 1, reseal_events, "what a boot's event log says" },
	{ "explain", "[RING]", 0, 1, reseal_explain, "what changed since it was sealed" },
	{ "predict", "[--log FILE]", 0, 0, reseal_predict,
	  "PCR 7 after a Secure Boot update" },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-reseal",
		.usage = "[OPTIONS] COMMAND",
		.summary =
		    "Say how rings stand in this boot, and seal them to its state anew.",
		.options = options,
		.commands = commands,
	};

	return tool_main(&tool, argc, argv);
}
