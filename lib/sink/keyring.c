/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's keyrings as a place where an opened secret is found. */
#define _GNU_SOURCE 1 /* pipe2() */

#include "keyring.h"

#include <fcntl.h>
#include <grp.h>
#include <keyutils.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "ground/parse.h"

#define PERMISSIONS (KEY_POS_ALL | KEY_USR_ALL | KEY_GRP_ALL | KEY_OTH_ALL)
#define CHILD_PATIENCE 10000 /* milliseconds: its user could stop it */
#define QUOTA_PAUSE 20000000 /* nanoseconds */
#define QUOTA_TRIES 10
#define NOBODY 65534 /* group of a user that no database knows */

/*
 * Needed until a new key is in its place: without search its creator does not possess it,
 * without link it can't go anywhere, without setattr its permissions are final.
 */
#define WHILE_STAGED (KEY_POS_SEARCH | KEY_POS_LINK | KEY_POS_SETATTR)

static const struct kind {
	const char *name;
	size_t max;
} kinds[] = {
	{ "user", SR_KEYRING_USER_MAX },
	{ "logon", SR_KEYRING_USER_MAX },
	{ "big_key", SR_KEYRING_BIG_MAX },
};

static const struct special {
	const char *name;
	key_serial_t id;
	bool of_user; /* follows the uid, not the process */
} specials[] = {
	{ "@u", KEY_SPEC_USER_KEYRING, true },
	{ "@us", KEY_SPEC_USER_SESSION_KEYRING, true },
	{ "@s", KEY_SPEC_SESSION_KEYRING, false },
	{ "@p", KEY_SPEC_PROCESS_KEYRING, false },
};

static const char *type_of(const struct sr_keyring *target)
{
	return target->type ? target->type : "user";
}

static const char *keyring_of(const struct sr_keyring *target)
{
	return target->keyring ? target->keyring : "@u";
}

static const struct special *find_special(const char *keyring)
{
	for (size_t i = 0; i < SR_COUNT(specials); i++)
		if (strcmp(specials[i].name, keyring) == 0)
			return &specials[i];
	return NULL;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return true;
	return false;
}

/* "NAME" of "%:NAME" or "NAME"; NULL if it is anything else. */
static const char *name_of(const char *keyring)
{
	const char *name = strncmp(keyring, "%:", 2) == 0 ? keyring + 2 : keyring;

	if (!*name || (name == keyring && strchr("@%-0123456789", *name)))
		return NULL;
	return strlen(name) <= SR_KEYRING_DESCRIPTION_MAX ? name : NULL;
}

static int check_keyring(const struct sr_keyring *target, struct sr_err *err)
{
	const char *keyring = keyring_of(target);
	const struct special *special = find_special(keyring);
	uint64_t id = 0;

	if (has_control(keyring) || (target->user && has_control(target->user)))
		return sr_fail(err, -EINVAL,
			       "control character in the name of keyring or user");
	if (special && target->user && !special->of_user)
		return sr_fail(err, -EINVAL,
			       "keyring %s belongs to a process, not a user: write @u",
			       keyring);
	if (special || name_of(keyring))
		return 0;
	if (sr_number_parse(keyring, INT32_MAX, &id, NULL) < 0 || id == 0)
		return sr_fail(err, -EINVAL,
			       "\"%.64s\" is not a keyring: write @u, @us, @s, @p, "
			       "a serial number or %%:NAME",
			       keyring);
	return 0;
}

static int check_description(const struct sr_keyring *target, struct sr_err *err)
{
	const char *text = target->description;
	const char *colon;

	if (!text || !*text)
		return sr_fail(err, -EINVAL, "the key needs a description");
	if (strlen(text) > SR_KEYRING_DESCRIPTION_MAX)
		return sr_fail(err, -EINVAL,
			       "the key's description is longer than %d bytes",
			       SR_KEYRING_DESCRIPTION_MAX);
	if (has_control(text))
		return sr_fail(err, -EINVAL,
			       "control character in the key's description");
	colon = strchr(text, ':');
	if (strcmp(type_of(target), "logon") == 0 &&
	    (!colon || colon == text || !colon[1]))
		return sr_fail(err, -EINVAL,
			       "\"%.64s\": a logon key is described as prefix:rest",
			       text);
	return 0;
}

