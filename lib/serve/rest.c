/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys for whoever is no ssh-agent's client: looked up by name, used with a PIN that comes along. */
#include <string.h>

#include "ground/parse.h"
#include "server.h"

/* ---- finding ---- */

/* A file that is refused has been reported once; now somebody asks why. */
static int explain(struct sr_server *server, const char *name, struct sr_err *err)
{
	_cleanup_served_ struct sr_served *served = NULL;
	_cleanup_close_ int dir = sr_keystore_dir(server->store, err);
	int r = dir < 0 ? dir : sr_served_load(dir, name, &served, err);

	if (r == -ENOENT || r == 0)
		return sr_fail_no_key(server->store, name, err);
	return sr_key_unreadable(r, err);
}

int sr_server_find(struct sr_server *server, const struct sr_peer *peer, const char *name,
		   const struct sr_entry **ret, struct sr_err *err)
{
	int r = sr_key_is_fingerprint(name) ? 0 : sr_keystore_check(name, err);

	if (r < 0)
		return r;
	sr_server_read(server);
	*ret = sr_catalog_named(&server->catalog, name, peer);
	if (!*ret) {
		server->counts.refusals++;
		return sr_fail_no_key(server->store, name, err);
	}
	return (*ret)->served ? 0 : explain(server, (*ret)->name, err);
}

int sr_server_key(struct sr_server *server, const struct sr_peer *peer, const char *name,
		  const struct sr_key **ret, struct sr_err *err)
{
	const struct sr_entry *entry;
	int r = sr_server_find(server, peer, name, &entry, err);

	if (r == 0)
		*ret = entry->served->key;
	return r;
}

struct sr_store *sr_server_store(const struct sr_server *server)
{
	return server->store;
}

int sr_server_certificate(struct sr_server *server, const struct sr_peer *peer,
			  const char *name, char **ret, struct sr_err *err)
{
	const struct sr_key *key = NULL;
	int r = sr_server_key(server, peer, name, &key, err);

	return r < 0 ? r : sr_key_certificate(server->store, key, ret, err);
}

int sr_server_verify(struct sr_server *server, const struct sr_key *key,
		     const struct sr_sign_options *options,
		     const struct sr_digest *digest, const struct sr_signature *signature,
		     unsigned int *ret, struct sr_err *err)
{
	return sr_key_verify_any(server->store, key, options, digest, signature, ret,
				 err);
}

const struct sr_key *sr_server_next_key(struct sr_server *server,
					const struct sr_peer *peer, size_t *at)
{
	const struct sr_catalog *catalog = &server->catalog;

	if (sr_locks_has(&server->locks, peer->uid))
		return NULL;
	if (*at == 0)
		sr_server_read(server);
	while (*at < catalog->count) {
		const struct sr_entry *entry = &catalog->entry[(*at)++];

		if (entry->served && !entry->older && sr_catalog_may_use(entry, peer))
			return entry->served->key;
	}
	return NULL;
}

/* ---- using ---- */

/* What was made is looked at in the call: sr_call_result() and its like. */
static void answer(struct sr_call *call)
{
	(void)call;
}

int sr_call_new_using(struct sr_server *server, const struct sr_peer *peer,
		      const struct sr_entry *entry, const struct sr_secret *pin,
		      void *arg, struct sr_call **ret, struct sr_err *err)
{
	struct sr_call *call;
	int r = 0;

	if (pin->size == 0 && sr_key_needs_pin(entry->served->key))
		return sr_fail_key(
		    entry->served->key,
		    sr_fail(err, -EACCES, "it takes a PIN, and none was given"), err);
	call = sr_call_new(server, peer, arg);
	if (!call)
		return sr_fail_memory(err);
	call->served = sr_served_hold(entry->served);
	call->may = sr_catalog_may_use;
	call->answer = answer;
	call->own_pin = true;
	/* For a key without one the TPM is not told any; the ring of one in software may have it. */
	if (sr_key_needs_pin(entry->served->key) || entry->served->key->type->software)
		r = sr_secret_copy(pin->data, pin->size, &call->pin, err);
	if (r < 0)
		sr_call_free(call);
	else
		*ret = call;
	return r;
}

/* A message has to be there as long as the call, which may be longer than its caller. */
static int set_digest(struct sr_call *call, const struct sr_digest *from)
{
	_cleanup_buf_ struct sr_buf bytes = { 0 };
	struct sr_digest what = { 0 };
	int r = sr_sign_what(call->served->key, call->options, from, &bytes, &what,
			     &call->err);

	sr_digest_done(&call->digest);
	if (r < 0)
		return r;
	if (what.message == bytes.data) {
		bytes = (struct sr_buf){ 0 };
	} else if (what.message) {
		bytes.data = malloc(what.message_size + 1);
		if (!bytes.data)
			return sr_fail_memory(&call->err);
		memcpy(bytes.data, what.message, what.message_size);
		what.message = take(bytes.data);
	}
	call->digest = what;
	return 0;
}

