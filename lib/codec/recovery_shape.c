/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The outer shape of a recovery copy, checked before libcrypto sees it. */
#include <string.h>

#include "recovery.h"

#define ROUNDS_MAX                                                                       \
	10000000 /* some seconds: a file can't keep a boot waiting for hours             \
		  */

/* What is left of an element's content. */
struct der {
	const uint8_t *at;
	size_t left;
};

/*
 * Steps over the next element, which must have this identifier octet and the shortest
 * definite length. Content of 64 KiB and more can't be in a file of ours.
 */
static bool enter(struct der *in, uint8_t identifier, struct der *ret)
{
	size_t head = 2, size;

	if (in->left < head || in->at[0] != identifier)
		return false;
	size = in->at[1];
	if (size >= 0x80) {
		size_t count = size - 0x80;

		head += count;
		if (count < 1 || count > 2 || in->left < head || in->at[2] == 0)
			return false;
		size = count == 1 ? in->at[2] : (size_t)in->at[2] << 8 | in->at[3];
		if (size < 0x80)
			return false;
	}
	if (size > in->left - head)
		return false;
	*ret = (struct der){ .at = in->at + head, .left = size };
	in->at += head + size;
	in->left -= head + size;
	return true;
}

/* The same where nothing may follow. */
static bool enter_last(struct der *in, uint8_t identifier, struct der *ret)
{
	return enter(in, identifier, ret) && in->left == 0;
}

/* Steps over bytes that are always the same. */
static bool fixed(struct der *in, const uint8_t *bytes, size_t size)
{
	if (in->left < size || memcmp(in->at, bytes, size) != 0)
		return false;
	in->at += size;
	in->left -= size;
	return true;
}

#define FIXED(in, bytes) fixed(in, bytes, sizeof(bytes))

/* Steps over an element that we only measure. */
static bool sized(struct der *in, uint8_t identifier, size_t min, size_t max)
{
	struct der content;

	return enter(in, identifier, &content) && content.left >= min &&
	       content.left <= max;
}

#define SEQUENCE 0x30
#define SET 0x31
#define OCTETS 0x04
#define BITS 0x03
#define INTEGER 0x02
#define CONTEXT(number) (0xa0 + (number))	 /* constructed */
#define CONTEXT_OCTETS(number) (0x80 + (number)) /* implicit, primitive */

#define OID_AUTH_ENVELOPED                                                               \
	0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17
#define OID_DATA 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01
#define OID_AES_256_GCM 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2e
#define OID_AES_256_CBC 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a
#define OID_AES_256_WRAP 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2d
#define OID_PBKDF2 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c
#define OID_PWRI_KEK                                                                     \
	0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x03, 0x09
#define OID_HMAC_SHA256 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09
#define OID_OAEP 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07
#define OID_MGF1 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08
#define OID_SHA256 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01
#define SHA256 SEQUENCE, 11, OID_SHA256
#define OAEP_HASH CONTEXT(0), 13, SHA256
#define OAEP_MASK CONTEXT(1), 26, SEQUENCE, 24, OID_MGF1, SHA256
#define OAEP_SHA256 SEQUENCE, 56, OID_OAEP, SEQUENCE, 43, OAEP_HASH, OAEP_MASK
#define OID_EC 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01
#define OID_ECDH_SHA256 0x06, 0x06, 0x2b, 0x81, 0x04, 0x01, 0x0b, 0x01

static const uint8_t version_0[] = { INTEGER, 1, 0 };
static const uint8_t version_3[] = { INTEGER, 1, 3 };
static const uint8_t tag_size[] = { INTEGER, 1, 16 };
static const uint8_t oid_auth_enveloped[] = { OID_AUTH_ENVELOPED };
static const uint8_t oid_data[] = { OID_DATA };
static const uint8_t oid_gcm[] = { OID_AES_256_GCM };
static const uint8_t oid_cbc[] = { OID_AES_256_CBC };
static const uint8_t oid_pbkdf2[] = { OID_PBKDF2 };
static const uint8_t oid_pwri_kek[] = { OID_PWRI_KEK };

