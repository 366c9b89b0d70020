/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same facts for programs: --json. */
#ifndef JSON_H
#define JSON_H

#include <json-c/json.h>

#include "tool.h"

/** json_add_text() - add a string; NULL adds null */
static inline void json_add_text(struct json_object *object, const char *key,
				 const char *value)
{
	json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

/** json_add_time() - add a time as RFC 3339; 0 adds null */
static inline void json_add_time(struct json_object *object, const char *key, time_t when)
{
	char text[SR_TIME_TEXT];

	sr_time_format(when, text);
	json_add_text(object, key, when ? text : NULL);
}

/** json_print() - print and release */
static inline void json_print(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

/** json_list_end() - print what was listed, unless that failed; NULL is not printed. Returns @r. */
static inline int json_list_end(struct json_object *list, int r)
{
	if (list && r >= 0)
		json_print(list);
	else
		json_object_put(list);
	return r;
}

#endif
