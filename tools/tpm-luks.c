/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-luks: let a ring unlock LUKS volumes. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "choices.h"
#include "luks/enroll.h"
#include "luks/follow.h"
#include "luks_list.h"
#include "prompt.h"
#include "tool.h"

#define DEFAULT_RING "boot"
#define PASSPHRASE_MAX 8192 /* bytes in a file that unlocks a volume, at most */

static const char *ring_name, *passphrase_file, *header_backup;
static bool unlock_with_token, remove_all, as_json;

static const struct option_row options[] = {
	{ 'r', "ring", OPTION_TEXT, &ring_name, "RING", "this ring unlocks it (boot)",
	  NULL },
	{ 0, "passphrase-file", OPTION_TEXT, &passphrase_file, "FILE",
	  "a passphrase that unlocks it now", NULL },
	{ 0, "unlock-with-token", OPTION_FLAG, &unlock_with_token, NULL,
	  "one of its tokens unlocks it now", NULL },
	{ 0, "header-backup", OPTION_TEXT, &header_backup, "FILE",
	  "first copy its header into a new FILE", NULL },
	{ 0, "all", OPTION_FLAG, &remove_all, NULL,
	  "remove: of all rings, recovery keys too", NULL },
	{ 'j', "json", OPTION_FLAG, &as_json, NULL, "list as JSON", NULL },
	{ 0 },
};

struct work {
	struct sr_store *store;
	struct sr_tpm *tpm;
	struct sr_ring *ring;
	struct sr_volume *volume;
	struct sr_secret key;
	int lock;
};

#define WORK ((struct work){ .lock = -1 })

static void work_done(struct work *work)
{
	sr_secret_done(&work->key);
	sr_volume_close(work->volume);
	sr_ring_free(work->ring);
	sr_tpm_close(work->tpm);
	sr_store_close(work->store);
	if (work->lock >= 0)
		(void)close(work->lock);
}

#define _cleanup_work_ _cleanup_(work_done)

static const char *wanted_ring(void)
{
	return ring_name ? ring_name : DEFAULT_RING;
}

/* As it is, as cryptsetup would take it; else without the newline that an editor added. */
static int key_by_passphrase(struct work *work, struct sr_secret *passphrase,
			     struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret line = { 0 };
	int r = sr_volume_key(work->volume, passphrase, &work->key, err);

	if (r != -EACCES || !passphrase->size ||
	    passphrase->data[passphrase->size - 1] != '\n')
		return r;
	r = sr_secret_copy(passphrase->data, passphrase->size - 1, &line, err);
	return r < 0 ? r : sr_volume_key(work->volume, &line, &work->key, err);
}

static int give_token_pin(void *arg, const char *name, struct sr_secret *ret,
			  struct sr_err *err)
{
	char question[128];

	if (choices.pin_file)
		return choices_ask()->pin(arg, name, ret, err);
	(void)snprintf(question, sizeof(question), "PIN of a token of %.64s", name);
	return prompt_secret(question, SR_SECRET_MAX, ret, err);
}

/* The volume key, by whatever unlocks the volume already. */
static int get_key(struct work *work, struct sr_err *err)
{
	static const struct sr_ask ask = { .pin = give_token_pin };
	_cleanup_secret_ struct sr_secret passphrase = { 0 };
	char question[128];
	int r;

	if (work->key.size)
		return 0;
	if (unlock_with_token)
		return sr_volume_key_by_token(work->volume, &ask, &work->key, err);
	(void)snprintf(question, sizeof(question), "Passphrase of %.96s",
		       work->volume->path);
	r = passphrase_file
		? choices_read_file(passphrase_file, PASSPHRASE_MAX, &passphrase, err)
		: prompt_secret(question, PASSPHRASE_MAX, &passphrase, err);
	if (r == -EACCES && !passphrase_file)
		return sr_fail(err, r,
			       "%s: a passphrase that opens it is needed: "
			       "--passphrase-file FILE",
			       work->volume->path);
	return r < 0 ? r : key_by_passphrase(work, &passphrase, err);
}

/* A ring that exists is used as it is; a promise it doesn't keep is refused. */
static int check_promises(struct sr_ring *ring, struct sr_err *err)
{
	struct sr_ring_info info;
	int r = sr_ring_info(ring, &info, err);

	if (r < 0 ||
	    !(choices.pcrs || choices.pin || choices.escrow.count || choices.no_recovery))
		return r;
	return sr_fail(
	    err, -EINVAL,
	    "ring %s exists: see tpm-reseal now %s and tpm-ring recovery renew "
	    "%s, which change it",
	    info.name, info.name, info.name);
}

/* What was made meanwhile by another program is as good. */
static int make_ring(struct work *work, struct sr_err *err)
{
	int r = choices_new_ring(work->store, work->tpm, wanted_ring(), &work->ring, err);

	return r == -EEXIST &&
		       sr_ring_load(work->store, wanted_ring(), &work->ring, NULL) == 0
		   ? 0
		   : r;
}

