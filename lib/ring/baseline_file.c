/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file that describes a baseline: written, read, and told from a forged one. */
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include "baseline.h"
#include "codec/derive.h"

#define KEY_INFO "sealring baseline"
#define CHECK_HEAD "[Check]\nMAC="
#define CHECK_SIZE (sizeof(CHECK_HEAD) - 1 + 2 * SHA256_DIGEST_LENGTH + 1)
#define UNKNOWN_FORMAT "format %s is newer than this program knows: upgrade sealring"

static int compute_mac(const struct sr_ring *ring, const void *data, size_t size,
		       char ret[65], struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret key = { 0 };
	uint8_t mac[SHA256_DIGEST_LENGTH];
	unsigned int length = sizeof(mac);
	int r = sr_derive(&ring->key, KEY_INFO, &key, err);

	if (r < 0)
		return r;
	if (!HMAC(EVP_sha256(), key.data, (int)key.size, data, size, mac, &length))
		return sr_fail_libcrypto(err, "authenticating the baseline");
	sr_hex_format(mac, sizeof(mac), ret);
	return 0;
}

static void print_pcrs(FILE *out, const struct sr_baseline *baseline)
{
	for (size_t i = 0; i < baseline->banks; i++)
		for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
			const struct sr_pcrs *held = &baseline->held[i];
			char hex[2 * SR_DIGEST_MAX + 1];

			if (!(held->given & 1U << pcr))
				continue;
			sr_hex_format(held->value[pcr], sr_bank_size(held->bank), hex);
			fprintf(out, "Value=%s:%u=%s\n", sr_bank_name(held->bank), pcr,
				hex);
		}
}

static void print_text(FILE *out, const char *key, const char *value)
{
	if (*value)
		fprintf(out, "%s=%s\n", key, value);
}

static void print(FILE *out, const struct sr_ring *ring,
		  const struct sr_baseline *baseline)
{
	char when[SR_TIME_TEXT], hex[65];
	uint8_t digest[SHA256_DIGEST_LENGTH];

	sr_time_format(baseline->taken, when);
	(void)SHA256(baseline->log->content, baseline->log->size, digest);
	sr_hex_format(digest, sizeof(digest), hex);
	fprintf(out, "[Baseline]\nFormat=%d\nRing=%s\nId=%s\nTaken=%s\n",
		SR_BASELINE_FORMAT, ring->name, ring->id, when);
	print_text(out, "Boot", baseline->boot);
	fprintf(out, "Log=%s\n\n[PCRs]\n", hex);
	print_pcrs(out, baseline);
	fputs("\n[Machine]\n", out);
	print_text(out, "Vendor", baseline->vendor);
	print_text(out, "Version", baseline->version);
	print_text(out, "Date", baseline->date);
	print_text(out, "Product", baseline->product);
	fputs("\n[TPM]\n", out);
	print_text(out, "Identity", baseline->tpm);
	fprintf(out, "ResetCount=%u\nRestartCount=%u\n\n", baseline->reset_count,
		baseline->restart_count);
}

/* Text first, then what authenticates all of it. */
int sr_baseline_format(const struct sr_ring *ring, const struct sr_baseline *baseline,
		       struct sr_buf *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf text = { 0 };
	char mac[65], *whole = NULL;
	FILE *out = open_memstream((char **)&text.data, &text.size);
	int r;

	if (!out)
		return sr_fail_memory(err);
	print(out, ring, baseline);
	if (fclose(out) != 0)
		return sr_fail_memory(err);
	r = compute_mac(ring, text.data, text.size, mac, err);
	if (r < 0)
		return r;
	if (asprintf(&whole, "%s%s%s\n", (char *)text.data, CHECK_HEAD, mac) < 0)
		return sr_fail_memory(err);
	*ret = (struct sr_buf){ (uint8_t *)whole, strlen(whole) };
	return 0;
}

/* -- reading -- */

struct parsed {
	struct sr_baseline *baseline;
	const struct sr_ring *ring;
	uint64_t format;
	uint8_t log[SHA256_DIGEST_LENGTH];
	bool has_log;
};

