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

struct sr_server {
	struct sr_store *store;
	struct sr_reporter reporter;
	struct sr_slots *slots;
	struct sr_queue *queue;
	struct sr_catalog catalog;
	struct sr_pins pins;
	struct sr_pins opened; /* software keys */
	struct sr_locks locks;
	bool changed;
	time_t again; /* when what was refused is looked at once more; 0 if nothing was */
	bool busy;    /* the TPM was used since the server last left it */
	struct sr_job leave;
	bool leaving; /* @leave is in the queue */
};

/**
 * struct sr_call - one request, from its arrival to its answer
 * @job:	what the TPM's thread does; first, as the queue gives it back
 * @server:	whose
 * @arg:	the caller's
 * @uid:	who asked
 * @state:	what it waits for
 * @abandoned:	released by its caller while the thread had it
 * @doubted:	a signature that did not verify was made again
 * @checking:	the thread has only to say whether the key's policy holds
 * @checked:	it did
 * @served:	the key; NULL where none is used
 * @scheme:	how it signs
 * @digest:	what
 * @pin:	its PIN
 * @value:	of a software key, its private part
 * @r:		what came of it
 * @err:	why it failed
 * @der:	the signature
 * @answer:	makes @reply of it
 * @reply:	the answer
 */
struct sr_call {
	struct sr_job job;
	struct sr_server *server;
	void *arg;
	uid_t uid;
	enum sr_call_state state;
	bool abandoned;
	bool doubted;
	bool checking;
	bool checked;
	struct sr_served *served;
	struct sr_scheme scheme;
	struct sr_digest digest;
	struct sr_secret pin;
	struct sr_secret value;
	int r;
	struct sr_err err;
	struct sr_buf der;
	void (*answer)(struct sr_call *call);
	struct sr_buf reply;
};

/** sr_call_new() - NULL without memory */
struct sr_call *sr_call_new(struct sr_server *server, const struct sr_peer *peer,
			    void *arg);

/** sr_call_sign() - have it signed, after all that has to be asked */
void sr_call_sign(struct sr_call *call, bool confirm);

/** sr_call_fail() - it is done, and did not succeed */
void sr_call_fail(struct sr_call *call, int r);

/** sr_server_read() - take in what changed */
void sr_server_read(struct sr_server *server);

#endif
