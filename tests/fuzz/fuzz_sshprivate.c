/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes private keys of OpenSSH: what is taken has its public part in the file, and if it is
 * Ed25519, it signs.
 */
#include <assert.h>
#include <string.h>

#include "codec/softkey.h"
#include "codec/sshprivate.h"
#include "ground/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is no file yet is what stands in one, before base64: most mutations break that. */
static void armour(const uint8_t *data, size_t size, struct sr_secret *ret)
{
	static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
	static const char tail[] = "\n-----END OPENSSH PRIVATE KEY-----\n";
	size_t begin = strlen(head), middle = SR_BASE64_SIZE(size) - 1;

	assert(sr_secret_alloc(begin + middle + sizeof(tail), ret, NULL) == 0);
	memcpy(ret->data, head, begin);
	sr_base64_format(data, size, (char *)ret->data + begin);
	memcpy(ret->data + begin + middle, tail, sizeof(tail));
	ret->size--;
}

static void check_signs(const struct sr_private *private)
{
	struct sr_scheme scheme = { .hash = TPM2_ALG_NULL };
	struct sr_buf signature = { 0 };

	assert(sr_softkey_sign(&private->pub, &private->value, &scheme,
			       (const uint8_t *)"x", 1, &signature, NULL) == 0);
	assert(signature.size == 64);
	sr_buf_done(&signature);
}

static bool has_public(const uint8_t *data, size_t size, const struct sr_key_type *type,
		       const TPM2B_PUBLIC *pub)
{
	const TPMU_PUBLIC_ID *unique = &pub->publicArea.unique;

	return type->alg == TPM2_ALG_RSA
		   ? memmem(data, size, unique->rsa.buffer, unique->rsa.size)
		   : memmem(data, size, unique->ecc.x.buffer, unique->ecc.x.size);
}

static int check(const uint8_t *data, size_t size, bool is_file)
{
	struct sr_secret content = { 0 };
	struct sr_private private = { 0 };
	struct sr_err err = { 0 };
	const struct sr_key_type *type;
	int r;

	if (is_file)
		assert(sr_secret_copy(data, size, &content, NULL) == 0);
	else
		armour(data, size, &content);
	r = sr_sshprivate_read(&content, &private, &err);
	assert(r == 0 || ((r == -EBADMSG || r == -EINVAL) && err.text[0]));
	if (r == 0) {
		type = sr_key_type_of(&private.pub);
		assert(type && (is_file || has_public(data, size, type, &private.pub)));
		if (type->software)
			check_signs(&private);
	}
	sr_private_done(&private);
	sr_secret_done(&content);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sr_secret file = { .data = (uint8_t *)data, .size = size };

	return check(data, size, size > 0 && sr_sshprivate_is(&file));
}
