/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What OpenSSH writes: public keys (RFC 4253, RFC 5656), fingerprints, SSHSIG files. */
#include "ssh.h"

#include <string.h>

#include "ground/base64.h"
#include "ground/parse.h"
#include "wire.h"

#define ROOM 4096 /* more than the largest key with the largest signature */
#define LINE 70	  /* letters in a line of an SSH SIGNATURE file */
#define RSA_SHA512 "rsa-sha2-512"

static const char head[] = "-----BEGIN SSH SIGNATURE-----\n";
static const char tail[] = "-----END SSH SIGNATURE-----";
static const char magic[] = "SSHSIG";
static const uint8_t exponent[] = { 0x01, 0x00, 0x01 };

char *sr_base64(const void *data, size_t size)
{
	char *text = malloc(SR_BASE64_SIZE(size));

	if (text)
		sr_base64_format(data, size, text);
	return text;
}

static void put_public(struct sr_writer *to, const struct sr_key_type *type,
		       const TPM2B_PUBLIC *pub)
{
	const TPMU_PUBLIC_ID *unique = &pub->publicArea.unique;
	uint8_t point[1 + 2 * SR_FIELD_MAX] = { 0x04 };
	size_t field = type->field;

	sr_put_text(to, type->ssh);
	if (type->alg == SR_ALG_EDDSA) {
		sr_put_string(to, unique->ecc.x.buffer, unique->ecc.x.size);
		return;
	}
	if (type->alg == TPM2_ALG_RSA) {
		sr_put_mpint(to, exponent, sizeof(exponent));
		sr_put_mpint(to, unique->rsa.buffer, unique->rsa.size);
		return;
	}
	(void)sr_pubkey_pad(unique->ecc.x.buffer, unique->ecc.x.size, point + 1, field);
	(void)sr_pubkey_pad(unique->ecc.y.buffer, unique->ecc.y.size, point + 1 + field,
			    field);
	sr_put_text(to, type->ssh + strlen("ecdsa-sha2-"));
	sr_put_string(to, point, 1 + 2 * field);
}

int sr_ssh_public(const TPM2B_PUBLIC *pub, struct sr_buf *ret, struct sr_err *err)
{
	const struct sr_key_type *type = sr_key_type_of(pub);
	uint8_t room[ROOM];
	struct sr_writer to = SR_WRITER(room);

	if (!type)
		return sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	if (!type->ssh)
		return sr_fail(err, -EINVAL, "OpenSSH has no keys of type %s",
			       type->name);
	put_public(&to, type, pub);
	return sr_put_done(&to, ret, err);
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
		.hash = type->alg == TPM2_ALG_RSA   ? TPM2_ALG_SHA512
			: type->alg == SR_ALG_EDDSA ? TPM2_ALG_NULL
						    : sr_bank_parse(type->hash),
	};
}

static const char *hash_name(TPMI_ALG_HASH hash)
{
	return hash == TPM2_ALG_SHA256 ? "sha256" : "sha512";
}

int sr_sshsig_signed(const struct sr_sshsig *sig, struct sr_buf *ret, struct sr_err *err)
{
	uint8_t room[ROOM];
	struct sr_writer to = SR_WRITER(room);

	sr_put(&to, magic, strlen(magic));
	sr_put_text(&to, sig->name_space);
	sr_put_text(&to, "");
	sr_put_text(&to, hash_name(sig->hash));
	sr_put_string(&to, sig->digest, sig->size);
	return sr_put_done(&to, ret, err);
}

/* What RSA signs with is in the name; the curve decides it for ECDSA. */
static const char *signature_name(const struct sr_key_type *type, TPMI_ALG_HASH hash)
{
	if (type->alg != TPM2_ALG_RSA)
		return type->ssh;
	return hash == TPM2_ALG_SHA256 ? "rsa-sha2-256" : RSA_SHA512;
}

/* A name, then RSA's or EdDSA's bytes, or two numbers for ECDSA. */
static int put_signature(struct sr_writer *to, const struct sr_key_type *type,
			 TPMI_ALG_HASH hash, const struct sr_buf *der, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf plain = { 0 };
	int r = sr_signature_plain(der, type, &plain, err);
	size_t body;

	if (r < 0)
		return r;
	sr_put_text(to, signature_name(type, hash));
	body = sr_put_begin(to);
	if (type->alg != TPM2_ALG_ECC) {
		sr_put(to, plain.data, plain.size);
	} else {
		sr_put_mpint(to, plain.data, type->field);
		sr_put_mpint(to, plain.data + type->field, type->field);
	}
	sr_put_end(to, body);
	return 0;
}