static int check_where(const struct sr_keyring *target, size_t *max, struct sr_err *err)
{
	const char *type = type_of(target);
	int r;

	*max = 0;
	for (size_t i = 0; i < SR_COUNT(kinds); i++)
		if (strcmp(kinds[i].name, type) == 0)
			*max = kinds[i].max;
	if (*max == 0)
		return sr_fail(err, -EINVAL,
			       "no such type of key: write user, logon or big_key");
	r = check_keyring(target, err);
	return r < 0 ? r : check_description(target, err);
}

int sr_keyring_check(const struct sr_keyring *target, size_t size, struct sr_err *err)
{
	size_t max;
	int r = check_where(target, &max, err);

	if (r < 0)
		return r;
	if (target->permissions & ~PERMISSIONS)
		return sr_fail(err, -EINVAL, "0x%x is not a mask of key permissions",
			       target->permissions);
	if (size == 0 || size > max)
		return sr_fail(err, -EINVAL, "a %s key holds 1 to %zu bytes, not %zu",
			       type_of(target), max, size);
	return 0;
}

/* Numbers as the key calls use them; they mean something else in sealring.h. */
static int fail_key(const struct sr_keyring *target, int number, struct sr_err *err)
{
	const char *keyring = keyring_of(target);

	switch (number) {
	case EDQUOT:
		return sr_fail(err, -EDQUOT,
			       "keyring quota of user %u exhausted: see /proc/key-users",
			       (unsigned int)geteuid());
	case ENODEV:
		return sr_fail(err, -EOPNOTSUPP,
			       "this kernel has no big_key keys (CONFIG_BIG_KEYS)");
	case ENOKEY:
		return sr_fail(err, -ENOKEY, "no such keyring: %.64s", keyring);
	case EKEYREVOKED:
		return sr_fail(err, -EKEYREVOKED, "keyring %.64s has been revoked",
			       keyring);
	case EKEYEXPIRED:
		return sr_fail(err, -EKEYEXPIRED, "keyring %.64s has expired", keyring);
	case ENOTDIR:
		return sr_fail(err, -EINVAL, "%.64s is a key, not a keyring", keyring);
	case EACCES:
	case EPERM:
		return sr_fail(err, -EPERM,
			       "user %u has no permission to change keyring %.64s",
			       (unsigned int)geteuid(), keyring);
	default:
		return sr_fail_sys(err, number, "cannot change keyring %.64s", keyring);
	}
}

struct description {
	uid_t owner;
	uint32_t permissions;
};

static bool describe(key_serial_t key, struct description *ret)
{
	_cleanup_free_ char *text = NULL;
	int owner;

	if (keyctl_describe_alloc(key, &text) < 0 ||
	    sscanf(text, "%*[^;];%d;%*d;%x;", &owner, &ret->permissions) != 2)
		return false;
	ret->owner = (uid_t)owner;
	return true;
}

/* Anyone may name a keyring of theirs as they like, and show it: only ours is meant. */
static int find_named(const struct sr_keyring *target, const char *name,
		      key_serial_t *ret, struct sr_err *err)
{
	key_serial_t id = (key_serial_t)find_key_by_type_and_desc("keyring", name, 0);
	struct description found;

	if (id < 0)
		return fail_key(target, ENOKEY, err);
	if (!describe(id, &found) || found.owner != geteuid())
		return sr_fail(err, -EPERM,
			       "keyring %.64s is not of user %u: use its serial number",
			       name, (unsigned int)geteuid());
	*ret = id;
	return 0;
}

