/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A key in the TPM, ready to be used: one conversation for many digests. */
#include "signer.h"

#include <string.h>
#include <time.h>

#include "approver.h"
#include "codec/authorize.h"
#include "ground/parse.h"
#include "tpm/context.h"
#include "tpm/move.h"
#include "tpm/pcr.h"
#include "tpm/session.h"
#include "tpm/srk.h"

#define PCR_CHANGED_TRIES 20
#define PCR_CHANGED_SECONDS 2

void sr_signer_done(struct sr_signer *signer)
{
	sr_handle_flush(&signer->object);
	sr_handle_flush(&signer->session);
	sr_handle_flush(&signer->parent);
	sr_secret_done(&signer->pin);
	EVP_PKEY_free(take(signer->pub));
}

/* What a conversation is opened with. */
struct opening {
	const struct sr_key *key;
	struct sr_tpm *tpm;
	const struct sr_ask *ask;
	enum sr_signer_way way;
	struct sr_policy policy;
};

static int choose_policy(struct opening *opening, struct sr_err *err)
{
	if (opening->way == SR_SIGNER_MOVE)
		return sr_move_policy(sr_key_needs_pin(opening->key), &opening->policy,
				      err);
	if (opening->way != SR_SIGNER_ADMIN)
		opening->policy = opening->key->file->policy;
	return 0;
}

static bool has_policy(const struct opening *opening)
{
	return opening->policy.count > 0;
}

static bool needs_session(const struct opening *opening)
{
	return opening->way != SR_SIGNER_PLAIN || has_policy(opening) ||
	       sr_key_needs_pin(opening->key);
}

int sr_key_parent(const struct sr_key *key, struct sr_tpm *tpm, struct sr_handle *ret,
		  struct sr_err *err)
{
	TPM2_HANDLE parent = key->file->parent;
	TPM2B_PUBLIC unused;

	if (parent >> TPM2_HR_SHIFT != TPM2_HT_PERSISTENT)
		return sr_srk_create(tpm, key->file->rsa_parent, parent, &unused, ret,
				     err);
	return key->pinned ? sr_srk_pin(tpm, parent, &key->parent, ret, err)
			   : sr_persistent(tpm, parent, ret, err);
}

/* Where boot states are approved, any one that was will do: bounded ones come last. */
int sr_key_satisfy(const struct sr_key *key, const struct sr_handle *session,
		   struct sr_err *err)
{
	const struct sr_tpmkey *file = key->file;
	size_t made = 0;
	int r = -EKEYREJECTED;

	if (file->signed_count == 0)
		return sr_session_satisfy(session, &file->policy, NULL, err);
	for (size_t i = 0; i < file->signed_count && r == -EKEYREJECTED; i++) {
		struct sr_policy policy;

		r = made > 0 ? sr_session_restart(session, err) : 0;
		if (r == 0)
			r = sr_authorize_join(&file->signed_policy[i].policy,
					      &file->policy, &policy, err);
		if (r == 0)
			r = sr_session_satisfy(session, &policy, &made, err);
	}
	return r;
}

static int ask_pin(const struct opening *opening, struct sr_secret *ret,
		   struct sr_err *err)
{
	const struct sr_ask *ask = opening->ask;

	if (!ask || !ask->pin)
		return sr_fail(err, -EACCES,
			       "it takes a PIN: give it on a terminal or with "
			       "--pin-file");
	return ask->pin(ask->arg, opening->key->name, ret, err);
}

/*
 * For loading alone it is enough to know what the TPM calls the storage key. Where its file
 * does not have the storage key, the TPM is asked nevertheless, as that tells one that is not
 * its own from a damaged one.
 */
static bool needs_parent(const struct opening *opening)
{
	const struct sr_key *key = opening->key;

	return needs_session(opening) || !key->pinned ||
	       key->file->parent >> TPM2_HR_SHIFT != TPM2_HT_PERSISTENT;
}

int sr_key_damaged(struct sr_err *err)
{
	return sr_fail(err, -EUCLEAN, "its file is damaged: restore it from a backup");
}

static int load(const struct opening *opening, const struct sr_handle *parent,
		struct sr_handle *ret, struct sr_err *err)
{
	const struct sr_tpmkey *file = opening->key->file;
	TSS2_RC rc;
	int r;

