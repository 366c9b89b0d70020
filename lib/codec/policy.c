/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies: a list of statements, its digest computed in software, its words. */
#include "policy.h"

#include <openssl/evp.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "name.h"

#define TIME_INFO_SIZE 25 /* bytes of a TPMS_TIME_INFO, which PolicyCounterTimer sees */

/* Bytes in the largest body, PolicyAuthorize's, at most. */
#define BODY_MAX (sizeof(TPM2B_PUBLIC) + sizeof(TPM2B_DIGEST) + sizeof(TPMT_SIGNATURE))

struct bytes {
	size_t size;
	uint8_t data[BODY_MAX];
};

struct input {
	const uint8_t *data;
	size_t size;
	size_t at;
};

#define PUT(type, to, value)                                                             \
	(Tss2_MU_##type##_Marshal(value, (to)->data, sizeof((to)->data), &(to)->size) == \
	 TSS2_RC_SUCCESS)

#define GET(type, from, ret)                                                             \
	(Tss2_MU_##type##_Unmarshal((from)->data, (from)->size, &(from)->at, ret) ==     \
	 TSS2_RC_SUCCESS)

/*
 * What we know of a statement. Functions that return text return NULL, or what is wrong.
 *
 * check:	whether the statement can be one at all
 * args:	append what it contributes to the policy digest after its command code
 * read:	take the body apart; gets one byte or more, the caller sees to the rest
 * write:	put the body together
 *
 * Without @read a statement has no body.
 */
struct statement {
	TPM2_CC code;
	const char *name;
	const char *(*check)(const struct sr_policy_step *step);
	bool (*args)(const struct sr_policy_step *step, struct bytes *to);
	const char *(*read)(struct input *in, struct sr_policy_step *step);
	bool (*write)(const struct sr_policy_step *step, struct bytes *to);
};

static bool put_raw(struct bytes *to, const uint8_t *data, size_t size)
{
	if (size > sizeof(to->data) - to->size)
		return false;
	memcpy(to->data + to->size, data, size);
	to->size += size;
	return true;
}

/* Appends the hash of @data. */
static bool put_hash(struct bytes *to, const EVP_MD *md, const uint8_t *data, size_t size)
{
	unsigned int used = 0;

	if (sizeof(to->data) - to->size < EVP_MAX_MD_SIZE ||
	    EVP_Digest(data, size, to->data + to->size, &used, md, NULL) != 1)
		return false;
	to->size += used;
	return true;
}

static bool is_digest_size(size_t size)
{
	return size == TPM2_SHA1_DIGEST_SIZE || size == TPM2_SHA256_DIGEST_SIZE ||
	       size == TPM2_SHA384_DIGEST_SIZE || size == TPM2_SHA512_DIGEST_SIZE;
}

/* PolicyPCR */

static const char *check_selection(const TPMS_PCR_SELECTION *selection)
{
	if (sr_bank_size(selection->hash) == 0)
		return "names an unknown PCR bank";
	if (selection->sizeofSelect != SR_PCR_COUNT / 8)
		return "does not select from 24 PCRs";
	return NULL;
}

/* A PolicyPCR over no PCR always holds, so it would only look like protection. */
static const char *check_pcr(const struct sr_policy_step *step)
{
	const TPML_PCR_SELECTION *list = &step->pcr.selection;
	uint8_t any = 0;

	if (list->count > SR_COUNT(list->pcrSelections))
		return "selects from too many banks";
	for (uint32_t i = 0; i < list->count; i++) {
		const TPMS_PCR_SELECTION *selection = &list->pcrSelections[i];
		const char *wrong = check_selection(selection);

		if (wrong)
			return wrong;
		for (size_t octet = 0; octet < selection->sizeofSelect; octet++)
			any |= selection->pcrSelect[octet];
	}
	if (any == 0)
		return "selects no PCR";
	if (step->pcr.digest.size != 0 && !is_digest_size(step->pcr.digest.size))
		return "has a digest of a length that no hash has";
	return NULL;
}

static bool args_pcr(const struct sr_policy_step *step, struct bytes *to)
{
	return PUT(TPML_PCR_SELECTION, to, &step->pcr.selection) &&
	       put_raw(to, step->pcr.digest.buffer, step->pcr.digest.size);
}

/*
 * A selection list starts with its count, 1 to 16, in four octets; the command's
 * parameters with a digest's size, 0 or 20 to 64, in two, and then that count. So no body
 * can be taken for both.
 */
