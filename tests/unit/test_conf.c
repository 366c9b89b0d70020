/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of ground/conf: a mistake is refused with file and line, never guessed at. */
#include <assert.h>
#include <string.h>

#include "ground/conf.h"

#define X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X180 X60 X60 X60

/* What the setters saw: values of One and Two, and all of Many in order. */
struct found {
	char *one;
	char *two;
	char many[64];
};

static int set_one(const char *value, void *arg, struct sr_err *err)
{
	if (strcmp(value, "bad") == 0)
		return sr_fail(err, -EINVAL, "\"%s\" is bad", value);
	return sr_conf_string(value, &((struct found *)arg)->one, err);
}

static int set_two(const char *value, void *arg, struct sr_err *err)
{
	return sr_conf_string(value, &((struct found *)arg)->two, err);
}

static int add_many(const char *value, void *arg, struct sr_err *err)
{
	struct found *found = arg;
	size_t used = strlen(found->many);

	(void)err;
	(void)snprintf(found->many + used, sizeof(found->many) - used, "%s,", value);
	return 0;
}

static const struct sr_conf_key keys[] = {
	{ "A", "One", false, set_one },
	{ "A", "Many", true, add_many },
	{ "Bee", "Two", false, set_two },
	{ 0 },
};

static const struct conf_case {
	const char *text;
	size_t size; /* 0: strlen() */
	const char *one;
	const char *two;
	const char *many;
	const char *error; /* NULL: taken */
	int r;
} conf_cases[] = {
	{ "", 0, NULL, NULL, "", NULL, 0 },
	{ "\n\n \t\n# c\n; c\n  # indented\n", 0, NULL, NULL, "", NULL, 0 },
	{ "[A]\nOne=1\n", 0, "1", NULL, "", NULL, 0 },
	{ "[A]\nOne=1", 0, "1", NULL, "", NULL, 0 },
	{ "[A]\r\nOne=1\r\n", 0, "1", NULL, "", NULL, 0 },
	{ "[A]\nOne = a b \t \n", 0, "a b", NULL, "", NULL, 0 },
	{ "[A]\nOne=\n", 0, "", NULL, "", NULL, 0 },
	{ "[A]\nOne=a=b:c#d;e\n", 0, "a=b:c#d;e", NULL, "", NULL, 0 },
	{ "[A]\nOne=\"x\"\n", 0, "\"x\"", NULL, "", NULL, 0 },
	{ "[A]\nOne=[B]\n", 0, "[B]", NULL, "", NULL, 0 },
	{ "[A]\nMany=x\nMany=y\nMany=x\n", 0, NULL, NULL, "x,y,x,", NULL, 0 },
	{ "[A]\nMany=x\n[Bee]\nTwo=2\n[A]\nMany=y\nOne=1\n", 0, "1", "2", "x,y,", NULL,
	  0 },
	{ "[A] \nOne=1\n", 0, "1", NULL, "", NULL, 0 },
	{ "[A]\nOne=" X180 "\n", 0, X180, NULL, "", NULL, 0 },
	{ "[A]\nOne=" X180 "12345678901234\n", 0, X180 "12345678901234", NULL, "", NULL,
	  0 },

	{ "[A]\nOne=" X180 "123456789012345\n", 0, NULL, NULL, "", "f:2: the line is too",
	  -EBADMSG },
	{ "# " X180 X180 "\n[A]\n", 0, NULL, NULL, "", "f:1: the line is too", -EBADMSG },
	{ "[A]\nOne=1\nOne=2\n", 0, "1", NULL, "", "f:3: set twice: One", -EBADMSG },
	{ "[A]\nOne=1\n[A]\nOne=2\n", 0, "1", NULL, "", "f:4: set twice", -EBADMSG },
	{ "[A]\nTwo=1\n", 0, NULL, NULL, "", "f:2: unknown key Two", -EBADMSG },
	{ "[A]\none=1\n", 0, NULL, NULL, "", "f:2: unknown key one", -EBADMSG },
	{ "[C]\n", 0, NULL, NULL, "", "f:1: unknown section [C]", -EBADMSG },
	{ "[a]\n", 0, NULL, NULL, "", "f:1: unknown section [a]", -EBADMSG },
	{ "[Be]\nTwo=1\n", 0, NULL, NULL, "", "f:1: unknown section", -EBADMSG },
	{ "One=1\n", 0, NULL, NULL, "", "f:1: no [Section] above One", -EBADMSG },
	{ "[]\nOne=1\n", 0, NULL, NULL, "", "f:1: not a section", -EBADMSG },
	{ "[A\nOne=1\n", 0, NULL, NULL, "", "f:1: not a section", -EBADMSG },
	{ "[A] x\nOne=1\n", 0, NULL, NULL, "", "f:1: not a section", -EBADMSG },
	{ "[A]]\nOne=1\n", 0, NULL, NULL, "", "f:1: unknown section", -EBADMSG },
	{ "[A] # c\nOne=1\n", 0, NULL, NULL, "", "f:1: put the comment", -EBADMSG },
	{ "[A]\nOne=1 # c\n", 0, NULL, NULL, "", "f:2: put the comment", -EBADMSG },
	{ "[A]\nOne=1 ; c\n", 0, NULL, NULL, "", "f:2: put the comment", -EBADMSG },
	{ "[A]\nOne=1\t;c\n", 0, NULL, NULL, "", "f:2: put the comment", -EBADMSG },
	{ "[A]\nOne= #c\n", 0, NULL, NULL, "", "f:2: put the comment", -EBADMSG },
	{ "[A]\nOne:1\n", 0, NULL, NULL, "", "f:2: neither", -EBADMSG },
	{ "[A]\nOne\n", 0, NULL, NULL, "", "f:2: neither", -EBADMSG },
	{ "[A]\n=1\n", 0, NULL, NULL, "", "f:2: unknown key", -EBADMSG },
	{ "[A]\nMany=1\n  2\n", 0, NULL, NULL, "1,", "f:3: a line must not start",
	  -EBADMSG },
	{ "[A]\n One=1\n", 0, NULL, NULL, "", "f:2: a line must not start", -EBADMSG },
	{ "\xef\xbb\xbf[A]\nOne=1\n", 0, NULL, NULL, "", "f:1: neither", -EBADMSG },
	{ "[A]\nOne=1\0002\n", 12, NULL, NULL, "", "f:2: NUL byte", -EBADMSG },
	{ "[A]\nOne=1\n\0", 11, "1", NULL, "", "f:3: NUL byte", -EBADMSG },
	{ "[A]\nOne=\033[2J\n", 0, NULL, NULL, "", "f:2: control character", -EBADMSG },
	{ "[A]\nOne=1\rx\n", 0, NULL, NULL, "", "f:2: control character", -EBADMSG },
	{ "[A]\nOne=\177\n", 0, NULL, NULL, "", "f:2: control character", -EBADMSG },
	{ "[A]\n\nOne=bad\n", 0, NULL, NULL, "", "f:3: \"bad\" is bad", -EBADMSG },
	{ "[A]\nOne=bad\nbroken\n", 0, NULL, NULL, "", "f:2: \"bad\"", -EBADMSG },
	{ "[A]\nOne\n[Bee]\nTwo=2\n", 0, NULL, NULL, "", "f:2: neither", -EBADMSG },
};

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void run_case(const struct conf_case *c)
{
	size_t size = c->size ? c->size : strlen(c->text);
	struct sr_buf content = { (uint8_t *)c->text, size };
	struct found found = { 0 };
	struct sr_err err = { 0 };
	int r = sr_conf_read(&content, "f", keys, &found, &err);

	assert(r == c->r && same(found.one, c->one) && same(found.two, c->two) &&
	       strcmp(found.many, c->many) == 0);
	if (c->error) {
		assert(strncmp(err.text, c->error, strlen(c->error)) == 0);
		assert(err.code == r && !strchr(err.text, '\n'));
	}
	free(found.one);
	free(found.two);
}

/* Larger than allowed, although every line is fine; and nothing at all. */
static void test_bounds(void)
{
	static char large[SR_CONF_MAX + 1];
	struct sr_buf content = { (uint8_t *)large, sizeof(large) };
	struct found found = { 0 };

	memset(large, '\n', sizeof(large));
	assert(sr_conf_read(&content, "f", keys, &found, NULL) == -EBADMSG);
	content.size--;
	assert(sr_conf_read(&content, "f", keys, &found, NULL) == 0);
	content = (struct sr_buf){ 0 };
	assert(sr_conf_read(&content, "f", keys, &found, NULL) == 0);
}

int main(void)
{
	for (size_t i = 0; i < SR_COUNT(conf_cases); i++)
		run_case(&conf_cases[i]);
	test_bounds();
	printf("test_conf: %zu cases\n", SR_COUNT(conf_cases) + 3);
	return 0;
}
