/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests for certificates, and certificates that a key signs for itself. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "ground/parse.h"
#include "signer.h"

#define PART_MAX 256   /* bytes in one part of a subject */
#define SERIAL_SIZE 16 /* random bytes in a serial number */
#define BACKDATED 300  /* seconds: clocks differ */

SR_DEFINE_CLEANUP(x509_freep, X509 *, X509_free)
SR_DEFINE_CLEANUP(request_freep, X509_REQ *, X509_REQ_free)
SR_DEFINE_CLEANUP(name_freep, X509_NAME *, X509_NAME_free)
SR_DEFINE_CLEANUP(algor_freep, X509_ALGOR *, X509_ALGOR_free)
SR_DEFINE_CLEANUP(bio_freep, BIO *, BIO_free_all)
SR_DEFINE_CLEANUP(bn_freep, BIGNUM *, BN_free)

static void extensions_free(STACK_OF(X509_EXTENSION) * list)
{
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

static void openssl_free(void *data)
{
	OPENSSL_free(data);
}

typedef STACK_OF(X509_EXTENSION) extensions;

SR_DEFINE_CLEANUP(extensions_freep, extensions *, extensions_free)
SR_DEFINE_CLEANUP(openssl_freep, unsigned char *, openssl_free)

/* What is signed, and where the signature goes. */
struct work {
	const struct sr_key *key;
	struct sr_tpm *tpm;
	const struct sr_ask *ask;
	const struct sr_subject *subject;
	const struct sr_sign_options *options;
};

/* -- the subject -------------------------------------------------------------------- */

/* False at the end of a part, and where a backslash has nothing behind it. */
static bool next_letter(const char **at, char *ret)
{
	const char *from = **at == '\\' ? *at + 1 : *at;

	if (!*from || **at == '/' || **at == '+')
		return false;
	*ret = *from;
	*at = from + 1;
	return true;
}

/*
 * One "CN=example.org", up to a slash or a plus; behind a plus it is of the same
 * RelativeDistinguishedName as the one before.
 */
static int add_part(const char **at, X509_NAME *to, struct sr_err *err)
{
	bool joins = *(*at)++ == '+';
	char part[PART_MAX], *value;
	size_t used = 0;

	while (used < sizeof(part) && next_letter(at, &part[used]))
		used++;
	if (used == sizeof(part))
		return sr_fail(err, -EINVAL,
			       "a part of the subject is longer than %d bytes",
			       PART_MAX - 1);
	if (**at == '\\')
		return sr_fail(err, -EINVAL,
			       "subject: nothing is behind the backslash at its end");
	part[used] = '\0';
	value = strchr(part, '=');
	if (!value || value == part)
		return sr_fail(
		    err, -EINVAL,
		    "subject: \"%s\" is not NAME=VALUE, as in /CN=example.org; "
		    "a slash or a plus that is meant has a backslash before it",
		    part);
	*value++ = '\0';
	if (X509_NAME_add_entry_by_txt(to, part, MBSTRING_UTF8,
				       (const unsigned char *)value, -1, -1,
				       joins ? -1 : 0) == 1)
		return 0;
	ERR_clear_error();
	return sr_fail(err, -EINVAL, "subject: %s cannot be \"%s\"", part, value);
}

static int make_name(const char *text, X509_NAME **ret, struct sr_err *err)
{
	_cleanup_(name_freep) X509_NAME *name = X509_NAME_new();
	int r = 0;

	if (!name)
		return sr_fail_libcrypto(err, "making a subject");
	if (*text != '/' || !text[1])
		return sr_fail(err, -EINVAL,
			       "subject: begins with a slash, as in /CN=example.org");
	while (r == 0 && text[0] && text[1])
		r = add_part(&text, name, err);
	if (r == 0)
		*ret = take(name);
	return r;
}

static int add_extension(extensions **to, int nid, const char *value, struct sr_err *err)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, 0);
	extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	if (!extension) {
		ERR_clear_error();
		return sr_fail(err, -EINVAL, "%s cannot be \"%s\"", OBJ_nid2ln(nid),
			       value);
	}
	if (!X509v3_add_ext(to, extension, -1)) {
		X509_EXTENSION_free(extension);
		return sr_fail_libcrypto(err, "making a certificate");
	}
	X509_EXTENSION_free(extension);
	return 0;
}

