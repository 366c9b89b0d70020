/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzing of codec/recovery: arbitrary files, and arbitrary text as a recovery key. */
#include <assert.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <string.h>

#include "codec/recovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

SR_DEFINE_CLEANUP(cms_freep, CMS_ContentInfo *, CMS_ContentInfo_free)

/* The EC key that some of the seeds were made for; it is good for nothing else. */
static const char private_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgD1yzltwG3q4qsTqz\n"
    "Kkmm6xW3oUGeSFz2n4uwtzB97fKhRANCAARmCseUsAEX5L+g7VUbJ8NJpSHU7my+\n"
    "et2xDxk/bgCHCxvBCdN0a6cBMRHU3wC5SFP+85msxrrnbOfvmwi10oVl\n"
    "-----END PRIVATE KEY-----\n";

/* Nothing but the one form comes out, and it stays what it is. */
static void check_text(const struct sr_secret *typed)
{
	_cleanup_secret_ struct sr_secret once = { 0 }, twice = { 0 };

	if (sr_recovery_key_parse(typed, &once, NULL) < 0)
		return;
	assert(once.size == SR_RECOVERY_TEXT);
	assert(sr_recovery_key_parse(&once, &twice, NULL) == 0);
	assert(sr_secret_equal(&once, &twice));
}

static void count(CMS_ContentInfo *cms, bool *has_key, unsigned int *escrow)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(cms);

	*has_key = false;
	*escrow = 0;
	for (int i = 0; i < sk_CMS_RecipientInfo_num(all); i++) {
		int type = CMS_RecipientInfo_type(sk_CMS_RecipientInfo_value(all, i));

		if (type == CMS_RECIPINFO_PASS)
			*has_key = true;
		else
			*escrow += 1;
		assert(type == CMS_RECIPINFO_PASS || type == CMS_RECIPINFO_TRANS ||
		       type == CMS_RECIPINFO_AGREE);
	}
}

/*
 * A shape that passed is read by libcrypto in the same way, to the last byte. Only what a
 * certificate's issuer holds is not looked into, so only there it may find a fault.
 */
static void check_shape(const struct sr_buf *file, bool has_key, unsigned int escrow)
{
	_cleanup_(cms_freep) CMS_ContentInfo *cms = NULL;
	const uint8_t *at = file->data;
	unsigned int escrow_read;
	bool has_key_read;

	cms = d2i_CMS_ContentInfo(NULL, &at, (long)file->size);
	ERR_clear_error();
	if (!cms) {
		assert(escrow > 0);
		return;
	}
	assert(at == file->data + file->size);
	assert(OBJ_obj2nid(CMS_get0_type(cms)) == NID_id_smime_ct_authEnvelopedData);
	count(cms, &has_key_read, &escrow_read);
	assert(has_key_read == has_key && escrow_read == escrow);
}

static void check_open(const struct sr_buf *file)
{
	_cleanup_secret_ struct sr_secret pem = { 0 }, key = { 0 };
	struct sr_err err = { 0 };
	int r;

	assert(sr_secret_copy(private_key, strlen(private_key), &pem, NULL) == 0);
	r = sr_recovery_open_escrow(file, &pem, &key, &err);
	if (r == 0)
		assert(key.size == SR_RING_KEY);
	else
		assert((r == -EACCES || r == -EBADMSG) && err.code == r && !key.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sr_buf file = { .data = (uint8_t *)data, .size = size };
	_cleanup_secret_ struct sr_secret typed = { 0 };
	unsigned int escrow;
	bool has_key;

	assert(sr_secret_copy(data, size, &typed, NULL) == 0);
	check_text(&typed);
	if (sr_recovery_check(&file, &has_key, &escrow, NULL) < 0)
		return 0;
	assert(has_key || escrow > 0);
	assert(escrow + has_key <= SR_RECOVERY_RECIPIENTS);
	check_shape(&file, has_key, escrow);
	check_open(&file);
	return 0;
}
