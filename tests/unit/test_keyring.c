/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of sink/keyring, with the kernel's keyrings: a put key can be read, by those only
 * who should; run in a session keyring of its own. */
#include <assert.h>
#include <grp.h>
#include <keyutils.h>
#include <string.h>
#include <sys/wait.h>

#include "sink/keyring.h"

#define DESCRIPTION "sealring:test-keyring"
#define OTHER 65533 /* a user that need not exist */
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X1024 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64
#define X4096 X1024 X1024 X1024 X1024
#define X4095 (&X4096[1])

static unsigned int cases;

static const struct check_case {
	struct sr_keyring target;
	size_t size;
	bool good;
} check_cases[] = {
	{ { .description = "d" }, 1, true },
	{ { .description = "d" }, 32767, true },
	{ { .description = "d" }, 32768, false },
	{ { .description = "d" }, 0, false },
	{ { .description = "d", .type = "user" }, 1, true },
	{ { .description = "d", .type = "big_key" }, 1048575, true },
	{ { .description = "d", .type = "big_key" }, 1048576, false },
	{ { .description = "d", .type = "big_key" }, 0, false },
	{ { .description = "p:d", .type = "logon" }, 32767, true },
	{ { .description = "p:d", .type = "logon" }, 32768, false },
	{ { .description = "p:d", .type = "logon" }, 0, false },
	{ { .description = "d", .type = "logon" }, 1, false },
	{ { .description = ":d", .type = "logon" }, 1, false },
	{ { .description = "p:", .type = "logon" }, 1, false },
	{ { .description = "d", .type = "keyring" }, 1, false },
	{ { .description = "d", .type = "User" }, 1, false },
	{ { .description = "d", .type = "" }, 1, false },
	{ { .description = "d", .type = "encrypted" }, 1, false },
	{ { .description = NULL }, 1, false },
	{ { .description = "" }, 1, false },
	{ { .description = "a\nb" }, 1, false },
	{ { .description = X4095 }, 1, true },
	{ { .description = X4096 }, 1, false },
	{ { .description = "d", .keyring = "@u" }, 1, true },
	{ { .description = "d", .keyring = "@us" }, 1, true },
	{ { .description = "d", .keyring = "@s" }, 1, true },
	{ { .description = "d", .keyring = "@p" }, 1, true },
	{ { .description = "d", .keyring = "@t" }, 1, false },
	{ { .description = "d", .keyring = "@g" }, 1, false },
	{ { .description = "d", .keyring = "@" }, 1, false },
	{ { .description = "d", .keyring = "" }, 1, false },
	{ { .description = "d", .keyring = "12345" }, 1, true },
	{ { .description = "d", .keyring = "0x1234" }, 1, true },
	{ { .description = "d", .keyring = "2147483647" }, 1, true },
	{ { .description = "d", .keyring = "2147483648" }, 1, false },
	{ { .description = "d", .keyring = "0" }, 1, false },
	{ { .description = "d", .keyring = "-4" }, 1, false },
	{ { .description = "d", .keyring = "12x" }, 1, false },
	{ { .description = "d", .keyring = "name" }, 1, true },
	{ { .description = "d", .keyring = "%:name" }, 1, true },
	{ { .description = "d", .keyring = "%:12x" }, 1, true },
	{ { .description = "d", .keyring = "%:" }, 1, false },
	{ { .description = "d", .keyring = "%user:x" }, 1, false },
	{ { .description = "d", .keyring = "a\nb" }, 1, false },
	{ { .description = "d", .permissions = 0x3f3f3f3f }, 1, true },
	{ { .description = "d", .permissions = 0x40000000 }, 1, false },
	{ { .description = "d", .permissions = 0x80 }, 1, false },
	{ { .description = "d", .user = "root" }, 1, true },
	{ { .description = "d", .user = "0", .keyring = "@us" }, 1, true },
	{ { .description = "d", .user = "0", .keyring = "@s" }, 1, false },
	{ { .description = "d", .user = "0", .keyring = "@p" }, 1, false },
	{ { .description = "d", .user = "a\nb" }, 1, false },
};

