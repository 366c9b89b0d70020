/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forbids one more hash in the Secure Boot variables of a machine that is off. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 *   vars FILE TEXT
 *
 * FILE is OVMF's variable store. The SHA-256 that joins dbx is made of TEXT, repeated: no
 * program has it, so everything still starts, but PCR 7 is another, as after an update of
 * the revocation list.
 *
 * Records follow each other, aligned to 4; a variable is changed by marking its record
 * deleted and appending one. Nothing has a checksum over them.
 */

#define STORE 72U /* where the store begins: after the volume's header */
#define FIRST (STORE + 28)
#define START 0x55aaU
#define ADDED 0x3fU
#define DELETED 0x3cU

struct record {
	uint16_t start;
	uint8_t state, reserved;
	uint32_t attributes;
	uint64_t count;
	uint8_t time[16];
	uint32_t key, name_size, data_size;
	uint8_t vendor[16];
} __attribute__((packed));

struct list {
	uint8_t type[16];
	uint32_t list_size, header_size, signature_size;
	uint8_t owner[16], hash[32];
} __attribute__((packed));

static const uint8_t sha256_type[16] = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
					 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28 };
static const uint8_t dbx_name[8] = { 'd', 0, 'b', 0, 'x', 0, 0, 0 };

static size_t size_of(const struct record *record)
{
	return (sizeof(*record) + record->name_size + record->data_size + 3) & ~(size_t)3;
}

int main(int argc, char **argv)
{
	struct record *record, *dbx = NULL, *end;
	struct list added = { .list_size = sizeof(added),
			      .signature_size =
				  sizeof(added.owner) + sizeof(added.hash) };
	uint32_t store_size;
	struct stat st;
	uint8_t *map;
	size_t at, i;
	int fd;

	assert(argc == 3 && argv[2][0]);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	assert(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0x10000);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert(map != MAP_FAILED);
	assert(memcmp(map + 40, "_FVH", 4) == 0 && map[48] == STORE);
	memcpy(&store_size, map + STORE + 16, sizeof(store_size));

	for (at = FIRST;; at += size_of(record)) {
		assert(at + sizeof(*record) < STORE + store_size);
		record = (struct record *)(map + at);
		if (record->start != START)
			break;
		if (record->state == ADDED && record->name_size == sizeof(dbx_name) &&
		    memcmp(record + 1, dbx_name, sizeof(dbx_name)) == 0)
			dbx = record;
	}
	end = record;
	assert(dbx && at + size_of(dbx) + sizeof(added) < STORE + store_size);

	memcpy(added.type, sha256_type, sizeof(added.type));
	for (i = 0; i < sizeof(added.hash); i++)
		added.hash[i] = (uint8_t)argv[2][i % strlen(argv[2])];
	memcpy(end, dbx, sizeof(*dbx) + dbx->name_size + dbx->data_size);
	memcpy((uint8_t *)end + sizeof(*dbx) + dbx->name_size + dbx->data_size, &added,
	       sizeof(added));
	end->data_size += (uint32_t)sizeof(added);
	dbx->state = DELETED;
	assert(munmap(map, (size_t)st.st_size) == 0 && close(fd) == 0);
	return EXIT_SUCCESS;
}
