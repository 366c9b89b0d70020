/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One TPM conversation: getting a ring key out, or a new approval in. */
#ifndef SR_OPENING_H
#define SR_OPENING_H

#include "approval.h"

/**
 * struct sr_opening - what a conversation keeps for its next step
 * @parent:	the storage key
 * @session:	a session without statements; none after the last step
 * @values:	PCR values known to be the present ones; given is 0 when not known
 */
struct sr_opening {
	struct sr_handle parent;
	struct sr_handle session;
	struct sr_pcrs values;
};

#define SR_OPENING(t)                                                                    \
	((struct sr_opening){ .parent = SR_HANDLE(t), .session = SR_HANDLE(t) })
#define _cleanup_opening_ _cleanup_(sr_opening_done)

static inline void sr_opening_done(struct sr_opening *opening)
{
	sr_handle_flush(&opening->session);
	sr_handle_flush(&opening->parent);
}

/**
 * sr_opening_unseal() - get the ring key; on success the ring is open
 * @ring:	a loaded ring
 * @tpm:	an open TPM
 * @ask:	where a PIN comes from; may be NULL
 * @keep:	gets parent, session and values for sr_opening_approve(); NULL ends here
 * @err:	as sr_ring_open(), on failure
 */
int sr_opening_unseal(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		      struct sr_opening *keep, struct sr_err *err);

/**
 * sr_opening_start() - a storage key and a session for a ring not opened by this TPM
 * @ring:	its storage key becomes this TPM's
 * @tpm:	an open TPM
 * @same_tpm:	-EREMOTE if that is not the storage key that the ring has
 * @ret:	release with sr_opening_done()
 * @err:	says why, on failure
 */
int sr_opening_start(struct sr_ring *ring, struct sr_tpm *tpm, bool same_tpm,
		     struct sr_opening *ret, struct sr_err *err);

/**
 * sr_opening_values() - the present PCR values by the ring's list, the latch as it says
 *
 * Of a ring that the latch closes, those that the system extends as the initramfs saw them.
 * Those with which an approval was just opened need not be asked for again.
 *
 * Returns as sr_pcr_read_measured().
 */
int sr_opening_values(const struct sr_ring *ring, const struct sr_opening *opening,
		      bool accept_unmeasured, struct sr_pcrs *ret, struct sr_err *err);

/**
 * sr_opening_seal() - seal the key of an open ring under a policy, and prove it
 * @ring:	an open ring; pin_value is what PolicyAuthValue takes
 * @opening:	the conversation
 * @policy:	the policy
 * @later:	it does not hold now: that the TPM made it in an encrypted session, with
 *		our policy digest, and loads it again is what can be proven. Else it is
 *		unsealed, which ends the session
 * @ret:	the sealed object; release with sr_tpmkey_free()
 * @err:	says why, on failure
 */
int sr_opening_seal(struct sr_ring *ring, struct sr_opening *opening,
		    const struct sr_policy *policy, bool later, struct sr_tpmkey **ret,
		    struct sr_err *err);

/**
 * sr_opening_approve() - seal the key of an open ring to PCR values, prove it, write it
 * @ring:	an open ring; pcrs and pin_value say what to seal to
 * @opening:	its session is used up
 * @options:	@accept_unmeasured and @follow count
 * @later:	whether it is for a boot state to come; may be NULL
 * @err:	says why, on failure
 *
 * Written as sr_replace_approvals() says; it is for a boot state to come if the list gives
 * a value that is not the present one. Nothing is sealed if what opened this boot is just
 * what would be. ring.conf is the caller's.
 */
int sr_opening_approve(struct sr_ring *ring, struct sr_opening *opening,
		       const struct sr_ring_options *options, bool *later,
		       struct sr_err *err);

#endif
