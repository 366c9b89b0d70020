/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict text: names, numbers, hex, PCR lists, times. */
#ifndef SR_PARSE_H
#define SR_PARSE_H

#include "io.h"

/** sr_bank_parse() - TPM_ALG_ID for "sha256"; 0 if it is no hash we know */
uint16_t sr_bank_parse(const char *name);

/** sr_pcr_is_zero() - whether the value of a PCR is all zeros */
bool sr_pcr_is_zero(const struct sr_pcrs *pcrs, unsigned int pcr);

#define SR_PCRS_TEXT 96 /* "sha256:0+1+...+23" and its NUL */

/** sr_pcrs_format() - write "sha256:0+7" (values are left out) */
void sr_pcrs_format(const struct sr_pcrs *pcrs, char ret[SR_PCRS_TEXT]);

/** sr_pcrs_print() - write those that have values: "sha256:0=HEX+15=0"; nothing if none has */
void sr_pcrs_print(FILE *out, const struct sr_pcrs *pcrs);

/** sr_name_ok() - whether @name may name a ring, secret or key */
bool sr_name_ok(const char *name);

/** sr_name_check() - 0, or -EINVAL with the rule; @what is "secret", "ring" or "key" */
int sr_name_check(const char *name, const char *what, struct sr_err *err);

/** sr_bool_parse() - yes, true, 1, on or no, false, 0, off; 0 or -EINVAL */
int sr_bool_parse(const char *text, bool *ret, struct sr_err *err);

/** sr_hex_parse() - exactly 2 * @size hex digits; 0 or -EINVAL */
int sr_hex_parse(const char *text, uint8_t *ret, size_t size, struct sr_err *err);

/** sr_time_parse() - read what sr_time_format() writes; 0 or -EINVAL */
int sr_time_parse(const char *text, time_t *ret, struct sr_err *err);

#endif
