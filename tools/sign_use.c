/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: signing and verifying. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "sign_ask.h"
#include "sign_daemon.h"

#define SIGNATURE_MAX 16384 /* bytes in a file with a signature */

static int hex_digit(char letter)
{
	return letter >= '0' && letter <= '9'	? letter - '0'
	       : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
	       : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10
						: -1;
}

/* "d2a84f...", as sha256sum writes it, with or without a newline. */
static bool from_hex(const struct sr_secret *text, size_t size, struct sr_digest *ret)
{
	if (text->size < 2 * size || text->size > 2 * size + 1 ||
	    (text->size > 2 * size && text->data[2 * size] != '\n'))
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit((char)text->data[2 * i]);
		int low = hex_digit((char)text->data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret->data[i] = (uint8_t)(high << 4 | low);
	}
	ret->size = size;
	return true;
}

/* The sizes of hashes are their names: "sha256" has 256 bits. */
static int take_digest(const char *file, const char *hash, struct sr_digest *ret,
		       struct sr_err *err)
{
	size_t size = (size_t)strtoul(hash + strlen("sha"), NULL, 10) / 8;
	_cleanup_secret_ struct sr_secret text = { 0 };
	int r = choices_read_file(file, 2 * SR_DIGEST_BYTES + 1, &text, err);

	if (r < 0)
		return r;
	if (text.size == size) {
		memcpy(ret->data, text.data, size);
		ret->size = size;
		return 0;
	}
	return from_hex(&text, size, ret)
		   ? 0
		   : sr_fail(
			 err, -EINVAL,
			 "%s: a digest of %s has %zu bytes, or %zu hexadecimal digits",
			 file, hash, size, 2 * size);
}

static int read_digest(const char *file, const char *hash, struct sr_digest *ret,
		       struct sr_err *err)
{
	_cleanup_close_ int fd = -1;

	if (sign_choices.digest && strcmp(hash, "none") == 0)
		return sr_fail(err, -EINVAL,
			       "--digest: Ed25519 and Ed448 sign the message itself, "
			       "never its hash");
	if (sign_choices.digest)
		return take_digest(file, hash, ret, err);
	if (strcmp(file, "-") == 0) {
		int in = choices_standard_input(err);

		return in < 0 ? in : sr_digest_read(in, "standard input", hash, ret, err);
	}
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot open %s", file);
	return sr_digest_read(fd, file, hash, ret, err);
}

static int write_beside(const char *file, const struct sr_signature *signature,
			struct sr_err *err)
{
	_cleanup_free_ char *name = NULL;

	if (asprintf(&name, "%s.sig", file) < 0)
		return sr_fail(err, -ENOMEM, "out of memory");
	return key_save(name, signature->data, signature->size, err);
}

/* What signing works with: one digest and one signature for each file. */
struct batch {
	char **files;
	size_t count;
	struct sr_digest *digests;
	struct sr_signature *signatures;
};

static void batch_done(struct batch *batch)
{
	for (size_t i = 0; batch->signatures && i < batch->count; i++)
		free(batch->signatures[i].data);
	for (size_t i = 0; batch->digests && i < batch->count; i++)
		sr_digest_done(&batch->digests[i]);
	free(batch->signatures);
	free(batch->digests);
}

static int batch_read(struct batch *batch, const char *hash, struct sr_err *err)
{
	int r = 0;

	batch->digests = calloc(batch->count, sizeof(*batch->digests));
	batch->signatures = calloc(batch->count, sizeof(*batch->signatures));
	if (!batch->digests || !batch->signatures)
		return sr_fail(err, -ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < batch->count; i++)
		r = read_digest(batch->files[i], hash, &batch->digests[i], err);
	return r;
}

static int fail_look(const char *file, struct sr_err *err)
{
	return sr_fail_sys(err, errno, "%s: cannot see which file it is", file);
}

static int find_input(const struct batch *batch, const struct stat *inputs,
		      const char *output, struct sr_err *err)
{
	struct stat st;

	if (stat(output, &st) < 0)
		return errno == ENOENT ? 0 : fail_look(output, err);
	if (!S_ISREG(st.st_mode))
		return 0;
	for (size_t i = 0; i < batch->count; i++)
		if (inputs[i].st_ino == st.st_ino && inputs[i].st_dev == st.st_dev)
			return sr_fail(
			    err, -EINVAL,
			    "%s is to be signed, and a signature would take "
			    "its place: leave it out, or write to another file",
			    batch->files[i]);
	return 0;
}

