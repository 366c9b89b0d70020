/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store: where rings live, how they are configured, who may write. */
#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "ground/volume.h"
#include "ring.h"

#define WAIT_USUAL 10 /* seconds; [TPM] Wait= */
#define WAIT_MAX 300
#define LATCH_USUAL 15	    /* [Latch] PCR= */
#define AUTO_LOCK_USUAL 300 /* seconds; [Sign] AutoLock= */
#define AUTO_LOCK_MAX 86400

static int set_tcti(const char *value, void *arg, struct sr_err *err)
{
	struct sr_config *config = arg;

	return sr_conf_string(value, &config->tcti, err);
}

static int set_wait(const char *value, void *arg, struct sr_err *err)
{
	struct sr_config *config = arg;
	uint64_t seconds;
	int r = sr_number_parse(value, WAIT_MAX, &seconds, err);

	if (r == 0)
		config->wait = (unsigned int)seconds;
	return r;
}

static int set_pcrs(const char *value, void *arg, struct sr_err *err)
{
	struct sr_config *config = arg;
	struct sr_pcrs pcrs;
	int r = sr_pcrs_parse(value, &pcrs, err);

	return r < 0 ? r : sr_conf_string(value, &config->pcrs, err);
}

static int add_escrow(const char *value, void *arg, struct sr_err *err)
{
	struct sr_config *config = arg;

	return sr_strv_add(&config->escrow, &config->escrow_count, value, err);
}

/* Firmware measures into those below; those above can be reset, or are never zero. */
static int set_latch_pcr(const char *value, void *arg, struct sr_err *err)
{
	struct sr_config *config = arg;
	uint64_t pcr;
	int r = sr_number_parse(value, 23, &pcr, err);

	if (r == 0 && (pcr < 8 || pcr > 15))
		r = sr_fail(err, -EINVAL, "PCR %s is no latch: choose one from 8 to 15",
			    value);
	if (r == 0)
		config->latch_pcr = (unsigned int)pcr;
	return r;
}

static int set_latch_required(const char *value, void *arg, struct sr_err *err)
{
	struct sr_config *config = arg;

	return sr_bool_parse(value, &config->latch_required, err);
}

static int set_event_log(const char *value, void *arg, struct sr_err *err)
{
	struct sr_config *config = arg;

	return sr_conf_string(value, &config->event_log, err);
}

static int set_auto_lock(const char *value, void *arg, struct sr_err *err)
{
	struct sr_config *config = arg;
	uint64_t seconds;
	int r = sr_number_parse(value, AUTO_LOCK_MAX, &seconds, err);

	if (r == 0)
		config->auto_lock = (unsigned int)seconds;
	return r;
}

static int set_encrypt_sessions(const char *value, void *arg, struct sr_err *err)
{
	struct sr_config *config = arg;

	return sr_bool_parse(value, &config->encrypt_sessions, err);
}

static const struct sr_conf_key config_keys[] = {
	{ "TPM", "TCTI", false, set_tcti },
	{ "TPM", "Wait", false, set_wait },
	{ "TPM", "EventLog", false, set_event_log },
	{ "Policy", "PCRs", false, set_pcrs },
	{ "Latch", "PCR", false, set_latch_pcr },
	{ "Latch", "Required", false, set_latch_required },
	{ "Recovery", "Escrow", true, add_escrow },
	{ "Sign", "AutoLock", false, set_auto_lock },
	{ "Sign", "EncryptSessions", false, set_encrypt_sessions },
	{ 0 },
};