int sr_ssh_signature(const struct sr_key_type *type, const struct sr_scheme *scheme,
		     const struct sr_buf *der, struct sr_buf *ret, struct sr_err *err)
{
	uint8_t room[ROOM];
	struct sr_writer to = SR_WRITER(room);
	int r = put_signature(&to, type, scheme->hash, der, err);

	return r < 0 ? r : sr_put_done(&to, ret, err);
}

static int armour(const struct sr_writer *from, struct sr_buf *ret, struct sr_err *err)
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
	uint8_t room[ROOM];
	struct sr_writer to = SR_WRITER(room);
	size_t part;
	int r;

	if (!type || !type->ssh)
		return sr_fail(err, -EBADMSG, "not a kind of key that OpenSSH has");
	sr_put(&to, magic, strlen(magic));
	sr_put_number(&to, 1);
	part = sr_put_begin(&to);
	put_public(&to, type, pub);
	sr_put_end(&to, part);
	sr_put_text(&to, sig->name_space);
	sr_put_text(&to, "");
	sr_put_text(&to, hash_name(sig->hash));
	part = sr_put_begin(&to);
	r = put_signature(&to, type, sr_ssh_scheme(type).hash, der, err);
	if (r < 0)
		return r;
	sr_put_end(&to, part);
	if (to.full)
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

static int take_mpint(struct sr_reader *from, uint8_t *ret, size_t field)
{
	struct sr_reader number = sr_get_string(from);

	return !number.bad && sr_pubkey_pad(number.data, number.left, ret, field) ? 0
										  : -1;
}

static int take_signature(struct sr_reader *from, const struct sr_key_type *type,
			  struct sr_buf *der, struct sr_err *err)
{
	bool rsa = type->alg == TPM2_ALG_RSA;
	struct sr_reader name = sr_get_string(from), body = sr_get_string(from);
	uint8_t both[2 * SR_FIELD_MAX];
	struct sr_buf plain = { both, 2U * type->field };

	if (name.bad || body.bad || from->left > 0 ||
	    !sr_wire_is_text(&name, rsa ? RSA_SHA512 : type->ssh))
		return fail_file(err);
	if (type->alg != TPM2_ALG_ECC) {
		if (body.left > sizeof(both))
			return fail_file(err);
		memcpy(both, body.data, body.left);
		plain.size = body.left;
	} else if (take_mpint(&body, both, type->field) < 0 ||
		   take_mpint(&body, both + type->field, type->field) < 0 || body.left) {
		return fail_file(err);
	}
	return sr_signature_from_plain(&plain, type, der, err);
}

static int read_fields(struct sr_reader *from, const TPM2B_PUBLIC *pub,
		       const char *name_space, TPMI_ALG_HASH *hash, struct sr_buf *der,
		       struct sr_err *err)
{
	const uint8_t *start = sr_get(from, strlen(magic));
	bool known =
	    start && memcmp(start, magic, strlen(magic)) == 0 && sr_get_number(from) == 1;
	struct sr_reader key = sr_get_string(from), space = sr_get_string(from), reserved,
			 name, signature;
	_cleanup_buf_ struct sr_buf blob = { 0 };
	int r = sr_ssh_public(pub, &blob, err);

	reserved = sr_get_string(from);
	name = sr_get_string(from);
	signature = sr_get_string(from);
	if (r < 0)
		return r;
	if (!known || from->bad || from->left > 0 || reserved.left > 0)
		return fail_file(err);
	if (!sr_wire_is(&key, blob.data, blob.size))
		return sr_fail(err, -EBADMSG, "the signature is of another key");
	if (!sr_wire_is_text(&space, name_space))
		return sr_fail(err, -EBADMSG,
			       "the signature is for another namespace than \"%s\"",
			       name_space);
	*hash = sr_wire_is_text(&name, "sha256")   ? TPM2_ALG_SHA256
		: sr_wire_is_text(&name, "sha512") ? TPM2_ALG_SHA512
						   : 0;
	return *hash ? take_signature(&signature, sr_key_type_of(pub), der, err)
		     : fail_file(err);
}

int sr_sshsig_read(const struct sr_buf *file, const TPM2B_PUBLIC *pub,
		   const char *name_space, TPMI_ALG_HASH *hash, struct sr_buf *der,
		   struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	struct sr_reader from;
	int r = unarmour(file, &content, err);

	if (r < 0)
		return r;
	from = (struct sr_reader){ .data = content.data, .left = content.size };
	return read_fields(&from, pub, name_space, hash, der, err);
}
