/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table says which options a program takes, and is its --help. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ground/attr.h"

#define OPTIONS_MAX 64	/* bits in options_found.given */
#define FIRST_VALUE 256 /* above all letters */
#define HELP_COLUMN 32
#define MANY 5 /* commands: an option of so many is in the help of all */

static const struct option_row *row_at(const struct option_row *const tables[], size_t at)
{
	for (; *tables; tables++)
		for (const struct option_row *row = *tables; row->name; row++)
			if (at-- == 0)
				return row;
	return NULL;
}

static int add_to_list(struct option_list *list, const struct option_row *row,
		       const char *arg, struct sr_err *err)
{
	if (list->count == SR_COUNT(list->item))
		return sr_fail(err, -EINVAL, "--%s is given too often", row->name);
	list->item[list->count++] = arg;
	return 0;
}

static int take_option(const struct option_row *row, const char *arg, struct sr_err *err)
{
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)row->value = true;
		return 0;
	case OPTION_LIST:
		return add_to_list(row->value, row, arg, err);
	default:
		*(const char **)row->value = arg ? arg : "";
		return 0;
	}
}

static size_t prepare(const struct option_row *const tables[], struct option *longs,
		      char *letters)
{
	size_t count = 0;
	const struct option_row *row;

	*letters++ = ':'; /* a missing argument is told from an unknown option */
	for (; (row = row_at(tables, count)) && count < OPTIONS_MAX; count++) {
		longs[count] = (struct option){
			.name = row->name,
			.has_arg = row->kind == OPTION_FLAG	  ? no_argument
				   : row->kind == OPTION_MAY_TEXT ? optional_argument
								  : required_argument,
			.val = FIRST_VALUE + (int)count,
		};
		if (!row->letter)
			continue;
		*letters++ = row->letter;
		if (row->kind != OPTION_FLAG)
			*letters++ = ':';
		if (row->kind == OPTION_MAY_TEXT)
			*letters++ = ':';
	}
	longs[count] = (struct option){ 0 };
	*letters = '\0';
	return count;
}

static const struct option_row *find_row(const struct option_row *const tables[],
					 size_t count, int value)
{
	if (value >= FIRST_VALUE)
		return row_at(tables, (size_t)(value - FIRST_VALUE));
	for (size_t i = 0; i < count; i++)
		if (row_at(tables, i)->letter == value)
			return row_at(tables, i);
	return NULL;
}

static size_t position(const struct option_row *const tables[],
		       const struct option_row *row)
{
	size_t at = 0;

	while (row_at(tables, at) != row)
		at++;
	return at;
}

/* An option that could hold a secret is named without its value. */
static int complain(int value, char **argv, struct sr_err *err)
{
	const char *word = argv[optind - 1];

	if (value == ':')
		return sr_fail(err, -EINVAL, "%s needs an argument: see --help", word);
	if (optopt && optopt < FIRST_VALUE)
		return sr_fail(err, -EINVAL, "no option -%c: see --help", optopt);
	return sr_fail(err, -EINVAL,
		       "no option %.*s, or it takes no argument: see --help",
		       (int)strcspn(word, "="), word);
}

/* getopt(3) would mix what stands before and behind it. */
static int find_end(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	return argc;
}

static int parse(const struct option_row *const tables[], int argc, char **argv,
		 uint64_t *given, struct sr_err *err)
{
	struct option longs[OPTIONS_MAX + 1];
	char letters[3 * OPTIONS_MAX + 2];
	size_t count = prepare(tables, longs, letters);
	int value;

	opterr = 0;
	while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_row *row = find_row(tables, count, value);
		int r;

		if (value == '?' || value == ':' || !row)
			return complain(value, argv, err);
		r = take_option(row, optarg, err);
		if (r < 0)
			return r;
		*given |= UINT64_C(1) << position(tables, row);
	}
	return 0;
}

int options_parse(const struct option_row *const tables[], int *argc, char **argv,
		  struct options_found *ret, struct sr_err *err)
{
	struct options_found found = { 0 };
	int end = find_end(*argc, argv), r = parse(tables, end, argv, &found.given, err);

	if (r < 0)
		return r;
	if (end < *argc) {
		found.behind = --*argc - end;
		for (int i = end; i <= *argc; i++)
			argv[i] = argv[i + 1];
	}
	found.first = optind;
	*ret = found;
	return 0;
}

/* -- which command takes what ------------------------------------------------------- */

bool options_begin(const char *words, const char *with)
{
	size_t length = strlen(with);

	return strncmp(words, with, length) == 0 &&
	       (words[length] == '\0' || words[length] == ' ');
}

/* Those that are @command or begin so; all for NULL. */
static size_t count_takers(const struct option_row *row, const char *command)
{
	size_t count = 0;
	char taker[32];
	int length;

	for (const char *at = row->commands; *at; at += strspn(at, ", ")) {
		length = (int)strcspn(at, ",");
		(void)snprintf(taker, sizeof(taker), "%.*s", length, at);
		count += !command || options_begin(taker, command) ||
			 options_begin(command, taker);
		at += length;
	}
	return count;
}

int options_check(const struct option_row *const tables[], uint64_t given,
		  const char *command, struct sr_err *err)
{
	const struct option_row *row;

	for (size_t at = 0; (row = row_at(tables, at)); at++)
		if (given & UINT64_C(1) << at && row->commands &&
		    count_takers(row, command) == 0)
			return sr_fail(err, -EINVAL,
				       "--%s is no option of %s: see %s --help",
				       row->name, command, command);
	return 0;
}

static void print_row(const struct option_row *row)
{
	char left[80];
	const char *arg = row->arg ? row->arg : "";
	int width;

	width =
	    snprintf(left, sizeof(left), "  %c%c%c --%s%s%s%s", row->letter ? '-' : ' ',
		     row->letter ? row->letter : ' ', row->letter ? ',' : ' ', row->name,
		     row->kind == OPTION_MAY_TEXT ? "[="
		     : row->arg			  ? " "
						  : "",
		     arg, row->kind == OPTION_MAY_TEXT ? "]" : "");
	if (width >= HELP_COLUMN)
		printf("%s\n%*s%s\n", left, HELP_COLUMN, "", row->help);
	else
		printf("%-*s%s\n", HELP_COLUMN, left, row->help);
}

void options_print(const struct option_row *const tables[], const char *command)
{
	const struct option_row *row;

	for (size_t at = 0; (row = row_at(tables, at)); at++)
		if (!row->commands ||
		    count_takers(row, command) >= (size_t)(command ? 1 : MANY))
			print_row(row);
}