static int read_config(struct sr_store *store, int dir, const char *name,
		       struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	_cleanup_free_ char *path = NULL;
	int r = sr_read_file(dir, name, SR_CONF_MAX, &content, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (asprintf(&path, "%s/%s", store->config_dir, name) < 0)
		return sr_fail_memory(err);
	return sr_conf_read(&content, path, config_keys, &store->config, err);
}

static int read_drop_ins(struct sr_store *store, int dir, struct sr_err *err)
{
	_cleanup_close_ int sub = sr_open_dir(dir, "sealring.conf.d", err);
	_cleanup_names_ struct sr_names names = { 0 };
	int r;

	if (sub < 0)
		return sub == -ENOENT ? 0 : sub;
	r = sr_list_dir(sub, ".conf", &names, err);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		_cleanup_free_ char *name = NULL;

		if (asprintf(&name, "sealring.conf.d/%s.conf", names.name[i]) < 0)
			return sr_fail_memory(err);
		r = read_config(store, dir, name, err);
	}
	return r;
}

static int read_all_config(struct sr_store *store, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_open_dir(AT_FDCWD, store->config_dir, err);
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = read_config(store, dir, "sealring.conf", err);
	return r < 0 ? r : read_drop_ins(store, dir, err);
}

void sr_store_close(struct sr_store *store)
{
	if (!store)
		return;
	free(store->config_dir);
	free(store->state_dir);
	free(store->runtime_dir);
	free(store->rings_path);
	free(store->config.tcti);
	free(store->config.event_log);
	free(store->config.pcrs);
	sr_strv_free(store->config.escrow);
	free(store);
}

SR_DEFINE_CLEANUP(sr_store_closep, struct sr_store *, sr_store_close)

int sr_store_open(const struct sr_store_options *options, struct sr_store **ret,
		  struct sr_err *err)
{
	_cleanup_(sr_store_closep) struct sr_store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return sr_fail_memory(err);
	store->config_dir = strdup(options->config_dir);
	store->state_dir = strdup(options->state_dir);
	store->config.wait = WAIT_USUAL;
	store->config.latch_pcr = LATCH_USUAL;
	store->config.latch_required = true;
	store->config.auto_lock = AUTO_LOCK_USUAL;
	store->config.encrypt_sessions = true;
	if (options->runtime_dir)
		store->runtime_dir = strdup(options->runtime_dir);
	if (!store->config_dir || !store->state_dir ||
	    (options->runtime_dir && !store->runtime_dir))
		return sr_fail_memory(err);
	if (asprintf(&store->rings_path, "%s/rings", options->state_dir) < 0) {
		store->rings_path = NULL;
		return sr_fail_memory(err);
	}
	r = read_all_config(store, err);
	if (r < 0)
		return r;
	*ret = take(store);
	return 0;
}

const struct sr_config *sr_store_config(const struct sr_store *store)
{
	return &store->config;
}

bool sr_store_encrypted(const struct sr_store *store)
{
	return sr_path_encrypted(store->state_dir);
}

const char *sr_store_path(const struct sr_store *store)
{
	return store->state_dir;
}

int sr_store_dir(const struct sr_store *store, struct sr_err *err)
{
	return sr_open_dir(AT_FDCWD, store->rings_path, err);
}

int sr_store_rings(const struct sr_store *store, char ***ret, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_store_dir(store, err);
	_cleanup_names_ struct sr_names names = { 0 };
	int r;

	if (dir < 0 && dir != -ENOENT)
		return dir;
	r = dir < 0 ? 0 : sr_list_dir(dir, "", &names, err);
	if (r < 0)
		return r;
	sr_names_keep(&names);
	return sr_names_to_strv(&names, ret, err);
}

