/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a key's file says in words before the key. */
#include <string.h>
#include <time.h>
#include <tss2/tss2_mu.h>

#include "ground/base64.h"
#include "ground/parse.h"
#include "key.h"

static const char text_made[] = "Made ";
static const char text_parent[] = "Storage-Key: ";
static const char text_ring[] = "Ring: ";
static const char text_id[] = "Key-Id: ";
static const char text_imported[] = "It was imported.";
static const char pem_head[] = "-----BEGIN ";

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

int sr_key_read_text(struct sr_key *key, const struct sr_buf *content, struct sr_err *err)
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
