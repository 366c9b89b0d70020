/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration files: strict INI with a table of what may stand in them. */
#ifndef SR_CONF_H
#define SR_CONF_H

#include "parse.h"

#define SR_CONF_LINE 198  /* bytes in a line, at most: inih splits from 200 on */
#define SR_CONF_MAX 65536 /* bytes in a file, at most */

/**
 * struct sr_conf_key - one key that may stand in a file
 * @section:	name between the brackets
 * @key:	name before the equals sign
 * @list:	may stand more than once
 * @set:	gets each value, and @arg of sr_conf_read(); 0 or a negative errno
 *
 * A table ends with an entry whose @section is NULL.
 */
struct sr_conf_key {
	const char *section;
	const char *key;
	bool list;
	int (*set)(const char *value, void *arg, struct sr_err *err);
};

/**
 * sr_conf_read() - read a file against a table
 * @content:	the file's bytes
 * @name:	what to call it in an error
 * @keys:	what may stand in it
 * @arg:	handed to each setter
 * @err:	says why, with file and line, on failure
 *
 * Refused: unknown sections and keys, a key twice that is no list, a line that is too
 * long or continues the one above, NUL and other control characters, a comment behind a
 * value (" #" or " ;": inih would make it part of the value, or cut the value there).
 * Setters have run for the lines above the one that is refused.
 *
 * Returns 0, -ENOMEM, -EBADMSG, or what a setter returned; "NAME:LINE: " goes before the
 * setter's text.
 */
int sr_conf_read(const struct sr_buf *content, const char *name,
		 const struct sr_conf_key *keys, void *arg, struct sr_err *err);

/** sr_conf_string() - replace *@field by a copy of @value; for setters */
int sr_conf_string(const char *value, char **field, struct sr_err *err);

#endif
