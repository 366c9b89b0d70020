/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of codec/policy: digests as a TPM has them, bodies of every dialect, damage. */
#include <assert.h>
#include <string.h>

#include "codec/policy.h"

/*
 * The digests are those of trial sessions of swtpm 0.7.1 (libtpms 0.9.2), asked with
 * tpm2-tools 5.4: PCR 0 and 7 were extended once in each bank by the bank's hash of the
 * texts "sealring-0" and "sealring-7" (tpm2_pcrextend), PCR 15 and 23 left at zero; then,
 * each time in a new session of tpm2_startauthsession, "tpm2_X -S s.ctx -L digest" with
 *
 *	policypcr -l sha256:0,7 and the other lists in the table
 *	policyauthvalue
 *	policylocality 3, and "four"
 *	policycountertimer --ugt resets=7, --ule resets=131075, --eq restarts=0,
 *		--ult clock=86400000, --eq safe
 *	policyauthorize -i APPROVED -q REF -n NAME -t TICKET, where NAME is that of the
 *		public area below (tpm2_loadexternal -C o -G ecc), REF the SHA-256 of
 *		"sealring approve", APPROVED the digest of sha256:0,7
 *
 * and, where a case has several statements, these in one session in their order.
 */
#define PCR0_SHA1 "98d6832b3187a5a8d54dd3beca51804caf0fe19a"
#define PCR7_SHA1 "f244cba6d945225f0491cf13366e1efa97c497d5"
#define PCR0 "adf67ec95a30a5cd7f1083669b25865cfc607afc78b3e7c410ba24c8f2977e9b"
#define PCR7 "a21f6fe323d5d54f5be2410953dc8f0514a6eb3fbe93635d9ce47522a8dd41b2"
#define PCR0_SHA384                                                                      \
	"0f8dfab7bf42980289eae9489a87e4ae84e0caf3f14d2e51ea3d2cc40b9436e56205e4aa38fe92" \
	"ebaefbf4dc2ee46ea6"
#define PCR7_SHA384                                                                      \
	"8fafc10788a27160496bbded953caecb84afbde90a2aaaaa8740623558d2615578bc3019bb5efb" \
	"2a4100d125ab8aaa0b"
#define PCR7_SHA512                                                                      \
	"68965efc32c803b19b9c0acc8f2d6f8ffd8fb79741464dd2ec9e1c2c569c4a897a234f43c06cc6" \
	"110d85ac2c41d2cee57c5a22a1963e68d48a82589ed6e69aa6"
#define APPROVER                                                                         \
	"00560023000b00060040000000100010000300100020ebca8e3b675a1b4f575e388f021ddb3336" \
	"f965a50bf7bbc1d9096ea69ba1e59100201f3952fb4249f60ae18d0002a5c2dbe287ea305962f5" \
	"7f224bf0dfe75a3657e2"
#define REF "ec42bc94d4531ce0043af3f2c9b2d3bbe893d2bbc3186eecfa0b6a9e17cb6bf9"
#define UNSIGNED "0010"
#define R "6262cd026f40279c8b0797d1658346b98c4fd645d18881242f0e4b34aa216b3c"
#define S "3a7c5d3e3510d4e86be6bb3e7e6e73ba18afe200647b98d559def58ef352f6bf"
#define SIGNATURE "0018000b0020" R "0020" S

/* PolicyPCR over sha256:0+7 in both encodings, and its parts. */
#define ONE_BANK "00000001"
#define SHA256_0_7 "000b03810000"
#define ANY32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static unsigned int cases;

/* Bytes of a hex literal; one is written at a time. */
static const uint8_t *bytes(const char *hex, size_t *size)
{
	static uint8_t data[2048];

	*size = strlen(hex) / 2;
	assert(*size <= sizeof(data));
	assert(sr_hex_parse(hex, data, *size, NULL) == 0);
	return data;
}

static bool digest_is(const TPM2B_DIGEST *digest, const char *hex)
{
	size_t size;
	const uint8_t *data = bytes(hex, &size);

	return digest->size == size && memcmp(digest->buffer, data, size) == 0;
}

static int read_hex(TPM2_CC code, const char *body, struct sr_policy_step *ret,
		    struct sr_err *err)
{
	size_t size;
	const uint8_t *data = bytes(body, &size);

