/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes PCR lists: what parses is in range and reads the same when written again. */
#include <assert.h>
#include <string.h>

#include "ground/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_given(const struct sr_pcrs *pcrs)
{
	static const uint8_t zeros[SR_DIGEST_MAX];

	assert((pcrs->given & ~pcrs->mask) == 0);
	for (unsigned int i = 0; i < SR_PCR_COUNT; i++) {
		size_t used = pcrs->given & (1U << i) ? sr_bank_size(pcrs->bank) : 0;

		assert(memcmp(pcrs->value[i] + used, zeros, sizeof(zeros) - used) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);
	struct sr_pcrs pcrs, again;
	struct sr_err err = { 0 };
	char written[SR_PCRS_TEXT];
	int r;

	assert(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = 0;
	r = sr_pcrs_parse(text, &pcrs, &err);
	if (r < 0) {
		assert(r == -EINVAL && err.text[0]);
		return 0;
	}
	assert(pcrs.mask != 0 && pcrs.mask >> SR_PCR_COUNT == 0);
	check_given(&pcrs);
	sr_pcrs_format(&pcrs, written);
	assert(sr_pcrs_parse(written, &again, NULL) == 0);
	assert(again.bank == pcrs.bank && again.mask == pcrs.mask && again.given == 0);
	return 0;
}
