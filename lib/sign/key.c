/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One key: its file, and what is known of it. */
#include "key.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_mu.h>

#include "codec/authorize.h"
#include "codec/name.h"
#include "ground/base64.h"
#include "ground/parse.h"
#include "ground/strv.h"
#include "software.h"
#include "tpm/move.h"
#include "tpm/srk.h"

#define PEM_LINE 64 /* letters in a line of a PEM block (RFC 7468) */

static const char text_made[] = "Made ";
static const char text_parent[] = "Storage-Key: ";
static const char text_ring[] = "Ring: ";
static const char text_id[] = "Key-Id: ";
static const char text_imported[] = "It was imported.";
static const char pem_head[] = "-----BEGIN ";

struct sr_key *sr_key_new(const char *name)
{
	struct sr_key *key = calloc(1, sizeof(*key));

	if (key)
		key->name = strdup(name);
	if (key && !key->name)
		free(take(key));
	if (key)
		key->version = 1;
	return key;
}

void sr_key_free(struct sr_key *key)
{
	if (!key)
		return;
	sr_tpmkey_free(key->file);
	sr_strv_free(key->tags);
	free(key->text);
	free(key->name);
	free(key);
}

int sr_fail_key(const struct sr_key *key, int r, struct sr_err *err)
{
	char prefix[SR_KEY_NAME + 8];

	if (strchr(key->name, '/'))
		return sr_prefix(err, r, key->name);
	(void)snprintf(prefix, sizeof(prefix), "key %s", key->name);
	return sr_prefix(err, r, prefix);
}

int sr_key_in_store(const struct sr_key *key, struct sr_err *err)
{
	if (!strchr(key->name, '/'))
		return 0;
	return sr_fail(err, -EINVAL, "%s is no key of the store", key->name);
}

bool sr_key_is_approved(const struct sr_key *key)
{
	return key->file->policy.count > 0 &&
	       key->file->policy.step[0].code == TPM2_CC_PolicyAuthorize;
}

bool sr_key_needs_pin(const struct sr_key *key)
{
	return key->file->policy.count ? sr_policy_needs_auth(&key->file->policy)
				       : !key->file->empty_auth;
}

static void add_pcrs(const struct sr_policy *policy, struct sr_pcrs *ret)
{
	for (size_t i = 0; i < policy->count; i++) {
		const TPMS_PCR_SELECTION *selection =
		    &policy->step[i].pcr.selection.pcrSelections[0];

		if (policy->step[i].code != TPM2_CC_PolicyPCR)
			continue;
		ret->bank = selection->hash;
		for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
			if (selection->pcrSelect[pcr / 8] & 1U << pcr % 8)
				ret->mask |= 1U << pcr;
	}
}

void sr_key_pcrs(const struct sr_key *key, struct sr_pcrs *ret)
{
	*ret = (struct sr_pcrs){ 0 };
	add_pcrs(&key->file->policy, ret);
	for (size_t i = 0; i < key->file->signed_count; i++)
		add_pcrs(&key->file->signed_policy[i].policy, ret);
}

/* -- the text before the key -------------------------------------------------------- */

/* TPM2B_PUBLIC as the TPM marshals it, in base64. */
static void read_parent(const char *line, struct sr_key *key)
{
	_cleanup_buf_ struct sr_buf data = { 0 };
	TPM2B_PUBLIC parent = { 0 };
	size_t used = 0;

	if (sr_base64_parse(line, sizeof(parent), &data, NULL) < 0 ||
	    Tss2_MU_TPM2B_PUBLIC_Unmarshal(data.data, data.size, &used, &parent) !=
		TSS2_RC_SUCCESS ||
	    used != data.size)
		return;
	key->parent = parent;
	key->pinned = true;
}

static void read_version(const char *text, struct sr_key *key)
{
	uint64_t version;

	if (sr_number_parse(text, SR_KEY_VERSIONS, &version, NULL) == 0 && version > 0)
		key->version = (unsigned int)version;
}

/* What stands behind a label; NULL if the line has another. */
static const char *after(const char *line, const char *label)
{
	size_t size = strlen(label);

	return strncmp(line, label, size) == 0 ? line + size : NULL;
}

static void read_line(const char *line, struct sr_key *key)
{
	uint8_t id[SR_KEY_ID / 2];
	char when[SR_TIME_TEXT];
	const char *value;

	if ((value = after(line, text_parent))) {
		read_parent(value, key);
	} else if ((value = after(line, text_made))) {
		(void)snprintf(when, sizeof(when), "%s", value);
		(void)sr_time_parse(when, &key->made, NULL);
	} else if ((value = after(line, text_ring)) && sr_name_ok(value)) {
		(void)snprintf(key->ring, sizeof(key->ring), "%s", value);
	} else if ((value = after(line, text_id)) &&
		   sr_hex_parse(value, id, sizeof(id), NULL) == 0) {
		(void)snprintf(key->id, sizeof(key->id), "%s", value);
	} else if (strcmp(line, text_imported) == 0) {
		key->imported = true;
	} else if ((value = after(line, SR_TEXT_VERSION))) {
		read_version(value, key);
	} else if ((value = after(line, SR_TEXT_TAG))) {
		sr_key_read_tag(key, value);
	}
}

