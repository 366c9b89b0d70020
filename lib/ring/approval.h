/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Approvals: sealed copies of a ring key, one file each. */
#ifndef SR_APPROVAL_H
#define SR_APPROVAL_H

#include "codec/tpmkey.h"
#include "codec/window.h"
#include "ring.h"
#include "tpm/tpm.h"

#define SR_APPROVALS_MAX SR_PARTS_APPROVALS

/**
 * struct sr_approval - one file of approvals/
 * @name:	without ".pem"; "current" is what now and recover write
 * @key:	the sealed object
 * @values:	the PCRs its policy selects; values only where the file's text has them and
 *		the policy confirms them
 * @made:	when; 0 when the file doesn't tell
 * @bounded:	its policy holds in a few boots only
 * @window:	which these are
 * @mac:	what the ring key makes of its Name, if its text is to be believed
 */
struct sr_approval {
	char name[SR_NAME_MAX + 1];
	struct sr_tpmkey *key;
	struct sr_pcrs values;
	time_t made;
	bool bounded;
	struct sr_window window;
	char mac[65];
};

struct sr_approvals {
	size_t count;
	struct sr_approval approval[SR_APPROVALS_MAX];
};

void sr_approvals_done(struct sr_approvals *approvals);

/**
 * sr_approvals_read() - all approvals of a ring that can be read
 * @ring:	a loaded ring
 * @ret:	"current" first and bounded ones last, or in the order of the ring's parts;
 *		release with sr_approvals_done()
 * @err:	says why, on failure
 *
 * The text before the PEM block is believed only where the policy confirms it.
 *
 * Returns 0, -EBADMSG (there are files, but none can be read), -EKEYREJECTED (there is
 * none) or -EIO.
 */
int sr_approvals_read(const struct sr_ring *ring, struct sr_approvals *ret,
		      struct sr_err *err);

/** sr_approvals_read_all() - the same, but one that can't be read is a failure */
int sr_approvals_read_all(const struct sr_ring *ring, struct sr_approvals *ret,
			  struct sr_err *err);

/** sr_approval_is_planned() - whether it is for a boot state that an update will lead to */
bool sr_approval_is_planned(const struct sr_approval *approval);

/** sr_approval_is_beyond() - whether it is for an update that may follow that of @before */
bool sr_approval_is_beyond(const struct sr_approval *approval,
			   const struct sr_approval *before);

/** sr_approvals_sort() - "next" first: the order in which an initramfs tries them */
void sr_approvals_sort(struct sr_approvals *approvals);

/**
 * sr_approval_format() - an approval as it stands outside the store
 * @approval:	an approval
 * @der:	its TPMKey in base64; the caller's to free()
 * @values:	what it wants and its day, as in struct sr_ring_parts; likewise
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL, -ENOMEM or -EIO.
 */
int sr_approval_format(const struct sr_approval *approval, char **der, char **values,
		       struct sr_err *err);

#define SR_APPROVAL_ID 65 /* 64 hex digits and a NUL */

/** sr_approval_id() - the digest in its object's Name, which no other approval has */
int sr_approval_id(const struct sr_approval *approval, char ret[SR_APPROVAL_ID],
		   struct sr_err *err);

/**
 * sr_approval_is_ours() - whether it was made by a holder of the ring key
 * @ring:	an open ring
 * @approval:	one of its files
 * @err:	says why, on failure
 *
 * Whoever writes to the disk can put any policy there. It opens nothing; but what approves
 * that policy elsewhere has to ask.
 *
 * Returns 1, 0, -ENOMEM or -EIO.
 */
int sr_approval_is_ours(const struct sr_ring *ring, const struct sr_approval *approval,
			struct sr_err *err);

/** sr_approval_policy() - the policy for PCR values, a window (or NULL) and a PIN */
int sr_approval_policy(const struct sr_pcrs *values, const struct sr_window *window,
		       bool pin, struct sr_policy *ret, struct sr_err *err);

/** sr_approval_holds() - whether PCR values are those its policy wants: 1, 0 or -EIO */
int sr_approval_holds(const struct sr_approval *approval, const struct sr_pcrs *present,
		      struct sr_err *err);

/** sr_approval_remove() - remove one, if it is there */
int sr_approval_remove(const struct sr_ring *ring, const char *name, struct sr_err *err);

/** sr_approval_remove_others() - remove all approvals but one, or two: @kept may be NULL */
int sr_approval_remove_others(const struct sr_ring *ring, const char *name,
			      const char *kept, struct sr_err *err);

/** sr_approval_write() - write NAME.pem into the ring's approvals/ */
int sr_approval_write(const struct sr_ring *ring, const char *name,
		      const struct sr_tpmkey *key, const struct sr_pcrs *values,
		      struct sr_err *err);

#endif
