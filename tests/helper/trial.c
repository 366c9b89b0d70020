/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random policies: what we compute must be what a TPM's trial session holds. */
#include <assert.h>
#include <string.h>

#include "codec/policy.h"
#include "tpm/tpm.h"

#define NO_SESSIONS ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE
#define KEYS 4

static const TPM2_ALG_ID hashes[] = { TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384,
				      TPM2_ALG_SHA512 };
static TPM2B_PUBLIC keys[KEYS];
static TPM2B_NAME names[KEYS]; /* as the TPM gave them */
static uint64_t state;

/* xorshift64: the same policies for the same seed */
static uint32_t number_below(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % limit;
}

static uint16_t fill(uint8_t *to, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)number_below(256);
	return (uint16_t)size;
}

static void check(TSS2_RC rc, const char *what)
{
	if (rc == TSS2_RC_SUCCESS)
		return;
	fprintf(stderr, "trial: %s: 0x%x\n", what, rc);
	exit(2);
}

/* One to four banks, each once; at least one PCR in all. */
static void random_pcr(struct sr_policy_step *step)
{
	TPML_PCR_SELECTION *list = &step->pcr.selection;
	uint32_t first = number_below(4);

	list->count = 1 + number_below(4);
	for (uint32_t i = 0; i < list->count; i++) {
		TPMS_PCR_SELECTION *selection = &list->pcrSelections[i];

		selection->hash = hashes[(first + i) % 4];
		selection->sizeofSelect = fill(selection->pcrSelect, 3);
	}
	list->pcrSelections[0].pcrSelect[number_below(3)] |=
	    (uint8_t)(1U << number_below(8));
	step->pcr.digest.size = fill(step->pcr.digest.buffer, 32);
}

static void random_counter_timer(struct sr_policy_step *step)
{
	static const struct {
		uint16_t offset;
		uint16_t size;
	} fields[] = { { 0, 8 }, { 8, 8 }, { 16, 4 }, { 20, 4 }, { 24, 1 } };
	size_t i = number_below(SR_COUNT(fields));

	step->counter_timer.offset = fields[i].offset;
	step->counter_timer.operand.size =
	    fill(step->counter_timer.operand.buffer, fields[i].size);
	step->counter_timer.operation = (TPM2_EO)number_below(12);
}

static size_t random_authorize(struct sr_policy_step *step)
{
	size_t key = number_below(KEYS);

	step->authorize.key = keys[key];
	step->authorize.ref.size = fill(step->authorize.ref.buffer, number_below(65));
	step->authorize.signature.sigAlg = TPM2_ALG_NULL;
	return key;
}

static TSS2_RC authorize(ESYS_CONTEXT *esys, ESYS_TR session,
			 const struct sr_policy_step *step, size_t key)
{
	static const TPMT_TK_VERIFIED no_ticket = { .tag = TPM2_ST_VERIFIED,
						    .hierarchy = TPM2_RH_NULL };
	TPM2B_DIGEST approved = { .size = 32 };

	return Esys_PolicyAuthorize(esys, session, NO_SESSIONS, &approved,
				    &step->authorize.ref, &names[key], &no_ticket);
}

/* Appends one random statement, and makes it in the trial session. */
static void add_step(ESYS_CONTEXT *esys, ESYS_TR session, struct sr_policy *policy,
		     bool *has_locality)
{
	static const TPM2_CC codes[] = {
		TPM2_CC_PolicyPCR,	   TPM2_CC_PolicyCounterTimer,
		TPM2_CC_PolicyAuthValue,   TPM2_CC_PolicyAuthorize,
		TPM2_CC_PolicyCommandCode, TPM2_CC_PolicyLocality
	};
	struct sr_policy_step *step = &policy->step[policy->count++];
	size_t key;
	TSS2_RC rc;

	memset(step, 0, sizeof(*step));
	/* Two localities may contradict each other, which the TPM refuses. */
	step->code = codes[number_below(*has_locality ? 5 : 6)];
	switch (step->code) {
	case TPM2_CC_PolicyPCR:
		random_pcr(step);
		rc = Esys_PolicyPCR(esys, session, NO_SESSIONS, &step->pcr.digest,
				    &step->pcr.selection);
		break;
	case TPM2_CC_PolicyCounterTimer:
		random_counter_timer(step);
		rc = Esys_PolicyCounterTimer(
		    esys, session, NO_SESSIONS, &step->counter_timer.operand,
		    step->counter_timer.offset, step->counter_timer.operation);
		break;
	case TPM2_CC_PolicyAuthorize:
		key = random_authorize(step);
		rc = authorize(esys, session, step, key);
		break;
	case TPM2_CC_PolicyCommandCode: /* the same each time, or the TPM refuses */
		step->command = TPM2_CC_Duplicate;
		rc = Esys_PolicyCommandCode(esys, session, NO_SESSIONS, step->command);
		break;
	case TPM2_CC_PolicyLocality:
		*has_locality = true;
		step->locality = (uint8_t)(1 + number_below(31));
		if (number_below(4) == 0) /* an extended one: exactly this */
			step->locality = (uint8_t)(32 + number_below(224));
		rc = Esys_PolicyLocality(esys, session, NO_SESSIONS, step->locality);
		break;
	default:
		rc = Esys_PolicyAuthValue(esys, session, NO_SESSIONS);
	}
	check(rc, "a statement");
}

static bool same(const TPM2B_DIGEST *a, const TPM2B_DIGEST *b)
{
	return a->size == b->size && memcmp(a->buffer, b->buffer, a->size) == 0;
}