static void test_check(void)
{
	for (size_t i = 0; i < SR_COUNT(check_cases); i++, cases++) {
		const struct check_case *c = &check_cases[i];
		struct sr_err err = { 0 };
		int r = sr_keyring_check(&c->target, c->size, &err);

		assert(r == (c->good ? 0 : -EINVAL) && err.code == r);
		assert(c->good || (err.text[0] && !strchr(err.text, '\n')));
	}
}

static int put(const struct sr_keyring *target, const char *content, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };

	assert(sr_secret_copy(content, strlen(content), &secret, NULL) == 0);
	return sr_keyring_put(target, &secret, err);
}

/* Sees a key as its possessor does: a process that has the keyring below its own. */
static bool reads(key_serial_t keyring, int key, const char *content)
{
	_cleanup_free_ void *data = NULL;
	key_serial_t id = keyctl_get_keyring_ID(keyring, 0);
	bool linked = keyctl_link(id, KEY_SPEC_PROCESS_KEYRING) == 0;
	int size = keyctl_read_alloc(key, &data);

	if (linked)
		assert(keyctl_unlink(id, KEY_SPEC_PROCESS_KEYRING) == 0);
	return size == (int)strlen(content) && memcmp(data, content, (size_t)size) == 0;
}

/* From here on, or no longer, what is in @u is possessed. */
static void possess(bool yes)
{
	key_serial_t user = keyctl_get_keyring_ID(KEY_SPEC_USER_KEYRING, 1);

	if (yes)
		assert(keyctl_link(user, KEY_SPEC_PROCESS_KEYRING) == 0);
	else
		assert(keyctl_unlink(user, KEY_SPEC_PROCESS_KEYRING) == 0);
}

static uint32_t permissions_of(int key)
{
	_cleanup_free_ char *text = NULL;
	uint32_t found = 0;

	assert(keyctl_describe_alloc(key, &text) >= 0);
	assert(sscanf(text, "%*[^;];%*d;%*d;%x;", &found) == 1);
	return found;
}

static long search(key_serial_t keyring, const char *type)
{
	return keyctl_search(keyring, type, DESCRIPTION, 0);
}

/* The seconds a key has left, as the kernel lists it: "59s", "perm" and the like. */
static bool lists(int key, const char *timeout)
{
	_cleanup_free_ char *line = NULL;
	char left[16] = "", id[16];
	size_t room = 0;
	FILE *keys = fopen("/proc/keys", "re");

	assert(keys);
	(void)snprintf(id, sizeof(id), "%08x ", (unsigned int)key);
	while (getline(&line, &room, keys) > 0)
		if (strncmp(line, id, strlen(id)) == 0)
			assert(sscanf(line, "%*s %*s %*s %15s", left) == 1);
	assert(fclose(keys) == 0);
	return strcmp(left, timeout) == 0;
}

/* Put, replaced, removed; the serial stays while only the content changes. */
static void cycle(const char *name, key_serial_t id)
{
	struct sr_keyring target = { .keyring = (char *)name,
				     .description = DESCRIPTION };
	int key, again;

	assert(search(id, "user") < 0);
	assert(sr_keyring_remove(&target, NULL) == -ENOKEY);
	key = put(&target, "one", NULL);
	assert(key > 0 && search(id, "user") == key && reads(id, key, "one"));
	assert(lists(key, "perm"));
	target.timeout = 3600 * 24 * 30;
	again = put(&target, "another", NULL);
	assert(again == key && reads(id, key, "another") && !reads(id, key, "one"));
	assert(lists(key, "4w"));
	target.timeout = 0;
	assert(put(&target, "one", NULL) == key && lists(key, "perm"));
	assert(sr_keyring_remove(&target, NULL) == 0 && search(id, "user") < 0);
	assert(sr_keyring_remove(&target, NULL) == -ENOKEY);
	cases++;
}