static bool starts_with_selection(const struct input *in)
{
	return in->size >= 4 && in->data[0] == 0 && in->data[1] == 0 &&
	       in->data[2] == 0 && in->data[3] != 0;
}

/*
 * Whether libtss2-mu can hold the list that comes next: about one that it can't it
 * complains on stderr, and that is not ours. With 24 PCRs a selection has 6 octets.
 */
static bool list_fits(const struct input *in)
{
	const uint8_t *list = in->data + in->at;
	size_t left = in->size - in->at;

	if (left < 4 || list[0] != 0 || list[1] != 0 || list[2] != 0 ||
	    list[3] > TPM2_NUM_PCR_BANKS || (left - 4) / 6 < list[3])
		return false;
	for (size_t i = 0; i < list[3]; i++)
		if (list[4 + 6 * i + 2] != SR_PCR_COUNT / 8)
			return false;
	return true;
}

static const char *read_pcr(struct input *in, struct sr_policy_step *step)
{
	TPM2B_DIGEST *digest = &step->pcr.digest;
	bool sized = !starts_with_selection(in);
	size_t left;

	if (sized && !GET(TPM2B_DIGEST, in, digest))
		return "is damaged";
	if (!list_fits(in) || !GET(TPML_PCR_SELECTION, in, &step->pcr.selection))
		return "is damaged or not about 24 PCRs";
	if (sized)
		return NULL;
	left = in->size - in->at;
	if (!is_digest_size(left))
		return "has no digest after its selection";
	memcpy(digest->buffer, in->data + in->at, left);
	digest->size = (uint16_t)left;
	in->at = in->size;
	return NULL;
}

/* Without a digest only the command's parameters can say so. */
static bool write_pcr(const struct sr_policy_step *step, struct bytes *to)
{
	if (step->pcr.digest.size > 0)
		return args_pcr(step, to);
	return PUT(TPM2B_DIGEST, to, &step->pcr.digest) &&
	       PUT(TPML_PCR_SELECTION, to, &step->pcr.selection);
}

/* PolicyLocality */

static const char *check_locality(const struct sr_policy_step *step)
{
	return step->locality == 0 ? "names no locality" : NULL;
}

static const char *read_locality(struct input *in, struct sr_policy_step *step)
{
	return GET(UINT8, in, &step->locality) ? NULL : "is damaged";
}

static bool put_locality(const struct sr_policy_step *step, struct bytes *to)
{
	return PUT(UINT8, to, step->locality);
}

/* PolicyCommandCode */

static const char *read_command(struct input *in, struct sr_policy_step *step)
{
	return GET(UINT32, in, &step->command) ? NULL : "is damaged";
}

static bool put_command(const struct sr_policy_step *step, struct bytes *to)
{
	return PUT(UINT32, to, step->command);
}

/* PolicyCounterTimer */

/* The fields of TPMS_TIME_INFO: safe; resetCount and restartCount; time and clock. */
static bool is_field_size(size_t size)
{
	return size == 1 || size == 4 || size == 8;
}

static const char *check_counter_timer(const struct sr_policy_step *step)
{
	const TPM2B_OPERAND *operand = &step->counter_timer.operand;

	if (!is_field_size(operand->size))
		return "compares with a value of 1, 4 or 8 bytes only";
	if (step->counter_timer.offset > TIME_INFO_SIZE - operand->size)
		return "looks past the end of the time information";
	if (step->counter_timer.operation > TPM2_EO_BITCLEAR)
		return "has an unknown comparison";
	return NULL;
}

/* Other tools write the operand without its size, and hash it so. */
static bool write_counter_timer(const struct sr_policy_step *step, struct bytes *to)
{
	const TPM2B_OPERAND *operand = &step->counter_timer.operand;

	return put_raw(to, operand->buffer, operand->size) &&
	       PUT(UINT16, to, step->counter_timer.offset) &&
	       PUT(UINT16, to, step->counter_timer.operation);
}

static bool args_counter_timer(const struct sr_policy_step *step, struct bytes *to)
{
	struct bytes compared = { 0 };

	return write_counter_timer(step, &compared) &&
	       put_hash(to, EVP_sha256(), compared.data, compared.size);
}

/*
 * 5, 8 and 12 bytes are openssl_tpm2_engine's: the operand without its size. 7, 10 and 14
 * are the command's parameters. Operands of other lengths would make them ambiguous.
 */
