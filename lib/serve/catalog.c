/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All keys that are served, and who may use them: as they are in their directories. */
#include "catalog.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "ground/parse.h"

enum { STAMP_KEY, STAMP_CERTIFICATE, STAMP_RULES };

static void entry_done(struct sr_entry *entry)
{
	free(entry->name);
	sr_served_drop(entry->served);
	sr_rules_done(&entry->rules);
}

void sr_catalog_done(struct sr_catalog *catalog)
{
	for (size_t i = 0; i < catalog->count; i++)
		entry_done(&catalog->entry[i]);
	free(catalog->entry);
	free(catalog->blob);
	*catalog = (struct sr_catalog){ 0 };
}

/* ---- reading ---- */

/* What a directory is read with. */
struct reading {
	const struct sr_store *store;
	const struct sr_reporter *reporter;
	int keys;
	int rules;
};

/* @before: what came of it when it was as it is now. */
static void report(const struct reading *reading, int r, int before,
		   const struct sr_err *why)
{
	if (r != -ENOENT && r != before && reading->reporter->report)
		reading->reporter->report(reading->reporter->arg, r, why);
}

static void stamp_file(int dir, const char *name, const char *suffix,
		       struct sr_stamp *ret)
{
	char file[SR_KEY_FILE];
	struct stat st;

