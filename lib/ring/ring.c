/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A ring's description: ring.conf, and the directory it stands in. */
#include "ring.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <tss2/tss2_mu.h>

#define LOAD_TRIES 100
#define SRK_LINE 48 /* bytes of the storage key in a line of ring.conf */

struct parsed {
	struct sr_ring *ring;
	uint64_t format;
	uint8_t srk[sizeof(TPM2B_PUBLIC)];
	size_t srk_size;
};

static int set_format(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;
	int r = sr_number_parse(value, UINT32_MAX, &parsed->format, err);

	if (r == 0 && parsed->format > SR_RING_FORMAT)
		return sr_fail(
		    err, -EBADMSG,
		    "format %s is newer than this program knows: upgrade sealring",
		    value);
	return r;
}

static int set_id(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;
	uint8_t id[16];
	int r = sr_hex_parse(value, id, sizeof(id), err);

	if (r == 0)
		sr_hex_format(id, sizeof(id), parsed->ring->id);
	return r;
}

static int set_pcrs(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return sr_ring_set_pcrs(parsed->ring, value, err);
}

static int set_pin(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return sr_bool_parse(value, &parsed->ring->pin, err);
}

static int set_created(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return sr_time_parse(value, &parsed->ring->created, err);
}

static int set_proven(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	return sr_time_parse(value, &parsed->ring->proven, err);
}

static int set_digest(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;
	uint8_t digest[32];
	int r = sr_hex_parse(value, digest, sizeof(digest), err);

	if (r == 0)
		sr_hex_format(digest, sizeof(digest), parsed->ring->recovery_digest);
	return r;
}

static int set_mac(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;
	uint8_t mac[SR_RING_KEY];
	int r = sr_hex_parse(value, mac, sizeof(mac), err);

	if (r == 0)
		sr_hex_format(mac, sizeof(mac), parsed->ring->mac);
	return r;
}

static int add_srk(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;
	size_t size = strlen(value) / 2;
	int r;

	if (size > sizeof(parsed->srk) - parsed->srk_size)
		return sr_fail(err, -EBADMSG, "the storage key is too long");
	r = sr_hex_parse(value, parsed->srk + parsed->srk_size, size, err);
	parsed->srk_size += size;
	return r;
}

static int add_volume(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;
	char uuid[SR_UUID_TEXT];
	int r = sr_volume_parse(value, uuid, err);

	if (r == 0 && parsed->ring->volume_count >= SR_VOLUMES_MAX)
		r = sr_fail(err, -EBADMSG, "more than %d volumes", SR_VOLUMES_MAX);
	return r < 0 ? r
		     : sr_strv_add(&parsed->ring->volumes, &parsed->ring->volume_count,
				   uuid, err);
}

static int set_check(const char *value, void *arg, struct sr_err *err)
{
	(void)value;
	(void)arg;
	(void)err;
	return 0; /* compared before the file is read */
}

static int set_name(const char *value, void *arg, struct sr_err *err)
{
	struct parsed *parsed = arg;

	if (strcmp(value, parsed->ring->name) != 0)
		return sr_fail(err, -EBADMSG,
			       "this is ring %s, not %s: give it that name", value,
			       parsed->ring->name);
	return 0;
}

static const struct sr_conf_key ring_keys[] = {
	{ "Ring", "Format", false, set_format },
	{ "Ring", "Name", false, set_name },
	{ "Ring", "Id", false, set_id },
	{ "Ring", "PCRs", false, set_pcrs },
	{ "Ring", "PIN", false, set_pin },
	{ "Ring", "Created", false, set_created },
	{ "Ring", "SRK", true, add_srk },
	{ "Recovery", "Proven", false, set_proven },
	{ "Recovery", "Digest", false, set_digest },
	{ "Ring", "MAC", false, set_mac },
	{ "LUKS", "Volume", true, add_volume },
	{ "Check", "SHA256", false, set_check },
	{ 0 },
};

static const char check_head[] = "[Check]\nSHA256=";