static int read_text(const struct sr_buf *content, struct sr_key *key, struct sr_err *err)
{
	const char *end =
	    memmem(content->data, content->size, pem_head, strlen(pem_head));
	_cleanup_free_ char *lines = NULL;
	char *save = NULL;

	if (!end || end == (const char *)content->data)
		return 0;
	key->text = strndup((const char *)content->data,
			    (size_t)(end - (const char *)content->data));
	lines = key->text ? strdup(key->text) : NULL;
	if (!lines)
		return sr_fail_memory(err);
	for (char *line = strtok_r(lines, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save))
		read_line(line, key);
	return 0;
}

static void say_conditions(FILE *out, const struct sr_key *key)
{
	const char *pin = sr_key_needs_pin(key) ? "a PIN, and " : "";
	char pcrs[SR_PCRS_TEXT];
	struct sr_pcrs bound;

	sr_key_pcrs(key, &bound);
	sr_pcrs_format(&bound, pcrs);
	if (key->ring[0])
		fprintf(
		    out,
		    "It takes %sa boot state that ring %s is sealed to.\n%s%s\n%s%s\n",
		    pin, key->ring, text_ring, key->ring, text_id, key->id);
	else if (bound.mask)
		fprintf(out, "It takes %sthe PCRs %s as they were.\n", pin, pcrs);
	else if (*pin)
		fputs("It takes a PIN.\n", out);
}

/* A kind that OpenSSH lacks has only the other fingerprint. */
static int fingerprint(const struct sr_key *key, char ret[SR_FINGERPRINT_TEXT],
		       struct sr_err *err)
{
	return key->type->ssh ? sr_ssh_fingerprint(&key->file->pub, ret, err)
			      : sr_key_spki(key, ret, err);
}

static int describe_software(struct sr_key *key, struct sr_err *err)
{
	char print[SR_FINGERPRINT_TEXT], when[SR_TIME_TEXT];
	int r = fingerprint(key, print, err);

	if (r < 0)
		return r;
	key->made = time(NULL);
	sr_time_format(key->made, when);
	if (asprintf(&key->text,
		     "Software key (%s): a secret of a ring, not in the TPM.\n%s\n%s%s"
		     "%s%s\n%s%s\n",
		     key->type->name, print, key->imported ? text_imported : "",
		     key->imported ? "\n" : "", text_made, when, text_ring,
		     key->ring) >= 0)
		return 0;
	key->text = NULL;
	return sr_fail_memory(err);
}

static int describe_tpm(struct sr_key *key, struct sr_err *err)
{
	char fingerprint[SR_SSH_FINGERPRINT], when[SR_TIME_TEXT];
	uint8_t area[sizeof(TPM2B_PUBLIC)];
	_cleanup_free_ char *parent = NULL;
	size_t size = 0;
	FILE *out;
	int r = sr_ssh_fingerprint(&key->file->pub, fingerprint, err);

	if (r < 0)
		return r;
	if (Tss2_MU_TPM2B_PUBLIC_Marshal(&key->parent, area, sizeof(area), &size) !=
	    TSS2_RC_SUCCESS)
		return sr_fail(err, -EIO, "the storage key cannot be written");
	parent = sr_base64(area, size);
	out = parent ? open_memstream(&key->text, &size) : NULL;
	if (!out)
		return sr_fail_memory(err);
	key->made = time(NULL);
	sr_time_format(key->made, when);
	fprintf(out, "Private key (%s) that only one TPM can use.\n%s\n", key->type->name,
		fingerprint);
	say_conditions(out, key);
	fprintf(out, "%s%s\n%s%s\n", text_made, when, text_parent, parent);
	if (fclose(out) != 0)
		return sr_fail_memory(err);
	key->pinned = true;
	return 0;
}

int sr_key_describe(struct sr_key *key, struct sr_err *err)
{
	int r =
	    key->type->software ? describe_software(key, err) : describe_tpm(key, err);

	return r < 0 ? r : sr_key_retext(key, err);
}

/* -- the file ----------------------------------------------------------------------- */

