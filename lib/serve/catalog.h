/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All keys that are served, and who may use them: as they are in their directories. */
#ifndef SR_CATALOG_H
#define SR_CATALOG_H

#include "codec/wire.h"
#include "rules.h"
#include "served.h"

/** struct sr_stamp - what tells a file from what it was before; all zero for no file */
struct sr_stamp {
	ino_t inode;
	off_t size;
	struct timespec changed;
};

/**
 * struct sr_entry - one key, or an older version of one, under the same rules
 * @name:	its name
 * @older:	it was replaced: who names it may use it, and it is not listed
 * @served:	the key; NULL while its file is refused
 * @rules:	who may use it
 * @stamp:	of its file, its certificate, its rules
 * @key_r:	why its file or its certificate was refused; 0 if they were not
 * @rules_r:	why its rules were
 */
struct sr_entry {
	char *name;
	bool older;
	struct sr_served *served;
	struct sr_rules rules;
	struct sr_stamp stamp[3];
	int key_r;
	int rules_r;
};

/**
 * struct sr_catalog - all of them, by name
 * @entry:	the keys
 * @count:	how many
 * @blob:	the same by what OpenSSH calls them, certificates too
 * @blobs:	how many
 * @refused:	something was: it may have been for want of memory, so it is worth another try
 */
struct sr_catalog {
	struct sr_entry *entry;
	size_t count;
	struct sr_blob {
		const struct sr_buf *blob;
		const struct sr_entry *entry;
	} * blob;
	size_t blobs;
	bool refused;
};

/** struct sr_reporter - where failures go that have no caller */
struct sr_reporter {
	void (*report)(void *arg, int r, const struct sr_err *why);
	void *arg;
};

/**
 * sr_catalog_read() - read what is not as it was, or was refused
 * @catalog:	gets what is there now
 * @store:	where
 * @reporter:	is told of files that are refused, once for each reason
 * @err:	says why, on failure: the catalog is as before
 */
int sr_catalog_read(struct sr_catalog *catalog, const struct sr_store *store,
		    const struct sr_reporter *reporter, struct sr_err *err);

void sr_catalog_done(struct sr_catalog *catalog);

/** sr_catalog_may_sign() - whether the agent may sign with it for somebody */
bool sr_catalog_may_sign(const struct sr_entry *entry, const struct sr_peer *peer);

/** sr_catalog_may_use() - whether anything may be done with it for somebody */
bool sr_catalog_may_use(const struct sr_entry *entry, const struct sr_peer *peer);

/** sr_catalog_may_rotate() - whether it may be replaced for somebody */
bool sr_catalog_may_rotate(const struct sr_entry *entry, const struct sr_peer *peer);

/** sr_catalog_of() - the entry of this name, whoever may use it; NULL if there is none */
const struct sr_entry *sr_catalog_of(const struct sr_catalog *catalog, const char *name);

/**
 * sr_catalog_named() - the key that somebody may use, by name or fingerprint; or NULL
 *
 * Its file may have been refused.
 */
const struct sr_entry *sr_catalog_named(const struct sr_catalog *catalog,
					const char *name, const struct sr_peer *peer);

/** sr_catalog_find() - the key that somebody may sign with under this blob; or NULL */
const struct sr_entry *sr_catalog_find(const struct sr_catalog *catalog,
				       const struct sr_reader *blob,
				       const struct sr_peer *peer);

#endif
