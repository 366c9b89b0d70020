/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A key that follows ring "system", with approvals that its ring did not make.
 *
 *	forge same KEY		as they are, written again
 *	forge signature KEY	signed by another key, in the name of its approver
 *	forge approver KEY	signed by another key
 *	forge others KEY OTHER	those of another key
 *	forge wide KEY		by its approver, without any PCR
 *	forge narrow KEY	by its approver, of PCR 23 as it is, which nobody approved
 *
 * The file is on standard output. For the last two the ring is opened: SEALRING_TCTI and the
 * directories are those of the environment.
 */
#include <assert.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <stdlib.h>
#include <string.h>

#include "sealring.h"
#include "sign/approver.h"
#include "sign/key.h"
#include "tpm/pcr.h"

static void must(int r, const struct sr_err *err)
{
	if (r >= 0)
		return;
	fprintf(stderr, "forge: %s\n", err->text);
	exit(2);
}

static struct sr_tpmkey *read_file(const char *name)
{
	struct sr_buf content = { 0 };
	struct sr_tpmkey *key = NULL;
	struct sr_err err = { 0 };

	must(sr_read_file(AT_FDCWD, name, SR_TPMKEY_MAX, &content, &err), &err);
	must(sr_tpmkey_read(&content, &key, &err), &err);
	sr_buf_done(&content);
	return key;
}

/* What stands before the block; without it nobody knows whose key it is. */
static char *text_of(const char *name)
{
	struct sr_buf content = { 0 };
	struct sr_err err = { 0 };
	char *text, *end;

	must(sr_read_file(AT_FDCWD, name, SR_TPMKEY_MAX, &content, &err), &err);
	text = strndup((char *)content.data, content.size);
	end = text ? strstr(text, "-----BEGIN ") : NULL;
	assert(end);
	*end = '\0';
	sr_buf_done(&content);
	return text;
}

static void print(const struct sr_tpmkey *key, const char *text)
{
	struct sr_buf content = { 0 };
	struct sr_err err = { 0 };

	must(sr_tpmkey_write(key, text, &content, &err), &err);
	assert(fwrite(content.data, 1, content.size, stdout) == content.size);
	sr_buf_done(&content);
}

static void sign_anew(struct sr_tpmkey *key, bool keep_name)
{
	EVP_PKEY *other = EVP_EC_gen("P-256");
	struct sr_policy *entry = &key->signed_policy[0].policy, made;
	const TPM2B_PUBLIC approver = key->policy.step[0].authorize.key;
	struct sr_err err = { 0 };

	entry->count--;
	must(sr_authorize_sign(entry, other, &key->policy.step[0].authorize.ref, &made,
			       &err),
	     &err);
	*entry = made;
	if (keep_name)
		entry->step[entry->count - 1].authorize.key = approver;
	EVP_PKEY_free(other);
}

static EVP_PKEY *open_approver(const struct sr_policy_step *step, struct sr_pcrs *pcrs)
{
	const struct sr_store_options where = {
		.config_dir = getenv("SEALRING_CONFIG_DIR"),
		.state_dir = getenv("SEALRING_STATE_DIR"),
	};
	struct sr_approvers approvers = { 0 };
	struct sr_store *store = NULL;
	struct sr_ring *ring = NULL;
	struct sr_tpm *tpm = NULL;
	struct sr_err err = { 0 };
	EVP_PKEY *found;

	must(sr_store_open(&where, &store, &err), &err);
	must(sr_ring_load(store, "system", &ring, &err), &err);
	must(sr_tpm_open(getenv("SEALRING_TCTI"), &tpm, &err), &err);
	must(sr_ring_open(ring, tpm, NULL, &err), &err);
	must(sr_approvers_load(ring, &approvers, &err), &err);
	must(sr_pcr_read(tpm, pcrs, &err), &err);
	found = sr_approvers_find(&approvers, step);
	assert(found);
	EVP_PKEY_up_ref(found);
	sr_approvers_done(&approvers);
	sr_tpm_close(tpm);
	sr_ring_free(ring);
	sr_store_close(store);
	return found;
}

