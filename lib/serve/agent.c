/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ssh-agent: what each message asks of the keys, and who may ask it. */
#include "codec/agent.h"

#include <string.h>

#include "codec/ssh.h"
#include "server.h"

/* Without memory for a reply there is none; the caller hangs up then. */
static void answer_status(struct sr_call *call)
{
	(void)sr_agent_status(call->r == 0, &call->reply, NULL);
}

static void done(struct sr_call *call, bool yes)
{
	call->r = yes ? 0 : -EPERM;
	answer_status(call);
}

/* ---- the list ---- */

/* A certificate follows its key, as in what ssh-add -L prints. */
static bool add_key(struct sr_agent_keys *keys, const struct sr_served *served)
{
	const char *name = served->key->name;

	if (served->blob.size == 0)
		return true;
	return sr_agent_keys_add(keys, &served->blob, name) &&
	       (served->certificate.size == 0 ||
		sr_agent_keys_add(keys, &served->certificate, name));
}

static void list(struct sr_call *call, const struct sr_peer *peer)
{
	const struct sr_catalog *catalog = &call->server->catalog;
	bool locked = sr_locks_has(&call->server->locks, peer->uid);
	struct sr_agent_keys keys;
	bool room = true;

	if (sr_agent_keys_begin(&keys, NULL) < 0)
		return;
	for (size_t i = 0; !locked && room && i < catalog->count; i++)
		if (sr_catalog_may_sign(&catalog->entry[i], peer))
			room = add_key(&keys, catalog->entry[i].served);
	(void)sr_agent_keys_end(&keys, &call->reply, NULL);
	free(keys.to.data);
}

/* ---- signatures ---- */

static void answer_sign(struct sr_call *call)
{
	_cleanup_buf_ struct sr_buf signature = { 0 };
	int r = call->r;

	if (r == 0)
		r = sr_ssh_signature(call->served->key->type, &call->scheme, &call->der,
				     &signature, NULL);
	if (r == 0)
		r = sr_agent_signature(&signature, &call->reply, NULL);
	if (r < 0)
		(void)sr_agent_status(false, &call->reply, NULL);
}

/* Without a hash the message itself is kept. */
static bool hash(const struct sr_reader *data, const struct sr_scheme *scheme,
		 struct sr_digest *ret)
{
	unsigned int size = 0;

	if (scheme->hash == TPM2_ALG_NULL) {
		ret->message = malloc(data->left + 1);
		if (!ret->message)
			return false;
		memcpy(ret->message, data->data, data->left);
		ret->message_size = data->left;
		return true;
	}
	if (EVP_Digest(data->data, data->left, ret->data, &size, sr_scheme_md(scheme),
		       NULL) != 1)
		return false;
	ret->size = size;
	return true;
}

static void sign(struct sr_call *call, const struct sr_peer *peer,
		 const struct sr_agent_request *request)
{
	const struct sr_entry *entry =
	    sr_catalog_find(&call->server->catalog, &request->key, peer);

	call->server->counts.refusals += !entry;
	if (!entry || sr_locks_has(&call->server->locks, peer->uid) ||
	    sr_agent_scheme(entry->served->key->type, request->flags, &call->scheme) <
		0 ||
	    !hash(&request->data, &call->scheme, &call->digest)) {
		done(call, false);
		return;
	}
	call->served = sr_served_hold(entry->served);
	call->may = sr_catalog_may_sign;
	call->answer = answer_sign;
	sr_call_start(call, entry->rules.confirm);
}

/* ---- the lock ---- */

static void lock(struct sr_call *call, const struct sr_reader *phrase)
{
	struct sr_server *server = call->server;
	bool yes = sr_locks_add(&server->locks, call->uid, phrase->data, phrase->left);

	if (yes) {
		sr_pins_forget(&server->pins, NULL, call->uid);
		sr_pins_forget(&server->opened, NULL, call->uid);
	}
	done(call, yes);
}

static void unlock(struct sr_call *call, const struct sr_reader *phrase)
{
	done(call,
	     sr_locks_open(&call->server->locks, call->uid, phrase->data, phrase->left));
}

size_t sr_agent_length(const uint8_t prefix[SR_AGENT_PREFIX])
{
	size_t size;

	return sr_agent_size(prefix, &size) < 0 ? 0 : size;
}

int sr_agent_call(struct sr_server *server, const struct sr_peer *peer,
		  const uint8_t *message, size_t size, void *arg, struct sr_call **ret,
		  struct sr_err *err)
{
	struct sr_call *call = sr_call_new(server, peer, arg);
	struct sr_agent_request request = { 0 };

	if (!call)
		return sr_fail_memory(err);
	sr_server_read(server);
	(void)sr_agent_read(message, size, &request);
	switch (request.kind) {
	case SR_AGENT_LIST:
		list(call, peer);
		break;
	case SR_AGENT_SIGN:
		sign(call, peer, &request);
		break;
	case SR_AGENT_LOCK:
		lock(call, &request.data);
		break;
	case SR_AGENT_UNLOCK:
		unlock(call, &request.data);
		break;
	default:
		done(call, false);
	}
	*ret = call;
	return 0;
}
