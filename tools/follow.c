/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeping the headers of LUKS volumes and the files of keys as their ring is. */
#include "follow.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "luks/follow.h"
#include "tool.h"

#define TOLD_TEXT (SR_NAME_MAX + 1) /* the longest of a volume's UUID and a key's name */

static char (*told)[TOLD_TEXT];
static size_t told_count;
static int lock = -1;

/* One work may write a ring more than once. */
static bool was_told(const char *of)
{
	char(*more)[TOLD_TEXT];

	for (size_t i = 0; i < told_count; i++)
		if (strcmp(told[i], of) == 0)
			return true;
	more = reallocarray(told, told_count + 1, sizeof(*told));
	if (more) {
		told = more;
		(void)snprintf(told[told_count++], sizeof(*told), "%s", of);
	}
	return false;
}

static void warn_absent(void *arg, const char *uuid)
{
	const char *remedy = arg;

	if (was_told(uuid))
		return;
	tool_warn("volume %s is not here, so its header stays as it is: %s, once it is",
		  uuid, remedy ? remedy : "tpm-reseal now");
}

static void warn_skipped(void *arg, const char *key, const struct sr_err *why)
{
	(void)arg;
	if (!was_told(key))
		tool_warn("key %s stays as it is: %s", key, why->text);
}

static struct sr_following following = { .absent = warn_absent };
static struct sr_key_following keys = { .skipped = warn_skipped };

static int follow_all(void *arg, struct sr_ring *ring, struct sr_ring *old, bool settled,
		      struct sr_err *err)
{
	int r = sr_follow(&following, ring, old, settled, err);

	(void)arg;
	return r < 0 ? r : sr_key_follow(&keys, ring, old, settled, err);
}

static const struct sr_follow hook = { .follow = follow_all };

int follow_start(struct sr_store *store, struct sr_err *err)
{
	following.store = store;
	/* Nothing there to follow, and nothing that could hold the lock. */
	if (access(sr_store_path(store), F_OK) < 0 && errno == ENOENT)
		return 0;
	return sr_volume_lock(store, &lock, err);
}

void follow_remedy(const char *remedy)
{
	following.arg = (void *)remedy;
}

const struct sr_follow *follow_hook(void)
{
	return &hook;
}

void follow_end(void)
{
	if (lock >= 0)
		(void)close(lock);
	lock = -1;
	free(take(told));
	told_count = 0;
}

int follow_keys(struct sr_ring *ring, struct sr_err *err)
{
	return sr_key_follow(&keys, ring, NULL, true, err);
}

__attribute__((format(printf, 2, 3))) static void set_pending(struct sr_status *status,
							      const char *format, ...)
{
	va_list args;

	if (status->state == SR_STATE_READY)
		status->state = SR_STATE_PENDING;
	va_start(args, format);
	(void)vsnprintf(status->text, sizeof(status->text), format, args);
	va_end(args);
}

void follow_status(struct sr_store *store, const char *name, struct sr_status *status)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	char uuid[SR_UUID_TEXT], key[SR_NAME_MAX + 1];

	if ((status->state != SR_STATE_READY && status->state != SR_STATE_PENDING &&
	     status->state != SR_STATE_BRIDGED) ||
	    sr_ring_load(store, name, &ring, NULL) < 0)
		return;
	if (sr_key_behind(ring, key))
		set_pending(status,
			    "key %s has other boot states in its file: tpm-reseal now "
			    "%s",
			    key, name);
	if (sr_follow_behind(store, ring, uuid))
		set_pending(status,
			    "volume %s has older approvals in its header: %s %s, once it "
			    "is here",
			    uuid,
			    status->prepared ? "repeat tpm-reseal prepare"
					     : "tpm-reseal now",
			    name);
}
