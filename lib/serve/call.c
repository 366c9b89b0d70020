/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call: what it waits for, from its arrival to its answer. */
#include "fetch.h"
#include "server.h"

/* ---- what the thread does ---- */

bool sr_call_is_software(const struct sr_call *call)
{
	return call->served->key->type->software && !call->work;
}

static void use(struct sr_call *call, struct sr_slots *slots)
{
	if (call->work) {
		call->r = call->work(call, slots);
		return;
	}
	if (sr_call_is_software(call)) {
		struct sr_given pin = { .pin = &call->pin };

		call->r = sr_slots_unseal(slots, call->server->store, call->served, &pin,
					  &call->value, &call->err);
		call->guarded = pin.wanted;
		return;
	}
	if (call->doubted)
		sr_slots_doubt(slots);
	if (call->decrypts)
		call->r = sr_slots_decrypt(slots, call->served, &call->pin, &call->how,
					   &call->cipher, &call->plain, &call->err);
	else
		call->r = sr_slots_sign(slots, call->served, &call->pin, &call->scheme,
					&call->digest, &call->der, &call->err);
}

/* In the thread of the TPM. One PIN after the other, so that many at once are no way around. */
static void run(struct sr_job *job, void *slots)
{
	struct sr_call *call = (struct sr_call *)job;
	struct sr_tries *tries = &call->server->tries;
	bool tried = call->pin.size > 0;

	if (call->checking) {
		call->r = sr_slots_check(slots, call->served, &call->err);
		return;
	}
	call->r = tried ? sr_tries_check(tries, call->served, call->uid, &call->err) : 0;
	if (call->r < 0)
		return;
	use(call, slots);
	if (tried)
		sr_tries_learn(tries, call->served, call->uid, call->r);
}

/* In the thread of those who wait for tpm-credential. */
static void fetch(struct sr_job *job, void *unused)
{
	struct sr_call *call = (struct sr_call *)job;
	const struct sr_key *key = call->served->key;

	(void)unused;
	call->r = sr_fetch(key, call->server->store, &call->value, &call->err);
	if (call->r < 0)
		(void)sr_fail_key(key, call->r, &call->err);
}

/* ---- one ---- */

struct sr_call *sr_call_new(struct sr_server *server, const struct sr_peer *peer,
			    void *arg)
{
	struct sr_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->job.run = run;
	call->server = server;
	call->arg = arg;
	call->peer = peer;
	call->uid = peer->uid;
	call->state = SR_CALL_DONE;
	return call;
}

static void release(struct sr_call *call)
{
	sr_served_drop(call->served);
	sr_key_free(call->renewed);
	sr_secret_done(&call->pin);
	sr_secret_done(&call->cipher);
	sr_secret_done(&call->plain);
	for (size_t i = 0; i < call->made; i++)
		free(call->signatures[i].data);
	free(call->signatures);
	sr_secret_done(&call->value);
	sr_digest_done(&call->digest);
	sr_buf_done(&call->der);
	sr_buf_done(&call->reply);
	free(call);
}

struct sr_call *sr_call_take_back(struct sr_job *job)
{
	struct sr_call *call = (struct sr_call *)job;

	if (!call->abandoned)
		return call;
	release(call);
	return NULL;
}

static struct sr_queue *queue_of(const struct sr_call *call)
{
	return call->fetched ? call->server->fetches : call->server->queue;
}

void sr_call_free(struct sr_call *call)
{
	if (!call)
		return;
	if (call->state == SR_CALL_WORK && !sr_queue_cancel(queue_of(call), &call->job))
		call->abandoned = true;
	else
		release(call);
}

/* ---- on its way ---- */

static void finish(struct sr_call *call)
{
	call->state = SR_CALL_DONE;
	call->answer(call);
}

static void count(struct sr_call *call)
{
	struct sr_server_counts *counts = &call->server->counts;

	if (call->work)
		(*(call->r == 0 ? &counts->rotations : &counts->failed_rotations))++;
	else if (call->decrypts)
		(*(call->r == 0 ? &counts->decryptions : &counts->failed_decryptions))++;
	else
		(*(call->r == 0 ? &counts->signatures : &counts->failed_signatures))++;
}

void sr_call_fail(struct sr_call *call, int r)
{
	call->r = r;
	count(call);
	finish(call);
}

/* It may take long, and the TPM has others to serve meanwhile. */
static int prepare_fetch(struct sr_call *call)
{
	struct sr_server *server = call->server;
	int r = server->fetches ? 0
				: sr_queue_new(NULL, NULL, server->queue,
					       &server->fetches, &call->err);

	call->fetched = r == 0;
	call->job.run = fetch;
	return r;
}

