/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks for bytes in all the memory of a process, also where no core dump has it. */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 *   memory PID HEX	prints in how many places the bytes are of which HEX is the complement
 *
 * So nobody but that process has them, not even this one.
 */

#define PIECE 1048576
#define WANTED_MAX 64

static size_t read_wanted(const char *hex, unsigned char *ret)
{
	size_t size = strlen(hex) / 2;

	assert(size >= 8 && size <= WANTED_MAX);
	for (size_t i = 0; i < size; i++)
		assert(sscanf(hex + 2 * i, "%2hhx", &ret[i]) == 1);
	return size;
}

static int is_there(const unsigned char *at, const unsigned char *wanted, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((at[i] ^ wanted[i]) != 0xff)
			return 0;
	return 1;
}

/* Pieces overlap, so that nothing is cut in two. */
static unsigned int search(int mem, uint64_t from, uint64_t end,
			   const unsigned char *wanted, size_t size)
{
	static unsigned char piece[PIECE + WANTED_MAX];
	unsigned int found = 0;

	for (; from < end; from += PIECE) {
		size_t want = end - from < sizeof(piece) ? end - from : sizeof(piece);
		ssize_t n = pread(mem, piece, want, (off_t)from);

		for (ssize_t i = 0; i + (ssize_t)size <= n && i < PIECE; i++)
			found += is_there(piece + i, wanted, size);
	}
	return found;
}

int main(int argc, char **argv)
{
	unsigned char wanted[WANTED_MAX];
	char path[64], line[512], right;
	uint64_t from, end;
	unsigned int found = 0;
	FILE *maps;
	size_t size;
	int mem;

	assert(argc == 3);
	size = read_wanted(argv[2], wanted);
	(void)snprintf(path, sizeof(path), "/proc/%s/mem", argv[1]);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%s/maps", argv[1]);
	maps = fopen(path, "re");
	if (mem < 0 || !maps) {
		perror(path);
		return 1;
	}
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %c", &from, &end, &right) ==
			3 &&
		    right == 'r')
			found += search(mem, from, end, wanted, size);
	printf("%u\n", found);
	(void)fclose(maps);
	(void)close(mem);
	return 0;
}
