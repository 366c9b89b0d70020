/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table says which options a program takes, and is its --help. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
 * @commands:	which take it, with commas between: "csr, cert self-sign", or "cert" for
 *		all that begin so; NULL for all that there are
 */
struct option_row {
	char letter;
	const char *name;
	enum option_kind kind;
	void *value;
	const char *arg;
	const char *help;
	const char *commands;
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
 * struct options_found - what a command line consists of
 * @first:	index of the first operand
 * @behind:	how many words stood behind "--": the last of the operands
 * @given:	bit N is set if the N-th option of the tables was given
 */
struct options_found {
	int first;
	int behind;
	uint64_t given;
};

/**
 * options_parse() - read the command line
 * @tables:	option tables, ended by NULL
 * @argc:	of main; one less where a word "--" was taken out of @argv
 * @argv:	of main; operands end up behind the options
 * @ret:	what was found
 * @err:	says what is wrong, on failure
 *
 * The first word "--" is no argument of an option.
 *
 * Returns 0 or -EINVAL.
 */
int options_parse(const struct option_row *const tables[], int *argc, char **argv,
		  struct options_found *ret, struct sr_err *err);

/** options_check() - refuse what was given and @command does not take */
int options_check(const struct option_row *const tables[], uint64_t given,
		  const char *command, struct sr_err *err);

/**
 * options_print() - the tables as --help shows them
 * @tables:	option tables, ended by NULL
 * @command:	only what it takes, or those that begin so; NULL for what many take
 */
void options_print(const struct option_row *const tables[], const char *command);

/** options_begin() - whether words are, or begin with, others: "cert install", "cert" */
bool options_begin(const char *words, const char *with);

#endif
