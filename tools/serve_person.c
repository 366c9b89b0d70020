/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-serve: what a person is asked for clients, one question after the other. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>

#include "serve.h"

static sd_event *loop;
static struct waiter *questions; /* the first is being asked */
static struct ask *asking;
static bool
    tried; /* the first has its PIN, and the TPM has not said yet whether it is right */

static void ask_next(void);

void person_forget(struct waiter *waiter)
{
	struct waiter **at = &questions;
	bool first = questions == waiter;

	while (*at && *at != waiter)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = waiter->next;
	waiter->next = NULL;
	if (!first)
		return;
	ask_free(take(asking));
	tried = false;
	ask_next();
}

/* What the kernel knows of who asks; the name a program gives itself. */
static void describe(const struct client *client, char *ret, size_t room)
{
	const struct passwd *user = getpwuid(client->peer.uid);
	char path[64], name[17] = "";
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)client->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, name, sizeof(name) - 1);
		(void)close(fd);
	}
	if (n > 0)
		name[n] = '\0';
	for (char *at = name; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = *at == '\n' ? '\0' : '?';
	if (user)
		(void)snprintf(ret, room, "%s (process %d of %s)",
			       *name ? name : "a program", (int)client->pid,
			       user->pw_name);
	else
		(void)snprintf(ret, room, "%s (process %d of user %u)",
			       *name ? name : "a program", (int)client->pid,
			       (unsigned int)client->peer.uid);
}

/* Who waits for the same PIN has to know whether that was it before being asked, too. */
static void on_answer(void *arg, const struct sr_secret *typed)
{
	struct waiter *waiter = arg;
	bool confirm = sr_call_state(waiter->call) == SR_CALL_CONFIRM;

	if (confirm)
		sr_call_confirm(waiter->call, typed);
	else
		sr_call_pin(waiter->call, typed);
	if (!confirm && sr_call_state(waiter->call) == SR_CALL_WORK) {
		ask_free(take(asking));
		tried = true;
	} else {
		person_forget(waiter);
	}
	waiter->go_on(waiter);
}

static int ask(struct waiter *waiter, bool confirm, struct sr_err *err)
{
	const char *key = sr_call_key(waiter->call), *ring = sr_call_ring(waiter->call);
	char who[128], text[400], times[32] = "";
	struct ask_question question = {
		.text = text, .confirm = confirm, .answer = on_answer, .arg = waiter
	};

	describe(waiter->client, who, sizeof(who));
	if (sr_call_uses(waiter->call) > 1)
		(void)snprintf(times, sizeof(times), " %zu times",
			       sr_call_uses(waiter->call));
	if (confirm)
		(void)snprintf(text, sizeof(text), "Let %s %s the key %s%s?", who,
			       sr_call_rotates(waiter->call) ? "replace" : "use", key,
			       times);
	else if (ring)
		(void)snprintf(text, sizeof(text),
			       "PIN of the ring %s, to use the key %s, for %s:", ring,
			       key, who);
	else
		(void)snprintf(text, sizeof(text), "PIN of the key %s, for %s:", key,
			       who);
	return ask_start(loop, &question, &asking, err);
}

/* The first who waits; some have their answer from those before them. */
static void ask_first(void)
{
	struct waiter *waiter = questions;
	enum sr_call_state state = sr_call_state(waiter->call);
	struct sr_err err = { 0 };
	int r;

	if (state != SR_CALL_CONFIRM && state != SR_CALL_PIN) {
		person_forget(waiter);
		waiter->go_on(waiter);
		return;
	}
	r = ask(waiter, state == SR_CALL_CONFIRM, &err);
	if (r < 0) {
		tool_report(r, &err, NULL);
		on_answer(waiter, NULL);
	}
}

/* One question at a time. What it is called from here calls it again: once is enough. */
static void ask_next(void)
{
	static bool busy;

	if (busy || serve_stopping())
		return;
	busy = true;
	while (questions && !asking && !tried)
		ask_first();
	busy = false;
}

/* Questions of its user that stand before it; all of them, if it does not stand there. */
static size_t count_before(const struct waiter *waiter)
{
	uid_t uid = waiter->client->peer.uid;
	size_t count = 0;

	for (struct waiter *at = questions; at && at != waiter; at = at->next)
		count += at->client->peer.uid == uid;
	return count;
}

static bool is_asked(const struct waiter *waiter)
{
	struct waiter *at = questions;

	while (at && at != waiter)
		at = at->next;
	return at;
}

/* Users take turns: who asks for a hundred things has a hundredth turn, too. */
static void stand_in_line(struct waiter *waiter)
{
	size_t own = count_before(waiter);
	struct waiter **at = &questions;

	while (*at && count_before(*at) <= own)
		at = &(*at)->next;
	waiter->next = *at;
	*at = waiter;
}

void person_ask(sd_event *event, struct waiter *waiter)
{
	loop = event;
	if (!is_asked(waiter))
		stand_in_line(waiter);
	ask_next();
}
