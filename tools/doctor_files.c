/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-doctor: configuration, secrets.d, and who may touch what. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"

#define OTHERS (S_IWGRP | S_IWOTH)
#define ANY_OTHER (S_IRWXG | S_IRWXO)

void doctor_config(struct doctor *doctor)
{
	if (!doctor->store)
		doctor_fail(doctor, "configuration", &doctor->why_no_store);
	else
		doctor_find(doctor, DOCTOR_OK, "configuration", "", "%s is read",
			    doctor->config_dir);
}

/*
 * What others may write decides nothing any more; what is private should not be read. Its
 * owner is root, or who looks.
 */
static void check_rights(struct doctor *doctor, const char *path, bool private)
{
	char remedy[DOCTOR_REMEDY];
	mode_t bad = private ? ANY_OTHER : OTHERS;
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			doctor_find(doctor, DOCTOR_NOTE, "permissions",
				    errno == EACCES ? "run tpm-doctor as root" : "",
				    "%s can't be seen", path);
		return;
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		doctor_find(doctor, DOCTOR_FAIL, "permissions", "chown it",
			    "%s belongs to user %u", path, st.st_uid);
		return;
	}
	if (!(st.st_mode & bad)) {
		doctor_find(doctor, DOCTOR_OK, "permissions", "", "%s: %04o", path,
			    st.st_mode & 07777);
		return;
	}
	(void)snprintf(remedy, sizeof(remedy), "chmod %s %s", private ? "go=" : "go-w",
		       path);
	doctor_find(doctor, st.st_mode & OTHERS ? DOCTOR_FAIL : DOCTOR_WARN,
		    "permissions", remedy, "%s: %04o lets others %s", path,
		    st.st_mode & 07777, st.st_mode & OTHERS ? "change it" : "in");
}

static void check_below(struct doctor *doctor, const char *dir, const char *name,
			bool private)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	check_rights(doctor, path, private);
}

void doctor_rights(struct doctor *doctor)
{
	check_rights(doctor, doctor->state_dir, false);
	check_below(doctor, doctor->state_dir, "rings", true);
	check_below(doctor, doctor->state_dir, "keys", false);
	check_rights(doctor, doctor->config_dir, false);
	check_below(doctor, doctor->config_dir, "sealring.conf", false);
	check_below(doctor, doctor->config_dir, "sealring.conf.d", false);
	check_below(doctor, doctor->config_dir, "secrets.d", false);
	check_below(doctor, doctor->config_dir, "keys.d", false);
	if (tool_is_system()) {
		check_rights(doctor, doctor->runtime_dir, false);
		check_below(doctor, doctor->runtime_dir, "credential.sock", true);
	}
}

/* The ring that it names, or whichever has the secret. */
static void check_owner(struct doctor *doctor, const char *file, const char *name,
			const struct sr_delivery *delivery)
{
	char owner[SR_NAME_MAX + 1];
	struct sr_err err = { 0 };
	int r = sr_store_find(doctor->store, name, owner, &err);

	if (r < 0)
		doctor_fail(doctor, file, &err);
	else if (delivery->ring && strcmp(delivery->ring, owner) != 0)
		doctor_find(doctor, DOCTOR_FAIL, file,
			    "correct Ring=", "says ring %s, but secret %s is in ring %s",
			    delivery->ring, name, owner);
	else if (!delivery->has_keyring && !delivery->units_count &&
		 !delivery->credential)
		doctor_find(doctor, DOCTOR_NOTE, file, "", "delivers secret %s nowhere",
			    name);
	else
		doctor_find(doctor, DOCTOR_OK, file, "", "delivers secret %s of ring %s",
			    name, owner);
}

static void check_delivery(struct doctor *doctor, const char *file)
{
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };
	char name[NAME_MAX + 1], subject[NAME_MAX + 16];
	struct sr_err err = { 0 };
	int r;

	(void)snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - strlen(".conf")),
		       file);
	(void)snprintf(subject, sizeof(subject), "secrets.d/%s", file);
	r = sr_delivery_read(doctor->store, name, &delivery, &err);
	if (r == -ENOENT)
		return;
	if (r < 0) {
		doctor_fail(doctor, subject, &err);
		return;
	}
	doctor->sees_units |= delivery.units_count > 0;
	if (!doctor->hidden)
		check_owner(doctor, subject, name, &delivery);
}

static bool is_conf(const char *file)
{
	size_t length = strlen(file);

	return file[0] != '.' && length > 5 && strcmp(file + length - 5, ".conf") == 0;
}

static int only_conf(const struct dirent *entry)
{
	return is_conf(entry->d_name);
}

bool doctor_each_conf(struct doctor *doctor, const char *dir,
		      void (*check)(struct doctor *doctor, const char *file))
{
	struct dirent **entries = NULL;
	char path[PATH_MAX];
	int count, number;

	(void)snprintf(path, sizeof(path), "%s/%s", doctor->config_dir, dir);
	count = scandir(path, &entries, only_conf, alphasort);
	number = errno;
	if (count < 0 && number != ENOENT)
		doctor_find(doctor, DOCTOR_NOTE, dir, "run tpm-doctor as root",
			    "%s can't be read: %s", path, strerror(number));
	for (int i = 0; i < count; i++) {
		check(doctor, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return count > 0 || (count < 0 && number != ENOENT);
}

void doctor_secrets(struct doctor *doctor)
{
	if (doctor->store && !doctor_each_conf(doctor, "secrets.d", check_delivery))
		doctor_find(doctor, DOCTOR_NOTE, "secrets.d", "",
			    "nothing is delivered at boot");
}
