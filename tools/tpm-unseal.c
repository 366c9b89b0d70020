/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-unseal: open secrets and deliver them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "choices.h"
#include "tool.h"
#include "withdraw.h"

static const char *output, *fd_number, *credential, *sealed_file, *escrow_key;
static const char *timeout, *permissions;
static struct sr_keyring target;
static bool all, configured, withdraw;

static const struct option_row options[] = {
	{ 'o', "output", OPTION_TEXT, &output, "FILE",
	  "write to FILE (0600); - is stdout", NULL },
	{ 0, "fd", OPTION_TEXT, &fd_number, "N", "write to the open file descriptor N",
	  NULL },
	{ 'k', "keyring", OPTION_TEXT, &target.keyring, "KEYRING",
	  "@s, @u, @us, @p, name or id", NULL },
	{ 0, "type", OPTION_TEXT, &target.type, "TYPE", "user, logon or big_key", NULL },
	{ 0, "description", OPTION_TEXT, &target.description, "TEXT",
	  "instead of sealring:NAME", NULL },
	{ 0, "timeout", OPTION_TEXT, &timeout, "SECONDS",
	  "the kernel forgets the key then", NULL },
	{ 0, "permissions", OPTION_TEXT, &permissions, "MASK",
	  "as keyctl setperm takes it", NULL },
	{ 'c', "credential", OPTION_MAY_TEXT, &credential, "DIR",
	  "as DIR/NAME (" CREDSTORE ")", NULL },
	{ 0, "configured", OPTION_FLAG, &configured, NULL, "where secrets.d says", NULL },
	{ 0, "withdraw", OPTION_FLAG, &withdraw, NULL,
	  "take back what --configured delivers", NULL },
	{ 'a', "all", OPTION_FLAG, &all, NULL, "every secret", NULL },
	{ 0, "file", OPTION_TEXT, &sealed_file, "FILE",
	  "a sealed TPM key file, any tool's", NULL },
	{ 0, "pin-file", OPTION_TEXT, &choices.pin_file, "FILE", "read the PIN from FILE",
	  NULL },
	{ 0, "recovery-key-file", OPTION_TEXT, &choices.recovery_key_file, "FILE",
	  "open with the recovery key, without TPM", NULL },
	{ 0, "escrow-key", OPTION_TEXT, &escrow_key, "FILE", "open with this private key",
	  NULL },
	{ 0 },
};

static int write_stdout(const struct sr_secret *secret, struct sr_err *err)
{
	if (!output && isatty(STDOUT_FILENO))
		return sr_fail(err, -EINVAL,
			       "a secret is not shown on a terminal unless you insist: "
			       "--output -");
	return sr_secret_write(secret, STDOUT_FILENO, "standard output", err);
}

static int write_fd(const struct sr_secret *secret, struct sr_err *err)
{
	uint64_t fd;
	int r = sr_number_parse(fd_number, INT32_MAX, &fd, err);

	return r < 0 ? r : sr_secret_write(secret, (int)fd, "the file descriptor", err);
}

static int put_keyring(const struct sr_keyring *wanted, const char *name,
		       const struct sr_secret *secret, struct sr_err *err)
{
	struct sr_keyring here = *wanted;
	_cleanup_free_ char *description = NULL;
	int32_t serial;

	if (!here.description) {
		if (asprintf(&description, "sealring:%s", name) < 0)
			return sr_fail(err, -ENOMEM, "out of memory");
		here.description = description;
	}
	serial = sr_keyring_put(&here, secret, err);
	if (serial < 0)
		return serial;
	tool_say("%s is key %d, %s, in %s", name, serial, here.description,
		 here.keyring ? here.keyring : "@u");
	return 0;
}

static int put_credential(const char *directory, const char *name,
			  const struct sr_secret *secret, struct sr_err *err)
{
	int r = sr_credential_put(directory, name, secret, err);

	if (r == 0)
		tool_say("%s is in %s", name, directory);
	return r;
}

static const char *credential_dir(void)
{
	return credential && *credential ? credential : CREDSTORE;
}

