/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that may move to another TPM: TPM2_Duplicate. */
#ifndef SR_MOVE_H
#define SR_MOVE_H

#include "codec/tpmkey.h"
#include "tpm.h"

/**
 * sr_move_policy() - what a key's policy says if it may move
 * @pin:	only with its PIN
 * @ret:	the statements
 * @err:	says why, on failure
 *
 * The policy allows TPM2_Duplicate and nothing else; the key is used without it.
 */
int sr_move_policy(bool pin, struct sr_policy *ret, struct sr_err *err);

/** sr_move_allowed() - whether a key may move, with a PIN or without: 1, 0 or -EIO */
int sr_move_allowed(const TPM2B_PUBLIC *pub, struct sr_err *err);

/**
 * sr_object_move() - encrypt a loaded key for another TPM
 * @session:	a policy session that holds sr_move_policy()
 * @object:	the key
 * @parent:	public area of the other TPM's storage key
 * @key:	becomes importable there: type, secret and private area are replaced
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (not the public area of a storage key) or as sr_fail_tss().
 */
int sr_object_move(const struct sr_handle *session, const struct sr_handle *object,
		   const TPM2B_PUBLIC *parent, struct sr_tpmkey *key, struct sr_err *err);

#endif
