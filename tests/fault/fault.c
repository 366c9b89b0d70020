/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that fail on demand: linked into the fault build with --wrap (wrap.list). */
/*
 * SEALRING_FAULT_AT=CLASS:N[:KIND[:after]] makes the N-th call of a class fail, and
 * SEALRING_FAULT_LOG=FILE gets the name of the function when it does: if it stays empty,
 * there were fewer calls. SEALRING_FAULT_TRACE=1 also shows from where it was called.
 * Classes are tpm, memory, crypto, file, luks. Of class tpm, KIND is
 * what is answered: failure, slots, connection, retry, changed; with ":after" the TPM did
 * what it was told, and only its answer is replaced. "tpm:N:extend" fails nothing: PCR 10
 * moves before the N-th call. "memory:0:leak" and "memory:0:overrun" are mistakes that
 * the sanitizers have to find.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libcryptsetup.h>
#include <openssl/asn1.h>
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include "ground/attr.h"
#include "tpm/key.h"

/* Both have the type of what they stand for; the linker knows them by these names. */
#define DECLARE(name) __typeof__(name) __real_##name, __wrap_##name;

DECLARE(asprintf)
DECLARE(malloc)
DECLARE(open)
DECLARE(openat)
DECLARE(write)
DECLARE(fclose)
DECLARE(Tss2_TctiLdr_Initialize)

enum class { NONE, TPM, MEMORY, CRYPTO, FILES, LUKS };

static const char *const class_names[] = {
	[TPM] = "tpm",	  [MEMORY] = "memory", [CRYPTO] = "crypto",
	[FILES] = "file", [LUKS] = "luks",
};

static const struct {
	const char *name;
	TSS2_RC rc;
} kinds[] = {
	{ "failure", TPM2_RC_FAILURE },		 { "slots", TPM2_RC_OBJECT_MEMORY },
	{ "connection", TSS2_TCTI_RC_IO_ERROR }, { "retry", TPM2_RC_RETRY },
	{ "changed", TPM2_RC_PCR_CHANGED },
};

static enum class chosen;
static unsigned long number;
static atomic_ulong count; /* by all threads */
static bool after, extend;
static TSS2_RC answer = TPM2_RC_FAILURE;

static void leak(void)
{
	char *volatile lost = __real_malloc(100);

	lost[0] = 1;
	lost = NULL;
}

static void overrun(void)
{
	char *volatile data = __real_malloc(100);
	volatile size_t size = 100;

	data[size] = 1;
	free(data);
}

static void choose_kind(const char *kind)
{
	after = strstr(kind, ":after") != NULL;
	extend = strcmp(kind, "extend") == 0;
	for (size_t i = 0; i < SR_COUNT(kinds); i++)
		if (strncmp(kind, kinds[i].name, strlen(kinds[i].name)) == 0)
			answer = kinds[i].rc;
	if (strcmp(kind, "leak") == 0)
		leak();
	if (strcmp(kind, "overrun") == 0)
		overrun();
}

__attribute__((constructor)) static void choose(void)
{
	const char *at = getenv("SEALRING_FAULT_AT");
	char name[16], kind[32] = "";

	if (!at)
		return;
	if (sscanf(at, "%15[a-z]:%lu:%31s", name, &number, kind) < 2)
		abort();
	for (size_t i = TPM; i < SR_COUNT(class_names); i++)
		if (strcmp(name, class_names[i]) == 0)
			chosen = (enum class)i;
	choose_kind(kind);
}

static void report(const char *name)
{
	const char *log = getenv("SEALRING_FAULT_LOG");
	int fd =
	    log ? __real_open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (fd >= 0) {
		(void)!__real_write(fd, name, strlen(name));
		(void)close(fd);
	}
	if (getenv("SEALRING_FAULT_TRACE"))
		__sanitizer_print_stack_trace();
}

/* Whether this call is the one. */
static bool fails(enum class class, const char *name)
{
	if (class != chosen || ++count != number)
		return false;
	report(name);
	return true;
}

