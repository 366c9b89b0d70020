/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration files: strict INI with a table of what may stand in them. */
#include "conf.h"

#include <ini.h>
#include <string.h>

/*
 * inih splits the lines; we look at each before it does, because it is lenient where a
 * mistake in a security setting must be seen. Once @r is set nothing more is read.
 */
struct reader {
	const struct sr_buf *content;
	size_t at;
	unsigned int line;
	const char *name;
	const struct sr_conf_key *keys;
	bool *seen;
	void *arg;
	struct sr_err *err;
	int r;
};

static void refuse(struct reader *reader, int r, const char *why, const char *what)
{
	reader->r = sr_fail(reader->err, r, "%s:%u: %s%.64s", reader->name, reader->line,
			    why, what);
}

static bool known_section(const struct sr_conf_key *keys, const char *section,
			  size_t length)
{
	for (; keys->section; keys++)
		if (strlen(keys->section) == length &&
		    memcmp(keys->section, section, length) == 0)
			return true;
	return false;
}

static bool has_control(const char *line)
{
	for (; *line; line++)
		if (((unsigned char)*line < ' ' && *line != '\t') || *line == 127)
			return true;
	return false;
}

static bool has_comment_behind(const char *line)
{
	for (; *line; line++)
		if ((line[0] == ' ' || line[0] == '\t') &&
		    (line[1] == '#' || line[1] == ';'))
			return true;
	return false;
}

/* What inih accepts here and we don't: "[a] rest", "[a]" not in the table, "key: value".
 */
static void check_line(struct reader *reader, const char *line)
{
	size_t length = strlen(line);
	const char *first = line + strspn(line, " \t");

	while (length > 0 && strchr(" \t", line[length - 1]))
		length--;
	if (has_control(line))
		refuse(reader, -EBADMSG, "control character in the line", "");
	else if (!*first || *first == '#' || *first == ';')
		return;
	else if (first != line)
		refuse(reader, -EBADMSG, "a line must not start with a blank: ", first);
	else if (has_comment_behind(line))
		refuse(reader, -EBADMSG, "put the comment on a line of its own", "");
	else if (*line == '[' && (length < 3 || line[length - 1] != ']'))
		refuse(reader, -EBADMSG, "not a section: ", line);
	else if (*line == '[' && !known_section(reader->keys, line + 1, length - 2))
		refuse(reader, -EBADMSG, "unknown section ", line);
	else if (*line != '[' && line[strcspn(line, "=:")] != '=')
		refuse(reader, -EBADMSG, "neither [Section] nor Key=Value: ", line);
}

/* Copies the next line without its end; @room includes the NUL. */
static void copy_line(struct reader *reader, char *line, size_t room)
{
	const char *start = (const char *)reader->content->data + reader->at;
	size_t left = reader->content->size - reader->at;
	const char *end = memchr(start, '\n', left);
	size_t length = end ? (size_t)(end - start) : left;

	reader->at += end ? length + 1 : length;
	reader->line++;
	line[0] = 0;
	if (length > 0 && start[length - 1] == '\r')
		length--;
	if (memchr(start, 0, length)) {
		refuse(reader, -EBADMSG, "NUL byte in the line", "");
	} else if (length > SR_CONF_LINE || length >= room) {
		refuse(reader, -EBADMSG, "the line is too long", "");
	} else {
		memcpy(line, start, length);
		line[length] = 0;
	}
}

/* For inih, in place of fgets(). */
static char *read_line(char *line, int room, void *stream)
{
	struct reader *reader = stream;
	size_t length;

	if (reader->r < 0 || reader->at >= reader->content->size || room < 2)
		return NULL;
	copy_line(reader, line, (size_t)room - 1);
	if (reader->r == 0)
		check_line(reader, line);
	if (reader->r < 0)
		return NULL;
	length = strlen(line);
	line[length] = '\n';
	line[length + 1] = 0;
	return line;
}

static int set_key(struct reader *reader, size_t index, const char *value)
{
	const struct sr_conf_key *key = &reader->keys[index];
	char where[256];

	if (reader->seen[index] && !key->list) {
		refuse(reader, -EBADMSG, "set twice: ", key->key);
		return 0;
	}
	reader->seen[index] = true;
	reader->r = key->set(value, reader->arg, reader->err);
	if (reader->r == 0)
		return 1;
	if (reader->r == -EINVAL)
		reader->r = -EBADMSG; /* not a mistake of whoever called the program */
	(void)snprintf(where, sizeof(where), "%s:%u", reader->name, reader->line);
	(void)sr_prefix(reader->err, reader->r, where);
	return 0;
}

/* For inih: a key and its value; 0 means refused. */
static int handle(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *reader = arg;

	for (size_t i = 0; reader->keys[i].section; i++)
		if (strcmp(reader->keys[i].section, section) == 0 &&
		    strcmp(reader->keys[i].key, name) == 0)
			return set_key(reader, i, value);
	if (*section)
		refuse(reader, -EBADMSG, "unknown key ", name);
	else
		refuse(reader, -EBADMSG, "no [Section] above ", name);
	return 0;
}

static size_t count_keys(const struct sr_conf_key *keys)
{
	size_t count = 0;

	while (keys[count].section)
		count++;
	return count;
}

int sr_conf_read(const struct sr_buf *content, const char *name,
		 const struct sr_conf_key *keys, void *arg, struct sr_err *err)
{
	_cleanup_free_ bool *seen = calloc(count_keys(keys) + 1, sizeof(*seen));
	struct reader reader = {
		.content = content,
		.name = name,
		.keys = keys,
		.seen = seen,
		.arg = arg,
		.err = err,
	};

	if (!seen)
		return sr_fail_memory(err);
	if (content->size > SR_CONF_MAX)
		return sr_fail(err, -EBADMSG, "%s is larger than %d bytes", name,
			       SR_CONF_MAX);
	if (ini_parse_stream(read_line, &reader, handle, &reader) != 0 && reader.r == 0)
		return sr_fail(err, -EBADMSG, "%s: not a configuration file", name);
	return reader.r;
}

int sr_conf_string(const char *value, char **field, struct sr_err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return sr_fail_memory(err);
	free(*field);
	*field = copy;
	return 0;
}
