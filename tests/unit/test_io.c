/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of ground/io: bounds hold, links are refused, a failure leaves the old file. */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ground/io.h"

static char root[] = "test_io.XXXXXX";
static int top; /* the directory @root, open, empty before each case */

static struct sr_buf text(const char *content)
{
	return (struct sr_buf){ (uint8_t *)content, strlen(content) };
}

static void make(const char *name, const char *content)
{
	int fd = openat(top, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && sr_write_full(fd, content, strlen(content)) == 0);
	assert(close(fd) == 0);
}

static bool holds(const char *name, const char *content)
{
	_cleanup_buf_ struct sr_buf found = { 0 };

	return sr_read_file(top, name, 4096, &found, NULL) == 0 &&
	       strcmp((const char *)found.data, content) == 0;
}

static bool exists(const char *name)
{
	struct stat st;

	return fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert(fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st.st_mode & 07777;
}

/* Reads, and proves that a failure says why and returns nothing. */
static int read_it(int dir, const char *name, size_t max)
{
	_cleanup_buf_ struct sr_buf found = { 0 };
	struct sr_err err = { 0 };
	int r = sr_read_file(dir, name, max, &found, &err);

	if (r < 0) {
		assert(!found.data && err.code == r && err.text[0]);
		assert(!strchr(err.text, '\n'));
	} else {
		assert(found.data[found.size] == 0);
	}
	return r;
}

static int replace(const char *name, const char *content, mode_t mode)
{
	struct sr_buf buf = text(content);
	struct sr_err err = { 0 };
	int r = sr_replace_file(top, name, &buf, mode, NULL, &err);

	assert(r == 0 || (err.code == r && err.text[0]));
	return r;
}

static void read_bounds(void)
{
	make("f", "12345");
	make("empty", "");
	assert(holds("f", "12345") && holds("empty", ""));
	assert(read_it(top, "f", 5) == 0);
	assert(read_it(top, "f", 4) == -EBADMSG);
	assert(read_it(top, "f", 0) == -EBADMSG);
	assert(read_it(top, "empty", 0) == 0);
	assert(read_it(top, "f", SIZE_MAX) == -EINVAL);
	assert(read_it(top, "none", 5) == -ENOENT);
}

/* Such files say that they are empty, so the bound is met only while reading. */
static void read_without_size(void)
{
	_cleanup_buf_ struct sr_buf found = { 0 };

	assert(sr_read_file(AT_FDCWD, "/proc/self/smaps", 1 << 22, &found, NULL) == 0);
	assert(found.size > 4096 && found.size == strlen((char *)found.data));
	assert(read_it(AT_FDCWD, "/proc/self/smaps", 4096) == -EBADMSG);
	assert(read_it(AT_FDCWD, "/proc/self/smaps", 100) == -EBADMSG);
}

static void make_socket(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", root, name);
	assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	assert(close(fd) == 0);
}

static void read_other_kinds(void)
{
	char path[64];

	make("f", "x");
	make_socket("socket");
	assert(mkdirat(top, "dir", 0700) == 0 && mkfifoat(top, "fifo", 0600) == 0);
	assert(symlinkat("f", top, "link") == 0);
	assert(read_it(top, "dir", 9) == -EBADMSG);
	assert(read_it(top, "fifo", 9) == -EBADMSG);
	assert(read_it(top, "socket", 9) == -EBADMSG);
	assert(read_it(AT_FDCWD, "/dev/zero", 9) == -EBADMSG);
	assert(read_it(top, "link", 9) == -EBADMSG);
	(void)snprintf(path, sizeof(path), "%s/link", root);
	assert(read_it(AT_FDCWD, path, 9) == 0);
}

static void replace_both(void)
{
	mode_t before = umask(0077);

	assert(replace("f", "one", 0644) == 0 && holds("f", "one"));
	assert(mode_of("f") == 0644);
	umask(0);
	assert(replace("f", "", 0400) == 0 && holds("f", ""));
	assert(mode_of("f") == 0400 && !exists(".f.new"));
	umask(before);
}

static void replace_below(void)
{
	assert(mkdirat(top, "d", 0700) == 0);
	assert(replace("d/f", "x", 0600) == 0 && holds("d/f", "x"));
	assert(!exists("d/.f.new"));
	assert(replace("none/f", "x", 0600) == -ENOENT);
	assert(replace("d/f/g", "x", 0600) == -ENOTDIR);
	assert(symlinkat("d", top, "l") == 0);
	assert(replace("l/f", "y", 0600) == -ENOTDIR && holds("d/f", "x"));
}

static void replace_bad_names(void)
{
	char name[256];

	memset(name, 'a', sizeof(name) - 1);
	name[255] = 0;
	assert(replace(name, "x", 0600) == -ENAMETOOLONG);
	name[250] = 0;
	assert(replace(name, "x", 0600) == 0);
	assert(replace("", "x", 0600) == -EINVAL);
	assert(replace(".", "x", 0600) == -EINVAL);
	assert(replace("..", "x", 0600) == -EINVAL);
	assert(replace("d/", "x", 0600) == -ENOENT);
}

/* What a crash left, or somebody planted, is replaced and not written to. */
static void replace_stale(void)
{
	make(".f.new", "a long text that a crash left");
	assert(replace("f", "x", 0600) == 0 && holds("f", "x"));
	make("victim", "v");
	assert(symlinkat("victim", top, ".f.new") == 0);
	assert(replace("f", "y", 0600) == 0 && holds("f", "y") && holds("victim", "v"));
	assert(symlinkat("victim", top, "link") == 0);
	assert(replace("link", "z", 0600) == 0 && holds("link", "z"));
	assert(holds("victim", "v"));
	assert(mkdirat(top, ".g.new", 0700) == 0);
	assert(replace("g", "x", 0600) == -EISDIR);
}

static int refuse_short(const struct sr_buf *content, void *arg, struct sr_err *err)
{
	++*(int *)arg;
	return content->size > 2 ? 0 : sr_fail(err, -EBADMSG, "short");
}

static void replace_checked(void)
{
	int calls = 0;
	struct sr_check check = { refuse_short, &calls };
	struct sr_buf good = text("good"), bad = text("no");
	struct sr_err err = { 0 };

	assert(sr_replace_file(top, "f", &good, 0600, &check, &err) == 0);
	assert(sr_replace_file(top, "f", &bad, 0600, &check, &err) == -EBADMSG);
	assert(calls == 2 && strcmp(err.text, "short") == 0);
	assert(holds("f", "good") && !exists(".f.new"));
}

/* A disk that is full, as far as the process can tell; and a target that is in the way.
 */
static void replace_failing(void)
{
	struct rlimit before, tiny;

	assert(replace("f", "old", 0600) == 0);
	assert(getrlimit(RLIMIT_FSIZE, &before) == 0);
	tiny = before;
	tiny.rlim_cur = 2;
	assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert(setrlimit(RLIMIT_FSIZE, &tiny) == 0);
	assert(replace("f", "longer", 0600) == -EFBIG);
	assert(setrlimit(RLIMIT_FSIZE, &before) == 0);
	assert(holds("f", "old") && !exists(".f.new"));
	assert(replace("f", "longer", 0600) == 0 && holds("f", "longer"));
	assert(mkdirat(top, "d", 0700) == 0);
	assert(replace("d", "x", 0600) < 0 && !exists(".d.new"));
}

static int create(const char *below, mode_t mode)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", root, below);
	return sr_create_dir(path, mode, NULL);
}

