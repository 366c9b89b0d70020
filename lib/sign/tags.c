/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the owner of a key says about it: KEY=VALUE, in the text of its file. */
#include <string.h>

#include "ground/harmless.h"
#include "ground/parse.h"
#include "ground/strv.h"
#include "key.h"

#define TAGS_MAX 16   /* of a key */
#define VALUE_MAX 128 /* bytes */

/* It is shown on terminals, and stands before a PEM block. */
static bool is_value(const char *text)
{
	size_t size = strlen(text);

	return size <= VALUE_MAX && !strstr(text, "-----") &&
	       sr_text_is_harmless(text, size);
}

static int check(const char *tag, struct sr_err *err)
{
	size_t length = strcspn(tag, "=");
	char name[SR_NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "%.*s", (int)length, tag);
	if (length > SR_NAME_MAX || tag[length] != '=' || !sr_name_ok(name))
		return sr_fail(err, -EINVAL,
			       "a tag is written NAME=VALUE, its name as that of a key");
	if (!is_value(tag + length + 1))
		return sr_fail(err, -EINVAL,
			       "tag %s: a value is at most %d bytes of text in one line",
			       name, VALUE_MAX);
	return 0;
}

/* Where the tag of the same name is; the number of tags if there is none. */
static size_t find(const struct sr_key *key, const char *tag)
{
	size_t length = strcspn(tag, "="), at;

	for (at = 0; at < key->tag_count; at++)
		if (strncmp(key->tags[at], tag, length) == 0 &&
		    key->tags[at][length] == '=')
			break;
	return at;
}

static void drop(struct sr_key *key, size_t at)
{
	free(key->tags[at]);
	memmove(&key->tags[at], &key->tags[at + 1],
		(key->tag_count - at) * sizeof(*key->tags));
	key->tag_count--;
}

static int set(struct sr_key *key, const char *tag, struct sr_err *err)
{
	size_t at = find(key, tag);

	if (at < key->tag_count)
		drop(key, at);
	if (tag[strcspn(tag, "=") + 1] == '\0')
		return 0;
	if (key->tag_count >= TAGS_MAX)
		return sr_fail(err, -EINVAL, "a key has at most %d tags", TAGS_MAX);
	return sr_strv_add(&key->tags, &key->tag_count, tag, err);
}

/* Which of both was meant is not for us to say. */
static bool is_repeated(const char *const *tags, size_t at)
{
	size_t length = strcspn(tags[at], "=") + 1;

	for (size_t i = 0; i < at; i++)
		if (strncmp(tags[i], tags[at], length) == 0)
			return true;
	return false;
}

int sr_key_set_tags(struct sr_key *key, const char *const *tags, size_t count,
		    struct sr_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		r = check(tags[i], err);
		if (r == 0 && is_repeated(tags, i))
			r = sr_fail(err, -EINVAL, "tag %.*s is given twice",
				    (int)strcspn(tags[i], "="), tags[i]);
		if (r == 0)
			r = set(key, tags[i], err);
	}
	return r;
}

void sr_key_read_tag(struct sr_key *key, const char *tag)
{
	if (check(tag, NULL) == 0)
		(void)set(key, tag, NULL);
}

static bool is_ours(const char *line)
{
	return strncmp(line, SR_TEXT_TAG, strlen(SR_TEXT_TAG)) == 0 ||
	       strncmp(line, SR_TEXT_VERSION, strlen(SR_TEXT_VERSION)) == 0;
}

/* All other lines stay as they are: the file may be another program's. */
int sr_key_retext(struct sr_key *key, struct sr_err *err)
{
	_cleanup_free_ char *was = take(key->text);
	const char *line = was ? was : "";
	size_t length, size;
	FILE *out = open_memstream(&key->text, &size);

	if (!out)
		return sr_fail_memory(err);
	for (; *line; line += length) {
		length = strcspn(line, "\n");
		length += line[length] == '\n';
		if (!is_ours(line))
			fprintf(out, "%.*s", (int)length, line);
	}
	if (key->version > 1)
		fprintf(out, SR_TEXT_VERSION "%u\n", key->version);
	for (size_t i = 0; i < key->tag_count; i++)
		fprintf(out, SR_TEXT_TAG "%s\n", key->tags[i]);
	return fclose(out) == 0 ? 0 : sr_fail_memory(err);
}

int sr_key_tag(struct sr_store *store, const char *name, const char *const *tags,
	       size_t count, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	_cleanup_close_ int dir = -1;
	int r = sr_keystore_lock(store, &dir, err);

	/* Read under the lock: what others wrote meanwhile is kept. */
	if (r == 0)
		r = sr_key_load(store, name, &key, err);
	if (r == 0)
		r = sr_key_in_store(key, err);
	if (r < 0)
		return r;
	r = sr_key_set_tags(key, tags, count, err);
	if (r == 0)
		r = sr_key_retext(key, err);
	if (r == 0)
		r = sr_key_write(key, dir, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}
