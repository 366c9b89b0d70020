/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Salted, encrypting sessions, and policies replayed in them. */
#ifndef SR_SESSION_H
#define SR_SESSION_H

#include "codec/policy.h"
#include "tpm.h"

/**
 * sr_session_start() - start a session salted to a storage key
 * @tpm:	an open TPM
 * @type:	TPM2_SE_POLICY; TPM2_SE_HMAC for an object without policy
 * @salt_key:	the pinned storage key
 * @ret:	the session
 * @err:	says why, on failure
 *
 * A policy session is policy, salt and AES-128-CFB parameter encryption at once, both
 * ways (TPM 2.0 Part 1, sections 19 and 21).
 *
 * Returns 0 or what sr_fail_tss() makes of the TPM's answer.
 */
int sr_session_start(struct sr_tpm *tpm, TPM2_SE type, const struct sr_handle *salt_key,
		     struct sr_handle *ret, struct sr_err *err);

/** sr_session_restart() - forget the statements made so far (TPM2_PolicyRestart) */
int sr_session_restart(const struct sr_handle *session, struct sr_err *err);

/** sr_session_encrypt() - encrypt what the next command carries, both ways, and go on */
int sr_session_encrypt(const struct sr_handle *session, struct sr_err *err);

/** sr_session_last() - encrypt the next command, both ways, and end the session with it */
int sr_session_last(const struct sr_handle *session, struct sr_err *err);

/**
 * sr_session_satisfy() - make a policy's statements
 * @session:	a policy session whose statements are none so far
 * @policy:	what to make
 * @made:	how many statements the TPM took, also on failure; may be NULL
 * @err:	says why, on failure
 *
 * A PolicyAuthorize with a signature has it verified first. PolicyLocality does not move
 * the locality: the TPM compares at the end.
 *
 * Returns 0, -EKEYREJECTED (a statement does not hold) or as sr_fail_tss().
 */
int sr_session_satisfy(const struct sr_handle *session, const struct sr_policy *policy,
		       size_t *made, struct sr_err *err);

#endif
