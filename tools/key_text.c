/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys in words: for people, for programs, in options and in JSON. */
#include "key_text.h"

#include <errno.h>
#include <string.h>

#include "json.h"

static const struct {
	const char *name;
	enum sr_signature_form form;
} forms[] = {
	{ "der", SR_SIGNATURE_DER },
	{ "plain", SR_SIGNATURE_PLAIN },
	{ "tss", SR_SIGNATURE_TSS },
	{ "ssh", SR_SIGNATURE_SSH },
};

static const struct {
	const char *name;
	unsigned int usage;
} usages[] = {
	{ "sign", SR_KEY_SIGN },
	{ "decrypt", SR_KEY_DECRYPT },
	{ "both", SR_KEY_SIGN | SR_KEY_DECRYPT },
};

int key_usage_parse(const char *name, unsigned int *ret, struct sr_err *err)
{
	for (size_t i = 0; i < SR_COUNT(usages); i++)
		if (strcmp(usages[i].name, name) == 0) {
			*ret = usages[i].usage;
			return 0;
		}
	return sr_fail(err, -EINVAL, "no usage \"%s\": sign, decrypt or both", name);
}

const char *key_usage_name(unsigned int usage)
{
	for (size_t i = 0; i < SR_COUNT(usages) - 1; i++)
		if (usages[i].usage == usage)
			return usages[i].name;
	return "both";
}

int key_form_parse(const char *name, enum sr_signature_form *ret, struct sr_err *err)
{
	for (size_t i = 0; i < SR_COUNT(forms); i++)
		if (strcmp(forms[i].name, name) == 0) {
			*ret = forms[i].form;
			return 0;
		}
	return sr_fail(err, -EINVAL, "no format \"%s\": der, plain, tss or ssh", name);
}

const char *key_form_name(enum sr_signature_form form)
{
	size_t at = 0;

	while (forms[at].form != form)
		at++;
	return forms[at].name;
}

const char *key_fingerprint(const struct sr_key_info *info)
{
	return info->ssh[0] ? info->ssh : info->spki;
}

static struct json_object *tags_to_json(const struct sr_key_info *info)
{
	struct json_object *tags = json_object_new_object();

	for (size_t i = 0; i < info->tag_count; i++) {
		const char *tag = info->tags[i];
		size_t length = strcspn(tag, "=");
		char name[SR_NAME_MAX + 1];

		(void)snprintf(name, sizeof(name), "%.*s", (int)length, tag);
		json_add_text(tags, name, tag + length + 1);
	}
	return tags;
}

struct json_object *key_to_json(const struct sr_key_info *info)
{
	struct json_object *key = json_object_new_object();

	json_add_text(key, "name", info->name);
	json_add_text(key, "type", info->type);
	json_add_text(key, "usage", key_usage_name(info->usage));
	json_object_object_add(key, "pin", json_object_new_boolean(info->pin));
	json_add_text(key, "pcrs", info->pcrs[0] ? info->pcrs : NULL);
	json_object_object_add(key, "in_tpm", json_object_new_boolean(info->in_tpm));
	json_add_text(key, "ring", info->ring && info->ring[0] ? info->ring : NULL);
	json_object_object_add(key, "imported",
			       json_object_new_boolean(!info->born_here));
	json_object_object_add(key, "exportable",
			       json_object_new_boolean(info->exportable));
	json_add_text(key, "hash", info->hash);
	json_add_time(key, "made", info->made);
	json_object_object_add(key, "version", json_object_new_int((int)info->version));
	json_object_object_add(key, "tags", tags_to_json(info));
	json_add_text(key, "ssh_fingerprint", info->ssh[0] ? info->ssh : NULL);
	json_add_text(key, "spki_sha256", info->spki);
	return key;
}

static int certificates_of(struct sr_store *store, const struct sr_key *key,
			   struct json_object **ret, struct sr_err *err)
{
	static const struct {
		enum sr_key_form form;
		const char *name;
	} kinds[] = { { SR_FORM_PEM, "x509" }, { SR_FORM_SSH, "openssh" } };
	struct json_object *found = json_object_new_array();

	for (size_t i = 0; i < SR_COUNT(kinds); i++) {
		int r = sr_key_has_certificate(store, key, kinds[i].form, err);

		if (r < 0) {
			json_object_put(found);
			return r;
		}
		if (r == 1)
			json_object_array_add(found,
					      json_object_new_string(kinds[i].name));
	}
	*ret = found;
	return 0;
}

int key_whole_to_json(struct sr_store *store, const struct sr_key *key,
		      const struct sr_key_info *info, struct json_object **ret,
		      struct sr_err *err)
{
	struct json_object *json = key_to_json(info), *older = json_object_new_array();
	struct json_object *certificates = NULL;
	unsigned int version = info->version;
	int r = certificates_of(store, key, &certificates, err);

	while ((version = sr_key_older(store, key, version)))
		json_object_array_add(older, json_object_new_int((int)version));
	json_object_object_add(json, "older", older);
	json_object_object_add(json, "certificates", certificates);
	*ret = json;
	return r;
}
