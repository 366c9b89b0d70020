/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which TPM it is, and how often it was reset. */
#ifndef SR_IDENTITY_H
#define SR_IDENTITY_H

#include "tpm.h"

/**
 * struct sr_clock - how often a TPM was started
 * @resets:	TPM Resets since it was cleared: one a boot, as a rule
 * @restarts:	TPM Restarts and Resumes since the last of them: hibernation, sleep
 */
struct sr_clock {
	uint32_t resets;
	uint32_t restarts;
};

/** sr_tpm_clock() - ask it: one command; 0, -EIO, -ENODEV */
int sr_tpm_clock(struct sr_tpm *tpm, struct sr_clock *ret, struct sr_err *err);

/**
 * struct sr_identity - what a TPM says about itself
 * @text:	manufacturer and firmware version: "IBM 8217.4131.22.13878"
 * @clock:	how often it was started
 */
struct sr_identity {
	char text[64];
	struct sr_clock clock;
};

/** sr_tpm_identity() - ask it: two commands; 0, -EIO, -ENODEV */
int sr_tpm_identity(struct sr_tpm *tpm, struct sr_identity *ret, struct sr_err *err);

/** sr_tpm_is_device() - whether it is a device of this machine, which the kernel measures
 * into */
bool sr_tpm_is_device(const struct sr_tpm *tpm);

#endif