/* Where all files of a directory are signed, the signatures of last time are among them. */
static int check_outputs(const struct batch *batch, const char *output,
			 struct sr_err *err)
{
	_cleanup_free_ struct stat *inputs = calloc(batch->count, sizeof(*inputs));
	int r = 0;

	if (!inputs)
		return sr_fail(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < batch->count; i++)
		if (stat(batch->files[i], &inputs[i]) < 0 && errno != ENOENT)
			return fail_look(batch->files[i], err);
	if (batch->count == 1)
		return output ? find_input(batch, inputs, output, err) : 0;
	for (size_t i = 0; r == 0 && i < batch->count; i++) {
		_cleanup_free_ char *name = NULL;

		if (strcmp(batch->files[i], "-") == 0)
			return sr_fail(
			    err, -EINVAL,
			    "-: standard input has no FILE.sig: sign it alone");
		if (asprintf(&name, "%s.sig", batch->files[i]) < 0)
			return sr_fail(err, -ENOMEM, "out of memory");
		r = find_input(batch, inputs, name, err);
	}
	return r;
}

static int batch_write(const struct batch *batch, bool text, struct sr_err *err)
{
	int r = 0;

	if (batch->count == 1)
		return key_output(batch->signatures[0].data, batch->signatures[0].size,
				  text, err);
	for (size_t i = 0; r == 0 && i < batch->count; i++)
		r = write_beside(batch->files[i], &batch->signatures[i], err);
	return r;
}

static int sign_direct(const char *name, const struct sr_sign_options *options,
		       struct batch *batch, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	const char *hash = NULL;
	int r = key_work_load(&work, name, false, err);

	if (r == 0)
		hash = sr_key_hash(work.key, options, err);
	if (r == 0 && !hash)
		r = -EINVAL;
	if (r == 0 && !batch->digests)
		r = batch_read(batch, hash, err);
	if (r == 0)
		r = tool_tpm(work.store, &work.tpm, err);
	return r < 0 ? r
		     : sr_key_sign(work.key, work.tpm, choices_ask(), options,
				   batch->digests, batch->count, batch->signatures, err);
}

/*
 * By the daemon, where there is one; the file of the key is its business. Of what is signed
 * itself it takes less than what can be signed.
 */
static int sign_served(struct daemon *daemon, struct sr_sign_options *options,
		       struct batch *batch, struct sr_err *err)
{
	int r = daemon_hash(daemon, options, err);

	if (r == 0)
		r = batch_read(batch, options->hash, err);
	if (r < 0)
		return r;
	return daemon_takes(batch->digests, batch->count)
		   ? daemon_sign(daemon, options, batch->digests, batch->count,
				 batch->signatures, err)
		   : sign_direct(daemon->key, options, batch, err);
}

int cmd_sign(int argc, char **argv, struct sr_err *err)
{
	static char *standard_input[] = { (char *)"-" };
	_cleanup_(batch_done) struct batch batch = {
		.files = argc > 1 ? argv + 1 : standard_input,
		.count = argc > 1 ? (size_t)argc - 1 : 1,
	};
	_cleanup_daemon_ struct daemon daemon = { 0 };
	struct sr_sign_options options;
	int r;

	tool_quick_crypto(CRYPTO_OWN);
	r = key_sign_options(&options, err);
	if (r == 0 && batch.count > 1 && sign_choices.output)
		r = sr_fail(err, -EINVAL,
			    "--output is for one file: each of several gets its own, "
			    "FILE.sig");
	if (r == 0)
		r = check_outputs(&batch, sign_choices.output, err);
	if (r == 0)
		r = daemon_find(argv[0], &daemon, err);
	if (r >= 0)
		r = r == 1 ? sign_served(&daemon, &options, &batch, err)
			   : sign_direct(argv[0], &options, &batch, err);
	return r < 0 ? r : batch_write(&batch, options.form == SR_SIGNATURE_SSH, err);
}

