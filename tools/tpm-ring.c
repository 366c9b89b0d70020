/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-ring: what there is, and the life of a ring. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "choices.h"
#include "follow.h"
#include "json.h"
#include "prompt.h"
#include "reseal.h"

static const char *escrow_key;
static bool as_json, force;

static const struct option_row options[] = {
	{ 'j', "json", OPTION_FLAG, &as_json, NULL, "list and show as JSON", NULL },
	{ 0, "new-pin-file", OPTION_TEXT, &choices.new_pin_file, "FILE",
	  "rotate: read the new PIN from FILE", NULL },
	{ 0, "escrow-key", OPTION_TEXT, &escrow_key, "FILE",
	  "recover with this private key", NULL },
	{ 'f', "force", OPTION_FLAG, &force, NULL, "remove without asking", NULL },
	{ 0 },
};

/* What a command works with; all of it empty until it is needed. */
struct work {
	struct sr_store *store;
	struct sr_ring *ring;
	struct sr_tpm *tpm;
	struct chosen chosen;
};

static void work_done(struct work *work)
{
	follow_end();
	choices_done(&work->chosen);
	sr_tpm_close(work->tpm);
	sr_ring_free(work->ring);
	sr_store_close(work->store);
}

#define _cleanup_work_ _cleanup_(work_done)

static int load(struct work *work, const char *name, struct sr_err *err)
{
	int r = work->store ? 0 : tool_store(&work->store, err);

	return r < 0 ? r : sr_ring_load(work->store, name, &work->ring, err);
}

/* Everything is chosen and asked for before the ring is opened. */
static int load_and_choose(struct work *work, const char *name, struct sr_err *err)
{
	int r = load(work, name, err);

	if (r == 0)
		r = tool_tpm(work->store, &work->tpm, err);
	return r < 0 ? r : choices_recovery(work->store, name, &work->chosen, err);
}

static int start(struct work *work, struct sr_err *err)
{
	int r = tool_store(&work->store, err);

	return r < 0 ? r : tool_tpm(work->store, &work->tpm, err);
}

static void day(time_t when, char ret[SR_TIME_TEXT])
{
	sr_time_format(when, ret);
	ret[10] = '\0';
}

static void print_text(struct sr_ring_info *info, char **secrets)
{
	char made[SR_TIME_TEXT];

	day(info->created, made);
	printf("%s%s%s  %s%s  %zu secret%s, made %s\n", tool_bold(true, STDOUT_FILENO),
	       info->name, tool_bold(false, STDOUT_FILENO), info->pcrs,
	       info->pin ? "+PIN" : "", info->secrets, info->secrets == 1 ? "" : "s",
	       made);
	for (char **secret = secrets; *secret; secret++)
		printf("  %s\n", *secret);
}

static struct json_object *to_json(const struct sr_ring_info *info, char **secrets)
{
	struct json_object *ring = json_object_new_object();
	struct json_object *names = json_object_new_array();

	for (char **secret = secrets; *secret; secret++)
		json_object_array_add(names, json_object_new_string(*secret));
	json_add_text(ring, "name", info->name);
	json_add_text(ring, "id", info->id);
	json_add_text(ring, "pcrs", info->pcrs);
	json_object_object_add(ring, "pin", json_object_new_boolean(info->pin));
	json_add_time(ring, "created", info->created);
	json_object_object_add(ring, "recovery_key",
			       json_object_new_boolean(info->recovery_key));
	json_object_object_add(ring, "escrow", json_object_new_int((int)info->escrow));
	json_object_object_add(ring, "recovery_intact",
			       json_object_new_boolean(info->recovery_intact));
	json_add_time(ring, "recovery_proven", info->recovery_proven);
	json_object_object_add(
	    ring, "latch", info->latch ? json_object_new_int((int)info->latch) : NULL);
	json_object_object_add(ring, "managed", json_object_new_boolean(info->managed));
	json_object_object_add(ring, "secrets", names);
	return ring;
}

static int list_one(struct sr_store *store, const char *name, struct json_object *into,
		    struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	_cleanup_strv_ char **secrets = NULL;
	struct sr_ring_info info;
	int r = sr_ring_load(store, name, &ring, err);

	if (r == 0)
		r = sr_ring_info(ring, &info, err);
	if (r == 0)
		r = sr_ring_secrets(ring, &secrets, err);
	if (r < 0)
		return r;
	if (into)
		json_object_array_add(into, to_json(&info, secrets));
	else
		print_text(&info, secrets);
	return 0;
}

