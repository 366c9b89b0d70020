/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: the life of a key, and which kinds there can be. */
#include <errno.h>
#include <string.h>

#include "json.h"
#include "key_text.h"
#include "prompt.h"
#include "sign.h"

#define DEFAULT_RING "system"
#define PASSPHRASE_MAX 1024 /* bytes */
#define PRIVATE_MAX 16384   /* bytes in a file with a private key */

static bool in_software(void)
{
	return sign_choices.type && sr_key_type_in_software(sign_choices.type);
}

/* What was chosen is for a key of the TPM; for one in software, it is for its ring. */
static int open_ring(void *arg, struct sr_ring **ret, struct sr_err *err)
{
	struct key_work *work = arg;
	const struct choices chosen = choices;
	int r;

	if (!in_software()) {
		choices.pin = false;
		choices.pcrs = NULL;
		choices.pin_file = work->ring_pin ? choices.pin_file : NULL;
	}
	r = choices_use_ring(work->store, &work->tpm, sign_choices.ring ?: DEFAULT_RING,
			     &work->ring, err);
	choices = chosen;
	*ret = work->ring;
	return r;
}

/* The present PIN of a ring that has one, not the key's new one, is in --pin-file. */
static int find_ring_pin(struct key_work *work, struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	struct sr_ring_info info;
	int r = sr_ring_load(work->store, sign_choices.ring, &ring, err);

	if (r == 0)
		r = sr_ring_info(ring, &info, err);
	work->ring_pin = r == 0 && info.pin;
	return r == -ENOKEY ? 0 : r;
}

/* Of what is in software the ring decides; a PIN that is given opens the ring. */
static int choose_conditions(struct key_work *work, const char *name, struct sr_err *err)
{
	int r = 0;

	if (in_software())
		return choices.pin ? sr_fail(err, -EINVAL,
					     "--pin: a key in software has none of its "
					     "own, but its ring may")
				   : 0;
	if (sign_choices.ring && choices.pcrs)
		return sr_fail(err, -EINVAL,
			       "--ring and --pcrs: a key is bound to PCRs for good, or "
			       "follows a ring");
	if (sign_choices.ring)
		r = find_ring_pin(work, err);
	if (choices.pin_file && !work->ring_pin)
		choices.pin = true;
	return r < 0 ? r
		     : choices_ring(work->tpm, name, work->ring_pin, &work->chosen, err);
}

/* All is chosen and asked for before anything is made. */
static int choose(struct key_work *work, const char *name, struct sr_key_options *ret,
		  struct sr_err *err)
{
	int r = key_usage_parse(sign_choices.usage ?: "sign", &ret->usage, err);

	if (r == 0)
		r = tool_store(&work->store, err);
	if (r == 0)
		r = tool_tpm(work->store, &work->tpm, err);
	if (r == 0)
		r = choose_conditions(work, name, err);
	if (r < 0)
		return r;
	ret->open_ring = open_ring;
	ret->arg = work;
	ret->type = sign_choices.type;
	ret->pcrs = choices.pcrs;
	ret->bind = sign_choices.ring;
	ret->pin = work->chosen.options.pin;
	ret->accept_unmeasured = choices.accept_unmeasured;
	ret->exportable = sign_choices.exportable;
	ret->tags = sign_choices.tags.item;
	ret->tag_count = sign_choices.tags.count;
	return 0;
}

static int say_made(const struct key_work *work, const char *what, struct sr_err *err)
{
	struct sr_key_info info;
	int r = sr_key_info(work->key, &info, err);

	if (r == 0)
		tool_say("%s key %s (%s%s%s) in %s: %s", what, info.name, info.type,
			 info.in_tpm ? "" : ", software key under ring ",
			 info.in_tpm ? "" : info.ring, sr_store_path(work->store),
			 key_fingerprint(&info));
	return r;
}

/* Who asked for another kind would be surprised later. */
static int check_there(const struct key_work *work, struct sr_err *err)
{
	const char *type = sign_choices.type;
	struct sr_key_info info;
	int r = sr_key_info(work->key, &info, err);

	if (r == 0 && type && strcmp(type, info.type) != 0)
		return sr_fail(err, -EEXIST,
			       "key %s is there already, and is %s, not %s: choose "
			       "another name, or delete it first",
			       info.name, info.type, type);
	if (r == 0)
		tool_say("key %s is there already, in %s", info.name,
			 sr_store_path(work->store));
	return r < 0 ? r : 1;
}

/* 1 if it is there, whole, and that is all that was asked for. */
static int is_there(const char *name, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	int r =
	    sign_choices.if_missing ? key_work_load(&work, name, false, err) : -ENOKEY;

	if (r < 0)
		return r == -ENOKEY ? 0 : r;
	return check_there(&work, err);
}