/* Nobody should be left with new rings, and a passphrase that was mistyped. */
static int prepare_ring(struct work *work, struct sr_err *err)
{
	int r = sr_ring_load(work->store, wanted_ring(), &work->ring, err);

	if (r == 0)
		r = check_promises(work->ring, err);
	if (r < 0 && r != -ENOKEY)
		return r;
	if (r == -ENOKEY)
		r = get_key(work, err);
	if (r == 0)
		r = tool_tpm(work->store, &work->tpm, err);
	if (r == 0 && !work->ring)
		r = make_ring(work, err);
	return r;
}

static int read_recovery_key(struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret typed = { 0 };
	int r = choices_read_file(choices.recovery_key_file, 256, &typed, err);

	return r < 0 ? r : sr_recovery_key_parse(&typed, ret, err);
}

/* The recovery key, where it was given, serves if nothing else opens the ring now. */
static int open_ring(struct work *work, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret key = { 0 };
	int r = sr_ring_open_for_admin(work->ring, work->tpm, choices_ask(), err);

	if ((r != -EKEYREJECTED && r != -EREMOTE) || !choices.recovery_key_file)
		return r;
	r = read_recovery_key(&key, err);
	return r < 0 ? r : sr_ring_open_recovery(work->ring, &key, err);
}

/* Loaded anew, as it may have been re-sealed while we waited. */
static int lock_and_open(struct work *work, struct sr_err *err)
{
	int r = sr_volume_lock(work->store, &work->lock, err);

	sr_ring_free(take(work->ring));
	if (r == 0)
		r = sr_ring_load(work->store, wanted_ring(), &work->ring, err);
	return r < 0 ? r : open_ring(work, err);
}

/* Noted first: a volume that is noted for nothing does no harm, one that isn't does. */
static int enroll(struct work *work, struct sr_enrolled *ret, struct sr_err *err)
{
	int r = sr_follow_note(work->store, work->ring, work->volume, err);

	if (r == 0)
		r = sr_enroll_refresh(work->volume, work->ring, false, ret, err);
	if (r != -ENOENT)
		return r;
	r = get_key(work, err);
	return r < 0 ? r : sr_enroll_add(work->volume, work->ring, &work->key, ret, err);
}

/* What is typed at the prompt must open the ring, too: it is shown to do so first. */
static int enroll_recovery(struct work *work, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret recovery_key = { 0 };
	_cleanup_ring_ struct sr_ring *ring = NULL;
	struct sr_enrolled enrolled;
	struct sr_ring_info info;
	int r = sr_ring_load(work->store, wanted_ring(), &ring, err);

	if (r == 0)
		r = read_recovery_key(&recovery_key, err);
	if (r == 0)
		r = sr_ring_open_recovery(ring, &recovery_key, err);
	if (r == 0)
		r = sr_ring_info(ring, &info, err);
	if (r == 0 && !work->key.size)
		r = sr_enroll_key(work->volume, work->ring, &work->key, err);
	if (r == 0)
		r = sr_enroll_recovery(work->volume, &info, &recovery_key, &work->key,
				       &enrolled, err);
	if (r == 0)
		tool_say(
		    "the recovery key of ring %s opens keyslot %d of %s, typed as it "
		    "was printed",
		    info.name, enrolled.slot, work->volume->path);
	return r;
}

/* A token in a header of what the running system opens would make the latch void. */
static void say_enrolled(struct work *work, const struct sr_enrolled *enrolled)
{
	struct sr_ring_info info;

	if (sr_ring_info(work->ring, &info, NULL) < 0)
		return;
	tool_say(enrolled->written
		     ? "ring %s in %s unlocks keyslot %d of %s (%s)"
		     : "ring %s in %s unlocks keyslot %d of %s already (%s)",
		 info.name, sr_store_path(work->store), enrolled->slot,
		 work->volume->path, info.pcrs);
	if (!info.latch)
		tool_warn("ring %s is not closed when the initramfs is left: any system "
			  "that boots in this state unlocks the volume; ring boot would "
			  "not",
			  info.name);
	if (enrolled->written && !header_backup)
		tool_say("older backups of its header have no such keyslot: "
			 "--header-backup FILE makes one before a change");
}

/* A device or file; or a volume of a ring by its UUID, also one that is not here. */
static int open_volume(struct work *work, const char *name, struct sr_err *err)
{
	int r = tool_store(&work->store, err);

	if (r < 0 || access(name, F_OK) == 0 || !sr_uuid_ok(name))
		return r < 0 ? r : sr_volume_open(name, &work->volume, err);
	return sr_follow_find(work->store, name, &work->volume, err);
}

