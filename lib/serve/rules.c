/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* keys.d: who may use a key, and what is asked before. */
#include "rules.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>

static bool is_number(const char *value, uint64_t *ret)
{
	return sr_number_parse(value, UINT32_MAX - 1, ret, NULL) == 0;
}

static int add_user(const char *value, void *arg, struct sr_err *err)
{
	struct sr_rules *rules = arg;
	const struct passwd *entry = NULL;
	uint64_t number = 0;
	uid_t *larger;

	if (!is_number(value, &number) && !(entry = getpwnam(value)))
		return sr_fail(err, -EINVAL, "there is no user \"%.64s\"", value);
	larger = reallocarray(rules->users, rules->user_count + 1, sizeof(*larger));
	if (!larger)
		return sr_fail_memory(err);
	rules->users = larger;
	rules->users[rules->user_count++] = entry ? entry->pw_uid : (uid_t)number;
	return 0;
}

static int add_group(const char *value, void *arg, struct sr_err *err)
{
	struct sr_rules *rules = arg;
	const struct group *entry = NULL;
	uint64_t number = 0;
	gid_t *larger;

	if (!is_number(value, &number) && !(entry = getgrnam(value)))
		return sr_fail(err, -EINVAL, "there is no group \"%.64s\"", value);
	larger = reallocarray(rules->groups, rules->group_count + 1, sizeof(*larger));
	if (!larger)
		return sr_fail_memory(err);
	rules->groups = larger;
	rules->groups[rules->group_count++] = entry ? entry->gr_gid : (gid_t)number;
	return 0;
}

static int set_rotate(const char *value, void *arg, struct sr_err *err)
{
	struct sr_rules *rules = arg;

	return sr_bool_parse(value, &rules->rotate, err);
}

static int set_confirm(const char *value, void *arg, struct sr_err *err)
{
	struct sr_rules *rules = arg;

	return sr_bool_parse(value, &rules->confirm, err);
}

static int set_offer(const char *value, void *arg, struct sr_err *err)
{
	struct sr_rules *rules = arg;
	bool offer;
	int r = sr_bool_parse(value, &offer, err);

	if (r == 0)
		rules->hidden = !offer;
	return r;
}

static const struct sr_conf_key rules_keys[] = {
	{ "Access", "Users", true, add_user },
	{ "Access", "Groups", true, add_group },
	{ "Access", "Rotate", false, set_rotate },
	{ "Access", "Confirm", false, set_confirm },
	{ "Agent", "Offer", false, set_offer },
	{ 0 },
};

void sr_rules_done(struct sr_rules *rules)
{
	free(rules->users);
	free(rules->groups);
	*rules = (struct sr_rules){ 0 };
}

int sr_rules_dir(const struct sr_store *store)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/keys.d", store->config_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return sr_open_dir(AT_FDCWD, path, NULL);
}

int sr_rules_read(const struct sr_store *store, const char *name, struct sr_rules *ret,
		  struct sr_err *err)
{
	_cleanup_(sr_rules_done) struct sr_rules rules = { 0 };
	_cleanup_buf_ struct sr_buf content = { 0 };
	_cleanup_free_ char *path = NULL;
	int r;

	*ret = (struct sr_rules){ .confirm = true, .hidden = true };
	if (asprintf(&path, "%s/keys.d/%s.conf", store->config_dir, name) < 0) {
		path = NULL;
		return sr_fail_memory(err);
	}
	r = sr_read_file(AT_FDCWD, path, SR_CONF_MAX, &content, err);
	if (r == 0)
		r = sr_conf_read(&content, path, rules_keys, &rules, err);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = rules;
	rules = (struct sr_rules){ 0 };
	return 0;
}

int sr_rules_check(const struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_(sr_rules_done) struct sr_rules unused = { 0 };

	return sr_rules_read(store, name, &unused, err);
}

static bool has_group(const struct sr_rules *rules, gid_t group)
{
	for (size_t i = 0; i < rules->group_count; i++)
		if (rules->groups[i] == group)
			return true;
	return false;
}

bool sr_peer_is_trusted(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

bool sr_rules_allow(const struct sr_rules *rules, const struct sr_peer *peer)
{
	bool allowed = sr_peer_is_trusted(peer->uid) || has_group(rules, peer->gid);

	for (size_t i = 0; i < rules->user_count; i++)
		allowed = allowed || rules->users[i] == peer->uid;
	for (size_t i = 0; i < peer->group_count; i++)
		allowed = allowed || has_group(rules, peer->groups[i]);
	return allowed;
}

bool sr_rules_allow_rotate(const struct sr_rules *rules, const struct sr_peer *peer)
{
	return sr_peer_is_trusted(peer->uid) || rules->rotate;
}