static int deliver_configured(struct sr_store *store, const char *ring, const char *name,
			      const struct sr_secret *secret, struct sr_err *err)
{
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };
	int r = withdraw_read(store, name, &delivery, err);

	if (r < 0)
		return r;
	if (delivery.ring && strcmp(delivery.ring, ring) != 0)
		return sr_fail(
		    err, -EINVAL,
		    "secret %s is under ring %s, but secrets.d says Ring=%s: not "
		    "delivered",
		    name, ring, delivery.ring);
	if (!delivery.has_keyring && !delivery.credential)
		return sr_fail(err, -EINVAL, "secrets.d says no place for secret %s",
			       name);
	if (delivery.has_keyring)
		r = put_keyring(&delivery.keyring, name, secret, err);
	if (r == 0 && delivery.credential)
		r = put_credential(credential_dir(), delivery.credential, secret, err);
	return r;
}

static bool wants_keyring(void)
{
	return target.keyring || target.type || target.description || timeout ||
	       permissions;
}

static int deliver(struct sr_store *store, const char *ring, const char *name,
		   const struct sr_secret *secret, struct sr_err *err)
{
	if (configured)
		return deliver_configured(store, ring, name, secret, err);
	if (wants_keyring())
		return put_keyring(&target, name, secret, err);
	if (credential)
		return put_credential(credential_dir(), name, secret, err);
	if (fd_number)
		return write_fd(secret, err);
	if (output && strcmp(output, "-") != 0)
		return tool_save(output, secret, true, err);
	return write_stdout(secret, err);
}

static int connect_tpm(void *arg, struct sr_tpm **ret, struct sr_err *err)
{
	return tool_tpm(arg, ret, err);
}

/* Volumes need the same ring in a moment; and the latch has to know what was opened. */
static int open_early(struct sr_store *store, struct sr_ring *ring, struct sr_err *err)
{
	const struct sr_ring_opener opener = { .tpm = connect_tpm, .arg = store };
	_cleanup_free_ char *runtime = tool_runtime_dir();
	char cause[SR_CAUSE_MAX] = "";
	int r = sr_ring_open_cached(ring, &opener, err);

	if (r < 0) {
		if (r == -EKEYREJECTED && sr_ring_cause(ring, store, cause))
			tool_warn("likely cause: %s", cause);
		(void)sr_boot_note_failed(runtime, ring, err, cause, NULL);
		return r;
	}
	r = sr_boot_note_opened(runtime, ring, err);
	if (r < 0)
		sr_ring_cache_drop(ring);
	return r;
}

/* The TPM is asked for at the first ring: a recovery key needs none. */
static int open_ring(struct sr_store *store, struct sr_tpm **tpm, const char *name,
		     struct sr_ring *ring, struct sr_err *err)
{
	int r = 0;

	if (choices.recovery_key_file || escrow_key)
		return choices_open_recovery(ring, name, escrow_key, err);
	if (sr_in_initramfs())
		return open_early(store, ring, err);
	if (!*tpm)
		r = tool_tpm(store, tpm, err);
	return r < 0 ? r : sr_ring_open(ring, *tpm, choices_ask(), err);
}

static int unseal_one(struct sr_store *store, struct sr_ring *ring, const char *where,
		      const char *name, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	int r = sr_ring_unseal(ring, name, &secret, err);

	return r < 0 ? r : deliver(store, where, name, &secret, err);
}

static int unseal_name(struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	_cleanup_tpm_ struct sr_tpm *tpm = NULL;
	char where[SR_NAME_MAX + 1];
	int r = sr_store_find(store, name, where, err);

	if (r == 0)
		r = sr_ring_load(store, where, &ring, err);
	if (r == 0)
		r = open_ring(store, &tpm, where, ring, err);
	return r < 0 ? r : unseal_one(store, ring, where, name, err);
}

/* With --configured, "all" means those that secrets.d knows. */
static bool is_wanted(struct sr_store *store, const char *name)
{
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };

	return !configured || sr_delivery_read(store, name, &delivery, NULL) != -ENOENT;
}

static void keep_wanted(struct sr_store *store, char **names)
{
	char **to = names;

	for (char **name = names; *name; name++) {
		if (is_wanted(store, *name))
			*to++ = *name;
		else
			free(*name);
	}
	*to = NULL;
}

static size_t strv_count(char **strv)
{
	size_t count = 0;

	while (strv[count])
		count++;
	return count;
}

