/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: the life of a key, and what there is. */
#include <errno.h>
#include <string.h>

#include "json.h"
#include "key_text.h"
#include "prompt.h"
#include "sign_daemon.h"

#define DEFAULT_RING "system"
#define PASSPHRASE_MAX 1024 /* bytes */
#define PRIVATE_MAX 16384   /* bytes in a file with a private key */
#define BOUND_TEXT 112	    /* the longest text that says what a key is bound to */

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

/* OpenSSH lacks some kinds. */
static const char *fingerprint(const struct sr_key_info *info)
{
	return info->ssh[0] ? info->ssh : info->spki;
}

static int say_made(const struct key_work *work, const char *what, struct sr_err *err)
{
	struct sr_key_info info;
	int r = sr_key_info(work->key, &info, err);

	if (r == 0)
		tool_say("%s key %s (%s%s%s) in %s: %s", what, info.name, info.type,
			 info.in_tpm ? "" : ", software key under ring ",
			 info.in_tpm ? "" : info.ring, sr_store_path(work->store),
			 fingerprint(&info));
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

	(void)arg;
	(void)snprintf(question, sizeof(question), "Passphrase of %s", name);
	return prompt_secret(question, PASSPHRASE_MAX, ret, err);
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

/* A ring says more than the PCRs that it has at the time. */
static void bound_to(const struct sr_key_info *info, char ret[BOUND_TEXT])
{
	bool named = info->ring && info->ring[0];

	(void)snprintf(ret, BOUND_TEXT, "%s%s%s", info->in_tpm ? "" : "software, ",
		       named	    ? "ring "
		       : info->ring ? "approved states of "
				    : "",
		       named ? info->ring : info->pcrs);
}

static void print_line(const struct sr_key_info *info)
{
	char bound[BOUND_TEXT];

	bound_to(info, bound);
	printf("%s%s%s  %s  %s%s%s%s  %s\n", tool_bold(true, STDOUT_FILENO), info->name,
	       tool_bold(false, STDOUT_FILENO), info->type, key_usage_name(info->usage),
	       info->pin ? " PIN" : "", *bound ? " " : "", bound, fingerprint(info));
}

static int list_one(struct sr_store *store, const char *name, struct json_object *into,
		    struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	struct sr_key_info info;
	int r = sr_key_load(store, name, &key, err);

	if (r == 0)
		r = sr_key_info(key, &info, err);
	if (r < 0 || !key_has_tags(&info))
		return r;
	if (into) {
		json_object_array_add(into, key_whole_to_json(store, key, &info));
	} else {
		print_line(&info);
	}
	return 0;
}

/* ---- what the daemon says of keys whose files are not the caller's to read ---- */

#define TAGS_MAX 16

/* One key; its texts are those of the JSON. */
struct told {
	struct sr_key_info info;
	char *tags[TAGS_MAX];
};

static void told_done(struct told *told)
{
	for (size_t i = 0; i < told->info.tag_count; i++)
		free(told->tags[i]);
}

static const char *text_in(struct json_object *json, const char *name)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(json, name, &value)
		   ? json_object_get_string(value)
		   : NULL;
}

static bool flag_in(struct json_object *json, const char *name)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(json, name, &value) &&
	       json_object_get_boolean(value);
}

static void read_tags(struct json_object *json, struct told *told)
{
	struct json_object *tags = NULL;

	told->info.tags = (const char *const *)told->tags;
	if (!json_object_object_get_ex(json, "tags", &tags))
		return;
	json_object_object_foreach(tags, name, value)
	{
		if (told->info.tag_count < TAGS_MAX &&
		    asprintf(&told->tags[told->info.tag_count], "%s=%s", name,
			     json_object_get_string(value)) >= 0)
			told->info.tag_count++;
	}
}

