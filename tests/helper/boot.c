/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the initramfs does with a ring, step by step, for tests that have none. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/tpmkey.h"
#include "ground/base64.h"
#include "ring/ring.h"

static struct sr_err err;
static struct sr_store *store; /* a ring keeps pointing to it */

static int fail(int r)
{
	fprintf(stderr, "boot: %s\n", err.text);
	return -r;
}

static int open_tpm(void *arg, struct sr_tpm **ret, struct sr_err *why)
{
	(void)arg;
	return sr_tpm_open(getenv("SEALRING_TCTI"), ret, why);
}

static int give_pin(void *arg, const char *name, struct sr_secret *ret,
		    struct sr_err *why)
{
	static int asked;

	(void)name;
	if (asked++)
		return sr_fail(why, -EIO, "asked for the PIN twice");
	return sr_secret_copy(arg, strlen(arg), ret, why);
}

static int load(const char *name, struct sr_ring **ret)
{
	struct sr_store_options options = {
		.config_dir = getenv("SEALRING_CONFIG_DIR"),
		.state_dir = getenv("SEALRING_STATE_DIR"),
		.runtime_dir = getenv("SEALRING_RUNTIME_DIR"),
	};
	int r = sr_store_open(&options, &store, &err);

	return r < 0 ? r : sr_ring_load(store, name, ret, &err);
}

static void print_parts(const struct sr_ring_parts *parts)
{
	printf("name %s\nid %s\npcrs %s\npin %d\nsrk ", parts->name, parts->id,
	       parts->pcrs, parts->pin);
	for (size_t i = 0; i < parts->srk_size; i++)
		printf("%02x", parts->srk[i]);
	puts("");
	for (size_t i = 0; i < parts->count; i++)
		printf("approval %s\nvalues %s\n", parts->approvals[i], parts->values[i]);
}

static void add(char ***list, size_t count, const char *text)
{
	*list = reallocarray(*list, count + 1, sizeof(**list));
	(*list)[count] = strdup(text);
}

/* Nothing is checked here: what is forged has to reach the library. */
static void read_parts(const char *file, struct sr_ring_parts *ret)
{
	static char line[70000];
	FILE *in = fopen(file, "r");

	while (in && fgets(line, sizeof(line), in)) {
		char *value = strchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (!value)
			continue;
		*value++ = '\0';
		if (strcmp(line, "name") == 0)
			ret->name = strdup(value);
		else if (strcmp(line, "id") == 0)
			ret->id = strdup(value);
		else if (strcmp(line, "pcrs") == 0)
			ret->pcrs = strdup(value);
		else if (strcmp(line, "pin") == 0)
			ret->pin = *value == '1';
		else if (strcmp(line, "approval") == 0)
			add(&ret->approvals, ret->count, value);
		else if (strcmp(line, "values") == 0)
			add(&ret->values, ret->count++, value);
		else if (strcmp(line, "srk") == 0) {
			ret->srk_size = strlen(value) / 2;
			ret->srk = malloc(ret->srk_size + 1);
			(void)sr_hex_parse(value, ret->srk, ret->srk_size, NULL);
		}
	}
	if (in)
		(void)fclose(in);
}

static int from_parts(const char *file, struct sr_ring **ret)
{
	struct sr_ring_parts parts = { 0 };
	int r;

	read_parts(file, &parts);
	r = sr_ring_from_parts(&parts, ret, &err);
	sr_ring_parts_done(&parts);
	return r;
}

static int cmd_take(char **argv)
{
	struct sr_ring_parts parts = { 0 };
	struct sr_ring *ring = NULL;
	int r = load(argv[0], &ring);

	if (r == 0)
		r = sr_ring_parts_get(ring, &parts, &err);
	if (r == 0)
		print_parts(&parts);
	sr_ring_parts_done(&parts);
	sr_ring_free(ring);
	return r;
}

