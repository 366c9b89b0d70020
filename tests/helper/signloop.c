/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast the TPM signs by way of ESYS, and nothing else: the key is loaded. */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>
#include <time.h>

#include "ring/store.h"
#include "sign/signer.h"
#include "tpm/session.h"

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/*
 * signloop TCTI KEYFILE COUNT KIND: signatures a second
 *
 * KIND is "plain", without session, "session", or "quick": with one, and OpenSSL started as
 * tpm-serve starts it, which ESYS profits from.
 */
int main(int argc, char **argv)
{
	struct sr_store_options options = { .config_dir = "/nonexistent",
					    .state_dir = "/nonexistent" };
	bool session = argc == 5 && strcmp(argv[4], "plain") != 0;
	struct sr_digest digest = { .size = 32 };
	struct sr_scheme scheme = { .hash = TPM2_ALG_SHA256 };
	struct sr_store *store = NULL;
	struct sr_key *key = NULL;
	struct sr_tpm *tpm = NULL;
	struct sr_signer signer;
	unsigned long count;
	double began;

	assert(argc == 5);
	if (strcmp(argv[4], "quick") == 0)
		(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
					      OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
					  NULL);
	count = strtoul(argv[3], NULL, 10);
	assert(sr_store_open(&options, &store, NULL) == 0);
	assert(sr_tpm_open(argv[1], &tpm, NULL) == 0);
	assert(sr_key_load(store, argv[2], &key, NULL) == 0);
	signer = SR_SIGNER(tpm);
	assert(sr_signer_open(key, tpm, NULL,
			      session ? SR_SIGNER_ENCRYPTED : SR_SIGNER_PLAIN, &signer,
			      NULL) == 0);
	if (session)
		assert(sr_session_encrypt(&signer.session, NULL) == 0);
	began = now();
	for (unsigned long i = 0; i < count; i++) {
		TPMT_SIGNATURE signature = { 0 };

		digest.data[0] = (uint8_t)i;
		assert(sr_object_sign_begin(&signer.object,
					    session ? &signer.session : NULL, key->type,
					    &scheme, &digest) == 0);
		assert(sr_object_sign_end(&signer.object, &signature) == 0);
	}
	printf("%.0f\n", (double)count / (now() - began));
	sr_signer_done(&signer);
	sr_key_free(key);
	sr_tpm_close(tpm);
	sr_store_close(store);
	return 0;
}
