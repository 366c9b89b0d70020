/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rotating keys that are served: as it is done elsewhere, but by the thread that has the TPM. */
#include <fcntl.h>

#include "ring/ring.h"
#include "server.h"
#include "sign/rotate.h"

/* ---- whether it can be done ---- */

/* Who named one by what it is, and not by what it is called, did not mean its successor. */
static int check_newest(const struct sr_entry *entry, bool exactly, struct sr_err *err)
{
	if (!entry->older)
		return 0;
	return exactly ? sr_fail(err, -ENOKEY, "it has been replaced by another")
		       : sr_fail(err, -EINVAL,
				 "an older version: only the newest is rotated");
}

static int check_right(const struct sr_server *server, const struct sr_entry *entry,
		       const struct sr_peer *peer, struct sr_err *err)
{
	return sr_rules_allow_rotate(&entry->rules, peer)
		   ? 0
		   : sr_fail(err, -EPERM,
			     "you may use it, but not replace it: that takes Rotate=yes "
			     "in %s/keys.d/%s.conf",
			     server->store->config_dir, entry->name);
}

static int check_store(const struct sr_server *server, const struct sr_entry *entry,
		       struct sr_err *err)
{
	_cleanup_close_ int dir = sr_keystore_dir(server->store, err);

	if (dir < 0)
		return dir;
	if (faccessat(dir, ".", W_OK, AT_EACCESS) == 0)
		return 0;
	return sr_fail(err, -EPERM,
		       "the daemon may not write %s/keys, which tpm-serve(8) says how to "
		       "change; without it: tpm-sign rotate %s",
		       server->store->state_dir, entry->name);
}

/* Its private part is to be a secret there, or an approver who is one has to sign. */
static int check_ring(const struct sr_server *server, const struct sr_entry *entry,
		      struct sr_err *err)
{
	const char *ring = entry->served->key->ring;

	if (!ring[0] || access(server->store->rings_path, R_OK | W_OK | X_OK) == 0)
		return 0;
	return sr_fail(err, -EPERM,
		       "the daemon may not open its ring %s: tpm-sign rotate %s", ring,
		       entry->name);
}

/* ---- in the thread of the TPM ---- */

/* What a rotation opens, and by what. */
struct opening {
	struct sr_call *call;
	struct sr_tpm *tpm;
	struct sr_ring *ring;
};

/* The PIN is the key's, if it has one. */
static int open_ring(void *arg, struct sr_ring **ret, struct sr_err *err)
{
	static const struct sr_secret none;
	struct opening *opening = arg;
	const struct sr_key *key = opening->call->served->key;
	struct sr_given pin = { .pin =
				    sr_key_needs_pin(key) ? &none : &opening->call->pin };
	struct sr_ask ask = sr_given_ask(&pin);
	int r =
	    sr_ring_load(opening->call->server->store, key->ring, &opening->ring, err);

	if (r == 0)
		r = sr_ring_open_for_admin(opening->ring, opening->tpm, &ask, err);
	if (r == 0)
		*ret = opening->ring;
	return r;
}

static int load(struct sr_call *call, struct sr_key **ret, struct sr_err *err)
{
	struct sr_store *store = call->server->store;
	int r = sr_key_load(store, sr_call_key(call), ret, err);

	if (r < 0 || !call->exactly)
		return r;
	r = sr_rotate_check(store, call->served->key, err);
	return r < 0 ? sr_fail_key(call->served->key, r, err) : 0;
}

static int rotate(struct sr_call *call, struct sr_slots *slots)
{
	struct sr_store *store = call->server->store;
	struct sr_given pin = { .pin = &call->pin };
	struct sr_ask ask = sr_given_ask(&pin);
	struct opening opening = { .call = call };
	struct sr_key_options options = {
		.accept_unmeasured = call->accept_unmeasured,
		.open_ring = open_ring,
		.arg = &opening,
	};
	_cleanup_key_ struct sr_key *old = NULL;
	int r = sr_slots_lend(slots, &opening.tpm, &call->err);

	if (r == 0)
		r = load(call, &old, &call->err);
	if (r == 0)
		r = sr_key_rotate(store, old, opening.tpm, &ask, &options, &call->renewed,
				  &call->err);
	sr_ring_free(opening.ring);
	return r;
}

/* ---- asking for it ---- */

static int check(const struct sr_server *server, const struct sr_entry *entry,
		 const struct sr_peer *peer, bool exactly, struct sr_err *err)
{
	int r = check_newest(entry, exactly, err);

	if (r == 0)
		r = check_right(server, entry, peer, err);
	if (r == 0)
		r = check_store(server, entry, err);
	if (r == 0)
		r = check_ring(server, entry, err);
	return r < 0 ? sr_fail_key(entry->served->key, r, err) : 0;
}

int sr_rotate_call(struct sr_server *server, const struct sr_peer *peer,
		   const struct sr_rotate_request *request, void *arg,
		   struct sr_call **ret, struct sr_err *err)
{
	const struct sr_entry *entry;
	struct sr_call *call = NULL;
	bool exactly = sr_key_is_fingerprint(request->key);
	int r = sr_server_find(server, peer, request->key, &entry, err);

	if (r == 0)
		r = check(server, entry, peer, exactly, err);
	if (r == 0)
		r = sr_call_new_using(server, peer, entry, request->pin, arg, &call, err);
	if (r < 0)
		return r;
	call->may = sr_catalog_may_rotate;
	call->work = rotate;
	call->exactly = exactly;
	call->accept_unmeasured = request->accept_unmeasured;
	/* Of a key without one it is the ring's. */
	sr_secret_done(&call->pin);
	r = sr_secret_copy(request->pin->data, request->pin->size, &call->pin, err);
	if (r < 0) {
		sr_call_free(call);
		return r;
	}
	sr_call_start(call, entry->rules.confirm);
	*ret = call;
	return 0;
}

const struct sr_key *sr_call_renewed(const struct sr_call *call)
{
	return call->renewed;
}

bool sr_call_rotates(const struct sr_call *call)
{
	return call->work == rotate;
}