static int enqueue(struct sr_call *call)
{
	int r = sr_call_is_software(call) && sr_fetch_needed(call->server->store)
		    ? prepare_fetch(call)
		    : 0;

	if (r < 0)
		return r;
	call->state = SR_CALL_WORK;
	call->server->busy |= !call->fetched;
	return sr_queue_submit(queue_of(call), &call->job, call->uid)
		   ? 0
		   : sr_fail(&call->err, -EAGAIN, "too many signatures are waited for");
}

static void submit(struct sr_call *call)
{
	int r = enqueue(call);

	if (r == 0)
		return;
	sr_server_report(call->server, r, &call->err);
	sr_call_fail(call, r);
}

static void take_pin(struct sr_call *call, const struct sr_secret *pin)
{
	int r = sr_secret_copy(pin->data, pin->size, &call->pin, &call->err);

	if (r < 0)
		sr_call_fail(call, r);
	else
		submit(call);
}

/* Its file may have been written anew, with the same key in it. */
static bool is_there(struct sr_call *call)
{
	const struct sr_entry *entry =
	    sr_catalog_of(&call->server->catalog, sr_call_key(call));

	if (!entry || !entry->served || !call->may(entry, call->peer) ||
	    EVP_PKEY_eq(entry->served->pub, call->served->pub) != 1)
		return false;
	if (entry->served != call->served) {
		sr_served_drop(call->served);
		call->served = sr_served_hold(entry->served);
	}
	return true;
}

/*
 * What was right when it was asked for may not be so any more: a person takes his time, and so
 * do others between two signatures of a list. The key may have been locked meanwhile, or
 * removed, or forbidden.
 */
static int check(struct sr_call *call)
{
	struct sr_server *server = call->server;

	if (sr_locks_has(&server->locks, call->uid))
		return sr_fail(&call->err, -EPERM,
			       "the agent is locked: unlock it with ssh-add -X");
	sr_server_read(server);
	if (call->asked && server->changed)
		return sr_fail(&call->err, -EIO,
			       "key %s: whether it is there still can't be read: the "
			       "daemon's log says why",
			       sr_call_key(call));
	return is_there(call)
		   ? 0
		   : sr_fail_no_key(server->store, sr_call_key(call), &call->err);
}

/* Whether there is more to be signed, and may be still. */
static bool has_more(struct sr_call *call)
{
	if (call->r < 0 || !call->again || !call->again(call))
		return false;
	call->r = check(call);
	return call->r == 0;
}

/* True if there is more to be signed. */
static bool sign_in_software(struct sr_call *call, const struct sr_secret *value)
{
	call->r = sr_software_sign(call->served->key, call->served->pub, value,
				   &call->scheme, &call->digest, &call->der, &call->err);
	count(call);
	if (has_more(call))
		return true;
	if (call->r < 0)
		sr_server_report(call->server, call->r, &call->err);
	return false;
}

/* Not before others had their turn: this takes the time of all, not only that of the TPM. */
static void sign_more(struct sr_call *call)
{
	call->state = SR_CALL_WORK;
	sr_queue_return(call->server->queue, &call->job);
}

/* What is remembered may be forgotten before all is signed. */
static void sign_remembered(struct sr_call *call, const struct sr_secret *value)
{
	if (sign_in_software(call, value)) {
		call->copied = true;
		call->r =
		    sr_secret_copy(value->data, value->size, &call->value, &call->err);
		if (call->r == 0) {
			sign_more(call);
			return;
		}
	}
	finish(call);
}

/* What is remembered needs no TPM, and so no thread. That its ring has a PIN the TPM says. */
static void go_on_in_software(struct sr_call *call)
{
	struct sr_pins *opened = &call->server->opened;
	const struct sr_secret *value =
	    call->own_pin ? sr_pins_free(opened, call->served, call->uid)
			  : sr_pins_find(opened, call->served, call->uid);

	if (value)
		sign_remembered(call, value);
	else if (call->state != SR_CALL_PIN)
		submit(call);
}

/* With a PIN that is remembered nobody is asked, nor where it would be in vain. */
static void go_on(struct sr_call *call)
{
	const struct sr_secret *pin;
	int r = check(call);

	if (r < 0) {
		sr_call_fail(call, r);
		return;
	}
	if (sr_call_is_software(call)) {
		go_on_in_software(call);
		return;
	}
	if (call->own_pin || !sr_key_needs_pin(call->served->key)) {
		submit(call);
		return;
	}
	call->state = SR_CALL_PIN;
	pin = sr_pins_find(&call->server->pins, call->served, call->uid);
	if (pin) {
		take_pin(call, pin);
	} else if (!call->checked && call->served->key->file->policy.count > 0) {
		call->checking = true;
		submit(call);
	}
}

