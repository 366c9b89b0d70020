/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Damages a file in every place, one after the other, and runs a command each time. */
/*
 * flip FILE HOW SECRET STATUSES [-d DIR] COMMAND...
 *
 * HOW is a mask in hex for each byte, "cut" (at every length) or "append"; with ",K/N"
 * behind it only the K-th of N places, from 0, and every N-th after that. The command must
 * end with one of STATUSES (a list with commas), and then say nothing on stdout, or with
 * 0, and then give SECRET: on stdout, or as the only file that it made in DIR.
 * Prints how many there were, and how often it ended with which status.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "ground/io.h"

#define COMPLAINTS 10 /* that are printed */

struct flip {
	const char *file;
	const char *secret;
	const char *statuses;
	const char *dir;
	char **command;
	struct sr_buf whole;
	size_t first;
	size_t step;
	unsigned int tried;
	unsigned int wrong;
	unsigned int ended[256];
};

/* The same file, so that only its content changes. */
static void put(const struct flip *flip, const void *data, size_t size)
{
	_cleanup_close_ int fd = open(flip->file, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert(fd >= 0 && sr_write_full(fd, data, size) == 0);
}

static void child(const struct flip *flip, int out, int err)
{
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(err, STDERR_FILENO);
	(void)execvp(flip->command[0], flip->command);
	_exit(127);
}

/* Both are small enough for a pipe. */
static int run(const struct flip *flip, char out[512], char err[1024])
{
	int from_out[2], from_err[2], status;
	ssize_t n;
	pid_t pid;

	assert(pipe2(from_out, O_CLOEXEC) == 0 && pipe2(from_err, O_CLOEXEC) == 0);
	pid = fork();
	assert(pid >= 0);
	if (pid == 0)
		child(flip, from_out[1], from_err[1]);
	(void)close(from_out[1]);
	(void)close(from_err[1]);
	n = sr_read_full(from_out[0], out, 511);
	out[n < 0 ? 0 : n] = '\0';
	n = sr_read_full(from_err[0], err, 1023);
	err[n < 0 ? 0 : n] = '\0';
	(void)close(from_out[0]);
	(void)close(from_err[0]);
	assert(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What was delivered into the directory goes into @out, and from there. */
static void collect(const struct flip *flip, char out[512])
{
	_cleanup_names_ struct sr_names names = { 0 };
	_cleanup_close_ int dir = sr_open_dir(AT_FDCWD, flip->dir, NULL);
	size_t used = strlen(out);

	if (dir < 0)
		return;
	assert(sr_list_dir(dir, "", &names, NULL) == 0);
	for (size_t i = 0; i < names.count; i++) {
		_cleanup_buf_ struct sr_buf content = { 0 };

		assert(sr_read_file(dir, names.name[i], 4096, &content, NULL) == 0);
		used += (size_t)snprintf(out + used, 512 - used, "%s", content.data);
		assert(used < 512 && unlinkat(dir, names.name[i], 0) == 0);
	}
}

static bool documented(const struct flip *flip, int status)
{
	char list[64], wanted[16];

	(void)snprintf(list, sizeof(list), ",%s,", flip->statuses);
	(void)snprintf(wanted, sizeof(wanted), ",%d,", status);
	return strstr(list, wanted);
}

static void try(struct flip *flip, size_t at)
{
	char out[512], err[1024];
	int status = run(flip, out, err);
	bool good;

	if (flip->dir)
		collect(flip, out);
	good = status == 0 ? strcmp(out, flip->secret) == 0
			   : documented(flip, status) && !*out;
	flip->tried++;
	flip->ended[status]++;
	if (good || ++flip->wrong > COMPLAINTS)
		return;
	printf("%s at %zu: exit status %d, \"%s\": %s", flip->file, at, status, out, err);
}

static void flip_all(struct flip *flip, uint8_t mask)
{
	for (size_t i = flip->first; i < flip->whole.size; i += flip->step) {
		flip->whole.data[i] ^= mask;
		put(flip, flip->whole.data, flip->whole.size);
		flip->whole.data[i] ^= mask;
		try(flip, i);
	}
}

static void cut_all(struct flip *flip)
{
	for (size_t size = flip->first; size < flip->whole.size; size += flip->step) {
		put(flip, flip->whole.data, size);
		try(flip, size);
	}
}

/* A byte that some parser may take for the end, white space or more; and all once more. */
static void append_all(struct flip *flip)
{
	static const uint8_t bytes[] = {
		0x00, '\n', ' ', '#', '-', 'A', '[', 0x30, 0xff
	};
	size_t size = flip->whole.size;
	uint8_t *longer = malloc(2 * size + 1);

	assert(longer);
	memcpy(longer, flip->whole.data, size);
	for (size_t i = 0; i < SR_COUNT(bytes); i++) {
		longer[size] = bytes[i];
		put(flip, longer, size + 1);
		try(flip, i);
	}
	memcpy(longer + size, flip->whole.data, size);
	put(flip, longer, 2 * size);
	try(flip, SR_COUNT(bytes));
	free(longer);
}

static void damage(struct flip *flip, const char *how)
{
	if (sscanf(how, "%*[^,],%zu/%zu", &flip->first, &flip->step) != 2)
		flip->step = 1;
	assert(flip->step > 0);
	if (strncmp(how, "cut", 3) == 0)
		cut_all(flip);
	else if (strcmp(how, "append") == 0)
		append_all(flip);
	else
		flip_all(flip, (uint8_t)strtoul(how, NULL, 16));
}

int main(int argc, char **argv)
{
	struct flip flip = { 0 };
	const char *base;

	assert(argc > 5);
	flip.file = argv[1];
	flip.secret = argv[3];
	flip.statuses = argv[4];
	flip.command = argv + 5;
	if (strcmp(argv[5], "-d") == 0) {
		assert(argc > 7);
		flip.dir = argv[6];
		flip.command = argv + 7;
	}
	assert(sr_read_file(AT_FDCWD, flip.file, 1U << 20, &flip.whole, NULL) == 0);
	damage(&flip, argv[2]);
	put(&flip, flip.whole.data, flip.whole.size);
	base = strrchr(flip.file, '/') ? strrchr(flip.file, '/') + 1 : flip.file;
	printf("%u tried: %s %s", flip.tried, base, argv[2]);
	for (int status = 0; status < 256; status++)
		if (flip.ended[status])
			printf(", %u ended with %d", flip.ended[status], status);
	printf("\n");
	sr_buf_done(&flip.whole);
	return flip.tried == 0 || flip.wrong > 0;
}