	if (parent->tr != ESYS_TR_NONE) {
		r = sr_object_load(parent, file, ret, err);
	} else {
		rc = SR_TSS(sr_object_load_under(opening->tpm, file->parent, file, ret));
		r = rc == TSS2_RC_SUCCESS ? 0 : sr_fail_load(rc, err);
	}
	return r == -EBADMSG ? sr_key_damaged(err) : r;
}

/* The same order as for secrets: behind a resource manager it is the cheapest. */
static int converse(const struct opening *opening, struct sr_handle *parent,
		    struct sr_signer *ret, struct sr_err *err)
{
	_cleanup_signer_ struct sr_signer signer = SR_SIGNER(opening->tpm);
	int r = 0;

	sr_handle_take(parent, &signer.parent);
	if (needs_session(opening))
		r = sr_session_start(opening->tpm,
				     has_policy(opening) ? TPM2_SE_POLICY : TPM2_SE_HMAC,
				     &signer.parent, &signer.session, err);
	if (r == 0 && has_policy(opening))
		r = opening->way == SR_SIGNER_MOVE
			? sr_session_satisfy(&signer.session, &opening->policy, NULL, err)
			: sr_key_satisfy(opening->key, &signer.session, err);
	if (r == 0 && sr_key_needs_pin(opening->key))
		r = ask_pin(opening, &signer.pin, err);
	if (r == 0)
		r = load(opening, &signer.parent, &signer.object, err);
	if (r == 0 && signer.pin.size > 0)
		r = sr_object_use_pin(&signer.object, &signer.pin, err);
	if (r < 0)
		return r;
	signer.key = opening->key;
	signer.fresh = has_policy(opening);
	*ret = signer;
	signer = SR_SIGNER(opening->tpm);
	return 0;
}

/* What an approval wants otherwise than it is; 0 where its file does not tell. */
static uint32_t find_changed(const struct sr_tpmkey_signed *entry, struct sr_tpm *tpm)
{
	struct sr_pcrs wanted, present = { 0 };
	uint32_t changed = 0;

	if (!sr_approved_values(entry, &wanted))
		return 0;
	present.bank = wanted.bank;
	present.mask = wanted.mask;
	if (sr_pcr_read(tpm, &present, NULL) < 0)
		return 0;
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (wanted.mask & 1U << pcr &&
		    memcmp(wanted.value[pcr], present.value[pcr],
			   sr_bank_size(wanted.bank)) != 0)
			changed |= 1U << pcr;
	return changed;
}

/* The first is the present approval, if it was not replaced since. */
static int explain_approved(const struct sr_key *key, struct sr_tpm *tpm,
			    struct sr_err *err)
{
	uint32_t changed = find_changed(&key->file->signed_policy[0], tpm);
	char text[SR_CHANGED_TEXT];

	sr_changed_text(changed, text);
	if (!key->ring[0])
		return sr_fail(err, -EKEYREJECTED,
			       "policy does not hold: no approved boot state is this "
			       "one: its approver has to sign this one");
	return sr_fail(err, -EKEYREJECTED,
		       "policy does not hold: %.100s changed since ring %s was sealed: "
		       "tpm-reseal status %s says what helps",
		       *text ? text : "the boot state", key->ring, key->ring);
}

int sr_key_explain(const struct sr_key *key, struct sr_tpm *tpm, struct sr_err *err)
{
	char text[SR_PCRS_TEXT];
	struct sr_pcrs pcrs;

	if (key->file->signed_count > 0)
		return explain_approved(key, tpm, err);
	sr_key_pcrs(key, &pcrs);
	if (!pcrs.mask)
		return -EKEYREJECTED;
	sr_pcrs_format(&pcrs, text);
	return sr_fail(err, -EKEYREJECTED,
		       "policy does not hold: it is bound to the PCRs %s, which are not "
		       "as they were when it was made",
		       text);
}

int sr_key_disown(const struct sr_key *key, bool foreign, struct sr_err *err)
{
	if (foreign)
		return sr_fail(err, -EREMOTE,
			       "made by another TPM, or the TPM was cleared since: no "
			       "other can use it");
	if (!key->pinned || key->file->parent != SR_SRK_HANDLE)
		return sr_fail(err, -EREMOTE,
			       "made by another TPM, or the TPM was cleared since, or "
			       "damaged");
	return sr_key_damaged(err);
}