static int read_told(struct json_object *json, struct told *ret, struct sr_err *err)
{
	struct json_object *version = NULL;
	const char *ssh = text_in(json, "ssh_fingerprint"), *made = text_in(json, "made");
	const char *spki = text_in(json, "spki_sha256"), *pcrs = text_in(json, "pcrs");
	struct tm when = { 0 };

	*ret = (struct told){ .info = {
				  .name = text_in(json, "name"),
				  .type = text_in(json, "type"),
				  .hash = text_in(json, "hash"),
				  .ring = text_in(json, "ring"),
				  .pin = flag_in(json, "pin"),
				  .in_tpm = flag_in(json, "in_tpm"),
				  .born_here = !flag_in(json, "imported"),
				  .exportable = flag_in(json, "exportable"),
			      } };
	if (!ret->info.name || !ret->info.type || !ret->info.hash || !spki ||
	    !json_object_object_get_ex(json, "version", &version) ||
	    key_usage_parse(text_in(json, "usage") ?: "", &ret->info.usage, NULL) < 0)
		return sr_fail(
		    err, -EIO,
		    "what the daemon says of a key is not understood: is it of "
		    "another version?");
	ret->info.version = (unsigned int)json_object_get_int(version);
	if (made && strptime(made, "%Y-%m-%dT%H:%M:%SZ", &when))
		ret->info.made = timegm(&when);
	(void)snprintf(ret->info.pcrs, sizeof(ret->info.pcrs), "%s", pcrs ?: "");
	(void)snprintf(ret->info.ssh, sizeof(ret->info.ssh), "%s", ssh ?: "");
	(void)snprintf(ret->info.spki, sizeof(ret->info.spki), "%s", spki);
	read_tags(json, ret);
	return 0;
}

static int list_served(const struct daemon *daemon, struct json_object *into,
		       struct sr_err *err)
{
	struct json_object *keys = NULL;
	int r = daemon_keys(daemon, &keys, err);

	for (size_t i = 0; r == 0 && i < json_object_array_length(keys); i++) {
		struct json_object *json = json_object_array_get_idx(keys, i);
		struct told told = { 0 };

		r = read_told(json, &told, err);
		if (r == 0 && key_has_tags(&told.info)) {
			if (into)
				json_object_array_add(into, json_object_get(json));
			else
				print_line(&told.info);
		}
		told_done(&told);
	}
	if (r == 0 && !into && json_object_array_length(keys) == 0)
		tool_say("no keys that you may use: keys.d(5) says who may");
	json_object_put(keys);
	return r;
}

static void list_all(struct sr_store *store, char **names, struct json_object *into)
{
	for (char **name = names; *name; name++) {
		struct sr_err why = { 0 };
		int r = list_one(store, *name, into, &why);

		if (r < 0 && r != -ENOKEY) /* removed meanwhile */
			tool_complain(r, &why);
	}
	if (!into && !*names)
		tool_say("no keys in %s: tpm-sign keygen makes one",
			 sr_store_path(store));
}

int cmd_list(int argc, char **argv, struct sr_err *err)
{
	struct json_object *array = sign_choices.json ? json_object_new_array() : NULL;
	_cleanup_store_ struct sr_store *store = NULL;
	_cleanup_strv_ char **names = NULL;
	_cleanup_daemon_ struct daemon daemon = { 0 };
	int r = daemon_find_unreadable(argc > 0 ? argv[0] : "", &daemon, err);
	bool served = r == 1;

	if (r == 0)
		r = tool_store(&store, err);
	if (r == 0 && argc == 0)
		r = sr_store_keys(store, &names, err);
	if (served)
		r = list_served(&daemon, array, err);
	else if (r == 0 && argc > 0)
		r = list_one(store, argv[0], array, err);
	else if (r >= 0)
		list_all(store, names, array);
	if (array && r >= 0)
		json_print(array);
	else
		json_object_put(array);
	return r < 0 ? r : 0;
}

static void print_certificates(struct json_object *kinds)
{
	size_t count = kinds ? json_object_array_length(kinds) : 0;

	printf("Certificate: %s", count == 0 ? "none" : "");
	for (size_t i = 0; i < count; i++) {
		const char *kind =
		    json_object_get_string(json_object_array_get_idx(kinds, i));

		printf("%s%s", i == 0 ? "" : ", ",
		       strcmp(kind, "x509") == 0 ? "X.509" : "OpenSSH");
	}
	putchar('\n');
	json_object_put(kinds);
}

/*
 * @certificates: their kinds, released here. @limits: it is known whether guessing of its PIN is
 * slowed down.
 */
static void print_details(const struct sr_key_info *info,
			  struct json_object *certificates, bool limits)
{
	char made[SR_TIME_TEXT], bound[BOUND_TEXT];