/* One digest after the other: between them it is others' turn. */
static bool again(struct sr_call *call)
{
	call->r =
	    sr_sign_form(call->served->key, call->options, &call->digests[call->made],
			 &call->der, &call->signatures[call->made], &call->err);
	sr_buf_done(&call->der);
	if (call->r < 0 || ++call->made == call->count)
		return false;
	call->doubted = false;
	call->r = set_digest(call, &call->digests[call->made]);
	return call->r == 0;
}

static int check_sign(const struct sr_key *key, const struct sr_sign_request *request,
		      struct sr_err *err)
{
	int r = sr_sign_check(key, request->options, err);

	for (size_t i = 0; r == 0 && i < request->count; i++) {
		_cleanup_buf_ struct sr_buf bytes = { 0 };
		struct sr_digest unused;

		r = sr_sign_what(key, request->options, &request->digests[i], &bytes,
				 &unused, err);
	}
	if (r == 0 && request->count == 0)
		r = sr_fail(err, -EINVAL, "nothing to sign");
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}

int sr_sign_call(struct sr_server *server, const struct sr_peer *peer,
		 const struct sr_sign_request *request, void *arg, struct sr_call **ret,
		 struct sr_err *err)
{
	const struct sr_entry *entry;
	struct sr_call *call = NULL;
	int r = sr_server_find(server, peer, request->key, &entry, err);

	if (r == 0)
		r = check_sign(entry->served->key, request, err);
	if (r == 0)
		r = sr_call_new_using(server, peer, entry, request->pin, arg, &call, err);
	if (r < 0)
		return r;
	call->options = request->options;
	call->digests = request->digests;
	call->count = request->count;
	call->scheme = sr_sign_scheme(entry->served->key, request->options);
	call->signatures = calloc(request->count, sizeof(*call->signatures));
	r = call->signatures ? set_digest(call, &call->digests[0])
			     : sr_fail_memory(&call->err);
	if (r < 0) {
		if (err)
			*err = call->err;
		sr_call_free(call);
		return r;
	}
	call->again = again;
	sr_call_start(call, entry->rules.confirm);
	*ret = call;
	return 0;
}

/* Takes @cipher over. */
static int call_decrypt(struct sr_server *server, const struct sr_peer *peer,
			const struct sr_entry *entry, const struct sr_secret *pin,
			const struct sr_decryption *how, struct sr_secret *cipher,
			void *arg, struct sr_call **ret, struct sr_err *err)
{
	struct sr_call *call = NULL;
	int r = sr_call_new_using(server, peer, entry, pin, arg, &call, err);

	if (r < 0)
		return r;
	call->decrypts = true;
	call->how = *how;
	sr_secret_take(cipher, &call->cipher);
	sr_call_start(call, entry->rules.confirm);
	*ret = call;
	return 0;
}

int sr_decrypt_call(struct sr_server *server, const struct sr_peer *peer,
		    const struct sr_decrypt_request *request, void *arg,
		    struct sr_call **ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret cipher = { 0 };
	const struct sr_entry *entry;
	struct sr_decryption how;
	int r = sr_server_find(server, peer, request->key, &entry, err);

	if (r < 0)
		return r;
	r = sr_decrypt_check(entry->served->key, request->padding, request->cipher, &how,
			     err);
	if (r < 0)
		return sr_fail_key(entry->served->key, r, err);
	r = sr_secret_copy(request->cipher->data, request->cipher->size, &cipher, err);
	return r < 0 ? r
		     : call_decrypt(server, peer, entry, request->pin, &how, &cipher, arg,
				    ret, err);
}

int sr_derive_call(struct sr_server *server, const struct sr_peer *peer,
		   const struct sr_derive_request *request, void *arg,
		   struct sr_call **ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret point = { 0 };
	const struct sr_entry *entry;
	struct sr_decryption how;
	int r = sr_server_find(server, peer, request->key, &entry, err);

	if (r < 0)
		return r;
	r = sr_derive_check(entry->served->key, request->peer, request->size, &point,
			    &how, err);
	return r < 0 ? sr_fail_key(entry->served->key, r, err)
		     : call_decrypt(server, peer, entry, request->pin, &how, &point, arg,
				    ret, err);
}

int sr_call_result(const struct sr_call *call, struct sr_err *ret)
{
	if (call->r < 0 && ret)
		*ret = call->err;
	return call->r;
}

const struct sr_signature *sr_call_signature(const struct sr_call *call, size_t at)
{
	return at < call->made ? &call->signatures[at] : NULL;
}

const struct sr_secret *sr_call_plain(const struct sr_call *call)
{
	return &call->plain;
}
