/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of codec/tpmkey: files of every dialect are read and written, damage is refused.
 */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "codec/tpmkey.h"

/* Values as in test_policy.c, where it is said how the TPM was asked for the digests. */
#define PCRS_0_7                                                                         \
	"00000001000b03810000baef00d4f7b637512254f747ca17c79cfbd1e239eb8aa8308d8aa56fd9" \
	"3c8bee"
#define PCRS_7                                                                           \
	"00000001000b038000004bd4fdcde0d0890fc365f513077235961301aefa91600fa51f9ddc9e2c" \
	"9b31ac"
#define PCRS_0_7_COMMAND                                                                 \
	"0020baef00d4f7b637512254f747ca17c79cfbd1e239eb8aa8308d8aa56fd93c8bee0000000100" \
	"0b03810000"
#define PCRS_PRESENT "000000000001000b03810000"
#define POLICY_0_7 "4b6ab4ae143d2703dbec75a1d6b1b1eae02bb5c1b895c589e182050eb492aa18"
#define POLICY_0_7_PIN "b12bbb0f04df9412abf265a4cd491538125bede0b69914f9878f2748ef074a88"
#define POLICY_BOUNDED "b5df3e2e4000246c198dce46500890de1bae48d94307938f2d88ec79a10c9a7c"
#define POLICY_AUTHORIZE                                                                 \
	"48c4e368dce800bb299b0c68a27d8da5283405602f200a6e0a4456b09dba2536"
#define POLICY_AUTHORIZE_PIN                                                             \
	"327ec94df1770da2ec85ae4bc6e19abe723d2a8ba3e8ce13d735dd92458f49af"
#define APPROVER                                                                         \
	"00560023000b00060040000000100010000300100020ebca8e3b675a1b4f575e388f021ddb3336" \
	"f965a50bf7bbc1d9096ea69ba1e59100201f3952fb4249f60ae18d0002a5c2dbe287ea305962f5" \
	"7f224bf0dfe75a3657e2"
#define REF "0020ec42bc94d4531ce0043af3f2c9b2d3bbe893d2bbc3186eecfa0b6a9e17cb6bf9"
#define SIGNATURE                                                                        \
	"0018000b00206262cd026f40279c8b0797d1658346b98c4fd645d18881242f0e4b34aa216b3c00" \
	"203a7c5d3e3510d4e86be6bb3e7e6e73ba18afe200647b98d559def58ef352f6bf"
#define TOP APPROVER REF "0010"
#define APPROVED APPROVER REF SIGNATURE
#define ANY32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SEALED(policy) "004e0008000b000004920020" policy "00100020" ANY32
#define SEALED_OPEN                                                                      \
	"002e0008000b0000045200000010"                                                   \
	"0020" ANY32
#define SEALED_SHA1(policy) "004e00080004000004920020" policy "00100020" ANY32
#define PRIVATE "0020" ANY32
#define SECRET                                                                           \
	"0024"                                                                           \
	"0020" ANY32 "0000"

#define PCR "017f"
#define AUTH_VALUE "016b"
#define COUNTER_TIMER "016d"
#define AUTHORIZE "016a"
#define OWNER "40000001"
#define SRK "0081000001"
#define SRK_NEGATIVE "81000001"

struct statement {
	const char *code;
	const char *body;
};

struct entry {
	const char *name;
	struct statement policy[10];
};

/* A file; every value in hex. NULL leaves a field out, or is the usual in the last four.
 */
struct file {
	const char *empty_auth;
	struct statement policy[10];
	const char *secret;
	struct entry auth[3];
	const char *description;
	const char *rsa_parent;
	const char *type;   /* sealed */
	const char *parent; /* OWNER */
	const char *pub;
	const char *priv;
};

struct der {
	size_t size;
	uint8_t data[32768];
};

static unsigned int cases;

static void put(struct der *to, const char *hex)
{
	size_t size = strlen(hex) / 2;

	assert(size <= sizeof(to->data) - to->size);
	assert(sr_hex_parse(hex, to->data + to->size, size, NULL) == 0);
	to->size += size;
}