#define WRAP(class, type, name, params, args, failure)                                   \
	DECLARE(name)                                                                    \
	type __wrap_##name params                                                        \
	{                                                                                \
		return fails(class, #name) ? (failure) : __real_##name args;             \
	}

/* ---- the TPM ---- */

/* As IMA does all through the boot. */
static void extend_pcr10(ESYS_CONTEXT *esys)
{
	static const TPML_DIGEST_VALUES digests = {
		.count = 1,
		.digests = { { .hashAlg = TPM2_ALG_SHA256 } },
	};

	if (Esys_PCR_Extend(esys, ESYS_TR_PCR10, ESYS_TR_PASSWORD, ESYS_TR_NONE,
			    ESYS_TR_NONE, &digests) != TSS2_RC_SUCCESS)
		abort();
}

static void drop(void *p)
{
	void **data = p;

	if (!data)
		return;
	Esys_Free(*data);
	*data = NULL;
}

static void drop_tr(ESYS_CONTEXT *esys, ESYS_TR *tr)
{
	(void)Esys_TR_Close(esys, tr);
	*tr = ESYS_TR_NONE;
}

/* What the caller will not get, it can't release. */
#define WRAP_TPM(name, params, args, undo) WRAP_BY(esys, name, params, args, undo)
#define WRAP_BY(esys, name, params, args, undo)                                          \
	DECLARE(name)                                                                    \
	TSS2_RC __wrap_##name params                                                     \
	{                                                                                \
		TSS2_RC rc;                                                              \
                                                                                         \
		if (!fails(TPM, #name))                                                  \
			return __real_##name args;                                       \
		if (extend)                                                              \
			extend_pcr10(esys);                                              \
		if (!after && !extend)                                                   \
			return answer;                                                   \
		rc = __real_##name args;                                                 \
		if (rc != TSS2_RC_SUCCESS && after)                                      \
			report("it fails by itself");                                    \
		if (rc != TSS2_RC_SUCCESS || extend)                                     \
			return rc;                                                       \
		undo;                                                                    \
		return answer;                                                           \
	}

#define SESSIONS ESYS_TR s1, ESYS_TR s2, ESYS_TR s3
#define S s1, s2, s3
#define NOTHING (void)0

WRAP_TPM(Esys_StartAuthSession,
	 (ESYS_CONTEXT * esys, ESYS_TR key, ESYS_TR bind, SESSIONS,
	  const TPM2B_NONCE *nonce, TPM2_SE type, const TPMT_SYM_DEF *symmetric,
	  TPMI_ALG_HASH hash, ESYS_TR *session),
	 (esys, key, bind, S, nonce, type, symmetric, hash, session),
	 drop_tr(esys, session))
WRAP_TPM(Esys_PolicyRestart, (ESYS_CONTEXT * esys, ESYS_TR session, SESSIONS),
	 (esys, session, S), NOTHING)
WRAP_TPM(Esys_PolicyPCR,
	 (ESYS_CONTEXT * esys, ESYS_TR session, SESSIONS, const TPM2B_DIGEST *digest,
	  const TPML_PCR_SELECTION *pcrs),
	 (esys, session, S, digest, pcrs), NOTHING)
WRAP_TPM(Esys_PolicyCounterTimer,
	 (ESYS_CONTEXT * esys, ESYS_TR session, SESSIONS, const TPM2B_OPERAND *operand,
	  UINT16 offset, TPM2_EO operation),
	 (esys, session, S, operand, offset, operation), NOTHING)
WRAP_TPM(Esys_PolicyGetDigest,
	 (ESYS_CONTEXT * esys, ESYS_TR session, SESSIONS, TPM2B_DIGEST **digest),
	 (esys, session, S, digest), drop(digest))
WRAP_TPM(Esys_PolicyAuthorize,
	 (ESYS_CONTEXT * esys, ESYS_TR session, SESSIONS, const TPM2B_DIGEST *approved,
	  const TPM2B_NONCE *ref, const TPM2B_NAME *key, const TPMT_TK_VERIFIED *ticket),
	 (esys, session, S, approved, ref, key, ticket), NOTHING)
WRAP_TPM(Esys_PolicyAuthValue, (ESYS_CONTEXT * esys, ESYS_TR session, SESSIONS),
	 (esys, session, S), NOTHING)
WRAP_TPM(Esys_PolicyLocality,
	 (ESYS_CONTEXT * esys, ESYS_TR session, SESSIONS, TPMA_LOCALITY locality),
	 (esys, session, S, locality), NOTHING)
WRAP_TPM(Esys_PolicyCommandCode,
	 (ESYS_CONTEXT * esys, ESYS_TR session, SESSIONS, TPM2_CC command),
	 (esys, session, S, command), NOTHING)
WRAP_TPM(Esys_VerifySignature,
	 (ESYS_CONTEXT * esys, ESYS_TR key, SESSIONS, const TPM2B_DIGEST *digest,
	  const TPMT_SIGNATURE *signature, TPMT_TK_VERIFIED **ticket),
	 (esys, key, S, digest, signature, ticket), drop(ticket))
/* Ours, where the calls to the TSS are several. */
WRAP_BY(tpm->esys, sr_object_load_under,
	(struct sr_tpm * tpm, TPM2_HANDLE storage, const struct sr_tpmkey *key,
	 struct sr_handle *ret),
	(tpm, storage, key, ret), drop_tr(tpm->esys, &ret->tr))
WRAP_TPM(Esys_LoadExternal,
	 (ESYS_CONTEXT * esys, SESSIONS, const TPM2B_SENSITIVE *priv,
	  const TPM2B_PUBLIC *pub, ESYS_TR hierarchy, ESYS_TR *object),
	 (esys, S, priv, pub, hierarchy, object), drop_tr(esys, object))
WRAP_TPM(Esys_Import,
	 (ESYS_CONTEXT * esys, ESYS_TR parent, SESSIONS, const TPM2B_DATA *key,
	  const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *duplicate,
	  const TPM2B_ENCRYPTED_SECRET *seed, const TPMT_SYM_DEF_OBJECT *symmetric,
	  TPM2B_PRIVATE **priv),
	 (esys, parent, S, key, pub, duplicate, seed, symmetric, priv), drop(priv))
WRAP_TPM(Esys_Duplicate,
	 (ESYS_CONTEXT * esys, ESYS_TR object, ESYS_TR parent, SESSIONS,
	  const TPM2B_DATA *key, const TPMT_SYM_DEF_OBJECT *symmetric,
	  TPM2B_DATA **key_out, TPM2B_PRIVATE **priv, TPM2B_ENCRYPTED_SECRET **seed),
	 (esys, object, parent, S, key, symmetric, key_out, priv, seed),
	 (drop(key_out), drop(priv), drop(seed)))
WRAP_BY(object->tpm->esys, sr_object_sign_begin,
	(const struct sr_handle *object, const struct sr_handle *session,
	 const struct sr_key_type *type, const struct sr_scheme *scheme,
	 const struct sr_digest *digest),
	(object, session, type, scheme, digest),
	(void)sr_object_sign_end(object, &(TPMT_SIGNATURE){ 0 }))
WRAP_TPM(Esys_RSA_Decrypt,
	 (ESYS_CONTEXT * esys, ESYS_TR object, SESSIONS,
	  const TPM2B_PUBLIC_KEY_RSA *cipher, const TPMT_RSA_DECRYPT *scheme,
	  const TPM2B_DATA *label, TPM2B_PUBLIC_KEY_RSA **message),
	 (esys, object, S, cipher, scheme, label, message), drop(message))
WRAP_TPM(Esys_ECDH_ZGen,
	 (ESYS_CONTEXT * esys, ESYS_TR object, SESSIONS, const TPM2B_ECC_POINT *peer,
	  TPM2B_ECC_POINT **point),
	 (esys, object, S, peer, point), drop(point))
WRAP_TPM(Esys_ObjectChangeAuth,
	 (ESYS_CONTEXT * esys, ESYS_TR object, ESYS_TR parent, SESSIONS,
	  const TPM2B_AUTH *auth, TPM2B_PRIVATE **priv),
	 (esys, object, parent, S, auth, priv), drop(priv))
WRAP_TPM(Esys_TestParms, (ESYS_CONTEXT * esys, SESSIONS, const TPMT_PUBLIC_PARMS *parms),
	 (esys, S, parms), NOTHING)
WRAP_TPM(Esys_Unseal,
	 (ESYS_CONTEXT * esys, ESYS_TR object, SESSIONS, TPM2B_SENSITIVE_DATA **data),
	 (esys, object, S, data), drop(data))
WRAP_TPM(Esys_Create,
	 (ESYS_CONTEXT * esys, ESYS_TR parent, SESSIONS,
	  const TPM2B_SENSITIVE_CREATE *sensitive, const TPM2B_PUBLIC *template,
	  const TPM2B_DATA *outside, const TPML_PCR_SELECTION *pcrs, TPM2B_PRIVATE **priv,
	  TPM2B_PUBLIC **pub, TPM2B_CREATION_DATA **data, TPM2B_DIGEST **hash,
	  TPMT_TK_CREATION **ticket),
	 (esys, parent, S, sensitive, template, outside, pcrs, priv, pub, data, hash,
	  ticket),
	 (drop(priv), drop(pub)))
WRAP_TPM(Esys_CreatePrimary,
	 (ESYS_CONTEXT * esys, ESYS_TR hierarchy, SESSIONS,
	  const TPM2B_SENSITIVE_CREATE *sensitive, const TPM2B_PUBLIC *template,
	  const TPM2B_DATA *outside, const TPML_PCR_SELECTION *pcrs, ESYS_TR *object,
	  TPM2B_PUBLIC **pub, TPM2B_CREATION_DATA **data, TPM2B_DIGEST **hash,
	  TPMT_TK_CREATION **ticket),
	 (esys, hierarchy, S, sensitive, template, outside, pcrs, object, pub, data, hash,
	  ticket),
	 (drop_tr(esys, object), drop(pub)))
WRAP_TPM(Esys_EvictControl,
	 (ESYS_CONTEXT * esys, ESYS_TR hierarchy, ESYS_TR object, SESSIONS,
	  TPMI_DH_PERSISTENT handle, ESYS_TR *kept),
	 (esys, hierarchy, object, S, handle, kept), drop_tr(esys, kept))
WRAP_TPM(Esys_FlushContext, (ESYS_CONTEXT * esys, ESYS_TR object), (esys, object),
	 NOTHING)
WRAP_TPM(Esys_ReadPublic,
	 (ESYS_CONTEXT * esys, ESYS_TR object, SESSIONS, TPM2B_PUBLIC **pub,
	  TPM2B_NAME **name, TPM2B_NAME **qualified),
	 (esys, object, S, pub, name, qualified), (drop(pub), drop(name)))
WRAP_TPM(Esys_TR_FromTPMPublic,
	 (ESYS_CONTEXT * esys, TPM2_HANDLE handle, SESSIONS, ESYS_TR *object),
	 (esys, handle, S, object), drop_tr(esys, object))
WRAP_TPM(Esys_PCR_Read,
	 (ESYS_CONTEXT * esys, SESSIONS, const TPML_PCR_SELECTION *wanted,
	  UINT32 *counter, TPML_PCR_SELECTION **got, TPML_DIGEST **values),
	 (esys, S, wanted, counter, got, values), (drop(got), drop(values)))
WRAP_TPM(Esys_PCR_Event,
	 (ESYS_CONTEXT * esys, ESYS_TR pcr, SESSIONS, const TPM2B_EVENT *event,
	  TPML_DIGEST_VALUES **digests),
	 (esys, pcr, S, event, digests), drop(digests))
WRAP_TPM(Esys_GetCapability,
	 (ESYS_CONTEXT * esys, SESSIONS, TPM2_CAP capability, UINT32 property,
	  UINT32 wanted, TPMI_YES_NO *more, TPMS_CAPABILITY_DATA **data),
	 (esys, S, capability, property, wanted, more, data), drop(data))
WRAP_TPM(Esys_ReadClock, (ESYS_CONTEXT * esys, SESSIONS, TPMS_TIME_INFO **time),
	 (esys, S, time), drop(time))

WRAP_TPM(Esys_ContextSave, (ESYS_CONTEXT * esys, ESYS_TR object, TPMS_CONTEXT **saved),
	 (esys, object, saved), drop(saved))
WRAP_TPM(Esys_ContextLoad,
	 (ESYS_CONTEXT * esys, const TPMS_CONTEXT *saved, ESYS_TR *object),
	 (esys, saved, object), drop_tr(esys, object))

TSS2_RC __wrap_Tss2_TctiLdr_Initialize(const char *name, TSS2_TCTI_CONTEXT **tcti)
{
	return fails(TPM, "Tss2_TctiLdr_Initialize")
		   ? TSS2_TCTI_RC_IO_ERROR
		   : __real_Tss2_TctiLdr_Initialize(name, tcti);
}

/* ---- memory; ESYS asks for some without talking to the TPM ---- */

WRAP(MEMORY, TSS2_RC, Esys_Initialize,
     (ESYS_CONTEXT * *esys, TSS2_TCTI_CONTEXT *tcti, TSS2_ABI_VERSION *version),
     (esys, tcti, version), TSS2_ESYS_RC_MEMORY)
WRAP(MEMORY, TSS2_RC, Esys_TR_Deserialize,
     (ESYS_CONTEXT * esys, uint8_t const *form, size_t size, ESYS_TR *object),
     (esys, form, size, object), TSS2_ESYS_RC_MEMORY)
WRAP(MEMORY, TSS2_RC, Esys_TR_GetName,
     (ESYS_CONTEXT * esys, ESYS_TR object, TPM2B_NAME **name), (esys, object, name),
     TSS2_ESYS_RC_MEMORY)
WRAP(MEMORY, TSS2_RC, Esys_TR_SetAuth,
     (ESYS_CONTEXT * esys, ESYS_TR object, TPM2B_AUTH const *auth), (esys, object, auth),
     TSS2_ESYS_RC_MEMORY)
WRAP(MEMORY, TSS2_RC, Esys_TRSess_SetAttributes,
     (ESYS_CONTEXT * esys, ESYS_TR session, TPMA_SESSION flags, TPMA_SESSION mask),
     (esys, session, flags, mask), TSS2_ESYS_RC_MEMORY)

#define OUT_OF_MEMORY (errno = ENOMEM, NULL)

void *__wrap_malloc(size_t size)
{
	return fails(MEMORY, "malloc") ? OUT_OF_MEMORY : __real_malloc(size);
}

WRAP(MEMORY, void *, calloc, (size_t n, size_t size), (n, size), OUT_OF_MEMORY)
WRAP(MEMORY, void *, realloc, (void *old, size_t size), (old, size), OUT_OF_MEMORY)
WRAP(MEMORY, void *, reallocarray, (void *old, size_t n, size_t size), (old, n, size),
     OUT_OF_MEMORY)
WRAP(MEMORY, char *, strdup, (const char *text), (text), OUT_OF_MEMORY)
WRAP(MEMORY, char *, strndup, (const char *text, size_t size), (text, size),
     OUT_OF_MEMORY)
WRAP(MEMORY, FILE *, open_memstream, (char **data, size_t *size), (data, size),
     OUT_OF_MEMORY)
WRAP(MEMORY, FILE *, fmemopen, (void *data, size_t size, const char *mode),
     (data, size, mode), OUT_OF_MEMORY)
WRAP(MEMORY, void *, mmap,
     (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), (errno = ENOMEM, MAP_FAILED))
WRAP(MEMORY, int, mlock, (const void *at, size_t size), (at, size), (errno = ENOMEM, -1))
WRAP(MEMORY, int, madvise, (void *at, size_t size, int advice), (at, size, advice),
     (errno = ENOMEM, -1))
WRAP(MEMORY, void *, CRYPTO_memdup,
     (const void *data, size_t size, const char *file, int line),
     (data, size, file, line), OUT_OF_MEMORY)

int __wrap_asprintf(char **ret, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (fails(MEMORY, "asprintf")) {
		errno = ENOMEM;
		return -1;
	}
	va_start(ap, fmt);
	n = vasprintf(ret, fmt, ap);
	va_end(ap);
	return n;
}

/* ---- libcrypto, which mostly fails for want of memory or randomness ---- */

WRAP(CRYPTO, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), (), NULL)
WRAP(CRYPTO, EVP_ENCODE_CTX *, EVP_ENCODE_CTX_new, (void), (), NULL)
WRAP(CRYPTO, EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), NULL)
WRAP(CRYPTO, EVP_PKEY_CTX *, EVP_PKEY_CTX_new, (EVP_PKEY * key, ENGINE *engine),
     (key, engine), NULL)
WRAP(CRYPTO, int, EVP_PKEY_verify_init, (EVP_PKEY_CTX * ctx), (ctx), 0)
WRAP(CRYPTO, int, EVP_PKEY_verify,
     (EVP_PKEY_CTX * ctx, const unsigned char *signature, size_t signature_size,
      const unsigned char *digest, size_t size),
     (ctx, signature, signature_size, digest, size), 0)
WRAP(CRYPTO, EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_name,
     (OSSL_LIB_CTX * library, const char *name, const char *properties),
     (library, name, properties), NULL)
WRAP(CRYPTO, int, EVP_PKEY_fromdata_init, (EVP_PKEY_CTX * ctx), (ctx), 0)
WRAP(CRYPTO, int, EVP_PKEY_fromdata,
     (EVP_PKEY_CTX * ctx, EVP_PKEY **key, int selection, OSSL_PARAM params[]),
     (ctx, key, selection, params), 0)
WRAP(CRYPTO, OSSL_PARAM_BLD *, OSSL_PARAM_BLD_new, (void), (), NULL)
WRAP(CRYPTO, OSSL_PARAM *, OSSL_PARAM_BLD_to_param, (OSSL_PARAM_BLD * builder), (builder),
     NULL)
WRAP(CRYPTO, BIGNUM *, BN_bin2bn, (const unsigned char *from, int size, BIGNUM *to),
     (from, size, to), NULL)
WRAP(CRYPTO, ECDSA_SIG *, ECDSA_SIG_new, (void), (), NULL)
WRAP(CRYPTO, ECDSA_SIG *, d2i_ECDSA_SIG,
     (ECDSA_SIG * *signature, const unsigned char **from, long size),
     (signature, from, size), NULL)
WRAP(CRYPTO, int, i2d_ECDSA_SIG, (const ECDSA_SIG *signature, unsigned char **to),
     (signature, to), -1)
WRAP(CRYPTO, int, EVP_PKEY_CTX_set_signature_md, (EVP_PKEY_CTX * ctx, const EVP_MD *type),
     (ctx, type), 0)
WRAP(CRYPTO, EVP_PKEY *, d2i_PUBKEY,
     (EVP_PKEY * *key, const unsigned char **from, long size), (key, from, size), NULL)
WRAP(CRYPTO, int, EVP_PKEY_public_check, (EVP_PKEY_CTX * ctx), (ctx), 0)
WRAP(CRYPTO, int, CMS_SharedInfo_encode,
     (unsigned char **info, X509_ALGOR *wrap, ASN1_OCTET_STRING *ukm, int size),
     (info, wrap, ukm, size), 0)
WRAP(CRYPTO, EVP_KDF *, EVP_KDF_fetch,
     (OSSL_LIB_CTX * library, const char *name, const char *properties),
     (library, name, properties), NULL)
WRAP(CRYPTO, EVP_KDF_CTX *, EVP_KDF_CTX_new, (EVP_KDF * kdf), (kdf), NULL)
WRAP(CRYPTO, int, EVP_KDF_derive,
     (EVP_KDF_CTX * ctx, unsigned char *key, size_t size, const OSSL_PARAM params[]),
     (ctx, key, size, params), 0)
WRAP(CRYPTO, int, RAND_bytes, (unsigned char *data, int size), (data, size), 0)
WRAP(CRYPTO, int, RAND_priv_bytes, (unsigned char *data, int size), (data, size), 0)
WRAP(CRYPTO, int, EVP_Digest,
     (const void *data, size_t size, unsigned char *digest, unsigned int *used,
      const EVP_MD *type, ENGINE *engine),
     (data, size, digest, used, type, engine), 0)
WRAP(CRYPTO, int, EVP_DigestInit_ex,
     (EVP_MD_CTX * ctx, const EVP_MD *type, ENGINE *engine), (ctx, type, engine), 0)
WRAP(CRYPTO, int, EVP_DigestUpdate, (EVP_MD_CTX * ctx, const void *data, size_t size),
     (ctx, data, size), 0)
WRAP(CRYPTO, int, EVP_DigestFinal_ex,
     (EVP_MD_CTX * ctx, unsigned char *digest, unsigned int *size), (ctx, digest, size),
     0)
WRAP(CRYPTO, int, EVP_CipherInit_ex,
     (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, ENGINE *engine,
      const unsigned char *key, const unsigned char *iv, int encrypt),
     (ctx, cipher, engine, key, iv, encrypt), 0)
WRAP(CRYPTO, int, EVP_EncryptInit_ex,
     (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, ENGINE *engine,
      const unsigned char *key, const unsigned char *iv),
     (ctx, cipher, engine, key, iv), 0)
WRAP(CRYPTO, int, EVP_EncryptUpdate,
     (EVP_CIPHER_CTX * ctx, unsigned char *out, int *used, const unsigned char *in,
      int size),
     (ctx, out, used, in, size), 0)
WRAP(CRYPTO, int, EVP_EncryptFinal_ex,
     (EVP_CIPHER_CTX * ctx, unsigned char *out, int *used), (ctx, out, used), 0)
WRAP(CRYPTO, int, EVP_DecryptInit_ex,
     (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, ENGINE *engine,
      const unsigned char *key, const unsigned char *iv),
     (ctx, cipher, engine, key, iv), 0)
WRAP(CRYPTO, int, EVP_DecryptUpdate,
     (EVP_CIPHER_CTX * ctx, unsigned char *out, int *used, const unsigned char *in,
      int size),
     (ctx, out, used, in, size), 0)
WRAP(CRYPTO, int, EVP_DecryptFinal_ex,
     (EVP_CIPHER_CTX * ctx, unsigned char *out, int *used), (ctx, out, used), 0)
WRAP(CRYPTO, int, EVP_CIPHER_CTX_ctrl,
     (EVP_CIPHER_CTX * ctx, int type, int number_, void *data),
     (ctx, type, number_, data), 0)
WRAP(CRYPTO, ASN1_VALUE *, ASN1_item_new, (const ASN1_ITEM *item), (item), NULL)
WRAP(CRYPTO, ASN1_VALUE *, ASN1_item_d2i,
     (ASN1_VALUE * *value, const unsigned char **in, long size, const ASN1_ITEM *item),
     (value, in, size, item), NULL)
WRAP(CRYPTO, int, ASN1_item_i2d,
     (const ASN1_VALUE *value, unsigned char **out, const ASN1_ITEM *item),
     (value, out, item), -1)
WRAP(CRYPTO, ASN1_STRING *, ASN1_STRING_new, (void), (), NULL)
WRAP(CRYPTO, ASN1_STRING *, ASN1_STRING_type_new, (int type), (type), NULL)
WRAP(CRYPTO, int, ASN1_STRING_set, (ASN1_STRING * string, const void *data, int size),
     (string, data, size), 0)
WRAP(CRYPTO, int, ASN1_OCTET_STRING_set,
     (ASN1_OCTET_STRING * string, const unsigned char *data, int size),
     (string, data, size), 0)
WRAP(CRYPTO, int, ASN1_INTEGER_set_uint64, (ASN1_INTEGER * integer, uint64_t value),
     (integer, value), 0)
WRAP(CRYPTO, int, X509_ALGOR_set0,
     (X509_ALGOR * algorithm, ASN1_OBJECT *object, int type, void *value),
     (algorithm, object, type, value), 0)
WRAP(CRYPTO, ASN1_OBJECT *, OBJ_txt2obj, (const char *text, int no_name), (text, no_name),
     NULL)
WRAP(CRYPTO, OPENSSL_STACK *, OPENSSL_sk_new_null, (void), (), NULL)
WRAP(CRYPTO, int, OPENSSL_sk_push, (OPENSSL_STACK * stack, const void *data),
     (stack, data), 0)
WRAP(CRYPTO, BIO *, BIO_new, (const BIO_METHOD *type), (type), NULL)
WRAP(CRYPTO, BIO *, BIO_new_mem_buf, (const void *data, int size), (data, size), NULL)
WRAP(CRYPTO, int, BIO_read, (BIO * bio, void *data, int size), (bio, data, size), -1)
WRAP(CRYPTO, int, BIO_write, (BIO * bio, const void *data, int size), (bio, data, size),
     -1)
WRAP(CRYPTO, int, BIO_puts, (BIO * bio, const char *text), (bio, text), -1)
WRAP(CRYPTO, int, PEM_read_bio,
     (BIO * bio, char **name, char **header, unsigned char **data, long *size),
     (bio, name, header, data, size), 0)
WRAP(CRYPTO, int, PEM_write_bio,
     (BIO * bio, const char *name, const char *header, const unsigned char *data,
      long size),
     (bio, name, header, data, size), 0)
WRAP(CRYPTO, X509 *, PEM_read_bio_X509,
     (BIO * bio, X509 **certificate, pem_password_cb *ask, void *arg),
     (bio, certificate, ask, arg), NULL)
WRAP(CRYPTO, CMS_ContentInfo *, CMS_AuthEnvelopedData_create, (const EVP_CIPHER *cipher),
     (cipher), NULL)
WRAP(CRYPTO, int, CMS_set_detached, (CMS_ContentInfo * cms, int detached),
     (cms, detached), 0)
WRAP(CRYPTO, CMS_RecipientInfo *, CMS_add0_recipient_password,
     (CMS_ContentInfo * cms, int rounds, int wrap, int pbe, unsigned char *password,
      ossl_ssize_t size, const EVP_CIPHER *cipher),
     (cms, rounds, wrap, pbe, password, size, cipher), NULL)
WRAP(CRYPTO, CMS_RecipientInfo *, CMS_add1_recipient_cert,
     (CMS_ContentInfo * cms, X509 *certificate, unsigned int flags),
     (cms, certificate, flags), NULL)
WRAP(CRYPTO, BIO *, CMS_dataInit, (CMS_ContentInfo * cms, BIO *content), (cms, content),
     NULL)
WRAP(CRYPTO, int, CMS_dataFinal, (CMS_ContentInfo * cms, BIO *bio), (cms, bio), 0)
WRAP(CRYPTO, CMS_ContentInfo *, d2i_CMS_ContentInfo,
     (CMS_ContentInfo * *cms, const unsigned char **in, long size), (cms, in, size), NULL)
WRAP(CRYPTO, int, i2d_CMS_ContentInfo, (const CMS_ContentInfo *cms, unsigned char **out),
     (cms, out), -1)
WRAP(CRYPTO, int, CMS_decrypt,
     (CMS_ContentInfo * cms, EVP_PKEY *key, X509 *certificate, BIO *in, BIO *out,
      unsigned int flags),
     (cms, key, certificate, in, out, flags), 0)
WRAP(CRYPTO, int, CMS_decrypt_set1_password,
     (CMS_ContentInfo * cms, unsigned char *password, ossl_ssize_t size),
     (cms, password, size), 0)

/* ---- files ---- */

#define DISK_FULL (errno = ENOSPC, -1)
#define DISK_BROKEN (errno = EIO, -1)

int __wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	if (fails(FILES, "open"))
		return flags & O_CREAT ? DISK_FULL : DISK_BROKEN;
	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, int) : 0;
	va_end(ap);
	return __real_open(path, flags, mode);
}

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	if (fails(FILES, "openat"))
		return flags & O_CREAT ? DISK_FULL : DISK_BROKEN;
	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, int) : 0;
	va_end(ap);
	return __real_openat(dir, path, flags, mode);
}

