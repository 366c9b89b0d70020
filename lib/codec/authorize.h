/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies that are signed afterwards: PolicyAuthorize, in software. */
#ifndef SR_AUTHORIZE_H
#define SR_AUTHORIZE_H

#include "policy.h"
#include "pubkey.h"

/**
 * sr_authorize_join() - what a session has to satisfy
 * @entry:	a signed alternative, PolicyAuthorize last
 * @top:	the object's policy, PolicyAuthorize first
 * @ret:	the alternative, and what the object wants beside it
 * @err:	says why, on failure
 *
 * Returns 0 or -EBADMSG (too many statements).
 */
int sr_authorize_join(const struct sr_policy *entry, const struct sr_policy *top,
		      struct sr_policy *ret, struct sr_err *err);

/**
 * sr_authorize_digest() - what is signed (TPM 2.0 Part 3, 23.16)
 * @policy:	digest of the policy that is approved
 * @step:	the PolicyAuthorize
 * @ret:	hash of both, by the name algorithm of the key that signs
 * @err:	says why, on failure
 */
int sr_authorize_digest(const TPM2B_DIGEST *policy, const struct sr_policy_step *step,
			TPM2B_DIGEST *ret, struct sr_err *err);

/**
 * sr_authorize_public() - the public area of a key that signs policies
 * @key:	an EC key on P-256
 * @ret:	as TPM2_LoadExternal takes it
 * @err:	says why, on failure
 */
int sr_authorize_public(const EVP_PKEY *key, TPM2B_PUBLIC *ret, struct sr_err *err);

/**
 * sr_authorize_sign() - approve a policy
 * @policy:	one that contains PolicyPCR, all of them with their digest
 * @key:	with its private part
 * @ref:	what it is approved for
 * @ret:	the policy, and PolicyAuthorize behind it
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (no PolicyPCR in it) or -EIO.
 */
int sr_authorize_sign(const struct sr_policy *policy, EVP_PKEY *key,
		      const TPM2B_DIGEST *ref, struct sr_policy *ret, struct sr_err *err);

/**
 * sr_authorize_check() - whether an alternative was approved for an object
 * @entry:	the alternative, PolicyAuthorize last
 * @top:	the object's policy, PolicyAuthorize first
 * @err:	says why, on failure
 *
 * What the TPM would refuse is refused before it is asked. Beside PolicyPCR, which has to
 * be there, an alternative has nothing but PolicyCounterTimer.
 *
 * Returns 0, -EBADMSG or -EIO.
 */
int sr_authorize_check(const struct sr_policy *entry, const struct sr_policy *top,
		       struct sr_err *err);

/** sr_authorize_digest_of() - the digest of what stands before PolicyAuthorize */
int sr_authorize_digest_of(const struct sr_policy *entry, TPM2B_DIGEST *ret,
			   struct sr_err *err);

/** sr_digest_equal() - whether two digests are the same; they are public */
bool sr_digest_equal(const TPM2B_DIGEST *a, const TPM2B_DIGEST *b);

#endif
