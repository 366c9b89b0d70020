/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private keys in OpenSSH's own form (PROTOCOL.key): Ed25519, which ssh-keygen has in no other. */
#include "sshprivate.h"

#include <string.h>

#include "wire.h"

#define SEED 32
#define PUBLIC 32
#define BLOCK 8 /* bytes that the private part is a multiple of, without cipher */

static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char tail[] = "-----END OPENSSH PRIVATE KEY-----";
static const char magic[] = "openssh-key-v1";
static const char ed25519[] = "ssh-ed25519";

static const char *find(const struct sr_secret *content, const char *text)
{
	return memmem(content->data, content->size, text, strlen(text));
}

bool sr_sshprivate_is(const struct sr_secret *content)
{
	return find(content, head);
}

static int fail_damaged(struct sr_err *err)
{
	return sr_fail(err, -EBADMSG,
		       "a private key in OpenSSH's own form, which is damaged");
}

/* The bytes between the two lines, at the start of @ret. */
static int unarmour(const struct sr_secret *content, struct sr_secret *ret,
		    struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret text = { 0 };
	const char *from = find(content, head) + strlen(head), *end = find(content, tail);
	size_t used = 0;
	int r = sr_secret_alloc(content->size, &text, err);

	if (r == 0)
		r = sr_secret_alloc(content->size, ret, err);
	if (r < 0)
		return r;
	for (; end && from < end; from++)
		if (*from != '\n' && *from != '\r')
			text.data[used++] = (uint8_t)*from;
	r = used > 0 ? EVP_DecodeBlock(ret->data, text.data, (int)used) : -1;
	if (r <= 0)
		return fail_damaged(err);
	sr_secret_shrink(ret, (size_t)r);
	return 0;
}

/* Twice the same number, the key, a comment, and what fills the last block: 1, 2, 3 ... */
static bool read_private(struct sr_reader *from, const struct sr_reader *public,
			 const uint8_t **seed)
{
	bool whole = from->left % BLOCK == 0;
	uint32_t first = sr_get_number(from), second = sr_get_number(from);
	struct sr_reader kind = sr_get_string(from), again = sr_get_string(from);
	struct sr_reader both = sr_get_string(from);
	size_t left;

	(void)sr_get_string(from);
	left = from->left;
	if (!whole || from->bad || first != second || left >= BLOCK ||
	    !sr_wire_is_text(&kind, ed25519) || both.left != SEED + PUBLIC ||
	    !sr_wire_is(&again, public->data, public->left) ||
	    memcmp(both.data + SEED, public->data, PUBLIC) != 0)
		return false;
	for (size_t i = 1; i <= left; i++)
		if (sr_get_byte(from) != i)
			return false;
	*seed = both.data;
	return true;
}

static int take_seed(const uint8_t *seed, const struct sr_reader *public,
		     struct sr_private *ret, struct sr_err *err)
{
	_cleanup_evp_ EVP_PKEY *key =
	    EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed, SEED);
	int r = key ? sr_private_take(key, ret, err)
		    : sr_fail_libcrypto(err, "reading a private key");

	if (r == 0 &&
	    memcmp(ret->pub.publicArea.unique.ecc.x.buffer, public->data, PUBLIC) != 0)
		r = fail_damaged(err);
	return r;
}

static int read_file(struct sr_reader *from, struct sr_private *ret, struct sr_err *err)
{
	const uint8_t *start = sr_get(from, sizeof(magic)), *seed;
	struct sr_reader cipher = sr_get_string(from), blob, kind, public, private;

	(void)sr_get_string(from); /* how a passphrase is hashed */
	(void)sr_get_string(from);
	if (!start || memcmp(start, magic, sizeof(magic)) != 0 ||
	    sr_get_number(from) != 1)
		return fail_damaged(err);
	blob = sr_get_string(from);
	kind = sr_get_string(&blob);
	public = sr_get_string(&blob);
	private = sr_get_string(from);
	/* The fill of the base64 is still there. */
	if (from->bad || from->left > 2 || kind.bad)
		return fail_damaged(err);
	if (!sr_wire_is_text(&kind, ed25519))
		return sr_fail(err, -EBADMSG,
			       "a private key in OpenSSH's own form: convert a copy of "
			       "it with ssh-keygen -p -m PKCS8 -f COPY");
	if (!sr_wire_is_text(&cipher, "none"))
		return sr_fail(err, -EBADMSG,
			       "a private key of OpenSSH that is encrypted: take the "
			       "passphrase off a copy of it with ssh-keygen -p -N '' -f "
			       "COPY");
	if (public.left != PUBLIC || !read_private(&private, &public, &seed))
		return fail_damaged(err);
	return take_seed(seed, &public, ret, err);
}

int sr_sshprivate_read(const struct sr_secret *content, struct sr_private *ret,
		       struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret plain = { 0 };
	struct sr_reader from;
	int r = unarmour(content, &plain, err);

	if (r < 0)
		return r;
	from = (struct sr_reader){ .data = plain.data, .left = plain.size };
	return read_file(&from, ret, err);
}