static int find_keyring(const struct sr_keyring *target, key_serial_t *ret,
			struct sr_err *err)
{
	const char *keyring = keyring_of(target);
	const struct special *special = find_special(keyring);
	const char *name = name_of(keyring);
	uint64_t id = 0;
	int r;

	if (special) {
		*ret = keyctl_get_keyring_ID(special->id, 1);
		return *ret < 0 ? fail_key(target, errno, err) : 0;
	}
	if (name)
		return find_named(target, name, ret, err);
	r = sr_number_parse(keyring, INT32_MAX, &id, err);
	*ret = (key_serial_t)id;
	return r;
}

/* The search also finds what is in keyrings below. */
static bool is_directly_in(key_serial_t keyring, key_serial_t key)
{
	_cleanup_free_ void *list = NULL;
	int size = keyctl_read_alloc(keyring, &list);

	for (int i = 0; i < size / (int)sizeof(key); i++)
		if (((const key_serial_t *)list)[i] == key)
			return true;
	return false;
}

/*
 * The thread keyring, which nobody else sees, while we use it. A new key is made ready
 * there. It also gets a link to the target, because only the possessor of a keyring
 * possesses what is in it, and a service's session keyring has no link to @u. A keyring
 * of our own would do as well, but takes from the user's quota, even to remove a key.
 */
struct workspace {
	key_serial_t keyring;
	key_serial_t link;
	key_serial_t key;
};

static void unlink_here(key_serial_t key)
{
	if (key > 0)
		(void)keyctl_unlink(key, KEY_SPEC_THREAD_KEYRING);
}

static void workspace_done(struct workspace *space)
{
	unlink_here(space->key);
	unlink_here(space->link);
}

/* A link that was there before stays; without one we may still have an owner's rights. */
static int workspace_open(const struct sr_keyring *target, struct workspace *space,
			  struct sr_err *err)
{
	key_serial_t thread = keyctl_get_keyring_ID(KEY_SPEC_THREAD_KEYRING, 1);
	int r = find_keyring(target, &space->keyring, err);

	if (r < 0)
		return r;
	if (space->keyring == thread)
		return sr_fail(err, -EINVAL, "keyring %.64s goes with its thread",
			       keyring_of(target));
	if (!is_directly_in(KEY_SPEC_THREAD_KEYRING, space->keyring) &&
	    keyctl_link(space->keyring, KEY_SPEC_THREAD_KEYRING) == 0)
		space->link = space->keyring;
	return 0;
}

static bool has_right(uint32_t permissions, uint32_t possessor, uint32_t owner)
{
	return (permissions & (possessor | owner)) != 0;
}

/* The key that can be updated and is then just what was asked for; 0 if there is none. */
static key_serial_t find_updatable(const struct sr_keyring *target,
				   const struct workspace *space)
{
	long key = keyctl_search(space->keyring, type_of(target), target->description, 0);
	struct description found;

	if (key <= 0 || !is_directly_in(space->keyring, (key_serial_t)key) ||
	    !describe((key_serial_t)key, &found) || found.owner != geteuid())
		return 0;
	if (target->permissions && found.permissions != target->permissions)
		return 0;
	if (!has_right(found.permissions, KEY_POS_WRITE, KEY_USR_WRITE) ||
	    !has_right(found.permissions, KEY_POS_SETATTR, KEY_USR_SETATTR))
		return 0;
	return (key_serial_t)key;
}

/* Takes away a key that holds the secret with other attributes than asked for. */
static int fail_attributes(const struct workspace *space, key_serial_t key,
			   const char *what, struct sr_err *err)
{
	int number = errno;

	(void)keyctl_revoke(key);
	(void)keyctl_unlink(key, space->keyring);
	return sr_fail_sys(err, number, "key %d was removed again: cannot set its %s",
			   key, what);
}

static int settle_permissions(const struct sr_keyring *target,
			      const struct workspace *space, key_serial_t key,
			      struct sr_err *err)
{
	if (!target->permissions || (target->permissions & WHILE_STAGED) == WHILE_STAGED)
		return 0;
	if (keyctl_setperm(key, target->permissions) < 0)
		return fail_attributes(space, key, "permissions", err);
	return 0;
}