/* A disk that is full after half of it. */
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	if (!fails(FILES, "write"))
		return __real_write(fd, data, size);
	if (size > 1)
		(void)!__real_write(fd, data, size / 2);
	return DISK_FULL;
}

/* The stream is gone either way. */
int __wrap_fclose(FILE *stream)
{
	bool failing = fails(FILES, "fclose");
	int r = __real_fclose(stream);

	return failing ? (errno = EIO, EOF) : r;
}

WRAP(FILES, int, fflush, (FILE * stream), (stream), (errno = EIO, EOF))
WRAP(FILES, ssize_t, read, (int fd, void *data, size_t size), (fd, data, size),
     DISK_BROKEN)
WRAP(FILES, off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence),
     DISK_BROKEN)
WRAP(FILES, int, fsync, (int fd), (fd), DISK_BROKEN)
WRAP(FILES, int, eventfd_write, (int fd, eventfd_t value), (fd, value), DISK_BROKEN)
WRAP(FILES, int, fchmod, (int fd, mode_t mode), (fd, mode), DISK_BROKEN)
WRAP(FILES, int, fchmodat, (int dir, const char *path, mode_t mode, int flags),
     (dir, path, mode, flags), DISK_BROKEN)
WRAP(FILES, int, fstat, (int fd, struct stat *st), (fd, st), DISK_BROKEN)
WRAP(FILES, int, fstatat, (int dir, const char *path, struct stat *st, int flags),
     (dir, path, st, flags), DISK_BROKEN)