static int explain(const struct opening *opening, int r, struct sr_err *err)
{
	if (r == -EREMOTE)
		return sr_key_disown(opening->key, false, err);
	return r == -EKEYREJECTED ? sr_key_explain(opening->key, opening->tpm, err) : r;
}

static bool is_final(int r)
{
	return r == 0 || r == -EACCES || r == -EBUSY || r == -ENODEV || r == -ENOMEM;
}

/* The TPM's word is believed only after it is known to be the one that made the key. */
static int question(const struct opening *opening, int r, struct sr_signer *ret,
		    struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(opening->tpm);
	const struct sr_key *key = opening->key;
	struct sr_err other = { 0 };
	int q;

	if (!key->pinned || key->file->parent != SR_SRK_HANDLE)
		return explain(opening, r, err);
	q = sr_srk_question(opening->tpm, &key->parent, &parent, &other);
	if (q == -EREMOTE)
		return sr_key_disown(key, true, err);
	if (q < 0)
		return sr_fail(err, q, "%s", other.text);
	if (q == 1)
		r = converse(opening, &parent, ret, err);
	return r < 0 ? explain(opening, r, err) : 0;
}

int sr_signer_open(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		   enum sr_signer_way way, struct sr_signer *ret, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(tpm);
	struct opening opening = { .key = key, .tpm = tpm, .ask = ask, .way = way };
	int r = choose_policy(&opening, err);

	if (r == 0 && needs_parent(&opening))
		r = sr_key_parent(key, tpm, &parent, err);
	if (r == 0)
		r = converse(&opening, &parent, ret, err);
	return is_final(r) ? r : question(&opening, r, ret, err);
}

/* A policy serves one command, and has to be satisfied again for the next. */
static int prepare(struct sr_signer *signer, bool last, struct sr_err *err)
{
	const struct sr_key *key = signer->key;
	int r = 0;

	if (signer->session.tr == ESYS_TR_NONE)
		return 0;
	if (key->file->policy.count > 0 && !signer->fresh)
		r = sr_key_satisfy(key, &signer->session, err);
	signer->fresh = false;
	if (r < 0)
		return r;
	return last ? sr_session_last(&signer->session, err)
		    : sr_session_encrypt(&signer->session, err);
}

/* IMA extends PCR 10 all through the boot, which invalidates a PolicyPCR made before. */
static bool again(struct sr_signer *signer, TSS2_RC rc, unsigned int *tries, time_t end)
{
	return sr_tss_code(rc) == TPM2_RC_PCR_CHANGED && ++*tries < PCR_CHANGED_TRIES &&
	       time(NULL) <= end && sr_session_restart(&signer->session, NULL) == 0 &&
	       sr_key_satisfy(signer->key, &signer->session, NULL) == 0;
}

static int fail_use(struct sr_signer *signer, TSS2_RC rc, const char *what,
		    struct sr_err *err)
{
	int r = sr_fail_tss(err, rc, what);

	if (r != -EACCES)
		return r;
	if (signer->pin.size > 0) {
		sr_secret_done(&signer->pin); /* nobody may try it again unasked */
		return r;
	}
	if (signer->session.tr == ESYS_TR_NONE)
		return sr_fail(err, r,
			       "its file says that it takes no PIN, but the TPM wants "
			       "one");
	if (signer->key->file->policy.count == 0)
		return sr_fail(err, r,
			       "its file says that it takes no PIN, but the TPM wants "
			       "one, or something between changes what they say");
	return sr_fail(err, -EIO,
		       "the TPM refuses the session: something between it and this "
		       "program changes what they say");
}

static void used(struct sr_signer *signer, bool last)
{
	if (last)
		sr_handle_forget(&signer->session);
}

static const struct sr_handle *session_of(const struct sr_signer *signer)
{
	return signer->session.tr == ESYS_TR_NONE ? NULL : &signer->session;
}

int sr_signer_ready(struct sr_signer *signer, struct sr_err *err)
{
	return signer->pub ? 0
			   : sr_pubkey_evp(&signer->key->file->pub, &signer->pub, err);
}

