/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Comparing two event logs: the parts of an explanation. */
#ifndef SR_EVENTLOG_EXPLAIN_H
#define SR_EVENTLOG_EXPLAIN_H

#include "eventlog.h"

/**
 * struct sr_pair - events of both logs that belong together
 * @before:	NULL: added
 * @after:	NULL: gone
 * @same:	both are there, and nothing about them differs
 */
struct sr_pair {
	const struct sr_event *before;
	const struct sr_event *after;
	bool same;
};

/**
 * struct sr_pairs - the events of one PCR, in both logs
 * @pair:	in the order of the logs
 * @count:	how many
 */
struct sr_pairs {
	struct sr_pair *pair;
	size_t count;
};

/**
 * sr_eventlog_align() - find what belongs together in two logs
 * @boots:	both logs are there
 * @pcr:	the PCR whose events are meant
 * @ret:	the pairs; release with free(ret->pair)
 * @err:	says why, on failure
 *
 * The longest common subsequence by type and digest stays; of the others, those of the same
 * type that are about the same thing are a pair that differs.
 *
 * Returns 0 or -ENOMEM.
 */
int sr_eventlog_align(const struct sr_boots *boots, unsigned int pcr,
		      struct sr_pairs *ret, struct sr_err *err);

/** sr_change_describe() - say how a pair differs; @ret has its events; 0 or -ENOMEM */
int sr_change_describe(const struct sr_boots *boots, struct sr_change *ret,
		       struct sr_err *err);

/** sr_explanation_conclude() - find cause and warnings, once all changes are known */
void sr_explanation_conclude(struct sr_explanation *explanation);

#endif
