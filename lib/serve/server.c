/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serving keys: what the TPM's thread does for the one that meets the clients. */
#include "server.h"

#include "codec/softkey.h"
#include "ground/clock.h"
#include "tpm/meter.h"

#define REFUSED_SECONDS 1    /* after which a file that was refused is looked at again */
#define OURSELVES UINT64_MAX /* owner of jobs that no user asked for */

void sr_server_report(struct sr_server *server, int r, const struct sr_err *why)
{
	if (server->reporter.report)
		server->reporter.report(server->reporter.arg, r, why);
}

/* ---- the server ---- */

static struct sr_call *take_back(struct sr_server *server, struct sr_job *job)
{
	if (job != &server->leave)
		return sr_call_take_back(job);
	server->leaving = false;
	return NULL;
}

static void rest(void *slots)
{
	sr_slots_rest(slots);
}

static int start(struct sr_server *server, const struct sr_server_options *options,
		 struct sr_err *err)
{
	const struct sr_config *config = sr_store_config(options->store);

	server->store = options->store;
	server->store->impatient = true;
	server->reporter = (struct sr_reporter){ options->report, options->arg };
	server->pins.seconds = config->auto_lock;
	server->opened.seconds = options->no_cache ? 0 : config->auto_lock;
	sr_softkey_protect();
	server->slots = sr_slots_new(options->tcti, config->encrypt_sessions, err);
	if (!server->slots)
		return -ENOMEM;
	if (options->diary)
		sr_slots_remember(server->slots, options->diary);
	server->changed = true;
	return sr_queue_new(server->slots, rest, NULL, &server->queue, err);
}

int sr_server_new(const struct sr_server_options *options, struct sr_server **ret,
		  struct sr_err *err)
{
	struct sr_server *server = calloc(1, sizeof(*server));
	int r = server ? start(server, options, err) : sr_fail_memory(err);

	if (r < 0)
		sr_server_free(server);
	else
		*ret = server;
	return r;
}

void sr_server_free(struct sr_server *server)
{
	struct sr_job *job;

	if (!server)
		return;
	if (server->fetches)
		sr_queue_stop(server->fetches);
	sr_queue_free(server->fetches);
	if (server->queue) {
		sr_queue_stop(server->queue);
		while ((job = sr_queue_done(server->queue)))
			take_back(server, job);
	}
	sr_queue_free(server->queue);
	sr_slots_free(server->slots);
	sr_catalog_done(&server->catalog);
	sr_pins_clear(&server->pins);
	sr_pins_clear(&server->opened);
	sr_locks_clear(&server->locks);
	sr_tries_clear(&server->tries);
	free(server);
}

void sr_server_changed(struct sr_server *server)
{
	server->changed = true;
}

/* What was refused may have been so for want of memory, or of descriptors. */
void sr_server_read(struct sr_server *server)
{
	struct sr_err err = { 0 };
	int r;

	if (!server->changed && (server->again == 0 || sr_clock() < server->again))
		return;
	r = sr_catalog_read(&server->catalog, server->store, &server->reporter, &err);
	server->changed = r < 0;
	server->again = server->catalog.refused ? sr_clock() + REFUSED_SECONDS : 0;
	if (r < 0 && r != server->unread)
		sr_server_report(server, r, &err);
	server->unread = r;
}

bool sr_server_remembers(struct sr_server *server)
{
	bool pins = sr_pins_typed(&server->pins), keys = sr_pins_typed(&server->opened);

	return sr_locks_any(&server->locks) || pins || keys ||
	       sr_tries_count(&server->tries);
}

time_t sr_server_forget(struct sr_server *server)
{
	time_t pins = sr_pins_forget_old(&server->pins);
	time_t keys = sr_pins_forget_old(&server->opened);

	return pins && (!keys || pins < keys) ? pins : keys;
}

static void leave(struct sr_job *job, void *slots)
{
	(void)job;
	sr_slots_leave(slots);
}

void sr_server_leave(struct sr_server *server)
{
	if (!server->busy || server->leaving)
		return;
	server->leave = (struct sr_job){ .run = leave };
	server->leaving = sr_queue_submit(server->queue, &server->leave, OURSELVES);
	server->busy = !server->leaving;
}

int sr_server_fd(const struct sr_server *server)
{
	return sr_queue_fd(server->queue);
}

/* ---- what the thread gives back ---- */

struct sr_call *sr_server_next(struct sr_server *server)
{
	struct sr_job *job;

	while ((job = sr_queue_done(server->queue))) {
		struct sr_call *call = take_back(server, job);

		if (call && sr_call_conclude(call))
			return call;
		/* It is at the end of the row again. */
		if (call && sr_call_is_software(call) && call->state == SR_CALL_WORK)
			return NULL;
	}
	return NULL;
}

/* ---- what it did ---- */

void sr_server_counts(const struct sr_server *server, struct sr_server_counts *ret)
{
	*ret = server->counts;
	sr_slots_counts(server->slots, &ret->hits, &ret->loads);
	ret->queue = sr_queue_length(server->queue);
}

bool sr_server_latency(const struct sr_server *server, size_t at, struct sr_latency *ret)
{
	return sr_meter_read(sr_slots_meter(server->slots), at, ret);
}
