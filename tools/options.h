/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table says which options a program takes, and is its --help. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>

#include "sealring.h"

enum option_kind {
	OPTION_FLAG,	 /* value: bool */
	OPTION_TEXT,	 /* value: const char *; needs an argument */
	OPTION_MAY_TEXT, /* value: const char *; "" without an argument */
	OPTION_LIST,	 /* value: struct option_list; may be given again */
};

/** struct option_list - the arguments of an option that may be given again */
struct option_list {
	const char *item[16];
	size_t count;
};

/**
 * struct option_row - one option
 * @letter:	short twin, or 0
 * @name:	without the dashes; NULL ends the table
 * @kind:	what @value points to
 * @value:	gets what was given
 * @arg:	name of the argument in --help; NULL for flags
 * @help:	what it does, in a few words
 */
struct option_row {
	char letter;
	const char *name;
	enum option_kind kind;
	void *value;
	const char *arg;
	const char *help;
};

/**
 * struct command_row - one command of a program that has several
 * @name:	one or two words; NULL ends the table
 * @args:	what stands behind it, for --help
 * @min:	operands at least
 * @max:	operands at most
 * @run:	does it; 0 or a negative errno
 * @help:	what it does, in a few words
 */
struct command_row {
	const char *name;
	const char *args;
	int min;
	int max;
	int (*run)(int argc, char **argv, struct sr_err *err);
	const char *help;
};

/**
 * options_parse() - read the command line
 * @tables:	option tables, ended by NULL
 * @argc:	of main; one less where a word "--" was taken out of @argv
 * @argv:	of main; operands end up behind the options
 * @first:	index of the first operand
 * @behind:	how many words stood behind "--": the last of the operands
 * @err:	says what is wrong, on failure
 *
 * The first word "--" is no argument of an option.
 *
 * Returns 0 or -EINVAL.
 */
int options_parse(const struct option_row *const tables[], int *argc, char **argv,
		  int *first, int *behind, struct sr_err *err);

/** options_print() - the tables as --help shows them */
void options_print(const struct option_row *const tables[]);

#endif