/* 1 if ring @ring has the secret; what is no ring has none. */
static int has_secret(const struct sr_store *store, int dir, const char *ring,
		      const char *name, struct sr_err *err)
{
	char path[2 * SR_NAME_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/secrets/%s.cms", ring, name);
	if (faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
		return 0;
	return sr_fail_sys(err, errno, "cannot look for secret %s in %s", name,
			   store->rings_path);
}

/* A copy of a ring put beside it would decide by the alphabet which secret is given. */
static int find_only(const struct sr_store *store, int dir, const struct sr_names *rings,
		     const char *name, const char **ret, struct sr_err *err)
{
	*ret = NULL;
	for (size_t i = 0; i < rings->count; i++) {
		int r = has_secret(store, dir, rings->name[i], name, err);

		if (r < 0)
			return r;
		if (r && *ret)
			return sr_fail(
			    err, -EBADMSG,
			    "secret %s is in two rings, %s and %s: move one of them "
			    "out of %s",
			    name, *ret, rings->name[i], store->rings_path);
		if (r)
			*ret = rings->name[i];
	}
	return *ret ? 0
		    : sr_fail(err, -ENOKEY,
			      "no secret \"%s\" in %s: tpm-ring list shows all", name,
			      store->rings_path);
}

static int find_secret(const struct sr_store *store, const char *name,
		       char ret[SR_NAME_MAX + 1], struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	_cleanup_names_ struct sr_names rings = { 0 };
	const char *owner;
	int r = 0;

	dir = sr_store_dir(store, err);
	if (dir < 0 && dir != -ENOENT)
		return dir;
	if (dir >= 0)
		r = sr_list_dir(dir, "", &rings, err);
	sr_names_keep(&rings);
	if (r == 0)
		r = find_only(store, dir, &rings, name, &owner, err);
	if (r == 0)
		(void)snprintf(ret, SR_NAME_MAX + 1, "%s", owner);
	return sr_about(err, r, NULL, name);
}

int sr_store_find(const struct sr_store *store, const char *name,
		  char ret[SR_NAME_MAX + 1], struct sr_err *err)
{
	int r = sr_secret_name_check(name, err);

	return r < 0 ? r : find_secret(store, name, ret, err);
}

int sr_store_find_softkey(const struct sr_store *store, const char *name,
			  char ret[SR_NAME_MAX + 1], struct sr_err *err)
{
	int r = sr_softkey_name_check(name, err);

	return r < 0 ? r : find_secret(store, name, ret, err);
}

void sr_hidden_name(const char *name, char ret[SR_HIDDEN_MAX])
{
	(void)snprintf(ret, SR_HIDDEN_MAX, ".%.*s" SR_HIDDEN_SUFFIX, SR_NAME_MAX, name);
}

/* A reader holds a shared lock on the directory it loaded its ring from. */
void sr_discard_hidden(int rings, const char *hidden, unsigned int wait_ms)
{
	_cleanup_close_ int dir = sr_open_dir(rings, hidden, NULL);

	if (dir < 0)
		return;
	while (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || wait_ms < 20)
			return;
		wait_ms -= 20;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	(void)sr_remove_tree(rings, hidden, NULL);
}

static bool is_hidden(const char *name)
{
	size_t length = strlen(name), suffix = strlen(SR_HIDDEN_SUFFIX);

	return name[0] == '.' && length > suffix + 1 &&
	       strcmp(name + length - suffix, SR_HIDDEN_SUFFIX) == 0;
}

static inline void close_dirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static void discard_all_hidden(int rings)
{
	_cleanup_close_ int fd = openat(rings, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_dirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return;
	(void)take_fd(&fd);
	while ((entry = readdir(dir)))
		if (is_hidden(entry->d_name))
			sr_discard_hidden(rings, entry->d_name, 0);
}

/* A program that has a handler for a signal has something to do before it goes on waiting. */
int sr_store_flock(const struct sr_store *store, int dir, const char *path,
		   struct sr_err *err)
{
	if (flock(dir, LOCK_EX | (store->impatient ? LOCK_NB : 0)) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return sr_fail(err, -ETIMEDOUT,
			       "another program has locked %s to change it: ask "
			       "again once it has ended; fuser -v %s shows which",
			       path, path);
	return sr_fail_sys(err, errno, "cannot lock %s", path);
}

int sr_store_lock(const struct sr_store *store, int *ret, struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	int r = sr_create_dir(store->rings_path, 0700, err);

	if (r < 0)
		return r;
	dir = sr_store_dir(store, err);
	if (dir < 0)
		return dir;
	r = sr_store_flock(store, dir, store->rings_path, err);
	if (r < 0)
		return r;
	discard_all_hidden(dir);
	*ret = take_fd(&dir);
	return 0;
}
