/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Baselines: what a boot looked like when it was good. */
#include "baseline.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "machine.h"
#include "tpm/identity.h"

#define KEPT 3

void sr_baseline_free(struct sr_baseline *baseline)
{
	if (!baseline)
		return;
	sr_eventlog_free(baseline->log);
	free(baseline);
}

/* The kernel's log is of the kernel's TPM, and of no other. */
int sr_baseline_log(const struct sr_store *store, const struct sr_tpm *tpm,
		    struct sr_eventlog **ret, struct sr_err *err)
{
	const char *file = store->config.event_log;

	if (!file && !sr_tpm_is_device(tpm))
		return sr_fail(err, -ENODEV,
			       "the TPM is no device of this machine, so the kernel's "
			       "event log is not its own: EventLog= names another");
	return sr_eventlog_load(file, ret, err);
}

/* PCR 0 has events in every bank that the firmware knows of. */
static bool has_bank(const struct sr_eventlog *log, uint16_t bank)
{
	int index = sr_eventlog_find_bank(log, bank);

	for (size_t i = 0; index >= 0 && i < log->count; i++)
		if (log->event[i].pcr == 0 && log->event[i].digest[index])
			return true;
	return false;
}

int sr_ring_check_evidence(const struct sr_ring *ring, const struct sr_tpm *tpm,
			   const struct sr_ring_options *options, struct sr_err *err)
{
	_cleanup_eventlog_ struct sr_eventlog *log = NULL;
	int r;

	if (!ring->store || options->accept_unmeasured)
		return 0;
	r = sr_baseline_log(ring->store, tpm, &log, NULL);
	if (r == -ENOMEM)
		return sr_fail_memory(err);
	if (r < 0 || sr_eventlog_usable(log, "", NULL) < 0 ||
	    has_bank(log, ring->pcrs.bank))
		return 0;
	return sr_fail(
	    err, -EINVAL,
	    "the event log of this boot has nothing of the %s bank: nothing says "
	    "that the firmware measures into it: choose another bank, or insist "
	    "with --accept-unmeasured",
	    sr_bank_name(ring->pcrs.bank));
}

static int read_banks(struct sr_tpm *tpm, struct sr_baseline *baseline,
		      struct sr_err *err)
{
	const struct sr_eventlog *log = baseline->log;

	for (size_t i = 0; i < log->banks; i++) {
		struct sr_pcrs *held = &baseline->held[baseline->banks];
		int r;

		*held = (struct sr_pcrs){ .bank = log->bank[i],
					  .mask = sr_eventlog_mask(log) };
		if (!sr_bank_name(held->bank) || !held->mask)
			continue;
		r = sr_pcr_read(tpm, held, err);
		if (r == 0)
			baseline->banks++;
		else if (r != -EINVAL)
			return r;
	}
	return 0;
}

int sr_baseline_of(struct sr_tpm *tpm, struct sr_eventlog **log, struct sr_baseline **ret,
		   struct sr_err *err)
{
	_cleanup_baseline_ struct sr_baseline *baseline = calloc(1, sizeof(*baseline));
	struct sr_identity identity;
	int r;

	if (!baseline)
		return sr_fail_memory(err);
	baseline->log = take(*log);
	r = sr_tpm_identity(tpm, &identity, err);
	if (r == 0)
		r = read_banks(tpm, baseline, err);
	if (r < 0)
		return r;
	sr_machine_describe(baseline);
	(void)snprintf(baseline->tpm, sizeof(baseline->tpm), "%s", identity.text);
	baseline->reset_count = identity.clock.resets;
	baseline->restart_count = identity.clock.restarts;
	*ret = take(baseline);
	return 0;
}

int sr_baseline_now(struct sr_store *store, struct sr_tpm *tpm, struct sr_baseline **ret,
		    struct sr_err *err)
{
	_cleanup_eventlog_ struct sr_eventlog *log = NULL;
	int r = sr_baseline_log(store, tpm, &log, err);

	return r < 0 ? r : sr_baseline_of(tpm, &log, ret, err);
}

static int open_directory(const struct sr_ring *ring, struct sr_err *err)
{
	if (mkdirat(ring->dir, SR_BASELINE_DIR, 0700) < 0 && errno != EEXIST)
		return sr_fail_sys(err, errno, "cannot make directory %s",
				   SR_BASELINE_DIR);
	return sr_open_dir(ring->dir, SR_BASELINE_DIR, err);
}

/* Names are numbers; the next one is one more than the last. */
static unsigned long next_number(const struct sr_names *names)
{
	return names->count ? strtoul(names->name[names->count - 1], NULL, 10) + 1 : 1;
}

static int check_log(const struct sr_buf *content, void *arg, struct sr_err *err)
{
	const struct sr_eventlog *log = arg;

	if (content->size == log->size &&
	    memcmp(content->data, log->content, log->size) == 0)
		return 0;
	return sr_fail(err, -EIO, "the event log was not written as it is");
}

/* The log first: without its description it is nothing, and is removed in time. */
static int write_files(struct sr_ring *ring, int dir, unsigned long number,
		       const struct sr_baseline *baseline, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf text = { 0 };
	struct sr_buf log = { baseline->log->content, baseline->log->size };
	struct sr_check check = { check_log, baseline->log };
	char name[32];
	int r = sr_baseline_format(ring, baseline, &text, err);

	(void)snprintf(name, sizeof(name), "%08lu.log", number);
	if (r == 0)
		r = sr_replace_file(dir, name, &log, 0600, &check, err);
	(void)snprintf(name, sizeof(name), "%08lu.conf", number);
	return r < 0 ? r : sr_replace_file(dir, name, &text, 0600, NULL, err);
}

static void remove_old(int dir, const char *suffix, unsigned long last)
{
	_cleanup_names_ struct sr_names names = { 0 };

	if (sr_list_dir(dir, suffix, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		char name[NAME_MAX + 1];

		if (strtoul(names.name[i], NULL, 10) + KEPT > last)
			continue;
		(void)snprintf(name, sizeof(name), "%s%s", names.name[i], suffix);
		(void)unlinkat(dir, name, 0);
	}
}

int sr_baseline_keep(struct sr_ring *ring, struct sr_baseline *baseline,
		     struct sr_err *err)
{
	_cleanup_names_ struct sr_names names = { 0 };
	_cleanup_close_ int lock = -1, dir = -1;
	unsigned long number;
	int r = sr_ring_lock(ring, &lock, err);

	if (r < 0)
		return r;
	baseline->taken = time(NULL);
	dir = open_directory(ring, err);
	r = dir < 0 ? dir : sr_list_dir(dir, ".conf", &names, err);
	if (r < 0)
		return r;
	number = next_number(&names);
	r = write_files(ring, dir, number, baseline, err);
	if (r < 0)
		return r;
	remove_old(dir, ".conf", number);
	remove_old(dir, ".log", number);
	return sr_sync_dir(dir, SR_BASELINE_DIR, err);
}

int sr_baseline_take(struct sr_ring *ring, struct sr_tpm *tpm, struct sr_err *err)
{
	_cleanup_baseline_ struct sr_baseline *baseline = NULL;
	int r = sr_ring_need_key(ring, err);

	if (r == 0 && !ring->store)
		r = sr_fail(err, -EINVAL, "ring %s is in no store", ring->name);
	if (r == 0)
		r = sr_baseline_now(ring->store, tpm, &baseline, err);
	return r < 0 ? r : sr_baseline_keep(ring, baseline, err);
}
