/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an initramfs gets of a store, and whether it has the present state of it. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

#include "codec/envelope.h"
#include "codec/tpmkey.h"
#include "early.h"
#include "ring.h"

#define NOTE "initramfs" /* in the state directory */
#define NOTE_HEAD "sealring initramfs 1 "
#define NOTE_TEXT (sizeof(NOTE_HEAD) + 65)
#define DIGEST_SIZE 32

/**
 * struct image_file - one file of an image
 * @base:	directory of the store that @path starts from
 * @path:	the file
 * @max:	bytes in it, at most
 * @sealed:	an image without its present content does not deliver the secrets
 */
struct image_file {
	const char *base;
	char *path;
	size_t max;
	bool sealed;
};

struct image_files {
	struct image_file *file;
	size_t count;
	int secrets;
};

static void files_done(struct image_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->file[i].path);
	free(files->file);
}

#define _cleanup_files_ _cleanup_(files_done)

/* @length: what asprintf() said of *@path, which is taken over. */
static int add(struct image_files *files, const struct image_file *file, int length,
	       char **path, struct sr_err *err)
{
	struct image_file *grown;

	if (length < 0)
		*path = NULL;
	grown = length < 0 ? NULL
			   : reallocarray(files->file, files->count + 1, sizeof(*grown));
	if (!grown)
		return sr_fail_memory(err);
	files->file = grown;
	grown[files->count] = *file;
	grown[files->count++].path = take(*path);
	return 0;
}

static int add_config(const struct sr_store *store, struct image_files *files,
		      struct sr_err *err)
{
	const struct image_file file = { .base = store->config_dir, .max = SR_CONF_MAX };
	_cleanup_close_ int dir = sr_open_dir(AT_FDCWD, store->config_dir, err);
	_cleanup_close_ int sub = -1;
	_cleanup_names_ struct sr_names names = { 0 };
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (faccessat(dir, "sealring.conf", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = add(files, &file, asprintf(&path, "sealring.conf"), &path, err);
	else if (errno != ENOENT)
		r = sr_fail_sys(err, errno, "cannot look for sealring.conf in %s",
				store->config_dir);
	sub = r < 0 ? r : sr_open_dir(dir, "sealring.conf.d", err);
	if (sub < 0)
		return sub == -ENOENT ? 0 : sub;
	r = sr_list_dir(sub, ".conf", &names, err);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = add(files, &file,
			asprintf(&path, "sealring.conf.d/%s.conf", names.name[i]), &path,
			err);
	return r;
}

static int add_ring(const struct sr_ring *ring, struct image_files *files,
		    struct sr_err *err)
{
	const struct image_file conf = { .base = ring->store->state_dir,
					 .max = SR_CONF_MAX };
	const struct image_file approval = { .base = ring->store->state_dir,
					     .max = SR_TPMKEY_MAX,
					     .sealed = true };
	_cleanup_close_ int dir = sr_ring_open_subdir(ring, "approvals", err);
	_cleanup_names_ struct sr_names names = { 0 };
	_cleanup_free_ char *path = NULL;
	int r = dir < 0 ? dir : sr_list_dir(dir, ".pem", &names, err);

	if (r == 0)
		r = add(files, &conf, asprintf(&path, "rings/%s/ring.conf", ring->name),
			&path, err);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = add(files, &approval,
			asprintf(&path, "rings/%s/approvals/%s.pem", ring->name,
				 names.name[i]),
			&path, err);
	return r;
}

static int add_secret(const struct sr_ring *ring, const char *name,
		      struct image_files *files, struct sr_err *err)
{
	const struct image_file delivery = { .base = ring->store->config_dir,
					     .max = SR_CONF_MAX,
					     .sealed = true };
	const struct image_file secret = { .base = ring->store->state_dir,
					   .max = SR_ENVELOPE_MAX,
					   .sealed = true };
	_cleanup_free_ char *path = NULL;
	int r;

	if (!sr_ring_latch(ring))
		return sr_fail(
		    err, -EINVAL,
		    "secret %s has Initramfs=yes, but ring %s stays open after "
		    "the initramfs, so whoever has the image would have it: seal "
		    "it under ring boot",
		    name, ring->name);
	r = add(files, &delivery, asprintf(&path, "secrets.d/%s.conf", name), &path, err);
	if (r == 0)
		r = add(files, &secret,
			asprintf(&path, "rings/%s/secrets/%s.cms", ring->name, name),
			&path, err);
	files->secrets += r == 0;
	return r;
}

/* 1 if secrets.d wants it in the initramfs. */
static int is_early(const struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };
	int r = sr_delivery_read(store, name, &delivery, err);

	return r == -ENOENT ? 0 : r < 0 ? r : delivery.initramfs;
}

/* The image extends what is configured now: it has to be what its rings wait for. */
static int check_latch(const struct sr_ring *ring, struct sr_err *err)
{
	unsigned int pcr = ring->store->config.latch_pcr;
	uint32_t latch = sr_ring_latch(ring);
	char text[SR_CHANGED_TEXT];

	if (!latch || latch & 1U << pcr)
		return 0;
	sr_changed_text(latch, text);
	return sr_fail(err, -EINVAL,
		       "ring %s is closed by %s, but [Latch] PCR=%u: the initramfs would "
		       "leave it open: make them the same",
		       ring->name, text, pcr);
}

static int add_ring_secrets(struct sr_store *store, const char *name,
			    struct image_files *files, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *ring = NULL;
	_cleanup_(sr_strv_freep) char **names = NULL;
	int before = files->secrets, r = sr_ring_load(store, name, &ring, err);

	if (r == 0)
		r = check_latch(ring, err);
	if (r == 0)
		r = sr_ring_secrets(ring, &names, err);
	for (char **secret = names; r >= 0 && *secret; secret++) {
		r = is_early(store, *secret, err);
		if (r > 0)
			r = add_secret(ring, *secret, files, err);
	}
	if (r >= 0 && files->secrets > before)
		r = add_ring(ring, files, err);
	return r < 0 ? r : 0;
}

static int list_secrets(struct sr_store *store, struct image_files *files,
			struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **rings = NULL;
	int r = sr_store_rings(store, &rings, err);

	for (char **ring = rings; r >= 0 && *ring; ring++)
		r = add_ring_secrets(store, *ring, files, err);
	return r < 0 ? r : 0;
}

static int read_file(const struct image_file *file, struct sr_buf *ret,
		     struct sr_err *err)
{
	_cleanup_close_ int dir = sr_open_dir(AT_FDCWD, file->base, err);

