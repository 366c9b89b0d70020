/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Updates of Secure Boot variables that a command was given, and what they lead to. */
#include <errno.h>

#include "reseal.h"

#define UPDATE_MAX 1048576 /* bytes in an update */

void reseal_updates_done(struct reseal_updates *updates)
{
	for (size_t i = 0; i < updates->count; i++)
		free(updates->data[i]);
	*updates = (struct reseal_updates){ 0 };
}

static int take_updates(struct reseal_updates *updates, const char *variable,
			const struct option_list *files, struct sr_err *err)
{
	for (size_t i = 0; i < files->count; i++) {
		struct sr_variable_update *update = &updates->update[updates->count];
		int r;

		if (updates->count == SR_UPDATES_MAX)
			return sr_fail(err, -EINVAL, "more than %d updates",
				       SR_UPDATES_MAX);
		r = reseal_read(files->item[i], UPDATE_MAX,
				&updates->data[updates->count], &update->size, err);
		if (r < 0)
			return r;
		update->variable = variable;
		update->file = files->item[i];
		update->data = updates->data[updates->count++];
	}
	return 0;
}

/* The order in which they have to be made, as each signs the next. */
int reseal_updates(struct reseal_updates *ret, struct sr_err *err)
{
	int r = take_updates(ret, "KEK", &reseal_options.kek, err);

	if (r == 0)
		r = take_updates(ret, "db", &reseal_options.db, err);
	if (r == 0)
		r = take_updates(ret, "dbx", &reseal_options.dbx, err);
	return r;
}

int reseal_measured(const struct reseal_boot *boot, struct sr_pcrs *ret,
		    struct sr_err *err)
{
	struct sr_pcrs measured = { 0 };

	for (size_t i = 0; i < boot->log->banks; i++)
		if (boot->active[i] &&
		    (!measured.given ||
		     boot->log->bank[i] == sr_eventlog_bank(boot->log)))
			measured = boot->held[i];
	if (!measured.given)
		return sr_fail(err, -EINVAL,
			       "no bank of the log is active in the TPM: nothing that "
			       "is predicted could be used");
	*ret = measured;
	return 0;
}
