/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys come and go: made, imported, given another PIN, removed. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "ground/parse.h"
#include "signer.h"
#include "tpm/pcr.h"
#include "tpm/session.h"
#include "tpm/srk.h"

#define PROOF_SIZE 32 /* bytes that are signed or encrypted for a try */

SR_DEFINE_CLEANUP(pkey_ctx_freep, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

/* What is being made; @later when it is bound to PCR values to come. */
struct making {
	struct sr_tpm *tpm;
	const struct sr_key_options *options;
	const struct sr_private *from;
	struct sr_key *key;
	struct sr_policy policy;
	bool later;
};

static int give_new_pin(void *arg, const char *name, struct sr_secret *ret,
			struct sr_err *err)
{
	const struct sr_secret *pin = arg;

	(void)name;
	return sr_secret_copy(pin->data, pin->size, ret, err);
}

static int encrypt_for(EVP_PKEY *pub, const struct sr_secret *plain,
		       struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);
	size_t size = (size_t)EVP_PKEY_get_size(pub);
	int r = sr_secret_alloc(size, ret, err);

	if (r < 0)
		return r;
	if (!ctx || EVP_PKEY_encrypt_init(ctx) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) <= 0 ||
	    EVP_PKEY_encrypt(ctx, ret->data, &size, plain->data, plain->size) <= 0)
		return sr_fail_libcrypto(err, "encrypting");
	return 0;
}

static int prove_decrypts(struct sr_signer *signer, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret plain = { 0 }, cipher = { 0 }, found = { 0 };
	int r = sr_secret_random(PROOF_SIZE, &plain, err);

	if (r == 0)
		r = encrypt_for(signer->pub, &plain, &cipher, err);
	if (r == 0)
		r = sr_signer_decrypt(signer, TPM2_ALG_SHA256, &cipher, &found, err);
	if (r == 0 && !sr_secret_equal(&plain, &found))
		r = sr_fail(err, -EIO, "the TPM decrypts to other bytes");
	return r;
}

static int prove_signs(struct sr_signer *signer, struct sr_err *err)
{
	static const struct sr_scheme scheme = { .hash = TPM2_ALG_SHA256 };
	static const struct sr_digest digest = { .size = PROOF_SIZE };
	_cleanup_buf_ struct sr_buf unused = { 0 };

	return sr_signer_sign(signer, &scheme, &digest, true, &unused, err);
}

static bool signs(const struct sr_key *key)
{
	return key->file->pub.publicArea.objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT;
}

static int prove_works(const struct sr_key *key, struct sr_tpm *tpm,
		       const struct sr_secret *pin, struct sr_err *err)
{
	_cleanup_signer_ struct sr_signer signer = SR_SIGNER(tpm);
	struct sr_ask ask = { .pin = give_new_pin, .arg = (void *)pin };
	int r = sr_signer_open(key, tpm, &ask,
			       signs(key) ? SR_SIGNER_PLAIN : SR_SIGNER_ENCRYPTED,
			       &signer, err);

	if (r < 0)
		return r;
	return signs(key) ? prove_signs(&signer, err) : prove_decrypts(&signer, err);
}

/* What is for a boot state to come can't be used now: that it loads is all there is. */
static int prove(const struct sr_key *key, struct sr_tpm *tpm,
		 const struct sr_secret *pin, bool later, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(tpm);
	int r;

	if (!later)
		return prove_works(key, tpm, pin, err);
	r = sr_srk_pin(tpm, key->file->parent, &key->parent, &parent, err);
	return r < 0 ? r : sr_object_loads(&parent, key->file, err);
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
	};
	int r = sr_session_start(making->tpm, TPM2_SE_HMAC, parent, &session, err);

	if (r < 0)
		return r;
	return making->from
		   ? sr_key_wrap(&session, parent, &shape, making->from, key->file, err)
		   : sr_key_create(&session, parent, &shape, key->file, err);
}

