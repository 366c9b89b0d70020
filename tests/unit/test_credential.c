/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of sink/credential: a file of mode 0400 in a directory of ours, or nothing. */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "ground/io.h"

static char root[] = "test_credential.XXXXXX";

/* Puts into "@root/dir", which each case finds absent. */
static int put(const char *name, const char *content)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	struct sr_err err = { 0 };
	int r;

	assert(sr_secret_copy(content, strlen(content), &secret, NULL) == 0);
	r = sr_credential_put("dir", name, &secret, &err);
	assert(r == 0 || (err.code == r && err.text[0] && !strchr(err.text, '\n')));
	return r;
}

static int drop(const char *name)
{
	struct sr_err err = { 0 };
	int r = sr_credential_remove("dir", name, &err);

	assert(r == 0 || (err.code == r && err.text[0]));
	return r;
}

static bool holds(const char *path, const char *content)
{
	_cleanup_buf_ struct sr_buf found = { 0 };

	return sr_read_file(AT_FDCWD, path, 4096, &found, NULL) == 0 &&
	       strcmp((const char *)found.data, content) == 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert(lstat(path, &st) == 0);
	return st.st_mode;
}

static void make(const char *path, const char *content)
{
	struct sr_buf buf = { (uint8_t *)content, strlen(content) };

	assert(sr_replace_file(AT_FDCWD, path, &buf, 0600, NULL, NULL) == 0);
}

static void put_and_remove(void)
{
	mode_t before = umask(0);

	assert(put("db", "one") == 0 && holds("dir/db", "one"));
	assert(mode_of("dir") == (S_IFDIR | 0700));
	assert(mode_of("dir/db") == (S_IFREG | 0400));
	assert(put("db", "another") == 0 && holds("dir/db", "another"));
	umask(0777);
	assert(put("db2", "") == 0 && mode_of("dir/db2") == (S_IFREG | 0400));
	umask(before);
	assert(access("dir/.db.new", F_OK) < 0);
	assert(drop("db") == 0 && access("dir/db", F_OK) < 0 && drop("db") == -ENOKEY);
}

static void bad_names(void)
{
	static const char *const names[] = { "", ".", "..", ".x", "a/b", "a\nb", "../x" };

	for (size_t i = 0; i < SR_COUNT(names); i++)
		assert(put(names[i], "x") == -EINVAL && drop(names[i]) == -EINVAL);
	assert(access("dir", F_OK) < 0);
	assert(drop("db") == -ENOKEY);
}

/* Neither the file, nor its temporary twin, nor the directory is reached through one. */
static void links(void)
{
	make("victim", "v");
	assert(mkdir("dir", 0700) == 0 && symlink("../victim", "dir/db") == 0);
	assert(symlink("../victim", "dir/.db.new") == 0);
	assert(put("db", "x") == 0 && holds("dir/db", "x") && holds("victim", "v"));
	assert(S_ISREG(mode_of("dir/db")));
	assert(rename("dir", "real") == 0 && symlink("real", "dir") == 0);
	assert(put("db", "y") == -EBADMSG && drop("db") == -EBADMSG);
	assert(holds("real/db", "x"));
	assert(unlink("dir") == 0 && rename("real", "dir") == 0);
	assert(put("db", "y") == 0 && drop("db") == 0);
}

static void others_may_write(void)
{
	assert(mkdir("dir", 0700) == 0 && chmod("dir", 0777) == 0);
	assert(put("db", "x") == -EBADMSG && access("dir/db", F_OK) < 0);
	assert(chmod("dir", 0770) == 0 && put("db", "x") == -EBADMSG);
	assert(chmod("dir", 0755) == 0 && put("db", "x") == 0);
	if (geteuid() == 0) {
		assert(chown("dir", 65533, 0) == 0 && put("db", "y") == -EBADMSG);
		assert(chown("dir", 0, 0) == 0 && put("db", "y") == 0);
	}
	assert(unlink("dir/db") == 0 && rmdir("dir") == 0);
	make("dir", "a file");
	assert(put("db", "x") < 0 && holds("dir", "a file") && unlink("dir") == 0);
}

static void failing(void)
{
	struct rlimit before, tiny;

	assert(put("db", "old") == 0);
	assert(getrlimit(RLIMIT_FSIZE, &before) == 0);
	tiny = before;
	tiny.rlim_cur = 2;
	assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert(setrlimit(RLIMIT_FSIZE, &tiny) == 0);
	assert(put("db", "longer") == -EFBIG);
	assert(setrlimit(RLIMIT_FSIZE, &before) == 0);
	assert(holds("dir/db", "old") && access("dir/.db.new", F_OK) < 0);
	assert(put("db", "longer") == 0 && holds("dir/db", "longer"));
	assert(mkdir("dir/d", 0700) == 0 && put("d", "x") < 0);
	assert(access("dir/.d.new", F_OK) < 0);
}

static void (*const tests[])(void) = {
	put_and_remove, bad_names, links, others_may_write, failing,
};

int main(void)
{
	assert(chdir(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp") == 0);
	assert(mkdtemp(root) && chdir(root) == 0);
	for (size_t i = 0; i < SR_COUNT(tests); i++) {
		tests[i]();
		assert(sr_remove_tree(AT_FDCWD, "dir", NULL) == 0);
	}
	assert(chdir("..") == 0 && sr_remove_tree(AT_FDCWD, root, NULL) == 0);
	printf("test_credential: %zu cases\n", SR_COUNT(tests));
	return 0;
}