static void test_cycles(void)
{
	key_serial_t named =
	    add_key("keyring", "sealring-test-ring", NULL, 0, KEY_SPEC_SESSION_KEYRING);
	char id[16];

	cycle(NULL, KEY_SPEC_USER_KEYRING);
	cycle("@u", KEY_SPEC_USER_KEYRING);
	cycle("@us", KEY_SPEC_USER_SESSION_KEYRING);
	cycle("@s", KEY_SPEC_SESSION_KEYRING);
	cycle("@p", KEY_SPEC_PROCESS_KEYRING);
	assert(named > 0);
	cycle("sealring-test-ring", named);
	cycle("%:sealring-test-ring", named);
	(void)snprintf(id, sizeof(id), "%d", named);
	cycle(id, named);
	(void)snprintf(id, sizeof(id), "0x%x", (unsigned int)named);
	cycle(id, named);
	assert(keyctl_unlink(named, KEY_SPEC_SESSION_KEYRING) == 0);
}

/* Ends with the permissions asked for, also those that take away our own. */
static void test_permissions(void)
{
	static const uint32_t masks[] = {
		0x3f3f0000,   0x3f010000,
		KEY_USR_READ, KEY_USR_VIEW | KEY_USR_READ | KEY_USR_SEARCH,
		KEY_USR_VIEW, KEY_POS_VIEW | KEY_USR_VIEW,
	};
	struct sr_keyring target = { .description = DESCRIPTION };

	for (size_t i = 0; i < SR_COUNT(masks); i++, cases++) {
		int key, again;

		target.permissions = masks[i];
		key = put(&target, "one", NULL);
		assert(key > 0);
		if (masks[i] & KEY_USR_VIEW)
			assert(permissions_of(key) == masks[i]);
		assert(reads(KEY_SPEC_USER_KEYRING, key, "one") ==
		       ((masks[i] & (KEY_POS_READ | KEY_USR_READ)) != 0));
		again = put(&target, "another", NULL);
		assert(again > 0 && (again == key) == ((masks[i] & KEY_POS_WRITE) != 0));
	}
	/* The last has no search permission, and goes all the same. */
	assert(search(KEY_SPEC_USER_KEYRING, "user") == -1 && errno == EACCES);
	assert(sr_keyring_remove(&target, NULL) == 0);
	assert(search(KEY_SPEC_USER_KEYRING, "user") == -1 && errno == ENOKEY);
	cases++;
}

/* A key with wider permissions is not updated: its readers never see the new secret. */
static void test_wider(void)
{
	struct sr_keyring target = { .description = DESCRIPTION,
				     .permissions = 0x3f010000 };
	key_serial_t wide = add_key("user", DESCRIPTION, "old", 3, KEY_SPEC_USER_KEYRING);
	int key;

	assert(wide > 0);
	possess(true);
	assert(keyctl_link(wide, KEY_SPEC_SESSION_KEYRING) == 0);
	assert(keyctl_setperm(wide, 0x3f3f3f3f) == 0);
	possess(false);
	key = put(&target, "new", NULL);
	assert(key > 0 && key != wide);
	assert(search(KEY_SPEC_USER_KEYRING, "user") == key);
	assert(reads(KEY_SPEC_SESSION_KEYRING, wide, "old"));
	assert(keyctl_unlink(wide, KEY_SPEC_SESSION_KEYRING) == 0);
	assert(sr_keyring_remove(&target, NULL) == 0);
	cases++;
}

/* What cannot be updated is replaced: read-only, revoked, expired. */
static void test_replaced(void)
{
	struct sr_keyring target = { .description = DESCRIPTION };

	for (int i = 0; i < 3; i++, cases++) {
		int old = put(&target, "old", NULL), key;

		assert(old > 0);
		possess(true);
		if (i == 0)
			assert(keyctl_setperm(old, 0x1b010000) == 0);
		if (i == 1)
			assert(keyctl_revoke(old) == 0);
		if (i == 2)
			assert(keyctl_set_timeout(old, 1) == 0);
		while (i == 2 && keyctl_read(old, NULL, 0) >= 0)
			assert(usleep(50000) == 0);
		possess(false);
		key = put(&target, "new", NULL);
		assert(key > 0 && key != old);
		assert(reads(KEY_SPEC_USER_KEYRING, key, "new"));
		assert(sr_keyring_remove(&target, NULL) == 0);
	}
}

