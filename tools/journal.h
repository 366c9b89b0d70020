/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages in the journal, with what they are about as fields. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "sealring.h"

/**
 * struct journal_entry - a message, and what stands beside it
 * @program:	who says it
 * @priority:	as in syslog(3)
 * @text:	one line
 * @r:		negative errno of the failure it reports, or 0: chooses the MESSAGE_ID
 * @err:	what that failure is about, or NULL
 * @request:	who asked for a credential, or NULL
 */
struct journal_entry {
	const char *program;
	int priority;
	const char *text;
	int r;
	const struct sr_err *err;
	const struct sr_request *request;
};

/**
 * journal_write() - write to the journal, if systemd started this program
 * @entry:	what
 *
 * Where standard error is the journal, it would be the same line without fields. On a
 * console it is still wanted.
 *
 * Returns whether nothing is left to be printed.
 */
bool journal_write(const struct journal_entry *entry);

#endif