	return sr_policy_body_read(code, data, size, ret, err);
}

static void add(struct sr_policy *policy, TPM2_CC code, const char *body)
{
	assert(read_hex(code, body, &policy->step[policy->count++], NULL) == 0);
}

static const struct {
	const char *pcrs;
	const char *digest;
} pcr_cases[] = {
	{ "sha256:0=" PCR0 "+7=" PCR7,
	  "4b6ab4ae143d2703dbec75a1d6b1b1eae02bb5c1b895c589e182050eb492aa18" },
	{ "sha256:23=0+15=0+7=" PCR7 "+0=" PCR0,
	  "48723626452ebf747be83d39a219e619d08ad53b804c351c1ed32617955978f2" },
	{ "sha256:7=" PCR7,
	  "d7e92af5f97196e3682d4b54c02700b792cac1ed87206cf0a88efa9ac59d8564" },
	{ "sha1:0=" PCR0_SHA1 "+7=" PCR7_SHA1,
	  "3033bce8ae9c33f496c94325af8d7c364e82e6fde0eb077781bb99df284d87f5" },
	{ "sha384:0=" PCR0_SHA384 "+7=" PCR7_SHA384,
	  "ef1d4db4b2628871e94306667be3a86b1d4e46c2261280ddb7227f0034d22b1c" },
	{ "sha512:7=" PCR7_SHA512,
	  "645490aecbf4a6812471787cd5c03454a86f64ea0131e005d0de2828c1b9b223" },
};

static void test_pcrs(void)
{
	for (size_t i = 0; i < SR_COUNT(pcr_cases); i++, cases++) {
		struct sr_policy policy = { 0 };
		struct sr_pcrs pcrs;
		TPM2B_DIGEST digest;

		assert(sr_pcrs_parse(pcr_cases[i].pcrs, &pcrs, NULL) == 0);
		assert(sr_policy_add_pcrs(&policy, &pcrs, NULL) == 0);
		assert(policy.count == 1 && !sr_policy_needs_auth(&policy));
		assert(sr_policy_digest(&policy, &digest, NULL) == 0);
		assert(digest_is(&digest, pcr_cases[i].digest));
	}
}

struct step_text {
	TPM2_CC code;
	const char *body;
};

