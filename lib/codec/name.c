/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names: what a TPM calls an object, computed from its public area. */
#include "name.h"

#include <string.h>
#include <tss2/tss2_mu.h>

const EVP_MD *sr_name_hash(TPMI_ALG_HASH name_alg)
{
	switch (name_alg) {
	case TPM2_ALG_SHA1:
		return EVP_sha1();
	case TPM2_ALG_SHA256:
		return EVP_sha256();
	case TPM2_ALG_SHA384:
		return EVP_sha384();
	case TPM2_ALG_SHA512:
		return EVP_sha512();
	default:
		return NULL;
	}
}

int sr_name_of(const TPM2B_PUBLIC *pub, TPM2B_NAME *ret, struct sr_err *err)
{
	const EVP_MD *md = sr_name_hash(pub->publicArea.nameAlg);
	uint8_t area[sizeof(pub->publicArea)];
	unsigned int hashed = 0;
	size_t size = 0, at = 0;

	if (!md)
		return sr_fail(err, -EBADMSG, "a key has an unknown name algorithm");
	if (Tss2_MU_TPMT_PUBLIC_Marshal(&pub->publicArea, area, sizeof(area), &size) !=
		0 ||
	    Tss2_MU_UINT16_Marshal(pub->publicArea.nameAlg, ret->name, sizeof(ret->name),
				   &at) != 0)
		return sr_fail(err, -EBADMSG, "the public area of a key is damaged");
	if (EVP_Digest(area, size, ret->name + at, &hashed, md, NULL) != 1)
		return sr_fail_libcrypto(err, "hashing a public area");
	ret->size = (uint16_t)(at + hashed);
	return 0;
}

bool sr_name_equal(const TPM2B_NAME *a, const TPM2B_NAME *b)
{
	return a->size == b->size && memcmp(a->name, b->name, a->size) == 0;
}