/* For decryption EC keys have but one. */
static bool is_fixed_scheme(const TPMT_PUBLIC *pub)
{
	TPMI_ALG_ASYM_SCHEME scheme = pub->type == TPM2_ALG_ECC
					  ? pub->parameters.eccDetail.scheme.scheme
					  : pub->parameters.rsaDetail.scheme.scheme;

	return scheme != TPM2_ALG_NULL && scheme != TPM2_ALG_ECDH;
}

int sr_key_check_scheme(const TPM2B_PUBLIC *pub, struct sr_err *err)
{
	if (!is_fixed_scheme(&pub->publicArea))
		return 0;
	return sr_fail(err, -EBADMSG,
		       "a key of one scheme for good, and here that is chosen for each "
		       "signature: make it without one (tpm2_create -G rsa2048, ecc256), "
		       "or import its private key if there is a copy");
}

/* What could be loaded, but not used as its file says. */
static int check_use(const struct sr_tpmkey *file, struct sr_err *err)
{
	TPMA_OBJECT attributes = file->pub.publicArea.objectAttributes;

	if (file->type == SR_TPMKEY_IMPORTABLE)
		return sr_fail(err, -EBADMSG,
			       "it has to be imported into its TPM before it is used");
	if (attributes & (TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_X509SIGN))
		return sr_fail(err, -EBADMSG,
			       "a restricted key, which signs only what its TPM made");
	if (!(attributes & (TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_DECRYPT)))
		return sr_fail(err, -EBADMSG, "a key that neither signs nor decrypts");
	return sr_key_check_scheme(&file->pub, err);
}

/* Every alternative counts: a file with one that is not its approver's is a forged one. */
static int check_approvals(const struct sr_key *key, struct sr_err *err)
{
	const struct sr_tpmkey *file = key->file;
	int r = 0;

	if (!sr_key_is_approved(key))
		return file->signed_count == 0
			   ? 0
			   : sr_fail(err, -EBADMSG,
				     "approvals that its TPM does not ask "
				     "for");
	if (file->signed_count == 0)
		return sr_fail(err, -EBADMSG, "no boot state was approved for it");
	for (size_t i = 0; r == 0 && i < file->signed_count; i++)
		r = sr_authorize_check(&file->signed_policy[i].policy, &file->policy,
				       err);
	return r;
}

int sr_key_read(struct sr_key *key, const struct sr_buf *content, struct sr_err *err)
{
	int r;

	if (sr_software_is_file(content)) {
		r = sr_software_read(key, content, err);
		return r < 0 ? r : read_text(content, key, err);
	}
	r = sr_tpmkey_read(content, &key->file, err);
	if (r == 0 && key->file->type == SR_TPMKEY_SEALED)
		r = sr_fail(err, -EBADMSG, "it holds sealed data, not a key");
	if (r < 0)
		return r;
	key->type = sr_key_type_of(&key->file->pub);
	if (!key->type || key->type->software)
		return sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	r = check_use(key->file, err);
	if (r == 0)
		r = check_approvals(key, err);
	return r < 0 ? r : read_text(content, key, err);
}

static int check_written(const struct sr_buf *content, void *arg, struct sr_err *err)
{
	_cleanup_key_ struct sr_key *again = sr_key_new(arg);

	return again ? sr_key_read(again, content, err) : sr_fail_memory(err);
}

int sr_public_pem(const TPM2B_PUBLIC *pub, char **ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf spki = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out;
	int r = sr_pubkey_spki(pub, &spki, err);

	if (r < 0)
		return r;
	text = sr_base64(spki.data, spki.size);
	out = text ? open_memstream(ret, &size) : NULL;
	if (!out)
		return sr_fail_memory(err);
	fputs("-----BEGIN PUBLIC KEY-----\n", out);
	for (const char *at = text; *at; at += strnlen(at, PEM_LINE))
		fprintf(out, "%.*s\n", PEM_LINE, at);
	fputs("-----END PUBLIC KEY-----\n", out);
	if (fclose(out) == 0)
		return 0;
	free(take(*ret));
	return sr_fail_memory(err);
}

static int software_content(const struct sr_key *key, struct sr_buf *ret,
			    struct sr_err *err)
{
	_cleanup_free_ char *pem = NULL;
	char *content = NULL;
	int r = sr_public_pem(&key->file->pub, &pem, err);

	if (r < 0)
		return r;
	if (asprintf(&content, "%s%s", key->text, pem) < 0)
		return sr_fail_memory(err);
	*ret = (struct sr_buf){ (uint8_t *)content, strlen(content) };
	return 0;
}