/* AlgorithmIdentifiers that leave nothing open. */
static const uint8_t hmac_sha256[] = { SEQUENCE, 12, OID_HMAC_SHA256, 0x05, 0 };
static const uint8_t oaep_sha256[] = { OAEP_SHA256 };
static const uint8_t ec_key[] = { SEQUENCE, 9, OID_EC };
static const uint8_t ecdh_wrap[] = {
	SEQUENCE, 21, OID_ECDH_SHA256, SEQUENCE, 11, OID_AES_256_WRAP,
};

/* An INTEGER of at most four bytes, in its shortest form, not negative. */
static bool number(struct der *in, uint32_t *ret)
{
	struct der n;

	if (!enter(in, INTEGER, &n) || n.left < 1 || n.left > 4 || n.at[0] >= 0x80)
		return false;
	if (n.left > 1 && n.at[0] == 0 && n.at[1] < 0x80)
		return false;
	*ret = 0;
	for (; n.left > 0; n.at++, n.left--)
		*ret = *ret << 8 | *n.at;
	return true;
}

static bool rounds_ok(struct der *pbkdf2)
{
	uint32_t rounds;

	return number(pbkdf2, &rounds) && rounds >= SR_RECOVERY_ROUNDS &&
	       rounds <= ROUNDS_MAX;
}

static const char *check_password(struct der recipient)
{
	struct der kdf, pbkdf2, wrap, cbc;

	if (!FIXED(&recipient, version_0) || !enter(&recipient, CONTEXT(0), &kdf) ||
	    !FIXED(&kdf, oid_pbkdf2) || !enter_last(&kdf, SEQUENCE, &pbkdf2))
		return "its password is not stretched by PBKDF2";
	if (!sized(&pbkdf2, OCTETS, 8, 64) || !rounds_ok(&pbkdf2))
		return "PBKDF2 has too little salt, or too few or too many rounds";
	if (pbkdf2.left > 0 && (!FIXED(&pbkdf2, hmac_sha256) || pbkdf2.left > 0))
		return "PBKDF2 has parameters that are not ours";
	if (!enter(&recipient, SEQUENCE, &wrap) || !FIXED(&wrap, oid_pwri_kek) ||
	    !enter_last(&wrap, SEQUENCE, &cbc) || !FIXED(&cbc, oid_cbc) ||
	    !sized(&cbc, OCTETS, 16, 16) || cbc.left > 0)
		return "its password does not wrap by AES-256";
	/* 32 bytes of key and 4 in front, in blocks of 16. */
	if (!sized(&recipient, OCTETS, 48, 48) || recipient.left > 0)
		return "the key that its password wraps has another size";
	return NULL;
}

/* IssuerAndSerialNumber: which certificate, in words that we need not understand. */
static bool certificate_id(struct der *in)
{
	struct der id;

	return enter(in, SEQUENCE, &id) && sized(&id, SEQUENCE, 0, SIZE_MAX) &&
	       sized(&id, INTEGER, 1, 64) && id.left == 0;
}

static const char *check_rsa(struct der recipient)
{
	if (!FIXED(&recipient, version_0) || !certificate_id(&recipient) ||
	    !FIXED(&recipient, oaep_sha256))
		return "an RSA recipient is not OAEP with SHA-256";
	if (!sized(&recipient, OCTETS, SR_RECOVERY_RSA_MIN / 8,
		   SR_RECOVERY_RSA_MAX / 8) ||
	    recipient.left > 0)
		return "an RSA recipient has a key of an odd size, or something extra";
	return NULL;
}