static int cmd_enroll(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = WORK;
	struct sr_enrolled enrolled;
	char spec[SR_SPEC_TEXT];
	int r = open_volume(&work, argv[0], err);

	(void)argc;
	if (r == 0)
		r = sr_volume_check(work.volume, spec, err);
	if (r == 0 && header_backup)
		r = sr_volume_backup(work.volume, header_backup, err);
	if (r == 0)
		r = prepare_ring(&work, err);
	if (r == 0)
		r = lock_and_open(&work, err);
	if (r == 0)
		r = sr_volume_reload(work.volume, err);
	if (r == 0)
		r = enroll(&work, &enrolled, err);
	if (r < 0)
		return r;
	say_enrolled(&work, &enrolled);
	return choices.recovery_key_file ? enroll_recovery(&work, err) : 0;
}

static int cmd_list(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = WORK;
	int r = argc ? open_volume(&work, argv[0], err) : tool_store(&work.store, err);

	if (r < 0)
		return r;
	if (!argc)
		return luks_list_store(work.store, as_json, err);
	luks_list_volume(work.store, work.volume, as_json);
	return 0;
}

/* By its id, where the store knows the ring: another one may have had its name. */
static int choose_id(struct work *work, char ret[33], struct sr_err *err)
{
	struct sr_ring_info info;
	int r = sr_ring_load(work->store, wanted_ring(), &work->ring, err);

	if (r == 0)
		r = sr_ring_info(work->ring, &info, err);
	if (r == 0)
		(void)snprintf(ret, 33, "%s", info.id);
	if (r != -ENOKEY)
		return r;
	return sr_follow_id(work->volume, wanted_ring(), ret, err);
}

/* Needed only to tell whose keyslot an interrupted enrolment left; without, it stays. */
static const struct sr_ring *try_to_open(struct work *work)
{
	bool open =
	    work->ring && sr_follow_interrupted(work->volume) &&
	    tool_tpm(work->store, &work->tpm, NULL) == 0 &&
	    sr_ring_open_for_admin(work->ring, work->tpm, choices_ask(), NULL) == 0;

	return open ? work->ring : NULL;
}

/* Without a store there is nobody to wait for. */
static int lock_store(struct work *work, struct sr_err *err)
{
	if (access(sr_store_path(work->store), F_OK) < 0 && errno == ENOENT)
		return 0;
	return sr_volume_lock(work->store, &work->lock, err);
}

/* Without the volume all that can be done is to re-seal it no longer. */
static int give_up(struct work *work, const char *uuid, struct sr_err *err)
{
	struct sr_err why = *err;
	int r = lock_store(work, err);

	if (r < 0)
		return r;
	if (!sr_follow_forget(work->store, NULL, uuid))
		return sr_fail(err, -ENOKEY, "%s, and belongs to no ring in %s", why.text,
			       sr_store_path(work->store));
	tool_say("volume %s is not re-sealed any more; if it comes back: tpm-luks remove "
		 "--all DEVICE",
		 uuid);
	return 0;
}

static int remove_tokens(struct work *work, const char *id, struct sr_err *err)
{
	struct sr_unenroll what = { .id = id, .ring = try_to_open(work) };
	int r = sr_enroll_remove(work->volume, &what, err);

	if (r >= 0 || r == -ENOKEY)
		(void)sr_follow_forget(work->store, id, work->volume->uuid);
	if (r >= 0)
		tool_say("%s%s no longer unlocks %s", id ? "ring " : "sealring",
			 id ? wanted_ring() : "", work->volume->path);
	return r < 0 ? r : 0;
}

static int cmd_remove(int argc, char **argv, struct sr_err *err)
{
	_cleanup_work_ struct work work = WORK;
	char id[33];
	int r = remove_all && ring_name
		    ? sr_fail(err, -EINVAL, "--all and --ring: choose one")
		    : open_volume(&work, argv[0], err);

	(void)argc;
	if (r == -ENOKEY)
		return give_up(&work, argv[0], err);
	if (r == 0 && !remove_all)
		r = choose_id(&work, id, err);
	if (r == 0)
		r = lock_store(&work, err);
	if (r == 0)
		r = sr_volume_reload(work.volume, err);
	if (r == 0 && header_backup)
		r = sr_volume_backup(work.volume, header_backup, err);
	return r < 0 ? r : remove_tokens(&work, remove_all ? NULL : id, err);
}

static const struct command_row commands[] = {
	{ "enroll", "DEVICE", 1, 1, cmd_enroll, "let a ring unlock it; again: refresh" },
	{ "list", "[DEVICE]", 0, 1, cmd_list, "volumes of the rings, or its keyslots" },
	{ "remove", "DEVICE", 1, 1, cmd_remove, "take keyslot and token away" },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-luks",
		.usage = "[OPTIONS] COMMAND",
		.summary = "Let a ring unlock LUKS2 volumes, at boot with nobody typing.",
		.options = options,
		.more = ring_options,
		.commands = commands,
		.epilog =
		    "The first use makes ring boot, with the options from --pcrs on.",
	};

	return tool_main(&tool, argc, argv);
}
