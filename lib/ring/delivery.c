/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* secrets.d: where a secret is delivered. */
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

#include "store.h"

#define FILE_NAME (SR_NAME_MAX + 6)

static int set_ring(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;
	int r = sr_name_check(value, "ring", err);

	return r < 0 ? r : sr_conf_string(value, &delivery->ring, err);
}

static int set_initramfs(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;

	return sr_bool_parse(value, &delivery->initramfs, err);
}

static int set_type(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;

	delivery->has_keyring = true;
	return sr_conf_string(value, &delivery->keyring.type, err);
}

static int set_keyring(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;

	delivery->has_keyring = true;
	return sr_conf_string(value, &delivery->keyring.keyring, err);
}

static int set_user(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;

	delivery->has_keyring = true;
	return sr_conf_string(value, &delivery->keyring.user, err);
}

static int set_description(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;

	delivery->has_keyring = true;
	return sr_conf_string(value, &delivery->keyring.description, err);
}

static int set_timeout(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;
	uint64_t seconds;
	int r = sr_number_parse(value, UINT32_MAX, &seconds, err);

	delivery->has_keyring = true;
	delivery->keyring.timeout = (unsigned int)seconds;
	return r;
}

static int set_permissions(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;
	uint64_t mask;
	int r = sr_number_parse(value, UINT32_MAX, &mask, err);

	delivery->has_keyring = true;
	delivery->keyring.permissions = (uint32_t)mask;
	return r;
}

static int set_credential(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;
	int r = sr_name_check(value, "credential", err);

	return r < 0 ? r : sr_conf_string(value, &delivery->credential, err);
}

/* Unit names and globs (systemd.unit(5)); nothing that could begin another line. */
static int check_unit(const char *unit, struct sr_err *err)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789:-_.\\@*?[]";

	if (*unit && strlen(unit) < 256 && unit[strspn(unit, allowed)] == '\0')
		return 0;
	return sr_fail(err, -EINVAL, "\"%.64s\" is not the name of a unit", unit);
}

static int add_unit(const char *value, void *arg, struct sr_err *err)
{
	struct sr_delivery *delivery = arg;
	int r = check_unit(value, err);

	return r < 0 ? r
		     : sr_strv_add(&delivery->units, &delivery->units_count, value, err);
}

static const struct sr_conf_key delivery_keys[] = {
	{ "Secret", "Ring", false, set_ring },
	{ "Secret", "Initramfs", false, set_initramfs },
	{ "Keyring", "Type", false, set_type },
	{ "Keyring", "Keyring", false, set_keyring },
	{ "Keyring", "User", false, set_user },
	{ "Keyring", "Description", false, set_description },
	{ "Keyring", "Timeout", false, set_timeout },
	{ "Keyring", "Permissions", false, set_permissions },
	{ "Credential", "Name", false, set_credential },
	{ "Credential", "Units", true, add_unit },
	{ 0 },
};

void sr_delivery_done(struct sr_delivery *delivery)
{
	free(delivery->ring);
	free(delivery->keyring.type);
	free(delivery->keyring.keyring);
	free(delivery->keyring.user);
	free(delivery->keyring.description);
	free(delivery->credential);
	sr_strv_free(delivery->units);
	*delivery = (struct sr_delivery){ 0 };
}

static int default_description(const char *name, struct sr_delivery *delivery,
			       struct sr_err *err)
{
	if (!delivery->has_keyring || delivery->keyring.description)
		return 0;
	if (asprintf(&delivery->keyring.description, "sealring:%s", name) < 0) {
		delivery->keyring.description = NULL;
		return sr_fail_memory(err);
	}
	return 0;
}

static int parse(const struct sr_buf *content, const char *path, const char *name,
		 struct sr_delivery *ret, struct sr_err *err)
{
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };
	int r = sr_conf_read(content, path, delivery_keys, &delivery, err);

	if (r == 0)
		r = default_description(name, &delivery, err);
	if (r < 0)
		return r;
	*ret = delivery;
	delivery = (struct sr_delivery){ 0 };
	return 0;
}

