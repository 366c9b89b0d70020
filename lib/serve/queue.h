/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded, fair queue in front of one thread, which owns what the jobs work on. */
#ifndef SR_QUEUE_H
#define SR_QUEUE_H

#include "ground/err.h"

#define SR_QUEUE_OWNER 256 /* jobs of one owner that wait, at most */
#define SR_QUEUE_TOTAL 1024

/**
 * struct sr_job - what the thread does
 * @run:	called in the thread, with the queue's @context
 * @next:	the queue's
 * @owner:	the queue's
 * @waits:	the queue's
 *
 * Part of a larger struct; zero but for @run when it is submitted.
 */
struct sr_job {
	void (*run)(struct sr_job *job, void *context);
	struct sr_job *next;
	uint64_t owner;
	bool waits;
};

struct sr_queue;

/**
 * sr_queue_new() - start the thread
 * @context:	handed to each job
 * @rest:	called in the thread, with @context, when there was nothing to do for a second;
 *		may be NULL
 * @home:	another queue, whose sr_queue_done() gives back what is done here: to be
 *		released after this one; NULL for its own
 * @ret:	the queue; release with sr_queue_free()
 * @err:	says why, on failure
 */
int sr_queue_new(void *context, void (*rest)(void *context), struct sr_queue *home,
		 struct sr_queue **ret, struct sr_err *err);

/** sr_queue_stop() - let the present job end; what was done can still be taken back */
void sr_queue_stop(struct sr_queue *queue);

/** sr_queue_free() - release, after sr_queue_stop(); NULL is fine */
void sr_queue_free(struct sr_queue *queue);

/** sr_queue_fd() - readable until sr_queue_done() finds no more; for poll(2) */
int sr_queue_fd(const struct sr_queue *queue);

/** sr_queue_length() - how many jobs wait */
size_t sr_queue_length(struct sr_queue *queue);

/**
 * sr_queue_submit() - have a job done
 * @queue:	the queue
 * @job:	belongs to the queue until it is given back
 * @owner:	whose: owners take turns, however many jobs each has
 *
 * False if too many wait.
 */
bool sr_queue_submit(struct sr_queue *queue, struct sr_job *job, uint64_t owner);

/** sr_queue_cancel() - take a job back; false if it has begun, and will be given back */
bool sr_queue_cancel(struct sr_queue *queue, struct sr_job *job);

/** sr_queue_return() - have sr_queue_done() return a job that the thread is not needed for */
void sr_queue_return(struct sr_queue *queue, struct sr_job *job);

/** sr_queue_done() - give back a job that was done; NULL if there is none */
struct sr_job *sr_queue_done(struct sr_queue *queue);

#endif
