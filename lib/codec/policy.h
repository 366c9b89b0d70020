/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies: a list of statements, its digest computed in software, its words. */
#ifndef SR_POLICY_H
#define SR_POLICY_H

#include <tss2/tss2_tpm2_types.h>

#include "ground/parse.h"

#define SR_POLICY_STEPS 8 /* statements in a policy we read, at most */

/**
 * struct sr_policy_step - one statement (TPM 2.0 Part 3, section 23)
 * @code:	TPM2_CC_PolicyPCR, _PolicyAuthValue, _PolicyLocality, _PolicyCounterTimer,
 *		_PolicyCommandCode or _PolicyAuthorize; says which member holds
 *
 * pcr.digest is empty when the file leaves it to the TPM's present values. The operand of
 * counter_timer has the 1, 4 or 8 bytes of a field of TPMS_TIME_INFO.
 * authorize.key, .ref and .signature are as in Part 3, 23.16; in the top-level policy of
 * a file the signature is empty (sigAlg TPM_ALG_NULL).
 */
struct sr_policy_step {
	TPM2_CC code;
	union {
		struct {
			TPML_PCR_SELECTION selection;
			TPM2B_DIGEST digest;
		} pcr;
		struct {
			TPM2B_OPERAND operand;
			uint16_t offset;
			TPM2_EO operation;
		} counter_timer;
		struct {
			TPM2B_PUBLIC key;
			TPM2B_DIGEST ref;
			TPMT_SIGNATURE signature;
		} authorize;
		uint8_t locality;
		TPM2_CC command;
	};
};

/** struct sr_policy - statements in the order of execution; all-zero is an empty one */
struct sr_policy {
	size_t count;
	struct sr_policy_step step[SR_POLICY_STEPS];
};

/**
 * sr_policy_digest() - what a TPM's SHA-256 policy session would hold after the policy
 * @policy:	the statements; a PolicyPCR must have its digest
 * @ret:	32 bytes
 * @err:	says why, on failure
 *
 * PolicyAuthorize replaces all that stands before it (Part 3, 23.16.1).
 *
 * Returns 0, -EINVAL (a PolicyPCR without a SHA-256 digest, an unknown statement) or
 * -EIO.
 */
int sr_policy_digest(const struct sr_policy *policy, TPM2B_DIGEST *ret,
		     struct sr_err *err);

/**
 * sr_policy_add_pcrs() - append PolicyPCR over PCRs whose values are all given
 *
 * Returns 0, -EINVAL (no PCR, a value or the bank is missing, or no room) or -EIO.
 */
int sr_policy_add_pcrs(struct sr_policy *policy, const struct sr_pcrs *pcrs,
		       struct sr_err *err);

/** sr_policy_add_auth_value() - append PolicyAuthValue; 0 or -EINVAL */
int sr_policy_add_auth_value(struct sr_policy *policy, struct sr_err *err);

/** sr_policy_add_command() - append PolicyCommandCode: for this command only; 0 or -EINVAL */
int sr_policy_add_command(struct sr_policy *policy, TPM2_CC command, struct sr_err *err);

/** sr_policy_add_counter() - append PolicyCounterTimer about 4 bytes of TPMS_TIME_INFO */
int sr_policy_add_counter(struct sr_policy *policy, uint16_t offset, TPM2_EO operation,
			  uint32_t value, struct sr_err *err);

/** sr_policy_needs_auth() - whether PolicyAuthValue is among the statements */
bool sr_policy_needs_auth(const struct sr_policy *policy);

/** sr_pcrs_digest() - SHA-256 over the given values, lowest PCR first (Part 3, 23.7) */
int sr_pcrs_digest(const struct sr_pcrs *pcrs, TPM2B_DIGEST *ret, struct sr_err *err);

/** sr_pcrs_selection() - the list as TPML_PCR_SELECTION with 3 octets */
void sr_pcrs_selection(const struct sr_pcrs *pcrs, TPML_PCR_SELECTION *ret);

/**
 * sr_policy_body_read() - one statement from a TPMKey file
 * @code:	the command code
 * @body:	commandPolicy; for PolicyPCR in either known encoding: the command's
 *		parameters (TPM2B_DIGEST, TPML_PCR_SELECTION), or TPML_PCR_SELECTION and
 *		the raw digest. PolicyCounterTimer likewise: with the operand's size, or
 *		without
 * @size:	bytes in @body, all of which must be used
 * @ret:	the statement
 * @err:	says why, on failure
 *
 * A PolicyPCR over no PCR is refused: it always holds, and so only looks like protection.
 *
 * Returns 0 or -EBADMSG.
 */
int sr_policy_body_read(TPM2_CC code, const uint8_t *body, size_t size,
			struct sr_policy_step *ret, struct sr_err *err);

/**
 * sr_policy_body_write() - the opposite
 * @step:	the statement
 * @ret:	its body; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * PolicyPCR as selection and raw digest, PolicyCounterTimer with the raw operand, as
 * openssl_tpm2_engine has them; a PolicyPCR without digest as the command's parameters,
 * which alone can say that there is none.
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int sr_policy_body_write(const struct sr_policy_step *step, struct sr_buf *ret,
			 struct sr_err *err);

#endif