	return dir < 0 ? dir : sr_read_file(dir, file->path, file->max, ret, err);
}

static int copy_file(const struct image_file *file, const char *root, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	_cleanup_free_ char *to = NULL;
	char *slash;
	int r = read_file(file, &content, err);

	if (r < 0)
		return r;
	if (asprintf(&to, "%s%s/%s", root, file->base, file->path) < 0) {
		to = NULL;
		return sr_fail_memory(err);
	}
	slash = strrchr(to, '/');
	*slash = '\0';
	r = sr_create_dir(to, 0700, err);
	*slash = '/';
	return r < 0 ? r : sr_replace_file(AT_FDCWD, to, &content, 0600, NULL, err);
}

int sr_image_fill(struct sr_store *store, const char *root, struct sr_err *err)
{
	_cleanup_files_ struct image_files files = { 0 };
	int r = add_config(store, &files, err);

	if (r == 0)
		r = list_secrets(store, &files, err);
	for (size_t i = 0; r == 0 && i < files.count; i++)
		r = copy_file(&files.file[i], root, err);
	if (r == 0)
		r = sr_early_fill(store, root, err);
	return r < 0 ? r : files.secrets;
}

static int hash_file(EVP_MD_CTX *hash, const struct image_file *file, const char *root,
		     struct sr_err *err)
{
	_cleanup_free_ char *base = NULL;
	_cleanup_buf_ struct sr_buf content = { 0 };
	struct image_file there = *file;
	uint64_t size;
	int r;

	if (asprintf(&base, "%s%s", root, file->base) < 0) {
		base = NULL;
		return sr_fail_memory(err);
	}
	there.base = base;
	r = read_file(&there, &content, err);
	if (r < 0)
		return r;
	size = content.size;
	if (EVP_DigestUpdate(hash, file->path, strlen(file->path) + 1) != 1 ||
	    EVP_DigestUpdate(hash, &size, sizeof(size)) != 1 ||
	    EVP_DigestUpdate(hash, content.data, content.size) != 1)
		return sr_fail_libcrypto(err, "SHA-256");
	return 0;
}

static inline void free_hash(EVP_MD_CTX **hash)
{
	EVP_MD_CTX_free(*hash);
}

/* The note for what the files of this store are below @root. */
static int make_note(const struct image_files *files, const char *root,
		     char ret[NOTE_TEXT], struct sr_err *err)
{
	_cleanup_(free_hash) EVP_MD_CTX *hash = EVP_MD_CTX_new();
	uint8_t digest[DIGEST_SIZE];
	int r = 0;

	if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
		return sr_fail_libcrypto(err, "SHA-256");
	for (size_t i = 0; r == 0 && i < files->count; i++)
		if (files->file[i].sealed)
			r = hash_file(hash, &files->file[i], root, err);
	if (r < 0)
		return r;
	if (EVP_DigestFinal_ex(hash, digest, NULL) != 1)
		return sr_fail_libcrypto(err, "SHA-256");
	memcpy(ret, NOTE_HEAD, sizeof(NOTE_HEAD));
	sr_hex_format(digest, sizeof(digest), ret + strlen(NOTE_HEAD));
	(void)snprintf(ret + strlen(ret), 2, "\n");
	return 0;
}

int sr_image_done(struct sr_store *store, const char *root, struct sr_err *err)
{
	_cleanup_files_ struct image_files files = { 0 };
	_cleanup_close_ int dir = -1;
	char note[NOTE_TEXT];
	struct sr_buf content = { .data = (uint8_t *)note };
	int r = list_secrets(store, &files, err);

	if (r < 0)
		return r;
	dir = sr_open_dir(AT_FDCWD, store->state_dir, err);
	if (files.secrets == 0) {
		if (dir >= 0)
			(void)unlinkat(dir, NOTE, 0);
		return 0;
	}
	r = dir < 0 ? dir : make_note(&files, root, note, err);
	content.size = strlen(note);
	return r < 0 ? r : sr_replace_file(dir, NOTE, &content, 0600, NULL, err);
}

int sr_image_current(struct sr_store *store, struct sr_err *err)
{
	_cleanup_files_ struct image_files files = { 0 };
	_cleanup_buf_ struct sr_buf content = { 0 };
	const struct image_file file = { .base = store->state_dir,
					 .path = (char *)NOTE,
					 .max = NOTE_TEXT };
	char note[NOTE_TEXT];
	int r = list_secrets(store, &files, err);

	if (r < 0 || files.secrets == 0)
		return r < 0 ? r : 1;
	r = make_note(&files, "", note, err);
	if (r == 0)
		r = read_file(&file, &content, err);
	if (r < 0)
		return r == -ENOENT || r == -EBADMSG ? 0 : r;
	return content.size == strlen(note) &&
	       memcmp(content.data, note, content.size) == 0;
}
