/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-doctor: keys of tpm-sign, keys.d, and whether the daemon can serve them. */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"

static const char daemon_user[] = "sealring";

/* ---- the keys ---- */

static void check_key(struct doctor *doctor, const char *name)
{
	_cleanup_(sr_key_freep) struct sr_key *key = NULL;
	char subject[SR_NAME_MAX + 32];
	struct sr_err err = { 0 };

	(void)snprintf(subject, sizeof(subject), "key %s", name);
	if (sr_key_load(doctor->store, name, &key, &err) < 0)
		doctor_fail(doctor, subject, &err);
	else if (doctor->tpm && !sr_key_is_of(key, &doctor->facts))
		doctor_find(doctor, DOCTOR_FAIL, subject,
			    "delete it, and make or import another",
			    doctor->facts.srk == SR_SRK_ABSENT
				? "the storage key that it was made under is not at "
				  "0x81000001"
				: "made under another storage key than this TPM has: by "
				  "another TPM, or the TPM was cleared");
	else
		doctor->good_keys++;
}

void doctor_keys(struct doctor *doctor)
{
	struct sr_err err = { 0 };
	int r;

	if (!doctor->store)
		return;
	r = sr_store_keys(doctor->store, &doctor->keys, &err);
	if (r < 0) {
		doctor_find(doctor, DOCTOR_NOTE, "keys", "run tpm-doctor as root",
			    "they can't be seen");
		return;
	}
	for (char **name = doctor->keys; name && *name; name++)
		check_key(doctor, *name);
	if (doctor->good_keys > 0)
		doctor_find(doctor, DOCTOR_OK, "keys", "", "%zu can be used",
			    doctor->good_keys);
}

/* ---- keys.d ---- */

static bool has_key(const struct doctor *doctor, const char *wanted)
{
	for (char **name = doctor->keys; name && *name; name++)
		if (strcmp(*name, wanted) == 0)
			return true;
	return false;
}

static void check_rules(struct doctor *doctor, const char *file)
{
	char name[NAME_MAX + 1], subject[NAME_MAX + 16];
	struct sr_err err = { 0 };
	int r;

	(void)snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - strlen(".conf")),
		       file);
	(void)snprintf(subject, sizeof(subject), "keys.d/%s", file);
	r = sr_rules_check(doctor->store, name, &err);
	if (r < 0)
		doctor_fail(doctor, subject, &err);
	else if (doctor->keys && !has_key(doctor, name))
		doctor_find(doctor, DOCTOR_WARN, subject,
			    "remove it, or give it the name of a key",
			    "there is no key \"%s\"", name);
	else
		doctor_find(doctor, DOCTOR_OK, subject, "", "is read");
	doctor->any_rules = true;
}

void doctor_rules(struct doctor *doctor)
{
	if (doctor->store)
		(void)doctor_each_conf(doctor, "keys.d", check_rules);
}

/* ---- the daemon ---- */

/* What the unit says: without them systemd does not start it. */
static bool has_accounts(struct doctor *doctor, const char *subject)
{
	static const char *const groups[] = { "sealring", "tss" };
	bool all = true;

	if (!getpwnam(daemon_user)) {
		doctor_find(doctor, DOCTOR_FAIL, subject, "systemd-sysusers",
			    "there is no user %s, which it runs as", daemon_user);
		return false;
	}
	for (size_t i = 0; i < SR_COUNT(groups); i++) {
		if (getgrnam(groups[i]))
			continue;
		doctor_find(doctor, DOCTOR_FAIL, subject,
			    strcmp(groups[i], "tss") == 0 ? "groupadd --system tss"
							  : "systemd-sysusers",
			    "there is no group %s, which it runs with", groups[i]);
		all = false;
	}
	return all;
}

/* Its user reads keys by the group; what others may do is looked at elsewhere. */
static void check_readable(struct doctor *doctor, const char *path, mode_t need)
{
	const struct group *group = getgrnam(daemon_user);
	char remedy[DOCTOR_REMEDY];
	struct stat st;

	if (!group || stat(path, &st) < 0 ||
	    (st.st_gid == group->gr_gid && (st.st_mode & need) == need))
		return;
	(void)snprintf(remedy, sizeof(remedy), "chgrp %s %s && chmod g+r%s %s",
		       daemon_user, path, need & S_IXGRP ? "x" : "", path);
	doctor_find(doctor, DOCTOR_FAIL, "tpm-sign-agent.socket", remedy,
		    "the daemon can't read %s", path);
}

void doctor_agent(struct doctor *doctor)
{
	static const struct doctor_socket agent = {
		.unit = "tpm-sign-agent.socket",
		.file = "agent.sock",
		.missed = "nobody gets what keys.d allows",
		.unused = "keys are not served",
	};
	char path[PATH_MAX];

	if (!tool_is_system() || !doctor->store ||
	    (!doctor->any_rules && !(doctor->keys && doctor->keys[0])))
		return;
	if (!doctor_check_socket(doctor, &agent, doctor->any_rules) ||
	    !has_accounts(doctor, agent.unit))
		return;
	(void)snprintf(path, sizeof(path), "%s/keys", doctor->state_dir);
	check_readable(doctor, path, S_IRGRP | S_IXGRP);
	for (char **name = doctor->keys; name && *name; name++) {
		(void)snprintf(path, sizeof(path), "%s/keys/%s.pem", doctor->state_dir,
			       *name);
		check_readable(doctor, path, S_IRGRP);
	}
}