static const char *read_counter_timer(struct input *in, struct sr_policy_step *step)
{
	TPM2B_OPERAND *operand = &step->counter_timer.operand;

	if (in->size >= 4 && is_field_size(in->size - 4)) {
		operand->size = (uint16_t)(in->size - 4);
		memcpy(operand->buffer, in->data, operand->size);
		in->at = operand->size;
	} else if (!GET(TPM2B_OPERAND, in, operand)) {
		return "is damaged";
	}
	if (!GET(UINT16, in, &step->counter_timer.offset) ||
	    !GET(UINT16, in, &step->counter_timer.operation))
		return "is damaged";
	return NULL;
}

/* PolicyAuthorize */

static const char *check_authorize(const struct sr_policy_step *step)
{
	const TPMT_PUBLIC *key = &step->authorize.key.publicArea;
	TPM2B_NAME name;

	if (key->type != TPM2_ALG_RSA && key->type != TPM2_ALG_ECC)
		return "has neither an RSA nor an ECC key";
	if (sr_name_of(&step->authorize.key, &name, NULL) < 0)
		return "has a key with an unknown name algorithm";
	return NULL;
}

/* The key that signs goes in by its Name, without a size. */
static bool args_authorize(const struct sr_policy_step *step, struct bytes *to)
{
	TPM2B_NAME name;

	return sr_name_of(&step->authorize.key, &name, NULL) == 0 &&
	       put_raw(to, name.name, name.size);
}

static bool write_authorize(const struct sr_policy_step *step, struct bytes *to)
{
	return PUT(TPM2B_PUBLIC, to, &step->authorize.key) &&
	       PUT(TPM2B_DIGEST, to, &step->authorize.ref) &&
	       PUT(TPMT_SIGNATURE, to, &step->authorize.signature);
}

/*
 * libtss2-mu neither holds a public area to its size nor refuses every selector of a
 * union that it does not know. What writes back to the same bytes was understood.
 */
static const char *read_authorize(struct input *in, struct sr_policy_step *step)
{
	struct bytes again = { 0 };

	if (!GET(TPM2B_PUBLIC, in, &step->authorize.key) ||
	    !GET(TPM2B_DIGEST, in, &step->authorize.ref) ||
	    !GET(TPMT_SIGNATURE, in, &step->authorize.signature))
		return "is damaged";
	if (in->at != in->size)
		return NULL;
	if (!write_authorize(step, &again) || again.size != in->size ||
	    memcmp(again.data, in->data, in->size) != 0)
		return "is damaged";
	return NULL;
}

static const struct statement statements[] = {
	{ TPM2_CC_PolicyPCR, "PolicyPCR", check_pcr, args_pcr, read_pcr, write_pcr },
	{ TPM2_CC_PolicyAuthValue, "PolicyAuthValue", NULL, NULL, NULL, NULL },
	{ TPM2_CC_PolicyLocality, "PolicyLocality", check_locality, put_locality,
	  read_locality, put_locality },
	{ TPM2_CC_PolicyCommandCode, "PolicyCommandCode", NULL, put_command, read_command,
	  put_command },
	{ TPM2_CC_PolicyCounterTimer, "PolicyCounterTimer", check_counter_timer,
	  args_counter_timer, read_counter_timer, write_counter_timer },
	{ TPM2_CC_PolicyAuthorize, "PolicyAuthorize", check_authorize, args_authorize,
	  read_authorize, write_authorize },
};

static const struct statement *find_statement(TPM2_CC code)
{
	for (size_t i = 0; i < SR_COUNT(statements); i++)
		if (statements[i].code == code)
			return &statements[i];
	return NULL;
}

/* Finds what we know of a statement and checks it; @r is what a wrong one returns. */
static int check_step(const struct sr_policy_step *step, int r,
		      const struct statement **ret, struct sr_err *err)
{
	const struct statement *statement = find_statement(step->code);
	const char *wrong;

	if (!statement)
		return sr_fail(err, r,
			       "the policy has a statement we do not know (command 0x%x)",
			       step->code);
	wrong = statement->check ? statement->check(step) : NULL;
	if (wrong)
		return sr_fail(err, r, "%s in the policy %s", statement->name, wrong);
	*ret = statement;
	return 0;
}

SR_DEFINE_CLEANUP(md_ctx_freep, EVP_MD_CTX *, EVP_MD_CTX_free)

