/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Baselines inside the library. */
#ifndef SR_BASELINE_H
#define SR_BASELINE_H

#include "codec/eventlog.h"
#include "ring.h"

#define SR_BASELINE_DIR "baseline"
#define SR_BASELINE_FORMAT 1

SR_DEFINE_CLEANUP(sr_baseline_freep, struct sr_baseline *, sr_baseline_free)
#define _cleanup_baseline_ _cleanup_(sr_baseline_freep)

/**
 * sr_baseline_format() - the description of a baseline, with its MAC
 * @ring:	an open ring
 * @baseline:	all but @authentic
 * @ret:	the file; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOMEM or -EIO.
 */
int sr_baseline_format(const struct sr_ring *ring, const struct sr_baseline *baseline,
		       struct sr_buf *ret, struct sr_err *err);

/**
 * sr_ring_check_evidence() - whether the firmware says that it measures into the ring's bank
 * @ring:	a ring that is going to be sealed to its list
 * @tpm:	the TPM
 * @options:	@accept_unmeasured: take it anyway
 * @err:	says why, on failure
 *
 * By the event log, where there is one that can be read; asks the TPM nothing.
 *
 * Returns 0, -EINVAL (its bank is not in the log) or -ENOMEM.
 */
int sr_ring_check_evidence(const struct sr_ring *ring, const struct sr_tpm *tpm,
			   const struct sr_ring_options *options, struct sr_err *err);

/**
 * sr_baseline_log() - this boot's event log, as [TPM] EventLog= says
 *
 * Returns 0, -ENODEV (there is none) and others.
 */
int sr_baseline_log(const struct sr_store *store, const struct sr_tpm *tpm,
		    struct sr_eventlog **ret, struct sr_err *err);

/** sr_baseline_of() - sr_baseline_now() where the log is known; it is taken over */
int sr_baseline_of(struct sr_tpm *tpm, struct sr_eventlog **log, struct sr_baseline **ret,
		   struct sr_err *err);

/** sr_baseline_keep() - sr_baseline_take() of a boot that was looked at already */
int sr_baseline_keep(struct sr_ring *ring, struct sr_baseline *baseline,
		     struct sr_err *err);

#endif
