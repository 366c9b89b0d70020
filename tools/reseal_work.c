/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Doing something to one ring, or to all. */
#include <string.h>

#include "follow.h"
#include "reseal.h"

void reseal_work_done(struct reseal_work *work)
{
	follow_end();
	sr_tpm_close(work->tpm);
	sr_store_close(work->store);
}

int reseal_work_start(struct reseal_work *work, struct sr_err *err)
{
	int r = tool_store(&work->store, err);

	return r < 0 ? r : tool_tpm(work->store, &work->tpm, err);
}

int reseal_each(struct reseal_work *work, int argc, char **argv,
		int (*run)(struct reseal_work *work, const char *name,
			   struct sr_err *err),
		struct sr_err *err)
{
	_cleanup_strv_ char **rings = NULL;
	int r;

	if (argc > 0)
		return run(work, argv[0], err);
	r = sr_store_rings(work->store, &rings, err);
	if (r < 0)
		return r;
	if (r == 0)
		tool_say("no rings in %s: tpm-seal makes one",
			 sr_store_path(work->store));
	/* Others may be changed through "system": that is first. */
	for (int others = 0; others < 2; others++)
		for (char **ring = rings; *ring; ring++) {
			struct sr_err why = { 0 };

			if ((strcmp(*ring, "system") != 0) != others)
				continue;
			r = run(work, *ring, &why);
			if (r < 0)
				tool_complain(r, &why);
		}
	return 0;
}
