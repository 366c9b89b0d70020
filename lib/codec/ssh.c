/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What OpenSSH writes: public keys (RFC 4253, RFC 5656), fingerprints, SSHSIG files. */
#include "ssh.h"

#include <string.h>

#include "ground/base64.h"
#include "ground/parse.h"

#define ROOM 4096 /* more than the largest key with the largest signature */
#define LINE 70	  /* letters in a line of an SSH SIGNATURE file */
#define RSA_SHA512 "rsa-sha2-512"

static const char head[] = "-----BEGIN SSH SIGNATURE-----\n";
static const char tail[] = "-----END SSH SIGNATURE-----";
static const char magic[] = "SSHSIG";
static const uint8_t exponent[] = { 0x01, 0x00, 0x01 };

/* Where a message is written to; @full instead of an overrun. */
struct writer {
	uint8_t data[ROOM];
	size_t size;
	bool full;
};

static void put(struct writer *to, const void *data, size_t size)
{
	to->full = to->full || size > sizeof(to->data) - to->size;
	if (to->full)
		return;
	memcpy(to->data + to->size, data, size);
	to->size += size;
}

static void put_number(struct writer *to, uint32_t number)
{
	uint8_t bytes[] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16),
			    (uint8_t)(number >> 8), (uint8_t)number };

	put(to, bytes, sizeof(bytes));
}

static void put_string(struct writer *to, const void *data, size_t size)
{
	put_number(to, (uint32_t)size);
	put(to, data, size);
}

static void put_text(struct writer *to, const char *text)
{
	put_string(to, text, strlen(text));
}

/* An mpint of RFC 4251: as short as it can be, and positive. */
static void put_mpint(struct writer *to, const uint8_t *data, size_t size)
{
	bool high;

	for (; size > 0 && *data == 0; data++)
		size--;
	high = size > 0 && *data & 0x80;
	put_number(to, (uint32_t)size + high);
	if (high)
		put(to, "", 1);
	put(to, data, size);
}

static int finish(const struct writer *from, struct sr_buf *ret, struct sr_err *err)
{
	if (from->full)
		return sr_fail(err, -EBADMSG, "too large for what OpenSSH reads");
	ret->data = malloc(from->size + 1);
	if (!ret->data)
		return sr_fail_memory(err);
	memcpy(ret->data, from->data, from->size);
	ret->data[from->size] = 0;
	ret->size = from->size;
	return 0;
}

/* What is read; every step fails once one has failed. */
struct reader {
	const uint8_t *data;
	size_t left;
	bool bad;
};

static const uint8_t *get(struct reader *from, size_t size)
{
	const uint8_t *at = from->data;

	from->bad = from->bad || size > from->left;
	if (from->bad)
		return NULL;
	from->data += size;
	from->left -= size;
	return at;
}

static uint32_t get_number(struct reader *from)
{
	const uint8_t *at = get(from, 4);

	return at ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
			at[3]
		  : 0;
}

static struct reader get_string(struct reader *from)
{
	size_t size = get_number(from);
	const uint8_t *at = get(from, size);

	return (struct reader){ .data = at, .left = at ? size : 0, .bad = !at };
}

static bool is_bytes(const struct reader *string, const void *data, size_t size)
{
	return !string->bad && string->left == size &&
	       (size == 0 || memcmp(string->data, data, size) == 0);
}

static bool is_text(const struct reader *string, const char *text)
{
	return is_bytes(string, text, strlen(text));
}

char *sr_base64(const void *data, size_t size)
{
	char *text = malloc(SR_BASE64_SIZE(size));

	if (text)
		sr_base64_format(data, size, text);
	return text;
}

static void put_public(struct writer *to, const struct sr_key_type *type,
		       const TPM2B_PUBLIC *pub)
{
	const TPMU_PUBLIC_ID *unique = &pub->publicArea.unique;
	uint8_t point[1 + 2 * SR_FIELD_MAX] = { 0x04 };
	size_t field = type->field;

	put_text(to, type->ssh);
	if (type->alg == TPM2_ALG_RSA) {
		put_mpint(to, exponent, sizeof(exponent));
		put_mpint(to, unique->rsa.buffer, unique->rsa.size);
		return;
	}
	(void)sr_pubkey_pad(unique->ecc.x.buffer, unique->ecc.x.size, point + 1, field);
	(void)sr_pubkey_pad(unique->ecc.y.buffer, unique->ecc.y.size, point + 1 + field,
			    field);
	put_text(to, type->ssh + strlen("ecdsa-sha2-"));
	put_string(to, point, 1 + 2 * field);
}