/* A key in a keyring below is another one, and stays. */
static void test_nested(void)
{
	struct sr_keyring target = { .description = DESCRIPTION, .keyring = "@s" };
	key_serial_t below =
	    add_key("keyring", "sealring-test-below", NULL, 0, KEY_SPEC_SESSION_KEYRING);
	key_serial_t deep = add_key("user", DESCRIPTION, "deep", 4, below);
	int key;

	assert(below > 0 && deep > 0);
	assert(sr_keyring_remove(&target, NULL) == -ENOKEY);
	key = put(&target, "top", NULL);
	assert(key > 0 && key != deep);
	assert(reads(KEY_SPEC_SESSION_KEYRING, deep, "deep"));
	assert(sr_keyring_remove(&target, NULL) == 0);
	assert(search(KEY_SPEC_SESSION_KEYRING, "user") == deep);
	assert(keyctl_unlink(below, KEY_SPEC_SESSION_KEYRING) == 0);
	cases++;
}

static void test_logon(void)
{
	struct sr_keyring target = { .description = DESCRIPTION, .type = "logon" };
	int key = put(&target, "one", NULL);

	assert(key > 0 && search(KEY_SPEC_USER_KEYRING, "logon") == key);
	possess(true);
	assert(keyctl_read(key, NULL, 0) == -1 && errno == EOPNOTSUPP);
	possess(false);
	assert(put(&target, "two", NULL) == key);
	assert(sr_keyring_remove(&target, NULL) == 0);
	assert(search(KEY_SPEC_USER_KEYRING, "logon") < 0);
	cases++;
}

static void test_big_key(void)
{
	struct sr_keyring target = { .description = DESCRIPTION, .type = "big_key" };
	struct sr_err err = { 0 };
	int key = put(&target, X4096 X4096, &err);

	cases++;
	if (key == -EOPNOTSUPP) {
		assert(strcmp(err.text,
			      "this kernel has no big_key keys (CONFIG_BIG_KEYS)") == 0);
		return;
	}
	assert(key > 0 && reads(KEY_SPEC_USER_KEYRING, key, X4096 X4096));
	assert(sr_keyring_remove(&target, NULL) == 0);
}

static const struct fail_case {
	struct sr_keyring target;
	int r;
	const char *text;
} fail_cases[] = {
	{ { .keyring = "2147483647" }, -ENOKEY, "no such keyring: 2147483647" },
	{ { .keyring = "sealring-none" }, -ENOKEY, "no such keyring: sealring-none" },
	{ { .user = "no such user" }, -EINVAL, "no such user: no such user" },
	{ { .type = "logo" }, -EINVAL, "no such type of key" },
};