int sr_delivery_read(const struct sr_store *store, const char *name,
		     struct sr_delivery *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	_cleanup_free_ char *path = NULL;
	int r = sr_name_check(name, "secret", err);

	if (r < 0)
		return r;
	if (asprintf(&path, "%s/secrets.d/%s.conf", store->config_dir, name) < 0)
		return sr_fail_memory(err);
	r = sr_read_file(AT_FDCWD, path, SR_CONF_MAX, &content, err);
	if (r == 0)
		r = parse(&content, path, name, ret, err);
	return sr_about(err, r, NULL, name);
}

/* As systemd matches the names of units; a backslash in one is part of it. */
static bool is_for(const struct sr_delivery *delivery, const char *unit)
{
	for (size_t i = 0; i < delivery->units_count; i++)
		if (fnmatch(delivery->units[i], unit, FNM_NOESCAPE) == 0)
			return true;
	return false;
}

/* 1 if the secret is what is asked for; -EPERM if it is, but not for this unit. */
static int consider(const struct sr_store *store, const struct sr_request *request,
		    const char *name, char ring[SR_NAME_MAX + 1], struct sr_err *err)
{
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };
	int r = sr_delivery_read(store, name, &delivery, err);

	if (r == -ENOENT)
		return 0; /* removed meanwhile */
	if (r < 0)
		return r;
	if (!delivery.credential || strcmp(delivery.credential, request->credential) != 0)
		return 0;
	if (!is_for(&delivery, request->unit)) {
		r = sr_fail(err, -EPERM,
			    "it is not for this unit: if it should be, add Units=%s to "
			    "%s/secrets.d/%s.conf",
			    request->unit, store->config_dir, name);
		return sr_about(err, r, delivery.ring, name);
	}
	(void)snprintf(ring, SR_NAME_MAX + 1, "%s", delivery.ring ? delivery.ring : "");
	return 1;
}

/* Any file might be the one meant, so the first that can't be read is what is wrong. */
static int find_name(const struct sr_store *store, const struct sr_request *request,
		     const struct sr_names *names, char ring[SR_NAME_MAX + 1],
		     const char **ret, struct sr_err *err)
{
	struct sr_err why = { 0 };

	for (size_t i = 0; i < names->count; i++) {
		struct sr_err this = { 0 };
		int r = consider(store, request, names->name[i], ring, &this);

		if (r < 0 && !why.code)
			why = this;
		if (r == 1 && *ret)
			return sr_fail(
			    err, -EBADMSG,
			    "secrets %s and %s are both delivered to this unit "
			    "under that name: change one in %s/secrets.d",
			    *ret, names->name[i], store->config_dir);
		if (r == 1)
			*ret = names->name[i];
	}
	if (*ret)
		return 0;
	if (why.code && err)
		*err = why;
	if (why.code)
		return why.code;
	return sr_fail(
	    err, -ENOKEY,
	    "no secret is delivered under that name: seal one for it: tpm-seal "
	    "--unit %s %s",
	    request->unit, request->credential);
}

static int list_names(const struct sr_store *store, struct sr_names *ret,
		      struct sr_err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int dir = -1;

	if (asprintf(&path, "%s/secrets.d", store->config_dir) < 0)
		return sr_fail_memory(err);
	dir = sr_open_dir(AT_FDCWD, path, err);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return sr_list_dir(dir, ".conf", ret, err);
}

int sr_delivery_find(const struct sr_store *store, const struct sr_request *request,
		     char ring[SR_NAME_MAX + 1], char secret[SR_NAME_MAX + 1],
		     struct sr_err *err)
{
	_cleanup_names_ struct sr_names names = { 0 };
	char wanted[SR_NAME_MAX + 1], owner[SR_NAME_MAX + 1];
	const char *name = NULL;
	int r = list_names(store, &names, err);

