/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server inside the library: calls, and what they share. */
#ifndef SR_SERVER_H
#define SR_SERVER_H

#include "catalog.h"
#include "locks.h"
#include "pins.h"
#include "queue.h"
#include "sealring.h"
#include "slots.h"
#include "tries.h"

struct sr_server {
	struct sr_store *store;
	struct sr_reporter reporter;
	struct sr_slots *slots;
	struct sr_queue *queue;
	struct sr_queue
	    *fetches; /* what tpm-credential is asked for; NULL before it is */
	struct sr_catalog catalog;
	struct sr_pins pins;
	struct sr_pins opened; /* software keys */
	struct sr_locks locks;
	struct sr_tries tries;
	bool changed;
	int unread;   /* why the keys could not be read; 0 if they could */
	time_t again; /* when what was refused is looked at once more; 0 if nothing was */
	bool busy;    /* the TPM was used since the server last left it */
	struct sr_job leave;
	bool leaving; /* @leave is in the queue */
	struct sr_server_counts counts;
};

/**
 * struct sr_call - one request, from its arrival to its answer
 * @job:	what the TPM's thread does; first, as the queue gives it back
 * @server:	whose
 * @arg:	the caller's
 * @peer:	who asked
 * @uid:	... also when he is gone
 * @state:	what it waits for
 * @abandoned:	released by its caller while the thread had it
 * @doubted:	a signature that did not verify was made again
 * @checking:	the thread has only to say whether the key's policy holds
 * @checked:	it did
 * @asked:	a person was
 * @served:	the key; NULL where none is used
 * @may:	whether @peer may have done with it what is asked
 * @scheme:	how it signs
 * @digest:	what
 * @pin:	its PIN
 * @own_pin:	it came with its PIN, or with none: nobody is asked, nothing remembered
 * @decrypts:	what it is for; otherwise it signs
 * @work:	what the thread does instead of either
 * @exactly:	that is for the key that was named, not for what took its place since
 * @accept_unmeasured:	see struct sr_rotate_request
 * @renewed:	the key that took the place of one
 * @how:	it decrypts: what the TPM is asked for
 * @cipher:	what is decrypted, or with ECDH the peer's point
 * @plain:	what came of it
 * @value:	of a software key, its private part
 * @fetched:	it is with tpm-credential, not with the TPM
 * @copied:	@value is what was remembered
 * @guarded:	... and its ring has a PIN
 * @r:		what came of it
 * @err:	why it failed
 * @der:	the signature
 * @again:	takes @der; whether there is more to be signed: NULL for never
 * @answer:	makes @reply of it
 * @reply:	the answer
 * @options:	how all of @digests are signed
 * @digests:	what
 * @count:	how many
 * @made:	how many are in @signatures
 * @signatures:	the answer of sr_sign_call()
 */
struct sr_call {
	struct sr_job job;
	struct sr_server *server;
	void *arg;
	const struct sr_peer *peer;
	uid_t uid;
	enum sr_call_state state;
	bool abandoned;
	bool doubted;
	bool checking;
	bool checked;
	bool asked;
	struct sr_served *served;
	bool (*may)(const struct sr_entry *entry, const struct sr_peer *peer);
	struct sr_scheme scheme;
	struct sr_digest digest;
	struct sr_secret pin;
	bool own_pin;
	bool decrypts;
	int (*work)(struct sr_call *call, struct sr_slots *slots);
	bool exactly;
	bool accept_unmeasured;
	struct sr_key *renewed;
	struct sr_decryption how;
	struct sr_secret cipher;
	struct sr_secret plain;
	struct sr_secret value;
	bool fetched;
	bool copied;
	bool guarded;
	int r;
	struct sr_err err;
	struct sr_buf der;
	bool (*again)(struct sr_call *call);
	void (*answer)(struct sr_call *call);
	struct sr_buf reply;
	const struct sr_sign_options *options;
	const struct sr_digest *digests;
	size_t count;
	size_t made;
	struct sr_signature *signatures;
};

/** sr_call_new() - NULL without memory; @peer has to live as long */
struct sr_call *sr_call_new(struct sr_server *server, const struct sr_peer *peer,
			    void *arg);

/** sr_call_new_using() - for a caller who gives the key's PIN, if it has one, with the request */
int sr_call_new_using(struct sr_server *server, const struct sr_peer *peer,
		      const struct sr_entry *entry, const struct sr_secret *pin,
		      void *arg, struct sr_call **ret, struct sr_err *err);

/** sr_call_start() - have it signed, or decrypted, after all that has to be asked */
void sr_call_start(struct sr_call *call, bool confirm);

/** sr_call_fail() - it is done, and did not succeed */
void sr_call_fail(struct sr_call *call, int r);

/** sr_call_take_back() - the call that a job is part of, if anybody still waits for it */
struct sr_call *sr_call_take_back(struct sr_job *job);

/** sr_call_conclude() - go on with what the thread did; false if it is not done after all */
bool sr_call_conclude(struct sr_call *call);

/** sr_call_is_software() - whether it uses a software key, for anything but replacing it */
bool sr_call_is_software(const struct sr_call *call);

/** sr_server_report() - tell of a failure that has no caller, or one more than that */
void sr_server_report(struct sr_server *server, int r, const struct sr_err *why);

/** sr_server_read() - take in what changed */
void sr_server_read(struct sr_server *server);

/** sr_server_find() - what sr_server_key() finds, and what is known of it */
int sr_server_find(struct sr_server *server, const struct sr_peer *peer, const char *name,
		   const struct sr_entry **ret, struct sr_err *err);

#endif
