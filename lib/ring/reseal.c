/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Approving the present boot state. */
#include "reseal.h"

#include "baseline.h"
#include "manage.h"

int sr_ring_open(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		 struct sr_err *err)
{
	return sr_about(err, sr_opening_unseal(ring, tpm, ask, NULL, err), ring->name,
			NULL);
}

/* Without a PIN a ring that had one would come back weaker than its owner made it. */
int sr_reseal_check_pin(const struct sr_ring *ring, struct sr_err *err)
{
	if (!ring->pin || ring->pin_value.size > 0)
		return 0;
	return sr_fail(err, -EACCES,
		       "it has a PIN, which %s does not know: give one with --pin",
		       ring->manager ? "ring system" : "recovery");
}

int sr_reseal_approve(struct sr_ring *ring, struct sr_opening *opening,
		      const struct sr_ring_options *options, struct sr_err *err)
{
	uint16_t bank = ring->pcrs.bank;
	bool later = false;
	int r = sr_ring_apply(ring, options, err);

	if (r == 0 && !options->pcrs)
		r = sr_ring_check_selection(ring, err);
	if (r == 0 && (ring->moved || ring->pcrs.bank != bank))
		r = sr_ring_check_evidence(ring, opening->session.tpm, options, err);
	if (r == 0)
		r = sr_reseal_check_pin(ring, err);
	ring->pin = ring->pin_value.size > 0;
	if (r == 0)
		r = sr_opening_approve(ring, opening, options, &later, err);
	if (r == 0)
		r = sr_ring_save(ring, err);
	return r < 0 ? r : later;
}

int sr_ring_reseal(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_ring_options *options, struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	_cleanup_close_ int lock = -1;
	int r = sr_manage_open(ring, tpm, ask, options->new_tpm, &opening, &lock, err);

	if (r < 0)
		return r;
	r = sr_reseal_approve(ring, &opening, options, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : r;
}

int sr_ring_approve(struct sr_ring *ring, struct sr_tpm *tpm,
		    const struct sr_ring_options *options, struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	_cleanup_close_ int lock = -1;
	int r = sr_ring_need_key(ring, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r == 0)
		r = sr_opening_start(ring, tpm, !options->new_tpm, &opening, err);
	if (r == 0)
		r = sr_reseal_approve(ring, &opening, options, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : r;
}
