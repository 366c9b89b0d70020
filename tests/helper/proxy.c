/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands between a program and a software TPM ("cmd:" TCTI) and makes trouble. */
#include <assert.h>
#include <byteswap.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <tss2/tss2_tpm2_types.h>

#include "ground/attr.h"

#define HEADER 10U
#define MESSAGE_MAX 8192U
#define SLOTS 3 /* for objects */

/*
 *   proxy SOCKET extend CODE TIMES	another program extends PCR 10 after each command
 *					of this code (hex), the first TIMES times
 *   proxy SOCKET answer CODE RC TIMES	the TPM answers the first TIMES commands of this
 *					code with RC (hex) instead of doing them
 *   proxy SOCKET cut CODE TIMES	the answers to these have half of their bytes, and say so
 *   proxy SOCKET break CODE TIMES	the proxy ends in the middle of the answer to such a one
 *   proxy SOCKET hang CODE TIMES	the TPM waits for three seconds before it answers them
 *   proxy SOCKET share		several programs, each with a proxy, use one TPM in turns
 *   proxy SOCKET manage		what the program has left in the TPM is flushed at its end,
 *				as a resource manager does
 *
 * A program that opens the TCTI twice begins anew; unless TIMES is a file: it loses a byte each
 * time, until it is empty.
 */

static uint32_t read32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return bswap_32(value);
}

static bool read_all(int fd, uint8_t *to, size_t size)
{
	while (size > 0) {
		ssize_t n = read(fd, to, size);

		if (n <= 0)
			return false;
		to += n;
		size -= (size_t)n;
	}
	return true;
}

static bool read_message(int fd, uint8_t message[MESSAGE_MAX], size_t *size)
{
	if (!read_all(fd, message, HEADER))
		return false;
	*size = read32(message + 2);
	assert(*size >= HEADER && *size <= MESSAGE_MAX);
	return read_all(fd, message + HEADER, *size - HEADER);
}

static void write_all(int fd, const uint8_t *from, size_t size)
{
	assert(write(fd, from, size) == (ssize_t)size);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert(fd >= 0 && strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("proxy");
		exit(1);
	}
	return fd;
}

/* TPM2_PCR_Extend of PCR 10 by a zero SHA-256 digest, with an empty password. */
static void extend(int tpm)
{
	static const uint8_t command[65] = {
		0x80, 0x02, 0, 0,  0,	 65, 0, 0, 0x01, 0x82, /* header */
		0,    0,    0, 10,			       /* PCR */
		0,    0,    0, 9,  0x40, 0,  0, 9, 0,	 0,
		0,    0,    0, 0,  0,	 0,  1, 0, 11, /* one digest, SHA-256 */
	};
	uint8_t answer[MESSAGE_MAX];
	size_t size;

	write_all(tpm, command, sizeof(command));
	assert(read_message(tpm, answer, &size));
	assert(read32(answer + 6) == TPM2_RC_SUCCESS);
}

static void refuse(uint32_t rc)
{
	uint8_t answer[HEADER] = { 0x80, 0x01, 0, 0, 0, HEADER };

	rc = bswap_32(rc);
	memcpy(answer + 6, &rc, sizeof(rc));
	write_all(STDOUT_FILENO, answer, sizeof(answer));
}

/* A software TPM serves one connection; so each command has its own. */
static void share(const char *path)
{
	uint8_t message[MESSAGE_MAX];
	size_t size;

	while (read_message(STDIN_FILENO, message, &size)) {
		_cleanup_close_ int tpm = connect_to(path);

		write_all(tpm, message, size);
		assert(read_message(tpm, message, &size));
		write_all(STDOUT_FILENO, message, size);
	}
}

static void flush(int tpm)
{
	uint8_t command[14] = { 0x80, 0x01, [5] = 14, [8] = 1, [9] = 0x65, [10] = 0x80 };
	uint8_t message[MESSAGE_MAX];
	size_t size;

	for (uint8_t slot = 0; slot < SLOTS; slot++) {
		command[13] = slot;
		write_all(tpm, command, sizeof(command));
		assert(read_message(tpm, message, &size));
	}
}

static void manage(int tpm)
{
	uint8_t message[MESSAGE_MAX];
	size_t size;

	while (read_message(STDIN_FILENO, message, &size)) {
		write_all(tpm, message, size);
		assert(read_message(tpm, message, &size));
		write_all(STDOUT_FILENO, message, size);
	}
	flush(tpm);
}

static bool take_time(const char *times)
{
	static unsigned long taken;
	struct stat st;

	if (times[0] != '/')
		return taken < strtoul(times, NULL, 10) && ++taken;
	assert(stat(times, &st) == 0);
	return st.st_size > 0 && truncate(times, st.st_size - 1) == 0;
}

static void cut(uint8_t *message, size_t *size)
{
	uint32_t less = bswap_32((uint32_t)(*size / 2));

	*size /= 2;
	assert(*size >= HEADER);
	memcpy(message + 2, &less, sizeof(less));
}

int main(int argc, char **argv)
{
	const char *trouble = argc > 2 ? argv[2] : "";
	bool answers = strcmp(trouble, "answer") == 0;
	uint8_t message[MESSAGE_MAX];
	unsigned long code;
	size_t size;
	int tpm;

	if (strcmp(trouble, "share") == 0) {
		share(argv[1]);
		return 0;
	}
	if (strcmp(trouble, "manage") == 0) {
		manage(connect_to(argv[1]));
		return 0;
	}
	assert(argc == (answers ? 6 : 5));
	code = strtoul(argv[3], NULL, 16);
	tpm = connect_to(argv[1]);
	while (read_message(STDIN_FILENO, message, &size)) {
		bool now = read32(message + 6) == code && take_time(argv[argc - 1]);

		if (now && answers) {
			refuse((uint32_t)strtoul(argv[4], NULL, 16));
			continue;
		}
		write_all(tpm, message, size);
		assert(read_message(tpm, message, &size));
		if (now && *trouble == 'e' && read32(message + 6) == TPM2_RC_SUCCESS)
			extend(tpm);
		if (now && *trouble == 'h')
			(void)sleep(3);
		if (now && *trouble == 'c')
			cut(message, &size);
		write_all(STDOUT_FILENO, message,
			  now && *trouble == 'b' ? size / 2 : size);
		if (now && *trouble == 'b')
			break;
	}
	return 0;
}