static const struct {
	const char *pcrs; /* a PolicyPCR that comes first */
	struct step_text step[5];
	const char *digest;
} digest_cases[] = {
	{ NULL,
	  { { 0 } },
	  "0000000000000000000000000000000000000000000000000000000000000000" },
	{ NULL,
	  { { TPM2_CC_PolicyAuthValue, "" } },
	  "8fcd2169ab92694e0c633f1ab772842b8241bbc20288981fc7ac1eddc1fddb0e" },
	{ NULL,
	  { { TPM2_CC_PolicyLocality, "03" } },
	  "7794f6c3e3a87b98111a7b2e04429e241b7ab16235732336a971c170e375af3a" },
	{ NULL,
	  { { TPM2_CC_PolicyLocality, "10" } },
	  "b959d934e9c82151d9ba50a53484b3dcbdafa24278eef11222dc7b7d8ea283a1" },
	{ NULL,
	  { { TPM2_CC_PolicyCommandCode, "0000014b" } },
	  "bef56b8c1cc84e11edd717528d2cd99356bd2bbf8f015209c3f84aeeaba8e8a2" },
	{ NULL,
	  { { TPM2_CC_PolicyCounterTimer, "0000000700100003" } },
	  "54151aa1b3812042e68aed2e574d30b05f36ad32398a6f7602c5f8b7c3dd8b88" },
	{ NULL,
	  { { TPM2_CC_PolicyCounterTimer, "00040000000700100003" } },
	  "54151aa1b3812042e68aed2e574d30b05f36ad32398a6f7602c5f8b7c3dd8b88" },
	{ NULL,
	  { { TPM2_CC_PolicyCounterTimer, "0002000300100009" } },
	  "36b34376990033d7f7b35fd7f067e99bae825bd999ecd0cc4a3e08df8d68adad" },
	{ NULL,
	  { { TPM2_CC_PolicyCounterTimer, "0000000000140000" } },
	  "a0eba469af7bba5332649a0bcd585fa34775f5cdb0ddd918ec17a6fac6b1bc0e" },
	{ NULL,
	  { { TPM2_CC_PolicyCounterTimer, "0000000005265c0000080005" } },
	  "d9ae674d346e71b5c8698d781596e068baf7f67ffdd6d672825d34e34b40ae7d" },
	{ NULL,
	  { { TPM2_CC_PolicyCounterTimer, "00080000000005265c0000080005" } },
	  "d9ae674d346e71b5c8698d781596e068baf7f67ffdd6d672825d34e34b40ae7d" },
	{ NULL,
	  { { TPM2_CC_PolicyCounterTimer, "0100180000" } },
	  "310a0eb2a2c3ebd96c39d954d2865a80c7925ab8996c5d73d0bb723756ec42bf" },
	{ NULL,
	  { { TPM2_CC_PolicyCounterTimer, "00010100180000" } },
	  "310a0eb2a2c3ebd96c39d954d2865a80c7925ab8996c5d73d0bb723756ec42bf" },
	{ "sha256:7=" PCR7,
	  { { TPM2_CC_PolicyCounterTimer, "0000000700100003" },
	    { TPM2_CC_PolicyCounterTimer, "0000000a00100009" },
	    { TPM2_CC_PolicyCounterTimer, "0000000000140000" },
	    { TPM2_CC_PolicyAuthValue, "" } },
	  "b5df3e2e4000246c198dce46500890de1bae48d94307938f2d88ec79a10c9a7c" },
	{ NULL,
	  { { TPM2_CC_PolicyAuthorize, APPROVER "0020" REF UNSIGNED } },
	  "48c4e368dce800bb299b0c68a27d8da5283405602f200a6e0a4456b09dba2536" },
	{ "sha256:0=" PCR0 "+7=" PCR7,
	  { { TPM2_CC_PolicyAuthorize, APPROVER "0020" REF SIGNATURE } },
	  "48c4e368dce800bb299b0c68a27d8da5283405602f200a6e0a4456b09dba2536" },
	{ NULL,
	  { { TPM2_CC_PolicyAuthorize, APPROVER "0020" REF UNSIGNED },
	    { TPM2_CC_PolicyAuthValue, "" } },
	  "327ec94df1770da2ec85ae4bc6e19abe723d2a8ba3e8ce13d735dd92458f49af" },
	{ NULL,
	  { { TPM2_CC_PolicyAuthorize, APPROVER "0000" UNSIGNED } },
	  "61be993a62fa3adaecf8f03cfab0974b820288d1622c80fb2f1cd92cbe817cf5" },
};

static void test_digests(void)
{
	for (size_t i = 0; i < SR_COUNT(digest_cases); i++, cases++) {
		const struct step_text *step = digest_cases[i].step;
		struct sr_policy policy = { 0 };
		TPM2B_DIGEST digest;
		struct sr_pcrs pcrs;

		if (digest_cases[i].pcrs) {
			assert(sr_pcrs_parse(digest_cases[i].pcrs, &pcrs, NULL) == 0);
			assert(sr_policy_add_pcrs(&policy, &pcrs, NULL) == 0);
		}
		for (; step->code; step++)
			add(&policy, step->code, step->body);
		assert(sr_policy_digest(&policy, &digest, NULL) == 0);
		assert(digest_is(&digest, digest_cases[i].digest));
	}
}

