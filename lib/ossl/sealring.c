/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A provider for OpenSSL, by which each key is used by the provider that holds it.
 *
 * OpenSSL 3 first takes the provider that is preferred for an operation, and copies the key
 * to it. Of a key of the TPM it gets the public half, and with the tpm2 provider before 1.2
 * that counts as a copy. So what is preferred decides: if it is the default provider,
 * nothing is signed ("missing private key"); if it is tpm2, what others have signed is
 * verified in the TPM, too, which has room for three objects and needs four, takes no RSA
 * keys of 4096 bits, and leaves TLS without the groups of NIST.
 *
 * Where the preferred provider has no keys at all, OpenSSL goes on to the key's own. This one
 * is there to be preferred (property sealring.decoy): it has no keys, and does nothing.
 */
#include <openssl/core_dispatch.h>
#include <stddef.h>

#define ENTRY(id, function)                                                              \
	{                                                                                \
		id, (void (*)(void))(function)                                           \
	}
#define PROPERTIES "provider=sealring,sealring.decoy"

OSSL_provider_init_fn OSSL_provider_init;

static void *new_signature(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return NULL;
}

static void *new_context(void *provider)
{
	(void)provider;
	return NULL;
}

static void free_context(void *context)
{
	(void)context;
}

static int init(void *context, void *key, const OSSL_PARAM params[])
{
	(void)context;
	(void)key;
	(void)params;
	return 0;
}

static int sign(void *context, unsigned char *signature, size_t *size, size_t room,
		const unsigned char *message, size_t length)
{
	(void)context;
	(void)signature;
	(void)size;
	(void)room;
	(void)message;
	(void)length;
	return 0;
}

static int derive(void *context, unsigned char *secret, size_t *size, size_t room)
{
	(void)context;
	(void)secret;
	(void)size;
	(void)room;
	return 0;
}

/* Without these OpenSSL takes none of them for an implementation. */
static const OSSL_DISPATCH signature[] = {
	ENTRY(OSSL_FUNC_SIGNATURE_NEWCTX, new_signature),
	ENTRY(OSSL_FUNC_SIGNATURE_FREECTX, free_context),
	ENTRY(OSSL_FUNC_SIGNATURE_SIGN_INIT, init),
	ENTRY(OSSL_FUNC_SIGNATURE_SIGN, sign),
	{ 0 },
};

static const OSSL_DISPATCH cipher[] = {
	ENTRY(OSSL_FUNC_ASYM_CIPHER_NEWCTX, new_context),
	ENTRY(OSSL_FUNC_ASYM_CIPHER_FREECTX, free_context),
	ENTRY(OSSL_FUNC_ASYM_CIPHER_DECRYPT_INIT, init),
	ENTRY(OSSL_FUNC_ASYM_CIPHER_DECRYPT, sign),
	{ 0 },
};

static const OSSL_DISPATCH exchange[] = {
	ENTRY(OSSL_FUNC_KEYEXCH_NEWCTX, new_context),
	ENTRY(OSSL_FUNC_KEYEXCH_FREECTX, free_context),
	ENTRY(OSSL_FUNC_KEYEXCH_INIT, init),
	ENTRY(OSSL_FUNC_KEYEXCH_DERIVE, derive),
	{ 0 },
};

/* What keys of a TPM are used for. */
static const OSSL_ALGORITHM signatures[] = {
	{ "RSA:rsaEncryption", PROPERTIES, signature, NULL },
	{ "ECDSA", PROPERTIES, signature, NULL },
	{ 0 },
};

static const OSSL_ALGORITHM ciphers[] = {
	{ "RSA:rsaEncryption", PROPERTIES, cipher, NULL },
	{ 0 },
};

static const OSSL_ALGORITHM exchanges[] = {
	{ "ECDH", PROPERTIES, exchange, NULL },
	{ 0 },
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_SIGNATURE:
		return signatures;
	case OSSL_OP_ASYM_CIPHER:
		return ciphers;
	case OSSL_OP_KEYEXCH:
		return exchanges;
	default:
		return NULL;
	}
}

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
		       const OSSL_DISPATCH **out, void **context)
{
	static const OSSL_DISPATCH provider[] = {
		ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
		{ 0 },
	};

	(void)in;
	*out = provider;
	*context = (void *)handle;
	return 1;
}