int cmd_keygen(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	struct sr_key_options options = { 0 };
	struct sr_key_backup backup;
	int r = is_there(argv[0], err);

	(void)argc;
	if (r != 0)
		return r < 0 ? r : 0;
	r = choose(&work, argv[0], &options, err);
	if (r == 0)
		r = key_backup(&work, &backup, err);
	if (r == 1)
		options.backup = &backup;
	if (r >= 0)
		r = sr_key_generate(work.store, work.tpm, argv[0], &options, &work.key,
				    err);
	return r < 0 ? r : say_made(&work, "made", err);
}

int cmd_rotate(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_key_ struct sr_key *old = NULL;
	struct sr_key_options options = {
		.accept_unmeasured = choices.accept_unmeasured,
		.open_ring = open_ring,
		.arg = &work,
	};
	struct sr_key_backup backup;
	struct sr_key_info info;
	int r = key_work_load(&work, argv[0], true, err);

	(void)argc;
	if (r == 0)
		r = sr_key_info(work.key, &info, err);
	if (r == 0)
		r = key_backup(&work, &backup, err);
	if (r < 0)
		return r;
	options.backup = r == 1 ? &backup : NULL;
	/* As with keygen, --pin-file has the one PIN that there is; the key's, if both do. */
	sign_choices.type = info.type;
	sign_choices.ring = info.ring;
	work.ring_pin = !info.pin;
	old = take(work.key);
	r = sr_key_rotate(work.store, old, work.tpm, choices_ask(), &options, &work.key,
			  err);
	return r < 0 ? r : say_made(&work, "made a new", err);
}

static int give_passphrase(void *arg, const char *name, struct sr_secret *ret,
			   struct sr_err *err)
{
	char question[64];
	int r;

	(void)arg;
	if (sign_choices.passphrase_file)
		return choices_read_typed(sign_choices.passphrase_file, PASSPHRASE_MAX,
					  ret, err);
	(void)snprintf(question, sizeof(question), "Passphrase of %s", name);
	r = prompt_secret(question, PASSPHRASE_MAX, ret, err);
	return r == -EACCES
		   ? sr_fail(err, r,
			     "it takes a passphrase, and there is nobody to ask: "
			     "--passphrase-file FILE")
		   : r;
}

static int import_key(struct key_work *work, const char *name,
		      const struct sr_secret *content, struct sr_err *err)
{
	static const struct sr_ask passphrase = { .pin = give_passphrase };
	struct sr_key_options options = { 0 };
	int r = choose(work, name, &options, err);

	return r < 0 ? r
		     : sr_key_import(work->store, work->tpm, name, content, &passphrase,
				     &options, &work->key, err);
}

static int refuse_making(struct sr_err *err)
{
	return sign_choices.usage || choices.pcrs || sign_choices.ring ||
		       sign_choices.exportable || sign_choices.tags.count
		   ? sr_fail(
			 err, -EINVAL,
			 "--usage, --pcrs, --ring, --exportable, --tag: that key is made "
			 "already")
		   : 0;
}

static int import_file(struct key_work *work, const char *name,
		       const struct sr_secret *content, struct sr_err *err)
{
	int r = refuse_making(err);

	if (r == 0 && (choices.pin || choices.new_pin_file))
		r = sr_fail(err, -EINVAL,
			    "--pin, --new-pin-file: that key is made already; of one "
			    "that has a PIN it is asked, or read by --pin-file");
	if (r == 0)
		r = tool_store(&work->store, err);
	if (r == 0)
		r = tool_tpm(work->store, &work->tpm, err);
	return r < 0 ? r
		     : sr_key_adopt_file(work->store, work->tpm, name, content,
					 choices_ask(), &work->key, err);
}

static int import_pair(struct key_work *work, const char *name,
		       const struct sr_secret *priv, const char *public,
		       struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret pub = { 0 };
	struct sr_key_pair pair = { .priv = priv->data,
				    .priv_size = priv->size,
				    .pin = choices.pin || choices.pin_file };
	int r = refuse_making(err);

	if (r == 0)
		r = choices_read_file(public, PRIVATE_MAX, &pub, err);
	pair.pub = pub.data;
	pair.pub_size = pub.size;
	if (r == 0)
		r = tool_store(&work->store, err);
	if (r == 0)
		r = tool_tpm(work->store, &work->tpm, err);
	return r < 0 ? r
		     : sr_key_adopt(work->store, work->tpm, name, &pair, choices_ask(),
				    &work->key, err);
}

