/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes or opens a ring with the library's own code, but with the bus not encrypted. */
#include <assert.h>
#include <dlfcn.h>
#include <string.h>

#include "tpm/tpm.h"

static void next_of(const char *name, void *ret)
{
	void *found = dlsym(RTLD_NEXT, name);

	assert(found);
	memcpy(ret, &found, sizeof(found));
}

/* What a search of the bus must find is what this program sends: no session encrypts. */
TSS2_RC Esys_TRSess_SetAttributes(ESYS_CONTEXT *esys, ESYS_TR session, TPMA_SESSION flags,
				  TPMA_SESSION mask)
{
	__typeof__(Esys_TRSess_SetAttributes) *next;

	next_of("Esys_TRSess_SetAttributes", &next);
	flags &= (TPMA_SESSION) ~(TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT);
	return next(esys, session, flags, mask);
}

/* A second session that neither encrypts nor audits is refused by the TPM: leave it out.
 */
TSS2_RC Esys_Create(ESYS_CONTEXT *esys, ESYS_TR parent, ESYS_TR first, ESYS_TR second,
		    ESYS_TR third, const TPM2B_SENSITIVE_CREATE *sensitive,
		    const TPM2B_PUBLIC *template, const TPM2B_DATA *outside,
		    const TPML_PCR_SELECTION *pcrs, TPM2B_PRIVATE **priv,
		    TPM2B_PUBLIC **pub, TPM2B_CREATION_DATA **data, TPM2B_DIGEST **hash,
		    TPMT_TK_CREATION **ticket)
{
	__typeof__(Esys_Create) *next;

	(void)second;
	next_of("Esys_Create", &next);
	return next(esys, parent, first, ESYS_TR_NONE, third, sensitive, template,
		    outside, pcrs, priv, pub, data, hash, ticket);
}

static struct sr_secret pin;

static int give_pin(void *arg, const char *name, struct sr_secret *ret,
		    struct sr_err *err)
{
	(void)arg;
	(void)name;
	return sr_secret_copy(pin.data, pin.size, ret, err);
}

static int work(struct sr_store *store, struct sr_tpm *tpm, const char *verb,
		const char *name, struct sr_err *err)
{
	const struct sr_ask ask = { .pin = give_pin };
	struct sr_ring_options options = { .pin = pin.size ? &pin : NULL };
	struct sr_ring *ring = NULL;
	int r;

	if (strcmp(verb, "create") == 0) {
		r = sr_ring_create(store, tpm, name, &options, &ring, err);
	} else {
		r = sr_ring_load(store, name, &ring, err);
		if (r == 0)
			r = sr_ring_open(ring, tpm, &ask, err);
	}
	sr_ring_free(ring);
	return r;
}

/* plain TCTI create|open RING [PIN], in $SEALRING_STATE_DIR */
int main(int argc, char **argv)
{
	struct sr_store_options options = {
		.config_dir = getenv("SEALRING_CONFIG_DIR"),
		.state_dir = getenv("SEALRING_STATE_DIR"),
	};
	struct sr_store *store = NULL;
	struct sr_tpm *tpm = NULL;
	struct sr_err err = { 0 };
	int r = 0;

	assert(argc >= 4 && options.config_dir && options.state_dir);
	if (argc > 4)
		r = sr_secret_copy(argv[4], strlen(argv[4]), &pin, &err);
	if (r == 0)
		r = sr_store_open(&options, &store, &err);
	if (r == 0)
		r = sr_tpm_open(argv[1], &tpm, &err);
	if (r == 0)
		r = work(store, tpm, argv[2], argv[3], &err);
	if (r < 0)
		fprintf(stderr, "plain: %s\n", err.text);
	sr_tpm_close(tpm);
	sr_store_close(store);
	sr_secret_done(&pin);
	return r < 0;
}
