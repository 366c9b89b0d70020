/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that no TPM has: the public part a file of the store, the private one a ring's secret. */
#include "software.h"

#include <string.h>

#include "ground/base64.h"
#include "ring/ring.h"
#include "signer.h"

#define NAME_DIGITS 40 /* of the key's fingerprint, in the name of its secret */

static const char head[] = "-----BEGIN PUBLIC KEY-----\n";
static const char tail[] = "-----END PUBLIC KEY-----\n";

/* ---- the public part ---- */

static const char *find(const struct sr_buf *content, const char *line)
{
	return memmem(content->data, content->size, line, strlen(line));
}

bool sr_software_is_file(const struct sr_buf *content)
{
	return find(content, head);
}

static int fail_file(struct sr_err *err)
{
	return sr_fail(err, -EBADMSG,
		       "its public key is damaged, or of a kind that is in the TPM");
}

/* Base64 between the two lines, and nothing behind them. */
static int unarmour(const struct sr_buf *content, struct sr_buf *ret, struct sr_err *err)
{
	const char *from = find(content, head) + strlen(head);
	const char *end = find(content, tail);
	_cleanup_free_ char *text = calloc(1, content->size + 1);
	size_t used = 0;
	int r;

	if (!text)
		return sr_fail_memory(err);
	if (!end || end < from ||
	    end + strlen(tail) != (const char *)content->data + content->size)
		return fail_file(err);
	for (; from < end; from++)
		if (*from != '\n')
			text[used++] = *from;
	r = sr_base64_parse(text, SR_TPMKEY_MAX, ret, err);
	return r == -EINVAL ? fail_file(err) : r;
}

/* They only sign, and the TPM counts nothing. */
void sr_software_shape(TPM2B_PUBLIC *pub)
{
	pub->publicArea.objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_NODA;
}

int sr_software_read(struct sr_key *key, const struct sr_buf *content, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf spki = { 0 };
	int r = unarmour(content, &spki, err);

	if (r < 0)
		return r;
	key->file = sr_tpmkey_new();
	if (!key->file)
		return sr_fail_memory(err);
	r = sr_pubkey_software(&spki, &key->file->pub, err);
	if (r < 0)
		return r;
	key->type = sr_key_type_of(&key->file->pub);
	key->file->empty_auth = true;
	sr_software_shape(&key->file->pub);
	return 0;
}

/* ---- the private part ---- */

/*
 * By the public key, not by the key's name: so no other key, of another name or of none that
 * is left, can ever be in its place.
 */
int sr_software_name(const struct sr_key *key, char ret[SR_NAME_MAX + 1],
		     struct sr_err *err)
{
	char spki[SR_FINGERPRINT_TEXT];
	int r = sr_key_spki(key, spki, err);

	if (r == 0)
		(void)snprintf(ret, SR_NAME_MAX + 1, "%.*s" SR_SOFTKEY_SUFFIX,
			       NAME_DIGITS, spki);
	return r;
}

int sr_software_store(const struct sr_key *key, struct sr_ring *ring,
		      const struct sr_private *value, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret content = { 0 };
	_cleanup_close_ int dir = -1;
	char name[SR_NAME_MAX + 1];
	int r = sr_software_name(key, name, err);

	if (r == 0)
		r = sr_softkey_write(value, &content, err);
	if (r < 0)
		return r;
	dir = sr_ring_open_subdir(ring, "secrets", err);
	return dir < 0 ? dir : sr_secret_store(ring, dir, name, &content, err);
}

int sr_software_remove(const struct sr_key *key, struct sr_ring *ring, struct sr_err *err)
{
	char name[SR_NAME_MAX + 1];
	int r = sr_software_name(key, name, err);

	if (r == 0)
		r = sr_secret_remove(ring, name, err);
	return r == -ENOKEY ? 0 : r;
}

int sr_software_open(const struct sr_key *key, struct sr_store *store, struct sr_tpm *tpm,
		     const struct sr_ask *ask, struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *ring = NULL;
	_cleanup_secret_ struct sr_secret content = { 0 };
	char name[SR_NAME_MAX + 1];
	int r = key->ring[0] ? sr_software_name(key, name, err)
			     : sr_fail(err, -EBADMSG,
				       "its file does not say which ring has its private "
				       "part");

	if (r == 0)
		r = sr_ring_load(store, key->ring, &ring, err);
	if (r == 0)
		r = sr_ring_open(ring, tpm, ask, err);
	if (r == 0)
		r = sr_secret_load(ring, name, &content, err);
	if (r == -ENOKEY && ring)
		return sr_fail(err, r,
			       "its private part is not in ring %s any more: restore it "
			       "from a backup, or delete the key",
			       key->ring);
	return r < 0 ? r : sr_softkey_read(&content, &key->file->pub, ret, err);
}

int sr_software_sign(const struct sr_key *key, EVP_PKEY *pub,
		     const struct sr_secret *value, const struct sr_scheme *scheme,
		     const struct sr_digest *digest, struct sr_buf *ret,
		     struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf made = { 0 };
	size_t size;
	const uint8_t *data = sr_digest_data(digest, &size);
	int r = sr_softkey_sign(&key->file->pub, value, scheme, data, size, &made, err);

	if (r == 0)
		r = sr_signature_check(pub, scheme, digest, &made, err);
	if (r < 0)
		return r;
	*ret = made;
	made = (struct sr_buf){ 0 };
	return 0;
}
