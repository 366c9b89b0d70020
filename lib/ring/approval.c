/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Approval files: the sealed object, and in words before it what it is for. */
#include "approval.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <time.h>

#include "codec/derive.h"
#include "codec/name.h"
#include "ground/base64.h"

static const char text_pcr[] = "PCR ";
static const char text_made[] = "Made ";
static const char text_mac[] = "Ring-MAC: ";
static const char pem_head[] = "-----BEGIN ";

void sr_approvals_done(struct sr_approvals *approvals)
{
	for (size_t i = 0; i < approvals->count; i++)
		sr_tpmkey_free(approvals->approval[i].key);
	*approvals = (struct sr_approvals){ 0 };
}

/* "PCR 7 (sha256) = 65CAF8DD..." */
static void read_pcr_line(const char *line, struct sr_pcrs *values)
{
	char bank[10], hex[2 * SR_DIGEST_MAX + 1];
	unsigned int pcr;
	uint16_t id;

	if (sscanf(line, "PCR %2u (%9[a-z0-9_]) = %128[0-9a-f]", &pcr, bank, hex) != 3)
		return;
	id = sr_bank_parse(bank);
	if (!id || pcr >= SR_PCR_COUNT || (values->bank && values->bank != id))
		return;
	values->bank = id;
	if (sr_hex_parse(hex, values->value[pcr], sr_bank_size(id), NULL) < 0)
		return;
	values->mask |= 1U << pcr;
	values->given |= 1U << pcr;
}

static void read_line(const char *line, struct sr_approval *approval)
{
	char when[SR_TIME_TEXT];

	if (strncmp(line, text_pcr, strlen(text_pcr)) == 0) {
		read_pcr_line(line, &approval->values);
	} else if (strncmp(line, text_mac, strlen(text_mac)) == 0) {
		(void)snprintf(approval->mac, sizeof(approval->mac), "%s",
			       line + strlen(text_mac));
	} else if (strncmp(line, text_made, strlen(text_made)) == 0) {
		(void)snprintf(when, sizeof(when), "%s", line + strlen(text_made));
		(void)sr_time_parse(when, &approval->made, NULL);
	}
}

/* The PCRs that the policy selects: of one bank, in a file of ours. */
static bool selected(const struct sr_policy *policy, struct sr_pcrs *ret)
{
	const TPMS_PCR_SELECTION *selection =
	    &policy->step[0].pcr.selection.pcrSelections[0];

	if (policy->count == 0 || policy->step[0].code != TPM2_CC_PolicyPCR ||
	    policy->step[0].pcr.selection.count != 1)
		return false;
	*ret = (struct sr_pcrs){ .bank = selection->hash };
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (selection->pcrSelect[pcr / 8] & 1U << pcr % 8)
			ret->mask |= 1U << pcr;
	return true;
}

int sr_approval_holds(const struct sr_approval *approval, const struct sr_pcrs *present,
		      struct sr_err *err)
{
	const TPM2B_DIGEST *wanted = &approval->key->policy.step[0].pcr.digest;
	struct sr_pcrs values = *present;
	TPM2B_DIGEST digest;
	int r;

	if (present->bank != approval->values.bank ||
	    approval->values.mask & ~present->given)
		return 0;
	values.mask = approval->values.mask;
	r = sr_pcrs_digest(&values, &digest, err);
	if (r < 0)
		return r;
	return digest.size == wanted->size &&
	       memcmp(digest.buffer, wanted->buffer, digest.size) == 0;
}

/* What is told proves nothing: values count only if the policy is made of them. */
static void believe(const struct sr_pcrs *told, struct sr_approval *approval)
{
	if (told->mask == approval->values.mask &&
	    sr_approval_holds(approval, told, NULL) == 1)
		approval->values = *told;
}

static int read_text(const struct sr_buf *content, struct sr_approval *approval,
		     struct sr_err *err)
{
	struct sr_approval told = { 0 };
	char line[256];
	FILE *in = fmemopen(content->data, content->size, "r");

	if (!in)
		return sr_fail_memory(err);
	while (fgets(line, sizeof(line), in) &&
	       strncmp(line, pem_head, strlen(pem_head)) != 0)
		read_line(line, &told);
	(void)fclose(in);
	approval->made = told.made;
	memcpy(approval->mac, told.mac, sizeof(approval->mac));
	believe(&told.values, approval);
	return 0;
}