/* A comma would begin another name, and "@" a section of a file. */
static int check_alt_name(const char *name, struct sr_err *err)
{
	return strchr(name, ':') && !strpbrk(name, ",@") ? 0
	       : strncmp(name, "email:", 6) == 0 && !strchr(name, ',')
		   ? 0
		   : sr_fail(err, -EINVAL,
			     "alternative name \"%s\": is TYPE:NAME, as in "
			     "DNS:example.org",
			     name);
}

static int add_alt_names(const struct sr_subject *subject, extensions **to,
			 struct sr_err *err)
{
	_cleanup_free_ char *list = NULL;
	size_t size;
	FILE *out;
	int r = 0;

	if (subject->alt_count == 0)
		return 0;
	out = open_memstream(&list, &size);
	if (!out)
		return sr_fail_memory(err);
	for (size_t i = 0; r == 0 && i < subject->alt_count; i++) {
		r = check_alt_name(subject->alt_names[i], err);
		fprintf(out, "%s%s", i ? "," : "", subject->alt_names[i]);
	}
	if (fclose(out) != 0)
		return sr_fail_memory(err);
	return r < 0 ? r : add_extension(to, NID_subject_alt_name, list, err);
}

static int make_extensions(const struct work *work, bool request, extensions **ret,
			   struct sr_err *err)
{
	TPMA_OBJECT attributes = work->key->file->pub.publicArea.objectAttributes;
	const char *usage = !(attributes & TPMA_OBJECT_DECRYPT)
				? "critical,digitalSignature"
			    : work->key->type->alg == TPM2_ALG_RSA
				? "critical,digitalSignature,keyEncipherment"
				: "critical,digitalSignature,keyAgreement";
	int r = request
		    ? 0
		    : add_extension(ret, NID_basic_constraints, "critical,CA:FALSE", err);

	if (r == 0)
		r = add_extension(ret, NID_key_usage, usage, err);
	return r < 0 ? r : add_alt_names(work->subject, ret, err);
}

/* -- the signature ------------------------------------------------------------------ */

/* PSS with the salt that TLS 1.3 and most certificates have: as long as the digest. */
static bool set_pss(const EVP_MD *md, X509_ALGOR *ret)
{
	RSA_PSS_PARAMS *params = RSA_PSS_PARAMS_new();
	X509_ALGOR *hash = X509_ALGOR_new(), *mask = X509_ALGOR_new();
	ASN1_STRING *packed = NULL, *mask_packed = NULL;
	ASN1_INTEGER *salt = ASN1_INTEGER_new();
	bool ok =
	    params && hash && mask && salt && ASN1_INTEGER_set(salt, EVP_MD_get_size(md));

	if (ok) {
		X509_ALGOR_set_md(hash, md);
		mask_packed = ASN1_item_pack(hash, ASN1_ITEM_rptr(X509_ALGOR), NULL);
		ok = mask_packed && X509_ALGOR_set0(mask, OBJ_nid2obj(NID_mgf1),
						    V_ASN1_SEQUENCE, mask_packed);
	}
	if (ok) {
		mask_packed = NULL;
		params->hashAlgorithm = take(hash);
		params->maskGenAlgorithm = take(mask);
		params->saltLength = take(salt);
		packed = ASN1_item_pack(params, ASN1_ITEM_rptr(RSA_PSS_PARAMS), NULL);
		ok = packed && X509_ALGOR_set0(ret, OBJ_nid2obj(NID_rsassaPss),
					       V_ASN1_SEQUENCE, packed);
	}
	if (!ok) {
		ASN1_STRING_free(packed);
		ASN1_STRING_free(mask_packed);
	}
	ASN1_INTEGER_free(salt);
	X509_ALGOR_free(hash);
	X509_ALGOR_free(mask);
	RSA_PSS_PARAMS_free(params);
	return ok;
}

static int make_algorithm(const struct work *work, X509_ALGOR **ret, struct sr_err *err)
{
	_cleanup_(algor_freep) X509_ALGOR *algorithm = X509_ALGOR_new();
	struct sr_scheme scheme;
	const char *hash = sr_key_hash(work->key, work->options, err);
	bool rsa = work->key->type->alg == TPM2_ALG_RSA;
	bool whole = work->key->type->alg == SR_ALG_EDDSA;
	int nid, type = rsa ? V_ASN1_NULL : V_ASN1_UNDEF;
	bool ok = algorithm;

	if (!hash)
		return -EINVAL;
	scheme.hash = sr_bank_parse(hash);
	if (ok && whole)
		ok = X509_ALGOR_set0(algorithm, OBJ_txt2obj(work->key->type->group, 0),
				     type, NULL);
	else if (ok && work->options->pss)
		ok = set_pss(sr_scheme_md(&scheme), algorithm);
	else if (ok)
		ok = OBJ_find_sigid_by_algs(&nid, EVP_MD_get_type(sr_scheme_md(&scheme)),
					    rsa ? NID_rsaEncryption
						: NID_X9_62_id_ecPublicKey) &&
		     X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), type, NULL);
	if (!ok)
		return sr_fail_libcrypto(err, "naming a signature");
	*ret = take(algorithm);
	return 0;
}

