/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a token to a volume's passphrase. */
#ifndef SR_UNLOCK_H
#define SR_UNLOCK_H

#include "token.h"
#include "volume.h"

#define SR_PASSPHRASE 44 /* characters: 32 random bytes in base64 */

/** sr_passphrase_new() - a passphrase of full entropy, which needs no costly PBKDF */
int sr_passphrase_new(struct sr_secret *ret, struct sr_err *err);

/**
 * sr_passphrase_wrap() - encrypt a volume's passphrase under a ring
 * @ring:	an open ring
 * @cd:		the volume's header, loaded
 * @slot:	the keyslot it is for
 * @passphrase:	SR_PASSPHRASE characters
 * @ret:	the envelope: release with sr_buf_done()
 * @err:	says why, on failure
 *
 * A secret "luks-UUID-SLOT" of two lines: the passphrase, and what it may unlock, as
 * sr_volume_spec() has it. So neither another volume's token nor another encryption's
 * header gets it.
 *
 * Returns 0, -EBADMSG (as sr_volume_spec()), -ENOMEM or -EIO.
 */
int sr_passphrase_wrap(const struct sr_ring *ring, struct crypt_device *cd, int slot,
		       const struct sr_secret *passphrase, struct sr_buf *ret,
		       struct sr_err *err);

/**
 * sr_passphrase_unwrap() - the opposite, for the volume it was wrapped for
 *
 * Returns 0, -EBADMSG (not what was wrapped; or the header says another encryption than
 * the volume was enrolled with), -ENOMEM or -EIO.
 */
int sr_passphrase_unwrap(const struct sr_ring *ring, struct crypt_device *cd,
			 const struct sr_token *token, struct sr_secret *ret,
			 struct sr_err *err);

/**
 * struct sr_unlocking - how a token is tried
 * @opener:	how to get at the TPM
 * @notes:	where to note what happened, and where those who unlock at the same time
 *		wait for each other; NULL outside the initramfs
 * @store:	what the initramfs has of a store, or NULL
 * @again:	on failure: that was noted before, in this boot and for the same reason
 * @cause:	on failure, with @notes and @store: what sr_ring_cause() says
 */
struct sr_unlocking {
	struct sr_ring_opener opener;
	const char *notes;
	const struct sr_store *store;
	bool again;
	char cause[SR_CAUSE_MAX];
};

/**
 * sr_unlock() - open the ring of a token, get the volume's passphrase
 * @cd:		the volume's header, loaded
 * @token:	one of its tokens
 * @how:	how
 * @ret:	the passphrase; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * The TPM is asked only about a token that could unlock this header. Five TPM commands;
 * none where the initramfs has the ring's key from the volume before, or from one that is
 * unlocked at the same time.
 *
 * Returns 0, -EBADMSG (the token or the header is refused) and as sr_ring_open().
 */
int sr_unlock(struct crypt_device *cd, const struct sr_token *token,
	      struct sr_unlocking *how, struct sr_secret *ret, struct sr_err *err);

#define SR_CAUSE_TEXT 160 /* the longest cause and its NUL */

/**
 * sr_unlock_cause() - why, in a few words for who stands before the machine
 * @err:	as sr_unlock() filled it
 * @ret:	"PCR 0 changed since 2026-11-21"
 */
void sr_unlock_cause(const struct sr_err *err, char ret[SR_CAUSE_TEXT]);

#endif