/* The last section holds the hash of all before it: damage is told from another TPM. */
static int check_whole(const struct sr_buf *content, struct sr_err *err)
{
	size_t tail = strlen(check_head) + 64 + 1;
	const char *text = (const char *)content->data;
	uint8_t digest[32];
	char hex[65] = "";

	if (content->size > tail &&
	    strncmp(text + content->size - tail, check_head, strlen(check_head)) == 0) {
		if (EVP_Digest(text, content->size - tail, digest, NULL, EVP_sha256(),
			       NULL) != 1)
			return sr_fail_libcrypto(err, "hashing ring.conf");
		sr_hex_format(digest, sizeof(digest), hex);
		if (strncmp(text + content->size - 65, hex, 64) == 0)
			return 0;
	}
	return sr_fail(
	    err, -EBADMSG,
	    "ring.conf is damaged: restore it from a backup, or get in with the "
	    "recovery copy (sealring(7), \"Without this software\")");
}

/* A newer format may look different throughout, so it is recognised before all else. */
static int check_format(const struct sr_buf *content, struct sr_err *err)
{
	unsigned int format = 0;

	if (sscanf((const char *)content->data, "[Ring]\nFormat=%5u\n", &format) == 1 &&
	    format > SR_RING_FORMAT)
		return sr_fail(
		    err, -EBADMSG,
		    "format %u is newer than this program knows: upgrade sealring",
		    format);
	return 0;
}

static int parse(const struct sr_buf *content, struct sr_ring *ring, struct sr_err *err)
{
	struct parsed parsed = { .ring = ring };
	size_t used = 0;
	int r = check_format(content, err);

	if (r == 0)
		r = check_whole(content, err);
	if (r == 0)
		r = sr_conf_read(content, "ring.conf", ring_keys, &parsed, err);
	if (r < 0)
		return r;
	if (!parsed.format || !ring->id[0] || !ring->pcrs.mask)
		return sr_fail(err, -EBADMSG, "ring.conf lacks Format, Id or PCRs");
	if (parsed.srk_size == 0)
		return 0; /* exported: belongs to no TPM yet */
	if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(parsed.srk, parsed.srk_size, &used,
					   &ring->srk) ||
	    used != parsed.srk_size)
		return sr_fail(err, -EBADMSG, "ring.conf has a damaged storage key");
	return 0;
}

struct sr_ring *sr_ring_new(struct sr_store *store, const char *name)
{
	struct sr_ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return NULL;
	ring->store = store;
	ring->dir = -1;
	(void)snprintf(ring->name, sizeof(ring->name), "%s", name);
	return ring;
}

void sr_ring_free(struct sr_ring *ring)
{
	if (!ring)
		return;
	sr_secret_done(&ring->key);
	sr_secret_done(&ring->pin_value);
	sr_strv_free(ring->volumes);
	if (ring->parts)
		sr_ring_parts_done(ring->parts);
	free(ring->parts);
	sr_ring_free(ring->manager);
	sr_closep(&ring->dir);
	free(ring);
}

uint32_t sr_ring_latch(const struct sr_ring *ring)
{
	uint32_t latch = 0;

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (ring->pcrs.given & 1U << pcr && sr_pcr_is_zero(&ring->pcrs, pcr))
			latch |= 1U << pcr;
	return latch;
}

/* In its one form. "15=0" is for good; any other value is for one boot state to come. */
static void write_pcrs(const struct sr_pcrs *pcrs, char *ret, size_t room)
{
	size_t used = (size_t)snprintf(ret, room, "%s:", sr_bank_name(pcrs->bank));
	const char *plus = "";

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		bool zero = pcrs->given & 1U << pcr && sr_pcr_is_zero(pcrs, pcr);

		if (!(pcrs->mask & 1U << pcr))
			continue;
		used += (size_t)snprintf(ret + used, room - used, "%s%u%s", plus, pcr,
					 zero ? "=0" : "");
		plus = "+";
	}
}

/* A list that names no bank means sha256. */
static int parse_pcrs(const char *text, struct sr_pcrs *ret, struct sr_err *err)
{
	int r = sr_pcrs_parse(text, ret, err);

	if (r < 0)
		return r;
	if (!ret->mask)
		return sr_fail(err, -EINVAL, "the PCR list is empty");
	if (!ret->bank)
		ret->bank = TPM2_ALG_SHA256;
	return 0;
}