static int make(struct making *making, struct sr_err *err)
{
	_cleanup_handle_ struct sr_handle parent = SR_HANDLE(making->tpm);
	struct sr_key *key = making->key;
	int r = make_policy(making, err);

	if (r == 0)
		r = sr_srk_get(making->tpm, &key->parent, &parent, err);
	if (r == 0)
		r = make_object(making, &parent, err);
	if (r < 0)
		return r;
	key->file->parent = SR_SRK_HANDLE;
	r = sr_key_describe(key, err);
	if (r == 0)
		r = prove(key, making->tpm, making->options->pin, making->later, err);
	return r;
}

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
	if (options->usage & SR_KEY_DECRYPT && type->alg != TPM2_ALG_RSA)
		return sr_fail(err, -EINVAL,
			       "only RSA keys decrypt: choose rsa2048 or another");
	if (options->pin && (options->pin->size == 0 || options->pin->size > SR_PIN_MAX))
		return sr_fail(err, -EINVAL, "a PIN has 1 to %d bytes", SR_PIN_MAX);
	return 0;
}

/* Nobody else can make a key of that name meanwhile. */
static int make_and_write(struct sr_store *store, struct making *making,
			  struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	int r = sr_keystore_lock(store, &dir, err);

	if (r == 0)
		r = sr_keystore_begin(dir, making->key->name, err);
	if (r == 0)
		r = make(making, err);
	if (r == 0)
		r = sr_key_write(making->key, dir, err);
	return r < 0 ? r : sr_key_write_public(making->key, dir, err);
}

static int make_key(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		    const struct sr_key_type *type, const struct sr_private *from,
		    const struct sr_key_options *options, struct sr_key **ret,
		    struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = NULL;
	struct making making = { .tpm = tpm, .options = options, .from = from };
	int r = sr_name_check(name, "key", err);

	if (r == 0)
		r = check_options(name, type, options, err);
	if (r < 0)
		return r;
	key = sr_key_new(name);
	if (key)
		key->file = sr_tpmkey_new();
	if (!key || !key->file)
		return sr_fail_memory(err);
	key->type = type;
	making.key = key;
	r = make_and_write(store, &making, err);
	if (r < 0)
		return r == -EEXIST ? r : sr_fail_key(key, r, err);
	*ret = take(key);
	return 0;
}

int sr_key_generate(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		    const struct sr_key_options *options, struct sr_key **ret,
		    struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_find(options->type ?: "p256");

	if (!type)
		return sr_fail(err, -EINVAL,
			       "no keys of type \"%s\": tpm-sign algs shows which there "
			       "are",
			       options->type);
	return make_key(store, tpm, name, type, NULL, options, ret, err);
}

int sr_key_import(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		  const struct sr_secret *private_key, const struct sr_ask *passphrase,
		  const struct sr_key_options *options, struct sr_key **ret,
		  struct sr_err *err)
{
	_cleanup_(sr_private_done) struct sr_private from = { 0 };
	int r = sr_private_read(private_key, passphrase, &from, err);

	if (r == 0)
		r = make_key(store, tpm, name, sr_key_type_of(&from.pub), &from, options,
			     ret, err);
	return r == 0 && from.certificates
		   ? sr_key_install(store, *ret, from.certificates,
				    strlen(from.certificates), err)
		   : r;
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

int sr_key_remove(struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *key = sr_key_new(name);
	_cleanup_close_ int dir = -1;
	int r = sr_name_check(name, "key", err);

	if (r < 0)
		return r;
	if (!key)
		return sr_fail_memory(err);
	r = lock_key(store, key, &dir, err);
	if (r == -ENOKEY)
		return sr_fail(err, r, "no key \"%s\" in %s: tpm-sign list shows all",
			       name, sr_store_path(store));
	return r < 0 ? r : sr_keystore_remove(dir, name, err);
}

static int change_pin(struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		      const struct sr_secret *pin, struct sr_err *err)
{
	_cleanup_signer_ struct sr_signer signer = SR_SIGNER(tpm);
	int r;

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

	return prove(key, tpm, pin, later, err);
}

int sr_key_change_pin(struct sr_store *store, struct sr_key *key, struct sr_tpm *tpm,
		      const struct sr_ask *ask, const struct sr_secret *pin,
		      struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	int r = lock_key(store, key, &dir, err);

	if (r == 0)
		r = change_pin(key, tpm, ask, pin, err);
	if (r == 0)
		r = prove_changed(key, tpm, pin, err);
	if (r == 0)
		r = sr_key_write(key, dir, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}
