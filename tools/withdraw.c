/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking back what secrets.d had delivered. */
#include "withdraw.h"

#include <errno.h>

#include "tool.h"

int withdraw_read(const struct sr_store *store, const char *name, struct sr_delivery *ret,
		  struct sr_err *err)
{
	int r = sr_delivery_read(store, name, ret, err);

	if (r == -ENOENT)
		return sr_fail(err, r,
			       "secrets.d does not say where secret %s goes: write "
			       "secrets.d/%s.conf, or: "
			       "tpm-seal --replace --unit UNIT %s",
			       name, name, name);
	return r;
}

/* Both are tried: what is left in the clear should be as little as possible. */
static int take_back(const struct sr_delivery *delivery, const char *directory,
		     struct sr_err *err)
{
	struct sr_err why = { 0 };
	int k = 0, c = 0;

	if (delivery->credential)
		c = sr_credential_remove(directory, delivery->credential, err);
	if (delivery->has_keyring)
		k = sr_keyring_remove(&delivery->keyring, &why);
	if (c < 0 && c != -ENOKEY)
		return c;
	return k < 0 && k != -ENOKEY ? sr_fail(err, k, "%s", why.text) : 0;
}

int withdraw_secret(const struct sr_store *store, const char *name, const char *directory,
		    struct sr_err *err)
{
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };
	int r = withdraw_read(store, name, &delivery, err);

	return r < 0 ? r : take_back(&delivery, directory, err);
}

static int take_back_early(const struct sr_store *store, const char *name,
			   struct sr_err *err)
{
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };
	int r = sr_delivery_read(store, name, &delivery, err);

	if (r < 0 || !delivery.initramfs)
		return r == -ENOENT ? 0 : r;
	return take_back(&delivery, CREDSTORE, err);
}

static int take_back_ring(struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	_cleanup_strv_ char **names = NULL;
	int failed = 0, r = sr_ring_load(store, name, &ring, err);

	if (r == 0)
		r = sr_ring_secrets(ring, &names, err);
	for (char **secret = names; r >= 0 && *secret; secret++) {
		int one = take_back_early(store, *secret, err);

		failed = one < 0 ? one : failed;
	}
	return r < 0 ? r : failed;
}

int withdraw_initramfs(struct sr_store *store, struct sr_err *err)
{
	_cleanup_strv_ char **rings = NULL;
	int failed = 0, r = sr_store_rings(store, &rings, err);

	for (char **ring = rings; r >= 0 && *ring; ring++) {
		int one = take_back_ring(store, *ring, err);

		failed = one < 0 ? one : failed;
	}
	return r < 0 ? r : failed;
}
