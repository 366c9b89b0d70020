/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict text: names, numbers, hex, PCR lists, times. */
#ifndef SR_PARSE_H
#define SR_PARSE_H

#include "io.h"

#define SR_PCR_COUNT 24
#define SR_DIGEST_MAX 64

/**
 * struct sr_pcrs - PCRs of one bank, some or all with a value
 * @bank:	TPM_ALG_ID of the hash; 0 when the text neither named nor implied one
 * @mask:	bit N is set when PCR N is in the list
 * @given:	bit N is set when value[N] is known
 * @value:	digests of the bank's size
 */
struct sr_pcrs {
	uint16_t bank;
	uint32_t mask;
	uint32_t given;
	uint8_t value[SR_PCR_COUNT][SR_DIGEST_MAX];
};

/** sr_bank_name() - "sha256" for a TPM_ALG_ID; NULL if it is no hash we know */
const char *sr_bank_name(uint16_t bank);

/** sr_bank_size() - bytes in a digest of the bank; 0 if it is no hash we know */
size_t sr_bank_size(uint16_t bank);

/** sr_bank_parse() - TPM_ALG_ID for "sha256"; 0 if it is no hash we know */
uint16_t sr_bank_parse(const char *name);

/**
 * sr_pcrs_parse() - read "0+7", "sha256:0+7", "0+7=HEX" or "15=0"
 * @text:	the list; "0" as a value stands for all zeros
 * @ret:	the list, on success
 * @err:	says why, on failure
 *
 * In a list without a bank, the length of the first HEX implies it: 40 digits sha1, 64
 * sha256, 96 sha384, 128 sha512.
 *
 * Returns 0 or -EINVAL (unknown bank, number over 23, number twice, wrong length).
 */
int sr_pcrs_parse(const char *text, struct sr_pcrs *ret, struct sr_err *err);

/** sr_pcr_is_zero() - whether the value of a PCR is all zeros */
bool sr_pcr_is_zero(const struct sr_pcrs *pcrs, unsigned int pcr);

#define SR_PCRS_TEXT 96 /* "sha256:0+1+...+23" and its NUL */

/** sr_pcrs_format() - write "sha256:0+7" (values are left out) */
void sr_pcrs_format(const struct sr_pcrs *pcrs, char ret[SR_PCRS_TEXT]);

/** sr_name_ok() - whether @name may name a ring, secret or key */
bool sr_name_ok(const char *name);

/** sr_name_check() - 0, or -EINVAL with the rule; @what is "secret", "ring" or "key" */
int sr_name_check(const char *name, const char *what, struct sr_err *err);

/** sr_bool_parse() - yes, true, 1, on or no, false, 0, off; 0 or -EINVAL */
int sr_bool_parse(const char *text, bool *ret, struct sr_err *err);

/** sr_hex_parse() - exactly 2 * @size hex digits; 0 or -EINVAL */
int sr_hex_parse(const char *text, uint8_t *ret, size_t size, struct sr_err *err);

/** sr_hex_format() - write 2 * @size lower-case digits and a NUL */
void sr_hex_format(const uint8_t *data, size_t size, char *ret);

#define SR_BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1) /* characters and the NUL */

/** sr_base64_format() - write @size bytes in base64, padded, in one line, and a NUL */
void sr_base64_format(const uint8_t *data, size_t size, char *ret);

/**
 * sr_base64_parse() - read what sr_base64_format() writes, and nothing else
 * @text:	base64; no white space, the unused bits zero
 * @max:	bytes at most
 * @ret:	the bytes; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int sr_base64_parse(const char *text, size_t max, struct sr_buf *ret, struct sr_err *err);

/** sr_time_parse() - read what sr_time_format() writes; 0 or -EINVAL */
int sr_time_parse(const char *text, time_t *ret, struct sr_err *err);

#endif