static void test_failures(void)
{
	struct sr_keyring target = { .description = DESCRIPTION };
	key_serial_t key =
	    add_key("user", "sealring:other", "x", 1, KEY_SPEC_SESSION_KEYRING);
	key_serial_t ring =
	    add_key("keyring", "sealring-test-ring", NULL, 0, KEY_SPEC_SESSION_KEYRING);
	struct sr_err err = { 0 };
	char id[16];

	for (size_t i = 0; i < SR_COUNT(fail_cases); i++, cases++) {
		struct sr_keyring bad = fail_cases[i].target;

		bad.description = DESCRIPTION;
		assert(put(&bad, "x", &err) == fail_cases[i].r);
		assert(strstr(err.text, fail_cases[i].text) &&
		       err.code == fail_cases[i].r);
		assert(sr_keyring_remove(&bad, &err) == fail_cases[i].r);
	}
	target.keyring = id;
	(void)snprintf(id, sizeof(id), "%d", key);
	assert(put(&target, "x", &err) == -EINVAL && strstr(err.text, "not a keyring"));
	(void)snprintf(id, sizeof(id), "%d", ring);
	assert(keyctl_setperm(ring, KEY_POS_VIEW | KEY_POS_SEARCH | KEY_POS_SETATTR) ==
	       0);
	assert(put(&target, "x", &err) == -EPERM && strstr(err.text, "no permission"));
	assert(keyctl_setperm(ring, KEY_POS_ALL) == 0 && put(&target, "x", &err) > 0);
	assert(keyctl_revoke(ring) == 0);
	assert(put(&target, "x", &err) == -EKEYREVOKED && strstr(err.text, "revoked"));
	(void)keyctl_unlink(ring, KEY_SPEC_SESSION_KEYRING);
	cases += 4;
}

/* Nothing of ours stays in the caller's thread keyring, and what is there stays. */
static void test_thread_keyring(void)
{
	struct sr_keyring target = { .description = DESCRIPTION };
	key_serial_t mine =
	    add_key("user", "sealring:mine", "x", 1, KEY_SPEC_THREAD_KEYRING);
	key_serial_t user = keyctl_get_keyring_ID(KEY_SPEC_USER_KEYRING, 1);
	key_serial_t found[4];

	assert(mine > 0 && put(&target, "x", NULL) > 0);
	assert(keyctl_read(KEY_SPEC_THREAD_KEYRING, (char *)found, sizeof(found)) ==
	       sizeof(mine));
	assert(found[0] == mine);
	assert(keyctl_link(user, KEY_SPEC_THREAD_KEYRING) == 0);
	assert(sr_keyring_remove(&target, NULL) == 0);
	assert(keyctl_read(KEY_SPEC_THREAD_KEYRING, (char *)found, sizeof(found)) ==
	       2 * sizeof(mine));
	assert(keyctl_clear(KEY_SPEC_THREAD_KEYRING) == 0);
	cases++;
}

/* Runs @look as the other user, in a session of its own. */
static bool other_sees(bool (*look)(int key), int key)
{
	int status;
	pid_t pid = fork();

	assert(pid >= 0);
	if (pid == 0) {
		assert(setgroups(0, NULL) == 0 && setresgid(OTHER, OTHER, OTHER) == 0);
		assert(setresuid(OTHER, OTHER, OTHER) == 0);
		assert(keyctl_join_session_keyring(NULL) > 0);
		_exit(look(key) ? 0 : 1);
	}
	assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}

static bool finds(int key)
{
	return search(KEY_SPEC_USER_KEYRING, "user") == key &&
	       reads(KEY_SPEC_USER_KEYRING, key, "theirs");
}

static bool fills_quota(int key)
{
	struct sr_keyring target = { .description = DESCRIPTION };
	struct sr_err err = { 0 };

	(void)key;
	return put(&target, X4096 X4096 X4096 X4096 X4096, &err) == -EDQUOT &&
	       strcmp(err.text, "keyring quota of user 65533 exhausted: "
				"see /proc/key-users") == 0;
}

/* Root puts a key where only the other user finds it; nobody else may try. */
static void test_user(void)
{
	struct sr_keyring target = { .description = DESCRIPTION, .user = "65533" };
	struct sr_err err = { 0 };
	int key = put(&target, "theirs", &err);

	cases++;
	if (geteuid() != 0) {
		assert(key == -EPERM && strstr(err.text, "cannot become user 65533"));
		return;
	}
	assert(key > 0 && other_sees(finds, key));
	assert(search(KEY_SPEC_USER_KEYRING, "user") < 0);
	assert(!reads(KEY_SPEC_USER_KEYRING, key, "theirs"));
	assert(put(&target, "others", NULL) == key && !other_sees(finds, key));
	target.permissions = 0x3f010000;
	assert(put(&target, "theirs", NULL) == key && other_sees(finds, key));
	assert(sr_keyring_remove(&target, NULL) == 0 && !other_sees(finds, key));
	assert(sr_keyring_remove(&target, &err) == -ENOKEY && err.text[0]);
	assert(other_sees(fills_quota, 0));
	cases++;
}

