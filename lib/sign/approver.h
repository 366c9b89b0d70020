/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys with which a ring approves its boot states for other keys. */
#ifndef SR_APPROVER_H
#define SR_APPROVER_H

#include "codec/authorize.h"
#include "codec/tpmkey.h"
#include "ring/approval.h"

#define SR_APPROVERS_MAX                                                                 \
	16 /* one more with each rotation, while a key has the older one */

/**
 * struct sr_approvers - a ring's keys for that
 * @key:	P-256; the first is for new keys, the others for those made before a rotation
 * @count:	how many
 */
struct sr_approvers {
	EVP_PKEY *key[SR_APPROVERS_MAX];
	size_t count;
};

#define _cleanup_approvers_ _cleanup_(sr_approvers_done)

void sr_approvers_done(struct sr_approvers *approvers);

/** sr_approvers_load() - from an open ring; none if it has none */
int sr_approvers_load(struct sr_ring *ring, struct sr_approvers *ret, struct sr_err *err);

/** sr_approvers_store() - into an open ring, the store being locked */
int sr_approvers_store(struct sr_ring *ring, const struct sr_approvers *approvers,
		       struct sr_err *err);

/** sr_approvers_add() - make a new one, the first from now on */
int sr_approvers_add(struct sr_approvers *approvers, struct sr_err *err);

/** sr_approvers_find() - whose public part is in a PolicyAuthorize; NULL if none's is */
EVP_PKEY *sr_approvers_find(const struct sr_approvers *approvers,
			    const struct sr_policy_step *step);

/**
 * sr_approver_ref() - policyRef: SHA-256 of "sealring approve", ring id and key id
 * @ring:	the ring
 * @id:		of the key: 32 hex digits
 * @ret:	32 bytes
 * @err:	says why, on failure
 */
int sr_approver_ref(const struct sr_ring *ring, const char *id, TPM2B_DIGEST *ret,
		    struct sr_err *err);

/** sr_approval_condition() - what it takes, but for a PIN, which is the ring's */
void sr_approval_condition(const struct sr_approval *approval, struct sr_policy *ret);

/** sr_approved_name() - the name of an entry: its PCR values; NULL if they are not known */
int sr_approved_name(const struct sr_approval *approval, char **ret, struct sr_err *err);

/** sr_approved_values() - the opposite; believed only if the entry is made of them */
bool sr_approved_values(const struct sr_tpmkey_signed *entry, struct sr_pcrs *ret);

#endif