/* Signs what @der holds; the result is a BIT STRING's content. */
static int sign(const struct work *work, const uint8_t *der, int size,
		struct sr_signature *ret, struct sr_err *err)
{
	struct sr_sign_options options = *work->options;
	struct sr_scheme scheme = { 0 };
	struct sr_digest digest = { 0 };
	unsigned int used = 0;

	options.form = SR_SIGNATURE_DER;
	options.hash = sr_key_hash(work->key, &options, NULL);
	scheme.hash = sr_bank_parse(options.hash);
	if (size > 0 && work->key->type->alg == SR_ALG_EDDSA) {
		digest.message = (uint8_t *)der;
		digest.message_size = (size_t)size;
	} else if (size <= 0 || EVP_Digest(der, (size_t)size, digest.data, &used,
					   sr_scheme_md(&scheme), NULL) != 1) {
		return sr_fail_libcrypto(err, "hashing a certificate");
	}
	digest.size = used;
	return sr_key_sign(work->key, work->tpm, work->ask, &options, &digest, 1, ret,
			   err);
}

static bool set_bits(ASN1_BIT_STRING *to, const struct sr_signature *signature)
{
	if (!ASN1_BIT_STRING_set(to, signature->data, (int)signature->size))
		return false;
	/* No unused bits in the last byte. */
	to->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
	to->flags |= ASN1_STRING_FLAG_BITS_LEFT;
	return true;
}

static int to_text(BIO *bio, bool written, char **ret, struct sr_err *err)
{
	char *data;
	long size = written ? BIO_get_mem_data(bio, &data) : -1;

	if (size <= 0)
		return sr_fail_libcrypto(err, "writing a certificate");
	*ret = strndup(data, (size_t)size);
	return *ret ? 0 : sr_fail_memory(err);
}

/* -- requests ----------------------------------------------------------------------- */