/* What an approval may be; a file that is more was not written by us. */
static int check_key(const struct sr_tpmkey *key, struct sr_err *err)
{
	bool no_da = key->pub.publicArea.objectAttributes & TPMA_OBJECT_NODA;
	struct sr_pcrs pcrs;

	if (key->type != SR_TPMKEY_SEALED || key->secret.size || key->signed_count)
		return sr_fail(err, -EBADMSG, "not a sealed ring key");
	if (!selected(&key->policy, &pcrs))
		return sr_fail(err, -EBADMSG, "its policy does not begin with PCRs");
	for (size_t i = 0; i < key->policy.count; i++)
		if (key->policy.step[i].code != TPM2_CC_PolicyPCR &&
		    key->policy.step[i].code != TPM2_CC_PolicyCounterTimer &&
		    key->policy.step[i].code != TPM2_CC_PolicyAuthValue)
			return sr_fail(err, -EBADMSG, "its policy is not one of ours");
	if (no_da == sr_policy_needs_auth(&key->policy))
		return sr_fail(err, -EBADMSG,
			       "its PIN is not protected against guessing");
	return 0;
}

/* What the policy itself says, whatever is written around it. */
static void take_policy(struct sr_approval *approval)
{
	const struct sr_policy *policy = &approval->key->policy;

	(void)selected(policy, &approval->values);
	approval->bounded = sr_window_of(policy, &approval->window);
}

static int read_one(int dir, const char *name, struct sr_approval *approval,
		    struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	char file[SR_NAME_MAX + 8], prefix[SR_NAME_MAX + 24];
	int r;

	(void)snprintf(file, sizeof(file), "%s.pem", name);
	(void)snprintf(prefix, sizeof(prefix), "approvals/%s", file);
	r = sr_read_file(dir, file, SR_TPMKEY_MAX, &content, err);
	if (r == 0)
		r = sr_tpmkey_read(&content, &approval->key, err);
	if (r == 0)
		r = check_key(approval->key, err);
	if (r == 0) {
		take_policy(approval);
		r = read_text(&content, approval, err);
	}
	if (r < 0) {
		sr_tpmkey_free(take(approval->key));
		return sr_prefix(err, r, prefix);
	}
	(void)snprintf(approval->name, sizeof(approval->name), "%s", name);
	return 0;
}

static void current_first(struct sr_names *names)
{
	for (size_t i = 1; i < names->count; i++)
		if (strcmp(names->name[i], "current") == 0) {
			char *current = names->name[i];

			memmove(&names->name[1], &names->name[0], i * sizeof(char *));
			names->name[0] = current;
		}
}

/* "sha256:0=HEX+7=HEX 2026-11-27" */
static void read_values(const char *text, struct sr_approval *approval)
{
	_cleanup_free_ char *list = strdup(text);
	char *day = list ? strchr(list, ' ') : NULL, when[SR_TIME_TEXT];
	struct sr_pcrs told;

	if (!day)
		return;
	*day++ = '\0';
	(void)snprintf(when, sizeof(when), "%sT00:00:00Z", day);
	(void)sr_time_parse(when, &approval->made, NULL);
	if (sr_pcrs_parse(list, &told, NULL) == 0)
		believe(&told, approval);
}

static int parse_key(const struct sr_buf *der, struct sr_tpmkey **ret, struct sr_err *err)
{
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = NULL;
	int r;

	if (der->size == 0 || der->data[0] != 0x30)
		return sr_fail(err, -EBADMSG, "not DER"); /* PEM would be read as well */
	r = sr_tpmkey_read(der, &key, err);
	if (r == 0)
		r = check_key(key, err);
	if (r == 0 && key->parent != SR_SRK_HANDLE)
		r = sr_fail(err, -EBADMSG, "its parent is not the storage key");
	if (r == 0)
		*ret = take(key);
	return r;
}

/* As sr_approval_format() writes it; its values are believed only where the policy confirms them. */
static int parse_approval(const char *der, const char *values, struct sr_approval *ret,
			  struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf bytes = { 0 };
	struct sr_approval approval = { 0 };
	int r = sr_base64_parse(der, SR_PARTS_MAX, &bytes, err);

	if (r == -EINVAL)
		r = -EBADMSG;
	if (r == 0)
		r = parse_key(&bytes, &approval.key, err);
	if (r < 0)
		return sr_prefix(err, r, "approval");
	take_policy(&approval);
	read_values(values, &approval);
	*ret = approval;
	return 0;
}

static int format_values(const struct sr_approval *approval, char **ret,
			 struct sr_err *err)
{
	const struct sr_pcrs *values = &approval->values;
	char when[SR_TIME_TEXT];
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return sr_fail_memory(err);
	if (values->mask && (values->given & values->mask) == values->mask) {
		sr_pcrs_print(out, values);
		sr_time_format(approval->made, when);
		fprintf(out, " %.10s", when);
	}
	if (fclose(out) == 0)
		return 0;
	free(take(*ret));
	return sr_fail_memory(err);
}

int sr_approval_format(const struct sr_approval *approval, char **der, char **values,
		       struct sr_err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct sr_buf bytes = { 0 };
	int r = sr_tpmkey_write_der(approval->key, &bytes, err);

	if (r < 0)
		return r;
	text = malloc(SR_BASE64_SIZE(bytes.size));
	if (!text)
		return sr_fail_memory(err);
	sr_base64_format(bytes.data, bytes.size, text);
	r = format_values(approval, values, err);
	if (r == 0)
		*der = take(text);
	return r;
}

