/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeping the headers of LUKS volumes as their ring is. */
#include "follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "luks/follow.h"
#include "tool.h"

static char (*told)[SR_UUID_TEXT];
static size_t told_count;
static int lock = -1;

/* One work may write a ring more than once. */
static bool was_told(const char *uuid)
{
	char(*more)[SR_UUID_TEXT];

	for (size_t i = 0; i < told_count; i++)
		if (strcmp(told[i], uuid) == 0)
			return true;
	more = reallocarray(told, told_count + 1, sizeof(*told));
	if (more) {
		told = more;
		(void)snprintf(told[told_count++], sizeof(*told), "%s", uuid);
	}
	return false;
}

static void warn_absent(void *arg, const char *uuid)
{
	(void)arg;
	if (was_told(uuid))
		return;
	tool_warn("volume %s is not here, so its header stays as it is: tpm-reseal "
		  "confirm, once it is",
		  uuid);
}

static struct sr_following following = { .absent = warn_absent };
static const struct sr_follow hook = { sr_follow, &following };

int follow_start(struct sr_store *store, struct sr_err *err)
{
	following.store = store;
	/* Nothing there to follow, and nothing that could hold the lock. */
	if (access(sr_store_path(store), F_OK) < 0 && errno == ENOENT)
		return 0;
	return sr_volume_lock(store, &lock, err);
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

void follow_status(struct sr_store *store, const char *name, struct sr_status *status)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	char uuid[SR_UUID_TEXT];

	if ((status->state != SR_STATE_READY && status->state != SR_STATE_PENDING &&
	     status->state != SR_STATE_BRIDGED) ||
	    sr_ring_load(store, name, &ring, NULL) < 0 ||
	    !sr_follow_behind(store, ring, uuid))
		return;
	if (status->state == SR_STATE_READY)
		status->state = SR_STATE_PENDING;
	(void)snprintf(status->text, sizeof(status->text),
		       "volume %s has older approvals in its header: tpm-reseal confirm "
		       "%s, once it is here",
		       uuid, name);
}
