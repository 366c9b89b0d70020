/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TSS2 PRIVATE KEY files (draft-bottomley-tpm2-keys): PEM or DER to struct and back. */
#ifndef SR_TPMKEY_H
#define SR_TPMKEY_H

#include "policy.h"

#define SR_TPMKEY_MAX 65536 /* bytes in a file, at most */
#define SR_TPMKEY_SIGNED 64 /* authPolicy entries, at most */

enum sr_tpmkey_type {
	SR_TPMKEY_LOADABLE = 3, /* 2.23.133.10.1.3 */
	SR_TPMKEY_IMPORTABLE = 4,
	SR_TPMKEY_SEALED = 5,
};

/** struct sr_tpmkey_signed - one authPolicy entry: an alternative that was signed */
struct sr_tpmkey_signed {
	char *name; /* NULL when the entry has none */
	struct sr_policy policy;
};

/**
 * struct sr_tpmkey - a parsed file
 * @type:	which kind of object
 * @has_empty_auth:	the file says something about emptyAuth
 * @empty_auth:	what it says; false when it says nothing
 * @rsa_parent:	the parent is the RSA storage template
 * @parent:	a persistent handle (0x81...) or TPM_RH_OWNER and its like (0x40...)
 * @description:	or NULL
 * @policy:	the object's policy
 * @signed_count:	entries in @signed_policy
 * @signed_policy:	the signed alternatives, in the order of the file
 * @secret:	seed of an importable object; size 0 when loadable
 * @pub:	its public area
 * @priv:	its private area
 */
struct sr_tpmkey {
	enum sr_tpmkey_type type;
	bool has_empty_auth;
	bool empty_auth;
	bool rsa_parent;
	TPM2_HANDLE parent;
	char *description;
	struct sr_policy policy;
	size_t signed_count;
	struct sr_tpmkey_signed *signed_policy;
	TPM2B_ENCRYPTED_SECRET secret;
	TPM2B_PUBLIC pub;
	TPM2B_PRIVATE priv;
};

/**
 * sr_tpmkey_read() - parse a file
 * @content:	PEM (text before the block is skipped) or DER
 * @ret:	the key; release with sr_tpmkey_free()
 * @err:	says why, on failure
 *
 * Reads what openssl_tpm2_engine, go-tpm-keyfiles, tpm2-openssl, pcr-oracle and GRUB
 * write. Refused:
 *   - anything but DER (a BOOLEAN may be 0x01), trailing bytes, a second PEM block
 *   - a parent that is neither persistent nor a hierarchy, rsaParent on a persistent one
 *   - a `secret` where the type forbids it, none where it wants one, sealed data that is
 *     a key
 *   - more statements or entries than we allow
 *   - PolicyAuthorize elsewhere than first in the policy, or last and signed in an entry;
 *     entries below a policy that does not start with it
 *   - text that is not UTF-8 or has control characters
 *   - an object policy that is not what the statements make (where they make one: there
 *     are some, every PolicyPCR has its digest, the object's name algorithm is SHA-256)
 *
 * The texts name no file: put its name before them with sr_prefix().
 *
 * Returns 0, -EBADMSG, -ENOMEM or -EIO.
 */
int sr_tpmkey_read(const struct sr_buf *content, struct sr_tpmkey **ret,
		   struct sr_err *err);

/**
 * sr_tpmkey_write() - write a file as PEM
 * @key:	what to write; emptyAuth is always explicit, the parent positive
 * @text:	explanatory text put before the block, ending in a newline, not starting
 *		with "0", without "-----"; may be NULL
 * @ret:	the file; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Nothing is written that sr_tpmkey_read() would refuse.
 *
 * Returns 0, -EINVAL, -ENOMEM or -EIO.
 */
int sr_tpmkey_write(const struct sr_tpmkey *key, const char *text, struct sr_buf *ret,
		    struct sr_err *err);

/** sr_tpmkey_write_der() - the same as bare DER, as a LUKS2 header has it */
int sr_tpmkey_write_der(const struct sr_tpmkey *key, struct sr_buf *ret,
			struct sr_err *err);

/**
 * sr_tpmkey_check() - whether a file may hold this: see sr_tpmkey_read() for what is
 * refused
 * @key:	what was read, or shall be written
 * @r:		what to return when it is refused
 * @err:	says why, on failure
 *
 * Returns 0, @r, or -EIO.
 */
int sr_tpmkey_check(const struct sr_tpmkey *key, int r, struct sr_err *err);

/** sr_tpmkey_new() - an empty one; NULL without memory */
struct sr_tpmkey *sr_tpmkey_new(void);

/** sr_tpmkey_free() - release; NULL is fine */
void sr_tpmkey_free(struct sr_tpmkey *key);

SR_DEFINE_CLEANUP(sr_tpmkey_freep, struct sr_tpmkey *, sr_tpmkey_free)

#endif
