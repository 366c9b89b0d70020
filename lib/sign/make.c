/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys come and go: made, imported, given another PIN, removed. */
#include <fcntl.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "bind.h"
#include "codec/recovery.h"
#include "ground/parse.h"
#include "prove.h"
#include "ring/ring.h"
#include "rotate.h"
#include "signer.h"
#include "software.h"
#include "tpm/pcr.h"
#include "tpm/session.h"
#include "tpm/srk.h"

/*
 * What is being made: in the TPM, or @from a private key, or it is in @pair already; with a
 * @backup to be given away; in place of the @old one; @later when it is bound to PCR values
 * to come. In software, the private part of @from becomes a secret of @ring.
 */
struct making {
	struct sr_tpm *tpm;
	const struct sr_key_options *options;
	const struct sr_private *from;
	struct sr_tpmkey *pair;
	const struct sr_ask *ask;
	const struct sr_buf *backup;
	const struct sr_key *old;
	struct sr_key *key;
	struct sr_policy policy;
	struct sr_approvers approvers;
	bool later;
	bool imported;
	struct sr_ring *ring;
};

static int give_new_pin(void *arg, const char *name, struct sr_secret *ret,
			struct sr_err *err)
{
	const struct sr_secret *pin = arg;

	(void)name;
	return sr_secret_copy(pin->data, pin->size, ret, err);
}

static struct sr_ask ask_new_pin(const struct sr_secret *pin)
{
	return (struct sr_ask){ .pin = give_new_pin, .arg = (void *)pin };
}

static bool is_present(const struct sr_pcrs *wanted, const struct sr_pcrs *present)
{
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (present->mask & 1U << pcr &&
		    memcmp(wanted->value[pcr], present->value[pcr],
			   sr_bank_size(present->bank)) != 0)
			return false;
	return true;
}

static int make_policy(struct making *making, struct sr_err *err)
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

