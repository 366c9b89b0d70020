/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys in words: for people, for programs, in options and in JSON. */
#ifndef KEY_TEXT_H
#define KEY_TEXT_H

#include <json-c/json.h>

#include "sealring.h"

/** key_usage_parse() - "sign", "decrypt" or "both"; 0 or -EINVAL */
int key_usage_parse(const char *name, unsigned int *ret, struct sr_err *err);

/** key_usage_name() - the opposite */
const char *key_usage_name(unsigned int usage);

/** key_form_parse() - "der", "plain", "tss" or "ssh"; 0 or -EINVAL */
int key_form_parse(const char *name, enum sr_signature_form *ret, struct sr_err *err);

/** key_form_name() - the opposite */
const char *key_form_name(enum sr_signature_form form);

/** key_fingerprint() - the one that it is known by: OpenSSH's, or else of its SPKI */
const char *key_fingerprint(const struct sr_key_info *info);

/** key_to_json() - what a key's file says of it */
struct json_object *key_to_json(const struct sr_key_info *info);

/**
 * key_whole_to_json() - the same, and what is beside it in the store
 *
 * Where its certificates can't be read this fails, and @ret is there all the same: they are null.
 */
int key_whole_to_json(struct sr_store *store, const struct sr_key *key,
		      const struct sr_key_info *info, struct json_object **ret,
		      struct sr_err *err);

#endif
