/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long the TPM takes for each command: counted between us and the TPM. */
#include "meter.h"

#include <endian.h>
#include <string.h>
#include <time.h>

#include "around.h"
#include "ground/secret.h"

#define SECOND 1000000000ULL /* in nanoseconds */
#define CODE_AT 6	     /* of a command's header: tag, size, code */

static const double bounds[] = SR_LATENCY_BOUNDS;

/* What a server of keys sends. */
static const struct {
	TPM2_CC code;
	const char *name;
} commands[] = {
	{ TPM2_CC_Sign, "Sign" },
	{ TPM2_CC_RSA_Decrypt, "RSA_Decrypt" },
	{ TPM2_CC_ECDH_ZGen, "ECDH_ZGen" },
	{ TPM2_CC_Load, "Load" },
	{ TPM2_CC_ContextLoad, "ContextLoad" },
	{ TPM2_CC_ContextSave, "ContextSave" },
	{ TPM2_CC_FlushContext, "FlushContext" },
	{ TPM2_CC_StartAuthSession, "StartAuthSession" },
	{ TPM2_CC_PolicyPCR, "PolicyPCR" },
	{ TPM2_CC_ReadClock, "ReadClock" },
	{ TPM2_CC_ReadPublic, "ReadPublic" },
	{ TPM2_CC_CreatePrimary, "CreatePrimary" },
	{ 0, "other" },
};

_Static_assert(SR_COUNT(commands) == SR_COUNT(((struct sr_meter *)0)->row),
	       "a row for each");
_Static_assert(SR_COUNT(bounds) + 1 == SR_LATENCY_BUCKETS, "a bucket for each, and +Inf");

struct metered {
	struct sr_around around;
	struct sr_meter *meter;
	TPM2_CC code;
	uint64_t sent;
	bool diverted;
};

static uint64_t now(void)
{
	struct timespec time = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static void count(struct sr_meter *meter, TPM2_CC code, uint64_t took)
{
	size_t at = 0, bucket = 0;

	while (at + 1 < SR_COUNT(commands) && commands[at].code != code)
		at++;
	while (bucket < SR_COUNT(bounds) &&
	       (double)took > bounds[bucket] * (double)SECOND)
		bucket++;
	(void)atomic_fetch_add(&meter->row[at].bucket[bucket], 1);
	(void)atomic_fetch_add(&meter->row[at].nanoseconds, took);
}

bool sr_meter_read(const struct sr_meter *meter, size_t at, struct sr_latency *ret)
{
	if (at >= SR_COUNT(commands))
		return false;
	*ret = (struct sr_latency){
		.command = commands[at].name,
		.seconds =
		    (double)atomic_load(&meter->row[at].nanoseconds) / (double)SECOND,
	};
	for (size_t i = 0; i < SR_LATENCY_BUCKETS; i++)
		ret->count[i] = atomic_load(&meter->row[at].bucket[i]);
	return true;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, const uint8_t *command)
{
	struct metered *metered = (struct metered *)tcti;

	metered->code = 0;
	if (size >= CODE_AT + sizeof(metered->code))
		memcpy(&metered->code, command + CODE_AT, sizeof(metered->code));
	metered->code = be32toh(metered->code);
	metered->sent = now();
	if (metered->diverted)
		return TSS2_RC_SUCCESS;
	return Tss2_Tcti_Transmit(metered->around.inner, size, command);
}

void sr_meter_divert(TSS2_TCTI_CONTEXT *metered, bool diverted)
{
	((struct metered *)metered)->diverted = diverted;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
		       int32_t timeout)
{
	struct metered *metered = (struct metered *)tcti;
	TSS2_RC rc;

	if (metered->diverted)
		return sr_around_answer(TPM2_RC_FAILURE, size, response);
	rc = Tss2_Tcti_Receive(metered->around.inner, size, response, timeout);
	if (rc == TSS2_RC_SUCCESS && response)
		count(metered->meter, metered->code, now() - metered->sent);
	return rc;
}

TSS2_TCTI_CONTEXT *sr_meter_tcti(TSS2_TCTI_CONTEXT *inner, struct sr_meter *meter)
{
	struct metered *metered = malloc(sizeof(*metered));

	if (!metered)
		return NULL;
	*metered = (struct metered){ .meter = meter };
	sr_around_init(&metered->around, inner, transmit, receive);
	return (TSS2_TCTI_CONTEXT *)metered;
}