/* policyDigest = H(policyDigest || with) */
static int extend(TPM2B_DIGEST *digest, const uint8_t *with, size_t size,
		  struct sr_err *err)
{
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, digest->buffer, digest->size) != 1 ||
	    EVP_DigestUpdate(ctx, with, size) != 1 ||
	    EVP_DigestFinal_ex(ctx, digest->buffer, NULL) != 1)
		return sr_fail_libcrypto(err, "computing a policy digest");
	return 0;
}

static int add_to_digest(const struct sr_policy_step *step, TPM2B_DIGEST *digest,
			 struct sr_err *err)
{
	const struct statement *statement = NULL;
	struct bytes with = { 0 };
	int r = check_step(step, -EINVAL, &statement, err);

	if (r < 0)
		return r;
	if (step->code == TPM2_CC_PolicyPCR && step->pcr.digest.size != digest->size)
		return sr_fail(
		    err, -EINVAL,
		    "PolicyPCR in the policy does not say which SHA-256 digest "
		    "it wants");
	if (!PUT(UINT32, &with, step->code) ||
	    (statement->args && !statement->args(step, &with)))
		return sr_fail(err, -EIO, "%s in the policy cannot be hashed",
			       statement->name);

	if (step->code != TPM2_CC_PolicyAuthorize)
		return extend(digest, with.data, with.size, err);

	*digest = (TPM2B_DIGEST){ .size = TPM2_SHA256_DIGEST_SIZE };
	r = extend(digest, with.data, with.size, err);
	if (r < 0)
		return r;
	return extend(digest, step->authorize.ref.buffer, step->authorize.ref.size, err);
}

int sr_policy_digest(const struct sr_policy *policy, TPM2B_DIGEST *ret,
		     struct sr_err *err)
{
	TPM2B_DIGEST digest = { .size = TPM2_SHA256_DIGEST_SIZE };

	for (size_t i = 0; i < policy->count; i++) {
		int r = add_to_digest(&policy->step[i], &digest, err);

		if (r < 0)
			return r;
	}
	*ret = digest;
	return 0;
}

/* Room for one more statement; NULL when there is none. */
static struct sr_policy_step *add_step(struct sr_policy *policy, TPM2_CC code,
				       struct sr_err *err)
{
	struct sr_policy_step *step;

	if (policy->count >= SR_POLICY_STEPS) {
		(void)sr_fail(err, -EINVAL, "a policy has at most %d statements",
			      SR_POLICY_STEPS);
		return NULL;
	}
	step = &policy->step[policy->count++];
	memset(step, 0, sizeof(*step));
	step->code = code;
	return step;
}

int sr_policy_add_pcrs(struct sr_policy *policy, const struct sr_pcrs *pcrs,
		       struct sr_err *err)
{
	struct sr_policy_step *step;
	TPM2B_DIGEST digest;
	int r;

	if (pcrs->mask == 0)
		return sr_fail(err, -EINVAL, "a policy over no PCR protects nothing");
	r = sr_pcrs_digest(pcrs, &digest, err);
	if (r < 0)
		return r;
	step = add_step(policy, TPM2_CC_PolicyPCR, err);
	if (!step)
		return -EINVAL;
	sr_pcrs_selection(pcrs, &step->pcr.selection);
	step->pcr.digest = digest;
	return 0;
}

int sr_policy_add_auth_value(struct sr_policy *policy, struct sr_err *err)
{
	return add_step(policy, TPM2_CC_PolicyAuthValue, err) ? 0 : -EINVAL;
}

int sr_policy_add_command(struct sr_policy *policy, TPM2_CC command, struct sr_err *err)
{
	struct sr_policy_step *step = add_step(policy, TPM2_CC_PolicyCommandCode, err);

	if (!step)
		return -EINVAL;
	step->command = command;
	return 0;
}

int sr_policy_add_counter(struct sr_policy *policy, uint16_t offset, TPM2_EO operation,
			  uint32_t value, struct sr_err *err)
{
	struct sr_policy_step *step = add_step(policy, TPM2_CC_PolicyCounterTimer, err);

	if (!step)
		return -EINVAL;
	step->counter_timer.operand.size = sizeof(value);
	for (size_t i = 0; i < sizeof(value); i++)
		step->counter_timer.operand.buffer[i] = (uint8_t)(value >> (24 - 8 * i));
	step->counter_timer.offset = offset;
	step->counter_timer.operation = operation;
	return 0;
}

