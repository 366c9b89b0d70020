/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Approvals against the present boot state, without opening anything. */
#ifndef SR_COMPARE_H
#define SR_COMPARE_H

#include "approval.h"

/**
 * struct sr_comparison - what the boot state means for a ring
 * @holds:	an approval's PCRs are the present ones
 * @changed:	else: PCRs that the closest approval wants otherwise; 0 when not known
 * @made:	when that approval was made; 0 when not known
 */
struct sr_comparison {
	bool holds;
	uint32_t changed;
	time_t made;
};

/** sr_compare() - read the PCRs that approvals want, and compare; 0 or as sr_pcr_read() */
int sr_compare(const struct sr_approvals *approvals, struct sr_tpm *tpm,
	       struct sr_comparison *ret, struct sr_err *err);

#endif