static int cmd_list(int argc, char **argv, struct sr_err *err)
{
	_cleanup_store_ struct sr_store *store = NULL;
	_cleanup_strv_ char **rings = NULL;
	struct json_object *array = NULL;
	int r = tool_store(&store, err);

	if (r == 0)
		r = sr_store_rings(store, &rings, err);
	if (r < 0)
		return r;
	if (argc > 0 && !as_json)
		return list_one(store, argv[0], NULL, err);
	if (as_json)
		array = json_object_new_array();
	if (argc > 0)
		r = list_one(store, argv[0], array, err);
	for (char **ring = rings; argc == 0 && *ring; ring++) {
		struct sr_err why = { 0 };
		int failed = list_one(store, *ring, array, &why);

		if (failed < 0)
			tool_complain(failed, &why);
	}
	if (!as_json && !*rings)
		tool_say("no rings in %s: tpm-seal makes one", sr_store_path(store));
	r = json_list_end(array, r);
	return r < 0 ? r : 0;
}

static void print_details(const struct sr_ring_info *info)
{
	char created[SR_TIME_TEXT], proven[SR_TIME_TEXT];

	sr_time_format(info->created, created);
	sr_time_format(info->recovery_proven, proven);
	printf("Ring:      %s\nId:        %s\nSealed to: %s%s\nMade:      %s\nSecrets:   "
	       "%zu\n",
	       info->name, info->id, info->pcrs, info->pin ? " and a PIN" : "", created,
	       info->secrets);
	if (info->latch)
		printf("Closed by: PCR %u; its key is %s\n", info->latch,
		       info->managed ? "kept in ring system, to change it with"
				     : "not kept in ring system");
	if (!info->recovery_key && !info->escrow) {
		puts("Recovery:  none");
		return;
	}
	printf("Recovery:  %s%u escrow certificate%s, %s, %s%s\n",
	       info->recovery_key ? "recovery key, " : "", info->escrow,
	       info->escrow == 1 ? "" : "s", info->recovery_intact ? "intact" : "damaged",
	       info->recovery_proven ? "proven " : "never tried",
	       info->recovery_proven ? proven : "");
}

static int cmd_show(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = { 0 };
	struct sr_ring_info info;
	int r;

	if (as_json)
		return cmd_list(argc, argv, err);
	r = load(&work, argv[0], err);
	if (r == 0)
		r = sr_ring_info(work.ring, &info, err);
	if (r == 0)
		print_details(&info);
	return r;
}

static int cmd_create(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = { 0 };
	int r = start(&work, err);

	(void)argc;
	return r < 0 ? r
		     : choices_new_ring(work.store, work.tpm, argv[0], &work.ring, err);
}

static int rotate(struct work *work, const char *name, struct sr_err *err)
{
	struct sr_progress progress = { tool_progress, (void *)"encrypting" };
	struct sr_ring_info info;
	int r = sr_ring_info(work->ring, &info, err);

	if (r == 0)
		r = choices_ring(work->tpm, name, info.pin, &work->chosen, err);
	if (r == 0)
		r = sr_ring_open_for_admin(work->ring, work->tpm, choices_ask(), err);
	work->chosen.options.follow = follow_hook();
	return r < 0 ? r
		     : sr_ring_rotate(work->ring, work->tpm, &work->chosen.options,
				      &progress, err);
}

static char *join(char **keys)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (char **key = keys; out && *key; key++)
		fprintf(out, "%s%s", key == keys ? "" : ", ", *key);
	if (out && fclose(out) != 0)
		free(take(text));
	return text;
}

/*
 * Names of the keys that @list finds for a ring, for a line; NULL if there are none, or if they
 * can't be seen, which is said.
 */
static char *names_of(int (*list)(const struct sr_ring *, char ***, struct sr_err *),
		      const struct sr_ring *ring, const char *name)
{
	_cleanup_strv_ char **keys = NULL;
	struct sr_err why = { .text = "out of memory" };
	int r = list(ring, &keys, &why);
	char *text = r > 0 ? join(keys) : NULL;

	if (r != 0 && !text)
		tool_warn("which keys ring %s has can't be seen: %s", name, why.text);
	return text;
}