/* What the approver of a ring refuses to sign is signed all the same. */
static void sign_wide(struct sr_policy *entry, EVP_PKEY *approver)
{
	struct sr_policy_step *time = &entry->step[1], *last = &entry->step[2];
	TPMS_SIGNATURE_ECDSA *to = &last->authorize.signature.signature.ecdsa;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(approver, NULL);
	const struct sr_policy wide = { .count = 1, .step = { *time } };
	struct sr_policy unused;
	struct sr_err err = { 0 };
	const unsigned char *at;
	uint8_t der[128];
	size_t size = sizeof(der);
	TPM2B_DIGEST digest;
	ECDSA_SIG *pair;

	assert(sr_authorize_sign(&wide, approver, &last->authorize.ref, &unused, &err) ==
	       -EINVAL);
	must(sr_policy_digest(&wide, &digest, &err), &err);
	must(sr_authorize_digest(&digest, last, &digest, &err), &err);
	assert(EVP_PKEY_sign_init(ctx) > 0 &&
	       EVP_PKEY_sign(ctx, der, &size, digest.buffer, digest.size) > 0);
	at = der;
	pair = d2i_ECDSA_SIG(NULL, &at, (long)size);
	assert(pair);
	assert(BN_bn2binpad(ECDSA_SIG_get0_r(pair), to->signatureR.buffer, 32) == 32);
	assert(BN_bn2binpad(ECDSA_SIG_get0_s(pair), to->signatureS.buffer, 32) == 32);
	entry->step[0] = *time;
	entry->step[1] = *last;
	entry->count = 2;
	ECDSA_SIG_free(pair);
	EVP_PKEY_CTX_free(ctx);
}

static void approve(struct sr_tpmkey *key, bool wide)
{
	const struct sr_policy_step *step = &key->policy.step[0];
	struct sr_pcrs pcrs = { .bank = TPM2_ALG_SHA256, .mask = 1U << 23 };
	struct sr_policy *entry = &key->signed_policy[0].policy, policy = { 0 };
	EVP_PKEY *approver = open_approver(step, &pcrs);
	struct sr_err err = { 0 };

	/* resetCount is 0 or more: a window that is always open. */
	must(sr_policy_add_pcrs(&policy, &pcrs, &err), &err);
	must(sr_policy_add_counter(&policy, 16, TPM2_EO_UNSIGNED_GE, 0, &err), &err);
	must(sr_authorize_sign(&policy, approver, &step->authorize.ref, entry, &err),
	     &err);
	if (wide)
		sign_wide(entry, approver);
	free(key->signed_policy[0].name);
	key->signed_policy[0].name = NULL;
	EVP_PKEY_free(approver);
}

int main(int argc, char **argv)
{
	struct sr_tpmkey *key, *other = NULL;
	char *text;

	assert(argc >= 3);
	key = read_file(argv[2]);
	text = text_of(argv[2]);
	assert(key->signed_count > 0);
	if (strcmp(argv[1], "signature") == 0 || strcmp(argv[1], "approver") == 0) {
		sign_anew(key, strcmp(argv[1], "signature") == 0);
	} else if (strcmp(argv[1], "others") == 0) {
		assert(argc == 4);
		other = read_file(argv[3]);
		assert(other->signed_count > 0);
		key->signed_policy[0].policy = other->signed_policy[0].policy;
	} else if (strcmp(argv[1], "wide") == 0 || strcmp(argv[1], "narrow") == 0) {
		approve(key, strcmp(argv[1], "wide") == 0);
	} else {
		assert(strcmp(argv[1], "same") == 0);
	}
	print(key, text);
	free(text);
	sr_tpmkey_free(other);
	sr_tpmkey_free(key);
	return 0;
}