int sr_approval_id(const struct sr_approval *approval, char ret[SR_APPROVAL_ID],
		   struct sr_err *err)
{
	TPM2B_NAME name;
	int r = sr_name_of(&approval->key->pub, &name, err);

	if (r == 0 && name.size != 34)
		r = sr_fail(err, -EBADMSG, "an approval's Name is not SHA-256");
	if (r == 0)
		sr_hex_format(name.name + 2, 32, ret);
	return r;
}

static int compute_mac(const struct sr_ring *ring, const struct sr_approval *approval,
		       char ret[65], struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret mac = { 0 };
	char id[SR_APPROVAL_ID], info[SR_APPROVAL_ID + 24];
	int r = sr_approval_id(approval, id, err);

	if (r < 0)
		return r;
	(void)snprintf(info, sizeof(info), "sealring approval %s", id);
	r = sr_derive(&ring->key, info, &mac, err);
	if (r == 0)
		sr_hex_format(mac.data, mac.size, ret);
	return r;
}

int sr_approval_is_ours(const struct sr_ring *ring, const struct sr_approval *approval,
			struct sr_err *err)
{
	char mac[65];
	int r = ring->key.size > 0 ? compute_mac(ring, approval, mac, err) : -EBADMSG;

	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	return CRYPTO_memcmp(mac, approval->mac, sizeof(mac)) == 0;
}

static int read_parts(const struct sr_ring *ring, struct sr_approvals *ret,
		      struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };

	for (size_t i = 0; i < ring->parts->count; i++) {
		int r = parse_approval(ring->parts->approvals[i], ring->parts->values[i],
				       &approvals.approval[i], err);

		if (r < 0)
			return sr_fail_ring(ring, r, err);
		approvals.count++;
	}
	*ret = approvals;
	approvals.count = 0;
	return 0;
}

/* What opens without weakening anything is tried before what does not. */
static void bounded_last(struct sr_approvals *approvals)
{
	struct sr_approval bounded[SR_APPROVALS_MAX];
	size_t kept = 0, moved = 0;

	for (size_t i = 0; i < approvals->count; i++)
		if (approvals->approval[i].bounded)
			bounded[moved++] = approvals->approval[i];
		else
			approvals->approval[kept++] = approvals->approval[i];
	memcpy(&approvals->approval[kept], bounded, moved * sizeof(bounded[0]));
}

/* Nobody knows what it was, so nothing is decided about the others beside it. */
static int fail_unreadable(const struct sr_ring *ring, int r, const struct sr_err *why,
			   struct sr_err *err)
{
	if (r == -EBADMSG)
		return sr_fail(err, r,
			       "%s: tpm-reseal now %s leaves only what opens this boot",
			       why->text, ring->name);
	return sr_fail(err, r, "%s", why->text);
}

static int read_files(const struct sr_ring *ring, bool all, struct sr_approvals *ret,
		      struct sr_err *err)
{
	_cleanup_(sr_approvals_done) struct sr_approvals approvals = { 0 };
	_cleanup_close_ int dir = sr_ring_open_subdir(ring, "approvals", err);
	_cleanup_names_ struct sr_names names = { 0 };
	struct sr_err why = { 0 };
	int r, damaged = 0;

	if (dir < 0)
		return dir;
	r = sr_list_dir(dir, ".pem", &names, err);
	if (r < 0)
		return r;
	current_first(&names);
	for (size_t i = 0; i < names.count && approvals.count < SR_APPROVALS_MAX; i++) {
		if (!sr_name_ok(names.name[i]))
			continue;
		r = read_one(dir, names.name[i], &approvals.approval[approvals.count],
			     &why);
		if (r == 0)
			approvals.count++;
		else if (r == -ENOMEM || all)
			return sr_fail_ring(ring, fail_unreadable(ring, r, &why, err),
					    err);
		else
			damaged = r;
	}
	if (approvals.count == 0)
		return damaged
			   ? sr_fail_ring(ring, sr_fail(err, damaged, "%s", why.text),
					  err)
			   : sr_fail(err, -EKEYREJECTED,
				     "ring %s has no approval for this machine: get in "
				     "with the recovery key: tpm-reseal recover %s",
				     ring->name, ring->name);
	bounded_last(&approvals);
	*ret = approvals;
	approvals.count = 0;
	return 0;
}

int sr_approvals_read(const struct sr_ring *ring, struct sr_approvals *ret,
		      struct sr_err *err)
{
	if (ring->parts)
		return read_parts(ring, ret, err);
	return read_files(ring, false, ret, err);
}