static int write_out(const uint8_t *data, size_t size)
{
	return fwrite(data, 1, size, stdout) == size ? 0 : -EIO;
}

static int unwrap(struct sr_ring *ring, const char *name, const char *file)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	_cleanup_buf_ struct sr_buf envelope = { 0 };
	int r = sr_read_file(AT_FDCWD, file, 8192, &envelope, &err);

	if (r == 0)
		r = sr_ring_unwrap(ring, name, envelope.data, envelope.size, &secret,
				   &err);
	return r < 0 ? r : write_out(secret.data, secret.size);
}

/* What the initramfs does: note what came of it, also when it fails. */
static int open_noted(struct sr_ring *ring, const char *pin, const char *marker)
{
	struct sr_ask ask = { .pin = give_pin, .arg = (void *)pin };
	struct sr_ring_opener opener = { .tpm = open_tpm,
					 .ask = pin ? &ask : NULL,
					 .initramfs = marker };
	const char *runtime = getenv("SEALRING_RUNTIME_DIR");
	struct sr_err unused = { 0 };
	int r = sr_ring_open_cached(ring, &opener, &err);

	if (r < 0)
		(void)sr_boot_note_failed(runtime, ring, &err, "", &unused);
	else if (sr_boot_note_opened(runtime, ring, &unused) < 0)
		fprintf(stderr, "boot: %s\n", unused.text);
	return r;
}

/* open PARTS NAME ENVELOPE [PIN]: print what is in it */
static int cmd_open(char **argv)
{
	struct sr_ring *ring = NULL;
	int r = from_parts(argv[0], &ring);

	if (r == 0)
		r = open_noted(ring, argv[3], "/nonexistent");
	if (r == 0)
		r = unwrap(ring, argv[1], argv[2]);
	sr_ring_free(ring);
	return r;
}

/* cached MARKER NAME PARTS ENVELOPE...: all of them, and where each key came from */
static int cmd_cached(char **argv)
{
	int r = 0;

	for (char **at = argv + 2; r >= 0 && at[0] && at[1]; at += 2) {
		struct sr_ring *ring = NULL;

		r = from_parts(at[0], &ring);
		if (r == 0)
			r = open_noted(ring, NULL, argv[0]);
		printf("%s ", r == 1 ? "kept" : "tpm");
		if (r >= 0 && unwrap(ring, argv[1], at[1]) < 0) {
			printf("dropped ");
			sr_ring_cache_drop(ring);
			r = open_noted(ring, NULL, argv[0]);
			if (r >= 0)
				r = unwrap(ring, argv[1], at[1]);
		}
		puts("");
		sr_ring_free(ring);
	}
	return r < 0 ? r : 0;
}

static int cmd_revoke(char **argv)
{
	int r = sr_ring_cache_revoke_all(&err);

	(void)argv;
	if (r >= 0)
		printf("%d\n", r);
	return r < 0 ? r : 0;
}

static int cmd_note(char **argv)
{
	struct sr_boot_note note = { 0 };
	int r = sr_boot_note_read(getenv("SEALRING_RUNTIME_DIR"), argv[0], &note, &err);

	if (r == 0)
		printf("id %s\nopened %d\napproval %s\nfailed %d\ncode %d\ntext %s\n",
		       note.id, note.opened != 0, note.approval, note.failed != 0,
		       note.code, note.text);
	return r;
}

/* volumes RING [add|remove UUID] */
static int cmd_volumes(char **argv)
{
	struct sr_ring *ring = NULL;
	char **volumes = NULL;
	int r = load(argv[0], &ring);

	if (r == 0 && argv[1])
		r = strcmp(argv[1], "add") == 0
			? sr_ring_volume_add(ring, argv[2], &err)
			: sr_ring_volume_remove(ring, argv[2], &err);
	if (r == 0)
		r = sr_ring_volumes(ring, &volumes, &err);
	for (char **volume = volumes; r >= 0 && *volume; volume++)
		puts(*volume);
	sr_strv_free(volumes);
	sr_ring_free(ring);
	return r < 0 ? r : 0;
}