void sr_call_start(struct sr_call *call, bool confirm)
{
	call->state = SR_CALL_CONFIRM;
	if (!confirm)
		go_on(call);
}

/* Where several wait for the same PIN, the first who gives it spares the others. */
enum sr_call_state sr_call_state(struct sr_call *call)
{
	if (call->state == SR_CALL_PIN)
		go_on(call);
	return call->state;
}

void *sr_call_arg(const struct sr_call *call)
{
	return call->arg;
}

const char *sr_call_key(const struct sr_call *call)
{
	return call->served ? call->served->key->name : "";
}

const char *sr_call_ring(const struct sr_call *call)
{
	return call->guarded ? call->served->key->ring : NULL;
}

size_t sr_call_uses(const struct sr_call *call)
{
	return call->count ?: 1;
}

void sr_call_confirm(struct sr_call *call, bool yes)
{
	if (call->state != SR_CALL_CONFIRM)
		return;
	call->asked = call->server->changed = true;
	if (yes)
		go_on(call);
	else
		sr_call_fail(call, sr_fail(&call->err, -EPERM,
					   "key %s: nobody confirmed that it be "
					   "used: whether anybody could be asked is in "
					   "the daemon's log",
					   sr_call_key(call)));
}

void sr_call_pin(struct sr_call *call, const struct sr_secret *pin)
{
	int r;

	if (call->state != SR_CALL_PIN)
		return;
	call->asked = call->server->changed = true;
	r = pin && pin->size > 0 ? check(call) : -EACCES;
	if (r < 0)
		sr_call_fail(call, r);
	else
		take_pin(call, pin);
}

const uint8_t *sr_call_answer(const struct sr_call *call, size_t *size)
{
	*size = call->reply.size;
	return call->reply.data;
}

/* ---- what the thread gives back ---- */

/* One chance more: where no resource manager is, a handle may have become another's. */
static bool is_doubtful(const struct sr_call *call)
{
	return call->r == -EIO && call->der.size > 0 && !call->doubted &&
	       call->pin.size == 0;
}

/* A PIN is remembered once it was right, and forgotten once it was not. */
static void learn(struct sr_call *call)
{
	struct sr_pins *pins = &call->server->pins;

	if (call->pin.size == 0 || call->own_pin)
		return;
	if (call->r == -EACCES)
		sr_pins_forget(pins, call->served, call->uid);
	else if (call->r == 0 && !sr_locks_has(&call->server->locks, call->uid))
		sr_pins_keep(pins, call->served, call->uid, true, &call->pin);
}

/*
 * Who locked meanwhile gets what was asked for before, but nothing is remembered; nor is what
 * came with its PIN.
 */
static bool conclude_in_software(struct sr_call *call)
{
	struct sr_server *server = call->server;
	bool kept = !call->copied && !(call->guarded && call->own_pin) &&
		    !sr_locks_has(&server->locks, call->uid);

	if (call->guarded && call->pin.size == 0 && !call->own_pin) {
		call->state = SR_CALL_PIN;
		return true;
	}
	if (call->r < 0) {
		count(call);
		sr_server_report(server, call->r, &call->err);
	} else if (sign_in_software(call, &call->value)) {
		sign_more(call);
		return false;
	}
	if (call->r == 0 && kept)
		sr_pins_keep(&server->opened, call->served, call->uid, call->guarded,
			     &call->value);
	sr_secret_done(&call->value);
	finish(call);
	return true;
}

bool sr_call_conclude(struct sr_call *call)
{
	call->checked |= call->checking;
	if (call->checking && call->r == 0) {
		call->checking = false;
		go_on(call);
		return call->state != SR_CALL_WORK;
	}
	call->fetched = false;
	if (sr_call_is_software(call))
		return conclude_in_software(call);
	if (call->r == 0 && !call->decrypts && !call->work)
		call->r = sr_signature_check(call->served->pub, &call->scheme,
					     &call->digest, &call->der, &call->err);
	if (is_doubtful(call)) {
		call->doubted = true;
		sr_buf_done(&call->der);
		submit(call);
		return call->state != SR_CALL_WORK;
	}
	call->server->changed |= call->renewed != NULL;
	learn(call);
	count(call);
	if (has_more(call)) {
		submit(call);
		return call->state != SR_CALL_WORK;
	}
	if (call->r < 0)
		sr_server_report(call->server, call->r, &call->err);
	finish(call);
	return true;
}