static void create_dirs(void)
{
	mode_t before = umask(0077);

	assert(create("a//b/c/", 0755) == 0 && create("a/b/c", 0700) == 0);
	assert(mode_of("a") == 0755 && mode_of("a/b/c") == 0755);
	umask(0);
	assert(create("a/d", 0700) == 0 && mode_of("a/d") == 0700);
	umask(before);
	assert(symlinkat("a", top, "l") == 0);
	assert(create("l/e", 0700) == 0 && exists("a/e"));
	make("file", "");
	assert(create("file", 0700) == -ENOTDIR && create("file/x", 0700) == -ENOTDIR);
	assert(symlinkat("nowhere", top, "dangling") == 0);
	assert(create("dangling", 0700) == -ENOENT);
	assert(sr_create_dir("/proc/none/such", 0700, NULL) < 0);
	assert(sr_create_dir("/", 0700, NULL) == 0);
}

static void open_dirs(void)
{
	_cleanup_close_ int fd = -1;

	make("file", "");
	assert(mkdirat(top, "d", 0700) == 0 && symlinkat("d", top, "l") == 0);
	fd = sr_open_dir(top, "d", NULL);
	assert(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	assert(sr_sync_dir(fd, "d", NULL) == 0);
	assert(sr_open_dir(top, "none", NULL) == -ENOENT);
	assert(sr_open_dir(top, "file", NULL) == -ENOTDIR);
	assert(sr_open_dir(top, "l", NULL) == -ENOTDIR);
}

static void list_names(void)
{
	static const char *const wanted[] = { "B", "a", "b.x" };
	struct sr_names names = { 0 };

	make("b.x.pem", "");
	make("a.pem", "");
	make("B.pem", "");
	make(".hidden.pem", "");
	make(".pem", "");
	make("a.pem.new", "");
	for (int round = 0; round < 2; round++) {
		assert(sr_list_dir(top, ".pem", &names, NULL) == 0 && names.count == 3);
		for (size_t i = 0; i < names.count; i++)
			assert(strcmp(names.name[i], wanted[i]) == 0);
		sr_names_done(&names);
	}
	assert(sr_list_dir(top, "", &names, NULL) == 0 && names.count == 4);
	sr_names_done(&names);
	assert(sr_list_dir(top, ".none", &names, NULL) == 0 && names.count == 0);
	sr_names_done(&names);
	assert(sr_list_dir(-1, "", &names, NULL) < 0 && !names.name);
}

static void remove_trees(void)
{
	assert(create("out", 0700) == 0 && create("t/u/v", 0700) == 0);
	make("out/keep", "k");
	make("t/u/.hidden", "");
	make("t/f", "");
	assert(symlinkat("../out", top, "t/link") == 0);
	assert(sr_remove_tree(top, "t", NULL) == 0 && !exists("t"));
	assert(holds("out/keep", "k"));
	assert(sr_remove_tree(top, "t", NULL) == 0);
	assert(symlinkat("out", top, "l") == 0);
	assert(sr_remove_tree(top, "l", NULL) == 0 && !exists("l"));
	assert(holds("out/keep", "k"));
}

/* Each level holds a descriptor, so there is an end; one level less is fine. */
static void remove_too_deep(void)
{
	char path[128] = "deep";

	for (int i = 0; i < 32; i++)
		strcat(path, "/d");
	assert(create(path, 0700) == 0);
	assert(sr_remove_tree(top, "deep", NULL) == -EBADMSG && exists("deep"));
	assert(sr_remove_tree(top, "deep/d", NULL) == 0 && !exists("deep/d"));
}

static void full_io(void)
{
	int ends[2];
	char found[8];

	assert(pipe(ends) == 0 && sr_write_full(ends[1], "ab", 2) == 0);
	assert(sr_write_full(ends[1], "cd", 2) == 0 && close(ends[1]) == 0);
	assert(sr_read_full(ends[0], found, sizeof(found)) == 4);
	assert(memcmp(found, "abcd", 4) == 0 && close(ends[0]) == 0);
	assert(sr_read_full(-1, found, 1) == -1 && errno == EBADF);
	assert(sr_write_full(-1, found, 1) == -1 && errno == EBADF);
	assert(sr_write_full(-1, found, 0) == 0);
}

static void (*const tests[])(void) = {
	read_bounds,	 read_without_size, read_other_kinds, replace_both,
	replace_below,	 replace_bad_names, replace_stale,    replace_checked,
	replace_failing, create_dirs,	    open_dirs,	      list_names,
	remove_trees,	 remove_too_deep,   full_io,
};

int main(void)
{
	assert(chdir(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp") == 0);
	assert(mkdtemp(root));
	for (size_t i = 0; i < SR_COUNT(tests); i++) {
		assert(sr_create_dir(root, 0700, NULL) == 0);
		top = sr_open_dir(AT_FDCWD, root, NULL);
		assert(top >= 0);
		tests[i]();
		assert(close(top) == 0);
		assert(sr_remove_tree(AT_FDCWD, root, NULL) == 0);
	}
	printf("test_io: %zu cases\n", SR_COUNT(tests));
	return 0;
}