WRAP(FILES, int, stat, (const char *path, struct stat *st), (path, st), DISK_BROKEN)
WRAP(FILES, int, access, (const char *path, int mode), (path, mode), DISK_BROKEN)
WRAP(FILES, int, faccessat, (int dir, const char *path, int mode, int flags),
     (dir, path, mode, flags), DISK_BROKEN)
WRAP(FILES, int, mkdir, (const char *path, mode_t mode), (path, mode), DISK_FULL)
WRAP(FILES, int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode),
     DISK_FULL)
WRAP(FILES, int, mkostemp, (char *path, int flags), (path, flags), DISK_FULL)
WRAP(FILES, int, rename, (const char *from, const char *to), (from, to), DISK_FULL)
WRAP(FILES, int, renameat, (int old, const char *from, int new, const char *to),
     (old, from, new, to), DISK_FULL)
WRAP(FILES, int, renameat2,
     (int old, const char *from, int new, const char *to, unsigned int flags),
     (old, from, new, to, flags), DISK_FULL)
WRAP(FILES, int, unlink, (const char *path), (path), DISK_BROKEN)
WRAP(FILES, int, linkat, (int from, const char *old, int to, const char *new, int flags),
     (from, old, to, new, flags), (errno = EMLINK, -1))
WRAP(FILES, int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags),
     DISK_BROKEN)
