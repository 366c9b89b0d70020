/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In the initramfs a ring's key stays in the kernel for a moment: one TPM conversation. */
#include <string.h>

#include "ring.h"
#include "tpm/pcr.h"

#define KEPT_SECONDS 60

bool sr_in_initramfs(void)
{
	return access("/etc/initrd-release", F_OK) == 0 ||
	       access("/conf/initramfs.conf", F_OK) == 0;
}

#define NAME_TEXT (sizeof(SR_RING_CACHE_PREFIX) + 32)

/* Root's, whichever session it is read in; nobody else's. */
static struct sr_keyring place(const struct sr_ring *ring, char name[NAME_TEXT])
{
	(void)snprintf(name, NAME_TEXT, SR_RING_CACHE_PREFIX "%s", ring->id);
	return (struct sr_keyring){
		.keyring = (char *)"@u",
		.description = name,
		.timeout = KEPT_SECONDS,
	};
}

static bool find_kept(struct sr_ring *ring)
{
	_cleanup_secret_ struct sr_secret key = { 0 };
	char name[NAME_TEXT];
	struct sr_keyring at = place(ring, name);

	if (sr_keyring_get(&at, &key, NULL) < 0 || key.size != SR_RING_KEY)
		return false;
	sr_secret_done(&ring->key);
	sr_secret_take(&key, &ring->key);
	ring->approval[0] = '\0';
	return true;
}

/* Where it can't be kept the next volume asks the TPM, as the first one did. */
static void keep(const struct sr_ring *ring)
{
	char name[NAME_TEXT];
	struct sr_keyring at = place(ring, name);

	(void)sr_keyring_put(&at, &ring->key, NULL);
}

/* What that which opened it did not look at is noted, too: later it is another. */
static void look(struct sr_ring *ring, struct sr_tpm *tpm)
{
	struct sr_pcrs seen = ring->opened;

	seen.mask = seen.given | (ring->pcrs.mask & SR_PCRS_LATER & ~sr_ring_latch(ring));
	if (seen.bank == ring->pcrs.bank && seen.mask != seen.given &&
	    sr_pcr_read(tpm, &seen, NULL) == 0)
		ring->seen = seen;
}

static inline void tpm_closep(struct sr_tpm **tpm)
{
	sr_tpm_close(*tpm);
}

int sr_ring_open_cached(struct sr_ring *ring, const struct sr_ring_opener *opener,
			struct sr_err *err)
{
	_cleanup_(tpm_closep) struct sr_tpm *tpm = NULL;
	bool may_keep =
	    opener->initramfs ? access(opener->initramfs, F_OK) == 0 : sr_in_initramfs();
	int r;

	if (may_keep && find_kept(ring))
		return 1;
	r = opener->tpm(opener->arg, &tpm, err);
	if (r == 0)
		r = sr_ring_open(ring, tpm, opener->ask, err);
	if (r < 0 || !may_keep)
		return r;
	keep(ring);
	look(ring, tpm);
	return 0;
}

void sr_ring_cache_drop(struct sr_ring *ring)
{
	char name[NAME_TEXT];
	struct sr_keyring at = place(ring, name);

	(void)sr_keyring_remove(&at, NULL);
	sr_secret_done(&ring->key);
}

int sr_ring_cache_revoke_all(struct sr_err *err)
{
	return sr_keyring_revoke_all("@u", SR_RING_CACHE_PREFIX, err);
}