/* Puts tag and length before all from @from on. */
static void wrap(struct der *to, size_t from, uint8_t tag)
{
	size_t size = to->size - from;
	uint8_t head[] = { tag, 0x82, (uint8_t)(size >> 8), (uint8_t)size };
	size_t used = 4;

	if (size < 0x80) {
		head[1] = (uint8_t)size;
		used = 2;
	} else if (size < 0x100) {
		head[1] = 0x81;
		head[2] = (uint8_t)size;
		used = 3;
	}
	assert(used <= sizeof(to->data) - to->size && size <= 0xffff);
	memmove(to->data + from + used, to->data + from, size);
	memcpy(to->data + from, head, used);
	to->size += used;
}

static void element(struct der *to, uint8_t tag, const char *hex)
{
	size_t from = to->size;

	put(to, hex);
	wrap(to, from, tag);
}

static void optional(struct der *to, unsigned int number, uint8_t tag, const char *hex)
{
	size_t from = to->size;

	if (!hex)
		return;
	element(to, tag, hex);
	wrap(to, from, (uint8_t)(0xa0 | number));
}

static void statements(struct der *to, const struct statement *list)
{
	size_t start = to->size;

	if (!list->code)
		return;
	for (; list->code; list++) {
		size_t from = to->size;

		optional(to, 0, 0x02, list->code);
		optional(to, 1, 0x04, list->body);
		wrap(to, from, 0x30);
	}
	wrap(to, start, 0x30);
	wrap(to, start, 0xa1);
}

static void entries(struct der *to, const struct entry *list)
{
	size_t start = to->size;

	if (!list->policy[0].code)
		return;
	for (; list->policy[0].code; list++) {
		size_t from = to->size;

		optional(to, 0, 0x0c, list->name);
		statements(to, list->policy);
		wrap(to, from, 0x30);
	}
	wrap(to, start, 0x30);
	wrap(to, start, 0xa3);
}

static void build(const struct file *file, struct der *to)
{
	char oid[] = "6781050a0105";

	to->size = 0;
	memcpy(oid + 10, file->type ?: "05", 2);
	element(to, 0x06, oid);
	optional(to, 0, 0x01, file->empty_auth);
	statements(to, file->policy);
	optional(to, 2, 0x04, file->secret);
	entries(to, file->auth);
	optional(to, 4, 0x0c, file->description);
	optional(to, 5, 0x01, file->rsa_parent);
	element(to, 0x02, file->parent ?: OWNER);
	element(to, 0x04, file->pub ?: SEALED_OPEN);
	element(to, 0x04, file->priv ?: PRIVATE);
	wrap(to, 0, 0x30);
}

static struct sr_buf pem_of(const char *before, const char *label, const struct der *der,
			    const char *after)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct sr_buf buf;
	char *data;
	long size;

	assert(BIO_printf(bio, "%s", before) >= 0);
	assert(PEM_write_bio(bio, label, "", der->data, (long)der->size) > 0);
	assert(BIO_printf(bio, "%s", after) >= 0);
	size = BIO_get_mem_data(bio, &data);
	buf =
	    (struct sr_buf){ .data = calloc(1, (size_t)size + 1), .size = (size_t)size };
	memcpy(buf.data, data, buf.size);
	BIO_free(bio);
	return buf;
}

/* A copy without spare room, so that a read past the end is seen. */
static struct sr_buf der_of(const struct der *der)
{
	struct sr_buf buf = { .data = malloc(der->size + (der->size == 0)),
			      .size = der->size };

	memcpy(buf.data, der->data, der->size);
	return buf;
}

