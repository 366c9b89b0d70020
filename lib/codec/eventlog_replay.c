/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replaying an event log: the PCR values it leads to. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "eventlog.h"

#define BANK_SHA256 0x000b
#define HCRTM_LOCALITY 4
#define DYNAMIC (0x3fU << 17) /* 17 to 22, of a dynamic launch, begin with all ones */

static EVP_MD *fetch(uint16_t bank)
{
	/* SM3 is the one whose name differs. */
	const char *name = bank == 0x0012 ? "SM3" : sr_bank_name(bank);
	char normal[16];
	EVP_MD *md;

	if (!name)
		return NULL;
	(void)snprintf(normal, sizeof(normal), "%s", name);
	for (char *c = normal; *c; c++)
		if (*c == '_')
			*c = '-';
	md = EVP_MD_fetch(NULL, normal, NULL);
	if (!md)
		ERR_clear_error();
	return md;
}

SR_DEFINE_CLEANUP(md_freep, EVP_MD *, EVP_MD_free)
SR_DEFINE_CLEANUP(md_ctx_freep, EVP_MD_CTX *, EVP_MD_CTX_free)

bool sr_bank_hash(uint16_t bank, const void *data, size_t size,
		  uint8_t ret[SR_DIGEST_MAX])
{
	_cleanup_(md_freep) EVP_MD *md = fetch(bank);

	return md && EVP_Digest(data, size, ret, NULL, md, NULL) == 1;
}

int sr_eventlog_find_bank(const struct sr_eventlog *log, uint16_t bank)
{
	for (size_t i = 0; i < log->banks; i++)
		if (log->bank[i] == bank)
			return (int)i;
	return -1;
}

uint16_t sr_eventlog_bank(const struct sr_eventlog *log)
{
	if (sr_eventlog_find_bank(log, BANK_SHA256) >= 0)
		return BANK_SHA256;
	for (size_t i = 0; i < log->banks; i++)
		if (sr_bank_name(log->bank[i]))
			return log->bank[i];
	return 0;
}

/* TCG's virtual PCR -1 is for the log only. */
static bool extends(const struct sr_event *event)
{
	return event->type != SR_EV_NO_ACTION && event->pcr < SR_PCR_COUNT;
}

uint32_t sr_eventlog_mask(const struct sr_eventlog *log)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < log->count; i++)
		if (extends(&log->event[i]))
			mask |= 1U << log->event[i].pcr;
	return mask;
}

static void begin(const struct sr_eventlog *log, unsigned int pcr, size_t size,
		  uint8_t *value)
{
	memset(value, DYNAMIC & 1U << pcr ? 0xff : 0x00, size);
	if (pcr != 0 || log->confidential)
		return;
	if (log->locality >= 0)
		value[size - 1] = (uint8_t)log->locality;
	else if (log->hcrtm)
		value[size - 1] = HCRTM_LOCALITY;
}

static bool extend(EVP_MD_CTX *ctx, const EVP_MD *md, uint8_t *value,
		   const uint8_t *digest, size_t size)
{
	return EVP_DigestInit_ex(ctx, md, NULL) == 1 &&
	       EVP_DigestUpdate(ctx, value, size) == 1 &&
	       EVP_DigestUpdate(ctx, digest, size) == 1 &&
	       EVP_DigestFinal_ex(ctx, value, NULL) == 1;
}

static int fail_hash(const struct sr_eventlog *log, size_t bank, struct sr_err *err)
{
	const char *name = sr_bank_name(log->bank[bank]);

	return sr_fail(err, -EINVAL, "%s is no hash that OpenSSL has here",
		       name ? name : "the log's bank");
}

int sr_eventlog_replay_with(const struct sr_eventlog *log, size_t bank, unsigned int pcr,
			    const uint8_t *(*replaced)(void *arg, size_t event),
			    void *arg, uint8_t ret[SR_DIGEST_MAX], struct sr_err *err)
{
	_cleanup_(md_freep) EVP_MD *md = fetch(log->bank[bank]);
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t size = log->digest_size[bank];

	if (!md || !ctx)
		return fail_hash(log, bank, err);
	begin(log, pcr, size, ret);
	for (size_t i = 0; i < log->count; i++) {
		const uint8_t *digest = log->event[i].digest[bank], *other = NULL;

		if (!extends(&log->event[i]) || log->event[i].pcr != pcr)
			continue;
		if (replaced)
			other = replaced(arg, i);
		if (!digest)
			return 0;
		if (!extend(ctx, md, ret, other ? other : digest, size))
			return sr_fail_libcrypto(err, "replaying the log");
	}
	return 1;
}

int sr_eventlog_replay(const struct sr_eventlog *log, uint16_t bank, struct sr_pcrs *ret,
		       struct sr_err *err)
{
	struct sr_pcrs pcrs = { .bank = bank, .mask = sr_eventlog_mask(log) };
	int index = sr_eventlog_find_bank(log, bank);

	if (index < 0)
		return sr_fail(err, -EINVAL, "the log has no %s bank",
			       sr_bank_name(bank) ? sr_bank_name(bank) : "such");
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		int r = sr_eventlog_replay_with(log, (size_t)index, pcr, NULL, NULL,
						pcrs.value[pcr], err);

		if (r < 0)
			return r;
		if (r > 0 && pcrs.mask & 1U << pcr)
			pcrs.given |= 1U << pcr;
	}
	*ret = pcrs;
	return 0;
}

int sr_eventlog_usable(const struct sr_eventlog *log, const char *name,
		       struct sr_err *err)
{
	int r = sr_eventlog_check(log, name, err);

	if (r == 0 && log->confidential)
		r = sr_fail(
		    err, -EBADMSG,
		    "%s: log of a confidential virtual machine: its registers are "
		    "no PCRs",
		    name);
	return r;
}