	sr_time_format(info->made, made);
	bound_to(info, bound);
	printf("Key:         %s\nType:        %s, in %s%s%s%s\n", info->name, info->type,
	       info->in_tpm ? "the TPM" : "software",
	       info->born_here && info->in_tpm ? ", made there" : "",
	       info->made_outside ? ", imported" : "",
	       info->exportable ? ", may be moved to another" : "");
	printf("Usage:       %s\n", key_usage_name(info->usage));
	printf("PIN:         %s\n", !info->pin	    ? "none"
				    : !limits	    ? "yes"
				    : info->limited ? "yes, guessing is slowed down"
						    : "yes, guessing is not slowed down");
	printf("Bound to:    %s%s%s\n", *bound ? bound : "nothing",
	       info->in_tpm && info->ring ? ", sealed to " : "",
	       info->in_tpm && info->ring ? info->pcrs : "");
	printf("Hash:        %s%s\nMade:        %s\n", info->hash,
	       strcmp(info->hash, "none") == 0 ? "" : " unless chosen",
	       info->made ? made : "unknown");
	for (size_t i = 0; i < info->tag_count; i++)
		printf("Tag:         %s\n", info->tags[i]);
	print_certificates(certificates);
	printf("Fingerprint: %s\nSPKI:        %s\n",
	       info->ssh[0] ? info->ssh : "none in OpenSSH", info->spki);
}

static void print_versions(const struct key_work *work, unsigned int version)
{
	const char *between = "; older:";

	printf("Version:     %u", version);
	while ((version = sr_key_older(work->store, work->key, version))) {
		printf("%s %u", between, version);
		between = ",";
	}
	putchar('\n');
}

static void print_versions_told(struct json_object *json)
{
	struct json_object *older = NULL;
	size_t count = json_object_object_get_ex(json, "older", &older)
			   ? json_object_array_length(older)
			   : 0;

	printf("Version:     %s", text_in(json, "version") ?: "");
	for (size_t i = 0; i < count; i++)
		printf("%s %s", i == 0 ? "; older:" : ",",
		       json_object_get_string(json_object_array_get_idx(older, i)));
	putchar('\n');
}

static int info_served(const struct daemon *daemon, struct sr_err *err)
{
	struct json_object *keys = NULL, *key, *certificates = NULL;
	struct told told = { 0 };
	int r = daemon_keys(daemon, &keys, err);

	key = r == 0 ? json_object_array_get_idx(keys, 0) : NULL;
	if (r == 0)
		r = read_told(key, &told, err);
	if (r == 0 && json_object_object_get_ex(key, "certificates", &certificates))
		(void)json_object_get(certificates);
	if (r == 0)
		print_details(&told.info, certificates, false);
	if (r == 0 && told.info.version > 1)
		print_versions_told(key);
	told_done(&told);
	json_object_put(keys);
	return r;
}

int cmd_info(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_daemon_ struct daemon daemon = { 0 };
	struct sr_key_info info;
	int r;

	if (sign_choices.json)
		return cmd_list(argc, argv, err);
	r = daemon_find_unreadable(argv[0], &daemon, err);
	if (r != 0)
		return r < 0 ? r : info_served(&daemon, err);
	r = key_work_load(&work, argv[0], false, err);
	if (r == 0)
		r = sr_key_info(work.key, &info, err);
	if (r < 0)
		return r;
	print_details(&info, key_certificates(work.store, work.key), true);
	if (info.version > 1)
		print_versions(&work, info.version);
	return 0;
}

int cmd_pubkey(int argc, char **argv, struct sr_err *err)
{
	const char *format = sign_choices.format ?: "pem";
	bool ssh = strcmp(format, "ssh") == 0;
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_daemon_ struct daemon daemon = { 0 };
	_cleanup_free_ char *text = NULL;
	int r;

	if (!ssh && strcmp(format, "pem") != 0)
		return sr_fail(err, -EINVAL, "no format \"%s\": pem or ssh", format);
	if (argc == 0)
		return key_print_storage(ssh, err);
	r = daemon_find_unreadable(argv[0], &daemon, err);
	if (r == 1)
		r = daemon_show(&daemon, ssh ? "/public?format=ssh" : "/public", &text,
				err);
	else if (r == 0)
		r = key_work_load(&work, argv[0], false, err);
	if (r == 0 && !text)
		r = sr_key_public(work.key, ssh ? SR_FORM_SSH : SR_FORM_PEM, &text, err);
	return r < 0 ? r : key_output(text, strlen(text), true, err);
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
	if (r == -EBADMSG || r == -ENOKEY)
		r = 0;
	(void)snprintf(question, sizeof(question), "Delete key %.*s for good?",
		       SR_NAME_MAX + 5, name);
	if (r == 0 && !sign_choices.force && !prompt_yes(question))
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

	if (r == 0)
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