/* What an earlier run left that did not come to its end. */
static void clean(void)
{
	struct sr_keyring target = { .description = DESCRIPTION };

	(void)sr_keyring_remove(&target, NULL);
	target.keyring = "@us";
	(void)sr_keyring_remove(&target, NULL);
}

static bool plants(int key)
{
	key_serial_t ring =
	    add_key("keyring", "sealring-test-planted", NULL, 0, KEY_SPEC_USER_KEYRING);

	(void)key;
	possess(true);
	return ring > 0 && keyctl_setperm(ring, 0x3f3f3f3f) == 0;
}

static bool uproots(int key)
{
	return keyctl_unlink(key, KEY_SPEC_USER_KEYRING) == 0;
}

/* Another user's keyring does not become the target by having its name. */
static void test_planted(void)
{
	struct sr_keyring target = { .description = DESCRIPTION };
	struct sr_err err = { 0 };
	char id[16];
	long ring;

	if (geteuid() != 0)
		return;
	assert(other_sees(plants, 0));
	ring = find_key_by_type_and_desc("keyring", "sealring-test-planted", 0);
	assert(ring > 0);
	target.keyring = "%:sealring-test-planted";
	assert(put(&target, "x", &err) == -EPERM && strstr(err.text, "not of user 0"));
	target.keyring = id;
	(void)snprintf(id, sizeof(id), "%ld", ring);
	assert(put(&target, "x", NULL) > 0 && sr_keyring_remove(&target, NULL) == 0);
	assert(other_sees(uproots, (int)ring));
	cases++;
}

/* What is kept is read back by its owner, and all that is called so is revoked. */
static void test_get(void)
{
	struct sr_keyring target = { .keyring = "@p", .description = "sealring-get:1" };
	struct sr_keyring other = { .keyring = "@p", .description = "sealring-got" };
	struct sr_keyring third = { .keyring = "@p", .description = "sealring-get:2" };
	_cleanup_secret_ struct sr_secret secret = { 0 };
	struct sr_err err = { 0 };
	int32_t id = put(&target, "kept", NULL);

	assert(id > 0 && put(&other, "other", NULL) > 0 && put(&third, "x", NULL) > 0);
	assert(sr_keyring_get(&target, &secret, &err) == 0 && secret.size == 4 &&
	       memcmp(secret.data, "kept", 4) == 0);
	sr_secret_done(&secret);
	assert(sr_keyring_revoke_all("@p", "sealring-get:", &err) == 2);
	assert(keyctl_read(id, NULL, 0) < 0);
	assert(sr_keyring_get(&target, &secret, &err) == -ENOKEY && !secret.data &&
	       strstr(err.text, "no user key"));
	assert(sr_keyring_get(&other, &secret, &err) == 0 && secret.size == 5);
	assert(sr_keyring_revoke_all("@p", "sealring-get:", &err) == 0);
	assert(sr_keyring_revoke_all("@nowhere", "sealring-get:", &err) == -EINVAL);
	assert(sr_keyring_remove(&other, NULL) == 0);
	cases += 5;
}

int main(void)
{
	test_check();
	if (keyctl_join_session_keyring(NULL) < 0) {
		printf("no keyrings here\ntest_keyring: %u cases\n", cases);
		return getenv("CI") != NULL;
	}
	assert(keyctl_get_keyring_ID(KEY_SPEC_PROCESS_KEYRING, 1) > 0);
	clean();
	test_cycles();
	test_permissions();
	test_wider();
	test_replaced();
	test_nested();
	test_logon();
	test_big_key();
	test_failures();
	test_thread_keyring();
	test_user();
	test_planted();
	test_get();
	printf("test_keyring: %u cases\n", cases);
	return 0;
}