int cmd_import(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_secret_ struct sr_secret content = { 0 };
	const char *file = argc > 1 ? argv[1] : "-";
	int r = choices_read_file(file, PRIVATE_MAX, &content, err);

	if (r == 0)
		r = argc > 2 ? import_pair(&work, argv[0], &content, argv[2], err)
		    : sr_key_is_file(&content)
			? import_file(&work, argv[0], &content, err)
			: import_key(&work, argv[0], &content, err);
	return r < 0 ? r : say_made(&work, "imported", err);
}

static int give_present(void *arg, const char *name, struct sr_secret *ret,
			struct sr_err *err)
{
	const struct sr_secret *present = arg;

	(void)name;
	return sr_secret_copy(present->data, present->size, ret, err);
}

int cmd_passwd(int argc, char **argv, struct sr_err *err)
{
	const struct sr_ask *from = choices_ask();
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_secret_ struct sr_secret present = { 0 };
	const struct sr_ask given = { .pin = give_present, .arg = &present };
	struct sr_key_info info;
	int r = key_work_load(&work, argv[0], true, err);

	(void)argc;
	choices.pin = true;
	if (r == 0)
		r = sr_key_info(work.key, &info, err);
	/* Nobody types any of them to be told that the key can't have one. */
	if (r == 0 && info.pin)
		r = from->pin(from->arg, argv[0], &present, err);
	if (r == 0 && info.pin)
		r = choices_ring(work.tpm, argv[0], true, &work.chosen, err);
	if (r == 0)
		r = sr_key_change_pin(work.store, work.key, work.tpm, &given,
				      &work.chosen.pin, err);
	if (r == 0)
		tool_say("key %s has a new PIN; copies of its old file keep the old one",
			 argv[0]);
	return r;
}

/* What a ring keeps for a key that is no more. */
static bool is_stray(const struct sr_store *store, const char *name)
{
	char ring[SR_NAME_MAX + 1];

	return sr_store_find_softkey(store, name, ring, NULL) == 0;
}

int cmd_delete(int argc, char **argv, struct sr_err *err)
{
	_cleanup_store_ struct sr_store *store = NULL;
	_cleanup_key_ struct sr_key *key = NULL;
	char question[SR_NAME_MAX + 64];
	const char *name = argv[0];
	struct sr_key_info info;
	int r = tool_store(&store, err);

	(void)argc;
	if (r == 0)
		r = sr_key_load(store, name, &key, err);
	if (r == 0)
		r = sr_key_info(key, &info, err);
	if (r == 0)
		name = info.name;
	/* One that is damaged, or of which something is left, has only its name. */
	if (r == -EBADMSG || (r == -ENOKEY && is_stray(store, name)))
		r = 0;
	(void)snprintf(question, sizeof(question), "Delete key %.*s for good?",
		       SR_NAME_MAX + 5, name);
	if (r == 0 && !sign_choices.force && !strchr(name, '/') && !prompt_yes(question))
		return sr_fail(err, -EINVAL,
			       "key %s stays: --force deletes without asking", name);
	if (r == 0)
		r = sr_key_remove(store, argv[0], err);
	if (r == 0)
		tool_say("deleted key %s from %s", name, sr_store_path(store));
	return r;
}

static int show_type(struct sr_tpm *tpm, const char *type, struct json_object *into,
		     struct sr_err *err)
{
	int r = sr_key_type_in_software(type) ? 0 : sr_tpm_has_type(tpm, type, err);

	if (r < 0)
		return r;
	if (sr_key_type_in_software(type)) {
		if (into)
			json_add_text(into, type, "software");
		else
			printf("%-9s in software, under a ring\n", type);
		return 1;
	}
	if (into)
		json_object_object_add(into, type, json_object_new_boolean(r));
	else
		printf("%-9s %s\n", type, r ? "yes" : "no");
	return r;
}

int cmd_algs(int argc, char **argv, struct sr_err *err)
{
	struct json_object *object = sign_choices.json ? json_object_new_object() : NULL;
	_cleanup_key_work_ struct key_work work = { 0 };
	const char *type;
	int r = tool_store(&work.store, err);

	if (r == 0 && !(argc > 0 && sr_key_type_in_software(argv[0])))
		r = tool_tpm(work.store, &work.tpm, err);
	if (r == 0 && argc > 0) {
		r = show_type(work.tpm, argv[0], object, err);
		if (r == 0)
			tool_fail_silently(-EIO);
	}
	for (size_t i = 0; r >= 0 && argc == 0 && (type = sr_key_type_name(i)); i++)
		r = show_type(work.tpm, type, object, err);
	if (object && r >= 0)
		json_print(object);
	else
		json_object_put(object);
	return r < 0 ? r : 0;
}