/* The old approver is theirs for good. */
static void say_keys(const struct sr_ring *ring, const char *name)
{
	_cleanup_free_ char *keys = names_of(sr_ring_keys, ring, name);

	if (keys)
		tool_say("who had the old key can still approve boot states for these "
			 "keys, until they are made anew: %s",
			 keys);
}

static int cmd_rotate(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = { 0 };
	int r = tool_store(&work.store, err);

	(void)argc;
	if (r == 0)
		r = follow_start(work.store, err);
	if (r == 0)
		r = load_and_choose(&work, argv[0], err);
	if (r == 0)
		r = rotate(&work, argv[0], err);
	if (r == 0)
		tool_say("ring %s in %s has a new key", argv[0],
			 sr_store_path(work.store));
	if (r == 0)
		say_keys(work.ring, argv[0]);
	if (r == 0)
		reseal_take_baseline(work.ring, work.tpm);
	return r;
}

static int cmd_recovery_test(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = { 0 };
	int r = load(&work, argv[0], err);

	(void)argc;
	if (r == 0)
		r = choices_open_recovery(work.ring, argv[0], escrow_key, err);
	if (r == 0)
		r = sr_ring_recovery_proven(work.ring, err);
	if (r == 0)
		tool_say("recovery opens ring %s in %s", argv[0],
			 sr_store_path(work.store));
	return r;
}

static int cmd_recovery_renew(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = { 0 };
	int r = load_and_choose(&work, argv[0], err);

	(void)argc;
	if (r == 0)
		r = sr_ring_open_for_admin(work.ring, work.tpm, choices_ask(), err);
	if (r == 0)
		r = sr_ring_recovery_renew(work.ring, &work.chosen.options.recovery, err);
	if (r == 0)
		tool_say("ring %s in %s has a new recovery copy", argv[0],
			 sr_store_path(work.store));
	return r;
}

static int write_one(struct sr_ring *ring, const char *directory, const char *name,
		     struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	int r = sr_ring_unseal(ring, name, &secret, err);

	return r < 0 ? r : sr_credential_put(directory, name, &secret, err);
}

/* In an emergency one damaged file should not cost the others. */
static int write_all(struct sr_ring *ring, const char *directory, struct sr_err *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = sr_ring_secrets(ring, &names, err);

	for (char **name = names; r >= 0 && *name; name++) {
		struct sr_err why = { 0 };
		int failed = write_one(ring, directory, *name, &why);

		if (failed < 0)
			tool_complain(failed, &why);
	}
	return r < 0 ? r : 0;
}

static int make_new_dir(const char *directory, struct sr_err *err)
{
	if (mkdir(directory, 0700) == 0)
		return 0;
	return errno == EEXIST ? sr_fail(err, -EEXIST, "%s exists already", directory)
			       : sr_fail_sys(err, errno, "cannot make %s", directory);
}

static int cmd_recovery_open(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = { 0 };
	int r = load(&work, argv[0], err);

	(void)argc;
	if (r == 0)
		r = choices_open_recovery(work.ring, argv[0], escrow_key, err);
	if (r == 0)
		r = make_new_dir(argv[1], err);
	if (r == 0)
		r = write_all(work.ring, argv[1], err);
	if (r == 0)
		tool_say("the secrets of ring %s are in %s, in the clear", argv[0],
			 argv[1]);
	return r;
}

static int cmd_export(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = { 0 };
	int r = load(&work, argv[0], err);

	(void)argc;
	if (r == 0)
		r = sr_ring_export(work.ring, argv[1], err);
	if (r == 0)
		tool_say("ring %s is in %s: tpm-ring import takes it over with the "
			 "recovery key",
			 argv[0], argv[1]);
	return r;
}

static int open_imported(struct sr_ring *ring, void *arg, struct sr_err *err)
{
	return choices_open_recovery(ring, arg, escrow_key, err);
}