/* The quota counts a key that was replaced a moment ago until the kernel collects it. */
static key_serial_t add_patiently(const struct sr_keyring *target, const void *data,
				  size_t size)
{
	const struct timespec pause = { .tv_nsec = QUOTA_PAUSE };
	key_serial_t key = -1;

	for (int i = 0; i < QUOTA_TRIES; i++) {
		if (i > 0)
			(void)nanosleep(&pause, NULL);
		key = add_key(type_of(target), target->description, data, size,
			      KEY_SPEC_THREAD_KEYRING);
		if (key >= 0 || errno != EDQUOT)
			break;
	}
	return key;
}

/* A key in the thread keyring, from which it goes away again with the workspace. */
static int stage(const struct sr_keyring *target, struct workspace *space,
		 const void *data, size_t size, struct sr_err *err)
{
	space->key = add_patiently(target, data, size);
	if (space->key < 0)
		return fail_key(target, errno, err);
	if (target->timeout > 0 && keyctl_set_timeout(space->key, target->timeout) < 0)
		return fail_attributes(space, space->key, "timeout", err);
	if (target->permissions &&
	    keyctl_setperm(space->key, target->permissions | WHILE_STAGED) < 0)
		return fail_attributes(space, space->key, "permissions", err);
	return 0;
}

/* Linking puts it in the place of a key with the same type and description. */
static int put_new(const struct sr_keyring *target, struct workspace *space,
		   const struct sr_secret *secret, struct sr_err *err)
{
	int r = stage(target, space, secret->data, secret->size, err);

	if (r < 0)
		return r;
	if (keyctl_link(space->key, space->keyring) < 0)
		return fail_key(target, errno, err);
	return settle_permissions(target, space, space->key, err);
}

static int put_here(const struct sr_keyring *target, const struct sr_secret *secret,
		    key_serial_t *ret, struct sr_err *err)
{
	_cleanup_(workspace_done) struct workspace space = { 0 };
	key_serial_t key;
	int r = workspace_open(target, &space, err);

	if (r < 0)
		return r;
	key = find_updatable(target, &space);
	if (key == 0 || keyctl_update(key, secret->data, secret->size) < 0) {
		r = put_new(target, &space, secret, err);
		*ret = space.key;
		return r;
	}
	if (keyctl_set_timeout(key, target->timeout) < 0)
		return fail_attributes(&space, key, "timeout", err);
	*ret = key;
	return 0;
}

/* A key we may not see is pushed out by one of the same name, which then goes. */
static int displace(const struct sr_keyring *target, struct workspace *space,
		    struct sr_err *err)
{
	const struct sr_keyring plain = {
		.type = target->type,
		.keyring = target->keyring,
		.description = target->description,
	};
	int r = stage(&plain, space, "-", 1, err);

	if (r < 0)
		return r;
	if (keyctl_link(space->key, space->keyring) < 0 ||
	    keyctl_unlink(space->key, space->keyring) < 0)
		return fail_key(target, errno, err);
	return 0;
}

static int remove_here(const struct sr_keyring *target, struct sr_err *err)
{
	_cleanup_(workspace_done) struct workspace space = { 0 };
	int r = workspace_open(target, &space, err);
	long key;

	if (r < 0)
		return r;
	key = keyctl_search(space.keyring, type_of(target), target->description, 0);
	if (key < 0 && errno == EACCES)
		return displace(target, &space, err);
	if (key > 0 && keyctl_unlink((key_serial_t)key, space.keyring) == 0)
		return 0;
	if (key > 0 && errno != ENOENT)
		return fail_key(target, errno, err);
	return sr_fail(err, -ENOKEY, "no %s key \"%.64s\" in keyring %.64s",
		       type_of(target), target->description, keyring_of(target));
}