static int make_object(struct making *making, const struct sr_handle *parent,
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

static int approve(const struct making *making, struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	int r = sr_ring_approvals(making->ring, &approvals, err);

	return r < 0 ? r
		     : sr_key_approve(making->key, making->ring, &approvals,
				      &making->approvers, false, err);
}

/* What it has becomes the key's; @pair is released empty. */
static int take_pair(struct making *making, const struct sr_handle *parent,
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

static int make(struct making *making, struct sr_err *err)
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
	if (r == -EBADMSG && making->pair)
		return sr_fail(err, -EREMOTE,
			       "not made under the storage key 0x%x of this TPM, or "
			       "damaged",
			       SR_SRK_HANDLE);
	return r;
}

/* ---- in software ---- */

static int prove_software(const struct sr_key *key, const struct sr_private *value,
			  struct sr_err *err)
{
	static const struct sr_digest digest = { .size = 32 };
	struct sr_scheme scheme = sr_ssh_scheme(key->type);
	_cleanup_buf_ struct sr_buf unused = { 0 };
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	int r = sr_pubkey_evp(&key->file->pub, &pub, err);

	return r < 0 ? r
		     : sr_software_sign(key, pub, &value->value, &scheme, &digest,
					&unused, err);
}

static int make_software(struct making *making, struct sr_err *err)
{
	struct sr_key *key = making->key;
	struct sr_ring_info ring;
	int r = sr_ring_info(making->ring, &ring, err);

	if (r < 0)
		return r;
	(void)snprintf(key->ring, sizeof(key->ring), "%s", ring.name);
	key->file->pub = making->from->pub;
	key->file->empty_auth = true;
	r = sr_key_describe(key, err);
	if (r == 0)
		r = prove_software(key, making->from, err);
	return r < 0 ? r : sr_software_store(key, making->ring, making->from, err);
}

static int check_software(const struct sr_key_options *options, struct sr_err *err)
{
	if (options->exportable)
		return sr_fail(err, -EINVAL,
			       "a key in software goes elsewhere with its ring: tpm-ring "
			       "export");
	if (options->pcrs || options->pin)
		return sr_fail(
		    err, -EINVAL,
		    "a key in software has no PCRs and no PIN of its own: they "
		    "are its ring's");
	if (options->usage & SR_KEY_DECRYPT)
		return sr_fail(err, -EINVAL,
			       "a key in software only signs: rsa2048, p256 and others "
			       "of the TPM decrypt");
	return 0;
}

static int find_ring(struct making *making, struct sr_err *err)
{
	const struct sr_key_options *options = making->options;

	making->ring = options->ring;
	if (making->ring)
		return 0;
	return options->open_ring ? options->open_ring(options->arg, &making->ring, err)
				  : sr_fail(err, -EINVAL, "it takes a ring");
}

/* ---- either ---- */

static int check_options(const char *name, const struct sr_key_type *type,
			 const struct sr_key_options *options, struct sr_err *err)
{
	unsigned int known = SR_KEY_SIGN | SR_KEY_DECRYPT;

	if (strlen(name) == SR_NAME_MAX &&
	    strspn(name, "0123456789abcdefABCDEF") == SR_NAME_MAX)
		return sr_fail(err, -EINVAL,
			       "64 hexadecimal digits are a fingerprint, not a name");
	if (options->usage & ~known)
		return sr_fail(err, -EINVAL, "no such usage of a key");
	if (type->software)
		return check_software(options, err);
	if (options->exportable && (options->pcrs || options->bind))
		return sr_fail(err, -EINVAL,
			       "a key that may move to another TPM can't be bound to the "
			       "boot state of this one: leave out one of both");
	if (options->bind && options->pcrs)
		return sr_fail(err, -EINVAL,
			       "a key is bound to PCRs for good, or to a ring as it is "
			       "re-sealed: not to both");
	if (options->pin && (options->pin->size == 0 || options->pin->size > SR_PIN_MAX))
		return sr_fail(err, -EINVAL, "a PIN has 1 to %d bytes", SR_PIN_MAX);
	return 0;
}

/* From when the key works, and until it is there: nobody is without what they count on. */
static int give_backup(const struct making *making, struct sr_err *err)
{
	const struct sr_key_backup *to = making->options->backup;

	return making->backup
		   ? to->save(to->arg, making->backup->data, making->backup->size, err)
		   : 0;
}

/* NAME.pem decides: what the old key has is kept before, and leaves the name after. */
static int write_key(const struct making *making, int dir, struct sr_err *err)
{
	const struct sr_key *key = making->key, *old = making->old;
	int r = old ? sr_keystore_keep(dir, key->name, old->version, err) : 0;

	if (r == 0)
		r = sr_key_write(key, dir, err);
	if (r == 0 && old)
		r = sr_keystore_renewed(dir, key->name, err);
	return r < 0 ? r : sr_key_write_public(key, dir, err);
}

/* Nobody else can make a key of that name meanwhile. The lock of the rings goes first. */
static int make_and_write(struct sr_store *store, struct making *making,
			  struct sr_err *err)
{
	_cleanup_close_ int rings = -1, dir = -1;
	bool software = making->key->type->software;
	int r = making->ring ? sr_ring_lock(making->ring, &rings, err) : 0;

	if (r == 0 && making->options->bind && !software)
		r = sr_approvers_ready(making->ring, &making->approvers, err);
	if (r == 0)
		r = sr_keystore_lock(store, &dir, err);
	if (r == 0)
		r = making->old ? sr_rotate_check(store, making->old, err)
				: sr_keystore_begin(dir, making->key->name, err);
	if (r == 0)
		r = software ? make_software(making, err) : make(making, err);
	if (r == 0)
		r = give_backup(making, err);
	return r < 0 ? r : write_key(making, dir, err);
}

static int make_key(struct sr_store *store, struct making *making, const char *name,
		    const struct sr_key_type *type, struct sr_key **ret,
		    struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	int r = sr_name_check(name, "key", err);

	if (r == 0)
		r = check_options(name, type, making->options, err);
	if (r == 0 && (type->software || making->options->bind))
		r = find_ring(making, err);
	if (r < 0)
		return r;
	key = sr_key_new(name);
	if (key)
		key->file = sr_tpmkey_new();
	if (!key || !key->file)
		return sr_fail_memory(err);
	key->store = store;
	key->type = type;
	key->version = making->old ? making->old->version + 1 : 1;
	key->imported = making->imported;
	making->key = key;
	r = sr_key_set_tags(key, making->options->tags, making->options->tag_count, err);
	if (r == 0)
		r = make_and_write(store, making, err);
	sr_approvers_done(&making->approvers);
	if (r < 0)
		return r == -EEXIST ? r : sr_fail_key(key, r, err);
	*ret = take(key);
	return 0;
}

static int generate_outside(const struct sr_key_type *type,
			    const struct sr_key_backup *to, struct sr_private *ret,
			    struct sr_buf *backup, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret pkcs8 = { 0 };
	int r = sr_private_generate(type, &pkcs8, err);

	if (r == 0)
		r = sr_escrow_seal(&pkcs8, to->owners, backup, err);
	return r < 0 ? r : sr_private_read(&pkcs8, NULL, ret, err);
}

static int generate(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		    const struct sr_key_options *options, const struct sr_key *old,
		    struct sr_key **ret, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_find(options->type ?: "p256");
	_cleanup_(sr_private_done) struct sr_private from = { 0 };
	struct sr_ask ask = ask_new_pin(options->pin);
	struct making making = {
		.tpm = tpm, .options = options, .ask = &ask, .old = old
	};
	_cleanup_buf_ struct sr_buf backup = { 0 };
	int r = 0;

	if (!type)
		return sr_fail(err, -EINVAL,
			       "no keys of type \"%s\": tpm-sign algs shows which there "
			       "are",
			       options->type);
	if (type->software) {
		making.from = &from;
		r = options->backup ? sr_fail(err, -EINVAL,
					      "a key in software is recovered with its "
					      "ring: it takes no --backup")
				    : sr_softkey_generate(type, &from, err);
	} else if (options->backup) {
		making.from = &from;
		making.backup = &backup;
		r = generate_outside(type, options->backup, &from, &backup, err);
	}
	return r < 0 ? r : make_key(store, &making, name, type, ret, err);
}

int sr_key_generate(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		    const struct sr_key_options *options, struct sr_key **ret,
		    struct sr_err *err)
{
	return generate(store, tpm, name, options, NULL, ret, err);
}

int sr_key_import(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		  const struct sr_secret *private_key, const struct sr_ask *passphrase,
		  const struct sr_key_options *options, struct sr_key **ret,
		  struct sr_err *err)
{
	_cleanup_(sr_private_done) struct sr_private from = { 0 };
	struct sr_ask ask = ask_new_pin(options->pin);
	struct making making = {
		.tpm = tpm,
		.options = options,
		.from = &from,
		.imported = true,
		.ask = &ask,
	};
	int r;

	r = sr_private_read(private_key, passphrase, &from, err);
	if (r == 0)
		r = make_key(store, &making, name, sr_key_type_of(&from.pub), ret, err);
	return r == 0 && from.certificates
		   ? sr_key_install(store, *ret, from.certificates,
				    strlen(from.certificates), err)
		   : r;
}

/* Of a policy there is but the digest. */
static int read_pair(const struct sr_key_pair *pair, struct sr_tpmkey *ret,
		     struct sr_err *err)
{
	const TPMT_PUBLIC *area = &ret->pub.publicArea;
	size_t pub_used = 0, priv_used = 0;

	if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(pair->pub, pair->pub_size, &pub_used,
					   &ret->pub) != TSS2_RC_SUCCESS ||
	    pub_used != pair->pub_size)
		return sr_fail(err, -EBADMSG, "the public part is no TPM2B_PUBLIC");
	if (Tss2_MU_TPM2B_PRIVATE_Unmarshal(pair->priv, pair->priv_size, &priv_used,
					    &ret->priv) != TSS2_RC_SUCCESS ||
	    priv_used != pair->priv_size)
		return sr_fail(err, -EBADMSG, "the private part is no TPM2B_PRIVATE");
	if (!sr_key_type_of(&ret->pub) || sr_key_type_of(&ret->pub)->software)
		return sr_fail(err, -EBADMSG, "none of the kinds of keys that there are");
	if (area->authPolicy.size > 0 ||
	    !(area->objectAttributes & TPMA_OBJECT_USERWITHAUTH))
		return sr_fail(err, -EBADMSG,
			       "it is bound to a policy, which such files do not tell: "
			       "only its digest");
	ret->type = SR_TPMKEY_LOADABLE;
	ret->has_empty_auth = true;
	ret->empty_auth = !pair->pin;
	ret->parent = SR_SRK_HANDLE;
	return 0;
}

