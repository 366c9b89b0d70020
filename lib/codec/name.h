/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names: what a TPM calls an object, computed from its public area. */
#ifndef SR_NAME_H
#define SR_NAME_H

#include <openssl/evp.h>
#include <tss2/tss2_tpm2_types.h>

#include "ground/err.h"

/** sr_name_hash() - OpenSSL's hash for a nameAlg; NULL if it is none we know */
const EVP_MD *sr_name_hash(TPMI_ALG_HASH name_alg);

/**
 * sr_name_of() - nameAlg, and the hash of the public area by it (TPM 2.0 Part 1, 16)
 * @pub:	the public area
 * @ret:	its Name
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (an unknown algorithm, or no public area) or -EIO.
 */
int sr_name_of(const TPM2B_PUBLIC *pub, TPM2B_NAME *ret, struct sr_err *err);

/** sr_name_equal() - whether two Names are the same; they are public */
bool sr_name_equal(const TPM2B_NAME *a, const TPM2B_NAME *b);

#endif