static int cmd_import(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = { 0 };
	struct sr_ring_info info;
	int r = start(&work, err);

	(void)argc;
	if (r == 0)
		r = choices_ring(work.tpm, argv[1], false, &work.chosen, err);
	if (r == 0)
		r = sr_ring_import(work.store, argv[0], argv[1], work.tpm, open_imported,
				   argv[1], &work.chosen.options, err);
	if (r == 0)
		r = sr_ring_load(work.store, argv[1], &work.ring, err);
	if (r == 0)
		r = sr_ring_info(work.ring, &info, err);
	if (r == 0)
		tool_say("ring %s is in %s, sealed to this machine (%s)", info.name,
			 sr_store_path(work.store), info.pcrs);
	return r;
}

/* What is in headers opens without the store, and can't be re-sealed any more. */
static void warn_of_volumes(const struct sr_ring *ring, const char *name)
{
	_cleanup_strv_ char **volumes = NULL;
	struct sr_err why = { 0 };
	int r = sr_ring_volumes(ring, &volumes, &why);

	if (r < 0)
		tool_warn("which volumes ring %s unlocks can't be seen: %s", name,
			  why.text);
	if (r > 0)
		tool_warn("ring %s unlocks volumes, and goes on doing so until: tpm-luks "
			  "remove --all DEVICE",
			  name);
}

/*
 * Those of the TPM work as long as the boot state is one of those that were approved; those in
 * software are secrets of the ring.
 */
static void warn_of_keys(const struct sr_ring *ring, const char *name)
{
	_cleanup_free_ char *soft = names_of(sr_ring_softkeys, ring, name);
	_cleanup_free_ char *keys = names_of(sr_ring_keys, ring, name);

	if (soft)
		tool_warn(
		    "keys in software whose private parts ring %s has are lost with "
		    "it: %s",
		    name, soft);
	if (keys)
		tool_warn("keys that are bound to ring %s can't follow another boot "
			  "state any more: make new ones: %s",
			  name, keys);
}

/* One that can't be read can be removed as well. */
static void warn_of_removal(struct sr_store *store, const char *name)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	struct sr_err why = { 0 };
	int r = sr_ring_load(store, name, &ring, &why);

	if (r == 0) {
		warn_of_volumes(ring, name);
		warn_of_keys(ring, name);
	} else if (r != -ENOKEY) {
		tool_warn("which keys and volumes ring %s has can't be seen: %s", name,
			  why.text);
	}
}

static int cmd_remove(int argc, char **argv, struct sr_err *err)
{
	_cleanup_store_ struct sr_store *store = NULL;
	char question[SR_NAME_MAX + 64];
	int r = tool_store(&store, err);

	(void)argc;
	(void)snprintf(question, sizeof(question),
		       "Remove ring %.*s and all its secrets?", SR_NAME_MAX, argv[0]);
	if (r == 0)
		warn_of_removal(store, argv[0]);
	if (r == 0 && !force && !prompt_yes(question))
		return sr_fail(err, -EINVAL,
			       "ring %s stays: --force removes without asking", argv[0]);
	if (r == 0)
		r = sr_ring_remove(store, argv[0], err);
	if (r == 0)
		tool_say("removed ring %s from %s", argv[0], sr_store_path(store));
	return r;
}

static const struct command_row commands[] = {
	{ "list", "[RING]", 0, 1, cmd_list, "rings and the names of their secrets" },
	{ "show", "RING", 1, 1, cmd_show, "all that is known without opening it" },
	{ "create", "RING", 1, 1, cmd_create, "make a ring" },
	{ "rotate", "RING", 1, 1, cmd_rotate,
	  "new ring key, everything encrypted again" },
	{ "recovery test", "RING", 1, 1, cmd_recovery_test, "prove that recovery works" },
	{ "recovery renew", "RING", 1, 1, cmd_recovery_renew,
	  "choose anew who recovers" },
	{ "recovery open", "RING DIR", 2, 2, cmd_recovery_open,
	  "secrets into DIR, without TPM" },
	{ "export", "RING DIR", 2, 2, cmd_export, "copy for another machine" },
	{ "import", "DIR RING", 2, 2, cmd_import, "take over such a copy" },
	{ "remove", "RING", 1, 1, cmd_remove, "remove a ring and its secrets" },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-ring",
		.usage = "[OPTIONS] COMMAND",
		.summary = "Rings: secrets that are sealed together, and how they are "
			   "recovered.",
		.options = options,
		.more = ring_options,
		.commands = commands,
	};

	return tool_main(&tool, argc, argv);
}