static int open_for_admin(const char *name, struct sr_ring **ret)
{
	struct sr_tpm *tpm = NULL;
	int r = load(name, ret);

	if (r == 0)
		r = open_tpm(NULL, &tpm, &err);
	if (r == 0)
		r = sr_ring_open_for_admin(*ret, tpm, NULL, &err);
	sr_tpm_close(tpm);
	return r;
}

/* wrap RING NAME <secret >envelope */
static int cmd_wrap(char **argv)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	struct sr_ring *ring = NULL;
	uint8_t *envelope = NULL;
	size_t size;
	int r = open_for_admin(argv[0], &ring);

	if (r == 0)
		r = sr_secret_read(0, "input", 4096, &secret, &err);
	if (r == 0)
		r = sr_ring_wrap(ring, argv[1], &secret, &envelope, &size, &err);
	if (r == 0)
		r = write_out(envelope, size);
	free(envelope);
	sr_ring_free(ring);
	return r;
}

/* secret RING NAME: print it */
static int cmd_secret(char **argv)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	struct sr_ring *ring = NULL;
	int r = open_for_admin(argv[0], &ring);

	if (r == 0)
		r = sr_ring_unseal(ring, argv[1], &secret, &err);
	if (r == 0)
		r = write_out(secret.data, secret.size);
	sr_ring_free(ring);
	return r;
}

/* key RING: what must be nowhere */
static int cmd_key(char **argv)
{
	struct sr_ring *ring = NULL;
	int r = open_for_admin(argv[0], &ring);

	if (r == 0)
		r = write_out(ring->key.data, ring->key.size);
	sr_ring_free(ring);
	return r;
}

/* The object's policy follows the statements, as somebody would have made it. */
static void add_step(struct sr_tpmkey *key, TPM2_CC code)
{
	struct sr_policy_step step = { .code = code };

	if (code == TPM2_CC_PolicyLocality)
		step.locality = 1;
	key->policy.step[key->policy.count++] = step;
	(void)sr_policy_digest(&key->policy, &key->pub.publicArea.authPolicy, NULL);
}

static void change(struct sr_tpmkey *key, const char *kind)
{
	TPMA_OBJECT *attributes = &key->pub.publicArea.objectAttributes;

	if (strcmp(kind, "parent") == 0)
		key->parent = 0x81000002;
	if (strcmp(kind, "loadable") == 0)
		key->type = SR_TPMKEY_LOADABLE;
	if (strcmp(kind, "noda") == 0 || strcmp(kind, "pin") == 0)
		*attributes &= ~(TPMA_OBJECT)TPMA_OBJECT_NODA;
	if (strcmp(kind, "pin") == 0)
		add_step(key, TPM2_CC_PolicyAuthValue);
	if (strcmp(kind, "locality") == 0)
		add_step(key, TPM2_CC_PolicyLocality);
	if (strcmp(kind, "nopolicy") == 0)
		key->policy.count = 0;
}

/* forge KIND PARTS: its first approval, made otherwise */
static int cmd_forge(char **argv)
{
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *key = NULL;
	_cleanup_buf_ struct sr_buf was = { 0 }, is = { 0 };
	struct sr_ring_parts parts = { 0 };
	int r;

	read_parts(argv[1], &parts);
	r = sr_base64_parse(parts.approvals[0], 4096, &was, &err);
	if (r == 0)
		r = sr_tpmkey_read(&was, &key, &err);
	if (r < 0)
		return r;
	change(key, argv[0]);
	r = strcmp(argv[0], "pem") == 0 ? sr_tpmkey_write(key, NULL, &is, &err)
					: sr_tpmkey_write_der(key, &is, &err);
	if (r < 0)
		return r;
	free(parts.approvals[0]);
	parts.approvals[0] = malloc(SR_BASE64_SIZE(is.size));
	sr_base64_format(is.data, is.size, parts.approvals[0]);
	print_parts(&parts);
	sr_ring_parts_done(&parts);
	return 0;
}

