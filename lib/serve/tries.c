/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wrong PINs in a row: a user who goes on must not use up the tries that the TPM has for all. */
#include "tries.h"

#include "ground/clock.h"

#define FREE 3	      /* for one key */
#define FREE_IN_ALL 8 /* for all keys, each of which may have older versions */
#define PAUSE 5
#define PAUSE_MAX 3600

static void forget(struct sr_try *tried)
{
	sr_served_drop(tried->served);
	*tried = (struct sr_try){ 0 };
}

static struct sr_try *find(const struct sr_tries *tries, const struct sr_served *served,
			   uid_t uid)
{
	for (size_t i = 0; i < SR_TRIES_MAX; i++)
		if (tries->tried[i].served == served && tries->tried[i].uid == uid)
			return (struct sr_try *)&tries->tried[i];
	return NULL;
}

static unsigned int wrong_in_all(const struct sr_tries *tries, uid_t uid)
{
	unsigned int wrong = 0;

	for (size_t i = 0; i < SR_TRIES_MAX; i++)
		if (tries->tried[i].uid == uid)
			wrong += tries->tried[i].wrong;
	return wrong;
}

/* Without a place left, the one whose pause ends first makes room. */
static struct sr_try *find_place(struct sr_tries *tries)
{
	struct sr_try *place = &tries->tried[0];

	for (size_t i = 0; i < SR_TRIES_MAX; i++) {
		if (!tries->tried[i].served)
			return &tries->tried[i];
		if (tries->tried[i].until < place->until)
			place = &tries->tried[i];
	}
	forget(place);
	return place;
}

int sr_tries_check(const struct sr_tries *tries, const struct sr_served *served,
		   uid_t uid, struct sr_err *err)
{
	const struct sr_try *tried = find(tries, served, uid);
	time_t until = tried ? tried->until : 0, left;
	unsigned int wrong = tried ? tried->wrong : 0;

	for (size_t i = 0; i < SR_TRIES_MAX; i++)
		if (tries->tried[i].uid == uid && tries->tried[i].until_all > until) {
			until = tries->tried[i].until_all;
			wrong = wrong_in_all(tries, uid);
		}
	left = until - sr_clock();
	if (left <= 0)
		return 0;
	(void)sr_fail(err, -EAGAIN,
		      "%u wrong PINs in a row: none is tried for another %lld s, so that "
		      "the TPM does not refuse everybody's",
		      wrong, (long long)left);
	return sr_fail_key(served->key, -EAGAIN, err);
}

static time_t pause_after(unsigned int wrong, unsigned int free)
{
	time_t pause = PAUSE;

	if (wrong < free)
		return 0;
	for (unsigned int i = free; i < wrong && pause < PAUSE_MAX; i++)
		pause *= 4;
	return pause < PAUSE_MAX ? pause : PAUSE_MAX;
}

static void count(struct sr_tries *tries, struct sr_try *tried)
{
	time_t time = sr_clock();

	tried->wrong++;
	tried->until = time + pause_after(tried->wrong, FREE);
	tried->until_all =
	    time + pause_after(wrong_in_all(tries, tried->uid), FREE_IN_ALL);
	tried->end = time + PAUSE_MAX;
}

static void set_end(struct sr_tries *tries)
{
	long long end = 0;

	for (size_t i = 0; i < SR_TRIES_MAX; i++)
		if (tries->tried[i].end > end)
			end = tries->tried[i].end;
	atomic_store(&tries->end, end);
}

void sr_tries_learn(struct sr_tries *tries, struct sr_served *served, uid_t uid, int r)
{
	struct sr_try *tried = find(tries, served, uid);

	if (r == 0 && tried)
		forget(tried);
	if (r == -EACCES) {
		if (!tried)
			tried = find_place(tries);
		if (!tried->served)
			tried->served = sr_served_hold(served);
		tried->uid = uid;
		count(tries, tried);
	}
	set_end(tries);
}

bool sr_tries_count(struct sr_tries *tries)
{
	return atomic_load(&tries->end) > sr_clock();
}

void sr_tries_clear(struct sr_tries *tries)
{
	for (size_t i = 0; i < SR_TRIES_MAX; i++)
		forget(&tries->tried[i]);
}