/* Bodies that are read, and what is written for them; NULL is the same again. */
static const struct {
	TPM2_CC code;
	const char *body;
	const char *written;
} body_cases[] = {
	{ TPM2_CC_PolicyPCR, ONE_BANK SHA256_0_7 ANY32, NULL },
	{ TPM2_CC_PolicyPCR, "0020" ANY32 ONE_BANK SHA256_0_7,
	  ONE_BANK SHA256_0_7 ANY32 },
	{ TPM2_CC_PolicyPCR, "0000" ONE_BANK SHA256_0_7, NULL },
	{ TPM2_CC_PolicyPCR, "0000" ONE_BANK "000403810000", NULL },
	{ TPM2_CC_PolicyPCR, "00000002000403000001" SHA256_0_7 ANY32, NULL },
	{ TPM2_CC_PolicyPCR, "0014" PCR0_SHA1 ONE_BANK SHA256_0_7,
	  ONE_BANK SHA256_0_7 PCR0_SHA1 },
	{ TPM2_CC_PolicyPCR, ONE_BANK SHA256_0_7 PCR7_SHA384, NULL },
	{ TPM2_CC_PolicyPCR, ONE_BANK SHA256_0_7 PCR7_SHA512, NULL },
	{ TPM2_CC_PolicyAuthValue, "", NULL },
	{ TPM2_CC_PolicyLocality, "01", NULL },
	{ TPM2_CC_PolicyLocality, "ff", NULL },
	{ TPM2_CC_PolicyCommandCode, "0000014b", NULL },
	{ TPM2_CC_PolicyCounterTimer, "0000000700100003", NULL },
	{ TPM2_CC_PolicyCounterTimer, "00040000000700100003", "0000000700100003" },
	{ TPM2_CC_PolicyCounterTimer, "0000000005265c000008000b", NULL },
	{ TPM2_CC_PolicyCounterTimer, "00080000000005265c0000080005",
	  "0000000005265c0000080005" },
	{ TPM2_CC_PolicyCounterTimer, "0100180000", NULL },
	{ TPM2_CC_PolicyCounterTimer, "00010100180000", "0100180000" },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0020" REF SIGNATURE, NULL },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0020" REF UNSIGNED, NULL },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0000" UNSIGNED, NULL },
};

static void test_bodies(void)
{
	for (size_t i = 0; i < SR_COUNT(body_cases); i++, cases++) {
		const char *want = body_cases[i].written ?: body_cases[i].body;
		_cleanup_buf_ struct sr_buf buf = { 0 };
		struct sr_policy_step step, again;
		const uint8_t *data;
		size_t size;

		assert(read_hex(body_cases[i].code, body_cases[i].body, &step, NULL) ==
		       0);
		assert(step.code == body_cases[i].code);
		assert(sr_policy_body_write(&step, &buf, NULL) == 0);
		data = bytes(want, &size);
		assert(buf.size == size && memcmp(buf.data, data, size) == 0);
		assert(buf.data[size] == '\0');
		assert(read_hex(body_cases[i].code, want, &again, NULL) == 0);
		assert(memcmp(&step, &again, sizeof(step)) == 0);
	}
}