int sr_key_adopt(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		 const struct sr_key_pair *pair, const struct sr_ask *ask,
		 struct sr_key **ret, struct sr_err *err)
{
	static const struct sr_key_options none = { 0 };
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *file = sr_tpmkey_new();
	struct making making = { .tpm = tpm, .options = &none, .pair = file, .ask = ask };
	int r = file ? read_pair(pair, file, err) : sr_fail_memory(err);

	return r < 0
		   ? r
		   : make_key(store, &making, name, sr_key_type_of(&file->pub), ret, err);
}

bool sr_key_is_file(const struct sr_secret *content)
{
	static const char head[] = "-----BEGIN TSS2 PRIVATE KEY-----";

	return content->size > 0 &&
	       memmem(content->data, content->size, head, strlen(head));
}

int sr_key_adopt_file(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		      const struct sr_secret *content, const struct sr_ask *ask,
		      struct sr_key **ret, struct sr_err *err)
{
	static const struct sr_key_options none = { 0 };
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *file = NULL;
	struct making making = { .tpm = tpm, .options = &none, .ask = ask };
	int r =
	    sr_tpmkey_read(&(struct sr_buf){ content->data, content->size }, &file, err);

	if (r == 0 && (file->type == SR_TPMKEY_SEALED || !sr_key_type_of(&file->pub) ||
		       sr_key_type_of(&file->pub)->software))
		r = sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	if (r == 0 && file->signed_count > 0)
		r = sr_fail(
		    err, -EBADMSG,
		    "it follows a ring, whose name is in its text: copy the file");
	if (r < 0)
		return r;
	making.pair = file;
	return make_key(store, &making, name, sr_key_type_of(&file->pub), ret, err);
}