static bool same_policy(const struct sr_policy *a, const struct sr_policy *b)
{
	return a->count == b->count &&
	       memcmp(a->step, b->step, a->count * sizeof(a->step[0])) == 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_key(const struct sr_tpmkey *a, const struct sr_tpmkey *b)
{
	for (size_t i = 0; i < a->signed_count && i < b->signed_count; i++)
		if (!same_text(a->signed_policy[i].name, b->signed_policy[i].name) ||
		    !same_policy(&a->signed_policy[i].policy,
				 &b->signed_policy[i].policy))
			return false;
	return a->type == b->type && a->empty_auth == b->empty_auth &&
	       a->rsa_parent == b->rsa_parent && a->parent == b->parent &&
	       same_text(a->description, b->description) &&
	       same_policy(&a->policy, &b->policy) &&
	       a->signed_count == b->signed_count &&
	       memcmp(&a->secret, &b->secret, sizeof(a->secret)) == 0 &&
	       memcmp(&a->pub, &b->pub, sizeof(a->pub)) == 0 &&
	       memcmp(&a->priv, &b->priv, sizeof(a->priv)) == 0;
}

/* A refusal has its reason, and leaves nothing in OpenSSL's queue. */
static void refused(const struct sr_buf *content, const char *reason)
{
	struct sr_tpmkey *key = NULL;
	struct sr_err err = { 0 };
	int r = sr_tpmkey_read(content, &key, &err);

	if (r != -EBADMSG || !strstr(err.text, reason))
		fprintf(stderr, "want \"%s\", got %d \"%s\"\n", reason, r, err.text);
	assert(r == -EBADMSG && err.code == r && !key);
	assert(strstr(err.text, reason) && !strchr(err.text, '\n'));
	assert(ERR_peek_error() == 0);
	cases++;
}

static struct sr_tpmkey *read_key(const struct sr_buf *content)
{
	struct sr_tpmkey *key = NULL;
	struct sr_err err = { 0 };
	int r = sr_tpmkey_read(content, &key, &err);

	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	assert(r == 0 && ERR_peek_error() == 0);
	return key;
}

/* Files that are read, and as what they are written; without @written as they are. */
static const struct {
	const char *what;
	struct file file;
	struct file written;
	TPM2_HANDLE parent;
	size_t statements, signed_count;
	bool differs;
} good_cases[] = {
	{ .what = "engine: a key without policy",
	  .file = { .type = "03", .empty_auth = "ff", .pub = APPROVER },
	  .parent = 0x40000001 },
	{ .what = "engine: a key with a password says nothing about emptyAuth",
	  .file = { .type = "03", .pub = APPROVER },
	  .differs = true,
	  .written = { .type = "03", .empty_auth = "00", .pub = APPROVER },
	  .parent = 0x40000001 },
	{ .what = "engine: sealed to PCRs",
	  .file = { .empty_auth = "ff",
		    .policy = { { PCR, PCRS_0_7 } },
		    .parent = SRK,
		    .pub = SEALED(POLICY_0_7) },
	  .parent = 0x81000001,
	  .statements = 1 },
	{ .what = "engine: sealed to PCRs and a PIN",
	  .file = { .empty_auth = "00",
		    .policy = { { PCR, PCRS_0_7 }, { AUTH_VALUE, "" } },
		    .pub = SEALED(POLICY_0_7_PIN) },
	  .parent = 0x40000001,
	  .statements = 2 },
	{ .what = "a bounded approval",
	  .file = { .empty_auth = "00",
		    .policy = { { PCR, PCRS_7 },
				{ COUNTER_TIMER, "0000000700100003" },
				{ COUNTER_TIMER, "0000000a00100009" },
				{ COUNTER_TIMER, "0000000000140000" },
				{ AUTH_VALUE, "" } },
		    .parent = SRK,
		    .pub = SEALED(POLICY_BOUNDED) },
	  .parent = 0x81000001,
	  .statements = 5 },
	{ .what = "engine: signed policies below PolicyAuthorize",
	  .file = { .empty_auth = "00",
		    .policy = { { AUTHORIZE, TOP }, { AUTH_VALUE, "" } },
		    .auth = { { "64656c6c",
				{ { PCR, PCRS_0_7 }, { AUTHORIZE, APPROVED } } },
			      { NULL, { { PCR, PCRS_7 }, { AUTHORIZE, APPROVED } } } },
		    .pub = SEALED(POLICY_AUTHORIZE_PIN) },
	  .parent = 0x40000001,
	  .statements = 2,
	  .signed_count = 2 },
	{ .what = "engine: PolicyAuthorize, and nothing signed yet",
	  .file = { .empty_auth = "ff",
		    .policy = { { AUTHORIZE, TOP } },
		    .pub = SEALED(POLICY_AUTHORIZE) },
	  .parent = 0x40000001,
	  .statements = 1 },
	{ .what = "grub: sealed to the PCRs of the present, negative parent",
	  .file = { .empty_auth = "01",
		    .policy = { { PCR, PCRS_PRESENT } },
		    .parent = SRK_NEGATIVE,
		    .pub = SEALED(POLICY_0_7) },
	  .differs = true,
	  .written = { .empty_auth = "ff",
		       .policy = { { PCR, PCRS_PRESENT } },
		       .parent = SRK,
		       .pub = SEALED(POLICY_0_7) },
	  .parent = 0x81000001,
	  .statements = 1 },
	{ .what = "grub: signed policies and no policy, RSA parent",
	  .file = { .empty_auth = "01",
		    .auth = { { "61",
				{ { PCR, PCRS_PRESENT }, { AUTHORIZE, APPROVED } } } },
		    .rsa_parent = "01",
		    .pub = SEALED(POLICY_AUTHORIZE) },
	  .differs = true,
	  .written = { .empty_auth = "ff",
		       .auth = { { "61",
				   { { PCR, PCRS_PRESENT }, { AUTHORIZE, APPROVED } } } },
		       .rsa_parent = "ff",
		       .pub = SEALED(POLICY_AUTHORIZE) },
	  .parent = 0x40000001,
	  .signed_count = 1 },
	{ .what = "draft: the command's parameters with a digest",
	  .file = { .empty_auth = "ff",
		    .policy = { { PCR, PCRS_0_7_COMMAND } },
		    .pub = SEALED(POLICY_0_7) },
	  .differs = true,
	  .written = { .empty_auth = "ff",
		       .policy = { { PCR, PCRS_0_7 } },
		       .pub = SEALED(POLICY_0_7) },
	  .parent = 0x40000001,
	  .statements = 1 },
	{ .what = "an importable key",
	  .file = { .type = "04",
		    .empty_auth = "ff",
		    .secret = SECRET,
		    .pub = APPROVER,
		    .parent = "4000000b" },
	  .parent = 0x4000000b },
	{ .what = "importable sealed data",
	  .file = { .empty_auth = "ff",
		    .secret = SECRET,
		    .policy = { { PCR, PCRS_0_7 } },
		    .pub = SEALED(POLICY_0_7) },
	  .parent = 0x40000001,
	  .statements = 1 },
	{ .what = "a description, rsaParent false",
	  .file = { .empty_auth = "ff", .description = "c3bc2062", .rsa_parent = "00" },
	  .differs = true,
	  .written = { .empty_auth = "ff", .description = "c3bc2062" },
	  .parent = 0x40000001 },
	{ .what = "an RSA parent",
	  .file = { .empty_auth = "ff", .rsa_parent = "ff", .parent = "4000000c" },
	  .parent = 0x4000000c },
	{ .what = "an object whose policy is not in SHA-256 is not computed",
	  .file = { .empty_auth = "ff",
		    .policy = { { PCR, PCRS_0_7 } },
		    .pub = SEALED_SHA1(ANY32) },
	  .parent = 0x40000001,
	  .statements = 1 },
	{ .what = "a policy that the file does not tell",
	  .file = { .empty_auth = "ff", .pub = SEALED(ANY32), .parent = "40000007" },
	  .parent = 0x40000007 },
	{ .what = "an empty name",
	  .file = { .empty_auth = "ff",
		    .auth = { { "", { { PCR, PCRS_0_7 }, { AUTHORIZE, APPROVED } } } },
		    .pub = SEALED(POLICY_AUTHORIZE) },
	  .parent = 0x40000001,
	  .signed_count = 1 },
};

#define TEXT "Sealed data of ring \"system\".\nBoot state: PCR 0+7.\n"

static void round_trip(const struct sr_tpmkey *key, const struct file *as)
{
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *again = NULL;
	_cleanup_buf_ struct sr_buf written = { 0 }, want = { 0 }, second = { 0 };
	static struct der der;

	build(as, &der);
	want = pem_of(TEXT, "TSS2 PRIVATE KEY", &der, "");
	assert(sr_tpmkey_write(key, TEXT, &written, NULL) == 0);
	assert(written.size == want.size);
	assert(memcmp(written.data, want.data, want.size) == 0);
	again = read_key(&written);
	assert(again->has_empty_auth && same_key(key, again));
	assert(sr_tpmkey_write(again, TEXT, &second, NULL) == 0);
	assert(second.size == want.size);
	assert(memcmp(second.data, want.data, want.size) == 0);
}

static void test_good(void)
{
	static struct der der;

	for (size_t i = 0; i < SR_COUNT(good_cases); i++, cases++) {
		const struct file *file = &good_cases[i].file;
		_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = NULL, *other = NULL;
		_cleanup_buf_ struct sr_buf plain = { 0 }, pem = { 0 };

		build(file, &der);
		plain = der_of(&der);
		pem = pem_of(TEXT, "TSS2 PRIVATE KEY", &der, "\n");
		key = read_key(&plain);
		other = read_key(&pem);
		assert(same_key(key, other));
		assert((int)key->type == (file->type ?: "05")[1] - '0');
		assert(key->has_empty_auth == !!file->empty_auth);
		assert(key->empty_auth ==
		       (file->empty_auth && file->empty_auth[1] != '0'));
		assert(key->rsa_parent ==
		       (file->rsa_parent && file->rsa_parent[1] != '0'));
		assert(key->parent == good_cases[i].parent);
		assert(key->policy.count == good_cases[i].statements);
		assert(key->signed_count == good_cases[i].signed_count);
		assert(!key->description == !file->description);
		assert((key->secret.size > 0) == !!file->secret);
		assert(key->priv.size == 32 && key->pub.size > 0);
		round_trip(key, good_cases[i].differs ? &good_cases[i].written : file);
	}
}

static const struct {
	const char *reason;
	struct file file;
} refused_cases[] = {
	{ "unknown type, 2.23.133.10.1.6", { .type = "06" } },
	{ "unknown type, 2.23.133.10.1.2", { .type = "02" } },
	{ "emptyAuth is neither", { .empty_auth = "02" } },
	{ "emptyAuth is neither", { .empty_auth = "fe" } },
	{ "no TPMKey", { .empty_auth = "" } },
	{ "no TPMKey", { .empty_auth = "ffff" } },
	{ "rsaParent is neither", { .rsa_parent = "7f" } },
	{ "rsaParent of a persistent", { .rsa_parent = "ff", .parent = SRK } },
	{ "neither a persistent key nor", { .parent = "0080000000" } },
	{ "neither a persistent key nor", { .parent = "80000000" } },
	{ "neither a persistent key nor", { .parent = "00" } },
	{ "neither a persistent key nor", { .parent = "ff" } },
	{ "neither a persistent key nor", { .parent = "01500000" } },
	{ "neither a persistent key nor", { .parent = "40000009" } },
	{ "neither a persistent key nor", { .parent = "0082000000" } },
	{ "parent is no handle", { .parent = "0140000001" } },
	{ "parent is no handle", { .parent = "ff40000001" } },
	{ "parent is no handle", { .parent = "ff7fffffff" } },
	{ "parent is no handle", { .parent = "01000000000000000081000001" } },
	{ "no TPMKey", { .parent = "" } },
	{ "no TPMKey", { .parent = "0040000001" } },
	{ "importable but has no secret", { .type = "04", .pub = APPROVER } },
	{ "loadable but has a secret",
	  { .type = "03", .pub = APPROVER, .secret = SECRET } },
	{ "sealed data but has a key", { .pub = APPROVER } },
	{ "secret is damaged", { .secret = "" } },
	{ "secret is damaged", { .secret = "0000" } },
	{ "secret is damaged", { .secret = SECRET "00" } },
	{ "secret is damaged", { .secret = "0025" ANY32 } },
	{ "public area is damaged", { .pub = "" } },
	{ "public area is damaged", { .pub = "0000" } },
	{ "public area is damaged", { .pub = SEALED_OPEN "00" } },
	{ "public area is damaged", { .pub = "002f0008000b00000452000000100020" ANY32 } },
	{ "public area is damaged", { .pub = "002d0008000b00000452000000100020" ANY32 } },
	{ "public area is damaged",
	  { .pub = "002f0008000b00000452000000100020" ANY32 "00" } },
	{ "public area is damaged", { .pub = "002e0008000b00000452ffff00100020" ANY32 } },
	{ "public area is damaged", { .pub = "002e1234000b00000452000000100020" ANY32 } },
	{ "private area is damaged", { .priv = "" } },
	{ "private area is damaged", { .priv = "0000" } },
	{ "private area is damaged", { .priv = "0021" ANY32 } },
	{ "private area is damaged", { .priv = "001f" ANY32 } },
	{ "private area is damaged", { .priv = "ffff" ANY32 } },
	{ "description is not UTF-8", { .description = "c3" } },
	{ "description is not UTF-8", { .description = "61c0af" } },
	{ "description has a NUL", { .description = "610062" } },
	{ "description is not UTF-8, or has a control", { .description = "611b5b32" } },
	{ "description is not UTF-8, or has a control", { .description = "610a" } },
	{ "description is not UTF-8, or has a control", { .description = "c29b" } },
	{ "description is not UTF-8, or has a control", { .description = "61e280ae62" } },
	{ "not the one of its object",
	  { .policy = { { PCR, PCRS_7 } }, .pub = SEALED(POLICY_0_7) } },
	{ "not the one of its object",
	  { .policy = { { PCR, PCRS_0_7 }, { AUTH_VALUE, "" } },
	    .pub = SEALED(POLICY_0_7) } },
	{ "not the one of its object", { .policy = { { AUTH_VALUE, "" } } } },
	{ "not the one of its object",
	  { .policy = { { AUTHORIZE, TOP } },
	    .auth = { { NULL, { { PCR, PCRS_0_7 }, { AUTHORIZE, APPROVED } } } },
	    .pub = SEALED(POLICY_0_7) } },
	{ "PolicyPCR in the policy",
	  { .policy = { { PCR, PCRS_0_7 "00" } }, .pub = SEALED(POLICY_0_7) } },
	{ "PolicyAuthValue in the policy has trailing",
	  { .policy = { { AUTH_VALUE, "00" } } } },
	{ "do not know (command 0x149)", { .policy = { { "0149", "00" } } } },
	{ "no command code", { .policy = { { "ff", "" } } } },
	{ "no command code", { .policy = { { "010000017f", PCRS_0_7 } } } },
	{ "no TPMKey", { .policy = { { PCR, NULL } } } },
	{ "9 statements; 8",
	  { .policy = { { AUTH_VALUE, "" },
			{ AUTH_VALUE, "" },
			{ AUTH_VALUE, "" },
			{ AUTH_VALUE, "" },
			{ AUTH_VALUE, "" },
			{ AUTH_VALUE, "" },
			{ AUTH_VALUE, "" },
			{ AUTH_VALUE, "" },
			{ AUTH_VALUE, "" } } } },
	{ "PolicyAuthorize in the wrong place",
	  { .policy = { { PCR, PCRS_0_7 }, { AUTHORIZE, TOP } },
	    .pub = SEALED(POLICY_AUTHORIZE) } },
	{ "PolicyAuthorize in the wrong place",
	  { .policy = { { AUTHORIZE, APPROVED } }, .pub = SEALED(POLICY_AUTHORIZE) } },
	{ "does not authorize one",
	  { .policy = { { PCR, PCRS_0_7 } },
	    .auth = { { NULL, { { PCR, PCRS_0_7 }, { AUTHORIZE, APPROVED } } } },
	    .pub = SEALED(POLICY_0_7) } },
	{ "not one policy and its signature",
	  { .auth = { { NULL, { { PCR, PCRS_0_7 } } } }, .pub = SEALED(POLICY_0_7) } },
	{ "not one policy and its signature",
	  { .auth = { { NULL, { { PCR, PCRS_0_7 }, { AUTHORIZE, TOP } } } },
	    .pub = SEALED(POLICY_AUTHORIZE) } },
	{ "not one policy and its signature",
	  { .auth = { { NULL, { { AUTHORIZE, APPROVED }, { AUTHORIZE, APPROVED } } } },
	    .pub = SEALED(POLICY_AUTHORIZE) } },
	{ "not one policy and its signature",
	  { .auth = { { NULL, { { AUTHORIZE, APPROVED }, { PCR, PCRS_0_7 } } } },
	    .pub = SEALED(POLICY_AUTHORIZE) } },
	{ "name has a NUL",
	  { .auth = { { "6100", { { PCR, PCRS_0_7 }, { AUTHORIZE, APPROVED } } } },
	    .pub = SEALED(POLICY_AUTHORIZE) } },
	{ "name is not UTF-8",
	  { .auth = { { "ff", { { PCR, PCRS_0_7 }, { AUTHORIZE, APPROVED } } } },
	    .pub = SEALED(POLICY_AUTHORIZE) } },
};

static void test_refused(void)
{
	static struct der der;

	for (size_t i = 0; i < SR_COUNT(refused_cases); i++) {
		_cleanup_buf_ struct sr_buf plain = { 0 }, pem = { 0 };

		build(&refused_cases[i].file, &der);
		plain = der_of(&der);
		pem = pem_of("", "TSS2 PRIVATE KEY", &der, "");
		refused(&plain, refused_cases[i].reason);
		refused(&pem, refused_cases[i].reason);
	}
}

/* Each of 64 entries is read, the 65th is one too many. */
static void test_many_signed(void)
{
	static struct der der;
	static struct file file = { .empty_auth = "ff", .pub = SEALED(POLICY_AUTHORIZE) };
	struct entry entry = { NULL, { { AUTHORIZE, APPROVED } } };

	for (size_t count = SR_TPMKEY_SIGNED; count <= SR_TPMKEY_SIGNED + 1; count++) {
		static struct der list;
		_cleanup_buf_ struct sr_buf plain = { 0 };
		_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = NULL;
		size_t start;

		der.size = list.size = 0;
		for (size_t i = 0; i < count; i++) {
			size_t from = list.size;

			statements(&list, entry.policy);
			wrap(&list, from, 0x30);
		}
		wrap(&list, 0, 0x30);
		wrap(&list, 0, 0xa3);
		element(&der, 0x06, "6781050a0105");
		start = der.size;
		memcpy(der.data + start, list.data, list.size);
		der.size += list.size;
		element(&der, 0x02, OWNER);
		element(&der, 0x04, file.pub);
		element(&der, 0x04, PRIVATE);
		wrap(&der, 0, 0x30);
		plain = der_of(&der);
		if (count > SR_TPMKEY_SIGNED) {
			refused(&plain, "65 entries; 64");
			continue;
		}
		key = read_key(&plain);
		assert(key->signed_count == SR_TPMKEY_SIGNED);
		cases++;
	}
}

/* What is not DER although another decoder would take it; and every file cut short. */
static void test_encoding(void)
{
	static const struct file file = { .empty_auth = "ff",
					  .policy = { { PCR, PCRS_0_7 } },
					  .pub = SEALED(POLICY_0_7) };
	static struct der der, other;
	_cleanup_buf_ struct sr_buf buf = { 0 };

	build(&file, &der);
	for (size_t cut = 1; cut < der.size; cut++) {
		_cleanup_buf_ struct sr_buf part = { 0 };

		other = der;
		other.size = cut;
		part = der_of(&other);
		refused(&part, "no TPMKey");
	}
	other = der;
	put(&other, "00");
	buf = der_of(&other);
	refused(&buf, "trailing bytes");
	sr_buf_done(&buf);
	buf = pem_of("", "TSS2 PRIVATE KEY", &other, "");
	refused(&buf, "trailing bytes");
	sr_buf_done(&buf);

	/* an indefinite length around it all, and a length in more bytes than it needs */
	assert(der.data[1] == 0x81);
	other = der;
	other.data[1] = 0x80;
	memmove(other.data + 2, other.data + 3, other.size - 3);
	other.size--;
	put(&other, "0000");
	buf = der_of(&other);
	refused(&buf, "not DER");
	sr_buf_done(&buf);
	other = der;
	memmove(other.data + 3, other.data + 2, other.size - 2);
	other.data[1] = 0x82;
	other.data[2] = 0;
	other.size++;
	buf = der_of(&other);
	refused(&buf, "not DER");
	sr_buf_done(&buf);

	/* one more element at the end of the sequence */
	other = der;
	put(&other, "0500");
	other.data[2] = (uint8_t)(other.data[2] + 2);
	buf = der_of(&other);
	refused(&buf, "no TPMKey");
}

static const struct {
	const char *before, *label, *after;
	const char *reason;
} pem_cases[] = {
	{ "", "CERTIFICATE", "", "another PEM block" },
	{ "", "PRIVATE KEY", "", "another PEM block" },
	{ "", "TSS2 PRIVATE KEY", "-----BEGIN X-----\nAAAA\n-----END X-----\n",
	  "more than one" },
	{ "", "TSS2 PRIVATE KEY", "-----BEGIN TSS2 PRIVATE KEY-----\n", "more than one" },
	{ "-----BEGIN X-----\nAAAA\n-----END X-----\n", "TSS2 PRIVATE KEY", "",
	  "another PEM block" },
	{ "-----BEGIN X-----\n", "TSS2 PRIVATE KEY", "", "damaged" },
	{ "-----BEGIN TSS2 PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
	  "AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n"
	  "-----END TSS2 PRIVATE KEY-----\n",
	  "X", "", "encrypted" },
	{ "0", "TSS2 PRIVATE KEY", "", "no TPMKey" },
};

static void test_pem(void)
{
	static const struct file file = { .empty_auth = "ff" };
	static const char *const texts[] = { "",
					     "\n",
					     "no key here\n",
					     "-----BEGIN",
					     "-----BEGIN TSS2 PRIVATE KEY-----",
					     "-----BEGIN TSS2 PRIVATE KEY-----\n"
					     "-----END TSS2 PRIVATE KEY-----\n",
					     "-----BEGIN TSS2 PRIVATE KEY-----\n!!!!\n"
					     "-----END TSS2 PRIVATE KEY-----\n" };
	static const char *const reasons[] = { "empty",	  "no TSS2", "no TSS2", "no TSS2",
					       "damaged", "damaged", "damaged" };
	static struct der der;
	struct sr_buf large = { .size = SR_TPMKEY_MAX + 1 };

	build(&file, &der);
	for (size_t i = 0; i < SR_COUNT(pem_cases); i++) {
		_cleanup_buf_ struct sr_buf pem = pem_of(
		    pem_cases[i].before, pem_cases[i].label, &der, pem_cases[i].after);

		refused(&pem, pem_cases[i].reason);
	}
	for (size_t i = 0; i < SR_COUNT(texts); i++) {
		struct sr_buf text = { .data = (uint8_t *)texts[i],
				       .size = strlen(texts[i]) };

		refused(&text, reasons[i]);
	}
	large.data = calloc(1, large.size);
	refused(&large, "larger than 65536");
	sr_buf_done(&large);
}

static void unwritable(const struct sr_tpmkey *key, const char *text, const char *reason)
{
	struct sr_buf buf = { 0 };
	struct sr_err err = { 0 };
	int r = sr_tpmkey_write(key, text, &buf, &err);

	if (r != -EINVAL || !strstr(err.text, reason))
		fprintf(stderr, "want \"%s\", got %d \"%s\"\n", reason, r, err.text);
	assert(r == -EINVAL && !buf.data && strstr(err.text, reason));
	cases++;
}

/* Without armour it is the bytes that were read. */
static void bare(const struct sr_tpmkey *key, const struct sr_buf *der)
{
	_cleanup_buf_ struct sr_buf again = { 0 };

	assert(sr_tpmkey_write_der(key, &again, NULL) == 0);
	assert(again.size == der->size && memcmp(again.data, der->data, der->size) == 0);
	cases++;
}

/* Nothing is written that would not be read. */
static void test_mistakes(void)
{
	static const struct file file = { .empty_auth = "ff",
					  .policy = { { PCR, PCRS_0_7 } },
					  .pub = SEALED(POLICY_0_7) };
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = NULL, *empty = sr_tpmkey_new();
	_cleanup_buf_ struct sr_buf plain = { 0 }, again = { 0 };
	static struct der der;
	char large[SR_TPMKEY_MAX];

	build(&file, &der);
	plain = der_of(&der);
	key = read_key(&plain);
	unwritable(empty, NULL, "neither a persistent key nor");
	empty->parent = 0x40000001;
	unwritable(empty, NULL, "no known type");
	unwritable(key, "no newline", "newline");
	unwritable(key, "0\n", "not start with 0");
	unwritable(key, "-----BEGIN X-----\n", "-----");
	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 2] = '\n';
	large[sizeof(large) - 1] = '\0';
	unwritable(key, large, "larger than");
	bare(key, &plain);
	key->policy.step[0].pcr.digest.buffer[0] ^= 1;
	unwritable(key, NULL, "not the one of its object");
	assert(sr_tpmkey_write_der(key, &again, NULL) == -EINVAL && !again.data);
	key->policy.step[0].pcr.digest.buffer[0] ^= 1;
	key->policy.count = SR_POLICY_STEPS + 1;
	unwritable(key, NULL, "too long");
	key->policy.count = 1;
	key->priv.size = 0;
	unwritable(key, NULL, "private area");
	key->priv.size = sizeof(key->priv.buffer) + 1;
	unwritable(key, NULL, "private area");
	key->priv.size = 32;
	key->type = SR_TPMKEY_IMPORTABLE;
	unwritable(key, NULL, "no secret");
	key->secret.size = sizeof(key->secret.secret) + 1;
	unwritable(key, NULL, "secret");
	sr_tpmkey_free(NULL);
}

int main(void)
{
	test_good();
	test_refused();
	test_many_signed();
	test_encoding();
	test_pem();
	test_mistakes();
	printf("test_tpmkey: %u cases\n", cases);
	return 0;
}