int sr_key_write(const struct sr_key *key, int dir, struct sr_err *err)
{
	struct sr_check check = { .run = check_written, .arg = key->name };
	_cleanup_buf_ struct sr_buf content = { 0 };
	char file[SR_KEY_FILE];
	int r = key->type->software
		    ? software_content(key, &content, err)
		    : sr_tpmkey_write(key->file, key->text, &content, err);

	if (r < 0)
		return r;
	if (strchr(key->name, '/'))
		return sr_replace_file(AT_FDCWD, key->name, &content, 0600, &check, err);
	sr_keystore_file(key->name, ".pem", file);
	return sr_replace_file(dir, file, &content, sr_keystore_mode(dir), &check, err);
}

int sr_key_public(const struct sr_key *key, enum sr_key_form form, char **ret,
		  struct sr_err *err)
{
	_cleanup_free_ char *line = NULL;
	const char *slash = strrchr(key->name, '/');
	int r;

	if (form == SR_FORM_PEM)
		return sr_public_pem(&key->file->pub, ret, err);
	r = sr_ssh_line(&key->file->pub, slash ? slash + 1 : key->name, &line, err);
	if (r < 0)
		return r;
	return asprintf(ret, "%s\n", line) < 0 ? sr_fail_memory(err) : 0;
}

int sr_key_write_public(const struct sr_key *key, int dir, struct sr_err *err)
{
	_cleanup_free_ char *text = NULL;
	char file[SR_KEY_FILE];
	int r = sr_public_pem(&key->file->pub, &text, err);

	if (r < 0)
		return r;
	sr_keystore_file(key->name, ".pub", file);
	return sr_replace_file(dir, file,
			       &(struct sr_buf){ (uint8_t *)text, strlen(text) }, 0644,
			       NULL, err);
}

/* -- what is known of it ------------------------------------------------------------ */

int sr_key_spki(const struct sr_key *key, char ret[SR_FINGERPRINT_TEXT],
		struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf spki = { 0 };
	uint8_t digest[EVP_MAX_MD_SIZE];
	int r = sr_pubkey_spki(&key->file->pub, &spki, err);

	if (r < 0)
		return r;
	if (EVP_Digest(spki.data, spki.size, digest, NULL, EVP_sha256(), NULL) != 1)
		return sr_fail_libcrypto(err, "hashing a public key");
	sr_hex_format(digest, 32, ret);
	return 0;
}

int sr_key_info(const struct sr_key *key, struct sr_key_info *ret, struct sr_err *err)
{
	TPMA_OBJECT attributes = key->file->pub.publicArea.objectAttributes;
	struct sr_key_info info = {
		.name = key->name,
		.type = key->type->name,
		.usage = (attributes & TPMA_OBJECT_SIGN_ENCRYPT ? SR_KEY_SIGN : 0) |
			 (attributes & TPMA_OBJECT_DECRYPT ? SR_KEY_DECRYPT : 0),
		.pin = sr_key_needs_pin(key),
		.limited = !(attributes & TPMA_OBJECT_NODA),
		.in_tpm = !key->type->software,
		.ring = key->type->software || sr_key_is_approved(key) ? key->ring : NULL,
		.born_here = key->type->software
				 ? !key->imported
				 : attributes & TPMA_OBJECT_SENSITIVEDATAORIGIN &&
				       attributes & TPMA_OBJECT_FIXEDTPM,
		.made_outside = key->type->software
				    ? key->imported
				    : !(attributes & TPMA_OBJECT_SENSITIVEDATAORIGIN),
		.hash = key->type->hash,
		.made = key->made,
		.version = key->version,
		.tags = (const char *const *)key->tags,
		.tag_count = key->tag_count,
	};
	struct sr_pcrs pcrs;
	int r = key->type->ssh ? sr_ssh_fingerprint(&key->file->pub, info.ssh, err) : 0;

	if (r == 0)
		r = sr_key_spki(key, info.spki, err);
	if (r == 0)
		r = sr_move_allowed(&key->file->pub, err);
	if (r < 0)
		return sr_fail_key(key, r, err);
	info.exportable = r;
	sr_key_pcrs(key, &pcrs);
	if (pcrs.mask)
		sr_pcrs_format(&pcrs, info.pcrs);
	*ret = info;
	return 0;
}

bool sr_key_type_in_software(const char *name)
{
	const struct sr_key_type *type = sr_key_type_find(name);

	return type && type->software;
}

bool sr_key_is_of(const struct sr_key *key, const struct sr_tpm_facts *facts)
{
	TPM2B_NAME name;

	if (!key->pinned || key->file->parent != SR_SRK_HANDLE ||
	    sr_name_of(&key->parent, &name, NULL) < 0)
		return true;
	return name.size == facts->srk_name_size &&
	       memcmp(name.name, facts->srk_name, name.size) == 0;
}

const char *sr_key_type_name(size_t at)
{
	const struct sr_key_type *type = sr_key_type_at(at);

	return type ? type->name : NULL;
}