WRAP(FILES, int, flock, (int fd, int operation), (fd, operation), DISK_BROKEN)
WRAP(FILES, DIR *, fdopendir, (int fd), (fd), (errno = EIO, NULL))
WRAP(FILES, struct dirent *, readdir, (DIR * dir), (dir), (errno = EIO, NULL))

/* ---- threads and other programs, whose failures are no errno ---- */

WRAP(FILES, int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *),
      void *arg),
     (thread, attributes, start, arg), EAGAIN)
WRAP(FILES, int, posix_spawn,
     (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
      const posix_spawnattr_t *attributes, char *const argv[], char *const environment[]),
     (pid, path, actions, attributes, argv, environment), EAGAIN)
WRAP(FILES, int, posix_spawn_file_actions_init, (posix_spawn_file_actions_t * actions),
     (actions), ENOMEM)
WRAP(FILES, int, posix_spawnattr_init, (posix_spawnattr_t * attributes), (attributes),
     ENOMEM)

/* ---- sockets ---- */

#define NO_DESCRIPTOR (errno = EMFILE, -1)
#define NO_BUFFER (errno = ENOBUFS, -1)

WRAP(FILES, int, pipe2, (int ends[2], int flags), (ends, flags), NO_DESCRIPTOR)
WRAP(FILES, int, eventfd, (unsigned int value, int flags), (value, flags), NO_DESCRIPTOR)
WRAP(FILES, int, socket, (int domain, int type, int protocol), (domain, type, protocol),
     NO_DESCRIPTOR)