/* What is to be done, here or in a child: a key put, or without @secret removed. */
struct job {
	const struct sr_keyring *target;
	const struct sr_secret *secret;
	uid_t user;
	gid_t group;
};

/* What a child says; small enough for a pipe to take at once. */
struct report {
	int r;
	key_serial_t serial;
	struct sr_err err;
};

static int do_job(const struct job *job, key_serial_t *serial, struct sr_err *err)
{
	return job->secret ? put_here(job->target, job->secret, serial, err)
			   : remove_here(job->target, err);
}

/* A number needs no entry in a database, and has then no group that means anything. */
static int find_user(const char *text, struct job *job, struct sr_err *err)
{
	struct passwd entry, *found = NULL;
	char space[4096];
	uint64_t number;

	if (sr_number_parse(text, UINT32_MAX - 1, &number, NULL) == 0) {
		job->user = (uid_t)number;
		(void)getpwuid_r(job->user, &entry, space, sizeof(space), &found);
	} else {
		(void)getpwnam_r(text, &entry, space, sizeof(space), &found);
		if (!found)
			return sr_fail(err, -EINVAL, "no such user: %.64s", text);
		job->user = found->pw_uid;
	}
	job->group = found ? found->pw_gid : NOBODY;
	return 0;
}

/*
 * All three ids of each, or there would be a way back. Not dumpable, because from here on
 * the user could otherwise trace us, and we still have the memory of our parent.
 */
static int become(const struct job *job, struct sr_err *err)
{
	if (setgroups(0, NULL) < 0 || setresgid(job->group, job->group, job->group) < 0 ||
	    setresuid(job->user, job->user, job->user) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0) < 0)
		return sr_fail(err, -EPERM,
			       "cannot become user %u to reach the keyring: %s",
			       (unsigned int)job->user, strerror(errno));
	return 0;
}

_Noreturn static void child(const struct job *job, int pipe)
{
	struct report report = { 0 };

	if (job->secret) /* locks are not inherited */
		(void)mlock(job->secret->data, job->secret->mapped);
	report.r = become(job, &report.err);
	if (report.r == 0)
		report.r = do_job(job, &report.serial, &report.err);
	_exit(sr_write_full(pipe, &report, sizeof(report)) < 0);
}

