/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Remembering a boot as good, beside what a command was asked for. */
#include <errno.h>

#include "reseal.h"
#include "tool.h"

/* Without an event log there is nothing to compare with later but the approval's values. */
void reseal_take_baseline(struct sr_ring *ring, struct sr_tpm *tpm)
{
	struct sr_err err = { 0 };
	int r = sr_baseline_take(ring, tpm, &err);

	if (r < 0 && (r != -ENODEV || err.tss))
		tool_warn("%s: tpm-reseal explain will know less of this boot", err.text);
}
