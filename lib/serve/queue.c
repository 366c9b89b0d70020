/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded, fair queue in front of one thread, which owns what the jobs work on. */
#include "queue.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define REST_SECONDS 1

struct list {
	struct sr_job *first;
	struct sr_job **end;
};

/* Whoever has jobs that wait; those stand in a row, and take turns. */
struct owner {
	uint64_t id;
	struct list jobs;
	size_t count;
	struct owner *next;
};

/* All is under @lock but the thread's @context. */
struct sr_queue {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	int fd;
	void *context;
	void (*rest)(void *context);
	struct sr_queue *home;
	struct owner *owners;
	struct list done;
	size_t count;
	bool ends;
};

static void append(struct list *list, struct sr_job *job)
{
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

static struct sr_job *take_first(struct list *list)
{
	struct sr_job *job = list->first;

	if (!job)
		return NULL;
	list->first = job->next;
	if (!list->first)
		list->end = &list->first;
	return job;
}

static struct owner **find_owner(struct sr_queue *queue, uint64_t id)
{
	struct owner **at = &queue->owners;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void remove_owner(struct owner **at)
{
	struct owner *owner = *at;

	*at = owner->next;
	free(owner);
}

/* The first owner's first job; that owner goes to the end of the row. */
static struct sr_job *next_job(struct sr_queue *queue)
{
	struct owner *owner = queue->owners, **at;
	struct sr_job *job;

	if (!owner)
		return NULL;
	job = take_first(&owner->jobs);
	job->waits = false;
	queue->count--;
	if (--owner->count == 0) {
		remove_owner(&queue->owners);
		return job;
	}
	queue->owners = take(owner->next);
	for (at = &queue->owners; *at;)
		at = &(*at)->next;
	*at = owner;
	return job;
}

/* False if there is nothing to do, and has not been for a second. */
static bool wait_for_work(struct sr_queue *queue, bool rested)
{
	struct timespec until = { 0 };
	int number = 0;

	if (rested) {
		(void)pthread_cond_wait(&queue->work, &queue->lock);
		return true;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += REST_SECONDS;
	while (number == 0 && !queue->owners && !queue->ends)
		number = pthread_cond_timedwait(&queue->work, &queue->lock, &until);
	return number == 0;
}

/* Whoever is woken by it finds the lock free. */
static void give_back(struct sr_queue *queue, struct sr_job *job)
{
	(void)pthread_mutex_lock(&queue->lock);
	append(&queue->done, job);
	(void)pthread_mutex_unlock(&queue->lock);
	(void)eventfd_write(queue->fd, 1);
}

static void *serve(void *arg)
{
	struct sr_queue *queue = arg;
	bool rested = true;

	(void)pthread_mutex_lock(&queue->lock);
	while (!queue->ends) {
		struct sr_job *job = next_job(queue);

		if (!job && wait_for_work(queue, rested))
			continue;
		(void)pthread_mutex_unlock(&queue->lock);
		if (job) {
			job->run(job, queue->context);
			give_back(queue->home, job);
		} else if (queue->rest) {
			queue->rest(queue->context);
		}
		rested = !job;
		(void)pthread_mutex_lock(&queue->lock);
	}
	(void)pthread_mutex_unlock(&queue->lock);
	return NULL;
}

/* Signals are for the thread that waits for them. */
static int start_thread(struct sr_queue *queue)
{
	sigset_t all, before;
	int number;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	number = pthread_create(&queue->thread, NULL, serve, queue);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return number;
}

int sr_queue_new(void *context, void (*rest)(void *context), struct sr_queue *home,
		 struct sr_queue **ret, struct sr_err *err)
{
	struct sr_queue *queue = calloc(1, sizeof(*queue));
	pthread_condattr_t clock;
	int number;

	if (!queue)
		return sr_fail_memory(err);
	queue->context = context;
	queue->rest = rest;
	queue->home = home ?: queue;
	queue->done.end = &queue->done.first;
	(void)pthread_mutex_init(&queue->lock, NULL);
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&queue->work, &clock);
	(void)pthread_condattr_destroy(&clock);
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	number = queue->fd < 0 ? errno : start_thread(queue);
	if (number != 0) {
		sr_closep(&queue->fd);
		free(queue);
		return sr_fail_sys(err, number, "cannot start a thread");
	}
	*ret = queue;
	return 0;
}

void sr_queue_stop(struct sr_queue *queue)
{
	(void)pthread_mutex_lock(&queue->lock);
	queue->ends = true;
	(void)pthread_cond_signal(&queue->work);
	(void)pthread_mutex_unlock(&queue->lock);
	(void)pthread_join(queue->thread, NULL);
}

void sr_queue_free(struct sr_queue *queue)
{
	if (!queue)
		return;
	while (queue->owners)
		remove_owner(&queue->owners);
	(void)pthread_cond_destroy(&queue->work);
	(void)pthread_mutex_destroy(&queue->lock);
	(void)close(queue->fd);
	free(queue);
}

int sr_queue_fd(const struct sr_queue *queue)
{
	return queue->fd;
}

size_t sr_queue_length(struct sr_queue *queue)
{
	size_t count;

	(void)pthread_mutex_lock(&queue->lock);
	count = queue->count;
	(void)pthread_mutex_unlock(&queue->lock);
	return count;
}

static struct owner *new_owner(struct owner **at, uint64_t id)
{
	*at = calloc(1, sizeof(**at));
	if (*at) {
		(*at)->id = id;
		(*at)->jobs.end = &(*at)->jobs.first;
	}
	return *at;
}

static bool enqueue(struct sr_queue *queue, struct sr_job *job, uint64_t id)
{
	struct owner **at = find_owner(queue, id);
	struct owner *owner = *at;

	if (queue->count >= SR_QUEUE_TOTAL)
		return false;
	if (!owner)
		owner = new_owner(at, id);
	if (!owner || owner->count >= SR_QUEUE_OWNER)
		return false;
	job->owner = id;
	job->waits = true;
	append(&owner->jobs, job);
	owner->count++;
	queue->count++;
	return true;
}

bool sr_queue_submit(struct sr_queue *queue, struct sr_job *job, uint64_t owner)
{
	bool good;

	(void)pthread_mutex_lock(&queue->lock);
	good = enqueue(queue, job, owner);
	(void)pthread_mutex_unlock(&queue->lock);
	if (good)
		(void)pthread_cond_signal(&queue->work);
	return good;
}

static void dequeue(struct sr_queue *queue, struct sr_job *job)
{
	struct owner **at = find_owner(queue, job->owner);
	struct list *jobs = &(*at)->jobs;
	struct sr_job **link = &jobs->first;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	if (!*link)
		jobs->end = link;
	job->waits = false;
	queue->count--;
	if (--(*at)->count == 0)
		remove_owner(at);
}

bool sr_queue_cancel(struct sr_queue *queue, struct sr_job *job)
{
	bool waits;

	(void)pthread_mutex_lock(&queue->lock);
	waits = job->waits;
	if (waits)
		dequeue(queue, job);
	(void)pthread_mutex_unlock(&queue->lock);
	return waits;
}

void sr_queue_return(struct sr_queue *queue, struct sr_job *job)
{
	(void)pthread_mutex_lock(&queue->lock);
	append(&queue->done, job);
	(void)eventfd_write(queue->fd, 1);
	(void)pthread_mutex_unlock(&queue->lock);
}

struct sr_job *sr_queue_done(struct sr_queue *queue)
{
	struct sr_job *job;
	eventfd_t unused;

	(void)pthread_mutex_lock(&queue->lock);
	job = take_first(&queue->done);
	if (!job)
		(void)eventfd_read(queue->fd, &unused);
	(void)pthread_mutex_unlock(&queue->lock);
	return job;
}
