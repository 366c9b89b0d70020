/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Approving the present boot state. */
#include "baseline.h"
#include "codec/name.h"
#include "manage.h"

int sr_ring_open(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		 struct sr_err *err)
{
	return sr_about(err, sr_opening_unseal(ring, tpm, ask, NULL, err), ring->name,
			NULL);
}

/* Without a PIN a ring that had one would come back weaker than its owner made it. */
static int check_pin(const struct sr_ring *ring, struct sr_err *err)
{
	if (!ring->pin || ring->pin_value.size > 0)
		return 0;
	return sr_fail(err, -EACCES,
		       "it has a PIN, which %s does not know: give one with --pin",
		       ring->manager ? "ring system" : "recovery");
}

static int approve(struct sr_ring *ring, struct sr_opening *opening,
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
		r = check_pin(ring, err);
	ring->pin = ring->pin_value.size > 0;
	if (r == 0)
		r = sr_opening_approve(ring, opening, options, &later, err);
	if (r == 0)
		r = sr_ring_save(ring, err);
	return r < 0 ? r : later;
}

/* The session is salted to the storage key of "system", which is this ring's as a rule. */
static int fit_parent(struct sr_ring *ring, struct sr_tpm *tpm,
		      const struct sr_ring_options *options, struct sr_opening *opening,
		      struct sr_err *err)
{
	TPM2B_NAME is, was;
	int r = sr_name_of(&ring->manager->srk, &is, err);

	if (r == 0)
		r = sr_name_of(&ring->srk, &was, err);
	if (r < 0 || sr_name_equal(&is, &was))
		return r;
	sr_opening_done(opening);
	*opening = SR_OPENING(tpm);
	return sr_opening_start(ring, tpm, !options->new_tpm, opening, err);
}

static int after_manager(struct sr_ring *ring, struct sr_tpm *tpm,
			 const struct sr_ring_options *options,
			 struct sr_opening *opening, int lock, struct sr_err *err)
{
	int r = ring->half_rotated ? sr_manage_write(ring, ring->manager, NULL, lock, err)
				   : 0;

	return r < 0 ? r : fit_parent(ring, tpm, options, opening, err);
}

int sr_ring_reseal(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_ring_options *options, struct sr_err *err)
{
	_cleanup_opening_ struct sr_opening opening = SR_OPENING(tpm);
	_cleanup_close_ int lock = -1;
	int r = sr_manage_unseal(ring, tpm, ask, &opening, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r < 0)
		return r;
	if (ring->manager)
		r = after_manager(ring, tpm, options, &opening, lock, err);
	if (r == 0)
		r = approve(ring, &opening, options, err);
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
		r = approve(ring, &opening, options, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : r;
}