	sr_keystore_file(name, suffix, file);
	*ret = (struct sr_stamp){ 0 };
	if (dir >= 0 && fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*ret = (struct sr_stamp){ st.st_ino, st.st_size, st.st_ctim };
}

static bool is_same(const struct sr_stamp *a, const struct sr_stamp *b)
{
	return a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

static void stamp(const struct reading *reading, const char *name, struct sr_stamp ret[3])
{
	char plain[SR_NAME_MAX + 1];

	(void)sr_keystore_plain(name, plain);
	stamp_file(reading->keys, name, ".pem", &ret[STAMP_KEY]);
	stamp_file(reading->keys, name, SR_SSHCERT_SUFFIX, &ret[STAMP_CERTIFICATE]);
	stamp_file(reading->rules, plain, ".conf", &ret[STAMP_RULES]);
}

/*
 * A key whose file is refused is not served; one without its certificate is. @same: the entry
 * that was made of the same files; while nothing is new its key stays what is in use.
 */
static void read_key(const struct reading *reading, const struct sr_entry *same,
		     struct sr_entry *entry)
{
	struct sr_err why = { 0 };
	int r = sr_served_load(reading->keys, entry->name, &entry->served, &why);

	if (r == 0)
		r = sr_served_certify(reading->keys, entry->served, &why);
	entry->key_r = r;
	if (r == 0)
		return;
	report(reading, r, same ? same->key_r : 0, &why);
	if (!same || same->key_r != r || !same->served)
		return;
	sr_served_drop(entry->served);
	entry->served = sr_served_hold(same->served);
}

/* That rules are refused is said of the key that has them, and not of its older versions. */
static void read_rules(const struct reading *reading, int before, struct sr_entry *entry)
{
	char plain[SR_NAME_MAX + 1];
	struct sr_err why = { 0 };
	int r;

	(void)sr_keystore_plain(entry->name, plain);
	r = sr_rules_read(reading->store, plain, &entry->rules, &why);
	entry->rules_r = r;
	if (r < 0 && !entry->older)
		report(reading, r, before, &why);
}

/* Takes over from @old what is as it was: so nothing may fail from then on. */
static void read_entry(const struct reading *reading, char *name, struct sr_entry *old,
		       struct sr_entry *ret)
{
	char plain[SR_NAME_MAX + 1];
	bool same_key, same_rules;

	ret->older = sr_keystore_plain(name, plain);
	ret->name = name;
	stamp(reading, name, ret->stamp);
	same_key =
	    old && is_same(&old->stamp[STAMP_KEY], &ret->stamp[STAMP_KEY]) &&
	    is_same(&old->stamp[STAMP_CERTIFICATE], &ret->stamp[STAMP_CERTIFICATE]);
	same_rules = old && is_same(&old->stamp[STAMP_RULES], &ret->stamp[STAMP_RULES]);
	if (same_key && old->key_r == 0)
		ret->served = sr_served_hold(old->served);
	else
		read_key(reading, same_key ? old : NULL, ret);
	if (same_rules && old->rules_r == 0) {
		ret->rules = old->rules;
		old->rules = (struct sr_rules){ 0 };
	} else {
		read_rules(reading, same_rules ? old->rules_r : 0, ret);
	}
}

/* ---- finding ---- */

static int compare(const void *data, size_t size, const struct sr_buf *b)
{
	if (size != b->size)
		return size < b->size ? -1 : 1;
	return memcmp(data, b->data, size);
}

static int compare_blobs(const void *a, const void *b)
{
	const struct sr_blob *left = a, *right = b;

	return compare(left->blob->data, left->blob->size, right->blob);
}

static void add_blob(struct sr_catalog *catalog, const struct sr_entry *entry,
		     const struct sr_buf *blob)
{
	if (blob->size > 0)
		catalog->blob[catalog->blobs++] = (struct sr_blob){ blob, entry };
}

static void make_index(struct sr_catalog *catalog)
{
	for (size_t i = 0; i < catalog->count; i++) {
		const struct sr_entry *entry = &catalog->entry[i];

		if (!entry->served)
			continue;
		add_blob(catalog, entry, &entry->served->blob);
		add_blob(catalog, entry, &entry->served->certificate);
	}
	if (catalog->blobs > 0)
		qsort(catalog->blob, catalog->blobs, sizeof(*catalog->blob),
		      compare_blobs);
}

bool sr_catalog_may_sign(const struct sr_entry *entry, const struct sr_peer *peer)
{
	return entry->served && entry->served->signs && !entry->older &&
	       !entry->rules.hidden && sr_rules_allow(&entry->rules, peer);
}

bool sr_catalog_may_use(const struct sr_entry *entry, const struct sr_peer *peer)
{
	return sr_rules_allow(&entry->rules, peer);
}

bool sr_catalog_may_rotate(const struct sr_entry *entry, const struct sr_peer *peer)
{
	return !entry->older && sr_catalog_may_use(entry, peer) &&
	       sr_rules_allow_rotate(&entry->rules, peer);
}

const struct sr_entry *sr_catalog_find(const struct sr_catalog *catalog,
				       const struct sr_reader *blob,
				       const struct sr_peer *peer)
{
	size_t low = 0, high = catalog->blobs;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(blob->data, blob->left, catalog->blob[middle].blob) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	/* The same key may be there under several names, with different rules. */
	for (; low < catalog->blobs &&
	       compare(blob->data, blob->left, catalog->blob[low].blob) == 0;
	     low++)
		if (sr_catalog_may_sign(catalog->blob[low].entry, peer))
			return catalog->blob[low].entry;
	return NULL;
}

static int compare_name(const void *name, const void *entry)
{
	return strcmp(name, ((const struct sr_entry *)entry)->name);
}

static const struct sr_entry *find_fingerprint(const struct sr_catalog *catalog,
					       const char *wanted,
					       const struct sr_peer *peer)
{
	const struct sr_entry *older = NULL;

	for (size_t i = 0; i < catalog->count; i++) {
		const struct sr_entry *entry = &catalog->entry[i];

		if (!entry->served || !sr_catalog_may_use(entry, peer) ||
		    !sr_key_has_fingerprint(entry->served->key, wanted))
			continue;
		if (!entry->older)
			return entry;
		older = entry;
	}
	return older;
}

const struct sr_entry *sr_catalog_of(const struct sr_catalog *catalog, const char *name)
{
	return catalog->count > 0 ? bsearch(name, catalog->entry, catalog->count,
					    sizeof(*catalog->entry), compare_name)
				  : NULL;
}

const struct sr_entry *sr_catalog_named(const struct sr_catalog *catalog,
					const char *name, const struct sr_peer *peer)
{
	const struct sr_entry *entry;

	if (sr_key_is_fingerprint(name))
		return find_fingerprint(catalog, name, peer);
	entry = sr_catalog_of(catalog, name);
	return entry && sr_catalog_may_use(entry, peer) ? entry : NULL;
}

/* ---- all of it ---- */

static struct sr_entry *find_name(struct sr_catalog *catalog, const char *name,
				  size_t *from)
{
	int order = -1;

	for (; *from < catalog->count; ++*from) {
		order = strcmp(catalog->entry[*from].name, name);
		if (order >= 0)
			break;
	}
	return *from < catalog->count && order == 0 ? &catalog->entry[*from] : NULL;
}

static int read_all(const struct reading *reading, struct sr_catalog *old,
		    struct sr_catalog *ret, struct sr_err *err)
{
	_cleanup_names_ struct sr_names names = { 0 };
	int r = reading->keys < 0 ? 0 : sr_keystore_list(reading->keys, &names, err);
	size_t from = 0;

	if (r < 0)
		return r;
	ret->entry = calloc(names.count + 1, sizeof(*ret->entry));
	ret->blob = calloc(2 * names.count + 1, sizeof(*ret->blob));
	if (!ret->entry || !ret->blob)
		return sr_fail_memory(err);
	for (; ret->count < names.count; ret->count++) {
		char *name = take(names.name[ret->count]);

		read_entry(reading, name, find_name(old, name, &from),
			   &ret->entry[ret->count]);
		ret->refused = ret->refused || ret->entry[ret->count].key_r < 0 ||
			       ret->entry[ret->count].rules_r < 0;
	}
	make_index(ret);
	return 0;
}

int sr_catalog_read(struct sr_catalog *catalog, const struct sr_store *store,
		    const struct sr_reporter *reporter, struct sr_err *err)
{
	_cleanup_(sr_catalog_done) struct sr_catalog fresh = { 0 };
	_cleanup_close_ int keys = sr_keystore_dir(store, err);
	_cleanup_close_ int rules = sr_rules_dir(store);
	struct reading reading = { store, reporter, keys, rules };
	int r;

	if (keys < 0 && keys != -ENOENT)
		return keys;
	r = read_all(&reading, catalog, &fresh, err);
	if (r < 0)
		return r;
	sr_catalog_done(catalog);
	*catalog = fresh;
	fresh = (struct sr_catalog){ 0 };
	return 0;
}