int sr_ssh_public(const TPM2B_PUBLIC *pub, struct sr_buf *ret, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_of(pub);
	struct writer to;

	if (!type)
		return sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	to.size = 0;
	to.full = false;
	put_public(&to, type, pub);
	return finish(&to, ret, err);
}

int sr_ssh_line(const TPM2B_PUBLIC *pub, const char *comment, char **ret,
		struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf blob = { 0 };
	_cleanup_free_ char *text = NULL;
	int r = sr_ssh_public(pub, &blob, err);

	if (r < 0)
		return r;
	text = sr_base64(blob.data, blob.size);
	if (!text ||
	    asprintf(ret, "%s %s %s", sr_key_type_of(pub)->ssh, text, comment) < 0)
		return sr_fail_memory(err);
	return 0;
}

int sr_ssh_fingerprint(const TPM2B_PUBLIC *pub, char ret[SR_SSH_FINGERPRINT],
		       struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf blob = { 0 };
	uint8_t digest[EVP_MAX_MD_SIZE];
	_cleanup_free_ char *text = NULL;
	unsigned int size;
	int r = sr_ssh_public(pub, &blob, err);

	if (r < 0)
		return r;
	if (EVP_Digest(blob.data, blob.size, digest, &size, EVP_sha256(), NULL) != 1)
		return sr_fail_libcrypto(err, "hashing a public key");
	text = sr_base64(digest, size);
	if (!text)
		return sr_fail_memory(err);
	(void)snprintf(ret, SR_SSH_FINGERPRINT, "SHA256:%.43s", text);
	return 0;
}

struct sr_scheme sr_ssh_scheme(const struct sr_key_type *type)
{
	return (struct sr_scheme){
		.hash = type->alg == TPM2_ALG_RSA ? TPM2_ALG_SHA512
						  : sr_bank_parse(type->hash),
	};
}

static const char *hash_name(TPMI_ALG_HASH hash)
{
	return hash == TPM2_ALG_SHA256 ? "sha256" : "sha512";
}

int sr_sshsig_signed(const struct sr_sshsig *sig, struct sr_buf *ret, struct sr_err *err)
{
	struct writer to;

	to.size = 0;
	to.full = false;
	put(&to, magic, strlen(magic));
	put_text(&to, sig->name_space);
	put_text(&to, "");
	put_text(&to, hash_name(sig->hash));
	put_string(&to, sig->digest, sig->size);
	return finish(&to, ret, err);
}

/* The signature inside: a name, then RSA's bytes, or two numbers for ECDSA. */
static int put_signature(struct writer *to, const struct sr_key_type *type,
			 const struct sr_buf *der, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf plain = { 0 };
	struct writer pair;
	int r = sr_signature_plain(der, type, &plain, err);

	if (r < 0)
		return r;
	if (type->alg == TPM2_ALG_RSA) {
		put_text(to, RSA_SHA512);
		put_string(to, plain.data, plain.size);
		return 0;
	}
	pair.size = 0;
	pair.full = false;
	put_mpint(&pair, plain.data, type->field);
	put_mpint(&pair, plain.data + type->field, type->field);
	put_text(to, type->ssh);
	put_string(to, pair.data, pair.size);
	return 0;
}

static int armour(const struct writer *from, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_free_ char *text = sr_base64(from->data, from->size);
	char *file = NULL;
	size_t size = 0;
	FILE *out = text ? open_memstream(&file, &size) : NULL;

	if (!out)
		return sr_fail_memory(err);
	(void)fputs(head, out);
	for (const char *at = text; *at; at += strnlen(at, LINE))
		(void)fprintf(out, "%.*s\n", LINE, at);
	(void)fprintf(out, "%s\n", tail);
	if (fclose(out) != 0) {
		free(file);
		return sr_fail_memory(err);
	}
	*ret = (struct sr_buf){ (uint8_t *)file, size };
	return 0;
}

