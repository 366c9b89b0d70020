/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates of OpenSSH (PROTOCOL.certkeys): whether one is of a key. */
#include "sshcert.h"

#include <string.h>

#include "ground/base64.h"
#include "ground/harmless.h"
#include "ssh.h"
#include "wire.h"

#define BLANKS SR_SSHCERT_BLANKS

static const char suffix[] = "-cert-v01@openssh.com";

static int fail_file(struct sr_err *err)
{
	return sr_fail(err, -EBADMSG, "not a certificate of OpenSSH, or a damaged one");
}

/* Tabs may stand for blanks. */
static bool is_harmless(const char *line, size_t length)
{
	for (size_t part; length > 0; line += part, length -= part) {
		bool tab = *line == '\t';

		part = tab ? 1 : strcspn(line, "\t\r\n");
		if (!tab && !sr_text_is_harmless(line, part))
			return false;
	}
	return true;
}

/*
 * Whoever may see a certificate may not see what else is in its file, and a terminal should only
 * show it: one line with nothing before and behind it, as far as ssh takes that.
 */
static bool is_one_line(const char *text)
{
	const char *line = text + strspn(text, BLANKS);
	size_t length = strcspn(line, "\r\n");
	const char *behind = line + length;

	return is_harmless(line, length) && behind[strspn(behind, BLANKS)] == '\0';
}

/* The second word of the only line. */
static int unarmour(const struct sr_buf *file, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_free_ char *line = NULL;
	char *save = NULL, *text;
	int r;

	if (file->size > SR_SSHCERT_MAX || memchr(file->data, 0, file->size))
		return fail_file(err);
	line = strndup((const char *)file->data, file->size);
	if (!line)
		return sr_fail_memory(err);
	if (!is_one_line(line))
		return sr_fail(err, -EBADMSG,
			       "more than a certificate of OpenSSH in one line");
	text = strtok_r(line, BLANKS, &save) ? strtok_r(NULL, BLANKS, &save) : NULL;
	if (!text)
		return fail_file(err);
	r = sr_base64_parse(text, SR_SSHCERT_MAX, ret, err);
	return r == -EINVAL ? fail_file(err) : r;
}

static uint64_t get_time(struct sr_reader *from)
{
	uint64_t high = sr_get_number(from);

	return high << 32 | sr_get_number(from);
}

/* What follows the key: who signed it, for whom, how long. */
static bool read_rest(struct sr_reader *from, struct sr_sshcert_time *valid)
{
	(void)sr_get(from, 8);	   /* serial */
	(void)sr_get_number(from); /* type */
	(void)sr_get_string(from); /* key id */
	(void)sr_get_string(from); /* principals */
	valid->after = get_time(from);
	valid->before = get_time(from);
	(void)sr_get_string(from); /* critical options */
	(void)sr_get_string(from); /* extensions */
	(void)sr_get_string(from); /* reserved */
	(void)sr_get_string(from); /* who signed */
	(void)sr_get_string(from); /* signature */
	return sr_get_end(from);
}

/* The key stands there as in its own form, behind its kind. */
static int check(const struct sr_buf *blob, const TPM2B_PUBLIC *pub,
		 struct sr_sshcert_time *valid, struct sr_err *err)
{
	struct sr_reader from = { .data = blob->data, .left = blob->size }, key, kind,
			 name;
	_cleanup_buf_ struct sr_buf plain = { 0 };
	int r = sr_ssh_public(pub, &plain, err);
	const uint8_t *found;
	size_t length;

	if (r < 0)
		return r;
	key = (struct sr_reader){ .data = plain.data, .left = plain.size };
	name = sr_get_string(&key);
	kind = sr_get_string(&from);
	(void)sr_get_string(&from); /* nonce */
	length = kind.left - strlen(suffix);
	if (kind.bad || kind.left < strlen(suffix) ||
	    memcmp(kind.data + length, suffix, strlen(suffix)) != 0)
		return fail_file(err);
	kind.left = length;
	found = sr_get(&from, key.left);
	if (!sr_wire_is(&kind, name.data, name.left) || !found ||
	    memcmp(found, key.data, key.left) != 0)
		return sr_fail(err, -EBADMSG, "a certificate of another key");
	return read_rest(&from, valid) ? 0 : fail_file(err);
}

int sr_sshcert_read(const struct sr_buf *file, const TPM2B_PUBLIC *pub,
		    struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf blob = { 0 };
	struct sr_sshcert_time valid;
	int r = unarmour(file, &blob, err);

	if (r == 0)
		r = check(&blob, pub, &valid, err);
	if (r < 0)
		return r;
	*ret = blob;
	blob = (struct sr_buf){ 0 };
	return 0;
}

int sr_sshcert_valid(const struct sr_buf *file, const TPM2B_PUBLIC *pub,
		     struct sr_sshcert_time *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf blob = { 0 };
	int r = unarmour(file, &blob, err);

	return r < 0 ? r : check(&blob, pub, ret, err);
}
