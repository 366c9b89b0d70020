/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rings that stay open for a while: one TPM conversation for many requests. */
#include "opened.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ground/clock.h"
#include "tool.h"

#define OPEN_SECONDS 60
#define FAILED_SECONDS 1

/**
 * struct opened - a ring that was asked for
 * @name:	its name, or ""
 * @when:	when it was opened, or could not be
 * @ring:	open; NULL when it could not be opened
 * @directory:	what had its name then: after a rotation it is another one
 * @failure:	why it could not be opened
 */
struct opened {
	char name[SR_NAME_MAX + 1];
	time_t when;
	struct sr_ring *ring;
	struct stat directory;
	struct sr_err failure;
};

static struct opened table[8];
static size_t next;

static void forget(struct opened *opened)
{
	sr_ring_free(opened->ring);
	*opened = (struct opened){ 0 };
}

void opened_forget(void)
{
	for (size_t i = 0; i < SR_COUNT(table); i++)
		forget(&table[i]);
}

static struct opened *find(const char *name)
{
	for (size_t i = 0; i < SR_COUNT(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static int look_at(const struct sr_store *store, const char *name, struct stat *ret)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/rings/%s", sr_store_path(store), name) < 0)
		return -1;
	return stat(path, ret);
}

static bool is_good(const struct opened *opened, const struct sr_store *store)
{
	time_t age = sr_clock() - opened->when;
	struct stat st;

	if (!opened->ring)
		return age < FAILED_SECONDS;
	return age < OPEN_SECONDS && look_at(store, opened->name, &st) == 0 &&
	       st.st_dev == opened->directory.st_dev &&
	       st.st_ino == opened->directory.st_ino;
}

static int open_ring(struct sr_store *store, const char *name, struct sr_ring **ret,
		     struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	_cleanup_tpm_ struct sr_tpm *tpm = NULL;
	struct sr_ring_info info;
	int r = sr_ring_load(store, name, &ring, err);

	if (r == 0)
		r = sr_ring_info(ring, &info, err);
	if (r == 0 && info.pin)
		return sr_fail(err, -EACCES,
			       "ring %s has a PIN, and nobody can be asked for it here: "
			       "let tpm-unseal@.service deliver it",
			       name);
	if (r == 0)
		r = tool_tpm(store, &tpm, err);
	if (r == 0)
		r = sr_ring_open(ring, tpm, NULL, err);
	if (r == 0)
		*ret = take(ring);
	return r;
}

int opened_get(struct sr_store *store, const char *name, struct sr_ring **ret,
	       struct sr_err *err)
{
	struct opened *opened = find(name);
	int r;

	if (!opened || !is_good(opened, store)) {
		if (!opened)
			opened = &table[next++ % SR_COUNT(table)];
		forget(opened);
		(void)snprintf(opened->name, sizeof(opened->name), "%s", name);
		(void)look_at(store, name, &opened->directory);
		r = open_ring(store, name, &opened->ring, &opened->failure);
		opened->failure.code = r;
		opened->when = sr_clock();
	}
	if (!opened->ring) {
		*err = opened->failure;
		return err->code;
	}
	*ret = opened->ring;
	return 0;
}
