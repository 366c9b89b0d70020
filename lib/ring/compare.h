/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Approvals against the present boot state, without opening anything. */
#ifndef SR_COMPARE_H
#define SR_COMPARE_H

#include "approval.h"
#include "tpm/identity.h"

/**
 * struct sr_comparison - what the boot state means for a ring
 * @holding:	bit N: approval N holds in this boot: its PCRs are the present ones, but for
 *		the latch
 * @bounded:	bit N: approval N holds in a few boots only
 * @clock:	how often the TPM was started; known if any is bounded
 * @latched:	a PCR that the ring's list wants to be zero is not: until the next boot
 * @changed:	if none: PCRs that the closest approval wants otherwise; 0 when not known
 * @inactive:	a bank that an approval wants, and the TPM has not active; or 0
 * @made:	when that approval was made; 0 when not known
 * @present:	what the TPM holds, in the bank of the last approval; zero where the latch
 *		closed, as it will be
 */
struct sr_comparison {
	uint32_t holding;
	uint32_t bounded;
	struct sr_clock clock;
	bool latched;
	uint32_t changed;
	uint16_t inactive;
	time_t made;
	struct sr_pcrs present;
};

/**
 * sr_compare() - read the PCRs that approvals want, and compare
 * @ring:	whose approvals they are: its list says what the latch is
 * @approvals:	its approvals
 * @tpm:	an open TPM
 * @ret:	what came out
 * @err:	says why, on failure
 *
 * One command for each bank, one more if an approval is bounded. What is sealed to a bank
 * that is not active any more, as after an update of the firmware, does not hold.
 *
 * Returns 0 or as sr_pcr_read().
 */
int sr_compare(const struct sr_ring *ring, const struct sr_approvals *approvals,
	       struct sr_tpm *tpm, struct sr_comparison *ret, struct sr_err *err);

/** sr_comparison_text() - what changed, where nothing holds: "PCR 7" */
void sr_comparison_text(const struct sr_comparison *comparison,
			char ret[SR_CHANGED_TEXT]);

#endif