static const char *check_ec(struct der recipient)
{
	struct der outer, originator, keys, key;

	if (!FIXED(&recipient, version_3) || !enter(&recipient, CONTEXT(0), &outer) ||
	    !enter_last(&outer, CONTEXT(1), &originator) || !FIXED(&originator, ec_key) ||
	    !sized(&originator, BITS, 2, 256) || originator.left > 0)
		return "an EC recipient has no key of its sender";
	if (!FIXED(&recipient, ecdh_wrap))
		return "an EC recipient is not ECDH with SHA-256 and AES-256";
	if (!enter_last(&recipient, SEQUENCE, &keys) ||
	    !enter_last(&keys, SEQUENCE, &key) || !certificate_id(&key) ||
	    !sized(&key, OCTETS, 40, 40) || key.left > 0)
		return "an EC recipient does not have exactly one wrapped key";
	return NULL;
}

static const char *check_recipient(struct der *recipients, bool *has_key,
				   unsigned int *escrow)
{
	struct der recipient;

	if (enter(recipients, CONTEXT(3), &recipient)) {
		if (*has_key)
			return "it has two passwords";
		*has_key = true;
		return check_password(recipient);
	}
	*escrow += 1;
	if (enter(recipients, SEQUENCE, &recipient))
		return check_rsa(recipient);
	if (enter(recipients, CONTEXT(1), &recipient))
		return check_ec(recipient);
	return "a recipient is of another kind";
}

static const char *check_recipients(struct der recipients, bool *has_key,
				    unsigned int *escrow)
{
	if (recipients.left == 0)
		return "it has no recipient";
	while (recipients.left > 0) {
		const char *wrong;

		if (*has_key + *escrow == SR_RECOVERY_RECIPIENTS)
			return "it has too many recipients";
		wrong = check_recipient(&recipients, has_key, escrow);
		if (wrong)
			return wrong;
	}
	return NULL;
}

static const char *check_content(struct der content)
{
	struct der cipher, gcm;

	if (!FIXED(&content, oid_data) || !enter(&content, SEQUENCE, &cipher) ||
	    !FIXED(&cipher, oid_gcm) || !enter_last(&cipher, SEQUENCE, &gcm) ||
	    !sized(&gcm, OCTETS, 12, 12) || !FIXED(&gcm, tag_size) || gcm.left > 0)
		return "it is not encrypted by AES-256-GCM with a 16-byte tag";
	if (!sized(&content, CONTEXT_OCTETS(0), SR_RING_KEY, SR_RING_KEY) ||
	    content.left > 0)
		return "its content has not the size of a ring key";
	return NULL;
}

static const char *check_shape(struct der file, bool *has_key, unsigned int *escrow)
{
	struct der info, explicit, data, recipients, content;
	const char *wrong;

	if (!enter_last(&file, SEQUENCE, &info) || !FIXED(&info, oid_auth_enveloped) ||
	    !enter_last(&info, CONTEXT(0), &explicit) ||
	    !enter_last(&explicit, SEQUENCE, &data) || !FIXED(&data, version_0) ||
	    !enter(&data, SET, &recipients) || !enter(&data, SEQUENCE, &content))
		return "it is not one CMS AuthEnvelopedData";
	if (!sized(&data, OCTETS, 16, 16) || data.left > 0)
		return "it has attributes, or not a 16-byte tag";
	wrong = check_recipients(recipients, has_key, escrow);
	return wrong ? wrong : check_content(content);
}

int sr_recovery_check(const struct sr_buf *content, bool *has_key, unsigned int *escrow,
		      struct sr_err *err)
{
	unsigned int certificates = 0;
	const char *wrong;
	bool key = false;

	if (content->size > SR_RECOVERY_MAX)
		return sr_fail(err, -EBADMSG, "recovery file: larger than %d bytes",
			       SR_RECOVERY_MAX);
	wrong = check_shape((struct der){ content->data, content->size }, &key,
			    &certificates);
	if (wrong)
		return sr_fail(err, -EBADMSG,
			       "recovery file: refused: %s; restore it from a backup, or "
			       "renew it",
			       wrong);
	if (has_key)
		*has_key = key;
	if (escrow)
		*escrow = certificates;
	return 0;
}