static int set_format(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;
	int r = sr_number_parse(value, UINT32_MAX, &parsed->format, err);

	if (r == 0 && parsed->format > SR_BASELINE_FORMAT)
		return sr_fail(err, -EBADMSG, UNKNOWN_FORMAT, value);
	return r;
}

static int set_ring(const char *value, void *arg, struct sr_err *err)
{
	(void)arg; /* a ring can get another name with all its files */
	return sr_name_check(value, "ring", err);
}

static int set_id(const char *value, void *arg, struct sr_err *err)
{
	const struct parsed *parsed = arg;

	if (strcmp(value, parsed->ring->id) == 0)
		return 0;
	return sr_fail(err, -EBADMSG, "this baseline is another ring's");
}

static int set_taken(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return sr_time_parse(value, &parsed->baseline->taken, err);
}

static int copy(const char *value, char *to, size_t room, struct sr_err *err)
{
	if (strlen(value) >= room)
		return sr_fail(err, -EBADMSG, "more than %zu characters", room - 1);
	for (const char *c = value; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			return sr_fail(err, -EBADMSG, "not in printable ASCII");
	memcpy(to, value, strlen(value) + 1);
	return 0;
}

static int set_boot(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return copy(value, parsed->baseline->boot, sizeof(parsed->baseline->boot), err);
}

static int set_log(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	parsed->has_log = true;
	return sr_hex_parse(value, parsed->log, sizeof(parsed->log), err);
}

static struct sr_pcrs *bank_of(struct sr_baseline *baseline, uint16_t bank)
{
	for (size_t i = 0; i < baseline->banks; i++)
		if (baseline->held[i].bank == bank)
			return &baseline->held[i];
	if (baseline->banks == SR_EVENTLOG_BANKS)
		return NULL;
	baseline->held[baseline->banks].bank = bank;
	return &baseline->held[baseline->banks++];
}

static int add_value(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;
	struct sr_pcrs one, *held;
	int r = sr_pcrs_parse(value, &one, err);

	if (r < 0)
		return r;
	held = bank_of(parsed->baseline, one.bank);
	if (!held || one.given != one.mask || held->mask & one.mask)
		return sr_fail(err, -EBADMSG, "not one new value of a PCR");
	held->mask |= one.mask;
	held->given |= one.given;
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (one.given & 1U << pcr)
			memcpy(held->value[pcr], one.value[pcr], SR_DIGEST_MAX);
	return 0;
}

static int set_vendor(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return copy(value, parsed->baseline->vendor, SR_BASELINE_TEXT, err);
}

static int set_version(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return copy(value, parsed->baseline->version, SR_BASELINE_TEXT, err);
}

static int set_date(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return copy(value, parsed->baseline->date, SR_BASELINE_TEXT, err);
}

static int set_product(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return copy(value, parsed->baseline->product, SR_BASELINE_TEXT, err);
}

static int set_tpm(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return copy(value, parsed->baseline->tpm, SR_BASELINE_TEXT, err);
}

static int set_count(const char *value, uint32_t *ret, struct sr_err *err)
{
	uint64_t number = 0;
	int r = sr_number_parse(value, UINT32_MAX, &number, err);

	if (r == 0)
		*ret = (uint32_t)number;
	return r;
}

static int set_resets(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return set_count(value, &parsed->baseline->reset_count, err);
}

static int set_restarts(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return set_count(value, &parsed->baseline->restart_count, err);
}

static int set_mac(const char *value, void *arg, struct sr_err *err)
{
	uint8_t mac[SHA256_DIGEST_LENGTH];

	(void)arg; /* compared before the file is read, where it can be */
	return sr_hex_parse(value, mac, sizeof(mac), err);
}

static const struct sr_conf_key baseline_keys[] = {
	{ "Baseline", "Format", false, set_format },
	{ "Baseline", "Ring", false, set_ring },
	{ "Baseline", "Id", false, set_id },
	{ "Baseline", "Taken", false, set_taken },
	{ "Baseline", "Boot", false, set_boot },
	{ "Baseline", "Log", false, set_log },
	{ "PCRs", "Value", true, add_value },
	{ "Machine", "Vendor", false, set_vendor },
	{ "Machine", "Version", false, set_version },
	{ "Machine", "Date", false, set_date },
	{ "Machine", "Product", false, set_product },
	{ "TPM", "Identity", false, set_tpm },
	{ "TPM", "ResetCount", false, set_resets },
	{ "TPM", "RestartCount", false, set_restarts },
	{ "Check", "MAC", false, set_mac },
	{ 0 },
};

/* Only a holder of the ring key can; a closed ring has none. */
static int authenticate(const struct sr_ring *ring, const struct sr_buf *text,
			bool *authentic, struct sr_err *err)
{
	char mac[65];
	int r;

	*authentic = false;
	if (ring->key.size == 0)
		return 0;
	if (text->size > CHECK_SIZE) {
		const char *tail = (const char *)text->data + text->size - CHECK_SIZE;

		r = compute_mac(ring, text->data, text->size - CHECK_SIZE, mac, err);
		if (r < 0)
			return r;
		*authentic = strncmp(tail, CHECK_HEAD, strlen(CHECK_HEAD)) == 0 &&
			     CRYPTO_memcmp(tail + strlen(CHECK_HEAD), mac, 64) == 0 &&
			     tail[CHECK_SIZE - 1] == '\n';
	}
	if (*authentic)
		return 0;
	return sr_fail(err, -EBADMSG,
		       "the baseline was changed by somebody without the ring key");
}

static int load_log(int dir, const char *name, const struct parsed *parsed,
		    struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf log = { 0 };
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char file[NAME_MAX + 1];
	int r;

	(void)snprintf(file, sizeof(file), "%s.log", name);
	r = sr_read_file(dir, file, SR_EVENTLOG_MAX, &log, err);
	if (r == -ENOENT)
		return sr_fail(err, -EBADMSG, "%s is missing", file);
	if (r < 0)
		return r;
	(void)SHA256(log.data, log.size, digest);
	if (memcmp(digest, parsed->log, sizeof(digest)) != 0)
		return sr_fail(err, -EBADMSG, "%s is not the log of the baseline", file);
	return sr_eventlog_read(log.data, log.size, &parsed->baseline->log, err);
}

static int load(const struct sr_ring *ring, int dir, const char *name,
		struct sr_baseline **ret, struct sr_err *err)
{
	_cleanup_baseline_ struct sr_baseline *baseline = calloc(1, sizeof(*baseline));
	struct parsed parsed = { .baseline = baseline, .ring = ring };
	_cleanup_buf_ struct sr_buf text = { 0 };
	char file[NAME_MAX + 1];
	int r;

	if (!baseline)
		return sr_fail_memory(err);
	(void)snprintf(file, sizeof(file), "%s.conf", name);
	r = sr_read_file(dir, file, SR_CONF_MAX, &text, err);
	if (r == 0)
		r = authenticate(ring, &text, &baseline->authentic, err);
	if (r == 0)
		r = sr_conf_read(&text, file, baseline_keys, &parsed, err);
	if (r == 0 && (!parsed.format || !parsed.has_log || !baseline->taken))
		r = sr_fail(err, -EBADMSG, "%s lacks Format, Log or Taken", file);
	if (r == 0)
		r = load_log(dir, name, &parsed, err);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	*ret = take(baseline);
	return 0;
}

int sr_baseline_load(struct sr_ring *ring, struct sr_baseline **ret, struct sr_err *err)
{
	_cleanup_names_ struct sr_names names = { 0 };
	_cleanup_close_ int dir =
	    ring->dir < 0 ? -ENOENT : sr_open_dir(ring->dir, SR_BASELINE_DIR, err);
	int r = dir < 0 ? dir : sr_list_dir(dir, ".conf", &names, err);

	if (r == -ENOENT || (r == 0 && names.count == 0))
		return sr_fail(err, -ENOKEY,
			       "ring %s has no baseline: it is taken when the ring is "
			       "made or re-sealed, where there is an event log",
			       ring->name);
	if (r == 0)
		r = load(ring, dir, names.name[names.count - 1], ret, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : 0;
}