static const struct {
	TPM2_CC code;
	const char *body;
	const char *reason;
} refused_cases[] = {
	{ TPM2_CC_PolicyPCR, "", "is empty" },
	{ TPM2_CC_PolicyPCR, "00", "is damaged" },
	{ TPM2_CC_PolicyPCR, "0000", "is damaged" },
	{ TPM2_CC_PolicyPCR, ONE_BANK, "is damaged" },
	{ TPM2_CC_PolicyPCR, "00000011", "is damaged" },
	{ TPM2_CC_PolicyPCR, "000000ff" SHA256_0_7 ANY32, "is damaged" },
	{ TPM2_CC_PolicyPCR, "ffffffff" SHA256_0_7 ANY32, "is damaged" },
	{ TPM2_CC_PolicyPCR, ONE_BANK SHA256_0_7, "no digest" },
	{ TPM2_CC_PolicyPCR, ONE_BANK SHA256_0_7 ANY32 "00", "no digest" },
	{ TPM2_CC_PolicyPCR, ONE_BANK SHA256_0_7 "00", "no digest" },
	{ TPM2_CC_PolicyPCR, ONE_BANK "000bff810000" ANY32, "is damaged" },
	{ TPM2_CC_PolicyPCR, ONE_BANK "000b028100" ANY32, "24 PCRs" },
	{ TPM2_CC_PolicyPCR, ONE_BANK "000b0481000000" ANY32, "24 PCRs" },
	{ TPM2_CC_PolicyPCR, ONE_BANK "123403810000" ANY32, "unknown PCR bank" },
	{ TPM2_CC_PolicyPCR, ONE_BANK "000b03000000" ANY32, "selects no PCR" },
	{ TPM2_CC_PolicyPCR, "000000000000", "selects no PCR" },
	{ TPM2_CC_PolicyPCR, "0020" ANY32 ONE_BANK SHA256_0_7 "00", "trailing bytes" },
	{ TPM2_CC_PolicyPCR, "0000" ONE_BANK SHA256_0_7 ANY32, "trailing bytes" },
	{ TPM2_CC_PolicyPCR, "000411223344" ONE_BANK SHA256_0_7,
	  "a length that no hash" },
	{ TPM2_CC_PolicyPCR, "00ff" ANY32 ONE_BANK SHA256_0_7, "is damaged" },
	{ TPM2_CC_PolicyAuthValue, "00", "trailing bytes" },
	{ TPM2_CC_PolicyLocality, "", "is empty" },
	{ TPM2_CC_PolicyLocality, "00", "names no locality" },
	{ TPM2_CC_PolicyLocality, "0101", "trailing bytes" },
	{ TPM2_CC_PolicyCommandCode, "", "is empty" },
	{ TPM2_CC_PolicyCommandCode, "000001", "is damaged" },
	{ TPM2_CC_PolicyCommandCode, "0000014b00", "trailing bytes" },
	{ TPM2_CC_PolicyCounterTimer, "", "is empty" },
	{ TPM2_CC_PolicyCounterTimer, "00100003", "is damaged" },
	{ TPM2_CC_PolicyCounterTimer, "000000000700100003", "trailing bytes" },
	{ TPM2_CC_PolicyCounterTimer, "00030000070010000300", "trailing bytes" },
	{ TPM2_CC_PolicyCounterTimer, "00030000070010000c", "1, 4 or 8 bytes" },
	{ TPM2_CC_PolicyCounterTimer, "0000000700160003", "past the end" },
	{ TPM2_CC_PolicyCounterTimer, "00000007ffff0003", "past the end" },
	{ TPM2_CC_PolicyCounterTimer, "0100190000", "past the end" },
	{ TPM2_CC_PolicyCounterTimer, "000000070010000c", "unknown comparison" },
	{ TPM2_CC_PolicyCounterTimer, "0004000000070010000300", "trailing bytes" },
	{ TPM2_CC_PolicyCounterTimer, "0041" ANY32 ANY32 "0000100003", "is damaged" },
	{ TPM2_CC_PolicyAuthorize, "", "is empty" },
	{ TPM2_CC_PolicyAuthorize, APPROVER, "is damaged" },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0020" REF, "is damaged" },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0020" REF "00", "is damaged" },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0020" REF "0018", "is damaged" },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0020" REF "0018000b0020" R, "is damaged" },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0020" REF "7777", "is damaged" },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0041" REF REF "00" UNSIGNED, "is damaged" },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0020" REF UNSIGNED "00", "trailing bytes" },
	{ TPM2_CC_PolicyAuthorize, APPROVER "0020" REF SIGNATURE "00", "trailing bytes" },
	{ TPM2_CC_PolicyAuthorize, "0000", "is damaged" },
	{ TPM2_CC_PolicyAuthorize, "ffff", "is damaged" },
	/* the size of the public area is one less, one more than what is in it */
	{ TPM2_CC_PolicyAuthorize,
	  "00550023000b00060040000000100010000300100020" R "0020" S "0000" UNSIGNED,
	  "is damaged" },
	{ TPM2_CC_PolicyAuthorize,
	  "00570023000b00060040000000100010000300100020" R "0020" S "0000" UNSIGNED,
	  "is damaged" },
	/* a keyed hash; a name algorithm that is none */
	{ TPM2_CC_PolicyAuthorize, "00300008000b00000400000000100020" R "0000" UNSIGNED,
	  "is damaged" },
	{ TPM2_CC_PolicyAuthorize, "002e0008000b00000400000000100020" R "0000" UNSIGNED,
	  "neither an RSA nor an ECC key" },
	{ TPM2_CC_PolicyAuthorize,
	  "00560023001000060040000000100010000300100020" R "0020" S "0000" UNSIGNED,
	  "unknown name algorithm" },
	{ TPM2_CC_PolicyNV, "00", "do not know (command 0x149)" },
	{ TPM2_CC_PolicyOR, "", "do not know" },
	{ 0, "", "do not know" },
	{ 0xffffffff, "00", "do not know" },
};