/* What verifying works with: the key, or its public part as the daemon has it. */
struct check {
	struct key_hand hand;
	struct sr_sign_options options;
	struct sr_digest digest;
	struct sr_secret content;
	struct sr_signature signature;
};

static void check_done(struct check *check)
{
	sr_digest_done(&check->digest);
	sr_secret_done(&check->content);
	key_hand_done(&check->hand);
}

/* Who verifies seldom has the key itself. */
static int check_load(struct check *check, const char *name, struct sr_err *err)
{
	struct key_hand *hand = &check->hand;
	int r = daemon_find_unreadable(name, &hand->daemon, err);

	r = key_hand_take(hand, r, name, false, err);
	return r == -EBADMSG && !hand->served && strchr(name, '/') &&
		       sr_key_load_public(name, &hand->work.key, NULL) == 0
		   ? 0
		   : r;
}

static int check_read(struct check *check, const char *file, struct sr_err *err)
{
	const char *hash = sr_key_hash(check->hand.work.key, &check->options, err);
	int r = hash ? choices_read_file(sign_choices.signature, SIGNATURE_MAX,
					 &check->content, err)
		     : -EINVAL;

	check->signature =
	    (struct sr_signature){ check->content.data, check->content.size };
	return r < 0 ? r : read_digest(file, hash, &check->digest, err);
}

/* -ENOKEY if it has been removed meanwhile. */
static int take_version(const struct check *check, unsigned int version,
			struct daemon *daemon, struct sr_key **ret, struct sr_err *err)
{
	char name[DAEMON_NAME_MAX + 1];
	int r;

	(void)snprintf(name, sizeof(name), "%s@%u", daemon_name(&check->hand.daemon),
		       version);
	r = daemon_find(name, daemon, err);
	if (r == 0) /* it was there a moment ago */
		return daemon_fail(&check->hand.daemon, err);
	return r < 0 ? r : daemon_key(daemon, ret, err);
}

/*
 * 1 or 0. What is no key at all has the same errno as a signature that is wrong, so that only
 * verifying may say no by it.
 */
static int is_of_version(const struct check *check, unsigned int version,
			 struct sr_err *err)
{
	_cleanup_daemon_ struct daemon daemon = { 0 };
	_cleanup_key_ struct sr_key *key = NULL;
	int r = take_version(check, version, &daemon, &key, err);

	if (r < 0)
		return r == -ENOKEY ? 0 : r;
	r = sr_key_verify(key, &check->options, &check->digest, &check->signature, err);
	return r == -EBADMSG ? 0 : r < 0 ? r : 1;
}

/* As sr_key_verify_any(). */
static int verify_served(const struct check *check, unsigned int *version,
			 struct sr_err *err)
{
	int r = sr_key_verify(check->hand.work.key, &check->options, &check->digest,
			      &check->signature, err);
	int found = 0;

	for (size_t i = 0; r == -EBADMSG && found == 0; i++) {
		unsigned int older = daemon_older(&check->hand.daemon, i);
		struct sr_err why = { 0 };

		if (older == 0)
			break;
		found = is_of_version(check, older, &why);
		if (found == 1)
			*version = older;
		else if (found < 0)
			*err = why;
	}
	return found < 0 ? found : found == 1 ? 0 : r;
}

int cmd_verify(int argc, char **argv, struct sr_err *err)
{
	_cleanup_(check_done) struct check check = { 0 };
	unsigned int version = 0;
	int r;

	tool_quick_crypto(CRYPTO_OWN);
	r = key_sign_options(&check.options, err);
	if (r == 0 && !sign_choices.signature)
		r = sr_fail(err, -EINVAL, "which signature? --signature FILE");
	if (r == 0)
		r = check_load(&check, argv[0], err);
	if (r == 0)
		r = check_read(&check, argc > 1 ? argv[1] : "-", err);
	if (r == 0)
		r = check.hand.served
			? verify_served(&check, &version, err)
			: sr_key_verify_any(check.hand.work.store, check.hand.work.key,
					    &check.options, &check.digest,
					    &check.signature, &version, err);
	if (r < 0)
		return r;
	if (version == 0)
		tool_say("good signature of key %s", argv[0]);
	else
		tool_say("good signature of key %s@%u, which has been replaced", argv[0],
			 version);
	return 0;
}
