/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signing and verifying: what is asked for, brought into the form of the TPM. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

#include "ground/parse.h"
#include "signer.h"
#include "software.h"

#define CHUNK 65536 /* bytes that are hashed at a time */

SR_DEFINE_CLEANUP(md_ctx_freep, EVP_MD_CTX *, EVP_MD_CTX_free)

static bool signs_messages(const struct sr_key *key)
{
	return key->type->alg == SR_ALG_EDDSA;
}

static bool is_ssh(const struct sr_sign_options *options)
{
	return options->form == SR_SIGNATURE_SSH;
}

const char *sr_key_hash(const struct sr_key *key, const struct sr_sign_options *options,
			struct sr_err *err)
{
	const char *hash = options->hash     ? options->hash
			   : is_ssh(options) ? "sha512"
					     : key->type->hash;
	struct sr_scheme scheme = { .hash = sr_bank_parse(hash) };

	if (signs_messages(key) && !is_ssh(options)) {
		if (!options->hash || strcmp(options->hash, "none") == 0)
			return "none";
		(void)sr_fail(err, -EINVAL,
			      "a key of type %s signs the message itself: leave out the "
			      "hash",
			      key->type->name);
		return NULL;
	}
	if (!sr_scheme_md(&scheme)) {
		(void)sr_fail(err, -EINVAL,
			      "no hash \"%s\" for signatures: sha256, sha384 or sha512",
			      hash);
		return NULL;
	}
	if (is_ssh(options) && scheme.hash == TPM2_ALG_SHA384) {
		(void)sr_fail(err, -EINVAL,
			      "OpenSSH's signatures take sha256 or sha512, not sha384");
		return NULL;
	}
	return hash;
}

int sr_sign_check(const struct sr_key *key, const struct sr_sign_options *options,
		  struct sr_err *err)
{
	const char *space = options->name_space;

	if (!(key->file->pub.publicArea.objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT))
		return sr_fail(err, -EINVAL, "it is for decryption, not for signatures");
	if (options->pss && (key->type->alg != TPM2_ALG_RSA || is_ssh(options)))
		return sr_fail(err, -EINVAL,
			       "PSS is for RSA keys, and not for OpenSSH's signatures");
	if (is_ssh(options) && !key->type->ssh)
		return sr_fail(err, -EINVAL, "OpenSSH has no keys of type %s",
			       key->type->name);
	if (options->form == SR_SIGNATURE_TSS && signs_messages(key))
		return sr_fail(err, -EINVAL,
			       "TPMs have no form for signatures of type %s",
			       key->type->name);
	if (space && (!*space || strlen(space) > SR_SSH_NAMESPACE_MAX))
		return sr_fail(err, -EINVAL, "a namespace has 1 to %d letters",
			       SR_SSH_NAMESPACE_MAX);
	return sr_key_hash(key, options, err) ? 0 : -EINVAL;
}

struct sr_scheme sr_sign_scheme(const struct sr_key *key,
				const struct sr_sign_options *options)
{
	if (is_ssh(options))
		return sr_ssh_scheme(key->type);
	return (struct sr_scheme){
		.hash = signs_messages(key)
			    ? TPM2_ALG_NULL
			    : sr_bank_parse(sr_key_hash(key, options, NULL)),
		.pss = options->pss,
	};
}

static struct sr_sshsig sshsig_of(const struct sr_key *key,
				  const struct sr_sign_options *options,
				  const struct sr_digest *digest)
{
	return (struct sr_sshsig){
		.name_space = options->name_space ?: "file",
		.hash = sr_bank_parse(sr_key_hash(key, options, NULL)),
		.digest = digest->data,
		.size = digest->size,
	};
}

/* What is signed for OpenSSH; @ret has the bytes of @bytes, or their hash. */
static int to_sign_ssh(const struct sr_key *key, const struct sr_sshsig *sig,
		       struct sr_buf *bytes, struct sr_digest *ret, struct sr_err *err)
{
	struct sr_scheme scheme = sr_ssh_scheme(key->type);
	unsigned int size = 0;
	int r = sr_sshsig_signed(sig, bytes, err);

	*ret = (struct sr_digest){ 0 };
	if (r < 0)
		return r;
	if (signs_messages(key)) {
		ret->message = bytes->data;
		ret->message_size = bytes->size;
		return 0;
	}
	if (EVP_Digest(bytes->data, bytes->size, ret->data, &size, sr_scheme_md(&scheme),
		       NULL) != 1)
		return sr_fail_libcrypto(err, "hashing");
	ret->size = size;
	return 0;
}

int sr_sign_what(const struct sr_key *key, const struct sr_sign_options *options,
		 const struct sr_digest *digest, struct sr_buf *bytes,
		 struct sr_digest *ret, struct sr_err *err)
{
	const char *hash = sr_key_hash(key, options, NULL);
	struct sr_sshsig sig = sshsig_of(key, options, digest);

