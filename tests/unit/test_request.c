/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests lib/codec/request.c: what counts as systemd asking for a unit's credential. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ground/parse.h"

#define TEN "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define UNIT255 SIXTY SIXTY SIXTY SIXTY "abcdefg.service"

/* The text behind the NUL; NULL unit: refused. */
static const struct request_case {
	const char *text;
	const char *unit;
	const char *credential;
} cases[] = {
	{ "adf9d86b6eda275e/unit/foobar.service/credx", "foobar.service", "credx" },
	{ "0/unit/a.service/b", "a.service", "b" },
	{ "f00/unit/db@1.service/db-password", "db@1.service", "db-password" },
	{ "1/unit/dev-disk-by\\x2dlabel.swap/key", "dev-disk-by\\x2dlabel.swap", "key" },
	{ "1/unit/a:b_c.mount/_a.b-c", "a:b_c.mount", "_a.b-c" },
	{ "1/unit/unit/unit", "unit", "unit" },
	{ "1/unit/" UNIT255 "/" SIXTY "1234", UNIT255, SIXTY "1234" },
	{ "1/unit/" UNIT255 "5/c", NULL, NULL },
	{ "1/unit/u.service/" SIXTY "12345", NULL, NULL },
	{ "11112222333344445/unit/a.service/b", NULL, NULL },
	{ "/unit/a.service/b", NULL, NULL },
	{ "A/unit/a.service/b", NULL, NULL },
	{ "g/unit/a.service/b", NULL, NULL },
	{ "0x1/unit/a.service/b", NULL, NULL },
	{ "1 /unit/a.service/b", NULL, NULL },
	{ "1//unit/a.service/b", NULL, NULL },
	{ "1/Unit/a.service/b", NULL, NULL },
	{ "1/units/a.service/b", NULL, NULL },
	{ "1/cryptsetup/root", NULL, NULL },
	{ "1/unit/a.service/b/", NULL, NULL },
	{ "1/unit/a.service/b/c", NULL, NULL },
	{ "1/unit//b", NULL, NULL },
	{ "1/unit/a.service/", NULL, NULL },
	{ "1/unit/a.service", NULL, NULL },
	{ "1/unit/", NULL, NULL },
	{ "1/unit", NULL, NULL },
	{ "1", NULL, NULL },
	{ "", NULL, NULL },
	{ "1/unit/a service/b", NULL, NULL },
	{ "1/unit/a*.service/b", NULL, NULL },
	{ "1/unit/a\n.service/b", NULL, NULL },
	{ "1/unit/\xc3\xa4.service/b", NULL, NULL },
	{ "1/unit/a.service/b c", NULL, NULL },
	{ "1/unit/a.service/.b", NULL, NULL },
	{ "1/unit/a.service/..", NULL, NULL },
	{ "1/unit/a.service/b\n", NULL, NULL },
};

static int parse(const char *text, size_t size, struct sr_request *ret,
		 struct sr_err *err)
{
	char address[512] = "";

	assert(size < sizeof(address));
	memcpy(address + 1, text, size);
	return sr_request_parse(address, size + 1, ret, err);
}

static void check_refused(int r, const struct sr_err *err,
			  const struct sr_request *request)
{
	assert(r == -EINVAL && err->code == r && err->text[0]);
	assert(strcmp(request->unit, "untouched") == 0);
}

static void test_texts(void)
{
	for (size_t i = 0; i < SR_COUNT(cases); i++) {
		const struct request_case *c = &cases[i];
		struct sr_request request = { .unit = "untouched" };
		struct sr_err err = { 0 };
		int r = parse(c->text, strlen(c->text), &request, &err);

		if (!c->unit) {
			check_refused(r, &err, &request);
			continue;
		}
		assert(r == 0 && strcmp(request.unit, c->unit) == 0);
		assert(strcmp(request.credential, c->credential) == 0);
	}
}

/* A NUL inside, one behind, none in front, nothing at all, and every cut. */
static void test_bytes(void)
{
	static const char good[] = "\0"
				   "1/unit/a.service/b";
	static const char inside[] = "1/unit/a.ser\0vice/b";
	struct sr_request request = { .unit = "untouched" };
	struct sr_err err = { 0 };

	check_refused(parse(inside, sizeof(inside) - 1, &request, &err), &err, &request);
	check_refused(sr_request_parse(good, sizeof(good), &request, &err), &err,
		      &request);
	check_refused(sr_request_parse(good + 1, sizeof(good) - 2, &request, &err), &err,
		      &request);
	check_refused(sr_request_parse(good, 0, &request, &err), &err, &request);
	for (size_t size = 1; size < sizeof(good) - 1; size++)
		check_refused(sr_request_parse(good, size, &request, &err), &err,
			      &request);
	assert(sr_request_parse(good, sizeof(good) - 1, &request, &err) == 0);
}

int main(void)
{
	test_texts();
	test_bytes();
	printf("test_request: %zu cases\n", SR_COUNT(cases));
	return 0;
}