int sr_ring_set_pcrs(struct sr_ring *ring, const char *text, struct sr_err *err)
{
	struct sr_pcrs pcrs;
	int r = parse_pcrs(text, &pcrs, err);

	if (r < 0)
		return r;
	ring->pcrs = pcrs;
	write_pcrs(&pcrs, ring->pcrs_text, sizeof(ring->pcrs_text));
	return 0;
}

/* The ring of the initramfs closes when the latch PCR is extended at its end. */
static void add_latch(const struct sr_ring *ring, struct sr_pcrs *pcrs)
{
	unsigned int latch = ring->store->config.latch_pcr;

	if (strcmp(ring->name, "boot") != 0 || pcrs->mask & 1U << latch)
		return;
	pcrs->mask |= 1U << latch;
	pcrs->given |= 1U << latch;
	memset(pcrs->value[latch], 0, SR_DIGEST_MAX);
}

int sr_ring_choose_pcrs(struct sr_ring *ring, const char *text, struct sr_err *err)
{
	int r = sr_ring_set_pcrs(ring, text, err);

	if (r < 0)
		return r;
	add_latch(ring, &ring->pcrs);
	write_pcrs(&ring->pcrs, ring->pcrs_text, sizeof(ring->pcrs_text));
	return 0;
}

int sr_ring_sealed_to(const struct sr_ring *ring, const char *pcrs, struct sr_err *err)
{
	struct sr_pcrs wanted;
	char text[SR_CONF_LINE + 1];
	int r = parse_pcrs(pcrs, &wanted, err);

	if (r < 0)
		return r;
	add_latch(ring, &wanted);
	write_pcrs(&wanted, text, sizeof(text));
	return strcmp(text, ring->pcrs_text) == 0 && wanted.given == ring->pcrs.given;
}

static int read_description(struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = sr_read_file(ring->dir, "ring.conf", SR_CONF_MAX, &content, err);

	if (r == -ENOENT)
		return sr_fail(err, -EBADMSG,
			       "ring.conf is missing: restore it from a backup");
	return r < 0 ? r : parse(&content, ring, err);
}

int sr_ring_load_from(struct sr_store *store, const char *name, int *dir,
		      struct sr_ring **ret, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *ring = sr_ring_new(store, name);
	int r;

	if (!ring)
		return sr_fail_memory(err);
	ring->dir = take_fd(dir);
	r = read_description(ring, err);
	if (r < 0)
		return sr_fail_ring(ring, r, err);
	*ret = take(ring);
	return 0;
}