/* Only a child that is still there is killed: its number could have a new owner. */
static void end_child(pid_t pid)
{
	if (waitpid(pid, NULL, WNOHANG) == 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

/* The child belongs to its user, who may stop it; so it is not waited for long. */
static int collect(pid_t pid, int pipe, struct report *report)
{
	struct pollfd event = { .fd = pipe, .events = POLLIN };
	int ready;
	ssize_t n = 0;

	do {
		ready = poll(&event, 1, CHILD_PATIENCE);
	} while (ready < 0 && errno == EINTR);
	if (ready > 0)
		n = sr_read_full(pipe, report, sizeof(*report));
	end_child(pid);
	return n == sizeof(*report) ? 0 : ready == 0 ? -ETIMEDOUT : -EIO;
}

static int do_job_as(const struct job *job, key_serial_t *serial, struct sr_err *err)
{
	_cleanup_close_ int read_end = -1;
	_cleanup_close_ int write_end = -1;
	struct report report = { 0 };
	int ends[2];
	pid_t pid;
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return sr_fail_sys(err, errno, "cannot create a pipe");
	read_end = ends[0];
	write_end = ends[1];
	pid = fork();
	if (pid < 0)
		return sr_fail_sys(err, errno, "cannot create a process");
	if (pid == 0)
		child(job, write_end);
	(void)close(take_fd(&write_end));
	r = collect(pid, read_end, &report);
	if (r < 0)
		return sr_fail(err, r, "the process that became user %u gave no answer",
			       (unsigned int)job->user);
	*serial = report.serial;
	if (report.r < 0 && err)
		*err = report.err;
	return report.r;
}

static int run(struct job *job, key_serial_t *serial, struct sr_err *err)
{
	int r = 0;

	job->user = geteuid();
	if (job->target->user)
		r = find_user(job->target->user, job, err);
	if (r < 0)
		return r;
	return job->user == geteuid() ? do_job(job, serial, err)
				      : do_job_as(job, serial, err);
}

int32_t sr_keyring_put(const struct sr_keyring *target, const struct sr_secret *secret,
		       struct sr_err *err)
{
	struct job job = { .target = target, .secret = secret };
	key_serial_t serial = 0;
	int r = sr_keyring_check(target, secret->size, err);

	if (r == 0)
		r = run(&job, &serial, err);
	return r < 0 ? r : serial;
}

int sr_keyring_remove(const struct sr_keyring *target, struct sr_err *err)
{
	struct job job = { .target = target };
	key_serial_t unused;
	size_t max;
	int r = check_where(target, &max, err);

	return r < 0 ? r : run(&job, &unused, err);
}

/* Only a key of our own: another's says what that user likes. */
static int find_own(const struct sr_keyring *target, key_serial_t keyring,
		    key_serial_t *ret, struct sr_err *err)
{
	long key = keyctl_search(keyring, type_of(target), target->description, 0);
	struct description found;

	if (key <= 0 || !is_directly_in(keyring, (key_serial_t)key) ||
	    !describe((key_serial_t)key, &found) || found.owner != geteuid())
		return sr_fail(err, -ENOKEY, "no %s key \"%.64s\" in keyring %.64s",
			       type_of(target), target->description, keyring_of(target));
	*ret = (key_serial_t)key;
	return 0;
}

int sr_keyring_get(const struct sr_keyring *target, struct sr_secret *ret,
		   struct sr_err *err)
{
	_cleanup_(workspace_done) struct workspace space = { 0 };
	_cleanup_secret_ struct sr_secret secret = { 0 };
	key_serial_t key = 0;
	size_t max;
	long size;
	int r = check_where(target, &max, err);

	if (r == 0)
		r = workspace_open(target, &space, err);
	if (r == 0)
		r = find_own(target, space.keyring, &key, err);
	if (r == 0)
		r = sr_secret_alloc(max, &secret, err);
	if (r < 0)
		return r;
	size = keyctl_read(key, (char *)secret.data, max);
	if (size <= 0 || (size_t)size > max)
		return sr_fail_sys(err, size < 0 ? errno : EIO, "cannot read key %d",
				   key);
	sr_secret_shrink(&secret, (size_t)size);
	sr_secret_take(&secret, ret);
	return 0;
}

static bool has_prefix(key_serial_t key, const char *prefix)
{
	_cleanup_free_ char *text = NULL;
	const char *name;

	if (keyctl_describe_alloc(key, &text) < 0)
		return false;
	name = strrchr(text, ';');
	return name && strncmp(name + 1, prefix, strlen(prefix)) == 0;
}

int sr_keyring_revoke_all(const char *keyring, const char *prefix, struct sr_err *err)
{
	const struct sr_keyring target = { .keyring = (char *)keyring };
	_cleanup_(workspace_done) struct workspace space = { 0 };
	_cleanup_free_ void *list = NULL;
	int size, revoked = 0, r = check_keyring(&target, err);

	if (r == 0)
		r = workspace_open(&target, &space, err);
	if (r < 0)
		return r;
	size = keyctl_read_alloc(space.keyring, &list);
	if (size < 0)
		return fail_key(&target, errno, err);
	for (int i = 0; i < size / (int)sizeof(key_serial_t); i++) {
		key_serial_t key = ((const key_serial_t *)list)[i];

		if (!has_prefix(key, prefix))
			continue;
		if (keyctl_revoke(key) < 0 && errno != EKEYREVOKED &&
		    errno != EKEYEXPIRED)
			r = fail_key(&target, errno, err);
		else
			revoked++;
		(void)keyctl_unlink(key, space.keyring);
	}
	return r < 0 ? r : revoked;
}