WRAP(FILES, int, bind, (int fd, const struct sockaddr *address, socklen_t size),
     (fd, address, size), NO_BUFFER)
WRAP(FILES, int, listen, (int fd, int waiting), (fd, waiting), NO_BUFFER)
WRAP(FILES, int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags),
     (fd, address, size, flags), NO_DESCRIPTOR)
WRAP(FILES, int, getpeername, (int fd, struct sockaddr *address, socklen_t *size),
     (fd, address, size), NO_BUFFER)
WRAP(FILES, int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size), NO_BUFFER)
WRAP(FILES, int, setsockopt,
     (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size), NO_BUFFER)
WRAP(FILES, ssize_t, send, (int fd, const void *data, size_t size, int flags),
     (fd, data, size, flags), NO_BUFFER)
WRAP(FILES, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags), NO_BUFFER)
WRAP(MEMORY, int, sd_event_new, (sd_event * *ret), (ret), -ENOMEM)
WRAP(MEMORY, int, sd_event_add_io,
     (sd_event * event, sd_event_source **ret, int fd, uint32_t events,
      sd_event_io_handler_t handler, void *arg),
     (event, ret, fd, events, handler, arg), -ENOMEM)
WRAP(MEMORY, int, sd_event_add_signal,
     (sd_event * event, sd_event_source **ret, int signum,
      sd_event_signal_handler_t handler, void *arg),
     (event, ret, signum, handler, arg), -ENOMEM)