bool sr_policy_needs_auth(const struct sr_policy *policy)
{
	for (size_t i = 0; i < policy->count; i++)
		if (policy->step[i].code == TPM2_CC_PolicyAuthValue)
			return true;
	return false;
}

/* Whether the list has a known bank, no number over 23, and all its values. */
static int check_pcrs(const struct sr_pcrs *pcrs, struct sr_err *err)
{
	if (sr_bank_size(pcrs->bank) == 0)
		return sr_fail(err, -EINVAL,
			       "the PCR list names no bank, as in sha256:0+7");
	if (pcrs->mask >> SR_PCR_COUNT)
		return sr_fail(err, -EINVAL, "the PCR list has a number over %d",
			       SR_PCR_COUNT - 1);
	for (unsigned int i = 0; i < SR_PCR_COUNT; i++)
		if (pcrs->mask & ~pcrs->given & (1U << i))
			return sr_fail(err, -EINVAL,
				       "the value of PCR %u is not known: read it first",
				       i);
	return 0;
}

int sr_pcrs_digest(const struct sr_pcrs *pcrs, TPM2B_DIGEST *ret, struct sr_err *err)
{
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	TPM2B_DIGEST digest = { .size = TPM2_SHA256_DIGEST_SIZE };
	size_t size = sr_bank_size(pcrs->bank);
	int r = check_pcrs(pcrs, err);

	if (r < 0)
		return r;
	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		return sr_fail_libcrypto(err, "hashing PCR values");
	for (unsigned int i = 0; i < SR_PCR_COUNT; i++)
		if (pcrs->mask & (1U << i) &&
		    EVP_DigestUpdate(ctx, pcrs->value[i], size) != 1)
			return sr_fail_libcrypto(err, "hashing PCR values");
	if (EVP_DigestFinal_ex(ctx, digest.buffer, NULL) != 1)
		return sr_fail_libcrypto(err, "hashing PCR values");
	*ret = digest;
	return 0;
}

void sr_pcrs_selection(const struct sr_pcrs *pcrs, TPML_PCR_SELECTION *ret)
{
	TPMS_PCR_SELECTION selection = {
		.hash = pcrs->bank,
		.sizeofSelect = SR_PCR_COUNT / 8,
	};

	for (size_t i = 0; i < selection.sizeofSelect; i++)
		selection.pcrSelect[i] = (uint8_t)(pcrs->mask >> (8 * i));
	*ret = (TPML_PCR_SELECTION){ .count = 1, .pcrSelections = { selection } };
}

static const char *read_body(const struct statement *statement, struct input *in,
			     struct sr_policy_step *step)
{
	const char *wrong = NULL;

	if (statement->read)
		wrong = in->size == 0 ? "is empty" : statement->read(in, step);
	if (!wrong && in->at != in->size)
		wrong = "has trailing bytes";
	return wrong;
}

/* libtss2-mu wants zeroed memory, and an initialiser may leave most of a union as it is.
 */
int sr_policy_body_read(TPM2_CC code, const uint8_t *body, size_t size,
			struct sr_policy_step *ret, struct sr_err *err)
{
	const struct statement *statement = find_statement(code);
	struct input in = { .data = body, .size = size };
	struct sr_policy_step step;
	const char *wrong;
	int r;

	memset(&step, 0, sizeof(step));
	step.code = code;
	wrong = statement ? read_body(statement, &in, &step) : NULL;
	if (wrong)
		return sr_fail(err, -EBADMSG, "%s in the policy %s", statement->name,
			       wrong);
	r = check_step(&step, -EBADMSG, &statement, err);
	if (r < 0)
		return r;
	*ret = step;
	return 0;
}

int sr_policy_body_write(const struct sr_policy_step *step, struct sr_buf *ret,
			 struct sr_err *err)
{
	const struct statement *statement = NULL;
	struct bytes body = { 0 };
	uint8_t *data;
	int r = check_step(step, -EINVAL, &statement, err);

	if (r < 0)
		return r;
	if (statement->write && !statement->write(step, &body))
		return sr_fail(err, -EINVAL, "%s in the policy cannot be written",
			       statement->name);
	data = calloc(1, body.size + 1);
	if (!data)
		return sr_fail_memory(err);
	memcpy(data, body.data, body.size);
	*ret = (struct sr_buf){ .data = data, .size = body.size };
	return 0;
}