static int unseal_ring(struct sr_store *store, struct sr_tpm **tpm, const char *name,
		       struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	_cleanup_strv_ char **names = NULL;
	size_t count;
	int r = sr_ring_load(store, name, &ring, err);

	if (r == 0)
		r = sr_ring_secrets(ring, &names, err);
	if (r < 0)
		return r;
	keep_wanted(store, names);
	if (!names[0])
		return 0;
	count = strv_count(names);
	r = open_ring(store, tpm, name, ring, err);
	for (size_t i = 0; r == 0 && names[i]; i++) {
		struct sr_err why = { 0 };
		int failed = unseal_one(store, ring, name, names[i], &why);

		if (failed < 0)
			tool_complain(failed, &why);
		tool_progress((void *)"delivering", i + 1, count);
	}
	return r;
}

/* What fails does not keep the rest from being delivered. */
static int unseal_all(struct sr_store *store, struct sr_err *err)
{
	_cleanup_tpm_ struct sr_tpm *tpm = NULL;
	_cleanup_strv_ char **rings = NULL;
	int r = sr_store_rings(store, &rings, err);

	for (char **ring = rings; r >= 0 && *ring; ring++) {
		struct sr_err why = { 0 };
		int failed = unseal_ring(store, &tpm, *ring, &why);

		if (failed < 0)
			tool_complain(failed, &why);
	}
	return r < 0 ? r : 0;
}

static int unseal_file(struct sr_store *store, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	_cleanup_tpm_ struct sr_tpm *tpm = NULL;
	int r = tool_tpm(store, &tpm, err);

	if (r == 0)
		r = sr_file_unseal(sealed_file, tpm, choices_ask(), &secret, err);
	return r < 0 ? r : deliver(store, "", "file", &secret, err);
}

static int parse_numbers(struct sr_err *err)
{
	uint64_t number;
	int r = 0;

	if (fd_number) {
		r = sr_number_parse(fd_number, INT32_MAX, &number, err);
		if (r == 0 && fcntl((int)number, F_GETFD) < 0)
			return sr_fail(err, -EINVAL,
				       "--fd %s is not an open file descriptor",
				       fd_number);
	}
	if (timeout) {
		r = sr_number_parse(timeout, UINT32_MAX, &number, err);
		target.timeout = (unsigned int)number;
	}
	if (r == 0 && permissions) {
		r = sr_number_parse(permissions, UINT32_MAX, &number, err);
		target.permissions = (uint32_t)number;
	}
	return r;
}

static int check_options(int argc, struct sr_err *err)
{
	int ways = !!output + !!fd_number + wants_keyring() +
		   (credential && !configured) + configured;

	if (ways > 1)
		return sr_fail(err, -EINVAL, "choose one way of delivery: see --help");
	if (!!argc + all + !!sealed_file != 1)
		return sr_fail(err, -EINVAL,
			       "give one of NAME, --all, --file FILE: see --help");
	if (all && !configured && !wants_keyring() && !credential)
		return sr_fail(err, -EINVAL,
			       "--all goes with --configured, --keyring or "
			       "--credential");
	if (all && target.description)
		return sr_fail(err, -EINVAL,
			       "--all and --description exclude each other: the "
			       "keys would replace one another");
	if (sealed_file && configured)
		return sr_fail(err, -EINVAL,
			       "--file and --configured exclude each other: "
			       "secrets.d speaks of secrets by name");
	if (withdraw && (!configured || !argc))
		return sr_fail(err, -EINVAL,
			       "--withdraw goes with --configured and NAME");
	return parse_numbers(err);
}

static int run(int argc, char **argv, struct sr_err *err)
{
	_cleanup_store_ struct sr_store *store = NULL;
	int r = check_options(argc, err);

	tool_quick_crypto(choices.recovery_key_file || escrow_key ? CRYPTO_RECOVERY
								  : CRYPTO_OWN);
	if (r == 0)
		r = tool_store(&store, err);
	if (r < 0)
		return r;
	if (withdraw)
		return withdraw_secret(store, argv[0], credential_dir(), err);
	if (sealed_file)
		return unseal_file(store, err);
	return all ? unseal_all(store, err) : unseal_name(store, argv[0], err);
}

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-unseal",
		.usage = "[OPTIONS] NAME | --all | --file FILE",
		.summary =
		    "Open a secret while the boot state is the approved one, and deliver "
		    "it.",
		.options = options,
		.min = 0,
		.max = 1,
		.run = run,
	};

	return tool_main(&tool, argc, argv);
}