WRAP(MEMORY, int, sd_event_add_time_relative,
     (sd_event * event, sd_event_source **ret, clockid_t clock, uint64_t usec,
      uint64_t accuracy, sd_event_time_handler_t handler, void *arg),
     (event, ret, clock, usec, accuracy, handler, arg), -ENOMEM)
WRAP(MEMORY, int, sd_event_add_child,
     (sd_event * event, sd_event_source **ret, pid_t pid, int options,
      sd_event_child_handler_t handler, void *arg),
     (event, ret, pid, options, handler, arg), -ENOMEM)
WRAP(MEMORY, int, sd_event_add_inotify,
     (sd_event * event, sd_event_source **ret, const char *path, uint32_t mask,
      sd_event_inotify_handler_t handler, void *arg),
     (event, ret, path, mask, handler, arg), -ENOMEM)
WRAP(FILES, int, symlink, (const char *target, const char *path), (target, path),
     DISK_FULL)

/* ---- headers: libcryptsetup, and the JSON they are made of ---- */

WRAP(LUKS, int, crypt_init, (struct crypt_device * *cd, const char *device), (cd, device),
     -EIO)
WRAP(LUKS, int, crypt_load, (struct crypt_device * cd, const char *type, void *params),
     (cd, type, params), -EIO)