static int fill_request(const struct work *work, X509_REQ *to, struct sr_err *err)
{
	_cleanup_(extensions_freep) extensions *list = NULL;
	_cleanup_(name_freep) X509_NAME *name = NULL;
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	int r = make_name(work->subject->name, &name, err);

	if (r == 0)
		r = make_extensions(work, true, &list, err);
	if (r == 0)
		r = sr_pubkey_evp(&work->key->file->pub, &pub, err);
	if (r < 0)
		return r;
	if (X509_REQ_set_version(to, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_subject_name(to, name) != 1 ||
	    X509_REQ_set_pubkey(to, pub) != 1 || X509_REQ_add_extensions(to, list) != 1)
		return sr_fail_libcrypto(err, "making a request");
	return 0;
}

static int sign_request(const struct work *work, X509_REQ *to, struct sr_err *err)
{
	_cleanup_(openssl_freep) unsigned char *der = NULL;
	_cleanup_(algor_freep) X509_ALGOR *algorithm = NULL;
	struct sr_signature signature = { 0 };
	ASN1_BIT_STRING *bits;
	int r = make_algorithm(work, &algorithm, err), size;

	if (r < 0)
		return r;
	size = i2d_re_X509_REQ_tbs(to, &der);
	r = sign(work, der, size, &signature, err);
	if (r < 0)
		return r;
	bits = ASN1_BIT_STRING_new();
	if (!bits || !set_bits(bits, &signature) ||
	    X509_REQ_set1_signature_algo(to, algorithm) != 1) {
		free(signature.data);
		ASN1_BIT_STRING_free(bits);
		return sr_fail_libcrypto(err, "making a request");
	}
	free(signature.data);
	X509_REQ_set0_signature(to, bits);
	return X509_REQ_verify(to, X509_REQ_get0_pubkey(to)) == 1
		   ? 0
		   : sr_fail_libcrypto(err, "checking a request");
}

int sr_key_request(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_subject *subject,
		   const struct sr_sign_options *options, char **ret, struct sr_err *err)
{
	struct work work = { key, tpm, ask, subject, options };
	_cleanup_(request_freep) X509_REQ *request = X509_REQ_new();
	_cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
	int r;

	if (!request || !bio)
		return sr_fail_libcrypto(err, "making a request");
	r = fill_request(&work, request, err);
	if (r == 0)
		r = sign_request(&work, request, err);
	return r < 0 ? r : to_text(bio, PEM_write_bio_X509_REQ(bio, request), ret, err);
}

/* -- certificates ------------------------------------------------------------------- */

static int set_serial(X509 *to, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret random = { 0 };
	_cleanup_(bn_freep) BIGNUM *number = NULL;
	int r = sr_secret_random(SERIAL_SIZE, &random, err);

	if (r < 0)
		return r;
	random.data[0] = (random.data[0] & 0x3f) | 0x40; /* positive, of full length */
	number = BN_bin2bn(random.data, SERIAL_SIZE, NULL);
	if (!number || !BN_to_ASN1_INTEGER(number, X509_get_serialNumber(to)))
		return sr_fail_libcrypto(err, "making a certificate");
	return 0;
}

static int fill_certificate(const struct work *work, X509 *to, struct sr_err *err)
{
	_cleanup_(extensions_freep) extensions *list = NULL;
	_cleanup_(name_freep) X509_NAME *name = NULL;
	_cleanup_evp_ EVP_PKEY *pub = NULL;
	int r = make_name(work->subject->name, &name, err);
	bool ok;

	if (r == 0)
		r = make_extensions(work, false, &list, err);
	if (r == 0)
		r = sr_pubkey_evp(&work->key->file->pub, &pub, err);
	if (r == 0)
		r = set_serial(to, err);
	if (r < 0)
		return r;
	ok = X509_set_version(to, X509_VERSION_3) && X509_set_subject_name(to, name) &&
	     X509_set_issuer_name(to, name) && X509_set_pubkey(to, pub) &&
	     X509_gmtime_adj(X509_getm_notBefore(to), -BACKDATED) &&
	     X509_time_adj_ex(X509_getm_notAfter(to), (int)work->subject->days, 0, NULL);
	for (int i = 0; ok && i < sk_X509_EXTENSION_num(list); i++)
		ok = X509_add_ext(to, sk_X509_EXTENSION_value(list, i), -1);
	return ok ? 0 : sr_fail_libcrypto(err, "making a certificate");
}

/*
 * OpenSSL has functions that read these parts of a certificate, but none that set them
 * unless it signs itself; they are parts of @to, which is ours to change.
 */
static int sign_certificate(const struct work *work, X509 *to, struct sr_err *err)
{
	_cleanup_(openssl_freep) unsigned char *der = NULL;
	_cleanup_(algor_freep) X509_ALGOR *algorithm = NULL;
	struct sr_signature signature = { 0 };
	const ASN1_BIT_STRING *bits;
	const X509_ALGOR *outer;
	int r = make_algorithm(work, &algorithm, err), size;
	bool ok;

	if (r < 0)
		return r;
	X509_get0_signature(&bits, &outer, to);
	if (!X509_ALGOR_copy((X509_ALGOR *)X509_get0_tbs_sigalg(to), algorithm) ||
	    !X509_ALGOR_copy((X509_ALGOR *)outer, algorithm))
		return sr_fail_libcrypto(err, "making a certificate");
	size = i2d_re_X509_tbs(to, &der);
	r = sign(work, der, size, &signature, err);
	if (r < 0)
		return r;
	ok = set_bits((ASN1_BIT_STRING *)bits, &signature) &&
	     X509_verify(to, X509_get0_pubkey(to)) == 1;
	free(signature.data);
	return ok ? 0 : sr_fail_libcrypto(err, "making a certificate");
}

int sr_key_self_sign(const struct sr_key *key, struct sr_tpm *tpm,
		     const struct sr_ask *ask, const struct sr_subject *subject,
		     const struct sr_sign_options *options, char **ret,
		     struct sr_err *err)
{
	struct work work = { key, tpm, ask, subject, options };
	_cleanup_(x509_freep) X509 *certificate = X509_new();
	_cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
	int r;

	if (!certificate || !bio)
		return sr_fail_libcrypto(err, "making a certificate");
	if (subject->days < 1 || subject->days > 36500)
		return sr_fail(err, -EINVAL, "a certificate is valid 1 to 36500 days");
	r = fill_certificate(&work, certificate, err);
	if (r == 0)
		r = sign_certificate(&work, certificate, err);
	return r < 0 ? r : to_text(bio, PEM_write_bio_X509(bio, certificate), ret, err);
}
