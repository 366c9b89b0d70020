/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes certificates of OpenSSH: one that is taken has the key in it. */
#include <assert.h>
#include <string.h>

#include "codec/sshcert.h"
#include "ground/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key that the certificates in the corpus are of. */
static const uint8_t point[64] = {
	0x1f, 0x36, 0xc4, 0x1e, 0xaf, 0x40, 0x60, 0x86, 0x99, 0x8a, 0xb2, 0x3c, 0xaa,
	0xe9, 0x3b, 0xdd, 0xa5, 0xa7, 0xb8, 0xfd, 0xfc, 0xf3, 0x65, 0x84, 0xc9, 0x81,
	0xbc, 0x6e, 0x1c, 0x71, 0x38, 0xbe, 0x4e, 0x8c, 0x36, 0xf7, 0x45, 0x99, 0x56,
	0xae, 0xe0, 0x90, 0x30, 0x34, 0xdb, 0xc8, 0x9e, 0x40, 0x9b, 0x60, 0x4c, 0x71,
	0xfd, 0xdf, 0xd0, 0xdd, 0x15, 0x7e, 0x84, 0x03, 0xda, 0x40, 0xc9, 0x07
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sr_buf file = { (uint8_t *)data, size }, blob = { 0 };
	TPM2B_PUBLIC pub = { .publicArea.type = TPM2_ALG_ECC };
	TPMS_ECC_POINT *at = &pub.publicArea.unique.ecc;
	struct sr_err err = { 0 };
	int r;

	pub.publicArea.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
	at->x.size = at->y.size = 32;
	memcpy(at->x.buffer, point, 32);
	memcpy(at->y.buffer, point + 32, 32);
	r = sr_sshcert_read(&file, &pub, &blob, &err);
	if (r < 0) {
		assert(r == -EBADMSG && err.text[0] && !blob.data);
		return 0;
	}
	assert(memmem(blob.data, blob.size, point, sizeof(point)));
	sr_buf_done(&blob);
	return 0;
}
