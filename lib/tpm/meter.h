/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long the TPM takes for each command: counted between us and the TPM. */
#ifndef SR_METER_H
#define SR_METER_H

#include <stdatomic.h>
#include <tss2/tss2_tcti.h>

#include "sealring.h"

/**
 * struct sr_meter - counts, by command; written in one thread, read in any
 * @row:	one for each command that has a name here, and one for all others
 */
struct sr_meter {
	struct sr_meter_row {
		atomic_uint_fast64_t bucket[SR_LATENCY_BUCKETS];
		atomic_uint_fast64_t nanoseconds;
	} row[13];
};

/** sr_meter_read() - what was counted of a command; false behind the last */
bool sr_meter_read(const struct sr_meter *meter, size_t at, struct sr_latency *ret);

/**
 * sr_meter_tcti() - a TCTI that counts what goes through it
 * @inner:	the way to the TPM; has to live as long
 * @meter:	counts; has to live as long
 *
 * Release with free(). NULL without memory.
 */
TSS2_TCTI_CONTEXT *sr_meter_tcti(TSS2_TCTI_CONTEXT *inner, struct sr_meter *meter);

/** sr_meter_divert() - commands do not reach the TPM: they fail, as if it had said so */
void sr_meter_divert(TSS2_TCTI_CONTEXT *metered, bool diverted);

#endif