int sr_approvals_read_all(const struct sr_ring *ring, struct sr_approvals *ret,
			  struct sr_err *err)
{
	return read_files(ring, true, ret, err);
}

void sr_approvals_sort(struct sr_approvals *approvals)
{
	for (size_t i = 1; i < approvals->count; i++)
		if (strcmp(approvals->approval[i].name, "next") == 0) {
			struct sr_approval next = approvals->approval[i];

			memmove(&approvals->approval[1], &approvals->approval[0],
				i * sizeof(next));
			approvals->approval[0] = next;
		}
}

int sr_approval_policy(const struct sr_pcrs *values, const struct sr_window *window,
		       bool pin, struct sr_policy *ret, struct sr_err *err)
{
	int r;

	*ret = (struct sr_policy){ 0 };
	r = sr_policy_add_pcrs(ret, values, err);
	if (r == 0 && window)
		r = sr_window_add(ret, window, err);
	if (r == 0 && pin)
		r = sr_policy_add_auth_value(ret, err);
	return r;
}

static void print_window(FILE *out, const struct sr_policy *policy)
{
	struct sr_window window;

	if (sr_window_of(policy, &window))
		fprintf(out,
			"and while the TPM was reset more than %u and at most %u times "
			"since it was cleared,\nand neither slept nor hibernated since "
			"the last of them\n",
			window.after, window.until);
}

static char *words(const struct sr_ring *ring, const char *name,
		   const struct sr_policy *policy, const struct sr_pcrs *values,
		   const char *mac)
{
	bool pin = sr_policy_needs_auth(policy);
	char hex[2 * SR_DIGEST_MAX + 1], when[SR_TIME_TEXT], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(
	    out,
	    "Approval \"%s\" of the sealring ring \"%s\": the ring key, sealed by this "
	    "machine's TPM.\nIt opens%s while these hold:\n",
	    name, ring->name, pin ? " with the PIN" : "");
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		if (!(values->mask & 1U << pcr))
			continue;
		sr_hex_format(values->value[pcr], sr_bank_size(values->bank), hex);
		fprintf(out, "%s%u (%s) = %s\n", text_pcr, pcr,
			sr_bank_name(values->bank), hex);
	}
	print_window(out, policy);
	sr_time_format(time(NULL), when);
	fprintf(out, "%s%s\n%s%s\n", text_made, when, text_mac, mac);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int check_written(const struct sr_buf *content, void *arg, struct sr_err *err)
{
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = NULL;
	int r = sr_tpmkey_read(content, &key, err);

	(void)arg;
	return r < 0 ? r : check_key(key, err);
}

int sr_approval_write(const struct sr_ring *ring, const char *name,
		      const struct sr_tpmkey *key, const struct sr_pcrs *values,
		      struct sr_err *err)
{
	static const struct sr_check check = { .run = check_written };
	const struct sr_approval approval = { .key = (struct sr_tpmkey *)key };
	_cleanup_close_ int dir = sr_ring_open_subdir(ring, "approvals", err);
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct sr_buf content = { 0 };
	char file[SR_NAME_MAX + 8], mac[65];
	int r = dir < 0 ? dir : compute_mac(ring, &approval, mac, err);

	if (r < 0)
		return r;
	text = words(ring, name, &key->policy, values, mac);
	if (!text)
		return sr_fail_memory(err);
	r = sr_tpmkey_write(key, text, &content, err);
	if (r < 0)
		return r;
	(void)snprintf(file, sizeof(file), "%s.pem", name);
	return sr_replace_file(dir, file, &content, 0600, &check, err);
}

static int remove_file(int dir, const char *name, struct sr_err *err)
{
	char file[SR_NAME_MAX + 8];

	(void)snprintf(file, sizeof(file), "%s.pem", name);
	if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		return sr_fail_sys(err, errno, "cannot remove approvals/%s", file);
	return 0;
}

int sr_approval_remove(const struct sr_ring *ring, const char *name, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_ring_open_subdir(ring, "approvals", err);

	int r = dir < 0 ? dir : remove_file(dir, name, err);

	return r < 0 ? r : sr_sync_dir(dir, "approvals", err);
}

int sr_approval_remove_others(const struct sr_ring *ring, const char *name,
			      const char *kept, struct sr_err *err)
{
	_cleanup_close_ int dir = sr_ring_open_subdir(ring, "approvals", err);
	_cleanup_names_ struct sr_names names = { 0 };
	int r;

	if (dir < 0)
		return dir;
	r = sr_list_dir(dir, ".pem", &names, err);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		if (strcmp(names.name[i], name) == 0 || !sr_name_ok(names.name[i]) ||
		    (kept && strcmp(names.name[i], kept) == 0))
			continue;
		r = remove_file(dir, names.name[i], err);
	}
	return r < 0 ? r : sr_sync_dir(dir, "approvals", err);
}