	*ret = *digest;
	if (strcmp(hash, "none") == 0)
		return digest->message ? 0
				       : sr_fail(err, -EINVAL,
						 "a key of type %s signs a message, not "
						 "its digest",
						 key->type->name);
	if (digest->size != sr_bank_size(sr_bank_parse(hash)))
		return sr_fail(err, -EINVAL, "a digest of %s has %zu bytes, not %zu",
			       hash, sr_bank_size(sr_bank_parse(hash)), digest->size);
	return is_ssh(options) ? to_sign_ssh(key, &sig, bytes, ret, err) : 0;
}

int sr_sign_form(const struct sr_key *key, const struct sr_sign_options *options,
		 const struct sr_digest *digest, struct sr_buf *der,
		 struct sr_signature *ret, struct sr_err *err)
{
	struct sr_sshsig sig = sshsig_of(key, options, digest);
	struct sr_scheme scheme = sr_sign_scheme(key, options);
	struct sr_buf form = { 0 };
	int r = 0;

	switch (options->form) {
	case SR_SIGNATURE_PLAIN:
		r = sr_signature_plain(der, key->type, &form, err);
		break;
	case SR_SIGNATURE_TSS:
		r = sr_signature_tss(der, key->type, &scheme, &form, err);
		break;
	case SR_SIGNATURE_SSH:
		r = sr_sshsig_write(&sig, &key->file->pub, der, &form, err);
		break;
	default:
		form = *der;
		*der = (struct sr_buf){ 0 };
	}
	if (r == 0)
		*ret = (struct sr_signature){ form.data, form.size };
	return r;
}

/* What signs: @signer, or in software @value. */
struct hand {
	const struct sr_key *key;
	struct sr_signer *signer;
	const struct sr_secret *value;
	EVP_PKEY *pub;
};

static int sign_one(const struct hand *hand, const struct sr_sign_options *options,
		    const struct sr_digest *digest, bool last, struct sr_signature *ret,
		    struct sr_err *err)
{
	struct sr_scheme scheme = sr_sign_scheme(hand->key, options);
	_cleanup_buf_ struct sr_buf der = { 0 }, bytes = { 0 };
	struct sr_digest what;
	int r = sr_sign_what(hand->key, options, digest, &bytes, &what, err);

	if (r == 0)
		r = hand->signer
			? sr_signer_sign(hand->signer, &scheme, &what, last, &der, err)
			: sr_software_sign(hand->key, hand->pub, hand->value, &scheme,
					   &what, &der, err);
	return r < 0 ? r : sr_sign_form(hand->key, options, digest, &der, ret, err);
}