/* What @checks wants of OpenSSL is got ready while the TPM works. */
static TSS2_RC sign_once(struct sr_signer *signer, const struct sr_scheme *scheme,
			 const struct sr_digest *digest, bool checks, TPMT_SIGNATURE *ret)
{
	TSS2_RC rc = sr_object_sign_begin(&signer->object, session_of(signer),
					  signer->key->type, scheme, digest);

	if (rc == TSS2_RC_SUCCESS && checks)
		(void)sr_signer_ready(signer, NULL);
	return rc == TSS2_RC_SUCCESS ? sr_object_sign_end(&signer->object, ret) : rc;
}

static int sign(struct sr_signer *signer, const struct sr_scheme *scheme,
		const struct sr_digest *digest, bool last, bool checks,
		struct sr_buf *ret, struct sr_err *err)
{
	time_t end = time(NULL) + PCR_CHANGED_SECONDS;
	unsigned int tries = 0;
	TPMT_SIGNATURE raw = { 0 };
	TSS2_RC rc;
	int r = prepare(signer, last, err);

	if (r < 0)
		return r;
	do
		rc = SR_TSS(sign_once(signer, scheme, digest, checks, &raw));
	while (again(signer, rc, &tries, end));
	if (rc != TSS2_RC_SUCCESS)
		return fail_use(signer, rc, "TPM2_Sign", err);
	used(signer, last);
	return sr_signature_der(&raw, signer->key->type, ret, err);
}

int sr_signer_try(struct sr_signer *signer, const struct sr_scheme *scheme,
		  const struct sr_digest *digest, bool last, struct sr_buf *ret,
		  struct sr_err *err)
{
	return sign(signer, scheme, digest, last, false, ret, err);
}

int sr_signature_check(EVP_PKEY *pub, const struct sr_scheme *scheme,
		       const struct sr_digest *digest, const struct sr_buf *der,
		       struct sr_err *err)
{
	size_t size;
	const uint8_t *data = sr_digest_data(digest, &size);
	int r = sr_signature_verify(pub, scheme, data, size, der, err);

	if (r == 0 || r == -EBADMSG)
		return sr_fail(err, -EIO,
			       "the signature that was made does not verify: it is not "
			       "given out");
	return r < 0 ? r : 0;
}

int sr_signer_sign(struct sr_signer *signer, const struct sr_scheme *scheme,
		   const struct sr_digest *digest, bool last, struct sr_buf *ret,
		   struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf der = { 0 };
	int r = sign(signer, scheme, digest, last, true, &der, err);

	if (r == 0)
		r = sr_signer_ready(signer, err);
	if (r == 0)
		r = sr_signature_check(signer->pub, scheme, digest, &der, err);
	if (r < 0)
		return r;
	*ret = der;
	der = (struct sr_buf){ 0 };
	return 0;
}

/*
 * Where it takes padding off, libtpms answers with FAILURE, as a TPM does to all commands that
 * is in failure mode: which it is, another command tells.
 */
static bool is_padding(const struct sr_signer *signer, const struct sr_decryption *how,
		       TSS2_RC rc)
{
	TPM2_RC code = sr_tss_code(rc);
	uint64_t unused;

	if (how->scheme == TPM2_ALG_ECDH)
		return false;
	if (code == TPM2_RC_FAILURE)
		return how->size == 0 &&
		       sr_context_era(signer->object.tpm, &unused, NULL) == 0;
	return code == TPM2_RC_VALUE || code == TPM2_RC_SIZE;
}

int sr_signer_decrypt(struct sr_signer *signer, const struct sr_decryption *how,
		      const struct sr_secret *cipher, bool last, struct sr_secret *ret,
		      struct sr_err *err)
{
	bool ecdh = how->scheme == TPM2_ALG_ECDH;
	time_t end = time(NULL) + PCR_CHANGED_SECONDS;
	unsigned int tries = 0;
	TSS2_RC rc;
	int r = prepare(signer, last, err);

	if (r < 0)
		return r;
	do
		rc = sr_object_decrypt(&signer->object, &signer->session,
				       signer->key->type, how, cipher, ret, &r);
	while (again(signer, rc, &tries, end));
	if (is_padding(signer, how, rc))
		return sr_fail(err, -EBADMSG,
			       "not encrypted to this key, or with another padding");
	if (rc != TSS2_RC_SUCCESS)
		return fail_use(signer, rc, ecdh ? "TPM2_ECDH_ZGen" : "TPM2_RSA_Decrypt",
				err);
	used(signer, last);
	return r < 0 ? sr_fail(err, r, "what the TPM made can't be taken over") : 0;
}
