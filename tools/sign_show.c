/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: what is known of keys: by their files, or by the daemon for who may not read those. */
#include <errno.h>
#include <string.h>

#include "json.h"
#include "key_text.h"
#include "sign_daemon.h"

#define BOUND_TEXT 112 /* the longest text that says what a key is bound to */

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

/* The length is 0 if there is no such array. */
static size_t array_in(struct json_object *json, const char *name,
		       struct json_object **ret)
{
	return json_object_object_get_ex(json, name, ret) &&
		       json_object_is_type(*ret, json_type_array)
		   ? json_object_array_length(*ret)
		   : 0;
}

static void read_tags(struct json_object *json, struct told *told)
{
	struct json_object *tags = NULL;

	told->info.tags = (const char *const *)told->tags;
	if (!json_object_object_get_ex(json, "tags", &tags) ||
	    !json_object_is_type(tags, json_type_object))
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
				  .made_outside = flag_in(json, "imported") &&
						  !flag_in(json, "exportable"),
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

/* ---- a line for each ---- */

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
	       info->pin ? " PIN" : "", *bound ? " " : "", bound, key_fingerprint(info));
}

static int list_one(struct sr_store *store, const char *name, struct json_object *into,
		    struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	struct json_object *json = NULL;
	struct sr_key_info info;
	int r = sr_key_load(store, name, &key, err);

	if (r == 0)
		r = sr_key_info(key, &info, err);
	if (r < 0 || !key_has_tags(&info))
		return r;
	if (!into) {
		print_line(&info);
		return 0;
	}
	r = key_whole_to_json(store, key, &info, &json, err);
	if (r == 0)
		json_object_array_add(into, json);
	else
		json_object_put(json);
	return r;
}

static int list_told(struct json_object *json, struct json_object *into,
		     struct sr_err *err)
{
	struct told told = { 0 };
	int r = read_told(json, &told, err);

	if (r == 0 && key_has_tags(&told.info)) {
		if (into)
			json_object_array_add(into, json_object_get(json));
		else
			print_line(&told.info);
	}
	told_done(&told);
	return r;
}

static int list_served(const struct daemon *daemon, struct json_object *into,
		       struct sr_err *err)
{
	struct json_object *keys = NULL;
	size_t count;
	int r = 0;

	if (daemon->key)
		return list_told(daemon->said, into, err);
	count = array_in(daemon->said, "keys", &keys);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = list_told(json_object_array_get_idx(keys, i), into, err);
	if (r == 0 && !into && count == 0)
		tool_say("no keys that you may use: keys.d(5) says who may");
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
	int r = daemon_find_unreadable(argc > 0 ? argv[0] : NULL, &daemon, err);
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
	r = json_list_end(array, r);
	return r < 0 ? r : 0;
}

/* ---- all of one ---- */

static void print_certificates(struct json_object *json)
{
	struct json_object *kinds = NULL;
	size_t count = array_in(json, "certificates", &kinds);

	printf("Certificate: %s", count > 0 ? "" : kinds ? "none" : "unknown");
	for (size_t i = 0; i < count; i++) {
		const char *kind =
		    json_object_get_string(json_object_array_get_idx(kinds, i));

		printf("%s%s", i == 0 ? "" : ", ",
		       strcmp(kind, "x509") == 0 ? "X.509" : "OpenSSH");
	}
	putchar('\n');
}

static void print_versions(struct json_object *json, unsigned int version)
{
	struct json_object *older = NULL;
	size_t count = array_in(json, "older", &older);

	printf("Version:     %u", version);
	for (size_t i = 0; i < count; i++)
		printf("%s %s", i == 0 ? "; older:" : ",",
		       json_object_get_string(json_object_array_get_idx(older, i)));
	putchar('\n');
}

/* @json: the same, and more. @limits: it is known whether guessing of its PIN is slowed down. */
static void print_details(const struct sr_key_info *info, struct json_object *json,
			  bool limits)
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
	print_certificates(json);
	printf("Fingerprint: %s\nSPKI:        %s\n",
	       info->ssh[0] ? info->ssh : "none in OpenSSH", info->spki);
	if (info->version > 1)
		print_versions(json, info->version);
}

static int info_served(const struct daemon *daemon, struct sr_err *err)
{
	struct told told = { 0 };
	int r = read_told(daemon->said, &told, err);

	if (r == 0)
		print_details(&told.info, daemon->said, false);
	told_done(&told);
	return r;
}

int cmd_info(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_daemon_ struct daemon daemon = { 0 };
	struct json_object *json = NULL;
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
	if (r == 0)
		r = key_whole_to_json(work.store, work.key, &info, &json, err);
	if (r == 0)
		print_details(&info, json, true);
	json_object_put(json);
	return r;
}

int cmd_pubkey(int argc, char **argv, struct sr_err *err)
{
	const char *format = sign_choices.format ?: "pem";
	bool ssh = strcmp(format, "ssh") == 0;
	_cleanup_(key_hand_done) struct key_hand hand = { 0 };
	_cleanup_free_ char *text = NULL;
	int r;

	if (!ssh && strcmp(format, "pem") != 0)
		return sr_fail(err, -EINVAL, "no format \"%s\": pem or ssh", format);
	if (argc == 0)
		return key_print_storage(ssh, err);
	/* Of what the daemon says, the key alone is printed, and written here. */
	r = daemon_find_unreadable(argv[0], &hand.daemon, err);
	r = key_hand_take(&hand, r, argv[0], false, err);
	if (r == 0)
		r = sr_key_public(hand.work.key, ssh ? SR_FORM_SSH : SR_FORM_PEM, &text,
				  err);
	return r < 0 ? r : key_output(text, strlen(text), true, err);
}