int sr_sshsig_write(const struct sr_sshsig *sig, const TPM2B_PUBLIC *pub,
		    const struct sr_buf *der, struct sr_buf *ret, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_of(pub);
	struct writer to, part;
	int r;

	if (!type)
		return sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	to.size = part.size = 0;
	to.full = part.full = false;
	put(&to, magic, strlen(magic));
	put_number(&to, 1);
	put_public(&part, type, pub);
	put_string(&to, part.data, part.size);
	put_text(&to, sig->name_space);
	put_text(&to, "");
	put_text(&to, hash_name(sig->hash));
	part.size = 0;
	r = put_signature(&part, type, der, err);
	if (r < 0)
		return r;
	put_string(&to, part.data, part.size);
	if (to.full || part.full)
		return sr_fail(err, -EBADMSG, "too large for what OpenSSH reads");
	return armour(&to, ret, err);
}

static int fail_file(struct sr_err *err)
{
	return sr_fail(err, -EBADMSG, "not an SSH SIGNATURE file, or a damaged one");
}

/* Between the two lines base64 in lines. */
static int unarmour(const struct sr_buf *file, struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_free_ char *text = calloc(1, file->size + 1);
	const char *from = (const char *)file->data, *end;
	size_t used = 0;
	int r;

	if (!text)
		return sr_fail_memory(err);
	if (file->size > SR_SSHSIG_MAX || memchr(from, 0, file->size) ||
	    file->size < strlen(head) || memcmp(from, head, strlen(head)) != 0)
		return fail_file(err);
	from += strlen(head);
	end = memmem(from, file->size - strlen(head), tail, strlen(tail));
	for (; end && from < end; from++)
		if (*from != '\n' && *from != '\r')
			text[used++] = *from;
	if (!end)
		return fail_file(err);
	r = sr_base64_parse(text, ROOM, ret, err);
	return r == -EINVAL ? fail_file(err) : r;
}

static int take_mpint(struct reader *from, uint8_t *ret, size_t field)
{
	struct reader number = get_string(from);

	return !number.bad && sr_pubkey_pad(number.data, number.left, ret, field) ? 0
										  : -1;
}

static int take_signature(struct reader *from, const struct sr_key_type *type,
			  struct sr_buf *der, struct sr_err *err)
{
	bool rsa = type->alg == TPM2_ALG_RSA;
	struct reader name = get_string(from), body = get_string(from);
	uint8_t both[2 * SR_FIELD_MAX];
	struct sr_buf plain = { both, 2U * type->field };

	if (name.bad || body.bad || from->left > 0 ||
	    !is_text(&name, rsa ? RSA_SHA512 : type->ssh))
		return fail_file(err);
	if (rsa) {
		if (body.left != type->field)
			return fail_file(err);
		memcpy(both, body.data, body.left);
		plain.size = body.left;
	} else if (take_mpint(&body, both, type->field) < 0 ||
		   take_mpint(&body, both + type->field, type->field) < 0 || body.left) {
		return fail_file(err);
	}
	return sr_signature_from_plain(&plain, type, der, err);
}

static int read_fields(struct reader *from, const TPM2B_PUBLIC *pub,
		       const char *name_space, TPMI_ALG_HASH *hash, struct sr_buf *der,
		       struct sr_err *err)
{
	const uint8_t *start = get(from, strlen(magic));
	bool known =
	    start && memcmp(start, magic, strlen(magic)) == 0 && get_number(from) == 1;
	struct reader key = get_string(from), space = get_string(from), reserved, name,
		      signature;
	_cleanup_buf_ struct sr_buf blob = { 0 };
	int r = sr_ssh_public(pub, &blob, err);

	reserved = get_string(from);
	name = get_string(from);
	signature = get_string(from);
	if (r < 0)
		return r;
	if (!known || from->bad || from->left > 0 || reserved.left > 0)
		return fail_file(err);
	if (!is_bytes(&key, blob.data, blob.size))
		return sr_fail(err, -EBADMSG, "the signature is of another key");
	if (!is_text(&space, name_space))
		return sr_fail(err, -EBADMSG,
			       "the signature is for another namespace than \"%s\"",
			       name_space);
	*hash = is_text(&name, "sha256")   ? TPM2_ALG_SHA256
		: is_text(&name, "sha512") ? TPM2_ALG_SHA512
					   : 0;
	return *hash ? take_signature(&signature, sr_key_type_of(pub), der, err)
		     : fail_file(err);
}

int sr_sshsig_read(const struct sr_buf *file, const TPM2B_PUBLIC *pub,
		   const char *name_space, TPMI_ALG_HASH *hash, struct sr_buf *der,
		   struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	struct reader from;
	int r = unarmour(file, &content, err);

	if (r < 0)
		return r;
	from = (struct reader){ .data = content.data, .left = content.size };
	return read_fields(&from, pub, name_space, hash, der, err);
}
