/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a ring stays closed, said in the initramfs: by a part of its baseline in the image. */
#include "early.h"

#include <fcntl.h>
#include <string.h>

#include "baseline.h"
#include "codec/text.h"

#define LOGS "baselines" /* in the state directory of an image: RING.log */
/* What these hold anybody may read on the running machine, from the firmware's variables
 * and sysfs. Others name devices, disks and files, and the image lies on an open /boot. */
#define TOLD (1U << 0 | 1U << 7)

SR_DEFINE_CLEANUP(explanation_freep, struct sr_explanation *, sr_explanation_free)

static int write_log(const char *root, const struct sr_ring *ring,
		     const struct sr_buf *log, struct sr_err *err)
{
	_cleanup_free_ char *dir = NULL, *path = NULL;
	int r;

	if (asprintf(&dir, "%s%s/" LOGS, root, ring->store->state_dir) < 0)
		dir = NULL;
	if (!dir || asprintf(&path, "%s/%s.log", dir, ring->name) < 0) {
		path = NULL;
		return sr_fail_memory(err);
	}
	r = sr_create_dir(dir, 0700, err);
	return r < 0 ? r : sr_replace_file(AT_FDCWD, path, log, 0600, NULL, err);
}

static int fill_ring(struct sr_store *store, const char *name, const char *root,
		     struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *ring = NULL;
	_cleanup_baseline_ struct sr_baseline *baseline = NULL;
	_cleanup_buf_ struct sr_buf log = { 0 };
	int r = sr_ring_load(store, name, &ring, err);

	if (r < 0 || (!sr_ring_latch(ring) && ring->volume_count == 0))
		return r;
	if (sr_baseline_load(ring, &baseline, NULL) < 0 ||
	    sr_eventlog_usable(baseline->log, "", NULL) < 0)
		return 0;
	r = sr_eventlog_cut(baseline->log, TOLD, &log, err);
	return r < 0 ? r : write_log(root, ring, &log, err);
}

int sr_early_fill(struct sr_store *store, const char *root, struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **rings = NULL;
	int r = sr_store_rings(store, &rings, err);

	for (char **ring = rings; r >= 0 && *ring; ring++)
		r = fill_ring(store, *ring, root, err);
	return r < 0 ? r : 0;
}

/* The TPM is not asked once more: that this boot's log is of it shows in its values. */
static int load_logs(const struct sr_ring *ring, const struct sr_store *store,
		     struct sr_eventlog **before, struct sr_eventlog **after)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, "%s/" LOGS "/%s.log", store->state_dir, ring->name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = sr_eventlog_load(path, before, NULL);
	return r < 0 ? r : sr_eventlog_load(store->config.event_log, after, NULL);
}

/* Nothing is said but what the logs prove. */
static bool is_told(const struct sr_explanation *found)
{
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (found->changed & 1U << pcr &&
		    found->pcr[pcr].verdict != SR_VERDICT_EXPLAINED &&
		    found->pcr[pcr].verdict != SR_VERDICT_BEHIND)
			return false;
	return *found->cause;
}

bool sr_ring_cause(const struct sr_ring *ring, const struct sr_store *store,
		   char ret[SR_CAUSE_MAX])
{
	_cleanup_eventlog_ struct sr_eventlog *before = NULL, *after = NULL;
	_cleanup_(explanation_freep) struct sr_explanation *found = NULL;
	struct sr_text text = sr_text_start(ret, SR_CAUSE_MAX);
	struct sr_boots boots = {
		.required = &ring->wanted,
		.present = &ring->seen,
		.bank = ring->seen.bank,
		.mask = ring->wanted.given & ring->seen.given & TOLD,
	};

	if (!boots.mask || ring->wanted.bank != boots.bank ||
	    load_logs(ring, store, &before, &after) < 0)
		return false;
	boots.before = before;
	boots.after = after;
	if (sr_explain(&boots, &found, NULL) < 0 || !is_told(found))
		return false;
	sr_text_add(&text, "%s", found->cause);
	for (size_t i = 0; i < found->warnings; i++)
		sr_text_add(&text, "; %s", found->warning[i]);
	return true;
}
