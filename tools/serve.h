/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of tpm-serve share: the event loop, its clients, questions to a person. */
#ifndef SERVE_H
#define SERVE_H

#include <systemd/sd-event.h>

#include "sealring.h"
#include "tool.h"

/* ---- clients of the agent's socket ---- */

/** serve_agent() - serve all who connect to a socket */
int serve_agent(sd_event *event, struct sr_server *server, int fd, struct sr_err *err);

/** serve_clients() - how many there are */
size_t serve_clients(void);

/** serve_active() - when a client last asked for something, in microseconds of CLOCK_BOOTTIME */
uint64_t serve_active(void);

/** serve_stop() - hear no more requests; end the event loop once all are answered */
void serve_stop(void);

/** serve_end() - hang up on all */
void serve_end(void);

/* ---- asking a person ---- */

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