static void test_refused(void)
{
	for (size_t i = 0; i < SR_COUNT(refused_cases); i++, cases++) {
		struct sr_policy_step step = { .code = 42 };
		struct sr_err err = { 0 };
		int r =
		    read_hex(refused_cases[i].code, refused_cases[i].body, &step, &err);

		assert(r == -EBADMSG && err.code == r && step.code == 42);
		assert(strstr(err.text, refused_cases[i].reason));
		assert(!strchr(err.text, '\n'));
	}
}

/* Every body cut short is refused, or is another body that writes back to itself. */
static void test_cut(void)
{
	for (size_t i = 0; i < SR_COUNT(body_cases); i++) {
		size_t size;
		const uint8_t *data = bytes(body_cases[i].body, &size);

		for (size_t cut = 0; cut < size; cut++, cases++) {
			_cleanup_free_ uint8_t *part = malloc(cut + (cut == 0));
			struct sr_policy_step step;
			struct sr_err err = { 0 };
			int r;

			memcpy(part, data, cut);
			r = sr_policy_body_read(body_cases[i].code, part, cut, &step,
						&err);
			assert(r == -EBADMSG ||
			       (r == 0 && body_cases[i].code != TPM2_CC_PolicyAuthorize));
		}
	}
}

/* What cannot be computed or written is the caller's mistake. */
static void test_mistakes(void)
{
	struct sr_policy policy = { 0 };
	struct sr_buf buf = { 0 };
	struct sr_err err = { 0 };
	struct sr_pcrs pcrs;
	TPM2B_DIGEST digest = { .size = 7 };

	add(&policy, TPM2_CC_PolicyPCR, "0000" ONE_BANK SHA256_0_7);
	assert(sr_policy_digest(&policy, &digest, &err) == -EINVAL && digest.size == 7);
	assert(strstr(err.text, "which SHA-256 digest"));
	policy.count = 0;
	add(&policy, TPM2_CC_PolicyPCR, ONE_BANK SHA256_0_7 PCR0_SHA1);
	assert(sr_policy_digest(&policy, &digest, &err) == -EINVAL);
	policy.step[0].code = TPM2_CC_PolicyNV;
	assert(sr_policy_digest(&policy, &digest, &err) == -EINVAL);
	assert(sr_policy_body_write(&policy.step[0], &buf, &err) == -EINVAL && !buf.data);
	assert(strstr(err.text, "do not know"));

	policy = (struct sr_policy){ 0 };
	assert(sr_pcrs_parse("sha256:0+7=" PCR7, &pcrs, NULL) == 0);
	assert(sr_policy_add_pcrs(&policy, &pcrs, &err) == -EINVAL && policy.count == 0);
	assert(strstr(err.text, "PCR 0"));
	pcrs.mask = 0;
	assert(sr_policy_add_pcrs(&policy, &pcrs, &err) == -EINVAL);
	assert(sr_pcrs_parse("7=" PCR7, &pcrs, NULL) == 0);
	pcrs.bank = 0;
	assert(sr_policy_add_pcrs(&policy, &pcrs, &err) == -EINVAL);
	assert(strstr(err.text, "bank"));
	pcrs.bank = TPM2_ALG_SHA256;
	pcrs.mask |= 1U << 24;
	assert(sr_pcrs_digest(&pcrs, &digest, &err) == -EINVAL);
	cases += 8;
}

static void test_room(void)
{
	struct sr_policy policy = { 0 };
	struct sr_err err = { 0 };
	struct sr_pcrs pcrs;

	assert(sr_pcrs_parse("sha256:7=" PCR7, &pcrs, NULL) == 0);
	assert(sr_policy_add_pcrs(&policy, &pcrs, NULL) == 0);
	assert(!sr_policy_needs_auth(&policy));
	while (policy.count < SR_POLICY_STEPS)
		assert(sr_policy_add_auth_value(&policy, NULL) == 0);
	assert(sr_policy_needs_auth(&policy));
	assert(sr_policy_add_auth_value(&policy, &err) == -EINVAL);
	assert(sr_policy_add_pcrs(&policy, &pcrs, &err) == -EINVAL);
	assert(policy.count == SR_POLICY_STEPS && strstr(err.text, "at most 8"));
	cases += 2;
}

int main(void)
{
	test_pcrs();
	test_digests();
	test_bodies();
	test_refused();
	test_cut();
	test_mistakes();
	test_room();
	printf("test_policy: %u cases\n", cases);
	return 0;
}
