/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New keys in the TPM: made there, put into it, or there already. */
#include <string.h>

#include "make.h"
#include "prove.h"
#include "tpm/key.h"
#include "tpm/pcr.h"
#include "tpm/session.h"
#include "tpm/srk.h"

static bool is_present(const struct sr_pcrs *wanted, const struct sr_pcrs *present)
{
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (present->mask & 1U << pcr &&
		    memcmp(wanted->value[pcr], present->value[pcr],
			   sr_bank_size(present->bank)) != 0)
			return false;
	return true;
}

static int make_policy(struct sr_making *making, struct sr_err *err)
{
	const struct sr_key_options *options = making->options;
	struct sr_pcrs pcrs = { 0 }, present = { 0 };
	int r = 0;

	if (options->bind) {
		r = sr_key_bind(making->key, making->ring, &making->approvers,
				&making->policy, err);
		return r == 0 && options->pin
			   ? sr_policy_add_auth_value(&making->policy, err)
			   : r;
	}
	if (!options->pcrs)
		return 0;
	r = sr_pcrs_parse(options->pcrs, &pcrs, err);
	if (r < 0)
		return r;
	if (!pcrs.bank)
		pcrs.bank = TPM2_ALG_SHA256;
	present.bank = pcrs.bank;
	present.mask = pcrs.given;
	r = sr_pcr_read(making->tpm, &present, err);
	making->later = r == 0 && !is_present(&pcrs, &present);
	if (r == 0)
		r = sr_pcr_read_measured(making->tpm, &pcrs, options->accept_unmeasured,
					 err);
	if (r == 0)
		r = sr_policy_add_pcrs(&making->policy, &pcrs, err);
	if (r == 0 && options->pin)
		r = sr_policy_add_auth_value(&making->policy, err);
	return r;
}

static int make_object(struct sr_making *making, const struct sr_handle *parent,
		       struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle session = SR_HANDLE(making->tpm);
	struct sr_key *key = making->key;
	struct sr_key_shape shape = {
		.type = key->type,
		.usage = making->options->usage ?: SR_KEY_SIGN,
		.policy = &making->policy,
		.pin = making->options->pin,
		.moves = making->options->exportable,
	};
	int r = sr_session_start(making->tpm, TPM2_SE_HMAC, parent, &session, err);

	if (r < 0)
		return r;
	return making->from
		   ? sr_key_wrap(&session, parent, &shape, making->from, key->file, err)
		   : sr_key_create(&session, parent, &shape, key->file, err);
}

static int approve(const struct sr_making *making, struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	int r = sr_ring_approvals(making->ring, &approvals, err);

	return r < 0 ? r
		     : sr_key_approve(making->key, making->ring, &approvals,
				      &making->approvers, false, err);
}

/* What it has becomes the key's; @pair is released empty. */
static int take_pair(struct sr_making *making, const struct sr_handle *parent,
		     struct sr_err *err)
{
	struct sr_tpmkey *pair = making->pair, was = *making->key->file;
	int r =
	    pair->type == SR_TPMKEY_IMPORTABLE ? sr_object_import(parent, pair, err) : 0;

	if (r < 0)
		return r == -EREMOTE || r == -EBADMSG || r == -EIO
			   ? sr_fail(err, -EREMOTE,
				     "exported for another TPM than this one, or damaged")
			   : r;
	pair->type = SR_TPMKEY_LOADABLE;
	*making->key->file = *pair;
	*pair = was;
	return 0;
}

int sr_make_in_tpm(struct sr_making *making, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(making->tpm);
	struct sr_key *key = making->key;
	int r = make_policy(making, err);

	if (r == 0)
		r = sr_srk_get(making->tpm, &key->parent, &parent, err);
	if (r == 0)
		r = making->pair ? take_pair(making, &parent, err)
				 : make_object(making, &parent, err);
	if (r < 0)
		return r;
	key->file->parent = SR_SRK_HANDLE;
	if (making->options->bind)
		r = approve(making, err);
	if (r >= 0)
		r = sr_key_describe(key, err);
	if (r == 0)
		r = sr_key_prove(key, making->tpm, making->ask, making->later, err);
	if ((r == -EBADMSG || r == -EUCLEAN) && making->pair)
		return sr_fail(err, -EREMOTE,
			       "not made under the storage key 0x%x of this TPM, or "
			       "damaged",
			       SR_SRK_HANDLE);
	return r;
}