/* Whether @name in @rings is still the directory that @dir has open. */
static bool is_current(int rings, const char *name, int dir)
{
	struct stat is, was;

	return fstatat(rings, name, &is, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(dir, &was) == 0 && is.st_dev == was.st_dev &&
	       is.st_ino == was.st_ino;
}

/* A rotation that finished between opening and locking shows as another directory. */
static int open_locked(int rings, const char *name, int *ret, struct sr_err *err)
{
	for (int tries = 0; tries < LOAD_TRIES; tries++) {
		_cleanup_close_ int dir = sr_open_dir(rings, name, err);

		if (dir < 0)
			return dir;
		if (flock(dir, LOCK_SH) < 0) {
			if (errno == EINTR)
				continue;
			return sr_fail_sys(err, errno, "cannot lock ring %s", name);
		}
		if (is_current(rings, name, dir)) {
			*ret = take_fd(&dir);
			return 0;
		}
	}
	return sr_fail(err, -EIO, "ring %s is replaced all the time: try again", name);
}

int sr_ring_load(struct sr_store *store, const char *name, struct sr_ring **ret,
		 struct sr_err *err)
{
	_cleanup_close_ int rings = -1, dir = -1;
	int r = sr_name_check(name, "ring", err);

	if (r < 0)
		return r;
	rings = sr_store_dir(store, err);
	r = rings < 0 ? rings : open_locked(rings, name, &dir, err);
	if (r == -ENOENT)
		r = sr_fail(err, -ENOKEY,
			    "no ring \"%s\" in %s: tpm-ring create makes one", name,
			    store->rings_path);
	if (r == 0)
		r = sr_ring_load_from(store, name, &dir, ret, err);
	return sr_about(err, r, name, NULL);
}

/* What another writer changed since the ring was loaded must not be written back. */
static int refresh(struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *now =
	    sr_ring_new(ring->store, ring->name);
	int r;

	if (!now)
		return sr_fail_memory(err);
	now->dir = ring->dir;
	r = read_description(now, err);
	if (r == 0) {
		sr_strv_free(take(ring->volumes));
		now->key = ring->key;
		now->pin_value = ring->pin_value;
		now->opened = ring->opened;
		now->bounded = ring->bounded;
		memcpy(now->approval, ring->approval, sizeof(now->approval));
		now->manager = ring->manager;
		now->half_rotated = ring->half_rotated;
		*ring = *now;
		now->volumes = NULL;
	}
	/* What is in @ring again is not to be released here. */
	now->dir = -1;
	now->manager = NULL;
	now->key = now->pin_value = (struct sr_secret){ 0 };
	return r < 0 ? sr_fail_ring(ring, r, err) : 0;
}

int sr_ring_confirm(struct sr_ring *ring, int rings, struct sr_err *err)
{
	int r;

	if (!is_current(rings, ring->name, ring->dir))
		return sr_fail(
		    err, -EIO,
		    "ring %s was rotated or removed by another program meanwhile: "
		    "nothing was changed, run this again",
		    ring->name);
	r = refresh(ring, err);
	if (r == 0 && ring->key.size > 0)
		r = sr_ring_check_mac(ring, err);
	return r;
}

int sr_ring_lock(struct sr_ring *ring, int *ret, struct sr_err *err)
{
	_cleanup_close_ int rings = -1;
	int r;

	if (!ring->store)
		return sr_fail(err, -EINVAL, "ring %s is in no store", ring->name);
	r = sr_store_lock(ring->store, &rings, err);
	if (r == 0)
		r = sr_ring_confirm(ring, rings, err);
	if (r < 0)
		return r;
	*ret = take_fd(&rings);
	return 0;
}

/*
 * ring.conf can be written by who writes to the disk; the approval that opened the ring is
 * what the TPM confirmed. Where they differ somebody has to say what is meant.
 */
int sr_ring_check_selection(const struct sr_ring *ring, struct sr_err *err)
{
	const struct sr_pcrs *opened = &ring->opened;
	char text[SR_PCRS_TEXT];

	if (!opened->mask || (opened->bank == ring->pcrs.bank &&
			      (opened->mask == ring->pcrs.mask ||
			       (ring->bounded && !(opened->mask & ~ring->pcrs.mask)))))
		return 0;
	sr_pcrs_format(opened, text);
	return sr_fail(
	    err, -EBADMSG,
	    "ring.conf says %s, the approval that opens it %s: choose with --pcrs",
	    ring->pcrs_text, text);
}

int sr_ring_need_key(const struct sr_ring *ring, struct sr_err *err)
{
	if (ring->key.size == SR_RING_KEY)
		return 0;
	return sr_fail(err, -EINVAL, "ring %s is not open", ring->name);
}

int sr_ring_open_subdir(const struct sr_ring *ring, const char *name, struct sr_err *err)
{
	int fd = sr_open_dir(ring->dir, name, err);

	return fd == -ENOENT
		   ? sr_fail(err, -EBADMSG,
			     "ring %s: directory %s is missing: restore it from a "
			     "backup",
			     ring->name, name)
		   : fd;
}

int sr_fail_ring(const struct sr_ring *ring, int r, struct sr_err *err)
{
	char prefix[SR_NAME_MAX + 8];
	size_t length = (size_t)snprintf(prefix, sizeof(prefix), "ring %s", ring->name);

	if (!err || strncmp(err->text, prefix, length) != 0 ||
	    !strchr(": ", err->text[length]))
		(void)sr_prefix(err, r, prefix);
	return sr_about(err, r, ring->name, NULL);
}

static void print_srk(FILE *out, const TPM2B_PUBLIC *srk)
{
	uint8_t bytes[sizeof(*srk)];
	char hex[2 * SRK_LINE + 1];
	size_t size = 0;

	if (!srk->publicArea.type ||
	    Tss2_MU_TPM2B_PUBLIC_Marshal(srk, bytes, sizeof(bytes), &size))
		return;
	for (size_t at = 0; at < size; at += SRK_LINE) {
		sr_hex_format(bytes + at, size - at < SRK_LINE ? size - at : SRK_LINE,
			      hex);
		fprintf(out, "SRK=%s\n", hex);
	}
}

static int compute_mac(const struct sr_ring *ring, char ret[65], struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret mac = { 0 };
	char info[3 * SR_CONF_LINE];
	int r;

	(void)snprintf(info, sizeof(info), "sealring ring.conf\n%s\n%s\n%s\n%s",
		       ring->name, ring->id, ring->pcrs_text, ring->pin ? "yes" : "no");
	r = sr_derive(&ring->key, info, &mac, err);
	if (r == 0)
		sr_hex_format(mac.data, mac.size, ret);
	return r;
}

int sr_ring_check_mac(const struct sr_ring *ring, struct sr_err *err)
{
	char mac[65];
	int r = compute_mac(ring, mac, err);

	if (r < 0 || CRYPTO_memcmp(mac, ring->mac, sizeof(mac)) == 0)
		return r;
	return sr_fail(
	    err, -EBADMSG,
	    "ring.conf was changed by somebody without the ring key: restore it "
	    "from a backup");
}

static void print(FILE *out, const struct sr_ring *ring, const char *mac)
{
	char when[SR_TIME_TEXT];

	sr_time_format(ring->created, when);
	fprintf(out, "[Ring]\nFormat=%d\nName=%s\nId=%s\nPCRs=%s\nPIN=%s\nCreated=%s\n",
		SR_RING_FORMAT, ring->name, ring->id, ring->pcrs_text,
		ring->pin ? "yes" : "no", when);
	if (mac[0])
		fprintf(out, "MAC=%s\n", mac);
	print_srk(out, &ring->srk);
	if (ring->recovery_digest[0])
		fprintf(out, "\n[Recovery]\nDigest=%s\n", ring->recovery_digest);
	if (ring->recovery_digest[0] && ring->proven) {
		sr_time_format(ring->proven, when);
		fprintf(out, "Proven=%s\n", when);
	}
	if (ring->volume_count)
		fputs("\n[LUKS]\n", out);
	for (size_t i = 0; i < ring->volume_count; i++)
		fprintf(out, "Volume=%s\n", ring->volumes[i]);
	fputc('\n', out);
}

static int check_saved(const struct sr_buf *content, void *arg, struct sr_err *err)
{
	_cleanup_(sr_ring_freep) struct sr_ring *again = sr_ring_new(NULL, arg);

	return again ? parse(content, again, err) : sr_fail_memory(err);
}

static int describe(const struct sr_ring *ring, const char *mac, struct sr_buf *ret,
		    struct sr_err *err)
{
	uint8_t digest[32];
	char hex[65];
	FILE *out = open_memstream((char **)&ret->data, &ret->size);
	int bad;

	if (!out)
		return sr_fail_memory(err);
	print(out, ring, mac);
	bad = fflush(out) != 0 ||
	      EVP_Digest(ret->data, ret->size, digest, NULL, EVP_sha256(), NULL) != 1;
	if (!bad) {
		sr_hex_format(digest, sizeof(digest), hex);
		fprintf(out, "%s%s\n", check_head, hex);
	}
	return fclose(out) != 0 || bad ? sr_fail_memory(err) : 0;
}

/* Who has no key, as an export, passes on what the holder of the key wrote. */
int sr_ring_save(const struct sr_ring *ring, struct sr_err *err)
{
	struct sr_check check = { check_saved, (void *)ring->name };
	_cleanup_buf_ struct sr_buf content = { 0 };
	char mac[65];
	int r = 0;

	(void)snprintf(mac, sizeof(mac), "%s", ring->mac);
	if (ring->key.size > 0)
		r = compute_mac(ring, mac, err);
	if (r == 0)
		r = describe(ring, mac, &content, err);
	return r < 0
		   ? r
		   : sr_replace_file(ring->dir, "ring.conf", &content, 0600, &check, err);
}
