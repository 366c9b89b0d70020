/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A key in the TPM, ready to be used: one conversation for many digests. */
#ifndef SR_SIGNER_H
#define SR_SIGNER_H

#include "key.h"
#include "tpm/key.h"

/**
 * struct sr_signer - a key that the TPM has loaded
 * @key:	the key
 * @pub:	its public part for OpenSSL, once it was needed: see sr_signer_ready()
 * @parent:	the storage key, where more than its number is needed
 * @session:	authorizes and encrypts; none where there is nothing to prove or to hide
 * @object:	the key on the TPM
 * @pin:	its PIN, once it was given
 * @fresh:	the session holds the key's policy, not yet used
 */
struct sr_signer {
	const struct sr_key *key;
	EVP_PKEY *pub;
	struct sr_handle parent;
	struct sr_handle session;
	struct sr_handle object;
	struct sr_secret pin;
	bool fresh;
};

#define SR_SIGNER(t)                                                                     \
	((struct sr_signer){                                                             \
	    .parent = SR_HANDLE(t), .session = SR_HANDLE(t), .object = SR_HANDLE(t) })
#define _cleanup_signer_ _cleanup_(sr_signer_done)

void sr_signer_done(struct sr_signer *signer);

enum sr_signer_way {
	SR_SIGNER_PLAIN,     /* a session only for a PIN or a policy */
	SR_SIGNER_ENCRYPTED, /* a session in any case */
	SR_SIGNER_ADMIN, /* to change the PIN: by the PIN alone, whatever the policy */
	SR_SIGNER_MOVE,	 /* to move the key to another TPM: by the policy for that */
};

/**
 * sr_signer_open() - satisfy the policy, ask for the PIN, load the key
 * @key:	the key; has to live as long as the signer
 * @tpm:	an open TPM
 * @ask:	where a PIN comes from; may be NULL
 * @way:	which session
 * @ret:	release with sr_signer_done()
 * @err:	says why, on failure
 *
 * Nothing is sent to find the storage key where the key's file has it.
 *
 * Returns 0, -EKEYREJECTED, -EACCES, -EBUSY, -ENODEV, -EREMOTE, -EUCLEAN, -EIO.
 */
int sr_signer_open(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		   enum sr_signer_way way, struct sr_signer *ret, struct sr_err *err);

/**
 * sr_key_satisfy() - satisfy a key's policy
 * @key:	one with a policy
 * @session:	a policy session whose statements are none so far
 * @err:	says why, on failure
 *
 * Where boot states are approved, the first of them that holds: one command for each
 * before it, and PolicyPCR, LoadExternal, VerifySignature, FlushContext and
 * PolicyAuthorize for that one; three more where it is bounded.
 *
 * Returns 0, -EKEYREJECTED and as sr_session_satisfy().
 */
int sr_key_satisfy(const struct sr_key *key, const struct sr_handle *session,
		   struct sr_err *err);

/** sr_key_explain() - say which PCRs are not as its policy wants them; -EKEYREJECTED */
int sr_key_explain(const struct sr_key *key, struct sr_tpm *tpm, struct sr_err *err);

/**
 * sr_key_disown() - say why the TPM did not load a key that is not its own
 * @key:	the key
 * @foreign:	the TPM is known not to have its storage key
 * @err:	says so
 *
 * Returns -EREMOTE, or -EUCLEAN where the TPM has its storage key.
 */
int sr_key_disown(const struct sr_key *key, bool foreign, struct sr_err *err);

/** sr_key_damaged() - say what to do about it; -EUCLEAN */
int sr_key_damaged(struct sr_err *err);

/** sr_key_parent() - the storage key that a key was made under, as its file names it */
int sr_key_parent(const struct sr_key *key, struct sr_tpm *tpm, struct sr_handle *ret,
		  struct sr_err *err);

/**
 * sr_signer_sign() - sign a digest, and check that
 * @signer:	an open one
 * @scheme:	how
 * @digest:	of the size of the scheme's hash
 * @last:	end the session with it
 * @ret:	the signature in the form of OpenSSL; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * One TPM command where there is no policy.
 */
int sr_signer_sign(struct sr_signer *signer, const struct sr_scheme *scheme,
		   const struct sr_digest *digest, bool last, struct sr_buf *ret,
		   struct sr_err *err);

/** sr_signer_ready() - have @pub */
int sr_signer_ready(struct sr_signer *signer, struct sr_err *err);

/** sr_signer_try() - the same without the check: that is sr_signature_check()'s */
int sr_signer_try(struct sr_signer *signer, const struct sr_scheme *scheme,
		  const struct sr_digest *digest, bool last, struct sr_buf *ret,
		  struct sr_err *err);

/** sr_signature_check() - 0 if a signature verifies, else -EIO: it is not given out */
int sr_signature_check(EVP_PKEY *pub, const struct sr_scheme *scheme,
		       const struct sr_digest *digest, const struct sr_buf *der,
		       struct sr_err *err);

/** sr_sign_check() - 0, or -EINVAL if a key does not sign like that */
int sr_sign_check(const struct sr_key *key, const struct sr_sign_options *options,
		  struct sr_err *err);

/** sr_sign_scheme() - how the TPM signs: for OpenSSH's form not how messages are hashed */
struct sr_scheme sr_sign_scheme(const struct sr_key *key,
				const struct sr_sign_options *options);

/**
 * sr_sign_what() - what the key signs; -EINVAL for a digest that is not of the hash
 *
 * Where that is a message, it is in @digest, or in @bytes: release with sr_buf_done().
 */
int sr_sign_what(const struct sr_key *key, const struct sr_sign_options *options,
		 const struct sr_digest *digest, struct sr_buf *bytes,
		 struct sr_digest *ret, struct sr_err *err);

/** sr_sign_form() - a signature in the form that was asked for; @der may be taken */
int sr_sign_form(const struct sr_key *key, const struct sr_sign_options *options,
		 const struct sr_digest *digest, struct sr_buf *der,
		 struct sr_signature *ret, struct sr_err *err);

/**
 * sr_decrypt_check() - how a key decrypts what was asked for
 * @key:	the key
 * @padding:	as for sr_key_decrypt()
 * @cipher:	what is to be decrypted
 * @ret:	for sr_signer_decrypt()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (it does not), or -EBADMSG (@cipher is not as long as what is
 * encrypted to it).
 */
int sr_decrypt_check(const struct sr_key *key, const struct sr_padding *padding,
		     const struct sr_secret *cipher, struct sr_decryption *ret,
		     struct sr_err *err);

/** sr_derive_check() - the same for ECDH: the peer's point is what is "decrypted" */
int sr_derive_check(const struct sr_key *key, const uint8_t *peer, size_t size,
		    struct sr_secret *point, struct sr_decryption *ret,
		    struct sr_err *err);

/** sr_signer_decrypt() - decrypt what was checked; @last: end the session with it */
int sr_signer_decrypt(struct sr_signer *signer, const struct sr_decryption *how,
		      const struct sr_secret *cipher, bool last, struct sr_secret *ret,
		      struct sr_err *err);

#endif
