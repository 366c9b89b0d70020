/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forges a LUKS2 header: replaces a text in its JSON, and makes the checksums right. */
/*
 * header FILE OLD NEW
 *
 * In both copies of the header, the first place where OLD stands. Fails if it doesn't.
 */
#include <assert.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

#include "ground/io.h"

#define BINARY 4096 /* bytes before the JSON */
#define COPY 16384  /* bytes in a copy of the header, as luksFormat makes it */
#define CHECKSUM 448
#define CHECKSUM_SIZE 64

static void replace(char *json, const char *old, const char *new)
{
	char *at = strstr(json, old);
	size_t rest;

	assert(at);
	rest = strlen(at + strlen(old)) + 1;
	assert(strlen(json) - strlen(old) + strlen(new) < COPY - BINARY);
	memmove(at + strlen(new), at + strlen(old), rest);
	memcpy(at, new, strlen(new));
	at += strlen(new) + rest;
	memset(at, 0, (size_t)(json + COPY - BINARY - at));
}

static void seal(uint8_t *copy)
{
	memset(copy + CHECKSUM, 0, CHECKSUM_SIZE);
	assert(EVP_Digest(copy, COPY, copy + CHECKSUM, NULL, EVP_sha256(), NULL) == 1);
}

int main(int argc, char **argv)
{
	uint8_t headers[2 * COPY];
	_cleanup_close_ int fd = -1;

	assert(argc == 4);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	assert(fd >= 0 && sr_read_full(fd, headers, sizeof(headers)) == sizeof(headers));
	for (size_t at = 0; at < sizeof(headers); at += COPY) {
		replace((char *)headers + at + BINARY, argv[2], argv[3]);
		seal(headers + at);
	}
	assert(pwrite(fd, headers, sizeof(headers), 0) == sizeof(headers));
	return 0;
}