/* Compared after every statement; returns how many times. */
static unsigned int try_policy(ESYS_CONTEXT *esys, ESYS_TR session,
			       unsigned int made[UINT8_MAX + 1])
{
	size_t count = 1 + number_below(SR_POLICY_STEPS);
	struct sr_policy policy = { 0 };
	bool has_locality = false;

	check(Esys_PolicyRestart(esys, session, NO_SESSIONS), "PolicyRestart");
	while (policy.count < count) {
		_cleanup_esys_ TPM2B_DIGEST *theirs = NULL;
		struct sr_err err = { 0 };
		TPM2B_DIGEST ours;

		add_step(esys, session, &policy, &has_locality);
		made[policy.step[policy.count - 1].code & UINT8_MAX]++;
		check(Esys_PolicyGetDigest(esys, session, NO_SESSIONS, &theirs),
		      "PolicyGetDigest");
		if (sr_policy_digest(&policy, &ours, &err) < 0 || !same(&ours, theirs)) {
			fprintf(stderr, "trial: differs after command 0x%x: %s\n",
				policy.step[policy.count - 1].code, err.text);
			exit(1);
		}
	}
	return (unsigned int)count;
}

/* Public keys of both kinds, under name algorithms of all sizes. */
static void load_keys(ESYS_CONTEXT *esys)
{
	for (size_t i = 0; i < KEYS; i++) {
		_cleanup_esys_ TPM2B_NAME *name = NULL;
		TPMT_PUBLIC *pub = &keys[i].publicArea;
		ESYS_TR tr;

		*pub = (TPMT_PUBLIC){
			.type = TPM2_ALG_RSA,
			.nameAlg = hashes[i],
			.objectAttributes =
			    TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT,
			.parameters.rsaDetail = {
				.symmetric.algorithm = TPM2_ALG_NULL,
				.scheme.scheme = TPM2_ALG_NULL,
				.keyBits = 2048,
			},
		};
		pub->unique.rsa.size = fill(pub->unique.rsa.buffer, 256);
		pub->unique.rsa.buffer[0] |= 0x80;
		pub->unique.rsa.buffer[255] |= 1;
		if (i % 2) { /* the generator of P-256 is a point as good as any */
			static const uint8_t g[] =
			    "\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40"
			    "\xf2\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98"
			    "\xc2\x96\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c"
			    "\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68"
			    "\x37\xbf\x51\xf5";

			pub->type = TPM2_ALG_ECC;
			pub->parameters = (TPMU_PUBLIC_PARMS){
				.eccDetail = {
					.symmetric.algorithm = TPM2_ALG_NULL,
					.scheme.scheme = TPM2_ALG_NULL,
					.curveID = TPM2_ECC_NIST_P256,
					.kdf.scheme = TPM2_ALG_NULL,
				},
			};
			memset(&pub->unique, 0, sizeof(pub->unique));
			pub->unique.ecc.x.size = pub->unique.ecc.y.size = 32;
			memcpy(pub->unique.ecc.x.buffer, g, 32);
			memcpy(pub->unique.ecc.y.buffer, g + 32, 32);
		}
		check(Esys_LoadExternal(esys, NO_SESSIONS, NULL, &keys[i],
					ESYS_TR_RH_NULL, &tr),
		      "LoadExternal");
		check(Esys_TR_GetName(esys, tr, &name), "Esys_TR_GetName");
		names[i] = *name;
		check(Esys_FlushContext(esys, tr), "FlushContext");
	}
}

static ESYS_TR start(ESYS_CONTEXT *esys)
{
	static const TPMT_SYM_DEF no_encryption = { .algorithm = TPM2_ALG_NULL };
	ESYS_TR session;

	check(Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, NO_SESSIONS, NULL,
				    TPM2_SE_TRIAL, &no_encryption, TPM2_ALG_SHA256,
				    &session),
	      "StartAuthSession");
	return session;
}

/* trial TCTI COUNT SEED: tries COUNT policies, prints how much was compared */
int main(int argc, char **argv)
{
	unsigned int made[UINT8_MAX + 1] = { 0 }, compared = 0;
	struct sr_err err = { 0 };
	struct sr_tpm *tpm = NULL;
	unsigned long count;
	ESYS_TR session;

	assert(argc == 4);
	count = strtoul(argv[2], NULL, 10);
	state = strtoull(argv[3], NULL, 10) * 2 + 1;
	if (sr_tpm_open(argv[1], &tpm, &err) < 0) {
		fprintf(stderr, "trial: %s\n", err.text);
		return 2;
	}
	load_keys(tpm->esys);
	session = start(tpm->esys);
	for (unsigned long i = 0; i < count; i++)
		compared += try_policy(tpm->esys, session, made);
	check(Esys_FlushContext(tpm->esys, session), "FlushContext");
	sr_tpm_close(tpm);
	printf("%lu policies, %u digests: %u PolicyPCR, %u PolicyCounterTimer, %u "
	       "PolicyAuthValue, %u PolicyAuthorize, %u PolicyCommandCode, %u "
	       "PolicyLocality\n",
	       count, compared, made[TPM2_CC_PolicyPCR & UINT8_MAX],
	       made[TPM2_CC_PolicyCounterTimer & UINT8_MAX],
	       made[TPM2_CC_PolicyAuthValue & UINT8_MAX],
	       made[TPM2_CC_PolicyAuthorize & UINT8_MAX],
	       made[TPM2_CC_PolicyCommandCode & UINT8_MAX],
	       made[TPM2_CC_PolicyLocality & UINT8_MAX]);
	return compared == 0;
}