static int sign_in_software(const struct sr_key *key, struct sr_tpm *tpm,
			    const struct sr_ask *ask,
			    const struct sr_sign_options *options,
			    const struct sr_digest *digests, size_t count,
			    struct sr_signature *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret value = { 0 };
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	int r = sr_pubkey_evp(&key->file->pub, &pub, err);
	struct hand hand = { .key = key, .value = &value, .pub = pub };

	if (r == 0)
		r = sr_software_open(key, key->store, tpm, ask, &value, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = sign_one(&hand, options, &digests[i], false, &ret[i], err);
	return r;
}

static int sign_all(const struct sr_key *key, struct sr_tpm *tpm,
		    const struct sr_ask *ask, const struct sr_sign_options *options,
		    const struct sr_digest *digests, size_t count,
		    struct sr_signature *ret, struct sr_err *err)
{
	_cleanup_signer_ struct sr_signer signer = SR_SIGNER(tpm);
	struct hand hand = { .key = key, .signer = &signer };
	int r = sr_sign_check(key, options, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		_cleanup_buf_ struct sr_buf bytes = { 0 };
		struct sr_digest unused;

		r = sr_sign_what(key, options, &digests[i], &bytes, &unused, err);
	}
	if (r == 0 && key->type->software)
		return sign_in_software(key, tpm, ask, options, digests, count, ret, err);
	if (r == 0)
		r = sr_signer_open(key, tpm, ask,
				   options->encrypt ? SR_SIGNER_ENCRYPTED
						    : SR_SIGNER_PLAIN,
				   &signer, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = sign_one(&hand, options, &digests[i], i + 1 == count, &ret[i], err);
	return r;
}

int sr_key_sign(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		const struct sr_sign_options *options, const struct sr_digest *digests,
		size_t count, struct sr_signature *ret, struct sr_err *err)
{
	int r;

	for (size_t i = 0; i < count; i++)
		ret[i] = (struct sr_signature){ 0 };
	r = key->elsewhere ? key->elsewhere->sign(key->elsewhere->arg, options, digests,
						  count, ret, err)
			   : sign_all(key, tpm, ask, options, digests, count, ret, err);
	for (size_t i = 0; r < 0 && i < count; i++)
		free(take(ret[i].data));
	return r < 0 && !key->elsewhere ? sr_fail_key(key, r, err) : r;
}

static int read_form(const struct sr_key *key, const struct sr_sign_options *options,
		     const struct sr_signature *signature, struct sr_buf *der,
		     struct sr_err *err)
{
	struct sr_buf form = { signature->data, signature->size };
	struct sr_scheme scheme = sr_sign_scheme(key, options);
	TPMI_ALG_HASH hash;
	int r;

	if (form.size == 0 || form.size > SR_SSHSIG_MAX)
		return sr_fail(err, -EBADMSG, "a signature has 1 to %d bytes",
			       SR_SSHSIG_MAX);
	switch (options->form) {
	case SR_SIGNATURE_PLAIN:
		return sr_signature_from_plain(&form, key->type, der, err);
	case SR_SIGNATURE_TSS:
		return sr_signature_from_tss(&form, key->type, &scheme, der, err);
	case SR_SIGNATURE_SSH:
		r = sr_sshsig_read(&form, &key->file->pub, options->name_space ?: "file",
				   &hash, der, err);
		if (r == 0 && hash != sr_bank_parse(sr_key_hash(key, options, NULL)))
			r = sr_fail(err, -EBADMSG,
				    "the signature is of another hash: choose it with "
				    "--hash");
		return r;
	default:
		der->data = malloc(form.size);
		if (!der->data)
			return sr_fail_memory(err);
		memcpy(der->data, form.data, form.size);
		der->size = form.size;
		return 0;
	}
}

static int verify(const struct sr_key *key, const struct sr_sign_options *options,
		  const struct sr_digest *digest, const struct sr_signature *signature,
		  struct sr_err *err)
{
	struct sr_scheme scheme = sr_sign_scheme(key, options);
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	_cleanup_buf_ struct sr_buf der = { 0 }, bytes = { 0 };
	const uint8_t *data;
	struct sr_digest what;
	size_t size;
	int r = sr_sign_what(key, options, digest, &bytes, &what, err);

	if (r == 0)
		r = read_form(key, options, signature, &der, err);
	if (r == 0)
		r = sr_pubkey_evp(&key->file->pub, &pub, err);
	data = sr_digest_data(&what, &size);
	if (r == 0)
		r = sr_signature_verify(pub, &scheme, data, size, &der, err);
	if (r < 0)
		return r;
	return r == 1 ? 0
		      : sr_fail(err, -EBADMSG,
				"the signature is not of this key, or not of these "
				"bytes");
}

int sr_key_verify(const struct sr_key *key, const struct sr_sign_options *options,
		  const struct sr_digest *digest, const struct sr_signature *signature,
		  struct sr_err *err)
{
	int r = sr_sign_check(key, options, err);

	if (r == 0)
		r = verify(key, options, digest, signature, err);
	return r < 0 ? sr_fail_key(key, r, err) : 0;
}

/* Twice as much room each time, up to one byte more than may be. */
static int read_message(int fd, const char *name, struct sr_digest *ret,
			struct sr_err *err)
{
	_cleanup_free_ uint8_t *message = NULL;
	size_t used = 0, room = CHUNK;
	ssize_t n;

	do {
		uint8_t *larger = realloc(message, room);

		if (!larger)
			return sr_fail_memory(err);
		message = larger;
		n = sr_read_full(fd, message + used, room - used);
		if (n < 0)
			return sr_fail_sys(err, errno, "cannot read %s", name);
		used += (size_t)n;
		room = room >= SR_MESSAGE_MAX ? SR_MESSAGE_MAX + 1 : 2 * room;
	} while (n > 0 && used <= SR_MESSAGE_MAX);
	if (used > SR_MESSAGE_MAX)
		return sr_fail(err, -EINVAL,
			       "%s: this kind of key signs messages of at most %d bytes",
			       name, SR_MESSAGE_MAX);
	*ret = (struct sr_digest){ .message = take(message), .message_size = used };
	return 0;
}

static int hash_message(int fd, const char *name, const char *hash, struct sr_digest *ret,
			struct sr_err *err)
{
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct sr_scheme scheme = { .hash = sr_bank_parse(hash) };
	_cleanup_free_ uint8_t *chunk = malloc(CHUNK);
	const EVP_MD *md = sr_scheme_md(&scheme);
	unsigned int size = 0;
	ssize_t n;

	if (!chunk)
		return sr_fail_memory(err);
	*ret = (struct sr_digest){ 0 };
	if (!ctx || !md || EVP_DigestInit_ex(ctx, md, NULL) != 1)
		return sr_fail_libcrypto(err, "hashing");
	while ((n = sr_read_full(fd, chunk, CHUNK)) > 0)
		if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
			return sr_fail_libcrypto(err, "hashing");
	if (n < 0)
		return sr_fail_sys(err, errno, "cannot read %s", name);
	if (EVP_DigestFinal_ex(ctx, ret->data, &size) != 1)
		return sr_fail_libcrypto(err, "hashing");
	ret->size = size;
	return 0;
}

int sr_digest_read(int fd, const char *name, const char *hash, struct sr_digest *ret,
		   struct sr_err *err)
{
	return strcmp(hash, "none") == 0 ? read_message(fd, name, ret, err)
					 : hash_message(fd, name, hash, ret, err);
}

void sr_digest_done(struct sr_digest *digest)
{
	free(digest->message);
	*digest = (struct sr_digest){ 0 };
}
