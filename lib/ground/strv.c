/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NULL-terminated arrays of strings. */
#include "strv.h"

#include <string.h>

#include "parse.h"

void sr_strv_free(char **strv)
{
	if (!strv)
		return;
	for (char **s = strv; *s; s++)
		free(*s);
	free(strv);
}

static int grow(char ***strv, size_t count, struct sr_err *err)
{
	char **larger = reallocarray(*strv, count + 2, sizeof(*larger));

	if (!larger)
		return sr_fail_memory(err);
	*strv = larger;
	return 0;
}

int sr_strv_add(char ***strv, size_t *count, const char *value, struct sr_err *err)
{
	_cleanup_free_ char *copy = strdup(value);

	if (!copy)
		return sr_fail_memory(err);
	if (grow(strv, *count, err) < 0)
		return -ENOMEM;
	(*strv)[(*count)++] = take(copy);
	(*strv)[*count] = NULL;
	return 0;
}

void sr_names_keep_if(struct sr_names *names, bool (*ok)(const char *name))
{
	size_t kept = 0;

	for (size_t i = 0; i < names->count; i++) {
		if (ok(names->name[i]))
			names->name[kept++] = names->name[i];
		else
			free(names->name[i]);
	}
	names->count = kept;
}

void sr_names_keep(struct sr_names *names)
{
	sr_names_keep_if(names, sr_name_ok);
}

int sr_names_to_strv(struct sr_names *names, char ***ret, struct sr_err *err)
{
	int count = (int)names->count;

	if (grow(&names->name, names->count, err) < 0)
		return -ENOMEM;
	names->name[names->count] = NULL;
	*ret = take(names->name);
	names->count = 0;
	return count;
}
