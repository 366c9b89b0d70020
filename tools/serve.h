/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of tpm-serve share: the event loop, its clients, questions to a person. */
#ifndef SERVE_H
#define SERVE_H

#include "daemon.h"
#include "tool.h"

/* ---- clients of either socket ---- */

/**
 * struct client - who is at the other end, as the kernel knows it
 * @peer:	user and groups
 * @pid:	process
 * @groups:	those in @peer
 * @bytes:	what is held for it, beyond a page
 * @next:	the others
 */
struct client {
	struct sr_peer peer;
	pid_t pid;
	gid_t *groups;
	size_t bytes;
	struct client *next;
};

/**
 * client_accept() - take a connection
 * @source:	what watches @listener; pauses for a second where it fails
 * @listener:	where from
 * @ret:	who it is; zero before, release with client_done()
 *
 * Returns the connection, or -EAGAIN if there is none, or none more for its user.
 */
int client_accept(sd_event_source *source, int listener, struct client *ret);

/**
 * client_hold() - hold so many bytes of what it sends, instead of those before
 *
 * Locked memory is for the PINs of all, so that nobody gets more than a share of it.
 *
 * Returns false if its user has that share already: then it is to be hung up on.
 */
bool client_hold(struct client *client, size_t bytes);

/** client_grow() - a larger @buffer for what it sends, of which @used bytes are there already */
int client_grow(struct client *client, struct sr_secret *buffer, size_t used,
		size_t size);

/** client_done() - it is gone */
void client_done(struct client *client);

/** serve_clients() - how many there are */
size_t serve_clients(void);

/* ---- their calls ---- */

/**
 * struct waiter - a client that waits for its call: what a call is made with as @arg
 * @client:	who
 * @call:	the call; NULL for none
 * @go_on:	called when it does not wait for the same any more
 * @next:	another one with a question
 */
struct waiter {
	const struct client *client;
	struct sr_call *call;
	void (*go_on)(struct waiter *waiter);
	struct waiter *next;
};

/** serve_start() - call waiters once their calls are done */
int serve_start(sd_event *event, struct sr_server *server, struct sr_err *err);

/** serve_stop() - hear no more requests; end the event loop once all are answered, or in 8 s */
void serve_stop(void);

/** serve_stopping() - whether no more requests are to be heard */
bool serve_stopping(void);

/** serve_check_stop() - something was answered, or its client is gone */
void serve_check_stop(void);

/** serve_end() - hang up on all */
void serve_end(void);

/* ---- the keys' directories ---- */

/** watch_start() - tell the server what changes in them */
void watch_start(sd_event *event, struct sr_server *server);

/** watch_look() - before the server is asked: others may be in their places */
void watch_look(void);

/** watch_end() - release */
void watch_end(void);

/* ---- the two sockets ---- */

/** agent_serve() - serve all who connect to a socket of the ssh-agent */
int agent_serve(sd_event *event, struct sr_server *server, int fd, struct sr_err *err);

/** agent_stop() - take no more connections */
void agent_stop(void);

/** agent_busy() - whether a client waits for the TPM, and not for a person */
bool agent_busy(void);

/** agent_end() - hang up on all */
void agent_end(void);

/* The same for REST. */
int rest_serve(sd_event *event, struct sr_server *server, int fd, struct sr_err *err);
void rest_stop(void);
bool rest_busy(void);
void rest_end(void);

/* ---- asking a person ---- */

/** person_ask() - have a person asked what a call waits for; one is asked at a time */
void person_ask(sd_event *event, struct waiter *waiter);

/** person_forget() - the answer is of no use any more; if it is not waited for, nothing */
void person_forget(struct waiter *waiter);

struct ask;

/**
 * struct ask_question - what is asked
 * @text:	the question
 * @confirm:	yes or no; otherwise for a PIN
 * @answer:	gets @arg, and what was typed; NULL for no, and when nobody answers
 * @arg:	the caller's
 */
struct ask_question {
	const char *text;
	bool confirm;
	void (*answer)(void *arg, const struct sr_secret *typed);
	void *arg;
};

/**
 * ask_start() - run a program that asks: $SSH_ASKPASS, or systemd-ask-password
 *
 * Returns 0 or a negative errno: then there is nobody to ask.
 */
int ask_start(sd_event *event, const struct ask_question *question, struct ask **ret,
	      struct sr_err *err);

/** ask_free() - release; what still runs is ended */
void ask_free(struct ask *ask);

#endif