	sr_names_keep(&names);
	if (r == 0)
		r = find_name(store, request, &names, wanted, &name, err);
	if (r == 0)
		r = sr_store_find(store, name, owner, err);
	if (r < 0)
		return r;
	if (wanted[0] && strcmp(wanted, owner) != 0)
		return sr_fail(
		    err, -EBADMSG,
		    "secret %s is under ring %s, but %s/secrets.d/%s.conf says "
		    "Ring=%s",
		    name, owner, store->config_dir, name, wanted);
	(void)snprintf(ring, SR_NAME_MAX + 1, "%s", owner);
	(void)snprintf(secret, SR_NAME_MAX + 1, "%s", name);
	return 0;
}

int sr_delivery_add_unit(struct sr_delivery *delivery, const char *ring, const char *name,
			 const char *unit, struct sr_err *err)
{
	int r = check_unit(unit, err);

	if (r == 0)
		r = sr_conf_string(ring, &delivery->ring, err);
	if (r == 0 && !delivery->credential)
		r = sr_conf_string(name, &delivery->credential, err);
	for (size_t i = 0; r == 0 && i < delivery->units_count; i++)
		if (strcmp(delivery->units[i], unit) == 0)
			return 0;
	return r < 0 ? r
		     : sr_strv_add(&delivery->units, &delivery->units_count, unit, err);
}

static void print_text(FILE *out, const char *key, const char *value)
{
	if (value)
		fprintf(out, "%s=%s\n", key, value);
}

static void print(FILE *out, const struct sr_delivery *delivery)
{
	const struct sr_keyring *keyring = &delivery->keyring;

	fputs("[Secret]\n", out);
	print_text(out, "Ring", delivery->ring);
	print_text(out, "Initramfs", delivery->initramfs ? "yes" : NULL);
	if (delivery->has_keyring) {
		fputs("\n[Keyring]\n", out);
		print_text(out, "Type", keyring->type);
		print_text(out, "Keyring", keyring->keyring);
		print_text(out, "User", keyring->user);
		print_text(out, "Description", keyring->description);
		if (keyring->timeout)
			fprintf(out, "Timeout=%u\n", keyring->timeout);
		if (keyring->permissions)
			fprintf(out, "Permissions=0x%08x\n", keyring->permissions);
	}
	if (delivery->credential || delivery->units_count)
		fputs("\n[Credential]\n", out);
	print_text(out, "Name", delivery->credential);
	for (size_t i = 0; i < delivery->units_count; i++)
		print_text(out, "Units", delivery->units[i]);
}

static int check_written(const struct sr_buf *content, void *arg, struct sr_err *err)
{
	_cleanup_(sr_delivery_done) struct sr_delivery again = { 0 };

	return parse(content, arg, "", &again, err);
}

int sr_delivery_write(const struct sr_store *store, const char *name,
		      const struct sr_delivery *delivery, struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	_cleanup_buf_ struct sr_buf content = { 0 };
	_cleanup_free_ char *path = NULL;
	char file[FILE_NAME];
	struct sr_check check = { .run = check_written, .arg = file };
	FILE *out;
	int r = sr_name_check(name, "secret", err);

	if (r < 0)
		return r;
	if (asprintf(&path, "%s/secrets.d", store->config_dir) < 0)
		return sr_fail_memory(err);
	r = sr_create_dir(path, 0755, err);
	if (r < 0)
		return r;
	dir = sr_open_dir(AT_FDCWD, path, err);
	if (dir < 0)
		return dir;
	out = open_memstream((char **)&content.data, &content.size);
	if (!out)
		return sr_fail_memory(err);
	print(out, delivery);
	if (fclose(out) != 0)
		return sr_fail_memory(err);
	(void)snprintf(file, sizeof(file), "%s.conf", name);
	return sr_replace_file(dir, file, &content, 0644, &check, err);
}