/* What carries approvals, as LUKS2 headers do: "envelope" under the old key, the new one's
 * under "envelope.new". The call with this number fails. */
static int fail_at;

static int wrap_again(struct sr_ring *ring, struct sr_ring *old)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	_cleanup_buf_ struct sr_buf was = { 0 }, is = { 0 };
	int r = sr_read_file(AT_FDCWD, "envelope", 8192, &was, &err);

	if (r == 0)
		r = sr_ring_unwrap(old, "luks-x", was.data, was.size, &secret, &err);
	if (r == 0)
		r = sr_ring_wrap(ring, "luks-x", &secret, &is.data, &is.size, &err);
	return r < 0 ? r
		     : sr_replace_file(AT_FDCWD, "envelope.new", &is, 0600, NULL, &err);
}

static int follow(void *arg, struct sr_ring *ring, struct sr_ring *old, bool settled,
		  struct sr_err *why)
{
	struct sr_ring_parts parts = { 0 };
	static int calls;
	int r = sr_ring_parts_get(ring, &parts, why);

	(void)arg;
	if (r == 0)
		printf("%zu approvals%s%s\n", parts.count, old ? ", old key" : "",
		       settled ? ", settled" : "");
	sr_ring_parts_done(&parts);
	if (r == 0 && ++calls == fail_at)
		r = sr_fail(why, -EIO, "a header cannot be written");
	if (r == 0 && old)
		r = wrap_again(ring, old);
	return r;
}

static const struct sr_follow following = { .follow = follow };

/* now RING [N]: seal it to the present state; the N-th call of what follows fails */
static int cmd_now(char **argv)
{
	struct sr_ring_options options = { .follow = &following };
	struct sr_ring *ring = NULL;
	struct sr_tpm *tpm = NULL;
	int r = load(argv[0], &ring);

	fail_at = argv[1] ? atoi(argv[1]) : 0;
	if (r == 0)
		r = open_tpm(NULL, &tpm, &err);
	if (r == 0)
		r = sr_ring_reseal(ring, tpm, NULL, &options, &err);
	sr_tpm_close(tpm);
	sr_ring_free(ring);
	return r < 0 ? r : 0;
}

/* rotate RING [N]: the same with a new key, and no recovery */
static int cmd_rotate(char **argv)
{
	struct sr_ring_options options = { .follow = &following };
	struct sr_ring *ring = NULL;
	struct sr_tpm *tpm = NULL;
	int r = open_for_admin(argv[0], &ring);

	fail_at = argv[1] ? atoi(argv[1]) : 0;
	if (r == 0)
		r = open_tpm(NULL, &tpm, &err);
	if (r == 0)
		r = sr_ring_rotate(ring, tpm, &options, NULL, &err);
	sr_tpm_close(tpm);
	sr_ring_free(ring);
	return r;
}

/* admin RING: open it to be changed */
static int cmd_admin(char **argv)
{
	struct sr_ring *ring = NULL;
	int r = open_for_admin(argv[0], &ring);

	sr_ring_free(ring);
	return r;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(char **argv);
	} commands[] = {
		{ "take", cmd_take },	    { "wrap", cmd_wrap },
		{ "open", cmd_open },	    { "cached", cmd_cached },
		{ "revoke", cmd_revoke },   { "note", cmd_note },
		{ "volumes", cmd_volumes }, { "admin", cmd_admin },
		{ "secret", cmd_secret },   { "key", cmd_key },
		{ "forge", cmd_forge },	    { "now", cmd_now },
		{ "rotate", cmd_rotate },
	};

	for (size_t i = 0; argc > 1 && i < SR_COUNT(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0) {
			int r = commands[i].run(argv + 2);

			sr_store_close(store);
			return r < 0 ? fail(r) : 0;
		}
	return 2;
}
