/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: what the owner of a key says about it. */
#include <string.h>

#include "sign.h"

/* "NAME=VALUE", or "NAME" whatever the value. */
static bool has_tag(const struct sr_key_info *info, const char *wanted)
{
	size_t length = strlen(wanted);

	for (size_t i = 0; i < info->tag_count; i++)
		if (strncmp(info->tags[i], wanted, length) == 0 &&
		    (info->tags[i][length] == '\0' ||
		     (info->tags[i][length] == '=' && !strchr(wanted, '='))))
			return true;
	return false;
}

bool key_has_tags(const struct sr_key_info *info)
{
	for (size_t i = 0; i < sign_choices.tags.count; i++)
		if (!has_tag(info, sign_choices.tags.item[i]))
			return false;
	return true;
}

static int print_tags(const char *name, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	struct sr_key_info info;
	int r = key_work_load(&work, name, false, err);

	if (r == 0)
		r = sr_key_info(work.key, &info, err);
	for (size_t i = 0; r == 0 && i < info.tag_count; i++)
		printf("%s\n", info.tags[i]);
	return r;
}

int cmd_tag(int argc, char **argv, struct sr_err *err)
{
	_cleanup_store_ struct sr_store *store = NULL;
	int r;

	if (argc == 1)
		return print_tags(argv[0], err);
	r = tool_store(&store, err);
	return r < 0 ? r
		     : sr_key_tag(store, argv[0], (const char *const *)argv + 1,
				  (size_t)argc - 1, err);
}