int sr_tpm_has_type(struct sr_tpm *tpm, const char *name, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_find(name);

	return type ? sr_tpm_takes(tpm, type, err)
		    : sr_fail(err, -EINVAL, "no keys of type \"%s\"", name);
}

/* Whether the key is still there; a file that is not in the store has no lock. */
static int lock_key(struct sr_store *store, const struct sr_key *key, int *ret,
		    struct sr_err *err)
{
	char file[SR_KEY_FILE];
	int r;

	if (strchr(key->name, '/'))
		return 0;
	r = sr_keystore_lock(store, ret, err);
	if (r < 0)
		return r;
	sr_keystore_file(key->name, ".pem", file);
	if (faccessat(*ret, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT ? sr_fail(err, -ENOKEY, "it is not there any more")
			       : sr_fail_sys(err, errno, "cannot look for %s", file);
}

/* The ring of a software key, locked; nothing for others, or if it is no more. */
static int lock_ring(struct sr_store *store, const char *name, struct sr_key **key,
		     struct sr_ring **ring, int *lock, struct sr_err *err)
{
	int r = sr_key_load(store, name, key, err);

	/* A key whose file is damaged can be removed all the same. */
	if (r < 0)
		return r == -EBADMSG || r == -ENOKEY ? 0 : r;
	if (!(*key)->type->software || !(*key)->ring[0])
		return 0;
	r = sr_ring_load(store, (*key)->ring, ring, err);
	if (r == 0)
		r = sr_ring_lock(*ring, lock, err);
	return r == -ENOKEY ? 0 : r;
}

/* Another file may be of the same key. */
static int remove_private(struct sr_store *store, const struct sr_key *key,
			  struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **names = NULL;
	char spki[SR_FINGERPRINT_TEXT], other[SR_FINGERPRINT_TEXT];
	int r = sr_key_spki(key, spki, err);

	if (r == 0)
		r = sr_store_keys(store, &names, err);
	for (char **name = names; r >= 0 && *name; name++) {
		_cleanup_key_ struct sr_key *found = NULL;

		if (strcmp(*name, key->name) != 0 &&
		    sr_key_load(store, *name, &found, NULL) == 0 &&
		    found->type->software && sr_key_spki(found, other, NULL) == 0 &&
		    strcmp(spki, other) == 0)
			return 0;
	}
	return r < 0 ? r : sr_software_remove(key, ring, err);
}

static int remove_privates(struct sr_store *store, const struct sr_key *key,
			   struct sr_ring *ring, struct sr_err *err)
{
	unsigned int version = key->version;
	char name[SR_KEY_NAME + 1];
	int r = 0;

	while (r >= 0 && (version = sr_key_older(store, key, version))) {
		_cleanup_key_ struct sr_key *older = NULL;

		sr_keystore_older(key->name, version, name);
		if (sr_key_load(store, name, &older, NULL) == 0 && older->type->software)
			r = remove_private(store, older, ring, err);
	}
	return r < 0 ? r : remove_private(store, key, ring, err);
}

/* The private part first: it must not outlive what a killed program removed. */
int sr_key_remove(struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = sr_key_new(name), *loaded = NULL;
	_cleanup_(sr_ring_freep) struct sr_ring *ring = NULL;
	_cleanup_close_ int rings = -1, dir = -1;
	int r = sr_keystore_check(name, err);

	if (r < 0)
		return r;
	if (!key)
		return sr_fail_memory(err);
	r = lock_ring(store, name, &loaded, &ring, &rings, err);
	if (r == 0)
		r = lock_key(store, key, &dir, err);
	if (r == -ENOKEY)
		return sr_fail(err, r, "no key \"%s\" in %s: tpm-sign list shows all",
			       name, sr_store_path(store));
	if (r == 0 && ring)
		r = remove_privates(store, loaded, ring, err);
	return r < 0 ? r : sr_keystore_remove(dir, name, err);
}

static int change_pin(struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		      const struct sr_secret *pin, struct sr_err *err)
{
	_cleanup_signer_ struct sr_signer signer = SR_SIGNER(tpm);
	int r;

	if (key->type->software)
		return sr_fail(
		    err, -EINVAL,
		    "a key in software has no PIN of its own: tpm-reseal now %s "
		    "--pin gives its ring one",
		    key->ring);
	if (!sr_key_needs_pin(key))
		return sr_fail(err, -EINVAL,
			       "it takes no PIN, and the TPM would not slow down "
			       "guessing one: make a new key with --pin");
	if (pin->size == 0 || pin->size > SR_PIN_MAX)
		return sr_fail(err, -EINVAL, "a PIN has 1 to %d bytes", SR_PIN_MAX);
	r = sr_signer_open(key, tpm, ask, SR_SIGNER_ADMIN, &signer, err);
	return r < 0 ? r
		     : sr_key_rewrap(&signer.session, &signer.parent, &signer.object, pin,
				     key->file, err);
}

/* The PCRs that it is bound to need not hold for that, and so can't be counted on. */
static int prove_changed(const struct sr_key *key, struct sr_tpm *tpm,
			 const struct sr_secret *pin, struct sr_err *err)
{
	bool later = key->pinned && key->file->policy.count > 0;
	struct sr_ask ask = ask_new_pin(pin);

	return sr_key_prove(key, tpm, &ask, later, err);
}

/* Meanwhile its ring may have been sealed anew, or its PIN changed. */
static int read_again(struct sr_key *key, int dir, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *again = sr_key_new(key->name);
	_cleanup_buf_ struct sr_buf content = { 0 };
	struct sr_tpmkey *old = key->file;
	char file[SR_KEY_FILE];
	int r;

	if (dir < 0)
		return 0;
	sr_keystore_file(key->name, ".pem", file);
	r = again ? sr_read_file(dir, file, SR_TPMKEY_MAX, &content, err)
		  : sr_fail_memory(err);
	if (r == 0)
		r = sr_key_read(again, &content, err);
	if (r < 0)
		return r;
	key->file = again->file;
	again->file = old;
	free(key->text);
	key->text = take(again->text);
	return 0;
}

int sr_key_change_pin(struct sr_store *store, struct sr_key *key, struct sr_tpm *tpm,
		      const struct sr_ask *ask, const struct sr_secret *pin,
		      struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	int r = lock_key(store, key, &dir, err);

	if (r == 0)
		r = read_again(key, dir, err);
	if (r == 0)
		r = change_pin(key, tpm, ask, pin, err);
	if (r == 0)
		r = prove_changed(key, tpm, pin, err);
	if (r == 0)
		r = sr_key_write(key, dir, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}

/* A wrong PIN would become that of the new key. The PCRs may have moved meanwhile. */
static int check_pin(struct sr_key *old, struct sr_tpm *tpm, const struct sr_ask *ask,
		     struct sr_secret *ret, struct sr_err *err)
{
	struct sr_ask again = ask_new_pin(ret);
	int r;

	if (old->type->software || !sr_key_needs_pin(old))
		return 0;
	if (!ask || !ask->pin)
		return sr_fail(err, -EACCES,
			       "it takes a PIN: give it on a terminal or with "
			       "--pin-file");
	r = ask->pin(ask->arg, old->name, ret, err);
	return r < 0 ? r : change_pin(old, tpm, &again, ret, err);
}

int sr_key_rotate(struct sr_store *store, struct sr_key *old, struct sr_tpm *tpm,
		  const struct sr_ask *ask, const struct sr_key_options *options,
		  struct sr_key **ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret pin = { 0 };
	struct sr_key_options same = *options;
	char pcrs[SR_PCRS_TEXT];
	int r = sr_rotate_options(old, &same, pcrs, err);

	if (r == 0)
		r = check_pin(old, tpm, ask, &pin, err);
	if (r < 0)
		return sr_fail_key(old, r, err);
	same.pin = pin.size > 0 ? &pin : NULL;
	return generate(store, tpm, old->name, &same, old, ret, err);
}