WRAP(LUKS, int, crypt_persistent_flags_get,
     (struct crypt_device * cd, crypt_flags_type type, uint32_t *flags),
     (cd, type, flags), -EIO)
WRAP(LUKS, int, crypt_activate_by_passphrase,
     (struct crypt_device * cd, const char *name, int slot, const char *passphrase,
      size_t size, uint32_t flags),
     (cd, name, slot, passphrase, size, flags), -EIO)
WRAP(LUKS, int, crypt_keyslot_context_init_by_passphrase,
     (struct crypt_device * cd, const char *passphrase, size_t size,
      struct crypt_keyslot_context **way),
     (cd, passphrase, size, way), -ENOMEM)
WRAP(LUKS, int, crypt_volume_key_get_by_keyslot_context,
     (struct crypt_device * cd, int slot, char *key, size_t *size,
      struct crypt_keyslot_context *way),
     (cd, slot, key, size, way), -EIO)
WRAP(LUKS, int, crypt_set_pbkdf_type,
     (struct crypt_device * cd, const struct crypt_pbkdf_type *pbkdf), (cd, pbkdf),
     -EINVAL)
WRAP(LUKS, int, crypt_keyslot_add_by_key,
     (struct crypt_device * cd, int slot, const char *key, size_t key_size,
      const char *passphrase, size_t size, uint32_t flags),
     (cd, slot, key, key_size, passphrase, size, flags), -EIO)
WRAP(LUKS, int, crypt_keyslot_destroy, (struct crypt_device * cd, int slot), (cd, slot),
     -EIO)
WRAP(LUKS, int, crypt_token_json_set,
     (struct crypt_device * cd, int token, const char *json), (cd, token, json), -EIO)
WRAP(LUKS, int, crypt_token_assign_keyslot,
     (struct crypt_device * cd, int token, int slot), (cd, token, slot), -EIO)
WRAP(LUKS, int, crypt_header_backup,
     (struct crypt_device * cd, const char *type, const char *file), (cd, type, file),
     -EIO)
WRAP(LUKS, struct json_tokener *, json_tokener_new_ex, (int depth), (depth), NULL)
WRAP(LUKS, struct json_object *, json_object_new_object, (void), (), NULL)
WRAP(LUKS, struct json_object *, json_object_new_array, (void), (), NULL)
WRAP(LUKS, struct json_object *, json_object_new_string, (const char *text), (text), NULL)
WRAP(LUKS, struct json_object *, json_object_new_int, (int32_t value), (value), NULL)
WRAP(LUKS, struct json_object *, json_object_new_boolean, (json_bool value), (value),
     NULL)
WRAP(LUKS, int, json_object_object_add,
     (struct json_object * object, const char *name, struct json_object *value),
     (object, name, value), -1)
WRAP(LUKS, int, json_object_array_add,
     (struct json_object * array, struct json_object *value), (array, value), -1)
