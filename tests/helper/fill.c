/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many secrets at once: fill TCTI STATE_DIR RING COUNT seals number 1 to COUNT. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sealring.h"

static int seal_one(struct sr_ring *ring, int number, struct sr_err *err)
{
	struct sr_secret secret = { 0 };
	char name[32], text[32];
	int r;

	(void)snprintf(name, sizeof(name), "secret-%04d", number);
	(void)snprintf(text, sizeof(text), "text of %d", number);
	r = sr_secret_copy(text, strlen(text), &secret, err);
	if (r == 0)
		r = sr_ring_seal(ring, name, &secret, SR_SEAL_NEW, err);
	sr_secret_done(&secret);
	return r < 0 ? r : 0;
}

static int fill(struct sr_ring *ring, struct sr_tpm *tpm, int count, struct sr_err *err)
{
	int r = sr_ring_open(ring, tpm, NULL, err);

	for (int number = 1; r == 0 && number <= count; number++)
		r = seal_one(ring, number, err);
	return r;
}

int main(int argc, char **argv)
{
	struct sr_store_options options = { .config_dir = "/nonexistent" };
	struct sr_store *store = NULL;
	struct sr_ring *ring = NULL;
	struct sr_tpm *tpm = NULL;
	struct sr_err err = { 0 };
	int r;

	assert(argc == 5);
	options.state_dir = argv[2];
	r = sr_store_open(&options, &store, &err);
	if (r == 0)
		r = sr_ring_load(store, argv[3], &ring, &err);
	if (r == 0)
		r = sr_tpm_open(argv[1], &tpm, &err);
	if (r == 0)
		r = fill(ring, tpm, atoi(argv[4]), &err);
	if (r < 0)
		fprintf(stderr, "fill: %s\n", err.text);
	sr_tpm_close(tpm);
	sr_ring_free(ring);
	sr_store_close(store);
	return r < 0;
}
