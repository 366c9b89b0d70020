/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Public keys: what kinds there are, and a TPM's public area as others write it. */
#ifndef SR_PUBKEY_H
#define SR_PUBKEY_H

#include <openssl/evp.h>
#include <tss2/tss2_tpm2_types.h>

#include "ground/io.h"

#define SR_EXPONENT 65537U
#define SR_FIELD_MAX 512 /* bytes in a modulus or a coordinate, at most */

/*
 * What no TPM has: never sent to one, and in no file. The numbers are those that the TCG
 * has set aside, but for the last, for which it has none.
 */
#define SR_ALG_EDDSA 0x0060
#define SR_ECC_CURVE_25519 0x0040
#define SR_ECC_CURVE_448 0x0041
#define SR_ECC_SECP256K1 0xf001

/**
 * struct sr_key_type - one kind of key
 * @name:	"p256", "rsa2048"
 * @alg:	TPM2_ALG_ECC, TPM2_ALG_RSA or SR_ALG_EDDSA
 * @curve:	TPM2_ECC_... or one of the above; 0 for RSA
 * @field:	bytes in a coordinate, in the modulus, or in an EdDSA key
 * @hash:	"sha256": used where none is chosen; EdDSA: "none"
 * @ssh:	its name in OpenSSH; NULL for what that lacks
 * @group:	name of the curve in OpenSSL; NULL for RSA
 * @software:	no TPM has it: such a key is a secret of a ring
 */
struct sr_key_type {
	const char *name;
	TPMI_ALG_PUBLIC alg;
	TPMI_ECC_CURVE curve;
	uint16_t field;
	const char *hash;
	const char *ssh;
	const char *group;
	bool software;
};

/** sr_key_type_at() - the kinds of keys, one after the other; NULL behind the last */
const struct sr_key_type *sr_key_type_at(size_t at);

/** sr_key_type_find() - by name; NULL if there is none */
const struct sr_key_type *sr_key_type_find(const char *name);

/** sr_key_type_of() - which kind a public area is of; NULL if of none */
const struct sr_key_type *sr_key_type_of(const TPM2B_PUBLIC *pub);

/** sr_key_type_params() - the parameters of a public area of this kind */
void sr_key_type_params(const struct sr_key_type *type, TPMU_PUBLIC_PARMS *ret);

/**
 * sr_pubkey_spki() - SubjectPublicKeyInfo (RFC 5280, RFC 5480)
 * @pub:	a public area of a kind that there is
 * @ret:	DER; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (no such kind) or -ENOMEM.
 */
int sr_pubkey_spki(const TPM2B_PUBLIC *pub, struct sr_buf *ret, struct sr_err *err);

/** sr_pubkey_evp() - the same for OpenSSL; release with EVP_PKEY_free() */
int sr_pubkey_evp(const TPM2B_PUBLIC *pub, EVP_PKEY **ret, struct sr_err *err);

/** sr_pubkey_unique() - the opposite, of what makes keys differ: modulus or point */
int sr_pubkey_unique(const EVP_PKEY *key, TPM2B_PUBLIC *ret, struct sr_err *err);

/** sr_pubkey_software() - the opposite of sr_pubkey_spki(), for kinds that no TPM has */
int sr_pubkey_software(const struct sr_buf *spki, TPM2B_PUBLIC *ret, struct sr_err *err);

/** sr_pubkey_pad() - a number at the end of @room bytes; false if it is larger */
bool sr_pubkey_pad(const uint8_t *data, size_t size, uint8_t *ret, size_t room);

SR_DEFINE_CLEANUP(sr_evp_pkey_freep, EVP_PKEY *, EVP_PKEY_free)
#define _cleanup_evp_ _cleanup_(sr_evp_pkey_freep)

#endif
